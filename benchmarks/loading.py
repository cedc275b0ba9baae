"""How long the sample report takes to draw its first figure in Chromium, beside a page with the
same plotly.js and one figure.

Medians of pages opened in turn from disk, without a network, each in a new browser context.
"""

import shutil
import statistics
import tempfile
from pathlib import Path

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

from rebroadcast.report import reports

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
RUNS = 7
FIRST = """new MutationObserver((_, me) => {
  if (document.querySelector('.js-plotly-plot .bars path, .js-plotly-plot .barlayer path')) {
    window.drawnAt = performance.now(); me.disconnect();
  }
}).observe(document, { childList: true, subtree: true });"""


def drawn_at(browser, path: Path) -> float:
    """Milliseconds from the start of the navigation to the first bar on the page."""
    context = browser.new_context(
        offline=True, bypass_csp=True, viewport={"width": 1200, "height": 900}
    )
    page = context.new_page()
    page.add_init_script(FIRST)
    page.goto(path.as_uri())
    page.wait_for_function("window.drawnAt", timeout=60_000)
    found = page.evaluate("window.drawnAt")
    context.close()
    return found


def main() -> None:
    if not (chromium := shutil.which("chromium")):
        print("no Chromium; install it with: apt-get install chromium")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        one = Path(folder) / "one.html"
        go.Figure(go.Bar(x=[1, 2, 3], y=[3, 1, 2])).write_html(one, include_plotlyjs=True)
        reports.run(
            "failure_report",
            {
                "exports": str(SAMPLES / "failed_messages.csv"),
                "channels": str(SAMPLES / "channels.toml"),
                "messages": str(SAMPLES / "messages.csv"),
            },
            Path(folder) / "report",
        )
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        pages = (Path(folder) / "report" / "failure_report.html", one)
        times = [[drawn_at(browser, page) for page in pages] for _ in range(RUNS + 1)][1:]
        ours, peer = (statistics.median(t[i] for t in times) for i in (0, 1))
        ratio = statistics.median(a / b for a, b in times)
        print(
            f"first figure drawn           ours {ours:6.0f} ms  one figure {peer:6.0f} ms  ratio"
            f" {ratio:5.2f}",
            flush=True,
        )
        browser.close()


if __name__ == "__main__":
    main()
