"""Make the exports of the days after a made-up resend to the sample's recoverable contacts
(`after_resend/`).

Run it after make_samples.py. Of the contacts that were tagged on channel 1001, most are reached,
some fail again, and for some there is no sign of a send, as if their import rows had been lost;
`truth.json` says how many.
"""

import argparse
import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
START = datetime(2022, 1, 31, 9, 0)
FAILURES = [
    ("(#131049) This message was not delivered to maintain healthy ecosystem engagement.", 18),
    ("(#131026) Message undeliverable: Receiver is incapable of receiving this message", 7),
    (
        (
            "(#131050) Unable to deliver the message. This recipient has chosen to stop receiving"
            " marketing messages on WhatsApp from your business"
        ),
        5,
    ),
]
NO_SIGN = 30
HEADER = [
    "Date & Time",
    "Sender ID",
    "Sender Type",
    "Contact ID",
    "Message ID",
    "Content Type",
    "Message Type",
    "Content",
    "Channel ID",
    "Type",
    "Sub Type",
]


def make() -> dict[str, str]:
    """File name → text of every file, the same each time."""
    contacts = json.loads((HERE / "truth.json").read_text("utf-8"))["recovery"]["1001"][
        "recoverable"
    ]
    said = _contents()
    errors = [text for text, count in FAILURES for _ in range(count)]
    sent, failed = [], []
    for place, contact in enumerate(contacts[NO_SIGN:]):
        at = START + timedelta(seconds=2 * place)
        content = said[contact]
        row = [
            f"{at:%Y-%m-%d %H:%M:%S}",
            "88014",
            "broadcast",
            contact,
            f"16436412{place:08d}",
            "text",
            "message",
            content,
            "1001",
            "outgoing",
            "text",
        ]
        sent.append(row)
        if place < len(errors):
            failed.append([*row, errors[place]])
    truth = {
        "tagged": len(contacts),
        "reached": len(sent) - len(failed),
        "failed_again": len(failed),
        "no_sign": NO_SIGN,
        "again": dict(FAILURES),
    }
    return {
        "messages.csv": _csv([HEADER, *sent]),
        "failed_messages.csv": _csv([[*HEADER, "Error"], *failed]),
        "truth.json": json.dumps(truth, indent=1, ensure_ascii=False) + "\n",
    }


def _contents() -> dict[str, str]:
    """What the broadcast of 11 January said to each contact: a resend says it again."""
    with (HERE / "messages.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["Contact ID"]: row["Content"]
            for row in csv.DictReader(file)
            if row["Channel ID"] == "1001"
            and row["Date & Time"].startswith("2022-01-11")
            and row["Sender Type"] == "broadcast"
        }


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "after_resend")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, text in make().items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
