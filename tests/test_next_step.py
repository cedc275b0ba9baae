"""The command that a report tells people to copy does what the report says."""

import json
import shlex

from click.testing import CliRunner

from conftest import HEADER, opened, row
from rebroadcast import cli
from rebroadcast.bench import parameters
from rebroadcast.report.failure_report import REPEATED, recover_command
from rebroadcast.sources import share
from rebroadcast.verbs import summarise

WORDED = {"exports", "broadcast", "channel"}  # said by the command itself
OWN = {"light", "out"}  # of each report


def test_the_command_names_all_that_both_reports_take():
    report, recovery = (
        parameters.declared(share.notebooks()[name]) for name in ("failure_report", "tag_import")
    )
    assert {*REPEATED} | WORDED | OWN == {*report} & {*recovery}


def test_the_command_of_a_report_tags_whom_the_report_counts(write, tmp_path):
    rows = [
        row("1", "11", at="31/01/2022 15:00:00"),
        row("2", "12", at="31/01/2022 15:00:07"),
        row("3", "13", at="31/01/2022 15:01:00"),
        row("4", "14", at="31/01/2022 15:02:00", sender="user"),
        row("5", "15", at="02/02/2022 15:00:00", content="Otra cosa"),
        row("6", "16", at="02/02/2022 15:00:00", channel="2001"),
        row("7", "17", "Carrier said: ZX-17", at="31/01/2022 15:03:00"),
    ]
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nid = "zx"\ntext = "zx-17"\ncause = "quota"\nverdict = "wait"\n'
    )
    people = [["1", "no molestar"], ["2", ""]]
    asked = {
        "exports": [str(write(rows, "it's «failed» $HOME.csv"))],
        "contacts": str(write(people, "my contacts.csv", ["ContactID", "Tags"])),
        "messages": str(write([r[:-1] for r in rows], "all.csv", HEADER[:-1])),
        "rules": str(tmp_path / "rules.toml"),
        "exclude_tag": "no molestar",
        "timezone": "Ciudad de México",
        "date_format": "DMY",
        "profile": "respondio",
        "channel": "1001",
        "to": "2022-02-02",
        "language": "es",
    }
    bench = opened(asked, "failure_report")
    found = summarise.summarise(bench.settings, bench.tables)
    assert found.recoverable == 4  # 2, 3, 5 and 7: two broadcasts on 1001
    name, *words = shlex.split(recover_command(bench.reader, bench.settings, found))
    done = CliRunner().invoke(cli.app, [*words, "--out", str(tmp_path / "out")])
    assert name == "rebroadcast" and done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["counts"]["tagged"] == found.recoverable
    written = [path.read_text("utf-8") for path in (tmp_path / "out" / "import").glob("*.csv")]
    tags = {line.partition(",")[2] for text in written for line in text.splitlines()[1:]}
    days = ("310122", "020222")
    assert tags == {f"transmisión fallida {day} channel 1001 1500" for day in days}
