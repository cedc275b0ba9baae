"""The explorer: filters and clicks in, figures, messages and the audience out, and the job that does it again tonight.

The first part is plain functions from `Filters` to small frames; `Explorer` is their ipywidgets face.
"""

import glob
import html
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from . import limits, recovery, tag_import, workbench
from .exceptions import ParameterError, QuotaError, RebroadcastError
from .parameters import from_namespace
from .words import CAUSES, COLUMNS, DISPOSITIONS, VERDICTS, word

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

FILES = ("exports", "messages", "contacts", "channels")
SETTINGS = (*FILES, "timezone", "date_format")
SHARED = ("engine", "export", "messages", "contacts", "all_failed", "has_broadcasts")  # read once for all filters
CELL = ("masked", "cause", "verdict", "channel_id", "sender_type")
COLUMNS_SHOWN = {"local_at": 13, "channel_id": 14, "contact_id": 10, "message_id": 14, "sender_type": 9, "cause": 11,
                 "masked": 29}  # fmt: skip
PAGE, ROWS_TRIED = 15, 5
TAG = "failed broadcast {date:%d%m%y}"


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
    """One page of messages: row_id, the columns of `COLUMNS_SHOWN`, verdict, and the content where asked for."""
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


def show(namespace: Mapping[str, object]) -> "Explorer":
    """Open the explorer with a notebook's own variables, and display it: `explorer.show(globals())`."""
    from IPython.display import display

    explorer = Explorer(from_namespace(namespace, workbench.NAMES))
    display(explorer.ui)
    explorer.load(explorer.given)
    explorer.follow()
    return explorer


class Explorer:
    """The ipywidgets face: `ui` is the widget. One thing at a time runs in a thread, so that it can be stopped."""

    def __init__(self, given: dict):
        import ipywidgets as w
        from plotly.graph_objects import FigureWidget

        self.given, self.prepared, self.working, self.task = given, None, None, None
        self.pool, self.quiet, self.front, self.stopped = ThreadPoolExecutor(1), False, False, False
        self.number, self.sort, self.descending, self.uploaded, self.tried = 0, "local_at", True, "", None
        self.lang = workbench.language(str(given.get("language") or "en"))
        self.out = str(given.get("out") or "results/explorer")
        _, wide = self.lang.gettext, {"width": "100%"}
        long = {"style": {"description_width": "130px"}, "layout": {"width": "98%"}, "continuous_update": False}

        def button(text: str, action: Callable[[], object], **more) -> w.Button:
            made = w.Button(description=text, **more)
            made.on_click(lambda _made: action())
            return made

        names = {"exports": _("Failed messages"), "messages": _("Messages export"), "contacts": _("Contacts export"),
                 "channels": _("Channels file"), "timezone": _("Time zone"), "date_format": _("Order of dates")}  # fmt: skip
        self.fields = {n: w.Text(str(given.get(n) or ""), description=t, **long) for n, t in names.items()}
        self.upload = w.FileUpload(accept=".csv,.zip,.xlsx,.parquet,.gz", description=_("Upload (to 9 MB)"))
        self.upload.observe(lambda _change: self.upload.value and self.open(self.upload.value[0]), "value")
        opening = w.HBox([button(_("Open"), self.open, button_style="primary"), self.upload])
        self.status, self.bar = w.HTML(), w.IntProgress(max=4, layout={"visibility": "hidden", "width": "160px"})
        self.stop = button(_("Stop"), lambda: Thread(target=self.halt).start(), layout={"visibility": "hidden"})
        self.state, self.panel, self.result, self.table = w.HTML(), w.HTML(), w.HTML(), w.HTML(layout=wide)
        several = {
            "cause": _("Causes"),
            "verdict": _("Verdicts"),
            "channel": _("Channels"),
            "sender_type": _("Sender types"),
        }
        self.controls = {n: w.SelectMultiple(rows=5, layout={"width": "24%"}) for n in several}
        heads = w.HBox([w.HTML(f"<b>{html.escape(t)}</b>", layout={"width": "24%"}) for t in several.values()])
        lists = w.VBox([heads, w.HBox(list(self.controls.values()))])
        for name, text in (("from_", _("From")), ("to", _("Before"))):
            self.controls[name] = w.NaiveDatetimePicker(description=text, style={"description_width": "50px"})
        self.controls["text"] = w.Text(placeholder=_("Text in the error"), continuous_update=False)
        for control in self.controls.values():
            control.observe(lambda _change: self.refresh(), "value")
        reset = button(_("Reset"), lambda: self.choose(**dict.fromkeys(self.controls)))
        times = w.HBox([*list(self.controls.values())[4:], reset])
        self.figures = {n: FigureWidget() for n in ("causes", "times", "errors")}
        for figure in self.figures.values():
            figure._config = {"responsive": True, "displayModeBar": False}
        columns = {"local_at": _("Time"), "contact_id": _("Contact ID"), "message_id": _("Message ID"), "masked": _("Error"),
                   "channel_id": _("Channel"), "sender_type": _("Sender type"), "cause": _("Cause")}  # fmt: skip
        self.heads = {n: button(columns[n], lambda n=n: self.order(n), layout={"width": f"{size}%", "margin": "0"})
                      for n, size in COLUMNS_SHOWN.items()}  # fmt: skip
        self.names = columns
        self.pages = [button(t, lambda by=by: self.turn(by), layout={"width": "110px"}) for t, by in
                      ((_("Previous"), -1), (_("Next"), 1))]  # fmt: skip
        self.content = w.Checkbox(description=_("Show what the messages say"), indent=False)
        self.content.observe(lambda _change: self.refresh(), "value")
        self.place = w.HTML()
        self.tag = w.Text(str(given.get("tag") or TAG), description=_("Tag"), **long)
        self.fixed = w.Text(description=_("Causes mended"), placeholder="template, window, token", **long)
        self.folder = w.Text(self.out, description=_("Folder"), **long)
        self.by_wave = w.Checkbox(description=_("One set of files per wave"), indent=False)
        for field in (self.tag, self.fixed, self.by_wave):
            field.observe(lambda _change: self.refresh(), "value")
        self.write = button(
            _("Write import files"), self.run, disabled=True, button_style="primary", layout={"width": "170px"}
        )
        jobs = w.HBox([button(_("Dry run"), lambda: self.run(dry=True)), self.write,
                       button(_("Save for tonight's run"), self.save, layout={"width": "190px"})])  # fmt: skip
        right = w.VBox([self.panel, self.tag, self.fixed, self.by_wave, self.folder, jobs, self.result])
        boxes = [self.figures["causes"], self.figures["times"], self.figures["errors"], right]
        grid = w.GridBox(
            boxes, layout={"grid_template_columns": "minmax(0, 1fr) minmax(0, 1fr)", "grid_gap": "8px 24px"}
        )
        self.files = w.Accordion([w.VBox([*self.fields.values(), opening])], titles=[_("Another export")])
        listing = [w.HBox([*self.pages, self.place, self.content]), w.HBox(list(self.heads.values())), self.table]
        working = w.HBox([self.status, self.bar, self.stop])
        self.ui = w.VBox([w.HTML(STYLE), self.files, working, lists, times, self.state, grid, *listing])
        self.ui.add_class("rebroadcast")

    # One thing at a time

    def start(self, action: Callable[[], object], front: bool = True) -> None:
        """Do something in the thread; what is not in front gives way to whatever the user does next."""
        if not self.settle():
            return
        self.front, self.stopped = front, False
        self.busy(front)

        def run() -> None:
            try:
                action()
            except Exception as error:  # whatever went wrong is said here, not in a log
                self.fail(error)
            finally:
                self.busy(False)

        self.task = self.pool.submit(run)

    def settle(self) -> bool:
        """Whether the engine is free, now that what was not in front has been stopped."""
        if self.task and not self.task.done():
            if self.front:
                self.say(self.lang.gettext("Still at work: wait, or press Stop."))
                return False
            self.halt()
        return True

    def halt(self) -> None:
        """Interrupt the engine until the thread has noticed."""
        self.stopped = True
        while self.task and not self.task.done():
            for bench in filter(None, (self.working, self.prepared and self.prepared.bench)):
                if engine := bench.__dict__.get("engine"):
                    engine.con.con.interrupt()
            time.sleep(0.02)

    def busy(self, at_work: bool) -> None:
        for shown in (self.bar, self.stop):
            shown.layout.visibility = "visible" if at_work else "hidden"
        self.bar.value = 0

    def step(self, text: str) -> None:
        self.bar.value += 1
        self.say(f"{text} …")
        if self.stopped:
            raise InterruptedError

    def say(self, text: str, error: bool = False) -> None:
        self.status.value = f'<span class="{"rb-error" if error else ""}">{html.escape(text)}</span>'

    def fail(self, error: Exception) -> None:
        _ = self.lang.gettext
        if self.stopped:
            self.say(_("Stopped.") if self.front else "")
        elif isinstance(error, RebroadcastError):
            self.say(str(error), error=True)
        else:
            said = " ".join(str(error).split())[:200]
            self.say(_("That did not work: {kind}, {text}", kind=type(error).__name__, text=said), error=True)
