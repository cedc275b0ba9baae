"""What makes a number less sure, as a value: readers and verbs return it, whoever shows it says
it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .language import Language, language
from .language import n_ as n_

ENGLISH = language("en")
ALL = 10**12  # the weight of what concerns all rows, and others that nobody has seen


@dataclass(frozen=True)
class Doubt:
    """One reason why a number may be other than it is shown.

    `kind` is a short name of its kind, the same in every language ("rejected", "cut off");
    `template` a sentence with `{name}` places, or two forms of it, for one `{n}` and for others;
    translated like any text; `values` fills them and names files, lines and numbers, never persons;
    `weight` is how many rows or contacts it concerns, so that the loudest comes first.

    >>> forms = n_("{file}: {n} row is hidden.", "{file}: {n} rows are hidden.")
    >>> Doubt("hidden", forms, {"file": "a.xlsx", "n": 1200}, 1200).text()
    'a.xlsx: 1,200 rows are hidden.'
    """

    kind: str
    template: str | tuple[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    weight: int = 0

    def text(self, lang: Language = ENGLISH, shown: Callable[[object], str] | None = None) -> str:
        """Say it in a language; shown writes the values in it."""
        shown = shown or (
            lambda value: lang.number(value) if isinstance(value, (int, float)) else str(value)
        )
        said = {name: shown(value) for name, value in self.values.items()}
        if isinstance(self.template, str):
            return lang.gettext(self.template).format(**said)
        count = self.values["n"]
        return lang.ngettext(*self.template, count, **{k: v for k, v in said.items() if k != "n"})


def concerning(kind: str, template: str | tuple[str, str], n: int, **values: object) -> list[Doubt]:
    """The doubt about n rows or contacts; none where there is none of them.

    >>> concerning("hidden", "{n} rows are hidden.", 0)
    []
    """
    return [Doubt(kind, template, {"n": n} | values, n)] if n else []


def loudest_first(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Each doubt once, those that concern most first.

    >>> [d.kind for d in loudest_first([Doubt("a", ""), Doubt("b", "", {}, 3), Doubt("a", "")])]
    ['b', 'a']
    """
    every = list(doubts)
    each = [doubt for n, doubt in enumerate(every) if doubt not in every[:n]]
    return tuple(sorted(each, key=lambda doubt: -doubt.weight))
