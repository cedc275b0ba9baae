"""Limits on unique contacts: load in a window, overflow, capacity left, what a failed export alone
tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from .exceptions import QuotaError
from .lazy import ibis, pd

TIERS = (250, 1000, 2000, 10000, 100000)  # of WhatsApp, as channels.toml has them with their source


@dataclass(frozen=True)
class Window:
    """The time in which a limit counts: "moving" of a length, or a calendar "day" or "month" in a
    zone.
    """

    kind: str = "moving"
    length: timedelta | None = timedelta(hours=24)
    zone: str = "UTC"


@dataclass(frozen=True)
class Limit:
    """How many unique contacts some channels together may reach in a window.

    `name` is the pool's name or the channel's ID; `size` None means unlimited; `reserve` is kept
    free for everyday traffic; `pace` is contacts per second, or None where it is not known.
    """

    name: str
    channels: tuple[str, ...]
    size: int | None
    window: Window = Window()
    reserve: int = 0
    pace: float | None = None

    def __post_init__(self):
        if not self.channels:
            raise QuotaError(
                "The limit '{name}' names no channel; name the channels that share it.",
                name=self.name,
            )
        if self.size is not None and self.size <= 0:
            raise QuotaError(
                "The limit '{name}' is {size}; it must be 1 or more, or unlimited. "
                "To keep a channel out of a plan, leave its contacts out.",
                name=self.name,
                size=self.size,
            )
        if self.reserve < 0 or (self.pace is not None and self.pace <= 0):
            raise QuotaError(
                "The limit '{name}' needs a reserve of 0 or more and a pace above 0.",
                name=self.name,
            )

    @property
    def room(self) -> int | None:
        """Contacts that may be reached in an empty window once the reserve is kept; None means
        unlimited.
        """
        return None if self.size is None else self.size - self.reserve


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


def minute_of(moment: datetime, down: bool = False) -> int:
    """Return the first whole minute (since 1970, UTC) not before a moment, or with `down` not after
    it.
    """
    if moment.tzinfo is None:
        raise QuotaError(
            "The time {moment} has no time zone; give one, such as UTC.", moment=moment
        )
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return int(seconds // 60 if down else -(-seconds // 60))


@cache
def _period(day: date, window: Window) -> tuple[int, int]:
    if window.kind == "day":
        ends = day, day + timedelta(days=1)
    else:
        ends = (first := day.replace(day=1)), (first + timedelta(days=31)).replace(day=1)
    return tuple(
        int(datetime.combine(d, time(), zone_of(window.zone)).timestamp()) // 60 for d in ends
    )


def period(minute: int, window: Window) -> tuple[int, int]:
    """Return the minutes (since 1970) at which the calendar window around a minute begins and ends.

    >>> period(29_000_000, Window("day"))
    (28998720, 29000160)
    """
    return _period(datetime.fromtimestamp(minute * 60, zone_of(window.zone)).date(), window)


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name; QuotaError if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise QuotaError(
            "'{name}' is no time zone; expected one such as America/Mexico_City.", name=name
        ) from error


def reached(load: ibis.Table, limits: Sequence[Limit]) -> pd.DataFrame:
    """Return one row per limit: limit, size, peak (highest load), reached_at (UTC; NaT if it never
    was).
    """
    sizes = {limit.name: limit.size for limit in limits if limit.size is not None}
    full = load["limit"].cases(*sizes.items(), else_=None) if sizes else None
    hit = (
        load["at"].min(where=load["load"] >= full)
        if sizes
        else load["at"].min(where=load["load"] < 0)
    )
    found = load.group_by("limit").agg(peak=load["load"].max(), reached_at=hit).to_pandas()
    frame = pd.DataFrame({"limit": [x.name for x in limits], "size": [x.size for x in limits]})
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
    frame = pd.DataFrame(rows, columns=["limit", "size", "reserve", "load", "left"])
    frame = frame.astype({"size": "Int64", "left": "Int64"})
    return frame.assign(left=(frame["left"] - frame["load"]).clip(lower=0))


def overflow(counts: pd.DataFrame, limits: Sequence[Limit]) -> pd.DataFrame:
    """Compute, limit by limit, how far a broadcast went beyond it and how many failures that
    explains.

    `counts`, one row per channel: channel_id and at least two of attempted, delivered and failed
    (unique contacts); where known, quota (failures whose cause is the limit) and used (contacts
    already in the window when the broadcast began). Returns limit, size, attempted, delivered,
    failed, quota, used, overflow = attempted beyond what was left, explained = the failures it
    explains (those with that cause, if causes are known, and never more than the overflow), other =
    failed - explained. Raises QuotaError where the counts contradict each other.

    >>> counts = {"channel_id": ["1"], "attempted": [1500], "failed": [500]}
    >>> frame = pd.DataFrame(counts)  # doctest: +SKIP
    >>> overflow(frame, [Limit("1", ("1",), 1000)])["overflow"].tolist()  # doctest: +SKIP
    [500]
    """
    rows = [_balanced(row) for row in counts.to_dict("records")]
    under = {channel: limit.name for limit in limits for channel in limit.channels}
    for row in rows:
        row["limit"] = under.get(row["channel_id"], row["channel_id"])
    frame = (
        pd.DataFrame(rows)
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
    cause = frame["quota"].fillna(frame["failed"])
    frame["explained"] = frame["overflow"].where(frame["overflow"] <= cause, cause)
    return frame.assign(other=frame["failed"] - frame["explained"])


def _balanced(row: dict) -> dict:
    """Return one channel's counts, completed to attempted = delivered + failed."""
    channel, given = str(row["channel_id"]), {}
    for name in ("attempted", "delivered", "failed", "quota", "used"):
        value = row.get(name)
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

    `failed`: channel_id, contact_id, sent_at (UTC), cause. A run ends when no limit error follows
    for `gap`. Returns channel_id, run, first and last (UTC), overflow_at_least (unique contacts
    that failed at the limit), messages, other (failures of other causes between first and last). It
    assumes that each limit error is a contact beyond the limit and that the export holds all
    failures of the time; how many were attempted, and so the limit itself, it cannot tell.
    """
    quota = failed.filter(failed.cause == "quota").select("channel_id", "contact_id", "sent_at")
    own = ibis.window(group_by="channel_id", order_by=["sent_at", "contact_id"])
    since = quota.sent_at.epoch_seconds() - quota.sent_at.lag().over(own).epoch_seconds()
    quota = quota.mutate(new=(since.fill_null(0) > int(gap.total_seconds())).cast("int64"))
    along = ibis.cumulative_window(group_by="channel_id", order_by=["sent_at", "contact_id"])
    quota = quota.mutate(run=quota.new.sum().over(along) + 1)
    runs = quota.group_by("channel_id", "run").agg(
        first=quota.sent_at.min(),
        last=quota.sent_at.max(),
        overflow_at_least=quota.contact_id.nunique(),
        messages=quota.count(),
    )
    others = failed.filter(failed.cause != "quota").select("channel_id", "sent_at")
    between = [runs.channel_id == others.channel_id, others.sent_at.between(runs.first, runs.last)]
    beside = runs.join(others, between).group_by("channel_id", "run").agg(other=lambda t: t.count())
    found = runs.left_join(beside, ["channel_id", "run"])
    found = found.select(*runs.columns, other=found.other.fill_null(0)).order_by(
        "channel_id", "run"
    )
    return found.to_pandas().astype({"run": "int64"})


def ceilings(load: ibis.Table, limits: Sequence[Limit], runs: pd.DataFrame) -> pd.DataFrame:
    """Return the observed ceiling of each run of limit errors: limit, run, first, last, ceiling.

    `runs` is what `infer` returned. The ceiling is the highest load from a window (24 hours, where
    it is the calendar's) before the run's first error to its last; runs of channels without a limit
    are left out.
    """
    found = []
    for row in runs.itertuples():
        for limit in (limit for limit in limits if row.channel_id in limit.channels):
            begin = row.first - (limit.window.length or timedelta(hours=24))
            mine = load.filter((load["limit"] == limit.name) & load["at"].between(begin, row.last))
            found.append(
                (
                    limit.name,
                    row.run,
                    row.first,
                    row.last,
                    int(mine["load"].max().fill_null(0).execute()),
                )
            )
    return pd.DataFrame(found, columns=["limit", "run", "first", "last", "ceiling"])


@dataclass(frozen=True)
class Observed:
    """Observed ceilings: low and high, the known tier they fit (or None), whether they fit the
    configured size (or None).
    """

    low: int
    high: int
    tier: int | None
    configured: int | None
    agrees: bool | None


def compare_tiers(
    observed: Sequence[int],
    configured: int | None = None,
    tiers: Sequence[int] = TIERS,
    within: float = 0.05,
) -> Observed:
    """Compare the contacts delivered in each full window with the known tiers and the configured
    size.

    A size fits if the highest ceiling is at most `within` (a share) below or above it: a few
    contacts fail for other reasons, a few inside a service window do not count.

    >>> compare_tiers([997, 1000], configured=1000)
    Observed(low=997, high=1000, tier=1000, configured=1000, agrees=True)
    """
    if not observed:
        raise QuotaError(
            "No full window was observed, so there is nothing to compare with the tiers."
        )
    low, high = min(observed), max(observed)

    def fits(size: int) -> bool:
        return abs(high - size) <= size * within

    tier = next((t for t in tiers if fits(t)), None)
    return Observed(low, high, tier, configured, None if configured is None else fits(configured))
