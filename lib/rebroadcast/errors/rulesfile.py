"""Rules files: the packaged errors.toml, and a user's own file before it."""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import re2

from ..common.exceptions import LANGUAGES, RulesError, did_you_mean, reason, sentence
from . import providers, texts
from .concepts import Pair
from .rules import UNITS, WAIT, Rule, Rules

PACKAGED = Path(__file__).with_name("errors.toml")
LEXICON = Path(__file__).with_name("lexicon.toml")
CHOICES = {
    "kind": "whatsapp messenger instagram telegram viber line wechat vk sms email webchat custom",
    "cause": (
        "quota rate_limit recipient_cap outside_window opted_out invalid_recipient unreachable"
        " template content media account configuration policy outage audience unknown"
    ),
    "verdict": "wait fix never unknown",
    "scope": "recipient message sender platform",
    "table": "rule cause sources subject state word",
    "key": "id like kind code text about weak cause verdict scope wait title fix source date at_limit",
}
WORDS = ("subject", "state", "word")
_BEGIN = r"\s*\[\[\s*[\"']?rule[\"']?\s*\]\]"
_ID = r"\s*[\"']?id[\"']?\s*="
_INHERITED = ("cause", "verdict", "scope", "wait", "title", "fix", "source", "date", "at_limit")


@functools.cache
def _packaged() -> Rules:
    words = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    rules, causes, _ = _read(PACKAGED, {}, {}, words, 1)
    return Rules(rules, causes, tables=providers.load(), lexicon=words, learned=True)


def load_rules(path: Path | str | None = None) -> Rules:
    """Return the packaged rules, with a user's own file (same format) before them.

    Raises RulesError, which names the file, the rule and where possible the line.
    """
    packaged = _packaged()
    if path is None:
        return packaged
    own, causes, words = _read(Path(path), packaged.by_id, packaged.causes, packaged.lexicon, 0)
    rest = {i: r for i, r in packaged.by_id.items() if i not in {r.id for r in own}}
    overrides = [(r.id, r.id if r.id in packaged.by_id else None) for r in own]
    return Rules(
        [*own, *rest.values()], causes, overrides, packaged.tables, words, packaged.learned
    )


def _read(
    path: Path, known: Mapping[str, Rule], causes: Mapping[str, dict], words: Mapping, layer: int
) -> tuple[list[Rule], Mapping[str, dict], dict]:
    """Read a rules file into rules and causes; known rules are those that a rule may be like."""
    file = _File(path)
    file.check_names()
    causes = {**causes, **{c: causes.get(c, {}) | t for c, t in file.causes.items()}}
    words = _merged(words, file.words)
    rules, waiting = dict(known), list(enumerate(file.tables))
    while waiting:  # a rule may be like one further down
        ready = [(n, t) for n, t in waiting if t.get("like") in (None, *rules)]
        if not ready:
            file.check(waiting[0][1]["id"], "like", waiting[0][1]["like"], rules)
        for n, table in ready:
            try:
                full = file.completed(table, rules.get(table.get("like")), causes)
                rules[table["id"]] = _rule(full, (layer, n), words, file.fail, file.check)
            except (TypeError, KeyError, AttributeError) as error:
                raise file.fail(
                    table["id"],
                    "a value, or its source, is of another kind than expected: {reason}.",
                    reason=error,
                ) from None
        waiting = [w for w in waiting if w not in ready]
    for rule in rules.values():
        if rule.at_limit:
            file.check(rule.id, "at_limit", rule.at_limit, rules)
    return [rules[i] for i in file.ids], causes, words


class _File:
    """A rules file as it was written: its tables, and what is wrong with them, said with its line."""

    def __init__(self, path: Path):
        self.path = path
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise OSError(sentence("it is not a regular file"))
            self.lines = path.read_text(encoding="utf-8-sig").splitlines()
            self.document = tomllib.loads("\n".join(self.lines))
            self.tables = list(self.document.get("rule", []))
            self.causes = {c: dict(t) for c, t in self.document.get("cause", {}).items()}
            self.ids = [t.get("id") for t in self.tables]
            self.words = _merged({}, {g: self.document[g] for g in WORDS if g in self.document})
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

    def fail(self, where: str, found: str, **facts: object) -> RulesError:
        # the line is that of its id, or where its table begins
        begins = [n for n, line in enumerate(self.lines) if re.match(_BEGIN, line)]
        line = next((n for n, s in enumerate(self.lines, 1) if f'"{where}"' in s), 0)
        at = next((n for n, name in enumerate(self.ids) if where in (name, f"rule {n + 1}")), None)
        if at is not None and len(begins) == len(self.ids):
            table = range(begins[at], [*begins, len(self.lines)][at + 1])
            line = next((n for n in table if re.match(_ID, self.lines[n])), begins[at]) + 1
        place = sentence("{path}, line {line}", path=self.path, line=line) if line else self.path
        return RulesError(f"{place}: {where}: {sentence(found, **facts)}")

    def check(self, where: str, name: str, value: object, choices: Iterable[str] = ()) -> None:
        choices = list(choices or CHOICES[name].split())
        if value not in choices:
            raise self.fail(
                where,
                "{name} is '{value}', expected {listed}.{hint}",
                name=name,
                value=value,
                listed=sentence("one of: {choices}", choices=", ".join(choices))
                if len(choices) < 20
                else sentence("the id of another rule"),
                hint=did_you_mean(str(value), choices),
            )

    def check_names(self) -> None:
        told = [("top level", "table", name) for name in self.document]
        for names in told + [(f"cause.{name}", "cause", name) for name in self.causes]:
            self.check(*names)
        for n, (table, ident) in enumerate(zip(self.tables, self.ids, strict=True)):
            if not isinstance(ident, str) or not ident or ident in self.ids[:n]:
                raise self.fail(
                    ident or f"rule {n + 1}",
                    'a rule needs an id of its own, a text such as "my-rule".',
                )
            for key in table:
                self.check(ident, "key", key)

    def completed(
        self, table: dict[str, Any], like: Rule | None, causes: Mapping[str, dict]
    ) -> dict:
        # what a rule leaves out comes from the rule it is like, its cause and its source
        base = {k: getattr(like, k) for k in _INHERITED} if like else {}
        cause: Any = table.get("cause", base.get("cause"))
        self.check(table["id"], "cause", cause)
        if cause != base.get("cause"):
            base = {k: base[k] for k in ("source", "date") if k in base}
        if table.get("verdict", causes[cause]["verdict"]) != causes[cause]["verdict"]:
            base = {"wait": None} | base
        source = self.document.get("sources", {}).get(table.get("source"), {})
        source = {"source": source["url"], "date": source["date"]} if source else {}
        return causes[cause] | base | table | source


def _merged(words: Mapping, more: Mapping) -> dict:
    """Add a file's own words to the lexicon's, list by list."""
    merged = {group: dict(names) for group, names in words.items()}
    for group, names in more.items():
        for name, lists in names.items():
            known = merged.setdefault(group, {}).get(name, {})
            merged[group][name] = dict(known) | {
                column: f"{known.get(column, '')} {listed}" for column, listed in lists.items()
            }
    return merged


def _rule(full: dict, rank: tuple[int, int], words: Mapping, fail, check) -> Rule:
    """Check one complete table and make the rule of it."""
    where, text, wait = full["id"], full.get("text"), full.get("wait")
    kinds, listed = full.get("kind", []), full.get("code", [])
    named = [("kind", kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    for name, value in [("verdict", full["verdict"]), ("scope", full["scope"]), *named]:
        check(where, name, value)
    about = frozenset(_pairs(full.get("about", []), words, where, check))
    if not text and not listed and not about and rank[0] == 0:  # ours may be a code table's
        raise fail(where, "neither code nor text is given; a rule needs at least one of them.")
    if not all(isinstance(v, list) for v in (kinds, listed)):
        raise fail(where, 'kind and code are lists, such as ["131026", "200-299"].')
    spread = frozenset(c for code in map(str, listed) for c in providers.spread(code))
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
    if wait is not None and not WAIT.fullmatch(str(wait)):
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
    full |= {"text": text, "kind": frozenset(kinds), "code": spread, "rank": rank}
    full |= {"about": about, "date": full.get("date") and str(full["date"])}
    return Rule(**{k: v for k, v in full.items() if k != "like"})


def _pairs(listed: list[str], words: Mapping, where: str, check) -> Iterable[Pair]:
    """Yield the (subject, state) pairs of lines such as "recipient number : invalid unknown"."""
    for line in listed:
        subjects, _, states = line.partition(":")
        for name in subjects.split():
            check(where, "subject", name.removeprefix("by-"), words["subject"])
        for name in states.split():
            check(where, "state", name, {*words["state"], "faulty"})
        yield from product(subjects.split() or (None,), states.split() or (None,))
