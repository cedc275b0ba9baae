"""How much the words and concepts of a text speak for each cause, as learned from labelled texts.

What is learned is data: evidence.csv, made by data/codes/make_evidence.py.
"""

import csv
import functools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from .concepts import KEY, Pair

LEARNED = Path(__file__).with_name("evidence.csv")
_WIDE = "\u3040-\u30ff\u3400-\u9fff"  # scripts without spaces between words
_WORD = re.compile(f"[{_WIDE}]+|[^\\W\\d_{_WIDE}]+")
_STEM = 5  # letters that inflections leave as they are


def features(lower: str, pairs: Iterable[Pair]) -> set[str]:
    """Return what a text in lower case is weighed by: its words, their stems, words side by side, and
    its concepts.

    >>> sorted(features("number blocked", [("number", "blocked")]))
    ['block*', 'blocked', 'numbe*', 'number', 'number blocked', 'number:blocked']
    """
    words = _WORD.findall(KEY.sub(" ", lower))
    weighed = {f"{subject or ''}:{state or ''}" for subject, state in pairs}
    weighed.update(map(" ".join, pairwise(words)))
    for word in words:
        if word[0] >= "\u3040":
            weighed.update(word[i : i + 2] for i in range(len(word) - 1))
        else:
            weighed.add(word)
            if len(word) > _STEM:
                weighed.add(f"{word[:_STEM]}*")
    return weighed


class Evidence:
    """The weights of a file: for each word, stem, pair of words and concept, how much it speaks for
    or against a cause.
    """

    def __init__(self, path: Path = LEARNED):
        self._path = path

    @functools.cached_property
    def _weights(self) -> dict[str, list[tuple[str, float]]]:
        with self._path.open(encoding="utf-8", newline="") as file:
            return {
                says: [(c, int(w) / 100) for c, w in zip(told[::2], told[1::2], strict=True)]
                for says, *told in csv.reader(file)
            }

    def shares(
        self, lower: str, pairs: Iterable[Pair], votes: Mapping[str, float]
    ) -> dict[str, float]:
        """Return how likely each cause is that a text in lower case with these concepts speaks for,
        and codes vote for; empty where nothing in it is known.
        """
        scores = defaultdict(float, votes)
        for feature in features(lower, pairs):
            for cause, weight in self._weights.get(feature, ()):
                scores[cause] += weight
        odds = {cause: math.exp(score) for cause, score in scores.items()}
        return {cause: x / sum(odds.values()) for cause, x in odds.items()}
