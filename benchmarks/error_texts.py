"""How well errors are read that nobody has seen: an honest forecast, printed as tables.

Fifths: the texts are dealt into five parts; for each part, every pattern, word and code that only
its own texts use is taken out of the rules, weights are learned from the other parts, and the part
is explained with what is left.
Providers: a provider's code table is taken away, and each of its published texts is explained by
its words alone; right is what the table says.

    python benchmarks/error_texts.py
"""

import csv
import re
import sys
import tempfile
import tomllib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import re2

from rebroadcast.common.masking import mask
from rebroadcast.errors import PACKAGED, canonical_kind, evidence, load_rules, providers, texts
from rebroadcast.errors.rules import Rules

sys.path.insert(0, str(Path(__file__).parents[1] / "data" / "codes"))
import make_evidence

DATA = Path(__file__).parents[1] / "tests" / "data"
SETS = {
    "error_examples.csv": ("cause", "verdict"),
    "more_error_examples.csv": ("cause", "verdict"),
    "error_examples_2.csv": ("cause", "verdict"),
    "error_examples_3.csv": ("cause", "verdict"),
    "error_examples_4.csv": ("cause", "verdict"),
    "error_examples_5.csv": ("cause", "verdict"),
    "error_examples_6.csv": ("cause", "verdict"),
    "error_examples_7.csv": ("cause", "verdict"),
    "error_examples_8.csv": ("cause", "verdict"),
    "error_examples_9.csv": ("cause", "verdict"),
    "error_examples_10.csv": ("cause", "verdict"),
    "error_examples_11.csv": ("cause", "verdict"),
    "error_examples_12.csv": ("cause", "verdict"),
    "error_examples_13.csv": ("cause", "verdict"),
    "error_examples_14.csv": ("cause", "verdict"),
    "error_examples_15.csv": ("cause", "verdict"),
    "error_examples_16.csv": ("cause", "verdict"),
    "error_gaps.csv": ("expected_cause", "expected_verdict"),
}
FIFTHS = 5
GROUPS = ("subject", "state")


def examples() -> list[tuple[str, str, list[str], list[str]]]:
    """Return (masked text, kind, causes, verdicts) of all labelled texts."""
    rows = []
    for name, (cause, verdict) in SETS.items():
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                answer = row[cause].split("|"), row[verdict].split("|")
                rows.append((mask(row["text"]), canonical_kind(row["kind"]), *answer))
    return rows


def patterns() -> dict[str, list[str]]:
    """Return the patterns of each packaged rule, folded."""
    rules = tomllib.loads(PACKAGED.read_text(encoding="utf-8"))["rule"]
    listed = {r["id"]: r["text"] for r in rules if "text" in r}
    return {
        i: [texts.fold(t) for t in ([p] if isinstance(p, str) else p)] for i, p in listed.items()
    }


def used(rows: list[tuple]) -> list[set[tuple]]:
    """Return for each text the patterns, words and codes that it meets."""
    known = load_rules()
    compiled = [
        (("pattern", i, p), re2.compile(f"(?is){p}")) for i, ps in patterns().items() for p in ps
    ]
    words: dict[str, list[tuple]] = defaultdict(list)
    for group in GROUPS:
        for name, lists in known.lexicon[group].items():
            for column, listed in lists.items():
                for word in listed.split():
                    words[texts.fold(word)].append(("word", group, name, column, word))
    met = []
    for text, kind, *_ in rows:
        read = texts.Read(text, kind)
        own = {key for key, pattern in compiled if pattern.search(read.lower)}
        tokens = re.findall(r"[^\W_]+", read.lower)
        tokens += ["_".join(tokens[i : i + n]) for i in range(len(tokens)) for n in (2, 3)]
        for token in tokens:
            own.update(words.get(token, ()))
            for size in range(2, len(token) + 1):
                own.update(words.get(f"{token[:size]}*", ()))
        own |= {
            ("code", row.provider, row.code)
            for c in read.codes
            for row in known.tables.by_code.get(c, ())
        }
        met.append(own)
    return met


def without(dropped: set[tuple]) -> Rules:
    """Return the packaged rules without these patterns, words and codes."""
    known, kept = load_rules(), []
    for rule in known.by_id.values():
        listed = patterns().get(rule.id, []) if any(d[1] == rule.id for d in dropped) else []
        if listed:
            left = [p for p in listed if ("pattern", rule.id, p) not in dropped]
            rule = replace(rule, text="|".join(left) or None)
        kept.append(rule)
    lexicon = {group: dict(names) for group, names in known.lexicon.items()}
    for group in GROUPS:
        for name, lists in lexicon[group].items():
            lexicon[group][name] = {
                column: " ".join(
                    w for w in listed.split() if ("word", group, name, column, w) not in dropped
                )
                for column, listed in lists.items()
            }
    rows = [r for r in known.tables.rows if ("code", r.provider, r.code) not in dropped]
    tables = providers.Tables(rows)
    return Rules(kept, known.causes, tables=tables, lexicon=lambda: lexicon, learned=True)


def learn_without(left_out: set[str]) -> None:
    """Have the rules weigh texts by what is learned without these (masked) texts."""
    kept = {t: label for t, label in make_evidence.labelled().items() if mask(t) not in left_out}
    with tempfile.TemporaryDirectory() as folder:
        evidence.LEARNED = Path(folder) / "evidence.csv"
        make_evidence.write(evidence.LEARNED, kept)
        for remembered in (evidence._learned, evidence._weights, evidence._scores):
            remembered.cache_clear()
        evidence._learned()


def fifths() -> list[str]:
    """Return the table of the fifths, one row per kind."""
    rows = examples()
    met, counts = used(rows), defaultdict(lambda: [0] * 6)
    for part in range(FIFTHS):
        ours = set().union(*(m for n, m in enumerate(met) if n % FIFTHS == part))
        others = set().union(*(m for n, m in enumerate(met) if n % FIFTHS != part))
        rules = without(ours - others)
        learn_without({text for text, *_ in rows[part::FIFTHS]})
        for text, kind, causes, verdicts in rows[part::FIFTHS]:
            rule = rules.find(text, kind).rule
            cause, verdict = (rule.cause, rule.verdict) if rule else ("unknown", "unknown")
            marks = (
                1,
                cause in causes,
                verdict in verdicts,
                rule is None,
                verdict == "never" and "never" not in verdicts,
                verdict == "wait" and verdicts == ["never"],
            )
            for group in (kind or "any", "all"):
                counts[group] = [a + b for a, b in zip(counts[group], marks, strict=True)]
    return [_line(kind, *counts[kind]) for kind in [*sorted(counts.keys() - {"all"}), "all"]]


def _line(name: str, n: int, cause: int, verdict: int, unknown: int, never: int, wait: int) -> str:
    shares = " | ".join(f"{x / n:.1%}" for x in (cause, verdict, unknown))
    return f"| {name} | {n} | {shares} | {never} | {wait} |"


def left_out_providers() -> list[str]:
    """Return the table of the providers whose own codes are taken away."""
    known, lines = load_rules(), []
    for provider in sorted({r.provider for r in known.tables.rows} - {"http"}):
        own = [r for r in known.tables.rows if r.provider == provider and r.text]
        rest = [r for r in known.tables.rows if r.provider != provider]
        rules = Rules(
            known.by_id.values(),
            known.causes,
            tables=providers.Tables(rest),
            lexicon=lambda: known.lexicon,
        )
        counts = [0] * 6
        for row in own:
            right = known.by_id[row.rule]
            rule = rules.find(row.text, min(row.kinds, default=None)).rule
            cause, verdict = (rule.cause, rule.verdict) if rule else ("unknown", "unknown")
            marks = (
                1,
                cause == right.cause,
                verdict == right.verdict,
                rule is None,
                verdict == "never" != right.verdict,
                verdict == "wait" and right.verdict == "never",
            )
            counts = [a + b for a, b in zip(counts, marks, strict=True)]
        if counts[0]:
            lines.append(_line(provider, *counts))
    return lines


HEAD = (
    "| {} | texts | cause right | verdict right | no rule | wrong `never`"
    " | `never` called `wait` |\n"
    "|---|---|---|---|---|---|---|"
)

if __name__ == "__main__":
    print(HEAD.format("kind"), *fifths(), sep="\n")
    print()
    print(HEAD.format("provider"), *left_out_providers(), sep="\n")
