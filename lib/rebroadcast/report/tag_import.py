"""The text of the recovery: who is tagged, what to fix, the steps on the platform, and what came of
it, as HTML.
"""

from datetime import datetime

from IPython.display import HTML
from markupsafe import Markup

from ..bench.warnings import warnings
from ..bench.workbench import Workbench
from ..show.parts import SAFE_ROWS, html, ordered, p, table
from ..show.words import cause_name, disposition_name, meaning
from ..verbs.recover import Recovery
from .frame import status


def tagged(bench: Workbench, files: list[dict]) -> HTML:
    """Who is tagged, in one sentence, and what became of the other rows."""
    _, n = bench.lang.gettext, bench.lang.ngettext
    total = sum(f["contacts"] for f in files)
    sentence = n("{n} contact can be reached again.", "{n} contacts can be reached again.", total)
    kept = {k: v for k, v in bench.counts.items() if k in ("never", "fix_first", "unknown") and v}
    if kept:
        listed = "; ".join(
            f"{disposition_name(k, bench.lang)}: {bench.lang.number(v)}" for k, v in kept.items()
        )
        sentence += " " + n(
            "{n} is left out ({listed}).",
            "{n} are left out ({listed}).",
            sum(kept.values()),
            listed=listed,
        )
    asked = (
        []
        if bench.text("sender_type") or not bench.has_broadcasts
        else [
            p(
                _(
                    "Only broadcast messages count here; name a sender type (sender_type) for"
                    " others."
                ),
                "fine",
            )
        ]
    )
    return html(
        p(sentence, "headline"), status(bench), *asked, *(p(w, "warning") for w in warnings(bench))
    )


def dispositions(bench: Workbench) -> HTML:
    """Every row of the files and what became of it."""
    _, lang = bench.lang.gettext, bench.lang
    rows = [
        [disposition_name(k, lang), lang.number(v), meaning(k, lang)]
        for k, v in bench.counts.items()
    ]
    rows.append([_("Rows in the files"), lang.number(sum(bench.counts.values())), ""])
    return html(table(rows, [_("Disposition"), _("Rows"), _("Rule")], numbers=(1,)))


def sends(bench: Workbench, files: list[dict]) -> Markup:
    """Which file, tag and segment goes out from when; nothing where all contacts are sent to at
    once.
    """
    _, lang = bench.lang.gettext, bench.lang
    planned = any("start" in w for w in bench.waves)
    if len(bench.waves) < 2 and not planned:
        return Markup("")
    rows = []
    for w in bench.waves:
        named = ", ".join(f["file"] for f in files if f["tag"] == w["tag"])
        when = (
            [
                lang.number(w["wave"]),
                lang.datetime(bench.wall_clock(datetime.fromisoformat(w["start"]))),
            ]
            if planned
            else []
        )
        rows.append([*when, w["tag"], named, lang.number(w["contacts"])])
    header = [
        *(
            [_("Wave"), _("Send from ({zone})", zone=bench.lang.zone(bench.timezone))]
            if planned
            else []
        ),
        _("Tag"),
        _("File"),
        _("Contacts"),
    ]
    return table(rows, header, numbers=(len(header) - 1,))


def import_steps(bench: Workbench, files: list[dict]) -> HTML:
    """The exact steps on the platform: import, segment, resend (the platform's help on failed
    broadcasts).
    """
    _, n = bench.lang.gettext, bench.lang.ngettext
    names = ", ".join(f["file"] for f in files)
    if len(bench.waves) > 1:
        segments = [
            _("Create a segment for each tag of the table: Contact tag > has any of > the tag."),
            _(
                "A segment should hold as many contacts as the table says. If it holds fewer, look"
                " at the import’s result before you send."
            ),
            (
                _(
                    "Send the broadcast again, segment by segment, each no earlier than the table"
                    " says."
                )
                if any("start" in w for w in bench.waves)
                else _("Send the broadcast again, segment by segment.")
            ),
        ]
    else:
        segments = [
            *(
                _("Create a segment: Contact tag > has any of > {tag}.", tag=w["tag"])
                for w in bench.waves
            ),
            n(
                "The segment should hold {n} contact. If it holds fewer, look at the import’s"
                " result before you send.",
                "The segment should hold {n} contacts. If it holds fewer, look at the import’s"
                " result before you send.",
                sum(f["contacts"] for f in files),
            ),
            _("Send the broadcast again, to that segment only."),
        ]
    steps = [
        _(
            "Try one row first: make a copy of the file with the header and one contact, import it,"
            " and look at that contact’s tags."
        ),
        _("Open Contacts > Import contacts and add the CSV file: {files}.", files=names),
        _("Choose “Update existing contacts only”, and Contact ID as the identifier."),
        _("Check that Contact ID and Tags are mapped to the fields of the same names, and import."),
        *segments,
    ]
    note = _(
        "Whether an import adds to a contact’s tags or replaces them is not documented by the"
        " platform."
    )
    kept = (
        _("Existing tags were kept in each cell, from the contacts export.")
        if bench.contacts
        else _("Give the contacts export (contacts) and existing tags are kept in each cell.")
    )
    return html(sends(bench, files), ordered(steps), p(f"{note} {kept}", "fine"))


def fix_first(bench: Workbench, recovery: Recovery) -> HTML:
    """Contacts grouped by what must be changed before the message can reach them."""
    _, n, lang = bench.lang.gettext, bench.lang.ngettext, bench.lang
    rows = [
        [
            lang.number(int(r.contacts)),
            cause_name(r.cause, lang),
            r.title,
            r.fix,
            f"--fixed {r.cause}",
        ]
        for r in recovery.fix.head(SAFE_ROWS).itertuples()
    ]
    parts = []
    if bench.fixed:
        causes = ", ".join(cause_name(c, lang) for c in sorted(bench.fixed))
        parts.append(
            p(
                _(
                    "Taken as mended: {causes}. Decided by {who}.",
                    causes=causes,
                    who=bench.decided_by,
                )
            )
        )
    if not rows:
        return html(*parts, p(_("Nothing has to be changed first.")))
    parts.append(
        p(
            n(
                "{n} contact can be reached once something is changed. Change it, then run again"
                " with the words in the last column.",
                "{n} contacts can be reached once something is changed. Change it, then run again"
                " with the words in the last column.",
                int(recovery.fix["contacts"].sum()),
            )
        )
    )
    header = [_("Contacts"), _("Cause"), _("What it means"), _("What to do"), _("Then add")]
    return html(*parts, table(rows, header, numbers=(0,)))
