"""What became of each input row, and from that the audience: the contacts to reach again."""

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from . import matching, tag_import
from .engine import reader_path
from .errors import advice
from .exceptions import ParameterError, RunError, did_you_mean
from .lazy import ibis, pd
from .parameters import check_tag, fill_tag

if TYPE_CHECKING:
    from .waves import Plan
    from .workbench import Workbench

# In the order in which they are decided: the first that fits is a row's disposition.
DISPOSITIONS = (
    "rejected",
    "filtered",
    "repeated",
    "never",
    "fix_first",
    "unknown",
    "reached_later",
    "tagged_before",
    "tagged",
)
# Everyday words for causes, in both languages.
FIXES = {
    "window": "outside_window",
    "token": "configuration",
    "plantilla": "template",
    "ventana": "outside_window",
}
ROW_BITS = 32  # a row's place within one second, so that one number orders all rows


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
        from . import limits

        planned = limits.plan(bench, audience, limits.assess(bench))
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
    files = [
        f | {"wave": waves[f["tag"]]} for f in tag_import.write(bench.engine, cells, folder, waves)
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


def fixed_causes(words: Collection[str], known: Collection[str]) -> frozenset[str]:
    """Turn the words of `fixed` ("template", "window", "token" or a cause) into causes.

    >>> fixed_causes(["window"], ["outside_window", "template"])
    frozenset({'outside_window'})
    """
    causes = [FIXES.get(word.strip(), word.strip()) for word in words if word.strip()]
    for cause in causes:
        if cause not in known:
            hint = did_you_mean(cause, [*known, *FIXES])
            raise ParameterError(
                "'{cause}' is no cause that can be fixed; known: {known}.{hint}",
                "fixed",
                cause=cause,
                known=", ".join(sorted({*known, *FIXES})),
                hint=hint,
            )
    return frozenset(causes)


def _audience(rows: "ibis.Table", per_channel: bool) -> "ibis.Value":
    # Text that is never null, so that joins find their rows on every engine.
    return rows.channel_id.fill_null("") if per_channel else ibis.literal("")


def fates(
    failed: "ibis.Table",
    selected: "ibis.Value",
    per_channel: bool = False,
    fixed: Collection[str] = (),
    delivered: "ibis.Table | None" = None,
    tagged_before: "ibis.Table | None" = None,
) -> "ibis.Table":
    """Decide what becomes of each contact, from a classified table of failed messages.

    failed has contact_id, channel_id, sent_at (UTC), row_id, rule, cause, verdict and wait_s.
    selected marks the rows of the broadcast in question. A contact's fate is decided over all of
    them, per channel where per_channel is true: any `never` keeps it out, otherwise its latest
    failure decides. fixed are causes that have been mended. delivered (contact_id, channel_id,
    sent_at) are messages that arrived; tagged_before (contact_id) the contacts that the ledger
    knows for this broadcast.

    Returns one row per contact (and channel): `audience` (the channel ID where per_channel, else
    ""), the contact_id, row_id, channel_id, rule and cause of the failure that decides,
    `waited_since` and `earliest` (instants, UTC) and `disposition`.
    """
    rows = failed.filter(selected.fill_null(False))
    rows = rows.select(
        "contact_id",
        "row_id",
        "channel_id",
        "sent_at",
        "rule",
        "cause",
        "verdict",
        "wait_s",
        audience=_audience(rows, per_channel),
        order=rows.sent_at.epoch_seconds().cast("int64").fill_null(0) * 2**ROW_BITS + rows.row_id,
    )
    by_contact = rows.group_by("contact_id", *["audience"] * per_channel).aggregate(
        decisive=rows.order.max(),
        refused=(rows.verdict == "never").any(),
        waited_since=rows.sent_at.min(),
    )
    by_contact = by_contact.select("decisive", "refused", "waited_since")
    rows = rows.join(by_contact, rows.order == by_contact.decisive)
    reached = known = ibis.literal(False)
    if delivered is not None:
        last = delivered.group_by(
            to=delivered.contact_id, on=delivered.channel_id.fill_null("")
        ).aggregate(delivered_at=delivered.sent_at.max())
        rows = rows.left_join(
            last, [rows.contact_id == last.to, rows.channel_id.fill_null("") == last.on]
        )
        reached = (rows.delivered_at > rows.sent_at).fill_null(False)
    if tagged_before is not None:
        before = tagged_before.select(tagged_=tagged_before.contact_id).distinct()
        rows = rows.left_join(before, rows.contact_id == before.tagged_)
        known = rows.tagged_.notnull()
    mended = rows.cause.isin(list(fixed)) if fixed else ibis.literal(False)
    disposition = ibis.cases(
        (rows.refused, "never"),
        ((rows.verdict == "fix") & ~mended, "fix_first"),
        ((rows.verdict == "unknown") & ~mended, "unknown"),
        (reached, "reached_later"),
        (known, "tagged_before"),
        else_="tagged",
    )
    return rows.select(
        "audience",
        "contact_id",
        "row_id",
        "channel_id",
        "rule",
        "cause",
        "waited_since",
        earliest=rows.sent_at + rows.wait_s.fill_null(0).cast("int64").as_interval("s"),
        disposition=disposition,
    )


def dispositions(failed: "ibis.Table", selected: "ibis.Value", fates: "ibis.Table") -> "ibis.Table":
    """Give every row of failed its disposition: that of its contact where it is the row that
    decides, else `repeated`, or `filtered` where it is not selected. What else `fates` has
    (waited_since, earliest) is null in the others.
    """
    rows = failed.mutate(selected=selected.fill_null(False))
    fates = fates.drop("audience", "contact_id", "channel_id", "rule", "cause").rename(
        decided="row_id"
    )
    rows = rows.left_join(fates, rows.row_id == fates.decided)
    disposition = rows.selected.ifelse(rows.disposition.fill_null("repeated"), "filtered")
    return rows.mutate(disposition=disposition).drop("selected", "decided")


def counts(rows: "ibis.Table", expected: int) -> dict[str, int]:
    """Count the rows of each disposition; RunError where a row is lost or counted twice.

    expected is the number of rows in the files, rejected ones included.
    """
    frame = rows.group_by("disposition").aggregate(n=rows.count()).to_pandas()
    found = dict(zip(frame["disposition"], frame["n"].astype(int), strict=True))
    total = sum(found.values())
    if total != expected:
        raise RunError(
            "The dispositions add up to {total} rows, but the files hold {expected}; nothing was"
            " written.",
            total=total,
            expected=expected,
        )
    return {name: int(found.get(name, 0)) for name in DISPOSITIONS}


def delivered(messages: "ibis.Table", failed: "ibis.Table") -> "ibis.Table":
    """The outgoing messages that arrived: in the messages export and not in the failed export, by
    message ID.
    """
    lost = failed.filter(failed.message_id.notnull()).select("message_id").distinct()
    return outgoing(messages).anti_join(lost, "message_id")


def outgoing(messages: "ibis.Table") -> "ibis.Table":
    """The messages of an export that were sent to contacts, not received from them."""
    return messages.filter(~received(messages))


def received(messages: "ibis.Table") -> "ibis.Value":
    """Whether a message came from a contact."""
    return (
        (messages.sender_type.lower() == "contact") | (messages.traffic_type.lower() == "incoming")
    ).fill_null(False)
