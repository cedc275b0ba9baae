"""Many runs, unattended: each entry's notebook in a process of its own, a few at a time, and one
index page of them all.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .. import __version__
from ..common import folder
from ..common.exceptions import OutputError, RunError, reason, sentence, speaking, visible
from ..ledger import record
from ..report import reports
from . import batchfile, index
from . import entry as worker
from .batchfile import Entry, Plan

STAMP = re.compile(r"\d{4}(-\d\d){2}T\d\d(-\d\d){2}Z")  # a run's folder: its batch's start (UTC)
MINUTE = 60.0  # seconds
PAUSE = 5.0  # seconds between two writings of the index while entries run
TOLD = ("status", "started", "finished", "version", "cell", "message", "mark", "totals", "warnings")
TRIES = 2  # of an entry whose process dies, often for want of memory


def run(
    file: Path, out: Path, jobs: int = 2, resume: bool = False, console: Console | None = None
) -> dict:
    """Run the entries of a batch file, `jobs` at once, into folders below out; return the content
    of batch.json.

    With resume, an entry whose latest run was good is skipped where notebook, parameters, files and
    library version are the same. console shows the progress (default: standard error). Raises
    BatchError or OutputError before anything is written; what befalls an entry is in its row, and
    in the run record of its folder.
    """
    plan, out = batchfile.load(file), Path(os.path.abspath(out))
    with speaking(plan.language):
        if (out / "index.html").exists() and not (out / "batch.json").exists():
            raise OutputError(
                "'{out}' holds an index.html that no batch made; give another --out.", out=out
            )
        try:
            out.mkdir(parents=True, exist_ok=True)
            held = FileLock(out / ".lock").acquire(timeout=0)
        except Timeout:
            raise OutputError(
                "Another batch is writing '{out}' now; wait for it, or give another --out.", out=out
            ) from None
        except OSError as error:
            raise OutputError(
                "'{out}' cannot be written ({reason}); give another --out.",
                out=out,
                reason=reason(error),
            ) from error
        temporary = tempfile.TemporaryDirectory(prefix=folder.SCRATCH, ignore_cleanup_errors=True)
        try:
            with held, temporary as scratch:
                return _Batch(plan, out, scratch, resume).run(jobs, console)
        except OSError as error:
            raise RunError(
                "The batch stopped: {reason}. Mend that, and start it again with --resume.",
                reason=error,
            ) from error


class _Batch:
    """One batch on its way: a row per entry, and the processes that work."""

    def __init__(self, plan: Plan, out: Path, scratch: str, resume: bool):
        self.plan, self.out, self.scratch, self.resume = plan, out, scratch, resume
        self.working: set[subprocess.Popen] = set()  # all processes that live
        self.idle: list[subprocess.Popen] = []
        self.ending = False  # no process is to be started any more
        self.started = datetime.now(UTC)
        self.written = 0.0
        self.done = self.told = 0
        for path in (p for entry in plan.entries for p in (out / entry.folder).glob(".*")):
            if path.is_dir():  # a killed batch left it half-made
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        while any(self.target(entry).exists() for entry in plan.entries):
            self.started += timedelta(seconds=1)
        self.rows = [  # of batch.json, for entries that wait
            {
                "name": entry.name,
                "workspace": entry.workspace,
                "notebook": entry.notebook.stem,
                "folder": entry.folder,
                "this_batch": "waiting",
                "tries": 0,
                "seconds": None,
                "message": "",
                **self.runs(entry),
            }
            for entry in plan.entries
        ]
        self.absent = self.missing()

    def missing(self) -> list[dict]:
        """Entries of earlier batches that this one does not have, such as one of a pattern whose
        file is not there tonight; one is forgotten when its folder is removed.
        """
        before, now = {}, {row["folder"] for row in self.rows}
        with suppress(OSError, ValueError):
            before = json.loads((self.out / "batch.json").read_text("utf-8"))
        return [
            row | {"this_batch": "absent", "message": "", "tries": 0, "seconds": None}
            for row in before.get("entries", ())
            if row["folder"] not in now and (self.out / row["folder"]).is_dir()
        ]

    def target(self, entry: Entry) -> Path:
        return self.out / entry.folder / f"{self.started:%Y-%m-%dT%H-%M-%SZ}"

    def run(self, jobs: int, console: Console | None) -> dict:
        console = console or Console(stderr=True, highlight=False)
        self.write()
        with (
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            ) as progress,
            ThreadPoolExecutor(jobs) as pool,
        ):
            try:
                asked = {
                    pool.submit(self.work, row, entry, progress): (row, entry)
                    for row, entry in zip(self.rows, self.plan.entries, strict=True)
                }
                pending = set(asked)
                while pending:
                    ended, pending = wait(pending, PAUSE, FIRST_COMPLETED)
                    for future in ended:
                        self.note(*asked[future], future.result(), progress.console)
                    if self.told < self.done and time.monotonic() - self.written > PAUSE:
                        self.write()
            finally:
                self.ending = True
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(self.working):
                    worker.end(process.pid)
                    process.wait()
        return self.write(last=True)

    def work(self, row: dict, entry: Entry, progress: Progress) -> tuple[int, bool, int, float]:
        """Have an entry made, and once more where its process died; each call in a thread. Return
        what `start` does, how many tries it took, and how many seconds the last one.
        """
        task = progress.add_task(_label(row), total=None)
        latest = row["latest"] or {}
        done = latest.get("mark") if self.resume and latest.get("status") == "ok" else None
        try:
            for attempt in range(1, TRIES + 1):
                since = time.monotonic()
                status, late = self.start(entry, done)
                outcome = status, late, attempt, time.monotonic() - since
                content = record.read(self.target(entry))
                died = content.get("died", not content and status != worker.SKIPPED)
                if late or self.ending or not died:
                    break
        finally:
            progress.remove_task(task)
        return outcome

    def start(self, entry: Entry, done: str | None) -> tuple[int, bool]:
        """Have a process make an entry; return the status, or the exit status of a process that
        died, and whether it took too long.
        """
        target = self.target(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        process = self.idle.pop() if self.idle else self.process()
        limit, since = MINUTE * self.plan.timeout, time.monotonic()
        timer = threading.Timer(limit, worker.end, [process.pid])
        timer.start()
        asked = {"entry": asdict(entry), "target": target, "done": done, "scratch": self.scratch}
        with suppress(OSError):  # it may have died already
            print(json.dumps(asked, default=str), file=process.stdin, flush=True)
        if process.stdout and (answer := process.stdout.readline()):
            timer.cancel()
            self.idle.append(process)
            return int(answer), False
        timer.cancel()
        self.working.remove(process)
        return process.wait(), time.monotonic() - since >= limit

    def process(self) -> subprocess.Popen:
        """Start a process that makes entries, and nothing of the current folder is imported."""
        cache = {"REBROADCAST_CACHE": os.path.join(self.scratch, "read")}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=cache | os.environ | reports.safe_path() | {"TMPDIR": self.scratch},
            start_new_session=True,  # an interrupt from the keyboard is the batch's to pass on
            encoding="utf-8",
        )
        self.working.add(process)
        if self.ending:
            worker.end(process.pid)
        return process

    def note(
        self,
        row: dict,
        entry: Entry,
        outcome: tuple[int, bool, int, float],
        console: Console,
    ) -> None:
        """Keep, and tell, what became of an entry; outcome as `work` returns it."""
        status, late, tries, seconds = outcome
        skipped = status == worker.SKIPPED
        if not skipped:  # where it left no record
            why = (
                sentence("It took longer than {minutes} minutes.", minutes=self.plan.timeout)
                if late
                else sentence(
                    "Its process died twice (exit status {status}), often for want of memory.",
                    status=status,
                )
            )
            worker.fail(entry, self.target(entry), why.said_in(self.plan.language))
        content = record.read(self.target(entry))
        row |= {
            "this_batch": "skipped" if skipped else content.get("status", "failed"),
            "message": content.get("message", ""),
            "tries": tries,
            "seconds": round(seconds, 1),
            **self.runs(entry),
        }
        self.done += 1
        again = " (second try)" if tries > 1 else ""
        said = f"{_label(row)} {row['this_batch']}{again} {seconds:.1f} s"
        console.print(
            f"{self.done}/{len(self.rows)} {said}",
            style="red" if row["this_batch"] == "failed" else "",
            soft_wrap=True,
            markup=False,
        )
        self.prune(row)

    def runs(self, entry: Entry) -> dict:
        """The runs of an entry that are there, oldest first, and the latest and the last good
        one.
        """
        folders = (self.out / entry.folder).glob("*Z")
        own = (path for path in sorted(folders) if STAMP.fullmatch(path.name))
        runs = [run for path in own if (run := self.told_of(entry, path))]
        good = [run for run in runs if run["status"] == "ok"]
        return {
            "runs": runs,
            "latest": runs[-1] if runs else None,
            "last_good": good[-1] if good else None,
        }

    def told_of(self, entry: Entry, path: Path) -> dict:
        """What batch.json says of one run; {} where it left no record."""
        if not (content := record.read(path)):
            return {}
        place, page = f"{entry.folder}/{path.name}", f"{content.get('notebook')}.html"
        report = f"{place}/{page}" if (path / page).exists() else None
        return {"folder": place, "report": report} | {name: content.get(name) for name in TOLD}

    def prune(self, row: dict) -> None:
        """Delete runs beyond the newest `keep`, but never the last good one."""
        for old in [run for run in row["runs"][: -self.plan.keep] if run != row["last_good"]]:
            path = self.out / old["folder"]
            hidden = path.rename(path.with_name(f".{path.name}"))  # a kill leaves no half of it
            shutil.rmtree(hidden, ignore_errors=True)
            row["runs"].remove(old)

    def write(self, last: bool = False) -> dict:
        """Write batch.json and index.html, each whole."""
        self.written, self.told = time.monotonic(), self.done
        content = {
            "schema": 1,
            "version": __version__,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": record.now() if last else None,
            "written": record.now(),
            "language": self.plan.language,
            "entries": [*self.rows, *self.absent],
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        folder.write_whole(self.out / "batch.json", text)
        folder.write_whole(self.out / "index.html", index.page(content))
        return content


def _label(row: dict) -> str:
    place = f"{row['workspace']}: " if row["workspace"] else ""
    return " ".join(visible(place + row["name"]).split())
