"""Export files in, one table with known columns out, and the rows that could not be read, with
file, line and reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..common.exceptions import InputError, sentence
from ..common.lazy import ibis, pd
from ..common.times import check_zone
from ..engine.engine import Engine
from . import cache, dates, salvage
from .files import Source, check_unchanged, find, headings, known, open_source, stamps, title

IDS = ("contact_id", "channel_id", "message_id")
TEXTS = {
    "content",
    "error",
    "contact_name",
    "first_name",
    "last_name",
    "channel",
    "channels",
    "tags",
    "sender",
}
DAMAGED = r"^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$"  # 1.0E+08: digits are lost
DECIMAL = r"^[0-9]+[.]0+$"  # 123.0: certainly 123
CONTACT = r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$"  # begins no formula, and cannot be a heading or a text
PHONE = r"(?:[0-9][^0-9]*){4}"
# As the platform writes them: cells that need no more care than these tests.
PLAIN_ID, PLAIN_CONTACT = r"^(?:[0-9]{1,18}|[A-Za-z][!#-~]*)$", r"^[0-9]{1,18}$"
KEPT = {
    "source_file": "string",
    "row": "int64",
    "line": "int64",
    "problem": "string",
    "text": "string",
}  # what `convert` keeps of a row, beside its export's columns
REASONS = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "a stray quote",
    "INVALID ENCODING": "not valid UTF-8",
    "INVALID UNICODE": "not valid UTF-8",
    "LINE SIZE OVER MAXIMUM": "a line that is too long",
}


@dataclass(frozen=True)
class Export:
    """One or more files of a kind, read.

    `table`: a lazy Ibis table, the columns of columns.toml for that kind as text, `sent_at` as
    instants (UTC), `local_at` as the wall clock of `timezone`, `source_file`, `row` (record in its
    file, from 1) and `row_id` (unique over all files). `rejected`: file, line, reason, text. `rows`
    counts the good ones.
    """

    kind: str
    table: "ibis.Table"
    rejected: "pd.DataFrame"
    sources: tuple[Source, ...]
    rows: int
    timezone: str
    date_order: str | None = None


def read(
    engine: Engine,
    patterns: str | list[str],
    kind: str = "failed",
    timezone: str = "UTC",
    date_format: str = "",
    as_text: bool = False,
) -> Export:
    """Read exports of one kind ("failed", "messages", "contacts" or "log").

    patterns are file names, globs or folders of Parquet files. With as_text, `sent_at` is text that
    says the same in every time zone's export (and there is no `local_at`): for `convert`. timezone
    is that of the files' wall-clock times. date_format settles dates that could be read two ways:
    "DMY", "MDY" or a pattern such as "%d/%m/%Y". Raises InputError, ColumnError or DateError, each
    with one sentence that names the file.

    >>> read(engine, "data/samples/failed_messages.csv").rows  # doctest: +SKIP
    """
    check_zone(timezone)
    order = dates.date_order(date_format)
    parts, rejected, sources, fresh, rows, offset = [], [], [], [], 0, 0
    before = stamps(find(patterns, kind))
    engine.files.expect(sum(stamp[1] for stamp in before.values() if stamp))
    for group in _groups(s for path in before for s in open_source(path, kind, engine.scratch)):
        source, parquet = group[0], not group[0].delimiter
        reader = engine if parquet else engine.files
        raw, refused, total = _parquet(engine, group) if parquet else _csv(reader, source)
        fresh += [] if parquet else [(source, raw, refused)]
        plain, rest, zone = None, raw, "" if as_text else timezone
        if not parquet and not as_text:
            rest = raw.filter(_doubt(raw, source))
            plain = reader.view(
                _plain(raw, source, kind, _times(reader, raw, source, timezone), offset)
            )
        if KEPT.keys() <= set(source.header):
            checked = _converted(reader, raw, kind, zone, offset)
        else:
            checked = _checked(
                reader, rest, source, kind, zone, order or _order(raw, source), offset
            )
        if plain is not None and not rest.count().execute():
            good, bad = plain, pd.DataFrame(columns=["line", "problem", "text"])
        else:
            good, bad = _split(reader, raw, source, checked, plain)
        offset, count = offset + total, good.count().execute()
        frame = _listed(bad) if parquet else _rejected(source, refused, bad, "line" in raw.columns)
        if not count:
            facts = {"file": source.name, "title": title(kind)}
            if not len(frame):
                raise InputError(
                    "{file}: it has a header but no rows; expected the rows of a {title}.",
                    source.path,
                    **facts,
                )
            why = frame.reason.iloc[0]
            hint = (
                " " + sentence("Export it again, and do not open it in a spreadsheet before.")
                if why.endswith("a spreadsheet")
                else ""
            )
            raise InputError(
                "{file}: every row was rejected, the first because of {reason}; expected the rows"
                " of a {title}.{hint}",
                source.path,
                reason=sentence(why),
                hint=hint,
                **facts,
            )
        parts.append(good if parquet else engine.adopt(good))
        rejected.append(frame)
        sources += group
        rows += count
    check_unchanged(before)
    for read_now in fresh:
        cache.store(*read_now)
    twins = {
        s.name
        for s in sources
        if [o.sha256 for o in sources].count(s.sha256) > 1 and "/" not in s.name
    }
    if twins:
        raise InputError(
            "The same file was given twice: {files}; each row must count once.",
            files=", ".join(sorted(twins)),
        )
    table = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return Export(
        kind, table, pd.concat(rejected, ignore_index=True), tuple(sources), rows, timezone, order
    )


def _groups(sources: Iterable[Source]) -> list[list[Source]]:
    """Each CSV file alone; Parquet files of the same columns together."""
    groups: dict[object, list[Source]] = {}
    for source in sources:
        groups.setdefault(id(source) if source.delimiter else source.header, []).append(source)
    return list(groups.values())


def _csv(engine: Engine, source: Source) -> tuple["ibis.Table", "pd.DataFrame", int]:
    import duckdb

    try:
        raw, refused = cache.load(engine, source) or salvage.read(engine, source)
    except (FileNotFoundError, duckdb.IOException) as error:
        if source.path.exists():
            raise
        raise InputError(
            "{file} was removed while it was read; run again when it is there.", file=source.name
        ) from error
    return raw, refused, raw.count().execute()


def _parquet(engine: Engine, group: list[Source]) -> tuple["ibis.Table", None, int]:
    """Read Parquet files, with their names as `file_name` and the rows that come before each as
    `rows_before`.
    """
    import pyarrow.parquet

    raw, places = engine.read_parquet([s.path for s in group])
    rows, names = 0, {s.path: s.name for s in group}
    files = {"path_": [], "file_name": [], "rows_before": []}
    for said, path in places.items():
        for column, value in zip(files.values(), (said, names[path], rows), strict=True):
            column.append(value)
        rows += pyarrow.parquet.read_metadata(path).num_rows
    files = ibis.memtable(
        files, schema={"path_": "string", "file_name": "string", "rows_before": "int64"}
    )
    return raw.join(files, raw.file_path == files.path_).drop("path_", "file_path"), None, rows


def _cells(raw: "ibis.Table", source: Source) -> dict[str, "ibis.Value"]:
    """Our column name → the file's cell as trimmed text (empty cells are null)."""
    names = raw.columns[: len(source.header)]
    cells = {
        ours: _text(raw[name]) for ours, name in zip(source.columns, names, strict=True) if ours
    }
    return {
        ours: c if ours in ("content", "error") else c.strip().nullif("")
        for ours, c in cells.items()
    }


def _text(value: "ibis.Value") -> "ibis.Value":
    """A value of a file as text; an instant with its zone."""
    kind = value.type()
    return (
        value.cast("timestamp").cast("string") + "+00:00"
        if kind.is_timestamp() and kind.timezone
        else value.cast("string")
    )


def _order(raw: "ibis.Table", source: Source) -> str | None:
    sent_at = _cells(raw, source).get("sent_at")
    return None if sent_at is None else dates.detect_order(sent_at, source)


def _doubt(raw: "ibis.Table", source: Source) -> "ibis.Value":
    """Whether any cell of a row is not as the platform writes it.

    Each test is of one column and has no branches: DuckDB then looks at each text of a Parquet
    dictionary once.
    """
    doubts = [ibis.literal(False)]
    for name, column in zip(source.columns, raw.columns, strict=False):
        cell = raw[column]
        if name == "sent_at":
            same = cell.try_cast("timestamp").cast("string") == cell.replace("T", " ")
            doubts += [~same.fill_null(cell.isnull()), cell.length() != len("2022-01-11 15:16:00")]
        elif name in IDS:
            doubts.append(~cell.re_search(PLAIN_CONTACT if name == "contact_id" else PLAIN_ID))
        elif name and name not in ("content", "error"):
            doubts += [
                cell != cell.strip(),
                cell == "",
                *([] if name in TEXTS else [cell.contains('"')]),
            ]
        if name == "contact_id":
            doubts.append(cell.isnull())
        if name == "email":
            doubts.append(~cell.contains("@"))
    return ibis.or_(*(d.fill_null(False) for d in doubts))


def _plain(
    raw: "ibis.Table", source: Source, kind: str, times: "ibis.Table | None", offset: int
) -> "ibis.Table":
    """What `_checked` makes of the rows that `_doubt` has none of; branches would cost as much as
    all the rest.
    """
    cells = {ours: raw[c] for ours, c in zip(source.columns, raw.columns, strict=False) if ours}
    columns = {n: cells.get(n, ibis.null("string")) for n in known()["exports"][kind]["columns"]}
    if times is not None:
        raw = raw.left_join(times, cells["sent_at"] == times.said)
        columns |= {
            "sent_at": times.at.cast("timestamp('UTC')"),
            "local_at": times.wall_clock.cast("timestamp"),
        }
    elif "sent_at" in columns:
        columns |= {"sent_at": ibis.null("timestamp('UTC')"), "local_at": ibis.null("timestamp")}
    row = raw["file_row_number"]
    return raw.select(
        **columns, source_file=ibis.literal(source.name), row=row + 1, row_id=row + offset
    )


def _times(engine: Engine, raw: "ibis.Table", source: Source, zone: str) -> "ibis.Table | None":
    """The instant (`at`, UTC) and the wall clock of each date that a file writes as the platform
    does (`said`).
    """
    if "sent_at" not in source.columns:
        return None
    said = raw.select(said=raw[raw.columns[source.columns.index("sent_at")]]).distinct()
    times = said.mutate(at=engine.to_utc(said.said.try_cast("timestamp"), zone))
    return engine.keep(times.mutate(wall_clock=engine.to_wall_clock(times.at, zone)))


def _checked(
    engine: Engine,
    raw: "ibis.Table",
    source: Source,
    kind: str,
    zone: str,
    order: str | None,
    offset: int,
) -> "ibis.Table":
    """Known columns, typed, plus `problem`: why a row cannot be used (null for a good one)."""
    cells = _cells(raw, source)
    columns = {n: cells.get(n, ibis.null("string")) for n in known()["exports"][kind]["columns"]}
    problems = []
    for name in IDS:
        if name in cells:
            value, label = cells[name], name.replace("_", " ").replace("id", "ID")
            columns[name] = value.contains(".").ifelse(
                value.re_search(DECIMAL).ifelse(value.re_replace("[.]0+$", ""), value), value
            )
            if name == "contact_id":
                problems.append((value.isnull(), "no contact ID"))
            problems.append(
                (
                    value.upper().contains("E") & value.re_search(DAMAGED),
                    f"a {label} damaged by a spreadsheet",
                )
            )
            if name == "contact_id":
                wrong = value.try_cast("int64").isnull() & ~(
                    value.re_search(CONTACT) & value.re_search("[0-9]")
                )
                problems.append((wrong, "a contact ID that is none"))
    if "sent_at" in columns:
        dated = "sent_at" in cells
        at = (
            dates.instant(engine, cells["sent_at"], zone or "UTC", order)
            if dated
            else ibis.null("timestamp('UTC')")
        )
        columns["sent_at"], columns["local_at"] = at, engine.to_wall_clock(at, zone or "UTC")
        if dated:
            problems.append((at.isnull(), "a date that cannot be read"))
        if not zone:
            zoned = dates.zoned(cells["sent_at"]) if dated else ibis.literal(False)
            columns["sent_at"] = columns.pop("local_at").cast("string") + zoned.ifelse("+00:00", "")
    if {"phone", "email"} <= cells.keys():
        neither = ~cells["email"].contains("@") & ~cells["phone"].re_search(PHONE)
        problems.append((neither, "a phone number and an e-mail address that are none"))
    for name in cells.keys() - TEXTS:
        problems.append((cells[name].contains('"'), "a stray quote"))
    problem = ibis.cases(*problems) if problems else ibis.null("string")
    names = raw.columns[: len(source.header)]
    text = ibis.literal(source.delimiter or ",").join([_text(raw[c]).fill_null("") for c in names])
    row = raw["file_row_number"]
    if not source.delimiter:  # Parquet
        return raw.select(
            **columns,
            source_file=raw.file_name,
            row=row + 1,
            line=row + 2,
            problem=problem,
            text=text,
            row_id=raw.rows_before + row + offset,
        )
    line = {"line": raw.line.cast("int64")} if "line" in raw.columns else {}
    return raw.select(
        **columns,
        **line,
        source_file=ibis.literal(source.name),
        row=row + 1,
        row_id=row + offset,
        problem=problem,
        text=text,
    )


def _converted(
    engine: Engine, raw: "ibis.Table", kind: str, zone: str, offset: int
) -> "ibis.Table":
    """The rows of files that `convert` wrote, as `_checked` gives them: they were looked at
    then.
    """
    columns = {n: raw[n] for n in known()["exports"][kind]["columns"]}
    if zone and "sent_at" in columns:
        text = raw.sent_at
        instant = text.endswith("+00:00").ifelse(
            text.try_cast("timestamp('UTC')"), engine.to_utc(text.try_cast("timestamp"), zone)
        )
        columns |= {"sent_at": instant, "local_at": engine.to_wall_clock(instant, zone)}
    return raw.select(
        **columns,
        **{k: raw[k] for k in KEPT},
        row_id=raw.rows_before + raw.file_row_number + offset,
    )


def _count_newlines(cell: "ibis.Value") -> "ibis.Value":
    text = cell.cast("string").fill_null("")
    return text.length() - text.replace("\n", "").length()


def _split(
    engine: Engine,
    raw: "ibis.Table",
    source: Source,
    checked: "ibis.Table",
    plain: "ibis.Table | None",
) -> tuple["ibis.Table", "pd.DataFrame"]:
    """Return the good rows, and the others with the line on which each starts.

    plain are the rows of a CSV file as they are if none needs a check; checked are then those that
    do.
    """
    if not KEPT.keys() <= set(
        source.header
    ):  # one reading is enough, and what `convert` wrote needs none
        checked = engine.keep(
            checked.mutate(text=checked.problem.isnull().ifelse(None, checked.text))
        )
    good = checked.filter(checked.problem.isnull()).drop(
        *{"problem", "text", "line"} & set(checked.columns)
    )
    bad = checked.filter(checked.problem.notnull())
    if not source.delimiter:  # Parquet
        return good, bad.select("source_file", "line", "problem", "text").to_pandas()
    if plain is not None:
        good = good.union(plain.anti_join(checked, "row"))
    good, bad = engine.view(good), bad.order_by("row").to_pandas()
    if len(bad) and "line" not in bad:
        before = ibis.window(order_by="row", rows=(None, -1))
        newlines = sum(
            (_count_newlines(raw[c]) for c in raw.columns[: len(source.header)]), ibis.literal(0)
        )
        lines = raw.select(row=raw["file_row_number"] + 1, newlines=newlines)
        lines = lines.mutate(line=lines.row + lines.newlines.sum().over(before).fill_null(0))
        bad["line"] = (
            lines.semi_join(ibis.memtable(bad[["row"]]), "row").order_by("row").line.to_list()
        )
    return good, bad


def _listed(bad: "pd.DataFrame") -> "pd.DataFrame":
    """The rejected rows of Parquet files, by file and line."""
    frame = bad.rename(columns={"source_file": "file", "problem": "reason"})[
        ["file", "line", "reason", "text"]
    ]
    return frame.sort_values(["file", "line"], ignore_index=True)


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
    return "the header again"


def _rejected(
    source: Source, refused: "pd.DataFrame", bad: "pd.DataFrame", sifted: bool
) -> "pd.DataFrame":
    """One frame of all rows of a file that cannot be used, in the order of the file."""
    refused = refused.drop_duplicates("line").sort_values("line")
    rows = [
        (int(line), REASONS.get(kind, kind.lower().replace("_", " ")), text)
        for line, kind, text in refused.itertuples(index=False)
    ]
    spans = [(line, text.count("\n") + 1) for line, _, text in rows]
    for line, problem, text in (
        bad[["line", "problem", "text"]].itertuples(index=False) if len(bad) else ()
    ):
        line = int(line) + (0 if sifted else source.skip)
        for start, span in (
            () if sifted else spans
        ):  # unreadable records before it are not among the counted rows
            line += span if start <= line else 0
        rows.append((line, problem, text))
    rows = [(line, _heading(source, line, text) or reason, text) for line, reason, text in rows]
    frame = pd.DataFrame(sorted(rows, key=lambda r: r[0]), columns=["line", "reason", "text"])
    frame.insert(0, "file", source.name)
    return frame
