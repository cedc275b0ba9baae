"""Errors in the user's language: in the terminal, in a notebook's kernel, in the explorer, in a
batch; English where none is named.
"""

import subprocess
import sys

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
    ParameterError,
    RebroadcastError,
    RulesError,
    RunError,
    did_you_mean,
    sentence,
    speak,
)
from rebroadcast.errors import load_rules
from rebroadcast.explorer import explorer
from rebroadcast.limits.channels import load_channels
from rebroadcast.reading import exports
from rebroadcast.report import reports

CONTACTS = ["Contact ID", "First Name", "Last Name", "Phone Number", "Email", "Tags"]


def refusal(*words) -> str:
    """The sentence with which a command ends."""
    found = CliRunner().invoke(cli.app, [str(w) for w in words])
    assert isinstance(found.exception, RebroadcastError) and found.exception.exit_status == 2
    return str(found.exception)


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
    with pytest.raises(
        RunError,
        match=(
            r"Falló la celda 3: el proceso .* memoria\. La constancia de la ejecución está en"
            r" .*run\.json"
        ),
    ):
        reports.run(
            "failure_report", {"exports": str(write([row()])), "language": "es"}, tmp_path / "out"
        )
    assert "Falló la celda 3" in (tmp_path / "out" / "run.json").read_text("utf-8")


def test_the_explorer_says_in_spanish_what_is_wrong(write, tmp_path):
    with pytest.raises(ParameterError, match="Parámetro desconocido 'tagg'"):
        explorer.show({"tagg": "x", "language": "es"})
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
    speak("es")
    path = tmp_path / "own.toml"
    path.write_text('[channel.1]\nname = "A"\nkind = "whatsapp"\nlimit = 0\n')
    with pytest.raises(
        ChannelsError,
        match='channel.1.limit es 0; se esperaba un número entero mayor que 0, o "unlimited"',
    ):
        load_channels(path)
    path.write_text('[[rule]]\nid = "a"\ncode = ["1"]\ncause = "quotas"\n')
    with pytest.raises(
        RulesError,
        match=(
            "own.toml, línea 2: a: cause es 'quotas'; se esperaba uno de: .* ¿Quiso decir 'quota'"
        ),
    ):
        load_rules(path)


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
    speak("es")
    with pytest.raises(
        ColumnError,
        match=(
            "la columna 'Error', necesaria en una exportación de mensajes fallidos.* Parece una"
            " exportación de contactos"
        ),
    ):
        exports.read(engine, str(contacts), "failed")
    with pytest.raises(
        InputError, match=r"todas las filas, la primera con este motivo: sin ID de contacto;"
    ):
        exports.read(engine, str(write([row(contact="")], "none.csv")))


def test_english_is_the_default_and_stays_so():
    speak("es")
    assert did_you_mean("languag", ["language"]) == " ¿Quiso decir 'language'?"
    Settings.parse({"language": ""})  # says nothing of a language, so changes none
    assert str(
        InputError("{path} is empty; expected the CSV file of a data export.", path="a")
    ).startswith("a está vacío")
    for code in ("en", "", None, "fr", "../es"):
        speak(code)
        assert str(
            InputError("{path} is empty; expected the CSV file of a data export.", path="a")
        ).startswith("a is empty")
    with pytest.raises(ParameterError, match="language is 'fr', expected one of: en, es"):
        Settings.parse({"language": "fr"})
    assert LANGUAGES == ("en", "es")


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
    ).name == "from" and str(error) == "n holds 'p'."
