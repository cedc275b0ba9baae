"""What the tests share: the sample's files, small exports, and the engine."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from filelock import FileLock

import warm
from rebroadcast import cli
from rebroadcast.bench import settings as settings_
from rebroadcast.bench import workbench
from rebroadcast.bench.tables import Inputs, Tables
from rebroadcast.engine import connect as connection
from rebroadcast.report import reports

collect_ignore = ["data"]  # notebooks of strangers that some tests read
ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
HEADER = [
    "Date & Time",
    "Sender ID",
    "Sender Type",
    "Contact ID",
    "Message ID",
    "Content Type",
    "Message Type",
    "Content",
    "Channel ID",
    "Type",
    "Sub Type",
    "Error",
]
LIMIT = (
    "Messaging limit reached: this business can start conversations with 1,000 unique contacts in"
    " 24 hours."
)
BLOCKED = "Forbidden: bot was blocked by the user"
CHROMIUM = shutil.which("chromium")
FILES = {
    "exports": [str(SAMPLES / "failed_messages.csv")],
    "channels": str(SAMPLES / "channels.toml"),
    "messages": str(SAMPLES / "messages.csv"),
}
long = pytest.mark.long  # what `make campaign` runs, beside what `make test` does
# The sample's reports, each made once for all tests that look at one.
RUNS = {
    "failure_report": {"channel": "1001", "language": "en"},
    "tag_import": {
        "contacts": str(SAMPLES / "contacts.csv"),
        "channel": "1001,1002,2001,3001",
        "tag": "t {channel} {date} {time}",
        "language": "es",
        "waves": True,
        "start": "2022-01-12 08:00",
    },
    "quota_overflow": {"start": "2022-01-31 08:00"},
}
LONGEST = [
    "strangers",
    "spark",
    "faults",
    "report",
    "explore",
    "damaged",
    "look",
    "batch",
    "read",
    "ledger",
    "recover",
    "fuzz",
    "examples",
    "check",
    "broadcasts",
    "one_number",
    "limits",
    "paths",
    "html",
]


READ = (*settings_.FILES, "timezone", "date_format", "profile", "language")  # parameters of inputs
_read = {}


def opened(given, notebook="tag_import"):
    """A workbench over inputs that are read once for all tests of a process that ask for the same,
    as the explorer reads once for all filters; a ledger changes what is read.
    """
    settings = workbench.Settings.parse(given, notebook)
    if settings.ledger:
        return workbench.Workbench(settings)
    asked = {name: settings.stated.get(name) for name in READ}
    files = [p for value in asked.values() for p in (value if isinstance(value, list) else [value])]
    states = [os.stat(path)[6:] for path in files if path and os.path.isfile(path)]
    key = repr((asked, states))
    if key not in _read:
        if len(_read) > 3:
            _read.pop(next(iter(_read))).inputs.close()
        _read[key] = Tables(Inputs(settings))
    return workbench.Workbench(settings, _read[key].over(settings), ExitStack())


def typed(*words, place=".") -> subprocess.CompletedProcess:
    """Run the command line in this process, in a folder: a process of its own costs two seconds of
    processor time before it begins.
    """
    said, told, status = io.StringIO(), io.StringIO(), 0
    line = ["rebroadcast", *map(str, words)]
    kept = mock.patch.object(sys, "argv", line), redirect_stdout(said), redirect_stderr(told)
    with kept[0], kept[1], kept[2], chdir(place):
        try:
            cli.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(line, status, said.getvalue(), told.getvalue())


def few_first(values, few):
    """What a test runs over: `make test` the first few, `make campaign` all."""
    several = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*one, marks=[long] * (n >= few)) for n, one in enumerate(several)]


def pytest_configure(config):
    stack = ExitStack()
    config.add_cleanup(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="warm-"))
    os.environ["JUPYTER_PATH"] = str(stack.enter_context(warm.started(Path(folder))))


def pytest_collection_modifyitems(items):
    """The files that take longest come first, so that no process waits for the other at the end."""
    ranks = {f"test_{name}": rank for rank, name in enumerate(LONGEST)}
    items.sort(
        key=lambda item: ranks.get(
            item.path.stem, 5 if item.path.suffix == ".ipynb" else len(ranks)
        )
    )


@pytest.fixture
def engine():
    with connection.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def truth():
    return json.loads((SAMPLES / "truth.json").read_text("utf-8"))


def row(
    contact="100",
    message="9001",
    error=LIMIT,
    at="2022-01-11 15:00:00",
    channel="1001",
    sender="broadcast",
    content="Hola",
):
    """One row of a failed-messages export; without the error, one of a messages export."""
    return [
        at,
        "88001",
        sender,
        contact,
        message,
        "text",
        "message",
        json.dumps({"type": "text", "text": content}),
        channel,
        "outgoing",
        "text",
        *([error] if error is not None else []),
    ]


@pytest.fixture
def write(tmp_path):
    """Write rows as a CSV export; returns its path."""

    def write(rows, name="failed.csv", header=HEADER, encoding="utf-8", delimiter=","):
        path = tmp_path / name
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(
                [header, *rows] if header else rows
            )
        return path

    return write


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory):
    """The folder of one of RUNS; tests read it only."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # one folder for all processes of this session
        place = place.parent

    def made(name):
        with FileLock(place / f"{name}.lock"):
            if not (place / name).exists():
                reports.run(name, FILES | RUNS[name], place / name)
        return place / name

    return made


@pytest.fixture(scope="module")  # while it is open, asyncio has a running loop in this thread
def browser():
    """Chromium, for the tests of one file."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = [
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield opened
        opened.close()
