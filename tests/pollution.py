"""Damage exports in many ways, and see what a reader makes of them: right, rejected, refused, or
wrong.

In the manner of the Pollock benchmark (VLDB 2023). `python tests/pollution.py` runs every way
against this library, DuckDB and pandas and prints a table (see `main` for choosing);
test_damaged.py runs a sample. A file is a list of chunks of bytes, each owned by a row (its
number), the header ("header") or something else ("junk").

What counts as what:
  right     every row is there as it was, and nothing is rejected but junk rejected  damaged rows
  are rejected with file, line and reason, or read as they stand in the file where they still
            are one well-formed record of all columns; every other row is there as it was
  refused   one sentence that names the file, and nothing is read
  wrong     anything else: a traceback, a shifted column, a row that is missing, doubled or altered
"""

import argparse
import bisect
import csv
import io
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from rebroadcast.common.exceptions import RebroadcastError
from rebroadcast.engine import connect as connection
from rebroadcast.reading import exports
from rebroadcast.sources import files

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
FAILED = [
    "Date & Time",
    "Sender ID",
    "Sender Type",
    "Contact ID",
    "Message ID",
    "Content Type",
    "Message Type",
    "Content",
    "Channel ID",
    "Type",
    "Sub Type",
    "Error",
]
SPANISH = [
    "Fecha y hora",
    "ID de remitente",
    "Tipo de remitente",
    "ID de contacto",
    "ID de mensaje",
    "Tipo de contenido",
    "Tipo de mensaje",
    "Contenido",
    "ID de canal",
    "Tipo",
    "Subtipo",
    "Motivo del error",
]
CONTACTS = [
    "ContactID",
    "FirstName",
    "LastName",
    "PhoneNumber",
    "Email",
    "Country",
    "Tags",
    "Status",
    "Channels",
]
ERRORS = [
    "Messaging limit reached: 1,000 unique contacts in 24 hours",
    "Forbidden: bot was blocked by the user",
    '(#131026) "Message" undeliverable, número inválido',
    "Messaging limit reached",
    "Línea uno\nlínea dos, fin",
]
CONTENTS = [
    json.dumps({"type": "text", "text": 'Hola, "promo"'}),
    json.dumps({"type": "text", "text": "Adiós"}, indent=2, ensure_ascii=False),
    "Hola",
    ", empieza con coma",
    "\n salto al principio",
    "",
    '{"a":"b"}',
    "dos\n\nsaltos, 5 comas,,,",
]
TWILIO = {  # keys of a message record, and what they are to us
    "to": "contact_id",
    "sid": "message_id",
    "body": "content",
    "from": "channel_id",
    "messaging_service_sid": "sender_id",
    "error_code": "error",
    "date_sent": "sent_at",
}
Chunk = tuple[object, bytes]


def failed(i: int) -> list[str]:
    return [
        f"2022-01-{11 + i % 9} 15:{i % 60:02}:09",
        str(88001 + i % 3),
        "broadcast",
        f"1002{i:05}",
        f"16414020180{i:05}",
        "text",
        "message",
        CONTENTS[i % len(CONTENTS)],
        str(1001 + i % 2),
        "outgoing",
        "text",
        ERRORS[i % len(ERRORS)],
    ]


def contact(i: int) -> list[str]:
    return [
        f"1002{i:05}",
        ["Ana", "José «Pepe»", 'Luz "la jefa"', "Zoë, Inc."][i % 4],
        ["García", "", "O'Neil"][i % 3],
        f"+52555555{i:04}",
        f"c{i}@example.com",
        "MX",
        ["", "vip", "vip,nuevo", 'di "hola"\nvip'][i % 4],
        "open",
        ["WhatsApp México,Viber", "", "Viber Club"][i % 3],
    ]


def record(i: int) -> list[str]:
    return [
        f"447700900{i:03}",
        f"SM{i:032x}",
        CONTENTS[i % len(CONTENTS)],
        "Acme",
        f"MG{i % 3:032x}",
        str(30001 + i % 9),
        f"2026-10-{11 + i % 9} 15:{i % 60:02}:09",
    ]


def sample(name: str) -> tuple[list[str], list[list[str]]]:
    """The header and the good rows of a sample."""
    with (SAMPLES / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    at = next(i for i, c in enumerate(header) if c.replace(" ", "") == "ContactID")
    rows = list({tuple(r): r for r in rows}.values())
    return header, [r for r in rows if len(r) == len(header) and re.fullmatch(r"\d+", r[at])][:400]


@dataclass(frozen=True)
class Base:
    """An export that is whole, and how it is written."""

    name: str
    kind: str
    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","
    end: str = "\n"
    all_quoted: bool = False
    seed: int = 1

    @property
    def everyone(self) -> frozenset:
        return frozenset(range(len(self.rows)))

    @cached_property
    def columns(self) -> list[str | None]:
        known = files.known()["exports"][self.kind]["columns"]
        return [c if c in known else None for c in files.headings(self.header)]

    @cached_property
    def picks(self) -> list[int]:
        """The rows that are damaged in turn: forty, the last among them."""
        n = len(self.rows)
        return [*sorted(random.Random(self.seed).sample(range(n - 1), min(39, n - 1))), n - 1]

    def dice(self, salt: str) -> random.Random:
        return random.Random(f"{self.seed} {self.name} {salt}")

    def line(self, cells: list[str], end: str | None = None, **dialect) -> bytes:
        out = io.StringIO()
        how = (
            {"delimiter": self.delimiter}
            | ({"quoting": csv.QUOTE_ALL} if self.all_quoted else {})
            | dialect
        )
        csv.writer(out, lineterminator="\n", **how).writerow(cells)
        return (out.getvalue()[:-1] + (self.end if end is None else end)).encode()

    def cells(self, i: int, **dialect) -> list[bytes]:
        """The cells of a row as they are written, quotes included."""
        two = (
            1
            + len(dialect.get("delimiter", self.delimiter).encode())
            + 2 * (self.all_quoted and "quoting" not in dialect)
        )
        return [
            self.line([c], "", **dialect) if c else self.line(["x", c], "", **dialect)[two:]
            for c in self.rows[i]
        ]

    def join(self, cells: list[bytes], end: str | None = None) -> bytes:
        return self.delimiter.encode().join(cells) + (self.end if end is None else end).encode()

    @cached_property
    def chunks(self) -> list[Chunk]:
        return self.written()

    def written(self, end: str | None = None, **dialect) -> list[Chunk]:
        return [
            ("header", self.line(self.header, end, **dialect)),
            *((i, self.line(r, end, **dialect)) for i, r in enumerate(self.rows)),
        ]

    def changed(self, owner: object, new: bytes) -> list[Chunk]:
        return [(o, new if o == owner else part) for o, part in self.chunks]

    def after(self, owner: object, junk: bytes) -> list[Chunk]:
        return [
            c
            for o, p in self.chunks
            for c in ([(o, p), ("junk", junk)] if o == owner else [(o, p)])
        ]

    def standing(self, case: "Case") -> dict[tuple[str, ...], list]:
        """What damaged rows say that are well-formed still."""
        return _as_they_stand(case)

    def size(self) -> int:
        return sum(len(p) for _, p in self.chunks)

    def at_bytes(self, start: int, end: int, new: bytes = b"") -> tuple[list[Chunk], frozenset]:
        """Replace the bytes from start to end of the file; returns the chunks and the rows that
        were touched.
        """
        place, out, touched = 0, [], set()
        for owner, part in self.chunks:
            a, b = max(start - place, 0), min(end - place, len(part))
            place += len(part)
            if a < b:
                touched.add(owner)
                part, new = part[:a] + new + part[b:], b""
            out.append((owner, part))
        for (o, part), (following, _) in pairwise(out):  # its line goes on in the next row
            touched |= {following} if o in touched and not part.endswith((b"\n", b"\r")) else set()
        return out, frozenset(touched)


@dataclass(frozen=True)
class Case:
    """One damaged file: its chunks, the rows that are damaged, and the columns that may be read as
    empty.
    """

    base: Base
    family: str
    name: str
    chunks: list[Chunk]
    damaged: frozenset = frozenset()
    blank: frozenset = frozenset()

    @property
    def data(self) -> bytes:
        return b"".join(part for _, part in self.chunks)


class Standing(dict):
    """Rows by their values, of which one may be read in a way of its own."""

    free = None

    def get(self, values: tuple[str, ...], none=None):
        return super().get(values[: self.free] if self.free else values, none)


@dataclass(frozen=True)
class Lines(Base):
    """JSON lines, as Twilio's Bulk Export writes them; its header is the keys, a date the last."""

    @cached_property
    def columns(self) -> list[str | None]:
        return [*TWILIO.values()]

    def line(self, cells: list[str], end: str | None = None, **_dialect) -> bytes:
        told = dict(zip(self.header, cells, strict=True))
        told |= {"direction": "outbound-api", "status": "failed"}
        told["date_sent"] = told["date_sent"].replace(" ", "T") + "Z"
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        return (text + (self.end if end is None else end)).encode()

    @cached_property
    def chunks(self) -> list[Chunk]:
        return [(i, self.line(row)) for i, row in enumerate(self.rows)]

    def at_line(self, i: int, new: bytes) -> tuple[list[Chunk], frozenset]:
        """One row in another form."""
        return self.changed(i, new), frozenset({i})

    def standing(self, case: "Case") -> Standing:
        """What damaged lines say that are objects still: all but the date, in which every change
        is another one or none.
        """
        found, lines = Standing(), b""
        found.free = len(self.header) - 1
        owners = []
        for owner, part in [*case.chunks, ("end", b"\n")]:
            lines, owners = lines + part, [*owners, *[owner] * (owner != "end")]
            if not lines.endswith(b"\n"):
                continue
            for text in lines.splitlines():
                if set(owners) & case.damaged and (said := _object(text)):
                    cells = [_cell(said.get(key)) for key in self.header[: found.free]]
                    found[_trimmed([re.sub("[^0-9]", "", cells[0]), *cells[1:]])] = owners
            lines, owners = b"", []
        return found


def _cell(value: object) -> str:
    """A value of JSON as text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, separators=(",", ":"))


def _first(pairs: list[tuple[str, object]]) -> dict:
    """Of a key that is there twice, the first counts."""
    return dict(pairs) | dict(reversed(pairs))


def _object(text: bytes) -> dict | None:
    try:
        said = json.loads(text, object_pairs_hook=_first)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def cases(base: Base, pick: str = "") -> Iterator[Case]:
    """Every way of a base, family by family, always the same for one seed."""
    for made in families(base):
        if re.search(pick, made.__name__):
            for case in made(base):
                yield Case(base, made.__name__.replace("_", " "), *case)


# --- the ways
# --------------------------------------------------------------------------------------------------
def stray_quote(b: Base):
    """A quote too many at the start, middle and end of the cells of a row."""
    for n, i in enumerate(b.picks):
        cells = b.cells(i)
        for c, cell in enumerate(cells):
            inner = len(cell) > 1 and cell.startswith(b'"')
            places = {
                "start": 1 if inner else 0,
                "middle": len(cell) // 2,
                "end": len(cell) - inner,
            }
            places.pop(("middle", "end", "")[(n + c) % 3], None)
            for where, at in places.items():
                while 0 < at < len(cell) and cell[at] & 0xC0 == 0x80:
                    at += 1
                new = [*cells[:c], cell[:at] + b'"' + cell[at:], *cells[c + 1 :]]
                yield f"row {i} column {c} {where}", b.changed(i, b.join(new)), frozenset({i})


def missing_quote(b: Base):
    for i in b.picks:
        part = b.line(b.rows[i])
        for m in list(re.finditer(b'"', part))[:30]:
            yield (
                f"row {i} byte {m.start()}",
                b.changed(i, part[: m.start()] + part[m.end() :]),
                frozenset({i}),
            )


def two_stray_quotes(b: Base):
    """Between two stray quotes everything is a value by the rules of CSV: which rows it held cannot
    be told.
    """
    for n, i in enumerate(b.picks[:-6]):
        j = i + 1 + n % 4
        for c in (1, 4, 6, len(b.header) - 1):
            new = b
            for row, before in ((i, True), (j, False)):
                cells = b.cells(row)
                cells[c] = b'"' + cells[c] if before else cells[c] + b'"'
                new = replace_chunks(new, new.changed(row, b.join(cells)))
            yield f"rows {i} and {j} column {c}", new.chunks, frozenset(range(i, j + 1))


def neighbours(b: Base):
    """A stray quote in the same column of two rows that follow each other, at any place of the
    cell.
    """
    places = ("start", "middle", "end")
    for n, i in enumerate(b.picks[:-1]):
        for c in range(len(b.header)):
            first, second = places[(n + c) % 3], places[(n + c // 3) % 3]
            new = b
            for row, place in ((i, first), (i + 1, second)):
                cells = b.cells(row)
                at = {"start": 0, "middle": len(cells[c]) // 2, "end": len(cells[c])}[place]
                while 0 < at < len(cells[c]) and cells[c][at] & 0xC0 == 0x80:
                    at += 1
                cells[c] = cells[c][:at] + b'"' + cells[c][at:]
                new = replace_chunks(new, new.changed(row, b.join(cells)))
            yield (
                f"rows {i}, {i + 1} column {c} {first}, {second}",
                new.chunks,
                frozenset({i, i + 1}),
            )


def replace_chunks(b: Base, chunks: list[Chunk]) -> Base:
    new = replace(b)
    new.__dict__["chunks"] = chunks
    return new


def quoting(b: Base):
    every = b.everyone
    yield "all", b.written(quoting=csv.QUOTE_ALL)
    yield "not numbers", b.written(quoting=csv.QUOTE_NONNUMERIC)
    yield "minimal", b.written(quoting=csv.QUOTE_MINIMAL)
    yield "backslashes", b.written(doublequote=False, escapechar="\\"), every
    yield (
        "backslashes, all quoted",
        b.written(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL),
        every,
    )
    yield "none, backslashes", b.written(quoting=csv.QUOTE_NONE, escapechar="\\"), every
    for q in ("'", "`", "“", "«", "|", "\\"):
        yield f"with {q}", b.written(quotechar=q), every
        yield f"all with {q}", b.written(quotechar=q, quoting=csv.QUOTE_ALL), every
    d = b.delimiter.encode()
    for name, old, new in (
        ("none", b'"', b""),
        ("not doubled", b'""', b'"'),
        ("doubled twice", b'""', b'""""'),
        ("smart", b'"', "”".encode()),
        ("space before", d + b'"', d + b' "'),
        ("space after", b'"' + d, b'" ' + d),
        ("tab before", d + b'"', d + b'\t"'),
        ("escaped", b'""', b'\\"'),
        ("entities", b'"', b"&quot;"),
    ):
        yield name, [(o, p.replace(old, new)) for o, p in b.chunks], every
        for i in b.picks[::4]:
            yield (
                f"{name} in row {i}",
                b.changed(i, b.line(b.rows[i]).replace(old, new)),
                frozenset({i}),
            )
    e = len(b.end)
    yield (
        "whole rows",
        [(o, b'"' + p[:-e].replace(b'"', b'""') + b'"' + p[-e:]) for o, p in b.chunks],
        every,
    )
    for i in b.picks[::2]:
        part = b.line(b.rows[i], "")
        yield (
            f"whole row {i}",
            b.changed(i, b'"' + part.replace(b'"', b'""') + b'"' + b.end.encode()),
            frozenset({i}),
        )
        for c in range(0, len(b.header), 3):
            cells = b.cells(i)
            cells[c] = (
                cells[c][:-1] + b"\\" + cells[c][-1:] if cells[c][:1] == b'"' else cells[c] + b"\\"
            )
            yield f"backslash in row {i} column {c}", b.changed(i, b.join(cells)), frozenset({i})


def delimiters(b: Base):
    for d in {",", ";", "\t", "|", ":", "^", "~", "\x1f", " ", "§"} - {b.delimiter}:
        yield repr(d), b.written(delimiter=d), b.everyone
    for n, i in enumerate(b.picks):
        for d in (b";", b"\t", b"|", b",") if n % 8 == 0 else (b";", b","):
            if d != b.delimiter.encode():
                yield (
                    f"row {i} with {d!r}",
                    b.changed(i, d.join(b.cells(i)) + b.end.encode()),
                    frozenset({i}),
                )
    one = b.delimiter.encode()
    for two in (one * 2, one + b" ", b" " + one, b" " + one + b" ", one + b"\t"):
        head = two.join(b.line([h], "") for h in b.header) + b.end.encode()
        rows = [(i, two.join(b.cells(i)) + b.end.encode()) for i in range(len(b.rows))]
        yield repr(two), [("header", head), *rows], b.everyone


def delimiter_lost_or_added(b: Base):
    for i in b.picks[::3]:
        cells = b.cells(i)
        for c in range(len(cells)):
            if c + 1 < len(cells):
                new = [*cells[:c], cells[c] + cells[c + 1], *cells[c + 2 :]]
                yield f"lost: row {i} after {c}", b.changed(i, b.join(new)), frozenset({i})
                yield (
                    f"exchanged: row {i} at {c}",
                    b.changed(i, b.join([*new[: c + 1], *new[c + 1 :], b""])),
                    frozenset({i}),
                )
            yield (
                f"added: row {i} after {c}",
                b.changed(i, b.join([*cells[: c + 1], b"", *cells[c + 1 :]])),
                frozenset({i}),
            )


def short_and_long_rows(b: Base):
    n = len(b.header)
    for i in b.picks:
        cells = b.cells(i)
        for k in (1, n // 3, n * 2 // 3, n - 1):
            yield f"row {i} of {k}", b.changed(i, b.join(cells[:k])), frozenset({i})
        yield f"row {i} without its first", b.changed(i, b.join(cells[1:])), frozenset({i})
        yield f"row {i} with one at the end", b.changed(i, b.join([*cells, b"x"])), frozenset({i})
        yield (
            f"row {i} with an empty one at the end",
            b.changed(i, b.join([*cells, b""])),
            frozenset({i}),
        )
        yield f"row {i} with one at the start", b.changed(i, b.join([b"x", *cells])), frozenset({i})
        yield f"row {i} twice on one line", b.changed(i, b.join([*cells, *cells])), frozenset({i})
    e, d = len(b.end), b.delimiter.encode()
    yield "all with a delimiter at the end", [(o, p[:-e] + d + p[-e:]) for o, p in b.chunks]
    yield (
        "rows with a delimiter at the end",
        [(o, p if o == "header" else p[:-e] + d + p[-e:]) for o, p in b.chunks],
    )


ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def line_ends(b: Base):
    for name, end in {
        "LF": "\n",
        "CRLF": "\r\n",
        "CR": "\r",
        "LFCR": "\n\r",
        "CRCRLF": "\r\r\n",
        "two LF": "\n\n",
        "two CRLF": "\r\n\r\n",
    }.items():
        yield name, b.written(end)
        yield f"{name}, all quoted", b.written(end, quoting=csv.QUOTE_ALL)
    for a, first in ENDS.items():
        for other_name, other in ENDS.items():
            if a != other_name:
                base = b.written(first.decode())
                for i in ["header", *b.picks[::3]]:
                    yield (
                        f"{a}, one {other_name} after {i}",
                        [(o, p[: -len(first)] + other if o == i else p) for o, p in base],
                    )
                mixed = [
                    (o, p[: -len(first)] + (other if n % 2 else first))
                    for n, (o, p) in enumerate(base)
                ]
                yield f"{a} and {other_name} in turn", mixed
    for name, blank in {
        "blank": b"\n",
        "spaces": b"   \n",
        "tab": b"\t\n",
        "CR": b"\r\n",
        "NBSP": b"\xc2\xa0\n",
    }.items():
        for i in ("header", b.picks[0], b.picks[20], b.picks[-1]):
            yield f"{name} line after {i}", b.after(i, blank)
        yield f"{name} line first", [("junk", blank), *b.chunks]
    last = len(b.rows) - 1
    yield "no last line end", b.changed(last, b.line(b.rows[last], "")), frozenset({last})


def line_end_lost_or_added(b: Base):
    for i in b.picks[:-1]:
        yield f"lost after {i}", b.changed(i, b.line(b.rows[i], "")), frozenset({i, i + 1})
        yield f"space for it after {i}", b.changed(i, b.line(b.rows[i], " ")), frozenset({i, i + 1})
    dice = b.dice("line end")
    for i in b.picks[::5]:
        cells = b.cells(i)
        for c in range(len(cells)):
            for end in ENDS.values():
                new = b.join([*cells[:c], end + cells[c], *cells[c + 1 :]])
                yield f"{end!r} before row {i} column {c}", b.changed(i, new), frozenset({i})
        part = b.line(b.rows[i])
        for at in dice.sample(range(1, len(part)), 6):
            yield (
                f"line end in row {i} at {at}",
                b.changed(i, part[:at] + b.end.encode() + part[at:]),
                frozenset({i}),
            )


def encodings(b: Base):
    for name in (
        "utf-8-sig",
        "utf-16",
        "utf-32",
        "utf-16-le",
        "utf-16-be",
        "utf-32-le",
        "utf-32-be",
        "cp1252",
        "latin-1",
        "iso8859-15",
        "cp850",
        "cp437",
        "mac-roman",
        "cp037",
        "utf-16-be with mark",
        "utf-32-be with mark",
    ):
        plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(
            name, name.split()[0]
        )
        mark = "\ufeff".encode(plain) if plain != name else b""
        yield (
            name,
            [("junk", mark), *((o, p.decode().encode(plain, "replace")) for o, p in b.chunks)],
            b.everyone,
        )
    utf16, last = [(o, p.decode().encode("utf-16-be")) for o, p in b.written("\n")], len(b.rows) - 1
    for cut in range(1, 60, 7):
        kept = [*utf16[:-1], (last, utf16[-1][1][: max(0, len(utf16[-1][1]) - cut)])]
        yield f"utf-16 cut by {cut}", [("junk", b"\xfe\xff"), *kept], frozenset({last})
    yield "UTF-8 twice", [(o, p.decode("latin-1").encode()) for o, p in b.chunks], b.everyone
    for n, i in enumerate(b.picks):
        cells = b.cells(i)
        for bad in (
            b"\xff",
            b"\xed\xa0\x80",
            b"\xc3",
            b"\xc0\x80",
            "é".encode("cp1252"),
            "é".encode("utf-16-le"),
        ):
            for c in (3, 6) if n % 4 == 0 else (6 if n % 2 else 3,):
                new = [*cells[:c], cells[c][:-1] + bad + cells[c][-1:], *cells[c + 1 :]]
                yield f"{bad!r} in row {i} column {c}", b.changed(i, b.join(new)), frozenset({i})
    for i in b.picks[::3]:
        yield (
            f"BOM before row {i}",
            b.changed(i, b"\xef\xbb\xbf" + b.line(b.rows[i])),
            frozenset({i}),
        )
        yield (
            f"row {i} in UTF-16",
            b.changed(i, b.line(b.rows[i]).decode().encode("utf-16-le")),
            frozenset({i, i + 1}),
        )
        yield (
            f"row {i} in cp1252",
            b.changed(i, b.line(b.rows[i]).decode().encode("cp1252")),
            frozenset({i}),
        )
    yield "two BOM", [("junk", b"\xef\xbb\xbf" * 2), *b.chunks]


def preambles(b: Base):
    d = b.delimiter
    titles = [
        "Failed messages",
        "Workspace: Tienda, S.A. de C.V.",
        f"sep={d}",
        "#comment",
        "",
        "  ",
        d * (len(b.header) - 1),
        '"Report ""A"""',
        'An "open quote',
        '"never closed',
        "Date",
        "Error report,2022-01-11",
        "a;b;c",
        "Date & Time: 2022-01-11 15:00",
        "x" * 70_000,
    ]
    for title in titles:
        for n in (1, 2, 5, 18, 19, 25):
            yield (
                f"{n} x {title[:20]!r}",
                [("junk", (title + b.end).encode() * n), *b.chunks],
                b.everyone,
            )
    for foot in [
        "Total,40",
        "40 rows",
        "End of report",
        d * (len(b.header) - 1),
        '"',
        "\x1a",
        "-- \n--\n--",
        "Generated 2022-01-11",
        "Total;40",
        '"Total: 40"',
    ]:
        yield f"footer {foot!r}", [*b.chunks, ("junk", foot.encode() + b.end.encode())]
        yield f"footer {foot!r} without end", [*b.chunks, ("junk", foot.encode())]
        for i in b.picks[:-1:9]:  # it could be the rest of that row
            yield (
                f"{foot!r} after row {i}",
                b.after(i, foot.encode() + b.end.encode()),
                frozenset({i}),
            )


def headers(b: Base):
    every, head, d = b.everyone, [b.line([h], "") for h in b.header], b.delimiter.encode()
    for i in b.picks:
        yield f"again after row {i}", b.after(i, b.chunks[0][1])
    yield "twice", [b.chunks[0], ("junk", b.chunks[0][1]), *b.chunks[1:]]
    yield "missing", b.chunks[1:], every
    yield "at the end", [*b.chunks[1:], b.chunks[0]], every
    for c, name in enumerate(b.header):

        def new(cells: list[bytes]) -> list[Chunk]:
            return b.changed("header", b.join(cells))

        blank = frozenset({c})
        for where in (0, 3, len(name)):
            yield (
                f"quote in {name} at {where}",
                new([*head[:c], (name[:where] + '"' + name[where:]).encode(), *head[c + 1 :]]),
                every,
                blank,
            )
        yield f"without {name}", new(head[:c] + head[c + 1 :]), every
        yield f"{name} twice", new([*head[:c], head[c], *head[c:]]), every
        yield (
            f"{name} again in place",
            new([*head[:-1], head[c]]),
            every,
            frozenset({len(head) - 1}),
        )
        yield f"empty {name}", new([*head[:c], b"", *head[c + 1 :]]), every, blank
        yield (
            f"garbled {name}",
            new([*head[:c], b"\xff\xfe" + head[c], *head[c + 1 :]]),
            every,
            blank,
        )
        yield (
            f"line break in {name}",
            new([*head[:c], f'"{name[:3]}\n{name[3:]}"'.encode(), *head[c + 1 :]]),
            every,
            blank,
        )
        yield f"cut after {name}", new(head[: c + 1]), every
        yield (
            f"line end after {name}",
            b.changed("header", b.join(head[: c + 1]) + b.join(head[c + 1 :])),
            every,
        )
    for line in (
        b"",
        b"\n",
        b.join(head).upper(),
        b"!".join(head) + b.end.encode(),
        d.join([b"a"] * len(head)) + b.end.encode(),
        b.join([*head, b"Notes"]),
        b.join([*head, b'"Notes']),
        b.join(head).replace(b" ", b"\xc2\xa0"),
    ):
        yield f"{line[:30]!r}", b.changed("header", line), every


def several_tables(b: Base):
    few = [failed(i) for i in range(900, 909)]
    swap = [*FAILED[:1], "Contact ID", FAILED[2], "Sender ID", *FAILED[4:]]
    exchanged = [[r[0], r[3], r[2], r[1], *r[4:]] for r in few]
    other = {
        "failed": [FAILED, *few],
        "messages": [FAILED[:-1], *(r[:11] for r in few)],
        "contacts": [CONTACTS, *(contact(i) for i in range(900, 909))],
        "few contacts": [["ContactID", "FirstName", "Tags"], *([r[3], "Ana", "vip"] for r in few)],
        "log": [
            ["Date & Time", "Contact Name", "Channel", "Error"],
            *([r[0], "Ana", "WhatsApp", r[11]] for r in few),
        ],
        "summary": [["Cause", "Failed"], ["quota", "20"], ["blocked", "12"]],
        "reversed": [b.header[::-1], *(r[::-1] for r in b.rows[:9])],
        "IDs exchanged": [swap, *exchanged],
        "IDs exchanged, no spaces": [[h.replace(" ", "") for h in swap], *exchanged],
        "other": [
            [f"x{i}" for i in range(len(b.header))],
            *([str(i)] * len(b.header) for i in range(9)),
        ],
    }
    same = [b.header, FAILED] if b.kind == "failed" else [b.header]
    for name, rows in other.items():
        for gap in (b"", b"\n", b"Second table\n", b"\n\nSecond table\n\n", b'"\n'):
            if rows[0] not in same and (name != "contacts" or b.kind != "contacts"):
                table = b"".join(b.line(r) for r in rows)
                yield (
                    f"{name} after, gap {gap!r}",
                    [*b.chunks, ("junk", gap + table)],
                    frozenset({len(b.rows) - 1}) if gap == b'"\n' else frozenset(),
                )
                yield f"{name} before, gap {gap!r}", [("junk", table + gap), *b.chunks], b.everyone


def nul_bytes(b: Base):
    for i in b.picks[::2]:
        for c in range(0, len(b.header), 2):
            cells = b.cells(i)
            for at in (0, len(cells[c]) // 2, len(cells[c])):
                new = [*cells[:c], cells[c][:at] + b"\0" + cells[c][at:], *cells[c + 1 :]]
                yield f"row {i} column {c} at {at}", b.changed(i, b.join(new)), frozenset({i})
    for n in (1, 1000, 100_000):
        yield f"{n} at the end", [*b.chunks, ("junk", b"\0" * n)], frozenset({len(b.rows) - 1})
        yield f"{n} at the start", [("junk", b"\0" * n), *b.chunks], b.everyone
    yield "in the header", b.changed("header", b.chunks[0][1].replace(b"Con", b"C\0n")), b.everyone
    yield "between all bytes", [(o, p.replace(b"a", b"\0a")) for o, p in b.chunks], b.everyone


def truncation(b: Base):
    size, dice = b.size(), b.dice("truncation")
    ends, place = {}, 0
    for o, part in b.chunks:
        ends[o] = (place, place := place + len(part))
    last = ends[len(b.rows) - 1][0]
    for at in sorted({*dice.sample(range(40, last), min(160, last - 40)), *range(last, size)}):
        kept = [(o, part[: max(0, at - ends[o][0])]) for o, part in b.chunks]
        kept = [(o, p) for o, p in kept if p]
        owner, part = kept[-1]
        yield (
            f"after byte {at}",
            kept,
            frozenset() if at == ends[owner][1] or owner == "header" else frozenset({owner}),
        )


def blocks(b: Base):
    """Bytes lost from, zeroed or doubled in the middle of the file, and rows that begin twice."""
    dice, size, top = b.dice("blocks"), b.size(), len(b.chunks[0][1])
    for _ in range(80):
        start = dice.randrange(top, size - 600)
        end = start + dice.randrange(1, 500)
        yield f"lost {start} to {end}", *b.at_bytes(start, end)
        yield f"zeros {start} to {end}", *b.at_bytes(start, end, b"\0" * (end - start))
        data = b"".join(p for _, p in b.chunks)[start:end]
        yield (
            f"noise {start} to {end}",
            *b.at_bytes(
                start, end, dice.randbytes(end - start).replace(b"\n", b"?").replace(b"\r", b"?")
            ),
        )
        if b"\n" not in data and b"\r" not in data:
            yield f"doubled {start} to {end}", *b.at_bytes(start, end, data * 2)
    for i in b.picks[:-1]:
        part = b.line(b.rows[i])
        begun = part[: dice.randrange(3, len(part) - 2)] + b.end.encode()
        twice = [c for o, p in b.chunks for c in ([(o, p), (o, begun)] if o == i else [(o, p)])]
        yield f"row {i} begun twice", twice, frozenset({i, i + 1})


def flipped_bytes(b: Base):
    dice, size, top = b.dice("flipped"), b.size(), len(b.chunks[0][1])
    data = b"".join(p for _, p in b.chunks)
    for _ in range(200):
        at = dice.randrange(top, size)
        new = bytes(
            [dice.choice([c for c in b"\",\n\r;\\'\t x\x00\x80\xff\x1b=" if c != data[at]])]
        )
        yield f"byte {at} is {new!r}", *b.at_bytes(at, at + 1, new)


def several_damages(b: Base):
    """Two to six damages of any kind in one file, in rows that do not touch."""
    kinds = [
        stray_quote,
        missing_quote,
        delimiters,
        delimiter_lost_or_added,
        short_and_long_rows,
        line_end_lost_or_added,
        encodings,
        nul_bytes,
        flipped_bytes,
        headers,
        quoting,
        line_ends,
    ]
    dice, n = b.dice("several"), len(b.rows)
    pool = []
    for made in kinds:
        whole = dict(b.chunks)
        found = []
        for name, chunks, *more in made(b):
            damaged = more[0] if more else frozenset()
            junk = any(o == "junk" for o, _ in chunks)
            if (
                len(damaged) in (1, 2)
                and not junk
                and n - 1 not in damaged
                and "header" not in damaged
            ):
                found.append(
                    (name, {o: p for o, p in chunks if o in damaged and p != whole.get(o)}, damaged)
                )
        pool.append(found)
    for k in range(300):
        chosen, taken = [], set()
        for _ in range(40):
            name, new, damaged = dice.choice(dice.choice([p for p in pool if p]))
            near = {i + s for i in damaged for s in (-1, 0, 1)}
            if not near & taken:
                chosen.append((name, new, damaged))
                taken |= set(damaged)
            if len(chosen) == 2 + k % 5:
                break
        parts = {o: p for _, new, _ in chosen for o, p in new.items()}
        chunks = [(o, parts.get(o, p)) for o, p in b.chunks]
        # Quotes that open in one row and close in another hold all rows between them, by the rules
        # of CSV.
        yield (
            "; ".join(name for name, *_ in chosen),
            chunks,
            frozenset(taken) | swallowed_rows(b, chunks),
        )


def swallowed_rows(b: Base, chunks: list[Chunk]) -> frozenset:
    """The rows that a reader of RFC 4180 finds within one record of all columns that begins in
    another row.
    """
    text = b"".join(p for _, p in chunks).decode("utf-8", "replace").replace("\0", "?")
    cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^{re.escape(b.delimiter)}\r\n"]*+)'
    whole = re.compile(
        rf"{cell}(?:{re.escape(b.delimiter)}{cell}){{{len(b.header) - 1}}}(?=[\r\n])"
    )
    starts, place = {}, 0
    for o, p in chunks:
        starts[place] = o
        place += len(p.decode("utf-8", "replace"))
    found, places, owners = set(), list(starts), list(starts.values())
    for number, (at, owner) in enumerate(starts.items()):
        if m := whole.match(text, at):
            within = owners[number + 1 : bisect.bisect_left(places, m.end())]
            inside = {o for o in within if isinstance(o, int)}
            found |= inside | ({owner} if inside and isinstance(owner, int) else set())
    return frozenset(found)


def keys_and_signs(b: Lines):
    """A brace, colon, comma or quote too many or missing; a key that is lost or twice."""
    for i in b.picks:
        part = b.line(b.rows[i])
        places = [m.start() for m in re.finditer(rb'[{}:,"]', part)]
        for at in places[::3]:
            sign = part[at : at + 1]
            yield f"no {sign!r} at {at} of row {i}", *b.at_line(i, part[:at] + part[at + 1 :])
            yield f"{sign!r} twice at {at} of row {i}", *b.at_line(i, part[:at] + sign + part[at:])
        for key in TWILIO:
            yield f"no {key} in row {i}", *b.at_line(i, part.replace(f'"{key}":'.encode(), b'"x":'))


def values_of_other_types(b: Lines):
    """A number, list, object, null or nothing where a text is expected."""
    for i in b.picks[::3]:
        for n, key in enumerate(b.header):
            old = json.dumps(b.rows[i][n], ensure_ascii=False).encode()
            for new in (b"null", b"12", b"1.5e300", b"[1]", b'{"a":1}', b"true", b'""', b""):
                part = b.line(b.rows[i]).replace(
                    f'"{key}":'.encode() + old, b'"%b":%b' % (key.encode(), new)
                )
                yield f"{key} of row {i} is {new!r}", *b.at_line(i, part)


def line_end_moved(b: Lines):
    """Two records on a line, or one on two, and blank lines."""
    dice = b.dice("line end")
    for i in b.picks[:-1]:
        for between in ("", " ", ","):
            yield (
                f"{between!r} after {i}",
                b.changed(i, b.line(b.rows[i], between)),
                frozenset({i, i + 1}),
            )
        part = b.line(b.rows[i])
        for at in dice.sample(range(1, len(part) - 1), 4):
            yield f"line end in row {i} at {at}", *b.at_line(i, part[:at] + b"\n" + part[at:])
        yield f"blank line after {i}", b.after(i, dice.choice([b"\n", b"\r\n", b"  \n", b"\t\n"]))


def bad_bytes(b: Lines):
    """Bytes that are no UTF-8, zeros and control signs within a text; a mark at the beginning."""
    for n, i in enumerate(b.picks):
        for bad in (b"\xff", b"\xed\xa0\x80", b"\xc3", b"\0", b"\x1b", b"\\", b"\\u12", b"\\ud800"):
            for key in list(TWILIO)[n % 2 :: 2]:
                mark = f'"{key}":"'.encode()
                yield (
                    f"{bad!r} in {key} of row {i}",
                    *b.at_line(i, b.line(b.rows[i]).replace(mark, mark + bad)),
                )
    yield "a mark", [("junk", b"\xef\xbb\xbf"), *b.chunks]


def lines_of_others(b: Lines):
    """Lines between the records that are something else."""
    for text in (
        b"connection reset by peer",
        b"[]",
        b"[1, 2]",
        b"null",
        b"42",
        b'"text"',
        b"{}",
        b'{"level": "info"}',
        b"{",
        b"}",
        b"\xff\xfe",
        b"\0\0\0",
        b"x" * 100_000,
        b"[" * 5_000,
        b'{"a":' * 2_000,
    ):
        for i in b.picks[::7]:
            yield f"{text[:20]!r} after {i}", b.after(i, text + b.end.encode())
        yield f"{text[:20]!r} at the end", [*b.chunks, ("junk", text)]


FAMILIES: list[Callable] = [
    stray_quote,
    missing_quote,
    two_stray_quotes,
    neighbours,
    quoting,
    delimiters,
    delimiter_lost_or_added,
    short_and_long_rows,
    line_ends,
    line_end_lost_or_added,
    encodings,
    preambles,
    headers,
    several_tables,
    nul_bytes,
    truncation,
    blocks,
    flipped_bytes,
    several_damages,
]


# What is done to JSON lines: bytes and lines are damaged as those of a CSV file are.
LINE_FAMILIES = [
    keys_and_signs,
    values_of_other_types,
    line_end_moved,
    bad_bytes,
    lines_of_others,
    truncation,
    blocks,
    flipped_bytes,
]


def families(base: Base) -> list[Callable]:
    return LINE_FAMILIES if isinstance(base, Lines) else FAMILIES


def bases(seed: int = 1) -> dict[str, Base]:
    rows = [failed(i) for i in range(40)]
    made = [
        Base("plain", "failed", FAILED, rows, seed=seed),
        Base("quoted", "failed", FAILED, rows, all_quoted=True, seed=seed),
        Base("semicolons", "failed", SPANISH, rows, ";", "\r\n", seed=seed),
        Base("tabs", "failed", SPANISH, rows, "\t", seed=seed),
        Base("messages", "messages", FAILED[:-1], [r[:-1] for r in rows], end="\r\n", seed=seed),
        Base("contacts", "contacts", CONTACTS, [contact(i) for i in range(40)], seed=seed),
        Lines("json lines", "failed", [*TWILIO], [record(i) for i in range(40)], seed=seed),
        Base("sample", "failed", *sample("failed_messages.csv"), seed=seed),
        Base("sample contacts", "contacts", *sample("contacts.csv"), end="\r\n", seed=seed),
        Base("sample messages", "messages", *sample("messages.csv"), delimiter=";", seed=seed),
    ]
    return {b.name: b for b in made}


# --- reading and judging
# --------------------------------------------------------------------------------------------
DECIMAL = re.compile(r"[0-9]+[.,][0-9]+")
Reading = tuple[list[tuple[str, ...]], list[tuple[int, str, str]]]


def ours(engine) -> Callable[[Path, Base], Reading]:
    def read(path: Path, base: Base) -> Reading:
        export = exports.read(engine, path, base.kind)
        names = ["local_at" if c == "sent_at" else c for c in base.columns if c]
        frame = export.table.order_by("row")[names].to_pandas()
        if "local_at" in names:
            frame["local_at"] = frame["local_at"].astype("string").str[:19]
        good = [  # a message without an ID has that of its place
            tuple("" if path.name in (cell := str(value)) else cell for value in r)
            for r in frame.astype(object).where(frame.notna(), "").itertuples(index=False)
        ]
        assert export.rows == len(good)
        assert export.rejected.empty or set(export.rejected["file"]) == {path.name}
        return good, list(
            export.rejected[["line", "reason", "text"]].itertuples(index=False, name=None)
        )

    return read


def by_duckdb(path: Path, base: Base) -> Reading:
    import duckdb

    relation = duckdb.read_csv(str(path), all_varchar=True)
    return [_named(base, relation.columns, r) for r in relation.fetchall()], []


def by_pandas(path: Path, base: Base) -> Reading:
    import pandas as pd

    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [_named(base, list(frame.columns), r) for r in frame.itertuples(index=False)], []


def _named(base: Base, names: list[str], values: tuple) -> tuple[str, ...]:
    found = dict(zip(names, values, strict=False))
    known = [h for h, c in zip(base.header, base.columns, strict=True) if c]
    return tuple("" if (v := found.get(h)) is None or v != v else str(v) for h in known)


def judge(
    case: Case,
    read: Callable[[Path, Base], Reading],
    path: Path,
    refusal: type[Exception] = RebroadcastError,
) -> str:
    """Return "right", "rejected", "refused" or "wrong: …"."""
    path.write_bytes(case.data)
    base = case.base
    try:
        good, rejected = read(path, base)
    except refusal as error:
        clear = refusal is not RebroadcastError or (
            "\n" not in str(error) and path.stem in str(error)
        )
        return "refused" if clear else f"wrong: {error}"
    except Exception as error:
        return f"wrong: {type(error).__name__}: {str(error)[:150]}"
    spans, start = [], 1  # the lines of each chunk
    for owner, part in case.chunks:
        breaks = len(re.findall(rb"\r\n|\n|\r", part))
        spans.append((owner, start, start + max(breaks - part.endswith((b"\n", b"\r")), 0)))
        start += breaks
    covered = set()
    for first, reason, text in rejected:
        last = first + len(re.findall(r"\r\n|\n|\r", text.rstrip("\r\n")))
        covered |= (hit := {owner for owner, a, b in spans if a <= last and b >= first})
        if not reason or not hit:
            return f"wrong: line {first} rejected for '{reason}', which is no row's"
        if innocent := sorted(o for o in hit if isinstance(o, int) and o not in case.damaged):
            return f"wrong: row {innocent[0]} rejected though whole (line {first}, {reason})"
    there = {owner for owner, part in case.chunks if isinstance(owner, int) and part}
    known = [n for n, c in enumerate(base.columns) if c]
    blank = {known.index(c) for c in case.blank if c in known}
    texts = {known.index(n) for n, c in enumerate(base.columns) if c in exports.TEXTS}
    wanted = {_trimmed(base.rows[i][c] for c in known): i for i in there}
    blanked = (
        {
            _trimmed("" if k in blank else base.rows[i][c] for k, c in enumerate(known)): i
            for i in there
        }
        if blank
        else {}
    )
    stands = None
    seen, altered = Counter(), 0
    for values in map(_trimmed, good):
        i = wanted.get(values, blanked.get(values))
        if i is None:
            stands = base.standing(case) if stands is None else stands
            i, *merged = stands.get(values, (None,))
            seen.update(merged)
            if i is not None and any('"' in v for k, v in enumerate(values) if k not in texts):
                i = None
            altered += 1
        if i is None:
            return f"wrong: a row that is in no file: {values}"[:400]
        seen[i] += 1
    doubled = case.damaged if "twice" in case.name else ()
    if twice := [i for i, n in seen.items() if n > 1 and i not in doubled]:
        return f"wrong: row {twice[0]} is there twice"
    if lost := sorted(there - set(seen) - covered):
        return f"wrong: row {lost[0]} is lost ({len(lost)} in all)"
    if whole := sorted((there - case.damaged) - set(seen)):
        return f"wrong: row {whole[0]} is missing"
    return "rejected" if (covered & there) or altered else "right"


def _trimmed(values) -> tuple[str, ...]:
    return tuple(v.replace("\r\n", "\n").strip() for v in values)


def _as_they_stand(case: Case) -> dict[tuple[str, ...], list]:
    """Damaged rows that are one well-formed record of all columns still: their values, and a row's
    number.
    """
    known = [n for n, c in enumerate(case.base.columns) if c]
    ids = [n for n, c in enumerate(case.base.columns) if c == "message_id"]
    d, found, group, owners = re.escape(case.base.delimiter), {}, b"", []
    others = [
        part for owner, part in case.chunks if isinstance(owner, int) and owner not in case.damaged
    ]
    plain = others and all(map(bytes.isascii, others))
    for owner, part in [*case.chunks, ("end", b"")]:
        if owners and (group.endswith((b"\n", b"\r")) or owner == "end"):
            try:
                text = group.decode()
            except ValueError:  # in a file that is else ASCII, a byte may well be of Windows-1252
                text = group.decode("cp1252", "replace") if plain else "\0"
            bare = re.sub(
                rf'(^|{d}) *("(?:[^"]|"")*") *(?={d}|[\r\n]*$)', r"\1\2", text
            )  # no spaces around quotes
            try:
                records = [
                    r
                    for r in csv.reader(
                        io.StringIO(bare, newline=""), delimiter=case.base.delimiter, strict=True
                    )
                    if r
                ]
            except csv.Error:
                records = []
            if len(records) == 1 and len(records[0]) == len(case.base.header) and "\0" not in text:
                found[_trimmed(records[0][c] for c in known)] = owners
                # With a message ID that is a decimal now, a row counts without it, which is said.
                cells = [
                    "" if c in ids and DECIMAL.fullmatch(cell) else cell
                    for c, cell in enumerate(records[0])
                ]
                found.setdefault(_trimmed(cells[c] for c in known), owners)
            group, owners = b"", []
        if owner in case.damaged:
            group, owners = group + part, [*owners, owner]
    return found


def run(
    chosen: list[Case],
    readers: dict[str, tuple[Callable, type[Exception]]],
    clean: Path | None = None,
):
    """Yield (case, reader's name, verdict) of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.csv"
        for case in chosen:
            for name, (read, refusal) in readers.items():
                yield case, name, judge(case, read, path, refusal)
            for left in clean.iterdir() if clean else ():
                left.unlink() if left.is_file() else None


def main() -> int:
    """Judge the cases of the chosen bases and families, or each step-th of them; 1 where any is
    wrong.
    """
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="", help="bases whose name matches; all without it")
    options.add_argument("--family", default="", help="families whose name matches")
    options.add_argument("--step", type=int, default=1, help="only each n-th case")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--peers", action="store_true", help="DuckDB and pandas too, with their defaults"
    )
    asked = options.parse_args()
    counts: dict[str, Counter] = {}
    began, bad = time.monotonic(), 0
    with connection.connect() as engine:
        readers = {"rebroadcast": (ours(engine), RebroadcastError)}
        if asked.peers:
            readers |= {"DuckDB": (by_duckdb, Exception), "pandas": (by_pandas, Exception)}
        for base in bases(asked.seed).values():
            if not re.search(asked.base, base.name):
                continue
            chosen = (
                c
                for n, c in enumerate(cases(base, asked.family))
                if n % asked.step == asked.seed % asked.step
            )
            for case, name, verdict in run(chosen, readers, Path(engine.scratch)):
                word = verdict.partition(":")[0]
                counts.setdefault(name, Counter())[word] += 1
                if name == "rebroadcast":
                    counts.setdefault(f"  {case.family}", Counter())[word] += 1
                    if word == "wrong":
                        bad += 1
                        print(f"{base.name}, {case.family}, {case.name}: {verdict}", flush=True)
    words = ("right", "rejected", "refused", "wrong")
    print(f"{'':32}{'ways':>8}" + "".join(f"{w:>10}" for w in words))
    for name, count in counts.items():
        print(f"{name:32}{sum(count.values()):>8}" + "".join(f"{count[w]:>10}" for w in words))
    print(f"{time.monotonic() - began:.0f} s")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
