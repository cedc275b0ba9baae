"""Error text to cause, verdict, scope, wait and what to do now. What is known is data: errors.toml,
lexicon.toml and the tables in codes/.
"""

from .explain import Explanation, advice, explain, reasons
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
    "explain",
    "load_rules",
    "reasons",
]
