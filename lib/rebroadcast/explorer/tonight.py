"""What the explorer saves for tonight's run: parameters for papermill, an entry of a batch file."""

import glob
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..bench import parameters
from ..bench.settings import FILES
from ..bench.tables import Tables
from ..common.folder import make, unused
from ..sources import files
from ..verbs import plan


def job(asked: Tables) -> dict[str, object]:
    """The parameters that make `tag_import` do, from any folder, what some tables were asked for.

    The days of the sample are past, so that sending begins where the view did.
    """
    settings = asked.settings
    found = {k: v for k, v in settings.stated.items() if k != "out" and v is not False}
    for name in (*FILES, "ledger"):
        if given := found.get(name):
            several = given if isinstance(given, (list, tuple)) else [given]
            paths = [_absolute(str(path)) for path in several]
            found[name] = paths if len(paths) > 1 else paths[0]
    if settings.exports == (parameters.SAMPLE["exports"],):
        start = settings.reader.wall_clock(plan.start_of(settings, asked))
        found["start"] = f"{start:%Y-%m-%d %H:%M}"
    return found


def _absolute(path: str) -> str:
    """Where a path leads, seen from the folders that it may be relative to."""
    places = [str(base / path) for base in files.bases(path)]
    there = (place for place in places if os.path.exists(place) or glob.glob(place))
    return os.path.abspath(next(there, path))


def batch_entry(name: str, asked: Mapping[str, object]) -> str:
    """One entry of a batch file (TOML) that runs `tag_import` with these parameters."""
    lines = [
        "[[entry]]",
        f"name = {_value(name)}",
        'notebook = "tag_import"',
        "",
        "[entry.parameters]",
        *(f"{key} = {_value(value)}" for key, value in asked.items()),
        "",
    ]
    return re.sub(r"\$(?=\{\w+\})", "$$", "\n".join(lines))  # a batch would fill in ${...}


def _value(value: object) -> str:
    """A text, number or list as JSON, which is also YAML and TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def save(folder: Path, name: str, asked: Mapping[str, object]) -> list[Path]:
    """Write parameters for `papermill -f` and a batch file of one entry into a folder, beside what
    is there; return both.
    """
    make(folder)
    place = free(folder, name)
    alone = dict(asked) | {"out": str(place.absolute())}  # a batch names its own folder
    texts = {
        ".yaml": "".join(f"{key}: {_value(value)}\n" for key, value in alone.items()),
        ".toml": batch_entry(place.name, asked),
    }
    for end, text in texts.items():
        place.with_name(place.name + end).write_text(text, "utf-8")
    return [place.with_name(place.name + end) for end in texts]


def free(folder: Path, name: str) -> Path:
    """The first of name, name-2, name-3 in a folder that neither results nor a saved run have
    yet.
    """
    ends = ("", ".yaml", ".toml")
    return folder / unused(name, lambda n: any((folder / f"{n}{end}").exists() for end in ends))
