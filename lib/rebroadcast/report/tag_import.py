"""The text of the recovery: who is tagged, what to fix, the steps on the platform."""

from datetime import datetime
from pathlib import Path

from IPython.display import HTML
from markupsafe import Markup
from markupsafe import escape as html_escape

from ..bench.matching import AMBIGUOUS, MISSING
from ..bench.settings import Settings
from ..common import sheets
from ..show.parts import SAFE_ROWS, grid, html, ordered, p
from ..show.reader import Reader
from ..show.words import cause_name, disposition_name, meaning
from ..verbs.recover import NO_TAGS, Recovery
from .frame import broadcasts, status, tiles, warnings


def tagged(reader: Reader, found: Recovery, settings: Settings) -> HTML:
    """Who is tagged, in one sentence, and what became of the other rows."""
    _, n = reader.gettext, reader.ngettext
    sentence = n(
        "{n} contact can be reached again.", "{n} contacts can be reached again.", found.recoverable
    )
    left_out = ("never", "fix_first", "unknown")
    if kept := {k: v for k, v in found.counts.items() if k in left_out and v}:
        listed = "; ".join(
            f"{disposition_name(k, reader.lang, v)}: {reader.number(v)}" for k, v in kept.items()
        )
        sentence += " " + n(
            "{n} is left out ({listed}).",
            "{n} are left out ({listed}).",
            sum(kept.values()),
            listed=listed,
        )
    only = _("Only broadcast messages count here; name a sender type (sender_type) for others.")
    all_counted = settings.selection.sender_type or found.broadcasts.empty
    return html(
        p(sentence, "headline"),
        broadcasts(reader, found.broadcasts),
        tiles(reader, found.recoverable, found.broadcasts, found.counts),
        _now(reader, found),
        *warnings(reader, found.doubts),
        status(reader, found.facts),
        *([] if all_counted else [p(only, "fine")]),
    )


LINKS = 3  # more files than these are one folder


def _now(reader: Reader, found: Recovery) -> Markup:
    """What to do with the files, in short; `import_steps` has the clicks."""
    _ = reader.gettext
    if not found.files:
        return Markup("")
    names = [file["file"] for file in found.files]
    link = Markup('<a href="import/{}">import/{}</a>')
    each = Markup(", ").join(link.format(name, name) for name in names)
    links = each if len(names) <= LINKS else link.format("", "*.csv")
    lines: list[str] = [Markup(html_escape(_("Import {files}."))).format(files=links)]
    if found.steps is None:
        *segments, _holds, send = _segments(reader, found)
        lines += [*segments, send]  # how many it should hold is said below
    return Markup("<h3>{}</h3>").format(_("What to do now")) + ordered(lines, "next")


def dispositions(reader: Reader, found: Recovery) -> HTML:
    """Every row of the files and what became of it."""
    _, counts = reader.gettext, {name: rows for name, rows in found.counts.items() if rows}
    return html(
        grid(
            {
                _("Disposition"): [disposition_name(k, reader.lang) for k in counts]
                + [_("Rows in the files")],
                _("Rows"): [reader.number(n) for n in [*counts.values(), sum(counts.values())]],
                _("Rule"): [meaning(k, reader.lang) for k in counts] + [""],
            },
            numbers=[_("Rows")],
        )
    )


def sends(reader: Reader, found: Recovery) -> Markup:
    """Which file, tag and segment goes out from when; nothing where all contacts are sent to at
    once.
    """
    _, waves = reader.gettext, found.waves
    planned = any("start" in wave for wave in waves)
    if len(waves) < 2 and not planned:
        return Markup("")
    columns = {}
    if planned:
        columns = {
            _("Wave"): [reader.number(wave["wave"]) for wave in waves],
            _("Send from ({zone})", zone=reader.lang.zone(reader.zone)): [
                reader.instant(datetime.fromisoformat(wave["start"])) for wave in waves
            ],
        }
    if len({wave["broadcast"] for wave in waves}) > 1:
        columns[_("Broadcast")] = [wave["broadcast"] for wave in waves]
    columns |= {
        _("Tag"): [wave["tag"] for wave in waves],
        _("File"): [
            ", ".join(file["file"] for file in found.files if file["tag"] == wave["tag"])
            for wave in waves
        ],
        _("Contacts"): [reader.number(wave["contacts"]) for wave in waves],
    }
    return grid(columns, numbers=[_("Contacts")])


def import_steps(reader: Reader, found: Recovery, with_contacts: bool) -> HTML:
    """The exact steps on the platform: import, segment, resend (the platform's help on failed
    broadcasts).
    """
    _ = reader.gettext
    names = ", ".join(file["file"] for file in found.files)
    if found.steps is not None:
        return _vendor_steps(reader, found, names)
    steps = [
        _(
            "Try one row first: make a copy of the file with the header and one contact, import it,"
            " and look at that contact’s tags."
        ),
        _("Open Contacts > Import contacts and add the CSV file: {files}.", files=names),
        _("Choose “Update existing contacts only”, and Contact ID as the identifier."),
        _("Check that Contact ID and Tags are mapped to the fields of the same names, and import."),
        *_segments(reader, found),
    ]
    note = _(
        "Whether an import adds to a contact’s tags or replaces them is not documented by the"
        " platform."
    )
    kept = _("Give the contacts export (contacts) and existing tags are kept in each cell.")
    unknown = [doubt for doubt in found.doubts if doubt.kind == NO_TAGS]
    if any(doubt.weight >= found.recoverable for doubt in unknown):
        kept = _(
            "The contacts export has no tags to keep in the cells: an import that replaces tags"
            " would take off those that contacts have."
        )
    elif unknown:
        kept = _(
            "Existing tags were kept in the cells of the contacts that the contacts export has: an"
            " import that replaces tags would take off those of the others."
        )
    elif with_contacts:
        kept = _("Existing tags were kept in each cell, from the contacts export.")
    return html(sends(reader, found), ordered(steps), p(f"{note} {kept}", "fine"))


def _vendor_steps(reader: Reader, found: Recovery, names: str) -> HTML:
    """What to do in another vendor's system, as far as its menus are known."""
    _ = reader.gettext
    unknown = _(
        "The menus of this vendor's import are not known here: import the file where it takes"
        " contacts, and send the broadcast again to those contacts only."
    )
    return html(
        sends(reader, found),
        p(_("The files to import: {files}.", files=names)),
        ordered(found.steps) if found.steps else p(unknown),
    )


def _segments(reader: Reader, found: Recovery) -> list[str]:
    """The segments to create, how many contacts they should hold, and the broadcast to them."""
    _ = reader.gettext
    if len(found.waves) > 1:
        return [
            _("Create a segment for each tag of the table: Contact tag > has any of > the tag."),
            _(
                "A segment should hold as many contacts as the table says. If it holds fewer, look"
                " at the import’s result before you send."
            ),
            _("Send the broadcast again, segment by segment, each no earlier than the table says.")
            if any("start" in wave for wave in found.waves)
            else _("Send the broadcast again, segment by segment."),
        ]
    holds = reader.ngettext(
        "The segment should hold {n} contact. If it holds fewer, look at the import’s result before"
        " you send.",
        "The segment should hold {n} contacts. If it holds fewer, look at the import’s result"
        " before you send.",
        sum(file["contacts"] for file in found.files),
    )
    return [
        *(
            _("Create a segment: Contact tag > has any of > {tag}.", tag=wave["tag"])
            for wave in found.waves
        ),
        holds,
        _("Send the broadcast again, to that segment only."),
    ]


def fix_first(reader: Reader, found: Recovery, settings: Settings) -> HTML:
    """Contacts grouped by what must be changed before the message can reach them."""
    _, lang, parts = reader.gettext, reader.lang, []
    if settings.fixed:
        text = _(
            "Taken as mended: {causes}. Decided by {who}.",
            causes=", ".join(cause_name(cause, lang) for cause in sorted(settings.fixed)),
            who=settings.decider,
        )
        parts.append(p(text))
    if found.fix.empty:
        return html(*parts, p(_("Nothing has to be changed first.")))
    lead = reader.ngettext(
        "{n} contact can be reached once something is changed. Change it, then run again"
        " with the words in the last column.",
        "{n} contacts can be reached once something is changed. Change it, then run again"
        " with the words in the last column.",
        int(found.fix["contacts"].sum()),
    )
    fix = found.fix.head(SAFE_ROWS)
    listed = grid(
        {
            _("Contacts"): [reader.number(n) for n in fix["contacts"]],
            _("Cause"): [cause_name(cause, lang) for cause in fix["cause"]],
            _("What it means"): fix["title"],
            _("What to do"): fix["fix"],
            _("Then add"): [f"--fixed {cause}" for cause in fix["cause"]],
        },
        numbers=[_("Contacts")],
    )
    return html(*parts, p(lead), listed)


def checklist(reader: Reader, found: Recovery, folder: Path | None) -> None:
    """Write the rows of a log that are to be tagged by hand as `checklist.csv` and, to be printed,
    `checklist.html`, into the folder of the import files.
    """
    if folder is None or found.checklist is None or found.checklist.empty:
        return
    _, rows = reader.gettext, found.checklist
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sheets.write(rows, folder / "checklist.csv")
    reasons = {
        MISSING: _("no contact has this name"),
        AMBIGUOUS: _("several contacts have this name"),
    }
    rows = rows.astype(object).fillna("")
    listed = grid(
        {
            "☐": "☐",
            _("Time"): [str(at) for at in rows["local_at"]],
            _("Contact"): rows["contact_name"],
            _("Channel"): rows["channel"],
            _("Error"): rows["error"],
            _("Why by hand"): [reasons[problem] for problem in rows["problem"]],
        }
    )
    page = Markup(
        "<!doctype html><meta charset=utf-8><title>{0}</title><style>{1}</style><h1>{0}</h1>{2}"
    ).format(
        _("To be tagged by hand"),
        Markup("body{font:14px sans-serif}td,th{padding:4px 8px;text-align:left}"),
        listed,
    )
    (folder / "checklist.html").write_text(page, "utf-8")
