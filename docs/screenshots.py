"""Take the pictures that README and docs show: `make screenshots`. Needs Chromium."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Error, sync_playwright

from rebroadcast.batch import batch
from rebroadcast.report import reports

ROOT = Path(__file__).parents[1]
IMAGES, SAMPLES = ROOT / "docs" / "images", ROOT / "data" / "samples"
GIVEN = {"exports": "failed_messages.csv", "channels": "channels.toml", "messages": "messages.csv"}
PORT = 8899
RUNS = {  # of the failure report
    "en": {"channel": "1001"},
    "es": {"channel": "1001", "language": "es"},
    "month": {},
}
PICTURES = {  # name: run, width, height, colour scheme, where to scroll
    "report": ("en", 1200, 900, "light", ""),
    "report-es": ("es", 1200, 900, "light", "figure:nth-of-type(1)"),
    "report-dark": ("en", 1200, 900, "dark", "#when"),
    "report-phone": ("es", 360, 740, "light", ""),
    "first-screen": ("month", 1280, 800, "light", ""),
    "first-screen-phone": ("month", 360, 800, "light", ""),
}
BATCH = """
[defaults]
channels = "${INBOX}/channels.toml"
exports = "${INBOX}/failed_messages.csv"
to = "${DAY}"

[[entry]]
name = "Failures, ${name}"
workspace = "Tienda MX"
notebook = "failure_report"
foreach.channels = {Messenger = "2001", Telegram = "3001"}
parameters.channel = "${channel}"

[[entry]]
name = "Reach again"
workspace = "Tienda MX"
notebook = "tag_import"
parameters = {channel = "3001"}

[[entry]]
name = "Failures, SMS"
workspace = "Clínica"
notebook = "failure_report"
parameters = {exports = "${CLINIC}/failed_messages.csv", channel = "5001"}
"""


def nights(folder: Path) -> Path:
    """A batch on four nights; on the last one, an export was not there."""
    (folder / "batch.toml").write_text(BATCH, "utf-8")
    for day in ("2022-01-08", "2022-01-15", "2022-01-22", "2022-01-29"):
        os.environ |= {
            "INBOX": str(SAMPLES),
            "CLINIC": str(SAMPLES) if day < "2022-01-29" else "inbox/clinic",
            "DAY": day,
        }
        batch.run(folder / "batch.toml", folder / "batch")
    return folder / "batch" / "index.html"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for run, more in RUNS.items():
            given = {name: str(SAMPLES / file) for name, file in GIVEN.items()} | more
            reports.run("failure_report", given, Path(folder) / run)
        for name, (run, width, height, scheme, place) in PICTURES.items():
            size = {"width": width, "height": height}
            page = browser.new_context(offline=True, viewport=size, color_scheme=scheme).new_page()
            page.goto((Path(folder) / run / "failure_report.html").as_uri())
            if place:
                page.locator(place).first.evaluate("e => e.scrollIntoView()")
            page.wait_for_timeout(2500)
            page.screenshot(path=IMAGES / f"{name}.png")
        page = browser.new_context(offline=True, viewport={"width": 1200, "height": 900}).new_page()
        page.goto(nights(Path(folder)).as_uri())
        page.screenshot(path=IMAGES / "batch.png", full_page=True)
        explorer(browser)


def explorer(browser: Browser) -> None:
    """The explorer as Voila serves it, after a click on a bar and with a channel chosen."""
    words = [
        "voila",
        ROOT / "notebooks" / "explore.ipynb",
        "--no-browser",
        f"--port={PORT}",
        "--Voila.ip=127.0.0.1",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1500})
            for _ in range(60):
                page.wait_for_timeout(500)
                try:
                    page.goto(f"http://127.0.0.1:{PORT}/", timeout=60_000)
                    break
                except Error:  # not there yet
                    continue
            page.locator(".js-plotly-plot .bars .point path").first.click(
                force=True, timeout=90_000
            )
            page.wait_for_timeout(2500)
            channels = page.get_by_label("Channels", exact=True)
            channels.select_option(label="WhatsApp México · 500")
            page.locator(".rb-lead", has_text="can be reached again").wait_for()
            page.wait_for_timeout(5000)
            page.screenshot(path=IMAGES / "explorer.png")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
