"""JSON documents, read by the engine: their records as a table of texts, and the lines that are
none.
"""

import json
import re
from collections.abc import Collection
from dataclasses import replace

import ibis
import pandas as pd

from ..engine.engine import Engine, quoted, reader_path
from ..sources.files import Source, damaged, is_object

LINE, LARGEST = 2**24, 2**30  # bytes of a line, and of another value: some hold everything
# What a value holds: itself, or what a list has.
ENTRIES = "CASE WHEN json LIKE '[%' THEN json_extract(json, '$[*]') ELSE [json] END"
STEP = re.compile(r"[^.\[\]]+|\[\d*\]")
KEPT = 10_000  # characters that are kept of a line that is no JSON


def read(engine: Engine, source: Source) -> tuple["ibis.Table", "pd.DataFrame"]:
    """Read the records of a JSON document: a column c0, c1, … for each path of its header, as text.

    A list of records is taken for these. Returns them with `broken` (a value that is none of the
    form: no record) and `line` (the number of the value that a record lies in; JSON lines of which
    none is refused have it from `numbered` only), and what was refused: line, reason, text.
    In JSON lines a line that is no JSON is refused; of any other document InputError is raised.
    """
    try:
        raw = _copied(engine, source)
    except Exception as error:
        if "JSON" not in str(error) and "object" not in str(error):
            raise
        if source.document == "array":  # of which several may stand one after another
            return read(engine, replace(source, document="unstructured"))
        raise damaged(source) from None
    broken = []
    if raw.filter(raw.broken).limit(1).count().execute():
        raw = numbered(engine, source, raw)
        broken = raw.filter(raw.broken).line.to_list()
    refused = [
        (line, "a record of another form" if is_object(text) else "no JSON object", text)
        for line, text in locate(source, set(broken)).values()
    ]
    return raw, pd.DataFrame(refused, columns=["line", "reason", "text"])


def numbered(engine: Engine, source: Source, raw: "ibis.Table") -> "ibis.Table":
    """The records of a document (as `read` gives them) with `line`, where they have none yet."""
    return raw if "line" in raw.columns else _copied(engine, source, True)


def _copied(engine: Engine, source: Source, with_lines: bool = False) -> "ibis.Table":
    records = engine.new_file(".parquet")
    engine.con.raw_sql(f"COPY ({_query(source, with_lines)}) TO {quoted(records)}")
    return engine.con.read_parquet(records, file_row_number=True)


def _query(source: Source, with_lines: bool) -> str:
    """The query that gives each record of a document a row, and each path its column; JSON lines
    are numbered where that is asked for: the engine numbers on one processor alone.
    """
    shape: dict = {}
    for path in source.header:
        place = shape
        for step in STEP.findall(path):
            place = place.setdefault("[]" if step[0] == "[" else step, {})
    lines = source.document == "newline_delimited"
    # JSON lines are read in parts of this size, other documents need room for their largest value.
    size = LINE if lines else max(LINE, min(LARGEST, source.path.stat().st_size + 1))
    foreign = " AND ".join(f"r0.{_name(part)} IS NULL" for part in shape)
    counted = "row_number() OVER () AS line"
    of_value = counted if lines and with_lines else "NULL AS line"
    query = f"""
        SELECT *, r0 IS NULL OR ({foreign}) AS broken FROM (
            SELECT {"line" if lines else counted},
                json_transform(json, {quoted(json.dumps(_told(shape)))}) AS r0
            FROM (SELECT line, unnest({ENTRIES}) AS json FROM (SELECT {of_value}, json
                FROM read_json_objects({quoted(reader_path(source.path))}, ignore_errors = {lines},
                    format = '{source.document}', maximum_object_size = {size})
            ))
        )"""
    start = source.fitted.path("")
    lists = {"": "r0"}  # the path of each list that records lie in → what an entry is called
    for number, end in enumerate((m.end() for m in re.finditer(r"\[\]", start)), 1):
        entries = f"CASE WHEN broken THEN [NULL] ELSE {_value(lists, start[: end - 2])} END"
        query = f"SELECT *, unnest({entries}) AS r{number} FROM ({query})"
        lists[start[:end]] = f"r{number}"
    columns = [f"{_value(lists, path)} AS c{i}" for i, path in enumerate(source.header)]
    columns += ["line"] * (with_lines or not lines)
    return f"SELECT {', '.join(columns)}, broken FROM ({query})"


def locate(source: Source, numbers: Collection[int]) -> dict[int, tuple[int, str]]:
    """The line on which each of these values of a document begins, and its text; a document that
    is not of lines has its number only.
    """
    if source.document != "newline_delimited" or not numbers:
        return {number: (number, "") for number in sorted(numbers)}
    found, number = {}, 0
    with source.path.open("rb") as file:
        for line, text in enumerate(file, 1):
            number += bool(text.strip())  # the engine passes over blank lines
            if number in numbers and number not in found:
                found[number] = line, text[:KEPT].decode("utf-8", "backslashreplace").strip()
    return found


def _name(step: str) -> str:
    return '"{}"'.format(step.replace('"', '""'))


def _told(shape: dict) -> object:
    """What is taken, as `json_transform` takes it: a text for each value without parts."""
    if not shape:
        return "VARCHAR"
    return [_told(shape["[]"])] if "[]" in shape else {k: _told(v) for k, v in shape.items()}


def _value(lists: dict[str, str], path: str) -> str:
    """What a path leads to, from the innermost list that it goes through."""
    above = max((p for p in lists if path.startswith(p)), key=len)
    steps = STEP.findall(path[len(above) :].removesuffix("[]"))
    parts = [f"[{int(s[1:-1]) + 1}]" if s[0] == "[" else f".{_name(s)}" for s in steps]
    value = lists[above] + "".join(parts)
    return f"array_to_string({value}, ',')" if path.endswith("[]") and steps else value
