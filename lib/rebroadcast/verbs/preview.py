"""A recovery tried first: counts, first rows, and what differs from the last run; nothing is
written.
"""

from dataclasses import dataclass
from pathlib import Path

from ..bench.workbench import Workbench
from ..common.lazy import pd
from ..engine.engine import reader_path
from .recover import recover

FIRST = 5


@dataclass(frozen=True)
class Preview:
    """`counts` per disposition, `first` rows of the import files, and contacts that are `new` or
    `gone`.

    `new` and `gone` (contact_id, disposition: what they are now; `since`: what they are compared
    with) are None where there is no run to compare with.
    """

    counts: dict[str, int]
    first: "pd.DataFrame"
    new: "pd.DataFrame | None" = None
    gone: "pd.DataFrame | None" = None
    since: str = ""


def preview(bench: Workbench, out: Path | None = None) -> Preview:
    """Recover without writing, and compare with the run in out, else with the ledger's last run for
    the broadcast.
    """
    recover(bench)
    con = bench.engine.con
    rows = con.read_parquet(reader_path(bench.engine.scratch / "dispositions.parquet"))
    tagged = rows.filter(rows.disposition == "tagged")
    first = tagged.select("contact_id", "tag").order_by("contact_id").limit(FIRST).to_pandas()
    before, since = None, ""
    if out and (out / "data" / "dispositions.parquet").exists():
        before, since = (
            con.read_parquet(reader_path(out / "data" / "dispositions.parquet")),
            str(out),
        )
        before = before.filter(before.disposition == "tagged")
    elif bench.ledger and (
        runs := [r for r in bench.ledger.runs() if r["broadcast"] == bench.broadcast]
    ):
        before, since = (
            bench.ledger.tagged(con, bench.broadcast),
            f"{runs[-1]['run_id']} of {runs[-1]['claimed_at']}",
        )
        before = before.filter(before.run_id == runs[-1]["run_id"])
    if before is None:
        return Preview(bench.counts, first)
    before = before.select("contact_id").distinct()
    new = tagged.anti_join(before, "contact_id").select("contact_id", "disposition").distinct()
    fates = (
        rows.filter(~rows.disposition.isin(["repeated", "filtered"]))
        .select("contact_id", "disposition")
        .distinct()
    )
    gone = (
        before.anti_join(tagged, "contact_id")
        .left_join(fates, "contact_id")
        .drop("contact_id_right")
    )
    return Preview(
        bench.counts, first, *(t.order_by("contact_id").to_pandas() for t in (new, gone)), since
    )
