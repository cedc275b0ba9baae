"""Pieces of HTML that reports are made of."""

from collections.abc import Iterable

from IPython.display import HTML
from markupsafe import Markup

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
    rows: Iterable[list],
    header: list[str] = (),
    numbers: Iterable[int] = (),
    widths: Iterable[int] = (),
) -> Markup:
    """An HTML table of escaped cells, nothing where there are no rows; numbers are the columns that
    align right.

    A phone shows the rows of one with five columns or more as cards; the roles keep it a table for
    a screen reader. With widths, in per cent, it is one of the explorer's, in which a row of one
    cell spans all.
    """
    cards = len(header) >= 5 and not widths
    size = Markup("").join(Markup('<col style="width:{}%">').format(width) for width in widths)

    def row(cells: list, tag: str) -> Markup:
        kinds = [Markup(' class="num"') if place in numbers else "" for place in range(len(cells))]
        kinds = [Markup(f' colspan="{len(widths)}"')] if widths and len(cells) == 1 else kinds
        if cards:
            role, more = (
                {"th": "columnheader", "td": "cell"}[tag],
                Markup('{} role="{}" data-label="{}"'),
            )
            kinds = [
                more.format(kind, role, name) for kind, name in zip(kinds, header, strict=True)
            ]
        parts = (
            Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), kind, cell)
            for kind, cell in zip(kinds, cells, strict=True)
        )
        return Markup("<tr{}>{}</tr>").format(
            Markup(' role="row"' if cards else ""), Markup("").join(parts)
        )

    start = Markup('<table class="table cards" role="table">' if cards else '<table class="table">')
    start = (
        Markup('<table class="rb-table"><colgroup>{}</colgroup>').format(size) if widths else start
    )
    head = Markup("<thead>{}</thead>").format(row(header, "th")) if header else ""
    body = Markup("").join(row(r, "td") for r in rows)
    return Markup("{}{}<tbody>{}</tbody></table>").format(start, head, body) if body else body


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


def strip(cells: list[tuple[str, str, bool]]) -> Markup:
    """The status strip: (label, value, whether it is a warning)."""
    cell = Markup("<div{}><dt>{}</dt><dd>{}</dd></div>")
    parts = (
        cell.format(Markup(' class="warn"' if warn else ""), label, value)
        for label, value, warn in cells
    )
    return Markup('<dl class="strip">{}</dl>').format(Markup("").join(parts))
