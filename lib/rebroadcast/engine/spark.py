"""Spark as the engine: the same expressions on a cluster, for exports that are too much for one
machine.
"""

import glob
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import ibis
import ibis.expr.datatypes as dt
import pandas as pd
import sqlglot.expressions as sge
from ibis.backends import pyspark as backend
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.backends.sql.datatypes import PySparkType
from ibis.expr.operations import DatabaseTable

from ..common.exceptions import ParameterError, RunError, sentence
from .engine import Engine, _duckdb, builtin

PATIENCE = 60  # seconds to wait for a first worker
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
QUIET: dict[str, Any] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
UTC = dt.Timestamp("UTC", scale=6)
WORD, SPACE = "[0-9A-Za-z_]", r"\t\n\f\r "
BOUNDARY = f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))"
TOKENS = re.compile(r"\\.|.", re.DOTALL)


def java(pattern: str) -> str:
    r"""Say a pattern of RE2 so that Java understands it alike: words and spaces are ASCII, and $ is
    the very end.

    >>> java("a$")
    '(?d)a\\z'
    """
    said, inside = [], False
    for token in TOKENS.findall(pattern):
        if inside:
            said.append(SPACE if token == r"\s" else r"\[" if token == "[" else token)
            inside = token != "]"
        else:
            said.append(
                {r"\b": BOUNDARY, r"\s": f"[{SPACE}]", r"\S": f"[^{SPACE}]", "$": r"\z"}.get(
                    token, token
                )
            )
            inside = token[0] == "["
    return "(?d)" + "".join(said)


class _Types(PySparkType):
    """Ibis's, with wall-clock times (no zone) and instants kept apart."""

    @classmethod
    def _from_ibis_Timestamp(cls, dtype):
        return sge.DataType(
            this=getattr(sge.DataType.Type, "TIMESTAMPTZ" if dtype.timezone else "TIMESTAMPNTZ")
        )


class _Compiler(PySparkCompiler):
    """Ibis's, with times of two kinds, regular expressions as DuckDB has them, and texts joined in
    order.
    """

    type_mapper = _Types

    def visit_ExtractEpochSeconds(self, op, *, arg):
        return self.f.unix_timestamp(self.cast(arg, UTC))

    def visit_TimestampTruncate(self, op, *, arg, unit):
        return self.cast(super().visit_TimestampTruncate(op, arg=arg, unit=unit), op.dtype)

    def visit_RegexSearch(self, op, *, arg, pattern):
        return super().visit_RegexSearch(op, arg=arg, pattern=_said(pattern))

    def visit_RegexExtract(self, op, *, arg, pattern, index):
        return self.f.anon.regexp_extract(arg, _said(pattern), index)

    def visit_RegexReplace(self, op, *, arg, pattern, replacement):
        groups = re.sub(r"\\([0-9])", r"$\1", replacement.this.replace("$", r"\$"))
        return self.f.regexp_replace(arg, _said(pattern), sge.convert(groups))

    def visit_GroupConcat(self, op, *, arg, sep, where, order_by):
        if not order_by or where is not None:
            return super().visit_GroupConcat(op, arg=arg, sep=sep, where=where, order_by=order_by)
        return sge.WithinGroup(
            this=self.f.anon.listagg(arg, sep), expression=sge.Order(expressions=order_by)
        )


def _said(pattern):
    return sge.convert(java(pattern.this))


class _Backend(backend.Backend):
    """Ibis on PySpark, with DuckDB's habits: a Parquet "file" may be a folder, and nothing passes
    through pandas.
    """

    compiler = _Compiler()
    scratch: Path

    def _register_in_memory_table(self, op) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(
            op.name
        )

    def get_schema(self, table_name, *, catalog=None, database=None):
        kinds = {"timestamp": UTC, "timestamp_ntz": dt.Timestamp(scale=6)}
        schema = super().get_schema(table_name, catalog=catalog, database=database)
        fields = self._session.table(table_name).schema
        return ibis.schema(
            {f.name: kinds.get(f.dataType.typeName(), schema[f.name]) for f in fields}
        )

    def to_pyarrow(self, expr, /, **kwargs):
        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        arrow = (
            self._session.sql(self.compile(table, **kwargs))
            .toArrow()
            .cast(table.schema().to_pyarrow())
        )
        return expr.__pyarrow_result__(arrow)

    def execute(self, expr, /, **kwargs):
        from ibis.backends.duckdb.converter import DuckDBPandasData

        table = expr.as_table()
        arrow = self.to_pyarrow(table, **kwargs)
        columns = zip(arrow.column_names, arrow.columns, strict=True)
        frame = pd.DataFrame(
            {name: c.to_pylist() if c.null_count else c.to_pandas() for name, c in columns}
        )
        return expr.__pandas_result__(DuckDBPandasData.convert_table(frame, table.schema()))

    def read_parquet(self, path, /, *, table_name=None, **kwargs) -> "ibis.Table":
        return self._table(self._frame(path))

    def _frame(self, path):
        paths = [path] if isinstance(path, str | Path) else path
        found = [
            p
            for name in paths
            for p in ([name] if isinstance(name, Path) else sorted(glob.glob(name)))
        ]
        return self._session.read.parquet(*map(_uri, found))

    def _table(self, frame) -> "ibis.Table":
        name = f"read_{secrets.token_hex(8)}"
        frame.createOrReplaceTempView(name)
        return self.table(name)

    def to_parquet(self, expr, /, path, **kwargs) -> None:
        self._run_pre_execute_hooks(expr)
        self._session.sql(self.compile(expr)).write.parquet(_uri(path, literal=True))
        written = sorted(Path(path).glob("*"))
        parts = [part for part in written if part.name.startswith("part-")]
        if not parts:
            raise _unshared(Path(path).parent)
        for part in parts:
            part.rename(part.with_name(re.sub(r"^(part-\d+).*?([.]\w+)$", r"\1\2", part.name)))
        for other in set(written).difference(parts):  # checksums, and the mark that all is there
            other.unlink()

    def create_table(self, name, /, obj=None, *, temp=False, **kwargs) -> "ibis.Table":
        """Compute a table here and now, as the ledger asks."""
        target = Path(tempfile.mkdtemp(dir=self.scratch)) / "table"
        self.to_parquet(obj, target)
        return self.read_parquet(target)


def _unshared(folder: Path) -> RunError:
    return RunError(
        "What the cluster's workers write to {folder} is not seen here. Exports, results, ledger"
        " and temporary files must be in folders that all machines share under the same name; set"
        " TMPDIR to such a folder.",
        folder=folder,
    )


def _uri(path: str | Path, literal: bool = False) -> str:
    """A local path as Spark takes it; readers take some signs as patterns."""
    text = os.path.abspath(path)
    return "file://" + (text if literal else re.sub(r"([\[\]{}*?\\])", r"\\\1", text))


@dataclass
class SparkEngine(Engine):
    """Spark: what DuckDB does otherwise. CSV files are read by DuckDB on this machine, since they
    cannot be split.
    """

    owner: bool = True  # of the session: another's stays

    def close(self) -> None:
        if "files" in self.__dict__:
            self.files.con.disconnect()
        if self.owner:
            self.con.disconnect()
        self._scratch.cleanup()

    @cached_property
    def files(self) -> Engine:
        return _duckdb(self._scratch)

    def view(self, table: "ibis.Table", joins: bool = False) -> "ibis.Table":
        if joins:
            return self.keep(table)
        self.con._run_pre_execute_hooks(table)
        return self.con._table(self.con._session.sql(self.con.compile(table)))

    def here(self, kept: "ibis.Table") -> "ibis.Table":
        [read] = kept.op().find(DatabaseTable)
        parts = self.con._session.table(read.name).inputFiles()
        paths = sorted(unquote(urlsplit(uri).path) for uri in parts)
        return self.files.con.read_parquet(paths).cast(kept.schema())

    def keep_numbers(self, table: "ibis.Table", *ids: str) -> "ibis.Table":
        return self.keep(table)

    def coded(self, table: "ibis.Table", *columns: str) -> "ibis.Table":
        return table

    def in_order(self, table: "ibis.Table", key: str, few) -> "ibis.Table":
        return table.order_by(key)

    def prepared(self, table: "ibis.Table", values):
        sql = self.with_parameters(table, values)
        return lambda texts: (
            self.con._session.sql(sql, args=texts).toArrow().cast(table.schema().to_pyarrow())
        )

    def adopt(self, table: "ibis.Table") -> "ibis.Table":
        return self.keep(table)

    def read_parquet(self, paths: list[Path]) -> tuple["ibis.Table", dict[str, Path]]:
        frame = self.con._frame(paths)
        names = {
            unquote(path): f"file:{path}"
            for path in (urlsplit(uri).path for uri in frame.inputFiles())
        }
        frame = frame.selectExpr(
            "*", "_metadata.row_index AS file_row_number", "_metadata.file_path AS file_path"
        )
        return self.con._table(frame), {names[os.path.abspath(path)]: path for path in paths}

    def to_csv(self, table: "ibis.Table", path: Path) -> None:
        self.files.to_csv(self.here(self.keep(table)), path)

    @cached_property
    def _zone_functions(self):
        to, of = (
            builtin(name, (UTC, dt.string), UTC)
            for name in ("to_utc_timestamp", "from_utc_timestamp")
        )

        def to_utc(zone, wall):
            """Of an hour that comes twice the second, as DuckDB has it: the offset of three hours
            later.
            """
            wall, later = wall.cast(UTC), ibis.interval(hours=3)
            second = to(wall + later, zone) - later
            return (of(second, zone) == wall).ifelse(second, to(wall, zone))

        return to_utc, lambda zone, at: of(at, zone).cast("timestamp")


def connect(url: str, scratch: tempfile.TemporaryDirectory) -> SparkEngine:
    """Open Spark: a cluster's master (spark://host:7077), or this machine (local[2], local[*]).

    A session that this process has already for that master is used, and left open. Raises
    ParameterError, with what to do, where Java is missing, the master does not answer, or no worker
    is free within PATIENCE seconds.
    """
    session, owner = _session(url, Path(scratch.name) / "spark.log")
    _ = ibis.pyspark  # has its options known
    con = _Backend().connect(session, **SETTINGS)
    con.scratch = Path(scratch.name)
    engine = SparkEngine(con, scratch, owner)
    if url.startswith("spark:"):
        try:
            _check_workers(engine, url)
        except BaseException:
            engine.close()
            raise
    return engine


def _session(url: str, log: Path):
    """The session of this process, and whether it was made here."""
    from pyspark.sql import SparkSession

    if (found := SparkSession.getActiveSession()) is not None:
        if found.sparkContext.master != url:
            raise ParameterError(
                "Spark runs on {master} here; end it to use {url}.",
                "engine",
                master=found.sparkContext.master,
                url=url,
            )
        return found, False
    java = (
        os.path.join(os.environ["JAVA_HOME"], "bin", "java")
        if os.environ.get("JAVA_HOME")
        else "java"
    )
    if not shutil.which(java):
        raise ParameterError(
            "Spark needs Java 17 or newer, and there is none; install it, or set JAVA_HOME.",
            "engine",
        )
    for host, port in re.findall(r"([^/,]+):([0-9]+)", url):
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            break
        except OSError as error:
            reason = error.strerror or error
    else:
        if url.startswith("spark:"):
            raise ParameterError(
                "No Spark master answers at {url} ({reason}); check its address, or start it.",
                "engine",
                url=url,
                reason=reason,
            )
    builder = SparkSession.builder.master(url).appName("rebroadcast").config(map=QUIET)
    try:
        with _told(log):
            return builder.getOrCreate(), True
    except Exception as error:  # whatever Java meets
        lines = [
            line
            for line in log.read_text("utf-8", "replace").splitlines()
            if re.search("Error|Exception", line)
        ]
        told = (lines or [" ".join(str(error).split())])[0].strip()[:300]
        raise ParameterError(
            "Spark does not start on {url}: {reason}. It needs Java 17 or newer, and a master of"
            " Spark 4.",
            "engine",
            url=url,
            reason=told or sentence("no reason is given"),
        ) from None


@contextmanager
def _told(log: Path):
    """Have what Java says at its start, and later, go to a file."""
    kept = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_workers(engine: SparkEngine, url: str) -> None:
    """See that a worker is there, and that it writes where this machine reads."""
    tracker, end = (
        engine.con._session.sparkContext._jsc.sc().statusTracker(),
        time.monotonic() + PATIENCE,
    )
    while len(tracker.getExecutorInfos()) < 2:  # the first is this process
        if time.monotonic() > end:
            raise ParameterError(
                "{url} gives no worker since {seconds} seconds; start one, or wait until one is"
                " free.",
                "engine",
                url=url,
                seconds=PATIENCE,
            )
        time.sleep(0.2)
    if engine.keep(ibis.range(1000).unnest().name("n").as_table()).count().execute() != 1000:
        raise _unshared(engine.scratch)
