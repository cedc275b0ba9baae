"""Running the notebooks: from the command line and with plain papermill, in both languages, on good
and bad input.
"""

import csv
import gc
import json
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest

from conftest import FILES, ROOT, SAMPLES, row, typed
from rebroadcast.bench import parameters, workbench
from rebroadcast.common.exceptions import OutputError, ParameterError, RunError
from rebroadcast.common.language import Language
from rebroadcast.report import failure_report, reports
from rebroadcast.show import failures
from rebroadcast.show.reader import Reader
from rebroadcast.show.words import cause_name
from rebroadcast.verbs import summarise

BIN = Path(sys.executable).parent
SAMPLE = [str(SAMPLES / "failed_messages.csv"), "--channels", str(SAMPLES / "channels.toml")]


@pytest.fixture(scope="session")
def sample_report(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "run"
    done = typed(
        "report", *SAMPLE, "--messages", SAMPLES / "messages.csv", "--channel", "1001", "--out", out
    )
    assert done.returncode == 0, done.stderr
    return out


def figure(folder, name):
    notebook = nbformat.read(folder / "failure_report.ipynb", as_version=4)
    figures = [
        o["data"]["application/vnd.plotly.v1+json"]
        for c in notebook.cells
        for o in c.get("outputs", ())
        if "application/vnd.plotly.v1+json" in o.get("data", {})
    ]
    return next(f for f in figures if f["layout"]["meta"]["id"] == name)


def test_the_sample_tells_its_story(sample_report):
    page = (sample_report / "failure_report.html").read_text()
    assert (
        "WhatsApp México, 11 Jan 2022, 15:00: 1,500 attempted, 1,000 delivered, 500 failed. The"
        " limit explains 471 of the failures." in page
    )
    row = re.search(r'<tr role="row"><td.*?</tr>', page, re.S)[0]
    assert re.findall(r">([\d,]+)</td>", row) == ["1,500", "1,000", "500", "500", "478"]
    assert "<title>Why messages failed · WhatsApp México, 11 Jan 2022, 15:00</title>" in page
    (listed,) = csv.DictReader((sample_report / "data" / "broadcasts.csv").open(encoding="utf-8"))
    names = ("channel_id", "attempted", "delivered", "limit", "over_limit", "quota", "recoverable")
    assert [listed[n] for n in names] == ["1001", "1500", "1000", "1000", "500", "471", "478"]


def test_every_figure_has_its_data_beside_the_report(sample_report):
    page = (sample_report / "failure_report.html").read_text()
    linked = set(re.findall(r'href="(data/[^"]+\.csv)"', page))
    assert len(linked) >= 3
    assert all((sample_report / name).stat().st_size > 20 for name in linked)
    record = json.loads((sample_report / "run.json").read_text())
    assert {o["name"] for o in record["outputs"]} >= linked | {
        "failure_report.html",
        "failure_report.ipynb",
    }
    assert (record["status"], record["notebook"]) == ("ok", "failure_report")
    assert len(page) <= 2.3e6


def test_a_rerun_differs_in_its_time_of_making_alone(sample_report, sample_run):
    again = sample_run("failure_report")  # in Python, the first on the command line
    for path in sorted((sample_report / "data").iterdir()):
        assert path.read_bytes() == (again / "data" / path.name).read_bytes(), path
    made = re.compile(r'(<time id="made-at"[^>]*>)[^<]*')
    pages = [
        made.sub(r"\1", (f / "failure_report.html").read_text()) for f in (sample_report, again)
    ]
    assert pages[0] == pages[1]


def test_attempted_counts_do_instead_of_a_messages_export(sample_report, tmp_path):
    done = typed(
        "report",
        *SAMPLE,
        "--channel",
        "1001",
        "--attempted",
        "1001=1500",
        "--compare",
        sample_report,
        "--language",
        "es",
        "--out",
        tmp_path / "a",
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "a" / "failure_report.html").read_text()
    assert '<html lang="es"' in page
    assert (
        "WhatsApp México, 11 ene 2022, 15:00: 1,500 intentados, 1,000 entregados, 500 fallidos."
        in page
    )
    assert "Nada aumentó ni disminuyó" in page and "±0" not in page
    assert "Fallidos en la ejecución anterior: 500; en esta: 500 (0 %)." in page
    told = pd.DataFrame({"before": [100, 0], "now": [110, 15]})
    reader = Reader(Language("en"))
    assert failure_report.against(reader, told).endswith(
        "earlier run: 100; in this one: 125 (+25 %)."
    )
    assert failure_report.against(reader, told[1:]).endswith("earlier run: 0; in this one: 15 (—).")


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("3001", "The most frequent cause is “sent too fast”: "),
        ("1001", "The limit explains 471 of the failures."),
    ],
)
def test_the_first_sentence_says_why(channel, said):
    bench = workbench.open(FILES | {"channel": channel})
    found = summarise.summarise(bench.settings, bench.tables)
    sentence = failure_report.headline(bench.reader, found)
    assert said in sentence and "delivered" in sentence
    bench.close()


def test_headline_and_figure_name_the_same_cause_where_causes_tie(write):
    """The errors are in the order of their texts, the causes in that of their names."""
    errors = ["(#131047) Re-engagement message", "(#131026) Message undeliverable"] * 2
    errors += ["(#131050) User has stopped marketing messages", "A text that nobody knows"] * 2
    rows = [row(str(n), f"m{n}", error) for n, error in enumerate(errors)]
    bench = workbench.open({"exports": str(write(rows)), "timezone": "UTC"}, "failure_report")
    found = summarise.summarise(bench.settings, bench.tables)
    assert found.causes["failed"].nunique() == 1
    first = cause_name(found.causes["cause"].iloc[0], bench.reader.lang)
    assert f"“{first}”: 2 (25" in failure_report.headline(bench.reader, found)
    assert f"{first}, 2 of 8" in failures.failures_by_cause(found.causes).layout.title.text


def test_plain_papermill_runs_a_notebook_as_it_is(tmp_path):
    words = [
        "notebooks/failure_report.ipynb",
        tmp_path / "out.ipynb",
        "-p",
        "exports",
        "data/samples/failed_messages.csv",
        "-p",
        "language",
        "es",
    ]
    done = subprocess.run(
        [BIN / "papermill", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "Qué hacer ahora" in (tmp_path / "out.ipynb").read_text()
    done = subprocess.run(
        [BIN / "papermill", *map(str, words[:2]), "-p", "languag", "es"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode != 0
    assert "Unknown parameter 'languag'. Did you mean 'language'?" in done.stderr


BAD = [
    (["no.csv"], "No such file: no.csv"),
    (["{good}", "--languag", "es"], "No such option '--languag'. Did you mean '--language'?"),
    (["{good}", "--language", "fr"], "language is 'fr', expected one of: en, es"),
    (["{good}", "--timezone", "America/Mexico"], "no known time zone"),
    (["{good}", "--channel", "7"], "No failed message has channel ID '7'. Present: 1001"),
    (["{good}", "--attempted", "1001"], "expected CHANNEL_ID=COUNT"),
    (["{good}", "--attempted", "1001=0"], "attempted"),
    (["{good}", "--channels", "{good}"], "is not TOML"),
    (["{good}", "--from", "soon"], "expected a date such as"),
    (["{ambiguous}"], "can be read two ways"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD, ids=[s for _, s in BAD])
def test_bad_input_is_one_sentence_with_status_2_and_writes_nothing(
    write, tmp_path, words, sentence
):
    files = {
        "good": write([row()]),
        "ambiguous": write([row(at="03/04/2022 10:00")], "ambiguous.csv"),
    }
    before = sorted(tmp_path.rglob("*"))
    done = typed("report", *[w.format(**files) for w in words], "--out", tmp_path / "deep" / "out")
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_holds_another_run_is_refused_without_overwrite(sample_report):
    before = (sample_report / "run.json").read_bytes()
    with pytest.raises(OutputError, match="already holds another run"):
        reports.run("failure_report", {"exports": SAMPLE[0]}, sample_report)
    assert (sample_report / "run.json").read_bytes() == before


def custom(tmp_path, *cells, parameters="n: int = 1\nword = 'a'"):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    )
    notebook.cells += [nbformat.v4.new_code_cell(c) for c in cells]
    nbformat.write(notebook, tmp_path / "custom.ipynb")
    return tmp_path / "custom.ipynb"


@pytest.mark.parametrize(
    ("cell", "words"),
    [("1 / 0", "Cell 3 failed: ZeroDivisionError"), ("import os; os._exit(9)", "process died")],
)
def test_a_run_that_fails_leaves_a_record_that_says_where(tmp_path, cell, words):
    notebook = custom(tmp_path, "n + 1", cell)
    with pytest.raises(RunError, match=words):
        reports.run(notebook, {"n": 2}, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (
        record["status"] == "failed"
        and words in record["message"]
        and "\n" not in record["message"]
    )
    # The folder of a failed run may be used again.
    shutil.copy(custom(tmp_path, "n + 1"), notebook.with_name("good.ipynb"))
    assert (
        reports.run(notebook.with_name("good.ipynb"), {"n": 2}, tmp_path / "out")["status"] == "ok"
    )


@pytest.mark.parametrize("cell", ["n", "1 / 0", "import os; os._exit(9)"])
def test_a_run_leaves_no_process_no_thread_and_no_open_file(tmp_path, cell):
    notebook, left = custom(tmp_path, cell), []
    for number in range(3):
        with suppress(RunError):
            reports.run(notebook, {"n": 2}, tmp_path / f"out{number}")
        for thread in threading.enumerate():  # what makes the next page ready
            if thread.name == "pages":
                thread.join()
        gc.collect()
        own = psutil.Process()
        left.append((threading.active_count(), len(own.children()), own.num_fds()))
    assert left[1][:2] == left[2][:2]
    assert left[2][2] - left[1][2] < 5, "the channels to a kernel are a dozen files"


def test_parameters_are_checked_by_name_and_type(tmp_path):
    declared = parameters.declared(
        custom(
            tmp_path,
            parameters=(
                "n: int | None = None\nflag: bool = False\nids: list[str] = []\nword = 'a'\nfrom_:"
                " str = ''\nattempted: dict = {}"
            ),
        )
    )
    given = {
        "n": "7",
        "flag": "false",
        "ids": "007",
        "word": ["a", "b"],
        "from": "2022-01-01",
        "attempted": "1=2",
    }
    assert parameters.check(declared, given) == {
        "n": 7,
        "flag": False,
        "ids": ["007"],
        "word": ["a", "b"],
        "from_": "2022-01-01",
        "attempted": {"1": 2},
    }
    for name, value, words in [
        ("n", "abc", "Parameter 'n' is 'abc'; expected int"),
        ("flagg", 1, "Did you mean 'flag'"),
        ("word", {}, "expected str"),
    ]:
        with pytest.raises(ParameterError, match=words):
            parameters.check(declared, {name: value})
    assert parameters.check(declared, {"word": 7}) == {"word": "7"}


def test_the_parts_come_in_the_order_in_which_they_are_asked_for(sample_report):
    page = (sample_report / "failure_report.html").read_text()
    parts = re.findall(r'<h2 id="[^"]*">(.*?)</h2>', page)
    wanted = [
        "Why",
        "When",
        "Who can be reached again",
        "Next steps on the platform",
        "How this was made",
    ]
    assert (
        [p for p in parts if p in wanted] == wanted
        and parts[0] == "Why"
        and parts[-1] == wanted[-1]
    )
    assert not {"Against an earlier run", "Where", "Errors that no rule knows"} & {*parts}
    first = page[page.index("What to do now") :]
    assert first[: first.index("</ol>")].count("<li>") == 3


def test_who_can_be_reached_again_is_what_a_recovery_tags(sample_report):
    page = (sample_report / "failure_report.html").read_text()
    again = page[page.index("Who can be reached again</h2>") :]
    assert (
        "478 contacts can be reached again." in again[:500]
    )  # an agent's later message reaches nobody
    assert re.search(
        r">tagged</td><td[^>]*>478<.*?between 12 Jan 2022 15:0\d and 12 Jan 2022 15:2\d", again
    )


def test_every_text_of_the_report_is_in_its_language(sample_report, tmp_path):
    """What is the same in both languages is a number, a name, a file or a masked error text."""
    done = typed(
        "report",
        *SAMPLE,
        "--messages",
        SAMPLES / "messages.csv",
        "--channel",
        "1001",
        "--language",
        "es",
        "--out",
        tmp_path / "es",
    )
    assert done.returncode == 0, done.stderr
    pages = [folder / "failure_report.html" for folder in (sample_report, tmp_path / "es")]
    both = [
        set(
            re.findall(
                r">\s*([^<>{]*[A-Za-z]{3}[^<>{]*?)\s*<",
                re.sub(r"(?s)<(script|style|code|pre)\b.*?</\1>", "", p.read_text()),
            )
        )
        for p in pages
    ]
    assert min(map(len, both)) > 60
    same = {
        t for t in both[0] & both[1] if not re.search(r"\.csv|\.toml|\.com$|^[0-9a-f]{64}$|^\(#", t)
    }
    errors = (sample_report / "data" / "failures-by-error.csv").read_text()
    same = {t for t in same if t.partition("…")[0] not in errors}
    assert same <= {
        "WhatsApp México",
        "Mexico City",
        "SHA-256",
        "Bytes",
        "Error",
        "rebroadcast 0.1.0.",
        "channel",
        "channels",
        "exports",
        "messages",
        "language",
    }


def test_the_rule_that_the_report_suggests_fits_its_errors(tmp_path):
    from rebroadcast import errors
    from rebroadcast.common.masking import mask
    from rebroadcast.errors import texts
    from rebroadcast.verbs import summarise as summaries

    suggested = {}
    for example in examples():
        masked = mask(example)
        suggested[example] = summaries.suggested_rule(texts.shape(masked), masked)

    def others(given):
        """The examples that are not explained by their own rule where all of these are in one
        file.
        """
        path = tmp_path / "rules.toml"
        path.write_text(
            "\n".join(re.sub('"my-[^"]*"', f'"my-{i}"', suggested[e]) for i, e in enumerate(given))
        )
        rules = errors.load_rules(path)
        return [e for i, e in enumerate(given) if errors.explain(e, None, rules).rule != f"my-{i}"]

    left = [*suggested]
    while len(found := others(left)) < len(left):
        left = found
    assert [e for e in left if others([e])] == []


def test_unknown_errors_that_differ_in_a_name_or_a_number_are_one_group():
    from rebroadcast.errors import texts

    names = ["Ana", "Luis", "Eva", "Juan", "Sol"]
    several = [f"Relay for {name} closed, ticket {n}0{n}" for n, name in enumerate(names)]
    other = ["Relay for Ana closed by operator", "Route gone"]
    found = texts.shapes([*several, *other])
    assert {found[t] for t in several} == {"Relay for ‹…› closed, ticket ‹…›"}
    assert [found[t] for t in other] == other


def examples():
    import csv

    with (ROOT / "tests" / "data" / "error_examples.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    return [r["text"] for r in rows if r["text"].strip()]
