"""One file as the user named it, made ready for the engine: found, unpacked, decoded, and its
header read.
"""

import csv
import glob
import gzip
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from urllib.request import url2pathname

from ..common.doubts import Doubt
from ..common.exceptions import ColumnError, InputError, did_you_mean, reason, sentence
from ..common.masking import mask, utf8
from . import archives, profile, share
from .encodings import Survey, encoding, survey
from .profile import Fit, Profile, key

# What stands on the line of a JSON object: a log's time and name before it, a sign between objects.
AROUND = re.compile(
    r"(?m)^(?=[^{\"\n\w]*+\w)[^{\"\n]*+(?=\{)|^[ \t]*,[ \t]*(?=\{)|(?<=\})[ \t]*[,;][ \t\r]*$"
)
COMMENT = re.compile(r"(?m)^[ \t]*(?://|#).*$")
ARRAY = re.compile(r"\s*\[\s*[{\[\]]")
BROKEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")  # what no program writes in a header
# What no column is called: a date or a number of five digits and more, a phone number, an address,
# JSON.
DATA = re.compile(
    r"^[\s'\"=(+]*\d(?:\D*\d){4}|^\W*\d[\d.,]*[eE][+-]?\d|[+]\d{7}|\d:\d\d:\d\d|\S@\S+[.]\S"
    r"|[^\W\d]{3} \d{1,2},? \d{4}\b|^\s*[\[{]\s*['\"\[{]"
)
EMPTY = re.compile(r'"([^"\n]{1,40})"\s*:\s*\[\s*\]')
NAMES = 3  # that are told of a column that is missing
HEADER_LINES = 20  # how far down the header row is looked for
UNFINISHED = (".crdownload", ".part", ".partial", ".download", ".opdownload")
MARKED = re.compile(rb"\xef\xbb\xbf\s*[{\[]")  # JSON behind a mark that no reader of JSON expects
BLANK = re.compile(r"\s*")
SHOWN = 2**28  # bytes of a damaged document in which the place of the damage is looked for
DOCUMENT = 2**20  # characters of a JSON document that tell what it is
PIECES, PIECE = 8, 2**15  # how many places of JSON lines do, and bytes of each
# Columns that only other vendors' files fill, and what `convert` made of them.
MORE = {"failed": ("provider",), "messages": ("provider",)}
STUB = """\
# A profile to complete: replace each "?", or take its line out; then name this file with --profile.
# The file's columns:
{cells}

title = "?"
source = "?"   # who says what the columns and states mean
grade = "C"    # A: the vendor; B: two independent sources; C: one
date = "?"
provider = ""  # whose error codes they are: meta, twilio, vonage …

[[form]]
name = "log of messages"
required = ["contact_id", "state"]  # it is recognised by these
recipient = "phone"                 # contact (an ID), phone or address
zone = ""                           # of times that name none, such as UTC; empty: as the user says

[form.columns]  # ours = the file's, several where the first may be empty
{columns}

[form.states]  # which values of a column of ours say what; "*" is any
failed = {{ state = ["failed"] }}
reached = {{ state = ["delivered", "read"] }}
open = {{ state = ["sent", "queued"] }}
incoming = {{ state = ["received"] }}
"""
FOREIGN = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x7fELF": "a program",
    b"SQLite f": "a database",
    b"{\\rtf": "a text document (.rtf)",
    b"version https://git-lfs": "a pointer of Git LFS",
    b"<": "a web page",
}


@dataclass(frozen=True)
class Source:
    """A readable file: `name` as the user knows it, `path` where the engine reads UTF-8 CSV or
    Parquet.

    `columns` maps the file's own header to our column names (None: an extra column); `skip` is the
    number of lines up to and including the header; `sha256` and `size` are those of the user's
    file, and `longer_name` its path as it was given; `doubts` are what its packing told. `fit` is
    the profile's form that another vendor's file has; `document` how a JSON file is written
    ("newline_delimited", "array" or "unstructured"): its header are paths.
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
    fit: Fit | None = None
    document: str = ""

    @property
    def fitted(self) -> Fit:
        """The `fit`, which the files of another vendor have."""
        assert self.fit
        return self.fit


@cache
def known() -> dict:
    """The exports of the platform, by kind: their title, columns, and those that are required."""
    return {
        "exports": {
            form.kind: {
                "title": form.name,
                "required": form.required,
                "columns": [*form.columns, *MORE.get(form.kind, ())],
            }
            for form in reversed(profile.packaged()[profile.HOME].form)
            if form.rows is None
        }
    }


def find(patterns: str | list[str], export: str = "failed") -> list[Path]:
    """Expand file names, globs and folders of Parquet files (their own, or those of that export),
    sorted, each file once.

    Names are relative to one of the `bases`; "sample" is the made-up export, unless a file has that
    name. Raises InputError where nothing is found.
    """
    found: dict[Path, None] = {}
    for pattern in map(str, [patterns] if isinstance(patterns, (str, Path)) else patterns):
        if not pattern.strip():
            raise InputError("A file name is empty; expected the path of an export.")
        if share.asked(pattern):
            pattern = share.SAMPLE.get(export, pattern)
        pattern = _local(pattern)
        try:
            hits = next((h for b in bases(pattern) if (h := _matches(b, pattern, export))), None)
        except (OSError, ValueError) as error:  # too long, or a zero byte
            raise InputError(
                "'{pattern}' can be no file's name: {reason}.",
                pattern=pattern[:60],
                reason=reason(error),
            ) from None
        if not hits:
            folder = Path(pattern).parent.resolve()
            names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            raise InputError(
                "No such file: {pattern}.{hint}",
                pattern,
                pattern=pattern,
                hint=did_you_mean(Path(pattern).name, names),
            )
        if odd := next((h for h in hits if utf8(str(h)) != str(h)), None):
            raise InputError(
                "The name of {file} is not text (UTF-8); rename the file.", odd, file=odd
            )
        found.update(dict.fromkeys(hits))
    return list(found)


def _local(pattern: str) -> str:
    """A path for what a shell or a browser writes for one: ~/a.csv, file:///tmp/a%20b.csv;
    InputError for the address of another machine.
    """
    scheme, slashes, rest = pattern.strip().partition("://")
    if not slashes or not re.fullmatch("[A-Za-z][A-Za-z0-9+-]+", scheme):
        own = pattern.startswith("~") and not os.path.lexists(pattern)  # a file may be called ~
        return os.path.expanduser(pattern) if own else pattern
    host, _, path = rest.partition("/")
    if scheme.lower() != "file" or host.lower() not in ("", "localhost"):
        raise InputError(
            "{pattern} is an address, and no file of this computer; download it, and give its"
            " path.",
            pattern,
            pattern=pattern,
        )
    return url2pathname(f"/{path}")


def bases(pattern: str) -> list[Path]:
    """The folders that a file's name may be relative to: the current one; the one above it where
    that is `notebooks` (JupyterLab runs a notebook in its own folder); and for the sample's files
    the one that came with the package.

    >>> len(bases("exports/*.csv"))
    1
    """
    above = [Path("..")] * (Path.cwd().name == "notebooks")
    return [Path(), *above, *[share.home()] * pattern.startswith("data/samples/")]


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
            raise InputError(
                "{pattern} is {what}; expected an export file, a pattern such as '*.csv', or a"
                " folder of Parquet files.",
                pattern,
                pattern=pattern,
                what=sentence("a folder") if exact.is_dir() else sentence("not a regular file"),
            )
        return [exact]
    return sorted(p for h in glob.glob(str(exact), recursive=True) if (p := Path(h)).is_file())


def open_source(path: Path, export: str, scratch: Path, wanted: str = "") -> list[Source]:
    """Make one file of the user's ready for the engine and match its columns for a kind of export.

    export is "failed", "messages", "contacts" or "log"; wanted a profile's name or file. A zip
    gives one source per member. Raises InputError or ColumnError with one sentence that names the
    file.
    """
    if path.suffix.lower() in UNFINISHED:
        raise InputError(
            "{path} is a download that has not finished; wait for it, or download the file again.",
            path,
            path=path,
        )
    profiles = profile.asked(wanted)
    try:
        seen = survey(path)
    except OSError as error:
        raise InputError(
            "{path} cannot be read: {reason}.", path, path=path, reason=reason(error)
        ) from None
    source = Source(path.name, path, seen.sha256, seen.size, longer_name=str(path))
    if seen.size == 0:
        raise InputError(
            "{path} is empty; expected the CSV file of a data export.", path, path=path
        )
    if foreign := next(
        (what for magic, what in FOREIGN.items() if seen.start.startswith(magic)), None
    ):
        raise InputError(
            "{path} is {what}, not a CSV file; export it from the platform again as CSV.",
            path,
            path=path,
            what=sentence(foreign),
        )
    if seen.start.startswith(b"PAR1"):
        source, home = replace(source, delimiter=""), profile.asked(profile.HOME)
        return [_match(source, _parquet_header(path), export, home)]
    if seen.start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        members = [
            replace(
                source,
                path=one.path,
                doubts=one.doubts,
                name=f"{path.name}{one.name}",
                longer_name=f"{path}{one.name}",
            )
            for one in archives.unpack(
                path, scratch / f"{seen.sha256}.csv", lambda cells: _known(profiles, cells)
            )
        ]
        return [_open_text(one, export, scratch, profiles, survey(one.path)) for one in members]
    return [_open_text(source, export, scratch, profiles, seen)]


def _parquet_header(path: Path) -> list[str]:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path).names
    except (OSError, ValueError) as error:
        raise InputError(
            "{path} is a damaged Parquet file ({reason}).", path, path=path, reason=error
        ) from None


def _open_text(
    source: Source, export: str, scratch: Path, profiles: list[Profile], seen: Survey
) -> Source:
    garbled = Doubt(  # it was saved after its letters had been taken for others
        "garbled letters",
        "{file}: at least {n} letters with accents are garbled (as Ã© for é), because a program"
        " opened the file in another encoding and saved it: its texts, names and tags are not"
        " what they were. Export it again, and do not open it in a spreadsheet before.",
        {"file": source.name, "n": seen.garbled},
        seen.garbled,
    )
    source = replace(source, doubts=(*source.doubts, *[garbled] * bool(seen.garbled)))
    code = "utf-8-sig" if seen.utf8 else encoding(source.path)
    if MARKED.match(seen.start) or not code.startswith("utf-8"):  # else the engine reads it
        decoded = scratch / f"{source.path.stem}-{source.sha256[:12]}.utf8.csv"
        # Escaped, only the row of such a byte is refused.
        errors = "strict" if code.startswith("utf-16") else "surrogateescape"
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
        start = file.read(DOCUMENT)
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
    if foreign := _around(start, profiles):
        source, start = _without(foreign, source, start, scratch)
    if start.lstrip()[0] in "{[":
        return _match_document(source, start, export, profiles)
    return _open_csv(source, start[: 2**16], export, profiles)


def _around(start: str, profiles: list[Profile]) -> re.Pattern | None:
    """What is to be taken from the lines of a file to leave JSON: comments, and what stands around
    most of its objects, each on a line; None for what is JSON as it is, or CSV.
    """
    bare = COMMENT.sub("", start)
    commented = bare != start and bare.lstrip()[:1] in ("{", "[")
    lines = [line for line in bare.splitlines()[:200] if line.strip()]
    within = [one for line in lines if (one := AROUND.sub("", line)) != line and is_object(one)]
    dressed = within and len(within) * 2 >= len(lines) and not ARRAY.match(bare)
    if dressed and not any(
        _known(profiles, cells) > 1 for d in ",;\t|" for _, cells, _ in _rows(start, d)
    ):
        return re.compile(f"{AROUND.pattern}|{COMMENT.pattern.removeprefix('(?m)')}")
    return COMMENT if commented else None


def _without(foreign: re.Pattern, source: Source, start: str, scratch: Path) -> tuple[Source, str]:
    """A file with its JSON alone, each value on the line on which it stands, and its beginning."""
    bare = scratch / f"{source.path.stem}-{source.sha256[:12]}.bare.jsonl"
    with (
        source.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as old,
        bare.open("w", encoding="utf-8", errors="surrogateescape", newline="") as new,
    ):
        while block := old.read(2**20) + old.readline():
            new.write(foreign.sub("", block))
    return replace(source, path=bare), foreign.sub("", start)


def _open_csv(source: Source, start: str, export: str, profiles: list[Profile]) -> Source:
    """Find the header of a CSV file and its delimiter: the row of which a form knows most columns,
    the first of several. A row below the first must know two, and more than the first does. An
    error names the header's cells, never those of data.
    """
    seen = [
        (_known(profiles, cells), -row, lines, delimiter, cells)
        for delimiter in ",;\t|"
        for row, cells, lines in _rows(start, delimiter)
        if not any("\n" in c and ('"' in c or delimiter in c) for c in cells)
    ]  # a quote that swallowed lines
    tops = [one for one in seen if one[1] == 0 or one[0] > 1]
    score, _, skip, delimiter, cells = max(tops, key=lambda one: one[:2], default=(0, 0, 1, "", []))
    if not score:
        for delimiter in ",;\t|":
            rows = [cells for _, cells, _ in _rows(start, delimiter) if cells]
            if bare := profile.fits_cells(profiles, rows):
                cells = [str(n) for n, _ in enumerate(rows[0], 1)]
                return _accept(replace(source, delimiter=delimiter, skip=0), cells, export, bare)
        raise _no_header(source, start, profiles)
    below = [row for _, row, lines in _rows(start, delimiter) if lines > skip and row]
    if below and all(len(row) == len(cells) + 1 and not row[-1] for row in below):
        cells = [*cells, ""]  # each row ends with a delimiter, the header does not
    if broken := next(filter(BROKEN.search, cells), ""):
        raise InputError(
            "{file}: its header is damaged: '{name}' is no column's name. Export it again.",
            source.path,
            file=source.name,
            name=broken,
        )
    header = cells if profile.fits(profiles, cells) else _top(start)
    return _match(replace(source, delimiter=delimiter, skip=skip), header, export, profiles)


def _top(start: str) -> list[str]:
    """The row that a file has for its header, known or not: the first of the widest that hold no
    data.
    """
    rows = [cells for d in ",;\t|" for _, cells, _ in _rows(start, d) if not _is_data(cells)]
    return max(rows, key=lambda cells: sum(map(bool, cells)), default=[])


def _is_data(cells: Iterable[str]) -> bool:
    """Whether a row is no header, whatever words it holds: its cells may be of persons."""
    return any(map(DATA.search, cells))


def _known(profiles: list[Profile], cells: list[str]) -> int:
    """How many cells of a row the form knows that knows most of them; none of a row of data."""
    if _is_data(cells):
        return 0
    forms = (form for one in profiles for form in one.form if form.rows is None and not form.cells)
    return max((sum(map(bool, profile.places(form, cells))) for form in forms), default=0)


def _match_document(source: Source, start: str, export: str, profiles: list[Profile]) -> Source:
    """Find the form of a JSON document from its beginning."""
    lines = start.lstrip().splitlines()
    whole = lines if len(start) < DOCUMENT else lines[:-1]
    first = [line for line in whole[:1000] if line.strip()]
    good = sum(is_object(line, list) for line in first)
    several = len(first) > 1 or any(map(is_object, first))  # an array alone may be of any length
    if several and good * 2 >= len(first):
        some = whole if len(start) < DOCUMENT else _spread(source.path)
        kind, known = "newline_delimited", set().union(*map(profile.paths, some))
    else:
        kind = "array" if start.lstrip()[0] == "[" else "unstructured"
        known = profile.paths(start)
    fits = profile.fits_paths(profiles, known)
    if not fits:
        raise _inside(source, whole) or _no_form(source, start, known, profiles)
    return _accept(replace(source, document=kind), [], export, fits)


def _spread(path: Path) -> Iterable[str]:
    """Lines from several places of a file, the first and the last among them: what it is of may
    begin late.
    """
    last = path.stat().st_size - PIECE
    with path.open("rb") as file:
        for number in range(PIECES):
            file.seek(last * number // (PIECES - 1))
            if number:
                file.readline()  # the end of one
            yield from file.read(PIECE).decode("utf-8", "replace").splitlines()


def _inside(source: Source, lines: list[str]) -> ColumnError | None:
    """The error for JSON lines whose objects hold, as text, what is looked for; None for others."""
    first: dict = next((json.loads(line) for line in lines if is_object(line)), {})
    texts = {name: text for name, text in first.items() if isinstance(text, str)}
    if not (name := next((name for name, text in texts.items() if is_object(text)), "")):
        return None
    return ColumnError(
        "{file} is a log whose lines hold other JSON objects as the text of '{name}'; take them out"
        " first, as with: jq -r '.{name} // empty' {file} > messages.jsonl",
        source.path,
        file=source.name,
        name=name,
    )


def _no_form(
    source: Source, start: str, known: set[str], profiles: list[Profile]
) -> InputError | ColumnError:
    """The error for a document in which nothing is known, or nothing is."""
    if known:
        empty = EMPTY.search(start)
        more = " " + sentence("Its list '{name}' is empty.", name=empty[1]) if empty else ""
        return _unknown(source, sorted(known), profiles, more)
    if EMPTY.fullmatch(f'"x": {start.strip()}') or start.strip() == "{}":
        return InputError(
            "{file} holds no records; export it again, for days on which messages were sent.",
            source.path,
            file=source.name,
        )
    return damaged(source)


def damaged(source: Source) -> InputError:
    """The error for a document that is no JSON, with the place where it ends to be some."""
    text, place, end, decoder = "", 0, 0, json.JSONDecoder()
    if source.path.stat().st_size < SHOWN:
        text = source.path.read_text("utf-8-sig", "replace")
        end = len(text.rstrip())
    try:
        while place < end:
            blank = BLANK.match(text, place)
            _, place = decoder.raw_decode(text, blank.end() if blank else place)
    except RecursionError:
        end = 0
    except json.JSONDecodeError as error:
        if error.pos >= end or error.msg.startswith("Unterminated"):
            return InputError(
                "{file} is a damaged JSON document: it ends in the middle of a value; download it"
                " again.",
                source.path,
                file=source.name,
            )
        return InputError(
            "{file} is a damaged JSON document: line {line} is no JSON from its character {column}"
            " on. Mend that line, or download the file again.",
            source.path,
            file=source.name,
            line=error.lineno,
            column=error.colno,
        )
    return InputError(
        "{file} is a damaged JSON document; download it again.", source.path, file=source.name
    )


def is_object(line: str, *others: type) -> bool:
    """Whether a line is a JSON object, or a JSON value of one of the other types."""
    try:
        return isinstance(json.loads(line), (dict, *others))
    except (ValueError, RecursionError):
        return False


def _rows(start: str, delimiter: str):
    """Yield (number, cells, lines read so far) of the first rows of a text."""
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
    for number in range(HEADER_LINES):
        try:
            yield number, next(reader), reader.line_num
        except (csv.Error, StopIteration):
            return


def _no_header(source: Source, start: str, profiles: list[Profile]) -> InputError:
    cells: list[str] = max(
        (cells for d in ",;\t|" for _, cells, _ in list(_rows(start, d))[:1]), key=len, default=[]
    )
    if len(cells) < 2:
        return InputError(
            "{file} is not a CSV file: no comma, semicolon, tab or | sets columns apart in its"
            " first line.",
            source.path,
            file=source.name,
        )
    if any(c.strip()[:1].isdigit() or sum(map(str.isdigit, c)) > 5 for c in cells):
        return InputError(
            "{file} has no header row: its first line holds data ({n} values); expected column"
            " names such as 'Contact ID' and 'Error'.",
            source.path,
            file=source.name,
            n=len(cells),
        )
    return _unknown(source, _top(start), profiles)


def _unknown(
    source: Source, cells: list[str], profiles: list[Profile], more: str = ""
) -> ColumnError:
    near, lacking = profile.nearest(profiles, cells) or (None, [])
    facts = {"file": source.name, "columns": _listed(cells)}
    chosen = _chosen(profiles)
    if near and not chosen:
        more += " " + sentence("The nearest profile is {title}.", title=near.title)
    told = more + _how_to_add(source)
    if not near or (not chosen and near.known < len(lacking)):
        return ColumnError(
            "{file} has no column that is known; found: {columns}.{hint}",
            source.path,
            hint=told,
            **facts,
        )
    hints = (did_you_mean(name, cells) for several in lacking for name in several)
    return ColumnError(
        "{file} has no column {missing}, which {title} needs; found: {columns}.{hint}",
        source.path,
        missing=", ".join(" / ".join(map(repr, several[:NAMES])) for several in lacking),
        title=near.title,
        hint=next(filter(None, hints), "") + told,
        **facts,
    )


def _chosen(profiles: list[Profile]) -> bool:
    """Whether a user has named the profile that is to be taken."""
    return len(profiles) == 1 or profiles[0].name != profile.HOME


def _how_to_add(source: Source) -> str:
    """Name the way to a profile of a file's own."""
    return " " + sentence(
        "For a profile to complete, run: rebroadcast profiles {file}",
        file=source.name.split("/")[0],
    )


@cache
def _aliases() -> dict[str, str]:
    """The names of all forms of CSV files; the platform's come first."""
    forms = [form for one in profile.packaged().values() for form in one.form if form.rows is None]
    return {
        key(part): ours
        for form in reversed(forms)
        for ours, names in form.columns.items()
        for name in names
        for part in name.split(" + ")
    }


def headings(cells: Iterable[str]) -> list[str | None]:
    """Our names of the columns that a row of headings names; None for each that is unknown."""
    return [_aliases().get(key(cell)) for cell in cells]


def _listed(cells: list[str]) -> str:
    # Of a path the end tells more.
    shown = [repr(c[-40:] if "[]." in c else c.strip()[:40]) for c in map(mask, cells[:20])]
    return ", ".join(shown) + (
        " " + sentence("and {n} more", n=len(cells) - 20) if len(cells) > 20 else ""
    )


def title(export: str) -> str:
    """What an export is called."""
    # Within the call, Babel would take the keys for texts.
    text = known()["exports"][export]["title"]
    return sentence(text)


def _label(name: str) -> str:
    """What the platform's exports call a column of ours."""
    return (
        "Date & Time" if name == "sent_at" else name.replace("_", " ").title().replace("Id", "ID")
    )


def _other(fits: list[Fit]) -> str:
    """Say which other export a file is, and where that is named; "" where it is none."""
    other = max(fits, key=lambda fit: fit.known, default=None)
    if not other or other.known < 2:
        return ""
    kind = other.form.kind
    option = {"failed": "exports", "log": "exports"}.get(kind, f"{kind} (--{kind})")
    return " " + sentence(
        "It looks like a {title}; give it as {option}.",
        title=sentence(other.form.name),
        option=option,
    )


def _match(source: Source, header: list[str], export: str, profiles: list[Profile]) -> Source:
    """Find the form that a header has; ColumnError where a required column is missing."""
    fits = profile.fits(profiles, header)
    if any(_serves(fit, export) for fit in fits):
        return _accept(source, header, export, fits)
    home = profile.packaged()[profile.HOME]
    form = next((f for f in home.form if f.kind == export and f.rows is None), None)
    near = profile.nearest(profiles, header)
    others = near and near[0].profile is not home and (near[0].known > 1 or _chosen(profiles))
    if form is None or (not fits and others):
        raise _unknown(source, header, profiles)
    names = profile.places(form, header)
    label = _label(next(name for name in form.required if name not in names))
    extra = [cell for cell, n in zip(header, names, strict=True) if n is None]
    raise ColumnError(
        "{file} has no '{column}' column, which a {title} needs; found: {columns}.{hint}",
        source.path,
        file=source.name,
        column=label,
        title=sentence(form.name),
        columns=_listed(header),
        hint=_other(fits) or did_you_mean(label, extra) or _how_to_add(source),
    )


def _serves(fit: Fit, export: str) -> bool:
    """Whether files of a form are what was asked for: a log of messages tells which failed."""
    return fit.form.kind == export or (export == "failed" and bool(fit.form.states))


def _accept(source: Source, header: list[str], export: str, fits: list[Fit]) -> Source:
    """Take the form that knows most of a file's columns; a user's own, which comes first, before
    the others. ColumnError where two know as much, or two columns both fit one.
    """
    serving = [fit for fit in fits if _serves(fit, export)]
    nearest = max(fits, key=lambda fit: (fit.known, fit in serving))
    # Every export has contact IDs, which is all that one of contacts must have.
    if not serving or (export == "contacts" and nearest not in serving):
        raise ColumnError(
            "{file} is of {title}; expected a {wanted}.{hint}",
            source.path,
            file=source.name,
            title=nearest.title,
            wanted=title(export),
            hint=_other(fits),
        )
    own = [fit for fit in serving if fit.profile not in profile.packaged().values()]
    most = max(fit.known for fit in own or serving)
    best = [fit for fit in own or serving if fit.known == most]
    if len({fit.profile.name for fit in best}) > 1:
        raise ColumnError(
            "{file} could be of {profiles}; say which with profile.",
            source.path,
            file=source.name,
            profiles=", ".join(fit.profile.name for fit in best),
        )
    fit = best[0]
    if beside := [one.inside for one in serving if one.form is fit.form and fit.apart(one)]:
        raise ColumnError(
            "{file} tells of messages in several places ({places}); keep one of them.",
            source.path,
            file=source.name,
            places=_listed([fit.inside, *beside]),
        )
    if source.document:
        return replace(source, header=tuple(profile.within(fit)), fit=fit)
    names = profile.places(fit.form, header)
    for name in dict.fromkeys(filter(None, names)):
        both = [cell for cell, n in zip(header, names, strict=True) if n == name]
        if len(both) > 1 and (not fit.form.fallback or len(set(map(key, both))) < len(both)):
            raise ColumnError(
                "{file} has two columns that both fit '{column}': {columns}; put them"
                " together in one, or rename or remove one.",
                source.path,
                file=source.name,
                column=_label(name),
                columns=_listed(both),
            )
    return replace(
        source,
        header=tuple(header),
        columns=tuple(names),
        fit=fit if fit.profile.name != profile.HOME else None,
    )


def stub(path: Path) -> str:
    """A profile for an export that no profile knows, to complete (TOML). Raises InputError for a
    file that cannot be read.
    """
    [path] = find([str(path)])
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(
            path, "rt", encoding="utf-8-sig", errors="replace"
        ) as file:
            start = file.read(DOCUMENT)
    except (OSError, EOFError) as error:
        raise InputError(
            "{path} cannot be read: {reason}.", path, path=path, reason=reason(error)
        ) from None
    if start.lstrip()[:1] in ("{", "["):
        cells = sorted(profile.paths(start))
        lists = Counter("".join(cell.rpartition("[].")[:2]) for cell in cells)
        rows = max(filter(None, lists), key=lists.__getitem__, default="")
        cells = [cell.removeprefix(rows) for cell in cells if cell.startswith(rows)]
    else:
        cells = _top(start)
    ours = dict(zip(headings(c.rpartition(".")[2] for c in cells), cells, strict=True))
    wanted = dict.fromkeys(("contact_id", "message_id", "sent_at", "state", "code", "reason"), "?")
    columns = {name: ours.get(name, "?") for name in wanted | ours if name}
    return STUB.format(
        cells="\n".join(f"#   {json.dumps(cell, ensure_ascii=False)}" for cell in cells),
        columns="\n".join(
            f"{name} = [{json.dumps(cell, ensure_ascii=False)}]" for name, cell in columns.items()
        ),
    )
