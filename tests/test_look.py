"""The sample's reports in a real browser: everything drawn without a network, accessible, readable
on a phone and in the dark.
"""

import re
import time

import pytest

from conftest import CHROMIUM, RUNS, SAMPLES
from rebroadcast.report import reports

MONTH = {"channels": "channels.toml", "messages": "messages.csv"}

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium; install it with: apt-get install chromium"
)


@pytest.fixture(params=RUNS)
def report(request, sample_run):
    return sample_run(request.param) / f"{request.param}.html"


def open_page(browser, path, **options):
    page = browser.new_context(offline=True, **options).new_page()
    page.seen, page.problems = [], []
    page.on(
        "request",
        lambda r: (
            page.seen.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None
        ),
    )
    page.on(
        "console",
        lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda e: page.problems.append(str(e)))
    page.goto(path.as_uri())
    page.wait_for_load_state()
    return page


def draw_all(page):
    """Unfold the sections, and look at one figure after the other until plotly has drawn it."""
    sections = "document.querySelectorAll('.section')"
    page.evaluate(f"{sections}.forEach((part) => {{ part.open = true; }})")
    waiting = "[...document.querySelectorAll('figure:not(.drawn)')]"
    end = time.monotonic() + 180
    # the page's policy forbids wait_for_function, which evaluates in it
    while page.evaluate(f"{waiting}.length") and time.monotonic() < end:
        page.evaluate(f"{waiting}[0]?.scrollIntoView()")
        page.wait_for_timeout(100)
    assert not page.evaluate(f"{waiting}.length")
    return page.evaluate("document.querySelectorAll('figure').length")


def test_every_figure_is_drawn_with_no_request_and_no_error(browser, report):
    page = open_page(browser, report, viewport={"width": 1200, "height": 900})
    assert draw_all(page) >= (report.stem != "recovery_check")  # one wave is no figure
    assert page.seen == [] and page.problems == []
    assert report.stat().st_size <= 2.3e6
    assert page.locator("h1").inner_text() and page.locator("nav a").count() >= 3


def test_axe_core_finds_nothing_serious(browser, report):
    from axe_playwright_python.sync_playwright import Axe

    for scheme, width in (("light", 1200), ("dark", 360)):
        page = open_page(
            browser,
            report,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            bypass_csp=True,
        )
        draw_all(page)
        found = Axe().run(page).response["violations"]
        serious = [
            (v["id"], v["nodes"][0]["html"][:200])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], scheme


@pytest.fixture(scope="module", params=["en", "es"])
def month(request, tmp_path_factory):
    """The report of the whole sample, a month of four kinds of channels, light enough for mail."""
    given = {"exports": str(SAMPLES / "failed_messages.csv"), "language": request.param}
    given |= {name: str(SAMPLES / file) for name, file in MONTH.items()}
    out = tmp_path_factory.mktemp("month") / request.param
    reports.run("failure_report", given | {"light": True}, out)
    return out / "failure_report.html"


def test_a_month_is_short_and_its_answer_on_the_first_screen(browser, month):
    text = month.read_text()
    assert len(text.encode()) < 200_000 and "<script" not in text
    page = open_page(browser, month, viewport={"width": 1280, "height": 800})
    for part in (".headline", ".broadcasts", "dl.strip", "ol.next", "main p.fine"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 800, part
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollHeight") <= 8 * 740
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    pages = re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))
    assert 3 <= len(pages) <= 6
    assert page.problems == [] and page.seen == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same month as a page with scripts."""
    given = {"exports": str(SAMPLES / "failed_messages.csv")}
    given |= {name: str(SAMPLES / file) for name, file in MONTH.items()}
    out = tmp_path_factory.mktemp("whole") / "out"
    reports.run("failure_report", given, out)
    return out / "failure_report.html"


def column(page, number):
    cells = f".broadcasts tbody td:nth-child({number})"
    return [text.strip() for text in page.locator(cells).all_text_contents()]


def test_broadcasts_sort_by_a_column_with_the_keyboard_and_keep_what_is_behind_a_click(
    browser, whole
):
    page = open_page(browser, whole, viewport={"width": 1280, "height": 800})
    before, folds = column(page, 1), page.locator(".broadcasts tbody").count()
    page.get_by_role("button", name="Failed").first.focus()
    page.keyboard.press("Enter")
    failed = [int(text.replace(",", "")) for text in column(page, 5)]
    assert failed == sorted(failed, reverse=True) and len(failed) == 13
    assert page.locator(".broadcasts th[aria-sort=descending]").all_inner_texts() == ["Failed"]
    page.keyboard.press("Enter")
    assert [int(text.replace(",", "")) for text in column(page, 5)] == failed[::-1]
    page.keyboard.press("Enter")
    assert column(page, 1) == before and page.locator(".broadcasts tbody").count() == folds

    page.get_by_role("button", name="From").first.click(click_count=2)
    first, *_rest, last = column(page, 8)
    assert first == "6 Jan 2022 18:02" and last == "—", "moments by time, unknown ones last"
    assert page.problems == [] and page.seen == []


def test_contents_stay_in_view_and_open_the_section_they_lead_to(browser, whole):
    page = open_page(browser, whole, viewport={"width": 1280, "height": 800})
    link = page.locator("nav a").last
    section = page.locator("details.section").last
    assert section.get_attribute("open") is None
    for _ in range(2):  # also a second time, where the address does not change
        link.click()
        page.locator("details.section[open]").last.get_by_text("SHA-256").wait_for()
        bar, head = page.locator("nav").bounding_box(), section.locator("h2").bounding_box()
        assert bar["y"] == 0 and head["y"] >= bar["height"]
        section.locator("summary").click()
    page.reload()  # as one who is sent the link
    assert section.get_attribute("open") is not None


def test_every_data_file_is_named_where_it_is_shown(browser, whole):
    page = open_page(browser, whole)
    files = {f"data/{path.name}" for path in (whole.parent / "data").glob("*.csv")}
    links = page.locator("footer a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert set(links) == files and "data/broadcasts.csv" in files
    beside = page.locator("figure .extras a").all_text_contents()
    assert beside and set(beside) <= files


def test_who_to_reach_again_fits_the_first_screen_of_a_phone(browser, tmp_path):
    given = {name: str(SAMPLES / file) for name, file in MONTH.items()}
    given |= {"exports": str(SAMPLES / "failed_messages.csv"), "channel": "1001", "light": True}
    reports.run("tag_import", given, tmp_path / "out")
    path = tmp_path / "out" / "tag_import.html"
    page = open_page(browser, path, viewport={"width": 360, "height": 740})
    for part in (".headline", ".broadcasts", "dl.strip", "ol.next"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 740, part
    assert page.locator("ol.next a").first.get_attribute("href").startswith("import/")


@pytest.mark.parametrize("width", [900, 1280])
def test_tables_of_broadcasts_are_not_cut_off(browser, month, width):
    page = open_page(browser, month, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    boxes = "[...document.querySelectorAll('.scroll')]"
    assert page.evaluate(f"{boxes}.every((box) => box.scrollWidth <= box.clientWidth)")


def test_the_table_of_limits_is_not_cut_off_in_spanish(browser, tmp_path):
    """Its words are longer than the English ones."""
    given = {"exports": str(SAMPLES / "failed_messages.csv"), "language": "es", "light": True}
    given |= {name: str(SAMPLES / file) for name, file in MONTH.items()}
    reports.run("quota_overflow", given, tmp_path / "out")
    page = open_page(
        browser, tmp_path / "out/quota_overflow.html", viewport={"width": 1280, "height": 800}
    )
    cards = "[...document.querySelectorAll('.cards')]"
    assert page.evaluate(f"{cards}.length")
    fits = "table.parentElement.scrollWidth <= table.parentElement.clientWidth"
    assert page.evaluate(f"{cards}.every(table => {fits})")


def test_a_phone_shows_it_without_scrolling_sideways(browser, report):
    page = open_page(browser, report, viewport={"width": 360, "height": 740})
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    cards = "[...document.querySelectorAll('.cards')]"
    assert page.evaluate(f"{cards}.every(table => table.parentElement.scrollWidth <= 360)")
    assert page.evaluate(f"{cards}.every(table => getComputedStyle(table).display === 'block')")
    page.emulate_media(media="print")
    assert page.evaluate(f"{cards}.every(table => getComputedStyle(table).display === 'table')")
