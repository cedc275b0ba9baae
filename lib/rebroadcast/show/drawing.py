"""The house style of figures: colours, layout, labels, and what a figure says of itself to its
page.
"""

import html
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import wraps
from math import ceil, floor, log10
from numbers import Real
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from IPython.display import display

from ..common.exceptions import visible
from ..common.language import Language, language
from .picture import picture
from .words import CAUSES, COLUMNS, DISPOSITIONS, OUTCOMES, VERDICTS, Said, word

ENGLISH = language("en")
WAIT, FIX, NEVER, UNKNOWN, DELIVERED = "#0072B2", "#E69F00", "#D55E00", "#8A8A8A", "#009E73"
FAILED, QUIET, LIMIT, GREY, GRID = (
    "#CC79A7",
    "#C4C8CC",
    "#000000",
    "#767676",
    "rgba(138,138,138,0.25)",
)
VERDICT_COLOURS = {"wait": WAIT, "fix": FIX, "never": NEVER, "unknown": UNKNOWN}
# Those of one verdict are shades that differ by more than 20 (CIE76), also on dark paper.
CAUSE_COLOURS = {
    "quota": WAIT,
    "rate_limit": "#56B4E9",
    "recipient_cap": "#7B7FD9",
    "outage": "#AEE1F9",
    "template": FIX,
    "content": "#F5D76E",
    "media": "#9A6A00",
    "account": "#8E5A40",
    "policy": "#C8B400",
    "configuration": "#FFE3B0",
    "outside_window": "#7D7A2A",
    "audience": "#C08F6A",
    "opted_out": NEVER,
    "invalid_recipient": "#F4A27A",
    "unreachable": "#566B8A",
    "unknown": UNKNOWN,
}
OUTCOME_COLOURS = {
    "reached": DELIVERED,
    "failed_again": FAILED,
    "no_sign": UNKNOWN,
    "not_known": "#C8C8C8",
    "not_due": "#9CCBE6",
}
DISPOSITION_COLOURS = {
    "tagged": WAIT,
    "fix_first": FIX,
    "never": NEVER,
    "unknown": UNKNOWN,
    "reached_later": DELIVERED,
}
WORDS: dict[str, Mapping[str, Said]] = {
    "cause": CAUSES,
    "verdict": VERDICTS,
    "disposition": DISPOSITIONS,
    "outcome": OUTCOMES,
}
COUNTS = ("failed", "attempted", "delivered", "load", "rows", "contacts", "waves", "before", "now")
NUMBERS = (*COUNTS, "limit", "overflow", "capacity")
TEXTS = ("channel", "error", "cause", "verdict", "scenario")
# Rows that are drawn, characters of a label, pixels for a bar with its label, rows of data.
TOP, LABEL, SLOT, ROWS = 15, 96, 42, 200  # a phone shortens labels further
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
STEPS = [  # of time, on an axis
    *(n * MINUTE for n in (1, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(n * DAY for n in (1, 2, 7, 14, 28, 91, 182, 365, 3650)),
]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
Key = Iterable[
    tuple[str, str, Iterable[float]]
]  # name, colour and counts of what a legend explains


class Figure(go.Figure):
    """A figure that shows a picture of itself where nothing can draw it (see `picture`)."""

    def _ipython_display_(self) -> None:
        drawn = picture(json.loads(self.to_json()), heading=True)
        kinds = {"image/svg+xml": drawn} if drawn else {}
        display(
            self._repr_mimebundle_() | kinds | {"text/plain": self.layout.meta["title"]}, raw=True
        )


def _few(frame: "pd.DataFrame") -> "pd.DataFrame":
    """As many rows as a table shows: the first, or of a line some of each part, the peak and the
    end.
    """
    if len(frame) <= ROWS or "load" not in frame:
        return frame.head(ROWS)
    some = range(0, len(frame), ceil(len(frame) / (ROWS - 2)))
    return frame.iloc[sorted({*some, int(frame["load"].argmax()), len(frame) - 1})]


def chart(draw: Callable[..., go.Figure]) -> Callable[..., go.Figure]:
    """Hand draw a clean frame, answer one with nothing in it, and describe the figure in
    `layout.meta`.
    """

    @wraps(draw)
    def draw_chart(
        frame: "pd.DataFrame", *, lang: Language = ENGLISH, **options: object
    ) -> go.Figure:
        _, known = lang.gettext, [name for name in frame.columns if name in COLUMNS]
        clean = frame[known].reset_index(drop=True)
        for name in known:
            if name in NUMBERS:
                clean[name] = pd.to_numeric(clean[name], errors="coerce").astype(float)
            elif name in TEXTS:
                clean[name] = clean[name].astype(object).where(clean[name].notna(), _("(none)"))
            if name == "channel":
                clean[name] = clean[name].map(lang.channel)
        if clean[[name for name in known if name in COUNTS]].fillna(0).to_numpy().any():
            drawn = draw(clean, lang=lang, **options)
        else:
            drawn, clean = figure([], _("There is nothing to show"), "", 1, lang), clean.head(0)
            drawn.update_xaxes(visible=False).update_yaxes(visible=False)
        told, table = [*filter(None, drawn.layout.meta)], _few(clean).astype(object)
        if len(frame) > ROWS:
            told.append(
                _(
                    "The data holds {n} of {total} rows",
                    n=lang.number(len(table)),
                    total=lang.number(len(frame)),
                )
            )
        rows = [*table.where(table.notna(), None).itertuples(index=False)]
        drawn.layout.meta = {
            "id": draw.__name__.replace("_", "-"),
            "title": told[0],
            "description": " ".join(f"{sentence}." for sentence in told),
            "data": (
                rows
                and [
                    [word(COLUMNS, name, lang) for name in known],
                    *(
                        [_cell(*pair, lang) for pair in zip(known, row, strict=True)]
                        for row in rows
                    ),
                ]
            ),
        }
        return drawn

    return draw_chart


def telling(drawn: go.Figure) -> bool:
    """Whether a figure says more than one number: two bars or moments, rows with several cells."""
    first = drawn.data[0] if drawn.data else None
    if first is None or first.type == "sankey":
        return first is not None and len(first.link.value) > 1
    if first.type == "heatmap":
        return sum(sum(cell is not None for cell in row) > 1 for row in first.z) > 1
    return len({*(first.y if first.orientation == "h" else first.x)}) > 1


def escape(text: object) -> str:
    """Make a text safe for plotly, which reads tags, %{templates} and $TeX$ in its texts."""
    plain = html.escape(visible(" ".join(str(text).split())), quote=False).replace(" %", "\u00a0%")
    return plain.replace("%{", "%&#123;").replace("$", "&#36;")


def shorten(text: object, width: int = LABEL) -> str:
    """Shorten a text to width with an ellipsis, keeping its end, where texts often differ."""
    plain = " ".join(str(text).split())
    ahead = width * 2 // 3
    return (
        plain
        if len(plain) <= width
        else f"{plain[:ahead].rstrip()}…{plain[ahead + 1 - width :].lstrip()}"
    )


def brief(text: object, width: int = 80) -> str:
    """Shorten a text for a title: whole words from its beginning, without its full stop."""
    return textwrap.shorten(str(text), width, placeholder="…").rstrip(".")


def hover(*texts: object, width: int = 50) -> str:
    """Return escaped lines for a hover box, each broken at width."""
    return "<br>".join(escape(line) for text in texts for line in textwrap.wrap(str(text), width))


def figure(
    traces: Sequence,
    title: str,
    subtitle: str,
    body: float,
    lang: Language,
    key: Key = (),
    below: int = 34,
) -> go.Figure:
    """Lay traces out: title, subtitle, `body` pixels of plot, a legend `below` it; as wide as the
    page.
    """
    key, top, clear = list(key), 76, "rgba(0,0,0,0)"
    bottom = 42 + 28 * bool(key) + 20 * (len(key) > 2)  # on a phone the legend takes two lines
    for trace in traces:
        if trace.type in ("bar", "scatter"):
            trace.showlegend = False
    line = {"symbol": "line-ns", "size": 12, "line": {"color": LIMIT, "width": 2.5}}
    square = {"symbol": "square", "size": 11}
    marks = [
        {
            "type": "scatter",
            "x": [None],
            "y": [None],
            "mode": "markers",
            "marker": line if colour == LIMIT else square | {"color": colour},
            "name": escape(name if colour == LIMIT else f"{name} {lang.number(int(sum(counts)))}"),
            "showlegend": True,
        }
        for name, colour, counts in key
    ]
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "fixedrange": True,
        "title": {"font": {"size": 12}},
    }
    return Figure(  # at once: each later change takes as long again
        [*traces, *marks],
        {
            "title": {
                "text": escape(title),
                "subtitle": {"text": escape(subtitle), "font": {"size": 13, "color": GREY}},
                "font": {"size": 16},
                "pad": {"l": 6, "t": 8},
                "x": 0,
                "xref": "container",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
            },
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": -below / body,
                "yanchor": "top",
                "traceorder": "normal",
                "itemclick": False,
                "itemdoubleclick": False,
                "font": {"size": 13},
            },
            "font": {"family": FONT, "size": 13},
            "barmode": "stack",
            "meta": [title, subtitle],
            "paper_bgcolor": clear,
            "plot_bgcolor": clear,
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"align": "left"},
            "height": top + body + bottom,
            "margin": {"l": 6, "r": 12, "t": top, "b": bottom},
            "template": "none",
        },
    )


def lines(names: Iterable[object]) -> dict:
    """Return a y axis with each name on a line above its row, which leaves a phone's width to the
    bars.
    """
    texts = [escape(shorten(name)) for name in names]
    return {
        "tickvals": list(range(len(texts))),
        "ticktext": texts,
        "showgrid": False,
        "ticks": "",
        "range": [len(texts) - 0.5, -0.75],
        "ticklabelposition": "inside",
        "ticklabelshift": 20,
    }


def ends(
    drawn: go.Figure, totals: Iterable[float], texts: Sequence[str], unit: str, gap: int = 1
) -> go.Figure:
    """Label rows at their ends, and keep room for the longest label at a phone's width."""
    totals, labels = (
        [float(total) for total in totals],
        ["\u00a0" * gap + escape(text) for text in texts],
    )
    room = 1 - min(0.7, 0.024 * max(map(len, texts)) + 0.03)
    drawn.add_scatter(
        x=totals,
        y=list(range(len(totals))),
        mode="text",
        text=labels,
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    reach = max([max(totals) / room, *(shape.x1 * 1.02 for shape in drawn.layout.shapes)]) or 1
    return drawn.update_xaxes(
        range=[0, reach],
        showticklabels=False,
        showgrid=False,
        title={"text": escape(unit), "standoff": 10},
    )


def bars(
    names: Iterable[object],
    parts: Sequence[tuple],
    labels: Sequence[str],
    title: str,
    subtitle: str,
    unit: str,
    lang: Language,
    *,
    key: Key | None = None,
    raw: Iterable[object] | None = None,
    limits: Iterable[float] = (),
) -> go.Figure:
    """Draw stacked horizontal bars, the first name on top, labelled at their ends.

    parts are (name, colour or colours, counts by row); key explains the colours (None: the parts
    do); raw are the values behind the names; limits, where not null, are drawn as a black line
    across their row.
    """
    names, parts, limits = (
        list(names),
        [part for part in parts if any(part[2])] or parts[:1],
        list(limits),
    )
    key, traces = list(parts if key is None else key), []
    if any(limit == limit for limit in limits):
        key.append((lang.gettext("limit"), LIMIT, ()))
    for part, colour, counts in parts:
        texts = [
            hover(name, *_told(part, lang.number(round(float(count), 1)), label))
            for name, count, label in zip(names, counts, labels, strict=True)
        ]
        traces.append(
            go.Bar(
                x=[float(count) for count in counts],
                customdata=names if raw is None else list(raw),
                hovertext=texts,
                hoverinfo="text",
                y=list(range(len(names))),
                orientation="h",
                width=0.4,
                marker_color=colour,
            )
        )
    drawn = figure(traces, title, subtitle, SLOT * len(names) + 16, lang, key).update_yaxes(
        lines(names)
    )
    for row, limit in enumerate(limits):
        if limit == limit:
            drawn.add_shape(
                name="limit",
                x0=limit,
                x1=limit,
                y0=row - 0.3,
                y1=row + 0.3,
                line={"color": LIMIT, "width": 2.5},
            )
    totals = [sum(row) for row in zip(*(counts for *_, counts in parts), strict=True)]
    beyond = [limit if limit == limit else 0 for limit in limits] or [0] * len(totals)
    return ends(drawn, map(max, totals, beyond), labels, unit)


def _told(part: str, count: str, label: str) -> list[str]:
    """What a hover box says of a part of a bar: name and count, and the label of the whole bar
    where it says more.
    """
    if part in label and (count in label.split() or part == label):
        return [f"{part} {count}" if part == label else label]
    same = label.split()[:1] == [count] and not any(map(str.isalpha, label))
    return [f"{part} {label}"] if same else [f"{part} {count}", label]


def timeline(
    drawn: go.Figure, first: datetime, last: datetime, most: float, unit: str, lang: Language
) -> go.Figure:
    """Give a figure a time axis below and counts up to `most` on the left, with room for a note
    above.
    """
    times, texts = moments(first, last, lang)
    drawn.update_xaxes(
        type="date",
        range=[first, last],
        tickvals=times,
        ticktext=texts,
        showgrid=False,
        ticks="outside",
        ticklen=6,
        tickcolor="rgba(0,0,0,0)",
    )
    power = 10 ** floor(log10(max(most, 4) / 4))
    counts = range(0, ceil(most), next(n * power for n in (1, 2, 5, 10) if n * power * 5 >= most))
    drawn.update_yaxes(
        range=[0, most * 1.15],
        automargin=True,
        tickvals=[*counts],
        ticktext=[*map(lang.number, counts)],
    )
    return note(
        drawn,
        x=0,
        y=1,
        text=unit,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        font={"size": 12},
    )


def moments(first: datetime, last: datetime, lang: Language) -> tuple[list[datetime], list[str]]:
    """A few round moments between two, and what an axis says of them: days, or times of day."""
    step = next((step for step in STEPS if 5 * step >= last - first), STEPS[-1])
    start = datetime(first.year, first.month, first.day)
    counts = range(ceil((first - start) / step), floor((last - start) / step) + 1)
    times = [start + n * step for n in counts]
    days = [lang.date(at) for at in times]
    if last - first < 300 * DAY:
        days = [day.rpartition(" ")[0] for day in days]  # without the year
    if step >= DAY:
        return times, days
    new = [not n or not start.hour + start.minute for n, start in enumerate(times)]
    return times, [
        f"{at:%H:%M}<br>{day}" if first else f"{at:%H:%M}"
        for at, day, first in zip(times, days, new, strict=True)
    ]


def note(
    drawn: go.Figure, x: object, y: object, text: str, width: int = 60, **place: Any
) -> go.Figure:
    """Write one remark into the figure, broken at width."""
    place = {
        "xanchor": "center",
        "yanchor": "top",
        "showarrow": False,
        "font": {"size": 13},
    } | place
    return drawn.add_annotation(x=x, y=y, text=hover(text, width=width), **place)


def ranked(frame: "pd.DataFrame", by: str) -> "pd.DataFrame":
    """One row per value of `by`, most failures first; its other columns are those of its largest
    row.
    """
    rows = frame[frame.failed > 0].sort_values("failed", ascending=False, kind="stable")
    rules = {name: "sum" if name == "failed" else "first" for name in rows.columns if name != by}
    rows = rows.groupby(by, sort=False).agg(rules).reset_index()
    return rows.sort_values(["failed", by], ascending=[False, True], ignore_index=True)


def split(frame: "pd.DataFrame", rows: str, columns: str, values: str) -> "pd.DataFrame":
    """Spread values over columns, in the order of rows; 0 where there is none."""
    return frame.pivot_table(
        index=rows, columns=columns, values=values, aggfunc="sum", fill_value=0
    )


def fold(counts: Sequence[float]) -> list[float]:
    """Keep the first counts as they are; add up the rest."""
    return [*counts[:TOP], sum(counts[TOP:])] if len(counts) > TOP else list(counts)


def folded(rows: "pd.DataFrame", by: str, lang: Language) -> tuple[list[str], list[float]]:
    """Names and counts of the largest rows, and of the rest as one."""
    names, rest = rows[by][:TOP].tolist(), len(rows) - TOP
    if rest > 0:
        names.append(lang.ngettext("the rest ({n} other)", "the rest ({n} others)", rest))
    return names, fold(rows.failed.tolist())


def facts(rows: "pd.DataFrame", lang: Language) -> dict[str, str]:
    """What titles say: total and kinds, and count and share of the first row."""
    total, count = int(rows.failed.sum()), int(rows.failed[0])
    return {
        "total": lang.number(total),
        "count": lang.number(count),
        "share": lang.percent(count / total),
        "kinds": lang.number(len(rows)),
    }


def share(count: float, total: float, lang: Language) -> str:
    """Count and share; the count alone where a share would say nothing."""
    number = lang.number(int(count))
    return f"{number} · {lang.percent(count / total)}" if count and total > 0 else number


def shares(counts: Sequence[float], lang: Language) -> list[str]:
    """Count and share of each."""
    return [share(count, sum(counts), lang) for count in counts]


def by_verdict(
    frame: "pd.DataFrame", rows: str, order: Iterable[str], lang: Language
) -> list[tuple]:
    """The parts of bars that are split by verdict: name, colour, counts in this order of the
    rows.
    """
    counts = split(frame, rows, "verdict", "failed").reindex(order)
    return [
        (word(VERDICTS, v, lang), colour, counts[v])
        for v, colour in VERDICT_COLOURS.items()
        if v in counts
    ]


def faded(colour: str) -> str:
    """A colour (#RRGGBB) for what lies behind the marks of that colour, on light paper and on
    dark.
    """
    return f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.35)"


def wave(wave: str | float, lang: Language) -> str:
    """Name a wave by its number; a wave that has a name keeps it."""
    return wave if isinstance(wave, str) else lang.gettext("Wave {n}", n=lang.number(int(wave)))


def signed(change: float, lang: Language) -> str:
    """A change with its sign."""
    return f"{'+' if change > 0 else '−' if change < 0 else '±'}{lang.number(abs(int(change)))}"


def _cell(name: str, value: object, lang: Language) -> str | int | float:
    """Return what a table shows for a value: words translated, times formatted, nothing for
    null.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return lang.datetime(value)
    if isinstance(value, Real | Decimal):
        return int(value.__trunc__()) if float(value).is_integer() else float(value)
    return word(WORDS.get(name, {}), value, lang)
