"""Time zones and minutes of the wall clock."""

import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from .exceptions import LANGUAGES, ParameterError, QuotaError, did_you_mean, sentence

OFFSET = re.compile(r"(?:etc/)?(?:gmt|utc|z)? ?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
CITIES = 3  # that are named for an offset


def check_zone(zone: str) -> str:
    """Return zone if it names an IANA time zone, else raise ParameterError with the nearest name.

    >>> check_zone("America/Mexico_City")
    'America/Mexico_City'
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = zone_hint(zone)
        raise ParameterError(
            "'{zone}' is no known time zone; expected a name such as 'America/Mexico_City' or"
            " 'UTC'.{hint}",
            "timezone",
            zone=zone,
            hint=hint,
        ) from None
    return zone


def zone_hint(word: str) -> str:
    """Return which zone may be meant by a word that is none, as `did_you_mean` does: by an offset,
    a name of Windows, or a city in one of our languages.

    In Etc/GMT+6 the sign counts from the clock to Greenwich (IANA, file etcetera): it is the zone
    six hours behind.

    >>> zone_hint("America/Ciudad_Mexico")
    " Did you mean 'America/Mexico_City'?"
    """
    if at := OFFSET.fullmatch(word.strip().lower().replace("\N{MINUS SIGN}", "-")):
        minutes = int(at[2]) * 60 + int(at[3] or 0)
        return _offset_hint(minutes * (-1 if at[1] == "-" else 1))
    from babel.core import get_global

    of_windows = {name.lower(): zone for name, zone in get_global("windows_zone_mapping").items()}
    words, cities = _words(word), _cities()
    weights = Counter(word for known in cities.values() for word in known)
    scores = {
        zone: sum(1 / weights[word] for word in words & known) for zone, known in cities.items()
    }
    nearest = max(scores, key=lambda zone: (scores[zone], zone.startswith(word.partition("/")[0])))
    named = of_windows.get(word.strip().lower()) or (nearest if scores[nearest] > 0 else None)
    if named or re.fullmatch("[A-Z]{1,4}", word):  # CST is a time of Chicago, Havana and Shanghai
        return _meant(named) if named else ""
    return did_you_mean(word, available_timezones())


def _offset_hint(minutes: int) -> str:
    """The zones that are always so many minutes ahead of UTC, or are so in winter."""
    from babel.core import get_global

    year = datetime.now(UTC).year
    cities: dict[int, list[str]] = {1: [], 2: []}
    for zone in sorted(set(get_global("windows_zone_mapping").values())):
        days = [datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
        offsets = {day.utcoffset() for day in days}
        standard = {day.utcoffset() - (day.dst() or timedelta()) for day in days}
        if standard == {timedelta(minutes=minutes)} and not zone.startswith("Etc/"):
            cities[len(offsets)].append(zone)
    named = ", ".join([*cities[1], *cities[2]][:CITIES])
    fixed = f"Etc/GMT{-minutes // 60:+d}" if minutes else "UTC"
    if minutes % 60 == 0 and fixed in available_timezones():
        if not minutes or not named:
            return _meant(fixed)
        return " " + sentence(
            "Did you mean '{name}' (its sign is turned round), or a city such as {cities}?",
            name=fixed,
            cities=named,
        )
    return " " + sentence("Did you mean a city such as {cities}?", cities=named) if named else ""


def _meant(zone: str) -> str:
    return " " + sentence("Did you mean '{name}'?", name=zone)


@cache
def _cities() -> dict[str, frozenset[str]]:
    """The words of each zone's city, in English and in our languages."""
    from babel import Locale

    told = [Locale(code).time_zones for code in LANGUAGES]
    return {
        zone: frozenset().union(
            _words(zone), *(_words(names.get(zone, {}).get("city", "")) for names in told)
        )
        for zone in sorted(available_timezones())
        if "/" in zone and not zone.startswith("Etc/")
    }


def _words(name: str) -> frozenset[str]:
    """The words of a zone's last part, without accents and case."""
    plain = unicodedata.normalize("NFKD", name.rpartition("/")[2].lower())
    return frozenset(re.findall("[a-z]{3,}", "".join(c for c in plain if c.isascii())))


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
