"""A selection of failed messages: filters in; counts, messages, the audience and a job for tonight
out.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..bench import workbench
from ..bench.settings import Settings
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


SHARED = (
    "engine",
    "export",
    "messages",
    "contacts",
    "all_failed",
    "has_broadcasts",
    "checklist",
)  # read once for all filters
CELL = ("masked", "cause", "verdict", "channel_id", "sender_type")
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

    bench: workbench.Workbench
    rows: "ibis.Table"
    cells: "ibis.Table"
    total: int
    options: dict[str, list[str]]  # what each filter can be, most frequent first
    found: dict = field(
        default_factory=dict
    )  # what is the same for all filters, once it has been asked for


def prepare(
    bench: workbench.Workbench, step: Callable[[str], None] = lambda _text: None
) -> Prepared:
    """Read and classify a workbench's export, and count it; step is told what begins."""
    _ = bench.lang.gettext
    step(_("Reading the export"))
    bench.export, bench.messages, bench.contacts  # noqa: B018
    step(_("Saying why each message failed"))
    bench.all_failed, bench.has_broadcasts  # noqa: B018
    step(_("Counting"))
    rows = bench.failed.mutate(failed=ibis.literal(1, "int64"))
    rows = rows.select("row_id", "local_at", "contact_id", "message_id", *CELL, "failed")
    # In this order, and in parts of this size, the newest are found without a look at the rest.
    rows = bench.engine.keep(rows.order_by(ibis.desc("local_at"), "row_id"), ROW_GROUP_SIZE=20_480)
    hours = rows.group_by(*CELL, local_at=rows.local_at.truncate("h")).aggregate(
        failed=rows.count()
    )
    cells = bench.engine.keep(hours)
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
    settings = Settings({name: asked[name] for name in NAMES if name in asked})
    found = {"text": settings.text("text"), "from_": settings.period[0], "to": settings.period[1]}
    for name, known in prepared.options.items():
        spelt = {option.lower(): option for option in known}
        for value in settings.list(name):
            if value.lower() not in spelt:
                raise ParameterError(
                    "No failed message has {name} '{value}'.{hint} Present: {known}.",
                    name,
                    name=name,
                    value=value,
                    hint=did_you_mean(value, known),
                    known=", ".join(known),
                )
        found[name] = tuple(spelt[value.lower()] for value in settings.list(name))
    return found


def view(bench: workbench.Workbench, filters: Filters, **more) -> workbench.Workbench:
    """The same exports under other parameters, without reading them again."""
    other = workbench.Workbench(bench.given | {"out": ""} | given(filters) | more, "tag_import")
    other.__dict__ |= {k: v for k, v in bench.__dict__.items() if k in SHARED}
    return other


def passing(table: "ibis.Table", asked: Mapping[str, "ibis.Value"]) -> "ibis.Value":
    """Whether a row passes filters that the engine has as texts (see `bound`); an empty one lets
    all pass.
    """

    def among(name: str, column: "ibis.Value") -> "ibis.Value":
        return (asked[name] == "") | asked[name].split(SEPARATOR).contains(column)

    start, end, text = asked["from_"], asked["to"], asked["text"].lower()
    tests = [among("channel", table.channel_id), among("sender_type", table.sender_type.lower())]
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
    start, end = (str(at or "") for at in Settings({n: found[n] for n in ("from_", "to")}).period)
    return found | {"from_": start, "to": end, "sender_type": found["sender_type"].lower()}


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
        prepared.found[what, rows] = prepared.bench.engine.prepared(query, asked)
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
    return {"causes": causes, "errors": named(errors, prepared.bench.channels), "times": times}


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
        read = prepared.bench.export.table
        read = read.filter(read.row_id.isin([row["row_id"] for row in found])).select(
            "row_id", "content"
        )
        said = {row["row_id"]: row["content"] for row in read.to_pyarrow().to_pylist()}
        found = [row | {"content": said[row["row_id"]]} for row in found]
    return found


def audience(asked: workbench.Workbench) -> tuple[dict[str, int], "ibis.Table"]:
    """Rows of each disposition for a workbench's filters, and the contacts to reach again."""
    fates = asked.engine.keep(recovering.decide(asked))
    rows = fates_.dispositions(asked.all_failed, asked.broadcast_rows, fates)
    rejected = len(asked.export.rejected)
    found = fates_.counts(rows, asked.export.rows) | {"rejected": rejected}
    return found, fates.filter(fates.disposition == "tagged")


def waves(prepared: Prepared, asked: workbench.Workbench, contacts: "ibis.Table") -> "pd.DataFrame":
    """The waves of an audience within the known limits (frame of `charts.waves`); QuotaError where
    none is known.
    """
    if asked.messages is not None:
        asked.check_coverage(start=True)
        if "load" not in prepared.found:
            prepared.found["load"] = asked.engine.keep(
                loads.load(assessing.counted(asked), asked.limits)
            )
    found = assessing.Assessment("", asked.limits, None, prepared.found.get("load"))
    return planning.plan_frame(
        asked, planning.plan(asked, planning.covered(contacts, found), found)
    )


def write(asked: workbench.Workbench) -> recovering.Recovery:
    """Recover as `tag_import` does: into a workbench's folder where it has one, which after an
    error or a stop is not there.
    """
    with asked._stack:
        if out := asked.text("out"):
            make(Path(out).absolute().parent)
        found = recovering.recover(asked)
        asked.finish()
    return found
