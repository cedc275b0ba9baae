"""One entry of a batch, in a process of its own: `python -P -m rebroadcast.batch.entry`.

The batch tells it on standard input, in one line of JSON, what to make, and keeps that pipe open:
when it closes, the batch is gone, and the entry ends with all that it has started.
"""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import psutil

from ..common import folder
from ..common.exceptions import RebroadcastError, RunError, speak
from ..ledger import record
from ..report import reports
from .batchfile import Entry

SKIPPED = 3  # exit status: its latest good run has the same mark


def main() -> int:
    """Make the entry that standard input names; return the exit status."""
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_batch, args=[asked["scratch"]], daemon=True).start()
    entry = Entry(**asked["entry"] | {"notebook": Path(asked["entry"]["notebook"])})
    return make(entry, Path(asked["target"]), asked["done"])


def make(entry: Entry, target: Path, done: str | None) -> int:
    """Make one entry's report in target, or keep the record of its failure there; return the exit
    status. done is the mark with which there is nothing to do.
    """
    speak(entry.parameters.get("language"))
    try:
        if entry.problem:
            raise RunError(entry.problem)
        if (mark := entry.mark()) == done:
            return SKIPPED
        reports.run(entry.notebook, entry.parameters, target, extra={"mark": mark})
    except RebroadcastError as error:
        fail(entry, target, str(error))
    except Exception as error:
        fail(entry, target, f"{type(error).__name__}: {error}")
    return 0


def fail(entry: Entry, target: Path, message: str) -> None:
    """Keep the record of a failure that left none."""
    if record.read(target):
        return
    with folder.staged(target, overwrite=True) as staging:
        now = record.now()
        content = {
            "notebook": entry.notebook.stem,
            "parameters": entry.parameters,
            "started": now,
            "finished": now,
            "status": "failed",
            "message": message,
        }
        record.write(staging, content)


def end(pid: int, itself: bool = True) -> None:
    """Kill a process of this user and all that it has started, such as a notebook's kernel."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), *[process] * itself]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs([member for member in family if member.pid != pid], timeout=5)


def _leave_with_batch(scratch: str) -> None:
    sys.stdin.read()
    end(os.getpid(), itself=False)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
