"""What can go wrong, as one family: every message says what was found, what was expected and how to
go on.
"""

import difflib
import gettext
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

LANGUAGES = ("en", "es")
OTHERS = {"castellano": "es", "castilian": "es"}  # of ISO 639; Unicode's names have it not
LOCALE = Path(__file__).parent / "locale"

# Control characters, escapes, marks that turn the direction of reading, characters without width,
# half characters.
UNSEEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
LONGEST = 2_000  # characters of a message


def visible(text: object) -> str:
    r"""Return text with characters that act instead of being seen written out; tabs and line breaks
    stay.

    >>> visible("a\x1b[31m red\u202e")
    'a\\u001b[31m red\\u202e'

    """
    return UNSEEN.sub(
        lambda c: re.sub("(....)", r"\\u\1", c[0].encode("utf-16-be", "surrogatepass").hex()),
        str(text),
    )


def folded(text: str) -> str:
    """A text, or a name as names are compared: without case, accents and more than one space.

    >>> folded("Español"), folded(" WhatsApp  México ")
    ('espanol', 'whatsapp mexico')
    """
    parts = unicodedata.normalize("NFKD", " ".join(text.split()))
    return "".join(c for c in parts if not unicodedata.combining(c)).casefold()


@cache
def language_names() -> dict[str, str]:
    """The names of our languages in each of them, and their codes."""
    from babel import Locale

    return {
        Locale(speaker).languages[code]: code for speaker in LANGUAGES for code in LANGUAGES
    } | OTHERS


@cache
def language_code(word: str) -> str | None:
    """The code of one of our languages, by its code, a locale or its name; None for any other word.

    >>> [language_code(word) for word in ("es_MX.UTF-8", "Español (México)", "Spanish", "fr")]
    ['es', 'es', 'es', None]
    """
    if word in LANGUAGES:
        return word
    first = re.split(r"[\W_]", f"{folded(word.strip())} ")[0]
    names = {folded(name): code for name, code in language_names().items()}
    return names.get(first, first if first in LANGUAGES else None)


@cache
def catalogue(code: str) -> gettext.NullTranslations:
    """The texts of a language; the English ones are in the code."""
    return gettext.translation("rebroadcast", LOCALE, [code], fallback=code == "en")


class Sentence(str):
    """A text for people with its template and values: as it stands in English, and `said_in` any
    language whole, with the sentences and errors among its values, and after a plus.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object] = MappingProxyType({})):
        text = super().__new__(cls, template.format(**values) if values else template)
        text.template, text.values = template, values
        return text

    def said_in(self, code: object) -> str:
        """Say it in a language, by its code or name; in English where it is none that is known."""
        known = catalogue((code and language_code(str(code))) or "en")
        values = {
            name: value.said_in(code) if hasattr(value, "said_in") else value
            for name, value in self.values.items()
        }
        text = self.template and known.gettext(self.template)
        return text.format(**values) if values else text

    def __add__(self, after: str) -> "Sentence":
        return Sentence("{before}{after}", {"before": self, "after": after})

    def __radd__(self, before: str) -> "Sentence":
        return Sentence("{before}{after}", {"before": before, "after": self})


def sentence(text: str, /, **values: object) -> Sentence:
    """Return a text with `{name}` filled from values; without values, braces stay.

    >>> sentence("No such file: {pattern}.{hint}", pattern="a.csv", hint="").said_in("es")
    'No existe el archivo: a.csv.'
    """
    return text if isinstance(text, Sentence) and not values else Sentence(text, values)


def quoted(words: str) -> Sentence:
    """What others say, in their own words: translated where a catalogue has them, else a quotation.

    >>> quoted("no such pattern").said_in("es"), quoted("Permission denied").said_in("es")
    ('“no such pattern”', 'permiso denegado')
    """
    known = any(catalogue(code).gettext(words) != words for code in LANGUAGES)
    return sentence(words) if known else sentence("“{words}”", words=words)


def reason(error: Exception) -> Sentence:
    """Why something was refused: what the system says, or the sentence that an error carries."""
    carried = (told for told in error.args if isinstance(told, Sentence))
    return next(carried, None) or quoted(getattr(error, "strerror", None) or str(error))


class RebroadcastError(Exception):
    """Base of every error that rebroadcast raises on purpose: a sentence for the user, as a
    template with its values, which is translated where it is shown. `about` names the file or the
    parameter that is meant.

    >>> print(InputError("{path} is {what}.", path="a", what=sentence("a folder")).said_in("es"))
    a is una carpeta.
    """

    exit_status = 2
    language: object = None  # that of `str`, which a face gives it; English until then

    def __init__(self, message: str, about: object = None, /, **values: object):
        super().__init__(sentence(message, **values))
        self.about = about

    def said_in(self, code: object) -> str:
        """Say it in a language, by its code or name; in English where it is none that is known."""
        text = visible(" ".join(self.args[0].said_in(code).split()))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

    def __str__(self) -> str:
        return self.said_in(self.language)

    def _render_traceback_(self) -> list[str]:
        """Have a notebook show the sentence alone, in the language that its parameters name: the
        traceback tells a user nothing. What runs the notebook is told `str` of it, after this.
        """
        from IPython import get_ipython

        self.language = self.language or getattr(get_ipython(), "user_ns", {}).get("language")
        return [f"{type(self).__name__}: {self}"]


@contextmanager
def speaking(language: object) -> Iterator[None]:
    """Have the errors that pass a face speak its language, where they have none yet."""
    try:
        yield
    except RebroadcastError as error:
        error.language = error.language or language
        raise


class InputError(RebroadcastError):
    """A file that the user named cannot be used."""


class ColumnError(InputError):
    """A file lacks a column that is needed, or has two that both fit."""


class DateError(InputError):
    """Dates that cannot be read, or that could be read two ways."""


class ParameterError(RebroadcastError):
    """A parameter is unknown, of the wrong type, or has a value that cannot be."""


class RulesError(RebroadcastError):
    """A rules file holds a rule that cannot be used."""


class ChannelsError(RebroadcastError):
    """A channels file cannot be used."""


class QuotaError(RebroadcastError):
    """Limits, counts or times that contradict each other."""


class OutputError(RebroadcastError):
    """The results cannot be written where they were asked for."""


class LedgerError(RebroadcastError):
    """The ledger cannot be read, written or trusted."""


class BatchError(RebroadcastError):
    """A batch file cannot be used; one line per problem."""


class RunError(RebroadcastError):
    """A run failed on its way, in a cell; `died` tells that its process did. The run record says so
    too.
    """

    exit_status = 1

    def __init__(
        self, message: str, cell: int | None = None, died: bool = False, /, **values: object
    ):
        super().__init__(message, **values)
        self.cell, self.died = cell, died


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest of choices, or "" where none is near.

    >>> did_you_mean("languag", ["language", "channel"])
    " Did you mean 'language'?"
    """
    names = {c.lower(): c for c in choices}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return " " + sentence("Did you mean '{name}'?", name=names[near[0]]) if near else ""
