"""What a text is about: its words as pairs of a subject and what is wrong with it, which rules
name.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from itertools import chain, pairwise
from typing import Any, NamedTuple

from .texts import fold

_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_CLAUSE = re.compile(  # what begins with a set of characters is searched fastest
    r"[.;:|!?{}=、。,-](?:(?<=[.;:|!?{}=])(?:\s|$)|(?<=[|{};=、。])|(?<=\s-)\s|(?<=,)(?:$"
    r"|(?=[\u3040-\u30ff\u3400-\u9fff])|\s(?!котор|wh|that |que |qui |der |die |das |ktor)))"
)
_WIDE = "[\u3040-\u30ff\u3400-\u9fff]+"
_ROLE = re.compile(  # from and to are persons where they are quoted, or stand before a number
    r"['\"`](from|to)['\"`]"
    r"|\b(from|to)[ _-](?=(?:phone[ _-])?(?:number|address|addr|id|profile)\b)|^\W*(from|to)\b(?="
    r" is | must )"
)
# What follows these words is why: it says more than what came of it.
_WHY = re.compile(
    r"\b(?:due to|because|caused by|as a result of|debido a|a causa de|por causa de|devido"
    r" a|wegen|aufgrund|porque|ya que|parce que|weil|perche|poniewaz|потому что|так как"
    r"|en raison de|a cause de|a causa di|из-за|поскольку|z powodu)\b|由于|因为|原因是"
)
KEY = re.compile(
    r"[\"'][\w-]+[\"']\s*(?::|=>)|\b\w+:\s?(?=['\"])"
)  # the name of a value is no word of the error
_STATUS = re.compile(r"\b(stat(?:e|us|ut|o)|estado|статус|состояние)\s?:\s")
_DIGIT = re.compile(r"\d")
_ELISION = re.compile(r"\b(?:l|d|qu|n|s|c|j|m|t)'(?=\w)")  # French articles
_ROLES = {"from": " sender ", "to": " recipient "}
_BEFORE_ITS_NOUN = frozenset(
    ["invalid", "unknown", "missing", "unsupported", "unregistered", "expired"]
)
_VARIABLES = frozenset(["parameter", "count"])  # of a template
_MEASURED = frozenset(["media", "rate", "period", "money"])  # which need not name their limit
REACH = 7  # words between a subject and what is said of it
MOST = 240  # words that are read

Pair = tuple[str | None, str | None]


class Said(NamedTuple):
    """What a text says, and where: for each pair the words that it was read from; and the text, or
    that part of it which says why.
    """

    pairs: dict[Pair, str]
    subjects: dict[str, str]
    text: str = ""


class _Noun(NamedTuple):
    start: int
    end: int
    subjects: frozenset[str]


class Lexicon:
    """The words of a lexicon file, and how they are found in a text.

    >>> words = {"subject": {"number": {"en": "number"}}, "state": {"bad": {"not": "valid"}}}
    >>> lexicon = Lexicon(words)
    >>> lexicon.read("the number is not valid").subjects
    {'number': 'number'}
    """

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]):
        self._exact: dict[str, tuple[str, ...]] = {}
        self._stems: dict[str, tuple[str, ...]] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}  # of terms, by their first word
        self._seconds: dict[str, tuple[str, ...]] = {}  # with what their second word begins
        self._tags = functools.lru_cache(50_000)(self._look_up)
        self._parts = functools.lru_cache(50_000)(self._known_parts)
        self._words = functools.lru_cache(50_000)(_TOKEN.findall)
        # Texts repeat their clauses, and clauses differ in names and numbers only.
        self._clause = functools.lru_cache(50_000)(lambda clause: self._told(self._known(clause)))
        self._told = functools.lru_cache(50_000)(self._read_known)
        for group, names in tables.items():
            for name, lists in names.items() if group not in ("over", "role", "doubt") else ():
                for column, listed in lists.items():
                    positive = group == "state" and column == "not"
                    self._add(f"{'~' if positive else group[1]}{name}", listed.split())
        self._over = {
            name: frozenset(listed.split()) for name, listed in tables.get("over", {}).items()
        }

    @functools.cached_property
    def _wide(self) -> re.Pattern[str]:
        wide = [word for word in self._exact if re.fullmatch(_WIDE, word)]
        return re.compile("|".join(sorted(wide, key=len, reverse=True)) or "(?!)")

    def _add(self, tag: str, words: Iterable[str]) -> None:
        for word in words:
            stem, star, _ = fold(word).partition("*")
            table = self._stems if star else self._exact
            if tag not in table.get(stem, ()):
                table[stem] = (*table.get(stem, ()), tag)
            if "_" in stem:
                first, second, size = *stem.split("_")[:2], stem.count("_") + 1
                self._seconds[first] = (*self._seconds.get(first, ()), second)
                self._sizes[first] = (*sorted({size, *self._sizes.get(first, ())})[::-1],)

    def _look_up(self, word: str) -> tuple[str, ...]:
        """The concepts of a word: u + subject, t + state, ~ + state if negated, o + other."""
        tags = self._exact.get(word, ())
        last = max(word.rfind("_"), word.rfind("-"), 1)  # the last word only may have an ending
        for size in range(0 if _DIGIT.search(word) else len(word), last, -1):
            tags += tuple(t for t in self._stems.get(word[:size], ()) if t not in tags)
        return tags

    def _known_parts(self, word: str) -> str:
        """A word, or its parts where only these are known; "" for each that is not."""
        if self._tags(word) or "-" not in word:
            return word if self._tags(word) else ""
        whole = word.replace("-", "_")
        return whole if self._tags(whole) else " ".join(map(self._parts, whole.split("_")))

    def _known(self, clause: str) -> str:
        """Return a clause with "" for each word that no list holds, without those at its ends: what
        a clause says rests on the known words and how far apart they are.
        """
        pieces = clause.strip().replace("'s ", " ").split()
        words = list(chain.from_iterable(map(self._words, pieces)))[:MOST]
        for at in [
            at
            for at, (word, after) in enumerate(pairwise(words))
            if after.startswith(self._seconds.get(word, ()))
        ]:
            for size in self._sizes.get(words[at], ()):
                joined = "_".join(words[at : at + size])
                if self._tags(joined):
                    words[at : at + size] = [joined, *[""] * joined.count("_")]
                    break
        return " ".join(map(self._parts, filter(None, words))).strip()

    def read(self, lower: str) -> Said:
        """Return what a text in lower case says; agents are subjects with "by " before them."""
        text = lower
        if "'" in text or '"' in text:
            text = _ELISION.sub("", KEY.sub(" | ", text))
        if "from" in text or "to" in text:
            text = _ROLE.sub(lambda m: _ROLES[m[1] or m[2] or m[3]], text)
        if not text.isascii() and re.search(_WIDE, text):
            text = self._wide.sub(lambda m: f" {m[0]} ", text)
        if ":" in text:  # "the user is in state: inactive" is one clause
            text = _STATUS.sub(r"\1 ", text)
        if why := _WHY.search(text):
            reason = self.read(text[why.end() :])
            if any(all(pair) for pair in reason.pairs):
                return reason
        pairs: dict[Pair, str] = {}
        subjects: dict[str, str] = {}
        for clause in filter(str.strip, _CLAUSE.split(text)):
            read = self._clause(clause)
            pairs, subjects = read.pairs | pairs, read.subjects | subjects
        if "template" in subjects:  # its variables, wherever the sentence names them
            of = {("template", p[1]): w for p, w in pairs.items() if p[0] in _VARIABLES}
            pairs = of | pairs
        return Said(pairs, subjects, lower)

    def _nouns(self, tagged: list[tuple[str, tuple[str, ...]]]) -> list[_Noun]:
        nouns: list[_Noun] = []
        for at, (_, tags) in enumerate(tagged):
            subjects = frozenset(t[1:] for t in tags if t[0] == "u") if tags else None
            if not subjects:
                continue
            last = nouns[-1] if nouns else None
            gap = [t for _, t in tagged[last.end : at]] if last else []
            error = "error" in subjects or (last and "error" in last.subjects)
            joined = all("olink" in t or (error and "obefore" in t) for t in gap) or (
                error and gap == [()]
            )
            start = last.start if last and joined else at
            if start < at:
                subjects |= nouns.pop().subjects
            nouns.append(_Noun(start, at + 1, subjects))
        nouns = [n._replace(subjects=self._strongest(n.subjects)) for n in nouns]
        return [
            n for n in nouns if n.subjects != {"format"}
        ] or nouns  # a number's format is its own

    def _strongest(self, subjects: frozenset[str]) -> frozenset[str]:
        """Of subjects that stand together, those that count."""
        if subjects >= {"own", "number"}:  # your number is the one that sends
            return frozenset(["sender"])
        return subjects.difference(  # your message is a message
            () if "account" in subjects or len(subjects) == 1 else ("own",),
            *(self._over.get(s, ()) for s in subjects),
        )

    def _read_known(self, known: str) -> Said:
        tagged, said = [(word, self._tags(word)) for word in known.split(" ")], Said({}, {})
        nouns, told = self._nouns(tagged), set()
        for noun in nouns:
            for subject in sorted(noun.subjects):
                said.subjects.setdefault(subject, tagged[noun.end - 1][0])
                if subject != "error" and "error" in noun.subjects:  # "network error"
                    said.pairs.setdefault((subject, "faulty"), f"{subject} error")
        for at, (word, tags) in enumerate(tagged):
            for tag in tags:
                negated = tag[0] == "~" and (
                    any("onot" in t for _, t in tagged[max(0, at - 5) : at])
                    or any("oafter" in t for _, t in tagged[at + 1 : at + 3])
                )
                if tag[0] != "t" and not negated:
                    continue
                about, agent = _about(tagged, nouns, at, tag[1:])
                words = f"{'not ' if negated else ''}{word}"
                if not agent or "recipient" not in agent.subjects:  # "the user blocked the page"
                    for thing in sorted(about.subjects) if about else (None,):
                        said.pairs.setdefault((thing, tag[1:]), words)
                for subject in sorted(agent.subjects) if agent else ():
                    said.pairs.setdefault((f"by-{subject}", tag[1:]), words)
                told.add(None if tag[1:] == "momentary" else about)
        for noun in nouns:  # "no permission": what is not there is missing
            none = any("onone" in t for _, t in tagged[max(0, noun.start - 3) : noun.start])
            for subject in sorted(noun.subjects) if none and noun not in told else ():
                said.pairs.setdefault((subject, "missing"), f"no {tagged[noun.start][0]}")
        return said


def _about(
    tagged: list, nouns: list[_Noun], at: int, state: str
) -> tuple[_Noun | None, _Noun | None]:
    """Return the noun that a state at this place is said of, and the noun that brought it about."""
    if here := [n for n in nouns if n.start <= at < n.end]:
        return here[0], None
    before = next((n for n in reversed(nouns) if n.end <= at and at - n.end <= REACH), None)
    for actor in [n for n in nouns if before and n.end <= before.start][:1]:
        if before and any("ohave" in tags for _, tags in tagged[actor.end : before.start]):
            return before, actor  # "der Nutzer hat den Bot blockiert"
    after = next((n for n in nouns if n.start > at and n.start - at <= REACH), None)
    between = [t for _, tags in tagged[at + 1 : after.start] for t in tags] if after else []
    near = after and after.start - at <= 2 and "obefore" not in between
    by = [*between, *tagged[after.start][1]] if after else []  # a case may say it: "получателем"
    if after and "oby" in by and "oactive" not in by and after.start - at <= 4:
        return before, after
    if before and any("obe" in tags for _, tags in tagged[before.end : at]):
        return before, None
    acts = before and "oactive" in tagged[at][1]  # "the device does not support this service"
    if (
        after
        and near
        and (
            (after.start == at + 1 and state in _BEFORE_ITS_NOUN)
            # "the message exceeds the length"
            or (state == "exceeded" and not (before and before.subjects & _MEASURED))
            or ("overb" in tagged[at][1] and not acts)  # "could not find the address"
        )
    ):
        return after, None
    if acts:
        return before, None
    active = near and state == "blocked"  # the user has blocked you
    if near and (active or not before or at - before.end > 1):
        return after, before if active else None
    return before or after, None
