"""What a rule says, which rule speaks for a text, and the channel kinds they are about."""

import functools
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import re2

from ..common.exceptions import LANGUAGES, RulesError
from . import concepts, evidence, providers, texts

PACKAGED = Path(__file__).with_name("errors.toml")
LEXICON = Path(__file__).with_name("lexicon.toml")

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
WAIT = re.compile(r"(\d{1,9}|\{n\})(ms|s|m|h|d)")
_CASED = re.compile(r"(?<!\\)(?<!\\[pP])[A-Z]|[^\x00-\x7f]")
_MILD = (
    None,
    "failed",
    "outage",
    "opted_out",
    "kicked",
    "unreachable",
    "momentary",
)  # states that blame nobody, or a person
_ENDED = {("by-carrier", "unknown"), ("by-carrier", "suspended")}  # a line: nobody's fault
# Where a published code stands among texts (2), concepts (4) and weak texts (5).
_PLACES = {"agrees": 0.5, "named": 1, "native": 1, "own": 4.1, "long": 3.5, "short": 4.5, "weak": 6}
_CAREFUL = ("never", "fix", "unknown", "wait")  # of two equally sure readings the first wins
# Least shares of a cause, of all that the words of an unsure text speak for:
LIKELY = 0.33  # for a cause that no rule names
VOTE = 150  # what a short code counts beside words, in hundredths of the logarithm of the odds
SURE_OF_NEVER = 0.7  # for leaving a contact out, whichever cause it is for
ALONE = 0.8  # the same, where neither a code nor a concept says so
_EVERYDAY = re.compile(
    r"(?i)\b(?:line|mail|email|smtp|outlook|gmail)\b"
)  # names of kinds, and words
_LONGEST = 366 * 86400  # seconds: a wait that a text names is no longer

_ALIASES = {
    name: {name, *others.split()}
    for name, others in (
        ("whatsapp", "waba wati 360dialog gupshup"),
        ("instagram", "ig"),
        ("messenger", "facebook fb"),
        ("telegram", "tg"),
        ("viber", ""),
        ("line", ""),
        ("wechat", "weixin"),
        ("vk", "vkontakte"),
        ("sms", "twilio nexmo vonage messagebird mms"),
        ("email", "gmail mail smtp outlook"),
    )
}


@functools.cache
def canonical_kind(kind: str | None) -> str | None:
    """Return the channel kind for any of its names, or None for one whose errors could be of any
    kind.

    >>> canonical_kind("whatsapp_cloud"), canonical_kind("Facebook"), canonical_kind("custom")
    ('whatsapp', 'messenger', None)
    """
    words = re.split(r"[^a-z0-9]+", (kind or "").lower())
    return next(
        (
            name
            for name, aliases in _ALIASES.items()
            if not aliases.isdisjoint(words) or (len(name) > 4 and name in "".join(words))
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, complete: what its table left out comes from the rule it is like, then from its
    cause.
    """

    id: str
    cause: str
    verdict: str
    scope: str
    rank: tuple[int, int]  # a user's rules before the packaged, then the order of the file
    title: Mapping[str, str]
    fix: Mapping[str, str]
    kind: frozenset[str] = frozenset()
    code: frozenset[str] = frozenset()
    text: str | None = None
    about: frozenset[concepts.Pair] = frozenset()
    weak: bool = False
    wait: str | None = None
    source: str | None = None
    date: str | None = None
    at_limit: str | None = (
        None  # the rule that it is where the figures of its broadcast fit a limit
    )

    def seconds(self, words: str) -> float | None:
        """Return the wait in seconds; `{n}s` takes the number that the pattern captured in
        words.
        """
        wait = WAIT.fullmatch(self.wait or "")
        if not wait or self.verdict != "wait":
            return None
        number, unit = wait.groups()
        if number == "{n}":
            found = re2.search(f"(?is){self.text}", words)
            number = next((g for g in found.groups() if g), None) if found else None
        return min(float(number) * UNITS[unit], _LONGEST) if number else None


_INHERITED = ("cause", "verdict", "scope", "wait", "title", "fix", "source", "date", "at_limit")


def completed(
    content: Mapping, known: Mapping[str, Rule], causes: Mapping[str, dict], layer: int
) -> list[Rule]:
    """The rules of a file that was checked; known are those that one may be like besides. A rule
    that is like none is left out.
    """
    own: dict[str, Rule] = {}
    waiting = list(enumerate(content.get("rule", ())))
    while ready := [  # a rule may be like one further down
        (n, table) for n, table in waiting if table.get("like") in (None, *known, *own)
    ]:
        for n, table in ready:
            like = own.get(table.get("like")) or known.get(table.get("like"))
            source = content.get("sources", {}).get(table.get("source"), {})
            own[table["id"]] = _complete(table | source, like, causes, (layer, n))
        waiting = [one for one in waiting if one not in ready]
    return sorted(own.values(), key=lambda rule: rule.rank)


def _complete(
    table: dict, like: Rule | None, causes: Mapping[str, dict], rank: tuple[int, int]
) -> Rule:
    """Make a rule of its table: what that leaves out comes from the rule it is like, then from its
    cause.
    """
    base: dict[str, Any] = {key: getattr(like, key) for key in _INHERITED} if like else {}
    name = table.get("cause") or base["cause"]
    cause = causes[name]
    if name != base.get("cause"):
        base = {key: base[key] for key in ("source", "date") if key in base}
    if table.get("verdict", cause["verdict"]) != cause["verdict"]:
        base = {"wait": None} | base
    full = cause | base | table
    text, said = full.get("text"), {key: full[key] for key in ("title", "fix")}
    full |= {
        **{k: dict.fromkeys(LANGUAGES, v) if isinstance(v, str) else v for k, v in said.items()},
        "rank": rank,
        "text": text and texts.fold(text if isinstance(text, str) else "|".join(text)),
        "kind": frozenset(full.get("kind", ())),
        "code": frozenset(
            one for code in full.get("code", ()) for one in providers.spread(str(code))
        ),
        "about": frozenset(  # of lines such as "recipient number : invalid unknown"
            pair
            for subjects, _, states in (line.partition(":") for line in full.get("about", ()))
            for pair in product(subjects.split() or (None,), states.split() or (None,))
        ),
        "source": full.get("url", full.get("source")),
        "date": full.get("date") and str(full["date"]),
    }
    return Rule(**{key: value for key, value in full.items() if key not in ("like", "url")})


class Hit(NamedTuple):
    """One rule that fits a text: the lowest order speaks."""

    order: tuple
    rule: Rule
    code: str | None
    confidence: str
    said: str


class Finding(NamedTuple):
    """The rule for a text (None where none fits), the code it is about, the wait in seconds, and
    how sure it is: code, text, concept, guess, or None.
    """

    rule: Rule | None
    code: str | None
    seconds: float | None
    confidence: str | None


class Rules:
    """The rules in force. `overrides` lists (a user's rule id, the packaged rule id it replaces or
    None).
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        causes: Mapping[str, dict],
        overrides: Iterable[tuple] = (),
        tables: providers.Tables | None = None,
        lexicon: Callable[[], Mapping[str, Mapping]] = dict,
        learned: bool = False,
    ):
        self.by_id = {r.id: r for r in rules}
        self.causes = causes
        self.overrides: list[tuple[str, str | None]] = list(overrides)
        self.tables = tables or providers.Tables(())
        self._read_lexicon = lexicon
        self.learned = learned
        self._final = [name for name, own in causes.items() if own["verdict"] == "never"]
        self._by_code: dict[str, list[Rule]] = {}
        self._about: dict[concepts.Pair, list[Rule]] = {}
        for rule in self.by_id.values():
            for code in () if rule.text else rule.code:
                self._by_code.setdefault(code, []).append(rule)
            for pair in rule.about:
                self._about.setdefault(pair, []).append(rule)

    @functools.cached_property
    def lexicon(self) -> Mapping[str, Mapping]:
        """Words by what they mean; read for the first text that no code or pattern is sure of."""
        return self._read_lexicon()

    @functools.cached_property
    def _concepts(self) -> concepts.Lexicon:
        return concepts.Lexicon(self.lexicon)

    @functools.cached_property
    def _roles(self) -> dict[str, frozenset[str]]:
        return {n: frozenset(v.split()) for n, v in self.lexicon.get("role", {}).items()}

    @functools.cached_property
    def _doubts(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """What makes doubtful the rest of its sentence, and what the whole of its clause."""
        told = self.lexicon.get("doubt", {})
        after, whole = ("|".join(told.get(name, ["(?!)"])) for name in ("after", "whole"))
        return re.compile(f"(?i)(?:{after})[^.;!?|]*"), re.compile(f"(?i){whole}")

    @functools.cached_property
    def _search(self) -> tuple[re2.Filter, list[Rule]]:
        """All patterns in one filter, so that few of them search a text."""
        search, rules = re2.Filter(), [rule for rule in self.by_id.values() if rule.text]
        for rule in rules:
            # The text is in lower case: so is a pattern, as a rule, and then it compiles in half
            # the time.
            cased = bool(_CASED.search(rule.text or ""))
            search.Add(f"(?{'i' * cased}s){rule.text}", re2.Options())
        try:
            search.Compile()
        except re2.error:
            raise RulesError(
                "The patterns of the rules are too many, or too long, to be sought together; make"
                " them shorter or fewer."
            ) from None
        return search, rules

    def _matching(self, text: texts.Read) -> list[Rule]:
        """The rules, of any channel, whose patterns a text matches."""
        search, rules = self._search
        return [rules[i] for i in search.Match(text.lower.encode()) or ()]

    def find(self, masked: str, kind: str | None, provider: str | None = None) -> Finding:
        """Return the best rule for a masked text of a kind of channel, said by a provider.

        A user's rules come first. Then a code that is sure (its provider is known, or code and text
        agree), text, concepts, a short code of that channel kind, weak text, a weak code; within
        each, the order of the file. Words about the sender lead to no `never`.
        """
        text = texts.Read(masked, kind)
        best = self._best(self._speaking(text, provider), text)
        first = max(text.codes, key=len, default=None)
        return (
            Finding(best.rule, best.code or first, best.rule.seconds(text.words), best.confidence)
            if best
            else Finding(None, first, None, None)
        )

    def kinds(self, masked: str) -> frozenset[str]:
        """Return the kinds of channel that a masked text can come from; none where it could be of
        any. What is narrowest speaks: its form, a kind that it names, a published code or text, a
        pattern; a provider's text is of the provider's own kind, where it has one.

        Measured on 1,307 texts of known kind: 658 of one kind, 634 of these rightly; 164 of several
        (5 wrongly), 485 of none.
        """
        text = texts.Read(masked, None)
        if text.kind:
            return frozenset({text.kind})
        named = canonical_kind(_EVERYDAY.sub(" ", text.plain))
        told: list[frozenset[str] | None] = [frozenset({named} if named else ())]
        whole = (text.plain.strip(), text.words, *text.names)
        told += [self.tables.kinds.get(words.lower()) for words in whole if words]
        spoken = self.tables.speaking([*text.codes, *text.names], text.plain, None, None)
        told += [
            row.kinds & {canonical_kind(row.provider)} or row.kinds
            for row, why in spoken
            if why in ("agrees", "named", "native")
        ]
        patterns = [rule.kind for rule in self._matching(text) if not rule.weak]
        told += [kind for kind in patterns if kind != {"email"}]  # its words are common words
        return min(filter(None, told), key=len, default=frozenset())

    def _best(self, hits: list[Hit], text: texts.Read) -> Hit | None:
        return next(
            (h for h in sorted(hits, key=lambda h: h.order) if not self._vetoed(h, text)), None
        )

    def why(
        self, masked: str, kind: str | None, provider: str | None = None
    ) -> list[tuple[str, str, str]]:
        """Return what speaks for a text, the deciding first: (how sure, code or words, rule); what
        the role of its words ruled out comes as `not`.
        """
        text = texts.Read(masked, kind)
        hits = sorted(self._speaking(text, provider), key=lambda h: h.order)
        known = {h.rule.id for h in hits}
        hits += [h for h in self._concept_hits(text) if h.rule.id not in known]
        told = [(("not" if self._vetoed(h, text) else h.confidence), h) for h in hits]
        told.sort(key=lambda pair: pair[0] == "not")
        return [(how, h.said or self._telling(h.rule, text), h.rule.id) for how, h in told]

    def _telling(self, rule: Rule, text: texts.Read) -> str:
        """The words of a text that lead to a rule: by its pattern, or by what is learned."""
        matched = re2.search(f"(?is){rule.text}", text.words) if rule.text else None
        if matched or not self.learned:
            return matched[0] if matched else ""
        return evidence.telling(pairs=self.said(text), lower=text.reason, cause=rule.cause)

    def _speaking(self, text: texts.Read, provider: str | None) -> list[Hit]:
        """The hits that are asked for a text: patterns and codes, and where none of them is sure,
        or a code alone says never, concepts and what is learned too.
        """
        sure = self._sure(text, provider)
        best = self._best(sure, text)
        never = best and best.rule.verdict == "never" and 0.9 < best.order[1] <= 1
        said = [h for h in sure if h.order[0] and 1 < h.order[1] < 2.9]
        if never and said and all(h.rule.verdict != "never" for h in said):
            return said  # the words deny what the code alone says
        if best and never and self._denied(best.rule, text):
            return self._weighed(text, self._concept_hits(text))
        if best and not never and best.order[:2] < (1, 4):
            return sure
        doubts = [h for h in sure if best and never and h.rule.cause != best.rule.cause]
        return self._weighed(text, [*_borne_out(self._concept_hits(text), 4, doubts), *sure])

    def _denied(self, rule: Rule, text: texts.Read) -> bool:
        """Whether the words of a text speak clearly for a cause neither final nor this rule's."""
        shares = (
            evidence.shares(pairs=self.said(text), lower=text.reason, votes={})
            if self.learned
            else {}
        )
        mine = {*self._final, rule.cause}
        return any(s >= 2 * LIKELY for cause, s in shares.items() if cause not in mine)

    def _sure(self, text: texts.Read, provider: str | None) -> list[Hit]:
        """The hits of patterns and codes."""
        kind, hits = text.kind, []
        for rule in self._matching(text):
            code = next((c for c in text.codes if c in rule.code), None) if rule.code else None
            if (code or not rule.code) and (not kind or not rule.kind or kind in rule.kind):
                place: float = 5 if rule.weak else 0 if code else 2
                hits.append(self._hit(place, rule, text, code))
        for code, named in text.codes.items():
            long = len(code) > 4 and "." not in code
            for rule in self._by_code.get(code, ()) if named or not long else ():
                if not rule.kind or (kind in rule.kind if kind else long or "." in code):
                    place = 6 if rule.weak else 1 if long else 3
                    hits.append(self._hit(place, rule, text, code))
        told = [*(c for c, named in text.codes.items() if named or len(c) < 5), *text.names]
        for row, why in self.tables.speaking(told, text.both, kind, provider):
            if spoken := self.by_id.get(row.rule):
                # of two codes the longer says more
                place = _PLACES[why] - len(row.code) / 1000 * (why in ("named", "native"))
                said = f"{row.provider} {row.code}"
                hits.append(self._hit(place, spoken, text, row.code, said))
        return self._more_careful(_borne_out(hits, 2, hits), text, provider)

    def _more_careful(self, hits: list[Hit], text: texts.Read, provider: str | None) -> list[Hit]:
        """Put first, of several errors in one text, that which asks for most care: of long codes
        alike, or where there is none, of parts that each tell an error.
        """
        best = self._best(hits, text)
        if not best or not best.order[0] or best.rule.verdict == "never":
            return hits
        ranked = sorted((h for h in hits if h.code), key=lambda h: -h.order[1])
        told: Iterable[Hit | None] = {h.code: h for h in ranked if _alike(h, ranked[-1])}.values()
        if not told and best.order[1] < 2.9 and text.kind != "email":
            parts = [texts.Read(part, text.kind) for part in texts.errors_of(text.masked)]
            told = [self._best(self._speaking(part, provider), part) for part in parts]
        sure = [h for h in told if h and h.confidence != "guess" and h.rule.cause != "unknown"]
        care = functools.partial(min, key=lambda h: (_CAREFUL.index(h.rule.verdict), h.order))
        if len(sure) < 2 or care(sure).rule.verdict == best.rule.verdict:
            return hits
        place = min(0.6, best.order[1])  # so sure that the other's words do not deny it
        return [care(sure)._replace(order=(1, place, False, -1)), *hits]

    def _concept_hits(self, text: texts.Read) -> list[Hit]:
        hits = []
        for pair, said in self.said(text).items():
            for rule in self._about.get(pair, ()):
                if not text.kind or not rule.kind or text.kind in rule.kind:
                    whole = all(pair) or pair[1] == "opted_out"  # a state of persons only
                    words = f"{' '.join(p or '-' for p in pair)}: {said}"
                    place = (4.2 if pair[1] == "faulty" else 4) if whole else 5.5
                    hits.append(self._hit(place, rule, text, None, words))
        return hits

    def _weighed(self, text: texts.Read, hits: list[Hit]) -> list[Hit]:
        """Put hits that are not sure in the order in which what is learned speaks for their causes;
        where no rule speaks for a likely cause, the cause's own does.
        """
        if not self.learned:
            return hits
        votes = {h.rule.cause: VOTE for h in hits if h.code and h.order[1] >= 4}
        shares = evidence.shares(pairs=self.said(text), lower=text.reason, votes=votes)
        lost = dict.fromkeys(self._final, sum(shares.get(cause, 0.0) for cause in self._final))
        # that nothing is told must be surer: nobody would be asked to write a rule
        named = [
            f"likely-{c}" for c, s in shares.items() if s >= LIKELY * (2 if c == "unknown" else 1)
        ]
        likely = ["opted-out", *named] if named else []
        told = [
            *(h for h in hits if h.order[0] and h.order[1] >= 4),
            *(self._hit(6, self.by_id[name], text) for name in likely),
        ]
        placed = [
            Hit((1, 5 - shares.get(h.rule.cause, 0.0), *h.order[1:]), *h[1:])
            for h in told
            if h.rule.verdict != "never"
            or (
                shares.get(h.rule.cause, 0.0) >= ALONE
                if h.order[1] == 6
                else (shares | lost).get(h.rule.cause, 0.0) >= SURE_OF_NEVER
            )
        ]
        return [h for h in hits if not h.order[0] or h.order[1] < 4] + placed

    def said(self, text: texts.Read) -> dict[concepts.Pair, str]:
        """The pairs of a text, and each of its subjects and states alone."""
        if text.said is None:
            first = texts.NAME_FIRST.sub(r"\1 | ", text.words) if "_" in text.words else ""
            found = self._concepts.read(first.lower() or text.lower)
            text.reason = found.text
            alone = {(None, state): words for (_, state), words in found.pairs.items()}
            text.said = found.pairs | alone | {(s, None): w for s, w in found.subjects.items()}
        return text.said

    def _hit(self, place: float, rule: Rule, text: texts.Read, code=None, said="") -> Hit:
        # without a kind, e-mail's rules come last: their words are common words on other channels
        late = text.kind is None and rule.kind == {"email"}
        sure = "code" if code else "concept" if 4 <= place < 5 else "text"
        return Hit(
            (rule.rank[0], place, late, rule.rank[1]),
            rule,
            code,
            "guess" if place > 4.3 else sure,
            said,
        )

    def _doubtful(self, text: texts.Read) -> bool:
        """Whether nothing in a text says `never` but what it supposes, denies or advises."""
        if text.doubtful is None:
            after, whole = self._doubts
            clauses = texts.CLAUSE.split(after.sub(" ... ", text.plain))
            said = [clause for clause in clauses if not whole.search(clause)]
            certain, text.doubtful = texts.Read(". ".join(said), text.kind), False
            certain.doubtful = False
            if len(said) < len(clauses) or after.search(text.plain):
                best = self._best(self._speaking(certain, None), certain)
                text.doubtful = not best or best.rule.verdict != "never"
        return text.doubtful

    def _vetoed(self, hit: Hit, text: texts.Read) -> bool:
        """Whether the words that a `never` would rest upon are about the sender, not a person, or
        speak of what passes.
        """
        if hit.rule.verdict != "never" or hit.rule.rank[0] == 0:
            return False
        if text.passing or hit.order[1] <= 1 or 2.9 < hit.order[1] <= 3:
            return text.passing
        blames = hit.rule.scope == "recipient" and not (hit.code and hit.order[1] < 4)
        if blames and self._doubtful(text):
            return True
        said = self.said(text)
        told = {
            p[0]
            for p in said
            if p[0] and (p[1] not in _MILD or p == ("recipient", "opted_out")) and p not in _ENDED
        }
        email = hit.rule.kind == {"email"}
        sender = self._roles.get(
            f"sender-{'email' if email else text.kind}", self._roles.get("sender", frozenset())
        )
        told = {s for s in told if s.startswith("by-")} or told  # who did it, where that is said
        blamed, person = bool(told & sender), bool(told & self._roles["person"])
        # "try again later", "at the moment" (which Meta says too of whom it lets opt out)
        passing = {(None, "outage"), *([(None, "momentary")] if hit.order[1] > 2 else [])}
        passes = hit.rule.scope == "recipient" and not passing.isdisjoint(said)
        # without a kind, e-mail's words are common words elsewhere
        return passes or (
            blamed or not person if email and not text.kind else blamed and not person
        )


def _alike(one: Hit, other: Hit) -> bool:
    """Whether two hits rest on long codes of one form: 131049 and 131050, not 470 and 131047."""
    sure = [hit.code or "" for hit in (one, other) if hit.order[0] and hit.order[1] < 4]
    codes = [code for code in sure if len(code) > 4]
    forms = {len(c) if c.isdecimal() else c.partition("_")[0] for c in codes}
    return len(codes) == 2 and len(forms) == 1


def _borne_out(hits: list[Hit], place: float, others: list[Hit]) -> list[Hit]:
    """Put the hits of a place first whose cause a code names too."""
    causes = {h.rule.cause for h in others if h.code}
    return [
        h._replace(order=(h.order[0], 0.6, *h.order[2:]), confidence="code")
        if h.order[1] == place and h.rule.cause in causes
        else h
        for h in hits
    ]


@functools.cache
def packaged() -> Rules:
    """The rules of errors.toml, with the lexicon and the tables of codes; the tests check them, not
    each start.
    """
    content = tomllib.loads(PACKAGED.read_text(encoding="utf-8"))
    rules = completed(content, {}, content["cause"], 1)
    return Rules(rules, content["cause"], (), providers.load(), lexicon, learned=True)


def lexicon() -> dict[str, dict]:
    """The words of lexicon.toml: group → name → list → words.

    >>> "number" in lexicon()["subject"]
    True
    """
    return tomllib.loads(LEXICON.read_text(encoding="utf-8"))
