"""A recovery from one converted export: DuckDB, and Spark clusters of one and two workers (one core
each) on this machine.

python benchmarks/spark.py 3000000
"""

import sys
import tempfile
import time
from pathlib import Path

from rebroadcast.verbs import recover as recovering

sys.path += [str(Path(__file__).parents[1] / "tests")]
from generate import generate

from cluster import started
from rebroadcast.bench import workbench
from rebroadcast.verbs.convert import convert


def recover(parquet: Path, out: Path, engine: str = "") -> tuple[float, float]:
    """Seconds until the engine is there, and from then until dispositions and import files are."""
    began = time.perf_counter()
    given = {"exports": str(parquet), "tag": "again {broadcast}", "start": "2022-02-01 09:00"}
    bench = workbench.open(given | {"out": str(out), "engine": engine}, "tag_import")
    _ = bench.tables.engine
    there = time.perf_counter()
    bench.finish(recovering.recover(bench.settings, bench.tables, bench.results))
    return there - began, time.perf_counter() - there


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = generate(rows, folder / "failed.csv")
        began = time.perf_counter()
        convert(str(path), folder / "parquet")
        print(f"{rows:,} failed messages; convert {time.perf_counter() - began:.1f} s")
        print(f"{'engine':<20}{'start s':>10}{'recovery s':>12}")
        print(
            "{:<20}{:>10.1f}{:>12.1f}".format(
                "DuckDB", *recover(folder / "parquet", folder / "duckdb")
            )
        )
        for workers in (1, 2):
            (folder / f"{workers}").mkdir()
            with started(folder / f"{workers}", workers, 1500) as (url, _):
                taken = recover(folder / "parquet", folder / f"spark{workers}", url)
            print(
                "{:<20}{:>10.1f}{:>12.1f}".format(f"Spark, {workers} worker(s)", *taken), flush=True
            )
        imports = [
            sorted(p.read_bytes() for p in (folder / n / "import").iterdir())
            for n in ("duckdb", "spark1", "spark2")
        ]
        print(
            "The import files are the same."
            if imports[0] == imports[1] == imports[2]
            else "THE IMPORT FILES DIFFER."
        )


if __name__ == "__main__":
    main()
