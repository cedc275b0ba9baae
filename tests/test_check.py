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
from rebroadcast.common.doubts import ALL
from rebroadcast.common.exceptions import InputError, LedgerError, ParameterError
from rebroadcast.report import recovery_check, reports, tag_import
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


@pytest.mark.parametrize(
    ("tag", "contacts", "told"),
    [
        ("promo", ("8", "9"), "'promo' already: a segment of it will hold 6, not 2."),
        ("Promo", ("1", "2", "9"), "'Promo' already: a segment of it will hold 5, not 3."),
        ("promo", ("1", "2", "3", "4"), ""),
        ("promo 2", ("8", "9"), ""),
    ],
)
def test_a_tag_that_the_ledger_gave_to_others_is_told(write, tmp_path, tag, contacts, told):
    ledger, first = tmp_path / "ledger", write([row(c, f"1{c}") for c in "1234"])
    given = {"exports": str(first), "tag": "promo"}
    for out in ("a", "again"):
        record, _ = recover(ledger, tmp_path / out, **given)
        assert "carry the tag" not in " ".join(record["warnings"])
    rows = [row(c, f"2{c}", at="2022-02-02 10:00:00", content="Otra") for c in contacts]
    given = {"exports": str(write(rows, "other.csv")), "tag": tag}
    record, tagged = recover(ledger, tmp_path / "b", **given)
    warned = " ".join(record["warnings"])
    assert tagged == {*contacts} and ("carry the tag" in warned) == bool(told) and told in warned


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


CAP = "(#131049) This message was not delivered to maintain healthy ecosystem engagement."
WAVES = 'timezone = "UTC"\n[channel.1001]\nkind = "whatsapp"\nlimit = 5\n'
FIRST, SECOND = ("101", "102", "103", "104", "105"), ("106", "107", "108", "109", "110")


def resent(contacts, at, **more):
    """A message to each contact, one that fails for the last of them: messages, failures."""
    ids = {contact: f"{at[:13]}/{contact}" for contact in contacts}
    sent = [row(contact, ids[contact], None, at, **more) for contact in contacts]
    return sent, [row(contacts[-1], ids[contacts[-1]], CAP, at, **more)]


@pytest.fixture
def two_waves(write, tmp_path):
    """Ten contacts failed and were sent to again in two waves of five; the last of each failed
    again. Gives a check of the days of failures and of messages that are exported.
    """
    failed = [row(c, f"m{c}") for c in (*FIRST, *SECOND)]
    channels = tmp_path / "channels.toml"
    channels.write_text(WAVES)
    given = {"channels": str(channels), "waves": True, "tag": "t {wave}"}
    given |= {"exports": str(write(failed)), "start": "2022-01-13 09:00"}
    recover(tmp_path / "ledger", tmp_path / "out", **given)
    for n, wave in enumerate((FIRST, SECOND), 1):
        lines = (tmp_path / "out" / "import" / f"t-{n}.csv").read_text().split()[2:]
        assert lines == [part for c in wave for part in (f"{c},t", str(n))]
    before = [row(f"20{n}", f"m20{n}", None, "2022-01-11 14:59:00") for n in range(5)]
    days = {"11": ([*before, *(row(c, f"m{c}", None) for c in (*FIRST, *SECOND))], failed)}
    days["13"] = resent(FIRST, "2022-01-13 10:00:00")
    days["14"] = resent(SECOND, "2022-01-14 10:00:00")

    def check_of(failures, messages, more=(), **asked):
        exports = write([*(r for d in failures for r in days[d][1]), *more], "f.csv")
        sent = write([r for d in messages for r in days[d][0]], "m.csv", HEADER[:-1])
        given = {"exports": str(exports), "messages": str(sent), "channels": str(channels)}
        return given | {"ledger": str(tmp_path / "ledger")} | asked

    return check_of


def sums(found):
    return found.outcomes.groupby("outcome")["contacts"].sum().to_dict()


def weights(found):
    return {d.kind: d.weight for d in found.doubts}


@pytest.mark.parametrize(
    "failures, unsure",
    [
        (["11", "13", "14"], 0),
        (["11", "13"], 5),  # ends before the second wave
        (["11"], 10),  # from before the resend
        (["14"], 5),  # begins after the first wave
    ],
)
def test_whom_a_failed_export_of_too_few_days_could_not_show_is_doubted(
    two_waves, failures, unsure
):
    found = checked(two_waves(failures, ["11", "13", "14"]))
    failed = len({"13", "14"} & {*failures})
    assert sums(found) == {"reached": 10 - failed} | ({"failed_again": failed} if failed else {})
    assert weights(found) == ({"failures not exported": unsure} if unsure else {})
    anything = checked(two_waves(failures, ["11", "13", "14"], reached="any"))
    assert weights(anything) == weights(found)


def test_a_failed_export_from_before_the_resend_is_said_everywhere(two_waves, tmp_path):
    given = two_waves(["11"], ["11", "13", "14"], language="es")
    record = reports.run("recovery_check", given, tmp_path / "check")
    [said] = record["warnings"]
    assert said.startswith("10 contactos cuentan") and "mensajes fallidos" in said
    page = (tmp_path / "check" / "recovery_check.html").read_text()
    assert said in page
    with pytest.raises(ParameterError, match="10 contactos cuentan"):
        reports.run("recovery_check", given, tmp_path / "strict", strict=True)


def test_contacts_due_before_the_exports_begin_are_not_known(two_waves, tmp_path):
    given = two_waves(["14"], ["14"])
    found = checked(given)
    assert sums(found) == {"not_known": 5, "reached": 4, "failed_again": 1}
    assert weights(found) == {"messages not exported": 5}
    assert found.runs["share"].isna().all()
    record = reports.run("recovery_check", given, tmp_path / "check")
    outcomes = {name: n for name, n in record["outcomes"].items() if n}
    assert outcomes == {"reached": 4, "failed_again": 1, "not_known": 5}
    page = (tmp_path / "check" / "recovery_check.html").read_text()
    assert "0 without a sign of a send, 5 not known" in page and "Check that the" not in page
    words = [word for n in ("messages", "ledger", "channels") for word in (f"--{n}", given[n])]
    done = typed("check", given["exports"], *words, "--out", tmp_path / "said", "--light")
    told = dict(line.strip().split("  ") for line in done.stdout.splitlines()[:3])
    assert told == {"4": "reached", "1": "failed again", "5": "not known"}


def test_contacts_due_after_the_messages_end_are_not_blamed(two_waves):
    agents = [row("99", "x", CAP, "2022-01-15 10:00:00", sender="user")]
    found = checked(two_waves(["11", "13"], ["11", "13"], agents))
    assert sums(found) == {"reached": 4, "failed_again": 1, "not_due": 5}
    assert not found.doubts


@pytest.mark.parametrize(
    "start, zone, outcome, kinds",
    [
        ("2022-01-13 09:00", "America/Mexico_City", {"reached": 4, "failed_again": 1}, {}),
        ("2022-01-13 09:00", "Mexico City", {"reached": 4, "failed_again": 1}, {"zone": 0}),
        ("2022-01-13 10:30", "America/Mexico_City", {"not_due": 5}, {"sent early": 5}),
        ("2022-01-13 09:00", "Etc/GMT+6", {"reached": 4, "failed_again": 1}, {}),
        ("2022-01-13 09:00", "UTC", {"not_due": 5}, {"sent early": 5, "another zone": ALL}),
    ],
)
@pytest.mark.parametrize("reached", ["message", "any"])
def test_a_resend_before_its_due_time_is_said(
    write, tmp_path, start, zone, outcome, kinds, reached
):
    failed = [row(c, f"m{c}") for c in FIRST]
    ledger, exports = tmp_path / "ledger", str(write(failed))
    recover(ledger, tmp_path / "a", exports=exports, timezone="America/Mexico_City", start=start)
    sent, again = resent(FIRST, "2022-01-13 10:00:00")
    old = [row(c, f"m{c}", None) for c in FIRST]
    given = {
        "exports": str(write([*failed, *again], "f.csv")),
        "messages": str(write([*old, *sent], "m.csv", HEADER[:-1])),
        "ledger": str(ledger),
    }
    found = checked(given | {"timezone": zone, "reached": reached})
    assert sums(found) == outcome and weights(found) == kinds


@pytest.mark.parametrize(
    ("gone", "days", "late"),
    [
        (FIRST[:3], ("11",), 3),
        (FIRST[4:], ("11",), 1),  # after the newest failure, on its day
        (FIRST[:3], ("13",), 0),  # another export of failures, which says nothing of that day
        ((), ("11",), 0),
    ],
)
@pytest.mark.parametrize("reached", ["message", "any"])
def test_failures_that_arrived_late_are_told(write, tmp_path, gone, days, late, reached):
    failed = [row(c, f"m{c}", at=f"2022-01-11 15:00:0{c[-1]}") for c in FIRST]
    ledger, exports = tmp_path / "ledger", str(write(failed))
    recover(ledger, tmp_path / "a", exports=exports, start="2022-01-13 09:00")
    other = row("77", "m77", None, "2022-01-13 10:00:00", content="Otra")
    newer = {"11": [r for r in failed if r[3] not in gone], "13": [[*other, CAP]]}
    given = {
        "exports": str(write([r for day in days for r in newer[day]], "f.csv")),
        "messages": str(write([*(r[:-1] for r in failed), other], "m.csv", HEADER[:-1])),
        "ledger": str(ledger),
        "timezone": "UTC",
        "reached": reached,
    }
    found = checked(given)
    assert weights(found).get("arrived late", 0) == late
    assert "sent early" not in weights(found) and sums(found) == {"no_sign": 5}


def test_no_resend_at_all_is_not_said_to_be_early(write, tmp_path):
    failed = [row(c, f"m{c}") for c in FIRST]
    exports = str(write(failed))
    recover(tmp_path / "ledger", tmp_path / "a", exports=exports, start="2022-01-13 09:00")
    sent, _again = resent(["77"], "2022-01-13 10:00:00")
    given = {
        "exports": exports,
        "messages": str(write([*(r[:-1] for r in failed), *sent], "m.csv", HEADER[:-1])),
        "ledger": str(tmp_path / "ledger"),
        "timezone": "UTC",
    }
    found = checked(given)
    assert sums(found) == {"no_sign": 5} and not found.doubts


def test_channel_and_dates_select_the_contacts_that_are_checked(write, tmp_path):
    text = {"1001": "Hola a todos, hay rebajas", "1002": "Su cita es el lunes a las diez"}
    days = {"1001": "13", "1002": "14"}
    ledger = tmp_path / "ledger"
    sent, failed = [], []
    for channel, contacts in (("1001", FIRST), ("1002", SECOND[:3])):
        more = {"channel": channel, "content": text[channel]}
        lost = [row(c, f"m{c}", **more) for c in contacts]
        begin = f"2022-01-{days[channel]}"
        given = {"exports": str(write(lost, f"{channel}.csv")), "start": f"{begin} 09:00"}
        recover(ledger, tmp_path / channel, **given)
        arrived, again = resent(contacts, f"{begin} 10:00:00", **more)
        sent, failed = [*sent, *(r[:-1] for r in lost), *arrived], [*failed, *lost, *again]
    given = {
        "exports": str(write(failed, "f.csv")),
        "messages": str(write(sent, "m.csv", HEADER[:-1])),
        "ledger": str(ledger),
        "timezone": "UTC",
    }
    asked = (
        ({}, 8),
        ({"channel": "1001"}, 5),
        ({"channel": "1002"}, 3),
        ({"to": "2022-01-13"}, 5),
        ({"from_": "2022-01-14"}, 3),
        ({"from_": "2022-01-13 09:01"}, 3),
        ({"from_": "2022-01-13 09:00", "to": "2022-01-13 09:01"}, 5),
    )
    for more, contacts in asked:
        found = checked(given | more)
        failed_again = 1 if more else 2
        assert sums(found) == {"reached": contacts - failed_again, "failed_again": failed_again}
        assert found.facts.contacts == contacts == found.runs["contacts"].sum(), more
    for more in ({"channel": "1003"}, {"from_": "2022-01-15"}, {"to": "2022-01-12"}):
        with pytest.raises(ParameterError, match="No contact of the ledger is left for .*; it has"):
            checked(given | more)
    with pytest.raises(ParameterError, match="leave out sender_type"):
        checked(given | {"sender_type": "user"})


def test_one_contact_without_a_sign_is_said_as_one_and_truly(write, tmp_path):
    exports = str(write([row("1", "m1")]))
    recover(tmp_path / "ledger", tmp_path / "a", exports=exports, start="2022-01-13 09:00")
    other = row("1", "m2", None, "2022-01-13 10:00:00", sender="user", content="Ok")
    given = {
        "exports": exports,
        "messages": str(write([row("1", "m1", None), other], "m.csv", HEADER[:-1])),
        "ledger": str(tmp_path / "ledger"),
        "timezone": "UTC",
    }
    said = recovery_check.checked(workbench.open(given).reader, checked(given)).data
    assert "0 of 1 contact that was due has been reached (0 %)" in said
    assert "1 contact shows no message of this broadcast since it was due." in said
    assert "contacts" not in said and "no message at all" not in said
