"""One look at a CSV file, in DuckDB's own SQL: what is as the platform writes it is typed at once,
rows in doubt keep all their cells, and every byte is accounted for.
"""

import csv
import io
import re
from contextlib import suppress

import ibis
import numpy as np
import pandas as pd

from ..engine.engine import Engine, quoted, reader_path
from ..sources.files import Source
from . import dates

IDS = ("contact_id", "channel_id", "message_id")  # those of channels are few: they stay texts
TEXTS = {  # what people write: quotes and line breaks may be in them
    "content",
    "error",
    "contact_name",
    "first_name",
    "last_name",
    "channel",
    "channels",
    "tags",
    "sender",
}
# As the platform writes them: cells that need no more care than these tests.
NUMBER = r"0|[1-9][0-9]{0,17}"  # as a BIGINT says the same
ID = r"[0-9]+|[A-Za-z][!#-~]*[0-9][!#-~]*"
CONTACT = r"[0-9]+|[A-Za-z][A-Za-z_:@-]*[0-9][A-Za-z0-9_:@-]*"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"
REFUSED = ("line", "reason", "text", "lines")  # see `sift.sift`
LONGEST = 8_388_608  # bytes of one record: the engine reads no longer ones
TOLD = 2_000  # characters of an error or content: more tell nothing, and take memory
SIGNS = "\u00a0\u2000-\u200f\u202a-\u202f\u2060-\u2069\u3000\ufeff"
DRESSED = rf"^\s*['=]|[{SIGNS}]"  # a phone number as spreadsheets write it
START = 2**16  # bytes that tell how a file writes its IDs and dates


def read(engine: Engine, source: Source, row_start: str, doubted: bool = False) -> "ibis.Table":
    """Read a CSV file into a Parquet file in the scratch folder, a row per record, numbered from 0
    as `file_row_number`.

    Each known column is "c" and its place: a long ID as BIGINT and a date as TIMESTAMP where the
    start of the file shows them so, else text. `cells` are all cells of a row in doubt, one that is
    not as the platform writes it (with doubted, every row is); for the others it is null, and what
    is typed says exactly what the file does. `size`, `signs` and `breaks` are the bytes, quotes and
    line breaks within all values of a row, and `swallowed` tells whether another row may be among
    them; row_start is the pattern for the start of a row.

    A record that cannot be parsed is left out: too few or too many columns, broken quotes, bad
    UTF-8. What the others hold tells whether there are such (see `salvage.needed`).
    """
    target = engine.new_file(".parquet")
    # No dictionary is tried for IDs: it would be as long as the column.
    engine.con.con.execute(
        f"COPY ({_query(source, row_start, doubted)}) TO {quoted(target)}"
        " (FORMAT parquet, DICTIONARY_SIZE_LIMIT 20000)"
    )
    return engine.con.read_parquet(target, file_row_number=True)


def _query(source: Source, row_start: str, doubted: bool) -> str:
    """The look as SQL: cells as text, then typed, then doubted, then counted."""
    names = dict(enumerate(source.columns[: len(source.header)]))
    cells, kinds = [f"c{i}" for i in names], _kinds(source)
    typed = [f"TRY_CAST(c{i} AS {kind[0]}) AS t{i}" for i, kind in kinds.items()]
    doubts = [_doubt(f"c{i}", name, *kinds.get(i, ("", ""))) for i, name in names.items()]
    doubt = "true" if doubted else " OR ".join(filter(None, doubts)) or "false"
    written = [f"c{i}" for i, name in names.items() if name in TEXTS or not name]
    kept = {
        f"c{i}": f"t{i}" if i in kinds and name != "channel_id" else f"c{i}"
        for i, name in names.items()
        if name or i == len(names) - 1  # the last one shows whether the file ends early
    }
    for cell in (f"c{i}" for i, name in names.items() if name in ("content", "error")):
        kept[cell] = f"CASE WHEN strlen({cell}) > {TOLD} THEN left({cell}, {TOLD}) ELSE {cell} END"
    kept["size"] = f"({' + '.join(f'strlen({c})' for c in cells)})::UINTEGER"
    for name, sign in (("signs", "'\"'"), ("breaks", "chr(10)")):
        every, some = (" + ".join(_count(c, sign) for c in cs) or "0" for cs in (cells, written))
        kept[name] = f"(CASE WHEN doubt THEN {every} ELSE {some} END)::UINTEGER"
    every, some = (
        " OR ".join(_swallowed(source, int(c[1:]), row_start) for c in cs) or "false"
        for cs in (cells, written)
    )
    kept["swallowed"] = f"CASE WHEN doubt THEN {every} ELSE {some} END"
    kept["cells"] = f"CASE WHEN doubt THEN [{', '.join(cells)}] END"
    return (
        f"SELECT {', '.join(f'{value} AS {name}' for name, value in kept.items())} FROM"
        f" (SELECT *, {doubt} AS doubt FROM"
        f" (SELECT {', '.join([*typed, '*'])} FROM {_parsed(source, cells)}))"
    )


def _parsed(source: Source, cells: list[str]) -> str:
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in cells)
    return (
        f"read_csv({quoted(reader_path(source.path))}, hive_partitioning=false, header=false,"
        f" auto_detect=false, skip={source.skip},"
        f" delim={quoted(source.delimiter)}, quote='\"', escape='\"',"
        f" columns={{{columns}}},"
        f" force_not_null=[{', '.join(map(quoted, cells))}],"
        f" ignore_errors=true, max_line_size={LONGEST}, buffer_size=33554432)"
    )


def _kinds(source: Source) -> dict[int, tuple[str, str]]:
    """Columns (place) whose values can be typed without loss, by the start of the file: the type,
    and the text that a typed value must give again.
    """
    rows: list[list[str]] = []
    with (
        source.path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
        suppress(csv.Error),
    ):
        for _ in range(source.skip):
            file.readline()
        start = io.StringIO(file.read(START), newline="")
        rows.extend(csv.reader(start, delimiter=source.delimiter))
    kinds = {}
    for i, name in enumerate(source.columns):
        values = [row[i].strip() for row in rows if i < len(row) and row[i]]
        if name in IDS and not any(
            re.fullmatch(ID, v) and not re.fullmatch(NUMBER, v) for v in values
        ):
            kinds[i] = ("BIGINT", f"c{i}")
        if name == "sent_at" and any(re.fullmatch(TIME, v) for v in values):
            with_t = any(v[10:11] == "T" for v in values)
            kinds[i] = ("TIMESTAMP", f"replace(c{i}, 'T', ' ')" if with_t else f"c{i}")
    return kinds


def _doubt(cell: str, name: str | None, kind: str, same: str) -> str:
    """The test of one cell, as SQL; "" where its text is kept as it is."""
    typed = f"t{cell[1:]}"
    same = f"{typed}::VARCHAR = {same}"
    if name == "sent_at":
        known = f"{typed} >= '{dates.FIRST}' AND {typed} < '{dates.BEYOND}'"
        return f"({same} AND strlen({cell}) = 19 AND {known}) IS NOT TRUE" if kind else "true"
    if name in IDS:
        fits = f"{same} AND {typed} BETWEEN 0 AND 999999999999999999"
        pattern = quoted(CONTACT if name == "contact_id" else ID)
        test = f"({fits if kind else f'regexp_full_match({cell}, {pattern})'}) IS NOT TRUE"
        return test if name == "contact_id" else f"({cell} <> '' AND {test})"
    tests = {
        "phone": f"regexp_matches({cell}, {quoted(DRESSED)})",
        "tags": f"regexp_matches({cell}, '^\\s*\\[')",
        "email": f"({cell} <> '' AND NOT contains({cell}, '@'))",
    }
    signs = f"contains({cell}, '\"') OR contains({cell}, chr(10))"
    return " OR ".join(
        [tests.get(name or "", "")] * (name in tests) + [signs] * (bool(name) and name not in TEXTS)
    )


def _count(cell: str, sign: str) -> str:
    bare = f"strlen({cell}) - strlen(replace({cell}, {sign}, ''))"
    return f"CASE WHEN contains({cell}, {sign}) THEN {bare} ELSE 0 END"


def _swallowed(source: Source, place: int, row_start: str) -> str:
    """Whether a value may hold another row: its first line has the rest of its row, and its last
    the start of another, or a line begins as rows do.
    """
    d = re.escape(source.delimiter)
    cell, after = rf"([^{d}\n]*{d})", len(source.header) - 1 - place
    own = rf"^{cell}{{{after}}}[^\n]*\n(?s:.*\n)?{cell}{{{place}}}|\n{row_start}"
    found = f"regexp_matches(c{place}, {quoted(own)})"
    return f"CASE WHEN contains(c{place}, chr(10)) THEN {found} ELSE false END"


def count(engine: Engine, scanned: "ibis.Table", *of: str) -> tuple:
    """The rows of a scan, and what aggregates of it give (in SQL, which needs no compiling)."""
    query = f"SELECT {', '.join(('count(*)', *of))} FROM {scanned.get_name()}"
    return engine.con.con.execute(query).fetchall()[0]


def doubtful(scanned: "ibis.Table", source: Source) -> "ibis.Table":
    """The rows of a scan that are in doubt, each cell as text (null where it is empty)."""
    rows = scanned.filter(scanned.cells.notnull())
    cells = {f"c{i}": rows.cells[i].nullif("") for i in range(len(source.header))}
    return rows.select(**cells, file_row_number="file_row_number")


def lines(
    scanned: "ibis.Table", source: Source, refused: "pd.DataFrame", rows: list[int]
) -> list[int]:
    """The lines on which rows (from 1, in order) of a file start."""
    if not rows:
        return []
    wanted = scanned.file_row_number.isin([row - 1 for row in rows])
    counted = scanned.filter(wanted | (scanned.breaks > 0))
    before = ibis.window(order_by="file_row_number", rows=(None, -1))
    above = counted.breaks.cast("int64").sum().over(before).fill_null(0)
    counted = counted.select("file_row_number", wanted=wanted, above=above).filter("wanted")
    above = counted.order_by("file_row_number").above.to_list()
    lines = [row + breaks + source.skip for row, breaks in zip(rows, above, strict=True)]
    # Lines of no row are not among the counted ones.
    lost = refused[refused.lines > 0].drop_duplicates("line").sort_values("line")
    above = [0, *lost.lines.cumsum()]
    places = np.searchsorted(lost.line - above[:-1], lines, side="right")
    return [line + int(above[place]) for line, place in zip(lines, places, strict=True)]
