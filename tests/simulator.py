"""Replay what was sent and is planned, message by message, and count every window. Apart from the
planner.
"""

from collections import defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo


def sends(waves, pace=None):
    """Yield the moment of each single send; waves are (start, size), sent at a pace a second."""
    for start, size in waves:
        for i in range(size):
            yield start + timedelta(seconds=i / pace if pace else 0)


def worst(moments, window):
    """Return the most contacts in any window, given (moment, contact) pairs; each contact counts
    once.
    """
    moments = sorted(moments)
    if window.kind != "moving":
        zone = ZoneInfo(window.zone)
        form = "%Y-%m-%d" if window.kind == "day" else "%Y-%m"
        held = defaultdict(set)
        for at, contact in moments:
            held[at.astimezone(zone).strftime(form)].add(contact)
        return max(map(len, held.values()), default=0)
    most = 0
    for i, (end, _) in enumerate(moments):
        inside = {contact for at, contact in moments[: i + 1] if at > end - window.length}
        ties = {contact for at, contact in moments[i + 1 :] if at == end}
        most = max(most, len(inside | ties))
    return most


def counts_until(moment, window):
    """Return the moment from which a send counts no more."""
    if window.kind == "moving":
        return moment + window.length
    local = moment.astimezone(ZoneInfo(window.zone))
    after = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    after = (
        after + timedelta(days=1)
        if window.kind == "day"
        else (after.replace(day=1) + timedelta(days=31))
    )
    return (after if window.kind == "day" else after.replace(day=1)).replace(
        tzinfo=ZoneInfo(window.zone)
    )


def best_of_all(free, ready, window, minutes, closed=()):
    """Try every way to send; return the earliest minute at which all can be sent, and the fewest
    waves then.

    `free` says per minute how many contacts earlier traffic leaves, `ready` when each contact may
    be sent, `window` the minutes for which a send counts, `closed` the minutes at which nothing may
    start.
    """
    states = {((), 0): 0}  # sends that still count, and how many were sent: fewest waves so far
    for minute in range(minutes):
        after, complete = {}, []
        for (recent, done), waves in states.items():
            recent = tuple(m for m in recent if m > minute - window)
            could = 0 if minute in closed else sum(1 for m in ready if m <= minute) - done
            for n in range(max(0, min(could, free(minute) - len(recent))) + 1):
                key, count = (recent + (minute,) * n, done + n), waves + (n > 0)
                after[key] = min(count, after.get(key, count))
                if done + n == len(ready):
                    complete.append(count)
        if complete:
            return minute, min(complete)
        states = after
    return None
