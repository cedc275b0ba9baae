"""What an export tells about itself: whether its message IDs, its clock and its end can be
trusted.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import ibis
import pandas as pd

from ..common.doubts import ALL, Doubt, n_
from ..common.masking import mask
from ..common.times import END_OF_DAY, changes
from ..engine.engine import Engine
from ..sources.files import Source
from . import dates
from .scan import SIGNS

NO_DATE = "a date that cannot be read"
HEADER_AGAIN = "the header again"
# Message IDs that are a moment, in microseconds since 1970: from 2014 to 2037.
MOMENTS = (1_400_000_000_000_000, 2_145_000_000_000_000)
QUARTER = 900  # seconds; zones differ by whole quarters of an hour
FARTHEST = 26 * 4  # quarters of an hour between the clocks of two zones
MOST = 0.8  # share of messages that must agree
DAMAGED = (  # 1.0E+08, 1.234.567, 123.5: digits are lost, were set apart, or were reckoned with
    r"^(?:[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+|[0-9]{1,3}(?:[.][0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+"
    "|[0-9]{1,3}(?:[ '’\u00a0\u2009\u202f][0-9]{3})+|[0-9]+[.,][0-9]+)$"
)
DECIMAL = r"^([0-9]+)[.,]0{1,2}$"  # 123.0: certainly 123
# What keeps a spreadsheet from taking an ID for a number: '123 and ="123"; and unseen signs.
WRAPPED = r"^(?:'+|=\"'?)([^\"]*)\"?$"
UNSEEN = f"^[{SIGNS}]+|[{SIGNS}]+$"
DIGITS = 15  # that a spreadsheet keeps of a number
FEWEST = 3  # IDs that all end in zero before that is no chance
CELL = 40  # characters of a cell that are shown
DATED = re.compile(r"[0-9]{1,4}[-/.](?:[0-9]{1,2}|[^\W\d_]{3,10})[-/.][0-9]{1,4}|[0-9]+:[0-9:.,]+")
PART = re.compile(r"[^\W\d_]+")
DATE_WORDS = (
    "am|pm|[amptzhà]|às?|as|um|uhr|alle|ore|min|feira|hrs|utc|gmt|del?|st|nd|rd|th|er|at|las?"
    "|[cemp][sd]t|ist|cest|cet"
)
SPELT = re.compile(rf"{'|'.join(dates.MONTHS)}|{dates.DAYS}|{DATE_WORDS}")
CLOCK = re.compile(r"\b20[0-9]{2}\b.*\b[0-9]{1,2}[:.h][0-9]{2}")  # beside a year
DOTS = r"^...[?] 0[.]"  # a shape of `dates.read`: read by custom, with dots
RIDDLED = 100  # lines that may be in no row, however few rows there are
CUT = frozenset(
    {
        "too few columns",
        "a stray quote",
        "cut off at its end",
        "not valid UTF-8",
        "no JSON object",
    }
)


@dataclass(frozen=True)
class Clock:
    """Which zone the clock of an export follows, derived from IDs of messages.

    `offsets`: how far it is ahead of UTC, one length of time or two where summer time changes it;
    `shift`: how far it is ahead of the zone that was stated (nothing where the two agree);
    `messages`: how many IDs told it.
    """

    offsets: tuple[timedelta, ...]
    shift: timedelta
    messages: int

    def __str__(self) -> str:
        return ", ".join(map(utc_offset, self.offsets))


Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Seen:
    """What one look at a table tells: its rows, its first and last time (wall clock), its clock,
    how many of its long message IDs were rounded, and of its times: how many do not exist in their
    zone, the first of them, and how many come twice; `days`: whether all are days without a time.
    """

    rows: int
    span: Span = (None, None)
    clock: Clock | None = None
    rounded: int = 0
    skipped: int = 0
    first: str = ""
    twice: int = 0
    days: bool = False


def utc_offset(ahead: timedelta) -> str:
    """Say how far a clock is ahead of UTC.

    >>> utc_offset(timedelta(hours=-6)), utc_offset(timedelta(hours=5, minutes=30))
    ('UTC-06:00', 'UTC+05:30')
    """
    hours, minutes = divmod(abs(round(ahead.total_seconds() / 60)), 60)
    return f"UTC{'-' if ahead < timedelta() else '+'}{hours:02}:{minutes:02}"


def bare(cell: "ibis.Value") -> "ibis.Value":
    """A cell without the signs that nobody sees, and those that keep a spreadsheet from taking it
    for a number.
    """
    return cell.re_replace(UNSEEN, "").re_replace(WRAPPED, r"\1")


def repaired(cell: "ibis.Value") -> "ibis.Value":
    """A whole number that was written with decimals, as it was."""
    return cell.endswith("0").ifelse(cell.re_replace(DECIMAL, r"\1"), cell)


def damaged(cell: "ibis.Value") -> "ibis.Value":
    """Whether an ID is a number that a spreadsheet or a program has written anew."""
    number = (cell >= "0") & (cell < ":")  # it begins as one
    return number.ifelse(
        cell.re_search("^[0-9A-Za-z]+$").ifelse(False, cell.re_search(DAMAGED)), False
    )


def damage(name: str, cell: "ibis.Value") -> "tuple[ibis.Value, str]":
    """The test of an ID that is damaged, and what it is called."""
    label = name.replace("_", " ").replace("id", "ID")
    return damaged(cell), f"a {label} damaged by a spreadsheet"


def look(table: "ibis.Table", zone: str = "") -> Seen:
    """Count the rows of an export, and see what its message IDs and times tell.

    table has message_id, its number, and with a zone sent_at (UTC) and local_at, its wall clock. An
    ID of 16 digits is the time of the message in microseconds since 1970 (UTC); the clock is what
    the most of them show.
    """
    if "message_number" not in table.columns:
        return Seen(int(table.count().execute()))
    number = table.message_number
    long = (number >= 10**DIGITS).fill_null(False)
    facts = {"long": long, "zero": long & (number % 10 == 0)}
    facts |= _quarters(table, number) if zone else {}
    times = {"sent": table.sent_at, "local": table.local_at} if zone else {}
    ends = {f"{n}_{f}": getattr(at, f)() for n, at in times.items() for f in ("min", "max")}
    ends |= {"clock": (table.local_at != table.local_at.truncate("D")).any()} if zone else {}
    seen = table.group_by(**facts).aggregate(n=table.count(), **ends).to_pandas()
    zeros, long_ids = (int(seen["n"][seen[name]].sum()) for name in ("zero", "long"))
    chance = 0.1 * long_ids + 5 * math.sqrt(0.09 * long_ids) + 1
    rounded = zeros > chance or zeros == long_ids >= FEWEST
    if rounded:  # unless zeros are all that they ever end in
        rounded = bool((table.filter(long).message_id.left(DIGITS).right(1) != "0").any().execute())
    found = _out_of_clock(table, zone, seen) if zone else {}
    days = bool(zone) and set(seen["clock"].dropna()) == {False}
    clock = _clock(_level(seen[seen["told"]], zone)) if zone and not days else None
    last = seen["local_max"].max() + END_OF_DAY * days if zone else None
    whole = span(seen["local_min"].min(), last) if zone else span()
    return Seen(int(seen["n"].sum()), whole, clock, zeros if rounded else 0, days=days, **found)


def span(first: datetime | None = None, last: datetime | None = None) -> Span:
    """A first and a last time as pandas gives them, None where there is none."""
    return None if pd.isna(first) else first, None if pd.isna(last) else last


def _out_of_clock(table: "ibis.Table", zone: str, seen: "pd.DataFrame") -> dict:
    """How many times of a table do not exist in a zone, the first of them, and how many come twice;
    nothing where no clock was changed from the day before its first to its last.
    """
    begin, end = seen["sent_min"].min() - timedelta(days=1), seen["sent_max"].max()
    if pd.isna(begin) or not (hours := changes(zone, begin.to_pydatetime(), end.to_pydatetime())):
        return {}
    wall = table.local_at
    which = ibis.cases(
        *((_within(wall, *hour), "twice" if again else "skipped") for *hour, again in hours),
        else_="once",
    )
    told = table.group_by(which=which).aggregate(n=table.count(), first=wall.min()).to_pandas()
    found = {one.which: one for one in told.itertuples() if one.which != "once"}
    first = {"first": str(found["skipped"].first)} if "skipped" in found else {}
    return {name: int(one.n) for name, one in found.items()} | first


def _within(wall: "ibis.Value", start: datetime, stop: datetime) -> "ibis.Value":
    """Whether a time lies in an hour; midnight does not, which a day without a time is."""
    after = wall > start if start.time() == time.min else wall >= start
    return (after & (wall < stop)).fill_null(False)


def _quarters(table: "ibis.Table", number: "ibis.Value") -> "dict[str, ibis.Value]":
    """By how many quarters of an hour a message's time is later than its ID (`lag`), and its wall
    clock ahead of UTC by its ID (`ahead`), null where clocks are never that far apart; `told`:
    where the ID is a moment.
    """
    told = (number.between(*MOMENTS) & table.sent_at.notnull()).fill_null(False)
    seconds = (number / 1e6).floor()
    lag, ahead = (
        ((table[column].epoch_seconds() - seconds + QUARTER / 2) / QUARTER).floor()
        for column in ("sent_at", "local_at")
    )
    near, none = told & lag.between(-FARTHEST, FARTHEST), ibis.null("int64")
    lag, ahead = (near.ifelse(quarters.cast("int64"), none) for quarters in (lag, ahead))
    return {"told": told, "lag": lag, "ahead": ahead}


def _time(quarters: int) -> timedelta:
    return timedelta(seconds=QUARTER * int(quarters))


def _level(seen: "pd.DataFrame", zone: str) -> "pd.DataFrame":
    """The clock of IDs (as `_clock` takes it) without the lag of times that come twice and are read
    as of the second, where the zone's own clock shows them at the moments of the first.
    """

    def own(one) -> bool:
        ends = (at - _time(one.lag) for at in (one.sent_min, one.sent_max))
        return all(at.tz_convert(zone).utcoffset() == _time(one.ahead) for at in ends)

    hour = seen["lag"].between(1, 4)  # quarters: clocks are put back by no more
    level = [again and own(one) for again, one in zip(hour, seen.itertuples(), strict=True)]
    return seen.assign(lag=seen["lag"].mask(pd.Series(level, seen.index, bool), 0))


def _clock(seen: "pd.DataFrame") -> Clock | None:
    """The clock of IDs that are a moment (n of each lag and ahead): that of the stated zone where
    most agree with it, else another; None where IDs and times do not agree on any.
    """
    told, level = int(seen["n"].sum()), seen[seen["lag"] == 0]
    if told and (agreeing := int(level["n"].sum())) >= MOST * told:
        ahead = dict.fromkeys((level["ahead"].min(), level["ahead"].max()))
        return Clock(tuple(map(_time, ahead)), timedelta(), agreeing)
    counts = seen.groupby(["lag", "ahead"], as_index=False)["n"].sum()
    counts = counts.sort_values(["n", "lag"], ascending=[False, True]).head(8).to_dict("records")
    if not counts:
        return None
    # Of the zone stated and the one that is, each may have summer time: four pairs, an hour apart.
    most = counts[0]
    near = [c for c in counts if abs(c["lag"] - most["lag"]) <= 4 and c["n"] >= most["n"] / 100]
    agreeing = sum(c["n"] for c in near)
    if agreeing < MOST * told or len({c["ahead"] for c in near}) > 2:
        return None
    offsets = tuple(map(_time, sorted({c["ahead"] for c in near})))
    return Clock(offsets, _time(most["lag"]), agreeing)


def doubts(
    kind: str,
    sources: Sequence[Source],
    rejected: "pd.DataFrame",
    seen: Seen,
    timezone: str,
) -> Iterator[Doubt]:
    """What makes the numbers of an export less sure, as far as its rows as a whole tell."""
    files = _names(source.name for source in sources)
    lost = rejected[rejected.reason != HEADER_AGAIN]
    if n := len(lost):
        lines = {"files": _names(dict.fromkeys(lost.file)), "line": str(lost.iloc[0].line)}
        yield Doubt(f"rejected {kind}", REJECTED.get(kind, REJECTED["failed"]), lines | {"n": n}, n)
    files_zone = {"files": files, "zone": timezone}
    if seen.clock and seen.clock.shift:
        yield Doubt(
            "clock",
            "The message IDs in {files} show that its times are those of {clock}, not of"
            " {zone}: they are off by {shift} hours. State the zone with timezone.",
            files_zone
            | {
                "clock": str(seen.clock),
                "shift": utc_offset(seen.clock.shift).removeprefix("UTC"),
            },
            seen.clock.messages,
        )
    if seen.days:
        yield Doubt(
            "dates without a time",
            "The dates in {files} have no time of day, so a message may have been sent at any time"
            " of its day: waiting is counted from the end of the day, unless another file tells the"
            " time of the message. Export again, with times.",
            {"files": files},
            seen.rows,
        )
    if seen.skipped and not (seen.clock and seen.clock.shift):
        yield Doubt(
            "times that are none",
            n_(
                "{files}: {n} message carries a time that does not exist in {zone}, {first}:"
                " its clocks were put forward then. The times are of another zone, and all"
                " may be off; state it with timezone.",
                "{files}: {n} messages carry a time that does not exist in {zone}, the first"
                " {first}: its clocks were put forward then. The times are of another zone,"
                " and all may be off; state it with timezone.",
            ),
            files_zone | {"n": seen.skipped, "first": seen.first},
            seen.rows,
        )
    if seen.twice:
        yield Doubt(
            "times that come twice",
            n_(
                "{files}: {n} message is of an hour that comes twice in {zone}, when its"
                " clocks are put back; it is read as of the second, and may have been sent an"
                " hour earlier.",
                "{files}: {n} messages are of an hour that comes twice in {zone}, when its"
                " clocks are put back; they are read as of the second, and may have been sent"
                " an hour earlier.",
            ),
            files_zone | {"n": seen.twice},
            seen.twice,
        )
    if seen.rounded:
        yield Doubt(
            "rounded message IDs",
            "A spreadsheet cut the message IDs in {files} to 15 digits: {n} of them end in 0."
            " Messages cannot be compared by ID; export again, and do not open the file in a"
            " spreadsheet before.",
            {"files": files, "n": seen.rounded},
            seen.rounded,
        )


REJECTED = {
    "failed": n_(
        "{n} row of failed messages could not be read and is in none of the numbers: {files},"
        " line {line}. A report has it in data/rejected.csv.",
        "{n} rows of failed messages could not be read and are in none of the numbers:"
        " {files}, from line {line} on. A report lists them in data/rejected.csv.",
    ),
    "messages": n_(
        "{n} row of the messages export could not be read: {files}, line {line}. Its contact"
        " may have been reached without being counted as reached.",
        "{n} rows of the messages export could not be read: {files}, from line {line} on. Up"
        " to {n} contacts may have been reached without being counted as reached.",
    ),
    "contacts": n_(
        "{n} row of the contacts export could not be read: {files}, line {line}. The tags"
        " that its contact has already are not known, and an import would drop them.",
        "{n} rows of the contacts export could not be read: {files}, from line {line} on. The"
        " tags that up to {n} contacts have already are not known, and an import would drop"
        " them.",
    ),
}


def _names(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:3]) + (f" … ({len(every)})" if len(every) > 3 else "")


def rejected(exports: Sequence) -> "pd.DataFrame":
    """All rows of any input that could not be read: `as` (which export), file, line, reason."""
    frames = [e.rejected[["file", "line", "reason"]].assign(**{"as": e.kind}) for e in exports if e]
    columns = ["as", "file", "line", "reason"]
    return (
        pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
    )


def lost_ids(checked: "ibis.Table", source: Source) -> list[Doubt]:
    """Say how many IDs of messages a spreadsheet made useless."""
    n = int(checked.lost_id.sum().fill_null(0).execute()) if "lost_id" in checked.columns else 0
    lost = Doubt(
        "lost message IDs",
        n_(
            "{file}: a spreadsheet cut {n} message ID (as 1.68E+15). Its row counts, but this"
            " message cannot be compared with others by ID.",
            "{file}: a spreadsheet cut {n} message IDs (as 1.68E+15). Their rows count, but these"
            " messages cannot be compared with others by ID.",
        ),
        {"file": source.name, "n": n},
        n,
    )
    return [lost] if n else []


def nameless(source: Source) -> bool:
    """Whether a file has no message IDs, and its profile makes none."""
    return not source.fit and lacks(source, "message_id")


def lacks(source: Source, name: str) -> bool:
    """Whether a file has no column of a name of ours."""
    return name not in (source.columns or source.fitted.form.columns)


def twice(
    engine: Engine, table: "ibis.Table", sources: Sequence[Source]
) -> "tuple[ibis.Table, list[Doubt]]":
    """Add `again` to messages, where a row without message ID is as one of another file in all that
    both files tell: the same message, once more, as files hold it whose days overlap. Of rows that
    are alike in a file each is a message of its own. Without times nothing tells what is the same.
    """
    told = set.intersection(*({*source.columns} for source in sources if not source.fit))
    alike = [name for name in table.columns if name in told - {"message_id"}]
    rows = table.mutate(
        nth=ibis.row_number().over(group_by=[*alike, "source_file"], order_by=table.row_id)
    )
    named_first = [rows.message_id.isnull(), rows.row_id]
    place = ibis.row_number().over(group_by=[*alike, "nth"], order_by=named_first)
    rows = engine.keep(rows.mutate(again=rows.message_id.isnull() & (place > 0)).drop("nth"))
    n, files = int(rows.again.sum().execute()), _names(source.name for source in sources)
    once = "sent_at" in told
    doubts = [Doubt("alike", ALIKE[once], {"files": files, "n": n}, n)] if n else []
    return rows if once else table, doubts


ALIKE = {
    True: n_(
        "{files}: {n} row without message ID is in another file, too, the same in every column: it"
        " counts once, as one message. Export with message IDs to be sure.",
        "{files}: {n} rows without message IDs are in another file, too, the same in every column:"
        " they count once, as one message each. Export with message IDs to be sure.",
    ),
    False: n_(
        "{files}: {n} row without message ID and time is as one of another file, and may be the"
        " same message; it counts twice. Export with message IDs or times.",
        "{files}: {n} rows without message IDs and times are as those of another file, and may be"
        " the same messages; they count twice. Export with message IDs or times.",
    ),
}


def under_way(sources: Sequence[Source], n: int) -> Doubt:
    """Say that some messages have neither failed nor arrived."""
    return Doubt(
        "under way",
        n_(
            "{files}: {n} message was handed on, and nothing tells whether it arrived; it counts"
            " neither as delivered nor as failed. Export again later.",
            "{files}: {n} messages were handed on, and nothing tells whether they arrived; they"
            " count neither as delivered nor as failed. Export again later.",
        ),
        {"files": _names([source.name for source in sources]), "n": n},
        n,
    )


def shown(cell: str) -> str:
    """A cell of a column of dates as it may be shown: what is no word or number of a date could be
    a person's, and is left out.

    >>> shown("31-Feb-2022 25:00"), shown("3 févr. 2022 9:00"), shown("Ana 5"), shown("+52 55 1234")
    ('31-Feb-2022 25:00', '3 févr. 2022 9:00', '…', '…')
    """
    words = PART.findall(cell)
    strange = [w for w in words if not SPELT.fullmatch(w.lower())]
    spelt = not strange or (CLOCK.search(cell) and all(w == w.lower() for w in strange))
    masked = mask(DATED.sub("", cell))
    return cell[:CELL] if spelt and "‹" not in masked and len(words) < 8 else "…"


def dates_refused(source: Source, bad: "pd.DataFrame") -> tuple[tuple | None, list[Doubt]]:
    """The line and cell of the first date that is none, and what to say of all such rows."""
    if "said" not in bad or not len(none := bad[bad.problem == NO_DATE]):
        return None, []
    first = int(none.line.iloc[0]), shown(str(none.said.iloc[0] or ""))
    return first, [
        Doubt(
            "dates",
            n_(
                "{file}: {n} date cannot be read, on line {line}: '{cell}'. A date is read in"
                " forms such as {forms}; for another, give a pattern with date_format.",
                "{file}: {n} dates cannot be read, the first on line {line}: '{cell}'. A date is"
                " read in forms such as {forms}; for another, give a pattern with date_format.",
            ),
            {
                "file": source.name,
                "line": str(first[0]),
                "cell": first[1],
                "n": len(none),
                "forms": dates.FORMS,
            },
            len(none),
        )
    ]


def rewritten(seen: "pd.DataFrame") -> bool:
    """Whether the dates after the 12th of a month are in figures such as 13/01/2022, and none up to
    the 12th is written as they are: then a spreadsheet took those for its own.

    seen has how dates are written (`shape`), and whether they are `late`, as `dates.read` tells.
    """
    parts = seen["shape"].str.partition("|")
    late = seen["late"].astype(bool)
    if not late.any() or not parts[1][late].all():
        return False
    for form in {*parts[0][late]} & {*parts[0][~late]}:
        early, later = ({*parts[2][(parts[0] == form) & side]} for side in (~late, late))
        # Nobody fills up the month of some days only.
        if len(early - {""}) != 1 or len(later - {""}) != 1 or early & later - {""}:
            return False
    return True


def written(file: str, seen: "pd.DataFrame", date_format: str) -> list[Doubt]:
    """Say what the forms of a file's dates leave open; seen and date_format as `turned` takes
    them.
    """
    return turned(file, seen, date_format) + dotted(file, seen)


def turned(file: str, seen: "pd.DataFrame", date_format: str) -> list[Doubt]:
    """Say where a spreadsheet seems to have turned day and month; seen as `rewritten` takes it,
    with the number of rows (`n`), unless date_format has settled it.
    """
    early, late = (seen[seen["late"].astype(bool) == side] for side in (False, True))
    if early.empty or not rewritten(seen):
        return []
    figures = early["shape"].str.contains("|", regex=False).all()
    if dates.date_order(date_format) if figures else dates.turned(date_format):
        return []
    way = late["shape"].iloc[0][:3] if figures else "%Y-%d-%m"
    return [
        Doubt(
            "turned dates",
            n_(
                "{file}: {n} date up to the 12th of a month is written in another form than later"
                " ones ({others}), as by a spreadsheet that takes the day for the month: day and"
                " month may be turned in it. Export again, and do not open the file in a"
                " spreadsheet before; or say with date_format how dates are to be read: {way}.",
                "{file}: {n} dates up to the 12th of a month are written in another form than the"
                " {others} later ones, as by a spreadsheet that takes the day for the month: day"
                " and month may be turned in them. Export again, and do not open the file in a"
                " spreadsheet before; or say with date_format how they are to be read: {way}.",
            ),
            {"file": file, "n": int(early["n"].sum()), "others": int(late["n"].sum()), "way": way},
            int(early["n"].sum()),
        )
    ]


def dotted(file: str, seen: "pd.DataFrame") -> list[Doubt]:
    """Say how dates with dots were read, where only a custom or other dates tell it; seen as
    `turned` takes it.
    """
    some = seen[seen["shape"].str.contains(DOTS)]
    if some.empty:
        return []
    form, n = dates.ORDERS[some["shape"].iloc[0][:3]].replace("/", "."), int(some["n"].sum())
    return [
        Doubt(
            "dotted dates",
            n_(
                "{file}: {n} date is written with dots and read as {form}; day first is the"
                " custom there. If it is the other way round, say so with date_format: DMY (day"
                " first) or MDY (month first).",
                "{file}: {n} dates are written with dots and read as {form}; day first is the"
                " custom there. If it is the other way round, say so with date_format: DMY (day"
                " first) or MDY (month first).",
            ),
            {"file": file, "n": n, "form": form},
        )
    ]


def lacking(source: Source, frame: "pd.DataFrame", good: int) -> list[Doubt]:
    """Say what a whole file lacks, by its rejected rows (frame) and the number of its good ones:
    its end, or more lines, in no row, than it has good rows.
    """
    lines = int((frame.text.str.rstrip("\n").str.count("\n") + 1).sum())
    riddled = Doubt(
        "badly damaged",
        "{file}: {n} lines are in no row that can be read, more than it has good rows ({good}):"
        " it is damaged, or holds more than an export. Export it again.",
        {"file": source.name, "n": lines, "good": good},
        ALL,
    )
    return _ends_early(source, frame) + [riddled] * (lines > max(good, RIDDLED))


def _ends_early(source: Source, frame: "pd.DataFrame") -> list[Doubt]:
    """Say so where a file ends in the middle of a row, as a download does that was cut off."""
    if not len(frame) or (last := frame.iloc[-1]).reason not in CUT:
        return []
    with source.path.open("rb") as file:
        lines, end = 0, b""
        while block := file.read(2**22):
            lines, end = lines + block.count(b"\n"), block
    ended = end.endswith((b"\n", b"\r"))
    whole = ended and last.text.count('"') % 2 == 0
    if whole or last.line + last.text.rstrip("\n").count("\n") < lines + (not ended):
        return []
    return [
        Doubt(
            "cut off",
            "{file} ends in the middle of a row, on line {line}: the download was cut off, and all"
            " that follows is missing. Download it again.",
            {"file": source.name, "line": str(last.line)},
            ALL,
        )
    ]
