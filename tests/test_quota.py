"""Load, overflow, capacity left and what a failed export alone tells, against counting by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebroadcast.common.exceptions import QuotaError
from rebroadcast.limits.limit import Limit, Window, period
from rebroadcast.limits.load import capacity, counting, load, reached, together
from rebroadcast.limits.overflow import infer, overflow, tier_of

START = datetime(2026, 11, 2, 15, tzinfo=UTC)
H = timedelta(hours=1)
EVENTS = {"at": "timestamp('UTC')", "contact_id": "string", "channel_id": "string"}


def table(rows):
    return ibis.memtable(rows, schema=EVENTS)


def burst(n, start=START, channel="1001", prefix="c"):
    return [(start + timedelta(seconds=i), f"{prefix}{i}", channel) for i in range(n)]


def by_hand(rows, limit, moment):
    """Unique contacts that count at a moment, one message at a time."""
    window, counted = limit.window, set()
    zone = ZoneInfo(window.zone)
    for at, contact, channel in rows:
        if channel not in limit.channels or at > moment:
            continue
        if window.kind == "moving":
            inside = at > moment - window.length
        else:
            form = "%Y-%m-%d" if window.kind == "day" else "%Y-%m"
            inside = at.astimezone(zone).strftime(form) == moment.astimezone(zone).strftime(form)
        if inside:
            counted.add(contact)
    return len(counted)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 60 * 24 * 3600),
            st.sampled_from("abcdef"),
            st.sampled_from(["1", "2", "3"]),
        ),
        max_size=40,
    ),
    st.sampled_from(
        ["UTC", "America/Mexico_City", "Asia/Kathmandu", "Europe/Madrid", "Australia/Lord_Howe"]
    ),
    st.sampled_from([H, 24 * H, 100 * H]),
    st.sampled_from([1, 60, 3600]),
)
def test_load_is_what_counting_by_hand_gives(sent, zone, length, coarse):
    rows = [
        (START - timedelta(days=30) + timedelta(seconds=s // coarse), c, ch) for s, c, ch in sent
    ]
    limits = [
        Limit("pool", ("1", "2"), 3, Window("moving", length)),
        Limit("day", ("1",), 2, Window("day", None, zone)),
        Limit("month", ("3",), 2, Window("month", None, zone)),
    ]
    found = load(table(rows), limits).to_pandas()
    for limit in limits:
        steps = found[found["limit"] == limit.name]
        for step in steps.itertuples():
            assert step.load == by_hand(rows, limit, step.at.to_pydatetime())
        for at in {at for at, _, channel in rows if channel in limit.channels}:
            before = steps[steps["at"] <= at].sort_values("at")
            assert before["load"].iloc[-1] == by_hand(rows, limit, at)
        assert steps["load"].iloc[steps["at"].argmax()] == 0 if len(steps) else True


def test_load_reads_a_table_of_the_engine_with_every_kind_of_window():
    engine = ibis.duckdb.connect()
    engine.raw_sql(
        "create table sent as select to_timestamp(1793600000.5 + i) as at, i::varchar as"
        " contact_id, '1' as channel_id from range(50) t(i)"
    )
    windows = [Window(), Window("day", None, "America/Mexico_City"), Window("month")]
    limits = [Limit(w.kind, ("1",), 50, w) for w in windows]
    assert reached(load(engine.table("sent"), limits), limits)["peak"].tolist() == [50, 50, 50]


@pytest.mark.parametrize("window", [Window(), Window("day"), Window("month")])
def test_loads_of_other_contacts_add_up(window):
    limits = [Limit("a", ("1001",), 9, window), Limit("b", ("1002",), 9, window)]
    sent = burst(5) + burst(3, START + 30 * H, "1002")
    planned = burst(4, START + 20 * H, prefix="p") + burst(2, START + 5 * H, "1002", "p")
    both = together(load(table(sent), limits), load(table(planned), limits))
    whole = load(table(sent + planned), limits)
    rows = [
        t.order_by("limit", "at").select("limit", "at", "load").to_pandas() for t in (both, whole)
    ]
    assert rows[0].to_numpy().tolist() == rows[1].to_numpy().tolist()


def test_what_answers_a_contact_within_a_day_does_not_count():
    schema = {"sent_at": "timestamp('UTC')", "contact_id": "string", "channel_id": "string"}
    schema |= {"message_id": "string", "cause": "string"}
    wrote = [("a", 0, "1001"), ("b", 0, "1002"), ("c", 0, "2001"), ("d", 30, "1001")]
    sent = [("a", 23.9, "1001"), ("a", 24, "1001"), ("b", 1, "1001"), ("c", 1, "2001")]
    sent += [("d", 29, "1001"), ("e", 1, "1001"), ("d", 31, "1001")]
    rows = [
        ibis.memtable(
            [(START + h * H, who, where, f"{who}{h}", None) for who, h, where in part],
            schema=schema,
        )
        for part in (sent, wrote)
    ]
    found = counting(*rows, ["1001", "1002"]).message_id.to_pandas()
    assert sorted(found) == ["a24", "b1", "c1", "d29", "e1"]
    assert counting(rows[0], rows[1], []).count().execute() == len(sent)


def test_load_needs_times_with_a_zone():
    naive = ibis.memtable([], schema=EVENTS | {"at": "timestamp"})
    with pytest.raises(QuotaError, match="no time zone"):
        load(naive, [Limit("1", ("1",), 5)])


def test_load_of_nothing_is_empty():
    assert (
        load(table([]), [Limit("1001", ("1001",), 5), Limit("d", ("2",), 5, Window("day"))])
        .count()
        .execute()
        == 0
    )
    assert load(table(burst(3)), []).count().execute() == 0


def test_reached_says_when_the_limit_was_full():
    limits = [
        Limit("1001", ("1001",), 1000),
        Limit("1002", ("1002",), 10),
        Limit("1003", ("1003",), None),
    ]
    rows = burst(1000) + burst(4, channel="1002") + burst(7, channel="1003")
    found = reached(load(table(rows), limits), limits).set_index("limit")
    assert found["peak"].tolist() == [1000, 4, 7]
    assert found.loc["1001", "reached_at"] == START + timedelta(seconds=999)
    assert found["reached_at"].isna().tolist() == [False, True, True]


def test_a_pool_counts_a_contact_of_two_channels_once():
    rows = burst(5, channel="1001") + burst(5, START + H, channel="1002")
    limits = [Limit("pool", ("1001", "1002"), 5)]
    assert reached(load(table(rows), limits), limits)["peak"].tolist() == [5]


def test_capacity_returns_message_by_message():
    limits = [Limit("1001", ("1001",), 1000, reserve=100), Limit("1002", ("1002",), None)]
    now = load(table(burst(900)), limits)
    assert capacity(now, limits, START - H)["left"].tolist() == [900, pd.NA]
    at = START + 24 * H + timedelta(seconds=9)
    found = capacity(now, limits, at)
    assert found.loc[0, ["size", "reserve", "load", "left"]].tolist() == [1000, 100, 890, 10]
    assert found.loc[1, "load"] == 0 and found["left"].isna().tolist() == [False, True]


def counts(attempted, failed, quota, size=1000):
    frame = pd.DataFrame({"channel_id": ["1001"], "attempted": [attempted], "failed": [failed]})
    return frame.assign(quota=quota, size=pd.array([size], dtype="Int64"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1500, 500, 500), (500, 500, 0)),
        ((1500, 520, 500), (500, 500, 20)),
        ((920, 20, 0), (0, 0, 20)),
        ((1700, 620, 600), (700, 600, 20)),
        ((1200, 620, 600), (200, 200, 420)),
    ],
)
def test_overflow_is_attempted_beyond_the_limit(given, expected):
    found = overflow(counts(*given)).iloc[0]
    assert tuple(found[["overflow", "explained", "other"]]) == expected


def test_overflow_without_a_known_limit_is_not_known():
    found = overflow(counts(5, 3, 2, None))
    assert found["overflow"].isna().all()
    assert found.loc[0, ["explained", "other"]].tolist() == [2, 1]


def test_overflow_refuses_counts_that_contradict():
    with pytest.raises(QuotaError, match="400 attempted is less than 500 failed"):
        overflow(counts(400, 500, 500))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Limit("1001", ("1001",), 0), "is 0; it must be 1 or more"),
        (lambda: Limit("1001", ("1001",), -5), "is -5"),
        (lambda: Limit("main", (), 5), "names no channel"),
        (lambda: period(0, Window("day", None, "Mars/Base")), "no time zone"),
        (lambda: capacity(load(table([]), []), [], datetime(2026, 1, 1)), "no time zone"),
    ],
)
def test_limits_that_cannot_be_are_refused(build, message):
    with pytest.raises(QuotaError, match=message):
        build()


def test_infer_finds_each_run_of_limit_errors():
    schema = {
        "channel_id": "string",
        "contact_id": "string",
        "sent_at": "timestamp('UTC')",
        "cause": "string",
    }
    rows = [("1001", f"c{i}", START + timedelta(seconds=i), "quota") for i in range(500)]
    rows += [("1001", "c3", START + timedelta(seconds=900), "quota")]
    rows += [("1001", f"x{i}", START + timedelta(seconds=i), "opted_out") for i in range(20)]
    rows += [("1001", "early", START - H, "opted_out")]
    rows += [("1001", f"d{i}", START + 72 * H + timedelta(seconds=i), "quota") for i in range(7)]
    rows += [("1002", "c1", START, "opted_out")]
    found = infer(ibis.memtable(rows, schema=schema))
    assert found["channel_id"].tolist() == ["1001", "1001"] and found["run"].tolist() == [1, 2]
    assert found["overflow_at_least"].tolist() == [500, 7] and found["messages"].tolist() == [
        501,
        7,
    ]
    assert found["other"].tolist() == [20, 0]
    assert found.loc[0, "first"] == START and found.loc[0, "last"] == START + timedelta(seconds=900)


@pytest.mark.parametrize(
    ("seen", "tier"), [(1000, 1000), (1990, 2000), (600, None), (251, 250), (1960, 2000)]
)
def test_tier_of(seen, tier):
    assert tier_of(seen) == tier
