"""Channels: what each kind can do, and the user's own channels file with its limits, pools and
names.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ..common import tomlfile
from ..common.doubts import Doubt
from ..common.exceptions import ChannelsError, did_you_mean, folded, reason, sentence
from ..common.folder import unused
from ..common.times import check_zone, known_zone, zone_hint
from ..common.tomlfile import Count, Whole
from .limit import Limit, Window


@dataclass(frozen=True)
class Kind:
    """A kind of channel, as channels.toml describes it; the comments there say what each field
    means.
    """

    name: str
    can_broadcast: bool
    settling: timedelta
    settling_basis: str
    identifier: Literal["phone", "email"] | None
    source: str
    date: date
    reason: str | None = None
    window: str | None = None
    size: int | Literal["unlimited"] | None = None
    tiers: tuple[int, ...] = ()
    former_tiers: tuple[int, ...] = ()
    shared: Literal["portfolio"] | None = None
    pace: float | None = None
    note: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes that a limit of this kind has, or had once."""
        return self.tiers + self.former_tiers


@cache
def kinds() -> dict[str, Kind]:
    """Return every known kind by its name.

    >>> kinds()["sms"].settling
    datetime.timedelta(days=3)
    """
    known = tomllib.loads(files(__package__).joinpath("channels.toml").read_text(encoding="utf-8"))
    for name, row in known.items():
        row |= {
            "name": name,
            "settling": timedelta(hours=row["settling"]),
            "identifier": None if row["identifier"] == "none" else row["identifier"],
            **{key: tuple(row.get(key, ())) for key in ("tiers", "former_tiers", "aliases")},
        }
    return {name: Kind(**row) for name, row in known.items()}


def find_kind(word: str) -> Kind | None:
    """Return the kind with this name or alias, however it is spelled; None if there is none.

    >>> find_kind("WhatsApp Cloud API").name
    'whatsapp'
    """
    plain = partial(re.sub, r"[\W_]", "")
    words = {plain(word): kind for kind in kinds().values() for word in (kind.name, *kind.aliases)}
    return words.get(plain(word.lower()))


SLOWEST, FASTEST = 0.001, 10_000  # contacts per second
Size = Count | Literal["unlimited"]
Pace = Annotated[float, Field(strict=True, ge=SLOWEST, le=FASTEST)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=255)]
Span = Annotated[str, Field(pattern=r"^(day|month|[1-9]\d{0,3}h)$")]


class _Limit(BaseModel, extra="forbid", defer_build=True):
    limit: Size | None = None
    window: Span | None = None
    reserve: Whole = 0
    pace: Pace | None = None


class _Pool(_Limit):
    limit: Size


class _Channel(_Limit):
    name: Text | None = None
    kind: Text | None = None
    pool: Text | None = None
    portfolio: Text | None = None
    provider: Text | None = None


class _File(BaseModel, extra="forbid", defer_build=True):
    timezone: Text | None = None
    segment_limit: Count | None = None
    workspace: str | None = None
    pool: dict[str, _Pool] = {}
    channel: dict[str, _Channel] = {}


@dataclass(frozen=True)
class Channel:
    """One channel of the channels file: its ID (text), its name, its kind and the pool it shares,
    if any.
    """

    id: str
    name: str
    kind: Kind | None
    pool: str | None
    pace: float | None
    provider: str | None = None  # whose error codes the channel's are, such as twilio


class Channels:
    """The channels of one workspace; its `workspace` (a name), `timezone` and `segment_limit` are
    None where nobody gave them.
    """

    def __init__(self, content: _File | None = None):
        self._content = content or _File()
        self.timezone, self.workspace = self._content.timezone, self._content.workspace
        self.segment_limit = self._content.segment_limit
        self.channels: tuple[Channel, ...] = ()
        for key, row in self._content.channel.items():
            kind = find_kind(row.kind) if row.kind else None
            self.channels += (
                Channel(
                    key,
                    row.name or f"channel {key}",
                    kind,
                    row.pool,
                    row.pace or (kind.pace if kind else None),
                    row.provider,
                ),
            )

    def get(self, channel_id: str) -> Channel | None:
        """Return the channel with this ID, or None if the file does not name it."""
        return next((c for c in self.channels if c.id == channel_id), None)

    def id(self, word: str) -> str:
        """Return the ID of the channel with this ID or name (however it is spelled); any other word
        is returned as it is. Raises ChannelsError where several have the name.
        """
        named = [c.id for c in self.channels if folded(c.name) == folded(word)]
        if self.get(word) or word.isdigit() or not named:
            return word
        if len(named) > 1:
            raise ChannelsError(
                "Several channels have the name '{name}': {ids}. Say which by its ID.",
                name=word,
                ids=", ".join(named),
            )
        return named[0]

    def name(self, channel_id: str) -> str:
        """Return the channel's name; "channel 1001" where none is known, "—" for no channel."""
        unnamed = f"channel {channel_id}" if channel_id else "—"
        return getattr(self.get(channel_id), "name", unnamed)

    def kind(self, channel_id: str) -> str | None:
        """Return the name of the channel's kind ("whatsapp"), or None if unknown."""
        return getattr(getattr(self.get(channel_id), "kind", None), "name", None)

    def limits(self, timezone: str | None = None) -> tuple[Limit, ...]:
        """Return one Limit per pool and per portfolio of several numbers, named after it, and one
        per other channel, named by its ID.

        A channel without a limit of its own has that of its kind where every account has the same;
        others, such as WhatsApp without its tier, have none. WhatsApp numbers share the limit of
        their portfolio, and are of one portfolio unless the file says otherwise: the smallest limit
        stated for one of them, with all their reserves. Calendar windows are in the file's zone,
        else in `timezone`, else in UTC. What is shared is as fast as its slowest channel.
        """
        zone, own = check_zone(self.timezone or timezone or "UTC"), self._content.channel
        shared = self._portfolios()
        inside = {c.id for _name, members in shared for c in members}
        groups: list[tuple[str, list[Channel], _Limit | None, Kind | None]] = [
            *(
                (name, [c for c in self.channels if c.pool == name], row, None)
                for name, row in self._content.pool.items()
            ),
            *((name, members, self._strictest(members), None) for name, members in shared),
            *(
                (c.id, [c], own[c.id], c.kind)
                for c in self.channels
                if c.pool is None and c.id not in inside
            ),
        ]
        return tuple(
            _limit(name, members, row, kind, zone)
            for name, members, row, kind in groups
            if row and (row.limit or (kind and kind.size))
        )

    def doubts(self) -> tuple[Doubt, ...]:
        """What this file leaves open: numbers that are taken to share one limit, and limits of one
        portfolio that differ.
        """
        found = []
        for name, members in self._portfolios():
            row = self._strictest(members)
            facts = {"names": ", ".join(c.name for c in members), "size": row and row.limit}
            if row and not any(self._content.channel[c.id].portfolio for c in members):
                found.append(
                    Doubt(
                        "portfolio",
                        "{names} are taken to share one limit of {size}, as all numbers of a"
                        " business"
                        ' portfolio do; if they belong to several, say so with portfolio = "…" in'
                        " the"
                        " channels file.",
                        facts,
                        len(members),
                    )
                )
            stated = {self._content.channel[c.id].limit for c in members} - {None}
            if len(stated) > 1:
                found.append(
                    Doubt(
                        "portfolio",
                        "The channels file states several limits for the numbers of one portfolio"
                        " ({names}), which has only one; the smallest is used, {size}.",
                        facts | {"portfolio": name},
                        len(members),
                    )
                )
        return tuple(found)

    def _portfolios(self) -> list[tuple[str, list[Channel]]]:
        """The portfolios of more than one number: name and channels."""
        portfolios: dict[str, list[Channel]] = {}
        for channel in self.channels:
            named = self._content.channel[channel.id].portfolio
            if channel.pool is None and (named or (channel.kind and channel.kind.shared)):
                portfolios.setdefault(named or "", []).append(channel)
        taken = {*self._content.channel, *self._content.pool, *portfolios}
        unnamed = unused("portfolio", taken.__contains__, " ")
        return [
            (name or unnamed, members) for name, members in portfolios.items() if len(members) > 1
        ]

    def _strictest(self, members: list[Channel]) -> _Channel | None:
        """The settings of the smallest limit that one of these channels has, with the reserves of
        all.
        """
        rows = [self._content.channel[c.id] for c in members]
        stated = [row for row in rows if row.limit]
        if not stated:
            return None
        least = min(
            stated, key=lambda row: row.limit if isinstance(row.limit, int) else float("inf")
        )
        return least.model_copy(update={"reserve": sum(row.reserve for row in rows), "pace": None})


def _limit(name: str, members: list[Channel], row: _Limit, kind: Kind | None, zone: str) -> Limit:
    size = row.limit or (kind.size if kind else None)
    span = row.window or (kind and kind.window) or "24h"
    if span in ("day", "month"):
        window = Window(span, None, zone)
    else:
        window = Window("moving", timedelta(hours=int(span[:-1])), zone)
    return Limit(
        name,
        tuple(c.id for c in members),
        size if isinstance(size, int) else None,
        window,
        row.reserve,
        row.pace or min((c.pace for c in members if c.pace), default=None),
    )


EXPECTED = {  # what a setting takes, by its name
    "limit": sentence('{whole}, or "unlimited"', whole=tomlfile.ABOVE),
    "segment_limit": tomlfile.ABOVE,
    "window": sentence('"24h" (or other hours), "day" or "month"'),
    "reserve": sentence("a whole number from 0 to {most:,}", most=tomlfile.MOST),
    "pace": sentence(
        "contacts per second, a number from {slowest} to {fastest:,}",
        slowest=SLOWEST,
        fastest=FASTEST,
    ),
    "": sentence("text in quotes, of at most 255 characters"),
}


def load_channels(path: Path | None = None) -> Channels:
    """Read the user's channels file (TOML); without a path, return empty Channels.

    Raises ChannelsError with one sentence that names the file and the key.
    """
    if path is None:
        return Channels()
    try:
        content = tomlfile.checked(_File, tomlfile.read(path, sentence("channels file")), EXPECTED)
        if problem := next(_contradictions(content), None):
            raise ValueError(problem)
    except ValueError as error:
        raise ChannelsError("{path}: {fault}", path=path, fault=reason(error)) from None
    return Channels(content)


def _contradictions(content: _File):
    """Yield what no single field shows: zones, kinds and pools that are not there."""
    if content.timezone and not known_zone(content.timezone):
        yield sentence(
            'timezone is "{zone}"; expected a zone such as "America/Mexico_City".{hint}',
            zone=content.timezone,
            hint=zone_hint(content.timezone),
        )
    for key, row in content.channel.items():
        if row.kind and find_kind(row.kind) is None:
            yield tomlfile.expects(f"channel.{key}.kind", row.kind, kinds())
        if row.pool and row.pool not in content.pool:
            yield sentence(
                'channel.{key}.pool is "{pool}", but there is no [pool.{pool}].{hint}',
                key=key,
                pool=row.pool,
                hint=did_you_mean(row.pool, content.pool),
            )
        kind = row.kind and find_kind(row.kind)
        if row.portfolio and kind and not kind.shared:
            yield sentence(
                "channel.{key}.portfolio: only WhatsApp numbers share the limit of a portfolio; for"
                " {kind}, use a pool.",
                key=key,
                kind=kind.name,
            )
        names = ("limit", "window", "reserve", "portfolio")
        if row.pool and (own := [name for name in names if name in row.model_fields_set]):
            yield sentence(
                "channel.{key} has both a pool and its own {name}; keep one of them.",
                key=key,
                name=own[0],
            )
    for name in content.pool:
        if not any(row.pool == name for row in content.channel.values()):
            yield sentence(
                'pool.{name} names no channel; add pool = "{name}" to the channels that share it.',
                name=name,
            )
        if any(row.portfolio == name for row in content.channel.values()):
            yield sentence("pool.{name} has the name of a portfolio; give it another.", name=name)
        if name in content.channel:
            yield sentence(
                "pool.{name} has the ID of a channel for its name; give the pool a name of its"
                " own.",
                name=name,
            )
