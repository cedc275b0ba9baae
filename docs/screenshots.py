"""Take the pictures of the report that the README shows: `make screenshots`. Needs Chromium."""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from rebroadcast import reports

ROOT = Path(__file__).parents[1]
IMAGES, SAMPLES = ROOT / "docs" / "images", ROOT / "data" / "samples"
GIVEN = {"exports": "failed_messages.csv", "channels": "channels.toml", "messages": "messages.csv"}
PICTURES = {  # name: language, width, height, colour scheme, where to scroll
    "report": ("en", 1200, 900, "light", ""),
    "report-es": ("es", 1200, 900, "light", "figure:nth-of-type(1)"),
    "report-dark": ("en", 1200, 900, "dark", "#when"),
    "report-phone": ("es", 360, 740, "light", ""),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for language in ("en", "es"):
            given = {name: str(SAMPLES / file) for name, file in GIVEN.items()} | {"channel": "1001", "language": language}
            reports.run("failure_report", given, Path(folder) / language)
        for name, (language, width, height, scheme, place) in PICTURES.items():
            size = {"width": width, "height": height}
            page = browser.new_context(offline=True, viewport=size, color_scheme=scheme).new_page()
            page.goto((Path(folder) / language / "failure_report.html").as_uri())
            if place:
                page.locator(place).first.evaluate("e => e.scrollIntoView()")
            page.wait_for_timeout(2500)
            page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
