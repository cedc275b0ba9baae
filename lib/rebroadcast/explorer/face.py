"""What the explorer looks like: its widgets, and where they stand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import anywidget
import ipywidgets as w
import traitlets

from ..common.language import Language
from ..sources import profile
from . import sections

if TYPE_CHECKING:
    from .explorer import Explorer

HERE = Path(__file__).parent
RESULTS = (
    "../results/explorer" if Path.cwd().name == "notebooks" else "results/explorer"
)  # where `make report` writes too
LISTS = ("cause", "verdict", "channel", "sender_type")  # filters that are chosen from a list
FIGURES = ("causes", "times", "errors")
FILES = ("exports", "messages", "contacts", "channels")  # fields that take an upload
LANGUAGES = (("English", "en"), ("Español", "es"))
WIDE = {"layout": {"width": "auto"}}
LOOKS = {
    "style": {"description_width": "140px"},
    "layout": {"width": "auto", "max_width": "640px", "flex": "1 1 320px"},
}


class Figure(anywidget.AnyWidget):
    """One figure, as plotly's JSON; a click sends its trace and point. The one with a `script`
    brings plotly.js for all.
    """

    _esm, _css = HERE / "explorer.js", HERE / "explorer.css"
    figure = traitlets.Unicode().tag(sync=True)
    script = traitlets.Unicode().tag(sync=True)


class Upload(anywidget.AnyWidget):
    """A place for a file of any size, which comes in pieces (name, size, at; the bytes) and is kept
    in a folder; `done` is told its path when it is whole.
    """

    _esm = HERE / "upload.js"
    text = traitlets.Unicode().tag(sync=True)
    called = traitlets.Unicode().tag(sync=True)
    lost = traitlets.Unicode().tag(sync=True)
    accept = traitlets.Unicode(
        ".csv,.tsv,.txt,.json,.jsonl,.ndjson,.log,.zip,.gz,.xlsx,.parquet,.toml"
    ).tag(sync=True)

    def __init__(self, folder: Path, done: Callable[[Path], None], **texts: str):
        super().__init__(**texts)
        self.folder, self.done = folder, done
        self.on_msg(lambda _widget, said, pieces: self.take(said, pieces[0]))

    def take(self, said: Mapping, piece: memoryview) -> None:
        """Keep one piece, and say how much has come."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / Path(said["name"]).name
        with path.open("ab" if said["at"] else "wb") as file:
            file.write(piece)
        came = said["at"] + len(piece)
        self.send({"took": came})
        if came >= said["size"]:
            self.done(path)


class Download(anywidget.AnyWidget):
    """A link that saves a file on the reader's own computer."""

    _esm = HERE / "download.js"
    name = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    content = traitlets.Bytes().tag(sync=True)


class Face:
    """The widgets in one language, of which `ui` holds all; what they do is given to them."""

    def __init__(self, given: Mapping[str, object], lang: Language, folder: Path, acts: "Explorer"):
        self.given, self.lang, self.acts = given, lang, acts
        self._ = lang.gettext
        self.state, self.panel, self.result, self.place = (w.HTML() for _ in range(4))
        figures = self._figures()
        parts = [self._opening(folder), self._working(), self._filters(), self.state]
        halves = [
            w.VBox(figures["causes"] + figures["errors"]),
            w.VBox([*figures["times"], *self._job()]),
        ]
        columns = "repeat(auto-fit, minmax(min(440px, 100%), 1fr))"
        both = w.GridBox(halves, layout={"grid_template_columns": columns, "grid_gap": "8px 28px"})
        self.ui = w.VBox([*parts, both, *self._messages()])
        self.ui.add_class("rebroadcast")

    def text(self, name: str) -> str:
        """A parameter as a text field shows it."""
        value = self.given.get(name) or ""
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    # The parts of the page, from its top

    def _opening(self, folder: Path) -> w.Widget:
        """The files, folded away, and the language."""
        _ = self._
        names = {
            "exports": _("Failed messages"),
            "messages": _("Messages export"),
            "contacts": _("Contacts export"),
            "channels": _("Channels file"),
            "timezone": _("Time zone"),
            "date_format": _("Order of dates"),
            "profile": _("Profile"),
        }
        self.fields = {name: self._field(text, self.text(name)) for name, text in names.items()}
        self.uploads = {name: self._upload(name, names[name], folder / name) for name in FILES}
        rows = [
            w.HBox(
                [field, *filter(None, [self.uploads.get(name)])],
                layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 8px"},
            )
            for name, field in self.fields.items()
        ]
        self.drafted = w.HBox()
        buttons = [
            self._button(_("Open"), self.acts.open, "110px", button_style="primary"),
            self._button(_("Draft a channels file"), self.acts.draft),
            self.drafted,
        ]
        files = w.Accordion(
            [w.VBox([*rows, w.HBox(buttons)])],
            titles=[_("Your files")],
            selected_index=0 if self.given.get("exports") in (None, "", "sample") else None,
            layout={"flex": "1 1 320px"},
        )
        self.language = w.Dropdown(
            options=LANGUAGES,
            value=self.lang.code,
            description=_("Language"),
            style={"description_width": "initial"},
            layout={"width": "auto"},
        )
        self._watched(self.language, lambda: self.acts.speak(self.language.value))
        return w.HBox([files, self.language], layout={"flex_flow": "row wrap", "grid_gap": "8px"})

    def _upload(self, name: str, called: str, folder: Path) -> Upload:
        _ = self._
        return Upload(
            folder,
            lambda path: self.acts.safely(self.acts.upload, name, path),
            text=_("Drop the file here, or choose it"),
            called=_("Upload: {file}", file=called),
            lost=_("The connection was lost, and the file did not arrive whole. Choose it again."),
        )

    def _working(self) -> w.Widget:
        """What is being done, how far it is, and a way to stop it."""
        self.status = w.HTML()
        self.bar = w.IntProgress(max=4, layout={"visibility": "hidden", "width": "160px"})
        self.stop = self._button(
            self._("Stop"), lambda: Thread(target=self.acts.halt, daemon=True).start(), "90px"
        )
        self.stop.layout.visibility = "hidden"
        return w.HBox(
            [self.status, self.bar, self.stop],
            layout={"align_items": "center", "min_height": "34px"},
        )

    def _filters(self) -> w.Widget:
        _ = self._
        heads = {
            "cause": _("Causes"),
            "verdict": _("Verdicts"),
            "channel": _("Channels"),
            "sender_type": _("Sender types"),
        }
        lists = {name: w.SelectMultiple(description=heads[name], **WIDE) for name in LISTS}
        look = {"style": {"description_width": "58px"}} | WIDE
        times = {
            "from_": w.NaiveDatetimePicker(description=_("From"), **look),
            "to": w.NaiveDatetimePicker(description=_("Before"), **look),
        }
        text = w.Text(placeholder=_("Text in the error"), continuous_update=False, **WIDE)
        broadcast = w.Select(description=_("Broadcasts"), **WIDE)
        self.controls = {"broadcast": broadcast, **lists, **times, "text": text}
        for control in self.controls.values():
            self._watched(control, self.acts.refresh)
        rest = [
            w.HTML(sections.said(_("Time and text"), "head")),
            *times.values(),
            text,
            self._button(_("Reset"), self.acts.reset, "110px"),
        ]
        boxes = [
            ("1 1 100%", broadcast),
            ("5 1 215px", lists["cause"]),
            ("3 1 130px", lists["verdict"]),
            ("5 1 170px", lists["channel"]),
            ("3 1 130px", lists["sender_type"]),
            ("0 1 290px", *rest),
        ]
        return w.HBox(
            [w.VBox(box, layout={"flex": flex}) for flex, *box in boxes],
            layout={"flex_flow": "row wrap", "grid_gap": "4px 10px"},
        )

    def _figures(self) -> dict[str, list[w.Widget]]:
        """Each figure below its caption."""
        self.figures = {name: Figure() for name in FIGURES}
        self.captions = {name: w.HTML() for name in FIGURES}
        for name, figure in self.figures.items():
            figure.on_msg(
                lambda _w, said, _more, name=name: self.acts.safely(self.acts.click, name, said)
            )
        return {name: [self.captions[name], self.figures[name]] for name in FIGURES}

    def _job(self) -> list[w.Widget]:
        """Who can be reached again, and what is done for them."""
        _ = self._
        self.tag = self._field(_("Tag"), self.text("tag") or _("failed broadcast {date:%d%m%y}"))
        self.fixed = self._field(
            _("Causes mended"), self.text("fixed"), placeholder=_("template, window, token")
        )
        self.folder = self._field(_("Folder"), self.text("out") or RESULTS)
        vendors = {name: one.title for name, one in profile.packaged().items() if one.target}
        own = self.text("for_")
        vendors = {own: own} | vendors | {"": _("The export's vendor")}
        self.for_ = w.Dropdown(
            options=[(title, name) for name, title in sorted(vendors.items())],
            value=own,
            description=_("Import into"),
            **LOOKS,
        )
        self.by_wave = w.Checkbox(
            bool(self.given.get("waves")), description=_("One set of files per wave"), indent=False
        )
        for control in (self.tag, self.fixed, self.for_, self.by_wave):
            self._watched(control, self.acts.follow)
        self.write = self._button(
            _("Write import files"),
            self.acts.run,
            disabled=True,
            button_style="primary",
            tooltip=_("A dry run of the same filters and tag comes first."),
        )
        jobs = w.HBox(
            [
                self._button(_("Dry run"), lambda: self.acts.run(dry=True)),
                self.write,
                self._button(_("Save for tonight's run"), self.acts.save),
            ],
            layout={"flex_flow": "row wrap"},
        )
        self.downloads = w.HBox(layout={"flex_flow": "row wrap", "grid_gap": "8px"})
        fields = (self.tag, self.fixed, self.for_, self.folder)
        asked = [w.HBox([field]) for field in fields]  # each in a row, whose width it fills
        return [self.panel, *asked, self.by_wave, jobs, self.result, self.downloads]

    def _messages(self) -> list[w.Widget]:
        """The messages themselves, a page at a time."""
        _ = self._
        self.names = {
            "local_at": _("Time"),
            "channel_id": _("Channel"),
            "contact_id": _("Contact"),
            "message_id": _("Message ID"),
            "sender_type": _("Sender type"),
            "cause": _("Cause"),
            "masked": _("Error"),
        }
        self.heads = {
            name: self._button(
                self.names[name], lambda name=name: self.acts.order(name), f"{width}%", margin="0"
            )
            for name, width in sections.WIDTHS.items()
        }
        self.content = w.Checkbox(description=_("Show what the messages say"), indent=False)
        self._watched(self.content, self.acts.relist)
        self.back = self._button(_("Previous"), lambda: self.acts.turn(-1), "110px")
        self.on = self._button(_("Next"), lambda: self.acts.turn(1), "110px")
        paging = w.HBox(
            [self.back, self.on, self.place, self.content],
            layout={"align_items": "center", "margin": "12px 0 4px", "flex_flow": "row wrap"},
        )
        sorts, self.table = w.HBox(list(self.heads.values())), w.HTML(layout={"width": "100%"})
        sorts.add_class("rb-sorts")
        return [paging, sorts, self.table]

    # Widgets of one kind

    def _field(self, text: str, value: str, **more) -> w.Text:
        return w.Text(value, description=text, continuous_update=False, **LOOKS, **more)

    def _button(
        self,
        text: str,
        action: Callable,
        width: str = "auto",
        margin: str = "2px 4px 2px 0",
        **more,
    ) -> w.Button:
        words = {"description": text, "tooltip": text} | more
        made = w.Button(**words, layout={"width": width, "margin": margin})
        made.on_click(lambda _made: self.acts.safely(action))
        return made

    def _watched(self, control: w.Widget, action: Callable) -> None:
        control.observe(lambda _change: self.acts.safely(action), "value")
