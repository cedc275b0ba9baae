"""A figure as one picture (SVG) that needs no script: for mail, paper, and viewers without plotly.

Places across are per cent and places down are pixels, so that a picture takes any width and its
texts stay readable on a phone. What is black takes the colour of the page.
"""

import html
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from math import ceil, floor, log10
from typing import Any

from ..common.language import Language

KINDS = {"bar", "scatter", "heatmap", "sankey"}
INK, MUTED, GRID, PAPER = "#1c1e21", "#6b7178", "rgba(138,138,138,0.25)", "#fff"
MINUTE, DAY = 60, 86400
STEPS = [n * MINUTE for n in (1, 5, 10, 15, 30, 60, 120, 180, 360, 720)]
STEPS += [n * DAY for n in (1, 2, 7, 14, 28, 91, 182, 365, 3650)]
RIGHT, FINE = 98.5, 1000  # where the plot ends, in per cent; steps across a line


def picture(figure: Mapping[str, Any], lang: Language, heading: bool = False) -> str:
    """The SVG of one of this project's figures (`json.loads(figure.to_json())`); with a heading it
    stands alone, in black on white. Empty for a figure with marks of other kinds or without ranges.

    >>> picture({"data": [{"type": "pie"}]}, Language("en"))
    ''
    """
    traces, layout = figure["data"], figure.get("layout", {})
    ranged = all("range" in layout.get(name, {}) for name in ("xaxis", "yaxis"))
    flows = [trace for trace in traces if trace["type"] == "sankey"]
    if {trace["type"] for trace in traces} <= KINDS and (ranged or flows):
        return _Picture(layout, lang).render(traces, heading)
    return ""


def plain_lines(text: str) -> list[str]:
    """The lines of one of plotly's texts, without its tags and entities."""
    plain = re.sub(r"</?(b|i|em|su[bp]|span)\b[^>]*>", "", text)
    return [html.unescape(part).strip() for part in re.split(r"<br\s*/?>|\n", plain)]


def _each(given: Any, count: int) -> list:
    """One value for each of count marks."""
    return given if isinstance(given, list) else [given] * count


def _number(value: Any) -> float:
    """A value on an axis; of a moment, its seconds."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    return float("nan") if value is None else float(value)


def _tag(tag: str, content: str = "", **attributes: object) -> str:
    words = ""
    for name, value in attributes.items():
        said = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        words += f' {name.replace("_", "-")}="{html.escape(said)}"'
    return f"<{tag}{words}>{content}</{tag}>"


def _text(x: float, y: float, lines: Iterable[str], **look: object) -> str:
    """Lines of text, the first of which stands on y."""
    spans = (
        _tag(
            "tspan",
            html.escape(line, quote=False),
            x=f"{x:.2f}%",
            **({"dy": "1.25em"} if n else {}),
        )
        for n, line in enumerate(lines)
    )
    return _tag("text", "".join(spans), y=y, **({"fill": "currentColor"} | look))


def _ink(colour: str) -> str:
    return "currentColor" if colour in ("black", "#000", "#000000") else colour


class _Picture:
    """One picture in the making."""

    def __init__(self, layout: Mapping[str, Any], lang: Language):
        self.layout, self.lang = layout, lang
        margin = {"t": 100, "b": 80} | layout.get("margin", {})
        self.top = 28.0 if layout.get("annotations") else 8.0
        self.body = float(layout.get("height", 450) - margin["t"] - margin["b"])
        self.axes = {name: layout.get(f"{name}axis", {}) for name in "xy"}
        self.tops: dict = defaultdict(float)  # of the bars so far, by their place

    def render(self, traces: list[dict], heading: bool) -> str:
        title = self._title() if heading else ""
        self.foot = self.top + self.body + 6
        draw = {"bar": self._bars, "scatter": self._points}
        draw |= {"heatmap": self._cells, "sankey": self._flow}
        marks = [self._below(), *self._labels()]
        marks += [mark for trace in traces for mark in draw[trace["type"]](trace)]
        marks += map(self._line, self.layout.get("shapes", ()))
        marks += map(self._note, self.layout.get("annotations", ()))
        marks += self._key([trace for trace in traces if trace.get("showlegend")])
        meta = self.layout.get("meta") or {}
        look = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "color": INK}
        look |= {"width": 900 if heading else "100%", "height": self.foot, "font_size": 13}
        look |= {"font_family": "system-ui, sans-serif"}
        told = "".join(
            _tag(tag, html.escape(str(meta[name]), quote=False))
            for tag, name in (("title", "title"), ("desc", "description"))
            if meta.get(name)
        )
        paper = _tag("rect", width="100%", height="100%", fill=PAPER) if heading else ""
        return _tag("svg", told + paper + title + "".join(marks), **look)

    def _title(self) -> str:
        title = self.layout.get("title") or {}
        finding = textwrap.wrap(" ".join(plain_lines(title.get("text") or "")), 92)
        small = plain_lines((title.get("subtitle") or {}).get("text") or "")
        below = 20.0 * len(finding) + 16
        self.top += below + 12
        heading = _text(0, 18.0, finding, font_size=16, font_weight=600)
        return heading + _text(0, below, small, fill=MUTED)

    # Places: of values on the axes, of what is placed on the paper.

    def x(self, value: Any) -> float:
        low, high = map(_number, self.axes["x"]["range"])
        return RIGHT * (_number(value) - low) / (high - low)

    def y(self, value: Any) -> float:
        low, high = map(_number, self.axes["y"]["range"])
        return self.top + self.body * (1 - (_number(value) - low) / (high - low))

    def _place(self, of: Mapping, key: str) -> float:
        if of.get(f"{key[0]}ref") == "paper":
            return RIGHT * of[key] if key[0] == "x" else self.top + self.body * (1 - of[key])
        return (self.x if key[0] == "x" else self.y)(of[key])

    # Marks.

    def _box(self, xs: Iterable, ys: Iterable, colour: str, told: str = "", **look: object) -> str:
        (left, right), (high, low) = sorted(map(self.x, xs)), sorted(map(self.y, ys))
        size = {"width": f"{right - left:.2f}%", "height": low - high}
        title = _tag("title", html.escape("\n".join(plain_lines(told)))) if told else ""
        return _tag("rect", title, x=f"{left:.2f}%", y=high, **size, fill=colour, **look)

    def _bars(self, trace: dict) -> Iterator[str]:
        along, across = "xy" if trace.get("orientation") == "h" else "yx"
        count, width = len(trace[along]), trace["width"]
        start, unit = trace.get("offset", -width / 2), 1000 if across == "x" else 1  # milliseconds
        colours, bases = _each(trace["marker"]["color"], count), _each(trace.get("base"), count)
        told = _each(trace.get("hovertext"), count)
        for length, place, base, colour, words in zip(
            trace[along], trace[across], bases, colours, told, strict=True
        ):
            middle = _number(place)
            low = self.tops[middle] if base is None else base
            self.tops[middle] = high = low + (length or 0)
            sides = middle + start / unit, middle + (start + width) / unit
            ends = {along: (low, high), across: sides}
            if length:
                yield self._box(ends["x"], ends["y"], colour, words or "")

    def _points(self, trace: dict) -> Iterator[str]:
        points = [p for p in zip(trace["x"], trace["y"], strict=True) if None not in p]
        mode, count = trace["mode"], len(points)
        marker = {"size": 6, "color": INK} | trace.get("marker", {})
        if "lines" in mode and points:
            yield self._path(points, trace["line"])
        for (x, y), colour, words in zip(
            points, _each(marker["color"], count), _each(trace.get("text"), count), strict=True
        ):
            if "markers" in mode:
                place = {"cx": f"{self.x(x):.2f}%", "cy": self.y(y)}
                yield _tag("circle", **place, r=marker["size"] / 2, fill=colour)
            if "text" in mode:
                yield _text(self.x(x), self.y(y) + 4.5, plain_lines(words), dx=7, font_size=12)

    def _path(self, points: list[tuple], line: Mapping) -> str:
        """Steps; where there are more than can be seen, their highest and lowest stay."""
        fine = [(round(FINE * self.x(x) / 100), round(self.y(y), 1)) for x, y in points]
        (_x, y), *_ = fine
        joined = f"M{fine[0][0]},{y}"
        for x, several in groupby(fine, key=lambda point: point[0]):
            downs = [down for _x, down in several]
            joined += f"H{x}" + "".join(
                f"V{d}" for d in dict.fromkeys([downs[0], min(downs), max(downs), downs[-1]])
            )
        look = {"stroke": line["color"], "stroke_width": line.get("width", 2), "fill": "none"}
        return self._stretched(_tag("path", d=joined, vector_effect="non-scaling-stroke", **look))

    def _stretched(self, marks: str) -> str:
        """Marks whose places across are thousandths of the width."""
        box = {"viewBox": f"0 0 {FINE} {self.foot}", "preserveAspectRatio": "none"}
        return _tag("svg", marks, width="100%", height=self.foot, **box)

    def _cells(self, trace: dict) -> Iterator[str]:
        most = max(value or 0 for row in trace["z"] for value in row)
        half = 0.5 - trace["ygap"] * len(trace["z"]) / self.body / 2
        for y, row in enumerate(trace["z"]):
            for x, value in enumerate(row):
                if not value:
                    continue
                clear = round(0.15 + 0.85 * value / most, 2)
                ends, colour = (x - 0.48, x + 0.48), trace["colorscale"][-1][1]
                told = trace["hovertext"][y][x]
                yield self._box(ends, (y - half, y + half), colour, told, fill_opacity=clear)
                ink = {"fill": PAPER} if clear > 0.68 else {}
                words = plain_lines(trace["text"][y][x])
                yield _text(self.x(x), self.y(y) + 4.5, words, text_anchor="middle", **ink)

    def _flow(self, trace: dict) -> Iterator[str]:
        """A tree of bands: from its root on the left each goes on to the node of its target."""
        link = trace["link"]
        links = [*zip(link["source"], link["target"], link["value"], link["color"], strict=True)]
        depth, sizes = {0: 0}, {0: sum(value for source, _t, value, _c in links if not source)}
        for source, target, value, _colour in links:
            depth[target], sizes[target] = depth[source] + 1, value
        columns = [[n for n in depth if depth[n] == d] for d in range(max(depth.values()) + 1)]
        gap = min(20.0, self.body / 2 / max(map(len, columns)))
        scale = min((self.body - gap * len(c)) / sum(sizes[n] for n in c) for c in columns)
        tops: dict[int, float] = {}
        for column in columns:
            at = self.top
            for node in column:
                tops[node], at = at, at + sizes[node] * scale + gap
        across = {node: 560 * d / max(1, len(columns) - 1) for node, d in depth.items()}
        left, shapes = dict(tops), ""
        for source, target, value, colour in links:
            begin, end, thick = across[source] + 12, across[target], value * scale
            a, b, middle = left[source], tops[target], (begin + end) / 2
            band = f"M{begin:g},{a:.1f}C{middle:g},{a:.1f} {middle:g},{b:.1f} {end:g},{b:.1f}"
            band += f"v{thick:.1f}C{middle:g},{b + thick:.1f} {middle:g},{a + thick:.1f}"
            shapes += _tag("path", d=f"{band} {begin:g},{a + thick:.1f}Z", fill=colour)
            left[source] += thick
        for node, colour in enumerate(trace["node"]["color"]):
            size = {"width": 12, "height": max(1.0, sizes[node] * scale)}
            shapes += _tag("rect", x=across[node], y=tops[node], **size, fill=colour)
        yield self._stretched(shapes)
        for node, name in enumerate(trace["node"]["label"]):
            down = tops[node] + sizes[node] * scale / 2 + 4.5
            yield _text(across[node] * 100 / FINE + 2, down, plain_lines(name))

    def _line(self, shape: Mapping) -> str:
        ends = {key: self._place(shape, key) for key in ("x0", "x1", "y0", "y1")}
        place = {
            f"{k[0]}{int(k[1]) + 1}": f"{v:.2f}%" if k[0] == "x" else v for k, v in ends.items()
        }
        line = shape["line"]
        return _tag("line", **place, stroke=_ink(line["color"]), stroke_width=line["width"])

    def _note(self, note: Mapping) -> str:
        x, y, size = self._place(note, "x"), self._place(note, "y"), note["font"]["size"]
        lines, column = plain_lines(note["text"]), note.get("name") == "column"
        if column:  # as wide as a column on a phone
            lines, size = textwrap.wrap(" ".join(lines), 8, max_lines=3, placeholder="…"), 9
        centred = column or (note.get("xanchor") == "center" and 10 < x < RIGHT - 10)
        anchor = "middle" if centred else "start" if x < 50 else "end"
        above = note.get("yanchor") == "bottom"
        down = y - 5 - 1.25 * size * (len(lines) - 1) if above else y + 1.1 * size
        return _text(x, down, lines, text_anchor=anchor, font_size=size)

    # Words around the plot.

    def _labels(self) -> Iterator[str]:
        """Names above their rows, or lines of the grid with their counts."""
        axis = self.axes["y"]
        if "ticktext" in axis:
            for place, name in zip(axis["tickvals"], axis["ticktext"], strict=True):
                yield _text(0, self.y(place) - 15, plain_lines(name))
        elif self.axes["x"].get("type") == "date":
            most = axis["range"][1]
            power = 10 ** floor(log10(most / 4))
            step = max(1, next(n * power for n in (1, 2, 5, 10) if n * power * 5 >= most))
            taken = {shape["y0"] for shape in self.layout.get("shapes", ())}
            for count in sorted({*range(0, ceil(most), step)} - taken):
                ends = {"x1": "0", "x2": f"{RIGHT}%", "y1": self.y(count), "y2": self.y(count)}
                yield _tag("line", **ends, stroke=GRID)
                told = [self.lang.number(count)]
                yield _text(0, self.y(count) - 3, told, font_size=11, fill=MUTED)

    def _below(self) -> str:
        """The moments of a time axis, or the unit of another."""
        axis, look = self.axes["x"], {"font_size": 12, "fill": MUTED}
        if axis.get("type") != "date":
            unit = plain_lines((axis.get("title") or {}).get("text") or "")
            self.foot += 18 * any(unit)
            return _text(0, self.foot - 8, unit, **look)
        low, high = map(_number, axis["range"])
        step = next((s for s in STEPS if s * 5 >= high - low), STEPS[-1])
        drawn, first = "", ceil(low / step) * step
        for at in range(first, ceil(high), step):
            moment = datetime.fromtimestamp(at, UTC)
            day = self.lang.date(moment).rpartition(" ")[0]  # without its year
            told = (
                [day]
                if step >= DAY
                else [f"{moment:%H:%M}", *[day] * (at == first or at % DAY == 0)]
            )
            place = self.x(moment.isoformat()[:19])
            anchor = "start" if place < 8 else "middle" if place < RIGHT - 4 else "end"
            drawn += _text(place, self.foot + 12, told, text_anchor=anchor, **look)
        self.foot += 38 if step < DAY else 22
        return drawn

    def _key(self, traces: list[dict]) -> Iterator[str]:
        """What the colours mean, in columns that fit a phone."""
        names = [" ".join(plain_lines(trace["name"])) for trace in traces]
        longest = max(map(len, names), default=0)
        columns = 3 if longest <= 14 else 2 if longest <= 23 else 1
        for n, (trace, name) in enumerate(zip(traces, names, strict=True)):
            x, y, marker = (
                100 / columns * (n % columns),
                self.foot + 20 * (n // columns),
                trace["marker"],
            )
            line = marker.get("line") or {}
            size = {"width": line.get("width", 11), "height": 11}
            colour = _ink(line.get("color") or marker["color"])
            yield _tag("rect", x=f"{x:.2f}%", y=y, **size, fill=colour)
            yield _text(x, y + 10, [name], dx=18, font_size=12)
        self.foot += 20 * ceil(len(names) / columns)
