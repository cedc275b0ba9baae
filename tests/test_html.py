"""One executed notebook becomes one HTML file that draws all without a network and runs nothing
foreign.
"""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pandas as pd
import plotly.graph_objects as go
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from conftest import CHROMIUM
from rebroadcast.common.exceptions import OutputError
from rebroadcast.common.language import Language
from rebroadcast.report.page import export
from rebroadcast.show import failures, limits, outcome

HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>"
PLOTLY = "application/vnd.plotly.v1+json"
ERRORS = [
    "(#130429) Rate limit hit: too many messages were sent in a short time",
    HOSTILE,
    "Undeliverable",
]
START = datetime(2026, 2, 3, 9)
DATA = [["Error", "Failed", "Channel"], *zip(ERRORS, (1412, 61, 27), ("1001",) * 3, strict=True)]
META = {"description": f'Bars: "{HOSTILE}"', "data": DATA, "csv": "data/by_error.csv"}
TITLE = f"Limit errors are 94 % of the failures {HOSTILE}<br><sub>1,500 failed</sub>"
BY_ERROR = {"error": ERRORS, "cause": "quota", "verdict": "wait", "failed": [1412, 61, 27]}
BY_HOUR = {"hour": [START, START + timedelta(hours=3)], "cause": ["quota", "media"]}
CELLS = {"error": [*ERRORS, ERRORS[0]], "channel": ["A", "A", "B", "B"], "failed": [300, 4, 20, 7]}
LOAD = {"at": [START, START + timedelta(hours=6)], "load": [400, 1000]}
ROWS = {"disposition": ["tagged", "never", "unknown"], "rows": [1400, 90, 10]}
FIGURES = [
    failures.failures_by_error(pd.DataFrame(BY_ERROR)).update_layout(title_text=TITLE, meta=META),
    failures.failures_by_hour(pd.DataFrame(BY_HOUR | {"failed": [1234, 56]})),
    failures.error_by_channel(pd.DataFrame(CELLS)),
    limits.load(pd.DataFrame(LOAD), limit=1000, name=HOSTILE, reached_at=START),
    outcome.flow(pd.DataFrame(ROWS)),
    go.Figure(go.Pie(labels=["an analyst's own"], values=[1]), {"title": "A pie"}),
]
NUMBERS = [
    ("1,412", "61", "27"),
    ("1,234", "500"),
    ("300", "20"),
    ("400", "limit 1,000"),
    ("1,400",),
]
STATUS = """<dl class="strip">
<div class="warn"><dt>Rows that could not be read</dt><dd>3</dd></div></dl>
<p class="headline">1,400 of 1,500 can be reached again.</p>
<ol class="next"><li>Import.</li></ol>"""
TABLE = """<table class="table"><tr><td>(#131049) This message was not delivered.</td>
<td><span class="verdict-wait">wait</span></td><td class="num">1,412</td></tr></table>"""
FRAME = """<div><style scoped>.dataframe {}</style>
<table border="1" class="dataframe"><thead><tr><th></th><th>failed</th></tr></thead><tbody>
<tr><th>0</th><td>1412</td></tr></tbody></table></div>"""


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
    folded = {"tags": ["folded"]}
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
            new_markdown_cell("## Nothing here"),
            new_markdown_cell("## What failed", metadata=folded),
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
    """Open the report without a network; nothing may be asked for, complained about or run, and
    without scripts nothing is waited for.
    """
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
        if options.get("java_script_enabled", True):
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
    assert page.evaluate("window.__figuresDrawn") < 6, "figures out of sight are not drawn yet"
    scroll_through(page)
    assert page.evaluate("window.__figuresDrawn") == 6
    shapes = ".barlayer path, .heatmaplayer image, .scatterlayer .js-line, .sankey-node, .slice"
    assert all(figure.locator(shapes).count() for figure in page.locator("figure").all())
    assert {plot.bounding_box()["width"] for plot in page.locator(".plot").all()} == {1080}
    assert not any(picture.is_visible() for picture in page.locator(".picture").all())


@pytest.mark.parametrize("width", [1280, 360])
def test_without_scripts_every_figure_is_a_picture_with_its_numbers(visit, width):
    page = visit(java_script_enabled=False, viewport={"width": width, "height": 740})
    figures = page.locator("figure").all()
    for figure, numbers in zip(figures, NUMBERS, strict=False):
        picture = figure.locator(".picture > svg")
        assert picture.is_visible() and picture.get_attribute("role") == "img"
        assert picture.locator("title").first.text_content()
        said = picture.text_content()
        assert all(number in said for number in numbers), numbers
        texts = [text.bounding_box() for text in picture.locator("text").all()]
        assert all(text["x"] >= 0 and text["height"] >= 8 for text in texts)
    bars = figures[0].locator("rect > title").all_text_contents()
    assert "1,412" in bars[0].splitlines()[-1]
    assert "JavaScript" in figures[5].locator(".picture").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_light_page_has_the_pictures_and_no_script(notebook, tmp_path):
    path = exported(notebook, tmp_path, light=True)
    text = path.read_text()
    assert path.stat().st_size < 60_000
    assert "<script" not in text and "script-src 'none'" in text
    assert text.count("<figure") == 6 and len(re.findall(r'<svg [^>]*role="img"', text)) == 5
    assert all(number in text for numbers in NUMBERS for number in numbers)


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
        page.locator("#figure-2 .xtick text").first,
        page.locator("#figure-4 .shapelayer path").first,
    )
    for scheme, text, line, paper in (
        ("dark", "rgb(232, 234, 237)", "rgb(255, 255, 255)", "rgb(22, 24, 27)"),
        ("light", "rgb(28, 30, 33)", "rgb(0, 0, 0)", "rgb(255, 255, 255)"),
    ):
        page.emulate_media(color_scheme=scheme)
        expect(limit).to_have_css("stroke", line)
        expect(ink).to_have_css("fill", text)
        expect(page.locator("body")).to_have_css("background-color", paper)


def test_paper_has_the_pictures_and_what_is_folded(visit):
    page = visit(viewport={"width": 1280, "height": 600}, color_scheme="dark")
    page.emulate_media(media="print")
    assert [p.is_visible() for p in page.locator(".picture").all()] == [True] * 6
    assert not page.locator(".plot:visible").count()
    assert page.locator("details.section:not([open]) table").first.is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_code_stays_in_the_notebook_and_sections_fold(report):
    body = re.sub(r"<script.*?</script>", "", report.read_text(), flags=re.S)
    for source in ("secret-parameter", "status()", "charts.by_error(failed)", "Run all cells"):
        assert source not in body
    assert "harmless noise" not in body and "ZeroDivisionError" in body and "\x1b" not in body
    assert '<table class="dataframe">' in body and "<style scoped>" not in body
    sections = re.findall(r'<details class="section"( open)?><summary><h2 id="(.*?)">', body)
    assert sections == [
        (" open", "what-failed"),
        (" open", "cuando-ocurrio"),
        ("", "what-failed-2"),
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
    plain = new_notebook(cells=[new_markdown_cell("Only text")])
    assert exported(plain, tmp_path).stat().st_size < 20_000
    with pytest.raises(OutputError, match="Name another place"):
        exported(plain, tmp_path, "nowhere/report.html")
