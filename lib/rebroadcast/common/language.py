"""One language of the reports: translated sentences, numbers, dates and lengths of time."""

from datetime import date, datetime, timedelta
from functools import cache

from .exceptions import (
    LANGUAGES,
    ParameterError,
    catalogue,
    did_you_mean,
    language_code,
    language_names,
)


def n_(one: str, many: str) -> tuple[str, str]:
    """Mark both forms of a sentence for the catalogues: that for one, and that for others."""
    return one, many


UNITS = (  # with their seconds, and from how many on a length of time is said in them
    (n_("{n} day", "{n} days"), 86400, 2),
    (n_("{n} hour", "{n} hours"), 3600, 1),
    (n_("{n} minute", "{n} minutes"), 60, 1),
    (n_("{n} second", "{n} seconds"), 1, 0),
)


class Language:
    """Translate and format for readers of one language.

    `code` is "en" or "es". Spanish numbers and dates follow Mexico's custom (1,500), that of the
    platform's own Spanish help; English ones are American, and its dates British (11 Jan 2022),
    which nobody can mistake for another day.

    >>> Language("en").number(1500)
    '1,500'
    """

    def __init__(self, word: str = "en"):
        """By its code, a locale such as es_MX, or its name; ParameterError for any other word."""
        code = language_code(word)
        if code is None:
            raise ParameterError(
                "language is '{code}', expected one of: {known}.{hint}",
                "language",
                code=word,
                known=", ".join(LANGUAGES),
                hint=did_you_mean(word, [*LANGUAGES, *language_names()]),
            )
        self.code = code
        self.locale, self.days = {"en": ("en_US", "en_GB"), "es": ("es_MX", "es_MX")}[code]
        self._catalogue = catalogue(code)

    def gettext(self, message: str, **values: object) -> str:
        """Return message in this language, with `{name}` filled from values."""
        text = self._catalogue.gettext(message)
        return text.format(**values) if values else text

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        """Return the form of the message for n, with `{n}` as a formatted number."""
        return self._catalogue.ngettext(one, many, n).format(n=self.number(n), **values)

    def number(self, value: float) -> str:
        if isinstance(value, int) and 0 <= value < 1000:
            return str(value)  # without the locale's data, a sixth of what `explain` takes
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.locale)

    def percent(self, share: float) -> str:
        """Format a share of one as a percentage; small shares keep a decimal, so that none reads 0
        %.
        """
        value = round(share * 100, 1 if 0 < share < 0.01 or 0.99 < share < 1 else 0)
        return f"{self.number(value)} %"

    def period(self, first: date, last: date) -> str:
        """Format the days from first to last, without what the two have in common."""
        from babel.dates import format_interval

        return format_interval(
            first, last, skeleton={"en": "yMMMd", "es": "yMMMMd"}[self.code], locale=self.days
        )

    def date(self, value: date) -> str:
        from babel.dates import format_date

        return format_date(value, format="d MMM y", locale=self.days)

    def datetime(self, value: datetime) -> str:
        """Format the wall-clock time that value carries (its zone is not shown)."""
        return f"{self.date(value)} {value:%H:%M}"

    def zone(self, name: str) -> str:
        """Name a time zone by its city, "Ciudad de México" for America/Mexico_City; UTC-6 for
        Etc/GMT+6, whose sign is turned round.
        """
        if name.startswith("Etc/GMT"):
            return "UTC" + name[7:].translate(str.maketrans("+-", "-+"))
        from babel.dates import get_timezone_location

        return (
            get_timezone_location(name, locale=self.locale, return_city=True)
            if "/" in name
            else name
        )

    def channel(self, name: str) -> str:
        """A channel's name, in this language where it has none of its own ("channel 1001")."""
        own = name.removeprefix("channel ")
        return name if own == name else self.gettext("channel {id}", id=own)

    def duration(self, value: timedelta, rough: bool = False) -> str:
        """Format a length of time in its largest fitting unit: 90 s, 10 minutes, 24 hours, 3 days;
        rough: 5 hours.
        """
        if rough:
            from babel.dates import format_timedelta

            return format_timedelta(value, granularity="minute", locale=self.locale)
        seconds = int(value.total_seconds())
        forms, size = next(
            (forms, size)
            for forms, size, least in UNITS
            if seconds >= least * size and seconds % size == 0
        )
        return self.ngettext(*forms, seconds // size)


@cache
def language(code: str = "en") -> Language:
    """Return the (shared) language for a code."""
    return Language(code)
