"""A recovery tried first: counts, first lines, and what differs from the last run; nothing is
written.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import ibis
import pandas as pd

from ..bench.settings import Settings
from ..bench.tables import Tables
from ..engine.engine import reader_path
from .recover import Recovery, recover

FIRST = 5


@dataclass(frozen=True)
class Preview:
    """The `recovery`, the `first` lines of its import files, and contacts that are `new` or `gone`.

    `new` and `gone` (contact_id, disposition: what they are now; `since`: what they are compared
    with) are None where there is no run to compare with.
    """

    recovery: Recovery
    first: list[str]
    new: pd.DataFrame | None = None
    gone: pd.DataFrame | None = None
    since: str = ""


def preview(settings: Settings, tables: Tables, out: Path | None = None) -> Preview:
    """Recover without writing, and compare with the run in out, else with the ledger's last run for
    these broadcasts.
    """
    recovery = recover(settings, tables)
    first = _first_lines(recovery)
    rows = tables.engine.con.read_parquet(reader_path(recovery.dispositions))
    before, since = _before(tables, out)
    if before is None:
        return Preview(recovery, first)
    tagged = rows.filter(rows.disposition == "tagged")
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
    new, gone = (table.order_by("contact_id").to_pandas() for table in (new, gone))
    return Preview(recovery, first, new, gone, since)


def _first_lines(recovery: Recovery) -> list[str]:
    """The first rows as they stand in the import files."""
    lines: list[str] = []
    for file in recovery.files:
        with (recovery.folder / file["file"]).open(encoding="utf-8", newline="") as text:
            lines += [line.rstrip("\r\n") for line in islice(text, 1, 1 + FIRST - len(lines))]
    return lines[:FIRST]


def _before(tables: Tables, out: Path | None) -> tuple[ibis.Table | None, str]:
    con, kept = tables.engine.con, out and out / "data" / "dispositions.parquet"
    if kept and kept.exists():
        rows = con.read_parquet(reader_path(kept))
        return rows.filter(rows.disposition == "tagged"), str(out)
    if tables.ledger is None:
        return None, ""
    rows = tables.ledger.tagged(con, tables.known)
    runs = set(rows.select("run_id").distinct().to_pandas()["run_id"])
    mine = [record for record in tables.ledger.runs() if record["run_id"] in runs]
    if not mine:
        return None, ""
    since = f"{mine[-1]['run_id']} of {mine[-1]['claimed_at']}"
    return rows.filter(rows.run_id == mine[-1]["run_id"]), since
