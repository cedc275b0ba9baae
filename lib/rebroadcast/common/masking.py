"""Texts without what identifies one message or person."""

import re2

from .lazy import ibis

MASK_TOKEN = "‹…›"
MASK_LENGTH = 2000
# one pattern that RE2 (Python, DuckDB) and Java (Spark) understand alike
MASK_PATTERN = "|".join(
    (
        r"[^\s<>()\[\]\",;:@'\\]+@[A-Za-z0-9.*-]+",  # e-mail addresses and WhatsApp's internal ones
        # wamid: holds the phone number in base64
        r"(?:[Ww][Aa])?[Mm][Ii][Dd][.][$A-Za-z0-9+/=_:-]+",
        r"fbtrace_id[^A-Za-z0-9]{1,12}[A-Za-z0-9_-]+",
        r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b",  # UUID
        r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?",
        r"\b\d\d?[ /.-](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*[ /.,-]+\d{2,4}\b",
        r"\b\d\d?/\d\d?/\d{4}\b",
        r"\b\d\d?:\d\d:\d\d(?:[.,]\d+)?(?: ?[AP]M)?(?: [A-Z]{3,4}\b| ?[+-]\d\d:?\d\d)?",
        r"\b\d{1,3}(?:[.]\d{1,3}){3}\b",  # IPv4
        r"\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f:.]*",  # IPv6
        # phone numbers, however grouped
        r"\+\d[\dXx*().-]{6,}|\+\d{1,3}(?:[ ().-]{1,2}\d{2,5}){2,5}\b",
        r"\b\d{1,3}[ .-]\(?\d{2,4}\)?[ .-]\d{3,5}[ .-]\d{3,5}\b",
        r"(?:\(\d{2,4}\)|\b\d{2,4})[ .-]\d{3,4}[ .-]\d{4}\b",
        r"\b\d{2}(?:[ .]\d{2}){4}\b",
        # eight digits that begin with four zeros are no phone number, but a code such as 0x00000008
        r"[+-]?(?:\d{9,}|[1-9]\d{7}|0[1-9]\d{6}|00[1-9]\d{5}|000[1-9]\d{4})[Xx*]*",
        r"\b[0-9A-Fa-f]{16,}\b",
        r"[A-Za-z0-9+_-]{40,}={0,2}",  # access tokens, and ids that mix letters and digits
        r"\b\d*(?:[_-]*[A-Za-z][A-Za-z_-]*\d+){3,}[A-Za-z_-]*={0,2}",
    )
)


def mask(text: str | None) -> str:
    """Return text without what identifies one message or person; codes of up to seven digits stay.

    At most 2,000 characters are kept. None gives "".

    >>> mask("(#131026) Message undeliverable to +52 55 1234 5678")
    '(#131026) Message undeliverable to ‹…›'
    """
    clean = utf8((text or "")[:MASK_LENGTH])
    return re2.sub(
        MASK_PATTERN, lambda _: MASK_TOKEN, clean
    )  # a text with accents would be garbled


def mask_expr(column: "ibis.Value") -> "ibis.Value":
    """Return the expression that does in the engine what `mask` does to one text."""
    return column.fill_null("").left(MASK_LENGTH).re_replace(MASK_PATTERN, MASK_TOKEN)


def utf8(text: str) -> str:
    """Return text without what UTF-8 cannot hold, such as half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
