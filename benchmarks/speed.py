"""Read → classify → count → dispositions → import files: ours beside pandas, Polars and the floor,
as a Markdown table.

python benchmarks/speed.py [ROWS ...]      such as 300000 3000000 30000000; each in turn, in a
process of its own
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import generate
import polars as pl

HERE = Path(__file__).parent
PEERS = ["ours", "pandas", "polars", "floor"]
BY_DAY = 15_000_000  # more messages than that are charted by day, not by hour
PANDAS_MOST = 3_000_000  # it would need some 20 GB of memory for ten times as many


def size(folder: Path) -> int:
    """Bytes of all files below a folder at this moment."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def measure(words: list[object], scratch: Path) -> tuple[float, int, int]:
    """Seconds, peak memory (bytes) and peak bytes of temporary files of one process and its
    children.
    """
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], size(scratch))

    thread = threading.Thread(target=watch)
    thread.start()
    begin = time.perf_counter()
    process = subprocess.Popen([str(w) for w in words], env=os.environ | {"TMPDIR": str(scratch)})
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - begin
    ended.set()
    thread.join()
    if status:
        raise SystemExit(f"{words} failed")
    return took, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), most[0]


def results(name: str, out: Path, width: int) -> tuple[list, list, list]:
    """Messages per error and channel, messages per hour (width 13) or day (10), and the contacts to
    tag.
    """
    if name == "ours":
        texts = {"error": pl.String, "channel": pl.String}
        errors = pl.read_csv(out / "data/error-by-channel.csv", schema_overrides=texts).select(
            "channel", "error", "failed"
        )
        hours = (
            pl.read_csv(out / "data/by-hour.csv")
            .group_by(pl.col("hour").str.slice(0, width))
            .agg(pl.col("failed").sum())
        )
        errors = errors.with_columns(pl.col("channel").str.strip_prefix("channel "))
        files = sorted((out / "import").glob("*.csv"))
    else:
        header = {"has_header": True, "infer_schema": False}
        errors = pl.read_csv(out / "error-by-channel.csv", **header).with_columns(
            pl.last().cast(pl.Int64)
        )
        hours = pl.read_csv(out / "by-hour.csv", **header)
        hours = hours.group_by(hours[:, 0].str.slice(0, width).str.replace("T", " ")).agg(
            pl.last().cast(pl.Int64).sum()
        )
        files = [out / "import.csv"]
    tagged = pl.concat([pl.read_csv(f, infer_schema=False) for f in files])["Contact ID"]
    return sorted(errors.rows()), sorted(hours.rows()), tagged.sort().to_list()


def compare(rows: int, work: Path) -> None:
    """Measure all of them on one export, hold their results against ours, and print the lines of
    the table.
    """
    export = generate.generate(rows, work / f"{rows}.csv")
    for _ in range(2):  # both times from memory
        with export.open("rb") as file:
            while file.read(2**24):
                pass
    found, first = {}, None
    for name in PEERS if rows <= PANDAS_MOST else [p for p in PEERS if p != "pandas"]:
        out, scratch = work / f"out-{name}", work / f"scratch-{name}"
        shutil.rmtree(out, ignore_errors=True)
        scratch.mkdir(exist_ok=True)
        if name == "ours":
            words = [HERE / "ours.py", export, out]
        else:
            out.mkdir()
            words = [HERE / "peers.py", name, export, out]
        found[name] = measure([sys.executable, *words], scratch)
        if name != "floor":
            ours = results(name, out, 10 if rows > BY_DAY else 13)
            first = first or ours
            for what, a, b in zip(("errors", "hours", "contacts"), first, ours, strict=True):
                assert a == b, (
                    f"{name} finds other {what}: {len(a)} and {len(b)},"
                    f" {sorted(set(a) ^ set(b))[:4]}"
                )
        shutil.rmtree(out, ignore_errors=True)
    for name, (took, memory, disk) in found.items():
        ratio = "" if name == "ours" else f"{took / found['ours'][0]:.2f}"
        print(
            f"| {rows:,} | {name} | {took:.1f} | {memory / 1e6:,.0f} | {disk / 1e6:,.0f} |"
            f" {ratio} |",
            flush=True,
        )
    export.unlink()


def main(sizes: list[int]) -> None:
    print(
        "| messages | way | seconds | peak memory, MB | temporary files, MB | its time / ours"
        " |\n|--:|---|--:|--:|--:|--:|"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for rows in sizes:
            compare(rows, Path(folder))


if __name__ == "__main__":
    main([int(a.replace("_", "")) for a in sys.argv[1:]] or [300_000, 3_000_000])
