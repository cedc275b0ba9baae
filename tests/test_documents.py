"""Every command, option and parameter is named by a document that people read."""

import re

import pytest

from conftest import ROOT
from rebroadcast import cli
from rebroadcast.bench import parameters

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
TEXT = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)


def options():
    commands = cli.app.commands.values()
    return sorted({o for c in commands for p in c.params for o in p.opts if o.startswith("--")})


@pytest.mark.parametrize("name", sorted(cli.app.commands))
def test_a_command_is_documented(name):
    assert re.search(rf"rebroadcast {name}\b", TEXT), f"no document names the command {name}"


@pytest.mark.parametrize("option", options())
def test_an_option_is_documented_with_its_commands(option):
    rows = re.findall(rf"(?m)^\| `{option}` \| .+ \| (.+) \|$", TEXT)
    commands = sorted(cli.app.commands.items())
    having = [n for n, c in commands if any(option in p.opts for p in c.params)]
    assert rows == [", ".join(having)], f"docs/options.md does not say it of {option}"


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_parameter_is_an_option_or_documented(path):
    known = {option.removeprefix("--").replace("-", "_") for option in options()}
    for name in parameters.declared(path):
        plain = name.rstrip("_")
        assert plain in known or plain == "exports" or re.search(rf"`{plain}`", TEXT), name
