"""Pieces of HTML that reports are made of."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup, escape

from ..common.exceptions import visible
from ..common.language import Language
from .words import verdict_name

SAFE_ROWS = 60  # rows of a table in a report; all of them are in its CSV


def html(*parts: Markup) -> HTML:
    """Show escaped markup; no notebook may read TeX ($...$) into a stranger's text."""
    text = visible(Markup("").join(parts))
    return HTML(
        f'<div class="tex2jax_ignore mathjax_ignore">{text}</div>'
        if set("$\\") & set(text)
        else text
    )


def table(
    frame: pd.DataFrame,
    numbers: Iterable[str] = (),
    widths: Iterable[int] = (),
    kind: str = "table",
) -> Markup:
    """An HTML table of a small frame whose columns are the headings, every cell escaped; nothing
    where it has no rows. numbers are the columns that align right.

    A phone shows the rows of one with four columns or more as cards; the roles keep it a table for
    a screen reader. widths are per cent.
    """
    if frame.empty:
        return Markup("")
    cards, numbers = len(frame.columns) >= 4 and not widths, set(numbers)
    right = [Markup(' class="num"') if name in numbers else "" for name in frame.columns]
    label = Markup('{} role="{}" data-label="{}"')

    def row(cells: Iterable[object], tag: str) -> Markup:
        kinds = right
        if cards:
            role = {"th": "columnheader", "td": "cell"}[tag]
            kinds = [label.format(k, role, n) for k, n in zip(right, frame.columns, strict=True)]
        one = Markup("<{0}{1}>{2}</{0}>")
        return Markup("<tr{}>{}</tr>").format(
            Markup(' role="row"') if cards else "",
            Markup("").join(
                one.format(Markup(tag), k, c) for k, c in zip(kinds, cells, strict=True)
            ),
        )

    size = Markup("").join(Markup('<col style="width:{}%">').format(width) for width in widths)
    start = Markup('<table class="{}{}"{}>').format(
        kind, " cards" if cards else "", Markup(' role="table"') if cards else ""
    )
    group = Markup("<colgroup>{}</colgroup>").format(size) if size else ""
    head = (
        Markup("<thead>{}</thead>").format(row(frame.columns, "th")) if any(frame.columns) else ""
    )
    rows = (row(cells, "td") for cells in frame.itertuples(index=False, name=None))
    body = Markup("<tbody>{}</tbody></table>").format(Markup("").join(rows))
    return Markup("{}{}{}{}").format(start, group, head, body)


def grid(columns: Mapping[str, Iterable[object]], **look: Any) -> Markup:
    """The `table` of cells by their headings; markup in them stays markup."""
    return table(pd.DataFrame(columns, dtype=object), **look)


def p(text: object, kind: str = "") -> Markup:
    """A paragraph, of a class of report.css: headline, warning or fine."""
    return Markup("<p{}>{}</p>").format(Markup(' class="{}"').format(kind) if kind else "", text)


def ordered(lines: Iterable[object], kind: str = "steps") -> Markup:
    """A numbered list."""
    return Markup('<ol class="{}">{}</ol>').format(
        kind, Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    )


def verdict_label(verdict: str, lang: Language) -> Markup:
    return Markup('<span class="verdict-{}">{}</span>').format(verdict, verdict_name(verdict, lang))


def strip(cells: Iterable[tuple[str, str, str]]) -> Markup:
    """Tiles: (label, value, the verdict that colours it, if any)."""
    cell = Markup('<div class="tile-{}"><dt>{}</dt><dd>{}</dd></div>')
    return Markup('<dl class="strip">{}</dl>').format(
        Markup("").join(cell.format(kind, label, value) for label, value, kind in cells)
    )


def moment(at: datetime, text: str) -> Markup:
    """An instant as text, which also says it to what sorts a table."""
    known = Markup('<time datetime="{}">{}</time>')
    return escape(text) if pd.isna(at) else known.format(f"{at:%Y-%m-%dT%H:%MZ}", text)


def more(summary: object, *parts: Markup, kind: str = "more") -> Markup:
    """What is behind a click."""
    return Markup('<details class="{}"><summary>{}</summary>{}</details>').format(
        kind, summary, Markup("").join(parts)
    )


BAR = (160, 14)  # of a broadcast, in pixels
PARTS = {"delivered": "#009E73", "failed": "#0072B2"}


def bar(delivered: int | None, failed: int, full: int | None, most: int) -> Markup:
    """A broadcast as one bar: delivered, failed, and a line after as many as its limit had room for
    (`full`); most is the number that fills the width. Plain SVG, so that it needs no script.
    """
    width, height = BAR
    scale, at, rects = width / max(most, 1), 0.0, []
    for name, count in (("delivered", delivered or 0), ("failed", failed)):
        rects.append(
            Markup('<rect x="{:.1f}" y="2" width="{:.1f}" height="{}" fill="{}"/>').format(
                at, count * scale, height - 4, PARTS[name]
            )
        )
        at += count * scale
    if full is not None:
        rects.append(
            Markup('<rect class="limit" x="{:.1f}" y="0" width="2" height="{}"/>').format(
                min(full * scale, width - 2), height
            )
        )
    return Markup(
        '<svg class="bar" width="{0}" height="{1}" viewBox="0 0 {0} {1}"'
        ' preserveAspectRatio="none" aria-hidden="true">{2}</svg>'
    ).format(width, height, Markup("").join(rects))
