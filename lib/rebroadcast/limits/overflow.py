"""What went beyond a limit: attempted against delivered and failed; what failures alone tell."""

from __future__ import annotations

from collections.abc import Iterable

import ibis
import pandas as pd

from ..common.exceptions import QuotaError
from .channels import kinds
from .limit import Limit, by_channel

WITHIN = 0.05  # of a limit's size: so far from it a ceiling still fits it


def overflow(counts: pd.DataFrame) -> pd.DataFrame:
    """Compute how far broadcasts went beyond a limit and how many failures that explains.

    `counts`: channel_id, attempted, failed and quota (failures whose cause is the limit), all in
    unique contacts, and size, that of the limit (NA where it is not known). Adds overflow =
    attempted beyond the size, explained = the failures at the limit that it explains (all of them
    where the size is not known), other = failed - explained. Raises QuotaError where more failed
    than were attempted.

    >>> counts = {"channel_id": ["1"], "attempted": [1500], "failed": [520], "quota": [500]}
    >>> overflow(pd.DataFrame(counts).assign(size=1000))[["overflow", "other"]].values.tolist()
    [[500, 20]]
    """
    short = counts[counts["attempted"] < counts["failed"]]
    if len(short):
        row = short.iloc[0]
        raise QuotaError(
            "Channel {channel}: {attempted:,} attempted is less than {failed:,} failed; count the"
            " contacts of the whole broadcast as attempted.",
            channel=row.channel_id,
            attempted=row.attempted,
            failed=row.failed,
        )
    over = (counts["attempted"] - counts["size"]).clip(lower=0)
    explained = over.fillna(counts["quota"]).clip(upper=counts["quota"])
    return counts.assign(overflow=over, explained=explained, other=counts["failed"] - explained)


def infer(failed: ibis.Table) -> pd.DataFrame:
    """Tell from a failed export alone where a limit was reached: one row per run of limit errors.

    `failed`: channel_id, contact_id, sent_at (UTC), cause and, where known, broadcast: each has
    runs of its own. A run ends when no limit error follows for a day, or when it is a day long: the
    next one is of another window. Returns channel_id, broadcast, run, first and last (UTC),
    overflow_at_least (unique contacts that failed at the limit), messages, other (failures of other
    causes between first and last). It assumes that each limit error is a contact beyond the limit
    and that the export holds all failures of the time; how many were attempted, and so the limit
    itself, it cannot tell.
    """
    own = failed.broadcast.fill_null("") if "broadcast" in failed.columns else ibis.literal("")
    failed = failed.mutate(broadcast=own)
    keys, length = ["channel_id", "broadcast"], 24 * 60 * 60
    quota = failed.filter(failed.cause == "quota").select(*keys, "contact_id", "sent_at")
    quota = quota.mutate(second=quota.sent_at.epoch_seconds())
    mine = {"group_by": keys, "order_by": ["sent_at", "contact_id"]}
    since = quota.second - quota.second.lag().over(**mine)
    quota = quota.mutate(new=(since.fill_null(0) > length).cast("int64"))
    quota = quota.mutate(chain=quota.new.sum().over(ibis.cumulative_window(**mine)))
    begin = quota.second.min().over(group_by=[*keys, "chain"])
    quota = quota.mutate(part=(quota.second - begin) // length)
    runs = (
        quota.group_by(*keys, "chain", "part")
        .agg(
            first=quota.sent_at.min(),
            last=quota.sent_at.max(),
            overflow_at_least=quota.contact_id.nunique(),
            messages=quota.count(),
        )
        .drop("chain", "part")
    )
    others = failed.filter(failed.cause != "quota").select(*keys, "sent_at")
    between = [others.sent_at >= runs.first, others.sent_at <= runs.last]
    beside = runs.join(others, [*keys, *between]).group_by(*keys, "first")
    found = runs.left_join(beside.agg(other=lambda t: t.count()), [*keys, "first"])
    found = found.select(*runs.columns, other=found.other.fill_null(0))
    found = found.order_by(*keys, "first").to_pandas()
    found.insert(2, "run", found.groupby(keys).cumcount() + 1)
    return found.assign(broadcast=found["broadcast"].replace("", None))


def under(windows: pd.DataFrame, limits: Iterable[Limit]) -> pd.DataFrame:
    """Add limit (its name, else the channel's ID) and its size to rows of channels."""
    known = by_channel(limits)
    names = [known[c].name if c in known else c for c in windows["channel_id"]]
    sizes = [known[c].size if c in known else None for c in windows["channel_id"]]
    return windows.assign(limit=names, size=pd.array(sizes, dtype="Int64"))


def tier_of(seen: int) -> int | None:
    """WhatsApp's tier, also a former one, that a full window of so many contacts fits; None where
    it fits none.

    It fits a size if it is at most WITHIN (a share) below or above it: a few contacts fail for
    other reasons, a few inside a service window do not count.

    >>> tier_of(997), tier_of(600)
    (1000, None)
    """
    known = sorted(kinds()["whatsapp"].sizes)
    return next((tier for tier in known if abs(seen - tier) <= tier * WITHIN), None)
