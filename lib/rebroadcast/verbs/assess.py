"""What the exports say about limits: how full they were, and what went beyond them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import ibis
import pandas as pd

from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common.doubts import Doubt
from ..common.exceptions import ParameterError
from ..limits import load as loads
from ..limits import overflow as overflows
from ..limits.limit import Limit
from ..recovery import messages

MOST_RUNS = 50  # runs of limit errors that are looked at one by one
MOST_POINTS = 600  # of a load line
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Assessment:
    """How the limits fared, and what that rests on.

    `basis`: "measured" (failed and messages exports, contact by contact), "computed" (failed export
    and attempted counts) or "inferred" (failed export alone: a lower bound). `windows`: per limit
    and full window: limit, begin, end, first (limit error), after (contacts that failed from then
    on), open (contacts in a service window, who do not count), attempted, delivered, failed, quota, size, overflow, explained, other (unique contacts).
    `load` and `reached` are those of `limits.load`, None where not measured. `tiers`: limit, size,
    high, tier, agrees (the most contacts that a full window counted, against what was configured).
    `stated`: attempted counts that the messages export contradicts: channel_id, given, measured.
    """

    basis: str
    limits: tuple[Limit, ...]
    windows: pd.DataFrame
    load: ibis.Table | None = None
    reached: pd.DataFrame | None = None
    tiers: pd.DataFrame = field(default_factory=pd.DataFrame)
    stated: pd.DataFrame = field(default_factory=pd.DataFrame)
    uncounted: tuple[str, ...] = ()  # channels whose attempted count was not given
    doubts: tuple[Doubt, ...] = ()

    @property
    def recorded(self) -> dict:
        return {}


def assess(settings: Settings, tables: Tables) -> Assessment:
    """Compare what was attempted, delivered and failed with the limits, from whatever exports there
    are.

    Raises QuotaError where counts contradict each other or the messages export does not cover the
    failures.
    """
    asked = set(settings.selection.channel)
    limits = tuple(x for x in settings.limits if not asked or asked & set(x.channels))
    if tables.sent is not None:
        return _measured(settings, tables, tables.sent, limits)
    return _computed(settings, tables, limits) if settings.attempted else _inferred(tables, limits)


def _computed(settings: Settings, tables: Tables, limits: tuple[Limit, ...]) -> Assessment:
    rows = tables.broadcasts
    per = rows.group_by("channel_id").aggregate(
        failed=rows.contact_id.nunique(),
        quota=rows.contact_id.nunique(where=rows.cause == "quota"),
        begin=rows.sent_at.min(),
        end=rows.sent_at.max(),
    )
    per = per.to_pandas().fillna({"channel_id": ""})
    stated = {c: n for c, n in settings.attempted.items() if c in set(per["channel_id"])}
    if not stated:
        raise ParameterError(
            "attempted names channel {channel}, which has no failed message; present: {present}.",
            "attempted",
            channel=min(settings.attempted),
            present=", ".join(sorted(per["channel_id"])),
        )
    per["attempted"] = per["channel_id"].map(stated).astype("Int64")
    uncounted = per.loc[per["attempted"].isna(), "channel_id"]
    windows = _overflow(per.dropna(subset=["attempted"]), limits)
    return Assessment("computed", limits, windows, uncounted=tuple(uncounted))


def _inferred(tables: Tables, limits: tuple[Limit, ...]) -> Assessment:
    windows = overflows.infer(tables.broadcasts).rename(
        columns={"first": "begin", "last": "end", "overflow_at_least": "overflow"}
    )
    under = {c: x for x in limits for c in x.channels}
    names = [under[c].name if c in under else c for c in windows["channel_id"]]
    sizes = [under[c].size if c in under else None for c in windows["channel_id"]]
    windows = windows.assign(limit=names, size=pd.array(sizes, dtype="Int64"))
    windows = windows.sort_values("overflow", ascending=False, ignore_index=True)
    return Assessment("inferred", limits, windows)


def counted(settings: Settings, tables: Tables, sent: ibis.Table) -> ibis.Table:
    """The outgoing messages that count against a limit: at, contact_id, channel_id, broadcast."""
    return _counting(settings, tables, sent).select(
        "contact_id", "channel_id", "broadcast", at="sent_at"
    )


def _counting(settings: Settings, tables: Tables, sent: ibis.Table) -> ibis.Table:
    """Without those of an open service window; the messages export shows what contacts wrote."""
    whatsapp = [c.id for c in settings.channels.channels if c.kind and c.kind.name == "whatsapp"]
    assert tables.inputs.messages is not None  # what was sent is of them
    table = tables.inputs.messages.table
    return loads.counting(sent, table.filter(messages.received(table)), whatsapp)


def over_limit(settings: Settings, tables: Tables, frame: pd.DataFrame) -> pd.DataFrame:
    """Add limit, used, over_limit (contacts) and explained (those of them that failed at the limit)
    to broadcasts: broadcast, channel_id, attempted, failed, quota.

    With a messages export each contact is counted once, as the limit does, beside those that other
    broadcasts had taken in the same window; else stated counts are compared with the limit, and
    without those the failures at a limit are a lower bound.
    """
    under = {c: x for x in settings.limits for c in x.channels}
    sizes = [under[c].size if c in under else None for c in frame["channel_id"]]
    frame = frame.assign(limit=pd.array(sizes, dtype="Int64"))
    tried, used = frame["attempted"], pd.Series(0, index=frame.index)
    if tables.inputs.outgoing is not None and len(frame):
        seen = _in_window(settings, tables, tables.inputs.outgoing, frame, under)
        tried, used = (frame["broadcast"].map(seen[n]).fillna(0) for n in ("tried", "used"))
    tried = pd.array(tried, dtype="Int64")
    over = pd.Series(tried, index=frame.index) + used - frame["limit"]
    # Not `where`, which takes what is not known for false.
    over = over.clip(lower=0, upper=frame["failed"]).fillna(frame["quota"])
    over = over.where(frame["quota"] > 0, 0).astype("int64")
    explained = over.clip(upper=frame["quota"])
    return frame.assign(used=used.astype("Int64"), over_limit=over, explained=explained)


def _in_window(
    settings: Settings,
    tables: Tables,
    sent: ibis.Table,
    frame: pd.DataFrame,
    under: dict[str, Limit],
) -> pd.DataFrame:
    """Per broadcast with failures at a limit: the contacts that count of it (tried), and of others
    in its window (used).
    """
    full = frame[(frame["quota"] > 0) & frame["channel_id"].isin(list(under))]
    if full.empty:
        return pd.DataFrame({"tried": [], "used": []}, dtype="int64")
    events = counted(settings, tables, sent.filter(sent.channel_id.isin(list(under))))
    own = events.filter(events.broadcast.isin(full["broadcast"].tolist())).group_by("broadcast")
    own = own.aggregate(tried=events.contact_id.nunique(), begin=events["at"].min()).to_pandas()
    arrived = counted(settings, tables, tables.inputs.delivered)
    names = {c: x.name for c, x in under.items()}
    spans = {x.name: int((x.window.length or DAY).total_seconds()) for x in under.values()}
    of = dict(zip(full["broadcast"], full["channel_id"].map(names), strict=True))
    windows = own.assign(limit=own["broadcast"].map(of))
    windows = ibis.memtable(windows.assign(span=windows["limit"].map(spans)))
    others = arrived.select("contact_id", "at", other="broadcast", on=arrived.channel_id)
    others = others.mutate(on=others.on.substitute(names))
    near = windows.join(others, windows["limit"] == others.on)
    since = near.begin.epoch_seconds() - near["at"].epoch_seconds()
    near = near.filter(since.between(1, near.span), near.other.fill_null("") != near.broadcast)
    used = near.group_by("broadcast").aggregate(used=near.contact_id.nunique()).to_pandas()
    seen = own[["broadcast", "tried"]].merge(used, on="broadcast", how="left")
    return seen.fillna({"used": 0}).set_index("broadcast")


def _measured(
    settings: Settings, tables: Tables, sent: ibis.Table, limits: tuple[Limit, ...]
) -> Assessment:
    tables.check_coverage(start=True)
    load = tables.engine.keep(loads.load(counted(settings, tables, tables.delivered), limits))
    runs = overflows.infer(tables.broadcasts)
    runs = runs.sort_values("overflow_at_least", ascending=False).head(MOST_RUNS)
    counts = [
        _window(settings, tables, sent, x, run)
        for run in runs.itertuples()
        for x in limits
        if run.channel_id in x.channels
    ]
    windows = pd.DataFrame(counts)
    if counts:
        windows = windows.drop_duplicates(["channel_id", "begin"])
        windows = _overflow(windows, tuple(replace(x, channels=(x.name,)) for x in limits))
    return Assessment(
        "measured",
        limits,
        windows,
        load,
        loads.reached(load, limits),
        _tiers(overflows.ceilings(load, limits, runs), limits),
        _contradicted(settings, sent),
    )


def _tiers(seen: pd.DataFrame, limits: tuple[Limit, ...]) -> pd.DataFrame:
    rows = []
    for limit in limits:
        observed = seen.loc[seen["limit"] == limit.name, "ceiling"].tolist()
        if observed and max(observed):
            one = overflows.compare_tiers(observed, limit.size)
            rows.append((limit.name, limit.size or 0, one.high, one.tier, one.agrees))
    return pd.DataFrame(rows, columns=["limit", "size", "high", "tier", "agrees"])


def _contradicted(settings: Settings, sent: ibis.Table) -> pd.DataFrame:
    stated = settings.attempted
    own = {
        name: sent.filter((sent.channel_id == name) | (sent.broadcast == name)) for name in stated
    }
    measured = {name: int(rows.message_id.nunique().execute()) for name, rows in own.items()}
    rows = [(name, n, measured[name]) for name, n in stated.items() if n != measured[name]]
    return pd.DataFrame(rows, columns=["channel_id", "given", "measured"])


def _window(settings: Settings, tables: Tables, sent: ibis.Table, limit: Limit, run) -> dict:
    """Count the unique contacts of the window that a run of limit errors belongs to, without those
    of an open service window.
    """
    span = limit.window.length or DAY
    sent, failed = (t.filter(t.channel_id.isin(limit.channels)) for t in (sent, tables.broadcasts))
    near = sent.filter((sent.sent_at > run.first - span) & (sent.sent_at <= run.first))
    begin = near.sent_at.min().execute()
    begin = run.first if pd.isna(begin) else begin
    end = max(begin + span, run.last)
    columns = ("contact_id", "channel_id", "sent_at", "message_id")
    sent = sent.filter(sent.sent_at.between(begin, end)).select(*columns)
    failed = failed.filter(failed.sent_at.between(begin, end)).select(*columns, "cause")
    tried, lost = (_counting(settings, tables, t) for t in (sent, failed))
    reached = tried.semi_join(tables.delivered, ["contact_id", "message_id"])
    reached = reached.select("contact_id").distinct()
    missed = lost.anti_join(reached, "contact_id")
    pairs = ((sent, failed), (tried, lost))
    whole, everyone = (a.select("contact_id").union(b.select("contact_id")) for a, b in pairs)
    counts = {
        "attempted": everyone.contact_id.nunique(),
        "open": whole.anti_join(everyone, "contact_id").contact_id.nunique(),
        "delivered": reached.count(),
        "quota": missed.contact_id.nunique(where=missed.cause == "quota"),
        "after": failed.filter(failed.sent_at.between(run.first, end)).contact_id.nunique(),
    }
    times = {"channel_id": limit.name, "begin": begin, "end": end, "first": run.first}
    return times | {name: int(count.execute()) for name, count in counts.items()}


def _overflow(counts: pd.DataFrame, limits: tuple[Limit, ...]) -> pd.DataFrame:
    """One row per window, with the overflow and the failures that it explains; fullest first."""
    aside = [c for c in ("begin", "end", "first", "after", "open") if c in counts]
    rows = []
    for place in range(len(counts)):
        one = counts.iloc[[place]]
        beyond = overflows.overflow(one.drop(columns=aside), limits).iloc[0].to_dict()
        rows.append(beyond | one[aside].iloc[0].to_dict())
    return pd.DataFrame(rows).sort_values(
        ["overflow", "limit"], ascending=[False, True], ignore_index=True
    )


def load_line(tables: Tables, load: ibis.Table) -> pd.DataFrame:
    """at (wall clock) and load, thinned to the highest and the last of each stretch where there are
    too many points.
    """
    span = load.aggregate(n=load.count(), first=load["at"].min(), last=load["at"].max())
    span = span.execute().iloc[0]
    if span["n"] > MOST_POINTS:
        seconds = int((span["last"] - span["first"]).total_seconds())
        step = max(1, 2 * (seconds // MOST_POINTS) + 1)
        parts = load.group_by(stretch=load["at"].epoch_seconds() // step)
        most = parts.aggregate(at=load["at"].min(), load=load["load"].max())
        last = parts.aggregate(at=load["at"].max(), load=load["load"].argmax(load["at"]))
        load = most.union(last).distinct()
    at = tables.engine.to_wall_clock(load["at"], tables.settings.zone)
    return load.select(at=at, load="load").order_by("at").to_pandas()


@dataclass(frozen=True)
class LoadLine:
    """The load of one limit: frame (at, load), its size, and when it was reached (UTC)."""

    limit: str
    frame: pd.DataFrame
    size: int | None
    reached_at: datetime | None


def load_lines(tables: Tables, found: Assessment) -> list[LoadLine]:
    """One line per limit whose load was measured and ever above 0, fullest first."""
    if found.load is None or found.reached is None:
        return []
    share = found.reached["peak"] / found.reached["size"].astype("Float64")
    order = found.reached.assign(share=share).dropna(subset=["size"])
    order = order[order["peak"] > 0].sort_values("share", ascending=False)
    return [
        LoadLine(
            row.limit,
            load_line(tables, found.load.filter(found.load["limit"] == row.limit)),
            int(row.size),
            None if pd.isna(row.reached_at) else row.reached_at,
        )
        for row in order.itertuples()
    ]
