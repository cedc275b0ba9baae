"""The explorer: what its widgets do with a `selection`, its linked figures, messages, audience and
import files.
"""

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ipywidgets as w
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..bench import draft, parameters, workbench
from ..bench.settings import NAMES
from ..bench.tables import Tables
from ..common.exceptions import InputError, ParameterError, RebroadcastError, sentence
from ..common.folder import slug
from ..common.language import language
from ..recovery.tags import Tag
from ..show import failures as charts
from ..show import picture
from ..show.words import cause_name, verdict_name
from . import sections, selection, tonight
from .face import FILES, LISTS, Download, Face, Figure

FIRST = {"broadcast": "", "text": "", "from_": None, "to": None}  # filters that let all pass
TAKEN_OVER = (
    "tag",
    "fixed",
    "for_",
    "folder",
    "by_wave",
    "content",
)  # by a face in another language


def show(namespace: Mapping[str, Any]) -> "Explorer":
    """Open the explorer with a notebook's own variables; one that the same cell showed before is
    closed.

    Raises ParameterError for a misspelt parameter or an unknown language; all else that is wrong is
    said in the explorer.
    """
    explorer = Explorer(parameters.from_namespace(namespace, NAMES))
    for shown in list((namespace.get("Out") or {}).values()):
        if isinstance(shown, Explorer):
            shown.close()
    explorer.open()
    return explorer


class Explorer:
    """What its `face` asks for. One thing at a time runs in a thread, so that it can be stopped."""

    def __init__(self, given: Mapping[str, object]):
        self.given = dict(given)
        self.lang = language(str(given.get("language") or "en"))
        self._folder = TemporaryDirectory(prefix="rebroadcast-")
        self.uploads: dict[str, Path] = {}  # what was uploaded last for each field
        # The one thing at work.
        self.pool = ThreadPoolExecutor(1)
        self.task: Future | None = None
        self.working: workbench.Workbench | None = None  # being read
        self.front = False  # it does not give way to what the user does next
        self.stopped = False
        # What is shown.
        self.prepared: selection.Prepared | None = None
        self.quiet = False  # filters are being set, and nothing is to follow yet
        self.number = 0  # of the page of messages
        self.shown = 0  # messages that pass the filters
        self.sort, self.descending = "local_at", True
        self.drawn: dict[str, go.Figure] = {}
        self.unit = timedelta(hours=1)  # of a bar of the timeline
        # The filters and tag (see `key`) that things were done for.
        self.seen: selection.Filters | None = None
        self.followed = self.tried = self.told = tuple[object, ...]()
        self.face = self._face()
        self.page = w.VBox([Figure(script=get_plotlyjs()), self.face.ui])

    def _face(self) -> Face:
        return Face(self.given, self.lang, Path(self._folder.name), self)

    def _repr_mimebundle_(self, **_options) -> dict:
        return {
            "text/plain": "Explorer",
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.page.model_id,
            },
        }

    @property
    def ready(self) -> selection.Prepared:
        """What is `prepared`, for what is done only when something is."""
        assert self.prepared
        return self.prepared

    def close(self) -> None:
        """Stop what is at work, and give back memory and files."""
        self.halt()
        self.pool.shutdown()
        if self.prepared:
            self.prepared.tables.inputs.close()
        self.prepared = None
        self._folder.cleanup()

    # One thing at a time

    def safely(self, action: Callable, *words: object) -> None:
        """Do something; whatever goes wrong is said in the explorer, not in a log."""
        try:
            action(*words)
        except Exception as error:
            if self.stopped:
                self.say(self.lang.gettext("Stopped.") if self.front else "")
                return
            odd = sentence(
                "That did not work: {kind}, {text}",
                kind=type(error).__name__,
                text=" ".join(str(error).split())[:200],
            )
            text = (error if isinstance(error, RebroadcastError) else odd).said_in(self.lang.code)
            self.say(text, "error")
            self.tell(sections.said(text, "error"))  # also beside the buttons

    def tell(self, text: str, *downloads: Download) -> None:
        """Say below the buttons what came of them, for as long as filters and tag stay as they
        are.
        """
        self.face.result.value, self.face.downloads.children = text, downloads
        self.told = self.key

    def start(self, action: Callable[[], object], front: bool = True) -> None:
        """Do something in the thread; what is not in front gives way to whatever the user does
        next.
        """
        if not self.settle():
            return
        self.front, self.stopped = front, False
        self._busy(front)

        def run() -> None:
            self.safely(action)
            self._busy(False)
            if front and self.prepared:
                self.front = self.stopped = False  # what the user does next need not wait for this
                self.safely(self.catch_up)

        self.task = self.pool.submit(run)

    def settle(self) -> bool:
        """Whether the engine is free, now that what was not in front has been stopped."""
        if self.task and not self.task.done():
            if self.front:
                self.say(self.lang.gettext("Still at work: wait, or press Stop."))
                return False
            self.halt()
        self.stopped = False
        return True

    def catch_up(self) -> None:
        """Show what was asked for while something else was at work."""
        if self.filters != self.seen:
            self.number, self.tried = 0, ()
            self.draw()
        if self.key != self.followed:
            self.count()

    def halt(self) -> None:
        """Interrupt the engine until the thread has noticed."""
        self.stopped = True
        while self.stopped and self.task and not self.task.done():
            for at_work in (self.working, self.prepared and self.prepared.tables):
                if engine := at_work and at_work.inputs.__dict__.get("engine"):
                    with suppress(Exception):  # it may just have been closed
                        engine.con.con.interrupt()
            time.sleep(0.02)

    def _busy(self, at_work: bool) -> None:
        self.face.bar.value = 0
        for shown in (self.face.bar, self.face.stop):
            shown.layout.visibility = "visible" if at_work else "hidden"

    def step(self, text: str) -> None:
        """Say what begins, or end here where the user has pressed Stop."""
        self.face.bar.value += 1
        self.say(f"{text} …")
        if self.stopped:
            raise InterruptedError

    def say(self, text: str, kind: str = "note") -> None:
        self.face.status.value = sections.said(text, kind)

    # Another export, another language

    def open(self) -> None:
        """Open what the fields name."""
        typed = {name: field.value.strip() for name, field in self.face.fields.items()}
        typed = {name: text for name, text in typed.items() if text != self.face.text(name)}
        for name in ("exports", "messages", "contacts"):
            if "," in typed.get(name, ""):
                typed[name] = typed[name].split(",")
        self.start(lambda: self.load(self.given | typed))

    def upload(self, field: str, path: Path) -> None:
        """Open a file that was uploaded, in the place of one field."""
        self.uploads[field] = path
        self.face.fields[field].value = path.name
        self.open()

    def load(self, given: Mapping[str, object]) -> None:
        """Read an export and show it; the one before stays where that fails."""
        try:
            prepared, first = self._prepare(given)
        except ParameterError as error:
            for name in {*selection.NAMES} & {error.about, f"{error.about}_"}:
                self.given.pop(name, None)  # so that opening again goes on without it
            raise
        before, was = self.prepared, (self.given, self._chosen())
        asked = {name: value for name, value in given.items() if name not in selection.NAMES}
        try:
            self._take(prepared, asked, first)
        except BaseException:
            prepared.tables.inputs.close()
            self.prepared = None
            if before:
                self._take(before, *was)
            raise
        if before:
            before.tables.inputs.close()
        self.say("")

    def _prepare(self, given: Mapping[str, object]) -> tuple[selection.Prepared, dict]:
        """An export, and the filters that were asked for."""
        uploaded = {name: str(self.uploads[name]) for name in self._uploaded(given)}
        asked = {name: value for name, value in given.items() if name != "out"} | uploaded
        self.working = bench = workbench.open(asked, "explore")
        try:
            prepared = selection.prepare(bench, self.step)
            return prepared, selection.wanted(prepared, prepared.first)
        except BaseException:
            bench.close()
            raise
        finally:
            self.working = None

    def _uploaded(self, given: Mapping[str, object]) -> list[str]:
        """The fields of FILES that name an uploaded file."""
        return [
            name
            for name in FILES
            if name in self.uploads and given.get(name) == self.uploads[name].name
        ]

    def _take(
        self, prepared: selection.Prepared, given: Mapping[str, object], chosen: Mapping
    ) -> None:
        """Show an export, with filters."""
        self.prepared, self.given, self.face.given = prepared, dict(given), given
        self._offer()
        self.choose(draw=False, **chosen)
        self.number, self.followed = 0, ()
        self.tell("")
        self.face.panel.value, self.face.write.disabled = "", True
        self.draw()

    def _offer(self) -> None:
        """Fill the lists of filters, each value with its messages."""
        lang, options = self.lang, self.ready.options
        words: dict[str, Callable[[Any], str]] = {
            "broadcast": lambda key: self.ready.tables.names[key],
            "channel": self.ready.reader.channel,
            "cause": lambda cause: cause_name(cause, lang),
            "verdict": lambda verdict: verdict_name(verdict, lang),
            "sender_type": str,
        }
        every = [(lang.gettext("All messages"), "")]
        rows = max(map(len, (options[name] for name in LISTS)))
        self.quiet = True
        for name, called in words.items():
            control, counts = self.face.controls[name], options[name]
            control.rows = max(7, min(14, rows))
            listed = [(f"{called(v)} · {lang.number(n)}", v) for v, n in counts.items()]
            if name == "broadcast":
                control.rows = max(2, min(8, len(counts) + 1))
                control.options, control.value = every + listed, ""
            else:
                control.value, control.options = (), listed
        self.quiet = False

    def speak(self, code: str) -> None:
        """Show the same in another language."""
        if code == self.lang.code or not self.settle():
            self.face.language.value = self.lang.code
            return
        before, chosen = self.face, self._chosen()
        self.lang = language(code)
        self.given = self.given | {"language": code}
        self.face = self._face()
        for name, field in before.fields.items():
            self.face.fields[name].value = field.value
        for name in TAKEN_OVER:
            getattr(self.face, name).value = getattr(before, name).value
        self.page.children = (self.page.children[0], self.face.ui)
        if self.prepared:
            self.prepared = self.prepared.spoken(self.lang)
            self._offer()
            self.choose(**chosen)

    # Filters

    def _chosen(self) -> dict[str, Any]:
        return {name: control.value for name, control in self.face.controls.items()}

    @property
    def filters(self) -> selection.Filters:
        chosen = self._chosen()
        for name in ("from_", "to"):
            chosen[name] = f"{chosen[name]:%Y-%m-%d %H:%M:%S}" if chosen[name] else ""
        texts = {"text": chosen["text"].strip(), "broadcast": chosen["broadcast"] or ""}
        return selection.Filters(**chosen | texts)

    def choose(self, draw: bool = True, **values) -> None:
        """Set filters (None: all) and show what passes."""
        self.quiet = True
        try:
            for name, value in values.items():
                self.face.controls[name].value = value or FIRST.get(name, ())
        finally:
            self.quiet = False
        if draw:
            self.refresh()

    def reset(self) -> None:
        """Let all messages pass."""
        if self.prepared:
            self.choose(True, **dict.fromkeys(self.face.controls))

    def refresh(self) -> None:
        """Show the present filters, then, in the thread, who can be reached again."""
        if self.prepared and not self.quiet and self.settle():
            self.number, self.tried = 0, ()
            self.draw()
            self.say("")
            self.follow()

    def draw(self) -> None:
        """Figures, messages, and how many they are."""
        filters = self.filters
        frames = selection.frames(self.ready, filters)
        self.seen = filters
        causes, unit = frames["causes"], frames["times"].attrs["unit"]
        in_view = causes["cause"].isin(filters.cause or causes["cause"])
        self.shown = int(causes.loc[in_view, "failed"].sum())
        self.unit = timedelta(**{f"{unit}s": 1})
        self.drawn = {
            "causes": charts.failures_by_cause(causes, lang=self.lang),
            "times": charts.failures_by_hour(frames["times"], unit=unit, lang=self.lang),
            "errors": charts.error_by_channel(frames["errors"], lang=self.lang),
        }
        if filters.cause and causes["failed"].sum():
            self._mark_bars(filters.cause)
        if filters.text.startswith("="):
            self._mark_cell(filters)
        for name, figure in self.drawn.items():
            self._send(name, figure)
        self.face.state.value = sections.state(self.ready, self.shown, self._said(filters))
        self.list_messages()

    def _mark_bars(self, causes: tuple[str, ...]) -> None:
        """Fade the causes that were not chosen."""
        for bars in self.drawn["causes"].data:
            if bars.customdata is not None:
                bars.marker.opacity = [1 if c in causes else 0.3 for c in bars.customdata]

    def _mark_cell(self, filters: selection.Filters) -> None:
        """Frame the cell of the heat map that was chosen."""
        figure = self.drawn["errors"]
        for y, row in enumerate(figure.data[0].customdata if figure.data else ()):
            for x, cell in enumerate(row):
                if self._cell(*cell) == (filters.text, filters.channel):
                    figure.add_shape(
                        x0=x - 0.5, x1=x + 0.5, y0=y - 0.5, y1=y + 0.5, line={"width": 3}
                    )

    def _send(self, name: str, figure: go.Figure) -> None:
        """Show a figure, its title as text above it."""
        shown = json.loads(figure.to_json())
        told = shown["layout"].pop("meta")["description"]
        finding, subtitle = picture.caption(shown["layout"])
        self.face.captions[name].value = sections.said(finding, "lead") + sections.said(subtitle)
        self.face.figures[name].figure = json.dumps(shown | {"description": told})

    def _said(self, filters: selection.Filters) -> list[str]:
        """What was chosen, in words."""
        controls, reader = self.face.controls, self.ready.reader
        ends = [(controls[n].description, controls[n].value) for n in ("from_", "to")]
        return [
            *([self.ready.tables.names[filters.broadcast]] if filters.broadcast else []),
            *(cause_name(cause, self.lang) for cause in filters.cause),
            *(verdict_name(verdict, self.lang) for verdict in filters.verdict),
            *map(reader.channel, filters.channel),
            *filters.sender_type,
            *([filters.text.removeprefix("=")] if filters.text else []),
            *(f"{text} {self.lang.datetime(value)}" for text, value in ends if value),
        ]

    # Clicks

    def _cell(self, error: str, channel: str) -> tuple[str, tuple[str, ...]]:
        """The filters on text and channels that a cell of the heat map stands for."""
        named = self.ready.tables.settings.channels.name
        text = "=" if error == self.lang.gettext("(none)") else f"={error}"
        return text, tuple(
            c for c in self.ready.options["channel"] if self.lang.channel(named(c)) == channel
        )

    def click(self, name: str, said: Mapping) -> None:
        """Filter by a bar or cell; a second click takes that back."""
        traces, point = self.drawn[name].data, said["point"]
        if said["curve"] >= len(traces) or (trace := traces[said["curve"]]).customdata is None:
            return
        if name == "causes":
            values: dict[str, Any] = {"cause": (trace.customdata[point],)}
        elif name == "errors":
            text, channels = self._cell(*trace.customdata[point[0]][point[1]])
            values = {"text": text, "channel": channels}
        else:
            start = datetime.fromisoformat(str(trace.x[point])[:19])
            values = {"from_": start, "to": start + self.unit}
        chosen = self._chosen()
        self.choose(**dict.fromkeys(values) if chosen == chosen | values else values)

    # Messages

    def order(self, column: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        self.descending = column == self.sort and not self.descending
        self.sort, self.number = column, 0
        self.relist()

    def turn(self, by: int) -> None:
        """Turn a number of pages."""
        self.number = min(max(0, self.number + by), max(0, self.shown - 1) // selection.PAGE)
        self.relist()

    def relist(self) -> None:
        if self.prepared and self.settle():
            self.list_messages()
            self.follow()

    def list_messages(self) -> None:
        """One page of messages."""
        face, number, first = self.face, self.lang.number, self.number * selection.PAGE
        page = selection.page(
            self.ready,
            self.filters,
            self.number,
            self.sort,
            self.descending,
            face.content.value,
        )
        for column, head in face.heads.items():
            arrow = (" ▼" if self.descending else " ▲") if column == self.sort else ""
            head.description = face.names[column] + arrow
        face.table.value = sections.messages(self.ready.reader, page)
        place = self.lang.gettext(
            "Messages {first} to {last} of {total}",
            first=number(first + 1),
            last=number(first + len(page)),
            total=number(self.shown),
        )
        face.place.value = sections.said(place if page else "")
        face.back.disabled, face.on.disabled = not first, first + len(page) >= self.shown

    # The audience and its files

    @property
    def key(self) -> tuple:
        """Everything that an audience depends on."""
        return id(self.prepared), self.filters, *self._asked.values()

    @property
    def _asked(self) -> dict[str, Any]:
        """The parameters of `tag_import` beside the filters, as its widgets have them."""
        face = self.face
        asked = {"tag": face.tag, "fixed": face.fixed, "for_": face.for_, "waves": face.by_wave}
        return {name: widget.value for name, widget in asked.items()}

    def asked(self, **more) -> Tables:
        """The tables of `tag_import` with the present filters and tag."""
        Tag.parse(self.face.tag.value)
        return selection.view(self.ready, self.filters, **self._asked, **more)

    def follow(self) -> None:
        """Say in the thread who can be reached again."""
        self.face.write.disabled = self.key != self.tried
        if self.key != self.told:
            self.face.result.value, self.face.downloads.children = "", ()
        if self.prepared and self.key != self.followed and self.settle():
            self.face.panel.value = sections.said(
                self.lang.gettext("Counting who can be reached again …")
            )
            self.start(self.count, front=False)

    def count(self) -> None:
        """Say who can be reached again, and when; what stands in the way is said there too."""
        key, told, reader = self.key, "", self.ready.reader
        try:
            asked = self.asked()
            audience = selection.audience(asked)
            self.face.panel.value = told = sections.audience(reader, self.filters, audience)
            if audience.people:
                waves = selection.waves(self.ready, asked, audience.contacts)
                told += sections.waves(reader, *waves)
        except RebroadcastError as error:
            told += sections.said(error.said_in(self.lang.code), "note" if told else "error")
        self.face.panel.value, self.followed = told, key

    def run(self, dry: bool = False) -> None:
        """Write the import files as `tag_import` does, or (dry) say what they would be."""
        if self.prepared and (dry or self.key == self.tried):
            self.start(lambda: self._run(dry))

    def _run(self, dry: bool) -> None:
        key, place = self.key, tonight.free(Path(self.face.folder.value), self.slug)
        self.tell("")
        self.step(self.lang.gettext("Deciding for each row, and writing"))
        found = selection.write(self.asked(out="" if dry else str(place)))
        folder = found.folder if dry else place.absolute() / "import"
        told = sections.files(self.ready.reader, found.files, folder, dry)
        self.tell(told, *([] if dry else self._downloads(folder)))
        self.tried, self.face.write.disabled = key if dry else (), not dry
        self.say("")

    def _downloads(self, folder: Path) -> list[Download]:
        """The import files as one download: a CSV file, or a ZIP archive of several."""
        paths = sorted(folder.glob("*")) if folder.is_dir() else []
        if not paths:
            return []
        name, content = paths[0].name, paths[0].read_bytes()
        if len(paths) > 1:
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                for path in paths:
                    file.write(path, path.name)
            name, content = f"{folder.parent.name}.zip", archive.getvalue()
        return [self._download(name, content)]

    def _download(self, name: str, content: bytes) -> Download:
        text = self.lang.gettext("Download {file}", file=name)
        return Download(name=name, content=content, text=text)

    @property
    def slug(self) -> str:
        """What files for the present tag are called."""
        return slug(re.sub(r"\{[^}]*\}", "", self.face.tag.value), "import")

    def draft(self) -> None:
        """Draft a channels file of what is open, to be downloaded, completed and opened with it."""
        if self.prepared:
            self.start(self._draft)

    def _draft(self) -> None:
        self.step(self.lang.gettext("Drafting a channels file"))
        drafted = draft.draft(self.ready.tables).encode()
        self.face.drafted.children = [self._download("channels.toml", drafted)]
        self.say("")

    def save(self) -> None:
        """Write the present filters as parameters and as a batch entry, for tonight's run."""
        for name in self._uploaded(self.given):
            raise InputError(
                "{name} was uploaded, and is gone when the explorer closes. Put it into a folder"
                " and open it there.",
                name=self.uploads[name].name,
            )
        if self.prepared and self.settle():
            folder = Path(self.face.folder.value).absolute()
            paths = tonight.save(folder, self.slug, tonight.job(self.asked()))
            self.tell(sections.saved(self.ready.reader, paths))
            self.follow()
