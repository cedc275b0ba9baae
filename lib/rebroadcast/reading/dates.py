"""Dates and times as exports write them: which order of day and month, and which instant.

A text is brought into one form, `2022-11-25 15:04:05 pm +05:30`, by a table of rewritings that the
engine applies in turn; what does not arrive at that form is no date that can be read.
"""

import re
from datetime import UTC, datetime

import ibis

from ..common.exceptions import DateError
from ..common.masking import replaced
from ..engine.engine import Engine
from ..sources.files import Source

FIRST, BEYOND = datetime(1990, 1, 1), datetime(2038, 1, 1)  # a message is between them
# What is shown to whoever wrote a date that cannot be read.
FORMS = (
    "2022-01-31 15:04:05 · 31/01/2022 3:04:05 p. m. · 1/31/22 15:04 · 31-Jan-2022 15:04"
    " · Mon, 31 Jan 2022 15:04:05 +0000 · 1643641445"
)
ORDERS = {"DMY": "DD/MM/YYYY", "MDY": "MM/DD/YYYY", "YMD": "YY-MM-DD"}
# The names of months, in lower case, whole and as they are cut short: in English, Spanish,
# Portuguese, French, Italian, German and Dutch (CLDR, cldr.unicode.org; "mrz" is Windows's),
# without accents too.
MONTHS = (
    "jan(?:uary|eiro|vier|v|uari?)?|ene(?:ro)?|gen(?:naio)?|j[aä]nner",
    "feb(?:ruary|rero|braio|ruari?|er)?|f[eé]v(?:ereiro|rier|r)?",
    "mar(?:ch|zo|[cç]o|s)?|m[aä]rz?|mrz|mrt|maart",
    "apr(?:ile?)?|abr(?:il)?|avr(?:il)?",
    "ma[iy]|mayo|maio|mag(?:gio)?|mei",
    "jun[ei]?|jun(?:io|ho)|juin|giu(?:gno)?",
    "jul[yi]?|jul(?:io|ho)|juill?|juillet|lug(?:lio)?",
    "aug(?:ust(?:us)?)?|ago(?:sto)?|ao[uû]t",
    "sept?(?:ember|iembre|embre)?|set(?:iembre|embro|tembre)?",
    "oct(?:ober|ubre|obre)?|okt(?:ober)?|out(?:ubro)?|ott(?:obre)?",
    "nov(?:ember|iembre|embro|embre)?",
    "d[eé]c(?:ember|embre)?|dic(?:iembre|embre)?|dez(?:ember|embro)?",
)
# And of days; "mar" alone is the month.
DAYS = (
    "mon(?:day|tag)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs?|rsday)?|fri(?:day)?|sat(?:urday)?"
    "|sun(?:day)?|lun(?:es|di|ed[iì])?|mar(?:tes|di|ted[iì])|mi[eé](?:rcoles)?|jue(?:ves)?"
    "|vie(?:rnes)?|s[aá]b(?:ado|ato)?|dom(?:ingo|enica)?|(?:seg(?:unda)?|ter(?:[cç]a)?|qua(?:rta)?"
    "|qui(?:nta)?|sex(?:ta)?)(?:-feira)?|mer(?:credi|coled[iì])?|jeu(?:di)?|ven(?:dredi|erd[iì])?"
    "|sam(?:edi|stag)?|dim(?:anche)?|gio(?:ved[iì])?|dienstag|mittwoch|donnerstag|freitag"
    "|sonn(?:abend|tag)|mo|di|mi|do|fr|sa|so"
)
PLAIN = r"^[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}(?: [0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)?$"
CLOCK = "[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
SHAPE = (  # year-month-day, clock, half of the day, offset
    rf"^([12][0-9]{{3}}-[0-9]{{1,2}}-[0-9]{{1,2}})(?: +({CLOCK})(?: ([ap])m)?"
    r"(?: ?([+-])([0-9]{1,2}):([0-5][0-9]))?)?$"
)
NUMERIC = r"^([0-9]{1,2})([/.-])([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})\b"
# Seconds since 1970, with or without the digits of milli-, micro- or nanoseconds.
EPOCH = r"^(1[0-9]{9})(?:[0-9]{3}|[0-9]{6}|[0-9]{9})?(?:[.,][0-9]+)?$"
SERIAL = r"^([3-5][0-9]{4})(?:[.,]([0-9]{1,15}))?$"  # days since 1899-12-30, and their part
SERIALS_BEGIN = datetime(1899, 12, 30)
# Year, day and month, where a pattern says so; whatever clock follows.
TURNED = (r"^([12][0-9]{3})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})\b", r"\1-\3-\2")
WESTMOST, EASTMOST = 12 * 60, 14 * 60  # minutes that a zone may be behind or ahead of UTC

# Spaces of any width become one, marks without width none.
SPACES = (
    ("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000 ]+", " "),
    ("\u2212", "-"),  # the minus sign of web pages' offsets
    ("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", ""),
)
WORDS = (
    *((rf"\b(?:{name})\b[.]?", f"~{n:02}~") for n, name in enumerate(MONTHS, 1)),
    (rf"^(?:{DAYS})[.]?,? ", ""),
    # "mar" is Tuesday where another month, or a date in figures, follows it.
    (r"^~03~,? ([^:~]*~[0-9]{2}~|[0-9]{1,2}[/.-][0-9]{1,2}[/.-])", r"\1"),
    (r"([0-9]) ?([ap])[.]? ?m\b[.]?", r"\1 \2m"),
)
CLOCKS = (
    (r"([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2})", r"\1 \2"),  # of web servers' logs
    (
        r"^(20[0-3][0-9])([01][0-9])([0-3][0-9])[ t]?([0-2][0-9]):?([0-5][0-9]):?([0-5][0-9])",
        r"\1-\2-\3 \4:\5:\6",
    ),
    (r"([0-9]) ?h ?([0-9]{2})(?: ?min)?\b", r"\1:\2"),  # 15h04
    (r"([0-9]) ?(?:h(?:rs?|oras)?[.]?|uhr)$", r"\1"),  # 15:04 h
    (r" klo ([0-9])", r" \1"),  # 3.4.2022 klo 9.05
    (r"^([0-9]{1,2})[.] ([0-9]{1,2})[.] ([0-9]{4})\b", r"\1.\2.\3"),  # 3. 4. 2022
    (r"^([0-9]{4})[.] ([0-9]{1,2})[.] ([0-9]{1,2})\b", r"\1.\2.\3"),
    (r"(:[0-9]{2}:[0-9]{2})[.,:][0-9]{1,9}", r"\1"),  # parts of a second
    # Of what a browser or ctime writes, "nov 25 10:00:00 gmt 2022".
    (
        rf"^(~[0-9]{{2}}~ [0-9]{{1,2}}) ({CLOCK})((?: utc| gmt| [+-][0-9:]+)?) ([0-9]{{4}})$",
        r"\1 \4 \2\3",
    ),
    (r"([+-][0-9]{2}:?[0-9]{2}|z) ?[\[(][^\])]*[\])]$", r"\1"),  # the zone's name behind its offset
    (r"(:[0-9]{2}(?: [ap]m)?) ?(?:utc|gmt|z)$", r"\1 +00:00"),
    (r"(:[0-9]{2}(?: [ap]m)?) ?(?:utc|gmt)? ?([+-][0-9]{1,2})$", r"\1 \2:00"),
    (
        r"(:[0-9]{2}(?: [ap]m)?) ?(?:utc|gmt)? ?([+-][0-9]{1,2}):?([0-9]{2})(?: (?:utc|gmt))?$",
        r"\1 \2:\3",
    ),
    (rf"^({CLOCK}(?: [ap]m)?),? (?:del? )?([0-9~].*[0-9])$", r"\2 \1"),  # the clock comes first
    (
        r"(?:,? ?(?:\b(?:at|as?|um|a las?|alle(?: ore)?|ore)\b|às?|@|[|]| - )|,|t)"
        r" ?([0-9]{1,2}:[0-9]{2})",
        r" \1",
    ),
)
DATES = (
    (r"^([0-9]{4})[-/. ]*~([0-9]{2})~[-/. ]*([0-9]{1,2})\b", r"\1-\2-\3"),
    (
        r"^([0-9]{1,2})(?:st|nd|rd|th|er|º|°)?[-/., ]*(?:de )?~([0-9]{2})~[-/., ]*(?:del?"
        r" )?([0-9]{4})\b",
        r"\3-\2-\1",
    ),
    (r"^([0-9]{1,2})[-/., ]*(?:de )?~([0-9]{2})~[-/., ]*(?:del? )?([0-9]{2})\b", r"20\3-\2-\1"),
    (r"^~([0-9]{2})~[-/., ]*([0-9]{1,2})(?:st|nd|rd|th)?[-/., ]+([0-9]{4})\b", r"\3-\1-\2"),
    (r"^([12][0-9]{3})[/.]([0-9]{1,2})[/.]([0-9]{1,2})\b", r"\1-\2-\3"),
    (r"^(20[0-3][0-9])([01][0-9])([0-3][0-9])$", r"\1-\2-\3"),
)
LAST = (
    (r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})[.,]? ", r"\1 "),
    (r"^([0-9-]{8,10} [0-9]{1,2}) ([ap]m)", r"\1:00 \2"),  # 3 pm
    (r"^([0-9-]{8,10} [0-9]{1,2})[.]([0-9]{2})[.]([0-9]{2})$", r"\1:\2:\3"),  # 15.04.05
    (r"^([0-9-]{8,10} [0-9]{1,2})[.]([0-9]{2})$", r"\1:\2"),
)
# What a part of a pattern of strptime stands for, and which part of the form it is.
PARTS = {
    "d": ("([0-9]{1,2})", "day"),
    "e": ("([0-9]{1,2})", "day"),
    "m": ("([0-9]{1,2})", "month"),
    "b": ("~([0-9]{2})~", "month"),
    "B": ("~([0-9]{2})~", "month"),
    "Y": ("([0-9]{4})", "year"),
    "y": ("([0-9]{2})", "year"),
    "H": ("([0-9]{1,2})", "hour"),
    "I": ("([0-9]{1,2})", "hour"),
    "M": ("([0-9]{2})", "minute"),
    "S": ("([0-9]{2})", "second"),
    "f": ("[0-9]{1,9}", ""),
    "p": ("([ap]m)", "half"),
    "z": ("(.*)", "zone"),
    "Z": ("(.*)", "zone"),
}
LONGER = {"T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "F": "%Y-%m-%d", "r": "%I:%M:%S %p"}


def _pattern(date_format: str) -> str:
    """A pattern with its short forms written out, and without the day of the week; "" for none."""
    if "%" not in date_format:
        return ""
    whole = re.sub("%([TRDFr])", lambda part: LONGER[part[1]], date_format.strip())
    return re.sub("%[aA][,. ]*", "", whole)


def date_order(date_format: str) -> str | None:
    """Read the order of day and month from "DMY", "MDY", or a pattern such as "%d/%m/%Y %H:%M".

    >>> date_order("%d/%m/%Y %H:%M")
    'DMY'
    """
    text = date_format.strip()
    if pattern := _pattern(text):
        rewriting(text)
        order = "".join(dict.fromkeys(re.findall("%([demyY])", pattern))).replace("e", "d").upper()
        return order if order in ORDERS and "%Y" not in pattern[:2] else None
    if not text or text.upper().startswith("YYYY"):
        return None
    order = "".join(dict.fromkeys(re.findall("[DMY]", text.upper())))
    if order not in ORDERS:
        raise DateError(
            "date_format is '{date_format}'; expected DMY, MDY or a pattern such as %d/%m/%Y.",
            date_format=date_format,
        )
    return order


def turned(date_format: str) -> bool:
    """Whether a pattern says that the day comes before the month, but behind the year."""
    return "".join(re.findall("%([demY])", _pattern(date_format))).replace("e", "d") == "Ydm"


def rewriting(date_format: str) -> tuple[str, str] | None:
    r"""Turn a pattern of strptime into a rewriting of texts; None for what is no such pattern.

    DateError for a pattern with a part that is not known, or without a day.

    >>> rewriting("%d.%m.%y")
    ('^([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{2})$', '20\\3-\\2-\\1')
    """
    if not (pattern := _pattern(date_format)):
        return None
    said, groups = [], dict[str, str]()
    for part, sign in re.findall(r"%(.?)|(.)", pattern, re.DOTALL):
        if sign or part == "%":
            sign = (sign or part).lower()
            said.append(" *" if sign.isspace() else sign if sign.isalnum() else f"[{sign}]")
            continue
        form, name = PARTS.get(part, ("", None))
        if name is None or name in groups:
            raise DateError(
                "date_format is '{date_format}', where %{part} is not known or stands twice;"
                " expected a pattern such as %d/%m/%Y %I:%M:%S %p.",
                date_format=date_format,
                part=part,
            )
        said.append(form)
        if name:
            groups[name] = f"20\\{len(groups) + 1}" if part == "y" else f"\\{len(groups) + 1}"
    if not {"year", "month", "day"} <= groups.keys():
        raise DateError(
            "date_format is '{date_format}'; expected a pattern with day, month and year, such as"
            " %d/%m/%Y %H:%M.",
            date_format=date_format,
        )
    clock = [groups[name] for name in ("hour", "minute", "second") if name in groups]
    clock = [*clock, "00"] if len(clock) == 1 else clock
    date = "-".join(groups[name] for name in ("year", "month", "day"))
    rest = [groups[name] for name in ("half", "zone") if name in groups]
    return f"^{''.join(said)}$", " ".join([date, *([":".join(clock)] if clock else []), *rest])


def normal(text: "ibis.Value", date_format: str = "") -> "ibis.Value":
    """Bring the texts of dates into one form; dates in figures keep their order of day and
    month.
    """
    own = rewriting(date_format)
    simple = text.re_replace(r"^([0-9-]{10})T", r"\1 ")
    other = replaced(replaced(text, SPACES).strip().lower(), WORDS)
    if own:
        rest = other.re_replace(*TURNED) if turned(date_format) else other
        other = other.re_search(own[0]).ifelse(other.re_replace(*own), rest)
    other = replaced(other, CLOCKS, DATES, LAST).re_replace(" +", " ").strip()
    return other if own else simple.re_search(PLAIN).ifelse(simple, other)


def detect_order(form: "ibis.Value", source: Source) -> tuple[str | None, bool]:
    """Find the one order in which all dates like 11/01/2022 make sense, and whether it rests on a
    custom: dates with dots are day first where nothing else is told. DateError where none or
    several do.

    form are texts as `normal` gives them. Two figures may be a year too, where dashes are between.
    The custom is that of CLDR (cldr.unicode.org): no language has dots between a month in figures,
    day and year.
    """
    dates = form.name("text").as_table().filter(lambda t: t.text.re_search(NUMERIC))
    first, second, third = (dates.text.re_extract(NUMERIC, n).cast("int64") for n in (1, 3, 4))
    sign = dates.text.re_extract(NUMERIC, 2)
    fits = {
        "DMY": first.between(1, 31) & second.between(1, 12),
        "MDY": first.between(1, 12) & second.between(1, 31),
        "YMD": second.between(1, 12) & third.between(1, 31) & ((sign == "-") | (first > 31)),
    }
    some = ibis.or_(*fits.values())
    seen = (
        dates.aggregate(
            n=some.sum(),
            same=(first == second).all(where=some),
            one=dates.text.min(where=some),
            dots=(sign == ".").all(where=some),
            **{order: (~fit).sum(where=some) for order, fit in fits.items()},
        )
        .execute()
        .iloc[0]
    )
    if not seen["n"]:
        return None, False
    possible = [order for order in ORDERS if not seen[order]]
    if possible == ["DMY", "MDY"] and (seen["same"] or seen["dots"]):
        return "DMY", not seen["same"]
    if len(possible) == 1:
        return possible[0], possible == ["MDY"]
    if not possible:
        raise DateError(
            "{file} mixes DD/MM/YYYY and MM/DD/YYYY dates; export it again, or split it.",
            source.path,
            file=source.name,
        )
    raise DateError(
        "{file}: dates such as '{date}' can be read two ways; say which with date_format: DMY"
        " (day first), MDY (month first) or a pattern such as %d/%m/%Y.",
        source.path,
        file=source.name,
        date=seen["one"],
    )


def _numeric(form: "ibis.Value", order: str | None) -> "ibis.Value":
    """Turn a date in figures around."""
    if not order:
        return form
    year, month, day = (order.index(part) + 1 for part in "YMD")
    two = r"^([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{2})\b"
    four = two.replace("{2})", "{4})", 1)
    if order != "YMD":
        form = form.re_replace(four, f"\\{year}-\\{month}-\\{day}")
    return replaced(form.re_replace(two, f"20\\{year}-\\{month}-\\{day}"), LAST)


def _shape(form: "ibis.Value", order: str | None, custom: bool) -> "ibis.Value":
    """How a date is written, alike for all dates of one program: "Y" where it says which figure is
    the month, "serial", or its order ("DMY?" by custom) and signs, and whether its month is filled
    up with a zero ("DMY 0/0/Y 0:0|0") or could be and is not ("|1").
    """
    named = form.re_search(SERIAL).ifelse("serial", "Y")
    if order not in ("DMY", "MDY"):
        return named
    month = form.re_extract(NUMERIC, 2 * order.index("M") + 1)
    filled = ibis.cases((month.length() == 1, "1"), (month.startswith("0"), "0"), else_="")
    signs = (("[0-9]{4}", "Y"), ("[0-9]{1,2}", "0"), ("[ap]m", "m"))
    return form.re_search(NUMERIC).ifelse(
        ibis.literal(f"{order}{'?' * custom} ") + replaced(form, signs) + "|" + filled, named
    )


def read(
    engine: Engine,
    cells: "ibis.Value",
    source: Source,
    zone: str,
    date_format: str = "",
) -> "ibis.Table":
    """Read each date of a column once: `said`, `at` (UTC, null where it is no date), `zoned`
    (whether it says its zone), `wall` (what its clock says, null for a zoned one), `serial`
    (whether it is a spreadsheet's number), `shape` (how it is written, null for an instant whose
    order of day and month is sure) and `late` (whether it is after the 12th of a month, null as
    `shape` is).

    zone is that of wall-clock times; date_format as `date_order` and `rewriting` take it. DateError
    where dates could be read two ways.
    """
    said = cells.name("said").as_table().distinct().filter(lambda t: t.said.notnull())
    forms = engine.keep(said.mutate(form=normal(said.said, date_format)))
    stated = date_order(date_format)
    order, custom = (stated, False) if stated else detect_order(forms.form, source)
    forms = forms.mutate(form=_numeric(forms.form, order), shape=_shape(forms.form, order, custom))
    epoch, days = (
        forms.form.re_extract(form, 1).nullif("").try_cast("int64") for form in (EPOCH, SERIAL)
    )
    part = ("0." + forms.form.re_extract(SERIAL, 2)).try_cast("float64").fill_null(0)
    since = (days * 86_400 + (part * 86_400).round().cast("int64")).as_interval("s")
    serial_at = ibis.literal(SERIALS_BEGIN) + since
    if turned(date_format):
        serial_at = serial_at.strftime("%Y-%d-%m %H:%M:%S").try_cast("timestamp")
    forms = forms.mutate(
        day=forms.form.re_extract(SHAPE, 1),
        clock=forms.form.re_extract(SHAPE, 2),
        half=forms.form.re_extract(SHAPE, 3),
        sign=forms.form.re_extract(SHAPE, 4),
        off_hours=forms.form.re_extract(SHAPE, 5).nullif("").try_cast("int64"),
        off_minutes=forms.form.re_extract(SHAPE, 6).nullif("").try_cast("int64"),
        epoch=ibis.literal(datetime(1970, 1, 1)) + epoch.as_interval("s"),
        serial_at=serial_at,
        serial=days.notnull(),
    )
    return engine.keep(_instants(engine, engine.view(forms), zone or "UTC"))


def _instants(engine: Engine, forms: "ibis.Table", zone: str) -> "ibis.Table":
    """Put the parts of dates together."""
    wall = (forms.day + " " + (forms.clock == "").ifelse("0:00", forms.clock)).try_cast("timestamp")
    add = (forms.half == "p").ifelse(12, 0) - (wall.hour() - wall.hour() % 12)
    half = wall + add.cast("int64").as_interval("h")
    afternoon = (forms.half == "a") & (wall.hour() > 12)  # 15:00 a. m.
    wall = ibis.cases((forms.half == "", wall), (~afternoon, half))
    minutes, west = forms.off_hours * 60 + forms.off_minutes, forms.sign == "-"
    sure = minutes.notnull() & (minutes <= west.ifelse(WESTMOST, EASTMOST))
    minutes = west.ifelse(-minutes, minutes)
    forms = forms.mutate(wall=wall, minutes=minutes, sure=sure)
    shifted = forms.wall - forms.minutes.as_interval("m")
    forms = forms.mutate(
        utc=ibis.cases((forms.epoch.notnull(), forms.epoch), (forms.sure, shifted)),
        wall=forms.wall.fill_null(forms.serial_at),
    )
    at = ibis.cases(
        (forms.utc.notnull(), forms.utc.cast("timestamp('UTC')")),
        (forms.minutes.isnull(), engine.to_utc(forms.wall, zone)),
    )
    forms = forms.mutate(at=at)
    forms = forms.mutate(at=real(forms["at"]).ifelse(forms["at"], None), zoned=forms.utc.notnull())
    told = ~forms.zoned | forms.shape.contains("?").fill_null(False)
    shape = (forms["at"].notnull() & told).ifelse(forms.shape, None)
    late = shape.notnull().ifelse(forms.wall.day() > len(MONTHS), None)
    wall = forms.zoned.ifelse(ibis.null("timestamp"), forms.wall)
    return forms.select("said", "serial", "at", "zoned", wall=wall, shape=shape, late=late)


def real(at: "ibis.Value") -> "ibis.Value":
    """Whether an instant can be that of a message."""
    return (at >= FIRST.replace(tzinfo=UTC)) & (at < BEYOND.replace(tzinfo=UTC))
