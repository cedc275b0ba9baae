"""The one engine that does the work: an Ibis connection, DuckDB in this process unless told
otherwise.
"""

import re
import secrets
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import pyarrow as pa


MEMORY_LIMIT = "600MB"  # beyond it DuckDB spills to its temporary folder
# MB, where files are of gigabytes: a sort that spills needs some memory for each part.
MEMORY_MOST = 1500

PARQUET = {"DICTIONARY_SIZE_LIMIT": 20_000}  # none is tried for IDs: it would be as long as they


@dataclass
class Engine:
    """A connection and the few things that engines do differently.

    Use it as a context manager: on leaving, its scratch folder and all that was prepared in it are
    gone.
    """

    con: Any  # the connection of Ibis: what DuckDB has beside its common part is used too
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

        def convert(of, to, maker):
            micros, made = builtin("epoch_us", (of,), dt.int64), builtin(maker, (dt.int64,), to)
            other = builtin("timezone", (dt.string, of), to)
            # UTC needs no calendar.
            return lambda zone, at: made(micros(at)) if zone == "UTC" else other(zone, at)

        wall, utc = dt.timestamp, dt.Timestamp("UTC")
        return convert(wall, utc, "make_timestamptz"), convert(utc, wall, "make_timestamp")

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
        table.to_parquet(target, **(PARQUET | options))
        kept = self.con.read_parquet(target)
        # DuckDB's sums are wider than a Parquet integer, and become floats.
        wide = {n: t for n, t in table.schema().items() if t.is_integer() and kept[n].type() != t}
        return kept.cast(wide) if wide else kept

    def here(self, kept: "ibis.Table") -> "ibis.Table":
        """A table that was kept, for the engine on this machine (`files`)."""
        return kept

    def keep_numbers(self, table: "ibis.Table", *ids: str) -> "ibis.Table":
        """Compute a table once, of IDs the parts that `id_parts` names where it has them."""
        known = [name for name in ids if id_parts(name, table) != [name]]
        return self.view(with_ids(self.keep(table.drop(*known))))

    def coded(self, table: "ibis.Table", *columns: str) -> "ibis.Table":
        """Compute a small table of which the texts of some columns take a byte wherever it is
        joined to; to whoever asks they are texts.
        """
        kept = self.view(table).get_name()
        texts = {
            column: f"""FROM (SELECT DISTINCT "{column}" AS text FROM {kept}
                WHERE "{column}" IS NOT NULL UNION SELECT '') ORDER BY text"""
            for column in columns
        }
        return self._as_enums("TABLE", kept, table.schema(), texts)

    def in_order(
        self, table: "ibis.Table", key: str, few: Mapping[str, Iterable[str]]
    ) -> "ibis.Table":
        """A table in an order that what is made of its columns afterwards keeps, so that numbers
        are sorted, and not the texts made of them; few has all values of columns of few texts,
        which take a byte or two while they are sorted.
        """
        rows = f'{self.view(table).get_name()} ORDER BY "{key}"'
        texts = {column: ", ".join(map(quoted, sorted(set(of)))) for column, of in few.items()}
        return self._as_enums("VIEW", rows, table.schema(), texts)

    def _as_enums(
        self, kind: str, rows: str, schema: "ibis.Schema", texts: Mapping[str, str]
    ) -> "ibis.Table":
        """A table or view of rows, with columns of few texts as types of these texts (in SQL)."""
        name = f"coded_{secrets.token_hex(8)}"
        for column, listed in texts.items():
            self.con.raw_sql(f"CREATE TYPE {name}_{column} AS ENUM ({listed})")
        types = ", ".join(f'"{column}"::{name}_{column} AS "{column}"' for column in texts)
        self.con.raw_sql(f"CREATE {kind} {name} AS SELECT * REPLACE ({types}) FROM {rows}")
        return self._table(name, schema)

    def view(self, table: "ibis.Table", joins: bool = False) -> "ibis.Table":
        """Name a table that is cheap to work out again: of Parquet's dictionaries DuckDB looks at
        each text once. joins tells that large tables are joined for it, which is cheap only here.
        """
        name = f"view_{secrets.token_hex(8)}"
        self.con._run_pre_execute_hooks(table)  # as Ibis' own create_view does
        self.con.raw_sql(f"CREATE VIEW {name} AS {self.con.compile(table)}")
        return self._table(name, table.schema())

    def _table(self, name: str, schema: "ibis.Schema") -> "ibis.Table":
        """A table of which the columns are known: to ask for them takes longer than many an
        answer.
        """
        from ibis.expr import operations as ops

        kinds = {n: k.copy(scale=6) if k.is_timestamp() else k for n, k in schema.items()}
        return ops.DatabaseTable(name=name, schema=kinds, source=self.con).to_expr()

    def with_parameters(self, table: "ibis.Table", values: Mapping[str, "ibis.Value"]) -> str:
        """The SQL of a table, with the engine's parameters (by name) for Ibis' (`ibis.param`)."""
        from sqlglot import expressions as sge

        names = {f"${name}": name for name in values}
        marks = dict(zip(values.values(), names, strict=True))

        def placed(node: sge.Expression) -> sge.Expression:
            name = isinstance(node, sge.Literal) and names.get(node.this)
            return sge.Placeholder(this=name) if name else node

        query = self.con.compiler.to_sqlglot(table, params=marks)
        return query.transform(placed).sql(dialect=self.con.dialect)

    def prepared(
        self, table: "ibis.Table", values: Mapping[str, "ibis.Value"]
    ) -> "Callable[[Mapping[str, str]], pa.Table]":
        """Plan a table with parameters (name: `ibis.param("string")`) once, which takes longer than
        to answer it; what this returns takes a text for each of them and answers.
        """
        query = f"query_{secrets.token_hex(8)}"
        self.con.raw_sql(f"PREPARE {query} AS {self.with_parameters(table, values)}")

        def answer(texts: Mapping[str, str]) -> "pa.Table":
            given = ", ".join(f'"{name}" := {quoted(text)}' for name, text in texts.items())
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
        return self.con.read_parquet(
            list(map(reader_path, paths)),
            file_row_number=True,
            filename="file_path",
            hive_partitioning=False,
        ), {str(p): p for p in paths}

    def to_csv(self, table: "ibis.Table", path: Path) -> None:
        """Write a small table, in its order, letter for letter, as one CSV file with a header."""
        table.to_csv(path, header=True)

    def csv_writer(
        self, table: "ibis.Table", values: Mapping[str, "ibis.Value"]
    ) -> Callable[[Mapping[str, str], Path], None]:
        """Plan a table with parameters once, as `prepared` does; what this returns takes a text for
        each of them and a path, and writes the answer there as `to_csv` does.
        """
        query = self.with_parameters(table, values)

        def write(texts: Mapping[str, str], path: Path) -> None:
            self.con.con.execute(
                f"COPY ({query}) TO {quoted(path)} (FORMAT csv, HEADER)", dict(texts)
            ).fetchall()

        return write

    def new_file(self, suffix: str) -> Path:
        """A name in the scratch folder that no other file has."""
        return self.scratch / f"{secrets.token_hex(8)}{suffix}"


def id_parts(name: str, table: "ibis.Table | None" = None) -> list[str]:
    """The two columns that say an ID together, one of which is null: its number, where that says
    the same as its text, and else its text. With a table that has them not both: the ID itself.

    >>> id_parts("contact_id")
    ['contact_number', 'contact_text']
    """
    parts = [name.replace("_id", part) for part in ("_number", "_text")]
    return parts if table is None or set(parts) <= set(table.columns) else [name]


def distinct_ids(name: str, table: "ibis.Table", where: "ibis.Value | None" = None) -> "ibis.Value":
    """How many different IDs a table has in a column; of numbers that is told faster."""
    return sum(table[part].nunique(where=where) for part in id_parts(name, table))


def shared_parts(name: str, one: "ibis.Table", other: "ibis.Table") -> list[str]:
    """The columns by which an ID is compared in two tables: its parts where both have them."""
    parts = id_parts(name, one)
    return parts if parts == id_parts(name, other) else [name]


def same_ids(one: "ibis.Table", other: "ibis.Table", *names: str) -> "list[ibis.Value]":
    """Tests that the IDs of two tables are the same; of numbers that is told faster. A missing ID
    is the same as another one.
    """
    return [
        one[part].identical_to(other[part])
        for name in names
        for part in shared_parts(name, one, other)
    ]


def with_ids(table: "ibis.Table") -> "ibis.Table":
    """Add the IDs of which a table has the parts only."""
    names = (c.replace("_text", "_id") for c in table.columns if c.endswith("_text"))
    ids = {
        name: ibis.coalesce(*(table[part].cast("string") for part in id_parts(name, table)))
        for name in names
        if name not in table.columns
    }
    return table.mutate(**ids)


def quoted(text: object) -> str:
    """A text as SQL says it.

    >>> quoted("d'Or")
    "'d''Or'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def reader_path(path: Path) -> str:
    """What an engine's reader takes: it reads [ ] * ? as patterns, and some engines write a
    folder.
    """
    name = re.sub(r"([\[*?])", r"[\1]", str(path))
    return f"{name}/*.parquet" if path.is_dir() else name


def builtin(name: str, arguments: tuple, result: object) -> "Callable[..., ibis.Value]":
    """A function of an engine's own, which takes one or two arguments of these types."""

    @ibis.udf.scalar.builtin(name=name, signature=(arguments, result))
    def function(first, second): ...

    return function


def _compiler() -> object:
    """Ibis's, without a calendar for the seconds of instants, which takes ten times as long."""
    from ibis.backends.sql.compilers import DuckDBCompiler

    class Compiler(DuckDBCompiler):
        def visit_ExtractEpochSeconds(self, op, *, arg):
            return self.f.fdiv(self.f.epoch_us(arg), 1_000_000)

        def visit_TimestampAdd(self, op, *, left, right):
            if not (op.left.dtype.timezone and op.right.dtype.unit.is_time()):
                return super().visit_TimestampAdd(op, left=left, right=right)
            return self.f.make_timestamptz(self.f.epoch_us(left) + self.f.epoch_us(right))

    return Compiler()


def _duckdb(scratch: tempfile.TemporaryDirectory, memory_limit: str = MEMORY_LIMIT) -> Engine:
    con = ibis.duckdb.connect(
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        memory_limit=memory_limit,
        temp_directory=str(Path(scratch.name) / "spill"),
    )
    con.compiler = _compiler()
    # Steps stay steps: put into one, what a step works out would stand wherever it is asked for.
    ibis.options.sql.fuse_selects = False
    con.raw_sql("SET TimeZone = 'UTC'")
    # DuckDB draws a bar into notebooks where it can, and refuses the setting where it cannot.
    if find_spec("ipywidgets"):
        con.raw_sql("SET enable_progress_bar = false")
    return Engine(con, scratch)
