"""The sample exports are what their script makes, and hold the story that truth.json tells."""

import csv
import json
import runpy
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rebroadcast import explain

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
TRUTH = json.loads((SAMPLES / "truth.json").read_text("utf-8"))
VERDICTS = {(e["channel"], e["text"]): e["verdict"] for e in TRUTH["errors"]}


def read(name: str) -> list[dict[str, str]]:
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sent() -> list[dict[str, str]]:
    return [r for r in read("messages.csv") if r["Type"] == "outgoing"]


@pytest.fixture(scope="module")
def failed() -> list[dict[str, str]]:
    """The good rows of the failed export, its one repairable ID repaired."""
    spoilt = {r["row"] for r in TRUTH["rejected"]}  # rows are counted from 1, after the header
    rows = enumerate(read("failed_messages.csv"), 1)
    return [
        r | {"Contact ID": r["Contact ID"].removesuffix(".0")} for i, r in rows if i not in spoilt
    ]


def test_files_are_what_the_script_makes(tmp_path):
    subprocess.run([sys.executable, SAMPLES / "make_samples.py", "--out", tmp_path], check=True)
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made == {name: (SAMPLES / name).read_bytes() for name in made}
    assert (
        len(made) == 7
        and sum(p.stat().st_size for p in SAMPLES.iterdir() if p.is_file()) < 2_600_000
    )


def test_rejected_rows_are_copies_on_the_lines_told(failed):
    lines = (SAMPLES / "failed_messages.csv").read_text("utf-8").split("\n")
    assert all(r["message_id"] in lines[r["line"] - 1] for r in TRUTH["rejected"])
    assert {r["message_id"] for r in TRUTH["rejected"]} < {r["Message ID"] for r in failed}
    assert len(failed) + 5 == TRUTH["rows"]["failed_messages.csv"]
    odd = [r["Message ID"] for r in read("failed_messages.csv") if r["Contact ID"].endswith(".0")]
    assert odd == [TRUTH["repaired"]["message_id"]] and any("\n" in r["Content"] for r in failed)


def test_counts_by_channel_and_error(failed, sent):
    bad = {r["Message ID"]: r for r in failed}
    assert bad.keys() <= {r["Message ID"] for r in sent}
    for channel, told in TRUTH["channels"].items():
        rows = [r for r in sent if r["Channel ID"] == channel]
        for scope in ("all", "broadcast"):
            ids = {r["Message ID"] for r in rows if scope in ("all", r["Sender Type"])}
            assert list(told[scope].values())[:3] == [
                len(ids),
                len(ids - bad.keys()),
                len(ids & bad.keys()),
            ]
    rows, messages = (
        Counter((r["Channel ID"], r["Error"]) for r in some) for some in (failed, bad.values())
    )
    told = {(e["channel"], e["text"]): (e["rows"], e["messages"]) for e in TRUTH["errors"]}
    assert told == {pair: (rows[pair], messages[pair]) for pair in rows}


def test_broadcast_of_11_january(failed, sent):
    rows = [r for r in failed if r["Channel ID"] == "1001"]
    day = TRUTH["broadcast_2022_01_11"]
    assert (day["attempted"], day["delivered"], day["failed"], day["limit_errors"]) == (
        1500,
        1000,
        500,
        471,
    )
    assert day["others"] == {"unreachable": 11, "recipient_cap": 7, "opted_out": 6, "template": 5}
    assert [len(rows), len({r["Message ID"] for r in rows})] == [
        512,
        len({r["Contact ID"] for r in rows}),
    ]
    limit = [r["Date & Time"] for r in rows if r["Error"].startswith("Messaging limit")]
    assert min(limit) == day["first_limit_error"] == "2022-01-11 15:16:09"
    later = [
        r["Date & Time"] for r in sent if (r["Channel ID"], r["Sender Type"]) == ("1001", "user")
    ]
    assert (len(later), len(read("failed_message_log.csv")), min(later) > "2022-01-14") == (
        30,
        500,
        True,
    )


@pytest.mark.parametrize("channel", ["1001", "1002"])
def test_limit_errors_come_only_when_1000_contacts_were_reached(channel, failed, sent):
    bad, window = {r["Message ID"]: r["Error"] for r in failed}, {}
    for row in (r for r in sent if (r["Channel ID"], r["Sender Type"]) == (channel, "broadcast")):
        at, contact = datetime.fromisoformat(row["Date & Time"]), row["Contact ID"]
        window = {c: t for c, t in window.items() if t > at - timedelta(hours=24)}
        error = bad.get(row["Message ID"], "")
        full = len(window) == 1000 and contact not in window
        assert error if full else not error.startswith("Messaging limit")
        window |= {} if error else {contact: window.get(contact, at)}


@pytest.mark.parametrize("channel", ["1001", "3001"])
@pytest.mark.parametrize("kinds", [{"broadcast"}, {"broadcast", "user", "workflow"}])
def test_recoverable_contacts(channel, kinds, failed, sent):
    bad, fates = {r["Message ID"] for r in failed}, defaultdict(list)
    for r in (r for r in failed if r["Channel ID"] == channel and r["Sender Type"] in kinds):
        fates[r["Contact ID"]].append((r["Date & Time"], VERDICTS[channel, r["Error"]]))
    last = {
        c: max(rows) for c, rows in fates.items() if all(verdict != "never" for _, verdict in rows)
    }
    wait = {c: at for c, (at, verdict) in last.items() if verdict == "wait"}
    good = [r for r in sent if r["Channel ID"] == channel and r["Message ID"] not in bad]
    reached = {r["Contact ID"] for r in good if r["Date & Time"] > wait.get(r["Contact ID"], "9")}
    found = {
        "recoverable": sorted(wait),
        "recoverable_with_messages": sorted(wait.keys() - reached),
    }
    assert TRUTH["recovery"][channel] == TRUTH["recovery"][channel] | found


def test_contacts_with_mixed_fates(failed):
    fates = defaultdict(list)
    for r in sorted(failed, key=lambda r: r["Date & Time"]):
        fates[r["Contact ID"], r["Channel ID"]].append(VERDICTS[r["Channel ID"], r["Error"]])
    telegram = [
        f for (_, channel), f in fates.items() if channel == "3001" and {"wait", "never"} <= set(f)
    ]
    assert {f[0] for f in telegram} == {f[-1] for f in telegram} == {"wait", "never"}
    assert {c for (c, _), f in fates.items() if "never" in f} & set(
        TRUTH["recovery"]["1001"]["recoverable"]
    )


def test_contacts_and_channels(sent):
    contacts = read("contacts.csv")
    assert {r["Contact ID"] for r in sent} <= {r["ContactID"] for r in contacts}
    names = {(r["FirstName"], r["LastName"]) for r in contacts}
    assert (len(contacts), len(names), sum(not r["PhoneNumber"] for r in contacts)) == (
        2420,
        2419,
        2,
    )
    own, pool = (
        tomllib.loads(p.read_text("utf-8")) for p in sorted(SAMPLES.glob("channels*.toml"))
    )
    assert own["channel"].keys() == pool["channel"].keys() == TRUTH["channels"].keys()
    assert (
        own["channel"]["1001"]["limit"]
        == pool["pool"][pool["channel"]["1002"]["pool"]]["limit"]
        == 1000
    )


def test_the_rules_give_every_error_of_the_sample_what_its_script_says():
    kinds = {
        "1001": "whatsapp",
        "1002": "whatsapp",
        "2001": "messenger",
        "3001": "telegram",
        "4001": "viber",
        "5001": "sms",
    }
    for entry in TRUTH["errors"]:
        found = explain(entry["text"], kinds[entry["channel"]])
        assert (found.cause, found.verdict) == (entry["cause"], entry["verdict"]), entry["text"]


def test_the_exports_after_the_resend_are_what_their_script_makes():
    script = runpy.run_path(str(SAMPLES / "make_resend.py"))
    for name, text in script["make"]().items():
        assert (SAMPLES / "after_resend" / name).read_text("utf-8") == text, name
