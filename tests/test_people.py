"""People, not IDs: contacts that share a phone or an e-mail address, and what tags say of them."""

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebroadcast.engine.connect import connect
from rebroadcast.recovery import tag_import
from rebroadcast.recovery.people import digits, spread, unite, without
from rebroadcast.recovery.people import people as find_people

TEXT = "string"
COLUMNS = ("contact_id", "phone", "email", "last_active", "tags", "lifecycle")


@pytest.fixture(scope="module")
def people():
    with connect() as engine:
        yield lambda contacts: find_people(contacts, engine.keep)


def contacts(*rows, columns=COLUMNS):
    whole = [dict(zip(columns, (*row, *[""] * 6), strict=False)) for row in rows]
    return ibis.memtable(whole, schema=dict.fromkeys(columns, TEXT))


def fates(**dispositions):
    rows = [{"contact_id": c[1:], "disposition": d} for c, d in dispositions.items()]
    table = ibis.memtable(rows, schema={"contact_id": TEXT, "disposition": TEXT})
    return table.mutate(audience=ibis.literal(""))


def told(table):
    frame = table.to_pandas()
    return dict(zip("c" + frame["contact_id"], frame["disposition"], strict=True))


def groups(found):
    frame = found.table.to_pandas()
    return sorted(sorted(group) for group in frame.groupby("person")["contact_id"].apply(list))


def test_contacts_with_one_phone_or_e_mail_are_one_person(people):
    found = people(
        contacts(
            ("1", "+52 55 5555 0009"),
            ("2", "525555550009", "ana@example.com"),
            ("3", "", "Ana@Example.com "),
            ("4", "+5255555500090"),
            ("5", "n/a", "no"),
            ("6", "n/a", "no"),
            ("7", "+521 55 1234 5678"),
            ("8", "0052 (55) 1234-5678"),
            ("9", ""),
            ("10", "5255123456.0"),
            ("11", "+5255 123 456"),
        )
    )
    assert groups(found) == [["1", "2", "3"], ["10", "11"], ["7", "8"]] and found.crowded == 0
    assert found.doubts() == ()


def test_a_number_that_many_share_is_no_person(people):
    found = people(contacts(*((str(n), "+525555550001") for n in range(6)), ("7", "+15551234567")))
    assert groups(found) == [] and found.crowded == 6
    assert (
        found.doubts()[0].text().startswith("6 contacts have a phone number or an e-mail address")
    )


def test_numbers_that_a_spreadsheet_cut_make_nobody_one_person_and_are_told(people):
    found = people(contacts(("1", "5,25556E+12"), ("2", "5,25556E+12"), ("3", "5.2E+12"), ("4",)))
    (doubt,) = found.doubts()
    assert groups(found) == [] and (doubt.kind, doubt.weight) == ("lost phones", 3)


@pytest.mark.parametrize("phone", ["", "  ", "ana@example.com", "12345", "tel", "1.5", "-"])
def test_what_is_no_phone_number_is_compared_with_nothing(phone):
    assert ibis.duckdb.connect().execute(digits(ibis.literal(phone))) == ""


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=24))
def test_people_are_the_connected_groups(people, pairs):
    """Against joining the groups one by one."""
    rows = [(str(n), f"+1555000{p:04}", f"a{m}@example.com") for n, (p, m) in enumerate(pairs)]
    used = {}
    for contact, *keys in rows:
        for key in keys:
            used.setdefault(key, []).append(contact)
    whole = [{contact} for contact, *_keys in rows]
    for sharing in used.values():
        if 2 <= len(sharing) <= 3:
            joined = [group for group in whole if group & set(sharing)]
            whole = [g for g in whole if g not in joined] + [set().union(*joined)]
    assert groups(people(contacts(*rows))) == sorted(sorted(g) for g in whole if len(g) > 1)


def test_a_long_chain_is_one_person(people):
    rows = [(str(n), f"+1555{n // 2:07}", f"a{(n + 1) // 2}@example.com") for n in range(200)]
    assert [len(group) for group in groups(people(contacts(*rows)))] == [200]


def test_one_contact_of_a_person_is_tagged_the_one_active_last(people):
    found = people(
        contacts(
            ("1", "+15550000001", "", "2026-01-01 10:00:00"),
            ("22", "+15550000001", "", "2026-03-01T09:00:00"),
            ("3", "+15550000003", "", "not known"),
            ("10", "+15550000003", "", ""),
            ("4", "+15550000004"),
            ("5", "+15550000004"),
            ("6", "+15550000006"),
            ("7", "+15550000006"),
            ("8", "+15550000008"),
            ("9", "+15550000008"),
        )
    )
    given_fates = fates(
        c1="tagged",
        c22="tagged",
        c3="tagged",
        c10="tagged",
        c4="never",
        c5="tagged",
        c6="fix_first",
        c7="tagged",
        c8="reached_later",
        c9="tagged",
        c99="tagged",
    )
    assert told(unite(given_fates, found)) == {
        "c1": "repeated",
        "c22": "tagged",
        "c3": "tagged",
        "c10": "repeated",
        "c4": "never",
        "c5": "never",
        "c6": "fix_first",
        "c7": "tagged",
        "c8": "reached_later",
        "c9": "reached_later",
        "c99": "tagged",
    }


def test_what_reached_one_contact_reached_the_person(people):
    found = people(contacts(("12", "+525555550001"), ("1", "+52 5555550001"), ("2", "+5255")))
    rows = ibis.memtable({"contact_id": ["1", "2"], "channel_id": ["7", "7"]})
    assert sorted(spread(rows, found).contact_id.to_pandas()) == ["1", "12", "2"]


def test_contacts_are_left_out_by_tag():
    people_by_tag = contacts(
        ("1", "", "", "", "vip,Unsubscribed"),
        ("2", "", "", "", "vip"),
        ("3", "", "", "", "", "opted out"),
        ("4", "", "", "", "no molestar , vip"),
        ("5", "", "", "", "unsubscribed"),
    )
    out = tag_import.carrying(people_by_tag, ["unsubscribed ", "Opted Out"])
    given_fates = fates(c1="tagged", c2="tagged", c3="tagged", c4="tagged", c5="never", c6="tagged")
    assert told(without(given_fates, out)) == {
        "c1": "filtered",
        "c2": "tagged",
        "c3": "filtered",
        "c4": "tagged",
        "c5": "never",
        "c6": "tagged",
    }


def tagged(*ids, tag="failed broadcast 110122"):
    return ibis.memtable({"contact_id": list(ids), "tag": [tag] * len(ids)})


def test_a_tag_that_others_carry_is_told_with_the_number_that_the_segment_would_hold():
    export = contacts(
        ("1", "", "", "", "vip,failed broadcast 110122"),
        ("2", "", "", "", "Failed Broadcast 110122"),
        ("9", "", "", "", "failed broadcast 110122"),
        ("10",),
    )
    others = [tag_import.labels(export)]
    (doubt,) = tag_import.in_use(others, tagged("9", "10", "11", "12"))
    assert doubt.text().startswith(
        "2 other contacts carry the tag 'failed broadcast 110122' already"
    )
    assert "will hold 6, not 4" in doubt.text() and doubt.weight == 2
    assert tag_import.in_use(others, tagged("9", tag="another")) == ()


@pytest.mark.parametrize(
    "tag",
    [
        "unsubscribed",
        "Opt-Out",
        "opted out",
        "STOP",
        "do not contact",
        "DND",
        "no molestar",
        "No contactar",
        "baja",
        "dado de baja",
        "pidió baja",
        "desuscrito",
        "bloqueado",
        "lista negra",
        "opt_out whatsapp",
        "whatsapp_unsubscribed",
        "Baja WhatsApp",
        "no desea publicidad",
        "canceló suscripción",
        "não perturbe",
        "descadastrado",
        "désabonnée",
        "ne pas contacter",
    ],
)
def test_tags_that_read_like_an_opt_out_are_told(tag):
    export = contacts(("1", "", "", "", f"vip,{tag}"), ("2", "", "", "", "vip"))
    (doubt,) = tag_import.doubts(export, tagged("1", "2"))
    assert "1 of the contacts to tag" in doubt.text() and tag.lower() in doubt.text()


def test_an_opt_out_of_a_contact_that_is_not_tagged_is_not_told():
    export = contacts(("1", "", "", "", "vip,baja"), ("2", "", "", "", "vip"))
    assert tag_import.doubts(export, tagged("2")) == ()


def test_an_opt_out_among_the_tags_of_a_persons_other_contact_is_told(people):
    export = contacts(("1", "5215512345678", "", "", "vip"), ("2", "+525512345678", "", "", "baja"))
    (doubt,) = tag_import.doubts(export, tagged("1"), people=people(export))
    assert "1 of the contacts to tag" in doubt.text() and "baja" in doubt.text()


@pytest.mark.parametrize(
    "tag",
    [
        "vip",
        "Baja California",
        "temporada baja",
        "Option A",
        "Christopher",
        "stopover",
        "nd",
        "baja prioridad",
        "no pagó",
        "cancelado",
    ],
)
def test_other_tags_are_not(tag):
    assert tag_import.doubts(contacts(("1", "", "", "", tag)), tagged("1")) == ()
