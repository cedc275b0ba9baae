"""Status webhooks of WhatsApp's Cloud API as JSON lines: ours beside DuckDB's own bare read of the
same lines.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from rebroadcast.engine import connect
from rebroadcast.reading import exports

LINES = 1_000_000
STATES = ("sent", "delivered", "read"), ("sent", "failed", "failed")  # one message in 7 fails
ERROR = {
    "code": 131026,
    "title": "Message undeliverable",
    "message": "Message undeliverable",
    "error_data": {"details": "Message Undeliverable."},
}


def write(path: Path, lines: int) -> None:
    """Write webhooks of made-up messages, three a message."""
    head = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "100000000000001"}}
    with path.open("w") as file:
        for line in range(lines):
            message = line // 3
            status = {
                "id": f"wamid.HBgMNDQ3NzAw{message:08}FQIAERgS0000000000000000AA==",
                "status": STATES[message % 7 == 0][line % 3],
                "timestamp": str(1_791_208_801 + line // 50),
                "recipient_id": f"4477{message:08}",
            }
            status |= {"errors": [ERROR]} if status["status"] == "failed" else {}
            change = {"value": head | {"statuses": [status]}, "field": "messages"}
            entry = {"id": "200000000000001", "changes": [change]}
            hook = {"object": "whatsapp_business_account", "entry": [entry]}
            file.write(json.dumps(hook, separators=(",", ":")) + "\n")


def bare(path: Path, folder: Path) -> float:
    """Seconds that DuckDB takes to read the lines into a Parquet file."""
    begun = time.perf_counter()
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT * FROM read_json('{path}', format = 'newline_delimited'))"
            f" TO '{folder / 'bare.parquet'}'"
        )
    return time.perf_counter() - begun


def ours(path: Path) -> tuple[float, int]:
    """Seconds that it takes to know each message once, and how many failed."""
    begun = time.perf_counter()
    with connect.connect() as engine:
        export = exports.read(engine, path)
        return time.perf_counter() - begun, export.rows


def main(lines: int = LINES) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "webhooks.jsonl"
        write(path, lines)
        theirs = bare(path, Path(name))
        seconds, rows = ours(path)
    print(f"{'webhooks':<24}{lines:>12,} lines  {rows:>9,} failed messages")
    print(f"{'DuckDB, bare read':<24}{theirs:>8.1f} s")
    print(f"{'rebroadcast':<24}{seconds:>8.1f} s  {seconds / theirs:.1f} times")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
