"""Who to reach again: every row has one disposition, and the import files hold exactly the right
contacts.
"""

import csv
import getpass
import json
from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from conftest import BLOCKED, HEADER, LIMIT, SAMPLES, few_first, opened, row
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import InputError, OutputError, ParameterError, RunError
from rebroadcast.recovery import fates as fates_
from rebroadcast.recovery import tag_import, targets
from rebroadcast.report.tag_import import fix_first, import_steps
from rebroadcast.sources import profile
from rebroadcast.verbs import recover as recovering

SAMPLE = {
    "exports": str(SAMPLES / "failed_messages.csv"),
    "channels": str(SAMPLES / "channels.toml"),
}
TEMPLATE = "(#132012) Parameter format does not match format in the created template"


def recover(out=None, anew=False, **given):
    begin = workbench.open if anew else opened
    given = {"tag": "again", "timezone": "UTC", "out": str(out or "")} | given
    bench = begin(given, "tag_import")
    recovery = recovering.recover(bench.settings, bench.tables, bench.results)
    rows = None
    if out:
        bench.finish(recovery)
        rows = {
            p.name: list(csv.reader(p.open(encoding="utf-8")))
            for p in sorted((Path(out) / "import").glob("*.csv"))
        }
    return recovery, rows


def tagged(path, out, **given):
    recovery, files = recover(out, exports=str(path), **given)
    contacts = [r[0] for rows in files.values() for r in rows[1:]]
    assert all(rows[0] == ["Contact ID", "Tags"] for rows in files.values())
    assert sum(f["contacts"] for f in recovery.files) == len(contacts)
    return contacts


def test_sample_gives_exactly_the_contacts_that_its_script_knows(truth, tmp_path):
    tag = "failed broadcast {date:%d%m%y}"
    messages = str(SAMPLES / "messages.csv")
    for number, (stated, key) in enumerate(
        (
            ({}, "recoverable"),
            ({"messages": messages}, "recoverable"),  # an agent's message reaches nobody
            ({"messages": messages, "reached": "any"}, "recoverable_with_messages"),
        )
    ):
        found, files = recover(tmp_path / str(number), **SAMPLE, **stated, channel="1001", tag=tag)
        (rows,) = files.values()
        assert [r[0] for r in rows[1:]] == sorted(truth["recovery"]["1001"][key])
        assert {r[1] for r in rows[1:]} == {"failed broadcast 110122"}
        assert sum(found.counts.values()) == truth["rows"]["failed_messages.csv"]
        assert found.recoverable == len(truth["recovery"]["1001"][key])


def test_a_rerun_gives_the_same_bytes(tmp_path):
    given = SAMPLE | {"channel": "1001", "messages": str(SAMPLES / "messages.csv")}
    recover(tmp_path / "a", **given)
    recover(tmp_path / "b", anew=True, **given)
    files = [
        p.relative_to(tmp_path / "a")
        for p in sorted((tmp_path / "a").rglob("*"))
        if p.is_file() and p.name != "run.json"
    ]
    assert {p.parts[0] for p in files} == {"data", "import"}
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path


def test_any_never_keeps_a_contact_out_and_otherwise_the_latest_failure_decides(write, tmp_path):
    path = write(
        [
            row("1", "11", BLOCKED, "2022-01-11 10:00:00"),
            row("1", "12", LIMIT, "2022-01-11 12:00:00"),
            row("2", "21", LIMIT, "2022-01-11 10:00:00"),
            row("2", "22", TEMPLATE, "2022-01-11 12:00:00"),
            row("3", "31", TEMPLATE, "2022-01-11 10:00:00"),
            row("3", "32", LIMIT, "2022-01-11 12:00:00"),
            row("4", "41", BLOCKED, "2022-01-11 10:00:00", channel="2001"),
            row("4", "42", LIMIT),
            row("5", "51", "who knows what"),
        ]
    )
    assert tagged(path, tmp_path / "a", channel="1001") == ["3", "4"]
    found, files = recover(tmp_path / "c", exports=str(path), tag="again {channel}")
    assert {name: [r[0] for r in rows[1:]] for name, rows in files.items()} == {
        "again-channel-1001.csv": ["3", "4"]
    }
    assert found.counts == {
        "rejected": 0,
        "filtered": 0,
        "repeated": 3,
        "never": 2,
        "fix_first": 1,
        "unknown": 1,
        "reached_later": 0,
        "tagged_before": 0,
        "tagged": 2,
    }


def test_other_channels_dates_and_senders_are_filtered(write, tmp_path):
    path = write(
        [
            row("1", "1", at="2022-01-11 20:00:00"),
            row("2", "2", channel="2001"),
            row("3", "3", sender="user"),
            row("4", "4", at="2022-01-12 00:00:00"),
            row("5", "5", at="2022-01-11 23:59:59"),
        ]
    )
    assert tagged(path, tmp_path / "a", channel="1001", from_="2022-01-11", to="2022-01-11") == [
        "1",
        "5",
    ]
    assert tagged(path, tmp_path / "b", sender_type="user") == ["3"]
    assert tagged(path, tmp_path / "c", channel="1001", from_="2022-01-12") == ["4"]


def test_contacts_that_a_later_message_reached_are_left_out(write, tmp_path):
    path = write([row("1", "1"), row("2", "2"), row("3", "3"), row("4", "4")])
    later = [
        *(row(str(n), str(n), None) for n in (1, 2, 3, 4)),
        row("1", "91", None, "2022-01-12 10:00:00"),
        row("2", "92", None, "2022-01-10 10:00:00"),
        row("3", "93", None, "2022-01-12 10:00:00", channel="2001"),
        row("4", "94", None, "2022-01-12 10:00:00", sender="user"),
    ]
    messages = str(write(later, "messages.csv", HEADER[:-1]))
    # The same message, on any channel of the contact; an agent's is none, unless that is asked for.
    assert tagged(path, tmp_path / "a", messages=messages) == ["2", "4"]
    assert tagged(path, tmp_path / "b", messages=messages, reached="any") == ["2", "3"]


def test_two_broadcasts_get_two_tags_or_are_refused(write, tmp_path):
    path = write([row("1", "1"), row("2", "2", channel="2001"), row("2", "3")])
    with pytest.raises(ParameterError, match="2 broadcasts would get the tag 'again': .*1001, 11"):
        recover(tmp_path / "a", exports=str(path))
    assert not (tmp_path / "a").exists()
    found, files = recover(tmp_path / "b", exports=str(path), tag="again {channel} {time}")
    assert {name: [r[0] for r in rows[1:]] for name, rows in files.items()} == {
        "again-channel-1001-1500.csv": ["1", "2"],
        "again-channel-2001-1500.csv": ["2"],
    }
    assert found.recoverable == 2  # people
    key = found.broadcasts.loc[found.broadcasts["channel_id"] == "2001", "broadcast"].iloc[0]
    assert tagged(path, tmp_path / "c", broadcast=key) == ["2"]
    with pytest.raises(ParameterError, match="There is no broadcast"):
        recover(exports=str(path), broadcast="nothing")


def test_what_has_been_mended_moves_to_the_audience(write, tmp_path):
    path = write([row("1", "1", TEMPLATE), row("2", "2")])
    assert tagged(path, tmp_path / "a") == ["2"]
    assert tagged(path, tmp_path / "b", fixed="template") == ["1", "2"]
    assert tagged(path, tmp_path / "c", fixed="plantilla, ventana") == ["1", "2"]
    with pytest.raises(ParameterError, match="Did you mean 'template'"):
        recover(exports=str(path), fixed="tempalte")
    with pytest.raises(ParameterError, match="no cause that can be fixed") as refused:
        recover(exports=str(path), fixed="opted_out")
    assert "opted_out," not in str(refused.value)


def test_who_decided_that_a_cause_is_mended_is_kept_and_shown(write, tmp_path):
    path = str(write([row("1", "1", TEMPLATE), row("2", "2")]))
    told = {}
    for name, decider in (("named", "Ana Ruiz"), ("unnamed", "")):
        recover(tmp_path / name, exports=path, fixed="template", decided_by=decider)
        told[name] = json.loads((tmp_path / name / "run.json").read_text("utf-8"))["fixed"]
    assert told["named"] == {"causes": ["template"], "decided_by": "Ana Ruiz"}
    assert told["unnamed"] == {"causes": ["template"], "decided_by": getpass.getuser()}
    bench = opened({"exports": path, "fixed": "template", "decided_by": "Ana Ruiz", "tag": "t"})
    found = recovering.recover(bench.settings, bench.tables)
    assert "Decided by Ana Ruiz" in fix_first(bench.reader, found, bench.settings).data
    recover(tmp_path / "none", exports=path)
    assert "fixed" not in json.loads((tmp_path / "none" / "run.json").read_text("utf-8"))


def test_what_makes_the_numbers_less_sure_is_said_and_recorded(write, tmp_path):
    months = [
        row(str(n), str(n), at=f"2022-0{n}-04 15:00:00", channel=f"100{n % 2}") for n in (1, 2, 3)
    ]
    asked = {
        "exports": str(write(months)),
        "timezone": "UTC",
        "tag": "again {date}",
        "ledger": str(tmp_path / "ledger"),
    }
    for number, begun in enumerate((True, False)):
        bench = workbench.open(asked | {"out": str(tmp_path / str(number))}, "tag_import")
        found = recovering.recover(bench.settings, bench.tables, bench.results)
        said = [bench.reader.said(doubt) for doubt in found.doubts]
        assert "same day of different months" in " ".join(said)
        assert any("A new ledger was begun" in text for text in said) == begun
        kept = bench.finish(found)["warnings"]
        assert kept == json.loads((tmp_path / str(number) / "run.json").read_text())["warnings"]
        assert sorted(kept) == sorted(said)
    quiet, _files = recover(exports=str(write(months[:2])), tag="{channel} {date} again")
    assert not quiet.doubts


def test_messages_of_two_contacts_that_a_spreadsheet_gave_one_id_both_count(write):
    rows = [
        row("1", "1642000000000000"),
        row("2", "1642000000000000"),
        row("2", "1642000000000000"),
    ]
    bench = workbench.open({"exports": str(write(rows)), "timezone": "UTC"})
    assert bench.tables.failed.count().execute() == 2 and bench.tables.repeats == 1


def test_every_input_row_has_one_line_and_a_lost_row_fails_the_run(write, tmp_path, engine):
    path = write([row("1", "1"), row("", "2"), row("1", "3"), ["too", "few"]])
    found, _ = recover(tmp_path / "a", exports=str(path))
    frame = engine.con.read_parquet(tmp_path / "a" / "data" / "dispositions.parquet").to_pandas()
    assert frame["disposition"].tolist() == ["repeated", "tagged", "rejected", "rejected"]
    assert frame["line"].tolist()[2:] == [3, 5]
    with pytest.raises(RunError, match="add up to 4 rows, but the files hold 5"):
        fates_.counts(
            bench_rows := engine.con.read_parquet(tmp_path / "a" / "data" / "dispositions.parquet"),
            5,
        )
    assert sum(found.counts.values()) == bench_rows.count().execute()


def test_existing_tags_stay_in_the_cell(write, tmp_path):
    path = write([row("1", "1"), row("2", "2"), row("3", "3")])
    contacts = write(
        [["1", "vip, norte"], ["2", "again"], ["9", "x"]], "contacts.csv", ["ContactID", "Tags"]
    )
    result, files = recover(tmp_path / "a", exports=str(path), contacts=str(contacts))
    assert files["again.csv"] == [
        ["Contact ID", "Tags"],
        ["1", "norte,vip,again"],
        ["2", "again"],
        ["3", "again"],
    ]
    assert result.missing == 1
    twice = write([["1", ""], ["1", ""]], "twice.csv", ["ContactID", "Tags"])
    with pytest.raises(InputError, match="more than once: 1;"):
        recover(exports=str(path), contacts=str(twice))


@pytest.mark.parametrize(
    ("header", "target", "told"),
    [
        (["ContactID", "PhoneNumber"], "", True),
        (["ContactID", "PhoneNumber", "Tags"], "", False),
        (["ContactID", "PhoneNumber"], "numbers", False),  # a list without tags takes none off
    ],
)
def test_a_contacts_export_without_tags_is_not_said_to_keep_them(
    write, tmp_path, header, target, told
):
    path = write([row("1", "1"), row("2", "2")])
    cells = [["1", "+5215512345671", "vip"], ["2", "+5215512345672", ""]]
    contacts = write([one[: len(header)] for one in cells], "contacts.csv", header)
    given = {"exports": str(path), "contacts": str(contacts), "for_": target}
    found, _ = recover(tmp_path / "a", **given)
    doubts = {doubt.kind: doubt for doubt in found.doubts}
    assert (recovering.NO_TAGS in doubts) == told
    if told:
        assert doubts[recovering.NO_TAGS].weight == 2
        assert "contacts.csv has no Tags column" in doubts[recovering.NO_TAGS].text()
    reader = opened(given, "tag_import").reader
    steps = import_steps(reader, found, True).data
    assert ("Existing tags were kept" in steps) == (not told and not target)
    assert ("would take off those that contacts have" in steps) == told


@pytest.mark.parametrize(
    ("known", "missing", "said"),
    [
        ("123", 0, "Existing tags were kept in each cell"),
        ("1", 2, "were kept in the cells of the contacts that the contacts export has"),
        ("789", 3, "has no tags to keep in the cells"),
    ],
)
def test_contacts_that_a_contacts_export_does_not_have_are_said(
    write, tmp_path, known, missing, said
):
    # Each for two broadcasts: contacts are counted, not what is written of them.
    at = {"": "2022-01-11 15:00:00", "Otra": "2022-02-11 15:00:00"}
    path = write([row(c, c + text, at=at[text], content=text) for c in "123" for text in at])
    contacts = write([[c, "vip"] for c in known], "contacts.csv", ["ContactID", "Tags"])
    given = {"exports": str(path), "contacts": str(contacts), "tag": "t {date}"}
    found, _ = recover(tmp_path / "a", **given)
    doubts = {doubt.kind: doubt for doubt in found.doubts}
    assert (recovering.NO_TAGS in doubts) == bool(missing)
    if missing:
        text = f"{missing} of the contacts to tag are not in the contacts export"
        assert doubts[recovering.NO_TAGS].text().startswith(text)
    assert said in import_steps(opened(given, "tag_import").reader, found, True).data


def test_files_are_split_where_the_platform_asks_for_it(engine, tmp_path):
    platform = profile.target("respondio", None)
    assert (platform.rows, platform.bytes) == (199_999, 19_000_000)
    few = platform.model_copy(update={"rows": 3})
    ids = [f"{n:04d}" for n in range(10)]
    tags = {"again": ids, "other": ids[:4], "Again!": ids[:1]}
    rows = ibis.memtable(
        {
            "contact_id": [i for own in tags.values() for i in own[::-1]],
            "tag": [t for t, own in tags.items() for _ in own],
        }
    )
    rows = targets.recipients(engine, tag_import.cells(rows), few, "contact")
    files = tag_import.write(engine, rows, tmp_path, tags, few)
    again = [(f"again-{i}of4.csv", n) for i, n in enumerate([3, 3, 3, 1], 1)]
    assert [(f["file"], f["contacts"]) for f in files] == [
        *again,
        ("other-1of2.csv", 3),
        ("other-2of2.csv", 1),
        ("again-tag2.csv", 1),
    ]
    for tag, own in tags.items():
        read = [
            r
            for f in files
            if f["tag"] == tag
            for r in list(csv.reader((tmp_path / f["file"]).open()))[1:]
        ]
        assert read == [[i, tag] for i in own]
    small = few.model_copy(update={"bytes": 40})
    assert len(tag_import.write(engine, rows, tmp_path / "small", ["again"], small)) > 4
    assert (tmp_path / "again-1of4.csv").stat().st_mode & 0o777 == 0o600


def test_a_tag_of_many_contacts_and_one_of_many_bytes_are_both_split(engine, tmp_path):
    platform = profile.target("respondio", None)
    small = platform.model_copy(update={"rows": 5, "bytes": 300})
    sizes = {"a": 12, "b" * 90: 4, "c" * 90: 7, "d": 1}  # over: contacts; bytes; both; neither
    held = [(f"{n:03d}", tag) for tag, many in sizes.items() for n in range(many)]
    rows = ibis.memtable(held, columns=["contact_id", "tag"])
    rows = targets.recipients(engine, tag_import.cells(rows), small, "contact")
    files = tag_import.write(engine, rows, tmp_path, sizes, small)
    read = [list(csv.reader((tmp_path / f["file"]).open()))[1:] for f in files]
    assert [tuple(cells) for own in read for cells in own] == held
    assert [f["contacts"] for f in files] == list(map(len, read)) and max(map(len, read)) <= 5
    assert [sum(f["tag"] == tag for f in files) > 1 for tag in sizes] == [True, True, True, False]


def test_no_import_file_is_larger_than_the_limit_nor_split_without_need(engine, tmp_path):
    """Long addresses, letters of several bytes, quotes that are written twice; answers first."""
    wati = profile.packaged()["wati"].target
    asked = wati.model_copy(
        update={"bytes": 2_000, "columns": {"address": {"To": "{address}", "Tag": "{tags}"}}}
    )
    for tag, least in (("t", 2), ("ñ" * 80, 5), ('"' * 80, 5), ("漢" * 20, 3)):
        people = [f"{n:02}{'x' * 60}@example.com" for n in range(40)]
        rows = ibis.memtable({"contact_id": people, "tag": tag, "tags": tag})
        made = targets.recipients(engine, rows, asked, "address")
        folder = tmp_path / str(len(tag.encode()))
        files = tag_import.write(engine, made, folder, [tag], asked)
        sizes = [(folder / f["file"]).stat().st_size for f in files]
        assert max(sizes) <= 2_000 + 400  # the row on the limit, and the heading
        assert sum(f["contacts"] for f in files) == 40
        assert least <= len(files) <= 2 * least, (tag, sizes)


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a,b", "comma"),
        ("x" * 256, "256 characters"),
        ("{dat}", "Did you mean 'date'"),
        ("=1+1", "formula"),
        ("a\nb", "cannot be seen"),
        ("{", "cannot be read"),
    ],
)
def test_a_tag_that_the_platform_would_not_take_is_refused(write, tag, words):
    with pytest.raises(ParameterError, match=words):
        recover(exports=str(write([row()])), tag=tag)


def test_unknown_channels_dates_and_folders_are_refused(write, tmp_path):
    path = str(write([row()]))
    with pytest.raises(
        ParameterError, match=r"channel ID '1002'.*Did you mean '1001'.*Present: 1001"
    ):
        recover(exports=path, channel="1002")
    with pytest.raises(ParameterError, match="expected a date such as"):
        recover(exports=path, from_="yesterday")
    with pytest.raises(ParameterError, match="from .* lies after to"):
        recover(exports=path, from_="2022-01-12", to="2022-01-11")
    with pytest.raises(ParameterError, match="No failed message is left"):
        recover(exports=path, from_="2023-01-12")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "run.json").write_text("{}")
    with pytest.raises(OutputError, match="already holds another run"):
        recover(tmp_path / "full", exports=path)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["run.json"]


def test_the_record_tells_the_whole_run(write, tmp_path):
    path = write([row("1", "1"), row("", "2")])
    recover(tmp_path / "a", exports=str(path), channel="1001")
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    assert record["schema"] == 1 and record["status"] == "ok"
    assert record["parameters"]["channel"] == "1001"
    assert (
        record["inputs"][0]["bytes"] == path.stat().st_size
        and len(record["inputs"][0]["sha256"]) == 64
    )
    assert record["counts"]["tagged"] == 1 and record["counts"]["rejected"] == 1
    assert {o["name"] for o in record["outputs"]} >= {
        "import/again.csv",
        "data/dispositions.parquet",
    }


ERRORS = st.sampled_from(
    [LIMIT, BLOCKED, TEMPLATE, "who knows", "(#131049) This message was not delivered"]
)
ROWS = st.lists(
    st.tuples(st.integers(1, 20), ERRORS, st.integers(0, 3), st.sampled_from(["1001", "2001"])),
    min_size=40,
    max_size=120,
)


LATER = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), min_size=10, max_size=20)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # to shrink one takes a quarter of an hour


@pytest.mark.parametrize("examples", few_first([3, 12], 1))
def test_dispositions_partition_the_rows_and_a_messages_export_never_adds_a_contact(
    write, examples
):
    @settings(max_examples=examples, deadline=None, phases=PHASES)
    @given(ROWS, LATER)
    def holds(rows, later):
        partitions(write, rows, later)

    holds()


def partitions(write, rows, later):
    path = write(
        [
            row(str(c), str(i), e, f"2022-01-1{d} 10:00:00", ch)
            for i, (c, e, d, ch) in enumerate(rows)
        ]
    )
    messages = write(
        [
            row("77", "700", None, "2022-01-16 10:00:00"),
            *(
                row(str(c), f"9{i}", None, f"2022-01-1{d} 12:00:00")
                for i, (c, d) in enumerate(later)
            ),
        ],
        "messages.csv",
        HEADER[:-1],
    )
    found = {}
    for name, given_messages in (("without", ""), ("with", str(messages))):
        bench = workbench.open(
            {
                "exports": str(path),
                "tag": "{broadcast} {channel} {wave}",
                "timezone": "UTC",
                "messages": given_messages,
            }
        )
        recovery = recovering.recover(bench.settings, bench.tables)
        assert sum(recovery.counts.values()) == len(rows)
        frame = pd.read_parquet(recovery.dispositions)
        tagged = frame[frame["disposition"] == "tagged"]
        assert recovery.recoverable == tagged["contact_id"].nunique()
        found[name] = set(zip(tagged["contact_id"], tagged["channel_id"], strict=True))
        bench.close()
    assert not found["without"] & {(str(c), ch) for c, e, _, ch in rows if e == BLOCKED}
    assert found["with"] <= found["without"]


SPANISH = [
    "Fecha y hora",
    "ID del remitente",
    "Tipo de remitente",
    "ID de contacto",
    "ID de mensaje",
    "Tipo de contenido",
    "Tipo de mensaje",
    "Contenido",
    "ID de canal",
    "Tipo",
    "Subtipo",
    "Error",
]


def resave(path, messages, resaved, heading=HEADER, spanish=SPANISH):
    """Write messages (day, contact, message, channel, content, error) as the platform or as a
    Spanish spreadsheet does.
    """
    sign, encoding = (";", "cp1252") if resaved else (",", "utf-8")
    lines = [spanish if resaved else heading]
    for minute, (day, contact, message, channel, said, *error) in enumerate(messages):
        at = f"{day}/3/2026 10:{minute:02}" if resaved else f"2026-03-{day:02} 10:{minute:02}:00"
        content = json.dumps({"type": "text", "text": said})
        mine = [at, "55", "broadcast", contact, message, "text", "message", content]
        lines.append([*mine, channel, "outgoing", "text", *error])
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=sign, lineterminator="\r\n").writerows(lines)
    return str(path)


SAID = {2: "promo uno", 9: "otra cosa distinta hoy"}


@pytest.mark.parametrize("resaved", [False, True])
def test_an_opt_out_is_of_one_contact_and_channel_however_its_id_is_written(tmp_path, resaved):
    """Two broadcasts, IDs with zeros in front, letters, and more digits than 64 bits hold, as the
    platform and as a Spanish spreadsheet write them; answers first.
    """
    blocked = "(#131050) User has opted out of marketing messages"
    failed = [  # day, contact, channel, error
        (2, "007", 1001, blocked),
        (2, "7", 1001, LIMIT),
        (2, "abc1", 1002, blocked),
        (2, "abc1", 1001, LIMIT),
        (2, "99999999999999999999", 1001, blocked),
        (2, "99999999999999999998", 1001, LIMIT),
        (9, "007", 1001, LIMIT),
        (9, "8", 1001, LIMIT),
        (9, "7", 1001, LIMIT),
    ]
    messages = [
        (day, contact, f"17408{n:011}", channel, SAID[day], error)
        for n, (day, contact, channel, error) in enumerate(failed)
    ]
    path = resave(tmp_path / "failed.csv", messages, resaved)
    recovery, files = recover(
        tmp_path / "out", exports=path, tag="again {broadcast} {channel}", date_format="DMY"
    )
    tagged = sorted([cells[0] for cells in rows[1:]] for rows in files.values())
    assert tagged == [["7", "8"], ["7", "99999999999999999998", "abc1"]]
    assert recovery.counts["never"] == 4


WROTE = [  # what a contact wrote, and whether that reads like an opt-out
    ("BAJA", True),
    ("Stop.", True),
    ("UNSUBSCRIBE", True),
    ("no molestar", True),
    ("Sair", True),
    ("Gracias", False),
    ("¿Baja el precio en noviembre?", False),
    ("Please tell me where the bus to the centre will stop", False),
]


@pytest.mark.parametrize("whole", [True, False], ids=["JSON", "text"])
def test_contacts_to_tag_who_wrote_an_opt_out_are_told_and_listed(tmp_path, write, whole):
    people = [str(100 + n) for n in range(len(WROTE))]
    failed = write([row(person, f"90{person}") for person in people])
    sent = [row(person, f"90{person}", None) for person in people]
    for person, (text, _) in zip(people, WROTE, strict=True):
        answer = row(person, f"95{person}", None, "2022-01-11 16:00:00", sender="contact")
        answer[7] = json.dumps({"type": "text", "text": text}) if whole else text
        sent.append(answer)
    sent.append(row("999", "95999", None, "2022-01-11 16:00:00", sender="contact", content="STOP"))
    messages = write(sent, "messages.csv", HEADER[:-1])
    recovery, _ = recover(tmp_path / "out", exports=str(failed), messages=str(messages))
    asked = [person for person, (_, out) in zip(people, WROTE, strict=True) if out]
    [said] = [d.text() for d in recovery.doubts if d.kind == "asked out"]
    assert said.startswith(f"{len(asked)} of the contacts to tag wrote")
    listed = (tmp_path / "out" / "data" / "asked_out.csv").read_text("utf-8").split()
    assert listed[1:] == asked


@pytest.mark.parametrize("resaved", [False, True])
def test_who_was_reached_and_whose_tags_stay_is_told_by_the_whole_id(tmp_path, resaved):
    """A later message to 7 does not reach 007, nor one to ...99 the contact ...98; the tags of 7
    are not those of 007; answers first. Message IDs are numbers, letters, and have zeros in front.
    """
    ids = ["007", "7", "abc1", "12345678901234567898", "12345678901234567899"]
    own = ["0017", "17", "m-1", "1740800000000003", "1740800000000004"]
    failed = [(2, c, m, 1001, SAID[2], LIMIT) for c, m in zip(ids, own, strict=True)]
    sent = [row[:-1] for row in failed]
    sent += [(9, "7", "m-2", 1001, SAID[2]), (9, ids[4], "1740900000000001", 1001, SAID[2])]
    contacts = tmp_path / "contacts.csv"
    contacts.write_text(
        "ContactID,FirstName,PhoneNumber,Email,Tags\n007,A,,,uno\n7,B,,,dos\nabc1,C,,,\n"
    )
    recovery, files = recover(
        tmp_path / "out",
        exports=resave(tmp_path / "failed.csv", failed, resaved),
        messages=resave(tmp_path / "sent.csv", sent, resaved, HEADER[:-1], SPANISH[:-1]),
        contacts=str(contacts),
        tag="again",
        date_format="DMY",
    )
    [rows] = files.values()
    assert rows[1:] == [["007", "uno,again"], [ids[3], "again"], ["abc1", "again"]]
    assert recovery.counts["reached_later"] == 2 and recovery.missing == 1
