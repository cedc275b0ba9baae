"""The explorer: filters against counts by hand, the way to import files and tonight's run, and a
real JupyterLab.
"""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from collections import Counter
from contextlib import contextmanager
from datetime import datetime

import pytest
import yaml

from conftest import BLOCKED, CHROMIUM, HEADER, LIMIT, ROOT, SAMPLES, row
from rebroadcast.batch import batchfile
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import ParameterError, RebroadcastError
from rebroadcast.explorer import explorer, selection, tonight
from rebroadcast.explorer.selection import Filters
from rebroadcast.report import reports
from rebroadcast.verbs import recover as recovering

TEMPLATE = "(#132012) Parameter format does not match format in the created template"
SIX = [
    row("1", "11", LIMIT, "2022-01-11 15:10:00"),
    row("2", "12", LIMIT, "2022-01-11 15:50:00", content="Hola dos"),
    row("3", "13", TEMPLATE, "2022-01-11 16:00:00"),
    row("4", "14", BLOCKED, "2022-01-12 09:00:00", channel="2001"),
    row("5", "15", LIMIT, "2022-01-12 09:30:00", sender="user"),
    row("6", "16", LIMIT, "2022-01-12 09:45:00", channel="2001"),
]


def prepared(path, **given):
    return selection.prepare(
        workbench.open({"exports": str(path), "timezone": "UTC"} | given, "explore")
    )


def failed(frame, *by):
    return {
        key: int(n)
        for key, n in frame.groupby(list(by) if len(by) > 1 else by[0])["failed"].sum().items()
    }


@pytest.fixture
def opened(write):
    """An explorer on six messages, one of them twice, and on a row that cannot be read."""
    made = []

    def opened(**given):
        rows = [*SIX, SIX[0], ["too", "few"]]
        face = explorer.Explorer({"exports": str(write(rows)), "timezone": "UTC"} | given)
        made.append(face)
        face.open()
        face.task.result(300)
        return face

    yield opened
    for face in made:
        face.settle()


def rest(face):
    """Wait until nothing is at work."""
    while face.task and not face.task.done():
        time.sleep(0.02)


# Filters


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """SIX, the first of them twice, read once."""
    path = tmp_path_factory.mktemp("six") / "failed.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *SIX, SIX[0]])
    return prepared(path)


@pytest.mark.parametrize(
    ("filters", "contacts"),
    [
        (Filters(), "123456"),
        (Filters(channel=("2001",)), "46"),
        (Filters(channel=("1001", "2001")), "123456"),
        (Filters(cause=("template", "opted_out")), "34"),
        (Filters(verdict=("never",)), "4"),
        (Filters(sender_type=("user",)), "5"),
        (Filters(text="LIMIT reached"), "1256"),
        (Filters(text=f"={TEMPLATE}"), "3"),
        (Filters(text="nothing like it"), ""),
        (Filters(from_="2022-01-11 15:50:00", to="2022-01-12 09:30:00"), "234"),
        (Filters(to="2022-01-11"), "123"),
        (Filters(from_="2022-01-12 09:00:00", cause=("quota",), channel=("2001",)), "6"),
    ],
)
def test_filters_leave_the_messages_that_they_name(six, filters, contacts):
    page = selection.page(six, filters, sort="contact_id", descending=False)
    assert "".join(r["contact_id"] for r in page) == contacts
    found, chosen = selection.frames(six, filters), [r for r in SIX if r[3] in contacts]
    assert found["times"]["failed"].sum() == len(chosen)
    if not filters.text.startswith("="):
        assert failed(found["errors"], "error", "channel_id") == Counter(
            (r[11], r[8]) for r in chosen
        )
    if not filters.cause:
        assert found["causes"]["failed"].sum() == len(chosen)


def test_a_figure_that_was_clicked_keeps_what_else_could_be_clicked(write):
    ready = prepared(write(SIX))
    whole = selection.frames(ready, Filters())
    assert failed(whole["causes"], "cause") == {"quota": 4, "template": 1, "opted_out": 1}
    assert failed(selection.frames(ready, Filters(cause=("quota",)))["causes"], "cause") == failed(
        whole["causes"], "cause"
    )
    cell = selection.frames(ready, Filters(text=f"={BLOCKED}", channel=("2001",)))
    assert failed(cell["errors"], "error", "channel_id") == failed(
        whole["errors"], "error", "channel_id"
    )
    assert failed(cell["causes"], "cause") == {"opted_out": 1}


def test_times_are_counted_by_minute_hour_or_day(write):
    found = selection.frames(prepared(write(SIX)), Filters())["times"]
    assert found.attrs["unit"] == "hour"
    assert {at.hour: n for at, n in failed(found, "hour").items()} == {15: 2, 16: 1, 9: 3}
    minutes = selection.frames(prepared(write(SIX)), Filters(to="2022-01-11 16:00:00"))["times"]
    assert minutes.attrs["unit"] == "minute"
    assert [at.minute for at in sorted(minutes["hour"])] == [10, 50]
    far = selection.frames(
        prepared(write([*SIX, row("7", "17", at="2022-01-30 10:00:00")])), Filters()
    )["times"]
    assert far.attrs["unit"] == "day"
    assert {at.day: n for at, n in failed(far, "hour").items()} == {11: 3, 12: 3, 30: 1}


def test_the_sample_adds_up_as_its_script_knows(truth):
    ready = prepared(
        SAMPLES / "failed_messages.csv", channels=str(SAMPLES / "channels.toml"), timezone=""
    )
    read = ready.bench.export
    assert (
        ready.total + ready.bench.repeats + len(read.rejected)
        == truth["rows"]["failed_messages.csv"]
    )
    for filters in (
        Filters(),
        Filters(channel=("1001",)),
        Filters(verdict=("wait", "fix"), text="limit"),
    ):
        found = selection.frames(ready, filters)
        asked = selection.view(ready.bench, filters)  # what the import files follow
        rows = ready.rows.filter(asked.selected(ready.rows), *asked.narrowing(ready.rows))
        assert {int(f["failed"].sum()) for f in found.values()} == {int(rows.count().execute())}


def test_parameters_of_the_notebook_are_the_first_filters(opened):
    face = opened(
        channel="2001",
        from_="2022-01-12",
        to="2022-01-12",
        cause="quota",
        text="limit",
        language="es",
    )
    assert face.filters == Filters(
        ("2001",), "2022-01-12 00:00:00", "2022-01-13 00:00:00", (), ("quota",), (), "limit"
    )
    assert "Se muestra 1 de 6" in face.state.value
    face.choose(**dict.fromkeys(face.controls))
    assert face.filters == Filters()
    assert "6 de 6" in face.state.value
    with pytest.raises(
        ParameterError, match=r"Ningún mensaje fallido tiene cause 'qota'. ¿Quiso decir 'quota'\?"
    ):
        selection.wanted(face.prepared, {"cause": "qota"})


# What is seen


def test_a_click_filters_everything_and_a_second_one_takes_it_back(opened):
    face = opened()
    assert "6 of 6 failed messages are shown" in face.state.value
    assert "repeated rows 1, unreadable rows 1" in face.state.value
    causes = face.drawn["causes"].data[0]
    at = list(causes.customdata).index("template")
    before = {n: f.figure for n, f in face.figures.items()}
    face._clicked("causes", face.click_cause, {"curve": 0, "point": at})
    assert face.filters == Filters(cause=("template",))
    assert (
        "1 of 6 failed messages is shown" in face.state.value
        and "template problem" in face.state.value
    )
    assert all(face.figures[n].figure != before[n] for n in before)
    assert [r for r in re.findall("<td[^>]*>(\\d)</td>", face.table.value) if r in "123456"] == [
        "3"
    ]
    face._clicked("causes", face.click_cause, {"curve": 0, "point": at})
    assert face.filters == Filters()

    cells = face.drawn["errors"].data[0].customdata
    y, x = next(
        (y, x)
        for y, line in enumerate(cells)
        for x, c in enumerate(line)
        if c[0] == LIMIT and "2001" in c[1]
    )
    face._clicked("errors", face.click_cell, {"curve": 0, "point": [y, x]})
    assert face.filters == Filters(channel=("2001",), text=f"={LIMIT}")
    assert face.drawn["errors"].layout.shapes[0].x0 == x - 0.5
    face._clicked("errors", face.click_cell, {"curve": 0, "point": [y, x]})

    bars = next(
        i
        for i, t in enumerate(face.drawn["times"].data)
        if t.customdata is not None and t.customdata[0] == "quota"
    )
    hour = [at.hour for at in face.drawn["times"].data[bars].x].index(15)
    face._clicked("times", face.click_time, {"curve": bars, "point": hour})
    assert (face.filters.from_, face.filters.to) == ("2022-01-11 15:00:00", "2022-01-11 16:00:00")
    assert "2 of 6 failed messages are shown" in face.state.value


def test_the_table_pages_and_sorts(write):
    face = explorer.Explorer(
        {
            "exports": str(
                write([row(str(n), str(n), at=f"2022-01-11 15:{n:02d}:00") for n in range(40)])
            )
        }
    )
    face.load(face.given)

    def contacts():
        return [
            int(r) for r in re.findall(r"<td[^>]*>(\d+)</td><td[^>]*>\d+</td>", face.table.value)
        ]

    assert contacts() == list(range(39, 24, -1)) and "Messages 1 to 15 of 40" in face.place.value
    for _ in range(5):
        face.turn(1)
    assert contacts() == list(range(9, -1, -1)) and "Messages 31 to 40 of 40" in face.place.value
    face.order("local_at")
    assert contacts() == list(range(15))
    face.turn(-1)
    assert contacts() == list(range(15))
    face.order("contact_id")
    assert contacts() == [int(n) for n in sorted(map(str, range(40)))[:15]]
    face.content.value = True
    assert "Hola" in face.table.value
    rest(face)


def test_what_a_stranger_wrote_is_shown_as_text(write):
    face = explorer.Explorer(
        {"exports": str(write([row("1", "1", "<img src=x onerror=alert(1)>", content="<script>")]))}
    )
    face.load(face.given)
    face.content.value = True
    for shown in (face.table, *face.captions.values(), face.panel, face.state):
        assert "<img" not in shown.value and "<script" not in shown.value
    rest(face)


# The audience and its files


def contacts_of(folder):
    return {
        p.name: [r[0] for r in csv.reader(p.open(encoding="utf-8"))][1:]
        for p in sorted(folder.glob("*.csv"))
    }


def test_dry_run_then_import_files_then_the_saved_run_does_the_same(tmp_path):
    face = explorer.Explorer({"exports": "sample", "out": str(tmp_path / "made")})
    face.load(face.given)
    face.choose(cause=("quota",), channel=("1001",))
    rest(face)
    face.by_wave.value = True
    rest(face)
    seen = int(
        re.search(r"([\d,]+) contacts can be reached again", face.panel.value)[1].replace(",", "")
    )
    assert face.write.disabled
    face.run()  # not before a dry run
    assert not (tmp_path / "made").exists()
    face.run(dry=True)
    rest(face)
    face.choose(cause=("quota", "template"))  # what was tried holds no longer
    assert not face.result.value and face.write.disabled
    face.choose(cause=("quota",))
    rest(face)
    face.run(dry=True)
    rest(face)
    assert "This would be written" in face.result.value and not (tmp_path / "made").exists()
    face.run()
    rest(face)
    written = tmp_path / "made" / "failed-broadcast"
    files = contacts_of(written / "import")
    assert (
        len({c for found in files.values() for c in found}) == seen == sum(map(len, files.values()))
    )
    face.save()
    parameters, batch = (
        tmp_path / "made" / f"failed-broadcast-2{end}" for end in (".yaml", ".toml")
    )
    given = yaml.safe_load(parameters.read_text("utf-8"))
    entry = tomllib.loads(batch.read_text("utf-8"))["entry"]
    assert given.pop("out") == str(
        tmp_path / "made" / "failed-broadcast-2"
    )  # papermill alone would write nothing
    assert entry == [{"name": "failed-broadcast-2", "notebook": "tag_import", "parameters": given}]
    (planned,) = batchfile.load(batch).entries
    assert planned.parameters == given and not planned.problem
    record = reports.run("tag_import", given, tmp_path / "tonight")
    assert contacts_of(tmp_path / "tonight" / "import") == files
    now = json.loads((written / "run.json").read_text("utf-8"))
    assert record["counts"] == now["counts"] and record["waves"] == now["waves"]
    assert [o for o in record["outputs"] if "import/" in o["name"]] == [
        o for o in now["outputs"] if "import/" in o["name"]
    ]


def test_contacts_whose_other_failures_are_final_are_not_reached_through_a_filter(write, tmp_path):
    ready = prepared(
        write(
            [
                row("1", "1", LIMIT),
                row("1", "2", BLOCKED),
                row("2", "3", LIMIT),
                row("3", "4", TEMPLATE),
            ]
        )
    )
    asked = selection.view(ready.bench, Filters(cause=("quota",)), tag="again")
    counts, contacts = selection.audience(asked)
    assert counts["tagged"] == 1 and contacts.contact_id.execute().tolist() == ["2"]
    recovering.recover(asked)
    assert counts == asked.counts


def test_contacts_in_the_ledger_are_left_out_here_too(write, tmp_path):
    path, ledger = write([row("1", "1"), row("2", "2")]), str(tmp_path / "ledger")
    given = {
        "exports": str(path),
        "timezone": "UTC",
        "ledger": ledger,
        "broadcast": "b",
        "tag": "t",
    }
    first = workbench.open(
        given | {"out": str(tmp_path / "a"), "to": "2022-01-11 15:30"}, "tag_import"
    )
    recovering.recover(first)
    first.finish()
    ready = prepared(
        write([row("1", "1"), row("3", "3")], "later.csv"), ledger=ledger, broadcast="b"
    )
    counts, contacts = selection.audience(selection.view(ready.bench, Filters(), tag="t"))
    assert (counts["tagged_before"], counts["tagged"]) == (
        1,
        1,
    ) and contacts.contact_id.execute().tolist() == ["3"]


def test_a_saved_entry_says_the_same_to_a_batch_whatever_is_in_it(tmp_path):
    text = tonight.batch_entry(
        "x", {"text": 'a "${name}" \\ ñ', "waves": True, "exports": ["a.csv", "b.csv"]}
    )
    (entry,) = tomllib.loads(text)["entry"]
    assert entry["parameters"] == {
        "text": 'a "$${name}" \\ ñ',
        "waves": True,
        "exports": ["a.csv", "b.csv"],
    }
    name = tonight.free(tmp_path, "x")
    assert [p.name for p in tonight.save(tmp_path, "x", {"a": 1})] == ["x.yaml", "x.toml"]
    assert (name, tonight.free(tmp_path, "x")) == (tmp_path / "x", tmp_path / "x-2")


# What goes wrong


def test_errors_are_sentences_in_the_explorer(opened, tmp_path):
    face = opened()
    face.fields["exports"].value = str(tmp_path / "no.csv")
    face.open()
    rest(face)
    assert "No such file" in face.status.value and "rb-error" in face.status.value
    assert "6 of 6" in face.state.value and face.prepared.total == 6
    face.tag.value = "a, b"
    rest(face)
    assert "comma" in face.panel.value
    face.run(dry=True)
    rest(face)
    assert "comma" in face.status.value and not face.bar.value
    assert "comma" in face.result.value  # beside the button that was pressed
    face.tag.value = "again"
    face.controls["from_"].value, face.controls["to"].value = (
        datetime(2022, 1, 12),
        datetime(2022, 1, 11),
    )
    assert "lies after to" in face.status.value
    face.choose(from_=datetime(2023, 1, 12), to=None)
    rest(face)
    assert "0 of 6" in face.state.value and "No failed message is left" in face.panel.value
    face.choose(from_=None)
    face.folder.value = str(tmp_path / "file")
    (tmp_path / "file").write_text("")
    rest(face)
    face.run(dry=True)
    rest(face)
    face.run()
    rest(face)
    assert "rb-error" in face.status.value and "file" in face.status.value
    face.folder.value = str(tmp_path / "file" / "below")
    face.safely(face.save)
    assert "below cannot be made (Not a directory); name another folder" in face.status.value
    with pytest.raises(RebroadcastError, match="Did you mean 'exports'"):
        explorer.show({"export": "x"})


def test_an_upload_is_explored_but_not_saved_for_tonight(opened, write):
    face = opened()
    content = write([row("9", "1")], "up.csv").read_bytes()
    face.open({"name": "../up.csv", "content": memoryview(content)})
    rest(face)
    assert "1 of 1 failed messages is shown" in face.state.value
    face.safely(face.save)
    assert "up.csv was uploaded" in face.status.value


def test_long_work_can_be_stopped_and_what_was_open_stays(opened, monkeypatch):
    face, begun = opened(), threading.Event()

    def endless(bench, step):
        step("Reading")
        begun.set()
        bench.engine.con.con.execute(
            "SELECT count(*) FROM range(100000000) a, range(100000000) b"
        ).fetchall()

    monkeypatch.setattr(selection, "prepare", endless)
    face.open()
    assert begun.wait(300)
    assert face.bar.layout.visibility == "visible" and "Reading" in face.status.value
    face.choose(cause=("quota",))
    assert "Still at work" in face.status.value
    face.stop.click()
    face.task.result(300)
    assert "Stopped." in face.status.value and face.bar.layout.visibility == "hidden"
    assert "can be reached again" in face.panel.value
    face.choose(cause=("template",))
    rest(face)
    assert "1 of 6" in face.state.value


# In a real browser

PORTS = (
    "JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR JUPYTERLAB_SETTINGS_DIR"
    " JUPYTERLAB_WORKSPACES_DIR IPYTHONDIR"
)
browser_only = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium; install it with: apt-get install chromium"
)


@contextmanager
def served(words, folder, answer):
    """A server in a process of its own, with all its settings in folder; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {name: str(folder / name) for name in PORTS.split()}
    env["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT / "lib"), os.environ.get("PYTHONPATH")])
    )
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *words, f"--port={port}"],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1000):
            try:
                urllib.request.urlopen(url + answer, timeout=60).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def page_of(url):
    """A page of a browser that reaches nothing but url."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = [
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        page = browser.new_page(viewport={"width": 1280, "height": 2600})
        page.set_default_timeout(180_000)
        page.outside, page.problems = [], []
        page.route(
            lambda u: not u.startswith((url, "data:", "blob:")),
            lambda r: (page.outside.append(r.request.url), r.abort()),
        )
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        yield page
        browser.close()


@pytest.fixture
def workspace(tmp_path):
    """The notebook and the sample as a user has them."""
    shutil.copytree(ROOT / "data" / "samples", tmp_path / "data" / "samples")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "explore.ipynb", tmp_path / "notebooks")
    settings = tmp_path / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    return tmp_path


def shows(page, text, **options):
    said = (
        "t => [...document.querySelectorAll('.rb-lead, .rb-note, .rb-error')].some(e =>"
        " e.innerText.includes(t))"
    )
    page.wait_for_function(said, arg=text, **options)


def listens(page):
    """Wait until the three figures take clicks."""
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].filter(p =>"
        " p._ev?._events?.plotly_click).length >= 3"
    )


@browser_only
def test_in_jupyterlab_a_hunch_becomes_import_files_and_tonights_run(workspace, tmp_path):
    lab = [
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--port-retries=0",
        "--expose-app-in-browser",
        "--IdentityProvider.token=t0k",
        "--LabApp.extension_manager=readonly",
        f"--ServerApp.root_dir={workspace / 'notebooks'}",
    ]
    with served(lab, workspace, "/api") as url, page_of(url) as page:
        page.goto(f"{url}/lab/tree/explore.ipynb?token=t0k&reset")
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status ==="
            " 'idle'"
        )
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        shows(page, "2,555 of 2,555 failed messages are shown")
        shows(page, "556 contacts can be reached again")
        listens(page)
        bars = page.locator(".js-plotly-plot").first.locator(".bars .point path")
        shown = (
            "[...document.querySelectorAll('.js-plotly-plot')].map(p =>"
            " JSON.stringify([p._fullLayout.width, p.data]))"
        )
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3")
        before = page.evaluate(shown)
        assert len(before) == 3

        # A bar, and a row of a list: the figures change with it.
        bars.first.click(force=True)
        shows(page, "549 of 2,555 failed messages are shown")
        page.wait_for_function(f"b => {shown}.every((text, i) => text !== b[i])", arg=before)
        page.locator(".rebroadcast select").nth(2).select_option(label="WhatsApp México")
        shows(page, "471 of 2,555 failed messages are shown")
        shows(page, "Filters: limit used up · WhatsApp México")

        # The table pages.
        shows(page, "Messages 1 to 15 of 471")
        first = page.locator(".rb-table").last.inner_text()
        page.get_by_role("button", name="Next").click()
        shows(page, "Messages 16 to 30 of 471")
        assert page.locator(".rb-table").last.inner_text() != first

        # Dry run, import files, tonight's run.
        page.get_by_role("button", name="Dry run").click()
        shows(page, "This would be written")
        assert not (workspace / "results").exists()
        page.get_by_role("button", name="Write import files").click()
        shows(page, "The import files are in")
        page.get_by_role("button", name="Save for tonight's run").click()
        shows(page, "Saved:")
        lead = page.locator(".rb-lead", has_text="can be reached again").inner_text()
        assert (
            page.locator(".jp-OutputArea-output[data-mime-type*='stderr'], .rb-error").count() == 0
        )
        assert page.outside == [] and page.problems == []

    made = workspace / "results" / "explorer"
    files = contacts_of(made / "failed-broadcast" / "import")
    (contacts,) = files.values()
    assert lead == f"{len(contacts)} contacts can be reached again"
    asked = workbench.open(
        {"exports": "sample", "channel": "1001", "cause": "quota", "tag": "t"}, "tag_import"
    )
    recovering.recover(asked)
    assert asked.counts["tagged"] == len(contacts)
    kept = asked.engine.con.read_parquet(asked.engine.scratch / "dispositions.parquet")
    assert sorted(kept.filter(kept.disposition == "tagged").contact_id.execute()) == contacts

    out = ["-p", "out", str(tmp_path / "tonight"), "--kernel", "python3", "--cwd", str(ROOT)]
    given = [
        "papermill",
        str(ROOT / "notebooks" / "tag_import.ipynb"),
        str(tmp_path / "out.ipynb"),
        "-f",
        str(made / "failed-broadcast-2.yaml"),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(
        [sys.executable, "-m", *given, *out], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert contacts_of(tmp_path / "tonight" / "import") == files
    counts = [
        json.loads((f / "run.json").read_text("utf-8"))["counts"]
        for f in (tmp_path / "tonight", made / "failed-broadcast")
    ]
    assert counts[0] == counts[1]


@browser_only
def test_voila_serves_the_same_file(workspace):
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    notebook = workspace / "notebooks" / "explore.ipynb"
    with (
        served(
            ["voila", str(notebook), "--no-browser", "--Voila.ip=127.0.0.1"],
            workspace,
            "/voila/static/x",
        ) as url,
        page_of(url) as page,
    ):
        page.goto(url)
        try:
            shows(page, "2,555 of 2,555 failed messages are shown", timeout=90_000)
        except (
            PlaywrightTimeout
        ):  # once in many busy starts a page of Voila stays empty, and its reader loads it again
            page.problems.clear()
            page.goto(url)
            shows(page, "2,555 of 2,555 failed messages are shown")
        listens(page)
        page.locator(".js-plotly-plot").first.locator(".bars .point path").first.click(force=True)
        shows(page, "549 of 2,555 failed messages are shown")
        assert page.problems == []
        assert all(
            asked.endswith(".css") for asked in page.outside
        )  # Voila's own page asks for icons, and does without
