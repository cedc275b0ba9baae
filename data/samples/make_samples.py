"""Make the sample exports: four weeks of an invented shop's messages, and the truth about them.

    python data/samples/make_samples.py [--out DIR]

story.toml says what happens; the same bytes come out every time. Times are local, without a zone,
as in the platform's exports. Names, numbers, addresses and IDs are made up: Mexican phones are +52
55 5555 xxxx, those of the United States lie in 555-01xx, kept for fiction, and the others begin
with 0, as no number does.
"""

import argparse
import base64
import csv
import io
import json
import random
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

STORY = tomllib.loads(Path(__file__).with_name("story.toml").read_text("utf-8"))
CHANNELS, ERRORS, HEADERS = STORY["channels"], STORY["errors"], STORY["headers"]
BROADCASTS = {
    key: STORY["style"][plan["channel"]] | plan for key, plan in STORY["broadcasts"].items()
}
UTC_OFFSET = timedelta(hours=6)  # Mexico City, winter


@dataclass
class Contact:
    id: str
    name: tuple[str, str]
    phone: str
    country: str
    language: str
    lot: dict[str, float] = field(
        default_factory=dict
    )  # channel: decides the lasting failures there


@dataclass
class Message:
    sent: datetime
    id: str
    channel: str
    contact: Contact
    sender_id: str
    sender_type: str
    content: str
    key: str = ""  # of ERRORS; empty: delivered, or incoming
    error: str = ""

    def cells(self) -> list[str]:
        way = "incoming" if self.sender_type == "contact" else "outgoing"
        start = [str(self.sent), self.sender_id, self.sender_type, self.contact.id, self.id]
        return [*start, "text", "message", self.content, self.channel, way, "text"]


class Story:
    """Contacts and messages as they come about. Of random, only random() is the same in every
    Python.
    """

    def __init__(self) -> None:
        self.random = random.Random(20220111).random
        self.messages: list[Message] = []
        self.contacts = people = [self.contact(i) for i in range(2420)]
        people[701].name = people[700].name
        self.members = {"1001": people[:1500], "1002": people[:260] + people[1560:]}
        for channel, one in CHANNELS.items():
            reachable = [c for c in people if c.phone or one["kind"] != "sms"]
            members = self.members.setdefault(channel, self.mixed(reachable)[: one.get("members")])
            for contact in members:
                contact.lot[channel] = self.random()

    def mixed(self, things: list) -> list:
        return sorted(things, key=lambda _: self.random())

    def pick(self, things):
        return things[int(self.random() * len(things))]

    def contact(self, i: int) -> Contact:
        country = "MX" if i < 1500 else "US" if i < 1560 else self.pick(["GT", "SV", "CR"])
        starts = {
            "MX": "52555555",
            "US": "1202555",
            "GT": "5020000",
            "SV": "5030000",
            "CR": "5060000",
        }
        phone = (
            f"+{starts[country]}{i - 1400 if country == 'US' else i:04}"
            if i not in (1555, 1556)
            else ""
        )
        language = "en" if country == "US" or self.random() < 0.06 else "es"
        name = (f"Contacto Ejemplo {i:04}", self.pick(STORY["names"].split()))
        return Contact(str(100204001 + 7 * i), name, phone, country, language)

    def say(
        self, sent: datetime, channel: str, contact: Contact, who: tuple, text: str, key: str = ""
    ):
        """Record one message; with a key of ERRORS it failed. Some of those hold JSON over several
        lines.
        """
        sent = sent.replace(microsecond=0)
        pretty = (
            {"indent": 2} if key and len(self.messages) % 11 == 0 else {"separators": (",", ":")}
        )
        content = json.dumps({"type": "text", "text": text}, ensure_ascii=False, **pretty)
        seconds = int((sent + UTC_OFFSET - datetime(1970, 1, 1)).total_seconds())
        number = str(seconds * 1_000_000 + len(self.messages))
        error = self.pick(ERRORS[key]["texts"]).format(**self.details(sent, contact)) if key else ""
        self.messages.append(Message(sent, number, channel, contact, *who, content, key, error))

    def details(self, sent: datetime, contact: Contact) -> dict[str, object]:
        """What fills an error text; a WhatsApp message ID (wamid) holds the phone number in
        base64.
        """
        digits = contact.phone.lstrip("+").encode()
        tail = "".join(self.pick("0123456789ABCDEF") for _ in range(18)).encode()
        packed = b"\x1c\x18%c%b\x15\x02\x00\x11\x18\x12%b\x00" % (len(digits), digits, tail)
        return {
            "wamid": "wamid." + base64.b64encode(packed).decode(),
            "trace": "A" + "".join(self.pick("abcdefghkmnpqrstuvwxyz23456789") for _ in range(10)),
            "pacific": (sent - timedelta(hours=2)).time(),
            "order": f"ORD-2022-{int(self.random() * 9e5):06}",
            "batch": int(1e6 + self.random() * 9e6),
            "phone": contact.phone,
        }

    def audience(self, channel: str, size: int) -> list[Contact]:
        members, known = (
            self.members[channel],
            {m.contact.id for m in self.messages if m.channel == channel},
        )
        if (
            channel == "1002" and known
        ):  # 180 of the day before too: they take nothing more of the limit
            again = self.mixed([c for c in members if c.id in known])[:180]
            members = again + [c for c in members if c.id not in known]
        return self.mixed(members)[:size]

    def broadcast(self, sender: str, plan: dict) -> None:
        channel, start = plan["channel"], plan["start"]
        limit = CHANNELS[channel].get("limit")
        before = [m for m in self.messages if m.channel == channel and m.sender_type == "broadcast"]
        reached = {
            m.contact.id for m in before if not m.key and m.sent > start - timedelta(hours=24)
        }
        drift = 0.03 * len({m.sender_id for m in before})  # more contacts drop out each time
        keys = self.mixed(
            [key for key, count in plan.get("exactly", {}).items() for _ in range(count)]
        )
        spread = {int((i + 0.5) * plan["size"] / len(keys)): key for i, key in enumerate(keys)}
        for i, contact in enumerate(self.audience(channel, plan["size"])):
            key = spread.get(i) or self.failure(plan, i, contact.lot[channel], drift)
            if not key and limit and contact.id not in reached:
                key = "limit" if len(reached) >= limit else ""
                reached |= set() if key else {contact.id}
            sent = start + timedelta(seconds=i * plan["pace"])
            text = plan["text"][contact.language == "en"]
            self.say(sent, channel, contact, (sender, "broadcast"), text, key)

    def failure(self, plan: dict, i: int, lot: float, drift: float) -> str:
        name, first, end = plan.get("burst", ("", 0, 0))
        if first <= i < end:
            return name
        draws = ((plan.get("lasting", {}), lot, drift), (plan.get("passing", {}), self.random(), 0))
        for shares, draw, more in draws:
            edge, key = 0.0, ""
            for key, share in shares.items():
                edge += share
                if draw < edge:
                    return key
            if draw < edge + more:
                return key
        return ""

    def replies(self) -> None:
        """Contacts write back, agents answer and workflows remind; nothing of it goes out on 1001
        or 1002.
        """
        texts = [
            "Gracias",
            "¿Tienen envío, y cuánto cuesta?",
            "Thanks",
            'Quiero la "azul", por favor',
        ]
        for m in [m for m in self.messages if not m.key and self.random() < 0.06]:
            at = m.sent + timedelta(minutes=30 + int(self.random() * 500))
            self.say(at, m.channel, m.contact, (m.contact.id, "contact"), self.pick(texts))
            if m.channel not in ("1001", "1002") and self.random() < 0.5:
                late = (
                    m.channel == "2001" and self.random() < 0.4
                )  # three days on, the window has closed
                at, key = (
                    (at + timedelta(days=3), "window") if late else (at + timedelta(minutes=9), "")
                )
                self.say(at, m.channel, m.contact, ("50231", "user"), "Con gusto, le ayudo", key)
        for i, contact in enumerate(self.mixed(self.members["5001"])[:60]):
            at, key = (
                datetime(2022, 1, 3 + i % 26, 8, i),
                self.pick(["handset", "sms_stop", *[""] * 6]),
            )
            self.say(at, "5001", contact, ("4102", "workflow"), "Su pago", key)
        gone = {m.contact.id for m in self.messages if m.key in ("blocked", "deactivated")}
        people = sorted(self.mixed(self.members["3001"]), key=lambda c: c.id in gone)
        for contact in people[:30] + people[-10:]:
            at, key = datetime(2022, 1, 29, 10, 5), "blocked" if contact.id in gone else ""
            self.say(at, "3001", contact, ("4103", "workflow"), "Su pedido va en camino", key)

    def by_hand(self) -> None:
        """Agents write to 30 contacts of the 1001 broadcast, three to fourteen days after it."""
        sent = self.mixed([m for m in self.messages if m.sender_id == "88005"])
        limit, good = [m for m in sent if m.key == "limit"], [m for m in sent if not m.key]
        other = [m for m in sent if m.key not in ("limit", "")]
        for i, m in enumerate(limit[:18] + other[:4] + good[:8]):
            at = datetime(2022, 1, 14 + i % 12, 16, 10 + i)
            self.say(at, "1001", m.contact, ("50232", "user"), "Hola, soy Irene, de la tienda")


def table(rows: list[list[str]], header: str = "") -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(([header.split(",")] if header else []) + rows)
    return text.getvalue()


def recovery(failed: list[Message], outgoing: list[Message], channel: str) -> dict:
    """Who is worth another try on a channel, by the rules: never keeps out, else the latest
    decides.
    """
    fates: dict[str, tuple[datetime, str]] = {}
    for m in failed:
        if m.channel == channel and m.sender_type == "broadcast":
            kept = fates.get(m.contact.id, (m.sent, ""))[1] == "never"
            fates[m.contact.id] = (m.sent, "never" if kept else ERRORS[m.key]["verdict"])
    wait = {contact: at for contact, (at, verdict) in fates.items() if verdict == "wait"}
    good = [m for m in outgoing if m.channel == channel and not m.key]
    later = {m.contact.id for m in good if m.contact.id in wait and m.sent > wait[m.contact.id]}
    return {
        "contacts_by_verdict": dict(
            sorted(Counter(verdict for _, verdict in fates.values()).items())
        ),
        "recoverable": sorted(wait),
        "recoverable_with_messages": sorted(wait.keys() - later),
    }


def failed_export(
    failed: list[Message], repaired: Message
) -> tuple[str, list[dict], list[Message]]:
    """The failed-messages export, its rejected rows (damaged copies of good ones), good rows'
    messages.
    """
    left = {channel: one["repeated"] for channel, one in CHANNELS.items()}
    rows: list[Message] = []
    for i, m in enumerate(failed):
        twice = i % 23 == 5 and left[m.channel] > 0
        left[m.channel] -= twice
        rows += [m] * (1 + twice)
    lines = [[*m.cells(), m.error] for m in rows]
    lines[rows.index(repaired)][3] += ".0"
    damages = [  # reason, channel, what becomes of a good row
        ("too few columns", "2001", lambda c: c[:5]),
        ("too many columns", "5001", lambda c: [*c, "ver nota", "sí"]),
        ("contact ID damaged by a spreadsheet", "4001", lambda c: [*c[:3], "1.0E+08", *c[4:]]),
        ("no contact ID", "2001", lambda c: [*c[:3], "", *c[4:]]),
        ("unreadable date", "3001", lambda c: ["2022-01-1? 18:0", *c[1:]]),
    ]
    texts, rejected = [table([cells]) for cells in lines], {}
    for place, (reason, channel, damage) in enumerate(damages, 1):
        whole = [c for c in lines if c[8] == channel and "\n" not in c[7] and c[4] != repaired.id]
        copied = whole[len(whole) * place // 7]
        broken = table([damage(copied)])
        texts.insert(len(texts) * place // 6, broken)
        rejected[broken] = {
            "file": "failed_messages.csv",
            "reason": reason,
            "message_id": copied[4],
        }
    line, found = 2, []  # the header is line 1
    for row, text in enumerate(texts, 1):
        found += [rejected[text] | {"line": line, "row": row}] if text in rejected else []
        line += text.count("\n")
    return table([], HEADERS["messages"] + ",Error") + "".join(texts), found, rows


def contacts_export(story: Story) -> str:
    last = {m.contact.id: str(m.sent) for m in story.messages if m.sender_type == "contact"}
    tags, rows = ["", "", "", "", "cliente", "cliente,boletín", "VIP", "VIP,cliente,CDMX"], []
    for i, c in enumerate(story.contacts):
        email = "" if i % 8 else f"contacto{i:04}@example.com"
        created = str(datetime(2021, 1, 4, 9) + timedelta(minutes=int(story.random() * 500_000)))
        about = [c.id, *c.name, c.phone, email, c.country, c.language, story.pick(tags)]
        state = [story.pick(["open", "close"]), story.pick(["", "Lead", "Customer"]), ""]
        names = ",".join(CHANNELS[channel]["name"] for channel in c.lot)
        rows.append([*about, *state, last.get(c.id, ""), created, names])
    return table(rows, HEADERS["contacts"])


def channels_file(pool: bool) -> str:
    text = f'timezone = "{STORY["timezone"]}"\nsegment_limit = {STORY["segment_limit"]}\n'
    text += '\n[pool.main]\nlimit = 1000\nwindow = "24h"\n' if pool else ""
    for channel, one in CHANNELS.items():
        text += f'\n[channel.{channel}]\nname = "{one["name"]}"\nkind = "{one["kind"]}"\n'
        if "portfolio" in one and not pool:
            text += f'portfolio = "{one["portfolio"]}"\n'
        if "limit" in one:
            text += 'pool = "main"\n' if pool else f'limit = {one["limit"]}\nwindow = "24h"\n'
    return text


def counts(messages: list[Message]) -> dict[str, object]:
    causes = Counter(ERRORS[m.key]["cause"] for m in messages if m.key)
    failed = causes.total()
    number = {"attempted": len(messages), "delivered": len(messages) - failed, "failed": failed}
    return number | {"causes": dict(causes)}


def make() -> dict[str, str]:
    """Every file: its name and text."""
    story = Story()
    for sender, plan in BROADCASTS.items():
        story.broadcast(sender, plan)
    story.replies()
    story.by_hand()
    story.messages.sort(key=lambda m: (m.sent, m.id))
    outgoing = [m for m in story.messages if m.sender_type != "contact"]
    failed = [m for m in outgoing if m.key]
    promo = [m for m in failed if m.sender_id == "88005"]
    fates = {channel: recovery(failed, outgoing, channel) for channel in ("1001", "3001")}
    telegram = [m for m in failed if m.channel == "3001"]
    once, open_ = (
        Counter(m.contact.id for m in telegram),
        fates["3001"]["recoverable_with_messages"],
    )
    repaired = next(m for m in telegram if once[m.contact.id] == 1 and m.contact.id in open_)
    export, rejected, good = failed_export(failed, repaired)
    rows, once = (Counter((m.channel, m.error) for m in some) for some in (good, failed))
    keys = {(m.channel, m.error): m.key for m in failed}
    sizes = {"failed_messages.csv": len(good) + len(rejected), "messages.csv": len(story.messages)}
    channels, errors = {}, []
    for channel in CHANNELS:
        sent = [m for m in outgoing if m.channel == channel]
        campaigns = [m for m in sent if m.sender_type == "broadcast"]
        channels[channel] = {"all": counts(sent), "broadcast": counts(campaigns)}
    for (channel, text), key in sorted(keys.items()):
        about = {
            "channel": channel,
            "cause": ERRORS[key]["cause"],
            "verdict": ERRORS[key]["verdict"],
        }
        errors.append(
            about | {"rows": rows[channel, text], "messages": once[channel, text], "text": text}
        )
    broadcasts = {key: counts([m for m in outgoing if m.sender_id == key]) for key in BROADCASTS}
    limit = [m for m in promo if m.key == "limit"]
    overflow = {"limit_errors": len(limit), "first_limit_error": str(limit[0].sent)}
    overflow["others"] = {k: n for k, n in broadcasts["88005"]["causes"].items() if k != "quota"}
    truth = {
        "rows": sizes,
        "rejected": rejected,
        "repaired": {"contact_id": repaired.contact.id, "message_id": repaired.id},
        "channels": channels,
        "broadcasts": broadcasts,
        "broadcast_2022_01_11": broadcasts["88005"] | overflow,
        "recovery": fates,
        "errors": errors,
    }
    log = []
    for m in promo:
        about = [BROADCASTS["88005"]["name"], " ".join(m.contact.name), CHANNELS["1001"]["name"]]
        log.append([str(m.sent), *about, *m.cells()[9:], m.content, m.error])
    lines = ",\n".join(
        f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in truth.items()
    )
    return {
        "failed_messages.csv": export,
        "messages.csv": table([m.cells() for m in story.messages], HEADERS["messages"]),
        "contacts.csv": contacts_export(story),
        "failed_message_log.csv": table(log, HEADERS["log"]),
        "channels.toml": channels_file(pool=False),
        "channels_pool.toml": channels_file(pool=True),
        "truth.json": "{\n" + lines.replace("}, {", "},\n  {") + "\n}\n",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make the sample exports: the same bytes every time."
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder (default: this one)"
    )
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in make().items():
        (folder / name).write_bytes(text.encode("utf-8"))


if __name__ == "__main__":
    main()
