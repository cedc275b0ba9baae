"""The languages: every text of the library is in the Spanish catalogue; numbers, dates and lengths of time."""

import ast
import string
from datetime import date, datetime, timedelta
from io import BytesIO

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from conftest import ROOT
from rebroadcast.exceptions import ParameterError
from rebroadcast.language import LANGUAGES, LOCALE, Language

LIBRARY = ROOT / "lib" / "rebroadcast"
CATALOGUE = LOCALE / "es" / "LC_MESSAGES" / "rebroadcast.po"
PLURAL = {"n_", "n", "ngettext"}
KEYWORDS = DEFAULT_KEYWORDS | dict.fromkeys(PLURAL, (1, 2))


@pytest.fixture(scope="module")
def spanish():
    return read_po(BytesIO(CATALOGUE.read_bytes()), locale="es")


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_text_of_the_library_is_in_the_catalogue(spanish):
    found = {message for _, _, message, _, _ in extract_from_dir(LIBRARY, [("**.py", "python")], keywords=KEYWORDS)}
    assert len(found) > 200
    known = {
        m.id for m in spanish if m.id and not m.fuzzy and all([m.string] if isinstance(m.string, str) else m.string)
    }
    assert sorted(map(str, found - known)) == [], "run `make catalogues`, then translate these in the .po"
    assert sorted(map(str, {m.id for m in spanish if m.id} - found)) == [], "run `make catalogues`: no text uses these"


def test_translations_keep_placeholders_and_plural_forms(spanish):
    assert spanish.num_plurals == 2
    for message in spanish:
        if not message.id:
            continue
        ids, strings = ([x] if isinstance(x, str) else list(x) for x in (message.id, message.string))
        assert len(ids) == len(strings), message.id
        for said, translated in zip(ids, strings, strict=True):
            assert fields(said) == fields(translated), said
            assert translated == translated.strip() and "  " not in translated, said
            assert said.endswith(".") == translated.endswith("."), said


def test_the_compiled_catalogue_is_that_of_the_texts(spanish):
    compiled = BytesIO()
    write_mo(compiled, spanish)
    assert CATALOGUE.with_suffix(".mo").read_bytes() == compiled.getvalue(), "run `make catalogues`"


def test_translated_texts_are_whole_literals():
    """Babel finds only literals. words.word and language.py pass on what is marked elsewhere."""
    broken = []
    for path in sorted(LIBRARY.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        passing = {
            c
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef) and (path.stem, f.name) == ("words", "word")
            for c in ast.walk(f)
        }
        for call in (
            c for c in ast.walk(tree) if isinstance(c, ast.Call) and c not in passing and path.stem != "language"
        ):
            name = getattr(call.func, "id", getattr(call.func, "attr", None))
            if name in PLURAL | {"_", "gettext"}:
                texts = call.args[: 2 if name in PLURAL else 1]
                literal = all(isinstance(a, ast.Constant) and isinstance(a.value, str) for a in texts)
                if not (literal and len(texts) == (2 if name in PLURAL else 1)):
                    broken.append(f"{path.name}:{call.lineno}")
    assert broken == []


def test_numbers_dates_and_lengths_of_time_in_both_languages():
    en, es = map(Language, LANGUAGES)
    assert [(lang.number(1500), lang.number(0.5), lang.percent(0.22)) for lang in (en, es)] == [
        ("1,500", "0.5", "22 %")
    ] * 2
    assert (
        [en.percent(x) for x in (0, 0.001, 0.999, 1)]
        == [es.percent(x) for x in (0, 0.001, 0.999, 1)]
        == ["0 %", "0.1 %", "99.9 %", "100 %"]
    )
    assert (en.date(date(2022, 1, 11)), es.date(date(2022, 1, 11))) == ("11 Jan 2022", "11 ene 2022")
    assert es.datetime(datetime(2022, 8, 1, 9, 5)) == "1 ago 2022 09:05"
    lengths = [timedelta(seconds=90), timedelta(minutes=10), timedelta(hours=24), timedelta(days=3)]
    assert [en.duration(x) for x in lengths] == ["90 seconds", "10 minutes", "24 hours", "3 days"]
    assert [es.duration(x) for x in lengths] == ["90 segundos", "10 minutos", "24 horas", "3 días"]
    assert [es.ngettext("{n} wave", "{n} waves", n) for n in (0, 1, 1500)] == [
        "0 tandas",
        "1 tanda",
        "1,500 tandas",
    ]


def test_an_unknown_language_names_the_choices():
    with pytest.raises(ParameterError, match="language is 'fr', expected one of: en, es") as error:
        Language("fr")
    assert error.value.name == "language"
