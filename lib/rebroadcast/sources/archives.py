"""Packed files, made plain: gzip, zip and workbooks, each within limits that no export reaches."""

import csv
import gzip
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, NamedTuple

from ..common.doubts import Doubt, concerning, n_
from ..common.exceptions import InputError, sentence
from ..common.folder import disk_full

LARGEST = 64 * 2**30  # bytes that one file may unpack to
RATIO = 250  # and how many times its size, beyond the first ROOM bytes; exports pack 5 to 40 times
ROOM = 64 * 2**20
MEMBERS = 1_000  # files in one archive
TABLES = (".csv", ".txt", ".tsv", ".json", ".jsonl", ".ndjson", ".log")
PACKED = (".zip", ".xlsx", ".7z", ".rar", ".tar", ".tgz", ".parquet")  # not read in an archive
WIDEST, LONGEST = 1_000, 2**20  # columns and rows of a workbook
EXACT = 2**53  # up to it a workbook's number is exact
ROW = re.compile(rb"<(?:\w+:)?row\b")
HIDDEN = re.compile(rb"<(?:\w+:)?row\b[^>]*\shidden=[\"'](?:1|true)[\"']")
TOP = 20  # rows of a workbook in which the widest tells how many columns there are


class Unpacked(NamedTuple):
    """A file out of an archive: what it is called ("/name" in a zip, a second sheet of a workbook
    too), where it is, and what makes it less sure.
    """

    name: str
    path: Path
    doubts: tuple[Doubt, ...] = ()


def unpack(path: Path, target: Path, headings: Callable[[list[str]], int]) -> list[Unpacked]:
    """Unpack a gzip file, a zip or a workbook beside target.

    headings says how many names of columns a row holds: of a workbook the sheets are read whose
    header knows most.

    Raises InputError for one that is damaged, protected, holds no CSV, or unpacks to more than an
    export can be.
    """
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"\x1f\x8b":
        with _unpacking(path), gzip.open(path) as packed:
            return [Unpacked("", _unpack(packed, target, path))]
    with _unpacking(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        _fits(sum(member.file_size for member in archive.infolist()), path)
        if "[Content_Types].xml" in names:
            return _sheets(path, target, headings)
        if "content.xml" in names:
            raise InputError(
                "{path} is an OpenDocument file; save it as .xlsx or CSV.", path, path=path
            )
        members = [
            member
            for member in archive.infolist()
            if member.filename.lower().removesuffix(".gz").endswith(TABLES)
            and "__MACOSX" not in member.filename
        ]
        if not members or len(names) > MEMBERS:
            inner = next((n for n in names if n.lower().endswith(PACKED)), "")
            raise InputError(
                "{path} holds {files} files, {tables} of them CSV; expected one export.{hint}",
                path,
                path=path,
                files=len(names),
                tables=len(members),
                hint=" " + sentence("Unpack it, and give what is in it: {name}.", name=inner)
                if inner
                else "",
            )
        found, given = [], Counter(Path(member.filename).name for member in members)
        for number, member in enumerate(sorted(members, key=lambda member: member.filename)):
            name = Path(member.filename).name
            if given[name] > 1:
                name = f"{member.filename} ({number + 1})"
            packs = gzip.open if name.lower().endswith(".gz") else nullcontext
            with archive.open(member) as plain, packs(plain) as packed:
                place = target.with_stem(f"{target.stem}-{number}")
                found.append(Unpacked(f"/{name}", _unpack(packed, place, path)))
        return found


def _unpack(packed: io.BufferedIOBase | IO[bytes], target: Path, path: Path) -> Path:
    with target.open("wb") as file:
        while block := packed.read(2**20):
            file.write(block)
            _fits(file.tell(), path)
    return target


def _fits(unpacked: int, path: Path) -> None:
    """Raise InputError where a file unpacks to more than an export can: it is made to fill the
    disk.
    """
    most = min(LARGEST, ROOM + RATIO * path.stat().st_size)
    if unpacked > most:
        raise InputError(
            "{path} unpacks to more than {most:,} MiB, which no export does; give it unpacked.",
            path,
            path=path,
            most=most // 2**20,
        )


@contextmanager
def _unpacking(path: Path):
    """Turn whatever the libraries raise for a damaged file into an InputError; a full disk stays
    what it is.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or disk_full(error):
            raise
        why = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise InputError(
            "{path} is a damaged or protected file ({why}); download it again.",
            path,
            path=path,
            why=why,
        ) from None


def _cell(value: object) -> str:
    """A cell of a workbook as text; a number with more digits than it can hold stays visibly
    damaged.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= EXACT:
        return f"{value:.14E}"
    return "" if value is None else str(value)


def _sheets(path: Path, target: Path, headings: Callable[[list[str]], int]) -> list[Unpacked]:
    """Write the sheets of a workbook that hold the data as CSV."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        names = {}
        for sheet in book.worksheets:
            # a claim of the file's: two cells could ask for 17 thousand million
            sheet.reset_dimensions()
            rows = sheet.iter_rows(max_row=TOP, values_only=True)
            top = [[_cell(v) for v in row[:WIDEST]] for row in rows]
            if any(map(any, top)):
                names[sheet.title] = max(map(headings, top))
        most = max(names.values(), default=0)
        chosen = [name for name, n in names.items() if n == most] or book.sheetnames
        chosen = chosen if most > 1 else chosen[:1]
        left = [name for name in names if name not in chosen]
        found = []
        for number, name in enumerate(chosen):
            place = target.with_stem(f"{target.stem}-{number}")
            _write_sheet(book[name], place, path)
            doubts = tuple(_sheet_doubts(path, book[name], left if not number else []))
            found.append(Unpacked(f"/{name}" if len(chosen) > 1 else "", place, doubts))
    return found


def _write_sheet(sheet, target: Path, path: Path) -> None:
    with target.open("w", newline="", encoding="utf-8") as file:
        width, blank, out = 0, 0, csv.writer(file)
        for number, row in enumerate(sheet.iter_rows(values_only=True)):
            cells = [_cell(v) for v in row[:WIDEST]]
            while cells and not cells[-1]:
                cells.pop()
            width, blank = max(width, len(cells) if number < TOP else 0), blank + 1
            if number > LONGEST or cells:
                _fits(LARGEST + 1 if number > LONGEST else file.tell() + blank * width, path)
                out.writerows([*[[""] * width] * (blank - 1), cells + [""] * (width - len(cells))])
                blank = 0  # empty rows count as lines where rows follow them


def _sheet_doubts(path: Path, sheet, left: list[str]) -> Iterator[Doubt]:
    yield from concerning(
        "hidden rows",
        n_(
            "{file}: {n} row of the sheet is hidden, by a filter or by hand; it is read"
            " as all others.",
            "{file}: {n} rows of the sheet are hidden, by a filter or by hand; they are"
            " read as all others.",
        ),
        _hidden_rows(sheet),
        file=path.name,
    )
    yield from concerning(
        "sheets",
        n_(
            "{file} has {n} more sheet, which is not read; the data were taken from '{sheet}'.",
            "{file} has {n} more sheets, which are not read; the data were taken from '{sheet}'.",
        ),
        len(left),
        file=path.name,
        sheet=sheet.title,
    )


def _hidden_rows(sheet) -> int:
    """How many rows of a sheet are hidden (all of a hidden one's): openpyxl tells that of workbooks
    only which it holds in memory.
    """
    hidden = HIDDEN if sheet.sheet_state == "visible" else ROW
    found, rest = 0, b""
    with sheet._get_source() as packed:
        while block := packed.read(2**20):
            text = rest + block
            ends = text.rfind(b"<")
            found += len(hidden.findall(text[:ends]))
            rest = text[ends:]
    return found
