"""A table of failed messages to the same table with what each error means."""

from ..common.lazy import ibis
from ..common.masking import mask_expr
from .explain import UNKNOWN
from .rules import Rules, canonical_kind
from .rulesfile import load_rules


def classify(
    table: "ibis.Table",
    rules: Rules | None = None,
    kind_column: str = "kind",
    error_column: str = "error",
    keep=None,
) -> "ibis.Table":
    """Add masked, rule, code, cause, verdict, scope (text) and wait_s (seconds) to failed messages.

    The engine finds the distinct texts and masks them; only the masked ones are explained in
    Python. keep is what computes a table once (`Engine.keep`); with it the result holds no data of
    Python's, and can be a view.
    """
    rules = rules or load_rules()
    kind, error = table[kind_column].cast("string").fill_null(""), table[error_column].fill_null("")
    texts = table.select(error_=error, of_kind_=kind).distinct()
    texts = texts.mutate(masked=mask_expr(texts.error_))
    rows = []
    for text, of_kind in (
        texts.select("masked", "of_kind_").distinct().to_pandas().itertuples(index=False)
    ):
        rule, code, seconds = rules.find(text, canonical_kind(of_kind))
        found = (
            (rule.id, code, rule.cause, rule.verdict, rule.scope)
            if rule
            else (None, code, *UNKNOWN)
        )
        rows.append((text, of_kind, *found, seconds))
    names = ["masked", "of_kind_", "rule", "code", "cause", "verdict", "scope", "wait_s"]
    schema = ibis.schema(dict.fromkeys(names, "string") | {"wait_s": "float64"})
    known = ibis.memtable([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
    known = texts.join(known, ["masked", "of_kind_"])
    known = keep(known) if keep else known.view()
    keys = [error == known.error_]
    if (
        known.aggregate(twice=known.count() > known.error_.nunique()).execute().twice.iloc[0]
    ):  # else one key is faster
        keys.append(kind == known.of_kind_)
    return table.left_join(known, keys).drop("error_", "of_kind_")
