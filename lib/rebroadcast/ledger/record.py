"""The run record `run.json`: what was asked, what was read, what came out."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from .. import __version__
from .store import digest

SCHEMA = 1
NAME = "run.json"


def now() -> str:
    """The present instant (UTC), to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def file_entry(path: Path, name: str) -> dict:
    """Name, size and SHA-256 of one file."""
    return {"name": name, "bytes": path.stat().st_size, "sha256": digest(path)}


def identity(asked: dict, *parts: object) -> str:
    """One ID for the same parameters, input files and settings (anything that JSON takes), so that
    a rerun is the same run.

    >>> identity({"tag": "t"}, ["ab"]) == identity({"tag": "t"}, ["ab"])
    True
    """
    text = json.dumps([asked, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def outputs(folder: Path) -> list[dict]:
    """The files of a results folder, but for the record itself."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != NAME)
    return [file_entry(p, p.relative_to(folder).as_posix()) for p in files]


def read(folder: Path) -> dict:
    """The record in a results folder; {} where there is none that can be read."""
    try:
        return json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def write(folder: Path, content: dict) -> None:
    """Write the record, versions first."""
    full = {"schema": SCHEMA, "version": __version__, **content}
    (folder / NAME).write_text(
        json.dumps(full, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8"
    )
