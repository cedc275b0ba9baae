"""Results appear whole or not at all: also after kills, on full disks and in odd places."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rebroadcast.common.exceptions import OutputError
from rebroadcast.common.folder import busy, staged


def fill(folder: Path, text: str) -> None:
    (folder / "import").mkdir()
    (folder / "import" / "wave-1.csv").write_text(text)
    (folder / "run.json").write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_results_appear_when_the_block_ends(tmp_path):
    with staged(tmp_path / "out") as folder:
        fill(folder, "a")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not (tmp_path / "out").exists()
    assert content(tmp_path / "out") == {"import/wave-1.csv": "a", "run.json": "a"}
    assert names(tmp_path) == ["out"]


def test_what_holds_contact_ids_is_private(tmp_path):
    with staged(tmp_path / "out") as folder:
        fill(folder, "a")
    assert (tmp_path / "out" / "import").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out" / "import" / "wave-1.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), staged(tmp_path / "out") as folder:
        fill(folder, "a")
        raise error
    assert names(tmp_path) == []


def test_results_are_not_overwritten_unless_asked(tmp_path):
    for text in "ab":
        with staged(tmp_path / "out", overwrite=True) as folder:
            fill(folder, text)
    with pytest.raises(OutputError, match="already holds another run"), staged(tmp_path / "out"):
        pytest.fail("the block must not start")
    assert content(tmp_path / "out")["run.json"] == "b"
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_a_fine_place(tmp_path):
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out") as folder:
        fill(folder, "a")
    assert content(tmp_path / "out")["run.json"] == "a"


def test_odd_places_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for place in ("file", "link", "missing/out", "file/out", "x" * 300):
        with pytest.raises(OutputError), staged(tmp_path / place, overwrite=True):
            pytest.fail("the block must not start")
    assert names(tmp_path) == ["file", "link"]


def test_one_run_at_a_time_in_one_place(tmp_path):
    with staged(tmp_path / "out") as folder:
        fill(folder, "a")
        assert busy(tmp_path / "out")
        with pytest.raises(OutputError, match="Another run is writing"), staged(tmp_path / "out"):
            pytest.fail("the block must not start")
    assert not busy(tmp_path / "out")


def test_names_that_resemble_leftovers_are_left_alone(tmp_path):
    (tmp_path / ".out.partial-mine").mkdir()
    (tmp_path / ".outer.partial-1-0123abcd").mkdir()
    with staged(tmp_path / "out") as folder:
        fill(folder, "a")
    assert names(tmp_path) == [".out.partial-mine", ".outer.partial-1-0123abcd", "out"]


def test_a_full_disk_is_one_sentence(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs can be mounted by root only")
    try:
        with pytest.raises(OutputError, match="disk is full"), staged(disk / "out") as folder:
            (folder / "big").write_bytes(b"x" * 2**20)
        assert names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


KILLED = """
import os, signal, sys
from pathlib import Path
import rebroadcast.common.folder as folder
place, overwrite, limit = Path(sys.argv[1]), sys.argv[2] == "yes", int(sys.argv[3])
calls = 0
def counted(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
for name in ("open", "rename", "replace", "fsync", "unlink", "rmdir", "mkdir", "chmod"):
    setattr(os, name, counted(getattr(os, name)))
with folder.staged(place / "out", overwrite) as staging:
    (staging / "import").mkdir()
    (staging / "import" / "wave-1.csv").write_text("new")
    (staging / "run.json").write_text("new")
print(calls)
"""


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_at_any_call_leaves_before_or_after(tmp_path, overwrite):
    def child(place: Path, limit: int) -> subprocess.CompletedProcess:
        command = [
            sys.executable,
            "-c",
            KILLED,
            str(place),
            "yes" if overwrite else "no",
            str(limit),
        ]
        return subprocess.run(command, capture_output=True, text=True)

    def fresh(name: str) -> Path:
        (tmp_path / name).mkdir()
        if overwrite:
            with staged(tmp_path / name / "out") as folder:
                fill(folder, "old")
        return tmp_path / name

    calls = int(child(fresh("count"), 0).stdout)
    assert calls > 15
    for limit in range(1, calls + 1):
        place = fresh(str(limit))
        assert child(place, limit).returncode == -signal.SIGKILL
        with pytest.raises(RuntimeError), staged(place / "out", overwrite=True):
            raise RuntimeError  # the next run in this place puts it right, even if it fails itself
        now = content(place / "out") if (place / "out").exists() else {}
        before = {"import/wave-1.csv": "old", "run.json": "old"} if overwrite else {}
        assert now in (before, {"import/wave-1.csv": "new", "run.json": "new"}), limit
        assert names(place) == (["out"] if now else [])
