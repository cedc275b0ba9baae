"""Charts: what a figure says and shows for a frame."""

import json
from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebroadcast.common.exceptions import LOCALE
from rebroadcast.common.language import Language
from rebroadcast.show import failures as charts
from rebroadcast.show import limits, outcome, words

START = datetime(2026, 11, 22, 15)
NASTY = "<b>bold</b> & %{x} costs $5 or $6"
LATER, BOTH, AB = START + timedelta(hours=1), [NASTY, "late"], ["A", "B"]
COUNTS = {"attempted": [1500, 90], "delivered": [1000, 90], "failed": [500, 0]}
FRAMES = {
    "attempted": {"channel": AB, **COUNTS, "limit": [1000, None], "overflow": [500, None]},
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
        ("attempted", "1,590 attempted, 500 failed; 1 channel is over its limit"),
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


def test_one_channel_is_named_with_its_limit():
    frame = pd.DataFrame(FRAMES["attempted"]).head(1)
    assert (
        drawn("attempted", frame).layout.meta["title"]
        == "A: 1,500 attempted, 1,000 delivered, 500 failed; the limit is 1,000"
    )
    unknown = frame.assign(attempted=None, delivered=None, limit=None, overflow=None)
    assert (
        drawn("attempted", unknown).layout.meta["title"]
        == "500 messages failed; how many were delivered is not known"
    )


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
    assert len(meta["data"]) == 201 and "first 200 of 300 rows" in meta["description"]


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
    assert [drawn(name).data[0].marker.color for name in ("attempted", "recovery")] == [
        "#009E73"
    ] * 2
    for name in ("attempted", "load", "waves"):
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
    assert [bar.hovertext[0] for bar in drawn("attempted").data[:2]] == [
        "A<br>delivered 1,000<br>500 · 33\u00a0% failed",
        "A<br>500 · 33\u00a0% failed",
    ]


@every
def test_spanish_is_drawn_too(name):
    if not any(LOCALE.glob("es/*/*.mo")):
        pytest.skip("no Spanish catalogue is built yet")
    json.loads(drawn(name, lang=Language("es")).to_json())
