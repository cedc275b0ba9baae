"""What the explorer saves for tonight's run: parameters for papermill, an entry of a batch file."""

import glob
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..bench import parameters, workbench
from ..common.folder import make

if TYPE_CHECKING:
    pass


def job(asked: workbench.Workbench) -> dict[str, object]:
    """The parameters that make `tag_import` do, from any folder, what a workbench was asked for."""
    found = {k: v for k, v in asked.stated.items() if k != "out" and v is not False}
    for name in (*workbench.FILES, "ledger"):
        if name in found:
            places = [(path, os.path.join("..", path)) for path in asked.paths(name)]
            paths = [
                os.path.abspath(
                    next((p for p in pair if os.path.exists(p) or glob.glob(p)), pair[0])
                )
                for pair in places
            ]
            found[name] = paths if len(paths) > 1 else paths[0]
    if (
        asked.given["exports"] == parameters.SAMPLE["exports"]
    ):  # its days are past: begin where the view did
        found["start"] = f"{asked.wall_clock(asked.start):%Y-%m-%d %H:%M}"
    return found


def batch_entry(name: str, asked: Mapping[str, object]) -> str:
    """One entry of a batch file (TOML) that runs `tag_import` with these parameters."""
    lines = [
        "[[entry]]",
        f"name = {_value(name)}",
        'notebook = "tag_import"',
        "",
        "[entry.parameters]",
    ]
    lines += [f"{key} = {_value(value)}" for key, value in asked.items()]
    return re.sub(r"\$(?=\{\w+\})", "$$", "\n".join([*lines, ""]))  # a batch would fill in ${...}


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
    names = (name, *(f"{name}-{number}" for number in range(2, 10_000)))
    return next(
        folder / n
        for n in names
        if not any((folder / f"{n}{end}").exists() for end in ("", ".yaml", ".toml"))
    )
