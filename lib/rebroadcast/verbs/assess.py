"""What a workbench's exports say about its limits: how full they were, what went beyond them, and
when to send the rest.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ..common.exceptions import ParameterError
from ..common.lazy import ibis, pd
from ..limits import load as loads
from ..limits import overflow as overflows
from ..limits.limit import Limit
from ..recovery import messages as messages_

if TYPE_CHECKING:
    from ..bench.workbench import Workbench


MOST_RUNS = 50  # runs of limit errors that are looked at one by one
MOST_POINTS = 600  # of a load line
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Assessment:
    """How the limits fared, and what that rests on.

    `basis`: "measured" (failed and messages exports, contact by contact), "computed" (failed export
    and attempted counts) or "inferred" (failed export alone: a lower bound). `windows`: per limit
    and full window: name, begin, end, first (limit error), after (contacts that failed from then
    on), open (contacts in a service window, who do not count), attempted, delivered, failed, quota, size, overflow, explained, other (unique contacts).
    `load` and `reached` are those of `quota`, None where not measured. `agreed` and `notes`:
    sentences about sources.
    """

    basis: str
    limits: tuple[Limit, ...]
    windows: "pd.DataFrame"
    load: "ibis.Table | None" = None
    reached: "pd.DataFrame | None" = None
    notes: list[str] = field(default_factory=list)
    agreed: list[str] = field(default_factory=list)


def assess(bench: "Workbench") -> Assessment:
    """Compare what was attempted, delivered and failed with the limits, from whatever exports there
    are.

    Raises QuotaError where counts contradict each other or the messages export does not cover the
    failures.
    """
    asked = bench.list("channel")
    limits = tuple(x for x in bench.limits if not asked or set(asked) & set(x.channels))
    if bench.messages is not None:
        return _measured(bench, limits)
    rows = bench.broadcasts
    per = (
        rows.group_by("channel_id")
        .aggregate(
            failed=rows.contact_id.nunique(),
            quota=rows.contact_id.nunique(where=rows.cause == "quota"),
            begin=rows.sent_at.min(),
            end=rows.sent_at.max(),
        )
        .to_pandas()
        .fillna({"channel_id": ""})
    )
    unknown = set(bench.attempted) - set(per["channel_id"])
    if unknown:
        raise ParameterError(
            "attempted names channel {channel}, which has no failed message; present: {present}.",
            "attempted",
            channel=min(unknown),
            present=", ".join(sorted(per["channel_id"])),
        )
    per["attempted"] = per["channel_id"].map(bench.attempted).astype("Int64")
    if bench.attempted:
        windows = _overflow(bench, per.dropna(subset=["attempted"]), limits)
        names = ", ".join(
            bench.channels.name(c) for c in per.loc[per["attempted"].isna(), "channel_id"]
        )
        notes = (
            [bench.lang.gettext("No attempted count was given for: {names}.", names=names)]
            if names
            else []
        )
        return Assessment("computed", limits, windows, notes=notes)
    runs = overflows.infer(rows)
    columns = {"first": "begin", "last": "end", "overflow_at_least": "overflow"}
    windows = runs.rename(columns=columns).assign(
        name=[bench.limit_name(c, limits) for c in runs["channel_id"]]
    )
    windows["size"] = (
        windows["channel_id"].map({c: x.size for x in limits for c in x.channels}).astype("Int64")
    )
    return Assessment(
        "inferred", limits, windows.sort_values("overflow", ascending=False, ignore_index=True)
    )


def counted(bench: "Workbench") -> "ibis.Table":
    """The delivered messages as the platform counts them: at, contact_id, channel_id."""
    sent = _counting(bench, bench.delivered)
    return sent.select("contact_id", "channel_id", at="sent_at")


def _counting(bench: "Workbench", messages: "ibis.Table") -> "ibis.Table":
    """Without those of an open service window; the messages export shows what contacts wrote."""
    whatsapp = [c.id for c in bench.channels.channels if c.kind and c.kind.name == "whatsapp"]
    table = bench.messages.table
    return loads.counting(messages, table.filter(messages_.received(table)), whatsapp)


def _measured(bench: "Workbench", limits: tuple[Limit, ...]) -> Assessment:
    bench.check_coverage(start=True)
    _, number = bench.lang.gettext, bench.lang.number
    load = bench.engine.keep(loads.load(counted(bench), limits))
    reached = loads.reached(load, limits)
    runs = (
        overflows.infer(bench.broadcasts)
        .sort_values("overflow_at_least", ascending=False)
        .head(MOST_RUNS)
    )
    counts = [
        _window(bench, x, run)
        for run in runs.itertuples()
        for x in limits
        if run.channel_id in x.channels
    ]
    windows = (
        pd.DataFrame(counts).drop_duplicates(["channel_id", "begin"]) if counts else pd.DataFrame()
    )
    if counts:
        windows = _overflow(bench, windows, tuple(replace(x, channels=(x.name,)) for x in limits))
    notes, agreed, seen = [], [], overflows.ceilings(load, limits, runs)
    for limit in limits:
        observed = seen.loc[seen["limit"] == limit.name, "ceiling"].tolist()
        if not observed or not max(observed):
            continue
        found = overflows.compare_tiers(observed, limit.size)
        facts = {
            "name": bench.limit_name(limit.name, limits),
            "size": number(limit.size or 0),
            "high": number(found.high),
        }
        if found.agrees:
            agreed.append(
                _(
                    "{name}: you configured {size}; at most {high} contacts were counted in a full"
                    " window. They agree.",
                    **facts,
                )
            )
        elif found.tier:
            notes.append(
                _(
                    "{name}: you configured {size}, but at most {high} contacts were counted in a"
                    " full window, which fits the tier of {tier}. Check the limit.",
                    tier=number(found.tier),
                    **facts,
                )
            )
        else:
            notes.append(
                _(
                    "{name}: you configured {size}, but at most {high} contacts were counted in a"
                    " full window, which fits no known tier. Check the limit.",
                    **facts,
                )
            )
    for channel, given in bench.attempted.items():
        measured = int(
            bench.sent.filter(bench.sent.channel_id == channel).message_id.nunique().execute()
        )
        if measured != given:
            notes.append(
                _(
                    "{name}: {given} attempted were given, {measured} are in the messages export."
                    " The export is used here.",
                    name=bench.channels.name(channel),
                    given=number(given),
                    measured=number(measured),
                )
            )
    return Assessment("measured", limits, windows, load, reached, notes, agreed)


def _window(bench: "Workbench", limit: Limit, run) -> dict:
    """Count the unique contacts of the window that a run of limit errors belongs to, without those
    of an open service window.
    """
    span = limit.window.length or DAY
    sent, failed = (
        t.filter(t.channel_id.isin(limit.channels)) for t in (bench.sent, bench.broadcasts)
    )
    near = sent.filter((sent.sent_at > run.first - span) & (sent.sent_at <= run.first))
    begin = near.sent_at.min().execute()
    begin = run.first if pd.isna(begin) else begin
    end = max(begin + span, run.last)
    columns = ("contact_id", "channel_id", "sent_at", "message_id")
    sent = sent.filter(sent.sent_at.between(begin, end)).select(*columns)
    failed = failed.filter(failed.sent_at.between(begin, end)).select(*columns, "cause")
    tried, lost = (_counting(bench, t) for t in (sent, failed))
    reached = tried.anti_join(lost, "message_id").select("contact_id").distinct()
    missed = lost.anti_join(reached, "contact_id")
    pairs = ((sent, failed), (tried, lost))
    whole, counting = (a.select("contact_id").union(b.select("contact_id")) for a, b in pairs)
    counts = {
        "attempted": counting.contact_id.nunique(),
        "open": whole.anti_join(counting, "contact_id").contact_id.nunique(),
        "delivered": reached.count(),
        "quota": missed.contact_id.nunique(where=missed.cause == "quota"),
        "after": failed.filter(failed.sent_at.between(run.first, end)).contact_id.nunique(),
    }
    times = {"channel_id": limit.name, "begin": begin, "end": end, "first": run.first}
    return times | {name: int(count.execute()) for name, count in counts.items()}


def _overflow(
    bench: "Workbench", counts: "pd.DataFrame", limits: tuple[Limit, ...]
) -> "pd.DataFrame":
    """One row per window, with the overflow and the failures that it explains; fullest first."""
    rows, aside = [], [c for c in ("begin", "end", "first", "after", "open") if c in counts]
    for place in range(len(counts)):
        one = counts.iloc[[place]]
        rows.append(
            overflows.overflow(one.drop(columns=aside), limits).iloc[0].to_dict()
            | one[aside].iloc[0].to_dict()
        )
    frame = pd.DataFrame(rows)
    frame.insert(0, "name", [bench.limit_name(x, bench.limits) for x in frame["limit"]])
    return frame.sort_values(["overflow", "name"], ascending=[False, True], ignore_index=True)


def attempted_frame(found: Assessment) -> "pd.DataFrame":
    """The frame of `charts.attempted`: the fullest window of each limit."""
    frame = found.windows.reindex(
        columns=["name", "attempted", "delivered", "failed", "size", "overflow"]
    )
    frame = frame.drop_duplicates("name").rename(columns={"name": "channel", "size": "limit"})
    if found.basis == "inferred":
        frame["failed"] = found.windows.drop_duplicates("name")["messages"]
    return frame.reset_index(drop=True)


def load_line(bench: "Workbench", load: "ibis.Table") -> "pd.DataFrame":
    """at (wall clock) and load, thinned to the highest and the last of each stretch where there are
    too many points.
    """
    span = (
        load.aggregate(n=load.count(), first=load["at"].min(), last=load["at"].max())
        .execute()
        .iloc[0]
    )
    if not span["n"]:
        return load.select("at", "load").to_pandas()
    if span["n"] > MOST_POINTS:
        step = max(1, 2 * int((span["last"] - span["first"]).total_seconds() // MOST_POINTS) + 1)
        parts = load.group_by(stretch=load["at"].epoch_seconds() // step)
        most = parts.aggregate(at=load["at"].min(), load=load["load"].max())
        last = parts.aggregate(at=load["at"].max(), load=load["load"].argmax(load["at"]))
        load = most.union(last).distinct()
    at = bench.engine.to_wall_clock(load["at"], bench.timezone)
    return load.select(at=at, load="load").order_by("at").to_pandas()
