"""What is whole in a damaged CSV file: every record that stands on its own, and the lines that do
not, with the reason.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path
from typing import BinaryIO, TextIO

import ibis
import numpy as np
import pandas as pd
import re2

from ..common.exceptions import InputError
from ..common.masking import mask, mask_expr
from ..engine.engine import Engine
from ..sources.files import Source, headings
from . import scan
from .scan import LONGEST

KEPT = 10_000  # characters that are kept of a refused record
AHEAD = 50  # lines in which the end of a broken record is looked for
WIDEST = 1000  # columns of rows that go by as they are: re2 repeats no more
SEEN = 200  # first lines that tell how long contact IDs are
LISTED = 10_000  # broken records that the engine may list whatever the others are
SAMPLES = 16  # places of a file that tell whether many lines are no rows
SAMPLE = 2**20  # bytes of each
BLOCK = 2**20  # bytes that are counted at a time
CHUNK = 2**18  # bytes that are read at a time
STEP = 2**14  # bytes that are looked at together after a record in doubt
FEW = 100  # doubtful ends that are compared with the other rows; more are refused as they are
PLAIN = ("MISSING COLUMNS", "TOO MANY COLUMNS", "INVALID ENCODING")
TYPED = {
    "sent_at": r"\W*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}",
    "contact_id": r" *[\w.:@+-]*\d[\w.:@+-]*",
}
CELL = r'(?:"(?:[^"\0]|"")*"|[^{}\r\n"\0]*{})'  # as programs write it, for re2
BEGUN = {  # how lines within a value look that may begin so
    "sent_at": r'(?:[^\w"]++|"")*+\d{1,4}+[-/.]\d',
    "contact_id": r'["\s]*+[\w.:@+-]*\d',
}


def read(engine: Engine, source: Source, doubted: bool) -> tuple["ibis.Table", "pd.DataFrame"]:
    """Read a CSV file as `scan.read` does; where that reading is in doubt, sift the file first.

    Raises InputError where even that fails.
    """
    import duckdb

    seen = _bytes(source)
    try:
        if not _riddled(source, seen):
            rows, refused = scan.read(engine, source, _starts(source), doubted)
            if not needed(engine, rows, refused, source, seen):
                return rows, refused
    except duckdb.InvalidInputException:  # line ends of two kinds, for one
        engine.con.raw_sql("DROP TABLE IF EXISTS refused; DROP TABLE IF EXISTS refused_scan")
    target, cut = engine.new_file(".csv"), frozenset[int]()
    sifted = replace(source, path=target, skip=1)
    for _ in range(2):
        good, refused, ends = sift(source, target, cut)
        rows, left = scan.read(engine, sifted, _starts(sifted), doubted)
        if len(left) or scan.count(engine, rows) != (good,):
            raise InputError(
                "{file} is too damaged to be read; export it again as CSV.",
                source.path,
                file=source.name,
            )
        if cut or not (cut := cut_off(_last(rows, source), ends)):
            break
    return rows, refused


def _riddled(source: Source, seen: dict[str, int]) -> bool:
    """Whether so many records of a file are not whole that the engine's list of them costs more
    time and memory than sifting: 10 KB and 0.2 ms for each, where sifting takes 0.003 ms a record
    (measured on records of 12 columns).
    """
    lines = max(seen["breaks"], seen["returns"])
    if lines - seen["marks"] // (len(source.header) - 1 or 1) <= LISTED:
        return False  # no more lines than these are no rows
    places = range(0, max(seen["size"] - SAMPLE, 1), max(seen["size"] // SAMPLES, SAMPLE))
    return any(_broken(source, place) for place in places)


def _broken(source: Source, place: int) -> bool:
    """Whether from a place of a file on a quote is out of its place, or more than one in a hundred
    lines are no row of as many columns as the header.
    """
    with source.path.open("rb") as file:
        file.seek(place)
        part = file.read(SAMPLE)
    row = re.search(f"[\r\n]{_starts(source)}".encode(), part)
    plain, legal = _plain(source, "\r?\n"), _legal(source)
    lost, at = 0, row.start() + 1 if row else 0
    while (at := plain.match(part, at).end()) < min(SAMPLE // 2, len(part)):
        if not (found := legal.match(part, at)):
            return True
        lost, at = lost + 1, found.end()
    return lost > part.count(b"\n", 0, at) // 100


def needed(
    engine: Engine,
    rows: "ibis.Table",
    refused: "pd.DataFrame",
    source: Source,
    seen: dict[str, int],
) -> bool:
    """Whether the engine's reading is in doubt: quotes out of place, records unaccounted for, a
    value that swallowed rows, a last row that may be cut off.
    """
    sums = (f"coalesce(sum({name}), 0)::BIGINT" for name in ("size", "signs", "breaks"))
    count, swallowed, length, signs, breaks = scan.count(engine, rows, "bool_or(swallowed)", *sums)
    # What is no value must be delimiters, line ends and quotes: two around a cell, and one more for
    # each within it.
    lost, end = _whole_lines(refused, source), seen["end"]
    quotes = seen["quotes"] - sum(text.count('"') for text in lost)
    quoted, width = quotes - 2 * signs, len(source.header) - 1 + end
    size = length + count * width + quotes - signs + sum(len(t.encode()) + end for t in lost)
    same = size == seen["size"] and quoted >= 0 and quoted % 2 == 0
    records = count + len(lost)
    # Values may break their lines as rows do.
    breaks += sum(text.count("\n") for text in lost)
    returns = seen["returns"] - records * (end - 1)
    told = len(lost) == len(refused) and returns in (0, breaks)
    if not (same and told) or seen["zeros"]:
        return True
    # What begins no row may be the rest of the one before.
    if not refused.csv_line.map(_begins(source)).all():
        return True
    if not seen["ended"] and count:
        final = _last(rows.filter(rows.file_row_number == count - 1), source).execute().iloc[0]
        if cut_off(_last(rows, source), [(0, final, "")]):
            return True
    return bool(swallowed)


def _whole_lines(refused: "pd.DataFrame", source: Source) -> list[str]:
    """The refused records that consist of whole cells, only too few or too many of them, or in
    another encoding (of which each byte is said as "?"): all that can be said of such a file is
    said without a second look at it.
    """
    legal, columns = _legal(source), refused[refused.error_type.isin(PLAIN)].drop_duplicates("line")
    return [t for t in columns.csv_line if legal.fullmatch(t.rstrip("\r\n").encode())]


def _last(rows: "ibis.Table", source: Source) -> "ibis.Value":
    """The text of each row's last cell."""
    place = len(source.header) - 1
    return ibis.coalesce(rows.cells[place], rows[f"c{place}"].cast("string"), "")


def _bytes(source: Source) -> dict[str, int]:
    """What a file has below its header: size, quotes, returns, zeros, breaks, marks (delimiters; all
    in bytes), whether the last line ended, and the bytes of an end; a last line without one counts
    as if it had it.
    """
    signs = {"quotes": 34, "returns": 13, "zeros": 0, "breaks": 10, "marks": ord(source.delimiter)}
    found, last = Counter[str](), b"\n"
    block, equal = bytearray(BLOCK), np.empty(BLOCK, bool)  # a new one for each block takes longer
    b = np.frombuffer(block, np.uint8)
    with source.path.open("rb") as file:
        header = [file.readline() for _ in range(source.skip)]
        end = 2 if header and header[-1].endswith(b"\r\n") else 1
        while size := file.readinto(block):
            found["size"] += size
            last = bytes(block[size - 1 : size])
            for name, sign in signs.items():
                if sign in block:
                    np.equal(b[:size], sign, out=equal[:size])
                    found[name] += int(np.count_nonzero(equal[:size]))
    ended = last == b"\n"
    if not ended:
        found["size"] += end
        found["returns"] += end - 1
    return {**dict.fromkeys(("size", *signs), 0), **found, "ended": ended, "end": end}


def cut_off(column: "ibis.Value", ends: list[tuple[int, str, str]]) -> frozenset[int]:
    """Which rows (line, last value, what follows on a line of its own) end too early.

    One at the end of the file does where values of other rows go on. One that a stray line follows
    does unless the file shows that its value is whole: another row has the same one, and none has
    the two together.
    """
    cut = {line for line, *_ in ends[FEW:]}
    if masked := [
        (line, mask(value.strip()), mask((value + more).strip()), more)
        for line, value, more in ends[:FEW]
    ]:
        values = column.fill_null("").strip().name("value").as_table()
        values = values.group_by(value=mask_expr(values.value)).agg(n=values.count())
        wanted = {}
        for i, (_, value, both, more) in enumerate(masked):
            wanted[f"on{i}"] = (
                values.value.startswith(both) & ((values.value != value) | bool(more))
            ).any()
            wanted[f"same{i}"] = values.n.sum(where=values.value == value).fill_null(0)
        found = values.aggregate(**wanted).execute().iloc[0]
        doubtful = Counter(value for _, value, *_ in masked)
        cut |= {
            line
            for i, (line, value, _, more) in enumerate(masked)
            if found[f"on{i}"] or (more and (not value or found[f"same{i}"] <= doubtful[value]))
        }
    return frozenset(cut)


def sift(
    source: Source, target: Path, cut: Container[int] = ()
) -> tuple[int, "pd.DataFrame", list]:
    """Write the records of a file that are whole to target, below a line that stands for a header.

    Returns how many they are, the others (see `scan.read`; those of error_type "" are lines between
    records that hold nothing), and the ends that are in doubt (see `cut_off`; lines in cut are
    refused). A record begins on a new line and has as many
    columns as the header; after a broken one, the next begins where a date or contact ID is in its
    place. A value that holds the end of one row and the start of another is refused: which of two
    quotes is the stray one cannot be told, and a text that a stranger wrote must not become a row.
    """
    with (
        source.path.open("rb") as old,
        target.open("w", encoding="utf-8", newline="") as new,
    ):
        sieve = _Sieve(source, _Lines(old), new, cut)
        sieve.run()
    # Bytes that are no UTF-8 are written out; pandas takes no half characters.
    refused = [
        (n, r, text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), 0)
        for n, r, text in sieve.refused
    ]
    refused += [(line, "", "", lines) for line, lines in sieve.gaps]
    return sieve.good, pd.DataFrame(refused, columns=list(scan.REFUSED)), sieve.ends


class _Lines:
    """The text of a file, line by line, each with its number (from 1)."""

    LINE = re.compile(rb"[^\r\n]{0,%d}+(?:\r\n?|\n)?+" % LONGEST)

    def __init__(self, file: BinaryIO):
        self.file, self.number, self.at, self.step = file, 1, 0, STEP
        self.ahead = file.read(CHUNK).removeprefix(codecs.BOM_UTF8)
        self.before: list[tuple[int, int]] = []  # number and place of each line taken

    def take(self) -> tuple[int, str] | None:
        """The next line; None at the end."""
        while (line := next(self.LINE.finditer(self.ahead, self.at))).end() == len(self.ahead):
            if not (more := self.file.read(CHUNK)):
                break
            self.ahead += more
        if not line[0]:
            return None
        self.before.append((self.number, self.at))
        self.at, self.number = line.end(), self.number + line[0].endswith((b"\n", b"\r"))
        return self.before[-1][0], line[0].decode(errors="surrogateescape")

    def put_back(self, lines: int) -> None:
        """The last so many lines are the next ones again."""
        if lines:
            self.number, self.at = self.before[-lines]
            del self.before[-lines:]

    def settle(self) -> None:
        """Lines that were taken can no longer be put back."""
        self.before.clear()
        if 2 * self.at >= len(self.ahead):
            self.ahead, self.at = self.ahead[self.at :] or self.file.read(CHUNK), 0

    def fit(self, record: "re2._Regexp", lines: int) -> bool:
        """Whether the last so many lines, and what follows them, may be such a record."""
        at = self.before[-lines][1]
        if len(self.ahead) - at < 4 * LONGEST:  # a letter takes up to four bytes
            self.ahead += self.file.read(4 * LONGEST)
        return bool(record.match(self.ahead, at, at + 4 * LONGEST))

    def take_plain(self, shapes: "_Shapes") -> tuple[str, int]:
        """The next records that need no closer look, but for the last of these, and how many they
        are.
        """
        end = self.at + self.step
        try:
            text = shapes.plain.match(self.ahead, self.at, end)[0].decode()
        except UnicodeDecodeError as error:
            text = shapes.plain.match(self.ahead, self.at, self.at + error.start)[0].decode()
        ends = shapes.ends_of_plain(text).tolist() if "\n" in text else []
        text = text[: ends[-2]] if len(ends) > 1 else ""
        self.at, self.number = self.at + len(text.encode()), self.number + text.count("\n")
        self.step = STEP if self.at < end - self.step / 2 else min(2 * self.step, CHUNK)
        return text, max(len(ends) - 1, 0)


class _Shapes:
    """What the rows of a file look like, as patterns and tests of texts."""

    def __init__(self, source: Source, row_end: str):
        self.count, self.delimiter = len(source.header), source.delimiter
        d = re.escape(source.delimiter)
        cell = rf'(?: *+"[^"]*+(?:""[^"]*+)*+" *+|[^{d}\r\n"]*+)'
        value = r'[^"]++(?:""[^"]*+)*+" *+'  # the end of a value, and what follows it
        self.whole = re.compile(rf"({cell}(?:{d}{cell}){{{self.count - 1}}})[\r\n]*+")
        self.legal = re.compile(rf"{cell}(?:{d}{cell})*+[\r\n]*+")
        self.cells = re.compile(rf"({cell})(?:{d}|[\r\n]*+$)")
        self.single = re.compile(rf"{cell}[\r\n]*+")
        self.tail = re.compile(rf"{value}(?:{d}{cell})*+[\r\n]*+")
        # A value that began on a line before.
        self.closes = re.compile(rf'[^"]++(?<!{d})(?:""[^"]*+)*+" *+(?:{d}|[\r\n]*+$)')
        self.starts = re.compile(rf"[\r\n]{_starts(source)}")
        self.plain, self.long = _plain(source, row_end), _long(source)
        self.may_begin = re.compile(_may_begin(source))
        self.begins = _begins(source)

    def ends_of_plain(self, text: str) -> "np.ndarray":
        """Where each of the first plain records ends that has no line within its values that may
        begin a row.
        """
        form = ("ascii", np.uint8) if text.isascii() else ("utf-32-le", np.uint32)
        signs = np.frombuffer(text.encode(form[0]), form[1])
        quotes, breaks, returns = (np.flatnonzero(signs == ord(sign)) for sign in '"\n\r')
        inside = np.searchsorted(quotes, breaks) % 2 == 1
        ends = breaks[~inside] + 1
        doubts = [n for n in returns.tolist() if text[n + 1] != "\n"][:1]
        begun = map(self.may_begin.match, repeat(text), (breaks[inside] + 1).tolist())
        first = min(
            [*doubts, *(found.start() for found in islice(filter(None, begun), 1)), len(text)]
        )
        return ends[: np.searchsorted(ends, first, side="right")]

    def heads(self, text: str) -> bool:
        """Whether a line is a header."""
        return sum(map(bool, headings(text[:KEPT].split(self.delimiter)))) > 1

    def values(self, text: str) -> list[str]:
        """The cells of a record, without their quotes."""
        if '"' not in text:
            return text.split(self.delimiter)[: self.count]
        cells = (c.strip(" ") if '"' in c else c for c in self.cells.findall(text)[: self.count])
        return [c[1:-1].replace('""', '"') if c[:1] == '"' else c for c in cells]

    def swallowed(self, record: list[str]) -> bool:
        """Whether a value holds the end of a row and the start of another."""
        several = ((i, v) for i, v in enumerate(record) if "\n" in v or "\r" in v)
        return any(self.starts.search(v) or self._two_rows(i, v) for i, v in several)

    def _two_rows(self, place: int, value: str) -> bool:
        """Whether the first and the last line of a value have the cells after and before it."""
        first, *_, last = re.split(r"[\r\n]+", value)
        return (
            first.count(self.delimiter) >= self.count - 1 - place
            and last.count(self.delimiter) >= place
            and self.begins(last)
        )

    def ends(self, line: str) -> bool:
        """Whether a line is the end of a value that began before, and of its row."""
        return bool(self.tail.fullmatch(line)) and not self.begins(line)

    def goes_on(self, line: str) -> bool:
        """Whether a line goes on with the row before it, rather than being a row, a header, a
        title, a rule or a footer.
        """
        if self.begins(line) or self.heads(line):
            return False
        if self.closes.match(line):
            return True
        prose = self.delimiter not in line.replace(self.delimiter + " ", "")
        if not (prose or self.single.fullmatch(line)) or not re.search(r"[^\W\d_]", line):
            return False
        return not re.match(r'[ "]*([-=*_]|#(?!\d))', line)


class _Sieve:
    """Reads lines and sorts their records into those that are whole (`good`, written out) and
    `refused` ones; `ends` as `sift` returns them.

    `gaps` tells which lines are in no good record: the first of several, and how many they are.
    `last` is the last good record (line, last value, text), None where nothing can go on with it;
    `lost` that the record before was refused.
    """

    def __init__(self, source: Source, lines: _Lines, new: TextIO, cut: Container[int]):
        self.lines, self.new, self.cut = lines, new, cut
        self.good, self.lost = 0, False
        self.refused: list[tuple[int, str, str]] = []
        self.ends: list[tuple[int, str, str]] = []
        self.gaps: list[tuple[int, int]] = []
        self.last: tuple[int, str, str] | None = None
        for _ in range(source.skip):
            lines.take()
        self.due = lines.number  # the line after the last good record
        seen = list(islice(iter(lines.take, None), SEEN))
        lines.put_back(len(seen))
        row_end = "\r\n" if seen and seen[0][1].endswith("\r\n") else "\n"
        new.write(f"header{row_end}")  # by the first line the engine knows how all end
        self.shapes = _Shapes(source, row_end)
        self.out = csv.writer(
            new, delimiter=source.delimiter, quoting=csv.QUOTE_ALL, lineterminator=row_end
        )
        firsts = (part.split(source.delimiter)[0] for _, part in seen)
        sizes = Counter(len(first.strip('" ')) for first in firsts)
        self.dated = source.columns[0] in TYPED
        by_id = sizes and source.columns[0] == "contact_id"
        self.usual = sizes.most_common(1)[0][0] if by_id else 0  # letters of a contact ID

    def run(self) -> None:
        while item := self._next_doubtful():
            if self.lost and self.dated and not item[1].strip('" \r\n'):
                self._refuse(*item, "a stray quote", True)  # quotes alone begin no such row
                self._interrupt()
                continue
            taken = self._take(item)
            text = "".join(part for _, part in taken)
            if text.strip():
                self._sort(taken, text)
                continue
            if self.lost:
                self._refuse(taken[0][0], text, "", True)
            self._interrupt()
        if self.last and not self.lost and not self.last[2].endswith(("\n", "\r")):
            self.ends.append((*self.last[:2], ""))

    def _next_doubtful(self) -> tuple[int, str] | None:
        """The next line that needs a closer look; records before it are written as they are."""
        self.lines.settle()
        if not self.lost:
            start = self.lines.number
            plain, records = self.lines.take_plain(self.shapes)
            if records:
                self.new.write(plain)
                self._count(start, self.lines.number - start, records)
        return self.lines.take()

    def _count(self, line: int, lines: int, records: int) -> None:
        """Good records that begin on a line, and on how many they stand in target."""
        if line > self.due:
            self.gaps.append((self.due, line - self.due))
        self.due, self.good = line + lines, self.good + records

    def _interrupt(self) -> None:
        """After a blank line nothing goes on with an empty value."""
        if self.last and not self.last[1]:
            self.last = None

    def _take(self, item: tuple[int, str]) -> list[tuple[int, str]]:
        """A line, and those after it until its quotes are paired."""
        taken, odd, size = [item], item[1].count('"') % 2, len(item[1])
        while odd and size < LONGEST and (more := self.lines.take()):
            taken.append(more)
            odd, size = (odd + more[1].count('"')) % 2, size + len(more[1])
            if odd and len(taken) == AHEAD + 1 and not self.lines.fit(self.shapes.long, len(taken)):
                break
        return taken

    def _sort(self, taken: list[tuple[int, str]], text: str) -> None:
        judged = self._judge(taken, text)
        if judged is None:
            return
        taken, reason, as_one = judged
        number, first = taken[0]
        if self.last and not self.lost and self.shapes.goes_on(first):
            self.ends.append((*self.last[:2], first.strip(' "\r\n')))
        for at, part in [(number, "".join(p for _, p in taken))] if as_one else taken:
            more = self.lost and not self.shapes.begins(part) and not self.shapes.heads(part)
            self._refuse(at, part, reason or "a stray quote", more)
            self.lost = True

    def _judge(self, taken: list[tuple[int, str]], text: str) -> tuple[list, str, bool] | None:
        """Write a record that is whole; else the lines that are to be refused, why, and whether
        they are one record.
        """
        (number, first), shapes = taken[0], self.shapes
        reason = "cut off at its end" if number in self.cut else _reason(text)
        if not (whole := shapes.whole.fullmatch(text)):
            return self._look_ahead(taken, reason)
        record = shapes.values(whole[1])
        if len(taken) > 1 and shapes.swallowed(record):
            # Where the end of a value follows, the quote that closed was another's.
            return (
                self._look_ahead(taken, reason) if self._end_follows() else (taken, reason, False)
            )
        if reason or (self.lost and not shapes.begins(first)):
            return taken, reason, bool(reason)
        if self.lost and self._splits_id(record):
            return taken, "a line break without quotes", False
        self.out.writerow(record)
        self._count(number, "".join(record).count("\n") + 1, 1)
        self.last, self.lost = (number, record[-1], text), False
        return None

    def _end_follows(self) -> bool:
        item = self.lines.take()
        self.lines.put_back(1 if item else 0)
        return bool(item and self.shapes.ends(item[1]))

    def _splits_id(self, record: list[str]) -> bool:
        """Whether a line break lies within the contact ID of the first column."""
        before = self.refused[-1][2].strip()
        together = len(before) + len(record[0]) + 1
        return before.isalnum() and len(before) < self.usual <= together <= self.usual + 1

    def _look_ahead(self, taken: list, reason: str) -> tuple[list, str, bool]:
        """A broken record: lines that could be rows are part of it where the end of its value
        follows them.
        """
        first, shapes = taken[0][1], self.shapes
        for _ in range(0 if len(taken) > 1 or shapes.legal.fullmatch(first) else AHEAD):
            if not (item := self.lines.take()):
                break
            taken.append(item)
            if item[1].count('"') % 2:
                break
        inner = (part for _, part in taken[1:-1])
        if (
            1 < len(taken) <= AHEAD
            and shapes.ends(taken[-1][1])
            and all(shapes.whole.fullmatch(part) or not shapes.begins(part) for part in inner)
        ):
            return taken, reason, True
        self.lines.put_back(len(taken) - 1)  # each on its own line, these may be whole
        reason = _reason(first)
        if not reason and shapes.legal.fullmatch(first):
            few = len(shapes.cells.findall(first)) <= shapes.count
            reason = "too few columns" if few else "too many columns"
        return taken[:1], reason, False

    def _refuse(self, number: int, part: str, reason: str, goes_on: bool = False) -> None:
        if goes_on and self.refused and len(self.refused[-1][2]) < KEPT:
            at, why, text = self.refused[-1]
            self.refused[-1] = (at, why, (text + part)[:KEPT])
        else:
            self.refused.append((number, reason, part[:KEPT]))


def _begins(source: Source) -> Callable[[str], bool]:
    """A test of a line: whether a date or contact ID is in its place, or any line where a file has
    neither.
    """
    typed = [
        (i, re.compile(TYPED[c] + r"(?![ \w])" * (c == "contact_id")))
        for i, c in enumerate(source.columns)
        if c in TYPED
    ]

    def begins(text: str) -> bool:
        try:
            found = next(csv.reader([text[:KEPT]], delimiter=source.delimiter))
        except (csv.Error, StopIteration):
            return False
        alone = len(found) == 1 and re.fullmatch(
            TYPED["contact_id"], found[0]
        )  # the start of an ID, or a short row
        return not typed or (
            not alone and any(i < len(found) and p.match(found[i]) for i, p in typed)
        )

    return begins


def _starts(source: Source) -> str:
    """A pattern for the start of a row, up to its date and contact ID; one that fits nothing where
    it has neither.
    """
    d, known = re.escape(source.delimiter), [i for i, c in enumerate(source.columns) if c in TYPED]
    cells = [TYPED.get(c or "", "") for c in source.columns[: max(known, default=0) + 1]]
    return "".join(rf"{cell}[^{d}\n]*{d}" for cell in cells) if known else r"[^\s\S]"


def _plain(source: Source, row_end: str) -> "re2._Regexp":
    """A pattern of bytes that takes rows as programs write them."""
    d, count = re.escape(source.delimiter), len(source.header)
    # Where delimiters are blanks, too, a row is more than those.
    blank = source.delimiter.isspace() or count == 1
    first = CELL.format(d, rf"[!#-~][^{d}\r\n\"\0]*" if blank else "")
    row = f"{first}(?:{d}{CELL.format(d, '')}){{{count - 1}}}{row_end}"
    return _compiled(f"(?:{row if count <= WIDEST else ''})*")


def _long(source: Source) -> "re2._Regexp":
    """A pattern of bytes that takes one record of as many cells as the header, whatever they hold."""
    d, count = re.escape(source.delimiter), len(source.header)
    cell = rf'(?: *"(?:[^"]|"")*" *|[^{d}\r\n"]*)'
    row = rf"{cell}(?:{d}{cell}){{{count - 1}}}(?:[\r\n]|$)"
    return _compiled(row if count <= WIDEST else "")


def _legal(source: Source) -> "re2._Regexp":
    """A pattern of bytes that takes one record, of any number of cells."""
    d = re.escape(source.delimiter)
    cell = CELL.format(d, "")
    return _compiled(rf"{cell}(?:{d}{cell})*(?:\r?\n|$)")


def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.encoding, options.log_errors = re2.Options.Encoding.LATIN1, False
    return re2.compile(pattern.encode(), options)


def _may_begin(source: Source) -> str:
    """A pattern that fits any line within a value that `_begins` takes for a row's, and others."""
    places = [i for i, name in enumerate(source.columns) if name in TYPED]
    first = [BEGUN[source.columns[i] or ""] for i in places if not i]
    own = rf'[^{re.escape(source.delimiter)}\n"]*+'
    cell = rf'{own}(?:""{own})*+{re.escape(source.delimiter)}'
    later = [rf"(?:{cell}){{{i}}}" for i in places if i][:1]
    return "|".join(first + later)


def _reason(text: str) -> str:
    """Why a record cannot be used whatever its columns are; "" where it can."""
    if "\0" in text:
        return "a zero byte"
    if len(text.encode(errors="surrogateescape")) > LONGEST - KEPT:
        return "a line that is too long"
    return "" if text.isascii() or not re.search("[\ud800-\udfff]", text) else "not valid UTF-8"
