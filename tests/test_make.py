"""make: a variable that the Makefile does not know stops it, before anything is done."""

import os
import subprocess

import pytest

from conftest import ROOT

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def make(*words, **env):
    """What `make -n report` says with these variables; -n shows what would be run."""
    command = ["make", "-n", "report", *words]
    return subprocess.run(command, cwd=ROOT, env=PLAIN | env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("CHANEL=35210", "CHANEL is no variable here. Did you mean CHANNEL"),
        ("LANGUAJE=es", "LANGUAJE is no variable here. Did you mean LANGUAGE"),
        ("channel=1", "channel is no variable here. Did you mean CHANNEL"),
        ("EXPORTS=a b.csv", "EXPORTS is no variable here. Did you mean EXPORT"),
        ("DATEFORMAT=DMY", "DATEFORMAT is no variable here. Did you mean DATE_FORMAT"),
        ("QQQ=", "QQQ is no variable here. Known: EXPORT"),
    ],
)
def test_a_misspelt_variable_is_one_sentence(word, said):
    done = make(word, "CHANNEL=1001")
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_variables_of_the_environment_are_not_looked_at():
    done = make("CHANNEL=1001", "LANGUAGE=es", CHANEL="x", LANG="es_MX.UTF-8", EXPORTS="y")
    assert done.returncode == 0, done.stderr
    assert '--channel "1001"' in done.stdout and '--language "es"' in done.stdout


def test_a_ledger_is_of_the_recovery_alone_so_that_check_can_follow():
    done = make("EXPORT=a.csv", "LEDGER=my ledger")
    assert '--ledger "my ledger" --tag' in done.stdout and done.stdout.count("--ledger") == 1
    assert "--ledger" not in make("EXPORT=a.csv").stdout
