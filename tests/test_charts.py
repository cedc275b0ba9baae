"""Charts: what a figure says and shows for a frame."""

import itertools
import json
import math
import re
from datetime import datetime, timedelta
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebroadcast.common.exceptions import LOCALE
from rebroadcast.common.language import Language
from rebroadcast.show import failures as charts
from rebroadcast.show import limits, outcome, words
from rebroadcast.show.drawing import moments, telling
from rebroadcast.show.picture import picture, plain_lines

START = datetime(2026, 11, 22, 15)
NASTY = "<b>bold</b> & %{x} costs $5 or $6"
LATER, BOTH, AB = START + timedelta(hours=1), [NASTY, "late"], ["A", "B"]
FRAMES = {
    "failures_by_cause": {
        "cause": ["opted_out", "quota"],
        "verdict": ["never", "wait"],
        "failed": [6, 94],
    },
    "failures_by_error": {"error": BOTH, "cause": "quota", "verdict": "wait", "failed": [7, 3]},
    "failures_by_channel": {
        "channel": ["A", "A", NASTY],
        "verdict": ["wait", "fix", "fix"],
        "failed": [5, 4, 11],
    },
    "error_by_channel": {"error": [NASTY, *BOTH], "channel": ["A", "B", "A"], "failed": [9, 2, 4]},
    "failures_by_hour": {"hour": [START, LATER], "cause": ["quota", "media"], "failed": [30, 8]},
    "load": {"at": [START, LATER], "load": [10, 1000]},
    "flow": {
        "disposition": ["tagged", "tagged", "never"],
        "rows": [40, 30, 20],
        "wave": [1, 2, None],
    },
    "waves": {"wave": [2, 1], "start": [LATER, START], "contacts": [310, 1000], "capacity": 1000},
    "recovery": {
        "wave": [1, 1, 2],
        "outcome": ["reached", "failed_again", "not_due"],
        "contacts": [80, 20, 50],
    },
    "what_if": {
        "scenario": ["now", NASTY],
        "waves": [3, None],
        "finish": [START, pd.NaT],
        "contacts": 2310,
    },
    "comparison": {"error": BOTH, "channel": AB, "before": [10, 300], "now": [25, 100]},
}
OPTIONS = {"load": {"limit": 1000, "name": NASTY, "reached_at": LATER}}
every = pytest.mark.parametrize("name", FRAMES)


def drawn(name, frame=None, **options):
    frame = pd.DataFrame(FRAMES[name]) if frame is None else frame
    room = next(room for room in (charts, limits, outcome) if hasattr(room, name))
    return getattr(room, name)(frame, **(OPTIONS.get(name, {}) | options))


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("failures_by_cause", "94 % of the failures have one cause: limit used up, 94 of 100"),
        ("failures_by_error", f"70 % of the failures carry one error: {NASTY}"),
        ("failures_by_channel", f"55 % of the failures are on one channel: {NASTY[:19]}"),
        ("error_by_channel", f"9 of 15 failures: {NASTY} on A"),
        (
            "failures_by_hour",
            "Failures peak on 22 Nov 2026 at 15:00 with 30, mostly: limit used up",
        ),
        ("load", f"{NASTY} reached its limit of 1,000 on 22 Nov 2026 16:00"),
        ("flow", "70 of 90 rows are contacts to reach again"),
        ("waves", "1,310 contacts in 2 waves, the last of which starts on 22 Nov 2026 16:00"),
        ("recovery", "80 % were reached, 80 of 100 that were due; 20 failed again"),
        ("what_if", "First done: now, on 22 Nov 2026 15:00 after 3 waves"),
        ("comparison", "125 failures now, 310 before: −185"),
    ],
)
def test_title_says_the_finding_with_its_number(name, finding):
    assert drawn(name).layout.meta["title"].startswith(finding)


@every
def test_empty_and_single_rows_are_drawn(name):
    frame = pd.DataFrame(FRAMES[name])
    for few in (frame.head(1), frame.head(0), pd.DataFrame()):
        json.loads(drawn(name, few).to_json())
    assert "nothing to show" in drawn(name, pd.DataFrame()).layout.meta["title"]
    empty = drawn(name, frame.head(0)).layout
    assert (
        empty.meta["description"] == f"{empty.meta['title']}."
        and not empty.meta["data"]
        and not empty.annotations
    )


@every
def test_meta_describes_plain_figures_to_a_page(name):
    meta, frame = drawn(name).layout.meta, FRAMES[name]
    assert meta["id"] == name.replace("_", "-") and meta["description"].startswith(meta["title"])
    header, *rows = meta["data"]
    assert header == [words.COLUMNS[column] for column in frame]
    assert len(rows) == len(next(iter(frame.values())))
    assert {type(value) for row in rows for value in row} <= {str, int, float}
    assert {trace.type for trace in drawn(name).data} <= {"bar", "scatter", "heatmap", "sankey"}


def test_data_is_capped_and_says_so():
    meta = drawn("load", pd.DataFrame({"at": START, "load": range(300)})).layout.meta
    rows = len(meta["data"]) - 1
    assert 100 < rows <= 200 and f"holds {rows} of 300 rows" in meta["description"]


@every
def test_texts_of_strangers_are_escaped(name):
    figure = drawn(name).update_layout(meta=None)
    figure.update_traces(customdata=None, selector=lambda trace: trace.type != "sankey")
    assert not any(part in str(figure.to_plotly_json()) for part in ("<b>", "%{x}", "$5", "$6"))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(), st.integers(1, 10**9), min_size=1, max_size=40))
def test_any_errors_are_sorted_and_the_rest_is_folded(rows):
    frame = pd.DataFrame(rows.items(), columns=["error", "failed"]).assign(
        cause="media", verdict="fix"
    )
    counts, figure = sorted(rows.values(), reverse=True), drawn("failures_by_error", frame)
    rest = [sum(counts[15:])] if len(counts) > 15 else []
    assert list(figure.data[0].x) == counts[:15] + rest
    assert not rest or f"{len(counts) - 15} other" in figure.layout.yaxis.ticktext[-1]
    assert list(figure.data[0].marker.color)[:15] == ["#E69F00"] * len(counts[:15])


def test_colours_and_limit_lines_mean_one_thing_everywhere():
    verdicts = {"wait": "#0072B2", "fix": "#E69F00", "never": "#D55E00", "unknown": "#8A8A8A"}
    assert verdicts == charts.VERDICT_COLOURS
    assert set(charts.CAUSE_COLOURS) == set(words.CAUSES)
    assert len(set(charts.CAUSE_COLOURS.values())) == len(words.CAUSES)
    assert [bars.marker.color for bars in drawn("failures_by_cause").data[:2]] == [
        "#0072B2",
        "#D55E00",
    ]
    assert drawn("recovery").data[0].marker.color == "#009E73"
    for name in ("load", "waves"):
        assert {(line.name, line.line.color) for line in drawn(name).layout.shapes} == {
            ("limit", "#000000")
        }


def test_long_labels_are_shortened_and_kept_whole_for_hover_and_clicks():
    frame = pd.DataFrame(
        {"error": ["too long " * 19 + "end"], "cause": "media", "verdict": "fix", "failed": 3}
    )
    label = (figure := drawn("failures_by_error", frame)).layout.yaxis.ticktext[0]
    assert len(label) <= 96 and "…" in label and label.endswith("end")
    assert (
        list(figure.data[0].customdata) == list(frame.error)
        and "end" in figure.data[0].hovertext[0]
    )


def test_a_comparison_leaves_out_what_did_not_change():
    frame = pd.DataFrame(
        {"error": [*BOTH, "same"], "channel": "A", "before": [10, 300, 7], "now": [25, 100, 7]}
    )
    figure = drawn("comparison", frame)
    assert (
        len(figure.layout.yaxis.ticktext) == 2
        and figure.layout.meta["title"] == "132 failures now, 317 before: −185"
    )


def test_hovering_a_bar_says_each_count_once():
    assert drawn("failures_by_cause").data[0].hovertext[0] == "Limit used up<br>wait 94 · 94\u00a0%"
    assert [bar.hovertext[0] for bar in drawn("recovery").data[:2]] == [
        "Wave 1<br>80 · 80\u00a0% reached",
        "Wave 1<br>failed again 20<br>80 · 80\u00a0% reached",
    ]


@every
def test_a_picture_says_what_the_figure_says(name):
    figure = drawn(name)
    said = ElementTree.fromstring(picture(json.loads(figure.to_json()), heading=True))
    texts = {"".join(text.itertext()) for text in said.iter("{http://www.w3.org/2000/svg}text")}
    for text in filter(
        None,
        (text for trace in figure.data if trace.type == "scatter" for text in trace.text or ()),
    ):
        assert plain_lines(text)[0] in texts
    names = [*(figure.layout.yaxis.ticktext or ()), *(figure.layout.xaxis.ticktext or ())]
    names += [trace.name for trace in figure.data if "showlegend" in trace and trace.showlegend]
    names += [
        label for trace in figure.data if trace.type == "sankey" for label in trace.node.label
    ]
    missing = [name for name in names if "".join(plain_lines(name)) not in texts]
    assert missing == []
    assert said.find("{http://www.w3.org/2000/svg}title").text == figure.layout.meta["title"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=15, unique=True))
def test_a_picture_has_bars_as_long_as_their_counts(counts):
    counts = sorted(counts, reverse=True)
    frame = pd.DataFrame({"error": [f"error {count}" for count in counts], "failed": counts})
    figure = drawn("failures_by_error", frame.assign(cause="media", verdict="fix"))
    drawn_bars = re.findall(
        r'<rect x="0.00%"[^>]* width="([\d.]+)%"[^>]*#E69F00', picture(json.loads(figure.to_json()))
    )
    widths = [float(width) for width in drawn_bars[: len(counts)]]
    assert [round(width / widths[0], 2) for width in widths] == pytest.approx(
        [count / counts[0] for count in counts], abs=0.02
    )


def test_a_figure_that_says_nothing_is_left_out():
    channels = pd.DataFrame(FRAMES["failures_by_channel"])
    cells = pd.DataFrame(FRAMES["error_by_channel"])
    assert telling(drawn("failures_by_channel", channels))
    assert not telling(drawn("failures_by_channel", channels.head(2))), "one channel"
    assert not telling(drawn("error_by_channel", cells)), "one row with two cells"
    both = pd.concat([cells, cells.assign(channel="C")])
    assert telling(drawn("error_by_channel", both))
    assert not telling(drawn("failures_by_cause", pd.DataFrame()))


def test_colours_of_one_verdict_can_be_told_apart():
    groups = (
        "quota rate_limit recipient_cap outage",
        "opted_out invalid_recipient",
        "unreachable unknown",
    )
    groups += ("template content media account policy configuration outside_window audience",)
    for group in groups:
        shades = [lab(charts.CAUSE_COLOURS[cause]) for cause in group.split()]
        assert min(math.dist(*pair) for pair in itertools.combinations(shades, 2)) > 20, group


def test_each_cause_can_be_seen_on_dark_paper():
    dark = lab("#16181b")[0]  # as report.css has it
    light = {cause: lab(colour)[0] for cause, colour in charts.CAUSE_COLOURS.items()}
    shine = {cause: ((bright + 16) / 116) ** 3 for cause, bright in light.items()}
    paper = ((dark + 16) / 116) ** 3
    assert [cause for cause, y in shine.items() if (y + 0.05) / (paper + 0.05) < 3] == []


def lab(colour: str) -> tuple[float, float, float]:
    """A colour in CIE L*a*b* (D65), where distances are as people see them."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_an_axis_of_time_names_round_moments_in_the_readers_language():
    spans = {
        timedelta(minutes=12): ["15:00<br>22 nov", "15:05", "15:10"],
        timedelta(hours=20): ["18:00<br>22 nov", "00:00<br>23 nov", "06:00"],
        timedelta(days=9): ["24 nov", "26 nov", "28 nov", "30 nov"],
    }
    for span, wanted in spans.items():
        assert moments(START, START + span, Language("es"))[1] == wanted
    assert all(
        re.search("20[0-9]{2}$", text)
        for text in moments(START, START + timedelta(days=700), Language("en"))[1]
    )


@every
def test_spanish_is_drawn_too(name):
    if not any(LOCALE.glob("es/*/*.mo")):
        pytest.skip("no Spanish catalogue is built yet")
    json.loads(drawn(name, lang=Language("es")).to_json())


@pytest.mark.parametrize("name", ["failures_by_channel", "error_by_channel", "comparison"])
def test_a_channel_without_a_name_is_called_one_in_the_readers_language(name):
    frame = {
        "error": ["late", "later"],
        "channel": ["channel 7", "Tienda"],
        "verdict": "wait",
        "failed": [9, 2],
        "before": [4, 2],
        "now": [9, 3],
    }
    said = getattr(charts, name)(pd.DataFrame(frame), lang=Language("es")).to_json()
    assert "canal 7" in said and "Tienda" in said and "channel 7" not in said


@pytest.mark.parametrize("rows", [150, 200, 201, 500, 4321])
def test_the_table_of_a_load_line_keeps_its_peak_and_its_end(rows):
    at = [START + timedelta(seconds=n) for n in range(rows)]
    counts = [*range(rows - 9), rows * 2, *range(8)]
    line = pd.DataFrame({"at": at, "load": counts})
    meta = limits.load(line, limit=100, name="WA", reached_at=None).layout.meta
    told = [int(re.sub("[^0-9]", "", str(cells[-1]))) for cells in meta["data"][1:]]
    assert max(told) == rows * 2 and told[-1] == 7 and len(told) <= 200
    assert (f"The data holds {len(told)} of" in meta["description"]) == (rows > 200)
    assert sum(n > 100 for n in told) > len(told) / 4
