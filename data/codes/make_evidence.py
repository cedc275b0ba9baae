"""Make lib/rebroadcast/errors/evidence.csv: how much words and concepts speak for each cause.

Learned from the labelled texts of tests/data, wordings.csv beside this file and the published texts
of the code tables, by logistic regression with a penalty on large weights (ridge), in fixed steps
from nothing: the same texts give the same file. Weights are hundredths of the logarithm of the
odds; small ones are left out.
"""

import csv
from pathlib import Path

import numpy as np

from rebroadcast.common.masking import mask
from rebroadcast.errors import canonical_kind, load_rules
from rebroadcast.errors.evidence import LEARNED, features
from rebroadcast.errors.texts import Read

HERE = Path(__file__).parent
LABELLED = HERE.parents[1] / "tests" / "data"
PUBLISHED = 0.7  # what a published text counts beside one that was seen in a thread
SCALE, PENALTY, STEP, STEPS = 0.2, 0.05, 0.02, 100
SMALLEST = 6  # hundredths


def labelled() -> dict[str, tuple[str, str, float]]:
    """Return the texts that are learned from: kind, cause and what each counts, by text."""
    known = load_rules()
    texts = {
        row.text: (min(row.kinds, default=""), known.by_id[row.rule].cause, PUBLISHED)
        for row in known.tables.rows
        if row.text and row.rule in known.by_id
    }
    for path in [*sorted(LABELLED.glob("*error*.csv")), HERE / "wordings.csv"]:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                causes = row.get("cause") or row["expected_cause"]
                texts[row["text"]] = (row.get("kind", ""), causes.split("|")[0], 1.0)
    return texts


def weighed(text: str, kind: str) -> set[str]:
    """Return the features of a text of a channel of this kind."""
    read = Read(mask(text), canonical_kind(kind))
    said = load_rules().said(read)
    return features(read.reason, said)


def learn(texts: dict[str, tuple[str, str, float]]) -> tuple[list[str], list[str], np.ndarray]:
    """Return the features, the causes, and the weight of each feature for each cause."""
    rows = [(weighed(text, kind), cause, counts) for text, (kind, cause, counts) in texts.items()]
    rows = [row for row in rows if row[0]]
    names = sorted(set().union(*(row[0] for row in rows)))
    causes = sorted({row[1] for row in rows})
    number = {name: n for n, name in enumerate(names)}
    sizes = [len(row[0]) for row in rows]
    feature = np.concatenate([sorted(number[name] for name in row[0]) for row in rows])
    text = np.repeat(np.arange(len(rows)), sizes)
    starts = np.cumsum([0, *sizes])[:-1]
    by_feature = np.argsort(feature, kind="stable")
    begins = np.searchsorted(feature[by_feature], np.arange(len(names)))
    right = np.array([[row[1] == cause for cause in causes] for row in rows], dtype=float)
    counts = np.array([[row[2]] for row in rows])
    weights = ahead = np.zeros((len(names), len(causes)))
    pace = 1.0
    for _ in range(STEPS):  # Nesterov's accelerated descent
        scores = SCALE * np.add.reduceat(ahead[feature], starts)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        wrong = SCALE * counts * (odds / odds.sum(axis=1, keepdims=True) - right)
        slope = np.add.reduceat(wrong[text][by_feature], begins) + PENALTY * ahead
        better = ahead - STEP * slope
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead = better + (pace - 1) / faster * (better - weights)
        weights, pace = better, faster
    return names, causes, weights


def write(path: Path, texts: dict[str, tuple[str, str, float]]) -> None:
    """Write the weights that are not small, one feature per line."""
    names, causes, weights = learn(texts)
    hundredths = np.rint(100 * SCALE * weights).astype(int)
    hundredths[np.abs(hundredths) < SMALLEST] = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["says", *causes])
        for name, row in zip(names, hundredths, strict=True):
            if row.any():
                writer.writerow([name, *(weight or "" for weight in row)])


if __name__ == "__main__":
    write(LEARNED, labelled())
