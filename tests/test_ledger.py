"""The ledger: nobody twice, nobody lost, whoever runs at the same time and whenever a run is
killed.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import ibis
import pandas as pd
import pytest

from conftest import few_first
from rebroadcast.common.exceptions import LedgerError, ParameterError
from rebroadcast.common.folder import staged
from rebroadcast.engine.connect import connect
from rebroadcast.ledger.ledger import COLUMNS, Broadcast, open_ledger
from rebroadcast.limits.limit import Limit
from rebroadcast.limits.load import load

NOW = datetime(2025, 3, 3, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def con():
    with connect() as engine:
        yield engine.con


def people(numbers) -> ibis.Table:
    ids = [str(number) for number in numbers]
    rows = pd.DataFrame(
        {"contact_id": ids, "channel_id": "7", "wave": 1, "tag": "again", "cause": "quota"}
    )
    return ibis.memtable(rows.assign(due_at=pd.Timestamp(NOW)))


def ids(table) -> list[int]:
    return sorted(int(number) for number in table.contact_id.execute())


def test_a_second_run_gets_only_whom_the_first_has_not(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    assert ids(ledger.claim(con, "a", people([1, 2, 3]), "monday", NOW, {"rows": 3}).table) == [
        1,
        2,
        3,
    ]
    other = open_ledger(tmp_path / "ledger")
    assert ids(other.claim(con, "b", people([2, 3, 4]), "monday", NOW).table) == [4]
    assert ids(other.claim(con, "c", people([2, 3, 4]), "tuesday", NOW).table) == [2, 3, 4]
    ledger.confirm("a")
    assert ids(other.tagged(con, "monday")) == [1, 2, 3, 4]
    assert ids(other.tagged(con, "monday", without="a")) == [4]
    assert ids(other.tagged(con)) == [1, 2, 2, 3, 3, 4, 4]
    assert ids(other.tagged(con, "sunday")) == []
    assert [(r["run_id"], r["state"], r["rows"]) for r in other.runs()] == [
        ("a", "done", 3),
        ("b", "pending", 1),
        ("c", "pending", 3),
    ]
    assert other.runs()[0]["run"] == {"rows": 3}
    assert other.tagged(con, "monday").columns == tuple(COLUMNS)


def test_the_same_run_again_is_the_same_run(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    first = ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    again = ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    assert (first.repeated, again.repeated, ids(again.table)) == (False, False, [1, 2])
    ledger.confirm("a")
    ledger.confirm("a")
    later = open_ledger(tmp_path / "ledger").claim(con, "a", people([1, 2]), "monday", NOW)
    assert later.repeated and ids(later.table) == [1, 2]
    assert len(ledger.runs()) == 1


def test_the_same_run_twice_at_once_is_refused(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1]), "monday", NOW)
    with pytest.raises(LedgerError, match="being made now"):
        open_ledger(tmp_path / "ledger").claim(con, "a", people([1]), "monday", NOW)
    with pytest.raises(LedgerError, match="being made now"):
        open_ledger(tmp_path / "ledger").release("a", "to see", NOW)


def test_a_claim_taken_back_frees_its_contacts(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    ledger.take_back("a")
    assert ledger.runs() == []
    assert ids(ledger.claim(con, "b", people([1, 2]), "monday", NOW).table) == [1, 2]
    ledger.take_back("a")  # again does no harm
    with pytest.raises(LedgerError):
        ledger.confirm("a")


def test_a_dead_claim_of_another_machine_stays(tmp_path, con, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "elsewhere")
        ledger = open_ledger(tmp_path / "ledger")
        ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    del ledger
    ledger = open_ledger(tmp_path / "ledger")
    assert ids(ledger.claim(con, "b", people([2, 3]), "monday", NOW).table) == [3]
    ledger.take_back("a")
    assert ids(ledger.claim(con, "c", people([1, 2, 3]), "monday", NOW).table) == [1, 2]


def test_a_claim_lives_while_its_results_are_made_by_another_process(tmp_path, con):
    with staged(tmp_path / "out") as folder:
        kernel = open_ledger(tmp_path / "ledger")
        kernel.claim(con, "a", people([1]), "monday", NOW, results=tmp_path / "out")
        del kernel  # the kernel ends, and its lock with it
        other = open_ledger(tmp_path / "ledger")
        assert ids(other.claim(con, "b", people([1]), "monday", NOW).table) == []
        (folder / "run.json").write_text('{"run_id": "a"}')
    assert ids(other.claim(con, "c", people([1]), "monday", NOW).table) == []
    assert [r["state"] for r in other.runs() if r["run_id"] == "a"] == ["done"]


def test_a_dead_claim_stays_while_its_results_cannot_be_seen(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1]), "monday", NOW, results=tmp_path / "unplugged" / "out")
    del ledger
    ledger = open_ledger(tmp_path / "ledger")
    assert ids(ledger.claim(con, "b", people([1, 2]), "monday", NOW).table) == [2]
    (tmp_path / "unplugged").mkdir()
    assert ids(ledger.claim(con, "c", people([1, 2]), "monday", NOW).table) == [1]


def test_order_survives_clocks_that_step_back(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    for hours, run in enumerate("zyx"):
        ledger.claim(con, run, people([hours]), "monday", NOW - timedelta(hours=hours))
    assert [r["run_id"] for r in ledger.runs()] == ["z", "y", "x"]


def test_files_are_private_and_ids_only_in_parquet(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([987654321]), "monday", NOW)
    ledger.confirm("a")
    for path in (tmp_path / "ledger").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.suffix == ".parquet" or path.is_dir() or "987654321" not in path.read_text()


def test_a_folder_opened_to_a_group_stays_open_to_it(tmp_path, con):
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger").chmod(0o770)
    open_ledger(tmp_path / "ledger").claim(con, "a", people([1]), "monday", NOW)
    assert (tmp_path / "ledger" / "runs" / "a.parquet").stat().st_mode & 0o777 == 0o660
    assert (tmp_path / "ledger" / "runs").stat().st_mode & 0o777 == 0o770


def test_paths_with_odd_characters(tmp_path, con):
    ledger = open_ledger(tmp_path / "it's [our] *led*ger?")
    people([1]).to_parquet(tmp_path / "who [1]'s.parquet")
    assert ids(ledger.claim(con, "a", tmp_path / "who [1]'s.parquet", "it's", NOW).table) == [1]
    assert ids(ledger.tagged(con, "it's")) == [1]


def test_a_ledger_keeps_its_workspace(tmp_path):
    open_ledger(tmp_path / "ledger")
    assert open_ledger(tmp_path / "ledger", "one").workspace == "one"
    assert open_ledger(tmp_path / "ledger").workspace == "one"
    with pytest.raises(LedgerError, match="belongs to workspace 'one', not 'two'"):
        open_ledger(tmp_path / "ledger", "two")


def test_folders_that_are_no_ledger(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("photos", "file", "no/where"):
        with pytest.raises(LedgerError):
            open_ledger(tmp_path / name)
    with pytest.raises(LedgerError):
        open_ledger(tmp_path / "new", create=False)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["cat.png", "file", "photos"]


def test_newer_and_damaged_files(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1]), "monday", NOW)
    ledger.confirm("a")
    record, card = tmp_path / "ledger" / "runs" / "a.json", tmp_path / "ledger" / "ledger.json"
    for path, text, words in [
        (record, "{", "missing or damaged"),
        (record, '{"schema": 1}', "missing or damaged"),
        (card, "{", "cannot be read"),
        (card, "[]", "cannot be read"),
        (card, '{"schema": 3}', "newer"),
        (record.with_suffix(".parquet"), "PAR1", "missing or damaged"),
    ]:
        whole = path.read_bytes()
        path.write_text(text)
        with pytest.raises(LedgerError, match=words):
            open_ledger(tmp_path / "ledger").claim(con, "b", people([1]), "monday", NOW)
        path.write_bytes(whole)
    assert ids(
        open_ledger(tmp_path / "ledger").claim(con, "b", people([1, 2]), "monday", NOW).table
    ) == [2]


def test_wrong_arguments_and_engine_errors_leave_nothing(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    broken = people([1]).mutate(wave=ibis.literal("x").cast("int64"))
    for error, arguments in [
        (ParameterError, ("../a", people([1]), "monday", NOW)),
        (ParameterError, ("a", people([1]), "monday", NOW.replace(tzinfo=None))),
        (ParameterError, ("a", people([1]).drop("tag"), "monday", NOW)),
        (Exception, ("a", broken, "monday", NOW)),
    ]:
        with pytest.raises(error):
            ledger.claim(con, *arguments)
        assert ledger.runs() == [] and not list((tmp_path / "ledger" / "runs").iterdir())
    assert ids(ledger.claim(con, "a", people([1]), "monday", NOW).table) == [1]


def test_a_full_disk_is_one_sentence(tmp_path, con):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs can be mounted by root only")
    try:
        ledger = open_ledger(disk / "ledger")
        ledger.claim(con, "a", people([1]), "monday", NOW)
        with pytest.raises(LedgerError, match="disk is full"):
            ledger.claim(con, "b", people(range(7**9, 7**9 + 13 * 200_000, 13)), "monday", NOW)
        assert ids(ledger.tagged(con, "monday")) == [1]
        assert ids(ledger.claim(con, "c", people([1, 2]), "monday", NOW).table) == [2]
        ledger.take_back("a")
        ledger.take_back("c")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("version", [1, 2])
def test_every_file_that_is_missing_or_changed_in_one_bit_is_one_sentence(tmp_path, con, version):
    whole = tmp_path / "whole"
    ledger = open_ledger(whole)
    ledger.claim(con, "a", people([1, 2, 3]), "monday", NOW)
    ledger.confirm("a")
    ledger.claim(con, "b", people([4]), "tuesday", NOW)
    ledger.confirm("b")
    if version == 1:
        shutil.rmtree(whole)
        shutil.copytree(older(tmp_path, con, "monday"), whole)
        open_ledger(whole)
    random = Random(7)
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file() and p.stat().st_size]
    assert len(files) == {1: 3, 2: 5}[version]
    for number in range(120):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(whole, copy)
        name = files[number % len(files)]
        content = bytearray((copy / name).read_bytes())
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        (copy / name).write_bytes(content)
        with pytest.raises(LedgerError):
            open_ledger(copy)
        shutil.rmtree(copy)
    for name in [*files, Path("runs")]:
        copy = tmp_path / f"without {name.name}"
        shutil.copytree(whole, copy)
        shutil.rmtree(copy / name) if name.name == "runs" else (copy / name).unlink()
        with pytest.raises(LedgerError, match="missing or damaged"):
            open_ledger(copy)
    assert open_ledger(whole).verify() == len(files)


def test_a_record_that_the_card_does_not_name_is_not_trusted(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1]), "monday", NOW)
    ledger.confirm("a")
    before = (tmp_path / "ledger" / "ledger.json").read_bytes()
    ledger.claim(con, "b", people([2]), "monday", NOW)
    ledger.confirm("b")
    (tmp_path / "ledger" / "ledger.json").write_bytes(before)  # an old backup of one file
    with pytest.raises(LedgerError, match=r"b\.json' is not named by 'ledger.json'"):
        open_ledger(tmp_path / "ledger")


def older(tmp_path: Path, con, *names: str, channel: str = "7") -> Path:
    """A ledger as version 1 wrote it, with one run of contacts 1 and 2 for each name."""
    path = tmp_path / "version 1"
    (path / "runs").mkdir(parents=True)
    (path / "pending").mkdir()
    card = {"schema": 1, "workspace": None, "id": "f" * 32}
    (path / "ledger.json").write_text(json.dumps(card, indent=2) + "\n")
    for number, name in enumerate(names, 1):
        rows = people([1, 2]).mutate(
            broadcast=ibis.literal(name),
            run_id=ibis.literal(f"old{number}"),
            channel_id=ibis.literal(channel),
        )
        rows = rows.select(**{column: rows[column].cast(kind) for column, kind in COLUMNS.items()})
        file = path / "runs" / f"old{number}.parquet"
        con.to_parquet(rows, file)
        record = {
            "schema": 1,
            "run_id": f"old{number}",
            "broadcast": name,
            "rows": 2,
            "sequence": number,
            "claimed_at": "2025-03-03T08:00:00+00:00",
            "bytes": file.stat().st_size,
            "results": None,
            "host": "elsewhere",
            "pid": 1,
            "run": {},
        }
        (path / "runs" / f"old{number}.json").write_text(json.dumps(record, indent=2) + "\n")
    return path


def seen(key: str, first: str, hours: float = 1, **known) -> Broadcast:
    """A broadcast of an export, with its first message at a time of March 2025."""
    begin = datetime.fromisoformat(f"2025-03-{first}+00:00")
    facts = {"channel": "7", "sender": "77", "shape": "promo"} | known
    return Broadcast(
        key, f"SMS, {first}", first=begin, last=begin + timedelta(hours=hours), **facts
    )


def test_a_broadcast_is_the_same_in_another_cut_of_the_export(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1, 2]), seen("k1", "01T09:00"), NOW)
    for key, broadcast, new in [
        ("the same key", seen("k1", "01T09:00"), [3]),
        ("begins earlier", seen("k2", "01T04:30"), [3]),
        ("goes on after a short pause", seen("k3", "01T15:30"), [3]),
        ("another day", seen("k4", "02T09:00"), [1, 2, 3]),
        ("another sender", seen("k5", "01T09:00", sender="78"), [1, 2, 3]),
        ("another text", seen("k6", "01T09:00", shape="reminder"), [1, 2, 3]),
        ("another channel", seen("k7", "01T09:00", channel="8"), [1, 2, 3]),
        ("a name that a user gave then", Broadcast("x", label="k1"), [3]),
    ]:
        claim = ledger.claim(con, "try", people([1, 2, 3]), broadcast, NOW)
        assert ids(claim.table) == new, key
        assert ids(ledger.tagged(con, broadcast, without="try")) == ([1, 2] if new == [3] else [])
        ledger.take_back("try")


def test_one_run_of_several_broadcasts_tags_each_contact_for_its_own(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    morning, night = seen("am", "01T09:00"), seen("pm", "01T20:00")
    both = people([1, 2, 3]).mutate(broadcast=ibis._.contact_id.cases(("3", "pm"), else_="am"))
    assert ids(ledger.claim(con, "a", both, [morning, night], NOW).table) == [1, 2, 3]
    ledger.confirm("a")
    assert ids(ledger.tagged(con, night)) == [3] and ids(ledger.tagged(con, "am")) == [1, 2]
    claim = ledger.claim(con, "b", both.mutate(broadcast=ibis.literal("pm")), [night], NOW)
    assert ids(claim.table) == [1, 2]
    assert ledger.broadcasts() == [morning, night]
    assert ledger.runs()[0]["broadcast"] == "SMS, 01T09:00, SMS, 01T20:00"


@pytest.mark.parametrize(
    ("name", "broadcast", "new", "doubt"),
    [
        ("promo", Broadcast("k", label="Promo "), [3], ""),
        ("promo", "promo", [3], ""),
        ("promo", seen("k", "01T09:00"), [1, 2, 3], "2 contacts tagged now .* 'promo'"),
        ("7 2025-03-01", seen("k", "01T09:00"), [3], "taken to be .* '7 2025-03-01'"),
        ("6+7 2025-03-01", seen("k", "02T23:00"), [3], "taken to be"),
        ("all channels 2025-03-01", seen("k", "01T09:00"), [3], "taken to be"),
        ("8 2025-03-01", seen("k", "01T09:00"), [1, 2, 3], "2 contacts tagged now"),
        ("7 2025-03-01", seen("k", "05T09:00"), [1, 2, 3], "2 contacts tagged now"),
    ],
)
def test_what_an_older_ledger_holds_still_counts(tmp_path, con, name, broadcast, new, doubt):
    ledger = open_ledger(older(tmp_path, con, name))
    claim = ledger.claim(con, "new", people([1, 2, 3]), broadcast, NOW)
    assert ids(claim.table) == new
    assert re.search(doubt, " ".join(d.text() for d in claim.doubts))
    assert bool(claim.doubts) is bool(doubt)
    assert json.loads((ledger.path / "ledger.json").read_text())["schema"] == 2
    assert [r["run_id"] for r in ledger.runs()] == ["old1", "new"]


def test_a_dead_claim_does_not_count_as_tagged(tmp_path, con):
    """A run that was refused or killed behind its claim, and is mended: another input, so another
    run.
    """
    with staged(tmp_path / "out"):
        dead = open_ledger(tmp_path / "ledger")
        dead.claim(con, "a", people([1, 2]), "monday", NOW, results=tmp_path / "out")
        del dead
    with staged(tmp_path / "out"):  # it holds the folder itself
        ledger = open_ledger(tmp_path / "ledger")
        assert ids(ledger.tagged(con, "monday", results=tmp_path / "out")) == []
    assert ids(ledger.claim(con, "b", people([1, 2]), "monday", NOW).table) == [1, 2]


def test_what_was_planned_is_traffic(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    ledger.confirm("a")
    ledger.claim(con, "b", people([2, 3]), "tuesday", NOW)
    limit = Limit("7", ("7",), 3)
    traffic = load(ledger.planned(con), [limit])
    assert traffic.order_by("at")["load"].to_pandas().tolist() == [3, 0]  # people, not sends
    assert load(ledger.planned(con, without="b"), [limit])["load"].max().execute() == 2


def test_a_run_is_released_with_its_reason(tmp_path, con):
    ledger = open_ledger(tmp_path / "ledger")
    ledger.claim(con, "a", people([1, 2]), "monday", NOW)
    with pytest.raises(LedgerError, match="being made now"):
        open_ledger(tmp_path / "ledger").release("a", "never imported", NOW)
    ledger.confirm("a")
    with pytest.raises(ParameterError, match="No reason"):
        ledger.release("a", " ", NOW)
    with pytest.raises(LedgerError, match="no run aa. Did you mean 'a'"):
        ledger.release("aa", "never imported", NOW)
    assert ledger.release("a", "the file was never\nimported", NOW) == 2
    assert ids(ledger.claim(con, "b", people([1, 2]), "monday", NOW).table) == [1, 2]
    assert ledger.runs()[0]["sequence"] == 2  # numbers are given once
    contents = ledger.contents(con)
    assert contents.released.to_dict("records") == [
        {
            "run_id": "a",
            "at": "2025-03-03T09:00:00+00:00",
            "reason": "the file was never imported",
            "contacts": 2,
        }
    ]
    assert sorted(p.name for p in (ledger.path / "runs").iterdir()) == ["b.parquet"]


def test_a_ledger_tells_what_is_in_it(tmp_path, con):
    ledger = open_ledger(older(tmp_path, con, "promo"), "Tienda")
    ledger.claim(con, "a", people([1, 5]), seen("k1", "01T09:00"), NOW)
    found = ledger.contents(con)
    assert found.workspace == "Tienda"
    assert found.broadcasts[["name", "channel", "runs", "contacts"]].to_numpy().tolist() == [
        ["SMS, 01T09:00", "7", 1, 2],
        ["promo", "", 1, 2],
    ]
    assert found.runs[["run_id", "state", "contacts", "waves"]].to_numpy().tolist() == [
        ["old1", "done", 2, 1],
        ["a", "pending", 2, 1],
    ]
    assert set(found.broadcasts["due_from"]) == {pd.Timestamp(NOW)}
    empty = open_ledger(tmp_path / "empty").contents(con)
    assert [len(part) for part in (empty.broadcasts, empty.runs, empty.released)] == [0, 0, 0]


# One interpreter that forks for each run: imports are slow, and runs must be processes of their
# own.
RUNS = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import ibis.backends.duckdb, ibis.formats.pandas, pandas, pyarrow.dataset  # once, before the forks
from test_ledger import NOW, ids, people
from rebroadcast.common import folder
from rebroadcast.engine.connect import connect
from rebroadcast.ledger import record
from rebroadcast.ledger.ledger import open_ledger

def run(place, run_id, numbers, out="out"):
    with connect() as engine:
        ledger = open_ledger(place / "ledger")
        if record.read(place / out).get("run_id") == run_id:  # published: to confirm remains
            return ledger.confirm(run_id)
        with folder.staged(place / out) as staging:
            to, rows = place / out, people(numbers)
            claim = ledger.claim(engine.con, run_id, rows, "monday", NOW, results=to)
            (staging / "import").mkdir()
            (staging / "import" / "wave-1.csv").write_text("\\n".join(map(str, ids(claim.table))))
            (staging / "run.json").write_text(json.dumps({"run_id": run_id}))
        ledger.confirm(run_id)

def killed(limit, *arguments):
    calls = [0]
    def counted(function):
        def call(*args, **kwargs):
            calls[0] += 1
            if calls[0] == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    for name in ("open", "rename", "replace", "fsync", "unlink", "rmdir", "mkdir", "chmod"):
        setattr(os, name, counted(getattr(os, name)))
    run(*arguments)
    return calls[0]

def fork(function, *arguments):
    if not (pid := os.fork()):
        code = 1
        try:
            result = function(*arguments)
            code = 0 if result is None else result
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        os._exit(code)
    return pid

def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def script(text: str, place: Path, *arguments: object) -> str:
    """Run it with temporary files of its own: what other processes left, a run would clear, in
    calls of its own.
    """
    folder = str(Path(__file__).parent)
    command = [sys.executable, "-c", RUNS + text, folder, str(place), *map(str, arguments)]
    with TemporaryDirectory() as temporary:
        env = os.environ | {"TMPDIR": temporary}
        done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(place: Path) -> list[int]:
    files = place.glob("out*/import/*.csv")
    return sorted(int(line) for file in files for line in file.read_text().split())


@pytest.mark.parametrize("processes", few_first([8, 2], 1))
def test_runs_at_the_same_moment_share_nobody_and_lose_nobody(tmp_path, con, processes):
    script(
        """
place, n = Path(sys.argv[2]), int(sys.argv[3])
pids = [fork(run, place, f"run{i}", range(i * 50, i * 50 + 200), f"out{i}") for i in range(n)]
sys.exit(max([abs(wait(pid)) for pid in pids]))
""",
        tmp_path,
        processes,
    )
    assert imported(tmp_path) == list(range(processes * 50 + 150))
    ledger = open_ledger(tmp_path / "ledger")
    assert ids(ledger.tagged(con, "monday")) == imported(tmp_path)
    assert [r["sequence"] for r in ledger.runs()] == list(range(1, processes + 1))


@pytest.mark.long
def test_a_run_killed_at_any_call_is_as_before_or_as_after(tmp_path, con):
    text = """
tmp = Path(sys.argv[2])
assert wait(fork(run, tmp / "start", "zero", range(5), "out0")) == 0
import shutil
def fresh(name, source="start"):
    shutil.copytree(tmp / source, tmp / name)
    return tmp / name
total = wait(fork(killed, 0, fresh("undisturbed"), "one", range(3, 12)))
assert total >= 50, total
for n in range(1, total + 1):
    place = fresh(f"killed{n}")
    assert wait(fork(killed, n, place, "one", range(3, 12))) == -signal.SIGKILL, n
for n in range(1, total + 1):
    run(tmp / f"killed{n}", "one", range(3, 12))
print(total)
"""
    (tmp_path / "start").mkdir()
    total = int(script(text, tmp_path))

    def state(place: Path) -> tuple:
        # An empty lock file may stay where the kill came after publishing; the next run there
        # clears it.
        files = [p.relative_to(place).as_posix() for p in place.rglob("*") if p.name != ".out.lock"]
        listing = sorted(files)
        ledger = open_ledger(place / "ledger")
        rows = ledger.tagged(con, "monday").order_by("contact_id").execute().to_dict("records")
        records = [(r["run_id"], r["sequence"], r["rows"], r["state"]) for r in ledger.runs()]
        return listing, imported(place), rows, records

    wanted = state(tmp_path / "undisturbed")
    assert wanted[1] == list(range(12))
    for n in range(1, total + 1):
        assert state(tmp_path / f"killed{n}") == wanted, n


def test_after_a_kill_another_run_tags_whom_the_dead_one_did_not(tmp_path, con):
    text = """
tmp = Path(sys.argv[2])
total = wait(fork(killed, 0, tmp / "count", "one", range(9)))
for n in range(2, total + 1, 7):
    (tmp / str(n)).mkdir()
    assert wait(fork(killed, n, tmp / str(n), "one", range(9))) == -signal.SIGKILL, n
for n in range(2, total + 1, 7):
    run(tmp / str(n), "two", range(3, 12), "out2")
"""
    (tmp_path / "count").mkdir()
    script(text, tmp_path)
    shutil.rmtree(tmp_path / "count")
    for place in tmp_path.iterdir():
        assert imported(place) in (list(range(12)), list(range(3, 12))), place.name
        assert ids(open_ledger(place / "ledger").tagged(con, "monday")) == imported(place)
