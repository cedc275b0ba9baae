"""Waves never exceed a window, lose nobody, send to nobody twice, and finish as early as can be."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebroadcast.common.exceptions import QuotaError
from rebroadcast.limits.limit import Limit, Window
from rebroadcast.limits.load import load
from rebroadcast.limits.schedule import Backlog, schedule
from rebroadcast.limits.waves import plan, what_if
from simulator import best_of_all, counts_until, sends, worst

START = datetime(2026, 11, 2, 10, tzinfo=UTC)
RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck)}
H = timedelta(hours=1)


def people(n, channel="1001", **columns):
    return pd.DataFrame(
        {"contact_id": [f"{i:06}" for i in range(n)], "channel_id": channel, **columns}
    )


def traffic(hours_ago, channel="1001"):
    ids = [f"old{i}" for i in range(len(hours_ago))]
    ats = pd.to_datetime([START - h * H for h in hours_ago], utc=True).as_unit("us")
    return pd.DataFrame({"at": ats, "contact_id": ids, "channel_id": channel})


def waves_of(result):
    frame = result.assignment.to_pandas()
    return frame.set_index("contact_id")["wave"]


def loads(events, limits):
    """The load as quota gives it, brought into memory once."""
    return load(ibis.memtable(events, schema=EVENTS), limits).to_pandas()


EVENTS = {"at": "timestamp('UTC')", "contact_id": "string", "channel_id": "string"}


def minute(moment):
    return int(moment.timestamp()) // 60


def moment_of(minutes):
    return datetime.fromtimestamp(minutes * 60, UTC)


def backlog_of(past, window):
    """The load that sends at `past` leave, counted one by one at every moment at which one ends."""
    until = [counts_until(at, window) for at in past]
    moments = sorted({START, *(u for u in until if u > START)})
    return Backlog([minute(m) for m in moments], [sum(u > m for u in until) for m in moments])


@st.composite
def cases(draw):
    channels = draw(st.sampled_from([("1001",), ("1001", "1002")]))
    kind = draw(st.sampled_from(["moving", "moving", "moving", "day", "month"]))
    zone = draw(st.sampled_from(["UTC", "America/Mexico_City", "Asia/Kolkata", "Europe/Madrid"]))
    window = Window(kind, draw(st.sampled_from([H, 5 * H, 24 * H])), zone)
    size = draw(st.integers(1, 30))
    pace = draw(st.sampled_from([None, 0.004, 0.05, 1, 80]))
    limit = Limit("x", channels, size, window, draw(st.integers(0, size - 1)), pace)
    past = draw(st.lists(st.integers(1, 3 * 1440), max_size=limit.room))
    ready = draw(
        st.lists(
            st.tuples(st.sampled_from(channels), st.sampled_from([0, 7, 300, 810, 1440, 2000])),
            min_size=1,
            max_size=45,
        )
    )
    quiet = draw(
        st.sampled_from([(), (("21:00", "08:00"),), (("13:00", "15:00"), ("20:30", "07:15"))])
    )
    return limit, [START - timedelta(minutes=m) for m in past], ready, quiet, zone


@settings(max_examples=150, **RELAXED)
@given(cases())
def test_no_window_is_exceeded_and_nobody_lost(case):
    limit, past, ready, quiet, zone = case
    demand = {}
    for channel, after in ready:
        demand.setdefault(channel, Counter())[minute(START) + after] += 1
    waves = schedule(
        limit, demand, minute(START), backlog=backlog_of(past, limit.window), quiet=quiet, zone=zone
    )

    for channel, counts in demand.items():
        mine = [w for w in waves if w.channel_id == channel]
        assert sum(w.size for w in mine) == counts.total()
        for until in [w.start for w in mine]:  # nobody is sent before their time
            assert sum(w.size for w in mine if w.start <= until) <= sum(
                n for m, n in counts.items() if m <= until
            )
    planned = list(sends([(moment_of(w.start), w.size) for w in waves], limit.pace))
    assert min(planned) >= START
    everything = [(at, f"{i}") for i, at in enumerate([*past, *planned])]
    assert worst(everything, limit.window) <= limit.room
    for at in planned:
        local = at.astimezone(ZoneInfo(zone)).strftime("%H:%M")
        assert not any(a <= local < b if a < b else (local >= a or local < b) for a, b in quiet)


@st.composite
def small(draw):
    size = draw(st.integers(1, 4))
    past = draw(st.lists(st.integers(1, 8), max_size=size))
    ready = draw(st.lists(st.integers(0, 9), min_size=1, max_size=7))
    closed = draw(st.sampled_from([(), ((3, 5),), ((0, 2), (6, 7))]))
    return size, past, ready, closed, draw(st.integers(2, 7)), draw(st.integers(1, 2))


@settings(max_examples=120, **RELAXED)
@given(small())
def test_the_plan_is_the_best_of_all_ways(case):
    size, past, ready, closed, length, channels = case
    window = Window("moving", timedelta(minutes=length))
    limit = Limit("x", tuple("ab"[:channels]), size, window)
    demand = {}
    for i, after in enumerate(ready):
        demand.setdefault("ab"[i % channels], Counter())[minute(START) + after] += 1
    backlog = backlog_of([START - timedelta(minutes=m) for m in past], window)
    quiet = [(f"10:{a:02}", f"10:{b:02}") for a, b in closed]
    waves = schedule(limit, demand, minute(START), backlog=backlog, quiet=quiet)

    shut = {m for a, b in closed for m in range(a, b)}
    best, fewest = best_of_all(
        lambda m: size - sum(-p > m - length for p in past), ready, length, 80, shut
    )
    assert max(w.end for w in waves) == minute(START) + best
    if channels == 1:
        assert len(waves) == fewest


@settings(max_examples=12, **RELAXED)
@given(cases(), st.randoms(use_true_random=False))
def test_every_contact_is_in_one_wave_that_may_take_it(case, random):
    limit, past, ready, quiet, zone = case
    audience = people(len(ready), [channel for channel, _ in ready])
    audience["earliest"] = [START + timedelta(minutes=after) for _, after in ready]
    audience["waited_since"] = [START - timedelta(days=random.randint(0, 3)) for _ in ready]
    ago = [(START - at) / H for at in past]
    given = loads(traffic(ago), [limit])
    result = plan(audience, [limit], START, traffic=given, quiet=quiet, zone=zone)

    told = result.assignment.to_pandas()
    assert sorted(told["contact_id"]) == sorted(audience["contact_id"])
    joined = told.merge(audience, on=["contact_id", "channel_id"]).merge(
        result.waves, on=["wave", "channel_id"]
    )
    assert len(joined) == len(audience)
    assert (joined["start"] >= joined["earliest"]).all()
    assert (told.groupby("wave").size() == result.waves.set_index("wave")["size"]).all()
    rows = result.waves[["start", "size"]].itertuples(index=False)
    everything = [
        *past,
        *sends([(start.to_pydatetime(), size) for start, size in rows], limit.pace),
    ]
    assert worst([(at, f"{i}") for i, at in enumerate(everything)], limit.window) <= limit.room


def test_the_overflow_goes_in_one_wave_when_room_returns():
    limit = Limit("1001", ("1001",), 1000)
    ago = [19 - i / 3600 for i in range(1000)]
    result = plan(people(500), [limit], START, traffic=loads(traffic(ago), [limit]))
    assert result.waves["size"].tolist() == [500]
    assert result.finish == datetime(2026, 11, 2, 15, 9, tzinfo=UTC)


def test_waves_are_as_few_as_the_limit_allows():
    result = plan(people(2500), [Limit("1001", ("1001",), 1000)], START)
    assert result.waves["size"].tolist() == [1000, 1000, 500]
    assert result.waves["start"].tolist() == [START, START + 24 * H, START + 48 * H]


def test_who_waited_longest_goes_first_and_ties_go_by_contact_id():
    waited = [START - timedelta(days=i % 2) for i in range(6)]
    result = plan(people(6, waited_since=waited), [Limit("1001", ("1001",), 2)], START)
    assert waves_of(result).sort_index().tolist() == [2, 1, 3, 1, 3, 2]


def test_who_waited_longest_goes_first_among_those_who_can_be_sent():
    waited = [START - timedelta(days=d) for d in (1, 9, 2, 3)]
    earliest = [START, START + 3 * H, START, START]
    audience = people(4, waited_since=waited, earliest=earliest)
    result = plan(audience, [Limit("1001", ("1001",), 2)], START)
    assert waves_of(result).to_dict() == {"000003": 1, "000002": 1, "000001": 2, "000000": 2}


def test_a_pool_is_shared_and_separate_limits_are_not():
    audience = pd.concat([people(3, "a"), people(3, "b")])
    pool = plan(audience, [Limit("p", ("a", "b"), 3)], START)
    assert pool.finish == START + 24 * H
    apart = plan(audience, [Limit("a", ("a",), 3), Limit("b", ("b",), 3)], START)
    assert apart.finish == START


def test_unlimited_is_a_value_and_a_pace_gives_a_wave_its_length():
    result = plan(people(600), [Limit("1001", ("1001",), None, pace=1)], START)
    assert result.waves["size"].tolist() == [600]
    assert result.finish == START + timedelta(minutes=10)


def test_a_slow_wave_does_not_run_into_the_next_day():
    limit = Limit("1001", ("1001",), 10, Window("day"), pace=0.004)
    late = datetime(2026, 11, 2, 23, 30, tzinfo=UTC)
    result = plan(people(20, earliest=late), [limit], START)
    starts = [start.to_pydatetime() for start in result.waves["start"]]
    moments = enumerate(sends(zip(starts, result.waves["size"], strict=True), limit.pace))
    assert worst([(at, f"{i}") for i, at in moments], limit.window) == 10


def test_a_plan_counts_traffic_that_shares_the_pool():
    limit = Limit("pool", ("1001", "1002"), 10)
    given = loads(traffic([1] * 6, "1002"), [limit])
    result = plan(people(10), [limit], START, traffic=given)
    assert result.waves["size"].tolist() == [10] and result.finish == START + 23 * H
    two = plan(people(12), [limit], START, traffic=given)
    assert two.waves["size"].tolist() == [4, 8] and two.finish == START + 24 * H


def test_traffic_that_never_ends_is_refused():
    forever = pd.DataFrame({"limit": ["1001"], "at": [pd.Timestamp(START)], "load": [10]})
    with pytest.raises(QuotaError, match="never leaves"):
        plan(people(1), [Limit("1001", ("1001",), 10)], START, traffic=forever)


@pytest.mark.parametrize("form", [pa.Table.from_pandas, ibis.memtable])
def test_an_audience_may_be_an_arrow_or_an_ibis_table(form):
    result = plan(form(people(3)), [Limit("1001", ("1001",), 2)], START)
    assert result.waves["size"].tolist() == [2, 1]
    assert waves_of(result).to_dict() == {"000000": 1, "000001": 1, "000002": 2}


def test_an_empty_audience_needs_no_wave():
    audience = ibis.memtable([], schema={"contact_id": "string", "channel_id": "string"})
    result = plan(audience, [Limit("1001", ("1001",), 10)], START)
    assert len(result.waves) == 0 and result.finish is None
    assert result.assignment.count().execute() == 0


@pytest.mark.parametrize(
    ("hours", "message"),
    [(2, "before the first possible wave .* 15:00 UTC"), (7, "1,000 of 1,500 contacts")],
)
def test_a_deadline_that_is_too_early_says_what_would_be_possible(hours, message):
    limit = Limit("1001", ("1001",), 1000)
    load_now = loads(traffic([19 - i / 3600 for i in range(1000)]), [limit])
    with pytest.raises(QuotaError, match=message):
        plan(people(1500), [limit], START, traffic=load_now, deadline=START + hours * H)


def test_a_deadline_that_can_be_met_changes_nothing():
    limit = Limit("1001", ("1001",), 1000)
    result = plan(people(1500), [limit], START, deadline=START + 24 * H)
    assert result.finish == START + 24 * H


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([Limit("1001", ("1001",), 10, reserve=10)], "reserve smaller than the limit"),
        ([Limit("1001", ("1001",), 10), Limit("p", ("1001",), 10)], "under two limits"),
        ([Limit("1002", ("1002",), 10)], "Channel 1001 has no limit"),
    ],
)
def test_contradictory_limits_are_refused(limits, message):
    with pytest.raises(QuotaError, match=message):
        plan(people(3), limits, START)


@pytest.mark.parametrize("quiet", [[("00:00", "12:00"), ("12:00", "00:00")], [("9 pm", "8 am")]])
def test_quiet_hours_that_cannot_be_are_refused(quiet):
    with pytest.raises(QuotaError, match="quiet hours"):
        plan(people(3), [Limit("1001", ("1001",), 10)], START, quiet=quiet)


@pytest.mark.parametrize(
    ("limit", "total", "quiet"),
    [
        (Limit("1", ("1",), 1, Window("month")), 20_000, ()),
        (Limit("1", ("1",), 1, Window("day"), pace=0.001), 10**6, ()),
        (Limit("1", ("1",), 1, Window("moving", 9999 * H)), 10**4, ()),
        (Limit("1", ("1",), None, pace=0.001), 10**9, ()),
        (Limit("1", ("1",), None, pace=0.001), 10**7, [("08:20", "08:00")]),
    ],
)
def test_a_plan_beyond_all_calendars_is_refused(limit, total, quiet):
    at = minute(datetime(2100, 12, 31, tzinfo=UTC))
    with pytest.raises(QuotaError, match="would take years, in [0-9,]+ waves; raise the limit"):
        schedule(limit, {"1": {at: total}}, at, quiet=quiet)


def test_nobody_may_be_named_twice():
    with pytest.raises(QuotaError, match="more than once"):
        plan(pd.concat([people(2), people(1)]), [Limit("1001", ("1001",), 10)], START)


def test_times_need_a_zone():
    with pytest.raises(QuotaError, match="time zone"):
        plan(people(1), [Limit("1001", ("1001",), 10)], START.replace(tzinfo=None))
    with pytest.raises(QuotaError, match="time zone"):
        plan(people(1, earliest=[datetime(2026, 11, 2)]), [Limit("1001", ("1001",), 10)], START)


def test_what_if_compares_scenarios():
    limits = [Limit("1001", ("1001",), 1000)]
    scenarios = {
        "as it is": {},
        "next tier": {"size": 2000},
        "a second number": {"numbers": 2},
        "a larger reserve": {"reserve": 600},
        "all of it reserved": {"reserve": 1000},
        "tomorrow": {"start": START + 24 * H},
    }
    found = what_if(people(2000), limits, scenarios, START).set_index("scenario")
    assert found["waves"].fillna(0).tolist() == [2, 1, 1, 5, 0, 2]
    assert found.loc["tomorrow", "finish"] == START + 48 * H
    assert "reserve" in str(found.loc["all of it reserved", "note"])
