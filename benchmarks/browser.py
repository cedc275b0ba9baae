"""An analyst's whole way in a real browser, in Spanish, with an export of her own of 15 MB: from
the drop to the downloaded import files, in JupyterLab and under Voila, each step with its seconds.
"""

import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generate import generate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import test_explore as browser  # noqa: E402

ROWS = 65_000  # of about 230 bytes
LAB = "jupyterlab --no-browser --allow-root --ip=127.0.0.1 --port-retries=0 --expose-app-in-browser"
LAB += " --IdentityProvider.token=t0k --LabApp.extension_manager=readonly --ServerApp.root_dir="
FACES = {
    "JupyterLab": ("/api", "/lab/tree/explore.ipynb?token=t0k&reset"),
    "Voila": ("/voila/static/x", ""),
}


@contextmanager
def step(face: str, name: str) -> Iterator[None]:
    """Print how long something took."""
    begun = time.perf_counter()
    yield
    print(f"| {face} | {name} | {time.perf_counter() - begun:.1f} s |", flush=True)


def walk(face: str, folder: Path, export: Path) -> None:
    """Go the whole way in one face, with a copy of the notebook as a user has it."""
    home = folder / face
    shutil.copytree(ROOT / "data" / "samples", home / "data" / "samples")
    (home / "notebooks").mkdir()
    notebook = Path(shutil.copy(ROOT / "notebooks" / "explore.ipynb", home / "notebooks"))
    words = f"{LAB}{home / 'notebooks'}" if face == "JupyterLab" else f"voila {notebook}"
    words += "" if face == "JupyterLab" else " --no-browser --Voila.ip=127.0.0.1"
    answer, place = FACES[face]
    with browser.served(words.split(), home, answer) as url, browser.page_of(url) as page:
        with step(face, "page opened, sample shown"):
            page.goto(url + place)
            if face == "JupyterLab":
                page.wait_for_function(
                    "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
                    "?.status === 'idle'"
                )
                page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            browser.shows(page, "2,555 of 2,555 failed messages are shown")
        with step(face, "language switched on the page"):
            page.get_by_label("Language", exact=True).select_option("Español")
            browser.shows(page, "mensajes fallidos")
        with step(face, f"export of {export.stat().st_size / 1e6:.0f} MB dropped, read and shown"):
            page.locator(".rb-drop input").first.set_input_files(export)
            page.wait_for_function(
                "[...document.querySelectorAll('.rb-lead')].some(e =>"
                " /Se muestran 6\\d.\\d{3} de 6\\d.\\d{3}/.test(e.innerText))"
            )
        browser.listens(page)
        with step(face, "a cause clicked, figures drawn anew"):
            before = page.locator(".rb-lead").first.inner_text()
            page.locator(".js-plotly-plot .bars .point path").first.click(force=True)
            page.wait_for_function(
                "t => document.querySelector('.rb-lead').innerText !== t", arg=before
            )
        with step(face, "dry run"):
            page.get_by_role("button", name="Simulación").click()
            browser.shows(page, "Esto se escribiría")
        with step(face, "import files written"):
            page.get_by_role("button", name="Escribir archivos").click()
            browser.shows(page, "Los archivos de importación están en")
        with step(face, "import file downloaded"), page.expect_download() as saving:
            page.locator(".rb-download").first.click()
        files, lead = _contacts(Path(saving.value.path())), page.locator("body").inner_text()
    said = re.search(r"reenviar a ([\d.,]+)", lead)
    different = len(set().union(*files))
    found = f"{sum(map(len, files)):,} contacts in {len(files)} files, {different:,} different"
    print(f"| {face} | {found}; the page said {said and said[1]} | |")


def _contacts(saved: Path) -> list[list[str]]:
    """The contacts in each file that was downloaded: one, or several in a zip."""
    texts = [saved.read_bytes()]
    if zipfile.is_zipfile(saved):
        with zipfile.ZipFile(saved) as packed:
            texts = [packed.read(name) for name in packed.namelist()]
    return [[line.split(",")[0] for line in t.decode("utf-8").splitlines()[1:]] for t in texts]


def main(rows: int = ROWS) -> None:
    with tempfile.TemporaryDirectory() as name:
        export = generate(rows, Path(name) / "exportación de enero.csv")
        for face in FACES:
            walk(face, Path(name), export)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
