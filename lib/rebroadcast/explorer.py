"""The explorer: an ipywidgets face of `selection`, with linked figures, messages, the audience and its import files."""

import html
import re
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

from . import charts, drawing, limits, recovery, selection, tag_import, workbench
from .exceptions import InputError, QuotaError, RebroadcastError
from .parameters import from_namespace
from .words import CAUSES, COLUMNS, DISPOSITIONS, VERDICTS, word

TAG = "failed broadcast {date:%d%m%y}"
WIDTHS = {"local_at": 13, "channel_id": 14, "contact_id": 10, "message_id": 14, "sender_type": 9, "cause": 12, "masked": 28}
LINES = 6  # of an import file, shown by a dry run
STYLE = """<style>
.rebroadcast { max-width: 1240px; }
.rb-table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: 13px; line-height: 1.45; }
.rb-table td, .rb-table th { padding: 3px 6px; text-align: left; vertical-align: top; overflow-wrap: anywhere;
  border-bottom: 1px solid rgba(138, 138, 138, .3); }
.rb-table .num { text-align: right; font-variant-numeric: tabular-nums; }
.rb-lead { font-size: 16px; font-weight: 600; margin: 6px 0; } .rb-note { font-size: 13px; margin: 4px 0; }
.rb-error { color: #B3261E; font-weight: 600; }
</style>"""


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

    # Another export

    def open(self, upload: dict | None = None) -> None:
        """Open what the fields name, or a file that was uploaded."""
        given = self.given | {name: field.value.strip() for name, field in self.fields.items()}
        self.start(lambda: self.load(given, upload))

    def load(self, given: dict, upload: dict | None = None) -> None:
        """Read an export and show it; the one before stays where that fails."""
        if upload:
            given = given | {"exports": Path(upload["name"]).name}
        bench = self.working = workbench.open(given, "explore")
        try:
            if upload:
                path = bench.engine.scratch / given["exports"]
                path.write_bytes(upload["content"])
                bench.given["exports"] = str(path)
            prepared = selection.prepare(bench, self.step)
        except BaseException:
            bench._stack.close()
            raise
        before, self.prepared, self.given = self.prepared, prepared, given
        self.uploaded, self.assessed, self.number = upload["name"] if upload else "", None, 0
        bench.lang, self.working = self.lang, None
        if before:
            before.bench._stack.close()
        name, words = bench.channels.name, {"cause": CAUSES, "verdict": VERDICTS}
        self.quiet = True
        for field, values in prepared.options.items():
            label = name if field == "channel" else lambda v, f=field: word(words.get(f, {}), v, self.lang)
            self.controls[field].value = ()
            self.controls[field].options = [(label(value), value) for value in values]
        self.quiet = False
        self.choose(**dict.fromkeys(self.controls), draw=False)
        self.draw()
        self.say("")

    # Filters

    @property
    def filters(self) -> selection.Filters:
        found = {n: c.value for n, c in self.controls.items()}
        found |= {n: f"{found[n]:%Y-%m-%d %H:%M:%S}" if found[n] else "" for n in ("from_", "to")}
        return selection.Filters(**found | {"text": found["text"].strip()})

    def choose(self, draw: bool = True, **values) -> None:
        """Set filters (None: all) and show what passes."""
        self.quiet = True
        for name, value in values.items():
            self.controls[name].value = value or {"text": "", "from_": None, "to": None}.get(name, ())
        self.quiet = False
        if draw:
            self.refresh()

    def refresh(self) -> None:
        """Show the present filters, then, in the thread, who can be reached again."""
        if self.quiet or not self.prepared or not self.settle():
            return
        self.number = 0
        try:
            self.draw()
        except RebroadcastError as error:
            self.fail(error)
        else:
            self.say("")
            self.follow()

    def draw(self) -> None:
        """Figures, messages, and how many they are."""
        _, filters, lang = self.lang.gettext, self.filters, self.lang
        found = selection.frames(self.prepared, filters)
        causes = found["causes"]
        self.shown = int(causes.loc[causes["cause"].isin(filters.cause or causes["cause"]), "failed"].sum())
        drawn = {
            "causes": charts.failures_by_cause(causes, lang=lang),
            "errors": charts.error_by_channel(found["errors"], lang=lang),
            "times": charts.failures_by_hour(found["times"], unit=found["times"].attrs.get("unit", "hour"), lang=lang),
        }
        self.unit = timedelta(days=1) if "unit" in found["times"].attrs else timedelta(hours=1)
        if filters.cause and causes["failed"].sum():
            bars = drawn["causes"].data[0]
            bars.marker.opacity = [1 if cause in filters.cause else 0.3 for cause in bars.customdata]
        clicks = {"causes": self.click_cause, "errors": self.click_cell, "times": self.click_time}
        for name, figure in drawn.items():
            _put(self.figures[name], figure, clicks[name])
        state = lang.ngettext("{n} of {total} failed messages is shown", "{n} of {total} failed messages are shown",
                              self.shown, total=lang.number(self.prepared.total))  # fmt: skip
        bench = self.prepared.bench
        aside = _("Not counted: {repeats} repeated rows, {rejected} rows that could not be read.",
                  repeats=lang.number(bench.repeats), rejected=lang.number(len(bench.export.rejected)))  # fmt: skip
        self.state.value = f'<div class="rb-lead">{state}</div><div class="rb-note">{aside}</div>'
        self.list()

    def click_cause(self, trace, points, _state) -> None:
        if points.point_inds:
            cause = (trace.customdata[points.point_inds[0]],)
            self.choose(cause=None if self.filters.cause == cause else cause)

    def click_cell(self, trace, points, _state) -> None:
        if points.xs:
            error, channel = trace.customdata[int(points.ys[0])][int(points.xs[0])]
            named = self.prepared.bench.channels.name
            ids = tuple(c for c in self.prepared.options["channel"] if named(c) == channel)
            text = "=" if error == self.lang.gettext("(none)") else f"={error}"
            again = (self.filters.text, self.filters.channel) == (text, ids)
            self.choose(text="" if again else text, channel=None if again else ids)

    def click_time(self, trace, points, _state) -> None:
        if points.point_inds:
            start = datetime.fromisoformat(str(trace.x[points.point_inds[0]])[:19])
            again = (self.controls["from_"].value, self.controls["to"].value) == (start, start + self.unit)
            self.choose(from_=None if again else start, to=None if again else start + self.unit)

    # Messages

    def order(self, column: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        self.descending, self.sort, self.number = column == self.sort and not self.descending, column, 0
        self.relist()

    def turn(self, by: int) -> None:
        self.number = min(max(0, self.number + by), max(0, self.shown - 1) // selection.PAGE)
        self.relist()

    def relist(self) -> None:
        if self.prepared and self.settle():
            self.list()
            self.follow()

    def list(self) -> None:
        """One page of messages."""
        _, lang, number = self.lang.gettext, self.lang, self.lang.number
        frame = selection.page(self.prepared, self.filters, self.number, self.sort, self.descending, self.content.value)
        for column, head in self.heads.items():
            arrow = (" ▼" if self.descending else " ▲") if column == self.sort else ""
            head.description = self.names[column] + arrow
        named, rows = self.prepared.bench.channels.name, []
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            row["local_at"] = row["local_at"] and f"{row['local_at']:%Y-%m-%d %H:%M:%S}"
            row["channel_id"] = row["channel_id"] and named(row["channel_id"])
            row["cause"] = f"{word(CAUSES, row['cause'], lang)} · {word(VERDICTS, row['verdict'], lang)}"
            rows.append([row[c] for c in WIDTHS])
            if row.get("content"):
                rows.append([row["content"]])
        self.table.value = _table([], rows, WIDTHS.values())
        facts = {"first": number(self.number * selection.PAGE + 1), "last": number(self.number * selection.PAGE + len(frame))}
        self.place.value = _("Messages {first} to {last} of {total}", **facts, total=number(self.shown)) if len(frame) else ""

    # The audience and its files

    def asked(self, **given) -> workbench.Workbench:
        """The workbench of `tag_import` with the present filters and tag."""
        given |= {"tag": self.tag.value, "fixed": self.fixed.value, "waves": self.by_wave.value}
        return selection.view(self.prepared.bench, self.filters, **given)

    def follow(self) -> None:
        """Say in the thread who can be reached again, and when."""
        key = (id(self.prepared), self.filters, self.tag.value, self.fixed.value, self.by_wave.value)
        if key != self.tried:
            self.write.disabled = True
        if key == self.followed:
            return
        self.panel.value = f'<div class="rb-note">{self.lang.gettext("Counting who can be reached again …")}</div>'

        def count() -> None:
            asked = self.asked()
            counts, contacts = selection.audience(asked)
            self.panel.value = said = self.told(asked, counts)
            if counts["tagged"]:
                try:
                    self.assessed = self.assessed or limits.assess(self.prepared.bench)
                    self.panel.value = said + self.timetable(selection.waves(asked, contacts, self.assessed))
                except QuotaError as error:
                    self.panel.value = f'{said}<div class="rb-note">{html.escape(str(error))}</div>'
            self.followed = key

        self.start(count, front=False)
