"""What a rule says, which rule speaks for a text, and the channel kinds they are about."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import re2

from . import texts

PER_FILTER = (
    60  # patterns; one filter with all of them is three times as slow, many small ones twice
)
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
WAIT = re.compile(r"(\d{1,9}|\{n\})(ms|s|m|h|d)")
_CASED = re.compile(r"(?<!\\)(?<!\\[pP])[A-Z]|[^\x00-\x7f]")
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
    for name, aliases in _ALIASES.items():
        if aliases & set(words) or (len(name) > 4 and name in "".join(words)):
            return name
    return None


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
    weak: bool = False
    wait: str | None = None
    source: str | None = None
    date: str | None = None

    def seconds(self, words: str) -> float | None:
        """Return the wait in seconds; `{n}s` takes the number that the pattern captured in
        words.
        """
        if not self.wait or self.verdict != "wait":
            return None
        number, unit = WAIT.fullmatch(self.wait).groups()
        if number == "{n}":
            found = re2.search(f"(?is){self.text}", words)
            number = next((g for g in found.groups() if g), None) if found else None
        return min(float(number) * UNITS[unit], _LONGEST) if number else None


class Rules:
    """The rules in force. `overrides` lists (a user's rule id, the packaged rule id it replaces or
    None).
    """

    def __init__(
        self, rules: Iterable[Rule], causes: Mapping[str, dict], overrides: Iterable[tuple] = ()
    ):
        self.by_id = {r.id: r for r in rules}
        self.causes = causes
        self.overrides: list[tuple[str, str | None]] = list(overrides)
        self._by_code: dict[str, list[Rule]] = {}
        for rule in self.by_id.values():
            for code in () if rule.text else rule.code:
                self._by_code.setdefault(code, []).append(rule)

    @functools.cached_property
    def _searches(self) -> list[tuple[re2.Filter, list[Rule]]]:
        """All patterns in a few filters, so that few of them search a text."""
        patterns = [r for r in self.by_id.values() if r.text]
        searches = [
            (re2.Filter(), patterns[i : i + PER_FILTER])
            for i in range(0, len(patterns), PER_FILTER)
        ]
        for search, rules in searches:
            for rule in rules:
                # The text is in lower case: so is a pattern, as a rule, and then it compiles in
                # half the time.
                search.Add(f"(?{'i' * bool(_CASED.search(rule.text))}s){rule.text}", re2.Options())
            search.Compile()
        return searches

    def find(self, masked: str, kind: str | None) -> tuple[Rule | None, str | None, float | None]:
        """Return the best rule for a masked text, the code it is about, and the wait in seconds.

        A user's rules come first. Then code and text together, a code of five or more digits, text,
        a short code of that channel kind, weak text, a weak code; within each, the order of the
        file.
        """
        plain = texts.plain_text(masked)
        codes = texts.find_codes(plain)
        words = texts.find_words(plain)
        kind = kind or texts.guess_kind(plain)
        lower, hits = words.lower(), []
        for rule in (
            rules[i] for search, rules in self._searches for i in search.Match(lower) or ()
        ):
            code = next((c for c in codes if c in rule.code), None)
            if (code or not rule.code) and (not kind or not rule.kind or kind in rule.kind):
                hits.append((4 if rule.weak else 0 if code else 2, rule, code))
        for code, named in codes.items():
            long = len(code) > 4 and "." not in code
            meta = (
                not kind and len(code) > 2 and f"(#{code})" in plain
            )  # others' codes in this form are shorter
            for rule in self._by_code.get(code, ()) if named or not long else ():
                sure = long or "." in code or (meta and "messenger" in rule.kind)
                if not rule.kind or (kind in rule.kind if kind else sure):
                    hits.append((5 if rule.weak else 1 if long else 3, rule, code))
        first = max(codes, key=len, default=None)
        if not hits:
            return None, first, None
        # without a kind, e-mail's rules come last: their words are common words on other channels
        late = {rule.id for _, rule, _ in hits if kind is None and rule.kind == {"email"}}
        _, rule, code = min(hits, key=lambda h: (h[1].rank[0], h[0], h[1].id in late, h[1].rank[1]))
        return rule, code or first, rule.seconds(words)
