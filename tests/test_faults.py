"""Real runs that are killed, starved, or run against each other: results whole or absent, a sound
ledger, a rerun that succeeds.
"""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import faults
from conftest import SAMPLES, long, row
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import InputError
from rebroadcast.common.folder import scratch
from rebroadcast.engine.connect import connect
from rebroadcast.reading import exports
from rebroadcast.verbs import recover as recovering


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """What an undisturbed run leaves."""
    place = tmp_path_factory.mktemp("undisturbed")
    done = faults.run(place)
    assert done.returncode == 0, done.stderr
    assert not list((place / "tmp").iterdir())
    return faults.state(place)


@contextmanager
def disk(place: Path, size: str):
    """A small disk at place."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs can be mounted by root only")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@long
def test_a_killed_run_is_as_before_or_as_after_and_a_rerun_succeeds(wanted, tmp_path):
    """Without its parent; `make campaign` kills at each point, the whole of it, its parent or its
    kernel.
    """
    assert faults.kill_at(tmp_path, "record written", "parent") == "killed"
    faults.whole_or_absent(tmp_path)
    faults.again(tmp_path)
    assert faults.state(tmp_path) == wanted


def test_a_killed_kernel_is_named_in_the_record(wanted, tmp_path):
    process = faults.start(tmp_path)
    while not faults.POINTS["claimed"](tmp_path) and process.poll() is None:
        time.sleep(0.005)
    os.kill(faults.kernel_of(process.pid), signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert (
        process.returncode == 1 and "the notebook's process died, often for want of memory" in said
    )
    assert faults.whole_or_absent(tmp_path) and not list(tmp_path.glob("out/import/*"))
    assert not list((tmp_path / "tmp").iterdir())
    faults.again(tmp_path)
    assert faults.state(tmp_path) == wanted


def test_a_full_disk_is_one_sentence_and_more_room_is_enough(wanted, tmp_path):
    with disk(tmp_path / "disk", "1m") as place:
        done = faults.run(place)
        assert done.returncode and "full" in done.stderr and "free some space" in done.stderr
        assert "Traceback" not in done.stderr and not list(place.glob("out/import/*"))
        subprocess.run(["mount", "-o", "remount,size=200m", str(place)], check=True)
        faults.again(place)
        assert faults.state(place) == wanted


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    with disk(tmp_path / "disk", "9m") as place:
        (place / "tmp").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        done = faults.run(place)
        assert (
            done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") <= 2
        )
        assert "cannot be" in done.stderr or "read-only" in done.stderr.lower(), done.stderr


def test_two_runs_in_one_folder_one_at_a_time(wanted, tmp_path):
    both = [faults.start(tmp_path, own_kernel=False) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2], said
    assert any("is writing" in s or "already holds another run" in s for s in said)
    assert faults.state(tmp_path) == wanted


def test_a_clock_that_steps_back_tags_nobody_twice(tmp_path, monkeypatch):
    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=400)

    given = {
        "exports": str(SAMPLES / "failed_messages.csv"),
        "channel": "1001",
        "ledger": str(tmp_path / "ledger"),
    }
    for out, clock in (("first", datetime), ("second", Earlier)):
        monkeypatch.setattr(recovering, "datetime", clock)
        bench = workbench.open(given | {"tag": out, "out": str(tmp_path / out)}, "tag_import")
        found = recovering.recover(bench.settings, bench.tables, bench.results)
        bench.finish(found)
    assert (
        len(faults.imported(tmp_path / "first")) == 478
        and faults.imported(tmp_path / "second") == []
    )
    runs = bench.tables.ledger.runs()
    assert [(r["sequence"], r["rows"], r["state"]) for r in runs] == [
        (1, 478, "done"),
        (2, 0, "done"),
    ]
    assert runs[0]["claimed_at"] > runs[1]["claimed_at"]


@pytest.mark.parametrize("change", ["grown", "removed", "replaced"])
def test_a_file_that_changes_while_it_is_read_is_named(write, monkeypatch, change):
    path = write([row(str(i), str(i)) for i in range(50)])
    read = exports.open_source

    def meanwhile(*arguments):
        found = read(*arguments)
        if change == "grown":
            with path.open("a") as file:
                file.write(
                    ",".join(
                        [
                            "2022-01-11 15:00:00",
                            "1",
                            "broadcast",
                            "99",
                            "99",
                            *"abc",
                            "1001",
                            "d",
                            "e",
                            "f",
                        ]
                    )
                    + "\n"
                )
        else:
            path.unlink()
        if change == "replaced":
            write([row("7", "7")])
        return found

    monkeypatch.setattr(exports, "open_source", meanwhile)
    with (
        connect() as engine,
        pytest.raises(InputError, match=rf"{path.name} was (changed|removed) while it was read"),
    ):
        exports.read(engine, [str(path)])


def test_what_a_killed_process_left_in_the_temporary_folder_goes_with_the_next_run(
    tmp_path, monkeypatch
):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "rebroadcast-notes.txt").write_text("mine")
    for name, old in (("dead", True), ("new", False), ("bare", True)):
        (tmp_path / f"rebroadcast-{name}").mkdir()
        (tmp_path / f"rebroadcast-{name}" / ("x" if name == "bare" else ".alive")).touch()
        if old:
            os.utime(tmp_path / f"rebroadcast-{name}", (0, 0))
    living = scratch()
    os.utime(living.name, (0, 0))
    with scratch():
        assert Path(living.name).exists()
    living.cleanup()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "rebroadcast-bare",
        "rebroadcast-new",
        "rebroadcast-notes.txt",
    ]
