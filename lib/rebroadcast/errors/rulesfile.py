"""A user's own rules file: its form, and what is wrong in one."""

import datetime
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, create_model

from ..common import tomlfile
from ..common.exceptions import LANGUAGES, RulesError, quoted, reason, sentence
from .rules import UNITS, WAIT, Rule, Rules, completed

Cause = Literal[
    "quota",
    "rate_limit",
    "recipient_cap",
    "outside_window",
    "opted_out",
    "invalid_recipient",
    "unreachable",
    "template",
    "content",
    "media",
    "account",
    "configuration",
    "policy",
    "outage",
    "audience",
    "unknown",
]
Kind = Literal[
    "whatsapp",
    "messenger",
    "instagram",
    "telegram",
    "viber",
    "line",
    "wechat",
    "vk",
    "sms",
    "email",
    "webchat",
    "custom",
]
Said = str | Annotated[dict[Literal["en", "es"], str], Field(min_length=len(LANGUAGES))]
Name = Annotated[str, Field(min_length=1)]
LONGEST = 10_000  # characters of a pattern
Pattern = Annotated[str, Field(max_length=LONGEST)]
Words = dict[str, dict[str, str]]
_HEAD = r"\s*\[\[\s*[\"']?rule[\"']?\s*\]\]"
_ID = r"\s*[\"']?id[\"']?\s*="


class _Source(BaseModel, extra="forbid"):
    url: str
    date: str | datetime.date


class _Cause(BaseModel, extra="forbid"):
    verdict: Literal["wait", "fix", "never", "unknown"] | None = None
    scope: Literal["recipient", "message", "sender", "platform"] | None = None
    wait: Annotated[str, Field(pattern=f"^{WAIT.pattern}$")] | None = None
    title: Said | None = None
    fix: Said | None = None
    source: str | None = None
    date: str | datetime.date | None = None


class _Rule(_Cause):
    id: Name
    like: Name | None = None
    kind: list[Kind] = []
    code: list[str | Annotated[int, Field(strict=True)]] = []
    text: Pattern | list[Pattern] = []
    about: list[str] = []
    weak: Annotated[bool, Field(strict=True)] = False
    cause: Cause | None = None
    at_limit: str | None = None


_File = create_model(
    "_File",
    __config__=ConfigDict(extra="forbid"),
    rule=(list[dict], []),
    cause=(dict[Cause, _Cause], {}),
    sources=(dict[str, _Source], {}),
    subject=(Words, {}),
    state=(Words, {}),
    word=(Words, {}),
)


SAID = sentence("a text, or one for each of: {languages}", languages=", ".join(LANGUAGES))
EXPECTED = {  # what a setting takes, by its name
    "id": sentence('a text of its own, such as "my-rule"'),
    "code": sentence('a list, such as ["131026", "200-299"]'),
    "kind": sentence('a list, such as ["whatsapp", "sms"]'),
    "wait": sentence("a number and one of {units}, such as 24h", units=", ".join(UNITS)),
    "text": sentence(
        "a pattern, or a list of patterns, of at most {most:,} characters each", most=LONGEST
    ),
    "source": sentence("an address, or the name of a table of [sources] with url and date"),
    "title": SAID,
    "fix": SAID,
}


def load(path: Path, known: Rules) -> Rules:
    """Return the rules of a file, and after them those that are known; RulesError says what is
    wrong, and in which rule and line.
    """
    n, name = -1, ""
    try:
        content = tomlfile.read(path, sentence("rules file"))
        tomlfile.checked(_File, content, EXPECTED)
        tables = content.get("rule", [])
        words = _merged(known.lexicon, content)
        for n, table in enumerate(tables):
            name = str(table.get("id") or f"rule {n + 1}")
            tomlfile.checked(_Rule, table, EXPECTED)
            if not {"cause", "like"} & table.keys():
                raise ValueError(sentence("{key} is missing.", key="cause"))
        own = content.get("cause", {})
        causes = {cause: table | own.get(cause, {}) for cause, table in known.causes.items()}
        rules = {rule.id: rule for rule in completed(content, known.by_id, causes, 0)}
        names = [table["id"] for table in tables]
        for n, (name, table) in enumerate(zip(names, tables, strict=True)):
            if name in names[:n]:
                raise ValueError(
                    sentence('a rule needs an id of its own, a text such as "my-rule".')
                )
            if name not in rules:  # like one that is not there, or in a circle
                _named("like", table["like"], {*known.by_id, *rules})
            _contradictions(rules[name], words, known, {*known.by_id, *rules})
    except ValueError as error:
        raise _refusal(path, n, name, reason(error)) from None
    return Rules(
        (rules | {**known.by_id, **rules}).values(),
        causes,
        [(name, name if name in known.by_id else None) for name in rules],
        known.tables,
        lambda: words,
        known.learned,
    )


def _contradictions(rule: Rule, words: Mapping, known: Rules, names: Collection[str]) -> None:
    """Raise ValueError for what a complete rule says and cannot be."""
    _named("at_limit", rule.at_limit, names)
    led_to = {row.rule for row in known.tables.rows} | {f"likely-{cause}" for cause in known.causes}
    if not (rule.text or rule.code or rule.about or rule.id in led_to):
        raise ValueError(
            sentence("neither code nor text is given; a rule needs at least one of them.")
        )
    for subject, state in sorted(rule.about, key=str):
        _named("subject", subject and subject.removeprefix("by-"), words["subject"])
        _named("state", state, {*words["state"], "faulty"})
    quiet = re2.Options()
    quiet.log_errors = False
    try:
        re2.compile(f"(?is){rule.text or ''}", quiet)
    except re2.error as error:
        raise ValueError(
            sentence(
                "text is not a pattern that RE2 understands: {why}.",
                why=quoted(error.args[0].decode("utf-8", "replace")),
            )
        ) from None


def _named(key: str, name: str | None, names: Collection[str]) -> None:
    if name and name not in names:
        means = sentence("the id of another rule") if key in ("like", "at_limit") else ""
        raise ValueError(tomlfile.expects(key, name, names, means))


def _refusal(path: Path, n: int, name: str, fault: str) -> RulesError:
    """What is wrong, with the line of a rule's id, or of where its table begins."""
    place = f"{path}: {name}" if name else str(path)
    if n >= 0:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        heads = [line for line, text in enumerate(lines) if re.match(_HEAD, text)]
        if n < len(heads):
            table = range(heads[n], [*heads, len(lines)][n + 1])
            line = next((line for line in table if re.match(_ID, lines[line])), heads[n]) + 1
            place = sentence("{path}, line {line}: {rule}", path=path, line=line, rule=name)
    return RulesError("{path}: {fault}", path=place, fault=fault)


def _merged(words: Mapping, content: Mapping) -> dict:
    """Add a file's own words to the lexicon's, list by list."""
    merged = {group: dict(names) for group, names in words.items()}
    for group in ("subject", "state", "word"):
        for name, lists in content.get(group, {}).items():
            known = merged[group].setdefault(name, {})
            merged[group][name] = known | {
                language: f"{known.get(language, '')} {own}" for language, own in lists.items()
            }
    return merged
