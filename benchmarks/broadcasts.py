"""What finding the broadcasts costs, as a share of a run that reads a month's exports and sums them
up as the first page of a report does.

python benchmarks/broadcasts.py [messages] [broadcasts]
"""

import sys
import tempfile
import time
from pathlib import Path

import duckdb

from rebroadcast.bench import workbench
from rebroadcast.recovery import broadcasts
from rebroadcast.verbs import summarise


def generate(messages: int, count: int, folder: Path) -> dict[str, str]:
    """Write exports of all messages and of the failed ones, a fifth: broadcasts of one size on four
    channels, two on an afternoon, each with its own words and a name, a number and a link in each
    content. Returns the parameters that name them.
    """
    size = messages // count
    words = "'w' || translate(md5((b * 10 + {})::VARCHAR)[1:8], '0123456789', 'ghijklmnop')"
    said = " || ' ' || ".join(words.format(i) for i in range(6))
    duckdb.sql(f"""
        CREATE TABLE sent AS
            SELECT strftime(wall, '%Y-%m-%d %H:%M:%S') "Date & Time", '88001' "Sender ID",
                   'broadcast' "Sender Type", 100000000 + i * 7919 % 1000000 "Contact ID",
                   1640000000000000 + i * 97 "Message ID", 'text' "Content Type",
                   'message' "Message Type",
                   '{{"type":"text","text":"Hola Nombre' || chr((65 + i % 26)::INT) || ' 🎉\\n'
                   || said || ' pedido ' || i || ' https://x.example/' || i * 7 || '"}}' "Content",
                   1001 + b % 4 "Channel ID", 'outgoing' "Type", 'text' "Sub Type",
                   '131048 Spam rate limit hit' "Error", i
            FROM (SELECT i, b, said, TIMESTAMP '2022-01-01 09:00:00' + to_days((b // 8)::INT)
                         + to_hours((b // 4 % 2 * 3)::INT) + to_seconds(i % {size} // 5) wall
                  FROM (SELECT range i FROM range({size * count}))
                  JOIN (SELECT b, {said} said FROM (SELECT range, range b FROM range({count})))
                  ON i // {size} = b)""")
    written = {"messages": '* EXCLUDE ("Error", i) FROM sent'}
    written["exports"] = "* EXCLUDE (i) FROM sent WHERE i % 5 = 0"
    paths = {name: str(folder / f"{name}.csv") for name in written}
    for name, rows in written.items():
        duckdb.sql(f"COPY (SELECT {rows}) TO '{paths[name]}'")
    return paths


class Clock:
    """Adds up how long calls of a function take, in seconds and in seconds of processors."""

    def __init__(self, function):
        self.function, self.spent, self.cpu = function, 0.0, 0.0

    def __call__(self, *args, **options):
        begun, cpu = time.perf_counter(), time.process_time()
        result = self.function(*args, **options)
        self.spent += time.perf_counter() - begun
        self.cpu += time.process_time() - cpu
        return result


def main() -> None:
    messages, count = map(int, sys.argv[1:3] or (3_000_000, 200))
    with tempfile.TemporaryDirectory() as folder:
        given = generate(messages, count, Path(folder))
        find = broadcasts.find = Clock(broadcasts.find)
        bench = workbench.open(given | {"timezone": "UTC"})
        run = Clock(summarise.summarise)
        found = len(run(bench.settings, bench.tables).broadcasts)
        bench.close()
    print(
        f"{messages:,} messages: {found} of {count} broadcasts found in {find.spent:.1f} s of a run"
        f" of {run.spent:.1f} s: {find.spent / run.spent:.0%} of its time, and"
        f" {find.cpu / run.cpu:.0%} of its processors' ({find.cpu:.1f} of {run.cpu:.1f} s)"
    )


if __name__ == "__main__":
    main()
