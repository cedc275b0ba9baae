"""A selection of failed messages: filters in; counts, messages, the audience and a job for tonight out."""

import glob
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import limits, recovery, workbench
from .exceptions import QuotaError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

FILES = ("exports", "messages", "contacts", "channels")
SHARED = ("engine", "export", "messages", "contacts", "all_failed", "has_broadcasts")  # read once for all filters
CELL = ("masked", "cause", "verdict", "channel_id", "sender_type")
PAGE = 15  # messages


@dataclass(frozen=True)
class Filters:
    """What is looked at, with the names and meanings of the notebooks' parameters; empty is everything."""

    channel: tuple[str, ...] = ()
    from_: str = ""
    to: str = ""
    sender_type: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    text: str = ""


def parameters(filters: Filters) -> dict[str, str]:
    """The filters as parameters of a notebook.

    >>> parameters(Filters(channel=("1001", "1002"), text="limit"))
    {'channel': '1001,1002', 'text': 'limit'}
    """
    return {k: v if isinstance(v, str) else ",".join(v) for k, v in asdict(filters).items() if v}


@dataclass(frozen=True)
class Prepared:
    """An export made ready: its workbench, its messages (each once), and their counts by `CELL` and hour."""

    bench: workbench.Workbench
    rows: "ir.Table"
    cells: "ir.Table"
    total: int
    options: dict[str, list[str]]  # what each filter can be, most frequent first


def prepare(bench: workbench.Workbench, step: Callable[[str], None] = lambda _text: None) -> Prepared:
    """Read and classify a workbench's export, and count it; step is told what begins."""
    import ibis

    _ = bench.lang.gettext
    step(_("Reading the export"))
    bench.export, bench.messages, bench.contacts  # noqa: B018
    step(_("Saying why each message failed"))
    bench.all_failed, bench.has_broadcasts  # noqa: B018
    step(_("Counting"))
    rows = bench.failed.mutate(failed=ibis.literal(1, "int64"))
    rows = bench.engine.keep(rows.select("row_id", "local_at", "contact_id", "message_id", *CELL, "failed"))
    hours = rows.group_by(*CELL, local_at=rows.local_at.truncate("h")).aggregate(failed=rows.count())
    cells = bench.engine.keep(hours)
    options = {}
    for name in ("channel_id", "cause", "verdict", "sender_type"):
        values = cells.group_by(name).aggregate(n=cells.failed.sum()).filter(lambda t, n=name: t[n].notnull())
        options[name] = values.order_by(ibis.desc("n"), name).to_pandas()[name].tolist()
    return Prepared(bench, rows, cells, int(cells.failed.sum().execute()), options)


def view(bench: workbench.Workbench, filters: Filters, **given) -> workbench.Workbench:
    """The same exports under other parameters, without reading them again."""
    other = workbench.Workbench(bench.given | {"out": ""} | parameters(filters) | given, "tag_import")
    other.__dict__ |= {k: v for k, v in bench.__dict__.items() if k in SHARED}
    return other


def chosen(prepared: Prepared, filters: Filters, rows: bool = False) -> "ir.Table":
    """The messages, or (without rows) their counts, that pass the filters."""
    asked = view(prepared.bench, filters)
    whole_hours = not any(end and (end.minute or end.second) for end in asked.period)
    table = prepared.cells if whole_hours and not rows else prepared.rows
    return table.filter(asked.selected(table), *asked.narrowing(table))


def frames(prepared: Prepared, filters: Filters) -> dict[str, "pd.DataFrame"]:
    """What the figures show: causes, errors (by channel) and times, each one row per bar or cell.

    Causes are counted without the filter on causes, and errors without that of a clicked cell, so that
    another one can be clicked. `times` has the start of each hour, or day where they span more than five.
    """
    from .summaries import DAYS_BY_HOUR, _named

    def sums(change: dict, *by, **more) -> "pd.DataFrame":
        table = chosen(prepared, replace(filters, **change))
        frame = table.group_by(*by, **{k: f(table) for k, f in more.items()}).aggregate(failed=table.failed.sum())
        frame = frame.to_pandas()
        return frame.sort_values(["failed", *frame.columns[:-1]], ascending=False, ignore_index=True)

    cell = {"text": "", "channel": ()} if filters.text.startswith("=") else {}
    times = sums({}, "cause", hour=lambda t: t.local_at).dropna(subset="hour")
    if len(times) and (times["hour"].max() - times["hour"].min()).days > DAYS_BY_HOUR:
        times = times.assign(hour=times["hour"].dt.normalize()).groupby(["cause", "hour"], as_index=False).sum()
        times.attrs["unit"] = "day"
    errors = sums(cell, "channel_id", error=lambda t: t.masked)
    return {
        "causes": sums({"cause": ()}, "cause", "verdict"),
        "errors": _named(errors, prepared.bench.channels),
        "times": times,
    }


def page(
    prepared: Prepared,
    filters: Filters,
    number: int = 0,
    sort: str = "local_at",
    descending: bool = True,
    content: bool = False,
) -> "pd.DataFrame":
    """One page of messages: row_id, local_at, contact_id, message_id, the columns of `CELL`, and the content where asked for."""
    import ibis

    table = chosen(prepared, filters, rows=True)
    order = ibis.desc(sort) if descending else ibis.asc(sort)
    frame = table.order_by([order, "row_id"]).limit(PAGE, offset=number * PAGE).to_pandas()
    if content:
        read = prepared.bench.export.table
        read = read.filter(read.row_id.isin(frame["row_id"].tolist())).select("row_id", "content").to_pandas()
        frame = frame.merge(read, on="row_id", how="left")
    return frame


def audience(asked: workbench.Workbench) -> tuple[dict[str, int], "ir.Table"]:
    """Rows of each disposition for a workbench's filters, and the contacts to reach again."""
    failed = asked.all_failed
    rows = recovery.dispositions(failed, asked.selected(failed, broadcast=True), "{channel" in asked.text("tag"),
                                 asked.fixed, asked.delivered if len(asked.failed.columns) else None)  # fmt: skip
    rows = asked.engine.keep(rows)
    rejected = len(asked.export.rejected)
    return recovery.counts(rows, rejected, asked.export.rows + rejected), rows.filter(rows.disposition == "tagged")


def waves(asked: workbench.Workbench, contacts: "ir.Table", found: "limits.Assessment | QuotaError") -> "pd.DataFrame":
    """The waves of an audience within the known limits (frame of `charts.waves`); QuotaError where none is known."""
    if isinstance(found, QuotaError):
        raise found
    return limits.plan_frame(asked, limits.plan(asked, limits.covered(contacts, found), found))


def write(asked: workbench.Workbench) -> recovery.Recovery:
    """Recover into a workbench's folder as `tag_import` does; after an error or a stop nothing is left there."""
    with asked._stack:
        found = asked.recover()
        asked.finish()
    return found


def job(asked: workbench.Workbench) -> dict[str, object]:
    """The parameters that make a notebook do what a workbench was asked for, with whole paths."""
    given = {k: v for k, v in asked.given.items() if k not in ("out", "engine") and v not in ("", None, [], {}, False)}
    for name in (*FILES, "rules"):
        if name in given:
            found = [_whole(path) for path in asked.paths(name)]
            given[name] = found if len(found) > 1 else found[0]
    return given


def _whole(path: str) -> str:
    places = (path, os.path.join("..", path))
    return next((os.path.abspath(p) for p in places if os.path.exists(p) or glob.glob(p)), path)


def batch_entry(name: str, given: Mapping[str, object]) -> str:
    """One entry of a batch file (TOML) that runs `tag_import` with these parameters."""
    lines = ["[[entry]]", f"name = {_value(name)}", 'notebook = "tag_import"', "", "[entry.parameters]"]
    return "\n".join([*lines, *(f"{key} = {_value(value)}" for key, value in given.items()), ""])


def _value(value: object) -> str:
    """A text, number or list as JSON, which is also YAML and TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def save(folder: Path, name: str, given: Mapping[str, object]) -> list[Path]:
    """Write parameters for `papermill -f` and a batch entry into a folder, beside what is there; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {".yaml": "".join(f"{key}: {_value(value)}\n" for key, value in given.items())}
    paths = [free(folder, name, *parts, ".toml") + end for end in (".yaml", ".toml")]
    parts[".toml"] = batch_entry(Path(paths[0]).stem, given)
    for path, text in zip(paths, parts.values(), strict=True):
        Path(path).write_text(text, "utf-8")
    return [Path(path) for path in paths]


def free(folder: Path, name: str, *ends: str) -> str:
    """The first of name, name-2, name-3 that nothing in a folder has yet."""
    numbers = iter(range(2, 10_000))
    found = name
    while any((folder / f"{found}{end}").exists() for end in ends or ("",)):
        found = f"{name}-{next(numbers)}"
    return str(folder / found)
