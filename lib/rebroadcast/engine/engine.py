"""The one engine that does the work: an Ibis connection, DuckDB in this process unless told
otherwise.
"""

import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.lazy import ibis

if TYPE_CHECKING:
    import pyarrow as pa


MEMORY_LIMIT = "600MB"  # beyond it DuckDB spills to its temporary folder
MEMORY_MOST = (
    1500  # MB, where files are of gigabytes: a sort that spills needs some memory for each part
)


@dataclass
class Engine:
    """A connection and the few things that engines do differently.

    Use it as a context manager: on leaving, its scratch folder and all that was prepared in it are
    gone.
    """

    con: object
    _scratch: tempfile.TemporaryDirectory = field(repr=False)

    @property
    def scratch(self) -> Path:
        """A private folder that lives as long as the engine."""
        return Path(self._scratch.name)

    def close(self) -> None:
        self.con.disconnect()
        self._scratch.cleanup()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @cached_property
    def _zone_functions(self):
        import ibis.expr.datatypes as dt

        def builtin(name, argument, result):
            @ibis.udf.scalar.builtin(name=name, signature=((dt.string, argument), result))
            def function(zone, at): ...

            return function

        utc = dt.Timestamp("UTC")
        return builtin("timezone", dt.timestamp, utc), builtin("timezone", utc, dt.timestamp)

    def to_utc(self, wall_clock: "ibis.Value", zone: str) -> "ibis.Value":
        """Turn wall-clock times of a zone (no zone in the type) into instants (UTC)."""
        return self._zone_functions[0](zone, wall_clock)

    def to_wall_clock(self, at: "ibis.Value", zone: str) -> "ibis.Value":
        """Turn instants (UTC) into wall-clock times of a zone (no zone in the type)."""
        return self._zone_functions[1](zone, at)

    def keep(self, table: "ibis.Table", **options: object) -> "ibis.Table":
        """Compute a table once, into the scratch folder, so that what follows need not do it again;
        options of the Parquet file.
        """
        target = self.new_file(".parquet")
        table.to_parquet(target, **options)
        kept = self.con.read_parquet(target)
        wide = {n: t for n, t in table.schema().items() if t.is_integer() and kept[n].type() != t}
        return (
            kept.cast(wide) if wide else kept
        )  # DuckDB's sums are wider than a Parquet integer, and become floats

    def view(self, table: "ibis.Table") -> "ibis.Table":
        """Name a table that is cheap to work out again: of Parquet's dictionaries DuckDB looks at
        each text once.
        """
        return self.con.create_view(f"view_{secrets.token_hex(8)}", table)

    def prepared(
        self, table: "ibis.Table", values: Mapping[str, "ibis.Value"]
    ) -> "Callable[[Mapping[str, str]], pa.Table]":
        """Plan a table with parameters (name: `ibis.param("string")`) once, which takes longer than
        to answer it; what this returns takes a text for each of them and answers.
        """
        query, sql = (
            f"query_{secrets.token_hex(8)}",
            self.con.compile(table, params={value: f"${name}" for name, value in values.items()}),
        )
        self.con.raw_sql(f"PREPARE {query} AS " + re.sub(f"'\\$({'|'.join(values)})'", r"$\1", sql))

        def answer(texts: Mapping[str, str]) -> "pa.Table":
            given = ", ".join(
                "\"{}\" := '{}'".format(n, text.replace("'", "''")) for n, text in texts.items()
            )
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", UserWarning
                )  # of a copy: the way without one takes longer for small answers
                return (
                    self.con.con.execute(f"EXECUTE {query}({given})")
                    .to_arrow_table()
                    .cast(table.schema().to_pyarrow())
                )

        return answer

    def expect(self, size: int) -> None:
        """Take more memory than at the start where files of this size (bytes) need it."""
        if (limit := min(MEMORY_MOST, size // 2_000_000)) > int(MEMORY_LIMIT.removesuffix("MB")):
            self.con.raw_sql(f"SET memory_limit = '{limit}MB'")

    @property
    def files(self) -> "Engine":
        """The engine that reads CSV files: DuckDB, on this machine."""
        return self

    def adopt(self, table: "ibis.Table") -> "ibis.Table":
        """Take over a table of `files`."""
        return table

    def read_parquet(self, paths: list[Path]) -> tuple["ibis.Table", dict[str, Path]]:
        """Read Parquet files of the same columns as one table, with `file_row_number` (from 0) and
        `file_path`.

        Returns with it what `file_path` says for each of the paths.
        """
        names = [reader_path(path) for path in paths]
        return self.con.read_parquet(
            names, file_row_number=True, filename="file_path", hive_partitioning=False
        ), {str(p): p for p in paths}

    def to_csv(self, table: "ibis.Table", path: Path) -> None:
        """Write a small table, in its order, as one CSV file with a header."""
        table.to_csv(path, header=True)

    def new_file(self, suffix: str) -> Path:
        """A name in the scratch folder that no other file has."""
        handle, name = tempfile.mkstemp(suffix, dir=self.scratch)
        os.close(handle)
        return Path(name)

    def read_csv(
        self, path: Path, columns: list[str], delimiter: str, skip: int
    ) -> tuple["ibis.Table", Path]:
        """Parse a UTF-8 CSV file once, every column as text, into a Parquet file in the scratch
        folder.

        Returns the table of the rows that could be parsed, and of the others (line, reason, text).
        A row is refused rather than repaired: too few or too many columns, broken quotes, bad
        UTF-8.
        """
        con, target = self.con, self.new_file(".parquet")
        view = con.read_csv(
            reader_path(path),
            hive_partitioning=False,
            columns=dict.fromkeys(columns, "VARCHAR"),
            header=False,
            skip=skip,
            delim=delimiter,
            quote='"',
            escape='"',
            store_rejects=True,
            rejects_table="refused",
            rejects_scan="refused_scan",
            max_line_size=8_388_608,
            buffer_size=33_554_432,
        )
        view.to_parquet(target)
        refused = con.table("refused", database=("temp", "main"))
        refused = (
            refused.select("line_byte_position", "error_type", "csv_line").distinct().to_pandas()
        )
        refused["csv_line"] = refused.csv_line.fillna("").str.lstrip("\r\n")
        refused.insert(0, "line", lines_at(path, refused.pop("line_byte_position").tolist()))
        con.raw_sql("DROP TABLE refused; DROP TABLE refused_scan")
        return con.read_parquet(target, file_row_number=True), refused


def lines_at(path: Path, positions: list[int]) -> list[int]:
    """Return the line (from 1) on which each byte position (from 1) of a file lies.

    DuckDB's own line number counts records, not lines, where values hold line breaks.
    """
    found, line, offset = {}, 1, 0
    if not positions:
        return []
    with path.open("rb") as file:
        for position in sorted(set(positions)):
            while offset < position:  # where lines end with CRLF, the position is that of the LF
                block = file.read(min(2**20, position - offset))
                line, offset = line + block.count(b"\n"), offset + (len(block) or position)
            found[position] = line
    return [found[p] for p in positions]


def reader_path(path: Path) -> str:
    """What an engine's reader takes: it reads [ ] * ? as patterns, and some engines write a
    folder.
    """
    name = re.sub(r"([\[*?])", r"[\1]", str(path))
    return f"{name}/*.parquet" if path.is_dir() else name


def _duckdb(scratch: tempfile.TemporaryDirectory, memory_limit: str = MEMORY_LIMIT) -> Engine:
    con = ibis.duckdb.connect(
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        memory_limit=memory_limit,
        temp_directory=str(Path(scratch.name) / "spill"),
    )
    con.raw_sql("SET TimeZone = 'UTC'")
    if find_spec(
        "ipywidgets"
    ):  # DuckDB draws a bar into notebooks where it can, and refuses the setting where it cannot
        con.raw_sql("SET enable_progress_bar = false")
    return Engine(con, scratch)
