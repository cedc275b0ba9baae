"""Patterns: no text and no user's rule can hang a run, and a rule that cannot be compiled is named
with its line.
"""

import subprocess
import sys
from contextlib import suppress

import pytest

from rebroadcast import errors
from rebroadcast.common.exceptions import RebroadcastError, RulesError, visible
from rebroadcast.common.language import Language
from rebroadcast.errors import texts
from rebroadcast.reading import salvage, sift
from rebroadcast.report import page
from rebroadcast.sources import files
from rebroadcast.sources.files import Source

# Run alone, with all processor time that it may take: a pattern that runs away is ended, whatever
# holds the interpreter.
ALONE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
sys.path.insert(0, {folder!r})
import test_patterns
test_patterns.{work}
"""
PARTS = [
    "a",
    "a@",
    "1 ",
    "+1 ",
    "ab:",
    "_a1",
    "\\",
    "\\u00",
    "<",
    "aA",
    "&",
    '"',
    '",',
    " ",
    "\n",
    "=\r\n",
    "wamid.",
    "é",
    "1,000",
    "0.0",
    "<script",
    "<table ",
    "<h2>",
    "<br ",
    "(#1",
    "550 5.1.1 ",
    "[[",
    "\ud800",
    "\x1b[",
    "2022-01-11 ",
    "A_B",
]
HARD = [
    "(a+)+$",
    "(a|a)*b",
    "(.*)*x",
    "(x+x+)+y",
    "a{1000}",
    "(a?){1000}b",
    "(?:" * 900 + "a" + ")" * 900,
    ".*.*.*.*=.*",
]
FIRST = "2022-01-11 15:00,1,x\n"


def read_long_texts() -> None:
    drawn = page._Page(Language("en"), light=False)
    for part in PARTS:
        text = part * (200_000 // len(part))
        for work in (
            texts.plain_text,
            texts.find_words,
            texts.find_codes,
            texts.shape,
            visible,
            errors.explain,
            page.NUMBER.fullmatch,
        ):
            work(text)
        drawn._markup(text[:100_000], "output")
        page._words(text[:100_000])


def search_hard_rules() -> None:
    causes = errors.load_rules().causes
    for number, pattern in enumerate(HARD):
        rules = errors.Rules(
            [errors.Rule(str(number), "quota", "wait", "sender", (0, 0), {}, {}, text=pattern)],
            causes,
        )
        for part in PARTS:
            rules.find((part * 10_000)[:10_000], None)


def sift_long_lines() -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        source = Source(
            "x.csv", path, "", 0, header=("d", "c", "e"), columns=("sent_at", "contact_id", "error")
        )
        for part in [
            *PARTS,
            ' "a" ,',
            '"\n',
            '"2022-01-11,1,"\n',
            "2022-01-11,1\n",
            '2022-01-11,1,a"b"\n',
            '2022-01-11,1,a"b\n',
            "x\n" + FIRST,
        ]:
            for before in (FIRST, FIRST + '2022-01-11,"'):
                path.write_text(
                    "d,c,e\n" + before + part * (100_000 // len(part)), "utf-8", "replace"
                )
                salvage._broken(source, 0)
                sift.sift(source, Path(folder) / "out.csv")


def open_long_lines() -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        for part in PARTS:
            for before in ("Date & Time,Contact ID,Error\n2022-01-11 15:00,1,", "2022-01-11 INFO "):
                path.write_text(
                    (before + part * (100_000 // len(part)) + "\n") * 4, "utf-8", "replace"
                )
                with suppress(RebroadcastError):
                    files.open_source(path, "failed", Path(folder))


WORK = ["read_long_texts()", "search_hard_rules()", "sift_long_lines()", "open_long_lines()"]


@pytest.mark.parametrize("work", WORK)
def test_no_text_takes_more_than_linear_time(work):
    from pathlib import Path

    code = ALONE.format(folder=str(Path(__file__).parent), work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.parametrize(
    "pattern",
    ["a{1001}", "((a{1,100}){1,100})", "[", "(?P<n>", "\\\\p{Foo}", "a**", "(?=x)", "\\\\1"],
)
@pytest.mark.parametrize(
    "key",
    [
        'id = "ours"',
        "id = 'ours'",
        'id="ours"',
        "id = '''ours'''",
        '"id" = "ours"',
        'id = "ou\\u0072s"',
    ],
)
def test_a_rule_that_cannot_be_compiled_is_named_with_its_line(tmp_path, pattern, key):
    path = tmp_path / "rules.toml"
    path.write_text(
        '# ours\n[[rule]]\nid = "first"\ntext = "ours"\ncause = "quota"\n\n[[rule]]\ncause ='
        f' "quota"\n{key}\ntext = "{pattern}"\n',
        "utf-8",
    )
    with pytest.raises(RulesError) as caught:
        errors.load_rules(path)
    assert str(caught.value).startswith(
        f"{path}, line 9: ours: text is not a pattern that RE2 understands"
    )


def rules_file(tmp_path, patterns):
    lines = (
        f'[[rule]]\nid = "r{n}"\ntext = "{text}"\ncause = "quota"\n'
        for n, text in enumerate(patterns)
    )
    path = tmp_path / "rules.toml"
    path.write_text("".join(lines), "utf-8")
    return path


def test_patterns_that_are_too_long_or_too_many_are_one_sentence(tmp_path):
    with pytest.raises(RulesError, match="line 2: r0: text is 'a.*at most 10,000 characters") as no:
        errors.load_rules(rules_file(tmp_path, ["a" * 100_000]))
    assert len(str(no.value)) < 400
    many = errors.load_rules(rules_file(tmp_path, (f"{n:04}" * 2400 for n in range(60))))
    with pytest.raises(RulesError, match="too many, or too long"):
        errors.explain("x", rules=many)


@pytest.mark.parametrize("ident", ["ñandú", "a b", "a#b", "[x]", 'a\\"b', "a\\nb", "…", "rule"])
def test_a_rule_with_an_odd_name_is_found_too(tmp_path, ident):
    path = tmp_path / "rules.toml"
    path.write_text(
        f'[[rule]]\nid = "first"\ntext = "x"\ncause = "quota"\n[[rule]]\nid = "{ident}"\ntext ='
        ' "("\ncause = "quota"\n',
        "utf-8",
    )
    with pytest.raises(RulesError, match="line 6: ") as caught:
        errors.load_rules(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rule",
    [
        "source = ['x']",
        "source = 3",
        "wait = '99999999999999999999d'",
        "title = { en = 3, es = 4 }",
        "text = 3",
        "cause = []",
        "kind = [['a']]",
    ],
)
def test_values_of_another_kind_are_named(tmp_path, rule):
    name = rule.partition(" ")[0]
    full = {"cause": "cause = 'quota'", "text": "text = 'x'"} | {name: rule}
    path = tmp_path / "rules.toml"
    path.write_text("# ours\n[[rule]]\nid = 'ours'\n" + "\n".join(full.values()), "utf-8")
    with pytest.raises(RulesError, match=", line 3: ours: "):
        errors.load_rules(path)


def test_a_source_without_an_address_is_named(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[sources.m]\ndate = 2024-01-02\n", "utf-8")
    with pytest.raises(RulesError, match=r"rules\.toml: sources\.m\.url is missing"):
        errors.load_rules(path)


def test_a_wait_that_a_text_names_cannot_be_without_end():
    assert (
        errors.explain("Too Many Requests: retry after 99999999999999999999", "telegram").wait.days
        <= 366
    )
