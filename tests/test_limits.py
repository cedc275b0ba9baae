"""Limits through the workbench: measured, computed or inferred; waves in import files;
preflight.
"""

import csv
import json

import pytest

from conftest import BLOCKED, HEADER, LIMIT, ROOT, SAMPLES, opened, row, typed
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import InputError, ParameterError, QuotaError
from rebroadcast.report import tag_import
from rebroadcast.report.quota_overflow import limit_sentence
from rebroadcast.verbs import assess as assessing
from rebroadcast.verbs import plan, summarise
from rebroadcast.verbs import preflight as verb
from rebroadcast.verbs import recover as recovering

SAMPLE = {
    "exports": str(SAMPLES / "failed_messages.csv"),
    "channels": str(SAMPLES / "channels.toml"),
    "messages": str(SAMPLES / "messages.csv"),
}


def open_bench(**given):
    return opened(SAMPLE | given, "")


def assess(bench):
    return assessing.assess(bench.settings, bench.tables)


def recover(bench):
    return recovering.recover(bench.settings, bench.tables, bench.results)


def preflight(given):
    bench = workbench.Workbench(workbench.Settings.parse(given))
    return verb.preflight(bench.settings, bench.tables)


def test_measured_with_a_messages_export_tells_the_sample_story_in_both_languages():
    bench = open_bench(channel="1001")
    assessment = assess(bench)
    (window,) = assessment.windows.to_dict("records")
    assert assessment.basis == "measured"
    names = ("attempted", "size", "delivered", "failed", "overflow", "explained", "other")
    assert [int(window[k]) for k in names] == [1500, 1000, 1000, 500, 500, 471, 29]
    assert (str(bench.reader.wall_clock(window["first"]))[11:16], int(window["after"])) == (
        "15:16",
        480,
    )
    reached = assessment.reached.set_index("limit").loc["1001"]
    assert (
        reached["peak"] == 1000
        and str(bench.reader.wall_clock(reached["reached_at"]))[:16] == "2022-01-11 15:16"
    )
    assert assessment.tiers[["size", "high", "agrees"]].to_numpy().tolist() == [[1000, 1000, True]]
    assert "attempted" not in said(bench, assessment) and not assessment.doubts
    english = limit_sentence(bench.reader, window)
    spanish = limit_sentence(workbench.Settings.parse(SAMPLE | {"language": "es"}).reader, window)
    assert "1,500 attempted against a limit of 1,000" in english
    assert spanish != english and all(n in spanish for n in ("1,500", "1,000", "500", "471"))


def test_two_channels_in_one_pool_and_two_broadcasts_in_one_window(write, tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text(
        'timezone = "UTC"\n[pool.main]\nlimit = 4\n[channel.1]\nkind = "whatsapp"\npool ='
        ' "main"\n[channel.2]\nkind = "whatsapp"\npool = "main"\n'
    )
    sent = [
        row(str(n), f"m{n}", None, f"2022-01-11 {10 + n // 3}:00:0{n % 3}", channel="12"[n // 3])
        for n in range(6)
    ]
    failed = [[*s, LIMIT] for s in sent[4:]]
    bench = workbench.open(
        {
            "exports": str(write(failed)),
            "messages": str(write(sent, "m.csv", HEADER[:-1])),
            "channels": str(channels),
            "timezone": "UTC",
        }
    )
    assessment = assess(bench)
    (window,) = assessment.windows.to_dict("records")
    assert [
        int(window[k]) for k in ("attempted", "delivered", "failed", "overflow", "explained")
    ] == [6, 4, 2, 2, 2]
    assert bench.reader.limit(window["limit"]) == "main (channel 1 + channel 2)"
    assert assessment.reached["peak"].tolist() == [4]


def test_computed_from_attempted_counts_and_inferred_without():
    given = {"messages": "", "channel": "1001"}
    found = assess(open_bench(**given, attempted="1001=1500"))
    assert found.basis == "computed"
    assert found.windows[["overflow", "explained", "other"]].to_numpy().tolist() == [[500, 471, 29]]
    found = assess(bench := open_bench(**given))
    assert found.basis == "inferred" and len(bench.tables.broadcasts.limit(1).execute()) == 1
    assert found.windows["overflow"].tolist() == [471]
    with pytest.raises(QuotaError, match="Channel 1001: 499 attempted is less than 500 failed"):
        assess(open_bench(**given, attempted="1001=499"))
    with pytest.raises(ParameterError, match="9999.*no failed message"):
        assess(open_bench(**given, attempted="9999=1500"))


def test_sources_that_disagree_are_named(tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text(
        (SAMPLES / "channels.toml").read_text().replace("limit = 1000", "limit = 2000")
    )
    bench = open_bench(channel="1001", channels=str(channels), attempted="1001=1600")
    found = assess(bench)
    (seen,) = found.tiers.to_dict("records")
    assert (seen["size"], seen["tier"], bool(seen["agrees"])) == (2000, 1000, False)
    told = said(bench, found)["attempted"]
    assert "1,600 attempted were given, 1,500 are in the messages export" in told


def test_waves_give_one_tag_and_one_set_of_files_each(write, tmp_path):
    channels = tmp_path / "channels.toml"
    channels.write_text('timezone = "UTC"\n[channel.1001]\nkind = "whatsapp"\nlimit = 4\n')
    rows = [row(str(n), str(n), at=f"2022-01-11 10:00:0{n}") for n in range(9)]
    bench = workbench.open(
        {
            "exports": str(write(rows)),
            "channels": str(channels),
            "tag": "again {date:%d%m%y}",
            "waves": True,
            "start": "2022-01-20 08:00",
            "quiet": "21:00-08:00",
            "out": str(tmp_path / "out"),
        }
    )
    recovery = recover(bench)
    # It says which file goes out from when.
    steps = tag_import.import_steps(bench.reader, recovery, False).data
    for n, day in ((1, 20), (2, 21), (3, 22)):
        assert (
            f">{day} Jan 2022 08:0{n - 1}</td>"
            in steps.split(f"again-110122-w{n}of3.csv")[0].rsplit("<tr", 1)[1]
        )
    record = bench.finish(recovery)
    files = {
        p.name: [r[0] for r in csv.reader(p.open())][1:]
        for p in sorted((tmp_path / "out" / "import").iterdir())
    }
    assert files == {
        f"again-110122-w{i}of3.csv": ids
        for i, ids in enumerate((list("0123"), list("4567"), ["8"]), 1)
    }
    assert [w["tag"] for w in record["waves"]] == [f"again 110122 w{i}of3" for i in (1, 2, 3)]
    assert record["waves"][0]["start"] == "2022-01-20T08:00:00+00:00"
    starts = recovery.plan.waves["start"]
    assert (
        str(starts[0]) == "2022-01-20 08:00:00+00:00"
        and (starts.diff().dropna().dt.total_seconds() >= 86400).all()
    )


def test_bad_limits_and_times_are_one_sentence_each(write, tmp_path):
    channels = tmp_path / "c.toml"
    rows = str(write([row("1", "1"), row("2", "2")]))
    channels.write_text('timezone = "UTC"\n[channel.1001]\nkind = "whatsapp"\nlimit = 1\n')
    given = {
        "exports": rows,
        "channels": str(channels),
        "tag": "t",
        "waves": True,
        "start": "2022-01-20 08:00",
    }
    with pytest.raises(QuotaError, match="2022-01-2"):
        recover(opened(given | {"deadline": "2022-01-20 09:00"}))
    with pytest.raises(QuotaError, match="reserve"):
        recover(opened(given | {"reserve": "1"}))
    with pytest.raises(ParameterError, match="quiet is '9pm'; expected hours such as 21:00-08:00"):
        workbench.open(given | {"quiet": "9pm"})
    with pytest.raises(QuotaError, match="has no limit"):
        recover(opened(given | {"channels": "", "timezone": "UTC"}))
    early = write([row("1", "1", None, "2022-01-10 10:00:00")], "m.csv", HEADER[:-1])
    with pytest.raises(
        InputError,
        match=(
            "messages export runs from 2022-01-10 to 2022-01-10, but the failed messages from"
            " 2022-01-11"
        ),
    ):
        recover(opened(given | {"messages": str(early)}))


def test_preflight_counts_a_person_once(tmp_path):
    cases, channels = ROOT / "tests" / "data" / "cases", tmp_path / "channels.toml"
    channels.write_text("[channel.1001]\nname = 'WhatsApp'\nkind = 'whatsapp'\nlimit = 1000\n")
    given = {"contacts": str(cases / "c28_contacts_same_phone.csv"), "channels": str(channels)}
    found = preflight(given | {"channel": "1001", "timezone": "UTC"})
    assert (found.contacts, found.duplicates, found.sendable) == (5, 2, 3)


def test_preflight_counts_whom_a_broadcast_would_miss(write, tmp_path):
    contacts = write(
        [["1", "+52 1"], ["2", ""], ["3", "+52 3"], ["3", "+52 3"], ["4", "+52 4"], ["5", "+52 5"]],
        "contacts.csv",
        ["ContactID", "PhoneNumber"],
    )
    channels = tmp_path / "channels.toml"
    channels.write_text(
        'timezone = "UTC"\nsegment_limit = 1\n[channel.1001]\nkind = "whatsapp"\nlimit ='
        ' 2\n[channel.7]\nkind = "instagram"\n'
    )
    earlier = write([row("1", "1", BLOCKED), row("4", "4")])
    given = {
        "contacts": str(contacts),
        "channels": str(channels),
        "channel": "1001",
        "start": "2022-01-20 08:00",
    }
    found = preflight(given | {"exports": str(earlier)})
    assert (
        found.contacts,
        found.duplicates,
        found.no_identifier,
        found.refused,
        found.sendable,
    ) == (6, 1, 1, 1, 3)
    assert (found.waves, found.segments, found.segment_limit) == (2, 2, 1)
    assert "2 segments are needed, but a workspace has 1" in found.note
    with pytest.raises(ParameterError, match="cannot broadcast"):
        preflight(given | {"channel": "7"})
    with pytest.raises(ParameterError, match="Did you mean '1001'"):
        preflight(given | {"channel": "1002"})


@pytest.mark.parametrize(
    ("listed", "sendable"),
    [(["Avisos, Correo", "Correo", "Avisos"], 2), (["Correo", "", "Correo"], 3)],
)
def test_preflight_leaves_out_whom_a_channel_without_numbers_does_not_know(
    write, tmp_path, listed, sendable
):
    contacts = write(
        [[str(n), channels] for n, channels in enumerate(listed, 1)],
        "contacts.csv",
        ["ContactID", "Channels"],
    )
    channels = tmp_path / "channels.toml"
    channels.write_text('timezone = "UTC"\n[channel.1]\nname = "Avisos"\nkind = "telegram"\n')
    found = preflight({"contacts": str(contacts), "channels": str(channels), "channel": "1"})
    assert (found.sendable, found.no_identifier) == (sendable, 3 - sendable)
    assert ("who has written on this channel is not known" in found.note) == (sendable == 3)


def test_preflight_on_the_command_line():
    words = [
        "preflight",
        SAMPLES / "contacts.csv",
        "--channel",
        "1001",
        "--channels",
        SAMPLES / "channels.toml",
        "--failed",
        SAMPLES / "failed_messages.csv",
        "--messages",
        SAMPLES / "messages.csv",
        "--start",
        "2022-01-12 08:00",
    ]
    done = typed(*words, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["left"], answer["waves"], answer["sendable"]) == (0, 3, 2412)


def sent(day, hour, people, text, refused=(), channel="1001"):
    """A broadcast that goes to a person each second, as rows of both exports."""
    rows = []
    for second, contact in enumerate(people):
        at = f"2022-03-{day:02} {hour:02}:{second // 60:02}:{second % 60:02}"
        error = LIMIT if contact in refused else None
        rows.append(row(str(contact), f"{text}{second}", error, at, channel, content=text))
    return rows


@pytest.fixture
def given(write, tmp_path):
    """The parameters of exports of broadcasts, and of a channels file."""

    def given(broadcasts, limits='[channel.1001]\nname = "N"\nlimit = 10\n', messages=True, **more):
        rows = [one for broadcast in broadcasts for one in broadcast]
        failed = [one for one in rows if len(one) == len(HEADER)]
        channels = tmp_path / "channels.toml"
        channels.write_text(f'timezone = "UTC"\n{limits}', "utf-8")
        asked = {"exports": str(write(failed)), "channels": str(channels)} | more
        if messages:
            whole = write([one[: len(HEADER) - 1] for one in rows], "messages.csv", HEADER[:-1])
            asked["messages"] = str(whole)
        return asked

    return given


def said(bench, found):
    told = summarise.look(bench.tables).doubts
    return {doubt.kind: doubt.text() for doubt in (*told, *found.doubts)}


def mornings(limit=10, days=(1, 2, 3)):
    """A broadcast of 15 at nine each morning, of which 5 find the limit reached."""
    each = {day: range(100 * day, 100 * day + limit + 5) for day in days}
    texts = dict(zip(days, ("alfa alfa", "bravo bravo", "charlie charlie"), strict=False))
    return [sent(day, 9, people, texts[day], people[limit:]) for day, people in each.items()]


def test_each_morning_has_a_window_of_its_own(given):
    found = assess(bench := opened(given(mornings())))
    names = ["attempted", "delivered", "failed", "overflow", "explained", "other"]
    assert found.windows[names].to_numpy().tolist() == [[15, 10, 5, 5, 5, 0]] * 3
    first, second, _ = found.windows.to_dict("records")
    assert "N: 15 attempted against a limit of 10" in limit_sentence(bench.reader, first)
    dated = limit_sentence(bench.reader, second | {"dated": True})
    assert dated.startswith("N, 2 Mar 2022 09:00: 15 attempted")
    assert "limit" not in said(bench, found)


def test_whom_two_broadcasts_reach_counts_once_in_every_sentence(given):
    """8 are reached, then 6 of these and 5 others; 3 of the others find the limit reached."""
    first = sent(1, 9, range(1, 9), "alfa alfa")
    second = sent(1, 16, [*range(3, 9), *range(11, 16)], "bravo bravo", (13, 14, 15))
    found = assess(bench := opened(given([first, second])))
    [window] = found.windows.to_dict("records")
    names = ("attempted", "delivered", "failed", "overflow", "explained", "other", "used")
    assert [int(window[name]) for name in names] == [13, 10, 3, 3, 3, 0, 8]
    listed = summarise.broadcasts(bench.settings, bench.tables)
    assert listed["over_limit"].tolist() == [0, 3]


@pytest.mark.parametrize(("stated", "seen"), [(100, 10), (20, 10), (5, 10), (10, None)])
def test_a_limit_that_does_not_fit_what_was_counted_is_told_and_its_failures_wait(
    given, stated, seen
):
    limits = f'[channel.1001]\nname = "N"\nlimit = {stated}\n'
    more = {"tag": "t", "waves": True, "start": "2022-03-01 10:00"}
    bench = opened(given(mornings(days=(1,)), limits, **more))
    found = assess(bench)
    told = said(bench, found).get("limit", "")
    assert (f"N: {seen}/{stated}" in told) == (seen is not None)
    listed = summarise.broadcasts(bench.settings, bench.tables)
    assert listed["over_limit"].tolist() == listed["explained"].tolist() == [5]
    assert listed["limit"].isna().tolist() == [seen is not None]
    assert found.windows["explained"].tolist() == [5]
    planned = plan.plan(bench.settings, bench.tables, bench.tables.audience, found)
    assert f"{planned.waves['start'].min():%d %H}" == "02 09"


def test_a_limit_that_rose_in_the_middle_explains_what_failed_at_each(given):
    few, more = mornings(days=(1,)), mornings(20, days=(2,))
    found = assess(bench := opened(given([*few, *more], "[channel.1001]\nlimit = 20\n")))
    assert sorted(found.windows["explained"]) == [5, 5]
    assert "1001: 10/20" in said(bench, found)["limit"]
    assert [bool(agrees) for agrees in found.tiers["agrees"]] == [False]


@pytest.mark.parametrize("messages", [True, False])
@pytest.mark.parametrize(
    ("window", "again"),
    [
        ("24h", "03-02 09:00"),
        ("6h", "03-01 15:00"),
        ("day", "03-02 00:00"),
        ("month", "04-01 00:00"),
    ],
)
def test_who_failed_at_a_limit_can_be_reached_when_its_window_has_passed(
    given, messages, window, again
):
    limits = f'[channel.1001]\nlimit = 10\nwindow = "{window}"\n'
    more = {"tag": "t", "waves": True, "start": "2022-03-01 09:30", "messages": messages}
    bench = opened(given(mornings(days=(1,)), limits, **more))
    listed = summarise.broadcasts(bench.settings, bench.tables)
    assert f"{listed['earliest'].iloc[0]:%m-%d %H:%M}" == again
    errors = bench.tables.failed.wait_s.execute()
    assert set(errors) == {24 * 3600}, "what an error says stays what it says"
    found = assess(bench)
    planned = plan.plan(bench.settings, bench.tables, bench.tables.audience, found)
    first = planned.waves["start"].min()
    assert f"{first:%m-%d %H}" == again[:-3] and first.minute < 2


def test_what_a_plan_rests_on_and_whom_it_leaves_out_is_told(given):
    broadcasts = [*mornings(days=(1,)), sent(2, 9, range(900, 905), "sms sms", (903, 904), "7")]
    limits = '[channel.1001]\nlimit = 10\n[channel.7]\nname = "SMS"\n'
    bench = opened(given(broadcasts, limits))
    assert (
        "2 contacts who can be reached again are in no wave"
        in said(bench, assess(bench))["no wave"]
    )
    bench = opened(given(broadcasts, limits, messages=False))
    told = said(bench, assess(bench))
    assert "SMS" in told["no wave"] and "full for one window" in told["assumed room"]


def test_a_count_for_several_broadcasts_is_held_against_no_window(given):
    bench = opened(given(mornings(), messages=False, attempted="1001=45"))
    found = assess(bench)
    assert found.basis == "inferred" and found.windows["overflow"].tolist() == [5, 5, 5]


def test_preflight_takes_a_limit_that_was_reached_as_full(given, write):
    people = write([["7", "+52 1"]], "people.csv", ["ContactID", "PhoneNumber"])
    kind = '[channel.1001]\nkind = "whatsapp"\nlimit = 10\n'
    asked = given(mornings(days=(1,)), kind, messages=False, start="2022-03-01 10:00")
    found = preflight(asked | {"contacts": str(people), "channel": "1001"})
    assert (found.left, found.waves) == (0, 1) and f"{found.finish:%d %H}" == "02 09"
    assert "taken as full" in found.note


def test_who_failed_in_a_broadcast_and_in_its_resend_is_told(given):
    """5 fail at the limit; of these, 2 fail in the resend of the day after, too."""
    people = range(1, 16)
    again = sent(2, 15, people[10:], "alfa alfa", people[13:])
    again = [[*one[:4], f"r{one[4]}", *one[5:]] for one in again]
    bench = opened(
        given([sent(1, 9, people, "alfa alfa", people[10:]), again], tag="t {broadcast}")
    )
    told = {doubt.kind: doubt.text() for doubt in recover(bench).doubts}
    assert told["failed again"].startswith("2 contacts to be reached again")
