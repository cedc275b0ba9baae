"""CSV files parsed once, for all runs that share a folder named by REBROADCAST_CACHE; without it
nothing is shared.

An entry's name is a hash of the file's SHA-256 and of all that its parsing depends on, so that it
is never that of another content. An entry is written beside and renamed, and a run reads its own
link or copy: the folder may be deleted at any moment.
"""

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import ibis
import pandas as pd

from .. import __version__
from ..engine.engine import Engine
from ..sources.files import Source
from .scan import REFUSED

FOLDER = "REBROADCAST_CACHE"
MOST, OLDEST = (
    20 * 2**30,
    7 * 86_400,
)  # bytes of all entries, and seconds since an entry was last used


def _entry(source: Source, doubted: bool) -> Path | None:
    if not (folder := os.environ.get(FOLDER)):
        return None
    told = (
        __version__,
        REFUSED,
        source.sha256,
        source.name,
        source.delimiter,
        source.skip,
        source.header,
        source.columns,
        doubted,
    )
    return Path(folder).absolute() / hashlib.sha256(repr(told).encode()).hexdigest()


def load(
    engine: Engine, source: Source, doubted: bool
) -> tuple["ibis.Table", "pd.DataFrame"] | None:
    """What `salvage.read` gave for the same file, if it is in the cache."""
    if not (entry := _entry(source, doubted)) or not entry.is_dir():
        return None
    rows = engine.new_file(".parquet")
    try:
        refused = pd.read_parquet(entry / "refused.parquet")
        try:
            os.link(entry / "rows.parquet", rows)
        except OSError:
            shutil.copyfile(entry / "rows.parquet", rows)
        os.utime(entry)
        return engine.con.read_parquet(rows, file_row_number=True), refused
    except (OSError, ValueError):  # deleted meanwhile, or damaged: the export is still there
        return None


def store(source: Source, rows: "ibis.Table", refused: "pd.DataFrame", doubted: bool) -> None:
    """Put what `salvage.read` gave into the cache, when the file is known not to have changed
    meanwhile.
    """
    if not (entry := _entry(source, doubted)) or entry.exists():
        return
    with suppress(OSError, ValueError):  # a cache that cannot be written is none
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".partial-", dir=entry.parent
        ) as partial:  # mode 0700
            rows.drop("file_row_number").to_parquet(Path(partial) / "rows.parquet")
            refused.to_parquet(Path(partial) / "refused.parquet")
            for path in Path(partial).iterdir():
                path.chmod(0o600)
            os.rename(partial, entry)
            Path(partial).mkdir()  # for its removal
        _prune(entry.parent)


def _prune(folder: Path) -> None:
    """Delete entries that have long not been used, and the oldest where all are too large
    together.
    """
    total = 0
    for entry in sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime):
        total += sum(path.stat().st_size for path in entry.iterdir())
        if total > MOST or time.time() - entry.stat().st_mtime > OLDEST:
            shutil.rmtree(entry, ignore_errors=True)
