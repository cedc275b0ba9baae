"""The built wheel in an environment of its own: each command in a folder outside of a checkout."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import rebroadcast
from conftest import ROOT, row

# What git does not keep: it is no part of what is built.
LEFT_OUT = (".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "results", "dist")
OURS = ("PYTHONPATH", "JUPYTER_PATH")  # what would lead out of an environment
SITE = Path("Lib" if os.name == "nt" else f"lib/python{sys.version_info[0]}.{sys.version_info[1]}")
BIN = Path("Scripts" if os.name == "nt" else "bin")


def listing(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def run(*words, cwd, **more):
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=env | more, capture_output=True, text=True, timeout=300
    )
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with environments `full` and `bare` (without the extra), each with the wheel; other
    packages are those of this environment, so that nothing is fetched.
    """
    home = tmp_path_factory.mktemp("installed")
    copy = home / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    before = listing(copy)
    offline = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    words = ["-m", "pip", "wheel", "--no-build-isolation", "-q", copy, "-w", home / "wheels"]
    path = os.environ.get("PYTHONPATH", "")
    built = run(
        sys.executable, *words, *offline, cwd=home, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1"
    )
    assert built.returncode == 0, built.stderr
    assert listing(copy) == before  # building leaves nothing behind
    shutil.rmtree(copy)
    [wheel] = (home / "wheels").iterdir()
    hidden = "import sys; sys.modules.update(jupyterlab=None, voila=None, anywidget=None)\n"
    for name, first in {"full": "", "bare": hidden}.items():
        run(sys.executable, "-m", "venv", "--without-pip", home / name, cwd=home)
        python = home / name / BIN / "python"
        words = ["-m", "pip", "--python", python, "install", "-q", wheel, *offline]
        done = run(sys.executable, *words, cwd=home)
        assert done.returncode == 0, done.stderr
        others = f"{first}{sysconfig.get_path('purelib')}\n"
        (home / name / SITE / "site-packages" / "others.pth").write_text(others)
    return home


@pytest.fixture
def typed(installed, tmp_path):
    """Run the installed command in an empty folder."""

    def command(*words, env="full"):
        return run(installed / env / BIN / "rebroadcast", *words, cwd=tmp_path)

    return command


def test_the_version_is_that_of_the_project(typed, tmp_path):
    done = typed("--version")
    assert done.stdout == f"rebroadcast, version {rebroadcast.__version__}\n", done.stderr
    done = run(
        sys.executable, "-m", "rebroadcast", "--version", cwd=tmp_path, PYTHONPATH=f"{ROOT}/lib"
    )
    assert done.stdout.endswith(f"{rebroadcast.__version__}\n"), done.stderr


def test_a_report_on_the_sample_is_written_into_the_current_folder(typed, tmp_path):
    done = typed("report", "sample", "--language", "es")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "results" / "failure_report" / "failure_report.html"
    text = page.read_text("utf-8")
    assert "WhatsApp México" in text and "Messenger Tienda" in text  # of its channels file
    assert str(ROOT) not in text and [p.name for p in tmp_path.iterdir()] == ["results"]


def test_the_word_sample_gives_way_to_a_file_of_that_name(typed, tmp_path):
    (tmp_path / "sample").write_text("Name,Colour\nAda,red\n")
    done = typed("broadcasts", "sample")
    assert done.returncode == 2 and "sample has no 'Contact ID' column" in done.stderr


def test_notebooks_are_copied_once_and_run_where_they_are(typed, installed, write, tmp_path):
    done = typed("notebooks", "mine")
    names = sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb"))
    assert (
        [Path(line).name for line in done.stdout.splitlines()]
        == names
        == listing(tmp_path / "mine")
    )
    changed = tmp_path / "mine" / "explore.ipynb"
    changed.write_text("{}")
    refused = typed("notebooks", "mine")
    assert refused.returncode == 2 and "already holds explore.ipynb" in refused.stderr
    assert changed.read_text() == "{}"
    assert typed("notebooks", "mine", "--overwrite").returncode == 0
    assert changed.read_bytes() == (ROOT / "notebooks" / "explore.ipynb").read_bytes()
    write([row(str(n), str(n)) for n in range(9)], "mine/few.csv")
    words = ["-m", "papermill", "failure_report.ipynb", "out.ipynb", "-r", "exports", "few.csv"]
    python = installed / "full" / BIN / "python"
    done = run(python, *words, cwd=tmp_path / "mine", PYTHONSAFEPATH="1")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("command", ["lab", "app"])
def test_without_the_extra_one_command_that_installs_it_is_said(
    command, typed, installed, tmp_path
):
    done = typed(command, env="bare")
    python = installed / "bare" / BIN / "python"
    assert done.returncode == 2 and done.stdout == "" and listing(tmp_path) == []
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f'{python} -m pip install "rebroadcast[lab]"\n')


@pytest.mark.parametrize(("command", "answer"), [("lab", "/api"), ("app", "/voila/static/x")])
def test_a_face_starts_in_the_current_folder_for_this_computer_only(
    command, answer, installed, tmp_path
):
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the folder was imported')")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [installed / "full" / BIN / "rebroadcast", command, "--no-browser", f"--port={port}"]
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    env["JUPYTER_PATH"] = str(Path(sys.prefix, "share", "jupyter"))
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}{answer}"):
            said = (tmp_path / "log").read_text()
            assert server.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.2)
        with socket.socket() as other:  # another address of this computer
            assert other.connect_ex(("127.0.0.2", port)) != 0
    finally:
        server.terminate()
        server.wait(20)
    assert (tmp_path / "notebooks" / "explore.ipynb").is_file()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=60).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
