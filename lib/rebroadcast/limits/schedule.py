"""The planner's core: start times and sizes of the waves of one limit. Plain numbers, no engine, no
clock.

All times here are whole minutes since 1970 (UTC).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache

from ..common.exceptions import QuotaError
from ..common.times import zone_of
from .limit import Limit, minute_at, period

DAY = timedelta(days=1)
EPOCH = date(1970, 1, 1)
FARTHEST = 100 * 366 * 1440  # a plan goes no farther, by a guess on the long side
CALENDAR = {"day": 1440, "month": 31 * 1440}


@dataclass(frozen=True)
class Wave:
    """`size` contacts of one channel, sent from minute `start` to `end`; `slot` is the latest start
    that would do.

    Who may be sent by `slot` can be in the wave.
    """

    limit: str
    channel_id: str
    size: int
    start: int
    end: int
    slot: int


@dataclass(frozen=True)
class Backlog:
    """What earlier traffic leaves in the window: from each of `minutes` on, at most the load beside
    it.

    The loads fall; the first minute is not after the planner's start.
    """

    minutes: Sequence[int]
    loads: Sequence[int]

    def load(self, minute: int) -> int:
        return self.loads[bisect_right(self.minutes, minute) - 1]

    def next(self, minute: int) -> list[int]:
        """The next minute at which the load falls, if there is one."""
        at = bisect_right(self.minutes, minute)
        return list(self.minutes[at : at + 1])


def schedule(
    limit: Limit,
    demand: Mapping[str, Mapping[int, int]],
    start: int,
    *,
    backlog: Backlog | None = None,
    quiet: Sequence[tuple[str, str]] = (),
    zone: str = "UTC",
    deadline: int | None = None,
) -> list[Wave]:
    """Return the waves for one limit: finished as early as possible, then few, then each early.

    `demand`: channel -> {first minute at which it may be sent: contacts}. `quiet` are local times
    of `zone`. A window is taken to be longer by the length of the longest wave, which errs on the
    safe side.

    Raises QuotaError where there is never any room, and for a deadline that cannot be met.

    >>> [w.size for w in schedule(Limit("1001", ("1001",), 1000), {"1001": {0: 1500}}, 0)]
    [1000, 500]
    """
    planner = _Planner(limit, demand, start, backlog or Backlog([start], [0]), quiet, zone)
    waves = planner.waves()
    if deadline is not None and (finish := max(w.end for w in waves)) > deadline:
        raise planner.refusal(deadline, finish)
    return waves


class _Clock:
    """The minutes at which a wave that lasts some minutes may start."""

    def __init__(self, closed: Sequence[tuple[str, str, str]], lasting: int = 0):
        self.lasting = max(lasting, 1)
        try:
            self.closed = [
                (time.fromisoformat(a), time.fromisoformat(b), zone_of(z)) for a, b, z in closed
            ]
        except ValueError as error:
            raise QuotaError(
                'The quiet hours {hours} should be like ("21:00", "08:00").', hours=closed[0][:2]
            ) from error
        self.spans = cache(self._spans)

    def _spans(self, day: date) -> list[tuple[int, int]]:
        """The closed times that begin on this local day, as minutes."""
        return [
            (minute_at(day, a, zone), minute_at(day + DAY * (b < a), b, zone))
            for a, b, zone in self.closed
        ]

    def _clash(self, minute: int) -> tuple[int, int] | None:
        first = EPOCH + timedelta(days=minute // 1440 - 2)
        days = range(4 + self.lasting // 1440 if self.closed else 0)
        spans = (span for n in days for span in self.spans(first + n * DAY))
        return next(((a, b) for a, b in spans if minute < b and minute + self.lasting > a), None)

    def near(self, minute: int, ahead: bool) -> int:
        """The first minute from this one on (`ahead`), or the last up to it, at which a wave may
        start.
        """
        for _ in range(400):
            if (clash := self._clash(minute)) is None:
                return minute
            minute = clash[1] if ahead else clash[0] - self.lasting
        raise QuotaError("The quiet hours leave no time to send; make them shorter.")

    def stretch(self, minute: int) -> float:
        """The longest time without a closed one in the week after this minute, in minutes."""
        first = EPOCH + timedelta(days=minute // 1440)
        spans, longest, reach = (
            sorted(s for n in range(8) for s in self.spans(first + n * DAY)),
            0.0,
            math.inf,
        )
        for a, b in spans:
            longest, reach = max(longest, a - reach), max(b, reach if reach < math.inf else b)
        return longest - 60 * (longest >= 120) if spans else math.inf  # a day may lack an hour


class _Planner:
    def __init__(self, limit, demand, start, backlog, quiet, zone):
        self.limit, self.demand, self.start = limit, demand, start
        self.backlog, self.zone = backlog, zone
        self.ready = sum((Counter(counts) for counts in demand.values()), Counter())
        self.total = self.ready.total()
        self.free = math.inf if limit.room is None else limit.room
        self.calendar = limit.window.kind != "moving" and limit.room is not None
        if backlog.loads[-1] >= self.free:
            raise QuotaError(
                "The limit '{name}' has room for {room:,} contacts, but the traffic given never"
                " leaves any of it; check the traffic, the limit and its reserve.",
                name=limit.name,
                room=limit.room,
            )
        closed = [(a, b, zone) for a, b in quiet]
        if self.calendar and limit.pace:
            closed.append(
                ("00:00", "00:00", limit.window.zone)
            )  # so that a wave stays within one day
        self.most = int(min(self.free, self.total))  # in one wave
        if limit.pace:
            self.most = int(min(self.most, max(1, limit.pace * 60 * _Clock(closed).stretch(start))))
        self.clock = _Clock(closed, self.lasting(self.most))
        length = (
            limit.window.length if limit.room is not None and not self.calendar else timedelta(0)
        )
        self.span = max(1, math.ceil(length / timedelta(minutes=1)) + self.lasting(self.most))
        each = self.span + 1440 * bool(closed) + CALENDAR.get(limit.window.kind, 0)
        if self.total / self.most * each > FARTHEST:
            raise QuotaError(
                "Under the limit '{name}', {total:,} contacts would take years, in {waves:,} waves;"
                " raise the limit or its pace, or choose fewer contacts.",
                name=limit.name,
                total=self.total,
                waves=math.ceil(self.total / self.most),
            )

    def lasting(self, size: int) -> int:
        """How many minutes a wave of this size takes, rounded up."""
        return math.ceil(size / self.limit.pace / 60) if self.limit.pace else 0

    def slots(self, last: int, need: float) -> list[tuple[int, int]]:
        """Start minutes up to `last` with their room, enough for `need` contacts, from the last one
        back.

        Waves a window apart never count together, and the load of earlier traffic only falls: so no
        other choice sends more contacts after any moment, nor as many in fewer waves.
        """
        found, minute = [], self.clock.near(last, ahead=False)
        while minute >= self.start and need > 0:
            room = min(self.most, self.free - self.backlog.load(minute))
            if room <= 0:
                break
            found.append((minute, room))
            need -= room
            minute = self.clock.near(
                period(minute, self.limit.window)[0] - 1 if self.calendar else minute - self.span,
                ahead=False,
            )
        return found[::-1]

    def fill(self, slots: list[tuple[int, int]]) -> list[tuple[int, str, int]]:
        """Fill the slots from the first on, one channel after the other: (minute, channel,
        size).
        """
        queues = {
            name: sorted(counts.items(), reverse=True) for name, counts in self.demand.items()
        }
        waiting, filled = dict.fromkeys(queues, 0), []
        for minute, room in slots:
            for name, queue in queues.items():
                while queue and queue[-1][0] <= minute:
                    waiting[name] += queue.pop()[1]
                if take := min(room, waiting[name]):
                    filled.append((minute, name, take))
                    waiting[name], room = waiting[name] - take, room - take
        return filled

    def possible(self, last: int, need: float) -> int:
        return sum(size for _, _, size in self.fill(self.slots(last, need)))

    def earliest(self, need: int) -> int:
        """The first minute by which this many contacts can have been sent."""
        low, reach = self.start, max(self.span, 1440)
        while self.possible(low + reach, self.total) < need:
            low, reach = low + reach, reach * 2
        return low + bisect_left(
            range(low, low + reach), need, key=lambda last: self.possible(last, self.total)
        )

    def waves(self) -> list[Wave]:
        """Take the latest slots that finish in time, and move each wave to the earliest start that
        fits.
        """
        placed: list[Wave] = []
        counted: list[tuple[int, int]] = []  # until when a wave counts, and its size
        floor, idle = self.start, dict.fromkeys(self.demand, self.start)
        for slot, name, size in self.fill(self.slots(self.earliest(self.total), self.total)):
            if placed and slot > placed[-1].slot:
                floor = placed[-1].start
                counted = [wave for wave in counted if wave[0] > floor]
            ready = max(minute for minute in self.demand[name] if minute <= slot)
            start = self.fit(max(floor, ready, idle[name]), size, counted)
            until = period(start, self.limit.window)[1] if self.calendar else start + self.span
            counted.append((until, size))
            idle[name] = start + self.lasting(size)
            placed.append(Wave(self.limit.name, name, size, start, idle[name], slot))
        return placed

    def fit(self, minute: int, size: int, counted: list[tuple[int, int]]) -> int:
        """The first minute from this one on at which a wave fits beside the ones placed before it.

        Each of those counts until its window ends, also where it starts later: at any moment, the
        wave placed last of those that count has checked the sum of all of them.
        """
        while True:
            minute = self.clock.near(minute, ahead=True)
            active = [wave for wave in counted if wave[0] > minute]
            if self.backlog.load(minute) + sum(n for _, n in active) + size <= self.free:
                return minute
            minute = min(self.backlog.next(minute) + [until for until, _ in active])

    def refusal(self, deadline: int, finish: int) -> QuotaError:
        """Say what would be possible instead of this deadline."""
        count = self.possible(deadline - self.lasting(self.most), math.inf)
        first, by, done = (self.said(x) for x in (self.earliest(1), deadline, finish))
        facts = {"by": by, "name": self.limit.name, "total": self.total, "done": done}
        if not count:
            return QuotaError(
                "The deadline {by} is before the first possible wave under the limit '{name}',"
                " which is {first}; all {total:,} contacts can be reached by {done}. Choose a later"
                " deadline.",
                first=first,
                **facts,
            )
        return QuotaError(
            "By the deadline {by} the limit '{name}' allows {count:,} of {total:,} contacts, and"
            " all of them by {done}. Choose a later deadline or a smaller audience.",
            count=count,
            **facts,
        )

    def said(self, minute: int) -> str:
        return datetime.fromtimestamp(minute * 60, zone_of(self.zone)).strftime("%Y-%m-%d %H:%M %Z")
