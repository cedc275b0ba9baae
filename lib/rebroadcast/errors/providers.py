"""Published codes: what a code means depends on the provider that says it."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .texts import fold

FOLDER = Path(__file__).with_name("codes")
AGREES = 0.6  # share of a published text's words that a text must hold to be taken for it
_WORD = re.compile(r"[^\W\d_]{2,}")
_COMMON = frozenset(
    [
        "bad",
        "request",
        "forbidden",
        "the",
        "to",
        "for",
        "of",
        "and",
        "or",
        "is",
        "are",
        "was",
        "has",
        "been",
        "in",
        "on",
        "at",
        "by",
        "an",
        "this",
        "that",
        "it",
        "be",
        "with",
        "error",
        "code",
    ]
)
# The provider that speaks on a channel unless another is named, and the forms that name one.
NATIVE = {"whatsapp": "meta", "messenger": "meta", "instagram": "meta", "email": "smtp"} | {
    kind: kind for kind in ("viber", "line", "wechat", "vk", "telegram")
}
FORMS = {
    "exotel": r"exotel|\bex_[a-z_]+",
    "infobip": r"infobip|\bec_[a-z]|groupname|\b(?:rejected|undeliverable)_[a-z]",
    "smpp": r"\besme_r|command_status|\b0x0000",
    "vonage_dlr": r"err-code",
    "vonage": r"vonage|nexmo",
    "messagebird": r"messagebird",
    "bandwidth": r"bandwidth|\b(?:rejected|malformed|temporary|destination|forbidden)-[a-z]+-",
    "gupshup": r"gupshup",
    "plivo": r"plivo",
    "sinch": r"sinch",
    "aws": r"\baws\b|amazon|pinpoint",
    "twilio": r"twilio|messagesid|smssid|errorcode=",
    "meta": r"\(#\d{3}|fbtrace_id|error_subcode|graph api|facebook|\bmeta\b",
}
_FORMS = re.compile("|".join(f"(?P<{name}>{form})" for name, form in FORMS.items()))


class Row(NamedTuple):
    """One published code; a weak one says less than any words beside it."""

    provider: str
    kinds: frozenset[str]
    code: str
    rule: str
    weak: bool
    text: str
    words: frozenset[str]
    source: str
    date: str


class Spoken(NamedTuple):
    """A row that speaks for a text: whether its provider is known, whether the texts agree, and
    whether it is the provider that speaks on this channel unless another is named.
    """

    row: Row
    sure: bool
    agrees: bool
    native: bool


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text that tell it from others."""
    return frozenset(_WORD.findall(fold(text).lower())) - _COMMON


def canonical_provider(name: str | None) -> str | None:
    """Return the provider for a name that holds it.

    >>> canonical_provider("Twilio WhatsApp"), canonical_provider("whatsapp")
    ('twilio', None)
    """
    lower = (name or "").lower()
    if "360dialog" in lower or "cloud" in lower:
        return "meta"
    return next((p for p in (*FORMS, "nexmo", "bird") if p in lower), None)


def spread(code: str) -> list[str]:
    """Return the codes of a range, "200-299" or "5.7.606-5.7.649"; any other code is itself."""
    match = re.fullmatch(r"(.*?)(\d+)-\1(\d+)", code)
    if not match or int(match[3]) - int(match[2]) not in range(10_000):
        return [code]
    return [f"{match[1]}{n}" for n in range(int(match[2]), int(match[3]) + 1)]


class Tables:
    """All published codes, by code and by text."""

    def __init__(self, rows: Iterable[Row]):
        self.rows = list(rows)
        self.by_code: dict[str, list[Row]] = {}
        self.by_text: dict[frozenset[str], list[Row]] = {}
        for row in self.rows:
            for code in spread(row.code):
                self.by_code.setdefault(code, []).append(row)
            if len(row.words) > 2:
                self.by_text.setdefault(row.words, []).append(row)

    def speaking(
        self, codes: Iterable[str], lower: str, kind: str | None, provider: str | None
    ) -> Iterator[Spoken]:
        """Yield the rows that speak for a text which holds these codes."""
        rows = [(c, r) for c in codes for r in self.by_code.get(c, ())]
        rows = [(c, r) for c, r in rows if not kind or not r.kinds or kind in r.kinds]
        if not rows:
            return
        said = words_of(lower)
        form = _FORMS.search(lower)
        told = form.lastgroup if form else None  # a part of the named provider may be told
        named = told if not provider or (told or "").startswith(f"{provider}_") else provider
        best = max((_agreement(r, said) for _, r in rows), default=0)
        for code, row in rows:
            agrees = _agreement(row, said) == best >= AGREES
            native = NATIVE.get(kind) == row.provider or (not kind and _OWN_FORM.fullmatch(code))
            same = [r for c, r in rows if c == code]
            theirs = named in (row.provider, row.provider.partition("_")[0])
            heard = [r for r in same if r.provider.partition("_")[0] == named] if theirs else same
            if not agrees and len({r.rule for r in heard if theirs or _kin(r, row)}) > 1:
                continue  # its provider gives this code several meanings, and the text is of none
            alone = len({r.rule for r in same}) == 1
            if theirs or agrees or row.provider == "http":
                yield Spoken(row, theirs and not row.weak, agrees, bool(native))
            elif (native and (len(code) > 4 or "." in code)) or (
                alone and (native or len(code) > (3 if kind else 4))
            ):
                sure = bool(native) and len(code) > 4 and "." not in code
                yield Spoken(row, sure, False, bool(native))

    def published(self, lower: str, kind: str | None) -> Row | None:
        """Return the row whose text this is, word for word."""
        rows = self.by_text.get(words_of(lower), ())
        return next((r for r in rows if not kind or kind in r.kinds), None)


_OWN_FORM = re.compile(
    r"13[0-5]\d{3}|137000|2018\d{3}|2534\d{3}|2494\d{3}|1545041|[A-Z]+(?:_[A-Z0-9]+)+"
)


def _kin(one: Row, other: Row) -> bool:
    return one.provider == other.provider


def _agreement(row: Row, said: frozenset[str]) -> float:
    """The share of a row's words that a text holds; one word alone tells little of a longer text."""
    share = len(row.words & said) / len(row.words) if row.words else 0.0
    return share if len(row.words) > 1 or not said else share / len(said)


def load(folder: Path = FOLDER) -> Tables:
    """Return the tables of a folder: one file per provider, named after it."""
    rows = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [
                Row(
                    path.stem,
                    frozenset(r["kind"].split()),
                    r["code"],
                    r["rule"],
                    r["weak"] == "yes",
                    r["text"],
                    words_of(r["text"]),
                    r["source"],
                    r["date"],
                )
                for r in csv.DictReader(file)
            ]
    return Tables(rows)
