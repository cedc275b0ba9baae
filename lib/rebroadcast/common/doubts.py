"""What makes a number less sure, as a value: readers and verbs return it, whoever shows it says
it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

ALL = 10**12  # the weight of what concerns all rows, and others that nobody has seen


@dataclass(frozen=True)
class Doubt:
    """One reason why a number may be other than it is shown.

    `kind` is a short name of its kind, the same in every language ("rejected", "cut off");
    `template` a sentence with `{name}` places, translated like any text; `values` fills them and
    names files, lines and numbers, never persons; `weight` is how many rows or contacts it
    concerns, so that the loudest comes first.

    >>> doubt = Doubt("hidden", "{file}: {n} rows are hidden.", {"file": "a.xlsx", "n": 1200}, 1200)
    >>> doubt.text()
    'a.xlsx: 1,200 rows are hidden.'
    """

    kind: str
    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    weight: int = 0

    def text(
        self,
        gettext: Callable[[str], str] = str,
        shown: Callable[[object], str] | None = None,
    ) -> str:
        """Say it: gettext translates the sentence, shown writes the values in it."""
        shown = shown or (
            lambda value: f"{value:,}" if isinstance(value, (int, float)) else str(value)
        )
        values = {name: shown(value) for name, value in self.values.items()}
        return gettext(self.template).format(**values)


def loudest_first(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Each doubt once, those that concern most first.

    >>> [d.kind for d in loudest_first([Doubt("a", ""), Doubt("b", "", {}, 3), Doubt("a", "")])]
    ['b', 'a']
    """
    each: list[Doubt] = []
    for doubt in doubts:
        if doubt not in each:
            each.append(doubt)
    return tuple(sorted(each, key=lambda doubt: -doubt.weight))
