"""A selection of failed messages: filters in; counts, messages, the audience and a job for tonight
out.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..bench import parameters
from ..bench.settings import Settings
from ..bench.tables import Tables
from ..bench.workbench import Workbench
from ..common.exceptions import ParameterError, did_you_mean
from ..common.folder import make
from ..common.lazy import ibis, pd
from ..limits import load as loads
from ..recovery import fates as fates_
from ..verbs import assess as assessing
from ..verbs import plan as planning
from ..verbs import recover as recovering
from ..verbs.summarise import named, time_unit

if TYPE_CHECKING:
    import pyarrow as pa


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
    everything.
    """

    broadcast: tuple[str, ...] = ()
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
    """An export made ready: its workbench, its messages (each once), and their counts by `CELL` and
    hour.
    """

    bench: Workbench
    rows: "ibis.Table"
    cells: "ibis.Table"
    total: int
    options: dict[str, list[str]]  # what each filter can be, most frequent first
    found: dict = field(
        default_factory=dict
    )  # what is the same for all filters, once it has been asked for


def prepare(bench: Workbench, step: Callable[[str], None] = lambda _text: None) -> Prepared:
    """Read and classify a workbench's export, and count it; step is told what begins."""
    _, inputs, engine = bench.reader.gettext, bench.inputs, bench.tables.engine
    step(_("Reading the export"))
    _read = inputs.sources
    step(_("Saying why each message failed"))
    _classified = inputs.all_failed
    step(_("Counting"))
    rows = bench.tables.failed.mutate(failed=ibis.literal(1, "int64"))
    rows = rows.select("row_id", "local_at", "contact_id", "message_id", *CELL, "failed")
    # In this order, and in parts of this size, the newest are found without a look at the rest.
    rows = engine.keep(rows.order_by(ibis.desc("local_at"), "row_id"), ROW_GROUP_SIZE=20_480)
    hours = rows.group_by(*CELL, local_at=rows.local_at.truncate("h")).aggregate(
        failed=rows.count()
    )
    cells = engine.keep(hours)
    options = {}
    for name in CELL[1:]:
        values = (
            cells.group_by(name)
            .aggregate(n=cells.failed.sum())
            .filter(lambda t, n=name: t[n].notnull())
        )
        options[name.removesuffix("_id")] = (
            values.order_by(ibis.desc("n"), name).to_pandas()[name].tolist()
        )
    return Prepared(bench, rows, cells, int(cells.failed.sum().execute()), options)


def wanted(prepared: Prepared, asked: Mapping[str, object]) -> dict[str, object]:
    """What each filter is under a notebook's parameters: texts, times (the end not included) and
    tuples of options.
    """
    asked = Settings.parse({name: asked[name] for name in NAMES if name in asked}).selection
    found = {"text": asked.text, "from_": asked.period[0], "to": asked.period[1]}
    for name, known in prepared.options.items():
        spelt = {option.lower(): option for option in known}
        values = (asked.broadcast,) if name == "broadcast" else getattr(asked, name)
        for value in filter(None, values):
            if value.lower() not in spelt:
                raise ParameterError(
                    "No failed message has {name} '{value}'.{hint} Present: {known}.",
                    name,
                    name=name,
                    value=value,
                    hint=did_you_mean(value, known),
                    known=", ".join(known),
                )
        found[name] = tuple(spelt[value.lower()] for value in filter(None, values))
    return found


def view(prepared: Prepared, filters: Filters, **more) -> Tables:
    """The same inputs under other parameters of `tag_import`, without reading them again."""
    bench = prepared.bench
    stated = dict(bench.settings.stated) | given(filters) | more
    stated.pop("out", None)
    settings = Settings.parse(stated | {"out": more.get("out", "")}, "tag_import")
    return bench.tables.over(settings)


def passing(table: "ibis.Table", asked: Mapping[str, "ibis.Value"]) -> "ibis.Value":
    """Whether a row passes filters that the engine has as texts (see `bound`); an empty one lets
    all pass.
    """

    def among(name: str, column: "ibis.Value") -> "ibis.Value":
        return (asked[name] == "") | asked[name].split(SEPARATOR).contains(column)

    start, end, text = asked["from_"], asked["to"], asked["text"].lower()
    tests = [
        among("broadcast", table.broadcast),
        among("channel", table.channel_id),
        among("sender_type", table.sender_type.lower()),
    ]
    tests += [among("cause", table.cause), among("verdict", table.verdict)]
    tests += [
        (start == "") | (table.local_at >= start.try_cast("timestamp")),
        (end == "") | (table.local_at < end.try_cast("timestamp")),
    ]
    masked = table.masked.fill_null("").strip().lower()
    return ibis.and_(
        *tests,
        (text == "")
        | text.startswith("=").ifelse(masked == text.substr(1).strip(), masked.contains(text)),
    )


def bound(filters: Filters) -> dict[str, str]:
    """Filters as texts: times in ISO 8601 (the end is not included), lists joined by a sign that no
    value holds.

    >>> bound(Filters(to="2022-01-11"))["to"]
    '2022-01-12 00:00:00'
    """
    found = {
        n: v.strip() if isinstance(v, str) else SEPARATOR.join(v)
        for n, v in asdict(filters).items()
    }
    ends = {"from_": parameters.moment(found["from_"], "from_")}
    ends["to"] = parameters.moment(found["to"], "to", end=True)
    texts = {name: str(at or "") for name, at in ends.items()}
    return found | texts | {"sender_type": found["sender_type"].lower()}


def ask(prepared: Prepared, filters: Filters, what: object, rows: bool = False) -> "pa.Table":
    """Of the messages that pass the filters, or (without rows) their counts: a key of `GROUPS`, or
    a page's (sort, descending, number).

    To make a query takes longer than to answer it, so each is made once, and then asked with other
    filters.
    """
    if (what, rows) not in prepared.found:
        asked = {name: ibis.param("string") for name in NAMES}
        table = prepared.rows if rows else prepared.cells
        table = table.filter(passing(table, asked))
        if what in GROUPS:
            query = GROUPS[what](table).aggregate(failed=table.failed.sum())
        else:
            sort, descending, number = what
            order = ibis.desc(sort) if descending else ibis.asc(sort)
            query = (
                table.drop("failed").order_by([order, "row_id"]).limit(PAGE, offset=number * PAGE)
            )
        prepared.found[what, rows] = prepared.bench.tables.engine.prepared(query, asked)
    return prepared.found[what, rows](bound(filters))


def frames(prepared: Prepared, filters: Filters) -> dict[str, "pd.DataFrame"]:
    """What the figures show: causes, errors (by channel) and times, one row per bar or cell, in any
    order.

    Causes are counted without the filter on causes, and errors without that of a clicked cell, so
    that another one can be clicked. `times` has the start of each minute, hour or day; its attrs
    say which `unit`.
    """
    asked = bound(filters)
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
    cell = {"text": "", "channel": ()} if asked["text"].startswith("=") else {}
    errors = ask(prepared, replace(filters, **cell), "errors", rows).to_pandas()
    causes = ask(prepared, replace(filters, cause=()), "causes", rows).to_pandas()
    channels = prepared.bench.settings.channels
    return {"causes": causes, "errors": named(errors, channels), "times": times}


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
        read = prepared.bench.inputs.export.table
        read = read.filter(read.row_id.isin([row["row_id"] for row in found])).select(
            "row_id", "content"
        )
        said = {row["row_id"]: row["content"] for row in read.to_pyarrow().to_pylist()}
        found = [row | {"content": said[row["row_id"]]} for row in found]
    return found


def audience(asked: Tables) -> tuple[dict[str, int], "ibis.Table", int]:
    """Rows of each disposition for some filters, the contacts to reach again (one row per
    audience), and how many different ones they are.
    """
    inputs = asked.inputs
    rows = fates_.dispositions(inputs.all_failed, asked.recoverable_rows, asked.fates)
    counts = fates_.counts(rows, inputs.export.rows) | {"rejected": len(inputs.export.rejected)}
    people = int(asked.audience.contact_id.nunique().execute())
    return counts, asked.audience, people


def waves(prepared: Prepared, asked: Tables, contacts: "ibis.Table") -> "pd.DataFrame":
    """The waves of an audience within the known limits (frame of `show.limits.waves`); QuotaError
    where none is known.
    """
    settings = asked.settings
    if asked.inputs.messages is not None:
        asked.check_coverage(start=True)
        if "load" not in prepared.found:
            sent = assessing.counted(settings, asked, asked.inputs.delivered)
            prepared.found["load"] = asked.engine.keep(loads.load(sent, settings.limits))
    found = assessing.Assessment("", settings.limits, None, prepared.found.get("load"))
    people = planning.covered(contacts, found)
    return planning.plan_frame(settings, planning.plan(settings, asked, people, found))


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
