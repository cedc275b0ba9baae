"""What the explorer looks like: its widgets, and where they stand."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import anywidget
import ipywidgets as w
import traitlets
from plotly.offline import get_plotlyjs

from ..common.language import language
from . import sections

HERE = Path(__file__).parent
RESULTS = (
    "../results/explorer" if Path.cwd().name == "notebooks" else "results/explorer"
)  # where `make report` writes too
LISTS = ("cause", "verdict", "channel", "sender_type")  # filters that are chosen from a list


class Figure(anywidget.AnyWidget):
    """One figure, as plotly's JSON; a click sends its trace and point. The one with a `script`
    brings plotly.js for all.
    """

    _esm, _css = HERE / "explorer.js", HERE / "explorer.css"
    figure = traitlets.Unicode().tag(sync=True)
    script = traitlets.Unicode().tag(sync=True)


class Face:
    """The widgets, of which `ui` holds all; what they do is their heir's, `explorer.Explorer`."""

    def __init__(self, given: dict):
        self.given, self.lang = dict(given), language(str(given.get("language") or "en"))
        self._ = _ = self.lang.gettext
        names = {
            "exports": _("Failed messages"),
            "messages": _("Messages export"),
            "contacts": _("Contacts export"),
            "channels": _("Channels file"),
            "timezone": _("Time zone"),
            "date_format": _("Order of dates"),
        }
        self.fields = {n: self._field(text, self._text(n)) for n, text in names.items()}
        self.upload = self._watched(
            w.FileUpload(
                accept=".csv,.zip,.xlsx,.parquet,.gz",
                layout={"width": "auto"},
                description=_("Upload (up to 9 MB)"),
            ),
            self._uploaded,
        )
        opening = w.HBox(
            [self._button(_("Open"), self.open, "110px", button_style="primary"), self.upload]
        )
        files = w.Accordion(
            [w.VBox([*self.fields.values(), opening])], titles=[_("Another export")]
        )
        self.status, self.bar = (
            w.HTML(),
            w.IntProgress(max=4, layout={"visibility": "hidden", "width": "160px"}),
        )
        self.stop = self._button(
            _("Stop"), lambda: Thread(target=self.halt, daemon=True).start(), "90px"
        )
        self.stop.layout.visibility = "hidden"
        working = w.HBox(
            [self.status, self.bar, self.stop],
            layout={"align_items": "center", "min_height": "34px"},
        )

        wide = {"layout": {"width": "auto"}}
        lists = {n: w.SelectMultiple(**wide) for n in LISTS}
        times = {
            n: w.NaiveDatetimePicker(description=text, style={"description_width": "58px"}, **wide)
            for n, text in (("from_", _("From")), ("to", _("Before")))
        }
        text = w.Text(placeholder=_("Text in the error"), continuous_update=False, **wide)
        self.controls = {
            n: self._watched(c, self.refresh) for n, c in (lists | times | {"text": text}).items()
        }
        reset = self._button(
            _("Reset"), lambda: self.choose(**dict.fromkeys(self.controls)), "110px"
        )
        boxes = [
            (_("Causes"), "5 1 215px", lists["cause"]),
            (_("Verdicts"), "3 1 106px", lists["verdict"]),
            (_("Channels"), "5 1 155px", lists["channel"]),
            (_("Sender types"), "3 1 122px", lists["sender_type"]),
            (_("Time and text"), "0 1 290px", *times.values(), text, reset),
        ]
        boxes = [
            w.VBox([w.HTML(sections.said(head, "head")), *box], layout={"flex": flex})
            for head, flex, *box in boxes
        ]
        filters = w.HBox(boxes, layout={"flex_flow": "row wrap", "grid_gap": "4px 10px"})

        self.state, self.panel, self.result, self.place = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        clicks = {"causes": self.click_cause, "times": self.click_time, "errors": self.click_cell}
        self.figures, self.captions = {n: Figure() for n in clicks}, {n: w.HTML() for n in clicks}
        for name, click in clicks.items():
            self.figures[name].on_msg(
                lambda _w, said, _more, n=name, act=click: self.safely(self._clicked, n, act, said)
            )
        causes, times, errors = ([self.captions[n], self.figures[n]] for n in clicks)
        self.tag = self._field(_("Tag"), self._text("tag") or _("failed broadcast {date:%d%m%y}"))
        self.fixed = self._field(
            _("Causes mended"), self._text("fixed"), placeholder=_("template, window, token")
        )
        self.folder = self._field(_("Folder"), self._text("out") or RESULTS)
        self.by_wave = w.Checkbox(
            bool(given.get("waves")), description=_("One set of files per wave"), indent=False
        )
        for control in (self.tag, self.fixed, self.by_wave):
            self._watched(control, self.follow)
        more = {
            "disabled": True,
            "button_style": "primary",
            "tooltip": _("A dry run of the same filters and tag comes first."),
        }
        self.write = self._button(_("Write import files"), self.run, **more)
        dry = self._button(_("Dry run"), lambda: self.run(dry=True))
        jobs = w.HBox(
            [dry, self.write, self._button(_("Save for tonight's run"), self.save)],
            layout={"flex_flow": "row wrap"},
        )
        job = [self.panel, self.tag, self.fixed, self.folder, self.by_wave, jobs, self.result]
        halves = _grid(
            [w.VBox([*causes, *errors]), w.VBox([*times, *job])],
            "repeat(auto-fit, minmax(min(440px, 100%), 1fr))",
            "8px 28px",
        )

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
            n: self._button(self.names[n], lambda n=n: self.order(n), f"{width}%", margin="0")
            for n, width in sections.WIDTHS.items()
        }
        self.content = self._watched(
            w.Checkbox(description=_("Show what the messages say"), indent=False), self.relist
        )
        self.back, self.on = (
            self._button(text, lambda by=by: self.turn(by), "110px")
            for text, by in ((_("Previous"), -1), (_("Next"), 1))
        )
        looks = {"align_items": "center", "margin": "12px 0 4px", "flex_flow": "row wrap"}
        paging = w.HBox([self.back, self.on, self.place, self.content], layout=looks)
        sorts, self.table = w.HBox(list(self.heads.values())), w.HTML(layout={"width": "100%"})
        sorts.add_class("rb-sorts")
        self.ui = w.VBox(
            [
                Figure(script=get_plotlyjs()),
                files,
                working,
                filters,
                self.state,
                halves,
                paging,
                sorts,
                self.table,
            ]
        )
        self.ui.add_class("rebroadcast")

    def _text(self, name: str) -> str:
        """A parameter as a text field shows it."""
        value = self.given.get(name) or ""
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

    def _field(self, text: str, value: str, **more) -> w.Text:
        looks = {
            "style": {"description_width": "140px"},
            "layout": {"width": "auto", "max_width": "640px"},
        }
        return w.Text(value, description=text, continuous_update=False, **looks, **more)

    def _button(
        self,
        text: str,
        action: Callable,
        width: str = "auto",
        margin: str = "2px 4px 2px 0",
        **more,
    ) -> w.Button:
        made = w.Button(
            **{"description": text, "tooltip": text} | more,
            layout={"width": width, "margin": margin},
        )
        made.on_click(lambda _made: self.safely(action))
        return made

    def _watched(self, control: w.Widget, action: Callable) -> w.Widget:
        control.observe(lambda _change: self.safely(action), "value")
        return control

    def _repr_mimebundle_(self, **_options) -> dict:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.ui.model_id}
        return {"text/plain": "Explorer", "application/vnd.jupyter.widget-view+json": view}


def _grid(children: list[w.Widget], columns: str, gap: str) -> w.GridBox:
    return w.GridBox(children, layout={"grid_template_columns": columns, "grid_gap": gap})
