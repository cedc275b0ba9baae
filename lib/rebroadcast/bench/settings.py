"""The parameters of one run as typed values: language, period, time zone, channels, limits,
rules.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..common import times
from ..common.exceptions import ParameterError, did_you_mean
from ..limits import limit as limit_
from . import parameters

if TYPE_CHECKING:
    pass
import getpass
import re
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .. import errors
from ..common.exceptions import speak
from ..common.language import Language, language
from ..ledger import record
from ..limits import channels as channel_files
from ..reading import files

if TYPE_CHECKING:
    pass


# Everyday words for causes, in both languages.
FIXES = {
    "window": "outside_window",
    "token": "configuration",
    "plantilla": "template",
    "ventana": "outside_window",
}


def fixed_causes(words: Collection[str], known: Collection[str]) -> frozenset[str]:
    """Turn the words of `fixed` ("template", "window", "token" or a cause) into causes.

    >>> fixed_causes(["window"], ["outside_window", "template"])
    frozenset({'outside_window'})
    """
    causes = [FIXES.get(word.strip(), word.strip()) for word in words if word.strip()]
    for cause in causes:
        if cause not in known:
            hint = did_you_mean(cause, [*known, *FIXES])
            raise ParameterError(
                "'{cause}' is no cause that can be fixed; known: {known}.{hint}",
                "fixed",
                cause=cause,
                known=", ".join(sorted({*known, *FIXES})),
                hint=hint,
            )
    return frozenset(causes)


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
    "waves",
    "reserve",
    "start",
    "quiet",
    "deadline",
    "broadcast",
    "decided_by",
    "rules",
    "ledger",
    "language",
    "engine",
    "out",
)


@dataclass
class Settings:
    """What was asked for. Raises a RebroadcastError with one sentence for a value that cannot be
    used.
    """

    given: dict
    notebook: str = ""

    def __post_init__(self) -> None:
        if speech := self.text("language"):
            speak(speech)
        self.started = record.now()
        self.totals: dict[
            str, int
        ] = {}  # messages attempted and failed, contacts recoverable, where the notebook counts
        self.lang: Language = language(self.text("language") or "en")
        self.period = tuple(
            parameters.moment(self.text(n), n, end=n == "to") for n in ("from_", "to")
        )
        if all(self.period) and self.period[0] >= self.period[1]:
            raise ParameterError(
                "from ({start}) lies after to ({end}); expected from before to.",
                "from",
                start=self.text("from_"),
                end=self.text("to"),
            )
        path = self.text("channels")
        self.channels = channel_files.load_channels(files.find(path)[0] if path else None)
        self.timezone = times.check_zone(self.text("timezone") or self.channels.timezone or "UTC")
        self.rules = errors.load_rules(
            files.find(self.text("rules"))[0] if self.text("rules") else None
        )
        attempted = self.given.get("attempted") or ""
        if isinstance(attempted, dict):
            attempted = ",".join(f"{channel}={count}" for channel, count in attempted.items())
        self.attempted = parameters.pairs(str(attempted))
        self.fixed = fixed_causes(self.list("fixed"), self.rules.causes)

        self.quiet = parse_quiet(self.text("quiet"))
        self.reserve = self.text("reserve")
        if self.reserve and not re.fullmatch("[0-9]{1,9}", self.reserve):
            raise ParameterError(
                "reserve is '{reserve}'; expected a number of contacts such as 100.",
                "reserve",
                reserve=self.reserve,
            )

    @property
    def decided_by(self) -> str:
        """Who says that a cause has been mended: as named, else the user of this computer."""
        return self.text("decided_by") or getpass.getuser()

    def text(self, name: str) -> str:
        """One parameter as text ("" where it was not given)."""
        value = self.given.get(name)
        return "" if value is None else str(value).strip()

    @property
    def stated(self) -> dict[str, object]:
        """The parameters that have a value."""
        return {k: v for k, v in self.given.items() if v not in ("", None, [], {})}

    def paths(self, name: str) -> list[str]:
        """One parameter as file names or patterns: a list, or one text."""
        value = self.given.get(name) or []
        return [str(v) for v in (value if isinstance(value, (list, tuple)) else [value])]

    def list(self, name: str) -> list[str]:
        """One parameter as a list: a list, or one text with commas."""
        value = self.given.get(name) or []
        value = value if isinstance(value, (list, tuple)) else str(value).split(",")
        return [str(v).strip() for v in value if str(v).strip()]

    @cached_property
    def limits(self) -> tuple[limit_.Limit, ...]:
        """The limits of the channels file and the kinds, with the reserve that was asked for."""
        found = self.channels.limits(self.timezone)
        return (
            tuple(replace(x, reserve=int(self.reserve)) for x in found) if self.reserve else found
        )

    def limit_name(self, name: str, known: tuple[limit_.Limit, ...]) -> str:
        """What a limit is called in a report: its channel's name, or the pool and its channels."""
        found = next((x for x in known if x.name == name), None)
        if found is None or found.channels == (name,):
            return self.channels.name(name)
        return f"{name} ({' + '.join(self.channels.name(c) for c in found.channels)})"

    def wall_clock(self, at: datetime) -> datetime:
        """An instant as naive wall-clock time of the workspace's zone."""
        return at.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def _instant(self, name: str) -> datetime | None:
        found = parameters.moment(self.text(name), name)
        return found and found.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    @cached_property
    def deadline(self) -> datetime | None:
        """When all must be sent (UTC), or None."""
        return self._instant("deadline")


def parse_quiet(text: str) -> list[tuple[str, str]]:
    """Read quiet hours such as "21:00-08:00, 13:00-15:00".

    >>> parse_quiet("21:00-08:00")
    [('21:00', '08:00')]
    """
    spans = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            begin, end = (datetime.strptime(hour.strip(), "%H:%M") for hour in part.split("-"))
        except ValueError:
            raise ParameterError(
                "quiet is '{part}'; expected hours such as 21:00-08:00.", "quiet", part=part
            ) from None
        spans.append((f"{begin:%H:%M}", f"{end:%H:%M}"))
    return spans


def next_minute() -> datetime:
    """The next whole minute (UTC)."""
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
