"""The ledger around a recovery: nobody twice, the full circle with known truth, the log without
IDs, and privacy.
"""

import csv
import json
import re
from pathlib import Path

import pytest

from conftest import HEADER, ROOT, SAMPLES, row, typed
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import InputError, LedgerError, ParameterError
from rebroadcast.report import reports, tag_import
from rebroadcast.verbs import check
from rebroadcast.verbs import recover as recovering

SAMPLE = {
    "exports": str(SAMPLES / "failed_messages.csv"),
    "channels": str(SAMPLES / "channels.toml"),
    "messages": str(SAMPLES / "messages.csv"),
    "channel": "1001",
    "tag": "failed broadcast {date:%d%m%y}",
}
AFTER = {
    n: str(SAMPLES / "after_resend" / f"{f}.csv")
    for n, f in (("exports", "failed_messages"), ("messages", "messages"))
}


def recover(ledger, out, **given):
    bench = workbench.open(
        {"timezone": "UTC", "tag": "t", "ledger": str(ledger), "out": str(out)} | given,
        "tag_import",
    )
    recovery = recovering.recover(bench.settings, bench.tables, bench.results)
    tag_import.checklist(bench.reader, recovery, bench.results.folder and recovery.folder)
    record = bench.finish(recovery)
    folder = Path(out) / "import"
    tagged = (
        {r[0] for p in folder.glob("*.csv") for r in list(csv.reader(p.open()))[1:]}
        if folder.exists()
        else set()
    )
    return record, tagged


def checked(given):
    bench = workbench.open(given, "recovery_check")
    return check.check(bench.settings, bench.tables)


def test_contacts_tagged_before_for_the_same_broadcast_are_left_out(write, tmp_path):
    first, later = (
        write([row("1", "1"), row("2", "2")]),
        write([row("1", "1"), row("2", "2"), row("3", "3")], "later.csv"),
    )
    ledger = tmp_path / "ledger"
    assert recover(ledger, tmp_path / "a", exports=str(first))[1] == {"1", "2"}
    record, tagged = recover(ledger, tmp_path / "b", exports=str(later))
    assert tagged == {"3"} and record["counts"]["tagged_before"] == 2
    # The same input again is the same run, not a second one.
    assert recover(ledger, tmp_path / "c", exports=str(first))[1] == {"1", "2"}
    assert len(list((ledger / "runs").glob("*.json"))) == 2
    # Another broadcast to the same people is another matter.
    rows = [row("1", "11", content="Otra cosa"), row("2", "12", content="Otra cosa")]
    assert recover(ledger, tmp_path / "d", exports=str(write(rows, "d.csv")))[1] == {"1", "2"}


def test_full_circle_on_the_sample_equals_the_truth(tmp_path):
    given = SAMPLE | {"timezone": "", "start": "2022-01-31 09:00"}
    recover(tmp_path / "ledger", tmp_path / "recovery", **given)
    truth = json.loads((SAMPLES / "after_resend" / "truth.json").read_text())
    asked = AFTER | {"channels": SAMPLE["channels"], "ledger": str(tmp_path / "ledger")}
    found = checked(asked)
    sums = found.outcomes.groupby("outcome")["contacts"].sum().to_dict()
    assert sums == {k: truth[k] for k in ("reached", "failed_again", "no_sign")}
    assert sorted(found.again["contacts"]) == sorted(truth["again"].values())
    assert found.runs[["contacts", "due", "reached"]].to_numpy().tolist() == [
        [truth["tagged"], truth["tagged"], truth["reached"]]
    ]
    # Without the messages export, only new failures can be told.
    partly = checked(asked | {"messages": ""})
    assert set(partly.outcomes["outcome"]) == {"failed_again", "not_known"} and not partly.measured
    record = reports.run("recovery_check", asked | {"language": "es"}, tmp_path / "check")
    assert (
        record["status"] == "ok"
        and "87 %" in (tmp_path / "check" / "recovery_check.html").read_text()
    )


def test_contacts_whose_wave_is_not_due_are_not_blamed(write, tmp_path):
    path = write([row("1", "1"), row("2", "2")])
    recover(tmp_path / "ledger", tmp_path / "a", exports=str(path), start="2023-01-01 00:00")
    found = checked({"exports": str(path), "timezone": "UTC", "ledger": str(tmp_path / "ledger")})
    assert found.outcomes[["outcome", "contacts"]].to_numpy().tolist() == [["not_due", 2]]


def test_a_dry_run_shows_the_difference_and_writes_nothing(write, tmp_path):
    path = write([row("1", "1"), row("2", "2")])
    recover(tmp_path / "ledger", tmp_path / "out", exports=str(path))
    (tmp_path / "more").mkdir()
    other = write(
        [row("1", "1"), row("2", "3", "Forbidden: bot was blocked by the user"), row("3", "3")],
        "more/f.csv",
    )
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    words = [
        "recover",
        other,
        "--tag",
        "t",
        "--timezone",
        "UTC",
        "--dry-run",
        "--out",
        tmp_path / "out",
    ]
    done = typed(*words)
    assert done.returncode == 0, done.stderr
    assert "new contacts 1, gone 1" in done.stdout
    assert (
        "+ 3" in done.stdout
        and "- 2  never" in done.stdout
        and "nothing was written" in done.stdout
    )
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_the_log_without_ids_gives_sure_matches_and_a_checklist(write, tmp_path, truth):
    out = tmp_path / "sample"
    _, tagged = recover(
        tmp_path / "l1",
        out,
        exports=str(SAMPLES / "failed_message_log.csv"),
        contacts=str(SAMPLES / "contacts.csv"),
        channels=SAMPLE["channels"],
    )
    assert tagged == set(truth["recovery"]["1001"]["recoverable"])
    header = [
        "Date & Time",
        "Sender",
        "Contact Name",
        "Channel",
        "Type",
        "Sub Type",
        "Content",
        "Error",
    ]
    line = "Messaging limit reached"
    log = write(
        [
            ["2022-01-11 15:00:00", "b", name, "WA", "outgoing", "text", "x", line]
            for name in ("Ana Uno", "Eva Dos", "Nobody", "+52 55 5555 0009", "Leo Tres")
        ],
        "log.csv",
        header,
    )
    people = [
        ["1", "Ana", "Uno", "", "WA"],
        ["2", "Eva", "Dos", "", "WA"],
        ["3", "eva ", "Dos", "", "WA"],
        ["4", "", "", "+525555550009", ""],
        ["5", "Leo", "Tres", "", "WA"],
        ["6", "Leo", "Tres", "", "Telegram"],
    ]
    contacts = write(
        people, "contacts.csv", ["ContactID", "FirstName", "LastName", "PhoneNumber", "Channels"]
    )
    record, tagged = recover(
        tmp_path / "l2", tmp_path / "out", exports=str(log), contacts=str(contacts)
    )
    assert tagged - {"2022-01-11 15:00:00"} == {"1", "4", "5"}
    assert record["counts"]["rejected"] == 2 and sum(record["counts"].values()) == 5
    checklist = (tmp_path / "out" / "import" / "checklist.csv").read_text()
    assert "Eva Dos" in checklist and "Nobody" in checklist and "Ana Uno" not in checklist
    assert "Eva Dos" in (tmp_path / "out" / "import" / "checklist.html").read_text()
    with pytest.raises(InputError, match="no contact IDs; name a contacts export"):
        recover(tmp_path / "l3", tmp_path / "out3", exports=str(log))


def test_shared_artefacts_hold_nothing_personal(sample_run):
    """Every name, phone, e-mail, contact ID, wamid and message text of the samples is looked for in
    all that is shared.
    """
    secrets = set()
    for name in ("contacts.csv", "failed_messages.csv", "messages.csv"):
        for cells in csv.DictReader((SAMPLES / name).open(encoding="utf-8")):
            fields = [
                cells.get(k)
                for k in (
                    "ContactID",
                    "Contact ID",
                    "PhoneNumber",
                    "Email",
                    "FirstName",
                    "Message ID",
                )
            ]
            secrets |= {f for f in fields if f and len(f) >= 8 and f != "1.0E+08"}
            secrets |= set(re.findall(r"wamid\.[\w=+/-]+|\+?\d{10,}", cells.get("Error") or ""))
            if (content := cells.get("Content") or "").startswith("{"):
                secrets |= {t for t in [str(json.loads(content).get("text", ""))] if len(t) > 12}
    assert len(secrets) > 5_000
    for notebook in ("failure_report", "tag_import", "quota_overflow"):
        made = [sample_run(notebook) / n for n in (f"{notebook}.html", f"{notebook}.ipynb")]
        recorded = ROOT / "notebooks" / f"{notebook}.ipynb"  # of all channels, as nbval holds
        for path in (*made, sample_run(notebook) / "run.json", recorded):
            text = path.read_text("utf-8")
            text = re.sub(r'<script type="text/plain" id="plotly[^<]*</script>', "", text)
            words = set(re.findall(r"[\w.+@-]{8,}", text))
            found = {
                s for s in secrets if (s in words if re.fullmatch(r"[\w.+@-]+", s) else s in text)
            }
            assert not found, (path, sorted(found)[:5])


def test_ledgers_that_cannot_be_used_are_refused(write, tmp_path):
    path = str(write([row()]))
    with pytest.raises(ParameterError, match="No ledger was named"):
        checked({"exports": path, "timezone": "UTC"})
    recover(tmp_path / "ledger", tmp_path / "a", exports=path)
    with pytest.raises(LedgerError, match="knows no run for 'x'"):
        given = {"exports": path, "timezone": "UTC", "ledger": str(tmp_path / "ledger")}
        checked(given | {"broadcast": "x"})
    channels = tmp_path / "other.toml"
    for name in ("A", "B"):
        channels.write_text(f'workspace = "{name}"\ntimezone = "UTC"\n')
        given = {"exports": path, "channels": str(channels), "tag": "again", "broadcast": name}
        if name == "A":
            recover(tmp_path / "own", tmp_path / "own-a", **given)
    with pytest.raises(LedgerError, match="belongs to workspace 'A', not 'B'"):
        recover(tmp_path / "own", tmp_path / "own-b", **given)
    assert not (tmp_path / "own-b").exists()
    with pytest.raises(LedgerError, match="cannot be used|no ledger in"):
        checked({"exports": path, "timezone": "UTC", "ledger": str(tmp_path / "none")})
    content = json.loads((tmp_path / "ledger" / "ledger.json").read_text())
    (tmp_path / "ledger" / "ledger.json").write_text(json.dumps(content | {"schema": 99}))
    with pytest.raises(LedgerError, match="schema|newer"):
        recover(tmp_path / "ledger", tmp_path / "b", exports=path)
    assert not (tmp_path / "b").exists()
    ends = write([row("9", "9", None, "2022-01-01 10:00:00")], "m.csv", HEADER[:-1])
    with pytest.raises(InputError, match="export the messages of those days"):
        recover(tmp_path / "fresh", tmp_path / "c", exports=path, messages=str(ends))
