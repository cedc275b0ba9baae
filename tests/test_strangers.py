"""Texts that strangers wrote are shown as text, wherever a text can appear: nothing in them runs,
asks or steers.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from conftest import CHROMIUM, HEADER, LIMIT, ROOT, long, typed
from rebroadcast.batch import index
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import InputError, visible
from rebroadcast.common.language import Language
from rebroadcast.common.masking import mask
from rebroadcast.common.sheets import FORMULA, guard
from rebroadcast.recovery.tags import Tag
from rebroadcast.report import reports, tag_import
from rebroadcast.report.page import export
from rebroadcast.show import failures as charts
from rebroadcast.show import limits as limit_charts
from rebroadcast.show import outcome as outcome_charts
from rebroadcast.show.drawing import shorten
from rebroadcast.verbs import recover as recovering

PUBLISHED = json.loads((ROOT / "tests" / "data" / "payloads.json").read_text())
TEXTS = list(PUBLISHED["texts"].values()) + [text * n for text, n in PUBLISHED["repeated"].values()]
BYTES = [bytes.fromhex(code) for code in PUBLISHED["bytes"].values()]
PARTS = [TEXTS[i::3] for i in range(3)]  # a report shows sixty rows of a table
ALL = " | ".join(t for t in TEXTS if len(t) < 1000)
PLOTLY = "application/vnd.plotly.v1+json"
csv.field_size_limit(2**24)
needs_browser = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium; install it with: apt-get install chromium"
)


def toml(text: str) -> str:
    return (
        '"'
        + "".join(
            c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text[:100_000]
        )
        + '"'
    )


def taggable(name: str) -> bool:
    try:
        return bool(Tag.parse("again {channel}").fill(None, name))
    except Exception:
        return False


# The channel of each text that a tag can hold.
TAGGED = {
    text: f"c{number}x{i}"
    for number, texts in enumerate(PARTS)
    for i, text in enumerate(texts)
    if taggable(text)
}


def write(path: Path, rows: list[list[str]], raw: list[bytes] = ()) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    with path.open("ab") as file:
        file.writelines(raw)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Exports, channels and rules that hold each payload in each place, in three parts, and the
    reports on them.
    """
    home = tmp_path_factory.mktemp("strangers")
    common, given = (
        {
            "channels": "",
            "rules": "",
            "contacts": [["ContactID", "FirstName", "LastName", "Tags"]],
        },
        [],
    )
    for number, texts in enumerate(PARTS):
        rows, base = [], 10_000 * (number + 1)
        for i, text in enumerate(texts):

            def row(contact, error, channel, text=text):
                at, short = f"2022-01-11 15:{contact % 60:02}:00", "x" if '"' in text else text[:50]
                return [
                    at,
                    short,
                    "broadcast",
                    str(contact),
                    f"m{contact}",
                    short,
                    short,
                    json.dumps({"text": text}),
                    channel,
                    "outgoing",
                    short,
                    error,
                ]

            channel, ident = f"c{number}x{i}", f"zz{number}x{i}zz"
            rows.append(row(base + i, text, channel))
            rows.append(row(base + 1000 + i, f"refused by {ident}", channel))
            rows.append(row(base + 2000 + i, LIMIT, channel))
            rows.append(row(base + 3000 + i, LIMIT, text[:200], text[:200]))
            common["channels"] += (
                f'[channel.{channel}]\nname = {toml(t := text[:255])}\nkind = "custom"\nlimit = 1\n'
            )
            common["rules"] += (
                f'[[rule]]\nid = {toml(f"{ident} {t}")}\ntext = "{ident}"\ncause ='
                ' "template"\nscope = "message"\nverdict ='
                f' "{("fix", "never", "wait")[i % 3]}"\ntitle = {toml(text)}\nfix ='
                f" {toml(text)}\nsource = {toml(t)}\n"
            )
            common["contacts"].append([str(base + 2000 + i), text[:300], text[:300], text[:20_000]])
        raw = [
            b"2022-01-11 15:00:00,1,broadcast,55,m,t,m,x,c0x0,outgoing,t," + b + b"\n"
            for b in BYTES
        ]
        given.append(str(write(home / file_name(texts), [HEADER, *rows], raw)))
    for name in ("channels", "rules"):
        (home / f"{name}.toml").write_text(common[name])
    write(home / "contacts.csv", common["contacts"])
    options = {name: str(home / f"{name}.toml") for name in ("channels", "rules")}
    for number, language in enumerate(("en", "es", "en")):
        asked = options | {"exports": given[number], "language": language}
        reports.run("failure_report", asked, home / f"failure_report{number}")
    options |= {"exports": given, "start": "2022-01-12 09:00"}
    tags = {
        "tag": "again {channel}",
        "channel": ",".join(TAGGED.values()),
        "ledger": str(home / "ledger"),
        "fixed": "media",
        "decided_by": ALL,
        "contacts": str(home / "contacts.csv"),
        "language": "es",
    }
    reports.run("tag_import", options | tags, home / "tag_import0")
    reports.run("quota_overflow", options | {"exports": given[1]}, home / "quota_overflow1")
    del options["start"]
    reports.run(
        "recovery_check",
        options | {"ledger": str(home / "ledger"), "language": "es"},
        home / "recovery_check0",
    )
    return home


def file_name(texts: list[str]) -> str:
    """As many payloads as a file's name can hold."""
    names = ("".join(t[:30] for t in texts[:k]).replace("/", "⁄") for k in range(20, 0, -1))
    return next(f"{name}.csv" for name in names if len(name.encode()) < 240)


def folded(text: str) -> str:
    return "".join(visible(text).split())


class Watched:
    """A page, and whatever happened in it that should not; the policy of the page itself is off."""

    def __init__(self, browser, home=("file:", "data:", "blob:"), **options):
        self.trouble = []
        context = browser.new_context(
            bypass_csp=True, viewport={"width": 1200, "height": 4000}, **options
        )
        context.on("request", lambda r: r.url.startswith(home) or self.trouble.append(r.url))
        self.page = page = context.new_page()
        page.on("dialog", lambda d: (self.trouble.append(d.message), d.dismiss()))
        page.on("popup", lambda p: self.trouble.append("a window opened"))
        page.set_default_timeout(180_000)

    def check(self, inside: str) -> None:
        """No script ran, and nothing that could run or ask was made of a text.

        JupyterLab makes links (rel=noopener) of addresses in a traceback; they are followed by a
        click only.
        """
        found = self.page.evaluate(
            """inside => [window.__pwned, ...[...document.querySelectorAll(inside)].flatMap(e => [
                ...[...e.attributes].filter(a => /^on/i.test(a.name))
                    .map(a => e.outerHTML.slice(0, 200)),
                ...(/^(iframe|object|embed|base|form|video|math)$/i.test(e.localName)
                    || /^(foreignobject|animate)$/i.test(e.localName)
                    || (e.localName === 'img' && !/^(data:|blob:|$)/.test(e.src))
                    || (e.localName === 'a' && e.rel !== 'noopener'
                        && /^\\s*(javascript|vbscript|data):|pwned/i.test(
                            e.getAttribute('href') || e.href?.baseVal || ''))
                    || e.localName === 'mjx-container' ? [e.outerHTML.slice(0, 200)] : [])]),
                /^pwned/.test(document.title) && document.title].filter(Boolean)""",
            inside,
        )
        assert found == [] and self.trouble == []


def draw_all(page) -> None:
    page.evaluate("document.querySelectorAll('.section').forEach((part) => { part.open = true; })")
    for figure in page.locator("figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".plot[data-drawn]").wait_for()


@needs_browser
@pytest.mark.parametrize(
    "name",
    [
        *(f"failure_report{i}" for i in range(3)),
        "tag_import0",
        "quota_overflow1",
        "recovery_check0",
    ],
)
def test_a_report_shows_them_as_text(world, browser, name):
    watched = Watched(browser, offline=True)
    watched.page.goto((world / name / f"{name[:-1]}.html").as_uri())
    draw_all(watched.page)
    watched.page.evaluate(
        "document.querySelectorAll('.nsewdrag').forEach(e => e.dispatchEvent(new"
        " MouseEvent('mousemove', {bubbles: true})))"
    )
    watched.check("body *")
    shown = folded(watched.page.evaluate("document.body.textContent"))
    texts = PARTS[int(name[-1])]
    if name.startswith("failure"):
        for text in texts:
            assert folded(mask(text.strip()))[:60] in shown, text[:60]  # the error
            assert folded(text)[:500] in shown  # title, fix, channel name
        assert folded(file_name(texts)) in shown
    elif name.startswith("tag"):
        assert folded(ALL) in shown
        for i, text in ((i, t) for texts in PARTS for i, t in enumerate(texts)):
            assert i % 3 or folded(text)[:500] in shown
            assert not taggable(text) or folded(f"again {text.replace(',', ' ')}".strip()) in shown
    elif name.startswith("recovery"):  # the channel in the name of each broadcast
        assert sum(folded(t)[:80] in shown for t in TAGGED) > 35
    else:
        assert sum(folded(t)[:80] in shown for t in texts) > 35


@needs_browser
def test_every_figure_draws_them_as_text(browser, tmp_path):
    import pandas as pd

    cells, figures = [], []
    for start in range(0, len(TEXTS), 15):
        texts = TEXTS[start : start + 15]
        n = list(range(30, 30 - len(texts), -1))
        frame = pd.DataFrame({"error": texts, "channel": texts, "verdict": "fix", "failed": n})
        compared = pd.DataFrame({"error": texts, "channel": texts, "before": n, "now": 1})
        scenario = pd.DataFrame(
            {"scenario": texts, "waves": n, "finish": pd.Timestamp("2022-01-11")}
        )
        waves = pd.DataFrame({"disposition": "tagged", "rows": n, "wave": texts})
        figures += [
            charts.failures_by_error(frame),
            charts.error_by_channel(frame),
            charts.comparison(compared),
            limit_charts.what_if(scenario),
            outcome_charts.flow(waves),
        ]
    for figure in figures:
        output = nbformat.v4.new_output("display_data", {PLOTLY: json.loads(figure.to_json())})
        cells.append(nbformat.v4.new_code_cell("", outputs=[output]))
    export(
        nbformat.v4.new_notebook(cells=cells),
        tmp_path / "figures.html",
        title=ALL,
        lang=Language("en"),
    )
    watched = Watched(browser, offline=True)
    watched.page.goto((tmp_path / "figures.html").as_uri())
    draw_all(watched.page)
    watched.check("body *")
    drawn = watched.page.evaluate(
        "[...document.querySelectorAll('.plot svg text')].map(t => t.textContent)"
    )
    drawn = {folded(text) for text in drawn}
    for text in TEXTS:
        label = folded(shorten(text))
        assert label in drawn or not label, label


@needs_browser
def test_the_index_page_of_a_batch_shows_them_as_text(browser, tmp_path):
    now, run = (
        "2022-01-11T09:00:00+00:00",
        {
            "started": "2022-01-11T09:00:00+00:00",
            "status": "failed",
            "totals": None,
            "report": "a/b.html",
        },
    )
    entries = [
        {
            "name": t,
            "workspace": t[:300],
            "this_batch": "failed",
            "message": t,
            "latest": run,
            "last_good": None,
            "runs": [run],
        }
        for t in TEXTS
    ]
    content = {
        "language": "es",
        "entries": entries,
        "started": now,
        "written": now,
        "finished": now,
        "version": "1",
    }
    (tmp_path / "index.html").write_text(index.page(content), "utf-8")
    watched = Watched(browser, offline=True)
    watched.page.goto((tmp_path / "index.html").as_uri())
    watched.check("body *")
    shown = folded(watched.page.evaluate("document.body.textContent"))
    assert all(shown.count(folded(t)[:300]) >= 3 for t in TEXTS if t.strip())


@needs_browser
def test_jupyterlab_shows_them_as_text(world, browser, tmp_path):
    cells, figures = [], 0
    for path in sorted(world.glob("*[0-9]/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            outputs = []
            for output in cell.get("outputs", ()):
                figures += (drawn := PLOTLY in output.get("data", {}))
                outputs += [output] if not drawn or figures % 3 == 0 else []
            if outputs or "injected-parameters" in cell.metadata.get("tags", ()):
                cells.append(nbformat.v4.new_code_cell(cell.source, outputs=outputs))
    failed = InputError(ALL)
    told = {"ename": "InputError", "evalue": str(failed), "traceback": failed._render_traceback_()}
    cells.append(nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("error", **told)]))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "all.ipynb")
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    env = os.environ | {f"JUPYTER_{name}": str(tmp_path / "jupyter") for name in folders}
    env |= {
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    for name, content in (
        ("notebook-extension/tracker", {"windowingMode": "none"}),
        ("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False}),
    ):
        path = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    trust = [sys.executable, "-m", "jupyter", "trust", str(tmp_path / "all.ipynb")]
    subprocess.run(
        trust, env=env, check=True, capture_output=True
    )  # so that nothing but our own care protects
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--port-retries=0",
            "--IdentityProvider.token=t0k",
            "--LabApp.extension_manager=readonly",
            f"--ServerApp.root_dir={tmp_path}",
        ],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1000):
            try:
                urllib.request.urlopen(f"{address}api", timeout=60).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.2)
        watched = Watched(browser, (address, "data:", "blob:"))
        watched.page.goto(f"{address}lab/tree/all.ipynb?token=t0k&reset")
        watched.page.wait_for_function(
            "n => document.querySelectorAll('.jp-OutputArea-output').length >= n",
            arg=sum(len(c.outputs) for c in cells),
        )
        watched.page.wait_for_function(
            "document.querySelectorAll('.js-plotly-plot .main-svg').length > 3"
        )
        watched.page.wait_for_timeout(2000)  # for what would be typeset, fetched or run
        watched.check(".jp-OutputArea *")
        shown = folded(
            watched.page.evaluate(
                "[...document.querySelectorAll('.jp-OutputArea')].map(e => e.textContent).join(' ')"
            )
        )
        for text in TEXTS:
            assert folded(text)[:300] in shown, text[:60]
    finally:
        server.terminate()
        server.wait(20)


def terminal(*words: object) -> str:
    """What a terminal receives from a command."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "rebroadcast", *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    received = b""
    try:
        while block := os.read(ours, 65536):
            received += block
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    process.wait(300)
    return received.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def test_a_terminal_is_not_steered(world):
    rules, ids = (
        world / "rules.toml",
        ((n, i, t) for n, texts in enumerate(PARTS) for i, t in enumerate(texts)),
    )
    words = [
        ("explain", f"refused by zz{n}x{i}zz", "--rules", rules)
        for n, i, t in ids
        if re.match("\x1b]|\x9b|invoice|safe", t)
    ]
    assert len(words) == 6
    said = [terminal(*words[0]), *(typed(*one).stdout for one in words[1:])]
    said.append(typed("explain", ALL, "--json").stdout)
    assert json.loads(said[-1])["text"] == ALL
    said.append(terminal("report", f"{ALL[:200]}\x1b[31m.csv"))
    check = ("check", "x.csv", "--ledger", world / "ledger", "--broadcast", "\x1b]0;pwned\x07")
    said.append(typed(*check).stderr)
    channels = ",".join(channel for channel in TAGGED.values() if channel.startswith("c0x"))
    common = [
        world / file_name(PARTS[0]),
        "--channels",
        world / "channels.toml",
        "--rules",
        rules,
        "--contacts",
        world / "contacts.csv",
    ]
    said.append(
        terminal("recover", *common, "--tag", "again {channel}", "--channel", channels, "--dry-run")
    )
    assert "Dry run" in said[-1]
    for text in said:
        assert text.strip() and visible(text) == text


# --- spreadsheets
# ---------------------------------------------------------------------------------------------


def is_formula(text: str) -> bool:
    return bool(text) and text[0] in FORMULA


def tables(folder: Path) -> list[Path]:
    return sorted([*folder.glob("data/*.csv"), *folder.glob("import/*.csv")])


@pytest.fixture(scope="module")
def checklist(tmp_path_factory):
    """The checklist of a failed-message log whose names are strangers'."""
    home = tmp_path_factory.mktemp("log")
    header = [
        "Date & Time",
        "Sender",
        "Contact Name",
        "Channel",
        "Type",
        "Sub Type",
        "Content",
        "Error",
    ]
    rows = [
        ["2022-01-11 15:00:00", t[:50], t[:300], t[:300], "outgoing", "text", t, t] for t in TEXTS
    ]
    log = write(
        home / "log.csv",
        [
            header,
            ["2022-01-11 15:00:00", "x", "Ana Paz", "WhatsApp", "outgoing", "text", "", LIMIT],
            *rows,
        ],
    )
    contacts = write(
        home / "contacts.csv",
        [["ContactID", "FirstName", "LastName", "Tags"], ["7", "Ana", "Paz", "=1+1,vip,-2"]],
    )
    given = {"exports": str(log), "contacts": str(contacts), "tag": "again"}
    bench = workbench.open(given | {"out": str(home / "out")}, "tag_import")
    found = recovering.recover(bench.settings, bench.tables, bench.results)
    tag_import.checklist(bench.reader, found, found.folder)
    bench.finish(found)
    return home / "out"


def test_no_table_starts_a_formula_and_import_files_hold_exact_tags(world, checklist):
    seen = 0
    for path in [p for folder in (*world.glob("*[0-9]"), checklist) for p in tables(folder)]:
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            for cell in row:
                seen += 1
                assert not is_formula(cell) or re.fullmatch(r"-?[\d.]+", cell), (path, cell[:80])
    assert seen > 3000
    assert (
        checklist / "import" / "again.csv"
    ).read_text() == 'Contact ID,Tags\n7,"vip,again,-2,=1+1"\n'
    rows = [
        r
        for p in (world / "tag_import0").glob("import/*.csv")
        for r in csv.reader(p.open(newline=""))
    ]
    tags = {contact: cell.split(",") for contact, cell in rows}
    for number, texts in enumerate(PARTS):
        for i, text in enumerate(texts):
            if taggable(text):
                kept = {t.strip(" ") for t in text[:20_000].split(",")} - {""}
                found = {t.strip(" ") for t in tags[str(10_000 * (number + 1) + 2000 + i)]}
                assert kept <= found and f"again {text.replace(',', ' ')}".strip() in found


@pytest.mark.skipif(
    not shutil.which("soffice"),
    reason="no LibreOffice; install it with: apt-get install libreoffice-calc",
)
@long
def test_libreoffice_finds_no_formula(world, checklist, tmp_path):
    import openpyxl

    (tmp_path / "control.csv").write_text("text\n=1+1\n")
    count, imports = 0, []
    for path in [p for folder in (*world.glob("*[0-9]"), checklist) for p in tables(folder)]:
        rows = [
            [cell[:30_000] for cell in row]
            for row in csv.reader(path.open(encoding="utf-8", newline=""))
        ]
        if path.parent.name == "import" and path.name != "checklist.csv":
            imports += rows
        else:
            write(tmp_path / f"{(count := count + 1)}-{path.name}", rows)
    write(tmp_path / "imports.csv", imports)
    made = tmp_path / "made"
    for separators in (
        "44",
        "59/9",
    ):  # comma; semicolon and tab: what a reader's own settings may say
        shutil.rmtree(made, ignore_errors=True)
        command = [
            "soffice",
            f"-env:UserInstallation=file://{tmp_path}/profile",
            "--headless",
            "--convert-to",
            "xlsx",
            f"--infilter=CSV:{separators},34,76,1,,1033,false,true,false",
            "--outdir",
            made,
            *tmp_path.glob("*.csv"),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        formulas = {}
        for path in made.glob("*.xlsx"):
            cells = [c for row in openpyxl.load_workbook(path).active.iter_rows() for c in row]
            formulas[path.stem] = [c.value for c in cells if c.data_type == "f"]
        assert formulas.pop("control") == ["=1+1"] and len(formulas) == count + 1
        assert not any(formulas.values()), {k: v for k, v in formulas.items() if v}


def test_an_earlier_report_reads_back_what_was_guarded(world):
    part = next(i for i, texts in enumerate(PARTS) if "=1+1" in texts)
    from rebroadcast.common import sheets

    back = sheets.read(
        world / f"failure_report{part}" / "data" / "error-by-channel.csv", ("error", "channel")
    )
    assert {"=1+1", *(mask(t) for t in PARTS[part] if t.isprintable())} <= set(back["error"])
    assert guard("=1+1") not in set(back["error"])
