"""Commands as they are typed: what is printed, what is written, and with which exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, SAMPLES, typed

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
