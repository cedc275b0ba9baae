"""Exports read once, with all care, into Parquet files that every command takes: for many workers,
or many runs.
"""

from pathlib import Path

import ibis
import pandas as pd

from ..common import sheets
from ..common.exceptions import ColumnError, InputError
from ..common.folder import check_only, staged
from ..engine import connect as connection
from ..reading import exports
from ..sources.files import find, known, open_source

ROWS = 1_000_000  # of one file at the most
KINDS = ("failed", "messages", "contacts")


def convert(
    patterns: str | list[str],
    out: str | Path,
    date_format: str = "",
    overwrite: bool = False,
    most: int = ROWS,
) -> list[dict]:
    """Write exports (files, globs; their kind is told by their header) as Parquet into out/<kind>/.

    IDs stay text, and times what they were in the export, but for the order of day and month, which
    date_format settles where it is in doubt. A file has at most `most` rows. What cannot be read is
    in out/rejected.csv (file, line, reason, text), and in a Parquet file of its own, so that later
    runs count it too. Returns kind, rows, rejected and files of each kind. Raises what
    `exports.read` does, InputError for another vendor's file, and OutputError; out appears whole or
    not at all.

    >>> convert("exports/*.csv", "parquet")  # doctest: +SKIP
    [{'kind': 'failed', 'rows': 2589, 'rejected': 0, 'files': 1}]
    """
    done, lost = [], []
    check_only(
        Path(out),
        lambda name: (
            name == "rejected.csv"
            or (name.startswith(tuple(f"{k}/" for k in KINDS)) and name.endswith(".parquet"))
        ),
    )
    with connection.connect() as engine, staged(out, overwrite) as folder:
        kinds: dict[str, list[str]] = {}
        for path in find(patterns):
            kinds.setdefault(_kind(path, engine.scratch), []).append(str(path))
        for kind, paths in sorted(kinds.items()):
            found = exports.read(engine, paths, kind, date_format=date_format, as_text=True)
            _check_ours(found)
            files = _write(found, folder / kind, most)
            done.append(
                {"kind": kind, "rows": found.rows, "rejected": len(found.rejected), "files": files}
            )
            lost.append(found.rejected)
        if any(map(len, lost)):
            sheets.write(pd.concat(lost, ignore_index=True), folder / "rejected.csv")
        for path in folder.rglob("*"):  # they hold what people wrote
            path.chmod(0o700 if path.is_dir() else 0o600)
    return done


def _check_ours(export: "exports.Export") -> None:
    """Raise InputError for another vendor's file: Parquet would not tell what it is of."""
    for source in export.sources:
        if source.fit:
            raise InputError(
                "{file} is of {title} and is not converted; every command reads it as it is.",
                source.path,
                file=source.name,
                title=source.fit.title,
            )


def _kind(path: Path, scratch: Path) -> str:
    refused = []
    for kind in KINDS:
        try:
            open_source(path, kind, scratch)
            return kind
        except ColumnError as error:
            refused.append(error)
    raise refused[0]


def _write(found: "exports.Export", folder: Path, most: int) -> int:
    """Write the good rows in their order, then those that were rejected; return how many files that
    took.
    """
    folder.mkdir()
    rows = found.table
    columns = dict.fromkeys(known()["exports"][found.kind]["columns"], "string") | exports.KEPT
    full = rows.select(
        **{c: rows[c] if c in rows.columns else ibis.null(t) for c, t in columns.items()},
        row_id="row_id",
    )
    parts = (
        rows.group_by(part=rows.row_id // most)
        .aggregate(n=rows.count())
        .order_by("part")
        .to_pandas()["part"]
    )
    for number, part in enumerate(map(int, parts), 1):
        one = full.filter(
            (full.row_id >= part * most) & (full.row_id < (part + 1) * most)
        ).order_by("row_id")
        one.drop("row_id").to_parquet(
            folder / f"{found.kind}-{number:05}.parquet", compression="zstd"
        )
    if not len(lost := found.rejected):
        return len(parts)
    lost = ibis.memtable(lost.rename(columns={"file": "source_file", "reason": "problem"}))
    lost = lost.select(
        **{c: (lost[c] if c in lost.columns else ibis.null(t)).cast(t) for c, t in columns.items()}
    )
    found.table.get_backend().to_parquet(lost, folder / "rejected.parquet", compression="zstd")
    return len(parts) + 1
