"""Error text to cause, verdict, scope, wait and what to do now. The rules are data: errors.toml."""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import re2

from . import texts
from .exceptions import LANGUAGES, RulesError, did_you_mean, reason, sentence
from .lazy import ibis

MASK_PATTERN, MASK_TOKEN = texts.MASK_PATTERN, texts.MASK_TOKEN
mask, mask_expr = texts.mask, texts.mask_expr
PACKAGED = Path(__file__).with_name("errors.toml")
CHOICES = {
    "kind": "whatsapp messenger instagram telegram viber line wechat vk sms email webchat custom",
    "cause": (
        "quota rate_limit recipient_cap outside_window opted_out invalid_recipient unreachable"
        " template content media account configuration policy outage audience unknown"
    ),
    "verdict": "wait fix never unknown",
    "scope": "recipient message sender platform",
    "table": "rule cause sources",
    "key": "id like kind code text weak cause verdict scope wait title fix source date",
}
PER_FILTER = (
    60  # patterns; one filter with all of them is three times as slow, many small ones twice
)
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

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


# --- rules
# --------------------------------------------------------------------------------------------------
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
        number, unit = _WAIT.fullmatch(self.wait).groups()
        if number == "{n}":
            found = re2.search(f"(?is){self.text}", words)
            number = next((g for g in found.groups() if g), None) if found else None
        return min(float(number) * UNITS[unit], _LONGEST) if number else None


_WAIT = re.compile(r"(\d{1,9}|\{n\})(ms|s|m|h|d)")
_CASED = re.compile(r"(?<!\\)(?<!\\[pP])[A-Z]|[^\x00-\x7f]")
_ID = r"\s*[\"']?id[\"']?\s*="
_LONGEST = 366 * 86400  # seconds: a wait that a text names is no longer
_INHERITED = ("cause", "verdict", "scope", "wait", "title", "fix", "source", "date")


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


@functools.cache
def _packaged() -> Rules:
    return Rules(*_read(PACKAGED, {}, {}, 1))


def load_rules(path: Path | str | None = None) -> Rules:
    """Return the packaged rules, with a user's own file (same format) before them.

    Raises RulesError, which names the file, the rule and where possible the line.
    """
    packaged = _packaged()
    if path is None:
        return packaged
    own, causes = _read(Path(path), packaged.by_id, packaged.causes, 0)
    rest = {i: r for i, r in packaged.by_id.items() if i not in {r.id for r in own}}
    overrides = [(r.id, r.id if r.id in packaged.by_id else None) for r in own]
    return Rules([*own, *rest.values()], causes, overrides)


def _read(
    path: Path, known: Mapping[str, Rule], causes: Mapping, layer: int
) -> tuple[list[Rule], dict]:
    """Read a rules file into rules and causes; known rules are those that a rule may be like."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError(sentence("it is not a regular file"))
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        document = tomllib.loads("\n".join(lines))
        tables, sources = list(document.get("rule", [])), document.get("sources", {})
        causes = causes | {c: causes.get(c, {}) | t for c, t in document.get("cause", {}).items()}
        names = [t.get("id") for t in tables]
    except OSError as error:
        raise RulesError(
            "{path} cannot be read: {reason}.", path=path, reason=reason(error)
        ) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RulesError(
            "{path}: not a rules file: {reason}. Expected TOML with [[rule]] tables.",
            path=path,
            reason=error,
        ) from error

    def fail(where: str, found: str, **facts: object) -> RulesError:
        begins = [
            n
            for n, line in enumerate(lines)
            if re.match(r"\s*\[\[\s*[\"']?rule[\"']?\s*\]\]", line)
        ]
        line = next((n for n, s in enumerate(lines, 1) if f'"{where}"' in s), 0)
        at = next((n for n, name in enumerate(names) if where in (name, f"rule {n + 1}")), None)
        if at is not None and len(begins) == len(names):  # its id, or where its table begins
            table = range(begins[at], [*begins, len(lines)][at + 1])
            line = next((n for n in table if re.match(_ID, lines[n])), begins[at]) + 1
        place = sentence("{path}, line {line}", path=path, line=line) if line else path
        return RulesError(f"{place}: {where}: {sentence(found, **facts)}")

    def check(where: str, name: str, value: object, choices: Iterable[str] = ()) -> None:
        choices = list(choices or CHOICES[name].split())
        if value not in choices:
            few, hint = len(choices) < 20, did_you_mean(str(value), choices)
            listed = (
                sentence("one of: {choices}", choices=", ".join(choices))
                if few
                else sentence("the id of another rule")
            )
            raise fail(
                where,
                "{name} is '{value}', expected {listed}.{hint}",
                name=name,
                value=value,
                listed=listed,
                hint=hint,
            )

    for name in document:
        check("top level", "table", name)
    for name in causes:
        check(f"cause.{name}", "cause", name)
    for n, (table, ident) in enumerate(zip(tables, names, strict=True)):
        if not isinstance(ident, str) or not ident or ident in names[:n]:
            raise fail(
                ident or f"rule {n + 1}", 'a rule needs an id of its own, a text such as "my-rule".'
            )
        for key in table:
            check(ident, "key", key)
    rules = dict(known)
    waiting = list(enumerate(tables))
    while waiting:  # a rule may be like one further down
        ready = [(n, t) for n, t in waiting if t.get("like") in (None, *rules)]
        if not ready:
            check(waiting[0][1]["id"], "like", waiting[0][1]["like"], rules)
        for n, table in ready:
            like = rules.get(table.get("like"))
            base = {k: getattr(like, k) for k in _INHERITED} if like else {}
            cause = table.get("cause", base.get("cause"))
            check(table["id"], "cause", cause)
            if cause != base.get("cause"):
                base = {k: base[k] for k in ("source", "date") if k in base}
            if table.get("verdict", causes[cause]["verdict"]) != causes[cause]["verdict"]:
                base = {"wait": None} | base
            try:
                source = sources.get(table.get("source"), {})
                source = {"source": source["url"], "date": source["date"]} if source else {}
                rules[table["id"]] = _rule(
                    causes[cause] | base | table | source, (layer, n), fail, check
                )
            except (TypeError, KeyError, AttributeError) as error:
                raise fail(
                    table["id"],
                    "a value, or its source, is of another kind than expected: {reason}.",
                    reason=error,
                ) from None
        waiting = [w for w in waiting if w not in ready]
    return [rules[i] for i in names], causes


def _rule(full: dict, rank: tuple[int, int], fail, check) -> Rule:
    """Check one complete table and make the rule of it."""
    where, text, wait = full["id"], full.get("text"), full.get("wait")
    kinds, listed = full.get("kind", []), full.get("code", [])
    check(where, "verdict", full["verdict"])
    check(where, "scope", full["scope"])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        check(where, "kind", kind)
    if not text and not listed:
        raise fail(where, "neither code nor text is given; a rule needs at least one of them.")
    if not all(isinstance(v, list) for v in (kinds, listed)):
        raise fail(where, 'kind and code are lists, such as ["131026", "200-299"].')
    codes: set[str] = set()
    for code in map(str, listed):
        low, _, high = code.partition("-")
        spread = low.isdecimal() and high.isdecimal() and int(low) <= int(high) < int(low) + 10000
        codes |= set(map(str, range(int(low), int(high) + 1))) if spread else {code}
    try:
        text = text and texts.fold(text if isinstance(text, str) else "|".join(text))
        if text and rank[0] == 0:  # ours are compiled by the tests
            quiet = re2.Options()
            quiet.log_errors = False
            re2.compile(f"(?is){text}", quiet)
    except (re2.error, TypeError) as error:
        why = error.args[0] if error.args else "unknown"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else why
        raise fail(where, "text is not a pattern that RE2 understands: {why}.", why=why) from None
    if wait is not None and not _WAIT.fullmatch(str(wait)):
        raise fail(
            where,
            "wait is '{wait}', expected a number and one of {units}, such as 24h.",
            wait=wait,
            units=", ".join(UNITS),
        )
    for key in ("title", "fix"):
        if isinstance(full[key], str):
            full[key] = dict.fromkeys(LANGUAGES, full[key])
        if not isinstance(full[key], dict) or any(
            not isinstance(full[key].get(x), str) for x in LANGUAGES
        ):
            raise fail(
                where,
                "{key} must be a text, or one for each of: {languages}.",
                key=key,
                languages=", ".join(LANGUAGES),
            )
    full["date"] = full.get("date") and str(full["date"])
    full |= {"text": text, "kind": frozenset(kinds), "code": frozenset(codes), "rank": rank}
    return Rule(**{k: v for k, v in full.items() if k != "like"})


# --- explaining
# ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Explanation:
    """What one error means. `wait` is how long to wait at least; None where waiting is not the
    answer.
    """

    text: str | None
    masked: str
    code: str | None
    kind: str | None
    cause: str
    verdict: str
    scope: str
    wait: timedelta | None
    title: str
    fix: str
    rule: str | None
    source: str | None
    date: str | None


def explain(
    text: str | None, kind: str | None = None, rules: Rules | None = None, language: str = "en"
) -> Explanation:
    """Explain one error text of a channel of this kind (None where it is not known); no text makes
    it fail.

    >>> explain("(#131049) This message was not delivered", "whatsapp").cause
    'recipient_cap'
    """
    rules = rules or load_rules()
    masked = mask(text)
    rule, code, seconds = rules.find(masked, canonical_kind(kind))
    meaning = (rule.cause, rule.verdict, rule.scope) if rule else _UNKNOWN
    wait = None if seconds is None else timedelta(seconds=seconds)
    origin = (rule.id, rule.source, rule.date) if rule else (None, None, None)
    return Explanation(
        text, masked, code, kind, *meaning, wait, *advice(origin[0], language, rules), *origin
    )


def advice(
    rule_id: str | None, language: str = "en", rules: Rules | None = None
) -> tuple[str, str]:
    """Return (title, fix) of a rule in a language; None stands for an error that no rule knows."""
    rules = rules or load_rules()
    rule = rules.by_id.get(rule_id) if rule_id else None
    title, fix = (
        (rule.title, rule.fix) if rule else (rules.causes["unknown"][k] for k in ("title", "fix"))
    )
    return title[language], fix[language]


_UNKNOWN = ("unknown", "unknown", "message")


def classify(
    table: "ibis.Table",
    rules: Rules | None = None,
    kind_column: str = "kind",
    error_column: str = "error",
    keep=None,
) -> "ibis.Table":
    """Add masked, rule, code, cause, verdict, scope (text) and wait_s (seconds) to failed messages.

    The engine finds the distinct texts and masks them; only the masked ones are explained in
    Python. keep is what computes a table once (`Engine.keep`); with it the result holds no data of
    Python's, and can be a view.
    """
    rules = rules or load_rules()
    kind, error = table[kind_column].cast("string").fill_null(""), table[error_column].fill_null("")
    texts = table.select(error_=error, of_kind_=kind).distinct()
    texts = texts.mutate(masked=mask_expr(texts.error_))
    rows = []
    for text, of_kind in (
        texts.select("masked", "of_kind_").distinct().to_pandas().itertuples(index=False)
    ):
        rule, code, seconds = rules.find(text, canonical_kind(of_kind))
        found = (
            (rule.id, code, rule.cause, rule.verdict, rule.scope)
            if rule
            else (None, code, *_UNKNOWN)
        )
        rows.append((text, of_kind, *found, seconds))
    names = ["masked", "of_kind_", "rule", "code", "cause", "verdict", "scope", "wait_s"]
    schema = ibis.schema(dict.fromkeys(names, "string") | {"wait_s": "float64"})
    known = ibis.memtable([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
    known = texts.join(known, ["masked", "of_kind_"])
    known = keep(known) if keep else known.view()
    keys = [error == known.error_]
    if (
        known.aggregate(twice=known.count() > known.error_.nunique()).execute().twice.iloc[0]
    ):  # else one key is faster
        keys.append(kind == known.of_kind_)
    return table.left_join(known, keys).drop("error_", "of_kind_")
