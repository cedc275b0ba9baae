"""Packed files, made plain: gzip, zip and workbooks, each within limits that no export reaches."""

import csv
import gzip
import io
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path

from ..common.exceptions import InputError
from ..common.folder import disk_full

LARGEST = 64 * 2**30  # bytes that one file may unpack to
RATIO = 250  # and how many times its size, beyond the first ROOM bytes; exports pack 5 to 40 times
ROOM = 64 * 2**20
MEMBERS = 1_000  # files in one archive
WIDEST, LONGEST = 1_000, 2**20  # columns and rows of a workbook
TOP = 20  # rows of a workbook in which the widest tells how many columns there are


def unpack(path: Path, target: Path) -> list[tuple[str, Path]]:
    """Unpack a gzip file, a zip or a workbook beside target; return what each file in it is called
    ("/name" in a zip), and where it is.

    Raises InputError for one that is damaged, protected, holds no CSV, or unpacks to more than an
    export can be.
    """
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"\x1f\x8b":
        with _unpacking(path), gzip.open(path) as packed:
            return [("", _unpack(packed, target, path))]
    with _unpacking(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        _fits(sum(member.file_size for member in archive.infolist()), path)
        if "[Content_Types].xml" in names:
            return [("", _sheet(path, target))]
        members = [
            n for n in names if n.lower().endswith((".csv", ".txt", ".tsv")) and "__MACOSX" not in n
        ]
        if not members or len(names) > MEMBERS:
            raise InputError(
                "{path} holds {files} files, {tables} of them CSV; expected one export.",
                path,
                path=path,
                files=len(names),
                tables=len(members),
            )
        found = []
        for number, member in enumerate(sorted(members)):
            with archive.open(member) as packed:
                found.append(
                    (
                        f"/{Path(member).name}",
                        _unpack(packed, target.with_stem(f"{target.stem}-{number}"), path),
                    )
                )
        return found


def _unpack(packed: io.BufferedIOBase, target: Path, path: Path) -> Path:
    written = 0
    with target.open("wb") as file:
        while block := packed.read(2**20):
            file.write(block)
            _fits(written := written + len(block), path)
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


def _sheet(path: Path, target: Path) -> Path:
    """Write the first sheet of a workbook as CSV; numbers too long for a spreadsheet stay visibly
    damaged.
    """
    import openpyxl

    def cell(value: object) -> str:
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= 1e15:
            return f"{value:.14E}"
        return "" if value is None else str(value)

    with (
        _unpacking(path),
        warnings.catch_warnings(),
        target.open("w", newline="", encoding="utf-8") as file,
    ):
        warnings.simplefilter("ignore")
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        # a claim of the file's: two cells could ask for 17 thousand million
        sheet.reset_dimensions()
        width, blank, out = 0, 0, csv.writer(file)
        for number, row in enumerate(sheet.iter_rows(values_only=True)):
            cells = [cell(v) for v in row[:WIDEST]]
            while cells and not cells[-1]:
                cells.pop()
            width, blank = max(width, len(cells) if number < TOP else 0), blank + 1
            if number > LONGEST or cells:
                _fits(LARGEST + 1 if number > LONGEST else file.tell() + blank * width, path)
                out.writerows([*[[""] * width] * (blank - 1), cells + [""] * (width - len(cells))])
                blank = 0  # empty rows count as lines where rows follow them
    return target
