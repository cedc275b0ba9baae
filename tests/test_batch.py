"""batch: entries of one file, each in its own process; what fails does not stop the rest, and
nothing is left half-made.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from conftest import CHROMIUM, ROOT, SAMPLES, row, typed
from rebroadcast.batch import batch, batchfile, index
from rebroadcast.common.exceptions import BatchError, OutputError
from rebroadcast.ledger import record
from test_look import open_page

MANAGE = [Path(sys.executable).parent / "rebroadcast", "batch"]
QUICK = """\
import os, pathlib, signal
turns = pathlib.Path(count) if count else None
if turns:
    turns.write_text(turns.read_text() + "x" if turns.exists() else "x")
if die == "always" or (die == "once" and len(turns.read_text()) == 1):
    os.kill(os.getpid(), signal.SIGKILL)
if die == "wait":
    import time; time.sleep(600)
print("read", exports)
if error:
    raise ValueError(error)
"""


@pytest.fixture
def quick(tmp_path):
    """A notebook of the user's own, which needs no export: it can fail, die or wait."""
    cell = nbformat.v4.new_code_cell
    first = cell(
        'exports = ""\ncount: str = ""\ndie: str = ""\nerror: str = ""',
        metadata={"tags": ["parameters"]},
    )
    path = tmp_path / "quick.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[first, cell(QUICK)]), path)
    return path


@pytest.fixture
def make(tmp_path):
    """Write a batch file; returns its path."""

    def make(text, name="batch.toml"):
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return make


def entry(name, notebook, workspace="", **given):
    """One [[entry]] as TOML."""
    lines = [f"{k} = {json.dumps(v)}" for k, v in given.items()]
    words = {"name": name, "notebook": str(notebook), "workspace": workspace}
    return "\n".join(
        [
            "[[entry]]",
            *(f"{k} = {json.dumps(v)}" for k, v in words.items()),
            "[entry.parameters]",
            *lines,
            "",
        ]
    )


def states(content):
    return {e["name"]: e["this_batch"] for e in content["entries"]}


def run_at(told, out):
    """The folder of an entry's latest run."""
    return out / told["latest"]["folder"]


def test_entries_become_reports_with_their_key_figures(make, tmp_path, capfd):
    text = f"""
[defaults]
exports = "{SAMPLES}/failed_messages.csv"
channels = "{SAMPLES}/channels.toml"
messages = "{SAMPLES}/messages.csv"
channel = "1001"
[[entry]]
name = "why"
notebook = "failure_report"
workspace = "Tienda"
[[entry]]
name = "recover"
notebook = "tag_import"
[entry.parameters]
tag = "failed broadcast 110122"
"""
    content = batch.run(make(text), tmp_path / "out", jobs=2)
    assert states(content) == {"why": "ok", "recover": "ok"}
    why, recover = content["entries"]
    assert why["latest"]["totals"] == {"attempted": 1500, "failed": 500, "recoverable": 478}
    assert recover["latest"]["totals"] == {"recoverable": 478}
    assert (
        run_at(recover, tmp_path / "out") / "import" / "failed-broadcast-110122.csv"
    ).read_text().count("\n") == 479
    assert why["latest"]["folder"].startswith("Tienda/why/")
    assert (
        "1,500" in (page := (tmp_path / "out" / "index.html").read_text("utf-8"))
        and why["latest"]["report"] in page
    )
    assert json.loads((tmp_path / "out" / "batch.json").read_text("utf-8")) == content
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert [line.split()[0] for line in lines] == ["1/2", "2/2"] and any(
        "Tienda: why ok " in line for line in lines
    )


def test_a_failure_does_not_stop_the_rest_and_a_dead_kernel_is_tried_once_more(
    make, quick, tmp_path
):
    text = (
        entry("dies once", quick, die="once", count=str(tmp_path / "once"))
        + entry("dies", quick, die="always", count=str(tmp_path / "always"))
        + entry("error", quick, error="no <b>luck</b>", count=str(tmp_path / "error"))
        + entry("no file", "failure_report", exports=str(tmp_path / "missing.csv"))
        + entry("good", quick)
    )
    done = typed("batch", make(text), "--out", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "batch.json").read_text("utf-8"))
    assert done.returncode == 1
    assert states(content) == {
        "dies once": "ok",
        "dies": "failed",
        "error": "failed",
        "no file": "failed",
        "good": "ok",
    }
    tries = {name: len((tmp_path / name).read_text()) for name in ("once", "always", "error")}
    assert tries == {"once": 2, "always": 2, "error": 1}
    told = {e["name"]: e for e in content["entries"]}
    assert (
        "process died" in told["dies"]["message"] and told["dies"]["latest"]["status"] == "failed"
    )
    assert "failed: ValueError: no <b>luck</b>" in told["error"]["message"]
    assert "No such file" in told["no file"]["message"] and told["no file"]["last_good"] is None
    assert (
        "3 of 5 reports failed." in done.stderr
        and "ValueError" in done.stderr
        and "Traceback" not in done.stderr
    )
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert (
        "3 of 5 reports failed." in page
        and "no &lt;b&gt;luck&lt;/b&gt;" in page
        and "<b>luck" not in page
    )


def test_resume_skips_what_is_the_same_and_keeps_the_last_good_run(make, quick, write, tmp_path):
    export, out = write([row()]), tmp_path / "out"

    def run(resume=True, **given):
        text = "keep = 2\n" + entry("one", quick, exports=str(export), **given)
        told = batch.run(make(text), out, resume=resume)["entries"][0]
        return (
            told["this_batch"],
            [(out / r["folder"]).is_dir() and r["status"] for r in told["runs"]],
            told["last_good"],
        )

    assert run()[:2] == ("ok", ["ok"])
    assert run()[:2] == ("skipped", ["ok"])
    write([row(), row("101")])
    assert run()[:2] == ("ok", ["ok", "ok"])  # other content under the same name
    assert run(resume=False, error="x")[:2] == ("failed", ["ok", "failed"])
    state, runs, good = run(
        error="x"
    )  # what failed is not skipped; the last good run stays beyond `keep`
    assert (state, runs) == ("failed", ["ok", "failed", "failed"]) and good["status"] == "ok"
    assert run()[:2] == ("ok", ["failed", "ok"])
    assert len(list((out / "one").iterdir())) == 2
    assert (
        'aria-label="' not in (out / "index.html").read_text("utf-8").split("<main")[1]
    )  # no figures, no trend


def test_an_entry_whose_export_did_not_come_is_named_until_it_is_back_or_removed(
    make, quick, tmp_path
):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    for shop in ("north", "south"):
        (inbox / shop).mkdir(parents=True)
        (inbox / shop / "failed.csv").write_text("made up")
    text = f"""
[[entry]]
name = "failures ${{parent}}"
workspace = "${{parent}}"
notebook = "{quick}"
foreach.files = "{inbox}/*/failed.csv"
parameters.exports = "${{file}}"
"""
    assert states(batch.run(make(text), out)) == {"failures north": "ok", "failures south": "ok"}
    (inbox / "south" / "failed.csv").rename(tmp_path / "late.csv")
    content = batch.run(make(text), out)
    assert states(content) == {"failures north": "ok", "failures south": "absent"}
    gone = content["entries"][1]
    assert gone["last_good"] and (out / gone["last_good"]["folder"]).is_dir()
    page = (out / "index.html").read_text()
    assert "1 entry of earlier batches is not in this one: south: failures south." in page
    assert "The report is up to date." in page
    done = typed("batch", make(text), "--out", out)
    assert done.returncode == 0 and "is not in this one: south: failures south" in done.stderr

    (tmp_path / "late.csv").rename(inbox / "south" / "failed.csv")
    content = batch.run(make(text), out)
    assert states(content) == {"failures north": "ok", "failures south": "ok"}
    assert len(content["entries"][1]["runs"]) == 2
    (inbox / "south" / "failed.csv").unlink()
    shutil.rmtree(out / "south")
    assert states(batch.run(make(text), out)) == {"failures north": "ok"}
    assert "earlier batches" not in (out / "index.html").read_text()


def test_env_foreach_and_names(make, tmp_path, write):
    for place in ("mx", "co"):
        (tmp_path / place).mkdir()
        write([row()], f"{place}/failed_1.csv")
    text = """
[defaults]
exports = "${file}"
[[entry]]
name = "why ${stem}"
workspace = "${parent}"
notebook = "failure_report"
foreach.files = "${INBOX}/*/failed_*.csv"
parameters.channels = "${folder}/channels.toml"
[[entry]]
name = "tag ${name}"
notebook = "tag_import"
foreach.channels = {"México" = "1001", SMS = "5001"}
parameters = {exports = "$${file}", channel = "${channel}", tag = "late {date:%d%m%y}"}
"""
    plan = batchfile.load(make(text), {"INBOX": str(tmp_path)})
    assert [(e.workspace, e.name) for e in plan.entries] == [
        ("co", "why failed_1"),
        ("mx", "why failed_1"),
        ("", "tag México"),
        ("", "tag SMS"),
    ]
    assert plan.entries[1].parameters == {
        "exports": f"{tmp_path}/mx/failed_1.csv",
        "channels": f"{tmp_path}/mx/channels.toml",
    }
    assert plan.entries[2].parameters == {
        "exports": "${file}",
        "channel": "1001",
        "tag": "late {date:%d%m%y}",
    }
    assert all(set(e.folder) < set(map(chr, range(33, 127))) for e in plan.entries)
    with pytest.raises(
        BatchError, match=r"entry 1 .*\$\{INBOX\} is set neither.* Did you mean 'INBOXES'"
    ):
        batchfile.load(make(text), {"INBOXES": "x"})


def test_the_documents_example_is_a_batch_file(make):
    text = (ROOT / "docs" / "batch.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
    plan = batchfile.load(make(text), {"INBOX": str(SAMPLES)})
    assert [e.name for e in plan.entries][:2] == [
        "failures WhatsApp México",
        "failures WhatsApp Centroamérica",
    ]
    assert (
        len(plan.entries) == 7
        and plan.language == "es"
        and not any(e.problem for e in plan.entries)
    )


WRONG = {
    "kep = 3": "kep is no setting; known here: keep, .* Did you mean 'keep'",
    "[[entry]]\nname = 'a'\nnotebok = 'x'": (
        "(?s)entry 1: notebook is missing.*entry 1: notebok is no setting; .* Did you mean"
        " 'notebook'"
    ),
    "[[entry]]\nname = 'a'\nnotebook = 'failure_reprt'": (
        "entry 1 .'a'.: No such notebook: failure_reprt. Did you mean 'failure_report'"
    ),
    entry("a", "tag_import", tga="x") + entry("b", "failure_report", chanel="1"): (
        "(?s)entry 1 .'a'.: Unknown parameter 'tga'.* Did you mean 'tag'.*entry 2 .'b'.: Unknown"
        " parameter 'chanel'.* Did you mean 'channel'"
    ),
    "[defaults]\nlanguag = 'es'\n"
    + entry(
        "a", "failure_report"
    ): "defaults: no entry's notebook has .* 'languag'. Did you mean 'language'",
    entry(
        "a", "failure_report", **{"from": "yesterday"}
    ): "entry 1 .'a'.: from is 'yesterday'; expected a date",
    entry(
        "a", "failure_report", out="x"
    ): "out is .x., but a batch names .* give --out to the batch",
    "[defaults]\nout = 'x'\n" + entry("a", "failure_report"): "entry 1 .'a'.: out is 'x', but",
    entry("a", "failure_report") * 2: "two entries are called 'a'",
    "entry = 3": "entry is 3; expected a valid list",
    "keep = 0\n" + entry("a", "failure_report"): "keep is 0; expected a whole number above 0",
    entry("a", "failure_report") + "[entry.foreach]\nfile = 'x'": (
        "entry 1: foreach.file is no setting; known here: files, channels. Did you mean 'files'"
    ),
    entry("a", "failure_report") + "[[entry]]\nname = 3\nnotebook = []\nparameters = 'x'": (
        "(?s)entry 2: notebook is \\[\\]; expected a valid string.*entry 2: parameters is 'x'; "
        "expected a table"
    ),
    "[[entry]\n": "this is not TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_batch_file_is_told_in_sentences(make, text):
    with pytest.raises(BatchError, match=WRONG[text]) as caught:
        batchfile.load(make(text))
    assert caught.value.exit_status == 2 and str(caught.value).startswith(str(make(text)))


def test_nothing_is_written_for_a_wrong_file_or_into_a_strange_folder(make, quick, tmp_path):
    with pytest.raises(BatchError, match="Did you mean 'exports'"):
        batch.run(make(entry("a", quick, exprts="x")), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="holds an index.html that no batch made"):
        batch.run(make(entry("a", quick)), tmp_path / "site")
    assert [p.read_text() for p in (tmp_path / "site").iterdir()] == ["mine"]


def test_no_name_takes_the_place_of_a_file_of_the_batch(make, quick):
    names = [
        "index.html",
        "batch.json",
        ".lock",
        "../up",
        "a/b",
        "a-b",
        "México",
        "Mexico",
        "..",
        "  ",
    ]
    folders = [
        e.folder
        for e in batchfile.load(make("".join(entry(name, quick) for name in names))).entries
    ]
    assert len(set(folders)) == len(names) and all(
        re.fullmatch(r"[A-Za-z0-9][\w-]*", f, re.ASCII) for f in folders
    )


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_batch_starts_again_and_only_one_works_on_a_folder(make, quick, tmp_path):
    out, turns = tmp_path / "out", tmp_path / "turns"
    file = make(entry("first", quick) + entry("waits", quick, die="wait", count=str(turns)))
    running = subprocess.Popen(
        [*MANAGE, file, "--out", out, "--jobs", "1"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    until(turns.exists)
    second = typed("batch", file, "--out", out)
    assert second.returncode == 2 and "Another batch is writing" in second.stderr
    until(
        lambda: "Not finished: 1 of 2 entries are done." in (out / "index.html").read_text("utf-8")
    )  # while the second runs
    running.send_signal(signal.SIGKILL)
    running.wait()
    until(lambda: not working_on(out))
    assert all(p.name.startswith(".") for p in (out / "waits").iterdir())  # no half of a run
    make(entry("first", quick) + entry("waits", quick, count=str(turns)))
    done = typed("batch", file, "--out", out, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert states(json.loads(done.stdout)) == {"first": "skipped", "waits": "ok"}
    assert [record.read(p)["status"] for p in (out / "waits").iterdir()] == ["ok"]


def test_an_entry_that_takes_too_long_is_ended(make, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MINUTE", 3)
    monkeypatch.setattr(batch, "PAUSE", 0.2)
    text = "timeout = 1\n" + entry("waits", quick, die="wait", count=str(tmp_path / "turns"))
    told = batch.run(make(text), tmp_path / "out")["entries"][0]
    assert (
        told["this_batch"] == "failed"
        and told["message"] == "It took longer than 1 minutes."
        and told["tries"] == 1
    )
    assert not working_on(tmp_path / "out")


def until(true, seconds=300):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def working_on(folder):
    """The processes that have the folder in their environment or command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (
                str(folder).encode()
                in (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
            ):
                found.append(place.name)
        except OSError:
            continue
    return found


RUN = {
    "status": "ok",
    "finished": "2026-11-24T02:05:40+00:00",
    "version": "0.1.0",
    "cell": None,
    "message": None,
    "mark": "x",
}
HOSTILE = "<script>alert(1)</script>\u202e & \"'><img src=http://x.test/>"


def told(name, workspace, state, failed, report="a/1/failure_report.html"):
    """One entry of batch.json with a run per number of failed messages (None: a run that
    failed).
    """
    runs = [
        RUN
        | {
            "started": f"2026-11-{n:02}T02:05:12+00:00",
            "folder": f"a/{n}",
            "report": report,
            "status": "ok" if v is not None else "failed",
            "totals": (
                {"failed": v, "attempted": 9 * v, "recoverable": v // 2} if v is not None else None
            ),
        }
        for n, v in enumerate(failed, 1)
    ]
    good = [r for r in runs if r["status"] == "ok"]
    return {
        "name": name,
        "workspace": workspace,
        "notebook": "failure_report",
        "folder": "a",
        "this_batch": state,
        "tries": 1,
        "seconds": 3.2,
        "message": HOSTILE if state == "failed" else "",
        "runs": runs,
        "latest": runs[-1] if runs else None,
        "last_good": good[-1] if good else None,
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    content = {
        "schema": 1,
        "version": "0.1.0",
        "started": "2026-11-24T02:05:00+00:00",
        "finished": "2026-11-24T02:09:00+00:00",
        "written": "2026-11-24T02:09:00+00:00",
        "entries": [
            told("Failures yesterday", "Tienda México", "ok", [520, 480, None, 610, 1240]),
            told("Limits", "Tienda México", "skipped", [30]),
            told(HOSTILE, HOSTILE, "failed", [100, 90, None]),
            told("New", "", "waiting", []),
        ],
    }
    folder = tmp_path_factory.mktemp("index")
    for code in ("en", "es"):
        (folder / f"{code}.html").write_text(index.page(content | {"language": code}), "utf-8")
    return folder


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium; install it with: apt-get install chromium")
@pytest.mark.parametrize("code", ["en", "es"])
def test_the_index_page_in_a_browser(browser, pages, code):
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        page = open_page(
            browser,
            pages / f"{code}.html",
            viewport={"width": 1200, "height": 900},
            color_scheme=scheme,
            bypass_csp=True,
        )
        found = Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    page = open_page(browser, pages / f"{code}.html", viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.seen == [] and page.problems == []
    assert page.locator("script, img").count() == 0 and page.locator("svg").count() == 2
    shown = page.inner_text("main")
    assert "<script>alert(1)</script>\\u202e" in shown and "1,240" in shown
    if code == "en":
        assert page.inner_text(".headline") == "1 of 4 reports failed."
        assert (
            page.locator("svg").first.get_attribute("aria-label")
            == "Failed messages, run by run: 520, 480, run failed, 610, 1,240"
        )
