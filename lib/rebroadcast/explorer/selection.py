"""A selection of failed messages: filters in; counts, messages, the audience and a job for tonight
out.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from ..bench import doubts as bench_doubts
from ..bench import parameters
from ..bench.settings import Selection, Settings
from ..bench.tables import Tables, absent
from ..bench.workbench import Workbench
from ..common.doubts import Doubt, loudest_first
from ..common.folder import make
from ..common.language import Language
from ..limits import load as loads
from ..recovery import fates as fates_
from ..show.reader import Reader
from ..verbs import assess as assessing
from ..verbs import plan as planning
from ..verbs import recover as recovering
from ..verbs.summarise import named, time_unit

CELL = ("masked", "cause", "verdict", "channel_id", "sender_type", "broadcast")
GROUPS = {  # of the figures
    "causes": lambda table: table.group_by("cause", "verdict"),
    "errors": lambda table: table.group_by("channel_id", error=table.masked),
    "hour": (
        lambda table: table.filter(table.local_at.notnull()).group_by(
            "cause", hour=table.local_at.truncate("h")
        )
    ),
    "minute": (
        lambda table: table.filter(table.local_at.notnull()).group_by(
            "cause", hour=table.local_at.truncate("m")
        )
    ),
}
PAGE = 15  # messages
SEPARATOR = "\x1f"  # no value holds it


@dataclass(frozen=True)
class Filters:
    """What is looked at, with the names and meanings of the notebooks' parameters; empty is
    everything. `broadcast` is the key of one.
    """

    broadcast: str = ""
    channel: tuple[str, ...] = ()
    from_: str = ""
    to: str = ""
    sender_type: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    text: str = ""


NAMES = tuple(f.name for f in fields(Filters))


def given(filters: Filters) -> dict[str, str]:
    """The filters as parameters of a notebook.

    >>> given(Filters(channel=("1001", "1002"), text="limit"))
    {'channel': '1001,1002', 'text': 'limit'}
    """
    return {k: v if isinstance(v, str) else ",".join(v) for k, v in asdict(filters).items() if v}


@dataclass(frozen=True)
class Prepared:
    """An export made ready: its tables with nothing selected, its messages (each once), and their
    counts by `CELL` and hour.

    `options` has the messages of each value of a filter, most first; `first` is what was asked for;
    `found` what is the same for all filters, once it has been asked for.
    """

    tables: Tables
    rows: ibis.Table
    cells: ibis.Table
    total: int
    repeats: int
    options: dict[str, dict[str, int]]
    first: Selection
    found: dict = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        return self.tables.settings.reader

    def spoken(self, lang: Language) -> "Prepared":
        """The same for a reader of another language."""
        settings = self.tables.settings
        stated = dict(settings.stated) | {"language": lang.code}
        return replace(self, tables=self.tables.over(replace(settings, lang=lang, stated=stated)))


def prepare(bench: Workbench, step: Callable[[str], None] = lambda _text: None) -> Prepared:
    """Read and classify a workbench's export, and count it; step is told what begins."""
    _, inputs, settings = bench.reader.gettext, bench.inputs, bench.settings
    step(_("Reading the export"))
    _read = inputs.sources
    step(_("Saying why each message failed"))
    _classified = inputs.all_failed
    step(_("Counting"))
    key, first = bench.tables.chosen, settings.selection
    stated = {k: v for k, v in settings.stated.items() if k not in NAMES}
    if first.broadcast and not key:  # what the ledger calls it
        stated["broadcast"] = first.broadcast
    tables = bench.tables.over(replace(settings, selection=Selection(), stated=stated))
    rows = tables.failed.select(
        "row_id",
        "local_at",
        "contact_id",
        "message_id",
        *CELL,
        failed=ibis.literal(1, "int64"),
    )
    # In this order, and in parts of this size, the newest are found without a look at the rest.
    rows = rows.order_by(ibis.desc("local_at"), "row_id")
    rows = tables.engine.keep(rows, ROW_GROUP_SIZE=20_480)
    hours = rows.group_by(*CELL, local_at=rows.local_at.truncate("h"))
    cells = tables.engine.keep(hours.aggregate(failed=rows.count()))
    return Prepared(
        tables=tables,
        rows=rows,
        cells=cells,
        total=int(cells.failed.sum().execute()),
        repeats=tables.repeats,
        options={name.removesuffix("_id"): _options(cells, name) for name in CELL[1:]},
        first=replace(first, broadcast=key),
    )


def _options(cells: ibis.Table, name: str) -> dict[str, int]:
    """The messages of each value of a column, most first."""
    counts = (
        cells.filter(cells[name].notnull())
        .group_by(name)
        .aggregate(n=lambda t: t.failed.sum())
        .order_by(ibis.desc("n"), name)
    )
    return {value: int(n) for value, n in counts.to_pandas().itertuples(index=False)}


def wanted(prepared: Prepared, asked: Selection) -> dict[str, object]:
    """What each filter is for a selection: texts, times (the end not included), tuples of options.

    Raises ParameterError for a value that no message has.
    """
    first: dict[str, object] = {
        "text": asked.text,
        "from_": asked.period[0],
        "to": asked.period[1],
        "broadcast": asked.broadcast,
    }
    for name in ("channel", "sender_type", "cause", "verdict"):
        known = prepared.options[name]
        spelt = {option.lower(): option for option in known}
        for value in getattr(asked, name):
            if value.lower() not in spelt:
                raise absent(name, value, known)
        first[name] = tuple(spelt[value.lower()] for value in getattr(asked, name))
    return first


def view(prepared: Prepared, filters: Filters, **more) -> Tables:
    """The same inputs under other parameters of `tag_import`, without reading them again."""
    stated = dict(prepared.tables.settings.stated) | given(filters) | more
    return prepared.tables.over(Settings.parse(stated, "tag_import"))


def passing(table: ibis.Table, asked: Mapping[str, ibis.Value]) -> ibis.Value:
    """Whether a row passes filters that the engine has as texts (see `bound`); an empty one lets
    all pass.
    """

    def among(name: str, column: ibis.Value) -> ibis.Value:
        return (asked[name] == "") | asked[name].split(SEPARATOR).contains(column)

    start, end, text = asked["from_"], asked["to"], asked["text"].lower()
    masked = table.masked.fill_null("").strip().lower()
    return ibis.and_(
        (asked["broadcast"] == "") | (asked["broadcast"] == table.broadcast),
        among("channel", table.channel_id),
        among("sender_type", table.sender_type.lower()),
        among("cause", table.cause),
        among("verdict", table.verdict),
        (start == "") | (table.local_at >= start.try_cast("timestamp")),
        (end == "") | (table.local_at < end.try_cast("timestamp")),
        (text == "")
        | text.startswith("=").ifelse(masked == text.substr(1).strip(), masked.contains(text)),
    )


def bound(filters: Filters, zone: str) -> dict[str, str]:
    """Filters as texts: times of a zone's clock in ISO 8601 (the end is not included), lists joined
    by a sign that no value holds.

    >>> bound(Filters(to="2022-01-11"), "UTC")["to"]
    '2022-01-12 00:00:00'
    """
    found = {
        n: v.strip() if isinstance(v, str) else SEPARATOR.join(v)
        for n, v in asdict(filters).items()
    }
    period = parameters.period(found["from_"], found["to"], zone)
    texts = {name: str(at or "") for name, at in zip(("from_", "to"), period, strict=True)}
    return found | texts | {"sender_type": found["sender_type"].lower()}


def ask(
    prepared: Prepared, filters: Filters, what: str | tuple[str, bool, int], rows: bool = False
) -> pa.Table:
    """Of the messages that pass the filters, or (without rows) their counts: a key of `GROUPS`, or
    a page's (sort, descending, number).

    To make a query takes longer than to answer it, so each is made once, and then asked with other
    filters.
    """
    if (what, rows) not in prepared.found:
        asked = {name: ibis.param("string") for name in NAMES}
        table = prepared.rows if rows else prepared.cells
        table = table.filter(passing(table, asked))
        if isinstance(what, str):
            query = GROUPS[what](table).aggregate(failed=table.failed.sum())
        else:
            sort, descending, number = what
            order = [ibis.desc(sort) if descending else sort, "row_id"]
            query = table.drop("failed").order_by(order).limit(PAGE, offset=number * PAGE)
        prepared.found[what, rows] = prepared.tables.engine.prepared(query, asked)
    return prepared.found[what, rows](bound(filters, prepared.tables.settings.zone))


def frames(prepared: Prepared, filters: Filters) -> dict[str, pd.DataFrame]:
    """What the figures show: causes, errors (by channel) and times, one row per bar or cell, in any
    order.

    Causes are counted without the filter on causes, and errors without that of a clicked cell, so
    that another one can be clicked. `times` has the start of each minute, hour or day; its attrs
    say which `unit`.
    """
    asked = bound(filters, prepared.tables.settings.zone)
    rows = any(asked[n] and not asked[n].endswith(":00:00") for n in ("from_", "to"))
    times, unit = ask(prepared, filters, "hour", rows).to_pandas(), "hour"
    if len(times):
        unit = time_unit(times["hour"].max() - times["hour"].min())
    if unit == "minute":
        times = ask(prepared, filters, "minute", True).to_pandas()
    elif unit == "day":
        times = (
            times.assign(hour=times["hour"].dt.normalize())
            .groupby(["cause", "hour"], as_index=False)
            .sum()
        )
    times.attrs["unit"] = unit
    cell: dict[str, Any] = {"text": "", "channel": ()} if asked["text"].startswith("=") else {}
    errors = ask(prepared, replace(filters, **cell), "errors", rows).to_pandas()
    return {
        "causes": ask(prepared, replace(filters, cause=()), "causes", rows).to_pandas(),
        "errors": named(errors, prepared.tables.settings.channels),
        "times": times,
    }


def page(
    prepared: Prepared,
    filters: Filters,
    number: int = 0,
    sort: str = "local_at",
    descending: bool = True,
    content: bool = False,
) -> list[dict]:
    """One page of messages: row_id, local_at, contact_id, message_id, the columns of `CELL`, and
    the content if asked for.
    """
    found = ask(prepared, filters, (sort, descending, number), True).to_pylist()
    if content and found:
        read = prepared.tables.inputs.export.table
        read = read.filter(read.row_id.isin([row["row_id"] for row in found])).select(
            "row_id", "content"
        )
        said = {row["row_id"]: row["content"] for row in read.to_pyarrow().to_pylist()}
        found = [row | {"content": said[row["row_id"]]} for row in found]
    return found


@dataclass(frozen=True)
class Audience:
    """Who can be reached again: rows per disposition, the contacts (one row per audience), how many
    different ones they are, what makes these numbers less sure, and whether messages of no
    broadcast were left aside.
    """

    counts: Mapping[str, int]
    contacts: ibis.Table
    people: int
    doubts: tuple[Doubt, ...]
    only_broadcasts: bool


def audience(asked: Tables) -> Audience:
    """Who can be reached again under some filters and a tag."""
    inputs = asked.inputs
    rows = fates_.dispositions(inputs.all_failed, asked.recoverable_rows, asked.fates)
    return Audience(
        counts=fates_.counts(rows, inputs.export.rows) | {"rejected": len(inputs.export.rejected)},
        contacts=asked.audience,
        people=int(asked.audience.contact_id.nunique().execute()),
        doubts=loudest_first(bench_doubts.doubts(asked)),
        only_broadcasts=inputs.has_broadcasts and not asked.settings.selection.sender_type,
    )


def waves(prepared: Prepared, asked: Tables, contacts: ibis.Table) -> tuple[pd.DataFrame, int]:
    """The waves of an audience within the known limits (frame of `show.limits.waves`), and how many
    contacts are on channels without one; QuotaError where none is known.
    """
    settings = asked.settings
    if asked.inputs.messages is not None:
        asked.check_coverage(start=True)
        if "load" not in prepared.found:
            sent = assessing.counted(asked, asked.inputs.delivered)
            prepared.found["load"] = asked.engine.keep(loads.load(sent, settings.limits))
    known = assessing.Assessment("", settings.limits, None, prepared.found.get("load"))
    people = planning.covered(contacts, known)
    beyond = contacts.anti_join(people, "contact_id").contact_id.nunique().execute()
    plan = planning.plan(settings, asked, people, known)
    return planning.plan_frame(asked, people, plan), int(beyond)


def write(asked: Tables) -> recovering.Recovery:
    """Recover as `tag_import` does: into the settings' folder where they name one, which after an
    error or a stop is not there.
    """
    settings = asked.settings
    if settings.out:
        make(Path(settings.out).absolute().parent)
    with ExitStack() as stack:
        bench = Workbench(settings, asked, stack)
        found = recovering.recover(settings, asked, bench.results)
        if settings.out:
            bench.finish(found)
    return found
