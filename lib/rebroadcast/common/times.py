"""Time zones and minutes of the wall clock."""

import re
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import zip_longest
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from babel.core import Locale, get_global

from .exceptions import LANGUAGES, ParameterError, QuotaError, did_you_mean, folded, sentence

OFFSET = re.compile(r"(?:etc/)?(?:gmt|utc|z)? ?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
SHORT = re.compile("[A-Z]{1,4}")  # EST, CT
END_OF_DAY = timedelta(days=1, seconds=-1)  # after its beginning
CITIES = 3  # that are named where several are possible
SMALL_WORDS = {"time", "standard", "zone", "hora", "horario", "estandar", "zona", "del", "the"}


def check_zone(zone: str) -> str:
    """Return the IANA time zone that a word names (see `known_zone`), else raise ParameterError
    with the nearest name.

    >>> check_zone("America/Mexico_City")
    'America/Mexico_City'
    """
    if found := known_zone(zone):
        return found
    raise ParameterError(
        "'{zone}' is no known time zone; expected a name such as 'America/Mexico_City' or"
        " 'UTC'.{hint}",
        "timezone",
        zone=zone,
        hint=zone_hint(zone),
    )


def known_zone(word: str) -> str | None:
    """Return the IANA time zone that a word names; None where it names none, or could name several.

    It may be the zone's own name, its city, a country that has one zone only, or the name of a time
    in English or Spanish, of Windows or Unicode's.

    >>> known_zone("Ciudad de México"), known_zone("Central Time (Mexico)"), known_zone("GMT-6")
    ('America/Mexico_City', 'America/Mexico_City', None)
    """
    try:
        return _city_of(ZoneInfo(word).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        meant = _meanings(word)
        return meant[0] if len(meant) == 1 else None


def _city_of(zone: str) -> str:
    """The city whose clock a zone with an abbreviation's name follows (EST: Panama, all year
    round); any other zone as it is.
    """
    city = get_global("zone_aliases").get(zone, zone)
    return city if SHORT.fullmatch(zone) and not city.startswith("Etc/") else zone


def _meanings(word: str) -> list[str]:
    """The zones that a word can mean, that of Windows first."""
    windows = {name.lower(): zone for name, zone in get_global("windows_zone_mapping").items()}
    spelt = {zone.lower(): zone for zone in available_timezones()}
    if own := spelt.get(word.strip().lower().replace(" ", "_")):
        return [own]
    if (minutes := _minutes(word)) is not None:
        fixed, cities = _at_offset(minutes)
        return ([fixed] if fixed else []) + cities * (minutes != 0)
    if "/" in word:
        return []
    names, main, first = _names(), windows.values(), windows.get(word.strip().lower())
    whole, *parts = (
        names.get(_words(part) - SMALL_WORDS, set())
        for part in (word, *re.split("[,()]", word))
        if part.strip() or part == word
    )
    several = whole or set.intersection(*(parts or [whole]))  # "Tijuana, México" is both
    return sorted(several, key=lambda zone: (zone != first, zone not in main, zone))


def zone_hint(word: str) -> str:
    """Return which zone may be meant by a word that is none, as `did_you_mean` does: by an offset,
    a name of Windows, or a city in one of our languages.

    In Etc/GMT+6 the sign counts from the clock to Greenwich (IANA, file etcetera): it is the zone
    six hours behind.

    >>> zone_hint("America/Ciudad_Mexico")
    " Did you mean 'America/Mexico_City'?"
    """
    if (minutes := _minutes(word)) is not None:
        return _offset_hint(minutes)
    if len(several := _meanings(word) or _abbreviated(word)) > 1:
        return _such_as(several)
    if several:
        return _meant(several[0])
    words = _words(word)
    cities = {zone: frozenset().union(*names) for zone, names in _cities().items()}
    weights = Counter(word for known in cities.values() for word in known)
    scores = {
        zone: sum(1 / weights[word] for word in words & known) for zone, known in cities.items()
    }
    nearest = max(scores, key=lambda zone: (scores[zone], zone.startswith(word.partition("/")[0])))
    if scores[nearest] > 0:
        return _meant(nearest)
    return "" if SHORT.fullmatch(word) else did_you_mean(word, available_timezones())


def _abbreviated(word: str) -> list[str]:
    """Cities whose clocks are called so in winter or summer, one for each clock first: CST is a
    time of Chicago, Guatemala, Havana and Shanghai.
    """
    called: dict[tuple, list[str]] = {}
    for zone, days in _main_zones().items():
        if word.strip().upper() in [day.tzname() for day in days]:
            called.setdefault(tuple(day.utcoffset() for day in days), []).append(zone)
    return [zone for turn in zip_longest(*called.values()) for zone in turn if zone]


def _minutes(word: str) -> int | None:
    """How many minutes ahead of UTC a word such as "GMT-6" says that a clock is."""
    at = OFFSET.fullmatch(word.strip().lower().replace("\N{MINUS SIGN}", "-"))
    return (-1 if at[1] == "-" else 1) * (int(at[2]) * 60 + int(at[3] or 0)) if at else None


def _at_offset(minutes: int) -> tuple[str | None, list[str]]:
    """The zone, if any, that is nothing but so many minutes ahead of UTC, and the zones of cities
    that are always so, then those that are so in winter.
    """
    cities: dict[int, list[str]] = {1: [], 2: []}
    for zone, days in _main_zones().items():
        standard = {(day.utcoffset() or timedelta()) - (day.dst() or timedelta()) for day in days}
        if standard == {timedelta(minutes=minutes)}:
            cities[len({day.utcoffset() for day in days})].append(zone)
    fixed = f"Etc/GMT{-minutes // 60:+d}" if minutes else "UTC"
    sure = minutes % 60 == 0 and fixed in available_timezones()
    return fixed if sure else None, [*cities[1], *cities[2]]


def fixed_zone(offsets: Collection[timedelta]) -> str | None:
    """The zone that is always so far ahead of UTC; None where there is none, or there are several
    offsets.

    >>> fixed_zone([timedelta(hours=-6)])
    'Etc/GMT+6'
    """
    return _at_offset(round(min(offsets).total_seconds() / 60))[0] if len(offsets) == 1 else None


def zones_with(offsets: Collection[timedelta], days: Collection[datetime]) -> list[str]:
    """The zones of cities whose clocks are so far ahead of UTC on these days, and no farther.

    >>> zones_with([timedelta(hours=5, minutes=45)], [datetime(2022, 1, 11)])
    ['Asia/Kathmandu']
    """
    return [
        zone
        for zone in _main_zones()
        if {ZoneInfo(zone).utcoffset(day) for day in days} == set(offsets)
    ]


def _main_zones() -> dict[str, list[datetime]]:
    """One zone of a city for each time that Windows has a name for, with a day of winter and one of
    summer there.
    """
    aliases = get_global("zone_aliases")
    zones = {aliases.get(zone, zone) for zone in get_global("windows_zone_mapping").values()}
    year = datetime.now(UTC).year
    return {
        zone: [datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
        for zone in sorted(zones)
        if "/" in zone and not zone.startswith("Etc/")
    }


def _offset_hint(minutes: int) -> str:
    fixed, cities = _at_offset(minutes)
    if not fixed:
        return _such_as(cities)
    if not minutes or not cities:
        return _meant(fixed)
    return " " + sentence(
        "Did you mean '{name}' (its sign is turned round), or a city such as {cities}?",
        name=fixed,
        cities=", ".join(cities[:CITIES]),
    )


def _such_as(zones: list[str]) -> str:
    named = ", ".join(zones[:CITIES])
    return " " + sentence("Did you mean a city such as {cities}?", cities=named) if named else ""


def _meant(zone: str) -> str:
    return " " + sentence("Did you mean '{name}'?", name=zone)


@cache
def _cities() -> dict[str, list[frozenset[str]]]:
    """The words of each zone's city, in English and in our languages."""
    told = [Locale(code).time_zones for code in LANGUAGES]
    return {
        zone: [_words(zone), *(_words(names.get(zone, {}).get("city", "")) for names in told)]
        for zone in sorted(available_timezones())
        if "/" in zone and not zone.startswith("Etc/")
    }


@cache
def _names() -> dict[frozenset[str], set[str]]:
    """What zones are called, as words, and the zones that are called so."""
    told = [(words, zone) for zone, several in _cities().items() for words in several]
    told += [(_words(name), zone) for name, zone in get_global("windows_zone_mapping").items()]
    for locale in map(Locale, LANGUAGES):
        told += [
            (_words(locale.territories.get(land, "")), zone)
            for zone, land in get_global("zone_territories").items()
        ]
        told += [
            (_words(name), zone)
            for zone, time in get_global("meta_zones").items()
            for name in locale.meta_zones.get(time, {}).get("long", {}).values()
        ]
    names: dict[frozenset[str], set[str]] = {words - SMALL_WORDS: set() for words, _zone in told}
    for words, zone in told:
        names[words - SMALL_WORDS].add(get_global("zone_aliases").get(zone, zone))
    return names | {frozenset(): set()}


def _words(name: str) -> frozenset[str]:
    """The words of a zone's last part, without accents and case."""
    return frozenset(re.findall("[a-z]{3,}", folded(name.rpartition("/")[2])))


def changes(zone: str, first: datetime, last: datetime) -> list[tuple[datetime, datetime, bool]]:
    """The times of a zone's wall clock that do not exist (False) or come twice (True) between two
    instants (UTC), each from its first to before its last second: its clocks were put forward or
    back then.

    >>> changes("Europe/Madrid", datetime(2026, 3, 1), datetime(2026, 4, 1))
    [(datetime.datetime(2026, 3, 29, 2, 0), datetime.datetime(2026, 3, 29, 3, 0), False)]
    """

    def ahead(at: datetime) -> timedelta:
        return ZoneInfo(zone).fromutc(at.replace(tzinfo=ZoneInfo(zone))).utcoffset() or timedelta()

    found, day = [], timedelta(days=1)
    end, last = first.replace(tzinfo=None), last.replace(tzinfo=None)
    while end <= last:
        begin, end = end, end + day
        before, after = ahead(begin), ahead(end)
        if before != after:
            sure, late = begin, end
            while late - sure > timedelta(seconds=1):
                middle = (sure + (late - sure) / 2).replace(microsecond=0)
                sure, late = (middle, late) if ahead(middle) == before else (sure, middle)
            found.append((late + min(before, after), late + max(before, after), after < before))
    return found


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
