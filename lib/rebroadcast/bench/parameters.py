"""Parameters: what a notebook declares, what the user gave, and whether the two agree."""

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Optional, Union
from zoneinfo import ZoneInfo

from ..common.exceptions import ParameterError, did_you_mean, reason
from ..sources import share

YEARS = range(1970, 2101)  # of the dates that are asked for
AFTER = "data/samples/after_resend"
SAMPLE = {
    "exports": share.SAMPLE["failed"],
    **{name: share.SAMPLE[name] for name in ("channels", "messages", "contacts")},
}
SAMPLE_AFTER = SAMPLE | {
    "exports": f"{AFTER}/failed_messages.csv",
    "messages": f"{AFTER}/messages.csv",
}
SAMPLE_RECOVERY = SAMPLE | {
    "channel": "1001",
    "tag": "failed broadcast 110122",
    "start": "2022-01-31 09:00",
}


TYPES = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "List": list,
    "Dict": dict,
    "Any": Any,
    "Optional": Optional,
    "Union": Union,
}


@dataclass(frozen=True)
class Declared:
    """One parameter of a notebook: its name, its annotation as written, the type that it names, and
    its default.
    """

    name: str
    annotation: str
    type: Any
    default: object


def declared(notebook: Path) -> dict[str, Declared]:
    """Read the cell tagged `parameters` of a notebook. Nothing in it is evaluated.

    papermill's own inspection leaves out, without a word, what it cannot read: `int | None`, a text
    with `=` or `#`. Raises ParameterError where there is no such cell, or a parameter of it is no
    plain value or has no plain type.

    >>> declared(Path("notebooks/failure_report.ipynb"))["language"].default
    'en'
    """
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        code = next(
            c["source"] for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])
        )
    except OSError as error:
        raise ParameterError(
            "The notebook {notebook} cannot be read: {reason}.",
            notebook=notebook,
            reason=reason(error),
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise ParameterError(
            "{notebook} is no notebook with a cell tagged 'parameters'.", notebook=notebook
        ) from None
    try:
        statements = ast.parse("".join(code)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ParameterError(
            "The cell tagged 'parameters' of {notebook} is not plain Python; move all that is no"
            " parameter, such as a magic, to a cell of its own.",
            notebook=notebook,
        ) from None
    read = (_declared(node, notebook) for node in statements)
    return {parameter.name: parameter for parameter in read if parameter}


def _declared(node: ast.stmt, notebook: Path) -> Declared | None:
    """The parameter that a statement declares, or None where it declares none."""
    target = _target(node)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(target, ast.Name):
        return None
    try:
        default = ast.literal_eval(node.value or ast.Name(""))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ParameterError(
            "The parameter '{name}' of {notebook} has no plain value; expected one such as \"\", 0,"
            " False or [].",
            target.id,
            name=target.id,
            notebook=notebook,
        ) from None
    if isinstance(node, ast.Assign):
        one: Any = type(default)
        written = f"{one.__name__} | list[{one.__name__}]"
        return Declared(target.id, written, Any if default is None else one | list[one], default)
    written = ast.unparse(node.annotation)
    try:
        return Declared(target.id, written, _type(node.annotation), default)
    except (TypeError, ValueError, RecursionError):
        raise ParameterError(
            "The parameter '{name}' of {notebook} has the type {kind}; expected one of: {known}.",
            target.id,
            name=target.id,
            notebook=notebook,
            kind=" ".join(written.split())[:60],
            known=", ".join(TYPES),
        ) from None


def _target(node: ast.stmt) -> ast.expr | None:
    """What a statement gives a value to, or None."""
    return node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]


def _type(node: ast.expr) -> Any:
    """The type that an annotation names, looked up, not evaluated; ValueError for any other."""
    match node:
        case ast.Name(id=name) if name in TYPES:
            return TYPES[name]
        case ast.Constant(value=None):
            return type(None)
        case ast.Constant(value=str(text)) if "'" not in text and '"' not in text:
            return _type(ast.parse(text, mode="eval").body)
        case ast.Tuple(elts=parts):
            return tuple(_type(part) for part in parts)
        case ast.Subscript(value=whole, slice=part):
            return _type(whole)[_type(part)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type(left) | _type(right)
    raise ValueError(ast.dump(node)[:60])


def check(parameters: Mapping[str, Declared], given: Mapping[str, object]) -> dict[str, object]:
    """Return the given values as the types that the notebook declares.

    `date-format`, `date_format` and `from` find `date_format` and `from_`; a parameter without
    annotation takes what its default is, or a list of such. Raises ParameterError for an unknown
    name ("did you mean") and a value of another type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    from ..common.tomlfile import says

    checked, lax = {}, ConfigDict(coerce_numbers_to_str=True)
    for given_name, value in given.items():
        name = given_name.replace("-", "_")
        name = f"{name}_" if f"{name}_" in parameters else name
        if name not in parameters:
            raise ParameterError(
                "Unknown parameter '{name}'.{hint} Known: {known}.",
                given_name,
                name=given_name,
                hint=did_you_mean(name, parameters),
                known=", ".join(parameters),
            )
        if re.search("[\ud800-\udfff]", str(value)):
            raise ParameterError(
                "Parameter '{name}' is {value!r}, which is not text (UTF-8); rename the file.",
                given_name,
                name=given_name,
                value=value,
            )
        kind = parameters[name].annotation
        if kind.startswith(("dict", "list")) and isinstance(value, str):
            value = pairs(value, name) if kind == "dict" else [value]
        try:
            checked[name] = TypeAdapter(parameters[name].type, config=lax).validate_python(value)
        except ValidationError as error:
            raise ParameterError(
                "Parameter '{name}' is {value!r}; expected {kind} ({why}).",
                given_name,
                name=given_name,
                value=value,
                kind=kind,
                why=says(dict(error.errors()[0])),
            ) from None
    return {name: checked[name] for name in parameters if name in checked}


def pairs(text: str, name: str = "attempted", meant: Callable[[str], str] = str) -> dict[str, int]:
    """Read counts such as "1001=1500, 1002=700"; meant says what a key stands for, which may have
    one count only.

    >>> pairs("1001=1500")
    {'1001': 1500}
    """
    found: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.replace(";", ",").split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not re.fullmatch("[0-9]{1,12}", value.strip()):
            raise ParameterError(
                "{name} holds '{part}'; expected CHANNEL_ID=COUNT, such as 1001=1500.",
                name,
                name=name,
                part=part,
            )
        if (of := meant(key.strip())) in found:
            raise ParameterError(
                "{name} gives '{key}' twice, {first} and {second}; give one count for each.",
                name,
                name=name,
                key=of,
                first=found[of],
                second=int(value),
            )
        found[of] = int(value)
    return found


def moment(value: str, name: str, zone: str = "UTC", end: bool = False) -> datetime | None:
    """Read a day or a minute of a zone's wall clock, or an instant with an offset; with end, a day
    means its last instant.

    >>> moment("2022-01-11T15:00Z", "start", "America/Mexico_City").isoformat()
    '2022-01-11T09:00:00-06:00'
    """
    if not (text := str(value).strip()):
        return None
    label, clock = name.strip("_"), ZoneInfo(zone)
    try:
        at = _read(text, end)
        at = at.replace(tzinfo=clock) if at.tzinfo is None else at.astimezone(clock)
    except (ValueError, OverflowError):
        raise ParameterError(
            "{name} is '{text}'; expected a date such as 2022-01-11 or 2022-01-11 15:00.",
            label,
            name=label,
            text=text,
        ) from None
    if at.year not in YEARS:
        raise ParameterError(
            "{name} is '{text}'; expected a year from {first} to {last}.",
            label,
            name=label,
            text=text,
            first=YEARS[0],
            last=YEARS[-1],
        )
    return at


def instant(value: str, name: str, zone: str) -> datetime | None:
    """Read when something begins or ends, as UTC. Raises ParameterError also for a minute that the
    zone's clocks skip, or that comes twice there and has no offset.
    """
    at, text = moment(value, name, zone), str(value).strip()
    if at is None:
        return None
    ahead = [at.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    if ahead[0] == ahead[1] or at.time() == time() or datetime.fromisoformat(text).tzinfo:
        return at.astimezone(UTC)
    if ahead[0] < ahead[1]:
        raise ParameterError(
            "{name} is '{text}', which is no time in {zone}: the clocks were put forward then. Give"
            " an earlier or a later one.",
            name,
            name=name,
            text=text,
            zone=zone,
        )
    raise ParameterError(
        "{name} is '{text}', which comes twice in {zone}: the clocks were put back then. Give the"
        " offset with it, such as {example}.",
        name,
        name=name,
        text=text,
        zone=zone,
        example=at.isoformat(" ", "minutes"),
    )


def _read(text: str, end: bool) -> datetime:
    """A day's first instant, or with end that of the next; else a minute, perhaps with offset."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=end), time())
    except ValueError:
        return datetime.fromisoformat(text)


def period(start: str, end: str, zone: str) -> tuple[datetime | None, datetime | None]:
    """Read the dates asked for, as a zone's wall clock, the end not included.

    Raises ParameterError where the first lies after the last.
    """
    ends = (moment(start, "from_", zone), moment(end, "to", zone, end=True))
    first, last = (at and at.replace(tzinfo=None) for at in ends)
    if first and last and first >= last:
        raise ParameterError(
            "from ({start}) lies after to ({end}); expected from before to.",
            "from",
            start=start,
            end=end,
        )
    return first, last


def from_namespace(namespace: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    """Take the parameters called names from a notebook's variables.

    Plain papermill only warns of an unknown name, so a variable that nearly has a parameter's name
    is refused here, where it was set together with the parameters: it is a typing error that would
    be silently ignored.
    """
    for name in _set_before(namespace):
        if name.startswith("_") or name in names:
            continue
        near = did_you_mean(name, names)
        if near and abs(len(name) - len(near.split("'")[1])) <= 2:
            raise ParameterError(
                "Unknown parameter '{name}'.{hint} Known: {known}.",
                name,
                name=name,
                hint=near,
                known=", ".join(names),
            )
    return {name: namespace[name] for name in names if name in namespace}


def with_sample(given: Mapping[str, object], notebook: str = "") -> Mapping[str, object]:
    """The parameters with the made-up sample's files where the exports or contacts are "sample":
    the word is replaced, and what is not named is that of the sample too.

    >>> with_sample({"exports": ["sample"], "messages": "mine.csv"})["messages"]
    'mine.csv'
    """
    words = [given.get(name) for name in ("exports", "contacts")]
    if not any(share.asked(word[0] if isinstance(word, list) and word else word) for word in words):
        return given
    sample = SAMPLE_AFTER if notebook == "recovery_check" else SAMPLE
    return {
        **given,
        **{k: v for k, v in sample.items() if given.get(k) in ("", "sample", ["sample"], [], None)},
    }


def _set_before(namespace: Mapping[str, object]) -> list[str]:
    """The variables set in the cells just before this one that hold plain values and nothing else:
    the parameters cell, and the one that papermill adds. Whatever else a notebook has in its
    memory, from further cells or an earlier run of all of them, is its own.
    """
    cells = namespace.get("In")
    if not isinstance(cells, list):  # no notebook
        return list(namespace)
    names: list[str] = []
    for cell in reversed(cells[:-1]):
        try:
            statements = ast.parse(cell).body
            for node in statements:
                ast.literal_eval(getattr(node, "value", None) or "")
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            break
        targets = [_target(node) for node in statements]
        if not targets:
            break
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names
