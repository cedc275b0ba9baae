"""Which engine: DuckDB in this process, or a Spark cluster."""

import re
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..common.exceptions import ParameterError, did_you_mean
from ..common.folder import scratch as make_scratch

if TYPE_CHECKING:
    pass
from .engine import MEMORY_LIMIT, Engine, _duckdb


def connect(url: str | None = None, memory_limit: str = MEMORY_LIMIT) -> Engine:
    """Open the engine.

    With no url: DuckDB inside this process, which fetches nothing, keeps to memory_limit and spills
    to a private folder beyond it. With spark://host:7077, local[2] or local[*]: Spark (see
    engine_spark). Raises ParameterError for a url that is no known engine, or an engine that cannot
    be used.

    >>> with connect() as engine:
    ...     engine.con.name
    'duckdb'
    """
    url, spark = (url or "").strip(), None
    if url not in ("", "duckdb"):
        spark = re.fullmatch(r"local(\[(\d+|\*)\])?|spark://[^/,:]+:\d+(,[^/,:]+:\d+)*", url)
        if not spark:
            raise ParameterError(
                "engine is '{url}', expected duckdb, local[2], local[*] or"
                " spark://host:7077.{hint}",
                "engine",
                url=url,
                hint=did_you_mean(url, ["duckdb"]),
            )
        if not find_spec("pyspark"):
            raise ParameterError(
                "Spark is not installed; run: pip install pyspark==4.3.0", "engine"
            )
    scratch = make_scratch()
    if spark:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PySpark's, of pandas 3: it works
            from . import spark as engine_spark

        return engine_spark.connect(url, scratch)
    return _duckdb(scratch, memory_limit)
