"""pyproject.toml, the two lock files and environment.yml name the same versions, and what is
installed is what is locked.
"""

import json
import re
import tomllib
from importlib import metadata

import yaml
from packaging.requirements import Requirement

from conftest import ROOT

CONDA = {
    "ibis-duckdb": "ibis-framework",
    "playwright-python": "playwright",
    "python-tzdata": "tzdata",
}
NOT_PYTHON = {"python", "make", "pip"}


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = project["dependencies"] + [
        t for extra in project["optional-dependencies"].values() for t in extra
    ]
    found = {r.name: str(r.specifier) for t in texts if (r := Requirement(t)).name != "rebroadcast"}
    assert all(spec.startswith("==") for spec in found.values())
    return found


def locked(name):
    text = (ROOT / "requirements" / name).read_text()
    entries = [
        Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"[a-z0-9]", line)
    ]
    assert text.count("--hash=sha256:") >= len(entries)
    assert "http" not in re.sub(r"(?m)^(httpcore|httpx|aiohttp).*$", "", text)
    return [e for e in entries if not e.marker or e.marker.evaluate()]


def test_the_locks_hold_the_declared_versions():
    dev = {e.name: str(e.specifier) for e in locked("dev.txt")}
    assert declared().items() <= dev.items()
    assert {e.name: str(e.specifier) for e in locked("run.txt")}.items() <= dev.items()


def test_environment_yml_holds_the_declared_versions():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(e.split(" ", 1) for e in entries if isinstance(e, str) and " " in e)
    named = {
        CONDA.get(n, n): spec.replace(" ", "") for n, spec in conda.items() if n not in NOT_PYTHON
    }
    pip = next(e["pip"] for e in entries if isinstance(e, dict))
    named |= {
        r.name: str(r.specifier) for e in pip if not e.startswith("--") for r in [Requirement(e)]
    }
    assert named == declared()


def test_what_is_installed_is_what_is_locked():
    installed = {
        d.metadata["Name"].lower().replace("_", "-").replace(".", "-"): d.version
        for d in metadata.distributions()
    }
    wanted = {e.name: next(iter(e.specifier)).version for e in locked("dev.txt")}
    own = {"pip", "rebroadcast", "setuptools"}  # of venv: with Python 3.11, setuptools too
    assert {n: v for n, v in installed.items() if n not in own} == wanted


def test_the_bill_of_materials_is_the_lock():
    bom = json.loads((ROOT / "docs" / "sbom.json").read_text())
    listed = {re.sub("[-_.]+", "-", c["name"]).lower(): c["version"] for c in bom["components"]}
    assert listed == {e.name: next(iter(e.specifier)).version for e in locked("dev.txt")}, (
        "run: make sbom"
    )
    assert bom["bomFormat"] == "CycloneDX" and sum(
        "licenses" in c for c in bom["components"]
    ) > 0.9 * len(listed)
