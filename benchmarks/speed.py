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
from statistics import median

import generate
import polars as pl

HERE = Path(__file__).parent
PEERS = ["pandas", "polars", "floor"]
RUNS = 3  # of each pair
LARGE = 3_500_000_000  # bytes of an export that is charted by day, not by hour
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


def measure(words: list[object], scratch: Path) -> tuple[float, float, int, int]:
    """Seconds by the clock and of the processors, peak memory (bytes) and peak bytes of temporary
    files of one process and its children.
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
    memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return took, used.ru_utime + used.ru_stime, memory, most[0]


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


def run(name: str, export: Path, work: Path) -> tuple[tuple, tuple | None]:
    """Measure one way on an export; returns with it what it found (None for the floor)."""
    out, scratch = work / f"out-{name}", work / f"scratch-{name}"
    shutil.rmtree(out, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    if name == "ours":
        words = [HERE / "ours.py", export, out]
    else:
        out.mkdir()
        words = [HERE / "peers.py", name, export, out]
    measured = measure([sys.executable, *words], scratch)
    large = export.stat().st_size > LARGE
    found = None if name == "floor" else results(name, out, 10 if large else 13)
    shutil.rmtree(out, ignore_errors=True)
    return measured, found


def compare(rows: int, work: Path) -> None:
    """Run ours and each peer in turn on one export, hold their results against each other, and
    print the lines of the table: medians, and medians of the ratios of the pairs.
    """
    export = generate.generate(rows, work / f"{rows}.csv")
    for _ in range(2):  # both times from memory
        with export.open("rb") as file:
            while file.read(2**24):
                pass
    turns, every = RUNS if rows <= PANDAS_MOST else 1, []
    for peer in [p for p in PEERS if rows <= PANDAS_MOST or p != "pandas"]:
        pairs = [(run("ours", export, work), run(peer, export, work)) for _ in range(turns)]
        for (_, first), (_, other) in pairs:
            for what, a, b in zip(
                ("errors", "hours", "contacts"), first, other or first, strict=True
            ):
                assert a == b, f"{peer} finds other {what}: {sorted(set(a) ^ set(b))[:4]}"
        every += [ours for (ours, _), _ in pairs]
        wall, cpu = (median(peer[i] / ours[i] for (ours, _), (peer, _) in pairs) for i in (0, 1))
        line(rows, peer, [other for _, (other, _) in pairs], f"{wall:.2f} | {cpu:.2f}")
    line(rows, "ours", every, " | ")
    export.unlink()


def line(rows: int, name: str, measured: list[tuple], ratios: str) -> None:
    took, cpu, memory, disk = (median(m[i] for m in measured) for i in range(4))
    print(
        f"| {rows:,} | {name} | {took:.1f} | {cpu:.1f} | {memory / 1e6:,.0f} | {disk / 1e6:,.0f} |"
        f" {ratios} |",
        flush=True,
    )


def main(sizes: list[int]) -> None:
    print(
        "| messages | way | seconds | processor seconds | peak memory, MB | temporary files, MB"
        " | its time / ours | its processor time / ours |\n|--:|---|--:|--:|--:|--:|--:|--:|"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for rows in sizes:
            compare(rows, Path(folder))


if __name__ == "__main__":
    main([int(a.replace("_", "")) for a in sys.argv[1:]] or [300_000, 3_000_000])
