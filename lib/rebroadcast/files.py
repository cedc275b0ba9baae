"""One file as the user named it, made ready for the engine: found, unpacked, decoded, and its header read."""

import codecs
import csv
import glob
import hashlib
import io
import re
import tomllib
import unicodedata
import zipfile
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .exceptions import ColumnError, InputError, did_you_mean
from .folder import disk_full

LARGEST = 64 * 2**30  # bytes that one file may unpack to
RATIO = 250  # and how many times its size, beyond the first ROOM bytes; exports pack 5 to 40 times
ROOM = 64 * 2**20
MEMBERS = 1_000  # files in one archive
WIDEST, LONGEST = 1_000, 2**20  # columns and rows of a workbook
HEADER_LINES = 20  # how far down the header row is looked for
# Within a word, bytes that are letters in the encodings of DOS and old Macs, and signs in Windows-1252.
STRANGE = re.compile(rb"[A-Za-z][\x80-\x91\x93-\x9f\xa1-\xa9\xab-\xac\xae-\xb6\xb8-\xb9\xbb-\xbf](?=[a-z])")
SMALL_WORDS = {"de", "del", "la", "el", "los", "y", "and", "of", "the"}
FOREIGN = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x7fELF": "a program",
    b"SQLite f": "a database",
}


@dataclass(frozen=True)
class Source:
    """A readable file: `name` as the user knows it, `path` where the engine reads UTF-8 CSV or Parquet.

    `columns` maps the file's own header to our column names (None: an extra column); `skip` is the
    number of lines up to and including the header; `sha256` and `size` are those of the user's file.
    """

    name: str
    path: Path
    sha256: str
    size: int
    delimiter: str = ","
    skip: int = 1
    header: tuple[str, ...] = ()
    columns: tuple[str | None, ...] = ()
    notes: tuple[str, ...] = ()


@cache
def known() -> dict:
    """The column names and exports of columns.toml."""
    return tomllib.loads((Path(__file__).parent / "columns.toml").read_text("utf-8"))


def key(name: str) -> str:
    """Fold a column name: no case, accents, spaces, punctuation or small words.

    >>> key("ID de Contacto")
    'idcontacto'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).lower()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return "".join(w for w in words if w not in SMALL_WORDS)


def find(patterns: str | list[str], export: str = "failed") -> list[Path]:
    """Expand file names, globs and folders of Parquet files (their own, or those of that export), sorted, each file once.

    Names are relative to the current folder, or to the folder above it where that is `notebooks`
    (JupyterLab runs a notebook in its own folder). Raises InputError where nothing is found.
    """
    wanted = [patterns] if isinstance(patterns, (str, Path)) else list(patterns)
    found: dict[Path, None] = {}
    for pattern in map(str, wanted):
        if not pattern.strip():
            raise InputError("A file name is empty; expected the path of an export.")
        bases = [Path(), Path("..")] if Path.cwd().name == "notebooks" else [Path()]
        hits = next((h for b in bases if (h := _matches(b, pattern, export))), None)
        if not hits:
            folder = (Path(pattern).parent if str(Path(pattern).parent) else Path()).resolve()
            near = did_you_mean(Path(pattern).name, [p.name for p in folder.iterdir()] if folder.is_dir() else [])
            raise InputError(f"No such file: {pattern}.{near}", pattern)
        if odd := next((h for h in hits if not str(h).isprintable() and not _clean(str(h))), None):
            raise InputError(f"The name of {odd} is not text (UTF-8); rename the file.", odd)
        found.update(dict.fromkeys(hits))
    return list(found)


def stamps(paths: Iterable[Path]) -> dict[Path, tuple]:
    """What shows that a file is still the same; () for one that is gone."""

    def stamp(path: Path) -> tuple:
        try:
            seen = path.stat()
        except OSError:
            return ()
        return seen.st_ino, seen.st_size, seen.st_mtime_ns

    return {path: stamp(path) for path in paths}


def check_unchanged(before: dict[Path, tuple]) -> None:
    """Raise InputError for a file that has changed since its `stamps` were taken, when all of it has been read."""
    if changed := [path for path, stamp in stamps(before).items() if stamp != before[path]]:
        raise InputError(f"{changed[0]} was changed while it was read; run again when it is complete.", changed[0])


def _matches(base: Path, pattern: str, export: str) -> list[Path]:
    exact = base / pattern
    if exact.exists():
        if parts := sorted(exact.glob("*.parquet")) or sorted((exact / export).glob("*.parquet")):
            return parts
        if not exact.is_file():
            kind = "a folder" if exact.is_dir() else "not a regular file"
            raise InputError(f"{pattern} is {kind}; expected an export file, a pattern such as '*.csv', or a folder of Parquet files.", pattern)
        return [exact]
    return sorted(p for h in glob.glob(str(exact), recursive=True) if (p := Path(h)).is_file())


def open_source(path: Path, export: str, scratch: Path) -> list[Source]:
    """Make one file of the user's ready for the engine and match its columns for a kind of export.

    export is "failed", "messages", "contacts" or "log". A zip gives one source per member. Raises
    InputError or ColumnError with one sentence that names the file.
    """
    try:
        seen = survey(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", path) from None
    source, start, sha256 = Source(path.name, path, seen.sha256, seen.size), seen.start, seen.sha256
    if seen.size == 0:
        raise InputError(f"{path} is empty; expected the CSV file of a data export.", path)
    if foreign := next((what for magic, what in FOREIGN.items() if start.startswith(magic)), None):
        raise InputError(f"{path} is {foreign}, not a CSV file; export it from the platform again as CSV.", path)
    if start.startswith(b"PAR1"):
        return [_match(replace(source, delimiter=""), _parquet_header(path), export)]
    if start.startswith(b"PK\x03\x04"):
        return _open_zip(source, export, scratch)
    if start.startswith(b"\x1f\x8b"):
        import gzip

        with _unpacking(path), gzip.open(path) as packed:
            source, seen = replace(source, path=_unpack(packed, scratch / f"{sha256}.csv", path)), None
    return [_open_csv(source, export, scratch, seen)]


class Survey(NamedTuple):
    """What one look at all bytes of a file tells: its hash, size, first bytes, and whether it is UTF-8 throughout."""

    sha256: str
    size: int
    start: bytes
    utf8: bool


def survey(path: Path) -> Survey:
    """Look at all bytes of a file, once."""
    from concurrent.futures import ThreadPoolExecutor

    hashed, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, start, utf8 = 0, b"", True
    with path.open("rb") as file, ThreadPoolExecutor(1) as other:  # hashing takes as long as all the rest
        while block := file.read(2**20):
            hashing = other.submit(hashed.update, block)
            if utf8 and not (block.isascii() and decoder.getstate()[0] == b""):
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    utf8 = False
            start, size = start or block[:4096], size + len(block)
            hashing.result()
    utf8 &= b"\0" not in start and decoder.getstate()[0] == b""
    return Survey(hashed.hexdigest(), size, start, utf8)


def _unpack(packed: io.BufferedIOBase, target: Path, path: Path) -> Path:
    written = 0
    with target.open("wb") as file:
        while block := packed.read(2**20):
            file.write(block)
            _fits(written := written + len(block), path)
    return target


def _fits(unpacked: int, path: Path) -> None:
    """Raise InputError where a file unpacks to more than an export can: it is made to fill the disk."""
    most = min(LARGEST, ROOM + RATIO * path.stat().st_size)
    if unpacked > most:
        raise InputError(f"{path} unpacks to more than {most // 2**20:,} MiB, which no export does; give it unpacked.", path)


@contextmanager
def _unpacking(path: Path):
    """Turn whatever the libraries raise for a damaged file into an InputError; a full disk stays what it is."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or disk_full(error):
            raise
        why = str(error) or type(error).__name__
        raise InputError(f"{path} is a damaged or protected file ({why}); download it again.", path) from None


def _open_zip(source: Source, export: str, scratch: Path) -> list[Source]:
    path = source.path
    with _unpacking(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        _fits(sum(member.file_size for member in archive.infolist()), path)
        if "[Content_Types].xml" in names:
            return [
                _open_csv(replace(source, path=_sheet(path, scratch / f"{source.sha256}.csv")), export, scratch)
            ]
        members = [n for n in names if n.lower().endswith((".csv", ".txt", ".tsv")) and "__MACOSX" not in n]
        if not members or len(names) > MEMBERS:
            raise InputError(
                f"{path} holds {len(names)} files, {len(members)} of them CSV; expected one export.", path
            )
        sources = []
        for number, member in enumerate(sorted(members)):
            with archive.open(member) as packed:
                unpacked = _unpack(packed, scratch / f"{source.sha256}-{number}.csv", path)
            one = replace(source, name=f"{source.name}/{Path(member).name}", path=unpacked)
            sources.append(_open_csv(one, export, scratch))
        return sources


def _sheet(path: Path, target: Path) -> Path:
    """Write the first sheet of a workbook as CSV; numbers too long for a spreadsheet stay visibly damaged."""
    import warnings

    import openpyxl

    def cell(value: object) -> str:
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= 1e15:
            return f"{value:.14E}"
        return "" if value is None else str(value)

    with _unpacking(path), warnings.catch_warnings(), target.open("w", newline="", encoding="utf-8") as file:
        warnings.simplefilter("ignore")
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        sheet.reset_dimensions()  # a claim of the file's: two cells could ask for 17 thousand million
        width, blank, out = 0, 0, csv.writer(file)
        for number, row in enumerate(sheet.iter_rows(values_only=True)):
            cells = [cell(v) for v in row[:WIDEST]]
            while cells and not cells[-1]:
                cells.pop()
            width, blank = max(width, len(cells) if number < HEADER_LINES else 0), blank + 1
            if number > LONGEST or cells:
                _fits(LARGEST + 1 if number > LONGEST else file.tell() + blank * width, path)
                out.writerows([*[[""] * width] * (blank - 1), cells + [""] * (width - len(cells))])
                blank = 0  # empty rows count as lines where rows follow them
    return target


def _parquet_header(path: Path) -> list[str]:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path).names
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is a damaged Parquet file ({error}).", path) from None


def _open_csv(source: Source, export: str, scratch: Path, seen: Survey | None = None) -> Source:
    seen = seen or survey(source.path)
    encoding = "utf-8" if seen.utf8 else _encoding(source.path)
    if encoding not in ("utf-8", "utf-8-sig"):
        decoded = scratch / f"{source.path.stem}-{source.sha256[:12]}.utf8.csv"
        errors = "surrogateescape" if encoding == "cp1252" else "strict"  # then only the row of such a byte is refused
        try:
            with (
                source.path.open(encoding=encoding, errors=errors, newline="") as old,
                decoded.open("w", encoding="utf-8", errors=errors, newline="") as new,
            ):
                while block := old.read(2**20):
                    new.write(block)
        except UnicodeDecodeError:
            raise InputError(
                f"{source.name} is not text; expected the CSV file of a data export.", source.path
            ) from None
        source = replace(source, path=decoded)
    with source.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        start = file.read(2**16)
    if start.count("\0") > len(start) // 50 or "\0" in start[:100]:
        raise InputError(f"{source.name} is not a text file; expected the CSV file of a data export.", source.path)
    if not start.strip():
        raise InputError(f"{source.name} is empty; expected the CSV file of a data export.", source.path)
    found = [(row, sum(key(c) in _aliases() for c in cells), lines, delimiter, cells)
             for delimiter in ",;\t|" for row, cells, lines in _rows(start, delimiter)]  # fmt: skip
    first = max((f for f in found if f[0] == 0), key=lambda f: f[1], default=(0, 0, 1, ",", []))
    # A header below a title or "sep=;" line must know more names than the first line does.
    _, score, skip, delimiter, cells = max(
        (f for f in found if f[1] > max(1, first[1])), key=lambda f: (f[1], -f[0]), default=first
    )
    if not score:
        raise _no_header(source, start)
    below = [row for _, row, lines in _rows(start, delimiter) if lines > skip and row]
    if below and all(len(row) == len(cells) + 1 and not row[-1] for row in below):
        cells = [*cells, ""]  # each row ends with a delimiter, the header does not
    return _match(replace(source, delimiter=delimiter, skip=skip), cells, export)


def _rows(start: str, delimiter: str):
    """Yield (number, cells, lines read so far) of the first rows of a text."""
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    for number in range(HEADER_LINES):
        try:
            yield number, next(reader), reader.line_num
        except (csv.Error, StopIteration):
            return


def _no_header(source: Source, start: str) -> InputError:
    cells = max((cells for d in ",;\t|" for _, cells, _ in list(_rows(start, d))[:1]), key=len, default=[])
    if len(cells) < 2:
        return InputError(f"{source.name} is not a CSV file: its first line has no columns.", source.path)
    if any(c.strip()[:1].isdigit() for c in cells):
        return InputError(
            f"{source.name} has no header row: its first line holds data ({len(cells)} values); "
            "expected column names such as 'Contact ID' and 'Error'.", source.path)  # fmt: skip
    return ColumnError(f"{source.name} has no column that is known; found: {_listed(cells)}.", source.path)


@cache
def _aliases() -> dict[str, str]:
    return {alias: name for name, aliases in known()["names"].items() for alias in [*aliases, key(name)]}


def headings(cells: Iterable[str]) -> list[str | None]:
    """Our names of the columns that a row of headings names; None for each that is unknown."""
    return [_aliases().get(key(cell)) for cell in cells]


def _listed(cells: list[str]) -> str:
    shown = [repr(c.strip()[:40]) for c in cells[:20]]
    return ", ".join(shown) + (f" and {len(cells) - 20} more" if len(cells) > 20 else "")


def _match(source: Source, header: list[str], export: str) -> Source:
    """Name the columns of a header; ColumnError where a required one is missing or two fit."""
    kind = known()["exports"][export]
    names = [name if name in kind["columns"] else None for name in headings(header)]
    for name in kind["columns"]:
        both = [cell for cell, n in zip(header, names, strict=True) if n == name]
        if len(both) > 1:
            raise ColumnError(
                f"{source.name} has two columns that both fit {name}: {_listed(both)}; rename or remove one.",
                source.path,
            )
    for name in kind["required"]:
        if name not in names:
            label = {"contact_id": "Contact ID", "error": "Error", "contact_name": "Contact Name"}.get(name, name)
            extra = [cell for cell, n in zip(header, names, strict=True) if n is None]
            raise ColumnError(
                f"{source.name} has no '{label}' column, which a {kind['title']} needs; found: {_listed(header)}."
                f"{did_you_mean(label, extra)}", source.path)  # fmt: skip
    return replace(source, header=tuple(header), columns=tuple(names))


def _encoding(path: Path) -> str:
    """Tell the encoding of a file that is not UTF-8 throughout: by its mark, else UTF-8 where most is, else Windows-1252."""
    with path.open("rb") as file:
        start = file.read(4096)
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if start.startswith(mark):
                return name
        if b"\0" in start:
            zeros = [start[i::2].count(0) for i in (0, 1)]
            if max(zeros) > len(start) // 4:
                return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
            return "utf-8"
        file.seek(0)
        good, bad, strange, decoder = 0, 0, 0, codecs.getincrementaldecoder("utf-8")("surrogateescape")
        while block := file.read(2**20):
            if not block.isascii():
                text = decoder.decode(block)
                odd = sum(map(text.count, map(chr, range(0xDC80, 0xDD00)))) if not _clean(text) else 0
                bad += odd
                strange += len(STRANGE.findall(block))
                good += len(text) - len(text.encode("ascii", "ignore")) - odd
        # Damaged bytes in a UTF-8 file must not garble all its accents; those of another encoding are hardly ever UTF-8.
        if bad <= good * 4:
            return "utf-8"
        if strange * 4 > bad:
            raise InputError(
                f"{path} is in an encoding that cannot be told; open it where its accents are right and save it as UTF-8.", path)  # fmt: skip
        return "cp1252"


def _clean(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
