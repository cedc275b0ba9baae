"""What a broadcast met at its limit: whom it tried, and whom its window had already."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

import ibis
import pandas as pd

from ..limits import load as loads
from ..limits import overflow
from ..limits.limit import by_channel
from ..recovery import messages

if TYPE_CHECKING:
    from .tables import Tables

KEYS = ["channel_id", "broadcast"]
COUNTS = {  # who counts in a window, as tests of a contact's marks
    "attempted": lambda t: t.tried | t.reached | t.taken,
    "delivered": lambda t: t.reached | t.taken,
    "quota": lambda t: t.quota & t.tried & ~t.reached & ~t.taken,
    "used": lambda t: t.taken,
    "open": lambda t: t.sent & ~t.tried & ~t.reached & ~t.taken,
    "after": lambda t: t.after,
    "load": lambda t: t.early,
}


def counting(tables: Tables, sent: ibis.Table) -> ibis.Table:
    """Without those of an open service window; the messages export shows what contacts wrote."""
    channels = tables.settings.channels.channels
    whatsapp = [c.id for c in channels if c.kind and c.kind.name == "whatsapp"]
    assert tables.inputs.messages is not None  # what was sent is of them
    table = tables.inputs.messages.table
    return loads.counting(sent, table.filter(messages.received(table)), whatsapp)


def full_windows(tables: Tables) -> pd.DataFrame:
    """One row for each window in which a broadcast's messages failed at a known limit, as the
    messages export tells it.

    channel_id, broadcast, limit (its name), size; begin (the first message that counts in it), end,
    first and last (of the failures at the limit), all in UTC; and contacts: attempted (whom the
    broadcast tried, and whom others had reached before the first of these failures), delivered,
    quota (of the others, who failed at the limit), used (whom others had reached), open (to whom it
    or others wrote in a service window, who do not count), after (who failed from the first failure
    on), load (who counted at that moment), observed and agrees (see `_compared`).
    """
    spans = _spans(tables)
    if spans.empty:
        return _compared(spans.reindex(columns=[*spans, "begin", *COUNTS]))
    places = {c: x.name for c, x in by_channel(tables.settings.limits).items()}
    near = {c for c, name in places.items() if name in set(spans["limit"])}
    of = ibis.memtable(spans.drop(columns=["size", "last"]).reset_index(names="n"))
    rows = _in_windows(of, _events(tables, near), places)
    own, counts, kind = rows.own, rows.counts, rows.kind
    each = rows.group_by("n", "contact_id").aggregate(
        sent=(~counts & (kind == own.ifelse("sent", "reached"))).any(),
        tried=(counts & own & (kind != "reached")).any(),
        reached=(counts & own & (kind == "reached")).any(),
        taken=(counts & ~own).any(),
        quota=(~counts & own & rows.quota).any(),
        after=(~counts & own & (kind == "failed") & (rows["at"] >= rows.first)).any(),
        early=(counts & (kind == "reached") & (rows["at"] <= rows.until)).any(),
        begin=rows["at"].min(where=counts),
    )
    numbers = {name: each.count(where=test(each)) for name, test in COUNTS.items()}
    seen = each.group_by("n").aggregate(begin=each.begin.min(), **numbers)
    return _compared(spans.join(seen.to_pandas().set_index("n")))


def _events(tables: Tables, channels: set[str]) -> ibis.Table:
    """The messages on some channels that were sent, that reached and that failed (`kind`), each as
    it is and once more where it counts against a limit (`counts`).
    """
    messages_of = {"sent": tables.inputs.outgoing, "reached": tables.inputs.delivered}
    kinds = []
    for kind, table in (messages_of | {"failed": tables.broadcasts}).items():
        assert table is not None  # as with a messages export none is
        quota = table.cause == "quota" if kind == "failed" else ibis.literal(False)
        table = table.filter(table.channel_id.isin(list(channels)))
        kinds.append(
            table.select("contact_id", *KEYS, "sent_at", quota=quota, kind=ibis.literal(kind))
        )
    every = ibis.union(*kinds)
    counted = tables.engine.view(counting(tables, every))
    return every.mutate(counts=ibis.literal(False)).union(counted.mutate(counts=ibis.literal(True)))


def _in_windows(of: ibis.Table, events: ibis.Table, places: dict[str, str]) -> ibis.Table:
    """The messages of each window: the broadcast's own, and what others had reached under the same
    limit before the first failure at it.
    """
    columns = ("n", "contact_id", "at", "first", "until", "kind", "quota", "counts")
    rows = events.rename(at="sent_at", on="channel_id", key="broadcast")
    same = [of.channel_id == rows.on, of.broadcast.identical_to(rows.key)]
    own = of.join(rows, [*same, rows["at"] > of.own_since, rows["at"] <= of.end])
    others = rows.filter(rows.kind == "reached").mutate(under=rows.on.substitute(places))
    span = [others["at"] > of.since, others["at"] <= of.until]
    others = of.join(others, [of["limit"] == others.under, *span])
    others = others.filter(
        (others.channel_id != others.on) | ~others.broadcast.identical_to(others.key)
    )
    return own.select(*columns, own=ibis.literal(True)).union(
        others.select(*columns, own=ibis.literal(False))
    )


def _compared(full: pd.DataFrame) -> pd.DataFrame:
    """Add how many contacts a window held when it was full, as far as can be seen, and whether that
    is its limit's size: whom it held at the first failure is sure, whom it came to hold may include
    some who had left it by then.
    """
    size = full["size"].astype("Float64")
    observed = full[["delivered", "size"]].min(axis=1).clip(lower=full["load"])
    agrees = ((observed - size).abs() <= size * overflow.WITHIN).fillna(True)
    return full.assign(observed=observed, agrees=agrees.astype(bool))


def _spans(tables: Tables) -> pd.DataFrame:
    """The runs of failures at a known limit, and their times: others count after `since` and up to
    `until`, the broadcast's own messages after `own_since` and up to `end`.
    """
    under = by_channel(tables.settings.limits)
    runs = overflow.infer(tables.broadcasts)
    runs = runs[runs["channel_id"].isin(list(under))]
    around = [under[row.channel_id].window.around(row.first) for row in runs.itertuples()]
    runs = overflow.under(runs, tables.settings.limits).assign(
        since=pd.Series([a for a, _ in around], runs.index, dtype="datetime64[us, UTC]"),
        end=pd.Series([b for _, b in around], runs.index, dtype="datetime64[us, UTC]"),
    )
    runs = runs.groupby([*KEYS, "limit", "size", "since", "end"], dropna=False, as_index=False).agg(
        {"first": "min", "last": "max"}
    )
    runs = runs.sort_values([*KEYS, "first"], ignore_index=True)
    runs["until"] = [at + _width(tables.settings.reader.wall_clock(at)) for at in runs["first"]]
    # Of a broadcast that met its limit on several days, each day has what came since the last.
    same = runs.groupby(KEYS, dropna=False)
    before, more = same["last"].shift(), same["last"].shift(-1).notna()
    runs["own_since"] = before.where(before > runs["since"], runs["since"])
    runs["end"] = runs["last"].where(more, runs["end"])
    return runs


def _width(at: datetime) -> timedelta:
    """How long after a time it may have been: a clock without seconds, or a date without a clock,
    begins before what happened in it.
    """
    if at.second or at.microsecond:
        return timedelta()
    return timedelta(minutes=1) if at.time() > time() else timedelta(days=1)
