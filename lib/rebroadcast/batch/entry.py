"""What a process of a batch does: `python -P -m rebroadcast.batch.entry` makes one entry after
another, so that what a run needs is loaded once; each entry's notebook has a kernel of its own.

The batch tells it on standard input, a line of JSON each, what to make, and it answers with a line:
the entry's status. When that pipe closes, the batch is gone, and it ends with all that it has
started.
"""

import json
import os
import queue
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from ..common import folder
from ..common.exceptions import RebroadcastError, RunError
from ..ledger import record
from ..report import reports
from .batchfile import Entry

MADE, SKIPPED = 0, 3  # a status; skipped: its latest good run has the same mark


def main() -> None:
    """Make the entries that standard input names."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed, here or by a notebook, is no answer
    asked: queue.SimpleQueue[dict] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=[asked], daemon=True).start()
    while True:
        job = asked.get()
        entry = Entry(**job["entry"] | {"notebook": Path(job["entry"]["notebook"])})
        print(make(entry, Path(job["target"]), job["done"]), file=answers, flush=True)


def make(entry: Entry, target: Path, done: str | None) -> int:
    """Make one entry's report in target, or keep the record of its failure there; return its
    status. done is the mark with which there is nothing to do.
    """
    try:
        if entry.problem:
            raise RunError(entry.problem)
        if (mark := entry.mark()) == done:
            return SKIPPED
        reports.run(entry.notebook, entry.parameters, target, extra={"mark": mark})
    except RebroadcastError as error:
        fail(entry, target, error.said_in(entry.parameters.get("language")))
    except Exception as error:
        fail(entry, target, f"{type(error).__name__}: {error}")
    return MADE


def fail(entry: Entry, target: Path, message: str) -> None:
    """Keep the record of a failure that left none."""
    if record.read(target):
        return
    with folder.staged(target, overwrite=True) as staging:
        now = record.now()
        record.write(
            staging,
            {
                "notebook": entry.notebook.stem,
                "parameters": entry.parameters,
                "started": now,
                "finished": now,
                "status": "failed",
                "message": message,
            },
        )


def end(pid: int, itself: bool = True) -> None:
    """Kill a process of this user and all that it has started, such as a notebook's kernel."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        for member in [*children, *[process] * itself]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(children, timeout=5)


def _listen(asked: "queue.SimpleQueue[dict]") -> None:
    scratch = ""
    for line in sys.stdin:
        job = json.loads(line)
        scratch = job["scratch"]
        asked.put(job)
    end(os.getpid(), itself=False)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
