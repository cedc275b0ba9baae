"""What is whole in a damaged CSV file: every record that stands on its own, and the lines that do not, with the reason."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import Engine
from .exceptions import InputError
from .files import Source

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

LONGEST = 8_388_608  # characters of one record
KEPT = 10_000  # characters that are kept of a refused record
PLAIN = ("MISSING COLUMNS", "TOO MANY COLUMNS", "INVALID ENCODING", "INVALID UNICODE")
TYPED = {"sent_at": r"\W*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", "contact_id": r"[\w.:@+-]*\d[\w.:@+-]*$"}


def read(engine: Engine, source: Source) -> tuple["ir.Table", "pd.DataFrame"]:
    """Read a CSV file as `Engine.read_csv` does; where its reading is in doubt, sift the file first.

    Then the table has the line of each record as a last column `line`. Raises InputError where even that fails.
    """
    import duckdb

    names = [f"c{i}" for i in range(len(source.header))]
    try:
        raw, refused = engine.read_csv(source.path, names, source.delimiter, source.skip)
        if not needed(raw, refused, source):
            return raw, refused
    except duckdb.InvalidInputException:  # line ends of two kinds, for one
        engine.con.raw_sql("DROP TABLE IF EXISTS refused; DROP TABLE IF EXISTS refused_scan")
    target = engine.new_file(".csv")
    good, refused = sift(source, target)
    raw, left = engine.read_csv(target, [*names, "line"], source.delimiter, 0)
    if len(left) or raw.count().execute() != good:
        raise InputError(f"{source.name} is too damaged to be read; export it again as CSV.", source.path)
    return raw, refused


def needed(raw: "ir.Table", refused: "pd.DataFrame", source: Source) -> bool:
    """Whether the engine's reading is in doubt: broken quotes, a value that swallowed rows, or lines unaccounted for."""
    plain = (
        refused.error_type.isin(PLAIN)
        & ~refused.csv_line.str.contains("\n")
        & (refused.csv_line.str.count('"') % 2 == 0)
    )
    if not plain.all():
        return True
    names, d = raw.columns[: len(source.header)], re.escape(source.delimiter)
    some = raw.aggregate(**{c: raw[c].contains("\n").any().fill_null(False) for c in names}).execute().iloc[0]
    expected = source.skip + raw.count().execute() + refused.line.nunique()
    for i, cell in ((i, raw[c]) for i, c in enumerate(names) if some[c]):
        # A swallowed row: the first line of a value has the rest of its row, and the last line the start of another.
        pattern = rf"^([^{d}\n]*{d}){{{len(names) - 1 - i}}}[^\n]*\n(?s:.*\n)?([^{d}\n]*{d}){{{i}}}"
        breaks = (cell.length() - cell.replace("\n", "").length()).sum()
        found = raw.filter(cell.contains("\n")).aggregate(breaks=breaks, swallowed=cell.re_search(pattern).any())
        found = found.execute().iloc[0]
        if found.swallowed:
            return True
        expected += int(found.breaks)
    return source.lines != expected


def sift(source: Source, target: Path) -> tuple[int, "pd.DataFrame"]:
    """Write the records of a file that are whole to target, each with its line as one more column, without a header.

    Returns how many they are, and the others: line, error_type, csv_line. A record begins on a new line and
    has as many columns as the header; after a broken one, the next begins where a date or contact ID is in its
    place. A value that holds the end of one row and the start of another is refused: which of two quotes is the
    stray one cannot be told, and a text that a stranger wrote must not become a row.
    """
    import pandas as pd

    count, d = len(source.header), re.escape(source.delimiter)
    cell = rf'(?: *"[^"]*+(?:""[^"]*+)*+" *|(?! *")[^{d}\r\n]*+)'
    whole = re.compile(rf"({cell}(?:{d}{cell}){{{count - 1}}}){d}?[\r\n]*")
    legal, cells = re.compile(rf"{cell}(?:{d}{cell})*+[\r\n]*"), re.compile(rf"({cell})(?:{d}|[\r\n]*$)")
    typed = [(i, re.compile(TYPED[c])) for i, c in enumerate(source.columns) if c in TYPED]

    def begins(text: str) -> bool:
        try:
            found = next(csv.reader([text], delimiter=source.delimiter))
        except (csv.Error, StopIteration):
            return False
        return not typed or any(i < len(found) and p.match(found[i].strip()) for i, p in typed)

    def swallowed(text: str) -> bool:
        values = [re.split(r"[\r\n]+", v) for v in cells.findall(text)[:count]]
        return any(len(v) > 1 and v[0].count(source.delimiter) >= count - 1 - i and v[-1].count(source.delimiter) >= i
                   and begins(v[-1]) for i, v in enumerate(values))  # fmt: skip

    good, refused, lost, waiting = 0, [], False, deque()
    with (
        source.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as old,
        target.open("w", encoding="utf-8", newline="") as new,
    ):
        lines = _lines(old)
        for _ in range(source.skip):
            next(lines, None)
        while item := waiting.popleft() if waiting else next(lines, None):
            taken, odd, size = [item], item[1].count('"') % 2 and not whole.fullmatch(item[1]), len(item[1])
            while odd and size < LONGEST and (item := waiting.popleft() if waiting else next(lines, None)):
                taken.append(item)
                odd, size = (odd + item[1].count('"')) % 2, size + len(item[1])
            text = "".join(part for _, part in taken)
            if not text.strip():
                continue
            (number, first), found = taken[0], whole.fullmatch(text)
            utf8 = text.isascii() or not re.search("[\ud800-\udfff]", text)
            if found and utf8 and not (lost and not begins(first)) and not (len(taken) > 1 and swallowed(text)):
                new.write(f"{found[1]}{source.delimiter}{number}\n")
                good, lost = good + 1, False
                continue
            if not found or not utf8:  # what follows on its own lines may be whole
                waiting.extendleft(reversed(taken[1:]))
                taken = taken[:1]
            reason = (
                "not valid UTF-8" if not utf8 else "a line that is too long" if size >= LONGEST else "a stray quote"
            )
            if utf8 and not found and len(taken) == 1 and legal.fullmatch(first):
                reason = "too few columns" if len(cells.findall(first)) <= count else "too many columns"
            for number, part in taken:
                if begins(part) or not (lost and refused):
                    refused.append((number, reason, part[:KEPT]))
                elif len(refused[-1][2]) < KEPT:
                    refused[-1] = (*refused[-1][:2], refused[-1][2] + part[:KEPT])
                lost = True
    # Bytes that are no UTF-8 are written out; pandas takes no half characters.
    refused = [(n, r, text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")) for n, r, text in refused]
    return good, pd.DataFrame(refused, columns=["line", "error_type", "csv_line"])


def _lines(file) -> Iterator[tuple[int, str]]:
    number = 1
    while part := file.readline(LONGEST):
        yield number, part
        number += part.endswith(("\n", "\r"))
