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
    assert assessment.stated.empty and not assessment.doubts
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
    found = assess(open_bench(channel="1001", channels=str(channels), attempted="1001=1600"))
    (seen,) = found.tiers.to_dict("records")
    assert (seen["size"], seen["tier"], bool(seen["agrees"])) == (2000, 1000, False)
    assert found.stated[["given", "measured"]].to_numpy().tolist() == [[1600, 1500]]


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
