"""A table of failed messages to the same table with what each error means."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from ..common.masking import mask_expr
from ..common.sheets import NOTHING
from .explain import UNKNOWN
from .providers import canonical_provider
from .rules import Rules, canonical_kind, packaged

if TYPE_CHECKING:
    from ..engine.engine import Engine

CODED = ["rule", "cause", "verdict", "scope", "confidence"]  # few texts, in many rows
ASKED = ["masked", "of_kind_", "by_"]


def classify(
    table: "ibis.Table",
    rules: Rules | None = None,
    kind_column: str | None = "kind",
    error_column: str = "error",
    engine: "Engine | None" = None,
    provider_column: str | None = None,
    unused: Collection[str] = (),
    more: "Callable[[ibis.Table], ibis.Table] | None" = None,
) -> "ibis.Table":
    """Add masked, rule, code, cause, verdict, scope, confidence (text) and wait_s (seconds) to
    failed messages, and error_id, a number for all these; confidence is code, text, concept, guess,
    or null where no rule knows the error.

    The engine finds the distinct texts and masks them; only the masked ones are explained in
    Python. With an engine all this is computed here and now, without the columns that are unused,
    and the result holds no data of Python's, and can be a view. more adds columns to the table that
    the errors need not wait for.
    """
    rules = rules or packaged()

    names = {"error_": error_column, "of_kind_": kind_column, "by_": provider_column}

    def keys(rows: "ibis.Table") -> "dict[str, ibis.Value]":
        return {key: rows[n].cast("string").fill_null("") for key, n in names.items() if n}

    texts = table.select(**keys(table)).distinct()
    # An engine would look at the constants of each row, were they told apart, too.
    texts = texts.mutate(**{key: ibis.literal("") for key, name in names.items() if not name})
    nothing = texts.error_.strip().re_search(f"{NOTHING}|^$")
    texts = texts.mutate(masked=nothing.ifelse("", mask_expr(texts.error_)))
    texts = engine.keep(texts) if engine else texts.view()
    asked = (engine.here(texts) if engine else texts).select(*ASKED).distinct().to_pandas()
    asked.insert(0, "error_id", range(len(asked)))
    numbered = ibis.memtable(asked, schema={"error_id": "int32"} | dict.fromkeys(ASKED, "string"))
    told = texts.join(numbered, ASKED).drop("masked")
    table = more(table) if more else table
    several = len(asked[["of_kind_", "by_"]].drop_duplicates()) > 1
    same = [own == told[key] for key, own in keys(table).items() if several or key == "error_"]
    rows = table.left_join(told, same).drop("error_", "of_kind_", "by_", *unused)
    with ThreadPoolExecutor(1) as other:  # while the engine joins
        explained = other.submit(_explained, asked, rules)
        rows = engine.keep_numbers(rows, "contact_id", "message_id") if engine else rows
    known = ibis.memtable(explained.result(), schema=TYPES)
    known = engine.coded(known, *CODED) if engine else known
    return rows.join(known, "error_id").drop("error_id")


TYPES = {
    "error_id": "int32",
    "masked": "string",
    **dict.fromkeys(["rule", "code", "cause", "verdict", "scope", "confidence"], "string"),
    "wait_s": "float64",
}


def _explained(asked: "pd.DataFrame", rules: Rules) -> list[dict]:
    """What masked texts on channels of a kind mean, by number."""
    rows = []
    for number, text, of_kind, by in asked.itertuples(index=False):
        rule, code, seconds, confidence = rules.find(
            text, canonical_kind(of_kind), canonical_provider(by or of_kind)
        )
        meaning = (rule.cause, rule.verdict, rule.scope) if rule else UNKNOWN
        told = (number, text, rule and rule.id, code, *meaning, confidence, seconds)
        rows.append(dict(zip(TYPES, told, strict=True)))
    return rows
