"""Files in the wrong place are named for what they are; a restriction of a number is read by what
the broadcast's own figures show.
"""

import json

import pytest
from click.testing import CliRunner

from conftest import HEADER, ROOT, long, row
from rebroadcast import cli
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import ColumnError, InputError
from rebroadcast.verbs import convert, summarise

RESTRICTED = (
    "131048 Message failed to send because there are restrictions on how many messages can be sent"
    " from this phone number."
)


@pytest.fixture
def told(tmp_path, write):
    """What a run knows: its summary, and its doubts as texts."""

    def run(failed, messages=None, channels="", **given):
        given["exports"] = str(write(failed))
        if messages:
            given["messages"] = str(write(messages, "messages.csv", HEADER[:-1]))
        if channels:
            (tmp_path / "channels.toml").write_text(channels)
            given["channels"] = str(tmp_path / "channels.toml")
        bench = workbench.open(given | {"timezone": "UTC"})
        summary = summarise.summarise(bench.settings, bench.tables)
        return summary, " ".join(doubt.text() for doubt in summary.doubts)

    return run


FAILED = [row(str(n), f"m{n}", at=f"2022-01-11 15:00:{n}") for n in range(10, 30)]


def test_the_same_file_as_failed_and_as_all_messages_is_refused(write):
    path = str(write(FAILED))
    bench = workbench.open({"exports": path, "messages": path})
    with pytest.raises(InputError, match=r"failed\.csv was given as failed messages and as all"):
        _ = bench.inputs.messages


def test_a_messages_export_of_which_everything_failed_is_doubted(told):
    summary, doubts = told(FAILED, [r[:-1] for r in reversed(FAILED)])
    assert "All messages of the messages export are in the failed-messages export" in doubts
    assert summary.broadcasts["delivered"].tolist() == [0]


@pytest.mark.parametrize("header", [HEADER, HEADER[:-1]])
def test_exports_of_messages_are_no_contacts(write, header):
    path = str(write([r[: len(header)] for r in FAILED], "people.csv", header))
    bench = workbench.open({"contacts": path, "exports": str(write(FAILED))})
    with pytest.raises(ColumnError, match=r"people.csv is of .* expected a contacts export"):
        _ = bench.inputs.contacts


def test_contacts_with_few_columns_are_contacts(write):
    for header in (["ContactID"], ["ContactID", "Phone Number", "Error"]):
        rows = [["7", "+52155512345", "none"][: len(header)]]
        bench = workbench.open({"contacts": str(write(rows, "c.csv", header))})
        assert bench.inputs.contacts.rows == 1


def sent(number, error=None, at=None):
    at = at or f"2022-01-11 15:{number // 60:02}:{number % 60:02}"
    return row(str(100 + number), f"m{number}", error, at)


CHANNELS = '[channel.1001]\nname = "N"\nkind = "whatsapp"\nlimit = {limit}\n'


@pytest.mark.parametrize(
    ("limit", "delivered", "late", "cause"),
    [
        (40, 40, 0, "quota"),  # the limit, and nothing after it
        (40, 39, 0, "policy"),  # one less
        (40, 40, 1, "policy"),  # one arrived after the first restriction
        ('"unlimited"', 40, 0, "policy"),
        pytest.param(100, 40, 0, "policy", marks=long),
    ],
)
def test_a_restriction_right_after_a_limit_is_the_limit(told, limit, delivered, late, cause):
    arrived = [sent(n) for n in range(delivered - late)]
    arrived += [sent(900 + n) for n in range(late)]
    failed = [sent(100 + n, RESTRICTED) for n in range(15)]
    messages = [r[: len(HEADER) - 1] for r in (*arrived, *failed)]
    summary, doubts = told(failed, messages, CHANNELS.format(limit=limit))
    assert summary.causes["cause"].tolist() == [cause]
    assert ("exactly a limit" in doubts) == (cause == "quota")
    assert summary.recoverable == (15 if cause == "quota" else 0)
    assert summary.broadcasts["over_limit"].tolist() == [15 if cause == "quota" else 0]


def test_a_restriction_without_a_messages_export_is_fixed_first(told):
    summary, doubts = told([sent(n, RESTRICTED) for n in range(15)])
    assert summary.causes["verdict"].tolist() == ["fix"]
    assert summary.recoverable == 0
    assert "exactly a limit" not in doubts


def test_a_check_before_sending_tells_what_it_could_not_read(write, tmp_path):
    rows = [["7", "+525551234567"], ["x" * 300, "+525551234568"], ["9", "+525551234569", "more"]]
    path = write(rows, "people.csv", ["ContactID", "Phone Number"])
    (tmp_path / "channels.toml").write_text(CHANNELS.format(limit=10))
    words = ["preflight", str(path), "--channel", "1001", "--json"]
    done = CliRunner().invoke(cli.app, [*words, "--channels", str(tmp_path / "channels.toml")])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["contacts"] == 1
    assert "2 rows of the contacts export could not be read: people.csv" in done.stderr


def test_another_vendors_file_is_not_converted(tmp_path):
    log = ROOT / "tests" / "data" / "vendors" / "twilio_console.csv"
    with pytest.raises(InputError, match=r"twilio_console.csv is of Twilio.*reads it as it is"):
        convert.convert(str(log), tmp_path / "parquet")
    assert not (tmp_path / "parquet").exists()


def test_message_ids_that_contacts_share_are_told(told):
    rows = [
        row(str(100 + n), "1647000000000000", at=f"2022-01-11 15:00:{n}") for n in range(10, 22)
    ]
    summary, doubts = told([*rows, rows[0]])
    assert (summary.facts.repeats, summary.recoverable) == (1, 12)
    assert "11 failed messages have a message ID that another contact's message has, too" in doubts
    _summary, doubts = told([*FAILED, FAILED[0]])
    assert "another contact's message" not in doubts
