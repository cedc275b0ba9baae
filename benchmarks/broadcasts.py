"""What finding the broadcasts of 3 million messages costs, beyond reading them.

python benchmarks/broadcasts.py [messages] [broadcasts]
"""

import sys
import tempfile
import time
from pathlib import Path

import duckdb

from rebroadcast.engine import connect as engines
from rebroadcast.recovery import broadcasts


def generate(messages: int, count: int, path: Path) -> None:
    """Write failed messages as they are after reading: broadcasts of one size on four channels, two
    on an afternoon, each with its own words and a name, a number and a link in each content.
    """
    size = messages // count
    words = "'w' || translate(md5((b * 10 + {})::VARCHAR)[1:8], '0123456789', 'ghijklmnop')"
    said = " || ' ' || ".join(words.format(i) for i in range(6))
    duckdb.sql(f"""
        COPY (
            SELECT i row_id, (1001 + b % 4)::VARCHAR channel_id, '88001' sender_id,
                   'broadcast' sender_type, 'outgoing' traffic_type, 'message' message_type,
                   (100000000 + i * 7919 % 1000000)::VARCHAR contact_id,
                   wall::TIMESTAMPTZ sent_at, wall local_at,
                   '{{"type":"text","text":"Hola Nombre' || chr((65 + i % 26)::INT) || ' 🎉\\n'
                   || said || ' pedido ' || i || ' https://x.example/' || i * 7 || '"}}' "content"
            FROM (SELECT i, b, said, TIMESTAMP '2022-01-01 09:00:00' + to_days((b // 8)::INT)
                         + to_hours((b // 4 % 2 * 3)::INT) + to_seconds(i % {size} // 5) wall
                  FROM (SELECT range i FROM range({size * count}))
                  JOIN (SELECT range b, {said} said FROM (SELECT range, range b FROM range({count})))
                  ON i // {size} = b))
        TO '{path}'""")


def main() -> None:
    messages, count = map(int, sys.argv[1:3] or (3_000_000, 200))
    with tempfile.TemporaryDirectory() as folder, engines.connect() as engine:
        path = Path(folder) / "messages.parquet"
        generate(messages, count, path)
        table = engine.con.read_parquet(path)
        broadcasts.find(engine, engine.keep(table.limit(1000)))  # what is loaded once
        start, cpu = time.perf_counter(), time.process_time()
        found = broadcasts.find(engine, table)
        spent, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{messages:,} messages: {len(found.found)} of {count} broadcasts found in {spent:.2f} s"
            f" ({cpu:.2f} s of processors)"
        )
        start, cpu = time.perf_counter(), time.process_time()
        marked = found.mark(table)
        marked.group_by("broadcast").aggregate(n=marked.count()).to_pandas()
        spent, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(f"each of them marked and counted in {spent:.2f} s ({cpu:.2f} s of processors)")


if __name__ == "__main__":
    main()
