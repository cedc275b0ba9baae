"""One offline HTML file from an executed notebook: text, figures and tables, no request."""

import base64
import gzip
import hashlib
import html
import json
import re
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import mistune
import re2
from jinja2 import Environment, FileSystemLoader

from ..common.exceptions import OutputError, reason, visible
from ..common.folder import slug, unused
from ..common.language import Language
from ..show.picture import caption, picture

HERE = Path(__file__).parent
STYLE = HERE / "report.css"
DROPPED = {"notebook-only", "papermill-error-cell-tag"}
# A number as people write it; four digits without a separator are more often an ID or a year.
NUMBER = re.compile(r"[-−+]?\d{1,3}([,.\u00a0\u202f]\d{3})*([,.]\d+)?(\s?%)?")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def export(
    notebook: Any,
    target: Path,
    *,
    title: str,
    lang: Language,
    subject: str = "",
    made_at: str | None = None,
    light: bool = False,
) -> None:
    """Write the executed notebook to target as one HTML file that needs nothing else, not even a
    network.

    Markdown cells become text, except those tagged `notebook-only`. Outputs keep their order; code
    stays in the notebook. A heading (`##`) begins a section, which is folded where its cell is
    tagged `folded`, and left out where it holds nothing. A plotly figure's title becomes its
    caption; `layout.meta` may hold `description` (for screen readers), `data` (rows, the header
    first: shown as a table) and `csv` (a relative path to link). Each figure is a picture, over
    which plotly draws where scripts run; a light page has the pictures alone, and no script. In the
    others a click sorts a table by a column of numbers or moments (`<time>`). The CSV files of the
    folder `data` beside the page are named at its end.
    `text/html` outputs are trusted to be escaped by their producer; scripts in them are removed and
    could not run. The title of the window has the subject as well, such as a broadcast. Two exports
    of one notebook differ in nothing but made_at, shown as given.

    notebook is as nbformat reads it. Raises OutputError if target cannot be written.

    >>> notebook, place = nbformat.read("a.ipynb", 4), Path("a.html")  # doctest: +SKIP
    >>> export(notebook, place, title="Failures", lang=Language("en"))  # doctest: +SKIP
    """
    page = _Page(lang, light)
    for cell in notebook.cells:
        page.add(cell)
    files = sorted(path.name for path in (target.parent / "data").glob("*.csv"))
    text = visible(page.render(title, subject, made_at, files))
    try:
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(
            "{target} cannot be written ({reason}). Name another place.",
            target=target,
            reason=reason(error),
        ) from error


def prepare(light: bool = False) -> None:
    """Do what every page needs, so that it is done when `export` asks for it."""
    template(HERE / "report.html.j2")
    if not light:
        _plotly()


class _Renderer(mistune.HTMLRenderer):
    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f"<em>{text}</em>"  # a picture would be fetched


class _Page:
    """What the page will hold, gathered cell by cell; the template turns each block into HTML."""

    def __init__(self, lang: Language, light: bool):
        self.lang, self.light = lang, light
        self.heading: str | None = None
        self.sections: list[dict[str, Any]] = [{"blocks": []}]
        self._markdown = mistune.create_markdown(
            escape=True, renderer=_Renderer(escape=True), plugins=["table"]
        )

    def add(self, cell: Any) -> None:
        tags = set(cell.metadata.get("tags", ()))
        blocks: list[dict[str, Any] | None] = []
        if cell.cell_type == "markdown" and not tags & DROPPED:
            blocks.append(self._text(cell.source))
        if cell.cell_type == "code":
            failed = any(output.output_type == "error" for output in cell.outputs)
            blocks += [self._output(output, failed) for output in cell.outputs]
        for block in filter(None, blocks):
            if title := block.pop("title", None):
                taken = [section.get("slug") for section in self.sections]
                self.sections.append(
                    {
                        "slug": unused(slug(title, "section"), taken.__contains__),
                        "title": title,
                        "open": "folded" not in tags,
                        "blocks": [],
                    }
                )
            if block.get("html") != "":
                self.sections[-1]["blocks"].append(block)

    def _output(self, output: Any, failed: bool) -> dict[str, Any] | None:
        if output.output_type == "stream":
            return (
                {"kind": "plain", "text": output.text}
                if output.name == "stdout" or failed
                else None
            )
        if output.output_type == "error":
            text, trace = (
                ANSI.sub("", part) for part in (output.evalue, "\n".join(output.traceback))
            )
            return {"kind": "error", "name": output.ename, "text": text, "trace": trace}
        match output.data:
            case {"application/vnd.plotly.v1+json": figure}:
                return self._figure(figure)
            case {"text/html": text}:
                return self._markup(text, "output")
            case {"text/markdown": text}:
                return self._text(text)
            case {"image/png": png}:
                return {"kind": "image", "png": png}
        return {"kind": "plain", "text": output.data.get("text/plain", "")}

    def _text(self, source: str) -> dict[str, Any]:
        text = str(self._markdown(source))
        if self.heading is None and (found := re.search(r"<h1>(.*?)</h1>\n?", text, re.S)):
            self.heading = found[1]
            text = text.replace(found[0], "", 1)
        return self._markup(text, "prose")

    def _markup(self, text: str, kind: str) -> dict[str, Any]:
        """Take a heading out, which begins a section; let tables scroll inside their own box."""
        text = text.encode(
            "utf-8", "replace"
        ).decode()  # RE2: a thousand openings without an end take no longer than one
        text = re2.sub(r"(?is)<script\b.*?</script\s*>|<style\b.*?</style\s*>", lambda _: "", text)
        text = re.sub(r"(?<=<table) border=\"\d\"", "", text)
        text = re2.sub(r"(?s)<table\b.*?</table>", self._table, text)
        start = re.match(r"\s*<h2\b[^>]*>(.*?)</h2>\s*", text, re.S)
        block = {"kind": kind, "html": text[start.end() :] if start else text}
        return block | ({"title": _words(start[1])} if start else {})

    def _table(self, found: re.Match[str]) -> str:
        caption = re.search(r"<caption\b[^>]*>(.*?)</caption>", found[0], re.S)
        label = html.escape(_words(caption[1]) if caption else self.lang.gettext("Table"))
        return (
            f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{found[0]}</div>'
        )

    def _figure(self, bundle: dict[str, Any]) -> dict[str, Any]:
        layout = dict(bundle.get("layout", {}))
        finding, subtitle = caption(layout)
        meta = dict(layout["meta"]) if isinstance(layout.get("meta"), dict) else {}
        rows, csv, description = (meta.pop(name, None) for name in ("data", "csv", "description"))
        figure = {"data": bundle.get("data", []), "layout": layout | {"meta": meta}}
        label = description or f"{finding} {subtitle}".strip() or self.lang.gettext("Figure")
        return {
            "kind": "figure",
            "finding": finding,
            "subtitle": subtitle,
            "label": label,
            "csv": csv,
            "table": _texts(rows or [], self.lang),
            "picture": picture(figure | {"layout": layout | {"meta": {"title": label}}}),
            "json": "" if self.light else _json(figure),
        }

    def render(self, title: str, subject: str, made_at: str | None, files: list[str]) -> str:
        _ = self.lang.gettext
        words = {
            "skip": _("Skip to the report"),
            "contents": _("Contents"),
            "table": _("Table of this figure's data"),
            "csv": _("Data as CSV"),
            "files": _("Data as CSV, in the folder data beside this page"),
            "trace": _("Where it happened"),
            "made": _("Made {time}"),
            "save": _("Download this figure as an image"),
            "old": _("This figure needs JavaScript; the table below holds its data."),
        }
        css, *scripts = (
            (HERE / name).read_text("utf-8") for name in ("report.css", "page.js", "report.js")
        )
        self.sections = [s for s in self.sections if s["blocks"]]
        blocks = [block for section in self.sections for block in section["blocks"]]
        figures = not self.light and any(block["kind"] == "figure" for block in blocks)
        scripts = scripts[: 0 if self.light else 2 if figures else 1]
        plotly, *hashes = _plotly() if figures else ("",)
        return template(HERE / "report.html.j2").render(
            page=self,
            files=files,
            title=title,
            subject=subject,
            made_at=made_at,
            words=words,
            css=css,
            scripts=scripts,
            plotly=plotly,
            hashes=" ".join([*map(_hash, scripts), *hashes]) or "'none'",
        )


@cache
def template(path: Path):
    """A Jinja template, which escapes what it is given."""
    return Environment(
        loader=FileSystemLoader(path.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template(path.name)


def _words(markup: str) -> str:
    return html.unescape(re.sub(r"<[^<>]+>", "", markup)).strip()


def _texts(rows: list[list[Any]], lang: Language) -> list[list[tuple[str, bool]]]:
    """Return each cell's text, and whether its column holds numbers."""
    texts = [
        ["" if v is None else v if isinstance(v, str) else lang.number(v) for v in row]
        for row in rows
    ]
    numbers = [
        any(column) and all(NUMBER.fullmatch(text) for text in column if text)
        for column in zip(*texts[1:], strict=False)
    ]
    return [list(zip_longest(row, numbers)) for row in texts]


def _json(value: Any) -> str:
    """Return JSON that stays inside its script element, whatever its strings say."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _plotly() -> tuple[str, str]:
    """Return plotly.js packed (gzip, base64) and its hash; the same bytes every time."""
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs()
    return base64.b64encode(gzip.compress(script.encode(), 9, mtime=0)).decode(), _hash(script)
