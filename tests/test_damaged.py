"""Damaged exports: a fair sample of the ways of pollution.py; `make campaign` runs many more,
beside other readers.
"""

import random
from collections import Counter
from itertools import accumulate, islice
from pathlib import Path

import pytest

import pollution
from conftest import few_first
from rebroadcast.common.exceptions import RebroadcastError
from rebroadcast.reading import exports

BASES = pollution.bases(seed=3)
PER_FAMILY = 1
VENDORS = Path(__file__).parent / "data" / "vendors"
HEADER = "Date & Time,Contact ID,Message ID,Channel ID,Error"
ROWS = [
    f"2022-11-05 09:{n // 60:02}:{n % 60:02},{500_000 + n},{1_667_638_800_000_001 + n},7,131049 - x"
    for n in range(300)
]


@pytest.mark.parametrize(
    "name", few_first(["semicolons", "json lines", "plain", "contacts", "sample"], 2)
)
def test_damage_costs_the_damaged_rows_only(engine, name):
    chosen = []
    for family in pollution.families(BASES[name]):
        found = list(islice(family(BASES[name]), 400))
        for case in random.Random(name).sample(found, PER_FAMILY):
            chosen.append(pollution.Case(BASES[name], family.__name__, *case))
    readers = {"rebroadcast": (pollution.ours(engine), RebroadcastError)}
    verdicts = [
        (c.family, c.name, v) for c, _, v in pollution.run(chosen, readers, Path(engine.scratch))
    ]
    assert [v for v in verdicts if v[2].startswith("wrong")] == []
    counts = Counter(v for *_, v in verdicts)
    assert (
        counts["right"] + counts["rejected"] > counts["refused"]
    )  # who refuses everything is never wrong


def test_the_judge_finds_a_shifted_column_and_a_lost_row(tmp_path):
    base = BASES["plain"]
    case = pollution.Case(base, "none", "none", base.chunks)
    rows = [pollution._trimmed(r) for r in base.rows]
    for read, said in (
        (rows, "right"),
        (rows[1:], "wrong: row 0 is lost"),
        ([*rows[1:], (*rows[0][1:], "")], "wrong: a row that is in no file"),
        ([*rows, rows[0]], "wrong: row 0 is there twice"),
    ):
        assert pollution.judge(
            case, lambda path, base, read=read: (read, []), tmp_path / "export.csv"
        ).startswith(said)


@pytest.mark.parametrize(
    ("line", "lines"),  # below and above what the engine may list
    [("a,b", 9_000), ('"', 12_000), ('x "y', 9_000), (",,", 12_000), ("a;b;c", 12_000)],
    ids=["short", "quote", "stray", "empty", "other"],
)
def test_many_lines_that_are_no_rows_cost_no_row_and_are_counted(engine, tmp_path, line, lines):
    export = exports.read(engine, _file(tmp_path, [HEADER, *ROWS[:40], *[line] * lines]))
    assert export.rows == 40
    said = [doubt.text() for doubt in export.doubts if doubt.kind == "badly damaged"]
    assert len(said) == 1 and f"{lines:,} lines" in said[0] and "(40)" in said[0]
    assert sum(text.rstrip("\n").count("\n") + 1 for text in export.rejected.text) == lines


def test_as_many_good_rows_as_lines_that_are_none_are_an_export(engine, tmp_path):
    mixed = [part for row in ROWS for part in (row, "a,b")]
    export = exports.read(engine, _file(tmp_path, [HEADER, *mixed]))
    assert (export.rows, len(export.rejected)) == (300, 300)
    assert not [doubt for doubt in export.doubts if doubt.kind == "badly damaged"]


def _file(folder, lines):
    path = folder / "export.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_row_whose_message_id_became_a_decimal_counts_without_it(engine, tmp_path):
    base = BASES["semicolons"]
    place = base.columns.index("message_id")
    number, own = next((n, r[place]) for n, r in enumerate(base.rows) if r[place].isdigit())
    changed = f"{own[:8]},{own[9:]}".encode()
    chunks = [(o, p.replace(own.encode(), changed) if o == number else p) for o, p in base.chunks]
    case = pollution.Case(base, "bytes", "a comma in an ID", chunks, frozenset({number}))
    read = pollution.ours(engine)
    assert pollution.judge(case, read, tmp_path / "export.csv") == "rejected"
    told = exports.read(engine, tmp_path / "export.csv", base.kind).doubts
    assert [doubt.values["n"] for doubt in told if doubt.kind == "lost message IDs"] == [1]


DAMAGES = {
    "a quote in a cell": lambda row, sign: row.replace("outgoing", 'out"going'),
    "a quote that is not closed": lambda row, sign: row.replace("outgoing", '"outgoing'),
    "a delimiter lost": lambda row, sign: row.replace(sign, "", 1),
    "a zero byte": lambda row, sign: row.replace("outgoing", "out\0going"),
    "bytes of another encoding": lambda row, sign: row.replace("outgoing", "out\udce1going"),
    "a date that is none": lambda row, sign: row.replace("2022-11-05", "2022-13-05"),
    "a quote in this row and the next": lambda row, sign: row.replace("outgoing", '"outgoing'),
}


@pytest.mark.parametrize(
    ("sign", "row_end"), [(",", "\n"), (";", "\r\n"), ("\t", "\n")], ids=["comma", "CRLF", "tab"]
)
def test_few_damaged_rows_among_many_are_told_by_their_lines(engine, tmp_path, sign, row_end):
    texts = ["Hola", f'"uno{sign} dos"', '"uno\ndos\n\n3 tres"', '"dijo ""no"""', "👉 ya", ""]
    rows = [
        sign.join((f"2022-11-05 09:{n // 60 % 60:02}:{n % 60:02}", str(500_000 + n), "7"))
        + sign.join(
            ("", "outgoing", texts[n % len(texts)] * (1 + n % 9 * (n % len(texts) == 0)), "x")
        )
        for n in range(20_000)
    ]
    rng, bad = random.Random(sign), set()
    for damage, change in DAMAGES.items():
        for at in rng.sample(range(10, len(rows) - 10, 20), 3):
            places = {at + 1, at + 2} if "the next" in damage else {at + 1}
            bad |= places
            for place in places:
                rows[place] = change(rows[place], sign)
    for n in range(0, len(rows), 500):
        rows[n] += row_end  # blank lines, too
    heights = [row.count("\n") + 1 for row in rows]
    header = sign.join(("Date & Time", "Contact ID", "Channel ID", "Type", "Content", "Error"))
    path = tmp_path / "export.csv"
    path.write_bytes(row_end.join([header, *rows, ""]).encode("utf-8", "surrogateescape"))
    export = exports.read(engine, path)
    ids = set(export.table.contact_id.to_list())
    assert {str(500_000 + n) for n in range(len(rows)) if n not in bad} == ids
    starts = dict(enumerate(accumulate(heights, initial=2)))
    told = {
        line + more
        for line, text in export.rejected[["line", "text"]].itertuples(index=False)
        for more in range(text.rstrip().count("\n") + 1)
    }
    assert (
        {starts[n] for n in bad} <= told <= {starts[n] + m for n in bad for m in range(heights[n])}
    )


@pytest.mark.parametrize("sign", ["\0", "\x14", "\x7f"])
@pytest.mark.parametrize("name", ["Channel ID", "Error"])
def test_a_damaged_header_is_refused_rather_than_read_without_its_column(
    engine, tmp_path, name, sign
):
    header = HEADER.replace(name, name[:2] + sign + name[3:])
    with pytest.raises(RebroadcastError, match="header is damaged|not a text file"):
        exports.read(engine, _file(tmp_path, [header, *ROWS[:20]]))


def test_a_json_object_in_the_place_of_a_channel_is_rejected(engine, tmp_path):
    base = BASES["json lines"]
    for name, chunks, damaged in pollution.values_of_other_types(base):
        if name.startswith("from") and name.endswith("b'{\"a\":1}'"):
            case = pollution.Case(base, "types", name, chunks, damaged)
            read = pollution.ours(engine)
            assert pollution.judge(case, read, tmp_path / "export.jsonl") == "rejected"
            return
    raise AssertionError("no such case")


@pytest.mark.parametrize("name", ["twilio_console", "gc_notify_report_fr", "vonage_sms_report"])
def test_a_vendors_log_with_the_line_ends_of_old_macs_loses_its_damaged_row_only(
    engine, tmp_path, name
):
    lines = (VENDORS / f"{name}.csv").read_bytes().rstrip().splitlines()
    read = []
    for rest in (b"", b'"', b"," * 40):
        path = tmp_path / f"{name}{len(rest)}.csv"
        path.write_bytes(b"\r".join([*lines[:3], lines[3] + rest, *lines[4:], b""]))
        export = exports.read(engine, str(path))
        read.append((export.messages.rows, len(export.rejected)))
    assert read == [read[0], *[(read[0][0] - 1, read[0][1] + 1)] * 2]


@pytest.mark.parametrize(
    ("rest", "reason"), [("7", "too few columns"), ('7,"x",y', "too many columns")]
)
def test_a_row_of_several_lines_with_other_columns_is_called_so(engine, tmp_path, rest, reason):
    header = "Date & Time,Contact ID,Message ID,Content,Channel ID,Error"
    rows = [f'2022-11-05 09:00:{n:02},{500 + n},{9000 + n},"Hola\nya, {n}",7,x' for n in range(9)]
    rows[4] = rows[4].replace("7,x", rest)
    export = exports.read(engine, _file(tmp_path, [header, *rows]))
    [(line, said)] = export.rejected[["line", "reason"]].values.tolist()
    assert (export.rows, line, said) == (8, 10, reason)


@pytest.mark.parametrize("sign", [b"\xff", b"\0"])
def test_a_byte_that_is_no_text_costs_its_row_alone_whatever_is_around_it(engine, tmp_path, sign):
    header = "Content,Contact ID,Message ID,Channel ID,Error"
    rows = [
        f'"¡Hola, {n}\n{{""a"": {n}}}\nya",{500 + n},{9000 + n},7,131049 - x' for n in range(30)
    ]
    path = _file(tmp_path, [header, *rows])
    path.write_bytes(path.read_bytes().replace(b",9007,", b",9007" + sign + b","))
    export = exports.read(engine, path)
    kept = export.table.select("contact_id").order_by("contact_id").to_pandas()["contact_id"]
    assert kept.tolist() == [str(500 + n) for n in range(30) if n != 7]
    [(line, text)] = export.rejected[["line", "text"]].values.tolist()
    assert line == 2 + 3 * 7 and text.startswith('"¡Hola, 7\n') and ",507," in text
