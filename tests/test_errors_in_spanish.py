"""Errors in the user's language: in the terminal, in a notebook's kernel, in the explorer, in a
batch; English where none is named.
"""

import re
import subprocess
import sys
from itertools import product
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from conftest import HEADER, row
from rebroadcast import cli
from rebroadcast.batch import batch, batchfile
from rebroadcast.bench.settings import Settings
from rebroadcast.common.exceptions import (
    LANGUAGES,
    BatchError,
    ChannelsError,
    ColumnError,
    InputError,
    OutputError,
    ParameterError,
    RebroadcastError,
    RulesError,
    RunError,
    did_you_mean,
    sentence,
)
from rebroadcast.common.language import Language
from rebroadcast.errors import load_rules
from rebroadcast.explorer import explorer
from rebroadcast.limits.channels import load_channels
from rebroadcast.reading import exports
from rebroadcast.recovery.tags import Tag
from rebroadcast.report import reports
from rebroadcast.show.words import disposition_name

CONTACTS = ["Contact ID", "First Name", "Last Name", "Phone Number", "Email", "Tags"]


def refusal(*words) -> str:
    """The sentence with which a command ends."""
    found = CliRunner().invoke(cli.app, [str(w) for w in words])
    assert isinstance(found.exception, RebroadcastError) and found.exception.exit_status == 2
    return str(found.exception)


def in_spanish(kind, work, *given) -> str:
    """The error that work raises, in Spanish; its own words are English before and after."""
    with pytest.raises(kind) as raised:
        work(*given)
    english, said = str(raised.value), raised.value.said_in("es")
    assert said != english == str(raised.value) == raised.value.said_in("en")
    return said


def test_the_terminal_says_in_spanish_what_is_wrong(tmp_path):
    words = [
        sys.executable,
        "-m",
        "rebroadcast.cli",
        "recover",
        "nada.csv",
        "--tag",
        "x",
        "--language",
        "es",
        "--out",
        "r",
    ]
    (tmp_path / "nadar.csv").write_text("")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stderr.endswith(
        "Error: No existe el archivo: nada.csv. ¿Quiso decir 'nadar.csv'?\n"
    )
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "x.csv", "--timezone", "America/Mexico"], "zona horaria"),
        (["report", "x.csv", "--from", "ayer"], "from es 'ayer'; se esperaba una fecha"),
        (["recover", "x.csv", "--tag", ""], "La etiqueta está vacía"),
        (
            ["recover", "x.csv", "--tag", "t", "--reserve", "-1", "--dry-run"],
            "reserve es '-1'; se esperaba un número de contactos",
        ),
        (
            ["preflight", "x.csv", "--channel", "9"],
            "El canal '9' no está en el archivo de canales. Se conocen: ninguno; indique",
        ),
        (["explain", "x", "--kind", "whatsap"], "no es un tipo de canal. ¿Quiso decir 'whatsapp'?"),
        (
            ["explain", "x", "--rules", "no.toml"],
            "no.toml: no se puede leer el archivo de reglas (no existe ese archivo o carpeta).",
        ),
    ],
)
def test_each_command_speaks_the_language_that_it_was_given(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("Contact ID\n")
    assert said in refusal(*words, "--language", "es")
    assert said not in (english := refusal(*words, "--language", "en")) and english != refusal(
        *words, "--language", "es"
    )
    assert refusal(*words) == english


def test_an_error_inside_the_kernel_reaches_the_caller_in_spanish(write, tmp_path):
    given = {"exports": str(write([row()])), "channel": "1002", "language": "es"}
    with pytest.raises(
        ParameterError,
        match="Ningún mensaje fallido tiene el ID de canal '1002'. ¿Quiso decir '1001'. Hay: 1001",
    ):
        reports.run("failure_report", given, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ParameterError, match="Unknown parameter 'chanel'. Did you mean 'channel'"):
        reports.run("failure_report", {"exports": "x.csv", "chanel": "1"}, tmp_path / "out")


def test_what_a_failed_run_leaves_behind_says_why_in_spanish(write, tmp_path, monkeypatch):
    def die(*_, **__):
        return reports._at(
            3, sentence("the notebook's process died, often for want of memory"), died=True
        )

    monkeypatch.setattr(reports, "execute", die)
    given = {"exports": str(write([row()])), "language": "es"}
    said = in_spanish(RunError, reports.run, "failure_report", given, tmp_path / "out")
    assert re.search(r"Falló la celda 3: el proceso .* memoria\. La constancia de la", said)
    assert said.endswith("run.json.")
    assert "Falló la celda 3" in (tmp_path / "out" / "run.json").read_text("utf-8")


def test_the_explorer_says_in_spanish_what_is_wrong(write, tmp_path):
    given = {"tagg": "x", "language": "es"}
    assert "Parámetro desconocido 'tagg'" in in_spanish(ParameterError, explorer.show, given)
    lab = explorer.show({"exports": str(write([row()])), "timezone": "UTC", "language": "es"})
    lab.task.result(300)
    lab.face.tag.value = "a, b"
    lab.task.result(300)
    assert "tiene una coma, que separa etiquetas" in lab.face.panel.value
    (tmp_path / "file").write_text("")
    lab.face.tag.value, lab.face.folder.value = "t", str(tmp_path / "file" / "below")
    lab.task.result(300)
    for act in (lab.save, lambda: lab.run(dry=True), lab.run):
        lab.safely(act)
        lab.task.result(300)
    assert (
        "No se puede crear" in lab.face.status.value
        and "below (no es una carpeta); indique otra carpeta (out)." in lab.face.status.value
    )
    lab.settle()


def test_a_batch_speaks_its_own_language(tmp_path):
    path = tmp_path / "batch.toml"
    path.write_text(
        '[defaults]\nlanguage = "es"\n[[entry]]\nname = "a"\nnotebook ='
        ' "failure_report"\n[entry.parameters]\nexport = "x"\n'
    )
    with pytest.raises(
        BatchError,
        match=r"entrada 1 \('a'\): Parámetro desconocido 'export'. ¿Quiso decir 'exports'",
    ):
        batchfile.load(path)
    path.write_text(
        '[defaults]\nlanguage = "es"\n[[entry]]\nname = "a"\nnotebook ='
        ' "failure_report"\n[entry.parameters]\nexports = "no.csv"\n'
    )
    (row,) = batch.run(path, tmp_path / "out")["entries"]  # an export that is late is no mistake
    assert row["message"].startswith("No existe el archivo: no.csv.")
    assert "No existe el archivo" in (tmp_path / "out" / "index.html").read_text("utf-8")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "index.html").write_text("")
    with pytest.raises(OutputError, match="que no hizo ningún lote; indique otro --out"):
        batch.run(path, tmp_path / "odd")
    path.write_text(
        '[defaults]\nlanguage = "es"\n[[entry]]\nname = "a"\nnotebook = "failure_report"\nkept'
        " = 1\n"
    )
    with pytest.raises(
        BatchError, match="entry 1: kept no es un ajuste; aquí se conocen: name, notebook"
    ):
        batchfile.load(path)
    path.write_text(
        '[defaults]\nlanguage = "es"\nkept = 1\n[[entry]]\nname = "a"\nnotebook ='
        ' "failure_report"\n'
    )
    with pytest.raises(
        BatchError, match="defaults: el cuaderno de ninguna entrada tiene el parámetro 'kept'"
    ):
        batchfile.load(path)


def test_files_of_the_users_own_are_refused_in_spanish(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[channel.1]\nname = "A"\nkind = "whatsapp"\nlimit = 0\n')
    said = in_spanish(ChannelsError, load_channels, path)
    assert "channel.1.limit es 0; se esperaba un número entero mayor que 0, de no más de " in said
    path.write_text('[[rule]]\nid = "a"\ncode = ["1"]\ncause = "quotas"\n')
    said = in_spanish(RulesError, load_rules, path)
    assert "own.toml, línea 2: a: cause es 'quotas'; se esperaba uno de: quota," in said
    assert said.endswith("¿Quiso decir 'quota'?")


FOREIGN = {  # what a parser of others says stays a quotation
    "[[rule]\n": r"esto no es TOML: línea 1, columna 7, “Expected .*”\. ",
    'id = "a': r"esto no es TOML: al final, “.*”\. ",
    f"n = {'9' * 5000}": "esto no es TOML: “Exceeds the limit .*”",
    '[[rule]]\nid = "a"\ncause = "quota"\ntext = "a("': "que RE2 entienda: “missing .*”",
    '[[rule]]\nid = ""\ncause = "quota"': "id es ''; se esperaba un texto propio",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_no_english_stands_in_a_spanish_sentence_but_in_quotes(tmp_path, content):
    path = tmp_path / "own.toml"
    path.write_text(content)
    said = in_spanish(RulesError, load_rules, path)
    assert re.search(FOREIGN[content], said)
    outside = re.sub(f"{path}|“.*?”|'.*?'", "", said)
    assert not re.search(r"\b(?:is|the|in|at|of|should|expected|line)\b", outside), said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('name = ""\nnotebook = "x"', "name es ''; se esperaba un texto que no esté vacío"),
        ('name = "a"\nnotebook = 3.5\nforeach = 1', "foreach es 1; se esperaba una tabla"),
        ("name = []", r"name es \[\]; se esperaba un texto válido"),
    ],
)
def test_what_a_batch_file_should_have_is_one_phrase(tmp_path, lines, said):
    path = tmp_path / "batch.toml"
    path.write_text(f'[defaults]\nlanguage = "es"\n[[entry]]\n{lines}\n')
    with pytest.raises(BatchError, match=said):
        batchfile.load(path)
    path.write_text('entry = []\n[defaults]\nlanguage = "es"\n')
    with pytest.raises(BatchError, match="se esperaba una lista que no esté vacía"):
        batchfile.load(path)


def test_a_tag_that_cannot_be_filled_is_quoted_in_spanish():
    said = in_spanish(ParameterError, Tag.parse, "t {date")
    assert said == "No se entiende la etiqueta 't {date': “expected '}' before end of string”."


def test_words_agree_with_their_number_in_spanish():
    told = [disposition_name("tagged", Language("es"), n) for n in (1, 25)]
    assert told == ["etiquetado", "etiquetados"]
    assert disposition_name("tagged", Language("en"), 25) == "tagged"
    failed = ("{n} of {all} reports failed.",) * 2
    said = [Language("es").ngettext(*failed, n, all=3) for n in (1, 2)]
    assert said == ["Falló 1 informe de 3.", "Fallaron 2 informes de 3."]


def test_another_export_is_named_for_what_it_is(engine, write):
    contacts = write(
        [["1", "Ana", "Paz", "+52 55 1234 5678", "a@b.mx", "x"]], "people.csv", CONTACTS
    )
    messages = write([row(error=None)], "messages.csv", HEADER[:-1])
    with pytest.raises(
        ColumnError,
        match=(
            r"no 'Date & Time' column.* It looks like a contacts export; give it as contacts"
            r" \(--contacts\)"
        ),
    ):
        exports.read(engine, str(contacts), "messages")
    with pytest.raises(
        ColumnError,
        match=(
            r"has no 'Error' column.* looks like a messages export; give it as messages"
            r" \(--messages\)"
        ),
    ):
        exports.read(engine, str(messages), "failed")
    said = in_spanish(ColumnError, exports.read, engine, str(contacts), "failed")
    assert "la columna 'Error', necesaria en una exportación de mensajes fallidos" in said
    assert "Parece una exportación de contactos" in said
    none = str(write([row(contact="")], "none.csv"))
    said = in_spanish(InputError, exports.read, engine, none)
    assert "todas las filas, la primera con este motivo: sin ID de contacto;" in said


def test_english_is_the_default_and_stays_so():
    near = did_you_mean("languag", ["language"])
    assert near == " Did you mean 'language'?"
    assert near.said_in("es") == " ¿Quiso decir 'language'?"
    empty = InputError("{path} is empty; expected the CSV file of a data export.", path="a")
    Settings.parse({"language": "es"})  # what one run speaks is nothing to the next
    assert empty.said_in("es").startswith("a está vacío") and str(empty).startswith("a is empty")
    for code in ("en", "", None, "fr", "../es"):
        assert empty.said_in(code) == str(empty)
    with pytest.raises(ParameterError, match="language is 'fr', expected one of: en, es"):
        Settings.parse({"language": "fr"})
    assert LANGUAGES == ("en", "es")


def test_two_errors_of_one_process_come_out_whole_in_two_languages(tmp_path):
    """Whichever is made or shown first, nested sentences, a hint and an error within an error."""
    pieces = {
        "en": (
            "r.toml, line 2: a: code is '1'",
            "Did you mean 'kind'?",
            "line 1: the text 'C:\\tx'",
        ),
        "es": (
            "r.toml, línea 2: a: code es '1'",
            "¿Quiso decir 'kind'?",
            "línea 1: el texto 'C:\\tx'",
        ),
    }
    files = [
        '[[rule]]\nid = "a"\ncause = "quota"\ncode = "1"\n',
        '[[rule]]\nid = "a"\ncause = "quota"\nkinds = ["sms"]\n',
        'source = "C:\\tx"\n',
    ]
    path = tmp_path / "r.toml"

    def refused(content):
        path.write_text(content)
        with pytest.raises(RulesError) as raised:
            load_rules(path)
        outer = RunError("Cell {cell} failed: {message}.", 3, cell=3, message=raised.value)
        return BatchError("{path}: {fault}", path="b.toml", fault=outer)

    foreign = {"en": r"\bes\b|celda|línea", "es": r"\b(?:is|the|in)\b|[Cc]ell|line\b"}
    for made, shown in product((("en", "es"), ("es", "en")), repeat=2):
        errors = {code: [refused(content) for content in files] for code in made}
        for code in shown:
            for part, error in zip(pieces[code], errors[code], strict=True):
                said = error.said_in(code)
                assert part in said and not re.search(foreign[code], said)
                assert said.startswith(
                    "b.toml: " + {"en": "Cell 3", "es": "Falló la celda 3"}[code]
                )


def test_a_notebook_is_told_in_the_language_of_its_parameters(monkeypatch):
    import IPython

    error = InputError("No such file: {pattern}.{hint}", pattern="a", hint=did_you_mean("x", "x"))
    assert error._render_traceback_() == ["InputError: No such file: a. Did you mean 'x'?"]
    monkeypatch.setattr(
        IPython, "get_ipython", lambda: SimpleNamespace(user_ns={"language": "Español"})
    )
    said = "No existe el archivo: a. ¿Quiso decir 'x'?"
    assert error._render_traceback_() == [f"InputError: {said}"] and str(error) == said


def test_what_a_file_or_another_error_says_is_not_filled_in():
    assert str(InputError("a {path} {0.__class__}")) == "a {path} {0.__class__}"
    assert (
        str(
            ParameterError(
                "The tag has '{{{word}}}'; expected one of: {known}.{hint}",
                "tag",
                word="{x}",
                known="{y}",
                hint="",
            )
        )
        == "The tag has '{{x}}'; expected one of: {y}."
    )
    assert (
        error := ParameterError("{name} holds '{part}'.", "from", name="n", part="p")
    ).about == "from" and str(error) == "n holds 'p'."
