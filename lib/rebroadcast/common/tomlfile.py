"""The TOML files that people write: read, and what is wrong in one said in sentences."""

import json
import re
import reprlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError

from .exceptions import Sentence, did_you_mean, quoted, reason, sentence

Form = TypeVar("Form", bound=BaseModel)
MOST = 1_000_000_000  # of anything that is counted in such a file
Whole = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Count = Annotated[Whole, Field(gt=0)]
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 60
ABOVE = sentence("a whole number above 0, up to {most:,}", most=MOST)
EXPECTED = {  # what pydantic calls a fault, and what to say where its own words are not enough
    "string_too_short": sentence("a text that is not empty"),
    "too_short": sentence("a list that is not empty"),
    "greater_than": ABOVE,
    "less_than_equal": ABOVE,
}


def read(path: Path, what: str) -> dict:
    """Read a file of the user's; ValueError says in a sentence why it cannot be read."""
    hint = sentence(
        "In double quotes \\ begins a special character: write a path in single quotes or with /, a"
        " pattern in single quotes."
    )
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError(sentence("it is not a regular file"))
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except OSError as error:
        raise ValueError(
            sentence("the {what} cannot be read ({reason}).", what=what, reason=reason(error))
        ) from None
    except UnicodeDecodeError:
        raise ValueError(
            sentence("the {what} is not UTF-8; save it as UTF-8.", what=what)
        ) from None
    except (ValueError, RecursionError) as error:  # a number may have too many digits
        if not re.search("escape|hex value", str(error)):
            hint = sentence("Values of text need quotes.")
        raise ValueError(
            sentence("this is not TOML: {fault}. {hint}", fault=_parsed(error), hint=hint)
        ) from None
    if '"""' not in text and "'''" not in text and (broken := next(_escaped(content), None)):
        before, written, _ = text.partition(json.dumps(broken, ensure_ascii=False))
        fault = sentence("the text {text!r} is not what was meant. {hint}", text=broken, hint=hint)
        raise ValueError(
            sentence("line {line}: {fault}", line=before.count("\n") + 1, fault=fault)
            if written
            else fault
        )
    return content


def _parsed(error: Exception) -> Sentence:
    """Where a file is no TOML, and how its parser says so."""
    words, place, where = str(error).rstrip(")").partition(" (at ")
    at = re.findall("[0-9]+", where)
    if not place:
        return quoted(words)
    if not at:
        return sentence("at its end, {words}", words=quoted(words))
    return sentence(
        "line {line}, column {column}, {words}", line=at[0], column=at[1], words=quoted(words)
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


def checked(model: type[Form], content: dict, expected: Mapping[str, str] | None = None) -> Form:
    """Return a file's content in a model's form; ValueError has a sentence for each fault.

    expected says what the keys of a name take where pydantic's words are not enough; "" stands for
    all names of texts.

    >>> class File(BaseModel, extra="forbid"):
    ...     keep: int = 14
    >>> checked(File, {"kep": 3})
    Traceback (most recent call last):
    ValueError: kep is no setting; known here: keep. Did you mean 'keep'?
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ValueError(*_faults(error, model, expected or {})) from None


def _faults(
    error: ValidationError, model: type[BaseModel], told: Mapping[str, str]
) -> Iterator[str]:
    for fault in error.errors():
        parts, known = _place(fault["loc"], model)
        key, kind = ".".join(parts).replace(":.", ": ").removesuffix(":"), fault["type"]
        if kind == "extra_forbidden":
            yield sentence(
                "{key} is no setting; known here: {known}.{hint}",
                key=key,
                known=", ".join(known),
                hint=did_you_mean(parts[-1], known),
            )
        elif kind == "missing":
            yield sentence("{key} is missing.", key=key)
        elif kind == "literal_error":
            yield expects(key, fault["input"], re.findall("'(.*?)'", fault["ctx"]["expected"]))
        else:
            name = "" if kind.startswith("string") and parts[-1] not in told else parts[-1]
            table = sentence("a table") if kind in ("dict_type", "model_type") else ""
            yield expects(key, fault["input"], (), table or told.get(name) or says(fault))


def expects(key: str, value: object, choices: Iterable[str], expected: str = "") -> str:
    """Say that a key takes something else than this value: one of the choices, or what is expected.

    >>> expects("verdict", "newer", ["wait", "never"])
    "verdict is 'newer'; expected one of: wait, never. Did you mean 'never'?"
    """
    return sentence(
        "{key} is {value}; expected {expected}.{hint}",
        key=key,
        value=SHORT.repr(value),
        expected=expected or sentence("one of: {choices}", choices=", ".join(choices)),
        hint=did_you_mean(str(value), choices),
    )


def says(fault: Mapping[str, Any]) -> Sentence:
    """What pydantic expects, of one of its faults."""
    words = fault["msg"].removeprefix("Input should be ")
    words = words.partition(",")[0] if words.startswith("a valid ") else words
    return EXPECTED.get(fault["type"]) or quoted(words)


def _place(loc: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The keys that lead to a fault, as the file spells them (of lists: which one, from 1), and all
    that could stand in the place of the last.
    """
    spelt: list[str] = []
    known: list[str] = []
    kind: Any = model
    for part in (part for part in loc if part != "[key]"):
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
