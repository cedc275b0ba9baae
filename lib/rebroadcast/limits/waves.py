"""Waves: when to send to whom, so that no window of any limit is ever exceeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd

from ..common.exceptions import QuotaError
from ..common.times import minute_of
from .limit import Limit
from .schedule import Backlog, Wave, schedule

KEYS = ["channel_id", "ready"]


@dataclass(frozen=True)
class Plan:
    """Waves and who is in them.

    `waves`: pandas, one row per wave: wave (1, 2, ...), start and end (UTC), size, limit,
    channel_id. `assignment`: Ibis table, one row per contact of the audience: contact_id,
    channel_id, wave.
    """

    waves: pd.DataFrame
    assignment: ibis.Table

    @property
    def finish(self) -> datetime | None:
        """The end of the last wave (UTC); None for an empty audience."""
        return self.waves["end"].max().to_pydatetime() if len(self.waves) else None


def plan(
    audience: Any,
    limits: Sequence[Limit],
    start: datetime,
    *,
    traffic: Any = None,
    quiet: Sequence[tuple[str, str]] = (),
    zone: str = "UTC",
    deadline: datetime | None = None,
) -> Plan:
    """Plan the waves for an audience: finished as early as possible, then in as few waves as
    possible.

    `audience` (Ibis table, Arrow or pandas): contact_id, channel_id and, where known, waited_since
    and earliest (timestamps with a zone; not before `earliest`). It is read several times; cache
    one that is costly to compute. `traffic` is what `quota.load` returned for messages sent
    already. `quiet` are local times of `zone` in which nothing is sent, such as [("21:00",
    "08:00")]; `deadline` is when all must be sent.

    Each contact counts in the window from its own send; one who is still counted from earlier
    traffic counts again, which errs on the safe side. Waves start on whole minutes. With a pace, a
    window is taken to be longer by the length of its longest wave. Within a channel, whoever waited
    longest goes first, ties by contact ID. Few waves come before early ones: who could be sent now
    may wait for those who cannot yet. To avoid that, plan the first alone, then the rest, with the
    first plan's sends in `traffic`.

    Raises QuotaError for contradictory limits, a channel that is not under exactly one limit, and
    for a deadline that is too early; the message says what would be possible.

    >>> limits = [Limit("1001", ("1001",), 1000)]  # doctest: +SKIP
    >>> plan(audience, limits, start).waves["size"].tolist()  # doctest: +SKIP
    [1000, 500]
    """
    begin, under = minute_of(start), _limit_of(limits)
    people = _people(audience, begin)
    ready = (
        people.group_by(KEYS)
        .agg(n=people.count(), first=people.waited_since.min())
        .to_pandas()
        .sort_values(["first", *KEYS])
    )
    if unknown := sorted(set(ready["channel_id"]) - set(under)):
        raise QuotaError(
            "Channel {channel} has no limit, so no plan can be checked against it. State its limit"
            ' in the channels file; "unlimited" is a value.',
            channel=unknown[0],
        )
    by = None if deadline is None else minute_of(deadline, down=True)
    backlogs, waves = _backlogs(traffic, begin), []
    for limit in limits:
        mine = ready[ready["channel_id"].isin(limit.channels)]
        demand = {
            channel: dict(zip(own["ready"].tolist(), own["n"].tolist(), strict=True))
            for channel, own in mine.groupby("channel_id", sort=False)
        }
        if demand:
            waves += schedule(
                limit,
                demand,
                begin,
                backlog=backlogs.get(limit.name),
                quiet=quiet,
                zone=zone,
                deadline=by,
            )
    return _assign(people, ready, waves)


def what_if(
    audience: Any,
    limits: Sequence[Limit],
    scenarios: Mapping[str, Mapping[str, Any]],
    start: datetime,
    **given,
) -> pd.DataFrame:
    """Plan each scenario and return scenario, waves, finish (UTC), note (the error that
    says why it cannot be done, or None).

    A scenario changes arguments of `plan` (start, quiet, deadline, limits ...) or, for every limit
    at once, `size`, `reserve`, or `numbers` (so many numbers, each with a limit of its own).

    >>> options = {"next tier": {"size": 2000}, "as is": {}}
    >>> what_if(audience, limits, options, start)  # doctest: +SKIP
    """
    rows: list[tuple] = []
    for name, scenario in scenarios.items():
        change = dict(scenario)
        fields = {key: change.pop(key) for key in ("size", "reserve") if key in change}
        numbers = change.pop("numbers", 1)
        options = {"start": start, "limits": limits, **given, **change}
        try:
            changed = [replace(limit, **fields) for limit in options.pop("limits")]
            changed = [replace(x, size=x.size and x.size * numbers) for x in changed]
            result = plan(audience, changed, **options)
            rows.append((name, len(result.waves), result.finish, None))
        except QuotaError as error:
            rows.append((name, None, None, error))
    frame = pd.DataFrame(rows, columns=["scenario", "waves", "finish", "note"])
    return frame.astype({"waves": "Int64", "finish": "datetime64[us, UTC]"})


def _limit_of(limits: Sequence[Limit]) -> dict[str, Limit]:
    """Return the one limit of each channel."""
    under: dict[str, Limit] = {}
    for limit in limits:
        for channel in limit.channels:
            if channel in under:
                raise QuotaError(
                    "Channel {channel} is under two limits, {names}; keep one of them.",
                    channel=channel,
                    names=f"'{under[channel].name}' and '{limit.name}'",
                )
            under[channel] = limit
        if limit.room is not None and limit.room < 1:
            raise QuotaError(
                "The limit '{name}' is {size:,} and {reserve:,} of it are reserved, so nothing"
                " could ever be sent; make the reserve smaller than the limit.",
                name=limit.name,
                size=limit.size,
                reserve=limit.reserve,
            )
    return under


def _people(audience: Any, begin: int) -> ibis.Table:
    """Return contact_id, channel_id, waited_since and ready, the first minute (since 1970) it may
    be sent.
    """
    table = audience if isinstance(audience, ibis.Table) else ibis.memtable(audience)
    for name in ("waited_since", "earliest"):
        dtype = table[name].type() if name in table.columns else None
        if dtype is None or dtype.is_null():
            table = table.mutate(**{name: ibis.null("timestamp('UTC')")})
        elif not dtype.is_timestamp() or dtype.timezone is None:
            raise QuotaError(
                "The audience's {name} is {dtype}; expected a timestamp with a time zone.",
                name=name,
                dtype=dtype,
            )
    ready = ibis.greatest(_minute(table.earliest).fill_null(begin), begin)
    table = table.select("contact_id", "channel_id", "waited_since", ready=ready)
    rows = table.group_by("contact_id", "channel_id").agg(n=table.count())
    if count := rows.filter(rows.n > 1).count().execute():
        raise QuotaError(
            "The audience names {count:,} contacts more than once on one channel; nobody may be"
            " sent to twice, so keep one row for each.",
            count=count,
        )
    return table


def _backlogs(traffic: Any, begin: int) -> dict[str, Backlog]:
    """Per limit: the most that earlier traffic will load it from each minute on."""
    if traffic is None:
        return {}
    table = traffic if isinstance(traffic, ibis.Table) else ibis.memtable(traffic)
    table = table.mutate(minute=ibis.greatest(_minute(table["at"]), begin))
    steps = table.group_by("limit", "minute").agg(
        last=table["load"].argmax(table["at"]), most=table["load"].max()
    )
    found = {}
    for name, rows in steps.to_pandas().sort_values("minute").groupby("limit"):
        later = rows["most"][::-1].cummax()[::-1].shift(-1, fill_value=0)
        minutes, loads = rows["minute"].tolist(), rows["last"].clip(lower=later).tolist()
        if minutes[0] > begin:
            minutes, loads = [begin, *minutes], [int(rows["most"].max()), *loads]
        found[name] = Backlog(minutes, loads)
    return found


def _minute(at: ibis.Value) -> ibis.Value:
    """The first whole minute since 1970 not before a moment."""
    whole = at.truncate("m")
    return (whole.epoch_seconds() // 60 + (whole < at).cast("int64")).cast("int64")


def _assign(people: ibis.Table, ready: pd.DataFrame, waves: list[Wave]) -> Plan:
    """Number the waves and give every contact its wave, in the engine."""
    order = [ibis._.waited_since.asc(nulls_first=False), ibis._.contact_id.asc()]
    frame = pd.DataFrame(
        waves, columns=["limit", "channel_id", "size", "start", "end", "slot"]
    ).sort_values(["start", "limit", "channel_id"], kind="stable", ignore_index=True)
    frame.insert(0, "wave", np.arange(1, len(frame) + 1))
    ready, marks = ready[["channel_id", "ready"]].assign(turn=0), []
    for name, mine in frame.groupby("channel_id"):
        here = ready["channel_id"] == name
        ready.loc[here, "turn"] = np.searchsorted(mine["slot"], ready.loc[here, "ready"])
        turns = np.zeros(mine["size"].sum(), dtype="int64")
        if ready.loc[
            here, "turn"
        ].any():  # else all could be in the first wave, and the order alone decides
            queue = people.filter(people.channel_id == name).join(ibis.memtable(ready[here]), KEYS)
            turns = queue.order_by(order).turn.to_pyarrow().to_numpy()
        marks += [(name, *mark) for mark in _merge(turns, mine["size"], mine["wave"])]
    marks = pd.DataFrame(marks, columns=["channel_id", "turn", "rank", "wave"])
    types = {"channel_id": "string", "turn": "int64", "rank": "int64", "wave": "int64"}
    turns = ibis.memtable(ready, schema={"channel_id": "string", "ready": "int64", "turn": "int64"})
    queue = (
        people.join(turns, KEYS)
        .mutate(rank=ibis.row_number().over(group_by=["channel_id", "turn"], order_by=order))
        .left_join(ibis.memtable(marks, schema=types), ["channel_id", "turn", "rank"])
    )
    running = ibis.cumulative_window(group_by=["channel_id", "turn"], order_by="rank")
    assignment = queue.select("contact_id", "channel_id", wave=queue.wave.max().over(running))
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name] * 60, unit="s", utc=True).dt.as_unit("us")
    return Plan(frame[["wave", "start", "end", "size", "limit", "channel_id"]], assignment)


def _merge(turns, sizes, waves):
    """Yield turn, rank within it, and the wave that begins there.

    `turns` says, in the fixed order, the first wave that each contact could be in; each wave takes
    the first contacts in that order who can be in it.
    """
    order = np.argsort(turns, kind="stable")
    places = np.split(order, np.searchsorted(turns[order], np.arange(1, len(sizes))))
    taken, waiting = np.zeros(len(sizes), dtype="int64"), places[0][:0]
    for number, (size, wave) in enumerate(zip(sizes, waves, strict=True)):
        if len(places[number]):
            waiting = np.sort(np.concatenate([waiting, places[number]]), kind="stable")
        counts = np.bincount(turns[waiting[:size]], minlength=len(sizes))
        for turn in np.flatnonzero(counts):
            yield int(turn), int(taken[turn]), int(wave)
        taken, waiting = taken + counts, waiting[size:]
