"""Export files in, one table with known columns out, and the rows that could not be read, with
file, line and reason.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pandas as pd

from ..common.doubts import Doubt
from ..common.exceptions import DateError, InputError, sentence
from ..common.sheets import NOTHING
from ..common.times import check_zone
from ..engine.engine import Engine, id_parts
from ..sources import profile as profile_
from ..sources.files import (
    Source,
    check_unchanged,
    find,
    headings,
    known,
    open_source,
    stamps,
    title,
)
from . import cache, checks, dates, documents, mapping, salvage, scan
from .scan import IDS, TEXTS, TOLD

PHONE = r"(?:[0-9][^0-9]*){4}"
LIST = r"^\[\s*[\"']?([^\\]*?)[\"']?\s*\]$"  # tags as a list of JSON or Python
BETWEEN = r"[\"']\s*,\s*[\"']"
HELP = {
    "problem",
    "text",
    "line",
    "said",
    "lost_id",
    "shape",
    "late",
}  # columns beside those of good rows
KEPT = {
    "source_file": "string",
    "row": "int64",
    "line": "int64",
    "problem": "string",
    "text": "string",
}  # what `convert` keeps of a row, beside its export's columns
MANY = 20  # files that are put into one
NUMBERED = ("contact_id", "message_id")  # the long ones: as numbers, too, where they are some


@dataclass(frozen=True)
class Export:
    """One or more files of a kind, read.

    `table`: a lazy Ibis table, the columns of respond.io's profile for that kind as text, `sent_at`
    as instants (UTC), `local_at` as the wall clock of `timezone`, `source_file`, `row` (record in
    its file, from 1) and `row_id` (unique over all files); `channel_id` is "" where it is not said;
    `again`, where `checks.twice` has looked for it. `rejected`: file, line, reason, text. `rows`
    counts the good ones. `doubts`: what makes its numbers less sure. `span`: its first and last
    time (wall clock). `clock`: which zone the IDs of its messages show, None where they show none.
    `days`: whether all of its dates are without a time.
    `messages`: what a log of all messages, as other vendors keep it, tells of those that failed or
    arrived.
    """

    kind: str
    table: "ibis.Table"
    rejected: "pd.DataFrame"
    sources: tuple[Source, ...]
    rows: int
    timezone: str
    doubts: tuple[Doubt, ...] = ()
    span: checks.Span = (None, None)
    clock: checks.Clock | None = None
    messages: "Export | None" = None
    days: bool = False


@dataclass
class _Part:
    """What was read of a file, or of Parquet files of the same columns."""

    good: "ibis.Table"
    rejected: "pd.DataFrame"
    total: int  # rows, without those that are no record
    doubts: list[Doubt]
    no_date: tuple[int, str] | None = None  # line and cell of the first date that is none
    parsed: tuple[tuple, ...] = ()  # what the cache keeps
    log: "ibis.Table | None" = None  # all messages of it that failed or arrived


def read(
    engine: Engine,
    patterns: str | list[str],
    kind: str = "failed",
    timezone: str = "UTC",
    date_format: str = "",
    as_text: bool = False,
    profile: str = "",
) -> Export:
    """Read exports of one kind ("failed", "messages", "contacts" or "log").

    patterns are file names, globs or folders of Parquet files. With as_text, `sent_at` is text that
    says the same in every time zone's export (and there is no `local_at`): for `convert`. timezone
    is that of the files' wall-clock times. date_format settles dates that could be read two ways:
    "DMY", "MDY" or a pattern such as "%d/%m/%Y". profile is the name or file of the profile that
    decides what the files are. Raises InputError, ColumnError or DateError, each
    with one sentence that names the file.

    >>> read(engine, "data/samples/failed_messages.csv").rows  # doctest: +SKIP
    """
    timezone = check_zone(timezone)
    dates.date_order(date_format)
    before = stamps(find(patterns, kind))
    engine.files.expect(sum(stamp[1] for stamp in before.values() if stamp))
    sources = [s for path in before for s in open_source(path, kind, engine.scratch, profile)]
    _check_twins(sources)
    names = Counter(source.name for source in sources)
    # Files of the same name are told apart by their folders.
    sources = [replace(s, name=s.longer_name) if names[s.name] > 1 else s for s in sources]
    columns = known()["exports"][kind]["columns"]
    as_read = _As(kind, "" if as_text else timezone, date_format, columns)
    parts, offset = [], 0
    for group in _groups(sources):
        parts.append(_read_group(engine, group, as_read, offset))
        offset += parts[-1].total
    check_unchanged(before)
    for parsed in (one for part in parts for one in part.parsed):
        cache.store(*parsed)
    table = ibis.union(*(part.good for part in parts))
    # Each look at many files takes as long as to open them all.
    table = engine.keep(table) if len(parts) > MANY else table
    rejected = pd.concat([part.rejected for part in parts], ignore_index=True)
    table = table if as_text else _in_english(table)
    several = len(sources) > 1 and kind == "failed" and not as_text
    told = (doubt.kind for part in parts for doubt in part.doubts)
    # Nothing tells some messages of several files from one another.
    unnamed = several and ("lost message IDs" in told or any(map(checks.nameless, sources)))
    table, twice = checks.twice(engine, table, sources) if unnamed else (table, [])
    seen = checks.look(table, "" if as_text else timezone)
    doubts = (
        *(doubt for source in sources for doubt in source.doubts),
        *(doubt for part in parts for doubt in part.doubts),
        *twice,
        *checks.doubts(kind, sources, rejected, seen, timezone),
    )
    read_now = Export(
        kind,
        table,
        rejected,
        tuple(sources),
        seen.rows,
        timezone,
        doubts,
        seen.span,
        seen.clock,
        days=seen.days,
    )
    logs = [part.log for part in parts if part.log is not None]
    if len(logs) < len(parts):
        return read_now
    log = _in_english(ibis.union(*logs))
    own = {"table": log, "rejected": rejected[:0], "rows": int(log.count().execute())}
    return replace(read_now, messages=replace(read_now, kind="messages", doubts=(), **own))


def _in_english(table: "ibis.Table") -> "ibis.Table":
    """A table in which the values that the platform says in another language are as in English."""
    names = [n for n in table.columns if n in profile_.packaged()[profile_.HOME].values]
    said = table.select(*names).distinct().to_pandas() if names else {}
    ours = {n: {cell: profile_.in_english(n, cell) for cell in said[n].dropna()} for n in names}
    changed = {n: known for n, known in ours.items() if any(k != v for k, v in known.items())}
    return table.mutate(**{n: table[n].substitute(known) for n, known in changed.items()})


@dataclass(frozen=True)
class _As:
    """How files are to be read: the kind of export, the zone ("" for text), the form of dates, and
    the columns of the table.
    """

    kind: str
    zone: str
    date_format: str
    columns: list[str]


def _check_twins(sources: list[Source]) -> None:
    whole = [source for source in sources if "/" not in source.name]  # no members of an archive
    hashes = Counter(source.sha256 for source in whole)
    twins = {source.name for source in whole if hashes[source.sha256] > 1}
    if twins:
        raise InputError(
            "The same file was given twice: {files}; each row must count once.",
            files=", ".join(sorted(twins)),
        )


def _read_group(engine: Engine, group: list[Source], as_read: _As, offset: int) -> _Part:
    """Read a CSV file, or Parquet files of the same columns; InputError where no row is good."""
    source = group[0]
    reads = _read_messages if source.fit else _read_csv if source.delimiter else _read_parquet
    part = reads(engine, group, as_read, offset)
    some = not source.fit and part.total > len(part.rejected)
    if not some and not part.good.limit(1).count().execute():
        raise _nothing_good(source, as_read.kind, part)
    return part


def _read_messages(engine: Engine, group: list[Source], as_read: _As, offset: int) -> _Part:
    """Read files of one form of another vendor's."""
    parsed = [(source, *_scan(engine.files, source, True)) for source in group]
    cells = [
        (source, scanned if source.document else scan.doubtful(scanned, source))
        for source, scanned, _, _ in parsed
    ]
    rows, doubts = mapping.messages(
        engine.files, cells, as_read.zone, as_read.date_format, as_read.columns
    )
    bad = rows.filter(rows.problem.notnull()).select("file", "problem", "said", row="place")
    bad, frames, places, first = bad.to_pandas(), [], {}, None
    for number, (source, scanned, refused, total) in enumerate(parsed):
        own = bad[bad["file"] == number].drop(columns="file")
        if (own["problem"] == mapping.NO_STATE).any():
            doubts += mapping.unknown_states(source, cells[number][1])
        own = _told(engine.files, cells[number][1], source, scanned, refused, own)
        frame, no_date, more = _rejected(source, refused, own, total)
        frames.append(frame)
        first = first or no_date
        doubts += more
        places[number] = source.name, offset
        offset += total
    good = engine.adopt(engine.files.view(rows.filter(rows.problem.isnull())))
    good = good.mutate(
        **_numbered({n: good[n] for n in NUMBERED if n in good.columns}, as_read.zone),
        source_file=good.file.cases(*((n, name) for n, (name, _) in places.items())),
        row=good.place,
        row_id=good.file.cases(*((n, before) for n, (_, before) in places.items()))
        + good.place
        - 1,
    )
    good = good.drop("file", "place", "problem", "said")
    log = good.filter(good.state != "open")
    under_way = int(good.filter(good.state == "open").count().execute())
    failed = log.filter(log.state == "failed") if as_read.kind == "failed" else log
    log = (
        engine.view(log.drop("state", "error"))
        if as_read.kind == "failed" and group[0].fitted.form.states
        else None
    )
    doubts += [checks.under_way(group, under_way)] if under_way else []
    total = sum(total for *_, total in parsed)
    frame = pd.concat(frames, ignore_index=True)
    kept = tuple((*one[:3], True) for one in parsed)
    return _Part(engine.view(failed.drop("state")), frame, total, doubts, first, kept, log)


def _told(
    engine: Engine,
    raw: "ibis.Table",
    source: Source,
    scanned: "ibis.Table",
    refused: "pd.DataFrame",
    bad: "pd.DataFrame",
) -> "pd.DataFrame":
    """The rows of a file that cannot be used, with their text and line."""
    if bad.empty:
        return bad.assign(text=None, line=None)
    raw = documents.numbered(engine, source, raw) if source.document else raw
    cells = [_text(raw[c]).fill_null("").left(TOLD) for c in raw.columns[: len(source.header)]]
    line = {"line": raw.line.cast("int64")} if "line" in raw.columns else {}
    text = ibis.literal(source.delimiter).join(cells)
    told = raw.select(row=raw.file_row_number + 1, text=text, **line)
    refusals = ibis.memtable(bad, schema=dict.fromkeys(bad.columns, "string") | {"row": "int64"})
    frame = told.join(refusals, "row").order_by("row").to_pandas()
    if "line" not in frame:
        frame["line"] = scan.lines(scanned, source, refused, frame["row"].tolist())
    if source.document:
        places = documents.locate(source, set(frame["line"]))
        frame["text"] = [places[row.line][1] or row.text for row in frame.itertuples()]
        frame["line"] = [places[line][0] for line in frame["line"]]
    return frame


def _read_parquet(engine: Engine, group: list[Source], as_read: _As, offset: int) -> _Part:
    source = group[0]
    raw, total = _parquet(engine, group)
    doubts = []
    if set(source.header) == {*as_read.columns, *KEPT}:  # `convert` wrote it
        checked = _converted(engine, raw, source, as_read, offset)
    else:
        checked = engine.keep(_checked(engine, raw, source, as_read, offset))
        doubts += checks.lost_ids(checked, source) + _written(checked, as_read)
    good = checked.filter(checked.problem.isnull()).drop(*HELP & set(checked.columns))
    bad = checked.filter(checked.problem.notnull()).order_by("source_file", "line").to_pandas()
    first, more = checks.dates_refused(source, bad)
    rejected = bad.rename(columns={"source_file": "file", "problem": "reason"})
    rejected = rejected[["file", "line", "reason", "text"]].reset_index(drop=True)
    return _Part(good, rejected, total, doubts + more, first)


def _read_csv(engine: Engine, group: list[Source], as_read: _As, offset: int) -> _Part:
    """Read a CSV file: only the rows in doubt are looked at closely."""
    [source] = group
    reader, doubted = engine.files, dates.turned(as_read.date_format)
    scanned, refused, total = _scan(reader, source, doubted)
    good = reader.view(_plain(reader, scanned, source, as_read, offset))
    doubts = []
    bad = pd.DataFrame(columns=["line", "problem", "text", "said"])
    if scan.count(reader, scanned, "count(cells)")[1]:
        raw = scan.doubtful(scanned, source)
        checked = reader.keep(_checked(reader, raw, source, as_read, offset))
        doubts += checks.lost_ids(checked, source) + _written(checked, as_read, source, scanned)
        right = checked.filter(checked.problem.isnull()).drop(*HELP & set(checked.columns))
        good = reader.view(good.union(right))
        bad = checked.filter(checked.problem.notnull()).order_by("row").to_pandas()
        bad["line"] = scan.lines(scanned, source, refused, bad["row"].tolist())
    frame, first, more = _rejected(source, refused, bad, total)
    parsed = (source, scanned, refused, doubted)
    return _Part(engine.adopt(good), frame, total, doubts + more, first, (parsed,))


def _nothing_good(source: Source, kind: str, part: _Part) -> InputError:
    facts = {"file": source.name, "title": title(kind)}
    if part.log is not None and (messages := int(part.log.count().execute())):
        return InputError(
            "{file}: none of its {n} messages failed; there is nothing to report or to send again.",
            source.path,
            n=messages,
            **facts,
        )
    if open_ := sum(doubt.weight for doubt in part.doubts if doubt.kind == "under way"):
        return InputError(
            "{file}: no message of it has failed or arrived yet (on their way: {n}); export it"
            " again later.",
            source.path,
            n=open_,
            **facts,
        )
    if not len(part.rejected):
        return InputError(
            "{file}: it has a header but no rows; expected the rows of a {title}.",
            source.path,
            **facts,
        )
    why = part.rejected.reason.iloc[0]
    if why == checks.NO_DATE and part.no_date:
        line, cell = part.no_date
        return DateError(
            "{file}: no date can be read, the first on line {line}: '{cell}'. Expected forms such"
            " as {forms}; for another, give a pattern such as %d/%m/%Y %H:%M with date_format.",
            source.path,
            line=line,
            cell=cell,
            forms=dates.FORMS,
            **facts,
        )
    hint = ""
    if why.endswith("a spreadsheet"):
        hint = " " + sentence("Export it again, and do not open it in a spreadsheet before.")
    elif why == mapping.NO_STATE:
        hint = " " + sentence(
            "For a profile in which to name its states, run: rebroadcast profiles {file}",
            file=source.name.split("/")[0],
        )
    return InputError(
        "{file}: every row was rejected, the first because of {reason}; expected the rows"
        " of a {title}.{hint}",
        source.path,
        reason=sentence(why),
        hint=hint,
        **facts,
    )


def _groups(sources: Iterable[Source]) -> list[list[Source]]:
    """Each CSV file alone; Parquet files of the same columns together, and other vendors' files of
    one form: what became of a message may stand in the next one.
    """
    groups: dict[object, list[Source]] = {}
    for source in sources:
        form = source.fit and (source.fit.profile.name, source.fit.form.name, source.document)
        own = id(source) if source.delimiter else source.header
        groups.setdefault(form or own, []).append(source)
    return list(groups.values())


def _scan(
    engine: Engine, source: Source, doubted: bool
) -> tuple["ibis.Table", "pd.DataFrame", int]:
    import duckdb

    try:
        read_now = cache.load(engine, source, doubted)
        if read_now is None and source.document:
            read_now = documents.read(engine, source)
        scanned, refused = read_now or salvage.read(engine, source, doubted)
    except (FileNotFoundError, duckdb.IOException) as error:
        if source.path.exists():
            raise
        raise InputError(
            "{file} was removed while it was read; run again when it is there.", file=source.name
        ) from error
    return scanned, refused, *scan.count(engine, scanned)


def _parquet(engine: Engine, group: list[Source]) -> tuple["ibis.Table", int]:
    """Read Parquet files: columns c0, c1…, `file_row_number`, their names as `file_name` and the
    rows that come before each as `rows_before`.
    """
    import pyarrow.parquet

    paths = {_readable(engine, source): source for source in group}
    raw, places = engine.read_parquet(list(paths))
    rows, files = 0, []
    for said, path in places.items():
        files.append((said, paths[path].name, rows))
        rows += pyarrow.parquet.read_metadata(path).num_rows
    columns = {f"c{i}": raw[name] for i, name in enumerate(raw.columns[: len(group[0].header)])}
    raw = raw.select(**columns, file_row_number="file_row_number", path_="file_path")
    if len(files) == 1:
        [(_, name, before)] = files
        return raw.drop("path_").mutate(file_name=ibis.literal(name), rows_before=before), rows
    names = {"said": "string", "file_name": "string", "rows_before": "int64"}
    named = ibis.memtable(pd.DataFrame(files, columns=list(names)), schema=names)
    return raw.join(named, raw.path_ == named.said).drop("path_", "said"), rows


def _readable(engine: Engine, source: Source) -> Path:
    """Where an engine can read a Parquet file: a copy where a column has a name of the engine's
    own.
    """
    import pyarrow.parquet

    if not {"file_row_number", "file_path", "filename"} & {name.lower() for name in source.header}:
        return Path(os.path.realpath(source.path))
    copy, names = engine.new_file(".parquet"), [f"c{i}" for i in range(len(source.header))]
    with pyarrow.parquet.ParquetFile(source.path) as old:
        schema = pyarrow.schema(
            field.with_name(name) for field, name in zip(old.schema_arrow, names, strict=True)
        )
        with pyarrow.parquet.ParquetWriter(copy, schema) as new:
            for batch in old.iter_batches():
                new.write_batch(batch.rename_columns(names))
    return copy


def _cell(ours: str, value: "ibis.Value") -> "ibis.Value":
    """What a cell of a column of ours holds, as text without what a spreadsheet put around it, null
    where it is empty.
    """
    cell = _id_text(value) if ours in IDS else _text(value)
    if ours in ("content", "error"):
        return cell.left(TOLD)
    cell = cell.strip().nullif("")
    if ours in IDS or ours in ("sent_at", "phone"):
        cell = checks.bare(cell)
        return cell if ours == "phone" else cell.re_replace(NOTHING, "").nullif("")
    if ours == "tags":
        return cell.re_search(LIST).ifelse(
            cell.re_replace(LIST, r"\1").re_replace(BETWEEN, ","), cell
        )
    return cell


def _text(value: "ibis.Value") -> "ibis.Value":
    """A value of a file as text; an instant with its zone, a list with commas."""
    kind = value.type()
    if kind.is_timestamp() and kind.timezone:
        return value.cast("timestamp").cast("string") + "+00:00"
    if kind.is_array():
        return ibis.literal(",").join(value.cast("array<string>"))
    return value.cast("string")


def _id_text(value: "ibis.Value") -> "ibis.Value":
    """An ID as text; a number too large for its kind of float to be whole is one that is cut."""
    if not (kind := value.type()).is_floating():
        return _text(value)
    return (value.abs() >= 2 ** (24 if kind.is_float32() else 53)).ifelse("1E+0", _text(value))


def _plain(
    engine: Engine, scanned: "ibis.Table", source: Source, as_read: _As, offset: int
) -> "ibis.Table":
    """What `_checked` makes of the rows of a scan that are in no doubt."""
    rows = scanned.filter(scanned.cells.isnull())
    places = {name: f"c{i}" for i, name in enumerate(source.columns) if name}
    columns: dict[str, ibis.Value] = {}
    for name in as_read.columns:
        cell = rows[places[name]] if name in places else ibis.null("string")
        if name == "sent_at" and as_read.zone:
            wall = cell.try_cast("timestamp")
            columns |= {"sent_at": engine.to_utc(wall, as_read.zone), "local_at": wall}
        elif name in NUMBERED and cell.type().is_integer():
            parts = (cell, ibis.null("string"))
            columns |= {name: cell.cast("string"), **dict(zip(id_parts(name), parts, strict=True))}
        elif cell.type().is_string() and name not in ("content", "error"):
            columns[name] = cell.strip().nullif("")
        else:
            columns[name] = cell.cast("string").nullif("")
    return rows.select(**_numbered(columns, as_read.zone), **_places(rows, source, offset))


def _numbered(columns: "dict[str, ibis.Value]", zone: str) -> "dict[str, ibis.Value]":
    """Add the parts of IDs (see `id_parts`) that columns have as text only; with a zone, "" stands
    for a channel that is not said: what is null is equal to nothing in a join.
    """
    added: dict[str, ibis.Value] = {}
    if zone and "channel_id" in columns:
        columns = columns | {"channel_id": columns["channel_id"].fill_null("")}
    for name in (n for n in NUMBERED if n in columns):
        number, text = columns[name].try_cast("int64"), columns[name]
        same = (number.cast("string") == text).fill_null(False)
        parts = same.ifelse(number, ibis.null("int64")), same.ifelse(ibis.null("string"), text)
        added |= zip(id_parts(name), parts, strict=True)
    return dict(sorted((added | columns).items()))


def _checked(
    engine: Engine, raw: "ibis.Table", source: Source, as_read: _As, offset: int
) -> "ibis.Table":
    """Known columns, typed, plus `problem` (why a row cannot be used, null for a good one) and what
    is said of such a row: `line` and `text`, and `said`, its date.
    """
    texts = [_text(raw[c]).fill_null("").left(TOLD) for c in raw.columns[: len(source.header)]]
    text = ibis.literal(source.delimiter or ",").join(texts)
    places = _places(raw, source, offset)
    cells = {
        ours: _cell(ours, raw[name])
        for ours, name in zip(source.columns, raw.columns, strict=False)
        if ours and ours not in places
    }
    rows = raw.select(**cells, **places, text=text)
    if "sent_at" in cells:
        times = dates.read(engine, rows.sent_at, source, as_read.zone, as_read.date_format)
        rows = rows.left_join(times.rename(when="said"), rows.sent_at == times.said)
    ids = {n: checks.repaired(rows[n]) for n in IDS if n in cells}
    if as_read.kind == "failed" and "message_id" in ids:  # it counts without, but meets no other
        ids["lost_id"] = checks.damaged(ids["message_id"]).fill_null(False)
        ids["message_id"] = ids["lost_id"].ifelse(None, ids["message_id"])
    rows = rows.mutate(**ids)
    rows = rows.mutate(problem=_problem(rows, set(cells)))
    columns = {n: rows[n] if n in cells else ibis.null("string") for n in as_read.columns}
    columns |= {"lost_id": rows.lost_id} if "lost_id" in ids else {}
    told = {"problem": rows.problem, "text": rows.problem.isnull().ifelse(None, rows.text)}
    if "sent_at" in cells:
        local = rows.wall.fill_null(engine.to_wall_clock(rows["at"], as_read.zone or "UTC"))
        text = local.cast("string") + rows.zoned.ifelse("+00:00", "")
        columns |= {"sent_at": rows["at"], "local_at": local} if as_read.zone else {"sent_at": text}
        said = (rows.problem == checks.NO_DATE).ifelse(rows.sent_at, None)
        told |= {"said": said, "shape": rows["shape"], "late": rows.late}
    elif "sent_at" in columns:
        columns["sent_at"] = ibis.null("timestamp('UTC')")
        columns |= {"local_at": ibis.null("timestamp")} if as_read.zone else {}
    columns = _numbered(columns, as_read.zone)
    return rows.select(**columns, **told, **{n: rows[n] for n in places})


def _problem(rows: "ibis.Table", names: set[str]) -> "ibis.Value":
    """Why a row cannot be used, by its cells of these names; null for a good one."""
    problems = _id_problems({n: rows[n] for n in IDS if n in names})
    if "sent_at" in names:
        problems.append((rows["at"].isnull(), checks.NO_DATE))
    if {"phone", "email"} <= names:
        neither = ~rows.email.contains("@") & ~rows.phone.re_search(PHONE)
        problems.append((neither, "a phone number and an e-mail address that are none"))
    for name in sorted(names - TEXTS):
        problems.append((rows[name].contains('"'), "a stray quote"))
    return ibis.cases(*problems)


def _places(raw: "ibis.Table", source: Source, offset: int) -> "dict[str, ibis.Value]":
    """In which file and row a record is, in Parquet on which line, and its `row_id`."""
    row = raw["file_row_number"]
    if source.delimiter:
        return {"source_file": ibis.literal(source.name), "row": row + 1, "row_id": row + offset}
    own = {"source_file": raw.file_name, "row": row + 1, "line": row + 2}
    return own | {"row_id": raw.rows_before + row + offset}


def _id_problems(ids: "dict[str, ibis.Value]") -> "list[tuple[ibis.Value, str]]":
    """Tests of IDs, and what each is called where it fails."""
    damaged = {name: checks.damage(name, value) for name, value in ids.items()}
    if "contact_id" not in ids:
        return list(damaged.values())
    to = ids["contact_id"]
    none = ~(to.re_search(mapping.CONTACT) & to.re_search("[0-9]"))
    return [
        (to.isnull(), "no contact ID"),
        damaged.pop("contact_id"),
        (none, "a contact ID that is none"),
        *damaged.values(),
    ]


def _converted(
    engine: Engine, raw: "ibis.Table", source: Source, as_read: _As, offset: int
) -> "ibis.Table":
    """The rows of files that `convert` wrote, as `_checked` gives them: they were looked at then,
    but anybody can write such a file.
    """
    raw = raw.rename(dict(zip(source.header, raw.columns, strict=False)))
    columns = {n: raw[n] for n in as_read.columns}
    problems = [
        (raw.problem.notnull(), raw.problem),
        *_id_problems({n: raw[n] for n in IDS if n in columns}),
    ]
    if as_read.zone and "sent_at" in columns:
        text, wall = raw.sent_at, raw.sent_at.try_cast("timestamp")
        zoned = text.endswith("+00:00")
        at = zoned.ifelse(text.try_cast("timestamp('UTC')"), engine.to_utc(wall, as_read.zone))
        problems.append((text.notnull() & ~dates.real(at).fill_null(False), checks.NO_DATE))
        columns |= {
            "sent_at": at,
            "local_at": zoned.ifelse(engine.to_wall_clock(at, as_read.zone), wall),
        }
    kept = {k: raw[k] for k in KEPT} | {"problem": ibis.cases(*problems)}
    row_id = raw.rows_before + raw.file_row_number + offset
    return raw.select(**_numbered(columns, as_read.zone), **kept, row_id=row_id)


def _written(
    checked: "ibis.Table",
    as_read: _As,
    source: Source | None = None,
    scanned: "ibis.Table | None" = None,
) -> list[Doubt]:
    """Say of each file what the forms of its dates leave open: day and month that a spreadsheet may
    have turned, or that only a custom tells; source and scanned where the file has rows in no
    doubt, too.
    """
    if "shape" not in checked.columns:
        return []
    rows = checked.filter(checked.shape.notnull() & checked.problem.isnull())
    seen = rows.group_by("source_file", "shape", "late").aggregate(n=rows.count()).to_pandas()
    if source and scanned is not None and checks.rewritten(seen):
        plain = scanned.filter(scanned.cells.isnull())
        at = plain[f"c{source.columns.index('sent_at')}"].try_cast("timestamp")
        plain = plain.group_by(late=at.day() > len(dates.MONTHS)).aggregate(n=plain.count())
        known = {"source_file": source.name, "shape": "Y"}
        seen = pd.concat([seen, plain.to_pandas().dropna().assign(**known)])
    each = seen.groupby("source_file")
    return [doubt for file, own in each for doubt in checks.written(file, own, as_read.date_format)]


def _heading(source: Source, line: int, text: str) -> str | None:
    """Say that a row repeats the header; InputError where it begins another table."""
    first = next(iter(text.lstrip("\ufeff\r\n").splitlines()), "")
    cells = [c.strip().strip('"') for c in first.split(source.delimiter)]
    if any(c.isdigit() for c in first) or sum(map(bool, found := headings(cells))) < 2:
        return None
    if found != headings(source.header):
        raise InputError(
            "{file} holds a second table with other columns from line {line} on; expected one"
            " table. Split the file, or export it again.",
            source.path,
            file=source.name,
            line=line,
        )
    return checks.HEADER_AGAIN


def _rejected(
    source: Source, refused: "pd.DataFrame", bad: "pd.DataFrame", total: int
) -> tuple["pd.DataFrame", tuple[int, str] | None, list[Doubt]]:
    """One frame of all rows of a file that cannot be used, in the order of the file; the line and
    cell of the first date that is none; and what to say of all that.
    """
    refused = refused[refused.reason != ""]
    rows = [
        *refused[["line", "reason", "text"]].itertuples(index=False, name=None),
        *bad[["line", "problem", "text"]].itertuples(index=False, name=None),
    ]
    rows = [(line, _heading(source, line, text) or reason, text) for line, reason, text in rows]
    frame = pd.DataFrame(sorted(rows, key=lambda r: r[0]), columns=["line", "reason", "text"])
    frame.insert(0, "file", source.name)
    first, doubts = checks.dates_refused(source, bad)
    return frame, first, doubts + checks.lacking(source, frame, total - len(bad))
