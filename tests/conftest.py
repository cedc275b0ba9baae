"""What the tests share: the sample's files, small exports, and the engine."""

import csv
import json
from pathlib import Path

import pytest

from rebroadcast import engine as engines

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
HEADER = ["Date & Time", "Sender ID", "Sender Type", "Contact ID", "Message ID", "Content Type", "Message Type",
          "Content", "Channel ID", "Type", "Sub Type", "Error"]  # fmt: skip
LIMIT = "Messaging limit reached: this business can start conversations with 1,000 unique contacts in 24 hours."
BLOCKED = "Forbidden: bot was blocked by the user"


@pytest.fixture
def engine():
    with engines.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def truth():
    return json.loads((SAMPLES / "truth.json").read_text("utf-8"))


def row(
    contact="100",
    message="9001",
    error=LIMIT,
    at="2022-01-11 15:00:00",
    channel="1001",
    sender="broadcast",
    content="Hola",
):
    """One row of a failed-messages export; without the error, one of a messages export."""
    return [at, "88001", sender, contact, message, "text", "message", json.dumps({"type": "text", "text": content}),
            channel, "outgoing", "text", *([error] if error is not None else [])]  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Write rows as a CSV export; returns its path."""

    def write(rows, name="failed.csv", header=HEADER, encoding="utf-8", delimiter=","):
        path = tmp_path / name
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([header, *rows] if header else rows)
        return path

    return write
