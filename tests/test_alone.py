"""No one listens: a run opens no connection beyond this machine, writes under its folders only, and
tells nothing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HEADER, LIMIT, ROOT, row
from rebroadcast.report import reports

SECRET, CONTENT = "zanahoria 7731 para Ximena", "calabaza 9981 a Ximena"
BEGIN = """import fcntl, os, socket, struct, sys
with socket.socket() as s:  # the only device of this namespace is the loop back to this machine
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x49))
os.umask(0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def listing(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A recovery with all inputs, in a network namespace of its own, its connections written
    down.
    """
    home = tmp_path_factory.mktemp("alone")
    if os.geteuid() or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip("a network namespace can be made by root only")
    for name in ("home", "tmp", "work"):
        (home / name).mkdir()
    import csv

    def write(name, rows):
        with (home / "work" / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        return str(home / "work" / name)

    rows = [
        row(
            str(70_000_000 + i),
            f"wamid.HBgNNTI{i}",
            LIMIT if i % 3 else f"{SECRET} +52 55 1234 {i:04}",
            content=CONTENT,
        )
        for i in range(200)
    ]
    broken = [*row("70000999", "m", content=CONTENT), "one too many"]
    exports = write("failed.csv", [HEADER, *rows, broken])
    messages = write("messages.csv", [HEADER[:-1], *(r[:-1] for r in rows)])
    contacts = write(
        "contacts.csv",
        [["ContactID", "FirstName", "Tags"], *([r[3], "Ximena", "vip"] for r in rows)],
    )
    command = [
        sys.executable,
        "-m",
        "rebroadcast.cli",
        "recover",
        exports,
        "--messages",
        messages,
        "--contacts",
        contacts,
        "--tag",
        "again",
        "--ledger",
        str(home / "ledger"),
        "--out",
        str(home / "out"),
    ]
    traced = (
        ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(home / "trace")]
        if shutil.which("strace")
        else []
    )
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "PYTHONPATH": str(ROOT / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = listing(home / "work")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", BEGIN, *traced, *command],
        cwd=home / "work",
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert listing(home / "work") == before
    return home, done


def test_no_connection_leaves_the_machine(alone):
    home, _ = alone
    if not (home / "trace").exists():
        pytest.skip(
            "no strace; the run succeeded where there is no network. Install it with: apt-get"
            " install strace"
        )
    trace = (home / "trace").read_text()
    addresses = re.findall(r'inet_addr\("(.*?)"\)|inet_pton\(AF_INET6, "(.*?)"', trace)
    assert addresses and {a or b for a, b in addresses} <= {"127.0.0.1", "::1"}


def test_nothing_is_written_beside_the_results_and_the_ledger(alone):
    home, _ = alone
    assert listing(home / "home") == [] and listing(home / "tmp") == []
    assert {p.name for p in home.iterdir()} - {"trace"} == {"home", "tmp", "work", "out", "ledger"}


def test_contact_ids_are_private_and_texts_are_told_to_nobody(alone):
    home, done = alone
    private = [
        p for f in ("out/import", "out/data", "ledger") for p in (home / f, *(home / f).rglob("*"))
    ]
    assert len(private) > 10 and all(p.stat().st_mode & 0o077 == 0 for p in private)
    assert (
        not re.search("zanahoria|calabaza", done.stdout + done.stderr)
        and "7000" not in done.stdout + done.stderr
    )
    for path in [p for p in (home / "out").iterdir() if p.is_file()]:
        text = path.read_text()
        assert not re.search(
            r"7000\d{4}|wamid\.HBg|55 1234|Ximena|calabaza", text.replace(SECRET, "")
        ), path
    sent = json.loads((home / "out" / "run.json").read_text())
    assert sum(sent["counts"].values()) == 201


@pytest.fixture
def planted(tmp_path):
    """A folder with an export, and files that leave a mark when they are imported."""
    place, marks = tmp_path / "inbox", tmp_path / "marks"
    place.mkdir()
    marks.mkdir()
    shutil.copy(ROOT / "data" / "samples" / "failed_messages.csv", place / "failed.csv")
    for name in ("pandas", "ibis", "sitecustomize", "usercustomize", "rebroadcast", "json"):
        code = (
            f"import os; os.close(os.open({str(marks / name)!r}, os.O_CREAT))\nraise ImportError\n"
        )
        (place / f"{name}.py").write_text(code)
    return place, marks


def test_no_file_beside_the_export_is_imported(planted):
    place, marks = planted
    entry = 'name = "a"\nnotebook = "failure_report"\nparameters = {exports = "failed.csv"}'
    (place / "batch.toml").write_text(f"[[entry]]\n{entry}")
    command = Path(sys.executable).parent / "rebroadcast"
    env = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "JUPYTER_PATH": ""}
    env.pop("PYTHONSAFEPATH", None)
    words = [command, "batch", "batch.toml", "--out", "../batch"]  # three processes, one in another
    done = subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in marks.iterdir()] == []


@pytest.mark.parametrize("named", ["", ":", "::/nowhere:"])
def test_an_empty_name_in_pythonpath_is_not_the_current_folder(planted, named):
    place, marks = planted
    env = os.environ | {"PYTHONPATH": named} | reports.safe_path({"PYTHONPATH": named})
    done = subprocess.run([sys.executable, "-c", "import json, sys"], cwd=place, env=env)
    assert done.returncode == 0 and list(marks.iterdir()) == []
