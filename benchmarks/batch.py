"""A batch of sample-sized failure reports: two jobs against one, and against as many separate
`papermill` commands.

`python benchmarks/batch.py 4` takes four entries instead of 24. The batch also writes each report's
HTML, papermill does not.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SAMPLES = ROOT / "data" / "samples"
GIVEN = {
    "exports": SAMPLES / "failed_messages.csv",
    "channels": SAMPLES / "channels.toml",
    "messages": SAMPLES / "messages.csv",
}


def run(*words: object) -> None:
    subprocess.run(
        [str(w) for w in words],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main(entries: int = 24) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        defaults = [f'{key} = "{value}"' for key, value in GIVEN.items()]
        rows = [f'[[entry]]\nname = "e{i}"\nnotebook = "failure_report"' for i in range(entries)]
        (folder / "batch.toml").write_text("\n".join(["[defaults]", *defaults, *rows]), "utf-8")

        def batch(jobs: int) -> None:
            run(
                BIN / "rebroadcast",
                "batch",
                folder / "batch.toml",
                "--jobs",
                jobs,
                "--out",
                folder / f"jobs{jobs}",
            )

        def papermill() -> None:
            options = [word for item in GIVEN.items() for word in ("-p", *item)]
            for i in range(entries):
                run(
                    BIN / "papermill",
                    ROOT / "notebooks" / "failure_report.ipynb",
                    folder / "out.ipynb",
                    *options,
                    "-p",
                    "out",
                    folder / f"p{i}",
                )

        seconds = {}
        for what, call in {
            "2 jobs": lambda: batch(2),
            "1 job": lambda: batch(1),
            f"{entries} papermill commands": papermill,
        }.items():
            begin = time.perf_counter()
            call()
            seconds[what] = time.perf_counter() - begin
            print(
                f"{what:<24} {seconds[what]:7.1f} s   {entries / seconds[what] * 60:6.1f} reports a"
                f" minute   2 jobs are {seconds[what] / seconds['2 jobs']:.2f} times as fast",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
