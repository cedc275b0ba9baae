"""Many runs, unattended: each entry in a process of its own, a few at a time, and one index page of
them all.
"""

import contextlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import connection, forkserver
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .. import __version__
from ..common import folder
from ..common.exceptions import (
    OutputError,
    RebroadcastError,
    RunError,
    reason,
    sentence,
    speak,
    visible,
)
from ..ledger import record
from ..report import reports
from . import batchfile, index
from .batchfile import Entry, Plan

FORK = (
    sys.platform == "linux"
)  # elsewhere forking is not safe: each process loads everything and starts a plain kernel
STAMP = re.compile(
    r"\d{4}(-\d\d){2}T\d\d(-\d\d){2}Z"
)  # a run's folder: when its batch started (UTC)
SKIPPED = 3  # exit status of an entry's process
MINUTE = 60.0  # seconds
PAUSE = 5.0  # seconds between two writings of the index while entries run


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
    if FORK:  # it loads everything while the batch file is checked
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            [f"{__package__}.kernel", __name__]
        )
        forkserver.ensure_running()
    plan, out = batchfile.load(file), Path(os.path.abspath(out))
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
    try:
        with (
            held,
            tempfile.TemporaryDirectory(
                prefix="rebroadcast-", ignore_cleanup_errors=True
            ) as scratch,
        ):
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
        self.context = multiprocessing.get_context("forkserver" if FORK else "spawn")
        self.working: dict[int, tuple[multiprocessing.Process, dict, float]] = {}  # by sentinel
        self.started, self.written, self.done, self.told = datetime.now(UTC), 0.0, 0, 0
        for entry in plan.entries:  # what a killed batch left half-made
            for path in (out / entry.folder).glob(".*"):
                (
                    shutil.rmtree(path, ignore_errors=True)
                    if path.is_dir()
                    else path.unlink(missing_ok=True)
                )
        while any(self.target(entry).exists() for entry in plan.entries):
            self.started += timedelta(seconds=1)
        self.rows = [
            {
                "name": e.name,
                "workspace": e.workspace,
                "notebook": e.notebook.stem,
                "folder": e.folder,
                "this_batch": "waiting",
                "tries": 0,
                "seconds": None,
                "message": "",
                **self.runs(e),
            }
            for e in plan.entries
        ]
        self.entries = {
            row["folder"]: entry for row, entry in zip(self.rows, plan.entries, strict=True)
        }

    def target(self, entry: Entry) -> Path:
        return self.out / entry.folder / f"{self.started:%Y-%m-%dT%H-%M-%SZ}"

    def run(self, jobs: int, console: Console | None) -> dict:
        waiting, columns = (
            list(self.rows),
            (
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
            ),
        )
        console = console or Console(stderr=True, highlight=False)
        try:
            self.write()
            with Progress(
                *columns, console=console, transient=True, disable=not console.is_terminal
            ) as progress:
                while waiting or self.working:
                    while waiting and len(self.working) < jobs:
                        self.start(waiting.pop(0), progress)
                    ended = connection.wait([*self.working], timeout=PAUSE)
                    for sentinel, (process, row, since) in list(self.working.items()):
                        if (
                            late := sentinel not in ended
                            and time.monotonic() - since > MINUTE * self.plan.timeout
                        ):
                            _kill(process)
                        if late or sentinel in ended:
                            del self.working[sentinel]
                            waiting[:0] = [row] * self.ended(
                                row, process, time.monotonic() - since, late, progress
                            )
                    if self.told < self.done and time.monotonic() - self.written > PAUSE:
                        self.write()
        finally:
            for process, *_ in self.working.values():
                _kill(process)
        return self.write(last=True)

    def start(self, row: dict, progress) -> None:
        row["tries"] += 1
        row["task"] = row.get("task") or progress.add_task(_label(row), total=None)
        entry, latest = self.entries[row["folder"]], row["latest"] or {}
        done = latest.get("mark") if self.resume and latest.get("status") == "ok" else None
        self.target(entry).parent.mkdir(parents=True, exist_ok=True)
        given = (entry, self.target(entry), done, self.scratch, os.getcwd(), dict(os.environ))
        process = self.context.Process(target=_work, args=given)
        main, sys.modules["__main__"] = (
            sys.modules["__main__"],
            ModuleType("__main__"),
        )  # else each process would import it
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
        self.working[process.sentinel] = (process, row, time.monotonic())

    def ended(
        self, row: dict, process: multiprocessing.Process, seconds: float, late: bool, progress
    ) -> bool:
        """Note what became of an entry; return whether it is to be tried again."""
        process.join()
        entry = self.entries[row["folder"]]
        found, skipped = record.read(self.target(entry)), process.exitcode == SKIPPED
        died = found.get("died", not found and not skipped)
        if died and not late and row["tries"] < 2:
            return True
        if died and not found:
            why = (
                sentence("It took longer than {minutes} minutes.", minutes=self.plan.timeout)
                if late
                else sentence(
                    "Its process died twice (exit status {status}), often for want of memory.",
                    status=process.exitcode,
                )
            )
            _fail(entry, self.target(entry), why)
        found = record.read(self.target(entry))
        row |= {
            "this_batch": "skipped" if skipped else found.get("status", "failed"),
            "message": found.get("message", ""),
            "seconds": round(seconds, 1),
            **self.runs(entry),
        }
        self.done += 1
        progress.remove_task(row.pop("task"))
        again = " (second try)" if row["tries"] > 1 else ""
        line = (
            f"{self.done}/{len(self.rows)} {_label(row)} {row['this_batch']}{again} {seconds:.1f} s"
        )
        progress.console.print(
            line, style="red" if row["this_batch"] == "failed" else "", soft_wrap=True, markup=False
        )
        self.prune(row)
        return False

    def runs(self, entry: Entry) -> dict:
        """The runs of an entry that are there, oldest first, and the latest and the last good
        one.
        """
        found = []
        for path in sorted(
            p for p in (self.out / entry.folder).glob("*Z") if STAMP.fullmatch(p.name)
        ):
            content, place = record.read(path), f"{entry.folder}/{path.name}"
            html = f"{content.get('notebook')}.html"
            found += [
                {"folder": place, "report": f"{place}/{html}" if (path / html).exists() else None}
                | {
                    k: content.get(k)
                    for k in (
                        "status",
                        "started",
                        "finished",
                        "version",
                        "cell",
                        "message",
                        "mark",
                        "totals",
                    )
                }
            ] * bool(content)
        good = [run for run in found if run["status"] == "ok"]
        return {
            "runs": found,
            "latest": found[-1] if found else None,
            "last_good": good[-1] if good else None,
        }

    def prune(self, row: dict) -> None:
        """Delete runs beyond the newest `keep`, but never the last good one."""
        for old in [run for run in row["runs"][: -self.plan.keep] if run != row["last_good"]]:
            path = self.out / old["folder"]
            shutil.rmtree(
                path.rename(path.with_name(f".{path.name}")), ignore_errors=True
            )  # a kill leaves no half of it
            row["runs"].remove(old)

    def write(self, last: bool = False) -> dict:
        """Write batch.json and index.html, each whole."""
        self.written, self.told = time.monotonic(), self.done
        rows = [{k: v for k, v in row.items() if k != "task"} for row in self.rows]
        content = {
            "schema": 1,
            "version": __version__,
            "started": self.started.isoformat(timespec="seconds"),
            "finished": record.now() if last else None,
            "written": record.now(),
            "language": self.plan.language,
            "entries": rows,
        }
        folder.write_whole(
            self.out / "batch.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        )
        folder.write_whole(self.out / "index.html", index.page(content))
        return content


def _label(row: dict) -> str:
    return " ".join(
        visible(f"{row['workspace']}: {row['name']}" if row["workspace"] else row["name"]).split()
    )


def _kill(process: multiprocessing.Process) -> None:
    """End an entry's process and its kernel, which is in the same group."""
    with contextlib.suppress(OSError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _work(
    entry: Entry,
    target: Path,
    done: str | None,
    scratch: str,
    place: str,
    environment: dict[str, str],
) -> None:
    """Make one entry's report: what its process does. done is the mark with which there is nothing
    to do.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    threading.Thread(target=_leave_with_parent, args=[scratch], daemon=True).start()
    os.chdir(place)
    os.environ.clear()
    os.environ.update(
        {"REBROADCAST_CACHE": os.path.join(scratch, "read")} | environment | {"TMPDIR": scratch}
    )
    speak(entry.parameters.get("language"))
    try:
        if entry.problem:
            raise RunError(entry.problem)
        if (mark := entry.mark()) == done:
            sys.exit(SKIPPED)
        options = {}
        if FORK:
            from . import kernel

            options = kernel.options(scratch)
        reports.run(entry.notebook, entry.parameters, target, extra={"mark": mark}, **options)
    except RebroadcastError as error:
        _fail(entry, target, str(error))
    except Exception as error:
        _fail(entry, target, f"{type(error).__name__}: {error}")


def _fail(entry: Entry, target: Path, message: str) -> None:
    """Keep the record of a failure that left none."""
    if not record.read(target):
        with folder.staged(target, overwrite=True) as staging:
            now = {
                "started": record.now(),
                "finished": record.now(),
                "status": "failed",
                "message": message,
            }
            record.write(
                staging, {"notebook": entry.notebook.stem, "parameters": entry.parameters, **now}
            )


def _leave_with_parent(scratch: str) -> None:
    multiprocessing.parent_process().join()
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)
