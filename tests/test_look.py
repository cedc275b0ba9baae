"""The sample's reports in a real browser: everything drawn without a network, accessible, readable
on a phone and in the dark.
"""

import time

import pytest

from conftest import CHROMIUM, RUNS

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
    for place in range(0, page.evaluate("document.documentElement.scrollHeight"), 500):
        page.evaluate(f"window.scrollTo(0, {place})")
        page.wait_for_timeout(60)
    drawn = "[...document.querySelectorAll('figure')].every(f => f.querySelector('svg'))"
    end = (
        time.monotonic() + 180
    )  # the page's policy forbids wait_for_function, which evaluates in it
    while not page.evaluate(drawn) and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert page.evaluate(drawn)
    return page.evaluate("document.querySelectorAll('figure').length")


def test_every_figure_is_drawn_with_no_request_and_no_error(browser, report):
    page = open_page(browser, report, viewport={"width": 1200, "height": 900})
    assert draw_all(page) >= 1
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


def test_a_phone_shows_it_without_scrolling_sideways(browser, report):
    page = open_page(browser, report, viewport={"width": 360, "height": 740})
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    cards = "[...document.querySelectorAll('.cards')]"
    assert page.evaluate(f"{cards}.every(table => table.parentElement.scrollWidth <= 360)")
    assert page.evaluate(f"{cards}.every(table => getComputedStyle(table).display === 'block')")
    page.emulate_media(media="print")
    assert page.evaluate(f"{cards}.every(table => getComputedStyle(table).display === 'table')")
