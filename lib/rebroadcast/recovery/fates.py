"""What became of each contact and each input row."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..common.exceptions import RunError
from ..common.lazy import ibis

if TYPE_CHECKING:
    pass


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
ROW_BITS = 32  # a row's place within one second, so that one number orders all rows


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
