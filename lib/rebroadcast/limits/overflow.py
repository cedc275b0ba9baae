"""What went beyond a limit: attempted against delivered and failed; what failures alone tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ibis
import pandas as pd

from ..common.exceptions import QuotaError
from .channels import kinds
from .limit import Limit

WITHIN = 0.05  # of a limit's size: so far from it a ceiling still fits it


def overflow(counts: pd.DataFrame, limits: Sequence[Limit]) -> pd.DataFrame:
    """Compute, limit by limit, how far a broadcast went beyond it and how many failures that
    explains.

    `counts`, one row per channel: channel_id and at least two of attempted, delivered and failed
    (unique contacts); where known, quota (failures whose cause is the limit) and used (contacts
    already in the window when the broadcast began). Returns limit, size, attempted, delivered,
    failed, quota, used, overflow = attempted beyond what was left, explained = the failures it
    explains (those with that cause, if causes are known, and never more than the overflow; NA where
    neither is known), other = failed - explained. Raises QuotaError where the counts contradict
    each other.

    >>> counts = {"channel_id": ["1"], "attempted": [1500], "failed": [500]}
    >>> frame = pd.DataFrame(counts)  # doctest: +SKIP
    >>> overflow(frame, [Limit("1", ("1",), 1000)])["overflow"].tolist()  # doctest: +SKIP
    [500]
    """
    rows = [_balanced(row) for row in counts.to_dict("records")]
    under = {channel: limit.name for limit in limits for channel in limit.channels}
    frame = (
        pd.DataFrame(rows)
        .assign(limit=[under.get(row["channel_id"], row["channel_id"]) for row in rows])
        .drop(columns="channel_id")
        .groupby("limit", sort=False)
        .sum(min_count=1)
        .reset_index()
    )
    frame["used"] = frame["used"].fillna(0)
    frame = frame.astype(
        dict.fromkeys(("attempted", "delivered", "failed", "quota", "used"), "Int64")
    )
    sizes = {limit.name: limit.size for limit in limits}
    frame.insert(1, "size", frame["limit"].map(sizes).astype("Int64"))
    left = (frame["size"] - frame["used"]).clip(lower=0)
    frame["overflow"] = (frame["attempted"] - left).clip(lower=0)
    cause = frame["quota"].fillna(frame["failed"].where(frame["overflow"].notna()))
    frame["explained"] = frame["overflow"].where(frame["overflow"] <= cause, cause)
    return frame.assign(other=frame["failed"] - frame["explained"])


def _balanced(row: dict[str, Any]) -> dict:
    """Return one channel's counts, completed to attempted = delivered + failed."""
    channel = str(row["channel_id"])
    given: dict[str, Any] = {}  # counts; None for those that are not stated
    for name in ("attempted", "delivered", "failed", "quota", "used"):
        value: Any = row.get(name)
        given[name] = None if pd.isna(value) else int(value)
        if given[name] is not None and given[name] < 0:
            raise QuotaError(
                "Channel {channel}: {name} is {value}; a count is 0 or more.",
                channel=channel,
                name=name,
                value=value,
            )
    a, d, f = (given[name] for name in ("attempted", "delivered", "failed"))
    if [a, d, f].count(None) > 1:
        raise QuotaError(
            "Channel {channel} needs two of the counts attempted, delivered and failed.",
            channel=channel,
        )
    for name, part in (("failed", f), ("delivered", d)):
        if a is not None and part is not None and part > a:
            raise QuotaError(
                "Channel {channel}: {attempted:,} attempted is less than {part:,} {name}; count the"
                " contacts of the whole broadcast as attempted.",
                channel=channel,
                attempted=a,
                part=part,
                name=name,
            )
    a, d, f = (d + f if a is None else a), (a - f if d is None else d), (a - d if f is None else f)
    if a != d + f:
        raise QuotaError(
            "Channel {channel}: {attempted:,} attempted is not {delivered:,} delivered and"
            " {failed:,} failed; correct one.",
            channel=channel,
            attempted=a,
            delivered=d,
            failed=f,
        )
    if (given["quota"] or 0) > f:
        raise QuotaError(
            "Channel {channel}: {quota:,} failed at the limit, but only {failed:,} failed at all.",
            channel=channel,
            quota=given["quota"],
            failed=f,
        )
    return {"channel_id": channel, **given, "attempted": a, "delivered": d, "failed": f}


def infer(failed: ibis.Table, gap: timedelta = timedelta(hours=24)) -> pd.DataFrame:
    """Tell from a failed export alone where a limit was reached: one row per run of limit errors.

    `failed`: channel_id, contact_id, sent_at (UTC), cause and, where known, broadcast: each has
    runs of its own. A run ends when no limit error follows for `gap`, or after that time: the next
    one is of another window. Returns channel_id, broadcast, run, first and last (UTC),
    overflow_at_least (unique contacts that failed at the limit), messages, other (failures of other
    causes between first and last). It assumes that each limit error is a contact beyond the limit
    and that the export holds all failures of the time; how many were attempted, and so the limit
    itself, it cannot tell.
    """
    own = failed.broadcast.fill_null("") if "broadcast" in failed.columns else ibis.literal("")
    failed = failed.mutate(broadcast=own)
    keys, length = ["channel_id", "broadcast"], int(gap.total_seconds())
    quota = failed.filter(failed.cause == "quota").select(*keys, "contact_id", "sent_at")
    order = ["sent_at", "contact_id"]
    mine = ibis.window(group_by=keys, order_by=order)
    since = quota.sent_at.epoch_seconds() - quota.sent_at.lag().over(mine).epoch_seconds()
    quota = quota.mutate(new=(since.fill_null(0) > length).cast("int64"))
    along = ibis.cumulative_window(group_by=keys, order_by=order)
    quota = quota.mutate(chain=quota.new.sum().over(along))
    begin = quota.sent_at.min().over(ibis.window(group_by=[*keys, "chain"]))
    quota = quota.mutate(part=(quota.sent_at.epoch_seconds() - begin.epoch_seconds()) // length)
    runs = quota.group_by(*keys, "chain", "part").agg(
        first=quota.sent_at.min(),
        last=quota.sent_at.max(),
        overflow_at_least=quota.contact_id.nunique(),
        messages=quota.count(),
    )
    runs = runs.drop("chain", "part")
    others = failed.filter(failed.cause != "quota").select(*keys, "sent_at")
    between = [others.sent_at >= runs.first, others.sent_at <= runs.last]
    same = [runs[key] == others[key] for key in keys]
    beside = runs.join(others, [*same, *between]).group_by(*keys, "first")
    found = runs.left_join(beside.agg(other=lambda t: t.count()), [*keys, "first"])
    found = found.select(*runs.columns, other=found.other.fill_null(0))
    found = found.order_by(*keys, "first").to_pandas()
    found.insert(2, "run", found.groupby(keys).cumcount() + 1)
    return found.assign(broadcast=found["broadcast"].replace("", None))


@dataclass(frozen=True)
class Observed:
    """Observed ceilings: the highest, the known tier that it fits (or None), whether it fits the
    configured size (or None).
    """

    high: int
    tier: int | None
    agrees: bool | None


def compare_tiers(observed: Sequence[int], configured: int | None = None) -> Observed:
    """Compare the contacts delivered in each full window with WhatsApp's tiers, the former ones
    too, and the configured size.

    A size fits if the highest ceiling is at most WITHIN (a share) below or above it: a few contacts
    fail for other reasons, a few inside a service window do not count.

    >>> compare_tiers([997, 1000], configured=1000)
    Observed(high=1000, tier=1000, agrees=True)
    """
    if not observed:
        raise QuotaError(
            "No full window was observed, so there is nothing to compare with the tiers."
        )
    high = max(observed)

    def fits(size: int) -> bool:
        return abs(high - size) <= size * WITHIN

    whatsapp = kinds()["whatsapp"]
    known = sorted((*whatsapp.tiers, *whatsapp.former_tiers))
    tier = next((t for t in known if fits(t)), None)
    return Observed(high, tier, None if configured is None else fits(configured))
