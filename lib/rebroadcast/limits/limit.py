"""Limits on unique contacts: load in a window, overflow, capacity left, what a failed export alone
tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache

from ..common.exceptions import QuotaError
from ..common.times import zone_of


@dataclass(frozen=True)
class Window:
    """The time in which a limit counts: "moving" of a length, or a calendar "day" or "month" in a
    zone.
    """

    kind: str = "moving"
    length: timedelta | None = timedelta(hours=24)
    zone: str = "UTC"

    @property
    def longest(self) -> timedelta:
        """How long the window can be."""
        return self.length or timedelta(days=1 if self.kind == "day" else 31)

    def around(self, at: datetime) -> tuple[datetime, datetime]:
        """What counts beside a message sent at a moment (UTC): what was sent after the first of
        these moments; and until when what is sent counts beside it.

        >>> [t.isoformat() for t in Window("month").around(datetime(2026, 2, 9, tzinfo=UTC))]
        ['2026-01-31T23:59:59.999999+00:00', '2026-02-28T23:59:59.999999+00:00']
        """
        if self.kind == "moving":
            assert self.length is not None  # as a moving window's is
            return at - self.length, at + self.length
        ends = period(int(at.timestamp()) // 60, self)
        begin, end = (datetime.fromtimestamp(m * 60, UTC) - timedelta.resolution for m in ends)
        return begin, end


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


def by_channel(limits: Iterable[Limit]) -> dict[str, Limit]:
    """The limit of each channel that has one."""
    return {channel: limit for limit in limits for channel in limit.channels}


@cache
def _period(day: date, window: Window) -> tuple[int, int]:
    if window.kind == "day":
        after = day + timedelta(days=1)
    else:
        after = ((day := day.replace(day=1)) + timedelta(days=31)).replace(day=1)
    zone = zone_of(window.zone)
    return minute_at(day, time(), zone), minute_at(after, time(), zone)


def minute_at(day: date, clock: time, zone: tzinfo) -> int:
    """The minute since 1970 (UTC) at which a zone's clocks show this time of a day."""
    return int(datetime.combine(day, clock, zone).timestamp()) // 60


def period(minute: int, window: Window) -> tuple[int, int]:
    """Return the minutes (since 1970) at which the calendar window around a minute begins and ends.

    >>> period(29_000_000, Window("day"))
    (28998720, 29000160)
    """
    return _period(datetime.fromtimestamp(minute * 60, zone_of(window.zone)).date(), window)
