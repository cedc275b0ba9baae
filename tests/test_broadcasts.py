"""Every broadcast of generated months is found, with its own counts and a key that stays."""

import csv
import json
import random
from collections import Counter

import pandas as pd
import pytest

from conftest import HEADER, LIMIT, few_first, opened, row
from months import month
from rebroadcast.common.exceptions import ParameterError
from rebroadcast.reading import exports
from rebroadcast.recovery import broadcasts
from rebroadcast.recovery.contents import hashed

SEEDS = range(6)
FEW = 10  # failed messages from which on a broadcast is told by these alone


def cells(row, error=None):
    cells = [f"{row['at']:%Y-%m-%d %H:%M:%S}", row["sender"], row["type"], row["contact"]]
    cells += [row["message"], "text", "message", row["content"], row["channel"], "outgoing", "text"]
    return cells if error is None else [*cells, error]


@pytest.fixture
def tables(engine, tmp_path):
    """Write rows as exports and read them: the failed ones, and all of them where asked for."""

    def read(rows, failed, with_messages=False, name="x"):
        lost = [cells(r, LIMIT) for r in rows if r["message"] in failed]
        kinds = {"failed": (HEADER, lost)}
        if with_messages:
            kinds["messages"] = (HEADER[:-1], [cells(r) for r in rows])
        found = []
        for kind, (header, lines) in kinds.items():
            path = tmp_path / f"{name}_{kind}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *lines])
            found.append(exports.read(engine, [str(path)], kind).table)
        return found

    return read


def marks(found, table):
    """The key of each message ID."""
    rows = found.mark(table).select("message_id", "broadcast").to_pandas()
    return {m: k if isinstance(k, str) else None for m, k in rows.itertuples(index=False)}


def truth(told, keys):
    """Compare keys with a month's truth, and return the key of each broadcast."""
    pairs = Counter((told.of.get(message), key) for message, key in keys.items())
    wrong = {p: n for p, n in pairs.items() if (p[0] is None) != (p[1] is None)}
    assert not wrong
    by_number = {number: key for number, key in pairs if number}
    assert len(by_number) == len([p for p in pairs if p[0]]), (pairs, told.broadcasts)
    assert len(set(by_number.values())) == len(by_number), (pairs, told.broadcasts)
    return by_number


@pytest.mark.parametrize("seed", few_first(SEEDS, 2))
def test_every_broadcast_of_a_month_is_found(engine, tables, seed):
    told = month(seed)
    failed, messages = tables(told.rows, told.failed, True)
    found = broadcasts.find(engine, failed, messages)
    of_failed = truth(told, marks(found, failed))
    of_all = truth(told, marks(found, messages))
    assert of_failed.items() <= of_all.items()
    assert set(found.found["broadcast"]) == set(of_all.values())
    links = resends(found, failed, messages)
    for number, about in told.broadcasts.items():
        assert links.get(of_all[number]) == (of_all[about["of"]] if about["of"] else None)
    alone = broadcasts.find(engine, failed, known=found.found)
    assert truth(told, marks(alone, failed)) == of_failed


# In a part of month 23 few rows have a sender ID; month 25 has eleven broadcasts.
@pytest.mark.parametrize("seed", few_first([23, 0, 1, 25, *SEEDS[2:]], 2))
def test_keys_stay_where_an_export_is_cut_split_or_shuffled(engine, tables, seed):
    told, rng = month(seed), random.Random(seed)
    failed, messages = tables(told.rows, told.failed, True)
    whole = truth(told, marks(broadcasts.find(engine, failed, messages), messages))
    days = sorted({r["at"].date() for r in told.rows})
    cut = rng.choice(days)
    parts = {
        "before": [r for r in told.rows if r["at"].date() < cut],
        "after": [r for r in told.rows if r["at"].date() >= cut],
        "shuffled": rng.sample(told.rows, len(told.rows)),
        "half": rng.sample(told.rows, len(told.rows) // 2),
    }
    for name, rows in parts.items():
        for with_messages in (False, True):
            if not any(r["message"] in told.failed for r in rows):
                continue
            part = tables(rows, told.failed, with_messages, name)
            keys = truth(told, marks(broadcasts.find(engine, *part), part[-1]))
            sizes = Counter(
                told.of.get(r["message"])
                for r in rows
                if with_messages or r["message"] in told.failed
            )
            sure = {n: key for n, key in keys.items() if sizes[n] >= FEW}
            assert sure.items() <= whole.items(), (name, with_messages)


def resends(found, *tables):
    return broadcasts.resends(found.found, [found.mark(table) for table in tables])


def found_in(engine, write, *rows, **options):
    table = exports.read(engine, [str(write(rows))]).table
    return broadcasts.find(engine, table, **options), table


def test_one_message_in_two_languages_is_one_broadcast_and_a_later_message_another(engine, write):
    rows = [
        row(str(i), str(9000 + i), at=f"2022-01-11 15:{i // 2:02}:{i % 2 * 30:02}", content=text)
        for i in range(60)
        for text in [("Hola, hoy hay promo", "Hi, there is a sale today")[i % 7 == 3]]
    ]
    rows += [
        row(
            str(i), str(9900 + i), at=f"2022-01-11 17:00:{i:02}", content="Mañana cerramos temprano"
        )
        for i in range(20)
    ]
    found, table = found_in(engine, write, *rows)
    assert list(found.found["rows"]) == [60, 20]
    counts = Counter(marks(found, table).values())
    assert sorted(counts.values()) == [20, 60]


SCRIPTS = {  # two messages of one afternoon, and the names of those who get them
    "Hindi": (
        "नमस्ते {n}, आपका ऑर्डर {o} कल पहुँचेगा",
        "प्रिय {n}, हमारी दुकान रविवार को बंद रहेगी",
        "आशा विकास प्रिया मोहन",
    ),
    "Arabic": (
        "مَرْحَبًا {n}، طَلَبُكَ رقم {o} في الطريق إليك",
        "عزيزي {n}، المتجر مُغلق يوم الجمعة بسبب الصيانة",
        "أحمد فاطِمة يوسف مَريم",
    ),
    "Thai": (
        "สวัสดีคุณ{n} คำสั่งซื้อหมายเลข{o}ของคุณกำลังจัดส่ง",
        "เรียนคุณ{n} ร้านจะปิดปรับปรุงวันอาทิตย์นี้ตลอดทั้งวัน",
        "สมชาย มาลี ปรีชา สุดา",
    ),
    "Japanese": (
        "{n}様、ご注文{o}は明日お届けする予定です",
        "{n}様、日曜日は改装のため全店休業いたします",
        "佐藤 鈴木 ひろし 高橋",
    ),
    "Korean": (
        "{n}님, 주문하신 상품 {o} 내일 도착할 예정입니다",
        "{n}님, 매장은 이번 일요일에 공사로 쉽니다",
        "민수 지은 영호 수진",
    ),
}


@pytest.mark.parametrize(
    ("script", "escaped"),
    few_first(
        [
            *((script, n == 0) for n, script in enumerate(SCRIPTS)),
            *((script, n > 0) for n, script in enumerate(SCRIPTS)),
        ],
        len(SCRIPTS),
    ),
)
def test_two_messages_of_an_afternoon_are_told_apart_in_any_script(engine, write, script, escaped):
    *texts, names = SCRIPTS[script]
    rows = []
    for i in range(80):
        text = texts[i // 40].format(n=names.split()[i % 4], o=7000 + i)
        content = json.dumps({"type": "text", "text": text}, ensure_ascii=escaped)
        at = f"2022-01-11 {15 + i // 40}:{i % 40:02}:00"
        cells = row(str(i), str(9000 + i), at=at)
        rows.append([*cells[:7], content, *cells[8:]])
    found, table = found_in(engine, write, *rows)
    assert list(found.found["rows"]) == [40, 40]
    assert sorted(Counter(marks(found, table).values()).values()) == [40, 40]
    part, _table = found_in(engine, write, *rows[3:30], *rows[41:])
    assert list(part.found["broadcast"]) == list(found.found["broadcast"])


def text(said):
    return json.dumps({"type": "text", "text": said}, ensure_ascii=False)


def media(kind, address):
    return json.dumps({"type": "attachment", "attachment": {"type": kind, "url": address}})


def template(name, *said):
    parts = [{"type": "body", "text": words} for words in said]
    inner = {"name": name, "languageCode": "es", "components": parts}
    return json.dumps({"type": "whatsapp_template", "template": inner}, ensure_ascii=False)


def sent_to(contacts, content, minute, first, number):
    """Rows of one message, a second apart; content is one, or makes one of a contact's number."""
    for i in range(contacts):
        at = pd.Timestamp("2022-01-11 10:00:00") + pd.Timedelta(minutes=minute, seconds=i)
        cells = row(str(first + i), str(number + i), at=f"{at:%Y-%m-%d %H:%M:%S}")
        cells[7] = content if isinstance(content, str) else content(i)
        yield cells


ANOTHER = {  # two messages to the same contacts, and how many minutes later the second begins
    "texts, turn by turn": (text("Oferta: 20% en zapatos hoy"), text("Encuesta: opina aquí"), 0),
    "texts that are alike": (
        text("Hoy hay promo de zapatos en la tienda del centro"),
        text("Hoy hay promo de relojes en la tienda del centro"),
        0,
    ),
    "image and text": (media("image", "https://x.io/p.jpg"), text("Mira nuestras ofertas"), 0),
    "image and video": (media("image", "https://x.io/a.jpg"), media("video", "https://x.io/a"), 5),
    "two images": (media("image", "https://x.io/1.jpg"), media("image", "https://x.io/2.jpg"), 300),
    "two files of one folder": (
        media("file", "https://x.io/f/menu-de-la-semana-1.pdf?k=1"),
        media("file", "https://x.io/f/menu-de-la-semana-2.pdf?k=2"),
        120,
    ),
    "emoji": (text("🎉🎉🎉"), text("😢"), 90),
    "a template of a day": (
        template("aviso", "Hola, aviso: hoy rebajas de zapatos"),
        template("aviso", "Hola, aviso: mañana cerramos por inventario"),
        120,
    ),
    "a template of a month": (
        template("promo_mensual", "Hola, rebajas de zapatos"),
        template("promo_mensual", "Hola, cita con su médico mañana"),
        15 * 24 * 60,
    ),
    "a template, turn by turn": (
        template("aviso", "hay rebajas"),
        template("aviso", "cerramos"),
        0,
    ),
}


@pytest.mark.parametrize("case", ANOTHER)
def test_another_message_to_the_same_contacts_reaches_nobody(engine, write, case):
    one, other, minutes = ANOTHER[case]
    lost = list(sent_to(10, one, 0, 500, 9000))
    sent = [*sent_to(40, one, 0, 500, 9000), *sent_to(40, other, minutes, 500, 9500)]
    failed = exports.read(engine, [str(write(lost))]).table
    path = write([cells[:-1] for cells in sent], "messages.csv", HEADER[:-1])
    messages = exports.read(engine, [str(path)], "messages").table
    found = broadcasts.find(engine, failed, messages)
    assert list(found.found["rows"]) == [40, 40] and found.found["message"].nunique() == 2
    arrived = found.mark(messages).anti_join(failed.select("message_id"), "message_id")
    rows = broadcasts.reached(found.mark(failed), arrived)
    assert rows.reached.sum().execute() == 0


def test_the_same_contacts_are_seen_in_a_sample_of_many(engine, write):
    pairs = [text("Oferta: 20% en zapatos hoy"), text("Encuesta: cuéntanos tu experiencia")]
    rows = [c for n, said in enumerate(pairs) for c in sent_to(3000, said, 0, 70_001, 10_000 * n)]
    assert list(found_in(engine, write, *rows)[0].found["rows"]) == [3000, 3000]
    rows = [*sent_to(3000, pairs[0], 0, 70_001, 0), *sent_to(3000, pairs[1], 0, 80_001, 10_000)]
    assert list(found_in(engine, write, *rows)[0].found["rows"]) == [6000]


GOODS = ["zapatos", "camisas", "relojes", "libros", "juguetes", "plantas", "gafas"]
OF_EACH = {  # what differs from contact to contact
    "a file": lambda i: media("file", f"https://x.io/f/factura-{7 * i}.pdf"),
    "an address without a name": lambda i: media("image", f"https://x.io/{i:04x}f0a?k={i}"),
    "a link alone": lambda i: text(f"https://x.io/{i * 7919:06x}"),
    "a code alone": lambda i: text(str(4000 + 7 * i)),
    "a template's goods": lambda i: template("pedido", f"Hola Ana, tu {GOODS[i % 7]} va en camino"),
    "a template's only word": lambda i: template("pedido", GOODS[i % 7]),
    "a template's name and number": lambda i: template("pedido", f"Hola {'AB'[i % 2]}na, {i}"),
    "a template's language": lambda i: template(
        "cierre", ("Mañana cerramos temprano", "We close early tomorrow")[i * 5 % 3 == 1]
    ),
}


@pytest.mark.parametrize("case", OF_EACH)
def test_what_differs_from_contact_to_contact_is_one_broadcast(engine, write, case):
    content = OF_EACH[case]
    rows = list(sent_to(60, content, 0, 500, 9000))
    again = sent_to(20, content, 24 * 60, 500, 9500)
    found, table = found_in(engine, write, *rows, *again)
    assert list(found.found["rows"]) == [60, 20]
    first, second = found.found["broadcast"]
    assert resends(found, table) == {second: first}
    assert list(found_in(engine, write, *rows[15:])[0].found["broadcast"]) == [first]


def test_the_same_text_two_days_running_has_two_keys_and_one_message(engine, write):
    rows = [row(str(i), str(i), at=f"2022-01-{d} 15:00:0{i}") for d in (11, 12) for i in range(9)]
    rows = [[*r[:4], str(n), *r[5:]] for n, r in enumerate(rows)]
    found, table = found_in(engine, write, *rows)
    first, second = found.found.itertuples()
    assert first.broadcast != second.broadcast
    assert second.message == first.broadcast
    assert resends(found, table) == {second.broadcast: first.broadcast}


@pytest.mark.parametrize(
    "without", ["Sender Type", "Sender ID", "Content", "Date & Time", "Channel ID"]
)
def test_exports_that_lack_a_column_still_have_broadcasts(engine, write, without):
    place = HEADER.index(without)
    rows = [row(str(i), str(i), at=f"2022-01-11 15:00:0{i}") for i in range(9)]
    path = write(
        [r[:place] + r[place + 1 :] for r in rows], header=HEADER[:place] + HEADER[place + 1 :]
    )
    table = exports.read(engine, [str(path)]).table
    found = broadcasts.find(engine, table)
    assert list(found.found["rows"]) == [9]
    names = {"Sender Type": "sender_type", "Sender ID": "sender_id", "Content": "content"}
    names["Date & Time"] = "sent_at"
    missing = {"sender_type", "sender_id", "sent_at", "content"} - set(found.basis)
    assert missing == ({names[without]} if without in names else set())
    assert len(set(marks(found, table).values())) == 1


def test_agents_alone_are_no_broadcast(engine, write):
    found, table = found_in(
        engine, write, row(sender="user"), row("101", "9002", sender="workflow")
    )
    assert found.found.empty
    assert set(marks(found, table).values()) == {None}


def test_a_key_outlives_a_spreadsheet(engine, write):
    rows = [row(str(i), str(i), at=f"2022-01-11 15:1{i}:07") for i in range(9)]
    before, _table = found_in(engine, write, *rows)
    for change in (
        lambda r: [r[0][:-3], "88001.0", *r[2:]],
        lambda r: [r[0][:10], *r[1:4], "", *r[5:]],
    ):
        after, _table = found_in(engine, write, *map(change, rows))
        assert list(after.found["broadcast"]) == list(before.found["broadcast"])


def test_the_summary_counts_and_names_each_broadcast(engine, write):
    rows = [row(str(i), str(i), at=f"2022-01-11 15:00:0{i}") for i in range(9)]
    found, table = found_in(engine, write, *rows)
    marked = found.mark(table).mutate(cause=table.content_type.nullif("text").fill_null("quota"))
    frame = broadcasts.summary(found.found, marked, names={"1001": "WhatsApp México"})
    told = frame.iloc[0]
    assert told["name"] == "WhatsApp México, 11 Jan 2022, 15:00"
    assert (told["failed"], told["quota"]) == (9, 9)
    assert pd.isna(told["attempted"]) and pd.isna(told["delivered"])
    frame = broadcasts.summary(found.found, marked, attempted={"1001": 20})
    assert list(frame[["attempted", "delivered", "failed"]].iloc[0]) == [20, 11, 9]


def test_an_agents_ok_reaches_nobody_and_the_resend_does(engine, write):
    rows = [row(str(i), str(i), at=f"2022-01-11 15:00:0{i}") for i in range(9)]
    failed = exports.read(engine, [str(write(rows))]).table
    sent = [r[:-1] for r in rows]
    sent += [row("1", "50", None, "2022-01-11 16:00:00", sender="user", content="Ok")]
    sent += [row("2", "51", None, "2022-01-12 15:00:00", channel="1002")]
    sent += [row("3", "52", None, "2022-01-12 18:00:00", content="Otra cosa muy distinta")]
    path = write(sent, "messages.csv", HEADER[:-1])
    messages = exports.read(engine, [str(path)], "messages").table
    found = broadcasts.find(engine, failed, messages)
    arrived = found.mark(messages).anti_join(failed.select("message_id"), "message_id")
    for how, expected in (("message", {"2"}), ("any", {"1", "3"})):
        rows = broadcasts.reached(found.mark(failed), arrived, how)
        assert set(rows.filter(rows.reached).to_pandas()["contact_id"]) == expected


def test_a_broadcast_is_chosen_by_key_or_name():
    listed = pd.DataFrame(
        {
            "broadcast": ["b1234aaaaa", "b1234bbbbb", "b999900000"],
            "name": [
                "WhatsApp México, 11 Jan 2022, 15:00",
                "WhatsApp México, 12 Jan 2022, 15:00",
                "promo",
            ],
        }
    )
    assert broadcasts.choose("b1234aaaaa", listed) == "b1234aaaaa"
    assert broadcasts.choose("b9999", listed) == "b999900000"
    assert broadcasts.choose("whatsapp mexico, 12 jan 2022, 15:00", listed) == "b1234bbbbb"
    with pytest.raises(ParameterError, match="Several broadcasts"):
        broadcasts.choose("b1234", listed)
    with pytest.raises(ParameterError, match="Did you mean 'promo'"):
        broadcasts.choose("prono", listed)


def spreadsheets(write):
    """A Portuguese spreadsheet's re-save of an SMS month: no types of sender, minutes only, two
    broadcasts that overlap for twenty minutes, and the first one's text again to others a day on.
    """
    said = {
        "vence": ("Ola {n}, sua fatura {o} vence amanha. 2a via: https://x.example/{o}", 40),
        "loja": ("{n}, a loja do centro reabre na sexta com 30% em tudo. Responda SAIR", 50),
        "vence de novo": (
            "Ola {n}, sua fatura {o} vence amanha. 2a via: https://x.example/{o}",
            25,
        ),
    }
    starts = {"vence": (13, 13, 0), "loja": (13, 13, 20), "vence de novo": (14, 13, 0)}
    names, rows, of = ["Joao", "Ana", "Beatriz", "Caio", "Luiza", "Davi"], [], {}
    for place, (name, (text, count)) in enumerate(said.items()):
        day, hour, minute = starts[name]
        for i in range(count):
            message, late = str(1000 * (place + 1) + i), minute + i
            at = f"{day}/01/2022 {hour + late // 60:02}:{late % 60:02}"
            cells = row(str(7000 + 100 * place + i), message, at=at, channel="5001", sender="")
            cells[7] = text.format(n=names[i % 6], o=81_000 + 7 * i), "5001"
            rows.append(cells)
            of[message] = name
    rows.sort(key=lambda cells: cells[0])
    return [write(rows, encoding="cp1252", delimiter=";")], of


def two_parts_and_robots(write):
    """One template's broadcast over midnight in two daily files, on two channels at the same time;
    a workflow that says nearly the same to whoever writes, and seven contacts of a pilot.
    """
    template = '{"type":"whatsapp_template","template":{"name":"aviso_corte","components":["@"]}}'
    pilot, offer = (template.replace("aviso_corte", n) for n in ("aviso_prueba", "oferta_enero"))
    rows, of = {"10": [], "11": []}, {}

    def send(name, count, first, channel, content, sender="88001", kind="broadcast"):
        for i in range(count):
            message = str(len(of) + 50_000)
            sent = pd.Timestamp(first) + pd.Timedelta(seconds=45 * i)
            at = f"{sent:%Y-%m-%d %H:%M:%S}"
            cells = row(str(300 + len(of)), message, at=at, channel=channel, sender=kind)
            cells[1], cells[7] = sender, content.replace("@", str(i))
            rows[at[8:10]].append(cells)
            of[message] = name

    send("night, 1001", 120, "2022-01-10 23:10:00", "1001", template)
    send("night, 1002", 90, "2022-01-10 23:10:20", "1002", template)
    send("pilot", 7, "2022-01-11 10:00:00", "1001", pilot)
    send("day", 30, "2022-01-11 10:00:00", "1001", offer)
    send(
        None,
        40,
        "2022-01-10 22:50:00",
        "1001",
        template,
        "5",
        "workflow",
    )
    send(None, 12, "2022-01-11 10:01:00", "1001", "Ok, @", "77", "user")
    return [write(part, name=f"day{day}.csv") for day, part in rows.items()], of


def three_languages(write):
    """Each contact is written to in their own language, twice on one evening; an hour between, and
    the second to half as many.
    """
    first = ["สวัสดีคุณ{n} ร้านปิดวันนี้", "Hi {n}, our shop is closed today", "{n}様、本日は休業です"]
    second = [
        "คุณ{n} พรุ่งนี้ลดราคาทุกชิ้น",
        "{n}, everything is half price tomorrow",
        "{n}様、明日は全品半額です",
    ]
    names = [["สมชาย", "มาลี", "ปรีชา"], ["Ann", "Bob", "Cleo"], ["佐藤", "鈴木", "高橋"]]
    rows, of = [], {}
    for name, hour, count, texts in (("closed", 18, 120, first), ("sale", 20, 60, second)):
        for i in range(count):
            message, tongue = f"{hour}{i:04}", i * 7 % 3
            at = f"2022-01-12 {hour}:{i // 3:02}:{i % 3 * 20:02}"
            text = texts[tongue].format(n=names[tongue][i % 3])
            rows.append(row(str(i), message, at=at, channel="6001", content=text))
            of[message] = name
    return [write(rows)], of


@pytest.mark.parametrize("made", [spreadsheets, two_parts_and_robots, three_languages])
def test_months_of_others_have_their_broadcasts(engine, write, made):
    paths, of = made(write)
    table = exports.read(engine, [str(path) for path in paths]).table
    keys = marks(broadcasts.find(engine, table), table)
    assert keys.keys() == of.keys()
    pairs = Counter((of[message], key) for message, key in keys.items())
    wanted = Counter(of.values())
    assert Counter({name: n for (name, _), n in pairs.items()}) == wanted, pairs
    assert {name for name, key in pairs if key is None} <= {None}
    assert len(pairs) == len(wanted) == len({key for _, key in pairs})


@pytest.mark.parametrize("word", ["Transmisión", "transmision", "DIFUSIÓN", "broadcast"])
def test_a_broadcast_is_one_in_the_words_of_another_language(write, word):
    rows = [row(str(n), f"m{n}", sender=word) for n in range(3)]
    rows += [row(str(n), f"n{n}", sender="Usuario") for n in range(3, 5)]
    given = {"exports": str(write(rows)), "timezone": "UTC"}
    tables = opened(given).tables
    assert tables.inputs.groups.found["broadcast"].nunique() == 1
    assert tables.facts["counted"] == 3 and tables.facts["failed"] == 5
    for asked in (word, "broadcast"):
        assert opened(given | {"sender_type": asked}).tables.facts["failed"] == 3


@pytest.mark.parametrize(("name", "same"), [("promo_nov", True), ("promo_dic", False), ("", False)])
def test_a_ledger_that_knows_a_template_by_its_name_alone_knows_it_again(write, name, same):
    body = "Hola {}, tu tienda tiene zapatos con descuento"
    template = [
        json.dumps(
            {"type": "template", "template": {"name": "promo_nov", "text": body.format(who)}}
        )
        for who in ("Ana", "Luis", "Marta")
    ]
    rows = [row(str(n), f"m{n}") for n in range(len(template))]
    for cells_of_row, content in zip(rows, template, strict=True):
        cells_of_row[7] = content
    bench = opened({"exports": str(write(rows)), "timezone": "UTC"})
    [one] = bench.tables.inputs.groups.found.itertuples(index=False)
    assert one.template == "promo_nov" and len(one.shape.split()) > 1
    former = bench.tables.inputs.groups.found.assign(
        broadcast="former", shape=hashed(f"template:{name}") if name else ""
    )
    found = broadcasts.find(
        bench.tables.engine, bench.tables.inputs.export.table, known=former
    ).found
    assert (found["broadcast"].tolist() == ["former"]) == same
