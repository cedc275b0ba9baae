"""A run made again, refused or beside another: nobody twice, nobody lost, no window exceeded."""

import csv

import pytest

from conftest import BLOCKED, HEADER, LIMIT, long, row
from rebroadcast.bench import workbench
from rebroadcast.bench.doubts import doubts
from rebroadcast.common.exceptions import InputError, QuotaError
from rebroadcast.ledger.ledger import open_ledger
from rebroadcast.verbs import assess, recover

CONTACTS = ["ContactID", "PhoneNumber", "Email", "Tags", "LastInteractionTime"]
LIMITS = 'timezone = "UTC"\n[channel.1001]\nkind = "whatsapp"\nlimit = {}\n'


@pytest.fixture
def run(tmp_path):
    """Recover with a ledger into a folder; returns the record and the import files' contacts."""

    def run(out="out", finish=True, **given):
        given = {"tag": "t", "start": "2022-01-20 09:00", "timezone": "UTC"} | given
        bench = workbench.open(
            {"ledger": str(tmp_path / "ledger"), "out": str(tmp_path / out)} | given
        )
        try:
            recovery = recover.recover(bench.settings, bench.tables, bench.results)
            record = bench.finish(recovery)
        except BaseException as error:
            bench.stack.__exit__(type(error), error, None)  # as the end of its process does
            raise
        return record, recovery, tagged(tmp_path / out)

    return run


def tagged(folder):
    files = sorted((folder / "import").glob("*.csv"))
    return {file.name: [r[0] for r in csv.reader(file.open())][1:] for file in files}


def test_the_same_run_again_gives_the_same_files(run, write, tmp_path):
    exports = str(write([row(str(n), f"m{n}") for n in range(6)]))
    messages = [row(str(n), f"m{n}", None) for n in range(6)]
    messages = str(write(messages, "messages.csv", HEADER[:-1]))
    contacts = str(write([[str(n), "", "", "", ""] for n in range(6)], "c.csv", CONTACTS))
    given = {"exports": exports, "messages": messages, "contacts": contacts}
    _record, _recovery, first = run(**given)
    _record, _recovery, again = run("out2", **given)
    assert first == again == {"t.csv": list("012345")}
    assert len(open_ledger(tmp_path / "ledger").runs()) == 1


def test_contacts_of_two_broadcasts_on_a_channel_have_the_same_files_again(run, write):
    days = {"02": "January", "09": "February"}
    sent = [
        row(str(n), f"m{day}{n}", at=f"2022-01-{day} 09:00:0{n}", content=text)
        for day, text in days.items()
        for n in range(4)
    ]
    given = {"exports": str(write(sent)), "tag": "t {date}"}
    _record, recovery, first = run(**given)
    _record, again, second = run("out2", **given)
    assert first == second and list(map(len, first.values())) == [4, 4]
    assert again.counts == recovery.counts


def test_the_same_run_again_keeps_its_waves_whatever_was_planned_since(run, write, tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text(LIMITS.format(4))
    rows = [row(str(n), f"m{n}") for n in range(6)]
    given = {"channels": str(channels), "waves": True, "exports": str(write(rows))}
    record, _recovery, first = run(**given)
    later = [row(str(n), f"n{n}", at="2022-01-13 15:00:00") for n in range(10, 13)]
    run("other", **given | {"exports": str(write(later, "later.csv"))})
    again, recovery, files = run("out2", **given)
    assert files == first and again["waves"] == record["waves"]
    assert list(recovery.plan.waves["size"]) == [4, 2]


@pytest.mark.parametrize("measured", [False, True])
def test_what_a_ledger_plans_is_traffic(run, write, tmp_path, measured):
    channels = tmp_path / "channels.toml"
    channels.write_text(LIMITS.format(4))
    given = {"channels": str(channels), "waves": True}
    starts = []
    for day, first in ((11, 0), (12, 10)):
        rows = [
            row(str(first + n), f"m{first + n}", at=f"2022-01-{day} 15:00:00") for n in range(3)
        ]
        sent = [one[:-1] for one in rows]
        given |= {"messages": str(write(sent, f"sent{day}.csv", HEADER[:-1]))} if measured else {}
        record, *_rest = run(f"out{day}", exports=str(write(rows, f"{day}.csv")), **given)
        starts.append([(w["start"][:16], w["contacts"]) for w in record["waves"]])
    assert starts[0] == [("2022-01-20T09:00", 3)]
    assert starts[1] == [("2022-01-21T09:00", 3)]  # 1 at once would make two waves


def test_a_refused_run_leaves_no_claim(run, write, tmp_path, monkeypatch):
    exports = str(write([row(str(n), f"m{n}") for n in range(3)]))
    twice = [["0", "", "", "vip", ""], ["0", "", "", "vip", ""], ["1", "", "", "", ""]]
    bad = str(write(twice, "twice.csv", CONTACTS))
    with pytest.raises(InputError, match="more than once: 1;") as refused:
        run(exports=exports, contacts=bad)
    assert "0" not in str(refused.value).replace("contact IDs", "")
    assert open_ledger(tmp_path / "ledger").runs() == []

    def full(*_rows, **_options):
        raise QuotaError("Something behind the claim is refused.")

    with monkeypatch.context() as broken:
        broken.setattr(recover.tag_import, "write", full)
        with pytest.raises(QuotaError):
            run(exports=exports)
    assert open_ledger(tmp_path / "ledger").runs() == []
    good = str(write(twice[1:], "once.csv", CONTACTS))
    assert run(exports=exports, contacts=good)[2] == {"t.csv": list("012")}


def test_one_phone_under_two_ids_is_one_person(run, write, tmp_path):
    rows = [row(str(n), f"m{n}") for n in (9, 10, 11, 12)]
    sent = [row("1", "x1", None, "2022-01-11 14:59:00"), *(r[:-1] for r in rows)]
    sent += [row("4", "x4", None, "2022-01-11 14:59:00", sender="user")]  # no broadcast
    contacts = [
        ["9", "+525555550009", "", "", "2021-01-01 10:00:00"],
        ["10", "+52 55 5555 0009", "", "", "2021-02-01 10:00:00"],
        ["11", "+525555550011", "", "", ""],
        ["4", "+525555550011", "", "", ""],
        ["12", "+525555550001", "", "", ""],
        ["1", "+525555550001", "", "", ""],
    ]
    given = {
        "exports": str(write(rows)),
        "messages": str(write(sent, "m.csv", HEADER[:-1])),
        "contacts": str(write(contacts, "c.csv", CONTACTS)),
    }
    record, _recovery, files = run(**given)
    assert files == {"t.csv": ["10", "11"]}
    names = ("tagged", "repeated", "reached_later")
    assert [record["counts"][name] for name in names] == [2, 1, 1]
    listed = list(csv.DictReader((tmp_path / "out" / "data" / "same_person.csv").open()))
    assert sorted((r["contact_id"], r["disposition"]) for r in listed) == [
        ("10", "tagged"),
        ("11", "tagged"),
        ("12", "reached_later"),
        ("9", "repeated"),
    ]


def test_contacts_are_left_out_by_tag_and_told_by_warnings(run, write):
    rows = [row(str(n), f"m{n}", BLOCKED if n == 5 else LIMIT) for n in range(1, 6)]
    contacts = [
        ["1", "", "", "vip,unsubscribed", ""],
        ["2", "", "", "no molestar", ""],
        ["3", "", "", "", ""],
        ["8", "", "", "T", ""],
    ]
    given = {"exports": str(write(rows)), "contacts": str(write(contacts, "c.csv", CONTACTS))}
    bench = workbench.open(given | {"tag": "t", "timezone": "UTC"})
    recovery = recover.recover(bench.settings, bench.tables)
    told = " ".join(doubt.text() for doubt in recovery.doubts)
    assert "2 of the contacts to tag have tags" in told and "will hold 5, not 4" in told
    record, _recovery, files = run(**given, exclude_tag="Unsubscribed,no molestar,spam")
    assert files == {"t.csv": ["3", "4"]} and record["counts"]["filtered"] == 2


@pytest.mark.parametrize("saved", [{}, {"delimiter": ";", "encoding": "cp1252"}])
@pytest.mark.parametrize("letter", ["", "x"])  # IDs that are numbers, and IDs that are none
def test_each_contact_keeps_its_own_tags_beside_the_new_ones(run, write, tmp_path, saved, letter):
    """Two broadcasts; contacts with the same text of tags and with none, one that the contacts
    export lacks, and a contacts export as a spreadsheet saves it.
    """
    ids = {"1": " niño , Cliente,niño", "2": " niño , Cliente,niño", "3": "=1+1,niño", "4": ""}
    ids |= {"6": "t channel 1001,a"}
    rows = [row(letter + n, f"m{n}") for n in ("1", "2", "3", "4", "5", "6")]
    rows += [row(letter + n, f"k{n}", channel="1002", content="Adiós") for n in ("1", "6")]
    contacts = [[letter + n, "", "", tags, ""] for n, tags in ids.items()]
    given = {"exports": str(write(rows)), "tag": "t {channel}"}
    given["contacts"] = str(write(contacts, "c.csv", CONTACTS, **saved))
    _record, recovery, _files = run(**given)
    cells = {}
    for path in sorted((tmp_path / "out" / "import").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            cells |= {
                (name.removeprefix(letter), path.stem[-4:]): t for name, t in csv.reader(file)
            }
    assert {key: cell for key, cell in cells.items() if key[0] != "Contact ID"} == {
        ("1", "1001"): "Cliente,niño,t channel 1001",
        ("1", "1002"): "Cliente,niño,t channel 1002",
        ("2", "1001"): "Cliente,niño,t channel 1001",
        ("3", "1001"): "niño,t channel 1001,=1+1",
        ("4", "1001"): "t channel 1001",
        ("5", "1001"): "t channel 1001",
        ("6", "1001"): "a,t channel 1001",
        ("6", "1002"): "a,t channel 1001,t channel 1002",
    }
    assert recovery.missing == 1


def test_numbers_of_one_portfolio_and_open_service_windows(write, tmp_path):
    """Two numbers, each with a limit of 4 in the file: the window of the first is that of the
    second too.
    """
    channels = tmp_path / "channels.toml"
    text = "\n".join(
        f'[channel.{n}]\nname = "N{n}"\nkind = "whatsapp"\nlimit = 4' for n in (1001, 1002)
    )
    channels.write_text(f'timezone = "UTC"\n{text}\n')
    wrote = [row(str(n), f"i{n}", None, "2022-01-11 08:00:00", sender="contact") for n in (1, 2)]
    for message in wrote:
        message[9] = "incoming"
    sent = [row(str(n), f"m{n}", None, "2022-01-11 09:00:00") for n in range(1, 7)]
    failed = [row(str(n), f"m{n}", LIMIT, "2022-01-11 11:00:00", "1002") for n in (11, 12)]
    given = {
        "exports": str(write(failed)),
        "messages": str(write([*wrote, *sent, *(r[:-1] for r in failed)], "m.csv", HEADER[:-1])),
        "channels": str(channels),
        "start": "2022-01-11 12:00",
    }
    bench = workbench.open(given)
    found = assess.assess(bench.settings, bench.tables)
    (window,) = found.windows.to_dict("records")
    names = ("attempted", "size", "delivered", "failed", "overflow", "open")
    assert [int(window[name]) for name in names] == [6, 4, 4, 2, 2, 2]
    told = [doubt.text() for doubt in doubts(bench.tables)]
    assert any("N1001, N1002 are taken to share one limit of 4" in text for text in told)
    planned = assess.loads.capacity(found.load, found.limits, bench.settings.sending.start)
    assert planned["left"].tolist() == [0]


@pytest.mark.parametrize(
    ("earlier", "channel"),
    [
        ("2022-01-11 04:50", ""),
        pytest.param("2022-01-11 04:50", "1001", marks=long),
        ("2022-01-11 05:00", ""),
        ("2022-01-10 15:00", ""),
    ],
)
def test_an_export_that_begins_earlier_tags_nobody_again(run, write, tmp_path, earlier, channel):
    """A broadcast that runs past five in the morning, at which days begin in the keys."""
    late = [row(str(n), f"m{n}", at=f"2022-01-11 05:1{n}:07") for n in range(6)]
    early = [row(str(n), f"e{n}", at=f"{earlier}:{n}") for n in (10, 11, 12)]
    _record, _recovery, first = run(exports=str(write(late)))
    given = {"channel": channel} if channel else {}
    _record, _recovery, again = run("b", exports=str(write(early + late, "b.csv")), **given)
    contacts = [[c for part in files.values() for c in part] for files in (first, again)]
    assert sorted(contacts[0]) == [str(n) for n in range(6)]
    assert sorted(contacts[1]) == ["10", "11", "12"]
    keys = {broadcast.key for broadcast in open_ledger(tmp_path / "ledger").broadcasts()}
    assert len(keys) == (1 if earlier.startswith("2022-01-11") else 2)
