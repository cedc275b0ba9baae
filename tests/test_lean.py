"""What a start loads: no heavy module before it is used."""

import subprocess
import sys

import pytest

HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "plotly",
    "ibis",
    "duckdb",
    "papermill",
    "nbformat",
    "nbclient",
    "openpyxl",
    "jupyter_client",
    "babel",
}
EXPLAIN = (
    "import sys; sys.argv = ['rebroadcast', 'explain', 'Forbidden: bot was blocked by the user',"
    " *{options}]; from rebroadcast.cli import main\ntry: main()\nexcept SystemExit: pass"
)


@pytest.mark.parametrize(
    "code",
    [
        "import rebroadcast",
        "import rebroadcast; rebroadcast.explain('x')",
        "import rebroadcast.cli",
        "import rebroadcast.errors",
        EXPLAIN.format(options=["--kind", "telegram"]),
        EXPLAIN.format(options=["--json", "--language", "es"]),
    ],
)
def test_explain_loads_no_heavy_module(code):
    code += (
        "\nimport sys; print('loaded', *sorted({m.split('.')[0] for m, v in sys.modules.items() if"
        " v}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "rebroadcast" in loaded and not loaded & HEAVY


def test_a_headless_report_loads_neither_jupyterlab_nor_the_grammars_of_jsonschema():
    imported = "rebroadcast.report.reports, rebroadcast.show.failures, papermill, sys"
    code = f"import {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"jupyterlab", "jupyter_server", "lark", "ipywidgets", "pyspark"} & loaded
