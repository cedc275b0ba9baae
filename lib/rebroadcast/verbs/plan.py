"""When to send to whom: the waves of an audience, and what other limits would change."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ..common.exceptions import QuotaError
from ..common.lazy import ibis, pd
from ..limits import waves
from ..limits.channels import kinds
from ..limits.limit import Limit

if TYPE_CHECKING:
    from ..bench.workbench import Workbench
from .assess import DAY, Assessment


def plan(bench: "Workbench", audience: "ibis.Table", found: Assessment) -> waves.Plan:
    """Plan the waves of an audience (contact_id, channel_id, waited_since, earliest) from a
    workbench's parameters.

    Where the load was not measured, each limit is taken as full until one window after the newest
    failure.
    """
    people, given = _asked(bench, audience, found)
    return waves.plan(people, found.limits, bench.start, **given)


def _asked(
    bench: "Workbench", audience: "ibis.Table", found: Assessment
) -> tuple["ibis.Table", dict]:
    """What the planner is given: the audience, and traffic, quiet hours and deadline."""
    given = {"quiet": bench.quiet, "zone": bench.timezone, "deadline": bench.deadline}
    if found.load is None:
        return audience, given | {"traffic": _assumed(bench, found.limits)}
    # The planner knows itself when there is room again for those who failed at the limit.
    return audience.mutate(
        earliest=(audience.cause == "quota").ifelse(None, audience.earliest)
    ), given | {"traffic": found.load}


def _assumed(bench: "Workbench", limits: tuple[Limit, ...]) -> "pd.DataFrame":
    newest = bench.all_failed.sent_at.max().execute()
    rows = (
        []
        if pd.isna(newest)
        else [
            (x.name, at, load)
            for x in limits
            if x.size
            for at, load in ((newest - DAY, x.size), (newest + (x.window.length or DAY), 0))
        ]
    )
    frame = pd.DataFrame(rows, columns=["limit", "at", "load"])
    return frame.astype({"limit": "str", "at": "datetime64[us, UTC]", "load": "int64"})


def plan_frame(bench: "Workbench", planned: waves.Plan) -> "pd.DataFrame":
    """The frame of `charts.waves`, with start also in UTC: wave, start, start_utc, channel,
    contacts, capacity.
    """
    sizes = {c: x.room for x in bench.limits for c in x.channels}
    frame = planned.waves.rename(columns={"size": "contacts", "start": "start_utc"})
    frame["start"] = [bench.wall_clock(t) for t in frame["start_utc"]]
    frame["channel"] = [bench.channels.name(c) for c in frame["channel_id"]]
    frame["capacity"] = frame["channel_id"].map(sizes).astype("Int64")
    return frame[["wave", "start", "start_utc", "channel", "contacts", "capacity"]]


def scenarios(bench: "Workbench", audience: "ibis.Table", found: Assessment) -> "pd.DataFrame":
    """What if: the next tier, a second number, a larger reserve, another start; the frame of
    `charts.what_if`.
    """
    _, number = bench.lang.gettext, bench.lang.number
    size = max((x.size for x in found.limits if x.size), default=0)
    options = {_("as planned"): {}}
    if tier := next((t for t in kinds()["whatsapp"].tiers if t > size), None):
        options[_("the next tier, {size}", size=number(tier))] = {"size": tier}
    elif size:
        options[_("the next tier, unlimited")] = {"size": None}
    options |= {
        _("a second number of another portfolio"): {"numbers": 2},
        _("a tenth kept free for everyday traffic"): {
            "limits": [replace(x, reserve=(x.size or 0) // 10) for x in found.limits]
        },
        _("start 12 hours later"): {"start": bench.start + timedelta(hours=12)},
    }
    people, given = _asked(bench, audience, found)
    frame = waves.what_if(people, found.limits, options, bench.start, **given)
    frame["finish"] = [None if pd.isna(t) else bench.wall_clock(t) for t in frame["finish"]]
    return frame.assign(
        finish=frame["finish"].astype("datetime64[us]"), contacts=int(audience.count().execute())
    )


def covered(audience: "ibis.Table", found: Assessment) -> "ibis.Table":
    """The part of an audience whose channels have a limit; QuotaError where none has."""
    known = [c for x in found.limits for c in x.channels]
    if not known:
        raise QuotaError(
            "No channel has a known limit; state the limits in a channels file, such as limit ="
            " 1000."
        )
    return audience.filter(audience.channel_id.isin(known))
