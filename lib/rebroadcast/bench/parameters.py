"""Parameters: what a notebook declares, what the user gave, and whether the two agree."""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from ..common.exceptions import ParameterError, did_you_mean, reason, sentence, speak

AFTER = "data/samples/after_resend"
SAMPLE = {
    "exports": "data/samples/failed_messages.csv",
    "channels": "data/samples/channels.toml",
    "messages": "data/samples/messages.csv",
    "contacts": "data/samples/contacts.csv",
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


@dataclass(frozen=True)
class Declared:
    """One parameter of a notebook: its name, its annotation as written, and its default."""

    name: str
    annotation: str
    default: object


def declared(notebook: Path) -> dict[str, Declared]:
    """Read the cell tagged `parameters` of a notebook, without running it.

    Raises RebroadcastError where there is no such cell or it is not plain assignments.

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
    except (ValueError, KeyError, TypeError, StopIteration):
        raise ParameterError(
            "{notebook} is no notebook with a cell tagged 'parameters'.", notebook=notebook
        ) from None
    found = {}
    for node in ast.parse("".join(code)).body:
        target = (
            node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        )
        if isinstance(target, ast.Name):
            default = ast.literal_eval(node.value)
            kind = type(default).__name__
            written = (
                ast.unparse(node.annotation)
                if isinstance(node, ast.AnnAssign)
                else f"{kind} | list[{kind}]"
            )
            found[target.id] = Declared(target.id, written, default)
    return found


def check(parameters: Mapping[str, Declared], given: Mapping[str, object]) -> dict[str, object]:
    """Return the given values as the types that the notebook declares.

    `date-format`, `date_format` and `from` find `date_format` and `from_`; a parameter without
    annotation takes what its default is, or a list of such. Raises ParameterError for an unknown
    name ("did you mean") and a value of another type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    checked = {}
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
            known = {k: __builtins__[k] for k in ("str", "int", "float", "bool", "list", "dict")}
            adapter = TypeAdapter(
                eval(kind, {"__builtins__": known}), config=ConfigDict(coerce_numbers_to_str=True)
            )
            checked[name] = adapter.validate_python(value)
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Input should be ")
            raise ParameterError(
                "Parameter '{name}' is {value!r}; expected {kind} ({why}).",
                given_name,
                name=given_name,
                value=value,
                kind=kind,
                why=sentence(why),
            ) from None
    return checked


def pairs(text: str, name: str = "attempted") -> dict[str, int]:
    """Read counts such as "1001=1500, 1002=700".

    >>> pairs("1001=1500")
    {'1001': 1500}
    """
    found = {}
    for part in filter(None, (p.strip() for p in text.replace(";", ",").split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip() or not re.fullmatch("[0-9]{1,12}", value.strip()):
            raise ParameterError(
                "{name} holds '{part}'; expected CHANNEL_ID=COUNT, such as 1001=1500.",
                name,
                name=name,
                part=part,
            )
        found[key.strip()] = int(value)
    return found


def moment(value: str, name: str, end: bool = False) -> datetime | None:
    """Read a day or a minute of the wall clock; with end, a day means its last instant.

    >>> moment("2022-01-11", "to", end=True)
    datetime.datetime(2022, 1, 12, 0, 0)
    """
    if not (text := str(value).strip()):
        return None
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text) + timedelta(days=end), time())
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except (ValueError, OverflowError):
        label = name.strip("_")
        raise ParameterError(
            "{name} is '{text}'; expected a date such as 2022-01-11 or 2022-01-11 15:00.",
            label,
            name=label,
            text=text,
        ) from None


def period(start: str, end: str) -> tuple[datetime | None, datetime | None]:
    """Read the dates asked for, the end not included.

    Raises ParameterError where the first lies after the last.
    """
    first, last = moment(start, "from_"), moment(end, "to", end=True)
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
    is refused here: it is a typing error that would be silently ignored.
    """
    speak(namespace.get("language"))
    plain = (str, int, float, bool, list, dict, type(None))
    for name, value in namespace.items():
        if (
            not name.startswith("_")
            and name not in names
            and isinstance(value, plain)
            and name not in ("In", "Out")
        ):
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
