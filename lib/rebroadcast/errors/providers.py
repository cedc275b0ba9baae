"""Published codes: what a code means depends on the provider that says it."""

import csv
import functools
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .texts import fold

FOLDER = Path(__file__).with_name("codes")
AGREES = 0.6  # share of a published text's words that a text must hold to be taken for it
_WORD = re.compile(r"[^\W\d_]{2,}")
_COMMON = frozenset(
    [
        "bad",
        "not",
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
_FORMS = re.compile("|".join(f"(?P<{name}>{form})" for name, form in FORMS.items()), re.ASCII)


class Row(NamedTuple):
    """One published code; a weak one says less than any words beside it."""

    provider: str
    kinds: frozenset[str]
    code: str
    rule: str
    weak: bool
    text: str
    source: str
    date: str


@functools.lru_cache(4096)
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
    """All published codes."""

    def __init__(self, rows: Iterable[Row]):
        self.rows = list(rows)
        self.by_code: dict[str, list[Row]] = {}
        self.kinds: dict[str, frozenset[str]] = {}  # of channels for which a text is published
        for row in self.rows:
            self.kinds[row.text.lower()] = self.kinds.get(row.text.lower(), row.kinds) | row.kinds
            for code in spread(row.code) if row.code else ():
                self.by_code.setdefault(code, []).append(row)

    def speaking(
        self, codes: Iterable[str], plain: str, kind: str | None, provider: str | None
    ) -> Iterator[tuple[Row, str]]:
        """Yield the rows that speak for a text which holds these codes, and why: `agrees` with the
        published text, `named` provider, `native` to the channel and long enough to be sure, or
        else how much the code alone tells: `own`, `long`, `short`, `weak`.
        """
        rows = [
            (code, row)
            for code in codes
            for row in self.by_code.get(code, ())
            if not kind or not row.kinds or kind in row.kinds
        ]
        if not rows:
            return
        lower = plain.lower()
        said = frozenset(_WORD.findall(lower))
        open_ = any(len(c) < 5 or r.provider != NATIVE.get(kind or "") for c, r in rows)
        form = _FORMS.search(lower) if open_ else None
        told = form.lastgroup if form else None  # a part of the named provider may be told
        named = told if not provider or (told or "").startswith(f"{provider}_") else provider
        shares = [_agreement(words_of(r.text), said) for _, r in rows]
        for (code, row), share in zip(rows, shares, strict=True):
            same = [r for c, r in rows if c == code]
            theirs = named in (row.provider, row.provider.partition("_")[0])
            ours = [
                r
                for r in same
                if r.provider.partition("_")[0] == (named if theirs else row.provider)
            ]
            if share == max(shares) and share >= AGREES:
                yield row, "weak" if row.weak else "agrees"
            elif len({r.rule for r in ours}) < 2:  # else its provider gives it several meanings
                alone = len({r.rule for r in same}) == 1
                if why := _standing(row, code, kind, theirs, alone):
                    yield row, "weak" if row.weak else why


def _standing(row: Row, code: str, kind: str | None, theirs: bool, alone: bool) -> str | None:
    """Why a code speaks whose text is not the published one, None where it does not."""
    if not code.strip("0"):
        return None  # says that nothing failed, as a rule
    if theirs:
        return "named"
    native = NATIVE.get(kind or "") == row.provider or (
        not kind and bool(_OWN_FORM.fullmatch(code))
    )
    long = len(code) > 4 and "." not in code
    if row.provider == "http" or (native and (alone or long or "." in code)):
        return "native" if native and long else "own"
    enough = alone and len(code) > (3 if kind else 4)
    return ("long" if len(code) > 4 else "short") if enough else None


_OWN_FORM = re.compile(
    r"13[0-5]\d{3}|137000|2018\d{3}|2534\d{3}|2494\d{3}|1545041|[A-Z]+(?:_[A-Z0-9]+)+"
)


def _agreement(published: frozenset[str], said: frozenset[str]) -> float:
    """The share of published words that a text holds; one alone tells little of a longer text."""
    share = len(published & said) / len(published) if published else 0.0
    return share if len(published) > 1 or not share else share / len(said - _COMMON)


def load(folder: Path = FOLDER) -> Tables:
    """Return the tables of a folder: one file per provider, named after it."""
    return Tables(
        Row(path.stem, frozenset(kind.split()), code, rule, weak == "yes", *rest)
        for path in sorted(folder.glob("*.csv"))
        for kind, code, rule, weak, *rest in islice(
            csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True)), 1, None
        )
    )
