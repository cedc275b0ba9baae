"""The languages: every text of the library is in the Spanish catalogue; numbers, dates and lengths
of time.
"""

import ast
import re
import string
from datetime import date, datetime, timedelta
from io import BytesIO

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from conftest import ROOT
from rebroadcast.common import exceptions
from rebroadcast.common.exceptions import LOCALE, ParameterError
from rebroadcast.common.language import Language
from rebroadcast.limits import channels
from rebroadcast.sources import files

PASSED_ON = [  # and exceptions.quoted
    "batchfile.py: problem",
    "batchfile.py: problem",
    "batchfile.py: text",
    "entry.py: entry.problem",
    "exports.py: why",
    "files.py: foreign",
    "files.py: form.name",
    "files.py: other.form.name",
    "files.py: text",
    "preflight.py: reason",
]
LIBRARY = ROOT / "lib" / "rebroadcast"
PASS_ON = ("language.py", "exceptions.py", "doubts.py", "reader.py")
CATALOGUE = LOCALE / "es" / "LC_MESSAGES" / "rebroadcast.po"
FUNCTIONS = {
    "_": 1,
    "gettext": 1,
    "n": 2,
    "n_": 2,
    "ngettext": 2,
}  # and how many of their arguments are texts
ERRORS = {
    n
    for n, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, exceptions.RebroadcastError)
}
KEYWORDS = parse_keywords(
    re.search(r"^KEYWORDS = ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1]
    .replace("\\", "")
    .split()
)


@pytest.fixture(scope="module")
def spanish():
    return read_po(BytesIO(CATALOGUE.read_bytes()), locale="es")


def forms(text):
    return [text] if isinstance(text, str) else list(text)


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_text_of_the_library_is_in_the_catalogue(spanish):
    found = {
        text
        for _, _, text, *_ in extract_from_dir(
            LIBRARY, [("**.py", "python")], keywords=DEFAULT_KEYWORDS | KEYWORDS
        )
    }
    held = {m.id: not m.fuzzy and all(forms(m.string)) for m in spanish if m.id}
    assert len(found) > 500 and KEYWORDS.keys() >= ERRORS
    assert [x for x in found if not held.get(x)] == [], (
        "run `make catalogues`, then translate these in the .po"
    )
    assert [x for x in held if x not in found] == [], (
        "the library no longer uses these: run `make catalogues`"
    )


def test_translations_keep_placeholders_and_plural_forms(spanish):
    assert spanish.num_plurals == 2
    for message in (m for m in spanish if m.id and all(forms(m.string))):
        for text, translated in zip(forms(message.id), forms(message.string), strict=True):
            assert fields(text) == fields(translated), text
            assert translated == " ".join(translated.split()), text
            assert text.endswith(".") == translated.endswith("."), text


def test_the_compiled_catalogue_holds_these_texts(spanish):
    compiled = BytesIO()
    write_mo(compiled, spanish)
    assert CATALOGUE.with_suffix(".mo").read_bytes() == compiled.getvalue(), "run `make catalogues`"


def test_texts_to_translate_are_literals():
    """Others are not found; language.py, exceptions.py and words.word pass on texts that are marked
    elsewhere.
    """
    built = []
    for path in sorted(LIBRARY.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        passed = [
            f
            for f in ast.walk(tree)
            if getattr(f, "name", "") == "word" and path.name == "words.py"
        ]
        exempt = {node for f in passed for node in ast.walk(f)}
        for call in (c for c in ast.walk(tree) if isinstance(c, ast.Call) and c not in exempt):
            count = FUNCTIONS.get(getattr(call.func, "id", getattr(call.func, "attr", "")), 0)
            texts = [
                isinstance(a, ast.Constant) and isinstance(a.value, str) for a in call.args[:count]
            ]
            built += (
                [f"{path.name}:{call.lineno}"]
                if texts != [True] * count and path.name not in PASS_ON
                else []
            )
    assert built == []


def test_errors_are_made_of_literals():
    """A template and its values; what is passed on was made by `sentence`, or is in
    words.PIECES.
    """
    built, odd = [], []
    for path in sorted(p for p in LIBRARY.rglob("*.py") if p.name != "exceptions.py"):
        for call in (
            c for c in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(c, ast.Call)
        ):
            name, given = getattr(call.func, "id", ""), {k.arg for k in call.keywords}
            if name not in ERRORS | {"sentence"}:
                continue
            text = call.args[0]
            if not isinstance(text, ast.Constant):
                built += [f"{path.name}: {ast.unparse(text)}"]
            elif given and None not in given and given != set(fields(text.value)):  # None: **facts
                odd += [f"{path.name}: {text.value}"]
    assert sorted(built) == PASSED_ON, (
        "write it as ParameterError('No such file: {name}.', name=...)"
    )
    assert odd == []


def test_what_errors_take_from_data_files_is_in_the_catalogue(spanish):
    met = {e["title"] for e in files.known()["exports"].values()} | {*files.FOREIGN.values()}
    met |= {kind.reason for kind in channels.kinds().values() if kind.reason}
    assert [text for text in met if not spanish.get(text)] == [], "name it in words.PIECES"


def test_numbers_dates_and_lengths_of_time():
    en, es, day = Language("en"), Language("es"), datetime(2022, 1, 11, 9, 5)
    assert [lang.number(x) for lang in (en, es) for x in (1500, 0.5)] == ["1,500", "0.5"] * 2
    shares = ["0 %", "0.1 %", "22 %", "99.9 %", "100 %"]
    assert [lang.percent(x) for lang in (en, es) for x in (0, 0.001, 0.22, 0.999, 1)] == shares * 2
    assert (en.date(date(2022, 8, 1)), es.date(date(2022, 8, 1))) == ("1 Aug 2022", "1 ago 2022")
    assert (en.datetime(day), es.datetime(day)) == ("11 Jan 2022 09:05", "11 ene 2022 09:05")
    lengths = [timedelta(seconds=90), timedelta(minutes=10), timedelta(hours=24), timedelta(days=3)]
    assert [en.duration(x) for x in lengths] == ["90 seconds", "10 minutes", "24 hours", "3 days"]
    assert [es.duration(x) for x in lengths] == ["90 segundos", "10 minutos", "24 horas", "3 días"]
    assert [es.ngettext("{n} wave", "{n} waves", n) for n in (0, 1, 1500)] == [
        "0 tandas",
        "1 tanda",
        "1,500 tandas",
    ]


def test_an_unknown_language_names_the_choices():
    with pytest.raises(ParameterError, match="language is 'fr', expected one of: en, es") as raised:
        Language("fr")
    assert raised.value.about == "language"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("es_MX", "es"),
        ("es-419", "es"),
        ("ES", "es"),
        ("es_ES.UTF-8", "es"),
        ("español", "es"),
        (" Espan\u0303ol (Colombia) ", "es"),  # ñ as two characters
        ("Spanish", "es"),
        ("castellano", "es"),
        ("en-GB", "en"),
        ("English", "en"),
        ("inglés", "en"),
    ],
)
def test_a_language_goes_by_its_names_and_locales(word, code):
    assert Language(word).code == code
    said = exceptions.sentence("a folder").said_in(word)
    assert said == {"en": "a folder", "es": "una carpeta"}[code]


@pytest.mark.parametrize("word", ["est", "ens", "pt_BR", "spain", "e", "españo"])
def test_what_only_begins_like_a_language_is_none(word):
    with pytest.raises(ParameterError, match="expected one of: en, es"):
        Language(word)


def test_a_misspelt_name_of_a_language_is_answered():
    with pytest.raises(ParameterError, match="Did you mean 'español'"):
        Language("espanhol")


def test_headings_of_one_table_are_different_words_in_spanish_too():
    spanish = Language("es").gettext
    functions = [
        (path.name, function)
        for path in LIBRARY.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef) and "grid(" in ast.unparse(function)
    ]
    assert len(functions) > 10
    for name, function in functions:
        calls = [c for c in ast.walk(function) if isinstance(c, ast.Call) and len(c.args) == 1]
        said = {c.args[0].value for c in calls if ast.unparse(c).startswith("_('")}
        headings = {text for text in said if len(text) < 30}
        assert len({spanish(text) for text in headings}) == len(headings), (name, function.name)


def test_one_word_for_one_thing_in_spanish():
    """A broadcast is what the platform calls it, a failure is "falla", a file "archivo"."""
    catalogue = read_po(CATALOGUE.open("rb"), locale="es")
    texts = " ".join(str(message.string) for message in catalogue if message.id).lower()
    assert all(word in texts for word in ("transmisi", "falla", "archivo"))
    assert not re.search(r"difusi|fallos?\b|fichero", texts)
