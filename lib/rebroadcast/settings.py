"""The parameters of one run as typed values: language, period, time zone, channels, limits,
rules.
"""

import getpass
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from . import channels as channel_files
from . import engine as engines
from . import errors, files, limits, parameters, quota, record, recovery
from .exceptions import ParameterError, speak
from .language import Language, language

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
    "cause",
    "verdict",
    "text",
    "attempted",
    "compare",
    "tag",
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
        self.timezone = engines.check_zone(self.text("timezone") or self.channels.timezone or "UTC")
        self.rules = errors.load_rules(
            files.find(self.text("rules"))[0] if self.text("rules") else None
        )
        attempted = self.given.get("attempted") or ""
        if isinstance(attempted, dict):
            attempted = ",".join(f"{channel}={count}" for channel, count in attempted.items())
        self.attempted = parameters.pairs(str(attempted))
        self.fixed = recovery.fixed_causes(self.list("fixed"), self.rules.causes)

        self.quiet = limits.parse_quiet(self.text("quiet"))
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
    def limits(self) -> tuple[quota.Limit, ...]:
        """The limits of the channels file and the kinds, with the reserve that was asked for."""
        found = self.channels.limits(self.timezone)
        return (
            tuple(replace(x, reserve=int(self.reserve)) for x in found) if self.reserve else found
        )

    def limit_name(self, name: str, known: tuple[quota.Limit, ...]) -> str:
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
