"""What is whole in a damaged CSV file: every record that stands on its own, and the lines that do
not, with the reason.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Container
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import pandas as pd
import re2

from ..sources.files import Source
from . import scan
from .scan import LONGEST
from .shapes import KEPT, TYPED, Shapes

AHEAD = 50  # lines in which the end of a broken record is looked for
SEEN = 200  # first lines that tell how long contact IDs are
CHUNK = 2**18  # bytes that are read at a time
STEP = 2**14  # bytes that are looked at together after a record in doubt


def sift(
    source: Source, target: Path, cut: Container[int] = ()
) -> tuple[int, "pd.DataFrame", list]:
    """Write the records of a file that are whole to target, below a line that stands for a header.

    Returns how many they are, the others (the line, the reason, the text, and how many lines of the
    file are in no row from there on; without a reason that alone is told), and the ends that are in
    doubt (see `salvage.cut_off`; lines in cut are refused). A record is refused rather than
    repaired. It begins on a new line and has as many columns as the header; after a broken one, the
    next begins where a date or contact ID is in its place. A value that holds the end of one row
    and the start of another is refused: which of two quotes is the stray one cannot be told, and a
    text that a stranger wrote must not become a row.
    """
    with (
        source.path.open("rb") as old,
        target.open("w", encoding="utf-8", newline="") as new,
    ):
        sieve = _Sieve(source, _Lines(old), new, cut)
        sieve.run()
    refused = [(n, reason, _shown(text), 0) for n, reason, text in sieve.refused]
    refused += [(line, "", "", lines) for line, lines in sieve.gaps]
    return sieve.good, listed(refused), sieve.ends


def _shown(text: str) -> str:
    """A refused record for a list: bytes that are no UTF-8 are written out."""
    return text.rstrip("\r\n").encode(errors="surrogateescape").decode(errors="backslashreplace")


def listed(rows: list[tuple[int, str, str, int]]) -> "pd.DataFrame":
    """What is in no row, as a frame (see `sift`)."""
    frame = pd.DataFrame(rows, columns=list(scan.REFUSED))
    return frame.astype({"line": "int64", "lines": "int64"})


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

    def take_plain(self, shapes: "Shapes") -> tuple[str, int]:
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
        self.shapes = Shapes(source, row_end)
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
            else:
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
        if not (judged := self._judge(taken, text)):
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
        own = not self.lost or shapes.begins(first)
        if reason and own and number not in self.cut:  # where it ends is not in doubt
            self._refuse(number, text, reason)
            self.last, self.lost = None, False
            return None
        if reason or not own:
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
        others, text = [part for _, part in taken[1:]], "".join(part for _, part in taken)
        rows = (part for part in others if shapes.whole.fullmatch(part) and shapes.begins(part))
        if others and not any(rows) and (wrong := shapes.columns(text)):
            return taken, reason or wrong, True
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
        return taken[:1], _reason(first) or shapes.columns(first), False

    def _refuse(self, number: int, part: str, reason: str, goes_on: bool = False) -> None:
        if goes_on and self.refused and len(self.refused[-1][2]) < KEPT:
            at, why, text = self.refused[-1]
            self.refused[-1] = (at, why, (text + part)[:KEPT])
        else:
            self.refused.append((number, reason, part[:KEPT]))


def _reason(text: str) -> str:
    """Why a record cannot be used whatever its columns are; "" where it can."""
    if "\0" in text:
        return "a zero byte"
    if len(text.encode(errors="surrogateescape")) > LONGEST - KEPT:
        return "a line that is too long"
    return "" if text.isascii() or not re.search("[\ud800-\udfff]", text) else "not valid UTF-8"
