"""How full each limit was: the unique contacts in its window at each moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import ibis
import pandas as pd

from ..common.exceptions import QuotaError
from ..common.times import minute_of
from .limit import Limit, Window, period

# WhatsApp: what is sent to a contact within it, after the contact's own last message, does not
# count against the messaging limit (Meta's pages on messaging limits, 2026-05-21).
SERVICE_WINDOW = timedelta(hours=24)


def counting(messages: ibis.Table, received: ibis.Table, channels: Collection[str]) -> ibis.Table:
    """Leave out the messages that were sent within an open service window, where channels have one.

    `messages` and `received` (those that contacts wrote): contact_id, channel_id, sent_at; other
    columns of messages stay. `channels` are the IDs of WhatsApp numbers.

    >>> counting(sent, received, ["1001"]).count()  # doctest: +SKIP
    """
    if not channels:
        return messages
    wrote = received.filter(received.channel_id.isin(list(channels)))
    keys = ("contact_id", "channel_id", "sent_at")
    others = {c: ibis.null(t) for c, t in messages.schema().items() if c not in keys}
    wrote = wrote.select(*keys, **others, by_contact=ibis.literal(True)).select(
        *messages.columns, "by_contact"
    )
    both = messages.mutate(by_contact=ibis.literal(False)).union(wrote)
    both = both.mutate(
        wrote_at=ibis.cases((both.by_contact, both.sent_at))
        .max()
        .over(group_by=keys[:2], order_by=["sent_at", "by_contact"], rows=(None, 0))
    )
    since = both.sent_at.epoch_seconds() - both.wrote_at.epoch_seconds()
    inside = (since < int(SERVICE_WINDOW.total_seconds())).fill_null(False)
    return both.filter(~both.by_contact & ~inside).select(*messages.columns)


def together(*loads: ibis.Table) -> ibis.Table:
    """Add loads of other contacts up: limit, at, load, as `load` returns it.

    >>> together(load(sent, limits), load(planned, limits))  # doctest: +SKIP
    """
    own = ibis.window(group_by="limit", order_by="at")
    changes = [
        table.select(
            "limit",
            at=table["at"].cast("timestamp('UTC')"),  # of any precision
            change=table["load"] - table["load"].lag().over(own).fill_null(0),
        )
        for table in loads
    ]
    steps = ibis.union(*changes) if len(changes) > 1 else changes[0]
    steps = steps.group_by("limit", "at").agg(change=steps.change.sum())
    running = steps.change.sum().over(ibis.cumulative_window(group_by="limit", order_by="at"))
    return steps.select("limit", "at", load=running.cast("int64"))


def load(events: ibis.Table, limits: Sequence[Limit]) -> ibis.Table:
    """Count the unique contacts in each limit's window, at every moment at which the count changes.

    `events`: at (timestamp, UTC), contact_id, channel_id: what the platform counts, so delivered
    messages. Returns limit, at, load, in no particular order. A contact counts from a message until
    one window after it; in a calendar window, from its first message in it until the window ends.
    Runs in the engine.

    >>> load(events, limits).group_by("limit").agg(peak=lambda t: t["load"].max())  # doctest: +SKIP
    """
    if events["at"].type().timezone is None:
        raise QuotaError(
            "The times of the messages have no time zone; cast them to timestamp('UTC') first."
        )
    found, events = [], events.mutate(at=events["at"].cast("timestamp('UTC')"))
    for limit in limits:
        mine = events.filter(events.channel_id.isin(limit.channels)).select("at", "contact_id")
        changes = (_moving if limit.window.kind == "moving" else _calendar)(mine, limit.window)
        steps = changes.group_by("at").agg(change=changes.change.sum())
        running = steps.change.sum().over(ibis.cumulative_window(order_by="at"))
        found.append(
            steps.select(limit=ibis.literal(limit.name), at="at", load=running.cast("int64"))
        )
    if not found:
        return ibis.memtable(
            [], schema={"limit": "string", "at": "timestamp('UTC')", "load": "int64"}
        )
    return ibis.union(*found) if len(found) > 1 else found[0]


def _moving(events: ibis.Table, window: Window) -> ibis.Table:
    """One more when a contact begins to count, one less a window after the last message of a
    row.
    """
    assert window.length is not None  # as a moving window's is
    span = ibis.interval(seconds=int(window.length.total_seconds()))
    own = ibis.window(group_by="contact_id", order_by="at")
    near = events.select(
        "at", before=events["at"].lag().over(own), after=events["at"].lead().over(own)
    )
    begins = near.before.isnull() | (near.before <= near["at"] - span)
    ends = near.after.isnull() | (near.after >= near["at"] + span)
    pair = ibis.array([ibis.ifelse(begins, 1, 0), ibis.ifelse(ends, -1, 0)])
    near = near.select("at", change=pair.unnest()).filter(lambda t: t.change != 0)
    return near.select("change", at=ibis.ifelse(near.change < 0, near["at"] + span, near["at"]))


def _calendar(events: ibis.Table, window: Window) -> ibis.Table:
    """One more at a contact's first message in a calendar window, one less for each when it
    ends.
    """
    lo, hi = (x.execute() for x in (events["at"].min(), events["at"].max()))
    # Every zone is a whole number of quarter hours from UTC, so a quarter hour lies in one local
    # day.
    quarters = (
        [] if pd.isna(lo) else range(int(lo.timestamp()) // 900, int(hi.timestamp()) // 900 + 1)
    )
    rows = [(q, datetime.fromtimestamp(period(q * 15, window)[1] * 60, UTC)) for q in quarters]
    ends = ibis.memtable(rows, schema={"quarter": "int64", "at_end": "timestamp('UTC')"})
    events = events.mutate(quarter=events["at"].truncate("m").epoch_seconds() // 900)
    first = (
        events.join(ends, "quarter")
        .group_by("contact_id", "at_end")
        .agg(at=lambda t: t["at"].min())
    )
    begun = first.select("at", change=ibis.literal(1, "int64"))
    return begun.union(first.select(at="at_end", change=ibis.literal(-1, "int64")))


def reached(load: ibis.Table, limits: Sequence[Limit]) -> pd.DataFrame:
    """Return one row per limit: limit, size, peak (highest load), reached_at (UTC; NaT if it never
    was).
    """
    sizes = {limit.name: limit.size for limit in limits if limit.size is not None}
    full = load["limit"].cases(*sizes.items(), else_=None) if sizes else ibis.null("int64")
    found = (
        load.group_by("limit")
        .agg(peak=load["load"].max(), reached_at=load["at"].min(where=load["load"] >= full))
        .to_pandas()
    )
    frame = pd.DataFrame([(x.name, x.size) for x in limits], columns=["limit", "size"])
    frame = frame.astype({"limit": "object", "size": "Int64"}).merge(found, "left", on="limit")
    return frame.assign(peak=frame["peak"].fillna(0).astype("int64"))


def capacity(load: ibis.Table, limits: Sequence[Limit], at: datetime) -> pd.DataFrame:
    """Return limit, size, reserve, load and left (contacts that may be sent to) at one moment.

    `left` is NA where the limit is unlimited. The load is that of the messages given to `load`.
    """
    minute_of(at)  # refuses a time without a zone
    before = load.filter(load["at"] <= at)
    now = before.group_by("limit").agg(load=before["load"].argmax(before["at"])).to_pandas()
    loads = dict(zip(now["limit"], now["load"], strict=True))
    rows = [(x.name, x.size, x.reserve, int(loads.get(x.name, 0)), x.room) for x in limits]
    frame = pd.DataFrame(rows, columns=["limit", "size", "reserve", "load", "left"]).astype(
        {"size": "Int64", "left": "Int64"}
    )
    return frame.assign(left=(frame["left"] - frame["load"]).clip(lower=0))
