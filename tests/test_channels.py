"""Kinds and the user's channels file: what is read, and one clear sentence for each thing that
cannot be.
"""

import csv
import re
import tomllib
from datetime import date, datetime, timedelta

import pytest

from conftest import BLOCKED, ROOT, SAMPLES, row
from rebroadcast.bench import draft, workbench
from rebroadcast.bench.settings import Settings
from rebroadcast.common.exceptions import ChannelsError, ParameterError
from rebroadcast.common.language import Language
from rebroadcast.common.masking import mask
from rebroadcast.errors import canonical_kind, load_rules
from rebroadcast.limits.channels import find_kind, kinds, load_channels
from rebroadcast.limits.limit import Window

FILE = """
timezone = "America/Mexico_City"
segment_limit = 100

[pool.main]
limit = 1000
window = "24h"
reserve = 50

[channel.1001]
name = "WhatsApp México"
kind = "whatsapp"
pool = "main"

[channel.1002]
kind = "WhatsApp Cloud API"
pool = "main"
pace = 20

[channel.1003]
name = "Avisos"
kind = "sms"
limit = 200
window = "day"

[channel.1004]
kind = "telegram"

[channel.1005]
kind = "whatsapp"

[channel.1006]
kind = "line"
limit = 500

[channel.1007]
limit = "unlimited"
"""


@pytest.fixture
def read(tmp_path):
    def load(text):
        path = tmp_path / "channels.toml"
        path.write_text(text, encoding="utf-8")
        return load_channels(path)

    return load


def test_no_file_gives_empty_channels():
    channels = load_channels(None)
    assert (channels.timezone, channels.segment_limit, channels.limits()) == (None, None, ())
    assert channels.name("1001") == "channel 1001"
    assert channels.kind("1001") is None and channels.get("1001") is None


def test_the_file_gives_names_kinds_and_settings(read):
    channels = read(FILE)
    assert (channels.timezone, channels.segment_limit) == ("America/Mexico_City", 100)
    assert channels.name("1001") == "WhatsApp México" and channels.name("1004") == "channel 1004"
    assert channels.kind("1002") == "whatsapp" and channels.kind("1007") is None
    assert channels.get("1003").kind.settling == timedelta(hours=72)


def test_limits_come_from_pools_channels_and_kinds(read):
    limits = {limit.name: limit for limit in read(FILE).limits()}
    assert sorted(limits) == ["1003", "1004", "1006", "1007", "main"]
    main, zone = limits["main"], "America/Mexico_City"
    assert (main.channels, main.size, main.reserve, main.pace) == (("1001", "1002"), 1000, 50, 20)
    assert main.window == Window("moving", timedelta(hours=24), zone)
    assert (limits["1003"].size, limits["1003"].window) == (200, Window("day", None, zone))
    assert (limits["1004"].size, limits["1004"].pace) == (None, 30)
    assert limits["1006"].window.kind == "month"
    assert limits["1007"].size is None


def test_a_limit_that_nobody_stated_is_not_known(read):
    assert "1005" not in {channel for limit in read(FILE).limits() for channel in limit.channels}


NUMBERS = """
[channel.1]
name = "Ventas"
kind = "whatsapp"
limit = 2000
reserve = 100
pace = 20

[channel.2]
name = "Soporte"
kind = "waba"
limit = 2000
reserve = 50

[channel.3]
kind = "whatsapp"

[channel.4]
kind = "telegram"
"""


def test_the_numbers_of_a_business_share_one_limit_unless_the_file_says_otherwise(read):
    channels = read(NUMBERS)
    limits = {limit.name: limit for limit in channels.limits()}
    assert {name: limit.channels for name, limit in limits.items()} == {
        "portfolio": ("1", "2", "3"),
        "4": ("4",),
    }
    shared = limits["portfolio"]
    assert (shared.size, shared.reserve, shared.pace) == (2000, 150, 20)
    (doubt,) = channels.doubts()
    assert doubt.text().startswith(
        "Ventas, Soporte, channel 3 are taken to share one limit of 2,000"
    )


@pytest.mark.parametrize(
    ("change", "named", "doubts"),
    [
        ({"limit = 2000\nreserve = 100": 'portfolio = "A"\nlimit = 2000'}, {"1", "portfolio"}, 1),
        (
            {
                "limit = 2000\nreserve = 100": 'portfolio = "A"\nlimit = 2000',
                "limit = 2000\nreserve = 50": 'portfolio = "A"',
            },
            {"A"},
            0,
        ),
        (
            {
                "limit = 2000\nreserve = 100": 'pool = "mine"',
                "limit = 2000\nreserve = 50": 'pool = "mine"',
                "[channel.3]": "[pool.mine]\nlimit = 2000\n[channel.3]",
            },
            {"mine"},
            0,
        ),
        ({"limit = 2000\nreserve = 50": "limit = 250"}, {"portfolio"}, 2),
        ({'"telegram"': '"telegram"\nname = "portfolio"'}, {"portfolio"}, 1),
        ({"[channel.4]": '[channel."portfolio"]'}, {"portfolio 2"}, 1),
    ],
)
def test_portfolios_and_pools_that_a_file_states(read, change, named, doubts):
    text = NUMBERS
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    channels = read(text)
    names = {limit.name for limit in channels.limits() if limit.size}
    assert names == named and len(channels.doubts()) == doubts
    if "limit = 250" in text:
        assert {limit.size for limit in channels.limits()} == {250, None}
        assert "several limits" in channels.doubts()[1].text()


def test_one_number_shares_with_nobody(read):
    channels = read('[channel.1]\nkind = "whatsapp"\nlimit = 1000\n[channel.2]\nkind = "sms"')
    assert [limit.name for limit in channels.limits()] == ["1"] and channels.doubts() == ()


def test_the_zone_of_a_calendar_window_can_be_given_beside_the_file(read):
    channels = read('[channel.1]\nlimit = 5\nwindow = "day"')
    assert channels.limits()[0].window.zone == "UTC"
    assert channels.limits("Europe/Madrid")[0].window.zone == "Europe/Madrid"


def test_a_file_saved_by_a_spreadsheet_editor_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "channels.toml"
    path.write_bytes(b"\xef\xbb\xbfsegment_limit = 500\n")
    assert load_channels(path).segment_limit == 500


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("segment_limits = 5", "segment_limits is no setting; .* Did you mean 'segment_limit'"),
        ("[channel.1]\nlimti = 5", r"channel\.1\.limti is no setting; .* Did you mean 'limit'"),
        ("[pool.a]\nlimit = 0", r"pool\.a\.limit is 0; expected a whole number above 0"),
        ("[pool.a]\nlimit = -3", r"pool\.a\.limit is -3"),
        ("[channel.1]\nlimit = 99999999999999999999", "above 0, up to 1,000,000,000, or"),
        ("[channel.1]\nlimit = 5\nreserve = 1000000001", "number from 0 to 1,000,000,000"),
        ("segment_limit = 1000000001", "above 0, up to 1,000,000,000"),
        *(
            (f"[channel.1]\npace = {pace}", r"pace is .*; expected .* from 0\.001 to 10,000")
            for pace in ("1e-300", "1e300", "inf", "nan", "0", "true", '"80"')
        ),
        ("[channel.1]\nlimit = 2.5", r"channel\.1\.limit is 2\.5; expected a whole number"),
        ("[channel.1]\nlimit = true", r"channel\.1\.limit is True"),
        ('[channel.1]\nlimit = "many"', "'many'; expected .* or \"unlimited\""),
        ("[pool.a]\nwindow = '24h'", r"pool\.a\.limit is missing"),
        ('[channel.1]\nlimit = 5\nwindow = "week"', 'expected "24h" .*, "day" or "month"'),
        ('[channel.1]\nkind = "whatsap"', "Did you mean 'whatsapp'"),
        (
            '[channel.1]\npool = "mian"\n[pool.main]\nlimit = 5',
            r"no \[pool\.mian\]\. Did you mean 'main'",
        ),
        ("[pool.a]\nlimit = 5", r"pool\.a names no channel"),
        (
            '[pool.a]\nlimit = 5\n[channel.1]\npool = "a"\nlimit = 5',
            "both a pool and its own limit",
        ),
        ('[pool.1]\nlimit = 5\n[channel.1]\npool = "1"', "ID of a channel"),
        ('timezone = "America/Mexico_Cty"', "Did you mean 'America/Mexico_City'"),
        ("segment_limit = 0", "segment_limit is 0"),
        ("[channel]\n1001 = 3", r"channel\.1001 is 3; expected a table"),
        ("channel = 3", "channel is 3; expected a table"),
        ("timezone = America", "not TOML"),
        ('timezone = "America/Ciudad_Mexico"', "Did you mean 'America/Mexico_City'"),
        ('timezone = "GMT-6"', r"'Etc/GMT\+6' .* a city such as .*America/Mexico_City"),
        ('workspace = "C:\\Users\\ana"', "not TOML: .* in single quotes or with /"),
        ('workspace = "C:\\temp\\new"', "not what was meant.* in single quotes or with /"),
        (
            '[channel.1]\nkind = "telegram"\nportfolio = "A"',
            r"channel\.1\.portfolio: only WhatsApp numbers .* for telegram, use a pool",
        ),
        (
            '[pool.a]\nlimit = 5\n[channel.1]\npool = "a"\nportfolio = "b"',
            "both a pool and its own portfolio",
        ),
        (
            '[pool.a]\nlimit = 5\n[channel.1]\npool = "a"\n[channel.2]\nportfolio = "a"',
            r"pool\.a has the name of a portfolio",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_that_names_file_and_key(read, text, sentence):
    with pytest.raises(ChannelsError, match=sentence) as error:
        read(text)
    assert "channels.toml: " in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ChannelsError, match=r"nowhere\.toml: the channels file cannot be read"):
        load_channels(tmp_path / "nowhere.toml")
    path = tmp_path / "channels.toml"
    path.write_bytes(b'timezone = "\xe9"')
    with pytest.raises(ChannelsError, match="not UTF-8"):
        load_channels(path)


def test_every_kind_states_what_it_can_its_source_and_its_date():
    refused = {name for name, kind in kinds().items() if not kind.can_broadcast}
    assert refused == {"instagram", "webchat", "wechat", "gmail", "email"}
    for kind in kinds().values():
        assert bool(kind.reason) is not kind.can_broadcast
        assert kind.source and kind.settling_basis and isinstance(kind.date, date)
        assert kind.settling > timedelta(0)
    identifiers = {name: kind.identifier for name, kind in kinds().items() if kind.identifier}
    assert identifiers == {"whatsapp": "phone", "sms": "phone", "email": "email", "gmail": "email"}


def test_whatsapp_names_its_tiers_but_fixes_none():
    whatsapp = kinds()["whatsapp"]
    assert whatsapp.tiers == (250, 2000, 10000, 100000) and whatsapp.size is None
    assert whatsapp.former_tiers == (1000,)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("whatsapp_cloud", "whatsapp"),
        ("WhatsApp Cloud API", "whatsapp"),
        ("Facebook", "messenger"),
        ("twilio", "sms"),
        ("email_other", "email"),
        ("Website Chat", "webchat"),
        ("LINE", "line"),
    ],
)
def test_a_kind_is_found_by_its_other_names(word, name):
    assert find_kind(word).name == name


def test_an_unknown_kind_is_not_found_and_no_alias_means_two():
    assert find_kind("pigeon") is None
    names = [word for kind in kinds().values() for word in (kind.name, *kind.aliases)]
    assert len(names) == len(set(names))


NAMED = """
[channel.1001]
name = "Ventas MX"

[channel.1002]
name = "Avisos, México"

[channel.1003]
name = "1004"

[channel.2001]
name = "Soporte"

[channel.2002]
name = "SOPORTE"
"""


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("Ventas MX", ("1001",)),
        ("ventas mx", ("1001",)),
        ("Avisos, México", ("1002",)),
        ("ventas mx, 1002", ("1001", "1002")),
        (["Avisos, Mexico", "Ventas MX"], ("1002", "1001")),
        ("1004", ("1004",)),  # an ID, whatever another channel is called
        ("Ventas", ("Ventas",)),
    ],
)
def test_a_channel_goes_by_its_name(tmp_path, given, ids):
    path = tmp_path / "channels.toml"
    path.write_text(NAMED, encoding="utf-8")
    settings = Settings.parse({"channels": str(path), "channel": given})
    assert settings.selection.channel == ids


def test_counts_go_by_the_names_of_channels(tmp_path):
    path = tmp_path / "channels.toml"
    path.write_text(NAMED, encoding="utf-8")
    given = {"channels": str(path), "attempted": {"Ventas MX": 1500, "1002": 7}}
    assert Settings.parse(given).attempted == {"1001": 1500, "1002": 7}


def test_a_name_of_two_channels_and_a_misspelt_one_are_answered(tmp_path, write):
    path = tmp_path / "channels.toml"
    path.write_text(NAMED, encoding="utf-8")
    given = {"channels": str(path), "exports": str(write([row()]))}
    with pytest.raises(ChannelsError, match="'soporte': 2001, 2002"):
        Settings.parse(given | {"channel": "soporte"})
    bench = workbench.open(given | {"channel": "Ventas M"})
    with pytest.raises(ParameterError, match="Did you mean 'Ventas MX'"):
        bench.tables.failed.count()
    bench.close()


def test_a_zone_of_the_file_goes_by_its_name(read):
    channels = read('timezone = "Ciudad de México"\n\n[channel.1]\nlimit = 5\nwindow = "day"')
    assert channels.limits()[0].window.zone == "America/Mexico_City"


def drafted(write, rows, **given):
    """The draft from these rows, and the channels that are read back from it."""
    path = write(rows)
    bench = workbench.open({"exports": str(path)} | given)
    text = draft.draft(bench.tables)
    bench.close()
    path.with_name("draft.toml").write_text(text, encoding="utf-8")
    return text, load_channels(path.with_name("draft.toml"))


def test_what_a_draft_says_of_a_kind_is_in_its_language(write):
    spanish = Language("es")
    told = [kind.reason or kind.note for kind in map(find_kind, kinds())]
    assert [text for text in told if text and spanish.gettext(text) == text] == []
    rows = [row(f"10{n}", f"900{n}", BLOCKED, channel="7101") for n in range(5)]
    text, _channels = drafted(write, rows, language="es")
    assert "Unos 30 mensajes por segundo" in text and "exact figures" not in text


def test_a_draft_has_the_kinds_of_the_sample():
    bench = workbench.open({"exports": str(SAMPLES / "failed_messages.csv")})
    text = draft.draft(bench.tables)
    bench.close()
    content = tomllib.loads(text)
    own = tomllib.loads((SAMPLES / "channels.toml").read_text("utf-8"))
    kinds_of = {key: row["kind"] for key, row in content["channel"].items()}
    assert kinds_of == {key: row["kind"] for key, row in own["channel"].items()}
    assert content["timezone"] == "Etc/GMT+6" and "America/Mexico_City" in text
    assert "# limit = 1000  # as its errors say" in text
    assert not re.search(r"wamid|\+52\d{10}|Hola", text)  # no numbers and contents of persons


STRANGE = [
    ("LINE-7", "The user hasn't added the LINE Official Account as a friend."),
    ("whatsapp:+14155238886", "63016: Failed to send freeform message"),
    ("x\\y.z", "Viber: notSubscribed"),
    ("88", "smtp; 550 5.1.1 user unknown"),
    ("99", "Carrier said: ZX-17"),
]


def test_a_draft_of_strange_channels_is_read_back_and_what_is_unsure_is_a_comment(write):
    rows = [
        row(str(n), str(n * 31), error, channel=channel)
        for channel, error in STRANGE
        for n in range(1, 5)
    ]
    text, channels = drafted(write, rows)
    assert sorted(c.id for c in channels.channels) == sorted(channel for channel, _ in STRANGE)
    found = [channels.kind(channel) for channel, _ in STRANGE]
    assert found == ["line", "whatsapp", "viber", "email", None]
    assert channels.timezone is None and "without it UTC is assumed" in text
    assert "not sure; one of: whatsapp, messenger" in text
    every = re.sub(r"(?m)^# (\w+ = )", r"\1", text).replace('name = ""', 'name = "x"')
    assert tomllib.loads(every)  # also with all of its comments in force


@pytest.mark.parametrize(
    ("days", "ahead", "zone"),
    [
        (["2022-07-11"], [-300], "Etc/GMT+5"),
        (["2022-07-11"], [345], "Asia/Kathmandu"),
        (["2022-07-11"], [330], None),  # of Colombo and Kolkata
        (
            ["2022-01-11", "2022-07-11"],
            [210, 270],
            "Asia/Tehran",
        ),  # the last year of its summer time
        (["2022-01-11", "2022-07-11"], [-360, -300], None),  # of Chicago and Mexico City
    ],
)
def test_a_draft_has_the_zone_that_message_ids_show(write, days, ahead, zone):
    rows = []
    for day, minutes in zip(days, ahead, strict=True):
        sent = datetime.fromisoformat(f"{day} 12:00:07+00:00")
        for n in range(20):
            at = sent + timedelta(seconds=n)
            wall = f"{at + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"
            rows.append(row(str(n), str(int(at.timestamp() * 1_000_000) + 17), at=wall))
    text, channels = drafted(write, rows)
    assert channels.timezone == zone and "message IDs show UTC" in text


def test_a_stated_zone_stays(write):
    assert drafted(write, [row()], timezone="Lima")[1].timezone == "America/Lima"


def test_what_errors_say_of_the_kind_is_right_nineteen_times_of_twenty():
    told = []
    for path in sorted((ROOT / "tests" / "data").glob("*error_examples*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            told += [
                (r["text"], canonical_kind(r["kind"])) for r in csv.DictReader(file) if r["kind"]
            ]
    rules = load_rules()
    found = [(rules.kinds(mask(text)), kind) for text, kind in told if kind]
    sure = [kind in kinds for kinds, kind in found if len(kinds) == 1]
    assert len(sure) > 0.28 * len(found) and sum(sure) > 0.95 * len(sure)
