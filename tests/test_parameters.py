"""Parameters: read from a notebook's cell without running it, and told from its other variables."""

from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT, SAMPLES, row
from rebroadcast.bench import doubts, parameters, workbench
from rebroadcast.bench.settings import Settings
from rebroadcast.common.exceptions import ParameterError
from rebroadcast.common.times import check_zone
from rebroadcast.explorer import selection
from rebroadcast.report import reports

FAULTY = sorted((Path(__file__).parent / "data" / "parameters").glob("*.ipynb"))
NAMES = ("exports", "channel", "language", "out", "to")


@pytest.fixture
def notebook(tmp_path):
    """Make a notebook of the user's own with these lines as its parameters."""

    def make(*lines):
        cell = nbformat.v4.new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]})
        path = tmp_path / "own.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
        return path

    return make


SAID = {
    "annot": "has the type DataFrame; expected one of: str, int",
    "annot_exec": "has the type .*; expected one of: str, int",
    "call": "The parameter 'x' of .* has no plain value",
    "magic": "is not plain Python; move all that is no parameter, such as a magic",
}


@pytest.mark.parametrize("path", FAULTY, ids=lambda path: path.stem)
def test_a_notebook_of_the_users_own_is_read_without_evaluating_it(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if path.stem in SAID:
        with pytest.raises(ParameterError, match=SAID[path.stem]):
            reports.run(path, {}, "out")
    else:
        declared = parameters.declared(path)
        assert parameters.check(declared, {"x": "007"}) == {"x": ["007"]}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x: str", "no plain value"),
        ("x = [open('f', 'w')]", "no plain value"),
        ("x: str[int] = ''", "has the type"),
        ("x: open('f', 'w') = ''", "has the type"),
        ("x: list[open('f', 'w')] = []", "has the type"),
        ("x: int if open('f', 'w') else str = 1", "has the type"),
        ("x: 'open(1)' = ''", "has the type"),
        ("!rm -r results", "not plain Python"),
        ("x = 1\0", "not plain Python"),
    ],
)
def test_what_is_no_plain_parameter_is_one_sentence(notebook, line, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match=said) as caught:
        parameters.declared(notebook(line))
    assert "\n" not in str(caught.value) and not Path("f").exists()


def test_types_are_looked_up(notebook):
    declared = parameters.declared(
        notebook(
            "n: int | None = None",
            "ids: 'list[int]' = []",
            "share: Optional[float] = None",
            "counts: dict[str, int] = {}",
            "colour = '#fff=1'",
            "anything = None",
            "import os",
        )
    )
    given = {"n": "7", "ids": ["1"], "share": "0.5", "counts": {"a": "2"}, "anything": [1]}
    checked = {"n": 7, "ids": [1], "share": 0.5, "counts": {"a": 2}, "anything": [1]}
    assert parameters.check(declared, given) == checked
    assert declared["colour"].default == "#fff=1" and "os" not in declared


def test_a_typing_error_is_refused_where_the_parameters_are_set():
    ran = [
        "",
        "import os",
        "exports = 'a'\nlanguage = 'en'",
        "# Parameters\nlanguag = 'es'",
        "open",
    ]
    space = {"In": ran, "exports": "a", "language": "en", "languag": "es", "toe": "own"}
    with pytest.raises(ParameterError, match="'languag'. Did you mean 'language'"):
        parameters.from_namespace(space, NAMES)
    again = [*ran[:-1], "open", "toe = len('own')", *ran[2:3], "open"]
    asked = parameters.from_namespace(space | {"In": again}, NAMES)
    assert asked == {"exports": "a", "language": "en"}


@pytest.mark.parametrize("name", ["failure_report", "quota_overflow"])
def test_run_all_twice_in_one_kernel(name, write):
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    files = {"exports": write([row()]), "channels": SAMPLES / "channels.toml"}
    lines = [f"{key} = {str(value)!r}" for key, value in files.items()]
    given = nbformat.v4.new_code_cell("\n".join([*lines, "start = '2022-01-31'"]))
    book.cells = [cells[0], given, *cells[1:]] * 2
    for number, cell in enumerate(book.cells):
        book.cells[number] = nbformat.from_dict(dict(cell) | {"id": f"c{number}"})
    NotebookClient(book, timeout=300, kernel_name="python3").execute()
    assert not [o for cell in book.cells for o in cell.outputs if o.output_type == "error"]


@pytest.mark.parametrize(
    ("word", "zone"),
    [
        ("america/mexico_city", "America/Mexico_City"),
        ("America/Buenos Aires", "America/Buenos_Aires"),
        ("Mexico City", "America/Mexico_City"),
        ("ciudad de méxico", "America/Mexico_City"),
        ("Central Time (Mexico)", "America/Mexico_City"),
        ("Central Standard Time (Mexico)", "America/Mexico_City"),  # of Windows
        ("Tijuana, México", "America/Tijuana"),
        ("hora de Colombia", "America/Bogota"),
        ("Perú", "America/Lima"),
        ("Londres", "Europe/London"),
        ("Calcutta", "Asia/Kolkata"),  # its name of before
        ("UTC+5:45", "Asia/Kathmandu"),
        ("UTC+0", "UTC"),
    ],
)
def test_a_time_zone_goes_by_its_names_where_there_is_one_reading(word, zone):
    assert check_zone(word) == zone


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("GMT-6", "a city such as .*America/Mexico_City"),
        ("Central Time", "a city such as America/Chicago, .*America/Mexico_City"),
        ("Eastern Standard Time", "a city such as America/New_York"),
        ("España", "a city such as .*Europe/Madrid"),
        ("America/Ciudad_Mexico", "'America/Mexico_City'"),
        ("Mexico_Cty", "'America/Mexico_City'"),
        ("CST", "such as 'America/Mexico_City' .* a city such as America/Chicago, America/"),
        ("pst", "a city such as America/Los_Angeles, America/Tijuana"),
        ("IST", "a city such as Asia/Jerusalem, Asia/Kolkata"),
        ("BST", "Did you mean 'Europe/London'"),
        ("XQZ", "expected a name such as 'America/Mexico_City' or 'UTC'.$"),
        ("London, Canada", "'Europe/London'"),
        ("()", "expected a name such as"),
    ],
)
def test_a_word_for_several_zones_or_none_is_answered(word, said):
    with pytest.raises(ParameterError, match=said):
        check_zone(word)


@pytest.mark.parametrize(
    ("word", "zone"), [("La Paz", "America/La_Paz"), ("EST", "America/Panama")]
)
def test_how_a_time_zone_was_understood_is_said(write, word, zone):
    given = {"exports": str(write([row()])), "timezone": word}
    bench = workbench.open(given)
    said = [doubt.text() for doubt in doubts.doubts(bench.tables) if doubt.kind == "zone"]
    assert said == [f"The time zone '{word}' is taken to be {zone}."]
    assert bench.settings.zone == zone
    bench.close()


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("UTC", "2022-03-06 20:00", "2022-03-06 20:00"),
        ("UTC", "2022-03-06 20:00-06:00", "2022-03-07 02:00"),
        ("America/Mexico_City", "2022-03-06T20:00Z", "2022-03-06 20:00"),
        ("America/Mexico_City", "2022-03-06 20:00", "2022-03-07 02:00"),
        ("America/Santiago", "2022-09-04", "2022-09-04 04:00"),  # its midnight is skipped
        ("Europe/Madrid", "2022-10-30 02:30+01:00", "2022-10-30 01:30"),  # the second of two
    ],
)
def test_an_offset_in_a_time_counts(zone, text, utc):
    given = {"timezone": zone, "start": text, "deadline": text}
    sending = Settings.parse(given).sending
    assert {f"{at:%Y-%m-%d %H:%M}" for at in (sending.start, sending.deadline)} == {utc}


@pytest.mark.parametrize(
    ("from_", "to", "hours"),
    [
        ("2022-01-11T15:00Z", "2022-01-11T16:00Z", (9, 10)),
        ("2022-01-11 15:00-06:00", "2022-01-11 16:00", (15, 16)),
    ],
)
def test_an_offset_in_a_bound_of_the_days_counts(from_, to, hours):
    given = {"timezone": "America/Mexico_City", "from_": from_, "to": to}
    period = Settings.parse(given).selection.period
    assert period == tuple(datetime(2022, 1, 11, hour) for hour in hours)
    asked = selection.bound(selection.Filters(from_=from_, to=to), "America/Mexico_City")
    assert (asked["from_"], asked["to"]) == tuple(map(str, period))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2022-03-27 02:30", "no time in Europe/Madrid: the clocks were put forward"),
        ("2022-10-30 02:30", "comes twice in .*, such as 2022-10-30 02:30[+]02:00"),
        ("9999-12-31 23:59", "expected a year from 1970 to 2100"),
        ("9999-12-31 23:59-06:00", "expected a date such as"),
        ("0001-01-01", "expected a year from"),
    ],
)
@pytest.mark.parametrize("name", ["start", "deadline"])
def test_a_time_that_cannot_be_meant_is_refused(name, text, said):
    with pytest.raises(ParameterError, match=f"{name} is '.*{said}"):
        Settings.parse({"timezone": "Europe/Madrid", name: text})


def test_a_day_is_whole_however_it_is_written():
    for text in ("2022-01-11", "20220111", "2022-W02-2"):
        assert parameters.period(text, text, "UTC") == (
            datetime(2022, 1, 11),
            datetime(2022, 1, 12),
        )


@pytest.mark.parametrize("given", ["1001=15,1001=80", "1001=15; Uno=80", {"1001": 15, "uno": 80}])
def test_a_count_that_is_given_twice_is_refused(given, tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text('[channel.1001]\nname = "Uno"\n', "utf-8")
    with pytest.raises(ParameterError, match="attempted gives '1001' twice, 15 and 80"):
        Settings.parse({"attempted": given, "channels": str(channels)})


@pytest.mark.parametrize("quiet", ["08:00-08:00", "21:00-08:00, 13:00-13:00"])
def test_quiet_hours_that_begin_where_they_end_are_refused(quiet):
    with pytest.raises(ParameterError, match="quiet is '.*00'; expected hours such as"):
        Settings.parse({"quiet": quiet})


@pytest.mark.parametrize("form", ["%Q", "%d%", "%E", "%d%q", "DDMMYY", "%-", "%z", "%%"])
@pytest.mark.parametrize("word", ["date", "time"])
def test_a_form_of_a_date_that_is_none_is_refused(word, form):
    with pytest.raises(ParameterError, match="' is no form of a date or time, such as %d%m%y"):
        Settings.parse({"tag": f"t {{{word}:{form}}}"})


@pytest.mark.parametrize(("form", "text"), [("%d%m%y", "110122"), ("%-d/%b 100%%", "11/Jan 100%")])
def test_a_form_of_a_date_is_used(form, text):
    tag = Settings.parse({"tag": f"t {{date:{form}}}"}).tag
    assert tag.fill(datetime(2022, 1, 11, 15)) == f"t {text}"
