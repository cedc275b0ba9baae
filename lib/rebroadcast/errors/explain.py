"""One error text to its cause, verdict, scope, wait and what to do now."""

from dataclasses import dataclass
from datetime import timedelta

from ..common.masking import mask
from .providers import canonical_provider
from .rules import Rules, canonical_kind, packaged

UNKNOWN = ("unknown", "unknown", "message")


@dataclass(frozen=True)
class Explanation:
    """What one error means. `confidence` is code, text, concept, guess, or None where no rule knows
    it; `wait` is how long to wait at least, None where waiting is not the answer.
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
    confidence: str | None = None


def explain(
    text: str | None,
    kind: str | None = None,
    rules: Rules | None = None,
    language: str = "en",
    provider: str | None = None,
) -> Explanation:
    """Explain one error text of a channel of this kind, said by this provider (None where they are
    not known); no text makes it fail.

    >>> explain("(#131049) This message was not delivered", "whatsapp").cause
    'recipient_cap'
    """
    rules = rules or packaged()
    masked = mask(text)
    rule, code, seconds, confidence = rules.find(
        masked, canonical_kind(kind), canonical_provider(provider or kind)
    )
    meaning = (rule.cause, rule.verdict, rule.scope) if rule else UNKNOWN
    wait = None if seconds is None else timedelta(seconds=seconds)
    return Explanation(
        text,
        masked,
        code,
        kind,
        *meaning,
        wait,
        *advice(rule.id if rule else None, language, rules),
        rule.id if rule else None,
        rule.source if rule else None,
        rule.date if rule else None,
        confidence,
    )


def reasons(
    text: str | None,
    kind: str | None = None,
    rules: Rules | None = None,
    provider: str | None = None,
) -> list[tuple[str, str, str]]:
    """Return why an error was explained so, the deciding reason first: how sure it is, the code or
    the words, and the rule. `not` marks a rule that the words about the sender ruled out.

    >>> reasons("The recipient has blocked you", "sms")[0]
    ('text', 'has blocked you', 'opted-out')
    """
    rules = rules or packaged()
    return rules.why(mask(text), canonical_kind(kind), canonical_provider(provider or kind))


def advice(
    rule_id: str | None, language: str = "en", rules: Rules | None = None
) -> tuple[str, str]:
    """Return (title, fix) of a rule in a language; None stands for an error that no rule knows."""
    rules = rules or packaged()
    rule = rules.by_id.get(rule_id) if rule_id else None
    title, fix = (
        (rule.title, rule.fix) if rule else (rules.causes["unknown"][k] for k in ("title", "fix"))
    )
    return title[language], fix[language]
