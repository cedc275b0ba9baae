"""Dates and times as exports write them: which order of day and month, and which instant."""

import re

from ..common.exceptions import DateError
from ..common.lazy import ibis
from ..engine.engine import Engine
from .files import Source

SLASHED = r"^\s*([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})"
ZONED = r"([zZ]|[+-][0-9]{2}:?[0-9]{2})$"
# What may be a moment: DuckDB reads "18:04:2" as 18:04:02, "18:0 :28" as 18:00, "18:04 CET" as
# 18:04 of another zone, and "epoch" too.
SHAPE = (
    r"^[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}([ T]+[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?"
    r" ?([zZ]|[+-][0-9]{2}:?[0-9]{2})?$"
)
ORDERS = {"DMY": "DD/MM/YYYY", "MDY": "MM/DD/YYYY"}


def date_order(date_format: str) -> str | None:
    """Read the order of day and month from "DMY", "MDY", or a pattern such as "%d/%m/%Y %H:%M".

    >>> date_order("%d/%m/%Y %H:%M")
    'DMY'
    """
    text = date_format.strip()
    if not text or text.upper().startswith(("%Y", "YMD", "YYYY")):
        return None
    letters = re.findall("[dmY]", text) if "%" in text else re.findall("[DMY]", text.upper())
    order = "".join(dict.fromkeys(letters))[:3].upper()
    if order not in ORDERS:
        raise DateError(
            "date_format is '{date_format}'; expected DMY, MDY or a pattern such as %d/%m/%Y.",
            date_format=date_format,
        )
    return order


def detect_order(sent_at: "ibis.Value", source: Source) -> str | None:
    """Find the one order in which all dates like 11/01/2022 make sense; DateError where none or
    both do.
    """
    dates = sent_at.name("text").as_table().filter(lambda t: t.text.re_search(SLASHED))
    part = [dates.text.re_extract(SLASHED, n).cast("int64") for n in (1, 2)]
    seen = (
        dates.aggregate(
            n=dates.count(), first=part[0].max(), second=part[1].max(), one=dates.text.min()
        )
        .execute()
        .iloc[0]
    )
    if not seen["n"]:
        return None
    day_first, month_first = seen["first"] > 12, seen["second"] > 12
    if day_first and month_first:
        raise DateError(
            "{file} mixes DD/MM/YYYY and MM/DD/YYYY dates; export it again, or split it.",
            source.path,
            file=source.name,
        )
    if not day_first and not month_first:
        raise DateError(
            "{file}: dates such as '{date}' can be read two ways; say which with date_format: DMY"
            " (day first) or MDY (month first).",
            source.path,
            file=source.name,
            date=seen["one"],
        )
    return "DMY" if day_first else "MDY"


def instant(engine: Engine, text: "ibis.Value", zone: str, order: str | None) -> "ibis.Value":
    """Parse the text of a date and time; null where it is none."""
    if order:
        day, month = ("\\1", "\\2") if order == "DMY" else ("\\2", "\\1")
        text = text.re_replace(SLASHED, f"\\3-{month}-{day}")
    text = text.re_replace(r"[.][0-9]+", "").re_replace(r"^([0-9]{4})/([0-9]{1,2})/", "\\1-\\2-")
    clock = text.re_replace(r"\s*([AaPp])[.]?\s?[Mm][.]?$", "")
    wall = clock.re_search(SHAPE).ifelse(clock, ibis.null("string")).try_cast("timestamp")
    half_day = text.lower().re_extract(r"([ap])[.]?\s?m[.]?$", 1)
    hours = wall.hour() % 12 + (half_day == "p").ifelse(12, 0) - wall.hour()
    wall = (half_day == "").ifelse(wall, wall + hours.cast("int64").as_interval("h"))
    zoned_at = wall.notnull().ifelse(text, ibis.null("string")).try_cast("timestamp('UTC')")
    return ibis.cases((zoned(text), zoned_at), else_=engine.to_utc(wall, zone))


def zoned(text: "ibis.Value") -> "ibis.Value":
    """Whether the text of a time says its zone."""
    return text.re_search(ZONED) & text.contains(":")
