"""The text of the recovery: who is tagged, what to fix, the steps on the platform, and what came of
it, as HTML.
"""

import shlex
from datetime import datetime

from IPython.display import HTML
from markupsafe import Markup
from markupsafe import escape as html_escape

from .check import Check
from .exceptions import InputError
from .lazy import pd
from .recovery import DISPOSITIONS, Recovery
from .sections import SAFE_ROWS, html, ordered, p, status, table, verdict_label, warnings
from .words import cause_name, disposition_name, meaning
from .workbench import Workbench


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


def again(bench: Workbench) -> HTML:
    """How many contacts can be reached again, from when, and what is in the way of the others."""
    _, n, lang = bench.lang.gettext, bench.lang.ngettext, bench.lang
    try:
        rows = bench.fates
    except InputError as error:  # the messages export does not cover the failures
        return html(p(error, "warning"))
    counted = rows.group_by("disposition").aggregate(
        contacts=rows.count(),
        people=rows.contact_id.nunique(),
        first=rows.earliest.min(),
        last=rows.earliest.max(),
    )
    found = {r.disposition: r for r in counted.to_pandas().itertuples()}
    tagged, when = (
        found.get("tagged"),
        {
            "fix_first": _("after the change"),
            "unknown": _("look first"),
            "never": _("no"),
        },
    )
    bench.totals["recoverable"] = int(tagged.people) if tagged else 0
    sentence = n(
        "{n} contact can be reached again.",
        "{n} contacts can be reached again.",
        bench.totals["recoverable"],
    )
    if tagged and pd.notna(tagged.last):
        first, last = (
            lang.datetime(bench.wall_clock(t.to_pydatetime())) for t in (tagged.first, tagged.last)
        )
        when["tagged"] = (
            first if first == last else _("between {first} and {last}", first=first, last=last)
        )
    cells = [
        [
            disposition_name(k, lang),
            lang.number(int(found[k].contacts)),
            meaning(k, lang),
            when.get(k, "—"),
        ]
        for k in reversed(DISPOSITIONS)
        if k in found
    ]
    header = [_("Disposition"), _("Contacts"), _("Rule"), _("Another try")]
    each = sum(r.contacts for r in found.values()) > rows.contact_id.nunique().execute()
    note = _(
        "A contact who failed on several channels counts once on each, since each channel can reach"
        " them again or not."
    )
    return html(
        p(Markup("<strong>{}</strong>").format(sentence)),
        table(cells, header, numbers=(1,)),
        *[p(note, "fine")] * each,
    )


def steps_after_report(bench: Workbench) -> HTML:
    """From the report to the resend, in order; the clicks in detail are in the report of
    `recover`.
    """
    _ = bench.lang.gettext
    exports = bench.given["exports"]
    words = ["rebroadcast", "recover", *([exports] if isinstance(exports, str) else exports)]
    chosen = (
        bench.text("channel") or bench.broadcasts.channel_id.mode().execute()
    )  # a broadcast goes out on one
    words += ["--channel", chosen] if chosen else []
    for name in (
        "channels",
        "messages",
        "contacts",
        "timezone",
        "date_format",
        "rules",
        "from_",
        "to",
        "language",
    ):
        if (value := bench.text(name)) and (name, value) != ("language", "en"):
            words += [f"--{name.strip('_').replace('_', '-')}", value]
    command = Markup("<code>{}</code>").format(
        shlex.join([*words, "--tag", _("failed broadcast {date:%d%m%y}")])
    )
    steps = [
        _("Change what has to be changed first (the table under “Why” says what)."),
        Markup(
            html_escape(_("Write the tag-import file: {command}, or the notebook tag_import."))
        ).format(command=command),
        _("Open Contacts > Import contacts and add the CSV file: {files}.", files="import/*.csv"),
        _("Choose “Update existing contacts only”, and Contact ID as the identifier."),
        _("Create a segment: Contact tag > has any of > {tag}.", tag=_("the tag")),
        _("Send the broadcast again, to that segment only."),
        _("Afterwards export again and run “check”: it says who was reached."),
    ]
    return html(ordered(steps))


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


def checked(bench: Workbench, found: Check) -> HTML:
    """How many were reached, in one sentence, and what that can and cannot tell."""
    _, lang = bench.lang.gettext, bench.lang
    sums = found.outcomes.groupby("outcome")["contacts"].sum()
    facts = {
        k: lang.number(int(sums.get(k, 0)))
        for k in ("reached", "failed_again", "no_sign", "not_due", "not_known")
    }
    total = int(sums.sum())
    due = total - int(sums.get("not_due", 0))
    bench.totals |= {
        "attempted": due,
        "failed": int(sums.get("failed_again", 0)),
    }  # of the resend, in contacts
    if found.measured and due:
        sentence = _(
            "{reached} of the {due} contacts that were due have been reached ({share});"
            " {failed_again} failed again, {no_sign} show no sign of a send.",
            due=lang.number(due),
            share=lang.percent(int(sums.get("reached", 0)) / due),
            **facts,
        )
    elif due:
        sentence = _(
            "{failed_again} of the {due} contacts that were due failed again.",
            due=lang.number(due),
            **facts,
        )
    else:
        sentence = _("No contact is due yet; {not_due} wait for their wave.", **facts)
    parts = [p(sentence, "headline"), status(bench)]
    if not found.measured:
        parts.append(
            p(
                _(
                    "Without the messages export of the days after the resend, only new failures"
                    " can be seen. Whether the others were reached or never sent to cannot be told:"
                    " export Messages for those days and name it (messages)."
                ),
                "warning",
            )
        )
    elif sums.get("no_sign", 0):
        parts.append(
            p(
                _(
                    "{no_sign} contacts show no message at all since they were due. Check that the"
                    " import succeeded, that the segment's tag is spelled as in the file, and that"
                    " the broadcast was sent to that segment.",
                    **facts,
                ),
                "warning",
            )
        )
    if due < total:
        until = lang.datetime(bench.wall_clock(found.horizon))
        parts.append(
            p(
                _(
                    "The exports end on {until}; {not_due} contacts were not due by then.",
                    until=until,
                    **facts,
                )
            )
        )
    return html(*parts)


def failed_again(bench: Workbench, found: Check) -> HTML:
    """Why contacts failed again, and whether another try is worth it."""
    _, lang = bench.lang.gettext, bench.lang
    if found.again.empty:
        return html(p(_("No contact failed again.")))
    worth = {
        "wait": _("yes, later"),
        "fix": _("after the change"),
        "never": _("no"),
        "unknown": _("look first"),
    }
    rows = [
        [
            lang.number(int(r.contacts)),
            r.title,
            verdict_label(r.verdict, lang),
            worth.get(r.verdict, "—"),
            r.fix,
        ]
        for r in found.again.head(SAFE_ROWS).itertuples()
    ]
    header = [_("Contacts"), _("What it means"), _("Verdict"), _("Another try"), _("What to do")]
    return html(table(rows, header, numbers=(0,)))


def history(bench: Workbench, found: Check) -> HTML:
    """The recovery rate of each run, in order."""
    _, lang = bench.lang.gettext, bench.lang
    bench.table(found.runs, "runs")
    rows = []
    for r in found.runs.tail(SAFE_ROWS).itertuples():
        known = pd.notna(r.share)
        reached = [lang.number(int(r.reached)), lang.percent(r.share)] if known else ["—", "—"]
        rows.append(
            [
                r.broadcast,
                lang.datetime(bench.wall_clock(r.due_from)),
                lang.number(int(r.contacts)),
                lang.number(int(r.due)),
                *reached,
            ]
        )
    header = [
        _("Broadcast"),
        _("Due from"),
        _("Contacts"),
        _("Due"),
        _("Reached"),
        _("Recovery rate"),
    ]
    return html(table(rows, header, numbers=(2, 3, 4, 5)))
