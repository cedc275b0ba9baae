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
from typing import Any

from ..common.exceptions import visible

KINDS = {"bar", "scatter", "heatmap", "sankey"}
INK, MUTED, GRID, PAPER = "#1c1e21", "#6b7178", "rgba(138,138,138,0.25)", "#fff"
RIGHT, FINE = 98.5, 1000  # where the plot ends, in per cent; steps across a line
ABOVE = 18  # pixels for the name of the root of a tree
GUTTER = 34  # pixels for the counts beside a plot over time, which ends that much earlier


def picture(figure: Mapping[str, Any], heading: bool = False) -> str:
    """The SVG of one of this project's figures (`json.loads(figure.to_json())`); with a heading it
    stands alone, in black on white. Empty for a figure with marks of other kinds or without ranges.

    >>> picture({"data": [{"type": "pie"}]})
    ''
    """
    layout, kinds = figure.get("layout", {}), {trace["type"] for trace in figure["data"]}
    ranged = all("range" in layout.get(name, {}) for name in ("xaxis", "yaxis"))
    if kinds <= KINDS and (ranged or "sankey" in kinds):
        return visible(_Picture(layout).render(figure["data"], heading))
    return ""


def plain_lines(text: str | None) -> list[str]:
    """The lines of one of plotly's texts, without its tags and entities."""
    plain = re.sub(r"</?(b|i|em|su[bp]|span)\b[^>]*>", "", text or "")
    return [html.unescape(part).strip() for part in re.split(r"<br\s*/?>", plain)]


def caption(layout: dict[str, Any]) -> tuple[str, str]:
    """Take the title and its room out of the layout; return finding and subtitle as plain text."""
    title = layout.pop("title", None)
    title = title if isinstance(title, dict) else {"text": title}
    text, subtitle = title.get("text") or "", (title.get("subtitle") or {}).get("text") or ""
    finding, *more = plain_lines(f"{text}<br>{subtitle}")
    inherited = ((layout.get("template") or {}).get("layout") or {}).get("margin") or {}
    margin = {"t": 100, "r": 16, "b": 16, "l": 8} | inherited | (layout.get("margin") or {})
    notes = (
        n for n in layout.get("annotations") or () if re.search("paper|domain", n.get("yref") or "")
    )
    above = any((note.get("y") or 0) >= 1 for note in notes)
    layout["margin"] = margin | {"t": min(margin["t"], 36 if above else 12)}
    layout["height"] = (layout.get("height") or 440) + layout["margin"]["t"] - margin["t"]
    return finding, " ".join(filter(None, more))


def _each(given: Any, count: int) -> list:
    """One value for each of count marks."""
    return given if isinstance(given, list) else [given] * count


def _number(value: Any) -> float:
    """A value on an axis; of a moment, its seconds."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
    return float(value)


def _tag(tag: str, content: str = "", **attributes: object) -> str:
    words = ""
    for name, value in attributes.items():
        said = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        words += f' {name.replace("_", "-")}="{html.escape(said)}"'
    return f"<{tag}{words}>{content}</{tag}>"


def _text(x: float, y: float, lines: Iterable[str], **look: object) -> str:
    """Lines of text, the first of which stands on y."""
    spans = (
        _tag("tspan", html.escape(line), x=f"{x:.2f}%", dy="1.25em" if below else "0")
        for below, line in enumerate(lines)
    )
    return _tag("text", "".join(spans), y=y, **({"fill": "currentColor"} | look))


def _ink(colour: str) -> str:
    return "currentColor" if colour in ("black", "#000", "#000000") else colour


class _Picture:
    """One picture in the making."""

    def __init__(self, layout: Mapping[str, Any]):
        self.layout, margin = layout, layout["margin"]
        self.top = 28.0 if layout.get("annotations") else 8.0
        self.body = float(layout["height"] - margin["t"] - margin["b"])
        self.axes = {name: layout.get(f"{name}axis", {}) for name in "xy"}
        self.gutter = GUTTER if self.axes["x"].get("type") == "date" else 0
        self.right = RIGHT - self.gutter / 3.5  # on a phone
        self.tops: dict = defaultdict(float)  # of the bars so far, by their place

    def render(self, traces: list[dict], heading: bool) -> str:
        title = self._title() if heading else ""
        self.foot = self.top + self.body + 6
        draw = {
            "bar": self._bars,
            "scatter": self._points,
            "heatmap": self._cells,
            "sankey": self._flow,
        }
        marks = [
            *self._ticks(),
            *(mark for trace in traces for mark in draw[trace["type"]](trace)),
            *map(self._line, self.layout.get("shapes", ())),
            *map(self._note, self.layout.get("annotations", ())),
            *self._key([trace for trace in traces if trace.get("showlegend")]),
        ]
        meta, move = self.layout.get("meta", {}), f"translate({self.gutter})"
        told = (
            _tag(tag, html.escape(meta[name]))
            for tag, name in (("title", "title"), ("desc", "description"))
            if meta.get(name)
        )
        paper = _tag("rect", width="100%", height="100%", fill=PAPER) if heading else ""
        return _tag(
            "svg",
            "".join([*told, paper, title, _tag("g", "".join(marks), transform=move)]),
            xmlns="http://www.w3.org/2000/svg",
            role="img",
            width=900 if heading else "100%",
            height=self.foot,
            color=INK,
            font_family="system-ui, sans-serif",
            font_size=13,
        )

    def _title(self) -> str:
        title = self.layout["title"]
        finding = textwrap.wrap(" ".join(plain_lines(title["text"])), 92)
        below = 20.0 * len(finding) + 16
        self.top += below + 12
        heading = _text(0, 18.0, finding, font_size=16, font_weight=600)
        return heading + _text(0, below, plain_lines(title["subtitle"]["text"]), fill=MUTED)

    # Places: of values on the axes, and of what is placed on the paper.

    def x(self, value: Any) -> float:
        low, high = map(_number, self.axes["x"]["range"])
        return self.right * (_number(value) - low) / (high - low)

    def y(self, value: Any) -> float:
        low, high = map(_number, self.axes["y"]["range"])
        return self.top + self.body * (1 - (_number(value) - low) / (high - low))

    def _place(self, of: Mapping, key: str) -> float:
        if of.get(f"{key[0]}ref") == "paper":
            return self.right * of[key] if key[0] == "x" else self.top + self.body * (1 - of[key])
        return (self.x if key[0] == "x" else self.y)(of[key])

    # Marks.

    def _box(self, xs: Iterable, ys: Iterable, colour: str, told: str | None, **look) -> str:
        (left, right), (high, low) = sorted(map(self.x, xs)), sorted(map(self.y, ys))
        title = _tag("title", html.escape("\n".join(plain_lines(told)))) if told else ""
        return _tag(
            "rect",
            title,
            x=f"{left:.2f}%",
            y=high,
            width=f"{right - left:.2f}%",
            height=low - high,
            fill=colour,
            **look,
        )

    def _bars(self, trace: dict) -> Iterator[str]:
        along, across = "xy" if trace.get("orientation") == "h" else "yx"
        start, unit = trace.get("offset", -trace["width"] / 2), 1000 if across == "x" else 1
        several = (trace["marker"]["color"], trace.get("base"), trace.get("hovertext"))
        columns = (_each(given, len(trace[along])) for given in several)
        for length, place, colour, base, told in zip(
            trace[along], trace[across], *columns, strict=True
        ):
            middle = _number(place) + start / unit  # plotly's widths in time are milliseconds
            low = self.tops[middle] if base is None else base
            self.tops[middle] = low + length
            ends = {along: (low, low + length), across: (middle, middle + trace["width"] / unit)}
            if length:
                yield self._box(ends["x"], ends["y"], colour, told)

    def _points(self, trace: dict) -> Iterator[str]:
        points = [p for p in zip(trace["x"], trace["y"], strict=True) if None not in p]
        marker = {"size": 6, "color": INK} | trace.get("marker", {})
        several = (_each(given, len(points)) for given in (marker["color"], trace.get("text")))
        if "lines" in trace["mode"]:
            yield self._path(points, trace["line"])
        for (x, y), colour, words in zip(points, *several, strict=True):
            if "markers" in trace["mode"]:
                across = f"{self.x(x):.2f}%"
                yield _tag("circle", cx=across, cy=self.y(y), r=marker["size"] / 2, fill=colour)
            if "text" in trace["mode"]:
                yield _text(self.x(x), self.y(y) + 4.5, plain_lines(words), dx=7, font_size=12)

    def _path(self, points: list[tuple], line: Mapping) -> str:
        """Steps; where there are more than can be seen, their highest and lowest stay."""
        fine = [(round(FINE * self.x(x) / 100), round(self.y(y), 1)) for x, y in points]
        steps = f"M{fine[0][0]},{fine[0][1]}"
        for x, several in groupby(fine, key=lambda point: point[0]):
            downs = [down for _x, down in several]
            shown = dict.fromkeys([downs[0], min(downs), max(downs), downs[-1]])
            steps += f"H{x}" + "".join(f"V{down}" for down in shown)
        return self._stretched(
            _tag(
                "path",
                d=steps,
                vector_effect="non-scaling-stroke",
                stroke=line["color"],
                stroke_width=line["width"],
                fill="none",
            )
        )

    def _stretched(self, marks: str) -> str:
        """Marks whose places across are thousandths of the width."""
        return _tag(
            "svg",
            marks,
            width="100%",
            height=self.foot,
            viewBox=f"0 0 {FINE} {self.foot}",
            preserveAspectRatio="none",
        )

    def _cells(self, trace: dict) -> Iterator[str]:
        most = max(value or 0 for row in trace["z"] for value in row)
        half = 0.5 - trace["ygap"] * len(trace["z"]) / self.body / 2
        for y, row in enumerate(trace["z"]):
            for x, value in enumerate(row):
                clear = round(0.15 + 0.85 * (value or 0) / most, 2)
                ends, colour = (x - 0.48, x + 0.48), trace["colorscale"][-1][1]
                told, words = trace["hovertext"][y][x], plain_lines(trace["text"][y][x])
                ink = PAPER if clear > 0.68 else "currentColor"
                if value:
                    yield self._box(ends, (y - half, y + half), colour, told, fill_opacity=clear)
                    yield _text(self.x(x), self.y(y) + 4.5, words, text_anchor="middle", fill=ink)

    def _flow(self, trace: dict) -> Iterator[str]:
        """A tree of bands: from its root on the left each goes on to the node of its target."""
        link, node, tops = trace["link"], trace["node"], {}
        links = [*zip(link["source"], link["target"], link["value"], link["color"], strict=True)]
        depth, sizes = {0: 0}, {0: sum(value for source, _t, value, _c in links if not source)}
        for source, target, value, _colour in links:
            depth[target], sizes[target] = depth[source] + 1, value
        columns = [[n for n in depth if depth[n] == d] for d in range(max(depth.values()) + 1)]
        body, top = self.body - ABOVE, self.top + ABOVE
        gap = min(20.0, body / 2 / max(map(len, columns)))
        scale = min((body - gap * len(c)) / sum(sizes[n] for n in c) for c in columns)
        for column in columns:
            at = top
            for one in column:
                tops[one], at = at, at + sizes[one] * scale + gap
        across = {one: 560 * d / max(1, len(columns) - 1) for one, d in depth.items()}
        left, shapes = dict(tops), ""
        for source, target, value, colour in links:
            begin, end, thick = across[source] + 12, across[target], value * scale
            a, b, middle = left[source], tops[target], (begin + end) / 2
            band = (
                f"M{begin:g},{a:.1f}C{middle:g},{a:.1f} {middle:g},{b:.1f} {end:g},{b:.1f}"
                f"v{thick:.1f}C{middle:g},{b + thick:.1f} {middle:g},{a + thick:.1f}"
                f" {begin:g},{a + thick:.1f}Z"
            )
            shapes += _tag("path", d=band, fill=colour)
            left[source] += thick
        for one, colour in enumerate(node["color"]):
            shapes += _tag(
                "rect",
                x=across[one],
                y=tops[one],
                width=12,
                height=max(1.0, sizes[one] * scale),
                fill=colour,
            )
        yield self._stretched(shapes)
        for one, name in enumerate(node["label"]):
            down = tops[one] + sizes[one] * scale / 2 + 4.5 if one else top - 6
            yield _text(across[one] * 100 / FINE + 2 * bool(one), down, plain_lines(name))

    def _line(self, shape: Mapping) -> str:
        ends = {key: self._place(shape, key) for key in ("x0", "x1", "y0", "y1")}
        return _tag(
            "line",
            x1=f"{ends['x0']:.2f}%",
            x2=f"{ends['x1']:.2f}%",
            y1=ends["y0"],
            y2=ends["y1"],
            stroke=_ink(shape["line"]["color"]),
            stroke_width=shape["line"]["width"],
        )

    def _note(self, note: Mapping) -> str:
        x, y, size = self._place(note, "x"), self._place(note, "y"), note["font"]["size"]
        lines, column = plain_lines(note["text"]), note.get("name") == "column"
        if column:  # as wide as a column on a phone
            lines, size = textwrap.wrap(" ".join(lines), 8, max_lines=3, placeholder="…"), 9
        centred = column or (note["xanchor"] == "center" and 10 < x < self.right - 10)
        anchor = "middle" if centred else "start" if x < 50 else "end"
        rise = -5 - 1.25 * size * (len(lines) - 1) if note["yanchor"] == "bottom" else 1.1 * size
        self.foot = max(self.foot, y + rise + 1.25 * size * len(lines))
        return _text(x, y + rise, lines, text_anchor=anchor, font_size=size)

    # Words around the plot.

    def _ticks(self) -> Iterator[str]:
        """Names above their rows, or counts on a grid; and moments below the plot, or its unit."""
        across, down = self.axes["x"], self.axes["y"]
        limits = [shape["y0"] for shape in self.layout.get("shapes", ())]
        for place, name in zip(down.get("tickvals", ()), down.get("ticktext", ()), strict=True):
            y, small = self.y(place), {"font_size": 11, "fill": MUTED}
            if down.get("ticklabelposition") == "inside":
                yield _text(0, y - 15, plain_lines(name))
            elif place not in limits:  # which are labelled themselves
                yield _tag("line", x1=0, x2=f"{self.right:.1f}%", y1=y, y2=y, stroke=GRID)
                yield _text(0, y + 4, [name], dx=-self.gutter, **small)
        look, foot = {"font_size": 12, "fill": MUTED}, self.foot + 12
        for moment, name in zip(
            across.get("tickvals", ()), across.get("ticktext", ()), strict=True
        ):
            x = self.x(moment)
            anchor = "start" if x < 8 else "middle" if x < self.right - 4 else "end"
            yield _text(x, foot, plain_lines(name), text_anchor=anchor, **look)
            self.foot = max(self.foot, foot + 15 * len(plain_lines(name)))
        if unit := across.get("title", {}).get("text"):
            yield _text(0, foot, plain_lines(unit), **look)
            self.foot = foot + 8

    def _key(self, traces: list[dict]) -> Iterator[str]:
        """What the colours mean, in columns that fit a phone."""
        names = [" ".join(plain_lines(trace["name"])) for trace in traces]
        longest = max(map(len, names), default=0)
        columns, foot = 3 if longest <= 14 else 2 if longest <= 23 else 1, self.foot
        for n, (trace, name) in enumerate(zip(traces, names, strict=True)):
            x, y = 100 / columns * (n % columns), foot + 20 * (n // columns)
            line = {"width": 11} | trace["marker"] | trace["marker"].get("line", {})
            yield _tag(
                "rect",
                x=f"{x:.2f}%",
                y=y,
                width=line["width"],
                height=11,
                fill=_ink(line["color"]),
            )
            yield _text(x, y + 10, [name], dx=18, font_size=12)
            self.foot = y + 20
