"""What every report has: headings, tiles, warnings, broadcasts, rows that could not be read, how it
was made.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from IPython.display import HTML, Markdown
from markupsafe import Markup

from .. import __version__
from ..bench.settings import Settings
from ..common.doubts import Doubt, loudest_first
from ..show.parts import bar, grid, html, moment, more, p, strip, table
from ..show.reader import Reader
from ..show.words import disposition_name, reason_name, unnamed, word
from ..sources.files import Source
from ..verbs import summarise

_ = str  # marks a message for the catalogue; it is translated where it is shown
HEADINGS = {
    "why": _("Why"),
    "where": _("Where"),
    "when": _("When"),
    "again": _("Who can be reached again"),
    "unknown": _("Errors that no rule knows"),
    "compare": _("Against an earlier run"),
    "rows": _("What became of each row"),
    "steps": _("Next steps on the platform"),
    "rejected": _("Rows that could not be read"),
    "load": _("How full the limits were"),
    "plan": _("When to send to whom"),
    "what_if": _("What if"),
    "fix": _("What to fix first"),
    "waves": _("Wave by wave"),
    "history": _("Over time"),
    "details": _("Error by error"),
    "made": _("How this was made"),
}
READ_AS = {
    "exports": _("failed messages"),
    "messages": _("messages"),
    "contacts": _("contacts"),
}


def heading(reader: Reader, name: str, found: object = True) -> Markdown | None:
    """The heading of a part of the report, which the table of contents lists; none where nothing
    was found for it.
    """
    nothing = found.empty if isinstance(found, pd.DataFrame) else not found
    return None if nothing else Markdown(f"## {word(HEADINGS, name, reader.lang)}")


def warnings(reader: Reader, doubts: Iterable[Doubt]) -> list[Markup]:
    """What makes the numbers less sure: the loudest, and the others behind a click."""
    said = [p(reader.said(doubt), "warning") for doubt in loudest_first(doubts)]
    if len(said) < 2:
        return said
    first, *others = said
    summary = reader.ngettext("{n} more warning", "{n} more warnings", len(others))
    return [first, more(summary, *others, kind="more warnings")]


def tiles(
    reader: Reader, recoverable: int, listed: pd.DataFrame, contacts: Mapping[str, int]
) -> Markup:
    """How many can be reached again and from when, and how many cannot, by disposition."""
    label = reader.gettext("Contacts to reach again")
    cells = [(label, reader.number(recoverable), "wait")]
    if recoverable and listed["earliest"].notna().any():
        cells.append((reader.gettext("From"), reader.instant(listed["earliest"].min()), "wait"))
    for name, kind in (("fix_first", "fix"), ("unknown", "unknown"), ("never", "never")):
        if count := contacts.get(name):
            label = disposition_name(name, reader.lang)
            cells.append((label[:1].upper() + label[1:], reader.number(count), kind))
    return strip(cells)


def status(reader: Reader, facts: summarise.Facts) -> Markup:
    """Period, rows read and rejected, contacts and time zone, in one grey line."""
    _, lang, number = reader.gettext, reader.lang, reader.number
    read = number(facts.read)
    if facts.repeats:
        read = _("{rows}, {repeats} of them repeated", rows=read, repeats=number(facts.repeats))
    cells = {
        _("Period"): lang.period(facts.first, facts.last)
        if facts.first and facts.last
        else _("the export has no dates"),
        _("Rows read"): read,
        _("Rows rejected"): number(len(facts.rejected)) if len(facts.rejected) else "",
        _("Contacts"): number(facts.contacts),
        _("Time zone"): reader.zone_name,
    }
    line = p(" · ".join(f"{label}: {value}" for label, value in cells.items() if value), "fine")
    return line if reader.channels else line + p(unnamed(lang), "fine")


COMPUTED = (
    _("Each error text is matched to a rule, which gives its cause and what to do."),
    _(
        "A message counts as delivered when the messages export has it and the failed export does"
        " not."
    ),
    _(
        "A broadcast is what one sender sent on one channel with the same content and no pause"
        " longer than six hours."
    ),
    _(
        "A limit counts different contacts within its window, also those that were reached before"
        " the broadcast."
    ),
    _(
        "What becomes of a contact is decided over all of its failures in a broadcast: one that is"
        " final keeps it out, otherwise the latest decides."
    ),
    _("The notebook beside this page holds every step."),
)


def provenance(
    reader: Reader, settings: Settings, sources: Mapping[str, tuple[Source, ...]]
) -> HTML:
    """How the report was made: parameters, rules and overrides, files with SHA-256, versions."""
    _ = reader.gettext
    stated = {k.strip("_"): v for k, v in settings.stated.items() if k != "out" and v is not False}
    values = [", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in stated.values()]
    read = [(kind, source) for kind, several in sources.items() for source in several]
    files = grid(
        {
            _("Read as"): [
                f"{word(READ_AS, kind, reader.lang)} ({source.fit.title})"
                if source.fit
                else word(READ_AS, kind, reader.lang)
                for kind, source in read
            ],
            _("File"): [source.name for _kind, source in read],
            _("Bytes"): [reader.number(source.size) for _kind, source in read],
            "SHA-256": [source.sha256 for _kind, source in read],
        },
        numbers=[_("Bytes")],
    )
    rules = pd.DataFrame(settings.rules.overrides, columns=[_("Your rule"), _("Goes before")])
    return html(
        p(" ".join(map(_, COMPUTED))),
        grid({_("Parameter"): list(stated), _("Value"): values}),
        files,
        table(rules.fillna(_("a new rule"))),
        p(_("rebroadcast {version}.", version=__version__), "fine"),
    )


def rejected(reader: Reader, facts: summarise.Facts) -> HTML | None:
    """The rows that could not be read, by file and reason, with their lines."""
    if facts.rejected.empty:
        return None
    _ = reader.gettext
    shown = (
        facts.rejected.groupby(["as", "file", "reason"], sort=True)["line"]
        .agg(
            rows="size",
            lines=lambda lines: ", ".join([*map(str, lines.head(10)), *["…"] * (len(lines) > 10)]),
        )
        .reset_index()
    )
    return html(
        grid(
            {
                _("Read as"): [word(READ_AS, kind, reader.lang) for kind in shown["as"]],
                _("File"): shown["file"],
                _("Reason"): [reason_name(reason, reader.lang) for reason in shown["reason"]],
                _("Rows"): [reader.number(rows) for rows in shown["rows"]],
                _("Lines"): shown["lines"],
            },
            numbers=[_("Rows")],
        )
    )


FIRST = (3, 3)  # broadcasts that are seen at once: on a phone, and as many more on a wide screen


def broadcasts(reader: Reader, frame: pd.DataFrame) -> Markup:
    """One row per broadcast (see `summarise.broadcasts`), with its bar against the limit: those
    over a limit first, then those of most failures.
    """
    if frame.empty:
        return Markup("")
    ranked = frame.sort_values(["over_limit", "failed"], ascending=False, kind="stable")
    sent = ranked["attempted"].fillna(ranked["failed"])
    marked = (ranked["over_limit"] > 0) & ranked["limit"].notna()
    full = ranked["attempted"].where(marked) - ranked["over_limit"]
    return _in_parts(reader, ranked.assign(full=full), int(sent.max()), FIRST, "more wide")


def _in_parts(
    reader: Reader, ranked: pd.DataFrame, most: int, sizes: tuple[int, ...], kind: str
) -> Markup:
    """The first broadcasts, and behind a click the others in the same way."""
    size, *later = sizes or (len(ranked),)
    shown, rest = _listed(reader, ranked[:size], most), ranked[size:]
    if rest.empty:
        return shown
    summary = reader.ngettext("{n} more broadcast", "{n} more broadcasts", len(rest))
    return shown + more(summary, _in_parts(reader, rest, most, tuple(later), "more"), kind=kind)


def _listed(reader: Reader, frame: pd.DataFrame, most: int) -> Markup:
    known: list[list[Any]] = [
        [None if pd.isna(v) else int(v) for v in row]
        for row in zip(frame["delivered"], frame["failed"], frame["full"], strict=True)
    ]
    told: dict[str, list] = dict(summarise.counts(frame, reader))
    name, texts = told.popitem()
    told[name] = [moment(at, text) for at, text in zip(frame["earliest"], texts, strict=True)]
    columns: dict[str, list] = {
        reader.gettext("Broadcast"): [name_of(reader, row) for row in frame.itertuples()],
        "": [bar(there, lost, full, most) for there, lost, full in known],
    }
    return grid(columns | told, numbers=[*told][:-1], kind="table broadcasts")


def name_of(reader: Reader, row: Any) -> Markup:
    """A broadcast's name, with its channel and time if not in it; its key on hovering."""
    first = "" if pd.isna(row.first) else reader.lang.datetime(row.first)
    said = row.channel in row.name or row.channel_id in row.name.split(", ")
    told = [] if said else [reader.lang.channel(row.channel)]
    told += [first] if first and f"{row.first:%H:%M}" not in row.name else []
    return Markup('<strong title="{}">{}</strong> <small>{}</small>').format(
        row.broadcast, row.name, " · ".join(told)
    )
