"""What a messages export, a contacts export, a ledger and waves add to a recovery, beside what it
takes to read those files alone.

python benchmarks/inputs.py [ROWS]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from generate import generate

from rebroadcast.bench import workbench
from rebroadcast.engine import connect as connection
from rebroadcast.reading import exports
from rebroadcast.verbs import recover

RUNS = 2  # of each, in turn
LIMIT = '[channel.{id}]\nname = "Channel {id}"\nkind = "whatsapp"\nlimit = 100000\nwindow = "24h"\n'


def write_messages(failed: Path, path: Path) -> None:
    """All failed messages, and one more of every seventh contact that arrived an hour later."""
    with duckdb.connect() as con:
        rows = con.read_csv(str(failed), all_varchar=True)
        own = rows.project('* EXCLUDE "Error"')
        arrived = rows.filter('"Message ID"::BIGINT % 7 = 3').project(
            '* EXCLUDE "Error" REPLACE ('
            '("Message ID"::BIGINT + 10000000000)::VARCHAR AS "Message ID",'
            " strftime(\"Date & Time\"::TIMESTAMP + INTERVAL 1 HOUR, '%Y-%m-%d %H:%M:%S')"
            ' AS "Date & Time")'
        )
        own.union(arrived).write_csv(str(path), header=True)


def write_contacts(failed: Path, path: Path) -> None:
    """A contact for each failed one, with a number, an address and one tag or two."""
    with duckdb.connect() as con:
        ids = con.read_csv(str(failed), all_varchar=True).project('"Contact ID" AS id').distinct()
        ids.project(
            "id AS \"ContactID\", 'Nombre' AS \"FirstName\", '+52' || (5500000000 + id::BIGINT) AS"
            " \"PhoneNumber\", 'c' || id || '@example.com' AS \"Email\","
            " CASE WHEN id::BIGINT % 3 = 0 THEN 'cliente,vip' ELSE 'cliente' END AS \"Tags\""
        ).write_csv(str(path), header=True)


def run(what: str, folder: Path) -> None:
    """One recovery, or one reading, in this process."""
    failed, messages, contacts, channels = (
        str(folder / name)
        for name in ("failed.csv", "messages.csv", "contacts.csv", "channels.toml")
    )
    if what.startswith("reading"):
        kind = what.split()[1]
        with connection.connect() as engine:
            exports.read(engine, [str(folder / f"{kind}.csv")], kind, "UTC")
        return
    given = {
        "a messages export": {"messages": messages},
        "a contacts export": {"contacts": contacts},
        "a ledger": {"ledger": str(folder / f"{time.time_ns()}.sqlite")},
        "waves": {"channels": channels, "waves": True, "start": "2022-02-01 09:00"},
    }
    out = folder / f"out-{time.time_ns()}"
    asked = {"exports": failed, "tag": "failed {date:%d%m%y} {channel}", "timezone": "UTC"}
    bench = workbench.open(asked | {"out": str(out)} | given.get(what, {}))
    bench.finish(recover.recover(bench.settings, bench.tables, bench.results))


def main(rows: int) -> None:
    names = ["alone", "a messages export", "reading messages", "a contacts export"]
    names += ["reading contacts", "a ledger", "waves"]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        failed = generate(rows, folder / "failed.csv")
        write_messages(failed, folder / "messages.csv")
        write_contacts(failed, folder / "contacts.csv")
        limits = "".join(LIMIT.format(id=channel) for channel in range(1001, 1007))
        (folder / "channels.toml").write_text(limits)
        took: dict[str, list[float]] = {what: [] for what in names}
        for _ in range(RUNS):
            for what in names:
                began = time.perf_counter()
                subprocess.run([sys.executable, __file__, "run", what, folder], check=True)
                took[what].append(time.perf_counter() - began)
        print(f"| a recovery of {rows:,} failed messages | seconds |\n|---|--:|")
        for what in names:
            print(f"| {what} | {min(took[what]):.1f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
