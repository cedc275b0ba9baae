"""Damaged exports: a fair sample of the ways of pollution.py; `make campaign` runs many more,
beside other readers.
"""

import random
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

import pollution
from rebroadcast.common.exceptions import RebroadcastError

BASES = pollution.bases(seed=3)
PER_FAMILY = 1


@pytest.mark.parametrize("name", ["plain", "semicolons", "contacts", "sample", "json lines"])
def test_damage_costs_the_damaged_rows_only(engine, name):
    chosen = []
    for family in pollution.families(BASES[name]):
        found = list(islice(family(BASES[name]), 400))
        for case in random.Random(name).sample(found, PER_FAMILY):
            chosen.append(pollution.Case(BASES[name], family.__name__, *case))
    readers = {"rebroadcast": (pollution.ours(engine), RebroadcastError)}
    verdicts = [
        (c.family, c.name, v) for c, _, v in pollution.run(chosen, readers, Path(engine.scratch))
    ]
    assert [v for v in verdicts if v[2].startswith("wrong")] == []
    counts = Counter(v for *_, v in verdicts)
    assert (
        counts["right"] + counts["rejected"] > counts["refused"]
    )  # who refuses everything is never wrong


def test_the_judge_finds_a_shifted_column_and_a_lost_row(tmp_path):
    base = BASES["plain"]
    case = pollution.Case(base, "none", "none", base.chunks)
    rows = [pollution._trimmed(r) for r in base.rows]
    for read, said in (
        (rows, "right"),
        (rows[1:], "wrong: row 0 is lost"),
        ([*rows[1:], (*rows[0][1:], "")], "wrong: a row that is in no file"),
        ([*rows, rows[0]], "wrong: row 0 is there twice"),
    ):
        assert pollution.judge(
            case, lambda path, base, read=read: (read, []), tmp_path / "export.csv"
        ).startswith(said)
