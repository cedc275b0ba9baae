"""The examples: what they start is real, what they name exists, and the plain ones run here."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from conftest import ROOT, SAMPLES
from rebroadcast.batch import batchfile
from rebroadcast.bench import parameters

EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
needs_sh = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a Unix shell")
CRON = next(line for line in (EXAMPLES / "crontab").read_text().splitlines() if line[0] != "#")
COMMAND = re.search(r"rebroadcast batch .*?--out", CRON)[0]


def shell(command, **environment):
    """Run a command as cron does: by sh, with hardly any environment."""
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "lib"),
        "JUPYTER_PATH": os.environ["JUPYTER_PATH"],
        **environment,
    }
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=300, env=env
    )


@needs_sh
def test_the_command_line_of_cron_runs_the_batch(tmp_path):
    when, command = CRON.split("  ", 1)
    assert len(when.split()) == 5 and "%" not in command
    command = command.replace(".venv/bin", str(BIN))
    for theirs, ours in (
        ("/srv/rebroadcast", ROOT),
        ("/srv/exports", SAMPLES),
        ("/srv/reports", tmp_path / "reports"),
    ):
        command = command.replace(theirs, str(ours))
    done = shell(command)
    log = (tmp_path / "reports.log").read_text()
    assert done.returncode == 0, log
    assert "1/2" in log and "2/2" in log
    told = json.loads((tmp_path / "reports" / "batch.json").read_text())
    assert {e["name"]: e["this_batch"] for e in told["entries"]} == {
        "failures-1001": "ok",
        "recover": "ok",
    }
    assert "All 2 reports are up to date." in (tmp_path / "reports" / "index.html").read_text()


def test_a_folder_per_workspace_gives_its_entries(tmp_path):
    for name in ("Hotel Mar", "tienda"):
        (tmp_path / name).mkdir()
        for file in ("failed_messages.csv", "channels.toml"):
            shutil.copy(SAMPLES / file, tmp_path / name)
    plan = batchfile.load(EXAMPLES / "workspaces.toml", {"INBOX": str(tmp_path)})
    assert [(e.workspace, e.name) for e in plan.entries] == [
        (w, n) for n in ("failures", "limits") for w in ("Hotel Mar", "tienda")
    ]
    assert not any(e.problem for e in plan.entries)


@needs_sh
def test_plain_papermill_runs_in_a_shell_script(tmp_path):
    for name in ("failed_messages.csv", "channels.toml"):
        shutil.copy(SAMPLES / name, tmp_path)
    done = shell(f"{EXAMPLES}/papermill.sh {tmp_path} {tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert (
        json.loads((tmp_path / "out" / "failed_messages" / "run.json").read_text())["status"]
        == "ok"
    )


def test_the_timer_starts_the_same_command():
    service, timer = configparser.ConfigParser(), configparser.ConfigParser()
    assert service.read(EXAMPLES / "rebroadcast.service") and timer.read(
        EXAMPLES / "rebroadcast.timer"
    )
    start = service["Service"]["ExecStart"]
    assert COMMAND in start and start.startswith(service["Service"]["WorkingDirectory"])
    assert timer["Timer"]["OnCalendar"] and timer["Install"]["WantedBy"] == "timers.target"
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "calendar", timer["Timer"]["OnCalendar"]], capture_output=True
        )
        assert done.returncode == 0


def test_the_workflow_installs_from_the_lock_and_runs_the_batch():
    workflow = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    assert workflow[True]["schedule"][0]["cron"] == " ".join(
        CRON.split()[:5]
    )  # YAML 1.1 reads `on` as true
    job = workflow["jobs"]["batch"]
    assert (ROOT / job["env"]["INBOX"] / "failed_messages.csv").is_file()
    runs = "\n".join(step.get("run", "") for step in job["steps"])
    assert COMMAND in runs
    assert all((ROOT / path).is_file() for path in re.findall(r"-r (\S+)", runs))
    kept = next(
        step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")
    )
    assert {"!reports/**/data", "!reports/**/import"} <= set(kept.split())


def test_the_airflow_tasks_name_notebooks_and_parameters_that_exist(monkeypatch):
    """Airflow is not installed here: its two classes are stood in for, and what they are given is
    checked.
    """
    tasks, dags = [], []

    class Dag:
        def __init__(self, name, **options):
            dags.append((name, options))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    where = "airflow.providers.papermill.operators.papermill"
    names = [where.rsplit(".", n)[0] for n in range(4, -1, -1)]
    modules = {name: types.ModuleType(name) for name in names}
    modules["airflow"].DAG = Dag
    modules[where].PapermillOperator = lambda **given: tasks.append(given)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("REBROADCAST_HOME", str(ROOT))
    code = compile((EXAMPLES / "airflow_dag.py").read_text(), "airflow_dag.py", "exec")
    exec(code, {"__name__": "airflow_dag"})
    assert dags[0][1]["schedule"] == " ".join(CRON.split()[:5]) and len(tasks) == 2
    for task in tasks:
        declared = parameters.declared(Path(task["input_nb"]))
        assert parameters.check(declared, task["parameters"])["out"]
