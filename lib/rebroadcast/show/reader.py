"""How one reader is spoken to: in which language, in which time zone, with which names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ..common.doubts import Doubt
from ..common.language import Language


@dataclass(frozen=True)
class Reader:
    """Language, time zone and names of one report's reader.

    `zone` is that of the workspace's wall clock, `zone_given` whether anybody stated it; `channels`
    and `limits` map the IDs of channels and the names of limits to what people call them.

    >>> Reader(Language("en"), "America/Mexico_City", channels={"1001": "WhatsApp"}).channel("1001")
    'WhatsApp'
    """

    lang: Language
    zone: str = "UTC"
    zone_given: bool = True
    channels: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)

    def gettext(self, message: str, **values: object) -> str:
        return self.lang.gettext(message, **values)

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        return self.lang.ngettext(one, many, n, **values)

    def number(self, value: Any) -> str:
        """A count; a dash where it is not known."""
        import pandas as pd

        return "—" if pd.isna(value) else self.lang.number(int(value))

    def wall_clock(self, at: datetime) -> datetime:
        """An instant as naive wall-clock time of the workspace's zone."""
        return at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def instant(self, at: datetime | None) -> str:
        """An instant in the workspace's time; a dash where there is none."""
        import pandas as pd

        return "—" if at is None or pd.isna(at) else self.lang.datetime(self.wall_clock(at))

    def channel(self, channel_id: str) -> str:
        return self.channels.get(channel_id, channel_id) or "—"

    def limit(self, name: str) -> str:
        return self.limits.get(name) or self.channel(name)

    def said(self, doubt: Doubt) -> str:
        """What makes a number less sure, in the reader's words."""
        return doubt.text(self.lang, self._value)

    def _value(self, value: object) -> str:
        if isinstance(value, timedelta):
            return self.lang.duration(value, rough=bool(value % timedelta(minutes=1)))
        if isinstance(value, datetime):
            return self.instant(value) if value.tzinfo else self.lang.datetime(value)
        return self.lang.number(value) if isinstance(value, (int, float)) else str(value)

    @property
    def zone_name(self) -> str:
        """The zone's city, and whether it was only assumed."""
        city = self.lang.zone(self.zone)
        if self.zone_given:
            return city
        return self.gettext("{zone} (assumed: none was given)", zone=city)
