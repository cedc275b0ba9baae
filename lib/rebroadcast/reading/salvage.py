"""Reads a CSV file fast where nothing is in doubt, and sifts it first where something is."""

import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import ibis
import numpy as np
import pandas as pd

from ..common.exceptions import InputError
from ..common.masking import mask, mask_expr
from ..engine.engine import Engine
from ..sources.files import Source
from . import scan
from .shapes import WIDEST, plain, starts
from .sift import listed, sift

SAMPLES = 16  # places of a file that tell whether many lines are no rows
SAMPLE = 2**20  # bytes of each
BLOCK = 2**20  # bytes that are counted at a time
FEW = 100  # doubtful ends that are compared with the other rows; more are refused as they are


def read(engine: Engine, source: Source, doubted: bool) -> tuple["ibis.Table", "pd.DataFrame"]:
    """Read a CSV file as `scan.read` does, and what it refuses (see `sift.sift`); a file that looks
    damaged, or of which that reading does not account for each byte, is sifted first.

    Raises InputError where even that fails.
    """
    import duckdb

    seen = _bytes(source)
    if not _looks_broken(source):
        with suppress(duckdb.InvalidInputException):  # line ends of two kinds, for one
            rows = scan.read(engine, source, starts(source), doubted)
            if not needed(engine, rows, source, seen):
                return rows, listed([])
    target, cut = engine.new_file(".csv"), frozenset[int]()
    sifted = replace(source, path=target, skip=1)
    for _ in range(2):
        good, refused, ends = sift(source, target, cut)
        rows = scan.read(engine, sifted, starts(sifted), doubted)
        if scan.count(engine, rows) != (good,):
            raise InputError(
                "{file} is too damaged to be read; export it again as CSV.",
                source.path,
                file=source.name,
            )
        if cut or not (cut := cut_off(_last(rows, source), ends)):
            break
    return rows, refused


def _looks_broken(source: Source) -> bool:
    """Whether places all over a file, and its end, have records that are not as programs write
    them: a damaged file mostly shows it there, and what is sifted need not be read before.
    """
    last = max(source.path.stat().st_size - SAMPLE, 0)
    places = (*range(0, last, max(last // SAMPLES, SAMPLE)), last)
    return len(source.header) <= WIDEST and any(_broken(source, place) for place in places)


def _broken(source: Source, place: int) -> bool:
    """Whether a record from a place of a file on is not as programs write it."""
    with source.path.open("rb") as file:
        file.seek(place)
        part = file.read(SAMPLE)
        ended = not file.read(1)
    row = re.search(f"[\r\n]{starts(source)}".encode(), part)
    part = part[row.start() + 1 :].rstrip(b"\r\n") + b"\n" if row else b""
    whole = plain(source, "\r?\n").match(part).end()
    return whole < len(part) if ended else 2 * whole < len(part)


def needed(engine: Engine, rows: "ibis.Table", source: Source, seen: dict[str, int]) -> bool:
    """Whether the engine's reading is in doubt: quotes out of place, bytes unaccounted for, a value
    that swallowed rows, a last row that may be cut off.
    """
    sums = (f"coalesce(sum({name}), 0)::BIGINT" for name in ("size", "signs", "breaks"))
    count, swallowed, length, signs, breaks = scan.count(engine, rows, "bool_or(swallowed)", *sums)
    # What is no value must be delimiters, line ends and quotes: two around a cell, and one more for
    # each within it.
    quoted, width = seen["quotes"] - 2 * signs, len(source.header) - 1 + seen["end"]
    size = length + count * width + seen["quotes"] - signs
    # Values may break their lines as rows do.
    returns = seen["returns"] - count * (seen["end"] - 1)
    told = size == seen["size"] and quoted >= 0 and quoted % 2 == 0 and returns in (0, breaks)
    if not told or seen["zeros"] or swallowed:
        return True
    if seen["ended"] or not count:
        return False
    final = _last(rows.filter(rows.file_row_number == count - 1), source).execute().iloc[0]
    return bool(cut_off(_last(rows, source), [(0, final, "")]))


def _last(rows: "ibis.Table", source: Source) -> "ibis.Value":
    """The text of each row's last cell."""
    place = len(source.header) - 1
    return ibis.coalesce(rows.cells[place], rows[f"c{place}"].cast("string"), "")


def _bytes(source: Source) -> dict[str, int]:
    """What a file has below its header: size, quotes, returns and zeros (all in bytes), whether the
    last line ended, and the bytes of an end; a last line without one counts as if it had it.
    """
    signs = {"quotes": 34, "returns": 13, "zeros": 0}
    found, last = Counter[str](), b"\n"
    block, equal = bytearray(BLOCK), np.empty(BLOCK, bool)  # a new one for each block takes longer
    b = np.frombuffer(block, np.uint8)
    with source.path.open("rb") as file:
        header = [file.readline() for _ in range(source.skip)]
        end = 2 if header and header[-1].endswith(b"\r\n") else 1
        found["returns"] += sum(line.rstrip(b"\r\n").count(b"\r") for line in header)
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
