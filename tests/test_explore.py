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
from datetime import datetime, timedelta

import pytest
import yaml

from conftest import BLOCKED, CHROMIUM, HEADER, LIMIT, ROOT, row
from rebroadcast.batch import batchfile
from rebroadcast.bench import workbench
from rebroadcast.bench.settings import Selection
from rebroadcast.bench.tables import narrowing
from rebroadcast.common.exceptions import ParameterError, RebroadcastError
from rebroadcast.explorer import explorer, selection, tonight
from rebroadcast.explorer.selection import Filters
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
        lab = explorer.Explorer({"exports": str(write(rows)), "timezone": "UTC"} | given)
        made.append(lab)
        lab.open()
        lab.task.result(300)
        return lab

    yield opened
    for lab in made:
        lab.settle()


def rest(lab):
    """Wait until nothing is at work."""
    while lab.task and not lab.task.done():
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
    ready = prepared("sample", timezone="")
    read = ready.tables.inputs.export
    assert ready.total + ready.repeats + len(read.rejected) == truth["rows"]["failed_messages.csv"]
    for filters in (
        Filters(),
        Filters(channel=("1001",)),
        Filters(verdict=("wait", "fix"), text="limit"),
    ):
        found = selection.frames(ready, filters)
        asked = selection.view(ready, filters, tag="t")  # what the import files follow
        narrow = narrowing(ready.rows, asked.settings.selection)
        rows = ready.rows.filter(asked.selected(ready.rows), *narrow)
        assert {int(f["failed"].sum()) for f in found.values()} == {int(rows.count().execute())}
    after = read.table.local_at.max().execute().floor("min") + timedelta(minutes=1)
    assert tonight.job(asked)["start"] == f"{after:%Y-%m-%d %H:%M}"  # its days are past


def test_parameters_of_the_notebook_are_the_first_filters(opened):
    lab = opened(
        channel="2001",
        from_="2022-01-12",
        to="2022-01-12",
        cause="quota",
        text="limit",
        language="es",
    )
    assert lab.filters == Filters(
        "", ("2001",), "2022-01-12 00:00:00", "2022-01-13 00:00:00", (), ("quota",), (), "limit"
    )
    assert "Se muestra 1 de 6" in lab.face.state.value
    lab.choose(**dict.fromkeys(lab.face.controls))
    assert lab.filters == Filters()
    assert "6 de 6" in lab.face.state.value
    with pytest.raises(ParameterError) as raised:
        selection.wanted(lab.prepared, Selection(cause=("qota",)))
    said = "Ningún mensaje fallido tiene cause 'qota'. ¿Quiso decir 'quota'?"
    assert raised.value.said_in(lab.lang.code).startswith(said)


# What is seen


def test_a_click_filters_everything_and_a_second_one_takes_it_back(opened):
    lab = opened()
    assert "6 of 6 failed messages are shown" in lab.face.state.value
    assert "repeated rows 1, unreadable rows 1" in lab.face.state.value
    causes = lab.drawn["causes"].data[0]
    at = list(causes.customdata).index("template")
    before = {n: f.figure for n, f in lab.face.figures.items()}
    lab.click("causes", {"curve": 0, "point": at})
    assert lab.filters == Filters(cause=("template",))
    assert (
        "1 of 6 failed messages is shown" in lab.face.state.value
        and "template problem" in lab.face.state.value
    )
    assert all(lab.face.figures[n].figure != before[n] for n in before)
    assert [
        r for r in re.findall("<td[^>]*>(\\d)</td>", lab.face.table.value) if r in "123456"
    ] == ["3"]
    lab.click("causes", {"curve": 0, "point": at})
    assert lab.filters == Filters()

    cells = lab.drawn["errors"].data[0].customdata
    y, x = next(
        (y, x)
        for y, line in enumerate(cells)
        for x, c in enumerate(line)
        if c[0] == LIMIT and "2001" in c[1]
    )
    lab.click("errors", {"curve": 0, "point": [y, x]})
    assert lab.filters == Filters(channel=("2001",), text=f"={LIMIT}")
    assert lab.drawn["errors"].layout.shapes[0].x0 == x - 0.5
    lab.click("errors", {"curve": 0, "point": [y, x]})

    bars = next(
        i
        for i, t in enumerate(lab.drawn["times"].data)
        if t.customdata is not None and t.customdata[0] == "quota"
    )
    hour = [at.hour for at in lab.drawn["times"].data[bars].x].index(15)
    lab.click("times", {"curve": bars, "point": hour})
    assert (lab.filters.from_, lab.filters.to) == ("2022-01-11 15:00:00", "2022-01-11 16:00:00")
    assert "2 of 6 failed messages are shown" in lab.face.state.value


def test_the_table_pages_and_sorts(write):
    lab = explorer.Explorer(
        {
            "exports": str(
                write([row(str(n), str(n), at=f"2022-01-11 15:{n:02d}:00") for n in range(40)])
            )
        }
    )
    lab.load(lab.given)

    def contacts():
        return [
            int(r)
            for r in re.findall(r"<td>(\d+)</td><td>\d+</td><td>broadcast", lab.face.table.value)
        ]

    assert (
        contacts() == list(range(39, 24, -1)) and "Messages 1 to 15 of 40" in lab.face.place.value
    )
    for _ in range(5):
        lab.turn(1)
    assert (
        contacts() == list(range(9, -1, -1)) and "Messages 31 to 40 of 40" in lab.face.place.value
    )
    lab.order("local_at")
    assert contacts() == list(range(15))
    lab.turn(-1)
    assert contacts() == list(range(15))
    lab.order("contact_id")
    assert contacts() == [int(n) for n in sorted(map(str, range(40)))[:15]]
    lab.face.content.value = True
    assert "Hola" in lab.face.table.value
    rest(lab)


def test_what_a_stranger_wrote_is_shown_as_text(write):
    lab = explorer.Explorer(
        {"exports": str(write([row("1", "1", "<img src=x onerror=alert(1)>", content="<script>")]))}
    )
    lab.load(lab.given)
    lab.face.content.value = True
    assert "&lt;img" in lab.face.table.value and "&lt;script" in lab.face.table.value
    for shown in (lab.face.table, *lab.face.captions.values(), lab.face.panel, lab.face.state):
        assert "<img" not in shown.value and "<script" not in shown.value
    rest(lab)


# The audience and its files


def contacts_of(folder):
    return {
        p.name: [r[0] for r in csv.reader(p.open(encoding="utf-8"))][1:]
        for p in sorted(folder.glob("*.csv"))
    }


def test_dry_run_then_import_files_then_the_saved_run_does_the_same(write, tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text('[channel.1001]\nname = "Ventas"\nkind = "whatsapp"\nlimit = 1000\n')
    rows = [*SIX, *(row(str(n), str(n), at="2022-01-11 15:20:00") for n in range(30, 40))]
    given = {"exports": str(write(rows)), "channels": str(channels), "timezone": "UTC"}
    given["start"] = "2022-01-13 08:00"
    lab = explorer.Explorer(given | {"out": str(tmp_path / "made")})
    lab.load(lab.given)
    lab.choose(cause=("quota",), channel=("1001",))
    rest(lab)
    lab.face.by_wave.value = True
    rest(lab)
    seen = int(
        re.search(r"([\d,]+) contacts can be reached again", lab.face.panel.value)[1].replace(
            ",", ""
        )
    )
    assert lab.face.write.disabled
    lab.run()  # not before a dry run
    assert not (tmp_path / "made").exists()
    lab.run(dry=True)
    rest(lab)
    lab.choose(cause=("quota", "template"))  # what was tried holds no longer
    assert not lab.face.result.value and lab.face.write.disabled
    lab.choose(cause=("quota",))
    rest(lab)
    lab.run(dry=True)
    rest(lab)
    assert "This would be written" in lab.face.result.value and not (tmp_path / "made").exists()
    lab.run()
    rest(lab)
    written = tmp_path / "made" / "failed-broadcast"
    files = contacts_of(written / "import")
    (download,) = lab.face.downloads.children
    kept = b"".join((written / "import" / name).read_bytes() for name in files)
    assert len(files) == 1 and (download.name, download.content) == (*files, kept)
    assert (
        len({c for found in files.values() for c in found}) == seen == sum(map(len, files.values()))
    )
    lab.save()
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
    bench = workbench.open(given | {"out": str(tmp_path / "tonight")}, "tag_import")
    again = recovering.recover(bench.settings, bench.tables, bench.results)
    record = bench.finish(again)
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
    asked = selection.view(ready, Filters(cause=("quota",)), tag="again")
    seen = selection.audience(asked)
    assert seen.people == 1 and seen.contacts.contact_id.execute().tolist() == ["2"]
    found = recovering.recover(asked.settings, asked)
    assert seen.counts == found.counts and seen.people == found.recoverable


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
    first.finish(recovering.recover(first.settings, first.tables, first.results))
    ready = prepared(
        write([row("1", "1"), row("3", "3")], "later.csv"), ledger=ledger, broadcast="b"
    )
    seen = selection.audience(selection.view(ready, Filters(), tag="t"))
    assert (seen.counts["tagged_before"], seen.people) == (1, 1)
    assert seen.contacts.contact_id.execute().tolist() == ["3"]


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


def test_the_broadcast_is_the_first_filter_and_goes_with_the_run(opened, tmp_path):
    lab = opened(out=str(tmp_path / "made"))
    first = lab.face.controls["broadcast"]
    assert next(iter(lab.face.controls)) == "broadcast"
    assert [label for label, _key in first.options] == [
        "All messages",
        "1001, 11 Jan 2022, 15:10 · 3",
        "2001, 12 Jan 2022, 09:00 · 2",
    ]
    key = first.options[1][1]
    lab.choose(broadcast=key)
    rest(lab)
    assert "3 of 6" in lab.face.state.value and "1001, 11 Jan 2022" in lab.face.state.value
    assert "2 contacts can be reached again" in lab.face.panel.value
    assert tonight.job(lab.asked())["broadcast"] == key
    lab.reset()
    rest(lab)
    assert "3 contacts can be reached again" in lab.face.panel.value  # 1, 2 and 6


def test_another_vendors_file_is_opened_and_its_people_go_where_they_are_wanted(tmp_path):
    hooks = ROOT / "tests" / "data" / "vendors" / "strangers" / "meta_numbers.jsonl"
    lab = explorer.Explorer({"timezone": "UTC", "out": str(tmp_path / "made"), "profile": "wati"})
    assert all(".jsonl" in place.accept for place in lab.face.uploads.values())
    lab.upload("exports", hooks)
    rest(lab)
    assert lab.prepared is None and "meta_numbers.jsonl" in lab.face.status.value
    lab.face.fields["profile"].value = "meta"
    lab.open()
    rest(lab)
    assert "3 of 3 failed messages" in lab.face.state.value
    lab.face.fixed.value, lab.face.for_.value = "outside_window", "wati"
    for dry in (True, False):
        lab.run(dry=dry)
        rest(lab)
    (written,) = (tmp_path / "made").rglob("import/*.csv")
    head, *people = csv.reader(written.open(encoding="utf-8"))
    assert head[1:4] == ["CountryCode", "Phone", "AllowBroadcast"]
    assert ["44", "7700900711", "TRUE"] in [cells[1:4] for cells in people]
    lab.face.language.value = "es"
    rest(lab)
    assert lab.face.for_.value == "wati"
    lab.close()


def test_a_channels_file_is_drafted_from_what_is_open(opened):
    lab = opened()
    lab.draft()
    rest(lab)
    (link,) = lab.face.drafted.children
    assert link.name == "channels.toml" and {"1001", "2001"} == {
        *tomllib.loads(link.content.decode())["channel"]
    }


def test_people_are_counted_once_and_what_is_less_sure_is_said(write):
    rows = [row("1", "11"), row("2", "12"), row("1", "13", at="2022-01-13 10:00:00")]
    lab = explorer.Explorer({"exports": str(write([*rows, ["too", "few"]])), "timezone": "UTC"})
    lab.load(lab.given)
    lab.count()
    assert len(lab.prepared.options["broadcast"]) == 2
    assert "2 contacts can be reached again" in lab.face.panel.value
    assert "rb-warning" in lab.face.panel.value
    lab.choose(text="no such text", draw=False)
    lab.count()
    assert "0 contacts can be reached again" in lab.face.panel.value
    lab.close()


def test_a_click_on_a_channel_without_a_name_filters_in_every_language(opened):
    lab = opened(language="es", channels="")
    cells = [
        (y, x, c)
        for y, line in enumerate(lab.drawn["errors"].data[0].customdata)
        for x, c in enumerate(line)
    ]
    y, x, _ = next(cell for cell in cells if cell[2][0] == LIMIT and cell[2][1] == "canal 2001")
    lab.click("errors", {"curve": 0, "point": [y, x]})
    assert lab.filters == Filters(channel=("2001",), text=f"={LIMIT}")


def test_another_language_shows_the_same(opened):
    lab = opened()
    lab.choose(cause=("quota",))
    rest(lab)
    lab.face.tag.value = "otra vez"
    lab.face.language.value = "es"
    rest(lab)
    assert lab.filters == Filters(cause=("quota",)) and lab.face.tag.value == "otra vez"
    assert "4 de 6" in lab.face.state.value and "se puede" in lab.face.panel.value.lower()
    assert lab.page.children[1] is lab.face.ui
    lab.face.language.value = "en"
    rest(lab)
    assert "4 of 6" in lab.face.state.value


def test_a_second_run_of_the_cell_closes_what_the_first_one_opened(write):
    given = {"exports": str(write(SIX)), "timezone": "UTC"}
    first = explorer.show(given)
    first.task.result(300)
    second = explorer.show(given | {"In": ["", ""], "Out": {2: first, 3: "x"}})
    second.task.result(300)
    assert first.prepared is None and "6 of 6" in second.face.state.value
    second.close()


def test_without_its_packages_one_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from rebroadcast import explorer\n"
        "try: explorer.show({})\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("RebroadcastError This needs the package anywidget")
    assert 'pip install "rebroadcast[lab]"' in done.stdout


# What goes wrong


def test_errors_are_sentences_in_the_explorer(opened, tmp_path):
    lab = opened()
    lab.face.fields["exports"].value = str(tmp_path / "no.csv")
    lab.open()
    rest(lab)
    assert "No such file" in lab.face.status.value and "rb-error" in lab.face.status.value
    assert "6 of 6" in lab.face.state.value and lab.prepared.total == 6
    lab.face.tag.value = "a, b"
    rest(lab)
    assert "comma" in lab.face.panel.value
    lab.run(dry=True)
    rest(lab)
    assert "comma" in lab.face.status.value and not lab.face.bar.value
    assert "comma" in lab.face.result.value  # beside the button that was pressed
    lab.face.tag.value = "again {channel}"
    lab.face.controls["from_"].value, lab.face.controls["to"].value = (
        datetime(2022, 1, 12),
        datetime(2022, 1, 11),
    )
    assert "lies after to" in lab.face.status.value
    lab.choose(from_=datetime(2023, 1, 12), to=None)
    rest(lab)
    assert "0 of 6" in lab.face.state.value and "No failed message is left" in lab.face.panel.value
    lab.choose(from_=None)
    lab.face.folder.value = str(tmp_path / "file")
    (tmp_path / "file").write_text("")
    rest(lab)
    lab.run(dry=True)
    rest(lab)
    lab.run()
    rest(lab)
    assert "rb-error" in lab.face.status.value and "file" in lab.face.status.value
    lab.face.folder.value = str(tmp_path / "file" / "below")
    lab.safely(lab.save)
    assert "below cannot be made (Not a directory); name another folder" in lab.face.status.value
    with pytest.raises(RebroadcastError, match="Did you mean 'exports'"):
        explorer.show({"export": "x"})


def upload(lab, name, content, size):
    """Send a file as a browser does: in pieces."""
    for at in range(0, len(content), size):
        piece = memoryview(content[at : at + size])
        said = {"name": name, "size": len(content), "at": at}
        lab.face.uploads["exports"].take(said, piece)


def test_a_filter_that_cannot_be_is_said_once_and_opening_again_goes_on(opened):
    lab = opened(cause="qota", channel="2001")
    assert "Did you mean" in lab.face.status.value and lab.prepared is None
    lab.open()
    rest(lab)
    assert lab.filters == Filters(channel=("2001",)) and "2 of 6" in lab.face.state.value


def test_an_upload_is_explored_but_not_saved_for_tonight(opened, write):
    lab = opened()
    content = write([row("9", "1")], "up.csv").read_bytes()
    upload(lab, "../up.csv", content, 100)
    rest(lab)
    assert "1 of 1 failed messages is shown" in lab.face.state.value
    lab.safely(lab.save)
    assert "up.csv was uploaded" in lab.face.status.value
    lab.open()  # again
    rest(lab)
    assert "rb-error" not in lab.face.status.value and "1 of 1" in lab.face.state.value
    upload(lab, "bad.csv", b"no export", 4)
    rest(lab)
    assert "rb-error" in lab.face.status.value and "1 of 1" in lab.face.state.value
    upload(lab, "bad.csv", content, 64)  # mended, under the same name
    rest(lab)
    assert "rb-error" not in lab.face.status.value and "1 of 1" in lab.face.state.value


def test_long_work_can_be_stopped_and_what_was_open_stays(opened, monkeypatch):
    lab, begun = opened(), threading.Event()

    def endless(bench, step):
        step("Reading")
        begun.set()
        bench.tables.engine.con.con.execute(
            "SELECT count(*) FROM range(100000000) a, range(100000000) b"
        ).fetchall()

    monkeypatch.setattr(selection, "prepare", endless)
    lab.open()
    assert begun.wait(300)
    assert lab.face.bar.layout.visibility == "visible" and "Reading" in lab.face.status.value
    lab.choose(cause=("quota",))
    assert "Still at work" in lab.face.status.value
    lab.face.stop.click()
    lab.task.result(300)
    assert "Stopped." in lab.face.status.value and lab.face.bar.layout.visibility == "hidden"
    assert "can be reached again" in lab.face.panel.value
    lab.choose(cause=("template",))
    rest(lab)
    assert "1 of 6" in lab.face.state.value


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
    large = tmp_path / "large.csv"
    with large.open("w", newline="", encoding="utf-8") as file:
        rows = [row(str(n), str(n), content="x" * 1_000_000) for n in range(15)]
        csv.writer(file).writerows([HEADER, *rows])
    with served(lab, workspace, "/api") as url, page_of(url) as page:
        page.goto(f"{url}/lab/tree/explore.ipynb?token=t0k&reset")
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status ==="
            " 'idle'"
        )
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        shows(page, "2,555 of 2,555 failed messages are shown")
        shows(page, "790 contacts can be reached again")
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
        channels = page.locator(".rebroadcast select").nth(4)
        (mexico,) = channels.locator("option", has_text="WhatsApp México").all_inner_texts()
        channels.select_option(label=mexico)
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
        with page.expect_download() as saving:
            page.locator(".rb-download").click()
        name, saved = saving.value.suggested_filename, saving.value.path().read_bytes()
        page.get_by_role("button", name="Save for tonight's run").click()
        shows(page, "Saved:")
        lead = page.locator(".rb-lead", has_text="can be reached again").inner_text()

        # A file beyond what Jupyter takes in one message.
        page.locator(".rb-drop input").first.set_input_files(large)
        shows(page, "15 of 15 failed messages are shown")
        assert (
            page.locator(".jp-OutputArea-output[data-mime-type*='stderr'], .rb-error").count() == 0
        )
        assert page.outside == [] and page.problems == []

    made = workspace / "results" / "explorer"
    files = contacts_of(made / "failed-broadcast" / "import")
    (contacts,) = files.values()
    assert saved == (made / "failed-broadcast" / "import" / name).read_bytes()
    assert lead == f"{len(contacts)} contacts can be reached again"

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
    from axe_playwright_python.sync_playwright import Axe
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
        heights = (
            "[...document.querySelectorAll('.rebroadcast .widget-text')].map(e => e.offsetHeight)"
        )
        assert max(page.evaluate(heights)) < 60  # beside figures of any length
        for width in (900, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(page).response["violations"]
            assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        assert page.problems == []
        assert all(
            asked.endswith(".css") for asked in page.outside
        )  # Voila's own page asks for icons, and does without
