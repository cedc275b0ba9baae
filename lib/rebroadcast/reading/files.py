"""One file as the user named it, made ready for the engine: found, unpacked, decoded, and its
header read.
"""

import csv
import glob
import io
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ..common.doubts import Doubt
from ..common.exceptions import ColumnError, InputError, did_you_mean, reason, sentence
from . import archives
from .encodings import Survey, clean, encoding, survey

HEADER_LINES = 20  # how far down the header row is looked for
SMALL_WORDS = {"de", "del", "la", "el", "los", "y", "and", "of", "the"}
UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".opdownload")
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
    """A readable file: `name` as the user knows it, `path` where the engine reads UTF-8 CSV or
    Parquet.

    `columns` maps the file's own header to our column names (None: an extra column); `skip` is the
    number of lines up to and including the header; `sha256` and `size` are those of the user's
    file, and `longer_name` its path as it was given; `doubts` are what its packing told.
    """

    name: str
    path: Path
    sha256: str
    size: int
    delimiter: str = ","
    skip: int = 1
    header: tuple[str, ...] = ()
    columns: tuple[str | None, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    longer_name: str = ""


@cache
def known() -> dict:
    """The column names and exports of columns.toml."""
    return tomllib.loads((Path(__file__).parent / "columns.toml").read_text("utf-8"))


def key(name: str) -> str:
    """Fold a column name: no case, accents, spaces, punctuation or small words.

    >>> key("ID de Contacto")
    'idcontacto'
    """
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)
    ).lower()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return "".join(w for w in words if w not in SMALL_WORDS)


def find(patterns: str | list[str], export: str = "failed") -> list[Path]:
    """Expand file names, globs and folders of Parquet files (their own, or those of that export),
    sorted, each file once.

    Names are relative to the current folder, or to the folder above it where that is `notebooks`
    (JupyterLab runs a notebook in its own folder). Raises InputError where nothing is found.
    """
    wanted = [patterns] if isinstance(patterns, (str, Path)) else list(patterns)
    found: dict[Path, None] = {}
    for pattern in map(str, wanted):
        if not pattern.strip():
            raise InputError("A file name is empty; expected the path of an export.")
        bases = [Path(), Path("..")] if Path.cwd().name == "notebooks" else [Path()]
        try:
            hits = next((h for b in bases if (h := _matches(b, pattern, export))), None)
        except (OSError, ValueError) as error:  # too long, or a zero byte
            raise InputError(
                "'{pattern}' can be no file's name: {reason}.",
                pattern=pattern[:60],
                reason=reason(error),
            ) from None
        if not hits:
            folder = (Path(pattern).parent if str(Path(pattern).parent) else Path()).resolve()
            near = did_you_mean(
                Path(pattern).name, [p.name for p in folder.iterdir()] if folder.is_dir() else []
            )
            raise InputError("No such file: {pattern}.{hint}", pattern, pattern=pattern, hint=near)
        if odd := next((h for h in hits if not str(h).isprintable() and not clean(str(h))), None):
            raise InputError(
                "The name of {file} is not text (UTF-8); rename the file.", odd, file=odd
            )
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
    """Raise InputError for a file that has changed since its `stamps` were taken, when all of it
    has been read.
    """
    if changed := [path for path, stamp in stamps(before).items() if stamp != before[path]]:
        raise InputError(
            "{file} was changed while it was read; run again when it is complete.",
            changed[0],
            file=changed[0],
        )


def _matches(base: Path, pattern: str, export: str) -> list[Path]:
    exact = base / pattern
    if exact.exists():
        if parts := sorted(exact.glob("*.parquet")) or sorted((exact / export).glob("*.parquet")):
            return parts
        if not exact.is_file():
            what = sentence("a folder") if exact.is_dir() else sentence("not a regular file")
            raise InputError(
                "{pattern} is {what}; expected an export file, a pattern such as '*.csv', or a"
                " folder of Parquet files.",
                pattern,
                pattern=pattern,
                what=what,
            )
        return [exact]
    return sorted(p for h in glob.glob(str(exact), recursive=True) if (p := Path(h)).is_file())


def open_source(path: Path, export: str, scratch: Path) -> list[Source]:
    """Make one file of the user's ready for the engine and match its columns for a kind of export.

    export is "failed", "messages", "contacts" or "log". A zip gives one source per member. Raises
    InputError or ColumnError with one sentence that names the file.
    """
    if path.suffix.lower() in UNFINISHED:
        raise InputError(
            "{path} is a download that has not finished; wait for it, or download the file again.",
            path,
            path=path,
        )
    try:
        seen = survey(path)
    except OSError as error:
        raise InputError(
            "{path} cannot be read: {reason}.", path, path=path, reason=reason(error)
        ) from None
    source = Source(path.name, path, seen.sha256, seen.size, longer_name=str(path))
    start = seen.start
    if seen.size == 0:
        raise InputError(
            "{path} is empty; expected the CSV file of a data export.", path, path=path
        )
    if foreign := next((what for magic, what in FOREIGN.items() if start.startswith(magic)), None):
        what = sentence(foreign)
        raise InputError(
            "{path} is {what}, not a CSV file; export it from the platform again as CSV.",
            path,
            path=path,
            what=what,
        )
    if start.startswith(b"PAR1"):
        return [_match(replace(source, delimiter=""), _parquet_header(path), export)]
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        found = archives.unpack(path, scratch / f"{seen.sha256}.csv", _known_headings)
        return [
            _open_csv(
                replace(
                    source,
                    name=f"{path.name}{one.name}",
                    longer_name=f"{path}{one.name}",
                    path=one.path,
                    doubts=one.doubts,
                ),
                export,
                scratch,
            )
            for one in found
        ]
    return [_open_csv(source, export, scratch, seen)]


def _parquet_header(path: Path) -> list[str]:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path).names
    except (OSError, ValueError) as error:
        raise InputError(
            "{path} is a damaged Parquet file ({reason}).", path, path=path, reason=error
        ) from None


def _open_csv(source: Source, export: str, scratch: Path, seen: Survey | None = None) -> Source:
    seen = seen or survey(source.path)
    code = "utf-8" if seen.utf8 else encoding(source.path)
    if code not in ("utf-8", "utf-8-sig"):
        decoded = scratch / f"{source.path.stem}-{source.sha256[:12]}.utf8.csv"
        errors = (
            "surrogateescape" if code == "cp1252" else "strict"
        )  # then only the row of such a byte is refused
        try:
            with (
                source.path.open(encoding=code, errors=errors, newline="") as old,
                decoded.open("w", encoding="utf-8", errors=errors, newline="") as new,
            ):
                while block := old.read(2**20):
                    new.write(block)
        except UnicodeDecodeError:
            raise InputError(
                "{file} is not text; expected the CSV file of a data export.",
                source.path,
                file=source.name,
            ) from None
        source = replace(source, path=decoded)
    with source.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        start = file.read(2**16)
    if start.count("\0") > len(start) // 50 or "\0" in start[:100]:
        raise InputError(
            "{file} is not a text file; expected the CSV file of a data export.",
            source.path,
            file=source.name,
        )
    if not start.strip():
        raise InputError(
            "{file} is empty; expected the CSV file of a data export.",
            source.path,
            file=source.name,
        )
    found = [
        (row, sum(key(c) in _aliases() for c in cells), lines, delimiter, cells)
        for delimiter in ",;\t|"
        for row, cells, lines in _rows(start, delimiter)
        if not any("\n" in c and ('"' in c or delimiter in c) for c in cells)
    ]  # a quote that swallowed lines
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
    cells = max(
        (cells for d in ",;\t|" for _, cells, _ in list(_rows(start, d))[:1]), key=len, default=[]
    )
    if len(cells) < 2:
        return InputError(
            "{file} is not a CSV file: its first line has no columns.",
            source.path,
            file=source.name,
        )
    if any(c.strip()[:1].isdigit() for c in cells):
        return InputError(
            "{file} has no header row: its first line holds data ({n} values); expected column"
            " names such as 'Contact ID' and 'Error'.",
            source.path,
            file=source.name,
            n=len(cells),
        )
    return ColumnError(
        "{file} has no column that is known; found: {columns}.",
        source.path,
        file=source.name,
        columns=_listed(cells),
    )


@cache
def _aliases() -> dict[str, str]:
    return {
        alias: name for name, aliases in known()["names"].items() for alias in [*aliases, key(name)]
    }


def headings(cells: Iterable[str]) -> list[str | None]:
    """Our names of the columns that a row of headings names; None for each that is unknown."""
    return [_aliases().get(key(cell)) for cell in cells]


def _known_headings(cells: Iterable[str]) -> int:
    return len({name for name in headings(cells) if name})


def _listed(cells: list[str]) -> str:
    shown = [repr(c.strip()[:40]) for c in cells[:20]]
    return ", ".join(shown) + (
        " " + sentence("and {n} more", n=len(cells) - 20) if len(cells) > 20 else ""
    )


def title(export: str) -> str:
    """What an export is called, in the language of errors."""
    text = known()["exports"][export]["title"]
    return sentence(text)


def _label(name: str) -> str:
    """What the platform's exports call a column of ours."""
    return (
        "Date & Time" if name == "sent_at" else name.replace("_", " ").title().replace("Id", "ID")
    )


def _other(header: list[str], export: str) -> str:
    """Say which other export these columns are of, and where that is named; "" where they are of
    none.
    """
    found, kinds = set(headings(header)), known()["exports"]
    fits = {
        k: len(found & {*row["columns"]})
        for k, row in kinds.items()
        if k != export and found >= {*row["required"]}
    }
    other = max(fits, key=fits.get, default=export)
    if fits.get(other, 0) < max(2, len(found & {*kinds[export]["columns"]})):
        return ""
    option = {"failed": "exports", "log": "exports"}.get(other, f"{other} (--{other})")
    return " " + sentence(
        "It looks like a {title}; give it as {option}.", title=title(other), option=option
    )


def _match(source: Source, header: list[str], export: str) -> Source:
    """Name the columns of a header; ColumnError where a required one is missing or two fit."""
    kind = known()["exports"][export]
    names = [name if name in kind["columns"] else None for name in headings(header)]
    for name in kind["columns"]:
        both = [cell for cell, n in zip(header, names, strict=True) if n == name]
        if len(both) > 1:
            raise ColumnError(
                "{file} has two columns that both fit '{column}': {columns}; rename or remove one.",
                source.path,
                file=source.name,
                column=_label(name),
                columns=_listed(both),
            )
    for name in kind["required"]:
        if name not in names:
            extra, label = (
                [cell for cell, n in zip(header, names, strict=True) if n is None],
                _label(name),
            )
            hint = _other(header, export) or did_you_mean(label, extra)
            raise ColumnError(
                "{file} has no '{column}' column, which a {title} needs; found: {columns}.{hint}",
                source.path,
                file=source.name,
                column=label,
                title=title(export),
                columns=_listed(header),
                hint=hint,
            )
    return replace(source, header=tuple(header), columns=tuple(names))
