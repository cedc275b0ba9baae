"""The parameters of one run as typed values, each parsed once."""

import getpass
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, cast

from ..common.exceptions import ParameterError, did_you_mean
from ..common.language import Language, language
from ..common.times import check_zone
from ..errors import Rules, load_rules
from ..limits.channels import Channels, load_channels
from ..limits.limit import Limit
from ..recovery.tags import Tag
from ..show.reader import Reader
from ..sources import files
from . import parameters

NAMES = (
    "exports",
    "channels",
    "messages",
    "contacts",
    "channel",
    "from_",
    "to",
    "sender_type",
    "timezone",
    "date_format",
    "profile",
    "cause",
    "verdict",
    "text",
    "attempted",
    "compare",
    "tag",
    "for_",
    "fixed",
    "exclude_tag",
    "waves",
    "reserve",
    "start",
    "quiet",
    "deadline",
    "broadcast",
    "reached",
    "decided_by",
    "rules",
    "ledger",
    "language",
    "light",
    "engine",
    "out",
)
# Everyday words for causes, in both languages.
FIXES = {
    "window": "outside_window",
    "token": "configuration",
    "plantilla": "template",
    "ventana": "outside_window",
}
REACHED = ("message", "any")
FILES = ("exports", "messages", "contacts", "channels", "rules")  # they count by what is in them
OWN = (
    "out",
    "language",
    "light",
    "ledger",
    "engine",
    "decided_by",
)  # they do not change who is tagged
STAGING = "REBROADCAST_STAGING"  # set by reports.run: results go there, and the caller publishes
RESULTS = "REBROADCAST_RESULTS"  # the folder that they will be published as


@dataclass(frozen=True)
class Selection:
    """Which failed messages are looked at; empty is everything.

    `period` is the wall clock of the workspace, its end not included. `sender_type` is in lower
    case. `text` is sought in masked errors; "=..." is all of one.
    """

    channel: tuple[str, ...] = ()
    period: tuple[datetime | None, datetime | None] = (None, None)
    sender_type: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    text: str = ""
    broadcast: str = ""


@dataclass(frozen=True)
class Sending:
    """When a resend may go out: from `start` (UTC; None: now), not in the `quiet` hours of the wall
    clock, all of it by `deadline` (UTC)."""

    start: datetime | None
    quiet: tuple[tuple[str, str], ...]
    deadline: datetime | None


@dataclass(frozen=True)
class Settings:
    """What was asked for, as typed values; see `parse`. `stated` are the parameters that have a
    value, as they were given."""

    notebook: str
    stated: Mapping[str, object]
    exports: tuple[str, ...]
    messages: tuple[str, ...]
    contacts: tuple[str, ...]
    selection: Selection
    channels: Channels
    rules: Rules
    limits: tuple[Limit, ...]
    attempted: Mapping[str, int]
    zone: str
    zone_given: bool
    date_format: str
    profile: str
    target: str
    compare: str
    tag: Tag | None
    fixed: frozenset[str]
    exclude_tag: tuple[str, ...]
    decided_by: str
    waves: bool
    sending: Sending
    reached: Literal["message", "any"]
    ledger: str
    lang: Language
    engine: str
    out: str

    @classmethod
    def parse(cls, given: Mapping[str, object], notebook: str = "") -> "Settings":
        """Read parameters by their names in a notebook.

        Raises a RebroadcastError with one sentence for a value that cannot be used.
        """
        given = parameters.with_sample(given, notebook)
        asked = _Given(given)
        lang = language(asked.text("language") or "en")
        channels = load_channels(_file(asked.text("channels")))
        stated_zone = asked.text("timezone") or channels.timezone
        zone = check_zone(stated_zone or "UTC")
        rules = load_rules(_file(asked.text("rules")))
        return cls(
            notebook=notebook,
            stated={k: v for k, v in given.items() if v not in ("", None, [], {})},
            exports=asked.paths("exports"),
            messages=asked.paths("messages"),
            contacts=asked.paths("contacts"),
            selection=asked.selection(channels, zone),
            channels=channels,
            rules=rules,
            limits=_limits(channels, zone, asked.text("reserve")),
            attempted=asked.attempted(channels),
            zone=zone,
            zone_given=bool(stated_zone),
            date_format=asked.text("date_format"),
            profile=asked.text("profile"),
            target=asked.text("for_"),
            compare=asked.text("compare"),
            tag=asked.tag(),
            fixed=fixed_causes(asked.list("fixed"), _mendable(rules)),
            exclude_tag=asked.list("exclude_tag"),
            decided_by=asked.text("decided_by"),
            waves=bool(asked.given.get("waves")),
            sending=Sending(
                parameters.instant(asked.text("start"), "start", zone),
                parse_quiet(asked.text("quiet")),
                parameters.instant(asked.text("deadline"), "deadline", zone),
            ),
            reached=cast(Literal["message", "any"], asked.choice("reached", REACHED)),
            ledger=asked.text("ledger"),
            lang=lang,
            engine=asked.text("engine"),
            out=asked.text("out"),
        )

    @property
    def own_files(self) -> tuple[str, ...]:
        """The user's channels and rules files."""
        named = (self.stated.get(name) for name in ("channels", "rules"))
        return tuple(str(files.find(str(path))[0]) for path in named if path)

    @property
    def decider(self) -> str:
        """Who says that a cause has been mended: as named, else the user of this computer."""
        return self.decided_by or getpass.getuser()

    @cached_property
    def reader(self) -> Reader:
        """How the reader of this run is spoken to."""
        names = {c.id: c.name for c in self.channels.channels}
        limits = {
            limit.name: f"{limit.name} ({' + '.join(map(self.channels.name, limit.channels))})"
            for limit in self.limits
            if limit.channels != (limit.name,)
        }
        return Reader(self.lang, self.zone, self.zone_given, names, limits)


class _Given:
    """Parameters as they come: texts, numbers, lists."""

    def __init__(self, given: Mapping[str, object]):
        self.given = given

    def text(self, name: str) -> str:
        value = self.given.get(name)
        return "" if value is None else str(value).strip()

    def paths(self, name: str) -> tuple[str, ...]:
        value = self.given.get(name) or []
        return tuple(str(v) for v in (value if isinstance(value, (list, tuple)) else [value]))

    def list(self, name: str) -> tuple[str, ...]:
        value = self.given.get(name) or []
        values = value if isinstance(value, (list, tuple)) else str(value).split(",")
        return tuple(text for v in values if (text := str(v).strip()))

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name) or choices[0]
        if value not in choices:
            raise ParameterError(
                "{name} is '{value}'; expected one of: {known}.{hint}",
                name,
                name=name,
                value=value,
                known=", ".join(choices),
                hint=did_you_mean(value, choices),
            )
        return value

    def attempted(self, channels: Channels) -> dict[str, int]:
        value = self.given.get("attempted") or ""
        if isinstance(value, dict):
            value = ",".join(f"{key}={count}" for key, count in value.items())
        return parameters.pairs(str(value), meant=channels.id)

    def selection(self, channels: Channels, zone: str) -> Selection:
        whole = self.text("channel")  # a name may hold a comma
        named = [whole] if channels.id(whole) != whole else self.list("channel")
        return Selection(
            channel=tuple(map(channels.id, named)),
            period=parameters.period(self.text("from_"), self.text("to"), zone),
            sender_type=tuple(s.lower() for s in self.list("sender_type")),
            cause=self.list("cause"),
            verdict=self.list("verdict"),
            text=self.text("text"),
            broadcast=self.text("broadcast"),
        )

    def tag(self) -> Tag | None:
        if "tag" not in self.given:
            return None
        value = self.given["tag"]
        if isinstance(value, (int, float)):
            raise ParameterError(
                "The tag came as the number {value}, so that zeros at its start are lost; pass it"
                " as text: papermill's -r tag TEXT, or quotes around it.",
                "tag",
                value=value,
            )
        return Tag.parse(self.text("tag"))


def check(given: Mapping[str, object]) -> None:
    """Raise the error that opening the workbench with these parameters would, as far as no file
    need be read.
    """
    settings = Settings.parse({k: v for k, v in given.items() if k in NAMES})
    for paths, kind in (
        (settings.exports, "failed"),
        (settings.messages, "messages"),
        (settings.contacts, "contacts"),
    ):
        if paths:
            files.find(list(paths), kind)


def _file(path: str):
    return files.find(path)[0] if path else None


def _limits(channels: Channels, zone: str, reserve: str) -> tuple[Limit, ...]:
    """The limits of the channels file and the kinds, with the reserve that was asked for."""
    if reserve and not re.fullmatch("[0-9]{1,9}", reserve):
        raise ParameterError(
            "reserve is '{reserve}'; expected a number of contacts such as 100.",
            "reserve",
            reserve=reserve,
        )
    limits = channels.limits(zone)
    return tuple(replace(x, reserve=int(reserve)) for x in limits) if reserve else limits


def parse_quiet(text: str) -> tuple[tuple[str, str], ...]:
    """Read quiet hours such as "21:00-08:00, 13:00-15:00".

    >>> parse_quiet("21:00-08:00")
    (('21:00', '08:00'),)
    """
    spans = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            begin, end = (datetime.strptime(hour.strip(), "%H:%M") for hour in part.split("-"))
            if begin == end:  # no time at all, or the whole day
                raise ValueError(part)
        except ValueError:
            raise ParameterError(
                "quiet is '{part}'; expected hours such as 21:00-08:00, two different ones.",
                "quiet",
                part=part,
            ) from None
        spans.append((f"{begin:%H:%M}", f"{end:%H:%M}"))
    return tuple(spans)


def _mendable(rules: Rules) -> list[str]:
    """The causes but those of which even an unsure failure is none to mend: opt-outs."""
    likely = {name: rules.by_id.get(f"likely-{name}") for name in rules.causes}
    return [
        name
        for name, own in rules.causes.items()
        if own["verdict"] != "never" or getattr(likely[name], "verdict", "") == "fix"
    ]


def fixed_causes(words: Collection[str], known: Collection[str]) -> frozenset[str]:
    """Turn the words of `fixed` ("template", "window", "token" or a cause) into causes.

    >>> fixed_causes(["window"], ["outside_window", "template"])
    frozenset({'outside_window'})
    """
    causes = [FIXES.get(word.strip(), word.strip()) for word in words if word.strip()]
    for cause in causes:
        if cause not in known:
            raise ParameterError(
                "'{cause}' is no cause that can be fixed; known: {known}.{hint}",
                "fixed",
                cause=cause,
                known=", ".join(sorted({*known, *FIXES})),
                hint=did_you_mean(cause, [*known, *FIXES]),
            )
    return frozenset(causes)
