"""Time zones and minutes of the wall clock."""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from .exceptions import ParameterError, QuotaError, did_you_mean


def check_zone(zone: str) -> str:
    """Return zone if it names an IANA time zone, else raise ParameterError with the nearest name.

    >>> check_zone("America/Mexico_City")
    'America/Mexico_City'
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(zone, available_timezones())
        raise ParameterError(
            "'{zone}' is no known time zone; expected a name such as 'America/Mexico_City' or"
            " 'UTC'.{hint}",
            "timezone",
            zone=zone,
            hint=hint,
        ) from None
    return zone


def minute_of(moment: datetime, down: bool = False) -> int:
    """Return the first whole minute (since 1970, UTC) not before a moment, or with `down` not after
    it.
    """
    if moment.tzinfo is None:
        raise QuotaError(
            "The time {moment} has no time zone; give one, such as UTC.", moment=moment
        )
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return int(seconds // 60 if down else -(-seconds // 60))


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name; QuotaError if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise QuotaError(
            "'{name}' is no time zone; expected one such as America/Mexico_City.", name=name
        ) from error
