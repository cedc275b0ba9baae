"""What became of each contact and each input row."""

from collections.abc import Collection

import ibis

from ..common.exceptions import RunError
from ..engine.engine import id_parts, with_ids
from . import broadcasts
from .people import People, spread

# In the order in which they are decided: the first that fits is a row's disposition. Of a person's
# contacts `people.unite` leaves one tagged, and the others are repeated.
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
ROW_BITS = 29  # a row's place among the rows of one instant and verdict
CARE = {"wait": 0, "unknown": 1, "fix": 2, "never": 3}  # at one instant the most careful decides
CARE_BITS = 2
OLDEST = 2**31  # seconds, so that 1970 to 2106 fill the numbers of 64 bits evenly


def fates(
    failed: "ibis.Table",
    selected: "ibis.Value",
    audience: "ibis.Value",
    fixed: Collection[str] = (),
    delivered: "ibis.Table | None" = None,
    tagged_before: "ibis.Table | None" = None,
    how: str = "message",
    people: "People | None" = None,
) -> "ibis.Table":
    """Decide what becomes of each contact in each audience, from classified failed messages.

    failed has contact_id, channel_id, sent_at (UTC), row_id, rule, cause, verdict, wait_s and
    message (see `broadcasts.mark`). selected marks the rows in question, audience says to which
    audience each belongs. A contact's fate is decided over all of its rows there: any `never` keeps
    it out, as does an opt-out on the channel anywhere in failed; otherwise its latest failure
    decides, and of several at one instant the most careful. fixed are causes that have been mended.
    delivered (contact_id, channel_id, sent_at, message) are messages that arrived; how says which
    of them count as reaching the contact (see `broadcasts.reached`). tagged_before (contact_id,
    audience) are those that the ledger knows. An opt-out holds for all contacts of one of people.

    Returns one row per contact and audience: audience, contact_id, row_id, channel_id, rule and
    cause of the failure that decides, `waited_since` and `earliest` (instants, UTC) and
    `disposition`.
    """
    gone = failed.filter(failed.verdict == "never", failed.cause == "opted_out")
    gone = gone.mutate(left_on=gone.channel_id.fill_null(""))
    gone = spread(gone.select("contact_id", "left_on"), people) if people else gone
    ids = id_parts("contact_id", gone)
    gone = gone.select("left_on", **{f"left_{part}": part for part in ids}).distinct()
    # Each by its own way from failed: what both had in common, an engine would write down first.
    own, rows = failed.filter(selected).mutate(audience=audience), failed.mutate(audience=audience)
    parts = id_parts("contact_id", failed)
    by_contact = own.group_by(*parts, "audience").aggregate(
        decisive=_order(own).max() & (2**ROW_BITS - 1),
        refused=(own.verdict == "never").any(),
        waited_since=own.sent_at.min(),
    )
    by_contact = by_contact.drop(*parts, "audience")
    rows = with_ids(rows.join(by_contact, rows.row_id == by_contact.decisive))
    same = [rows[part].identical_to(gone[f"left_{part}"]) for part in ids]
    rows = rows.left_join(gone, [*same, rows.channel_id.fill_null("") == gone.left_on])
    rows = (
        rows.mutate(reached=ibis.literal(False))
        if delivered is None
        else broadcasts.reached(rows, delivered, how)
    )
    known = ibis.literal(False)
    if tagged_before is not None:
        before = tagged_before.select(tagged_="contact_id", before_="audience").distinct()
        same = [rows.contact_id == before.tagged_, rows.audience == before.before_]
        rows = rows.left_join(before, same)
        known = rows.tagged_.notnull()
    mended = rows.cause.isin(list(fixed)) if fixed else ibis.literal(False)
    disposition = ibis.cases(
        (rows.refused | rows.left_on.notnull(), "never"),
        ((rows.verdict == "fix") & ~mended, "fix_first"),
        ((rows.verdict == "unknown") & ~mended, "unknown"),
        (rows.reached, "reached_later"),
        (known, "tagged_before"),
        else_="tagged",
    )
    return rows.select(
        "audience",
        *dict.fromkeys(["contact_id", *parts]),
        "row_id",
        "channel_id",
        "rule",
        "cause",
        "waited_since",
        earliest=rows.sent_at + rows.wait_s.fill_null(0).cast("int64").as_interval("s"),
        disposition=disposition,
    )


def _order(rows: "ibis.Table") -> "ibis.Value":
    """One number that orders all rows: by instant, then by care, then by place."""
    seconds = rows.sent_at.epoch_seconds().cast("int64").fill_null(0).clip(0, 2 * OLDEST - 1)
    care = rows.verdict.substitute(CARE, else_=CARE["unknown"]).cast("int64")
    return ((seconds - OLDEST) * 2**CARE_BITS + care) * 2**ROW_BITS + rows.row_id


def dispositions(failed: "ibis.Table", selected: "ibis.Value", fates: "ibis.Table") -> "ibis.Table":
    """Give every row of failed its disposition: that of its contact where it is the row that
    decides, else `repeated`, or `filtered` where it is not selected. What else `fates` has
    (waited_since, earliest) is null in the others.
    """
    rows = failed.mutate(selected=selected)
    known = {"audience", *failed.columns} - {"row_id"}
    fates = fates.drop(*known.intersection(fates.columns)).rename(decided="row_id")
    rows = rows.left_join(fates, rows.row_id == fates.decided)
    disposition = rows.selected.ifelse(rows.disposition.fill_null("repeated"), "filtered")
    return rows.mutate(disposition=disposition).drop("selected", "decided")


def counts(rows: "ibis.Table", expected: int) -> dict[str, int]:
    """Count the rows of each disposition; RunError where a row is lost or counted twice.

    expected is the number of rows in the files, rejected ones included.
    """
    found = dict(rows.disposition.value_counts().to_pandas().itertuples(index=False))
    total = sum(found.values())
    if total != expected:
        raise RunError(
            "The dispositions add up to {total} rows, but the files hold {expected}; nothing was"
            " written.",
            total=total,
            expected=expected,
        )
    return {name: int(found.get(name, 0)) for name in DISPOSITIONS}
