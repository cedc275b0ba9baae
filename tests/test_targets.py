"""Contacts to reach again, in the form that each vendor's import takes."""

import csv
from pathlib import Path

import pytest

from conftest import opened
from rebroadcast.common.exceptions import InputError
from rebroadcast.recovery import tag_import, targets
from rebroadcast.sources import profile
from rebroadcast.verbs.recover import recover

VENDORS = Path(__file__).parent / "data" / "vendors"
ALL = "policy,configuration,content,template,account,outside_window"


def written(**given) -> dict[str, list[list[str]]]:
    """The import files of a recovery: name → rows."""
    bench = opened({"tag": "again 0510", "fixed": ALL, **given})
    found = recover(bench.settings, bench.tables)
    return {
        one["file"]: list(csv.reader((found.folder / one["file"]).open(encoding="utf-8")))
        for one in found.files
    }


PEOPLE = ["447700900164", "447700900165"]


@pytest.fixture(scope="module")
def hooks(tmp_path_factory) -> str:
    """Webhooks of one campaign, of which two people can be reached again."""
    lines = (VENDORS / "meta_status_webhooks.jsonl").read_text("utf-8").splitlines(keepends=True)
    path = tmp_path_factory.mktemp("hooks") / "hooks.jsonl"
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("target", "header", "cells"),
    [
        ("", ["phone"], "+{0}"),
        ("numbers", ["phone"], "+{0}"),
        ("respondio", ["Phone Number", "Tags"], "+{0},again 0510"),
        (
            "wati",
            ["Name", "CountryCode", "Phone", "AllowBroadcast", "AllowSMS", "Attribute 1"],
            ",44,{1},TRUE,TRUE,again 0510",
        ),
        (
            "interakt",
            ["Name", "Country Code", "Phone Number", "reach_again"],
            ",44,{1},again 0510",
        ),
        ("chatwoot", ["phone_number", "reach_again"], "+{0},again 0510"),
        ("zenvia", ["phone"], "{0}"),
    ],
)
def test_each_target_gets_its_columns_and_its_form_of_numbers(hooks, target, header, cells):
    [rows] = written(exports=hooks, for_=target).values()
    assert rows == [header, *(cells.format(p, p[2:]).split(",") for p in PEOPLE)]


def test_contact_ids_need_a_contacts_export_where_numbers_are_asked_for():
    given = {"exports": str(VENDORS / "respondio_api_messages.json"), "for_": "wati"}
    with pytest.raises(InputError, match="name a contacts export"):
        written(**given)
    [rows] = written(**given, contacts=str(VENDORS / "respondio_api_contacts.json")).values()
    assert [row[1:3] for row in rows[1:]] == [["44", "7700900293"]]


def test_contact_ids_and_phone_numbers_are_not_mixed_in_one_import(hooks):
    files = [hooks, str(VENDORS / "respondio_api_messages.json")]
    with pytest.raises(InputError, match="in two ways"):
        written(exports=files, tag="again {broadcast}")


def test_an_unknown_target_is_answered_with_those_that_are_known(hooks):
    with pytest.raises(InputError, match="Did you mean 'wati'"):
        written(exports=hooks, for_="watti")
    with pytest.raises(InputError, match=r"what an import of Kaleyra takes; known: .*wati"):
        written(exports=hooks, for_="kaleyra")


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("447700900161", "44"),
        ("12025550111", "1"),
        ("525555550001", "52"),
        ("6580000261", "65"),
        ("441", None),
        ("447700900", None),  # too short
        ("12", None),
        ("99912345678", None),  # no country has it
        ("10000000000", None),  # no area code begins so
    ],
)
def test_a_number_is_that_of_the_country_that_could_have_it(engine, digits, country):
    import ibis

    one = ibis.memtable({"digits": [digits]}, schema={"digits": "string"})
    found = engine.con.execute(engine.keep(one).mutate(c=lambda t: targets.country(t.digits)).c)
    assert found.dropna().tolist() == ([country] if country else [])


def test_what_a_target_cannot_take_is_left_for_hand_and_limits_split_files(engine, tmp_path):
    import ibis

    people = [f"4477009001{n:02}" for n in range(7)] + ["99912345678", "zoe@example.com"]
    rows = ibis.memtable({"contact_id": people, "tag": "t", "tags": "t"})
    target = profile.packaged()["wati"].target.model_copy(update={"rows": 3})
    made = targets.recipients(engine, rows, target, "address")
    files = tag_import.write(engine, made, tmp_path, ["t"], target)
    assert [(f["file"], f["contacts"]) for f in files] == [
        ("t-by-hand.csv", 2),
        ("t-phone-1of3.csv", 3),
        ("t-phone-2of3.csv", 3),
        ("t-phone-3of3.csv", 1),
    ]
    hand = list(csv.reader((tmp_path / "t-by-hand.csv").open()))
    assert hand == [["Recipient", "Tag"], ["99912345678", "t"], ["zoe@example.com", "t"]]
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}
