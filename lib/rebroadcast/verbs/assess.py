"""What the exports say about limits: how full they were, and what went beyond them."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import ibis
import pandas as pd

from ..bench.full_windows import counting
from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common.doubts import Doubt, concerning, n_
from ..common.exceptions import ParameterError
from ..common.times import END_OF_DAY
from ..engine.engine import distinct_ids
from ..limits import load as loads
from ..limits import overflow as overflows
from ..limits.limit import Limit, by_channel

MOST_POINTS = 600  # of a load line


@dataclass(frozen=True)
class Assessment:
    """How the limits fared, and what that rests on.

    `basis`: "measured" (failed and messages exports, contact by contact), "computed" (failed export
    and attempted counts) or "inferred" (failed export alone: a lower bound). `windows`: per limit
    and full window of a broadcast: limit, begin, end, first (limit error), after (contacts that
    failed from then on), open (contacts in a service window, who do not count), attempted,
    delivered, failed, quota, size, overflow, explained, other (unique contacts). `load` and
    `reached` are those of `limits.load`, None where not measured. `tiers`: limit, size, high, tier,
    agrees (the most contacts that a full window counted, against what was configured).
    """

    basis: str
    limits: tuple[Limit, ...]
    windows: pd.DataFrame
    load: ibis.Table | None = None
    reached: pd.DataFrame | None = None
    tiers: pd.DataFrame = field(default_factory=pd.DataFrame)
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
        found = _measured(tables, limits)
    else:
        found = (
            _computed(settings, tables, limits) if settings.attempted else _inferred(tables, limits)
        )
    return replace(found, doubts=_doubts(tables, found))


def _doubts(tables: Tables, found: Assessment) -> tuple[Doubt, ...]:
    """What a plan of waves rests on, and whom it leaves out."""
    assumed = Doubt(
        "assumed room",
        "Without a messages export nobody knows what else was sent: a plan takes each limit as full"
        " for one window after the newest failure, and as empty after that.",
    )
    doubts = [assumed] if found.load is None and any(x.size for x in found.limits) else []
    known = list(by_channel(found.limits))
    rows = tables.audience.filter(~tables.audience.channel_id.isin(known).fill_null(False))
    left = rows.group_by("channel_id").aggregate(n=distinct_ids("contact_id", rows)).to_pandas()
    left_out = n_(
        "{n} contact who can be reached again is in no wave: the limit of {channels} is not known."
        " State it in the channels file.",
        "{n} contacts who can be reached again are in no wave: the limit of {channels} is not"
        " known. State it in the channels file.",
    )
    names = ", ".join(sorted(map(tables.settings.reader.channel, left["channel_id"].fillna(""))))
    n = int(left["n"].sum()) if known else 0
    return (*doubts, *concerning("no wave", left_out, n, channels=names))


def _computed(settings: Settings, tables: Tables, limits: tuple[Limit, ...]) -> Assessment:
    rows = tables.broadcasts
    counts = rows.group_by("channel_id").aggregate(
        failed=rows.contact_id.nunique(),
        quota=rows.contact_id.nunique(where=rows.cause == "quota"),
        begin=rows.sent_at.min(),
        end=rows.sent_at.max(),
    )
    per = counts.to_pandas().fillna({"channel_id": ""})
    stated = {c: n for c, n in settings.attempted.items() if c in set(per["channel_id"])}
    if not stated:
        raise ParameterError(
            "attempted names channel {channel}, which has no failed message; present: {present}.",
            "attempted",
            channel=min(settings.attempted),
            present=", ".join(sorted(per["channel_id"])),
        )
    found = tables.inputs.groups.found["channel_id"]
    stated = {c: n for c, n in stated.items() if found.eq(c).sum() < 2}  # else no window's own
    if not stated:
        return _inferred(tables, limits)
    per["attempted"] = per["channel_id"].map(stated).astype("Int64")
    uncounted = per.loc[per["attempted"].isna(), "channel_id"]
    per = overflows.under(per.dropna(subset=["attempted"]), limits)
    windows = overflows.overflow(per.assign(delivered=per["attempted"] - per["failed"]))
    windows = windows.sort_values(["overflow", "limit"], ascending=[False, True], ignore_index=True)
    return Assessment("computed", limits, windows, uncounted=tuple(uncounted))


def _inferred(tables: Tables, limits: tuple[Limit, ...]) -> Assessment:
    names = {"first": "begin", "last": "end", "overflow_at_least": "overflow"}
    windows = overflows.under(overflows.infer(tables.broadcasts).rename(columns=names), limits)
    windows = windows.sort_values(["overflow", "begin"], ascending=[False, True], ignore_index=True)
    return Assessment("inferred", limits, windows)


def counted(tables: Tables, sent: ibis.Table) -> ibis.Table:
    """The outgoing messages that count against a limit: at (the end of the day where a messages
    export has no times), contact_id, channel_id.
    """
    rows, export = counting(tables, sent), tables.inputs.messages
    at = rows.sent_at + END_OF_DAY if export and export.days else rows.sent_at
    return rows.select("contact_id", "channel_id", at=at)


def over_limit(settings: Settings, tables: Tables, frame: pd.DataFrame) -> pd.DataFrame:
    """Add limit, used, over_limit (contacts) and explained (those of them that failed at the limit)
    to broadcasts: broadcast, channel_id, attempted, failed, quota.

    With a messages export each contact is counted once, as the limit does, beside those that others
    had taken in the same window; else stated counts are compared with the limit, and without those,
    or where what was counted does not fit the limit, the failures at it are a lower bound.
    """
    sizes = {c: x.size for c, x in by_channel(settings.limits).items()}
    frame = frame.assign(limit=frame["channel_id"].map(sizes).astype("Int64"))
    tried, used = frame["attempted"].astype("Int64"), pd.Series(0, index=frame.index)
    over = tried - frame["limit"]
    if tables.inputs.outgoing is not None:
        full = tables.full_windows
        of = full.assign(over=(full["attempted"] - full["size"]).clip(lower=0)).groupby("broadcast")
        told = {"used": of["used"].max(), "over": of["over"].sum(min_count=1)}
        used, over = (frame["broadcast"].map(told[name]) for name in told)
        doubtful = frame["broadcast"].isin(full.loc[~full["agrees"], "broadcast"])
        over, frame["limit"] = over.mask(doubtful), frame["limit"].mask(doubtful)
    # Not `where`, which takes what is not known for false.
    over = over.clip(lower=0, upper=frame["failed"]).fillna(frame["quota"])
    over = over.where(frame["quota"] > 0, 0).astype("int64")
    return frame.assign(
        used=used.fillna(0).astype("Int64"),
        over_limit=over,
        explained=over.clip(upper=frame["quota"]),
    )


def _measured(tables: Tables, limits: tuple[Limit, ...]) -> Assessment:
    tables.check_coverage(start=True)
    load = tables.engine.keep(loads.load(counted(tables, tables.delivered), limits))
    full = tables.full_windows.drop(columns=["since", "own_since", "until", "last"])
    full = full[full["limit"].isin([limit.name for limit in limits])]
    windows = overflows.overflow(
        full.assign(
            size=full["size"].where(full["agrees"]),  # else it says nothing
            failed=full["attempted"] - full["delivered"],
        )
    ).sort_values(["overflow", "limit", "begin"], ascending=[False, True, True], ignore_index=True)
    return Assessment("measured", limits, windows, load, loads.reached(load, limits), _tiers(full))


def _tiers(full: pd.DataFrame) -> pd.DataFrame:
    """Of each limit the window that fits it least."""
    rows = []
    for name, own in full.dropna(subset=["size"]).groupby("limit"):
        worst = own.loc[(own["observed"] - own["size"]).abs().astype("int64").idxmax()]
        high = int(worst["observed"])
        rows.append(
            (name, int(worst["size"]), high, overflows.tier_of(high), bool(worst["agrees"]))
        )
    return pd.DataFrame(rows, columns=["limit", "size", "high", "tier", "agrees"])


def load_line(tables: Tables, load: ibis.Table) -> pd.DataFrame:
    """at (wall clock) and load, thinned to the highest and the last of each stretch where there are
    too many points.
    """
    span = load.aggregate(n=load.count(), first=load["at"].min(), last=load["at"].max())
    n, begin, end = span.execute().iloc[0]
    if n > MOST_POINTS:
        step = max(1, 2 * (int((end - begin).total_seconds()) // MOST_POINTS) + 1)
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
