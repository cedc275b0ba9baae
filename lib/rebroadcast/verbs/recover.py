"""What became of each input row, and from that the audience: the contacts to reach again."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..bench import matching
from ..common.exceptions import ParameterError
from ..common.lazy import ibis, pd
from ..engine.engine import reader_path
from ..errors import advice
from ..recovery import tag_import, targets
from ..recovery.tags import check_tag, fill_tag
from . import assess as assessing
from . import plan as planning

if TYPE_CHECKING:
    from ..bench.workbench import Workbench
    from ..limits.waves import Plan
from ..recovery.fates import _audience, counts, dispositions, fates


@dataclass(frozen=True)
class Recovery:
    """What a recovery found: the import files (file, contacts, tag, wave), and rows per disposition
    and wave.
    """

    files: list[dict]
    flow: "pd.DataFrame"
    fix: "pd.DataFrame"  # what must be changed first: cause, title, fix, contacts
    missing: int = 0  # tagged contacts that a contacts export does not have
    plan: "Plan | None" = None  # where waves were asked for
    folder: Path | None = (
        None  # of the import files, until the results are published or the engine is closed
    )


def recover(bench: "Workbench") -> Recovery:
    """Give every row of a workbench's export its disposition, and write the import files.

    With a folder for results it holds `data/dispositions.parquet` (one line per input row) and
    `import/*.csv`; without one nothing is kept. Raises RunError where a row would be lost.
    """
    template, fates = check_tag(bench.text("tag")), bench.engine.keep(decide(bench))
    audience = fates.filter(fates.disposition == "tagged")
    planned = None
    if bench.given.get("waves"):
        planned = planning.plan(bench, audience, assessing.assess(bench))
        audience = audience.join(planned.assignment, ["contact_id", "channel_id"])
    else:
        audience = audience.mutate(wave=ibis.literal(1, "int64"))
    tags = _tags(bench, audience, template, len(planned.waves) if planned else 1)
    audience = bench.engine.keep(audience.join(tags, ["audience", "wave"]))
    if bench.ledger and bench.folder:
        audience, fates = _claim(bench, audience, fates, planned)
    written = _keep(bench, fates, audience)
    bench.counts = counts(written, bench.export.rows + len(bench.export.rejected))
    folder = (
        bench.folder / "import"
        if bench.folder
        else Path(tempfile.mkdtemp(dir=bench.engine.scratch))
    )
    files, missing = _files(bench, audience, folder)
    if bench.folder:
        matching.write_checklist(bench, folder)
    starts = dict(planned.waves[["wave", "start"]].itertuples(index=False)) if planned else {}
    bench.waves = [{"wave": int(w), "tag": t, "contacts": int(n)} for w, t, n in _sizes(audience)]
    bench.waves = [
        w | ({"start": starts[w["wave"]].isoformat()} if w["wave"] in starts else {})
        for w in bench.waves
    ]
    bench.totals["recoverable"] = sum(wave["contacts"] for wave in bench.waves)
    flow = audience.group_by("disposition", "wave").aggregate(rows=audience.count()).to_pandas()
    others = [
        {"disposition": name, "rows": n} for name, n in bench.counts.items() if name != "tagged"
    ]
    kept = flow if planned else flow.drop(columns="wave")
    flow = pd.concat(
        [pd.DataFrame(others), kept.sort_values(list(kept.columns[:-1]))], ignore_index=True
    )
    return Recovery(files, flow, _to_fix(bench, fates), missing, planned, folder)


def decide(bench: "Workbench") -> "ibis.Table":
    """The `fates` of a workbench's contacts under all of its parameters, and with what its ledger
    knows.
    """
    failed, _known = bench.all_failed, bench.failed  # the second says where nothing is left
    before = bench.ledger and bench.ledger.tagged(
        bench.engine.con, bench.broadcast, without=bench.run_id
    )
    return fates(
        failed,
        bench.broadcast_rows,
        "{channel" in bench.text("tag"),
        bench.fixed,
        bench.delivered,
        before,
    )


def _to_fix(bench: "Workbench", fates: "ibis.Table") -> "pd.DataFrame":
    """Contacts by what must be changed before the message can reach them, most first."""
    found = fates.filter(fates.disposition == "fix_first").group_by("cause", "rule")
    frame = found.aggregate(contacts=lambda t: t.contact_id.nunique()).to_pandas()
    told = [advice(r, bench.lang.code, bench.rules) for r in frame["rule"]]
    frame = frame.assign(title=[t for t, _ in told], fix=[f for _, f in told]).astype(
        {"title": "str", "fix": "str"}
    )
    frame = (
        frame.groupby(["cause", "title", "fix"], as_index=False)["contacts"].sum()
        if len(frame)
        else frame
    )
    return pd.DataFrame(frame).sort_values(
        ["contacts", "title"], ascending=[False, True], ignore_index=True
    )


def _claim(
    bench: "Workbench", audience: "ibis.Table", fates: "ibis.Table", planned
) -> tuple["ibis.Table", "ibis.Table"]:
    """Claim the audience in the ledger before any import file is written; another run may have been
    first.
    """
    now = datetime.now(UTC)
    due = audience.mutate(due_at=ibis.literal(bench.start).cast("timestamp('UTC')"))
    if planned:
        starts = ibis.memtable(planned.waves[["wave", "start"]]).rename(wave_="wave")
        due = audience.join(starts, audience.wave == starts.wave_).mutate(
            due_at=lambda t: t.start.cast("timestamp('UTC')")
        )
    claim = bench.ledger.claim(
        bench.engine.con,
        bench.run_id,
        due.select("contact_id", "channel_id", "wave", "tag", "due_at", "cause"),
        bench.broadcast,
        now,
        {"notebook": bench.notebook, "channel": bench.list("channel")},
        bench.results,
    )
    bench.claimed = claim.run_id
    ours = (
        claim.table.select("contact_id")
        .distinct()
        .mutate(ours=ibis.literal(True))
        .rename(claimed_="contact_id")
    )
    fates = fates.left_join(ours, fates.contact_id == ours.claimed_)
    lost = (fates.disposition == "tagged") & fates.ours.isnull()
    fates = fates.mutate(disposition=lost.ifelse("tagged_before", fates.disposition)).drop(
        "ours", "claimed_"
    )
    return bench.engine.keep(audience.semi_join(claim.table, "contact_id")), bench.engine.keep(
        fates
    )


def _sizes(audience: "ibis.Table") -> list[tuple]:
    sizes = (
        audience.group_by("wave", "tag")
        .aggregate(n=audience.contact_id.nunique())
        .order_by("wave", "tag")
    )
    return list(sizes.to_pandas().itertuples(index=False))


def _files(bench: "Workbench", audience: "ibis.Table", folder: Path) -> tuple[list[dict], int]:
    """Write the import files, one set per tag; return them, and how many contacts a contacts export
    does not have.
    """
    contacts = bench.contacts.table if bench.contacts else None
    if contacts is not None:
        tag_import.check_contacts(contacts)
    waves = {tag: int(wave) for wave, tag, _n in _sizes(audience)}
    cells = tag_import.cells(audience, contacts)
    people = targets.recipients(bench.engine, cells, bench.target, bench.recipient, contacts)
    files = [
        f | {"wave": waves[f["tag"]]}
        for f in tag_import.write(bench.engine, people, folder, waves, bench.target)
    ]
    return files, (
        0 if contacts is None else int(cells.anti_join(contacts, "contact_id").count().execute())
    )


def _keep(bench: "Workbench", fates: "ibis.Table", audience: "ibis.Table") -> "ibis.Table":
    """Write one line per input row, in the order of the files, to `data/dispositions.parquet`;
    return what was written.
    """
    columns = [
        "source_file",
        "row",
        "contact_id",
        "channel_id",
        "message_id",
        "sent_at",
        "local_at",
        "rule",
        "cause",
        "verdict",
        "waited_since",
        "earliest",
        "disposition",
    ]
    folder = bench.folder / "data" if bench.folder else bench.engine.scratch
    folder.mkdir(mode=0o700, exist_ok=True)
    sizes, several = _sizes(audience), ("wave", "tag")
    if len(sizes) == 1:  # what is the same for all need not be looked up for each
        several = ()
    else:
        tagged = audience.select("row_id", "wave", "tag").rename(place="row_id")
        fates = fates.left_join(tagged, fates.row_id == tagged.place).drop("place")
    full = dispositions(bench.all_failed, bench.broadcast_rows, fates).select(
        "row_id", *columns, *several
    )
    lost = bench.export.rejected
    line = ibis.null("int64")
    if len(lost):  # the others, by the line on which they start
        full, line = full.mutate(line=line), "line"
        kinds = full.schema()
        given = {"source_file": lost["file"].tolist(), "line": lost["line"].tolist()}
        unread = ibis.memtable(given, schema={"source_file": "string", "line": "int64"}).mutate(
            disposition=ibis.literal("rejected")
        )
        unread = unread.select(
            **{c: unread[c] if c in unread.columns else ibis.null(kinds[c]) for c in full.columns}
        )
        full = full.union(unread)
    full = full.order_by(
        full.row_id.asc(nulls_first=False), *["source_file", "line"] * bool(len(lost))
    )
    if not several:
        one = {"wave": ibis.literal(int(sizes[0][0]), "int64"), "tag": ibis.literal(sizes[0][1])}
        full = full.mutate(
            **{k: (full.disposition == "tagged").ifelse(v, None) for k, v in one.items()}
        )
    full.select(*columns, "wave", "tag", line=line).to_parquet(folder / "dispositions.parquet")
    return bench.engine.con.read_parquet(reader_path(folder / "dispositions.parquet"))


def _tags(bench: "Workbench", audience: "ibis.Table", template: str, waves: int) -> "ibis.Table":
    """The tag of each audience ("" or a channel ID) and wave: audience, wave, tag."""
    rows = bench.all_failed.filter(bench.broadcast_rows)
    asked = rows.group_by(audience=_audience(rows, "{channel" in template)).aggregate(
        first=rows.local_at.min()
    )
    frame = (
        audience.select("audience", "wave")
        .distinct()
        .join(asked, "audience")
        .order_by("audience", "wave")
    )
    if waves > 1 and "{wave" not in template:
        template += " w{wave}of{waves}"
    tags = {"audience": [], "wave": [], "tag": []}
    for audience_, wave, first in frame.to_pandas().itertuples(index=False):
        day = None if first != first or first is None else first
        if day is None and "{date" in template:
            raise ParameterError("The export has no dates; expected a tag without {date}.", "tag")
        filled = (
            audience_,
            int(wave),
            fill_tag(template, day, bench.channels.name(audience_), int(wave), waves),
        )
        for column, value in zip(tags.values(), filled, strict=True):
            column.append(value)
    if len(set(tags["tag"])) < len(tags["tag"]):
        raise ParameterError(
            "Two channels or waves would get the same tag; expected {channel} or {wave} in it.",
            "tag",
        )
    return ibis.memtable(tags, schema={"audience": "string", "wave": "int64", "tag": "string"})
