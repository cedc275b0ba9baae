"""What the world's files hold: each input after a public report or an attack, with the right
answer.
"""

import csv
import re
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from conftest import HEADER, ROOT, few_first, opened, row
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import DateError, InputError, ParameterError, RebroadcastError
from rebroadcast.common.masking import mask
from rebroadcast.errors.classify import classify
from rebroadcast.reading import checks, dates, exports
from rebroadcast.verbs import assess, recover, summarise

CASES, FAULTS = (ROOT / "tests" / "data" / name for name in ("cases", "faults"))


def read(engine, path, kind="failed", **options):
    return exports.read(engine, str(path), kind, **options)


def kinds(export):
    return {doubt.kind for doubt in export.doubts}


def times(export):
    frame = export.table.order_by("row").execute()
    return [str(at)[:19] for at in frame.sent_at]


# ---- dates
DATES = {
    "connectly_us": ["2024-05-10 20:13:50", "2024-05-10 20:13:51"],
    "date_only": ["2022-11-25 00:00:00", "2022-11-26 00:00:00"],
    "epoch_ms": ["2022-11-25 09:34:10", "2022-11-25 09:34:11"],
    "epoch_s": ["2022-11-25 09:34:10", "2022-11-25 09:34:11"],
    "excel_de": ["2022-01-11 15:00:00", "2022-01-13 15:01:00"],
    "excel_mac_us_2digit": ["2022-01-11 15:00:00", "2022-01-13 15:01:00"],
    "excel_serial": ["2022-01-11 15:00:17", "2022-01-12 15:00:17"],
    "excel_us_noseconds": ["2022-01-11 15:00:00", "2022-01-13 15:01:00"],
    "gupshup_slash_ymd": ["2022-11-25 10:00:00", "2022-11-26 10:00:00"],
    "india_dd_mon": ["2022-11-25 10:00:00", "2022-11-26 10:00:00"],
    "js_locale_es_es": ["2026-11-23 15:04:05", "2026-11-24 09:04:05"],
    "js_locale_es_mx": ["2026-11-23 15:04:05", "2026-11-24 09:04:05"],
    "js_locale_us": ["2026-11-23 15:04:05", "2026-11-24 09:04:05"],
    "kaleyra_ms_z": ["2022-11-25 08:34:10", "2022-11-26 08:34:10"],
    "month_name": ["2022-11-25 10:00:00", "2022-11-26 10:00:00"],
    "offset_space": ["2025-09-23 15:49:04", "2025-09-24 15:49:04"],
    "pm_nbsp": ["2022-01-13 15:00:00", "2022-01-14 15:00:00"],
    "rfc2822": ["2026-11-03 12:00:00", "2026-11-04 09:00:00"],
    "with_tz_word": ["2021-03-18 14:46:27", "2021-03-19 14:46:27"],
    "z_es_mx_pm_2nbsp": ["2022-01-13 15:04:05", "2022-01-14 09:04:05"],
    "z_es_mx_pm_nbsp": ["2022-01-13 15:04:05", "2022-01-14 09:04:05"],
    "z_es_mx_pm_plain": ["2022-01-13 15:04:05", "2022-01-14 09:04:05"],
    "z_iso_nbsp": ["2022-01-13 15:04:05", "2022-01-13 15:04:06"],
    "z_mixed_am_half": ["2022-01-13 15:04:05", "2022-01-13 15:04:05"],
}
FORMS = {  # in Mexico City, six hours behind UTC in winter
    "23 de noviembre de 2026, 15:04:05": "2026-11-23 21:04:05",
    "lunes, 23 de noviembre de 2026 a las 3:04 p.\u00a0m.": "2026-11-23 21:04:00",
    "mar, 03 nov 2026 12:00": "2026-11-03 18:00:00",
    "mar 5, 2024 12:00": "2024-03-05 18:00:00",
    "November 23, 2026 at 3:04:05\u202fPM": "2026-11-23 21:04:05",
    "Fri Nov 25 10:00:00 2022": "2022-11-25 16:00:00",
    "Fri Nov 25 2022 10:00:00 GMT-0600 (hora estándar central)": "2022-11-25 16:00:00",
    "25/Nov/2022:10:00:00 +0000": "2022-11-25 10:00:00",
    "2022-11-25T10:00:00.1234567+01:00": "2022-11-25 09:00:00",
    "2022-11-25T10:00+01:00[Europe/Madrid]": "2022-11-25 09:00:00",
    "20221125T100000Z": "2022-11-25 10:00:00",
    "1669368850123456": "2022-11-25 09:34:10",
    "44572,5": "2022-01-11 18:00:00",
    "25.11.2022 15.04": "2022-11-25 21:04:00",
    "15:04 25/11/2022": "2022-11-25 21:04:00",
    "12/12/2022 12:30 AM": "2022-12-12 06:30:00",
    "\u200e25/\u200e11/\u200e2022 \u200f15:04": "2022-11-25 21:04:00",
    "'2022-11-25 10:00": "2022-11-25 16:00:00",
    "2022-11-25 10:00:05 \u221206:00": "2022-11-25 16:00:05",
    "25/11/2022 à 10:00": "2022-11-25 16:00:00",
    "25/11/2022 às 10:00:05": "2022-11-25 16:00:05",
    "25-nov.-2022 10:00 P.M.": "2022-11-26 04:00:00",
    "2022-11-25 24:00:00": "2022-11-26 06:00:00",
    "Fri Nov 25 10:00:00 UTC 2022": "2022-11-25 10:00:00",
    # Portuguese
    "23 de novembro de 2026 às 15:04:05": "2026-11-23 21:04:05",
    "seg., 23 de fev. de 2026, 15:04": "2026-02-23 21:04:00",
    "terça-feira, 3 de março de 2026 às 15:04": "2026-03-03 21:04:00",
    "Sábado, 5 de Setembro de 2026 as 10:00": "2026-09-05 16:00:00",
    "5 de set. de 2026 10:00": "2026-09-05 16:00:00",
    "12-out-2026 10:00": "2026-10-12 16:00:00",
    "1º de maio de 2026 10h05": "2026-05-01 16:05:00",
    "25/dez/26 10:00": "2026-12-25 16:00:00",
    "03 mai 2026 10h05min": "2026-05-03 16:05:00",
    "2 de JUNHO de 2026": "2026-06-02 06:00:00",
    # French
    "mar. 3 mars 2026 15:04": "2026-03-03 21:04:00",
    "lundi 23 février 2026 à 15:04": "2026-02-23 21:04:00",
    "23 fevr. 2026, 15:04": "2026-02-23 21:04:00",
    "1er août 2026 10 h 05": "2026-08-01 16:05:00",
    "14 juil. 2026 à 10:00:05": "2026-07-14 16:00:05",
    "mardi 9 juin 2026 10:00": "2026-06-09 16:00:00",
    "2 déc. 2026 10h05": "2026-12-02 16:05:00",
    "5 avr. 2026 10:00 PM": "2026-04-06 04:00:00",
    "janv. 5 2026 10:00": "2026-01-05 16:00:00",
    # German, Italian and Dutch
    "Mo., 2. März 2026, 15:04 Uhr": "2026-03-02 21:04:00",
    "3. Mai 2026 um 15:04": "2026-05-03 21:04:00",
    "12-Okt-26 10:00": "2026-10-12 16:00:00",
    "Dienstag, 1. Dez. 2026 10:00": "2026-12-01 16:00:00",
    "02-Mrz-2026 10:00": "2026-03-02 16:00:00",
    "lun 3 gen 2026, 10:00": "2026-01-03 16:00:00",
    "giovedì 9 luglio 2026 alle ore 10:00": "2026-07-09 16:00:00",
    "3 mrt 2026 10:00": "2026-03-03 16:00:00",
}
PATTERNS = {
    "kl %H:%M den %d. %b %Y": {"kl 15:04 den 3. nov 2022": "2022-11-03 15:04:00"},
    "%Y-%d-%m %H:%M:%S": {
        "2022-13-01 10:00:00": "2022-01-13 10:00:00",
        "2022-05-01 10:00:00": "2022-01-05 10:00:00",
    },
    "%d-%m-%Y %I.%M %p": {"03-04-2022 3.15 PM": "2022-04-03 15:15:00"},
    "%y/%m/%d %H:%M": {"11/12/22 10:00": "2011-12-22 10:00:00"},
    "%d/%m/%Y": {"03/04/2022 10:00": "2022-04-03 10:00:00", "3/4/2022": "2022-04-03 00:00:00"},
    "%d-%b-%y": {"25-Nov-22": "2022-11-25 00:00:00"},
    "%y-%m-%d %H:%M": {"22-11-13 10:00": "2022-11-13 10:00:00"},
}
NONE = [
    "2022-11-25 10:00 +25:00",
    "2022-11-25 10:00 CST",
    "13/11/2022 15:00 a. m.",
    "00:08.7",
    "9999-12-31 23:59:59",
    "1901-12-13 20:45:51",
    "2038-01-19 03:14:08",
    "25-Foo-2022",
    "3 jui 2026 10:00",
    "3 ma 2026 10:00",
    "from 3 mai 2026 10:00",
    "31/02/2022 10:00",
    "166936885",
    "25/11/2565 10:00:00",
    "2022/11/25 下午3:04:05",
    "2022. 11. 25. 오후 3:04:05",
    "1.66936E+12",
    "2022-W47-5 10:00:00",
    "2022011315",
]


MONTH_FIRST = {"excel_mac_us_2digit", "excel_us_noseconds", "js_locale_us", "pm_nbsp"}


@pytest.mark.parametrize(
    "names",
    [["excel_de"], ["z_mixed_am_half"], MONTH_FIRST, DATES.keys() - MONTH_FIRST],
    ids=lambda names: min(names),
)
def test_dates_after_a_save_or_from_a_web_page(engine, write, names):
    """The rows of files that put day and month in the same order, as one file."""
    files = [
        list(csv.reader((CASES / f"c08_date_{name}.csv").open("r", encoding="utf-8", newline="")))
        for name in sorted(names)
    ]
    export = read(engine, write([cells for _, *rows in files for cells in rows]))
    assert times(export) == [at for name in sorted(names) for at in DATES[name]]
    assert not len(export.rejected)


def test_other_dates_that_can_be_read_in_one_way(engine, write):
    rows = [row(str(n), str(n), at=text) for n, text in enumerate(FORMS)]
    export = read(engine, write(rows), timezone="America/Mexico_City")
    assert dict(zip(FORMS, times(export), strict=True)) == FORMS


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_settles_any_date(engine, write, pattern):
    rows = [row(str(n), str(n), at=text) for n, text in enumerate(PATTERNS[pattern])]
    found = times(read(engine, write(rows), date_format=pattern))
    assert found == list(PATTERNS[pattern].values())


def test_what_is_no_date_is_refused_with_cell_line_and_forms(engine, write):
    rows = [row(str(n), str(n), at=text) for n, text in enumerate(NONE)]
    with pytest.raises(DateError) as error:
        read(engine, write(rows))
    for part in ("line 2", NONE[0], "31/01/2022", "%d/%m/%Y", "date_format"):
        assert part in str(error.value)
    export = read(engine, write([row(), *rows]))
    assert export.rows == 1 and "dates" in kinds(export)
    assert set(export.rejected.reason) == {checks.NO_DATE} and len(export.rejected) == len(NONE)


TEXT = ("13/01/2022 15:00:00", "31/01/2022 09:10:00")
US = ("01/13/2022 15:00:00", "01/31/2022 09:10:00")
REWRITTEN = {  # what a spreadsheet made of dates up to the 12th, and what it left; the way on
    "ISO": (("2022-01-11 15:00:00", "2022-02-01 10:00:00"), TEXT, "%Y-%d-%m"),
    "ISO without seconds": (("2022-01-11 15:00", "2022-02-01 10:00"), TEXT, "%Y-%d-%m"),
    "days alone": (("2022-01-11", "2022-12-12"), TEXT, "%Y-%d-%m"),
    "months by name": (("1-Feb-22 10:00", "11-Jan-22 15:00"), TEXT, "%Y-%d-%m"),
    "serials": (("44572.625", "44593.4"), TEXT, "%Y-%d-%m"),
    "no seconds": (("1/11/22 15:00", "1/2/22 9:00"), TEXT, "DMY"),
    "zeros gone": (("1/2/2022 15:00:00", "1/12/2022 9:00:00"), TEXT, "DMY"),
    "other signs": (("01.02.2022 15:00:00", "01.12.2022 09:00:00"), TEXT, "DMY"),
    "a clock of 12 hours": (("1/2/2022 15:00",), ("13/01/2022 3:00:00 p. m.",), "DMY"),
    "from the United States": (("2022-01-11 15:00:00", "2022-02-01 10:00:00"), US, "%Y-%d-%m"),
    "zeros come": (("01/02/2022 10:00", "01/12/2022 10:00"), ("13/1/2022 10:00",), "DMY"),
}
CONSISTENT = {  # dates of one program, or that no spreadsheet turned
    "ISO up to the 12th": ("2022-01-11 15:00:00", "2022-02-01 10:00:00"),
    "ISO": ("2022-01-11 15:00:00", "2022-02-21 10:00:00"),
    "day first": ("11/01/2022 15:00:00", "02/01/2022 09:00:00", *TEXT),
    "no zeros": ("1/2/2022 15:00", "11/12/2022 9:00", "13/1/2022 9:00", "30/11/2022 9:00"),
    "zeros of months alone": ("1/02/2022 15:00", "9/12/2022 9:00", "13/01/2022 9:00"),
    "months of two figures": ("1/11/2022 15:00", "9/12/2022 9:00", "13/12/2022 9:00"),
    "both halves of the day": ("1/02/2022 3:00 a. m.", "13/02/2022 3:00 PM", "14/2/2022 3:00 pm"),
    "serials": ("44572.625", "44593.4"),
    "two exports in one file": ("2022-01-11 15:00:00", "2022-01-31 15:00:00", *TEXT),
    "instants": ("2022-01-11T15:00:00Z", "2022-02-01T15:00:00Z", *TEXT),
}


def dated(cells):
    return [row(str(10 + n), str(n), at=cell) for n, cell in enumerate(cells)]


# Of a CSV file, dates that are written as the platform does are read on a way of their own.
PLAIN = {"ISO", "ISO without seconds", "days alone", "from the United States"}
PLAIN |= {"ISO up to the 12th", "two exports in one file", "instants"}


def saved(tmp_path, forms):
    """Parquet files of texts, one for each form; a pattern for all of them."""
    for name, cells in forms.items():
        table = pyarrow.table(dict(zip(HEADER, zip(*dated(cells), strict=True), strict=True)))
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path / "*.parquet"


def is_told(doubt, how):
    own, left, way = REWRITTEN[how]
    assert doubt.kind == "turned dates" and doubt.weight == len(own)
    told = {name: doubt.values[name] for name in ("n", "others", "way")}
    assert told == {"n": len(own), "others": len(left), "way": way}


@pytest.mark.parametrize("how", sorted(REWRITTEN.keys() & PLAIN))
def test_day_and_month_that_a_spreadsheet_may_have_turned_are_told(engine, write, how):
    own, left, _ = REWRITTEN[how]
    path = write(dated([*left, *own]))
    [doubt] = read(engine, path).doubts
    is_told(doubt, how)
    assert path.name in doubt.text() and "Export again" in doubt.text()


def test_turned_dates_in_any_form_are_told_of_each_file(engine, tmp_path):
    forms = {how: [*left, *own] for how, (own, left, _) in REWRITTEN.items() if how not in PLAIN}
    doubts = {doubt.values["file"]: doubt for doubt in read(engine, saved(tmp_path, forms)).doubts}
    assert doubts.keys() == {f"{how}.parquet" for how in forms}
    for how in forms:
        is_told(doubts[f"{how}.parquet"], how)


@pytest.mark.parametrize(("way", "order"), [("%Y-%d-%m", TEXT), ("%Y-%d-%m", US), ("DMY", None)])
def test_the_way_that_is_told_settles_turned_dates(engine, write, way, order):
    files = [[*left, *own] for own, left, on in REWRITTEN.values() if on == way]
    cells = [cell for file in files if not order or order[0] in file for cell in file]
    settled = read(engine, write(dated(cells)), date_format=way)
    assert not settled.doubts and settled.rows == len(cells)


def test_turned_dates_are_turned_back_by_a_pattern_whatever_their_clock(engine, write):
    cells = ["2022-02-01 10:00", "2022-11-01", "44572.5", "13/01/2022 15:00:00"]
    right = ["01-02 10:00", "01-11 00:00", "11-01 12:00", "01-13 15:00"]
    export = read(engine, write(dated(cells)), date_format="%Y-%d-%m")
    assert [at[5:16] for at in times(export)] == right


@pytest.mark.parametrize("how", sorted(CONSISTENT.keys() & PLAIN))
def test_dates_in_one_form_are_no_turned_ones(engine, write, how):
    assert not kinds(read(engine, write(dated(CONSISTENT[how]))))


def test_dates_of_one_program_are_no_turned_ones_in_any_form(engine, tmp_path):
    forms = {how: cells for how, cells in CONSISTENT.items() if how not in PLAIN}
    export = read(engine, saved(tmp_path, forms))
    assert not kinds(export) and export.rows == sum(map(len, forms.values()))


def test_turned_dates_are_told_of_each_file_and_of_workbooks_and_parquet(engine, write, tmp_path):
    own, left, _ = REWRITTEN["ISO"]
    write(dated(own), "a.csv")
    write([row(at=cell) for cell in left], "b.csv")
    assert not kinds(read(engine, tmp_path / "?.csv"))  # each of one form
    book = openpyxl.Workbook()
    for cells in [HEADER, *dated([*own, *left])]:
        book.active.append(cells)
    for line in (2, 3):
        book.active.cell(line, 1).value = datetime.fromisoformat(own[line - 2])
    book.save(tmp_path / "saved.xlsx")
    assert kinds(read(engine, tmp_path / "saved.xlsx")) == {"turned dates"}
    [doubt] = read(
        engine, saved(tmp_path, {"one": own, "two": left, "three": [*own, *left]})
    ).doubts
    assert doubt.values["file"] == "three.parquet" and doubt.values["n"] == len(own)


DOTTED = {  # dates with dots, what they are in UTC, and how they are said to be read
    "German": (
        {"11.01.2022": "2022-01-11 00:00", "02.12.2022": "2022-12-02 00:00"},
        "DD.MM.YYYY",
    ),
    "Russian, of a web page": ({"11.01.2022, 15:04:05": "2022-01-11 15:04"}, "DD.MM.YYYY"),
    "Polish, two figures of a year": ({"1.02.22 9:05": "2022-02-01 09:05"}, "DD.MM.YYYY"),
    "Finnish": ({"3.4.2022 klo 9.05": "2022-04-03 09:05"}, "DD.MM.YYYY"),
    "German, with its word": ({"03.04.2022 15:04 Uhr": "2022-04-03 15:04"}, "DD.MM.YYYY"),
    "Czech": ({"3. 4. 2022 15:04:05": "2022-04-03 15:04"}, "DD.MM.YYYY"),
    "Croatian": ({"03. 04. 2022. 15:04:05": "2022-04-03 15:04"}, "DD.MM.YYYY"),
    "an offset": ({"03.04.2022 15:04:05 +02:00": "2022-04-03 13:04"}, "DD.MM.YYYY"),
    "settled by a later day": (
        {"11.01.2022 15:00": "2022-01-11 15:00", "13.01.2022 15:00": "2022-01-13 15:00"},
        None,
    ),
    "beside slashes that settle it": (
        {"11.01.2022 15:00": "2022-01-11 15:00", "13/01/2022 15:00": "2022-01-13 15:00"},
        None,
    ),
    "the same either way": ({"05.05.2022 10:00": "2022-05-05 10:00"}, None),
    "year first": ({"2022.01.11 10:00": "2022-01-11 10:00"}, None),
    "year first, Hungarian": ({"2022. 01. 11. 15:04:05": "2022-01-11 15:04"}, None),
    "month first, which only other values show": (
        {"01.13.2022 15:00": "2022-01-13 15:00", "02.01.2022 15:00": "2022-02-01 15:00"},
        "MM.DD.YYYY",
    ),
}


ALONE = {"settled by a later day", "beside slashes that settle it"}
ALONE |= {"month first, which only other values show"}


@pytest.mark.parametrize(
    ("hows", "said"),
    [
        *(({how}, DOTTED[how][1]) for how in sorted(ALONE)),
        ({how for how in DOTTED if DOTTED[how][1] == "DD.MM.YYYY"}, "DD.MM.YYYY"),
        ({how for how in DOTTED.keys() - ALONE if not DOTTED[how][1]}, None),
    ],
    ids=lambda one: min(one) if isinstance(one, set) else str(one),
)
def test_dates_with_dots_are_day_first_and_said_to_be(engine, write, hows, said):
    right = [pair for how in sorted(hows) for pair in DOTTED[how][0].items()]
    path = write(dated(cell for cell, _ in right))
    export = read(engine, path)
    assert [at[:16] for at in times(export)] == [at for _, at in right]
    assert not len(export.rejected)
    told = [(d.values["form"], d.values["n"]) for d in export.doubts if d.kind == "dotted dates"]
    assert told == ([(said, len(right))] if said else [])
    for order in ("DMY", "%d.%m.%Y", "MDY") if said == "DD.MM.YYYY" else ():
        assert "dotted dates" not in kinds(read(engine, path, date_format=order))


def test_dates_with_dots_beside_slashes_that_fit_either_way_are_asked_about(engine, write):
    with pytest.raises(DateError, match="two ways"):
        read(engine, write(dated(["11.01.2022 15:00", "11/01/2022 15:00"])))
    with pytest.raises(DateError, match="mixes"):
        read(engine, write(dated(["13.01.2022 15:00", "01.13.2022 15:00"])))


@pytest.mark.parametrize(
    "cell",
    [
        "Ana Pérez",
        "+52 55 1234 5678",
        "ana@example.org",
        "Luz 5",
        "Samuel 5",
        "Teresa Monica 3/4/2022",
    ],
)
def test_a_cell_that_is_no_date_but_a_person_is_not_shown(cell):
    assert checks.shown(cell) == "…"


@pytest.mark.parametrize("text", ["03/04/2022 10:00", "3/4/22 10:00", "22-11-13 10:00"])
def test_a_date_that_can_be_read_in_two_ways_is_asked_about(engine, write, text):
    with pytest.raises(DateError, match="two ways"):
        read(engine, write([row(at=text)]))


def test_patterns_that_cannot_be_are_refused():
    for pattern in ("%d/%m", "%d/%m/%Y %Q", "%d/%d/%Y", "whatever"):
        with pytest.raises(DateError, match="date_format"):
            dates.date_order(pattern)


# ---- message IDs, and the clock that they show
def moments(zone_hours, n=8, start=1_668_000_000):
    """Rows whose IDs are the time in microseconds, and whose wall clock is that of a zone."""
    from datetime import UTC, datetime, timedelta

    rows = []
    for i in range(n):
        second = start + 97 * i
        wall = datetime.fromtimestamp(second, UTC) + timedelta(hours=zone_hours)
        rows.append(row(str(100 + i), f"{second}{123457 + 10103 * i}", at=f"{wall:%F %T}"))
    return rows


@pytest.mark.parametrize(
    ("hours", "zone", "clock", "off"),
    [
        (-6, "America/Mexico_City", "UTC-06:00", None),
        (-6, "UTC", "UTC-06:00", "-06:00"),
        (5.5, "Asia/Kolkata", "UTC+05:30", None),
        (5.75, "Asia/Kolkata", "UTC+05:45", "+00:15"),
        (-3, "America/Mexico_City", "UTC-03:00", "+03:00"),
    ],
)
def test_message_ids_tell_the_zone_of_the_clock(engine, write, hours, zone, clock, off):
    export = read(engine, write(moments(hours)), timezone=zone)
    assert str(export.clock) == clock and export.clock.messages == 8
    [said] = [d for d in export.doubts if d.kind == "clock"] or [None]
    assert (said and said.values["shift"]) == off and (not said or zone in said.text())


def test_a_clock_with_summer_time_has_two_offsets(engine, write):
    rows = moments(-6) + moments(-5, start=1_658_000_000)
    export = read(engine, write(rows), timezone="America/Mexico_City")
    assert str(export.clock) == "UTC-06:00, UTC-05:00" and "clock" not in kinds(export)


@pytest.mark.parametrize(
    ("form", "days"), [("%F", True), ("%d %b %Y", True), ("%F 00:00", True), ("%F %H:%M", False)]
)
def test_dates_without_a_time_tell_no_zone(engine, write, form, days):
    from datetime import datetime

    rows = [[f"{datetime.fromisoformat(cells[0]):{form}}", *cells[1:]] for cells in moments(-6)]
    export = read(engine, write(rows))
    assert export.days == days == ("dates without a time" in kinds(export))
    assert ("clock" in kinds(export)) == (export.clock is not None) == (not days)
    if days:
        assert f"{export.span[1]:%H:%M:%S}" == "23:59:59"


SPRING = ["2026-03-28 12:00:00", "2026-03-29 01:59:59", "2026-03-29 03:00:00", "2026-04-01 09:00"]
AUTUMN = ["2026-10-24 12:00:00", "2026-10-25 03:00:00", "2026-10-26 09:00:00"]
HOURS = {  # a zone, times, how many of them do not exist there, and how many come twice
    "put forward": ("Europe/Madrid", [*SPRING, "2026-03-29 02:30:00", "2026-03-29 02:00:00"], 2, 0),
    "nothing before": ("Europe/Madrid", ["2026-03-29 02:10:00", "2026-03-29 02:11:00"], 2, 0),
    "nothing before, put back": ("Europe/Madrid", ["2026-10-25 02:10:00"], 0, 1),
    "written otherwise": (
        "Europe/Madrid",
        [*SPRING, "29 mars 2026 à 2h05", "29/3/2026 2:59"],
        2,
        0,
    ),
    "none in it": ("Europe/Madrid", SPRING, 0, 0),
    "not on the clock of another zone": ("UTC", [*SPRING, "2026-03-29 02:30:00"], 0, 0),
    "with its offset": ("Europe/Madrid", [*SPRING, "2026-03-29 02:30:00 +00:00"], 0, 0),
    "put back": ("Europe/Madrid", [*AUTUMN, "2026-10-25 02:00:00", "2026-10-25 02:59:59"], 0, 2),
    "half an hour": (
        "Australia/Lord_Howe",
        ["2026-10-04 01:00", "2026-10-04 02:29", "2026-10-04 02:30"],
        1,
        0,
    ),
    "a day alone is no midnight": (
        "America/Santiago",
        ["2026-09-05", "2026-09-06", "2026-09-07"],
        0,
        0,
    ),
    "after midnight": (
        "America/Santiago",
        ["2026-09-05 10:00", "2026-09-06 00:00:01", "2026-09-07 10:00"],
        1,
        0,
    ),
}


@pytest.mark.parametrize("how", HOURS)
def test_times_that_clocks_skip_or_repeat_are_told(engine, write, how):
    zone, cells, skipped, twice = HOURS[how]
    path = write([row(str(10 + n), "", at=cell) for n, cell in enumerate(cells)])
    export = read(engine, path, timezone=zone)
    told = {d.kind: d for d in export.doubts}
    counts = [
        told[k].values["n"] if k in told else 0
        for k in ("times that are none", "times that come twice")
    ]
    assert counts == [skipped, twice] and not len(export.rejected)
    if skipped:
        said = told["times that are none"]
        assert said.weight == export.rows and zone in said.text() and path.name in said.text()


def test_times_that_clocks_skip_are_told_of_parquet_and_of_other_vendors_files(engine, tmp_path):
    cells = [*SPRING, "2026-03-29 02:30:00"]
    table = pyarrow.table(dict(zip(HEADER, zip(*dated(cells), strict=True), strict=True)))
    pyarrow.parquet.write_table(table, tmp_path / "failed.parquet")
    wati = "customer_external_id,sent_at,error_code,delivered_at\n"
    rows = "".join(f"+4477009001{n:02},{at},131026,\n" for n, at in enumerate(cells))
    (tmp_path / "log.csv").write_text(wati + rows)
    for name in ("failed.parquet", "log.csv"):
        export = read(engine, tmp_path / name, timezone="Europe/Madrid")
        [said] = [d for d in export.doubts if d.kind == "times that are none"]
        assert said.values["n"] == 1 and said.values["first"] == "2026-03-29 02:30:00"


@pytest.mark.parametrize(
    ("zone", "put_back", "off"),
    [
        ("America/New_York", 1_793_512_800, None),  # 1 Nov 2026, 06:00 UTC: from 02:00 to 01:00
        ("Europe/Madrid", 1_792_890_000, None),
        ("Australia/Lord_Howe", 1_806_764_400, None),  # by half an hour
        ("America/Bogota", 1_793_512_800, "-05:00"),
    ],
)
def test_the_night_on_which_clocks_are_put_back_is_that_of_its_own_zone(
    engine, write, zone, put_back, off
):
    rows = []
    for n in range(40):
        second = put_back - 1750 + 50 * n  # most of the first of two hours, and some of the second
        wall = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(zone))
        rows.append(row(str(100 + n), f"{second}{123457 + 10103 * n}", at=f"{wall:%F %T}"))
    export = read(engine, write(rows), timezone="UTC" if off else zone)
    [said] = [d for d in export.doubts if d.kind == "clock"] or [None]
    assert (said and said.values["shift"]) == off
    assert not export.clock.shift or off


def test_ids_that_are_no_moments_tell_no_clock(engine, write):
    assert read(engine, CASES / "c25_failed_intact.csv").clock is None  # a year apart
    assert read(engine, write([row("1", "16800001"), row("2", "abc")])).clock is None
    spread = [row(str(i), f"{1_668_000_000 + 40_000 * i}123456") for i in range(9)]
    assert read(engine, write(spread)).clock is None


@pytest.mark.parametrize("name", ["failed_last_digit_zero", "failed_after_last_digit_zero"])
def test_message_ids_cut_to_15_digits_are_warned_of(engine, name):
    export = read(engine, CASES / f"c25_{name}.csv")
    assert "rounded message IDs" in kinds(export)
    assert export.rows == len([d for d in export.doubts if d.weight == export.rows]) * export.rows
    intact = name.replace("last_digit_zero", "intact")
    assert not kinds(read(engine, CASES / f"c25_{intact}.csv"))


def test_ids_that_end_in_zero_for_another_reason_are_no_warning(engine, write):
    rows = [row(str(i), f"1668000{i:06}000") for i in range(30)]  # of milliseconds
    assert "rounded message IDs" not in kinds(read(engine, write(rows)))
    assert "rounded message IDs" not in kinds(read(engine, write(moments(0, n=60))))


def test_a_message_id_that_a_spreadsheet_cut_does_not_lose_the_row(engine):
    export = read(engine, CASES / "c20_excel_resaved.csv")
    assert export.rows == 6 and not len(export.rejected) and kinds(export) == {"lost message IDs"}
    assert export.table.message_id.isnull().all().execute()
    book = read(engine, CASES / "c20b_pandas_to_excel.xlsx")
    assert sorted(book.table.message_id.execute())[0] == "1680000000000001"
    assert not book.doubts


# ---- cells
@pytest.mark.parametrize("name", ["c17_failed_apostrophe", "c17b_failed_equals"])
def test_what_a_spreadsheet_puts_around_an_id_is_taken_off(engine, name):
    export = read(engine, CASES / f"{name}.csv")
    assert sorted(export.table.contact_id.execute())[0] == "100200009" and export.rows == 4


IDS = {  # a cell, and the ID that it certainly is
    "100200009,0": "100200009",
    "100200010.00": "100200010",
    "\u00a0100200011\u200e": "100200011",
    "+525555550001": "+525555550001",
    "100.200.009": None,
    "1,002": None,
    "123.000": None,
    "1.0E+08": None,
    "+521555": None,
    "-5": None,
    "=1+1": None,
    "@SUM(A1)": None,
    "Ana": None,
    "100200009.5": None,
    "100200009,25": None,
    "1.5E-3": None,
}


def test_an_id_is_repaired_where_that_is_certain_and_begins_no_formula(engine, write):
    export = read(engine, write([row(cell, str(n)) for n, cell in enumerate(IDS)]))
    right = [ours for ours in IDS.values() if ours]
    assert export.table.order_by("row").contact_id.execute().tolist() == right
    assert len(export.rejected) == len(IDS) - len(right)


def test_tags_written_as_a_list_are_the_tags(engine):
    table = read(engine, CASES / "c14_contacts_tagforms.csv", "contacts").table
    assert table.order_by("row").tags.execute().tolist() == [
        "vip, cliente",
        "vip;cliente",
        "vip,cliente",
        'café ☕,ofertas "2x1"',
    ]


def test_a_word_for_none_is_no_id(engine, write):
    words = ["NULL", "(null)", "nan", "None", "#N/A", "#REF!", "N/A", "--"]
    rows = []
    for n, word in enumerate(words):
        rows += [row(f"7{n}", word, channel=word), row(word, f"8{n}")]
    export = read(engine, write(rows))
    table = export.table.order_by("row").execute()
    assert table.contact_id.tolist() == [f"7{n}" for n in range(len(words))]
    assert set(table.channel_id) == {""} and table.message_id.isna().all()
    assert len(export.rejected) == len(words)


def test_a_message_id_that_is_damaged_is_lost_and_told(engine, write):
    signs = [".", ",", " ", "\u00a0", "\u202f", "’"]  # that set thousands apart
    cells = [sign.join(["1", "680", "000", "000", "000", "001"]) for sign in signs]
    cells += ["1.64E15", "1,64E+15", "1.64e+15", "1680000000000001.5"]  # as a number: digits lost
    rows = [row(f"7{n}", cell) for n, cell in enumerate(cells)]
    path = write([*rows, row("8", "1680000000999999")])
    export = read(engine, path)
    assert [(doubt.kind, doubt.weight) for doubt in export.doubts] == [
        ("lost message IDs", len(cells))
    ]
    assert export.rows == len(cells) + 1
    lost = export.table.order_by("row").execute().message_id.isna().tolist()
    assert lost == [True] * len(cells) + [False]
    messages = read(engine, path, "messages")
    reasons = ["a message ID damaged by a spreadsheet"] * len(cells)
    assert messages.rejected.reason.tolist() == reasons
    assert [doubt.weight for doubt in messages.doubts] == [len(cells)]


@pytest.mark.parametrize(
    ("kind", "whole", "cut"),
    [("float32", 16_777_215, 100_200_009), ("float64", 1_680_000_000_000_001, 2**60 + 1)],
)
def test_an_id_that_its_column_of_floats_cannot_hold_is_refused(engine, tmp_path, kind, whole, cut):
    numbers = pyarrow.array([whole, cut], "int64").cast(kind, safe=False)
    for name in ("Contact ID", "Message ID"):
        table = {"Contact ID": ["7", "8"], "Message ID": ["1", "2"], "Error": ["x", "y"]}
        path = tmp_path / "ids.parquet"
        pyarrow.parquet.write_table(pyarrow.table(table | {name: numbers}), path)
        export = read(engine, path)
        ids = export.table[name.lower().replace(" ", "_")].execute().dropna().tolist()
        assert ids == [str(whole)]
        if name == "Contact ID":
            assert export.rejected.reason.tolist() == ["a contact ID damaged by a spreadsheet"]
        else:
            assert kinds(export) == {"lost message IDs"}


NO_ERRORS = ["#N/A", "NULL", " nan ", "None", "(null)", "n/a", "--", "undefined", "#N/D", "#¡REF!"]


def test_a_word_for_none_is_no_error_text(engine, write):
    known = ["#1 None of these", "None of the numbers is known", "(#131047) Re-engagement message"]
    rows = [row(str(n), str(n), error) for n, error in enumerate([*NO_ERRORS, "", *known])]
    export = read(engine, write(rows))
    told = classify(export.table, kind_column="sub_type", engine=engine).execute()
    masked = told.sort_values("row").masked.tolist()
    assert masked == [""] * (len(NO_ERRORS) + 1) + known


@pytest.mark.parametrize("name", ["c02c_minimal", "c02d_blank_channel"])
def test_no_channel_is_one_that_joins(engine, name):
    assert set(read(engine, CASES / f"{name}.csv").table.channel_id.execute()) == {""}


def test_long_texts_are_cut_as_they_are_read(engine, write):
    table = read(engine, write([row(error="x" * 20_000, content="y" * 20_000)])).table
    assert len(table.error.execute()[0]) == exports.TOLD


# ---- letters
def test_letters_that_a_program_took_for_others_are_told(engine, tmp_path):
    """A file in UTF-8 that was opened as if in another encoding, and saved as UTF-8."""
    told = "ó" * 2 + "ñ" + "é" * 3
    text = f"Contact ID,Error,Content\n1,Límite,{told}\n2,x,Sí «SÃO» AMANHÃ»\n"
    for code in ("cp1252", "mac_roman", "cp850", "cp437"):
        path = tmp_path / f"{code}.csv"
        path.write_bytes(text.replace("Ã", "A").encode().decode(code, "replace").encode())
        [doubt] = [d for d in read(engine, path).doubts if d.kind == "garbled letters"]
        assert doubt.values == {"file": path.name, "n": len(told) + 2}
    for code in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path = tmp_path / f"right-{code}.csv"
        path.write_text(text, code)
        export = read(engine, path)
        assert "garbled letters" not in kinds(export)
        assert export.table.order_by("row").error.execute()[0] == "Límite"
    path = tmp_path / "right-utf-16-le.csv"
    path.write_text(text, "utf-16-le")  # without a mark
    assert read(engine, path).table.order_by("row").error.execute()[0] == "Límite"


SAVED = {  # how a spreadsheet shows the time and the ID of a message
    "es-MX": (lambda at: f"{at:%d/%m/%Y %H:%M}", lambda n: f"{n:.2E}".replace(".", ",")),
    "15 digits": (lambda at: f"{at:%d/%m/%Y %H:%M}", lambda n: f"{n}"[:15] + "0"),
    "days alone": (lambda at: f"{at:%Y-%m-%d}", lambda n: f"{n:.2E}"),
}


@pytest.mark.parametrize("how", few_first(sorted(SAVED), 2))
def test_what_a_spreadsheet_saved_loses_nobody_beside_whole_messages(write, tmp_path, how):
    """Of twelve, eight arrived; what failed is not taken for what arrived in the same minute."""
    sent = [datetime(2022, 11, 20, 10, 0, n) for n in range(1, 13)]
    ids = [1_668_960_000_000_011 + n * 1_000_037 for n in range(12)]
    cells = [(str(700 + n), at, m) for n, (at, m) in enumerate(zip(sent, ids, strict=True))]
    messages = [row(c, str(m), None, str(at)) for c, at, m in cells]
    saved, cut = SAVED[how]
    failed = [row(c, cut(m), at=saved(at)) for c, at, m in cells[8:]]
    given = {"messages": str(write(messages, "messages.csv", HEADER[:-1])), "tag": "t"}
    given["exports"] = str(write(failed, encoding="cp1252", delimiter=";"))
    given["channels"] = str(tmp_path / "channels.toml")
    channel = '[channel.1001]\nname = "Ventas"\nkind = "whatsapp"\nlimit = 250\n'
    Path(given["channels"]).write_text('timezone = "America/Mexico_City"\n' + channel)
    bench = workbench.open(given, "tag_import")
    fates = bench.tables.fates.execute()
    assert set(fates.contact_id[fates.disposition == "tagged"]) == {"708", "709", "710", "711"}
    told = {doubt.kind: doubt.weight for doubt in summarise.look(bench.tables).doubts}
    assert told["ids do not match"] == 4
    [window] = assess.assess(bench.settings, bench.tables).windows.to_dict("records")
    assert [int(window[n]) for n in ("attempted", "delivered", "failed")] == [12, 8, 4]
    bench.close()


def test_rows_without_a_channel_beside_others_are_told(write):
    rows = [row(str(n), str(n), channel="" if n > 1 else "1001") for n in range(1, 6)]
    told = {}
    for some in (rows, rows[1:], rows[:1]):
        bench = workbench.open({"exports": str(write(some)), "timezone": "UTC", "tag": "t"})
        doubts = summarise.look(bench.tables).doubts
        told[len(some)] = [doubt.weight for doubt in doubts if doubt.kind == "no channel"]
        bench.close()
    assert told == {5: [4], 4: [], 1: []}


# ---- people
def test_an_opt_out_of_a_persons_other_id_holds_wherever_it_stands(write):
    """The first contact's other ID opted out on an agent's message, before the dates asked for; the
    third's on another channel, where it says nothing.
    """
    rows = [row(str(n), str(90 + n), at="2022-01-11 15:00:00") for n in (1, 2, 3)]
    out, stop = "2021-12-01 09:00:00", "(#131050) User has opted out of marketing messages"
    rows += [row("11", "80", stop, out, sender="user"), row("13", "81", stop, out, channel="7")]
    people = [[str(n), f"+52 55 1234 000{n % 10}", ""] for n in (1, 2, 3, 11, 13)]
    people[3][2] = "vip"
    given = {"exports": str(write(rows)), "timezone": "UTC", "from_": "2022-01-01", "tag": "t"}
    given["contacts"] = str(write(people, "contacts.csv", ["Contact ID", "Phone", "Tags"]))
    bench = workbench.open(given, "tag_import")
    fates = bench.tables.fates.execute()
    told = dict(zip(fates.contact_id, fates.disposition, strict=True))
    assert told == {"1": "never", "2": "tagged", "3": "tagged"}
    bench.close()


def test_who_cannot_be_reached_is_so_on_all_days_of_a_broadcast_and_under_all_ids(write):
    """The dates cut off what says that the first contact cannot be reached, and the second's other
    ID; the fourth's is of another broadcast, where it says nothing of this one.
    """
    never = "Invalid phone number"
    rows = [row(str(n), str(90 + n), at=f"2022-01-11 15:0{n}:00") for n in (1, 2, 3, 4)]
    rows += [row(n, f"8{n}", never, "2022-01-11 14:58:00") for n in ("1", "12")]
    rows += [row("4", "84", never, "2022-01-03 09:00:00")]
    people = [[str(n), f"+52 55 1234 000{n % 10}"] for n in (1, 2, 3, 4, 12)]
    given = {"exports": str(write(rows)), "timezone": "UTC", "from_": "2022-01-11 15:00"}
    given["contacts"] = str(write(people, "contacts.csv", ["Contact ID", "Phone"]))
    bench = workbench.open(given | {"tag": "t"}, "tag_import")
    fates = bench.tables.fates.execute()
    told = dict(zip(fates.contact_id, fates.disposition, strict=True))
    assert told == {"1": "never", "2": "never", "3": "tagged", "4": "tagged"}
    bench.close()


def test_messages_of_agents_and_workflows_alone_are_recovered(tmp_path):
    given = {"exports": str(CASES / "c26_only_workflow.csv"), "timezone": "UTC", "tag": "t"}
    bench = workbench.open(given | {"out": str(tmp_path / "out")}, "tag_import")
    told = summarise.summarise(bench.settings, bench.tables)
    assert told.facts.counted == told.facts.failed == 4 and told.broadcasts.empty
    assert recover.recover(bench.settings, bench.tables, bench.results).recoverable == 4
    bench.close()


@pytest.mark.parametrize(
    ("name", "value"), [("cause", "outage"), ("verdict", "never"), ("text", "nothing like this")]
)
def test_a_filter_that_leaves_nothing_to_recover_is_named(name, value):
    given = {"exports": str(FAULTS / "nm.csv"), "timezone": "UTC", "tag": "t", name: value}
    bench = opened(given)
    with pytest.raises(ParameterError, match=f"No failed message .*{name} .*{value}"):
        recover.recover(bench.settings, bench.tables)


# ---- files
def test_hidden_rows_are_read_and_told_and_the_sheet_with_the_data_is_found(engine):
    hidden = read(engine, CASES / "c19c_hidden_rows.xlsx")
    assert hidden.rows == 6
    assert [(d.kind, d.values["n"]) for d in hidden.doubts] == [("hidden rows", 2)]
    second = read(engine, CASES / "c19b_summary_first.xlsx")
    assert second.rows == 6 and [d.kind for d in second.doubts] == ["sheets"]
    assert "'Data'" in second.doubts[0].text()


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_read_and_told(engine, tmp_path, state):
    book = openpyxl.Workbook()
    for number, sheet in enumerate((book.active, book.create_sheet("last week"))):
        sheet.append(HEADER)
        sheet.append(row(str(100 + number), str(number)))
    sheet.sheet_state = state
    book.save(tmp_path / "hidden.xlsx")
    export = read(engine, tmp_path / "hidden.xlsx")
    assert export.rows == 2 and kinds(export) == {"hidden rows"}


def test_two_sheets_of_one_kind_are_both_read(engine, tmp_path):
    book = openpyxl.Workbook()
    for number, sheet in enumerate((book.active, book.create_sheet("more"))):
        sheet.append(HEADER)
        sheet.append(row(str(100 + number), str(number)))
    book.save(tmp_path / "two.xlsx")
    export = read(engine, tmp_path / "two.xlsx")
    assert sorted(export.table.contact_id.execute()) == ["100", "101"]
    assert set(export.table.source_file.execute()) == {"two.xlsx/Sheet", "two.xlsx/more"}


def test_the_file_that_was_named_is_read_and_no_other(engine):
    export = read(engine, FAULTS / "globs" / "a[1].csv")
    assert export.table.contact_id.execute().tolist() == ["111"]
    assert read(engine, FAULTS / "globs" / "a1.csv").table.contact_id.execute().tolist() == ["222"]


def test_a_path_is_understood_as_a_browser_or_a_shell_writes_it(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mis datos").mkdir()
    path = shutil.copy(FAULTS / "nm.csv", tmp_path / "mis datos" / "año #1.csv")
    said = [path.as_uri(), f"FILE://localhost{path}", "~/mis datos/año #1.csv", "~/mis*/*.csv"]
    for name in said:
        assert read(engine, name).rows == 100, name
    for address in ("https://example.org/failed.csv", "s3://bucket/failed.csv", "file://pc/a.csv"):
        with pytest.raises(InputError, match="download it"):
            read(engine, address)
    with pytest.raises(InputError, match="No such file"):
        read(engine, "~nobody-of-this-name/a.csv")


@pytest.mark.parametrize(
    ("folder", "suffix"),
    [
        ("channel_id=9999", "csv"),
        ("channel_id=9999", "parquet"),
        ("Contact ID=999", "parquet"),
        ("a[b]*", "csv"),
        ("a[b]*", "parquet"),
        ("..", "csv"),
        ("ñ 'x'", "csv"),
    ],
)
def test_names_of_folders_change_nothing(engine, tmp_path, monkeypatch, folder, suffix):
    (tmp_path / "here" / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    for place in (folder, "."):
        shutil.copy(FAULTS / f"nm.{suffix}", f"{place}/nm.{suffix}")
    export = read(engine, f"{folder}/nm.{suffix}")
    assert export.rows == 100 and set(export.table.channel_id.execute()) == {"1001"}
    assert sorted(export.table.contact_id.execute())[0] == "500000"


def test_relative_and_absolute_files_together_lose_no_row(engine, tmp_path, monkeypatch):
    for number in (1, 2, 3):
        table = pyarrow.parquet.read_table(FAULTS / "nm.parquet")
        pyarrow.parquet.write_table(table.slice(number), tmp_path / f"{number}.parquet")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    paths = ["1.parquet", str(tmp_path / "2.parquet"), f"../{tmp_path.name}/link/3.parquet"]
    export = exports.read(engine, paths)
    assert export.rows == 99 + 98 + 97
    assert int(export.table.row_id.nunique().execute()) == export.rows


def test_two_members_or_files_of_one_name_are_both_read(engine, tmp_path):
    export = read(engine, FAULTS / "zip_same_name.zip")
    ids = export.table.contact_id.execute()
    assert len(set(ids)) == 200 and export.table.source_file.nunique().execute() == 2
    with zipfile.ZipFile(FAULTS / "zip_same_name.zip") as archive:
        for name, member in zip(("one", "two"), archive.infolist(), strict=True):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.csv").write_bytes(archive.read(member))
    both = exports.read(engine, [str(tmp_path / "one" / "a.csv"), str(tmp_path / "two" / "a.csv")])
    assert both.rows == 200 and both.table.source_file.nunique().execute() == 2


def test_a_forged_folder_of_convert_is_checked_as_any_file(engine):
    export = read(engine, FAULTS / "forged.parquet")
    assert export.table.contact_id.execute().tolist() == ["500005"] and len(export.rejected) == 5


def test_columns_may_have_any_name(engine, tmp_path):
    table = pyarrow.parquet.read_table(FAULTS / "nm.parquet")
    for name in ("file_row_number", "file_path", "rows_before", "file_name", "c0", "said"):
        table = table.append_column(name, pyarrow.array(["x"] * len(table)))
    pyarrow.parquet.write_table(table, tmp_path / "odd.parquet")
    assert read(engine, tmp_path / "odd.parquet").rows == 100
    assert read(engine, FAULTS / "pcol.parquet").rows == 6


@pytest.mark.parametrize(
    ("unit", "zone"),
    [
        ("s", None),
        ("ms", "UTC"),
        ("us", "America/Mexico_City"),
        ("ns", None),
        ("ns", "UTC"),
    ],
)
def test_times_of_parquet_in_any_unit(engine, tmp_path, unit, zone):
    at = pyarrow.array([1_669_368_850], pyarrow.timestamp("s")).cast(pyarrow.timestamp(unit, zone))
    table = pyarrow.table({"Date & Time": at, "Contact ID": [7], "Error": ["x"]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert times(read(engine, tmp_path / "t.parquet")) == ["2022-11-25 09:34:10"]


# ---- rows that cannot be read, of any input
def test_rows_that_cannot_be_read_are_counted_for_every_input(engine):
    messages = read(engine, FAULTS / "mrej.csv", "messages")
    contacts = read(engine, FAULTS / "crej.csv", "contacts")
    assert len(messages.rejected) == 10 and len(contacts.rejected) == 3
    [said] = messages.doubts
    assert "10 contacts may have been reached" in said.text() and said.weight == 10
    [said] = contacts.doubts
    assert "an import would drop them" in said.text() and said.weight == 3
    every = checks.rejected([messages, None, contacts])
    assert every["as"].value_counts().to_dict() == {"messages": 10, "contacts": 3}
    assert every.columns.tolist() == ["as", "file", "line", "reason"]


def cuts(text):
    lines = text.splitlines(keepends=True)
    whole = "".join(lines[:40])
    return {
        "in a cell": whole + lines[40][: len(lines[40]) // 2],
        "in the date": whole + lines[40][:7],
        "in a quoted value": whole + lines[40][:90].rsplit(",", 1)[0] + ',"half of\na text',
        "in the last cell": whole + lines[40].rstrip()[:-9],
    }


@pytest.mark.parametrize(
    "how", ["in a cell", "in the date", "in a quoted value", "in the last cell"]
)
def test_a_file_that_ends_in_the_middle_of_a_row_is_told_above_all(engine, tmp_path, how):
    path = tmp_path / "half.csv"
    path.write_text(cuts((FAULTS / "nm.csv").read_text())[how])
    export = read(engine, path)
    assert export.rows == 39 and "cut off" in kinds(export)
    assert max(export.doubts, key=lambda d: d.weight).kind == "cut off"


def test_a_whole_file_is_no_cut_off_one(engine, tmp_path):
    text = (FAULTS / "nm.csv").read_text()
    (tmp_path / "a.csv").write_text(text.rstrip("\n"))
    assert not kinds(read(engine, tmp_path / "a.csv"))
    (tmp_path / "b.csv").write_text(text + "(100 rows)\n")
    assert kinds(read(engine, tmp_path / "b.csv")) == {"rejected failed"}
    assert "cut off" not in kinds(read(engine, CASES / "c07_totals_row.csv"))


@pytest.mark.parametrize("suffix", ["crdownload", "part", "partial", "download", "opdownload"])
def test_a_download_that_has_not_finished_is_named(engine, tmp_path, suffix):
    path = tmp_path / f"failed.csv.{suffix}"
    shutil.copy(FAULTS / "nm.csv", path)
    with pytest.raises(InputError, match="download"):
        read(engine, path)


FOREIGN = {
    "a web page": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "a text document": rb"{\rtf1\ansi Contact ID, Error}",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n",
    "a PDF": b"%PDF-1.7\n%\xe2\xe3",
    "old Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_of_another_kind_is_named_for_what_it_is(engine, tmp_path, what):
    (tmp_path / "failed.csv").write_bytes(FOREIGN[what])
    with pytest.raises(InputError, match=what):
        read(engine, tmp_path / "failed.csv")


def test_a_list_without_a_header_shows_nobody(engine):
    with pytest.raises(RebroadcastError) as error:
        read(engine, CASES / "c23_headerless_names.csv")
    said = str(error.value)
    assert "header" in said
    for private in ("Ana", "Luz", "5255"):
        assert private not in said


def test_masks_cover_phones_ids_handles_and_names_however_they_are_written():
    with (FAULTS / "phones.csv").open(encoding="utf-8", newline="") as file:
        errors = [line["Error"] for line in csv.DictReader(file)]
    others = [
        "Contacto 55\u00a01234\u00a05678 no existe",
        "El usuario Ana María López no existe",
        'recipient_id: "500003"',
        "55\u20111234\u20115678",
        "to 5 5 1 2 3 4 5 6 7 8",
        "Recipient Juan López <x@correo.example> (+52 55 8137 4461) is unreachable",
        "No puede entregarse a la Sra. López",
        'wa_id 5215581374463 failed: {"user":"Juan", "first_name": "Juan"}',
        "https://api.example.com/send?name=López&email=juan%40correo.example",
    ]
    for text in [*errors, *others]:
        masked = mask(text)
        digits = re.sub(r"0x[0-9a-f]+", "", masked)  # a code in hexadecimal
        assert not re.search(r"\d{3}|\d[ .-]\d", digits), (text, masked)
        for name in ("Juan", "juan", "López", "GOMJ", "Ñandú"):
            assert name not in masked, (text, masked)
    for code in (
        "(#131026) Message",
        "User Not Found (#100)",
        "User Rate Limit exceeded",
        "Template name: Promo",
        "user: Blocked by the page",
        '"template":{"name":"promo_x"}',
        "error_subcode: 2655007",
        "code 2018278",
        "550 5.7.26 Not",
    ):
        assert mask(code) == code
