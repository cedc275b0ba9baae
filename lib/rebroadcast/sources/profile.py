"""What an export looks like, as data: one TOML file per vendor, and which of them fits a file.

The files in profiles/ come with the package; a user's own file of the same form goes before them.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from ..common import tomlfile
from ..common.exceptions import InputError, did_you_mean, folded, reason, sentence

PACKAGED = Path(__file__).parent / "profiles"
HOME = "respondio"  # its names fit loosely, and it is what a file is measured by that none knows
SMALL_WORDS = {"de", "del", "la", "el", "los", "y", "and", "of", "the"}
STATES = ("open", "failed", "reached")  # the furthest is last
INDEX = re.compile(r"\[\d+\]")
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"(\s*+:)?|[{}\[\]]')


class Form(BaseModel, extra="forbid", frozen=True):
    """One kind of file of a vendor's.

    `columns`: our name → the file's names for it (of a JSON document: paths from the record, or
    with / from what holds the list of records), in the order in which they are looked at; "A + B"
    is both, joined. What a document has around all that may be of any form.
    `required`: ours that a file must have to be of this form, beside one that says what failed and
    one that says who was reached. `states`: failed, reached, open,
    incoming, none or unknown → our name → the values that say so, whatever their case, accents and
    what stands between words ("*": any, where no value says more).
    """

    name: str
    kind: Literal["failed", "messages", "contacts", "log"] = "messages"
    columns: dict[str, list[str]]
    required: list[str]
    fallback: Annotated[bool, Field(strict=True)] = (
        True  # where a file has several names of one column, the first filled counts
    )
    cells: list[str] = []  # patterns of the cells of a file without header
    rows: str | None = None  # the list of a JSON document that records are; "": each is one by
    # itself; None: and a CSV file has the same columns
    states: dict[Literal["failed", "reached", "open", "incoming", "none", "unknown"], dict] = {}
    recipient: Literal["contact", "phone", "address"] = "contact"
    empty: list[str] = []  # values that say nothing
    zone: str = ""  # of the times that say none; "": as the user says
    provider: str = ""  # whose error codes they are

    def lacks(self, ours: set[str]) -> list[tuple[str, ...]]:
        """What a file that has these columns of ours lacks to be of this form: each time the names
        of columns of which one would do.
        """
        told = [self.states[state] for state in ("failed", "reached") if state in self.states]
        lacking = [(name,) for name in self.required if name not in ours]
        either = ours.union(self.required)  # these are told already
        lacking += [tuple(signs) for signs in told if either.isdisjoint(signs)]
        names = (tuple(n for name in way for n in self.columns[name]) for way in lacking)
        return list(dict.fromkeys(names))

    @cached_property
    def known(self) -> dict[str, str]:
        """Our name of each column that a CSV file may have, by its folded name."""
        return {
            key(part): ours
            for ours, names in reversed(self.columns.items())  # the first of several counts
            for name in names
            for part in name.split(" + ")
        }


class Target(BaseModel, extra="forbid", frozen=True):
    """What a vendor's import of contacts takes: `columns` by the kind of recipient, heading →
    text with {contact}, {phone}, {country}, {national}, {address}, {tag} or {tags}; and its limits.
    """

    columns: dict[Literal["contact", "phone", "address"], dict[str, str]]
    rows: tomlfile.Count = 199_999
    bytes: tomlfile.Count = 19_000_000
    steps: dict[str, list[str]] = {}  # language → what to click, where that is known


class Profile(BaseModel, extra="forbid", frozen=True):
    """One vendor's files: see profiles/ for examples. `grade`: A the vendor's own page or code, B
    two independent sources, C one. `values`: our column → what it may say → what that is called in
    other languages.
    """

    title: str
    source: str
    grade: str
    date: str
    provider: str = ""
    names: dict[str, list[str]] = {}  # columns that several forms share
    values: dict[str, dict[str, list[str]]] = {}
    form: list[Form] = []
    target: Target | None = None
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _shared(cls, told: dict) -> dict:
        """Give the forms that name shared columns their names, and the profile's provider."""
        names, own = told.get("names", {}), {"provider": told.get("provider", "")}
        with suppress(AttributeError, TypeError):  # what is of another kind is told below
            for form in told.get("form", []):
                if isinstance(columns := form.get("columns"), list):
                    form["columns"] = {name: names.get(name, []) for name in columns}
            return told | {"form": [own | form for form in told.get("form", [])]}
        return told


@dataclass(frozen=True)
class Fit:
    """A form that fits a file, by how many of its columns; `inside` is the path of what a document
    has around it.
    """

    profile: Profile
    form: Form
    known: int
    inside: str = ""

    def path(self, path: str) -> str:
        """A column's path from the top of the document; "": that of its records."""
        return full(path, self.form.rows, self.inside)

    def apart(self, other: "Fit") -> bool:
        """Whether another's records lie elsewhere, not around these and not in them."""
        short, long = sorted((self.inside, other.inside), key=len)
        return bool(short) and not re.match(rf"{re.escape(short)}(?![^.\[])", long)

    @property
    def title(self) -> str:
        """What the file is, for people."""
        return f"{self.profile.title}, {self.form.name}"


@lru_cache(10_000)  # the same headers are held against every form
def key(name: str) -> str:
    """Fold a column name: no case, accents, spaces, punctuation or small words.

    >>> key("ID de Contacto")
    'idcontacto'
    """
    words = "".join(c if c.isalnum() else " " for c in folded(name)).split()
    return "".join(w for w in words if w not in SMALL_WORDS)


@cache
def packaged() -> dict[str, Profile]:
    """The profiles that come with the package, by name; respond.io's is the first."""
    files = sorted(PACKAGED.glob("*.toml"), key=lambda path: (path.stem != HOME, path.stem))
    return {path.stem: load(path) for path in files}


def in_english(column: str, said: str) -> str:
    """What respond.io calls a value of a column of ours that is said in another language.

    >>> in_english("sender_type", "Transmisión"), in_english("sender_type", "echo")
    ('broadcast', 'echo')
    """
    words = packaged()[HOME].values.get(column, {})
    return next((ours for ours, own in words.items() if key(said) in map(key, own)), said)


def load(path: Path) -> Profile:
    """Read a profile file. Raises InputError with what is wrong in it and where."""
    try:
        return tomlfile.checked(
            Profile, tomlfile.read(path, sentence("profile")) | {"name": path.stem}
        )
    except ValueError as error:
        raise InputError(
            "The profile {path} cannot be used: {why} `rebroadcast profiles FILE` writes one to"
            " complete.",
            path,
            path=path,
            why=reason(error),
        ) from None


def asked(name: str) -> list[Profile]:
    """The profiles that may fit, in their order: all; that of a name; or that of the user's own
    file, and then all. Raises InputError for a name that is none.
    """
    if not name:
        return list(packaged().values())
    if name.endswith(".toml"):
        return [load(Path(name)), *packaged().values()]
    if name not in packaged():
        raise InputError(
            "There is no profile '{name}'.{hint} Known: {known}.",
            name=name,
            hint=did_you_mean(name, packaged()),
            known=", ".join(packaged()),
        )
    return [packaged()[name]]


def places(form: Form, header: Iterable[str]) -> list[str | None]:
    """Our name for each column of a CSV file's header, None for one that the form does not know."""
    return [form.known.get(key(cell)) for cell in header]


def fits(profiles: Iterable[Profile], header: Iterable[str]) -> list[Fit]:
    """The forms of CSV files that have all that they require in a header."""
    found, header = [], list(header)
    there = set(map(key, header))
    for profile in profiles:
        for form in profile.form:
            ours = {
                name
                for name, names in form.columns.items()
                if any(there.issuperset(map(key, alias.split(" + "))) for alias in names)
            }
            if form.rows is None and not form.cells and not form.lacks(ours):
                found.append(Fit(profile, form, sum(map(bool, places(form, header)))))
    return found


def fits_cells(profiles: Iterable[Profile], rows: list[list[str]]) -> list[Fit]:
    """The forms without header whose patterns the cells of most of these first rows have."""
    return [
        Fit(profile, form, len(form.cells))
        for profile in profiles
        for form in profile.form
        if form.cells
        and 2
        * sum(
            len(row) == len(form.cells) and all(map(re.fullmatch, form.cells, row)) for row in rows
        )
        > len(rows)
    ]


def fits_paths(profiles: Iterable[Profile], known: set[str]) -> list[Fit]:
    """The forms that have all that they require among the paths of a JSON document, at whatever
    place of it; the outermost first.
    """
    found = []
    for profile in profiles:
        for form in (form for form in profile.form if not form.cells):
            first = [f".{_key(full(p, form.rows))}" for p in form.columns[form.required[0]]]
            ends = [(f".{key}", end) for key in known for end in first]
            for inside in {k.removesuffix(end)[1:] for k, end in ends if k.endswith(end)}:
                ours = {
                    name
                    for name, names in form.columns.items()
                    if any(_key(full(p, form.rows, inside)) in known for p in names)
                }
                if not form.lacks(ours):
                    found.append(Fit(profile, form, len(ours), inside))
    return sorted(found, key=lambda fit: (len(fit.inside), fit.inside))


def _key(path: str) -> str:
    """A path as `paths` gives that of its key."""
    return INDEX.sub("[]", path).removesuffix("[]")


def full(path: str, rows: str | None, inside: str = "") -> str:
    """A column's path from the top of a document, whose records lie in the list rows.

    >>> full("errors[0].code", "statuses[]"), full("/field", "statuses[]", "body")
    ('statuses[].errors[0].code', 'body.field')
    """
    parts = [inside, path[1:]] if path.startswith("/") else [inside, rows, path]
    return ".".join(filter(None, parts))


def within(fit: Fit) -> list[str]:
    """All paths of a form that a record can have: through no other lists than it lies in."""
    own = [fit.path(path) for names in fit.form.columns.values() for path in names]
    start = fit.path("")
    lists = {path: path.removesuffix("[]").rpartition("[]") for path in own}
    return [p for p, (above, sign, _) in lists.items() if start.startswith(above + sign)]


def nearest(
    profiles: list[Profile], names: Iterable[str]
) -> tuple[Fit, list[tuple[str, ...]]] | None:
    """The form that knows most of a file's columns (or paths), and what the file lacks to be of it
    (see `Form.lacks`); None where no form of several profiles knows any. The first profile is all
    that counts where a user has named it.
    """

    def last(name: str) -> str:
        return key(INDEX.sub("", name.replace("[]", "")).split(".")[-1])

    there, near = set(map(last, names)), []
    some = profiles if profiles[0].name == HOME else profiles[:1]
    for profile in some:
        for form in (form for form in profile.form if not form.cells):
            ours = {n for n, own in form.columns.items() if there & set(map(last, own))}
            lacking = [
                tuple(full(name, form.rows) for name in several) for several in form.lacks(ours)
            ]
            near.append((Fit(profile, form, len(ours)), lacking))
    best = max(near, key=lambda one: (one[0].known, -len(one[1])), default=None)
    return best if best and (best[0].known or len(some) == 1) else None


def paths(text: str) -> set[str]:
    """The paths of all keys in the beginning of a JSON document, or in one line.

    >>> sorted(paths('[{"a": [{"b": 1}], "c": {"d'))
    ['a', 'a[].b', 'c']
    """
    known, base, last, above = set(), "", "", []
    for token in TOKEN.finditer(text):
        sign = token[0]
        if token[2]:
            last = f"{base}.{token[1]}".lstrip(".")
            known.add(last)
        elif sign == "{":
            above.append((base, last))
            base = last
        elif sign == "[":
            above.append((base, last))
            last += "[]" if last else ""
        elif sign in ("}", "]") and above:
            base, last = above.pop()
    return known


def target(name: str, vendor: Profile | None) -> Target:
    """What the import takes of a name (or of a user's own profile file), else of the vendor of an
    export (None: respond.io), else a plain list. InputError for a name that has none.
    """
    own = vendor or packaged()[HOME]
    found = asked(name)[0] if name else own if own.target else packaged()["numbers"]
    if found.target is None:
        raise InputError(
            "It is not known what an import of {title} takes; known: {known}.",
            title=found.title,
            known=", ".join(known for known, one in packaged().items() if one.target),
        )
    return found.target


def steps(target: Target, language: str = "en") -> list[str]:
    """What to click for an import, in a language (else in English); empty where that is not known.

    >>> steps(packaged()["respondio"].target)[0]
    'Open Contacts, the arrow beside Add Contact, then Import; or Settings > Data Import.'
    """
    return target.steps.get(language) or target.steps.get("en", [])


def uses(profile: Profile) -> list[str]:
    """What a profile is good for: the forms that it reads, and whether it writes imports."""
    return [form.name for form in profile.form] + ["import"] * bool(profile.target)
