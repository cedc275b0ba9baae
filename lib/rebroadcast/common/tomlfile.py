"""The TOML files that people write: read, and what is wrong in one said in sentences."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .exceptions import did_you_mean, reason, sentence


def read(path: Path, what: str) -> dict:
    """Read a file of the user's; ValueError says in a sentence why it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except OSError as error:
        raise ValueError(
            sentence("the {what} cannot be read ({reason}).", what=what, reason=reason(error))
        ) from None
    except UnicodeDecodeError:
        raise ValueError(
            sentence("the {what} is not UTF-8; save it as UTF-8.", what=what)
        ) from None
    except tomllib.TOMLDecodeError as error:
        escape = re.search("escape|hex value", str(error))
        raise ValueError(
            sentence("this is not TOML: {reason}. {hint}", reason=error, hint=_windows())
            if escape
            else sentence("this is not TOML: {reason}. Values of text need quotes.", reason=error)
        ) from None
    if '"""' not in text and "'''" not in text and (broken := next(_escaped(content), None)):
        raise ValueError(
            sentence(
                "the text {text!r} is not what was meant. {hint}", text=broken, hint=_windows()
            )
        )
    return content


def _windows() -> str:
    return sentence(
        "In double quotes \\ begins a special character: write paths in single quotes or with /."
    )


def _escaped(value: object) -> Iterator[str]:
    r"""The texts that hold a tab or another control character, as a path such as "C:\temp" does
    in double quotes.
    """
    if isinstance(value, str) and re.search("[\0-\x1f]", value):
        yield value
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _escaped(inner)


def faults(
    error: ValidationError, model: type[BaseModel], expected: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a sentence for each fault that pydantic found in a file of a model's form.

    expected says what the keys of a name take where pydantic's words are not enough; "" stands for
    all names of texts.

    >>> class File(BaseModel, extra="forbid"):
    ...     keep: int = 14
    >>> try:
    ...     File.model_validate({"kep": 3})
    ... except ValidationError as error:
    ...     print(*faults(error, File))
    kep is no setting; known here: keep. Did you mean 'keep'?
    """
    told = expected or {}
    for fault in error.errors():
        parts, known = _place(fault["loc"], model)
        key, kind = ".".join(parts).replace(":.", ": "), fault["type"]
        if kind == "extra_forbidden":
            hint = did_you_mean(parts[-1], known)
            facts = {"key": key, "known": ", ".join(known), "hint": hint}
            yield sentence("{key} is no setting; known here: {known}.{hint}", **facts)
        elif kind == "missing":
            yield sentence("{key} is missing.", key=key)
        else:
            name = "" if kind.startswith("string") and parts[-1] not in told else parts[-1]
            value, table = repr(fault["input"])[:60], kind in ("dict_type", "model_type")
            means = sentence("a table") if table else told.get(name) or says(fault["msg"])
            yield sentence(
                "{key} is {value}; expected {expected}.", key=key, value=value, expected=means
            )


def says(message: str) -> str:
    """What pydantic expects, of its message, in the language of errors where that is known."""
    return sentence(message.removeprefix("Input should be "))


def _place(loc: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The keys that lead to a fault, as the file spells them (of lists: which one, from 1), and all
    that could stand in the place of the last.
    """
    spelt: list[str] = []
    known: list[str] = []
    kind: Any = model
    for part in loc:
        if isinstance(part, int):
            spelt[-1] += f" {part + 1}:"
        else:
            spelt.append(part)
        if fields := getattr(kind, "model_fields", None):
            known, kind = list(fields), fields[part].annotation if part in fields else None
        else:
            kind = get_args(kind)[-1]
        if isinstance(kind, UnionType):  # the branches that pydantic tried follow
            kind = next((one for one in get_args(kind) if hasattr(one, "model_fields")), None)
        if not hasattr(kind, "model_fields") and get_origin(kind) not in (dict, list):
            break
    return spelt, known
