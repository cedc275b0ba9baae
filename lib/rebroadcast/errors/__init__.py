"""Error text to cause, verdict, scope, wait and what to do now. What is known is data: errors.toml,
lexicon.toml and the tables in codes/.
"""

from pathlib import Path

from .explain import Explanation, advice, explain, reasons
from .providers import FORMS, canonical_provider
from .rules import PACKAGED, Rule, Rules, canonical_kind, packaged

__all__ = [
    "FORMS",
    "PACKAGED",
    "Explanation",
    "Rule",
    "Rules",
    "advice",
    "canonical_kind",
    "canonical_provider",
    "explain",
    "load_rules",
    "reasons",
]


def load_rules(path: Path | str | None = None) -> Rules:
    """Return the packaged rules, with a user's own file (same format) before them.

    Raises RulesError, which names the file, the rule and where possible the line.
    """
    if path is None:
        return packaged()
    from .rulesfile import load  # takes pydantic, which most runs of `explain` do without

    return load(Path(path), packaged())
