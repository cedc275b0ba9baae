"""What the explorer says in tables and sentences: small frames in, HTML out, every text escaped."""

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from markupsafe import Markup

from ..bench.warnings import warnings
from ..bench.workbench import Workbench
from ..common.language import Language
from ..common.lazy import pd
from ..report.frame import zone_name
from ..show import drawing
from ..show.parts import table
from ..show.words import CAUSES, COLUMNS, DISPOSITIONS, VERDICTS, word
from .selection import Filters, Prepared

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
    bench, lang = prepared.bench, prepared.bench.lang
    lead = lang.ngettext(
        "{n} of {total} failed messages is shown",
        "{n} of {total} failed messages are shown",
        shown,
        total=lang.number(prepared.total),
    )
    notes = [lang.gettext("Filters: {list}", list=" · ".join(filters))] if filters else []
    aside = {
        "repeats": lang.number(bench.repeats),
        "rejected": lang.number(len(bench.export.rejected)),
    }
    notes.append(
        lang.gettext("Not counted: repeated rows {repeats}, unreadable rows {rejected}.", **aside)
    )
    notes.append(lang.gettext("Time zone: {zone}.", zone=zone_name(bench)))
    return said(lead, "lead") + Markup("").join(map(said, notes))


def messages(bench: Workbench, page: list[dict]) -> Markup:
    """A page of messages; what a message says, where it was read, goes below its row."""
    rows, name, lang = [], bench.channels.name, bench.lang
    for row in page:
        cause = f"{word(CAUSES, row['cause'], lang)} · {word(VERDICTS, row['verdict'], lang)}"
        shown = row | {
            "cause": cause,
            "local_at": row["local_at"] and f"{row['local_at']:%Y-%m-%d %H:%M:%S}",
            "channel_id": row["channel_id"] and name(row["channel_id"]),
        }
        content = row.get("content")
        with suppress(
            ValueError, AttributeError, TypeError
        ):  # what was sent, as the platform keeps it
            content = json.loads(content).get("text") or content
        rows += [
            ["" if shown[column] is None else shown[column] for column in WIDTHS],
            *([[content]] if content else []),
        ]
    return table(rows, widths=WIDTHS.values())


def audience(bench: Workbench, filters: Filters, counts: Mapping[str, int]) -> Markup:
    """How many can be reached again, and the rows of each disposition."""
    _, lang = bench.lang.gettext, bench.lang
    lead = lang.ngettext(
        "{n} contact can be reached again", "{n} contacts can be reached again", counts["tagged"]
    )
    notes = []
    if filters.cause or filters.verdict or filters.text:
        notes.append(_("All failures of the contacts in view count, also those of other causes."))
    if bench.has_broadcasts and not filters.sender_type:
        notes.append(_("Broadcast messages only; choose a sender type for others."))
    rows = [[word(DISPOSITIONS, name, lang), lang.number(n)] for name, n in counts.items() if n]
    heads = [_("What became of each row of the files"), word(COLUMNS, "rows", lang)]
    return (
        said(lead, "lead")
        + said(" ".join(notes))
        + Markup("").join(map(said, warnings(bench)))
        + table(rows, heads, [1], (75, 25))
    )


def waves(bench: Workbench, frame: "pd.DataFrame", tagged: int) -> Markup:
    """When to send to whom, and how many contacts are on channels whose limit is not known."""
    n_, lang, shown = bench.lang.ngettext, bench.lang, frame.head(LINES)
    rows = [
        [drawing.wave(r.wave, lang), lang.datetime(r.start), r.channel, lang.number(r.contacts)]
        for r in shown.itertuples()
    ]
    rest, beyond = len(frame) - len(shown), tagged - int(frame["contacts"].sum())
    more = [n_("{n} more wave follows.", "{n} more waves follow.", rest)] if rest else []
    if beyond > 0:
        more.append(
            n_(
                "{n} contact is on a channel without a known limit.",
                "{n} contacts are on channels without a known limit.",
                beyond,
            )
        )
    heads = [word(COLUMNS, name, lang) for name in ("wave", "start", "channel", "contacts")]
    return Markup("<br>") + table(rows, heads, [3], (18, 32, 27, 23)) + said(" ".join(more))


def files(bench: Workbench, written: list[dict], folder: Path, dry: bool) -> Markup:
    """The import files: where they are, or (dry) what they would be, with the first lines of the
    first.
    """
    _, lang = bench.lang.gettext, bench.lang
    if not written:
        return said(_("Nobody in this view can be reached again, so there is no import file."))
    rows = [[f["file"], f["tag"], lang.number(f["contacts"])] for f in written]
    found = table(rows, [_("File"), _("Tag"), word(COLUMNS, "contacts", lang)], [2], (45, 35, 20))
    if not dry:
        return said(_("The import files are in {folder}.", folder=folder)) + found
    with (folder / written[0]["file"]).open(encoding="utf-8") as lines:
        first = "".join(islice(lines, LINES))
    return (
        said(_("This would be written; the first file begins as below."))
        + found
        + PRE.format(first)
    )


def saved(lang: Language, paths: list[Path]) -> Markup:
    """Where tonight's run is, and what runs it."""
    _ = lang.gettext
    parameters, batch = paths
    lines = (
        f"papermill notebooks/tag_import.ipynb out.ipynb -f {parameters}",
        f"rebroadcast batch {batch}",
    )
    told = said(_("Saved: the same filters and tag for tonight's run. Either of these runs them:"))
    return told + Markup("").join(map(PRE.format, lines))
