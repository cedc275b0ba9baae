"""The explorer: an ipywidgets face of `selection`, with linked figures, messages, the audience and
its import files.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from ..bench import parameters, workbench
from ..common.exceptions import InputError, RebroadcastError
from ..recovery import tag_import
from ..recovery import tags as tags_
from ..show import drawing
from ..show import failures as charts
from ..show.words import CAUSES, VERDICTS, word
from . import sections, selection, tonight
from .face import LISTS, Face

NOTHING = {
    "text": "",
    "from_": None,
    "to": None,
}  # what the other filters are where they let all pass


def show(namespace: Mapping[str, object]) -> "Explorer":
    """Open the explorer with a notebook's own variables; shown as a cell's last line:
    `explorer.show(globals())`.

    Raises ParameterError for a misspelt parameter or an unknown language; all else that is wrong is
    said in the explorer.
    """
    explorer = Explorer(parameters.from_namespace(namespace, workbench.NAMES))
    explorer.open()
    return explorer


class Explorer(Face):
    """The ipywidgets face of a selection. One thing at a time runs in a thread, so that it can be
    stopped.
    """

    def __init__(self, given: dict):
        super().__init__(given)
        self.prepared, self.working, self.task, self.uploaded = None, None, None, ""
        self.pool, self.quiet, self.front, self.stopped = ThreadPoolExecutor(1), False, False, False
        self.number, self.shown, self.sort, self.descending = 0, 0, "local_at", True
        self.tried, self.followed, self.told, self.seen, self.drawn, self.unit = (
            None,
            None,
            None,
            None,
            {},
            timedelta(hours=1),
        )

    # One thing at a time

    def safely(self, action: Callable, *words: object) -> None:
        """Do something; whatever goes wrong is said in the explorer, not in a log."""
        try:
            action(*words)
        except Exception as error:
            if self.stopped:
                self.say(self._("Stopped.") if self.front else "")
                self.panel.value = self.panel.value if self.front else ""
                return
            facts = {"kind": type(error).__name__, "text": " ".join(str(error).split())[:200]}
            text = (
                str(error)
                if isinstance(error, RebroadcastError)
                else self._("That did not work: {kind}, {text}", **facts)
            )
            self.say(text, "error")
            self.tell(sections.said(text, "error"))  # also beside the buttons

    def tell(self, text: str) -> None:
        """Say below the buttons what came of them, for as long as filters and tag stay as they
        are.
        """
        self.result.value, self.told = text, self.key

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
                self.say(self._("Still at work: wait, or press Stop."))
                return False
            self.halt()
        self.stopped = False
        return True

    def catch_up(self) -> None:
        """Show what was asked for while something else was at work."""
        if self.filters != self.seen:
            self.number, self.tried = 0, None
            self.draw()
        if self.key != self.followed:
            self.count()

    def halt(self) -> None:
        """Interrupt the engine until the thread has noticed."""
        self.stopped = True
        while self.stopped and self.task and not self.task.done():
            for bench in filter(None, (self.working, self.prepared and self.prepared.bench)):
                if engine := bench.__dict__.get("engine"):
                    with suppress(Exception):  # it may just have been closed
                        engine.con.con.interrupt()
            time.sleep(0.02)

    def _busy(self, at_work: bool) -> None:
        self.bar.value = 0
        for shown in (self.bar, self.stop):
            shown.layout.visibility = "visible" if at_work else "hidden"

    def step(self, text: str) -> None:
        """Say what begins, or end here where the user has pressed Stop."""
        self.bar.value += 1
        self.say(f"{text} …")
        if self.stopped:
            raise InterruptedError

    def say(self, text: str, kind: str = "note") -> None:
        self.status.value = sections.said(text, kind)

    # Another export

    def open(self, upload: Mapping | None = None) -> None:
        """Open what the fields name, or a file that was uploaded (name, content)."""
        typed = {
            n: f.value.strip() for n, f in self.fields.items() if f.value.strip() != self._text(n)
        }
        typed |= {
            n: v.split(",")
            for n, v in typed.items()
            if n in ("exports", "messages", "contacts") and "," in v
        }
        self.start(lambda: self.load(self.given | typed, upload))

    def _uploaded(self) -> None:
        if self.upload.value:
            self.open(self.upload.value[0])

    def load(self, given: dict, upload: Mapping | None = None) -> None:
        """Read an export and show it; the one before stays where that fails."""
        name = Path(upload["name"]).name if upload else ""
        given = given | ({"exports": name} if name else {})
        asked = {k: v for k, v in given.items() if k not in selection.NAMES}
        bench = self.working = workbench.open(asked, "explore")
        try:
            if upload:
                path = bench.engine.scratch / name
                path.write_bytes(upload["content"])
                bench.given["exports"] = str(path)
            prepared = selection.prepare(bench, self.step)
            first = selection.wanted(prepared, given)
        except BaseException:
            bench._stack.close()
            raise
        finally:
            self.working = None
        before, self.prepared, self.given, self.uploaded = self.prepared, prepared, asked, name
        if before:
            before.bench._stack.close()
        if upload:
            self.fields["exports"].value, self.upload.value = name, ()
        words, self.quiet = {"cause": CAUSES, "verdict": VERDICTS}, True
        rows = max(7, min(14, max(map(len, prepared.options.values()))))
        for field in LISTS:
            called = (
                bench.channels.name
                if field == "channel"
                else lambda v, f=field: word(words.get(f, {}), v, self.lang)
            )
            self.controls[field].value, self.controls[field].rows = (), rows
            self.controls[field].options = [
                (called(value), value) for value in prepared.options[field]
            ]
        self.choose(draw=False, **first)
        self.number, self.result.value, self.panel.value, self.write.disabled = 0, "", "", True
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
        try:
            for name, value in values.items():
                self.controls[name].value = value or NOTHING.get(name, ())
        finally:
            self.quiet = False
        if draw:
            self.refresh()

    def refresh(self) -> None:
        """Show the present filters, then, in the thread, who can be reached again."""
        if self.prepared and not self.quiet and self.settle():
            self.number, self.tried = 0, None
            self.draw()
            self.say("")
            self.follow()

    def draw(self) -> None:
        """Figures, messages, and how many they are."""
        self.seen, lang = self.filters, self.lang
        filters = self.seen
        found = selection.frames(self.prepared, filters)
        causes, unit = found["causes"], found["times"].attrs["unit"]
        self.shown = int(
            causes.loc[causes["cause"].isin(filters.cause or causes["cause"]), "failed"].sum()
        )
        self.unit = timedelta(**{f"{unit}s": 1})
        self.drawn = {
            "causes": charts.failures_by_cause(causes, lang=lang),
            "times": charts.failures_by_hour(found["times"], unit=unit, lang=lang),
            "errors": charts.error_by_channel(found["errors"], lang=lang),
        }
        if filters.cause and causes["failed"].sum():
            for bars in (
                trace for trace in self.drawn["causes"].data if trace.customdata is not None
            ):
                bars.marker.opacity = [
                    1 if cause in filters.cause else 0.3 for cause in bars.customdata
                ]
        errors = self.drawn["errors"]
        for y, row in enumerate(
            errors.data[0].customdata if errors.data and filters.text[:1] == "=" else ()
        ):
            for x, cell in enumerate(row):
                if self._cell(*cell) == (filters.text, filters.channel):
                    errors.add_shape(
                        x0=x - 0.5, x1=x + 0.5, y0=y - 0.5, y1=y + 0.5, line={"width": 3}
                    )
        for name, figure in self.drawn.items():
            shown = json.loads(figure.to_json())
            told = shown["layout"].pop("meta")["description"]
            finding, subtitle = drawing.caption(shown["layout"])
            self.captions[name].value = sections.said(finding, "lead") + sections.said(subtitle)
            self.figures[name].figure = json.dumps(
                shown | {"locale": lang.code, "format": drawing.format_(lang), "description": told}
            )
        ends = [(self.controls[n].description, self.controls[n].value) for n in ("from_", "to")]
        chosen = [label for n in LISTS for label in self.controls[n].label] + [
            filters.text.removeprefix("=")
        ] * bool(filters.text)
        chosen += [f"{text} {lang.datetime(value)}" for text, value in ends if value]
        self.state.value = sections.state(self.prepared, self.shown, chosen)
        self.list()

    def _cell(self, error: str, channel: str) -> tuple:
        """The filters on text and channels that a cell of the heat map stands for."""
        named = self.prepared.bench.channels.name
        text = "=" if error == self._("(none)") else f"={error}"
        return text, tuple(c for c in self.prepared.options["channel"] if named(c) == channel)

    def _clicked(self, name: str, action: Callable, said: Mapping) -> None:
        if (
            said["curve"] < len(self.drawn[name].data)
            and self.drawn[name].data[said["curve"]].customdata is not None
        ):
            action(self.drawn[name].data[said["curve"]], said["point"])

    def toggle(self, **values) -> None:
        """Set filters, or take them away where they are just these."""
        self.choose(
            **(
                dict.fromkeys(values)
                if all(self.controls[n].value == v for n, v in values.items())
                else values
            )
        )

    def click_cause(self, trace, point: int) -> None:
        self.toggle(cause=(trace.customdata[point],))

    def click_cell(self, trace, point: list[int]) -> None:
        self.toggle(
            **dict(
                zip(
                    ("text", "channel"),
                    self._cell(*trace.customdata[point[0]][point[1]]),
                    strict=True,
                )
            )
        )

    def click_time(self, trace, point: int) -> None:
        start = datetime.fromisoformat(str(trace.x[point])[:19])
        self.toggle(from_=start, to=start + self.unit)

    # Messages

    def order(self, column: str) -> None:
        """Sort by a column; by the same one again, the other way round."""
        self.descending, self.sort, self.number = (
            column == self.sort and not self.descending,
            column,
            0,
        )
        self.relist()

    def turn(self, by: int) -> None:
        """Turn a number of pages."""
        self.number = min(max(0, self.number + by), max(0, self.shown - 1) // selection.PAGE)
        self.relist()

    def relist(self) -> None:
        if self.prepared and self.settle():
            self.list()
            self.follow()

    def list(self) -> None:
        """One page of messages."""
        page = selection.page(
            self.prepared, self.filters, self.number, self.sort, self.descending, self.content.value
        )
        for column, head in self.heads.items():
            arrow = (" ▼" if self.descending else " ▲") if column == self.sort else ""
            head.description = self.names[column] + arrow
        self.table.value = sections.messages(self.prepared.bench, page)
        number, first = self.lang.number, self.number * selection.PAGE
        facts = {
            "first": number(first + 1),
            "last": number(first + len(page)),
            "total": number(self.shown),
        }
        self.place.value = sections.said(
            self._("Messages {first} to {last} of {total}", **facts) if page else ""
        )
        self.back.disabled, self.on.disabled = not first, first + len(page) >= self.shown

    # The audience and its files

    @property
    def key(self) -> tuple:
        return id(self.prepared), self.filters, self.tag.value, self.fixed.value, self.by_wave.value

    def asked(self, **more) -> workbench.Workbench:
        """The workbench of `tag_import` with the present filters and tag."""
        more |= {
            "tag": tags_.check_tag(self.tag.value),
            "fixed": self.fixed.value,
            "waves": self.by_wave.value,
        }
        return selection.view(self.prepared.bench, self.filters, **more)

    def follow(self) -> None:
        """Say in the thread who can be reached again."""
        self.write.disabled = self.key != self.tried
        if self.key != self.told:
            self.result.value = ""
        if self.prepared and self.key != self.followed and self.settle():
            self.panel.value = sections.said(self._("Counting who can be reached again …"))
            self.start(self.count, front=False)

    def count(self) -> None:
        """Say who can be reached again, and when; what stands in the way is said there too."""
        key, told = self.key, ""
        try:
            asked = self.asked()
            counts, contacts = selection.audience(asked)
            self.panel.value = told = sections.audience(asked, self.filters, counts)
            if counts["tagged"]:
                told += sections.waves(
                    asked, selection.waves(self.prepared, asked, contacts), counts["tagged"]
                )
        except RebroadcastError as error:
            told += sections.said(str(error), "note" if told else "error")
        self.panel.value, self.followed = told, key

    def run(self, dry: bool = False) -> None:
        """Write the import files as `tag_import` does, or (dry) say what they would be."""
        if self.prepared and (dry or self.key == self.tried):
            self.start(lambda: self._run(dry))

    def _run(self, dry: bool) -> None:
        place, self.result.value, key = (
            tonight.free(Path(self.folder.value), self.slug),
            "",
            self.key,
        )
        self.step(self._("Deciding for each row, and writing"))
        asked = self.asked(out="" if dry else str(place))
        found = selection.write(asked)
        folder = found.folder if dry else place.absolute() / "import"
        self.tell(sections.files(asked, found.files, folder, dry))
        self.tried, self.write.disabled = key if dry else None, not dry
        self.say("")

    @property
    def slug(self) -> str:
        """What files for the present tag are called."""
        return tag_import.file_name(re.sub(r"\{[^}]*\}", "", self.tag.value))

    def save(self) -> None:
        """Write the present filters as parameters and as a batch entry, for tonight's run."""
        if self.uploaded:
            raise InputError(
                "{name} was uploaded, and is gone when the explorer closes. Put it into a folder"
                " and open it there.",
                name=self.uploaded,
            )
        if self.prepared and self.settle():
            paths = tonight.save(
                Path(self.folder.value).absolute(), self.slug, tonight.job(self.asked())
            )
            self.tell(sections.saved(self.lang, paths))
            self.follow()
