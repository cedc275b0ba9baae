"""When to send to whom: the waves of an audience, and what other limits would change."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from ..bench import parameters
from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common.exceptions import QuotaError
from ..limits import load as loads
from ..limits import waves
from ..limits.channels import kinds
from ..limits.limit import Limit, by_channel
from .assess import Assessment


def start_of(settings: Settings, tables: Tables) -> datetime:
    """When sending may begin (UTC): as asked, else now; on the sample, right after its newest
    failure.
    """
    on_sample = settings.exports == (parameters.SAMPLE["exports"],)
    last = (tables.newest if on_sample else None) or datetime.now(UTC)
    return settings.sending.start or last.replace(second=0, microsecond=0) + timedelta(minutes=1)


def plan(settings: Settings, tables: Tables, audience: ibis.Table, found: Assessment) -> waves.Plan:
    """Plan the waves of an audience (contact_id, channel_id, waited_since, earliest).

    Where the load was not measured, each limit is taken as full until one window after the newest
    failure.
    """
    people, given = _asked(settings, tables, audience, found)
    return waves.plan(people, found.limits, start_of(settings, tables), **given)


def _asked(
    settings: Settings, tables: Tables, audience: ibis.Table, found: Assessment
) -> tuple[ibis.Table, dict]:
    """What the planner is given: each contact once per channel, traffic, quiet hours, deadline."""
    sending = settings.sending
    load = assumed(found.limits, tables.newest) if found.load is None else found.load
    given = {
        "quiet": sending.quiet,
        "zone": settings.zone,
        "deadline": sending.deadline,
        "traffic": _with_planned(tables, found, load),
    }
    if found.load is not None:
        # The planner knows itself when there is room again for those who failed at the limit.
        other = set(found.windows.loc[~found.windows["agrees"], "limit"])
        sure = [c for c, x in by_channel(found.limits).items() if x.name not in other]
        known = (audience.cause == "quota") & audience.channel_id.isin(sure)
        audience = audience.mutate(earliest=known.ifelse(None, audience.earliest))
    people = audience.group_by("contact_id", "channel_id").aggregate(
        waited_since=audience.waited_since.min(), earliest=audience.earliest.max()
    )
    return tables.engine.keep(people), given


def _with_planned(tables: Tables, found: Assessment, traffic: ibis.Table) -> ibis.Table:
    """The traffic with what other runs of the ledger plan to send."""
    planned = tables.planned
    if planned is None:
        return traffic
    planned = planned.filter(planned.channel_id.isin(list(by_channel(found.limits))))
    return tables.engine.keep(loads.together(traffic, loads.load(planned, found.limits)))


def assumed(limits: Sequence[Limit], failed: datetime | None) -> ibis.Table:
    """The load where it was not measured: each limit is full around a failure, and empty after that
    window.
    """
    rows = [
        (limit.name, at, load)
        for limit in limits
        if failed and limit.size
        for at, load in zip(limit.window.around(failed), (limit.size, 0), strict=True)
    ]
    return ibis.memtable(
        rows, schema={"limit": "string", "at": "timestamp('UTC')", "load": "int64"}
    )


def plan_frame(tables: Tables, audience: ibis.Table, planned: waves.Plan) -> pd.DataFrame:
    """The waves of an audience: wave, start (wall clock), start_utc, channel (name), contacts,
    capacity, broadcasts (whose contacts they are, and how many of each where they are of several).
    """
    settings = tables.settings
    rooms = {c: x.room for c, x in by_channel(settings.limits).items()}
    frame = planned.waves.rename(columns={"size": "contacts", "start": "start_utc"})
    frame = frame.assign(
        start=[settings.reader.wall_clock(t) for t in frame["start_utc"]],
        channel=[settings.channels.name(c) for c in frame["channel_id"]],
        capacity=frame["channel_id"].map(rooms).astype("Int64"),
        broadcasts=frame["wave"].map(_by_broadcast(tables, audience, planned)),
    )
    return frame[["wave", "start", "start_utc", "channel", "contacts", "capacity", "broadcasts"]]


def _by_broadcast(tables: Tables, audience: ibis.Table, planned: waves.Plan) -> dict[int, str]:
    """For each wave the broadcasts whose contacts are in it, the largest first."""
    rows = audience.join(planned.assignment, ["contact_id", "channel_id"])
    counts = rows.group_by("wave", "audience").aggregate(n=rows.contact_id.nunique()).to_pandas()
    counts = counts.sort_values(["wave", "n", "audience"], ascending=[True, False, True])
    number, told = tables.settings.lang.number, {}
    for wave, own in counts.groupby("wave"):
        pairs = zip(own["audience"].map(tables.names).fillna("—"), own["n"], strict=True)
        told[int(wave)] = "; ".join(
            f"{name}: {number(n)}" if len(own) > 1 else name for name, n in pairs
        )
    return told


def scenarios(
    settings: Settings, tables: Tables, audience: ibis.Table, found: Assessment
) -> pd.DataFrame:
    """What if: the next tier, a second number, a larger reserve, another start; scenario, waves,
    finish (wall clock), note, contacts.
    """
    _, number = settings.lang.gettext, settings.lang.number
    start = start_of(settings, tables)
    size = max((x.size for x in found.limits if x.size), default=0)
    tier = next((t for t in kinds()["whatsapp"].tiers if t > size), None)
    kept_free = [replace(x, reserve=(x.size or 0) // 10) for x in found.limits]
    options: dict[str, dict[str, Any]] = {_("as planned"): {}}
    if tier:
        options[_("the next tier, {size}", size=number(tier))] = {"size": tier}
    elif size:
        options[_("the next tier, unlimited")] = {"size": None}
    options |= {
        _("a second number of another portfolio"): {"numbers": 2},
        _("a tenth kept free for everyday traffic"): {"limits": kept_free},
        _("start 12 hours later"): {"start": start + timedelta(hours=12)},
    }
    people, given = _asked(settings, tables, audience, found)
    frame = waves.what_if(people, found.limits, options, start, **given)
    finish = [None if pd.isna(t) else settings.reader.wall_clock(t) for t in frame["finish"]]
    return frame.assign(
        finish=pd.Series(finish, dtype="datetime64[us]"),
        note=[error and error.said_in(settings.lang.code) for error in frame["note"]],
        contacts=int(people.count().execute()),
    )


def covered(audience: ibis.Table, found: Assessment) -> ibis.Table:
    """The part of an audience whose channels have a limit; QuotaError where none has."""
    known = by_channel(found.limits)
    if not known:
        raise QuotaError(
            "No channel has a known limit; state the limits in a channels file, such as limit ="
            " 1000."
        )
    return audience.filter(audience.channel_id.isin(list(known)))
