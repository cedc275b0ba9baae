"""Error text to cause, verdict, scope, wait and what to do now. The rules are data: errors.toml."""

from .classify import classify
from .explain import Explanation, advice, explain
from .rules import Rule, Rules, canonical_kind
from .rulesfile import CHOICES, PACKAGED, load_rules

__all__ = [
    "CHOICES",
    "PACKAGED",
    "Explanation",
    "Rule",
    "Rules",
    "advice",
    "canonical_kind",
    "classify",
    "explain",
    "load_rules",
]
