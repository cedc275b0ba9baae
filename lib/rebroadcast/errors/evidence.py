"""How much the words and concepts of a text speak for each cause, as learned from labelled texts.

What is learned is data: evidence.csv, made by data/codes/make_evidence.py.
"""

import functools
import math
import re
import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise, repeat
from pathlib import Path

from .concepts import KEY, Pair

LEARNED = Path(__file__).with_name("evidence.csv")
_WIDE = "\u3040-\u30ff\u3400-\u9fff"  # scripts without spaces between words
_WORD = f"[{_WIDE}]+|[^\\W\\d_{_WIDE}]+"  # is compiled when a text needs it: that takes a while
_PLAIN = re.compile("[a-z]+")
_NUMBER = re.compile(r"\d+")
TOLD = 3  # words and concepts that say why
_ZERO = 2**16  # is added to a weight, so that none is below 0
_STEM = 5  # letters that inflections leave as they are


def features(lower: str, pairs: Iterable[Pair]) -> set[str]:
    """Return what a text in lower case is weighed by: its words, their stems, words side by side,
    and its concepts.

    >>> sorted(features("number blocked", [("number", "blocked")]))
    ['block*', 'blocked', 'numbe*', 'number', 'number blocked', 'number:blocked']
    """
    text = KEY.sub(" ", lower) if "'" in lower or '"' in lower else lower
    words = _PLAIN.findall(text) if text.isascii() else re.findall(_WORD, text)
    stems = [f"{word[:_STEM]}*" for word in words if len(word) > _STEM]
    weighed = {f"{subject or ''}:{state or ''}" for subject, state in pairs}
    weighed.update(words, stems, map(" ".join, pairwise(words)))
    if not text.isascii():
        wide = [word for word in words if word[0] >= "\u3040"]
        weighed.update(word[i : i + 2] for word in wide for i in range(len(word) - 1))
    return weighed


@functools.cache
def _learned() -> tuple[list[str], dict[str, str]]:
    """The causes, and for each feature its line: hundredths of the logarithm of the odds."""
    head, *lines = LEARNED.read_text(encoding="utf-8").splitlines()
    return head.split(",")[1:], dict(line.split(",", 1) for line in lines)


@functools.lru_cache(20_000)
def _weights(feature: str) -> int:
    """The weights of a feature as one number, added faster than a list: 32 bits for each."""
    weights = [
        int(weight) + _ZERO if weight else _ZERO for weight in _learned()[1][feature].split(",")
    ]
    return int.from_bytes(struct.pack(f"<{len(weights)}I", *weights), "little")


@functools.lru_cache(50_000)  # texts repeat but for their numbers
def _scores(lower: str, pairs: tuple[Pair, ...]) -> list[int]:
    known = _learned()[1].keys() & features(lower, pairs)
    count = len(_learned()[0]) if known else 0
    sums = struct.unpack(f"<{count}I", sum(map(_weights, known)).to_bytes(4 * count, "little"))
    return [each - _ZERO * len(known) for each in sums]


def shares(lower: str, pairs: Iterable[Pair], votes: Mapping[str, int]) -> dict[str, float]:
    """Return how likely each cause is that a text in lower case with these concepts speaks for, and
    codes vote for (in hundredths); empty where nothing in it is known.
    """
    scores = _scores(_NUMBER.sub("0", lower), tuple(pairs))
    causes = _learned()[0] if scores or votes else []
    told = zip(map(votes.get, causes, repeat(0)), scores or [0] * len(causes), strict=True)
    odds = [math.exp((vote + score) / 100) for vote, score in told]
    whole = sum(odds)
    return {cause: x / whole for cause, x in zip(causes, odds, strict=True)}


def telling(lower: str, pairs: Iterable[Pair], cause: str) -> str:
    """Return the words and concepts of a text that speak most for a cause; "" for a cause of which
    nothing was learned.

    >>> sorted(telling("the image is too large", [("media", "too_long")], "media").split(", "))
    ['large', 'media:too_long', 'too large']
    """
    if cause not in (causes := _learned()[0]):
        return ""
    place = causes.index(cause)
    weights = {
        name.strip(":"): (_weights(name) >> 32 * place) % 2**32 - _ZERO
        for name in sorted(features(_NUMBER.sub("0", lower), pairs))
        if name in _learned()[1] and name[-1] != "*"
    }
    most = sorted((name for name in weights if weights[name] > 0), key=lambda n: (-weights[n], n))
    return ", ".join(most[:TOLD])
