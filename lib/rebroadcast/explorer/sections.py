"""What the explorer says in tables and sentences: small frames in, HTML out, every text escaped."""

import json
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from ..show import drawing
from ..show.parts import grid, table
from ..show.reader import Reader
from ..show.words import COLUMNS, cause_name, disposition_name, verdict_name, word
from .selection import Audience, Filters, Prepared

PRE = Markup("<pre>{}</pre>")
LINES = 6  # of waves, and of an import file that was only tried
# Of the columns of messages, in per cent.
WIDTHS = {
    "local_at": 12,
    "channel_id": 13,
    "contact_id": 11,
    "message_id": 16,
    "sender_type": 11,
    "cause": 14,
    "masked": 23,
}


def said(text: str, kind: str = "note") -> Markup:
    """One paragraph: a lead, a note or an error."""
    return Markup('<div class="rb-{}">{}</div>').format(kind, text) if text else Markup("")


def state(prepared: Prepared, shown: int, filters: list[str]) -> Markup:
    """How many messages are in view, what was chosen, and which rows are not counted."""
    reader = prepared.reader
    _, number = reader.gettext, reader.number
    lead = reader.ngettext(
        "{n} of {total} failed messages is shown",
        "{n} of {total} failed messages are shown",
        shown,
        total=number(prepared.total),
    )
    notes = [
        *([_("Filters: {list}", list=" · ".join(filters))] if filters else []),
        _(
            "Not counted: repeated rows {repeats}, unreadable rows {rejected}.",
            repeats=number(prepared.repeats),
            rejected=number(len(prepared.tables.inputs.export.rejected)),
        ),
        _("Time zone: {zone}.", zone=reader.zone_name),
    ]
    return said(lead, "lead") + Markup("").join(map(said, notes))


def messages(reader: Reader, page: list[dict]) -> Markup:
    """A page of messages; what a message says, where it was read, goes below its error."""
    rows, lang = [], reader.lang
    for row in page:
        shown = row | {
            "cause": f"{cause_name(row['cause'], lang)} · {verdict_name(row['verdict'], lang)}",
            "local_at": row["local_at"] and f"{row['local_at']:%Y-%m-%d %H:%M:%S}",
            "channel_id": row["channel_id"] and reader.channel(row["channel_id"]),
        }
        if content := _said(row.get("content")):
            error = Markup('{}<div class="rb-said">{}</div>')
            shown["masked"] = error.format(shown["masked"] or "", content)
        rows.append(["" if shown[column] is None else shown[column] for column in WIDTHS])
    heads = pd.Index([""] * len(WIDTHS))  # the buttons above them
    return table(
        pd.DataFrame(rows, columns=heads, dtype=object), widths=WIDTHS.values(), kind="rb-table"
    )


def _said(content: str | None) -> str:
    """What was sent, of the JSON in which the platform keeps it."""
    with suppress(ValueError, AttributeError, TypeError):
        return json.loads(content or "").get("text") or content or ""
    return content or ""


def audience(reader: Reader, filters: Filters, found: Audience) -> Markup:
    """How many can be reached again, what makes that less sure, the rows of each disposition."""
    _ = reader.gettext
    lead = reader.ngettext(
        "{n} contact can be reached again", "{n} contacts can be reached again", found.people
    )
    notes = {
        _("All failures of the contacts in view count, also those of other causes."): (
            filters.cause or filters.verdict or filters.text
        ),
        _("Broadcast messages only; choose a sender type for others."): found.only_broadcasts,
    }
    counts = {name: n for name, n in found.counts.items() if n}
    rows = word(COLUMNS, "rows", reader.lang)
    listed = grid(
        {
            _("What became of each row of the files"): [
                disposition_name(name, reader.lang) for name in counts
            ],
            rows: [reader.number(n) for n in counts.values()],
        },
        numbers=[rows],
        widths=(75, 25),
        kind="rb-table",
    )
    return (
        said(lead, "lead")
        + said(" ".join(note for note, holds in notes.items() if holds))
        + Markup("").join(said(reader.said(doubt), "warning") for doubt in found.doubts)
        + listed
    )


def waves(reader: Reader, frame: pd.DataFrame, beyond: int) -> Markup:
    """When to send to whom, and how many contacts are on channels whose limit is not known."""
    lang, shown = reader.lang, frame.head(LINES)
    contacts = word(COLUMNS, "contacts", lang)
    listed = grid(
        {
            word(COLUMNS, "wave", lang): [drawing.wave(wave, lang) for wave in shown["wave"]],
            word(COLUMNS, "start", lang): [lang.datetime(start) for start in shown["start"]],
            word(COLUMNS, "channel", lang): shown["channel"],
            contacts: [reader.number(count) for count in shown["contacts"]],
        },
        numbers=[contacts],
        widths=(18, 32, 27, 23),
        kind="rb-table",
    )
    rest = len(frame) - len(shown)
    more = {
        reader.ngettext("{n} more wave follows.", "{n} more waves follow.", rest): rest,
        reader.ngettext(
            "{n} contact is on a channel without a known limit.",
            "{n} contacts are on channels without a known limit.",
            beyond,
        ): beyond,
    }
    return Markup("<br>") + listed + said(" ".join(text for text, n in more.items() if n))


def files(reader: Reader, written: list[dict], folder: Path, dry: bool) -> Markup:
    """The import files: where they are, or (dry) what they would be, with the first lines of the
    first.
    """
    _ = reader.gettext
    if not written:
        return said(_("Nobody in this view can be reached again, so there is no import file."))
    contacts = word(COLUMNS, "contacts", reader.lang)
    listed = grid(
        {
            _("File"): [file["file"] for file in written],
            _("Tag"): [file["tag"] for file in written],
            contacts: [reader.number(file["contacts"]) for file in written],
        },
        numbers=[contacts],
        widths=(45, 35, 20),
        kind="rb-table",
    )
    if not dry:
        return said(_("The import files are in {folder}.", folder=folder)) + listed
    with (folder / written[0]["file"]).open(encoding="utf-8") as lines:
        first = PRE.format("".join(islice(lines, LINES)))
    return said(_("This would be written; the first file begins as below.")) + listed + first


def saved(reader: Reader, paths: list[Path]) -> Markup:
    """Where tonight's run is, and what runs it."""
    parameters, batch = paths
    told = reader.gettext(
        "Saved: the same filters and tag for tonight's run. Either of these runs them:"
    )
    return (
        said(told)
        + PRE.format(f"papermill notebooks/tag_import.ipynb out.ipynb -f {parameters}")
        + PRE.format(f"rebroadcast batch {batch}")
    )
