"""Months of a workspace with known truth: what was sent as which broadcast, and what failed."""

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PEOPLE = ["Ana", "Luis", "María José", "Óscar", "Zoë", "Jürgen", "Chiara", "Inés", "Tomás", "Núria"]
EMOJI = ["🎉", "👋🏽", "✨", "🛍️", "", "🎁🎁"]
# Messages as their senders wrote them; {n}, {o}, {u} and {e} differ from contact to contact.
TEXTS = [
    "Hola {n} {e}\ntu pedido {o} ya va en camino. Síguelo en {u}",
    "{n}, mañana abrimos una hora antes por el inventario {e}",
    "Hi {n}, your invoice {o} is ready:\n\n{u} Thanks for shopping with us",
    "{e} Buenas tardes {n}. Le recordamos su cita médica con la doctora a las {o}",
    "Liebe/r {n}, wir haben heute für dich gebacken, komm vorbei bis {o} Uhr",
    "Olá {n}! O seu boleto vence amanhã, código {o} {u}",
    "Ciao {n}, da oggi i saldi continuano anche online {u} {e}",
    "{n}: quedan pocos lugares para el curso de cocina, responde sí {e}\n\n¿Dudas? {u}",
    "Bonjour {n}, votre colis {o} attend au point relais jusqu'à samedi {e}",
    "Estimado cliente {n}, por mantenimiento no habrá servicio esta noche, folio {o}",
    "नमस्ते {n} {e} आपका ऑर्डर {o} कल पहुँचेगा",
    "Gracias por tu compra {n}; cuéntanos cómo te fue {u}",
    "We miss you {n} {e} here is a little present, show code {o} at the counter",
    "{n}, the gym closes early on Friday; classes move to {o}",
]
AGENT = ["Ok", "Con gusto", "¿En qué puedo ayudar?", "Listo, gracias", "Ahora le confirmo"]


@dataclass
class Month:
    """Rows as dictionaries (without the error where they arrived), and the truth: the broadcast of
    each message ID, and those (start, channel, sender, text, of: what it resends) by number.
    """

    rows: list[dict] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    broadcasts: dict[int, dict] = field(default_factory=dict)
    of: dict[str, int] = field(default_factory=dict)


def content(text: str, rng: random.Random, name: str) -> str:
    """One contact's copy of a message, as the platform writes it down."""
    if text.startswith("template:"):
        parts = [{"type": "body", "text": f"Hola {name}, su código es {rng.randrange(9999)}"}]
        inner = {"name": text[9:], "languageCode": "es", "components": parts}
        return json.dumps({"type": "whatsapp_template", "template": inner}, ensure_ascii=False)
    link = f"https://x.example/{rng.randrange(10**6):06x}"
    order = rng.randrange(1000, 99999)
    said = text.format(n=name, o=order, u=link, e=rng.choice(EMOJI))
    indent = 2 if rng.random() < 0.05 else None
    return json.dumps({"type": "text", "text": said}, ensure_ascii=False, indent=indent)


class _Writer:
    def __init__(self, rng: random.Random):
        self.rng, self.month, self.next = rng, Month(), 1_641_000_000_000_000
        self.contacts = [str(100_200_000 + 7 * i) for i in range(600)]
        self.names = {c: rng.choice(PEOPLE) for c in self.contacts}

    def send(self, at, channel, sender, kind, contact, text, fails, number=None):
        self.next += self.rng.randrange(1, 10**6)
        message = str(self.next)
        row = {"at": at.replace(microsecond=0), "sender": sender, "type": kind, "contact": contact}
        row |= {"message": message, "channel": channel}
        row["content"] = content(text, self.rng, self.names[contact])
        self.month.rows.append(row)
        if fails:
            self.month.failed.add(message)
        if number is not None:
            self.month.of[message] = number

    def broadcast(self, start, channel, sender, texts, contacts, of=None, share=0.3):
        """Send to contacts, each in one of the languages of texts; the last third fails more."""
        number, rng = len(self.month.broadcasts) + 1, self.rng
        about = {"start": start, "channel": channel, "sender": sender, "texts": texts, "of": of}
        self.month.broadcasts[number] = about
        at, pace = start, rng.uniform(1, 9)
        for i, contact in enumerate(contacts):
            likely = share * 2 if i > 2 * len(contacts) / 3 else share / 2
            text = rng.choices(texts, [9] + [1] * (len(texts) - 1))[0]
            fails = rng.random() < likely or i == len(contacts) - 1
            self.send(at, channel, sender, "broadcast", contact, text, fails, number)
            at += timedelta(seconds=rng.expovariate(1 / pace))
        return number, at


def month(seed: int) -> Month:
    """A month of 2 to 12 broadcasts on several channels, with what makes them hard to tell."""
    rng = random.Random(seed)
    writer = _Writer(rng)
    texts = [*rng.sample(TEXTS, len(TEXTS)), "template:promo", "template:aviso_2"]
    rng.shuffle(texts)
    day, wanted = datetime(2022, 1, 3), rng.randrange(2, 13)
    senders = ["88001"] if rng.random() < 0.5 else ["88001", "88002", ""]
    while len(writer.month.broadcasts) < wanted and texts:
        day += timedelta(days=rng.randrange(1, 3))
        start = day + timedelta(hours=rng.randrange(8, 16), minutes=rng.choice([0, 0, 30, 17]))
        channel, sender = rng.choice(["1001", "1002", "2001"]), rng.choice(senders)
        text, size = texts.pop(), rng.choice([30, 80, 200, 400])
        several = not text.startswith("template") and rng.random() < 0.3
        languages = [text, *(t for t in texts[:1] if several and not t.startswith("template"))]
        texts = [t for t in texts if t not in languages]
        people = rng.sample(writer.contacts, size)
        number, end = writer.broadcast(start, channel, sender, languages, people)
        if texts and rng.random() < 0.4:  # another one on the same afternoon
            later = end + timedelta(minutes=rng.choice([40, 75, 130]))
            people = rng.sample(writer.contacts, rng.choice([30, 80, 200]))
            writer.broadcast(later, channel, sender, [texts.pop()], people)
        if rng.random() < 0.4:  # to those who did not get it, the next day
            own = (r for r in writer.month.rows if writer.month.of.get(r["message"]) == number)
            lost = [r["contact"] for r in own if r["message"] in writer.month.failed]
            again = day + timedelta(days=1, hours=7, minutes=rng.choice([0, 1, 10]))
            if len(lost) > 1:
                writer.broadcast(again, channel, sender, languages, lost, number, 0.1)
        for _i in range(rng.randrange(20)):  # agents between
            at = start + timedelta(minutes=rng.randrange(600))
            contact = rng.choice(writer.contacts)
            fails = rng.random() < 0.2
            writer.send(at, channel, "50231", "user", contact, rng.choice(AGENT), fails)
    writer.month.rows.sort(key=lambda r: (r["at"], r["message"]))
    return writer.month
