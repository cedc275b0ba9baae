"""The batch file (TOML): what to run, checked as a whole before anything starts."""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .. import __version__
from ..bench import parameters, settings
from ..common import tomlfile
from ..common.exceptions import (
    BatchError,
    ParameterError,
    RebroadcastError,
    Sentence,
    did_you_mean,
    sentence,
)
from ..common.tomlfile import Count
from ..ledger import record
from ..limits.channels import load_channels
from ..report import reports
from ..sources import files, share

Text = Annotated[str, Field(min_length=1)]
PLACE = re.compile(r"\$(\$\{\w+\})|\$\{(\w+)\}")  # ${name} is filled in; $${name} stays ${name}
PLACES = ("file", "folder", "parent", "stem", "channel", "name")  # what foreach fills in


class _Each(BaseModel, extra="forbid", coerce_numbers_to_str=True):
    files: Text | list[Text] = []
    channels: Text | list[Text] | dict[str, Text] = []


class _Entry(BaseModel, extra="forbid", coerce_numbers_to_str=True):
    name: Text
    notebook: Text
    workspace: str = ""
    foreach: _Each = _Each()
    parameters: dict[str, Any] = {}


class _File(BaseModel, extra="forbid", coerce_numbers_to_str=True):
    keep: Count = 14  # runs of each entry
    timeout: Count = 240  # minutes for one entry
    defaults: dict[str, Any] = {}
    entry: Annotated[list[_Entry], Field(min_length=1)]


@dataclass(frozen=True)
class Entry:
    """One report to make: a notebook and its parameters; `problem` says why it cannot be made
    today.
    """

    name: str
    workspace: str
    notebook: Path
    parameters: dict = field(hash=False)
    problem: str = ""

    @property
    def folder(self) -> str:
        """Where its runs are kept, below the batch's folder: plain letters, whatever it is
        called.
        """
        return "/".join(_plain(part) for part in (self.workspace, self.name) if part)

    def mark(self) -> str:
        """The same for the same notebook, parameters, files (by what is in them) and library
        version.
        """
        read = {"notebook": [self.notebook]}
        for name, value in self.parameters.items():
            values = [
                v
                for v in (value if isinstance(value, list) else [value])
                if v and isinstance(v, str)
            ]
            if name in settings.FILES and values:
                read[name] = files.find(values)
            else:  # a file, or the folder of an earlier report
                read[name] = [
                    p for v in values for p in (Path(v), Path(v) / record.NAME) if p.is_file()
                ]
        if "tag" not in parameters.declared(self.notebook):  # a recovery changes the ledger itself
            read["ledger"] = sorted(
                Path(self.parameters.get("ledger") or os.devnull).glob("runs/*.json")
            )
        sums = {
            name: [record.file_entry(p, "")["sha256"] for p in paths]
            for name, paths in read.items()
        }
        text = json.dumps([__version__, self.parameters, sums], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """What a batch file asks for; `keep` runs are kept of each entry, `timeout` is in minutes."""

    entries: list[Entry]
    keep: int
    timeout: int
    language: str


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Plan:
    """Read a batch file; BatchError tells every problem in it, each with the entry and the key.

    >>> load(Path("examples/batch.toml")).entries[0].name  # doctest: +SKIP
    'failures-1001'
    """
    asked = _read(path)
    plan: list[Entry] = []
    problems: list[Sentence] = []
    known: dict[str, parameters.Declared] = {}
    used: set[str] = set()
    language = str(asked.defaults.get("language") or "en")
    for number, row in enumerate(asked.entry, 1):
        try:
            notebook = reports.locate(row.notebook)
            known |= (mine := parameters.declared(notebook))
            defaults = {
                k: v
                for k, v in asked.defaults.items()
                if {n := k.replace("-", "_"), f"{n}_"} & mine.keys()
            }
            used |= defaults.keys()
            for values, problem in _each(row.foreach, environment):
                name, workspace, given = _fill(
                    [row.name, row.workspace, defaults | row.parameters], values
                )
                plan.append(
                    Entry(name, workspace, notebook, given, sentence(problem).said_in(language))
                )
                if given.get("out"):
                    raise ParameterError(
                        "out is '{out}', but a batch names the folders of its entries itself; leave"
                        " it out, and give --out to the batch.",
                        "out",
                        out=given["out"],
                    )
                checked = parameters.check(mine, given)
                try:
                    settings.check(
                        checked if notebook in share.notebooks().values() and not problem else {}
                    )
                except ParameterError:
                    raise
                except RebroadcastError:  # a file that is not there yet: it fails its entry alone
                    continue
        except RebroadcastError as error:
            problems.append(
                sentence(
                    "entry {number} ('{name}'): {problem}",
                    number=number,
                    name=row.name,
                    problem=error,
                )
            )
    problems += [
        sentence(
            "defaults: no entry's notebook has the parameter '{name}'.{hint}",
            name=name,
            hint=did_you_mean(name, known),
        )
        for name in asked.defaults.keys() - used
    ]
    folders: dict[str, Entry] = {}
    for entry in plan:
        if folders.setdefault(entry.folder.lower(), entry) is not entry:
            problems.append(
                sentence(
                    "two entries{where} are called '{name}'; a foreach needs its ${{...}} in the"
                    " name.",
                    where=" " + sentence("of workspace '{name}'", name=entry.workspace)
                    if entry.workspace
                    else "",
                    name=entry.name,
                )
            )
    if problems:
        raise _refusal(path, problems, language)
    return Plan(plan, asked.keep, asked.timeout, language)


def _refusal(path: Path, problems: Iterable[str], language: object) -> BatchError:
    told = (f"{path}: {sentence(problem).said_in(language)}" for problem in dict.fromkeys(problems))
    text = "\n".join(told)
    return BatchError(text)


def _read(path: Path) -> _File:
    defaults = None
    try:
        content = tomlfile.read(path, sentence("batch file"))
        defaults = content.get("defaults")
        return tomlfile.checked(_File, content, {"keep": tomlfile.ABOVE, "timeout": tomlfile.ABOVE})
    except ValueError as error:
        raise _refusal(
            path, error.args, isinstance(defaults, dict) and defaults.get("language")
        ) from None


def _each(each: _Each, environment: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the values for an entry's places, once per file and channel, and what keeps it from
    running.
    """
    patterns, channels = _fill([each.files, each.channels], environment)
    rows: list[dict[str, str]] = [{}]
    try:
        if patterns:
            rows = [
                {
                    "file": str(p),
                    "folder": str(p.parent),
                    "parent": p.absolute().parent.name,
                    "stem": p.name.split(".")[0],
                }
                for p in files.find(patterns)
            ]
        if isinstance(channels, str):
            channels = {c.name: c.id for c in load_channels(Path(channels)).channels}
    except (
        RebroadcastError
    ) as error:  # the others run: an export that is late is no mistake in the batch file
        yield {**environment, **{name: f"${{{name}}}" for name in PLACES}}, error.args[0]
        return
    if channels:
        pairs = channels.items() if isinstance(channels, dict) else [(c, c) for c in channels]
        rows = [row | {"channel": value, "name": name} for row in rows for name, value in pairs]
    for row in rows:
        yield {**environment, **row}, ""


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    """Put values into the places of every text in value, once: what is put in is not looked at
    again.
    """
    if isinstance(value, dict):
        return {k: _fill(v, values) for k, v in value.items()}
    if not isinstance(value, str):
        return [_fill(v, values) for v in value] if isinstance(value, list) else value

    def put(found: re.Match) -> str:
        if (name := found[2]) and name not in values:
            near = did_you_mean(name, [n for n in values if n in PLACES or n not in os.environ])
            raise ParameterError(
                "${{{name}}} is set neither by foreach nor in the environment.{hint}",
                name,
                name=name,
                hint=near
                + " "
                + sentence("Set it, such as {name}=FOLDER before the command.", name=name)
                if name.isupper()
                else near,
            )
        return values[name] if name else found[1]

    return PLACE.sub(put, value)


def _plain(text: str) -> str:
    """A file name for a text: itself where it is plain, else its letters and the start of its
    SHA-256.
    """
    if re.fullmatch(r"[A-Za-z0-9][\w-]{0,60}", text, re.ASCII):
        return text
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    short = "-".join(re.findall(r"[A-Za-z0-9]+", letters))[:40]
    return "-".join(filter(None, (short, hashlib.sha256(text.encode()).hexdigest()[:8])))
