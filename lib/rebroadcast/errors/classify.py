"""A table of failed messages to the same table with what each error means."""

from ..common.lazy import ibis
from ..common.masking import mask_expr
from .explain import UNKNOWN
from .providers import canonical_provider
from .rules import Rules, canonical_kind
from .rulesfile import load_rules

COLUMNS = ["rule", "code", "cause", "verdict", "scope", "confidence", "wait_s"]


def classify(
    table: "ibis.Table",
    rules: Rules | None = None,
    kind_column: str = "kind",
    error_column: str = "error",
    keep=None,
    provider_column: str | None = None,
) -> "ibis.Table":
    """Add masked, rule, code, cause, verdict, scope, confidence (text) and wait_s (seconds) to failed
    messages; confidence is code, text, concept, guess, or null where no rule knows the error.

    The engine finds the distinct texts and masks them; only the masked ones are explained in
    Python. keep is what computes a table once (`Engine.keep`); with it the result holds no data of
    Python's, and can be a view.
    """
    rules = rules or load_rules()
    error = table[error_column].fill_null("")
    kind, provider = (
        table[column].cast("string").fill_null("") if column else ibis.literal("")
        for column in (kind_column, provider_column)
    )
    texts = table.select(error_=error, of_kind_=kind, by_=provider).distinct()
    texts = texts.mutate(masked=mask_expr(texts.error_))
    rows = []
    distinct = texts.select("masked", "of_kind_", "by_").distinct().to_pandas()
    for text, of_kind, by in distinct.itertuples(index=False):
        found = rules.find(text, canonical_kind(of_kind), canonical_provider(by or of_kind))
        rule, meaning = found.rule, UNKNOWN
        if rule:
            meaning = (rule.cause, rule.verdict, rule.scope)
        told = (rule and rule.id, found.code, *meaning, found.confidence, found.seconds)
        rows.append((text, of_kind, by, *told))
    names = ["masked", "of_kind_", "by_", *COLUMNS]
    schema = ibis.schema(dict.fromkeys(names, "string") | {"wait_s": "float64"})
    known = ibis.memtable([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
    known = texts.join(known, ["masked", "of_kind_", "by_"])
    known = keep(known) if keep else known.view()
    keys = [error == known.error_]
    if (
        known.aggregate(twice=known.count() > known.error_.nunique()).execute().twice.iloc[0]
    ):  # else one key is faster
        keys += [kind == known.of_kind_, provider == known.by_]
    return table.left_join(known, keys).drop("error_", "of_kind_", "by_")
