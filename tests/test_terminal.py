"""Commands as they are typed: what is printed, what is written, and with which exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, SAMPLES, row, typed

COMMAND = [str(Path(sys.executable).parent / "rebroadcast")]
EXPORT = str(SAMPLES / "failed_messages.csv")
FILES = ["--channels", str(SAMPLES / "channels.toml"), "--messages", str(SAMPLES / "messages.csv")]


def run(place, *words):
    """Run the command in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    words = [*COMMAND, *map(str, words)]
    return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, timeout=500)


def test_quota_prints_json_alone_and_replaces_results_only_when_told(tmp_path):
    words = ["quota", EXPORT, *FILES, "--start", "2022-01-31 08:00", "--json"]
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    kept = (tmp_path / "results" / "quota_overflow" / "run.json").read_bytes()
    assert said == json.loads(kept) and said["notebook"] == "quota_overflow"
    refused = typed(*words, place=tmp_path)
    assert refused.returncode == 2 and "already holds another run" in refused.stderr
    assert (tmp_path / "results" / "quota_overflow" / "run.json").read_bytes() == kept
    assert typed(*words, "--overwrite", place=tmp_path).returncode == 0


def test_check_without_a_ledger_is_one_sentence(tmp_path):
    done = run(tmp_path, "check", EXPORT, *FILES, "--ledger", "none")
    assert done.returncode == 2 and "Error: " in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recoverr", EXPORT], "'recover'"),
        (["quotas", EXPORT], "Did you mean 'quota'?"),
        (["recover", EXPORT, "--deadlin", "x"], "Did you mean '--deadline'?"),
        (["batch", "b.toml", "--jobs", "0"], "0 is not in the range"),
        (["check"], "Missing argument 'EXPORTS...'"),
    ],
)
def test_a_misspelt_command_or_option_is_answered_with_the_right_one(tmp_path, words, said):
    done = typed(*words, place=tmp_path)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("quota", "--attempted", ("1001=5", "1002=5")),
        ("report", "--channel", ("1001", "1002")),
        ("recover", "--messages", ("a.csv", "b.csv")),
        ("broadcasts", "--timezone", ("UTC", "UTC")),
    ],
)
def test_an_option_given_twice_is_refused_and_none_of_its_values_is_lost(
    write, command, option, values
):
    export = write([row("1", "m1")])
    words = [part for value in values for part in (option, value)]
    for language, said in (("en", "was given 2 times"), ("es", "se indicó 2 veces")):
        done = typed(command, export, *words, "--language", language)
        assert done.returncode == 2 and said in done.stderr and option in done.stderr
        assert done.stderr.count("\n") == 1 and not done.stdout


@pytest.mark.parametrize("command", ["broadcasts", "report"])
def test_json_and_warnings_go_two_ways(write, tmp_path, command):
    export = write([row("1", "m1"), row("2", "m2", at="2022-01-1? 18:0")])
    said = typed(command, export, place=tmp_path)
    told = typed(command, export, "--json", "--overwrite", place=tmp_path)
    warnings = [line for line in said.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) > 1 and json.loads(told.stdout)
    assert [line for line in told.stderr.splitlines() if line.startswith("Warning: ")] == warnings


def test_a_provider_that_nobody_knows_is_refused_with_the_nearest():
    ran = typed("explain", "30003", "--provider", "twillio")
    assert ran.returncode and "Did you mean 'twilio'?" in ran.stdout + ran.stderr
