"""Which engine: DuckDB in this process, or a Spark cluster."""

import re
import warnings
from importlib.util import find_spec

from ..common.exceptions import ParameterError, did_you_mean
from ..common.folder import scratch
from .engine import MEMORY_LIMIT, Engine, _duckdb


def connect(url: str | None = None, memory_limit: str = MEMORY_LIMIT) -> Engine:
    """Open the engine.

    With no url: DuckDB inside this process, which fetches nothing, keeps to memory_limit and spills
    to a private folder beyond it. With spark://host:7077, local[2] or local[*]: Spark (see
    engine/spark.py). Raises ParameterError for a url that is no known engine, or an engine that
    cannot be used.

    >>> with connect() as engine:
    ...     engine.con.name
    'duckdb'
    """
    url = (url or "").strip()
    if url in ("", "duckdb"):
        return _duckdb(scratch(), memory_limit)
    if not re.fullmatch(r"local(\[(\d+|\*)\])?|spark://[^/,:]+:\d+(,[^/,:]+:\d+)*", url):
        raise ParameterError(
            "engine is '{url}', expected duckdb, local[2], local[*] or spark://host:7077.{hint}",
            "engine",
            url=url,
            hint=did_you_mean(url, ["duckdb"]),
        )
    if not find_spec("pyspark"):
        raise ParameterError("Spark is not installed; run: pip install pyspark==4.3.0", "engine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PySpark's, of pandas 3: it works
        from . import spark

    return spark.connect(url, scratch())
