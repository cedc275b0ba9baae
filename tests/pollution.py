"""Damage a small export in many ways, and see what a reader makes of it: right, rejected, refused, or wrong.

In the manner of the Pollock benchmark (VLDB 2023). `python tests/pollution.py` runs every case against this
library, DuckDB and pandas and prints a table; test_damaged.py runs a sample. A file is a list of chunks of
bytes, each owned by a row (its number), the header ("header") or something else ("junk").

What counts as what:
  right     every row is there as it was, and nothing is rejected but junk
  rejected  damaged rows are rejected with file, line and reason (or read with their one damaged text as it
            stands in the file), and every other row is there as it was
  refused   one sentence, and nothing is read
  wrong     anything else: a traceback, a shifted column, a row that is missing, doubled or altered
"""

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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rebroadcast import engine as engines
from rebroadcast import exports
from rebroadcast.exceptions import RebroadcastError

HEADER = ["Date & Time", "Sender ID", "Sender Type", "Contact ID", "Message ID", "Content Type", "Message Type",
          "Content", "Channel ID", "Type", "Sub Type", "Error"]  # fmt: skip
OURS = ["local_at", "sender_id", "sender_type", "contact_id", "message_id", "content_type", "message_type", "content",
        "channel_id", "traffic_type", "sub_type", "error"]  # fmt: skip
TEXTS = (7, 11)  # columns of free text
ERRORS = ["Messaging limit reached: 1,000 unique contacts in 24 hours", "Forbidden: bot was blocked by the user",
          '(#131026) "Message" undeliverable, número inválido', "Messaging limit reached", "Línea uno\nlínea dos, fin"]  # fmt: skip
CONTENTS = [json.dumps({"type": "text", "text": 'Hola, "promo"'}), json.dumps({"type": "text", "text": "Adiós"}, indent=2, ensure_ascii=False),
            "Hola", ", empieza con coma", "\n salto al principio", "", '{"a":"b"}', "dos\n\nsaltos, 5 comas,,,"]  # fmt: skip
Chunk = tuple[object, bytes]


@dataclass(frozen=True)
class Case:
    """One damaged file: its chunks, the rows that are damaged, and how they may be read."""

    family: str
    name: str
    chunks: list[Chunk]
    damaged: frozenset = frozenset()
    literal: bool = True  # a damaged text may be read as it stands in the file

    @property
    def data(self) -> bytes:
        return b"".join(part for _, part in self.chunks)


def row(i: int) -> list[str]:
    return [f"2022-01-{11 + i % 9} 15:{i:02}:09", str(88001 + i % 3), "broadcast", f"1002{i:05}", f"16414020180{i:05}", "text",
            "message", CONTENTS[i % len(CONTENTS)], str(1001 + i % 2), "outgoing", "text", ERRORS[i % len(ERRORS)]]  # fmt: skip


ROWS = [row(i) for i in range(40)]


def line(cells: list[str], end: str = "\n", **dialect) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", **dialect).writerow(cells)
    return (out.getvalue()[:-1] + end).encode()


def file(end: str = "\n", rows: list[list[str]] = ROWS, **dialect) -> list[Chunk]:
    return [("header", line(HEADER, end, **dialect)), *((i, line(r, end, **dialect)) for i, r in enumerate(rows))]


def changed(chunks: list[Chunk], owner: object, new: bytes) -> list[Chunk]:
    return [(o, new if o == owner else part) for o, part in chunks]


def cells_of(i: int, **dialect) -> list[bytes]:
    """The cells of a row as they are written, quotes included."""
    return [line([c], "", **dialect) if c else line(["x", c], "", **dialect)[2:] for c in ROWS[i]]


def at_bytes(chunks: list[Chunk], start: int, end: int, new: bytes = b"") -> tuple[list[Chunk], frozenset]:
    """Replace the bytes from start to end of the file; returns the chunks and the rows that were touched."""
    place, out, touched = 0, [], set()
    for owner, part in chunks:
        a, b = max(start - place, 0), min(end - place, len(part))
        if a < len(part) and (b > a or (start == end and a == start - place)):
            touched.add(owner)
            part, new = part[:a] + new + part[max(a, b) :], b""
        place += len(dict(chunks)[owner]) if owner in touched else len(part)
        out.append((owner, part))
    owners = [o for o, _ in out]
    for o in [o for o in touched if not dict(out)[o].endswith((b"\n", b"\r"))]:  # its line goes on in the next row
        touched |= {owners[i + 1] for i in [owners.index(o)] if i + 1 < len(owners)}
    return out, frozenset(touched)


def cases() -> Iterator[Case]:
    """Every case, family by family, always the same."""
    for made in FAMILIES:
        for case in made():
            yield case if isinstance(case, Case) else Case(made.__name__.replace("_", " "), *case)


def stray_quote(all_quoted: bool = False):
    """A quote too many at the start, middle and end of every cell of every row."""
    how = {"quoting": csv.QUOTE_ALL} if all_quoted else {}
    base = file(**how)
    for i in range(40) if not all_quoted else range(0, 40, 4):
        cells = cells_of(i, **how)
        for c, cell in enumerate(cells):
            inner = len(cell) > 1 and cell.startswith(b'"')
            places = {"start": 1 if inner else 0, "middle": len(cell) // 2, "end": len(cell) - inner}
            places.pop(("middle", "end", "")[(i + c) % 3], None) if not all_quoted else None
            for where, at in places.items():
                while 0 < at < len(cell) and cell[at] & 0xC0 == 0x80:
                    at += 1
                new = [*cells[:c], cell[:at] + b'"' + cell[at:], *cells[c + 1 :]]
                yield f"row {i} column {c} {where}", changed(base, i, b",".join(new) + b"\n"), frozenset({i})


def stray_quote_in_quoted_file():
    yield from stray_quote(True)


def missing_quote():
    base = file()
    for i in range(40):
        part = dict(base)[i]
        for m in re.finditer(b'"', part):
            yield f"row {i} byte {m.start()}", changed(base, i, part[: m.start()] + part[m.end() :]), frozenset({i})


def two_stray_quotes():
    """Between two stray quotes everything is a value by the rules of CSV: which rows it held cannot be told."""
    base = file()
    for i, j in [(i, i + 1 + i % 4) for i in range(0, 34)]:
        for c in (1, 4, 9, 11):
            new = base
            for n, at in ((i, 0), (j, -1)):
                cells = cells_of(n)
                cells[c] = b'"' + cells[c] if at == 0 else cells[c] + b'"'
                new = changed(new, n, b",".join(cells) + b"\n")
            yield f"rows {i} and {j} column {c}", new, frozenset(range(i, j + 1))


def delimiters():
    for d in (";", "\t", "|", ":", "^", "~", "\x1f", " ", "§"):
        yield repr(d), file(delimiter=d), frozenset(range(40)), False
    for i in range(40):
        for d in (b";", b"\t", b"|") if i % 8 == 0 else (b";",):
            yield f"row {i} with {d!r}", changed(file(), i, b"".join([d.join(cells_of(i)), b"\n"])), frozenset({i})
    for two in (b"||", b",,", b", ", b" ,", b" , "):
        chunks = [("header", two.join(line([h], "") for h in HEADER) + b"\n")]
        yield (
            repr(two),
            [*chunks, *((i, two.join(cells_of(i)) + b"\n") for i in range(40))],
            frozenset(range(40)),
            False,
        )


def delimiter_lost_or_added():
    base = file()
    for i in range(0, 40, 3):
        cells = cells_of(i)
        for c in range(12):
            rest = b",".join(cells[c + 1 :])
            if c < 11:
                yield (
                    f"lost: row {i} after {c}",
                    changed(base, i, b",".join([*cells[:c], cells[c] + rest]) + b"\n"),
                    frozenset({i}),
                )
            added = b",".join([*cells[: c + 1], b"", *cells[c + 1 :]]) + b"\n"
            yield f"added: row {i} after {c}", changed(base, i, added), frozenset({i})


def short_and_long_rows():
    base = file()
    for i in range(40):
        cells = cells_of(i)
        for n in (1, 4, 8, 11):
            yield f"row {i} of {n}", changed(base, i, b",".join(cells[:n]) + b"\n"), frozenset({i})
        yield f"row {i} without its first", changed(base, i, b",".join(cells[1:]) + b"\n"), frozenset({i})
        yield f"row {i} with one at the end", changed(base, i, b",".join([*cells, b"x"]) + b"\n"), frozenset({i})
        yield f"row {i} with one at the start", changed(base, i, b",".join([b"x", *cells]) + b"\n"), frozenset({i})
    yield "all with a delimiter at the end", [(o, p[:-1] + b",\n") for o, p in base]
    yield "rows with a delimiter at the end", [(o, p if o == "header" else p[:-1] + b",\n") for o, p in base]


def line_ends():
    for name, end in {
        "CRLF": "\r\n",
        "CR": "\r",
        "LFCR": "\n\r",
        "CRCRLF": "\r\r\n",
        "two LF": "\n\n",
        "two CRLF": "\r\n\r\n",
    }.items():
        yield name, file(end)
        yield f"{name}, all quoted", file(end, quoting=csv.QUOTE_ALL)
    ends = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}
    for a, first in ends.items():
        for b, other in ends.items():
            if a != b:
                base = file(first.decode())
                for i in ["header", *range(0, 40, 3)]:
                    yield f"{a}, one {b} after {i}", [(o, p[: -len(first)] + other if o == i else p) for o, p in base]
                mixed = [(o, p[: -len(first)] + (other if n % 2 else first)) for n, (o, p) in enumerate(base)]
                yield f"{a} and {b} in turn", mixed
    for name, blank in {"blank": b"\n", "spaces": b"   \n", "tab": b"\t\n", "CR": b"\r\n"}.items():
        for i in ("header", 0, 7, 20, 39):
            yield (
                f"{name} line after {i}",
                list(chain.from_iterable([(o, p), ("junk", blank)] if o == i else [(o, p)] for o, p in file())),
            )
        yield f"{name} line first", [("junk", blank), *file()]
    yield "no last line end", [*file()[:-1], (39, file()[-1][1][:-1])], frozenset({39})


def line_end_lost_or_added():
    base = file()
    for i in range(39):
        yield f"lost after {i}", changed(base, i, dict(base)[i][:-1]), frozenset({i, i + 1})
    for i in range(0, 40, 5):
        cells = cells_of(i)
        for c in range(12):
            for end in (b"\n", b"\r", b"\r\n"):
                new = b",".join([*cells[:c], end + cells[c], *cells[c + 1 :]]) + b"\n"
                yield f"{end!r} before row {i} column {c}", changed(base, i, new), frozenset({i} if c else {i})


def encodings():
    base = file()
    for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252", "latin-1", "iso8859-15",
                 "cp850", "cp437", "mac-roman", "utf-7", "cp037", "punycode"):  # fmt: skip
        data = [p.decode().encode(name) for _, p in base] if name not in ("utf-16", "utf-32", "utf-8-sig") else None
        if data is None:
            whole = base[0][1].decode().encode(name)
            plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}[name]
            data = [whole, *(p.decode().encode(plain) for _, p in base[1:])]
        yield name, list(zip([o for o, _ in base], data, strict=True)), frozenset(range(40)), False
    for name in ("utf-16-be", "utf-32-be"):
        mark = "\ufeff".encode(name)
        yield (
            f"{name} with mark",
            [("junk", mark), *((o, p.decode().encode(name)) for o, p in base)],
            frozenset(range(40)),
            False,
        )
    utf16 = b"".join(p.decode().encode("utf-16-le") for _, p in base)
    for cut in range(1, 60, 7):
        yield f"utf-16 cut by {cut}", [("junk", b"\xff\xfe"), ("junk", utf16[:-cut])], frozenset(range(40)), False
    yield "UTF-8 twice", [(o, p.decode().encode().decode("latin-1").encode()) for o, p in base], frozenset(range(40))
    for i in range(40):
        cells = cells_of(i)
        for bad in (b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xc0\x80", "é".encode("cp1252")):
            for c in (3, 7) if i % 4 == 0 else (7 if i % 2 else 3,):
                new = [*cells[:c], cells[c][:-1] + bad + cells[c][-1:], *cells[c + 1 :]]
                yield f"{bad!r} in row {i} column {c}", changed(base, i, b",".join(new) + b"\n"), frozenset({i})
    for i in range(0, 40, 3):
        yield f"BOM before row {i}", changed(base, i, b"\xef\xbb\xbf" + dict(base)[i]), frozenset({i})
    yield "two BOM", [("junk", b"\xef\xbb\xbf" * 2), *base]


def preambles():
    titles = ["Failed messages", "Workspace: Tienda, S.A. de C.V.", "sep=,", "#comment", "", "  ", ",,,,,,,,,,,", '"Report ""A"""',
              'An "open quote', '"never closed', "Date", "Error report,2022-01-11", "a;b;c", "Date & Time: 2022-01-11 15:00", "x" * 70_000]  # fmt: skip
    for title in titles:
        for n in (1, 2, 5, 18, 19, 25):
            yield f"{n} x {title[:20]!r}", [("junk", (title + "\n").encode() * n), *file()], frozenset(range(40)), False
    for foot in [
        "Total,40",
        "40 rows",
        "End of report",
        ",,,,,,,,,,,",
        '"',
        "\x1a",
        "-- \n--\n--",
        "Generated 2022-01-11",
    ]:
        yield f"footer {foot!r}", [*file(), ("junk", foot.encode() + b"\n")]
        yield f"footer {foot!r} without end", [*file(), ("junk", foot.encode())]


def headers():
    base, everyone = file(), frozenset(range(40))
    head = [line([h], "") for h in HEADER]
    for i in range(40):
        again = list(chain.from_iterable([(o, p), ("junk", base[0][1])] if o == i else [(o, p)] for o, p in base))
        yield f"again after row {i}", again
    yield "twice", [base[0], ("junk", base[0][1]), *base[1:]]
    yield "missing", base[1:], everyone, False
    yield "at the end", [*base[1:], base[0]], everyone, False
    for c in range(12):
        for where in (0, 3, len(HEADER[c])):
            name = HEADER[c][:where] + '"' + HEADER[c][where:]
            new = b",".join([*head[:c], name.encode(), *head[c + 1 :]]) + b"\n"
            yield f"quote in {HEADER[c]} at {where}", changed(base, "header", new), everyone, False
        yield (
            f"without {HEADER[c]}",
            changed(base, "header", b",".join(head[:c] + head[c + 1 :]) + b"\n"),
            everyone,
            False,
        )
        yield (
            f"{HEADER[c]} twice",
            changed(base, "header", b",".join([*head[:c], head[c], *head[c:]]) + b"\n"),
            everyone,
            False,
        )
        yield (
            f"{HEADER[c]} again in place",
            changed(base, "header", b",".join([*head[:-1], head[c]]) + b"\n"),
            everyone,
            False,
        )
        yield (
            f"empty {HEADER[c]}",
            changed(base, "header", b",".join([*head[:c], b"", *head[c + 1 :]]) + b"\n"),
            everyone,
            False,
        )
        yield (
            f"line break in {HEADER[c]}",
            changed(
                base,
                "header",
                b",".join(
                    [*head[:c], b'"' + HEADER[c][:3].encode() + b"\n" + HEADER[c][3:].encode() + b'"', *head[c + 1 :]]
                )
                + b"\n",
            ),
            everyone,
            False,
        )
        yield f"cut after {HEADER[c]}", changed(base, "header", b",".join(head[: c + 1]) + b"\n"), everyone, False
        yield (
            f"line end after {HEADER[c]}",
            changed(base, "header", b",".join(head[: c + 1]) + b"\n" + b",".join(head[c + 1 :]) + b"\n"),
            everyone,
            False,
        )
    for new in (
        b"",
        b"\n",
        b",".join(head).upper() + b"\n",
        b";".join(head) + b"\n",
        b"a,b,c,d,e,f,g,h,i,j,k,l\n",
        b",".join(head) + b",Notes\n",
        b",".join(head) + b',"Notes\n',
    ):
        yield f"{new[:30]!r}", changed(base, "header", new), everyone, False


def several_tables():
    base, sent = file(), [h for h in HEADER if h != "Error"]
    other = {
        "messages": [sent, *(r[:11] for r in ROWS[:9])],
        "contacts": [["ContactID", "FirstName", "Tags"], *([r[3], "Ana", "vip"] for r in ROWS[:9])],
        "log": [["Date & Time", "Contact Name", "Channel", "Error"], *([r[0], "Ana", "WhatsApp", r[11]] for r in ROWS[:9])],
        "summary": [["Cause", "Failed"], ["quota", "20"], ["blocked", "12"]],
        "reversed": [HEADER[::-1], *(r[::-1] for r in ROWS[:9])],
        "IDs exchanged": [[*HEADER[:1], "Contact ID", HEADER[2], "Sender ID", *HEADER[4:]], *([r[0], r[3], r[2], r[1], *r[4:]] for r in ROWS[:9])],
        "IDs exchanged, no spaces": [["DateTime", "ContactID", "SenderType", "SenderID", "MessageID", *HEADER[5:]], *([r[0], r[3], r[2], r[1], *r[4:]] for r in ROWS[:9])],
        "other 12": [[f"x{i}" for i in range(12)], *([str(i)] * 12 for i in range(9))],
    }  # fmt: skip
    for name, rows in other.items():
        for gap in (b"", b"\n", b"Second table\n", b"\n\nSecond table\n\n"):
            table = b"".join(line(r) for r in rows)
            yield f"{name} after, gap {gap!r}", [*base, ("junk", gap + table)]
            yield f"{name} before, gap {gap!r}", [("junk", table + gap), *base], frozenset(range(40)), False


def nul_bytes():
    base = file()
    for i in range(0, 40, 2):
        for c in range(0, 12, 2):
            cells = cells_of(i)
            for at in (0, len(cells[c])):
                new = [*cells[:c], cells[c][:at] + b"\0" + cells[c][at:], *cells[c + 1 :]]
                yield f"row {i} column {c} at {at}", changed(base, i, b",".join(new) + b"\n"), frozenset({i})
    yield "1,000 at the end", [*base, ("junk", b"\0" * 1000)]
    yield "100,000 at the end", [*base, ("junk", b"\0" * 100_000)]
    for i in range(0, 40, 4):  # beyond what is looked at first
        filler = [
            ("junk", line([*ROWS[0][:3], f"777{n:06}", f"555{n:06}", *ROWS[0][5:7], "y" * 900, *ROWS[0][8:]]))
            for n in range(100)
        ]
        new = base[:1] + filler + changed(base, i, dict(base)[i].replace(b"broadcast", b"broad\0cast"))[1:]
        yield f"row {i} far down", new, frozenset({i})


def truncation():
    base = file()
    size = sum(len(p) for _, p in base)
    for at in [*range(40, size - 300, 31), *range(size - 300, size)]:
        kept, place = [], 0
        for owner, part in base:
            kept.append((owner, part[: max(0, at - place)]))
            place += len(part)
        kept = [(o, p) for o, p in kept if p]
        owner, part = kept[-1]
        whole = part == dict(base)[owner]
        yield f"after byte {at}", kept, frozenset() if whole or owner == "header" else frozenset({owner}), False


def blocks():
    """Bytes lost from, doubled in or exchanged within the middle of the file."""
    base, dice = file(), random.Random(7)
    size, top = sum(len(p) for _, p in base), len(base[0][1])
    data = b"".join(p for _, p in base)
    for _ in range(150):
        a = dice.randrange(top, size - 600)
        b = a + dice.randrange(1, 500)
        yield f"lost {a} to {b}", *at_bytes(base, a, b), False
        yield f"zeros {a} to {b}", *at_bytes(base, a, b, b"\0" * (b - a)), False
    for _ in range(60):
        i = dice.randrange(0, 39)
        again = list(
            chain.from_iterable(
                [(o, p), ("junk", p[: dice.randrange(3, len(p) - 1)] + b"\n")] if o == i else [(o, p)] for o, p in base
            )
        )
        yield f"row {i} begun twice", again, frozenset({i, i + 1}), False
    assert len(data) == size


def flipped_bytes():
    base, dice = file(), random.Random(11)
    size, top = sum(len(p) for _, p in base), len(base[0][1])
    data = b"".join(p for _, p in base)
    for _ in range(300):
        at = dice.randrange(top, size)
        new = bytes([dice.choice([b for b in b"\",\n\r;\\'\t x\x00\x80\xff" if b != data[at]])])
        chunks, touched = at_bytes(base, at, at + 1, new)
        yield f"byte {at} is {new!r}", chunks, touched


def quoting():
    every = frozenset(range(40))
    yield "all", file(quoting=csv.QUOTE_ALL)
    yield "not numbers", file(quoting=csv.QUOTE_NONNUMERIC)
    yield "backslashes", file(doublequote=False, escapechar="\\"), every, False
    yield "backslashes, all quoted", file(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL), every, False
    yield "none, backslashes", file(quoting=csv.QUOTE_NONE, escapechar="\\"), every, False
    for q in ("'", "`", "“", "«", "|"):
        yield f"with {q}", file(quotechar=q), every, False
        yield f"all with {q}", file(quotechar=q, quoting=csv.QUOTE_ALL), every, False
    base = file()
    yield "none", [(o, p.replace(b'"', b"")) for o, p in base], every, False
    yield "not doubled", [(o, p.replace(b'""', b'"')) for o, p in base], every, False
    yield "doubled twice", [(o, p.replace(b'""', b'""""')) for o, p in base], every
    yield "smart", [(o, p.replace(b'"', "”".encode())) for o, p in base], every, False
    yield "space before", [(o, p.replace(b',"', b', "')) for o, p in base], every
    yield "space after", [(o, p.replace(b'",', b'" ,')) for o, p in base], every
    yield "whole rows", [(o, b'"' + p[:-1].replace(b'"', b'""') + b'"\n') for o, p in base], every, False
    for i in range(40):
        cells = [c.replace(b'""', b'\\"') for c in cells_of(i)]
        yield f"backslashes in row {i}", changed(base, i, b",".join(cells) + b"\n"), frozenset({i}), False


FAMILIES: list[Callable] = [
    stray_quote, stray_quote_in_quoted_file, missing_quote, two_stray_quotes, quoting, delimiters, delimiter_lost_or_added,
    short_and_long_rows, line_ends, line_end_lost_or_added, encodings, preambles, headers, several_tables, nul_bytes, truncation,
    blocks, flipped_bytes,
]  # fmt: skip


# --- reading and judging ----------------------------------------------------------------------------------------

Reading = tuple[list[tuple[str, ...]], list[tuple[int, str, str]]]


def ours(engine) -> Callable[[Path], Reading]:
    def read(path: Path) -> Reading:
        export = exports.read(engine, path)
        frame = export.table.order_by("row")[OURS].to_pandas()
        frame["local_at"] = frame["local_at"].astype("string").str[:19]
        good = [tuple("" if v is None or v != v else str(v) for v in r) for r in frame.itertuples(index=False)]
        assert export.rows == len(good)
        assert export.rejected.empty or set(export.rejected["file"]) == {path.name}
        return good, list(export.rejected[["line", "reason", "text"]].itertuples(index=False, name=None))

    return read


def by_duckdb(path: Path) -> Reading:
    import duckdb

    relation = duckdb.read_csv(str(path), all_varchar=True)
    names = relation.columns
    return [_named(names, r) for r in relation.fetchall()], []


def by_pandas(path: Path) -> Reading:
    import pandas as pd

    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [_named(list(frame.columns), r) for r in frame.itertuples(index=False)], []


def _named(names: list[str], values: tuple) -> tuple[str, ...]:
    found = dict(zip(names, values, strict=False))
    return tuple("" if (v := found.get(h)) is None or v != v else str(v) for h in HEADER)


def judge(case: Case, read: Callable[[Path], Reading], path: Path, refusal: type[Exception] = RebroadcastError) -> str:
    """Return "right", "rejected", "refused" or "wrong: …"."""
    path.write_bytes(case.data)
    try:
        good, rejected = read(path)
    except refusal as error:
        return (
            "refused"
            if refusal is not RebroadcastError or ("\n" not in str(error) and path.stem in str(error))
            else f"wrong: {error}"
        )
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
    wanted, seen, altered = {tuple(ROWS[i]): i for i in there}, Counter(), 0
    for values in good:
        i = wanted.get(values)
        if i is None:
            i = next((n for n in there & case.damaged if case.literal and _alike(values, ROWS[n])), None)
            altered += 1
        if i is None and not (values[3].startswith("777")):
            return f"wrong: a row that is in no file: {values}"[:300]
        seen[i] += i is not None
    if twice := [i for i, n in seen.items() if n > 1 and not (case.damaged and "twice" in case.name)]:
        return f"wrong: row {twice[0]} is there twice"
    if lost := sorted(there - set(seen) - covered):
        return f"wrong: row {lost[0]} is lost ({len(lost)} in all)"
    if whole := sorted((there - case.damaged) - set(seen)):
        return f"wrong: row {whole[0]} is missing"
    return "rejected" if (covered & there) or altered else "right"


def _alike(values: tuple[str, ...], row: list[str]) -> bool:
    """Whether a damaged row was read with each cell in its place, and at most one text as it stands in the file."""
    odd = [c for c in range(12) if values[c].strip() != row[c].strip()]
    return not odd or (
        len(odd) == 1 and odd[0] in TEXTS and abs(len(values[odd[0]]) - len(row[odd[0]])) <= 4 + row[odd[0]].count('"')
    )


def main(pick: str = "", step: str = "1") -> int:
    """Judge every case whose family matches pick, or each step-th of them; 1 where any is wrong."""
    readers = [("rebroadcast", None, RebroadcastError)]
    if not pick:
        readers += [("DuckDB", by_duckdb, Exception), ("pandas", by_pandas, Exception)]
    counts, bad, began = {name: Counter() for name, *_ in readers}, [], time.monotonic()
    families: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory() as folder, engines.connect() as engine:
        path = Path(folder) / "export.csv"
        for case in [c for c in cases() if re.search(pick, c.family)][:: int(step)]:
            for name, read, refusal in readers:
                verdict = judge(case, read or ours(engine), path, refusal)
                counts[name][verdict.partition(":")[0]] += 1
                if name == "rebroadcast":
                    families.setdefault(case.family, Counter())[verdict.partition(":")[0]] += 1
                    if verdict.startswith("wrong"):
                        bad.append(f"{case.family}, {case.name}: {verdict}")
            for left in Path(engine.scratch).iterdir():
                left.unlink() if left.is_file() else None
    words = ("right", "rejected", "refused", "wrong")
    print(f"{'':32}{'ways':>8}" + "".join(f"{w:>10}" for w in words))
    for name, count in [*families.items(), ("", {}), *counts.items()]:
        print(
            f"{name:32}{sum(count.values()) or '':>8}"
            + "".join(f"{count.get(w, 0) if count else '':>10}" for w in words)
        )
    print(*bad[:60], f"{time.monotonic() - began:.0f} s", sep="\n")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
