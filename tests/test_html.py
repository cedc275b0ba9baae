"""One executed notebook becomes one HTML file that draws all without a network and runs nothing
foreign.
"""

import json
import re
from pathlib import Path

import nbformat
import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from conftest import CHROMIUM
from rebroadcast.common.exceptions import InputError, OutputError
from rebroadcast.common.language import Language
from rebroadcast.report.page import export

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
PLOTLY = "application/vnd.plotly.v1+json"
ERRORS = [
    "(#130429) Rate limit hit: too many messages were sent in a short time",
    HOSTILE,
    "Undeliverable",
]
HOURS = [f"2026-02-03 {hour:02}:00" for hour in range(9, 19)]
DATA = [["Error", "Failed", "Channel"], *zip(ERRORS, (1412, 61, 27), ("1001",) * 3, strict=True)]
META = {"description": f'Bars: "{HOSTILE}"', "data": DATA, "csv": "data/by_error.csv"}
TITLE = f"Limit errors are 94 % of the failures {HOSTILE}<br><sub>1,500 failed</sub>"
LIMIT = {"name": "limit", "line": {"color": "black", "dash": "dot"}, "mode": "lines"}
NODES = {"label": ["rows", "tagged", HOSTILE], "color": ["#8A8A8A", "#0072B2", "#D55E00"]}
LINKS = {"source": [0, 0], "target": [1, 2], "value": [1400, 100]}
BARS = [
    go.Bar(x=HOURS, y=[*range(10)], name="limit reached"),
    go.Bar(x=HOURS, y=[3] * 10, name=HOSTILE),
]
LINES = [
    go.Scatter(x=HOURS, y=[*range(400, 1400, 100)]),
    go.Scatter(x=HOURS, y=[1000] * 10, **LIMIT),
]
FIGURES = [
    go.Figure(go.Bar(x=[1412, 61, 27], y=ERRORS, orientation="h"), {"title": TITLE, "meta": META}),
    go.Figure(BARS, {"barmode": "stack", "title": "Failures grew until 18:00"}),
    go.Figure(
        go.Heatmap(z=[[1, 20], [300, 4]], x=["WhatsApp", "Messenger"], y=["quota", "policy"])
    ),
    go.Figure(LINES, {"title": "The limit was reached at 15:16", "showlegend": False}),
    go.Figure(go.Sankey(node=NODES, link=LINKS)),
]
STATUS = """<dl class="strip"><div class="warn"><dt>Rows that could not be read</dt><dd>3</dd></div></dl>
<p class="headline">1,400 of 1,500 can be reached again.</p><ol class="next"><li>Import.</li></ol>"""
TABLE = """<table class="table"><tr><td>(#131049) This message was not delivered.</td>
<td><span class="verdict-wait">wait</span></td><td class="num">1,412</td></tr></table>"""
FRAME = """<div><style scoped>.dataframe {}</style><table border="1" class="dataframe"><thead><tr><th></th>
<th>failed</th></tr></thead><tbody><tr><th>0</th><td>1412</td></tr></tbody></table></div>"""


def code(
    source: str, data: dict | None = None, tags: tuple = (), **output
) -> nbformat.NotebookNode:
    outputs = (
        [new_output("display_data", data)] if data else [new_output(**output)] if output else []
    )
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    drawn = [{PLOTLY: json.loads(figure.to_json()), "image/png": "AAAA"} for figure in FIGURES]
    return new_notebook(
        cells=[
            new_markdown_cell("# Why 1,500 messages failed\n\nOne broadcast."),
            new_markdown_cell("Run all cells to begin.", metadata={"tags": ["notebook-only"]}),
            code("exports = 'secret-parameter'", tags=("parameters",)),
            code("status()", {"text/html": STATUS}, tags=("hide-code",)),
            new_markdown_cell(f"## What failed\n\n{HOSTILE}\n\n![x](https://example.org/a.png)"),
            code("charts.by_error(failed)", drawn[0]),
            new_markdown_cell("## Cuándo ocurrió"),
            *(code("charts.more(failed)", figure) for figure in drawn[1:]),
            new_markdown_cell("## What failed"),
            code("errors.table(failed)", {"text/html": TABLE}),
            code("frame", {"text/html": FRAME, "text/plain": "frame"}),
            code("print(text)", output_type="stream", name="stdout", text=HOSTILE),
            code("noise()", output_type="stream", name="stderr", text="harmless noise"),
            code(
                "1/0",
                output_type="error",
                ename="ZeroDivisionError",
                evalue=HOSTILE,
                traceback=["\x1b[31m1"],
            ),
        ]
    )


def exported(notebook, folder: Path, name: str = "report.html", **options) -> Path:
    export(
        notebook, folder / name, title="Failures <of> a broadcast", lang=Language("en"), **options
    )
    return folder / name


@pytest.fixture(scope="module")
def report(notebook, tmp_path_factory) -> Path:
    return exported(notebook, tmp_path_factory.mktemp("report"), made_at="2026-02-04 09:00")


@pytest.fixture
def visit(request, report):
    """Open the report without a network; nothing may be asked for, complained about or run."""
    if not CHROMIUM:
        pytest.skip("no chromium here: apt-get install chromium")
    browser = request.getfixturevalue("browser")
    contexts, trouble, ours = [], [], ("blob:", report.as_uri())

    def opened(**options):
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.on("request", lambda r: r.url.startswith(ours) or trouble.append(r.url))
        page.on("console", lambda m: trouble.append(m.text))
        page.on("pageerror", lambda e: trouble.append(str(e)))
        page.on("dialog", lambda d: (trouble.append(d.message), d.dismiss()))
        page.set_default_timeout(60_000)
        page.goto(report.as_uri())
        page.locator(".plot[data-drawn]").first.wait_for()
        return page

    yield opened
    [context.close() for context in contexts]
    assert trouble == []


def scroll_through(page) -> None:
    for figure in page.locator("figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".plot[data-drawn]").wait_for()


def test_every_figure_is_drawn_offline(visit):
    page = visit(viewport={"width": 1280, "height": 600})
    assert page.evaluate("window.__figuresDrawn") < 5, "figures out of sight are not drawn yet"
    scroll_through(page)
    assert page.evaluate("window.__figuresDrawn") == 5
    shapes = ".barlayer path, .heatmaplayer image, .scatterlayer .js-line, .sankey-node"
    assert all(figure.locator(shapes).count() for figure in page.locator("figure").all())
    assert {plot.bounding_box()["width"] for plot in page.locator(".plot").all()} == {1080}


def test_nothing_in_the_texts_is_run_and_each_figure_has_its_data_and_image(visit):
    page = visit()
    scroll_through(page)
    assert page.locator("img").count() == 0
    assert page.locator(".plot").first.get_attribute("aria-label").endswith(f'"{HOSTILE}"')
    assert page.locator("figcaption .finding").first.inner_text().endswith(HOSTILE)
    page.locator("#figure-1 summary").first.click()
    table = page.locator("#figure-1 table")
    assert table.locator("th[scope=col]").all_inner_texts() == ["Error", "Failed", "Channel"]
    assert table.locator("th[scope=row]").nth(1).inner_text() == HOSTILE
    assert table.locator("td.num").all_inner_texts() == ["1,412", "61", "27"]
    assert page.locator("#figure-1 a").first.get_attribute("href") == "data/by_error.csv"
    with page.expect_download() as download:
        page.locator("#figure-1 .modebar-btn").click()
    assert download.value.suggested_filename == "figure-1.png"


def test_a_phone_does_not_scroll_sideways(visit):
    page = visit(viewport={"width": 360, "height": 740})
    scroll_through(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert all(
        plot.bounding_box()["width"] <= 360 for plot in page.locator(".plot .main-svg").all()
    )


def test_dark_and_light_follow_the_reader(visit):
    from playwright.sync_api import expect

    page = visit(color_scheme="dark")
    scroll_through(page)
    ink, limit = (
        page.locator("#figure-1 .xtick text").first,
        page.locator("#figure-4 .js-line").nth(1),
    )
    for scheme, text, line, paper in (
        ("dark", "rgb(232, 234, 237)", "rgb(255, 255, 255)", "rgb(22, 24, 27)"),
        ("light", "rgb(28, 30, 33)", "rgb(0, 0, 0)", "rgb(255, 255, 255)"),
    ):
        page.emulate_media(color_scheme=scheme)
        expect(limit).to_have_css("stroke", line)
        expect(ink).to_have_css("fill", text)
        expect(page.locator("body")).to_have_css("background-color", paper)


def test_printing_draws_what_was_not_seen(visit):
    page = visit(viewport={"width": 1280, "height": 600}, color_scheme="dark")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert page.evaluate("window.__figuresDrawn") == 5


def test_code_is_folded_and_the_rest_is_at_the_end(report):
    text = re.sub(r"<script.*?</script>", "", report.read_text(), flags=re.S)
    body, appendix = text.split('<details class="code appendix">')
    assert all(
        source in appendix and source not in body for source in ("secret-parameter", "status()")
    )
    assert "charts.by_error(failed)" in body and "Run all cells" not in text
    assert "harmless noise" not in text and "ZeroDivisionError" in body and "\x1b" not in text
    assert '<table class="dataframe">' in body and "<style scoped>" not in body
    assert re.findall(r'<h2 id="(.*?)">', body) == [
        "what-failed",
        "cuando-ocurrio",
        "what-failed-2",
    ]
    assert "<h1>Why 1,500 messages failed</h1>" in body and "<title>Failures &lt;of&gt; a b" in body


def test_the_file_is_small_and_the_same_every_time(notebook, report, tmp_path):
    again = exported(notebook, tmp_path, made_at="2026-02-05 10:00").read_text()
    assert report.stat().st_size <= 2_300_000
    time = re.compile(r'(<time id="made-at">)[^<]*')
    assert (
        time.sub(r"\1", again) == time.sub(r"\1", report.read_text())
        and again != report.read_text()
    )


def test_a_notebook_without_figures_carries_no_plotly(tmp_path):
    path = tmp_path / "plain.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("Only text")]), path)
    assert exported(path, tmp_path).stat().st_size < 20_000
    with pytest.raises(InputError, match="cannot be read as a notebook"):
        exported(tmp_path / "missing.ipynb", tmp_path)
    with pytest.raises(OutputError, match="Name another place"):
        exported(path, tmp_path, "nowhere/report.html")
