"""Whatever comes in, a result or one sentence comes out: bytes and error texts by atheris, users'
files and parameters by hypothesis.
"""

import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebroadcast import errors
from rebroadcast.bench import parameters
from rebroadcast.bench.settings import Settings
from rebroadcast.common.exceptions import RebroadcastError
from rebroadcast.limits import channels
from rebroadcast.reading import dates
from rebroadcast.recovery.tags import Tag

HERE = Path(__file__).parent
ROUNDS = {"explain": 3000, "sift": 200, "failed": 8, "messages": 8, "contacts": 8}


@pytest.mark.parametrize("target", ROUNDS)
def test_bytes_from_strangers(tmp_path, target):
    pytest.importorskip("atheris", reason="atheris has wheels for Linux only")
    corpus = [
        str(HERE / "corpus" / name)
        for name in (["explain"] if target == "explain" else ["sift", "contacts"])
    ]
    command = [
        sys.executable,
        str(HERE / "fuzz.py"),
        target,
        str(tmp_path),
        *corpus,
        f"-runs={ROUNDS[target]}",
        "-seed=1",
        "-timeout=60",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def one_sentence(work, *given):
    """Run work; a refusal must be one sentence."""
    try:
        return work(*given)
    except RebroadcastError as error:
        assert str(error).strip() and "\n" not in str(error)
        return None


ODD = st.text(max_size=12) | st.sampled_from(
    [
        "24h",
        "day",
        "whatsapp",
        "main",
        "1001",
        "quota",
        "(",
        "a{1001}",
        "²",
        "९",
        "9" * 5000,
        "\n",
        "\ud800",
        "{n}s",
        "99999999d",
        "America/Mexico_City",
        "../..",
        "\0",
        "",
    ]
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.dates() | st.datetimes()
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=6,
)


def toml(value) -> str:
    """Write a value as TOML; what TOML cannot say becomes text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return (
        '"'
        + "".join(f"\\U{ord(c) if not 0xD800 <= ord(c) < 0xE000 else 63:08x}" for c in str(value))
        + '"'
    )


def table(head: str, keys: list[str]):
    content = st.dictionaries(st.sampled_from(keys), VALUE, max_size=5)
    return content.map(
        lambda found: head + "\n" + "\n".join(f"{k} = {toml(v)}" for k, v in found.items())
    )


RULE = table(
    "[[rule]]",
    [
        "id",
        "like",
        "kind",
        "code",
        "text",
        "weak",
        "cause",
        "verdict",
        "scope",
        "wait",
        "title",
        "fix",
        "source",
        "date",
        "odd",
    ],
)
GOOD = table(
    '[[rule]]\nid = "ours"\ncause = "quota"',
    ["kind", "code", "text", "weak", "verdict", "scope", "wait", "title", "fix", "source", "date"],
)
SOURCE = (
    table("[sources.m]", ["url", "date"])
    | table("[cause.quota]", ["verdict", "title", "fix", "wait"])
    | table("[sources]", ["m"])
)
CHANNEL = table(
    "[channel.1001]", ["name", "kind", "pool", "limit", "window", "reserve", "pace", "odd"]
)
POOL = table("[pool.main]", ["limit", "window", "reserve", "pace"])
TOP = table("", ["timezone", "segment_limit", "workspace", "pool", "channel"])
COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=50, **COMMON)
@given(
    st.lists(RULE | GOOD | SOURCE, max_size=3).map("\n".join)
    | st.text(max_size=40)
    | VALUE.map(toml),
    ODD,
)
def test_rules_files(tmp_path, content, text):
    path = tmp_path / "rules.toml"
    path.write_text(content, "utf-8", "replace")
    if rules := one_sentence(errors.load_rules, path):
        for language in ("en", "es"):
            assert errors.explain(text, rules=rules, language=language).title is not None


@settings(max_examples=50, **COMMON)
@given(
    st.tuples(TOP | st.just(""), CHANNEL | POOL, CHANNEL | st.just("")).map("\n".join)
    | st.text(max_size=40)
    | VALUE.map(toml)
)
def test_channels_files(tmp_path, content):
    path = tmp_path / "channels.toml"
    path.write_text(content, "utf-8", "replace")
    if found := one_sentence(channels.load_channels, path):
        one_sentence(found.limits)


DECLARED = {
    name: parameters.Declared(name, kind, eval(kind), None)
    for name, kind in (
        ("exports", "str | list[str]"),
        ("attempted", "dict"),
        ("from_", "str"),
        ("waves", "bool"),
        ("reserve", "int"),
        ("share", "float"),
    )
}


@settings(max_examples=60, **COMMON)
@given(st.dictionaries(st.sampled_from([*DECLARED, "from", "exprots"]) | ODD, VALUE, max_size=3))
def test_parameters(found):
    one_sentence(parameters.check, DECLARED, found)
    one_sentence(parameters.from_namespace, found, tuple(DECLARED))


FORM = st.sampled_from(
    [
        "",
        ":%d%m%y",
        ":>9",
        ":99999999999",
        ":05d",
        ":z",
        ":%",
        ":\ud800",
        "!r",
        ".real",
        "[0]",
        ":{wave}",
    ]
)
TEMPLATE = st.lists(
    st.sampled_from(["a", " ", ",", "=", "{{", "}", "é"])
    | ODD
    | st.tuples(st.sampled_from(["date", "channel", "wave", "waves", "", "x"]), FORM).map(
        lambda p: "{" + "".join(p) + "}"
    ),
    max_size=5,
).map("".join)


@settings(max_examples=60, **COMMON)
@given(
    TEMPLATE,
    ODD | st.from_regex(r"\d{1,5}-\d\d-\d\d( \d\d:\d\d)?([+-]\d\d:\d\d)?", fullmatch=True),
    st.lists(ODD, max_size=4).map("=".join),
)
def test_tags_moments_counts_and_formats(tag, moment, counts):
    if read := one_sentence(Tag.parse, tag):
        filled = one_sentence(read.fill, datetime(2022, 1, 11), "WhatsApp", "Promo", 1, 2)
        assert filled is None or (0 < len(filled) <= 255 and "," not in filled)
    for end in (False, True):
        one_sentence(parameters.moment, moment, "to", "Europe/Madrid", end)
    one_sentence(parameters.instant, moment, "start", "Europe/Madrid")
    one_sentence(parameters.pairs, counts)
    one_sentence(dates.date_order, moment)


SETTING = st.sampled_from(
    [
        "language",
        "from_",
        "to",
        "channels",
        "rules",
        "timezone",
        "attempted",
        "fixed",
        "quiet",
        "reserve",
        "start",
        "deadline",
        "waves",
        "channel",
    ]
)


@settings(max_examples=40, **COMMON)
@given(
    st.dictionaries(
        SETTING,
        VALUE
        | st.sampled_from(
            ["21:00-08:00", "25:00-08:00", "2022-01-11", "0001-01-01", "9999-12-31", "template"]
        ),
        max_size=3,
    )
)
def test_settings(found):
    chosen = one_sentence(Settings.parse, found)
    if chosen:
        assert chosen.sending.deadline is None or chosen.sending.deadline.tzinfo
