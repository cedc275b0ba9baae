"""Start-up, as ratios to what cannot be avoided: a headless sample report to papermill on a
notebook that only imports pandas and plotly, and `explain` to Python importing Click and Rich.
Medians of several runs, the two in turn.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SAMPLES = ROOT / "data" / "samples"


def seconds(words: list[object]) -> float:
    """The wall time of one whole process."""
    begin = time.perf_counter()
    subprocess.run(
        [str(w) for w in words],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


def compare(name: str, ours: list[object], peer: list[object], runs: int = 5) -> None:
    """Print the medians of two commands, run in turn, and the median of their ratios."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(runs + 1)][1:]
    a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(x / y for x, y in pairs)
    print(f"{name:<28} ours {a:6.2f} s   peer {b:6.2f} s   ratio {ratio:5.2f}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty, out = Path(folder) / "empty.ipynb", Path(folder) / "report"
        cell = nbformat.v4.new_code_cell("import pandas, plotly")
        spec = {
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=spec), empty)
        report = [
            BIN / "rebroadcast",
            "report",
            SAMPLES / "failed_messages.csv",
            "--channels",
            SAMPLES / "channels.toml",
            "--messages",
            SAMPLES / "messages.csv",
            "--out",
            out,
            "--overwrite",
        ]
        compare(
            "headless sample report", report, [BIN / "papermill", empty, Path(folder) / "out.ipynb"]
        )
    explain = [BIN / "rebroadcast", "explain", "(#131047) Re-engagement message"]
    compare("explain", explain, [sys.executable, "-c", "import click, rich"])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
