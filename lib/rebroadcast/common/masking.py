"""Texts without what identifies one message or person."""

import re
from functools import partial, reduce
from itertools import chain
from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    import ibis

MASK_TOKEN = "‹…›"
MASK_LENGTH = 2000
# All patterns are of RE2 (Python, DuckDB) and Java (Spark) alike: they cannot look around.
BETWEEN = "[ ./\u00a0\u2007\u2009\u202f\u2010-\u2015-]"  # what stands between groups of digits
# Seven digits are an error's code where that is said, or where they are one of Meta's families.
CODE = (
    r"(?i)(\b(?:sub)?(?:code|codigo|código|status|cause|number|err(?:or|o|no)?|no"
    r"|id)[\"'\]]{0,3}\s{0,2}(?:=>|[:=#([-]|is)?\s{0,2}[\"'(\[]{0,2}#?|#)([0-9]{7})\b"
)
FAMILY = r"\b((?:2018|2388|2494|2534|2655|1545|3726)[0-9]{3})\b"
CODE_MARK = "zqz"  # keeps a code out of the pattern for local numbers, and is taken away again
# Words that say whose number follows, which may be as short as a code.
OWNERS = (
    "(?:contact|contacto|recipient|destinatario|user|usuario|chat|subscriber|suscriptor"
    "|customer|cliente?|member|peer|phone(?: number)?|tel[eé]fono|tel|cel(?:ular)?|m[oó]vil"
    "|mobile|msisdn|n[uú]mero|psid|wa_id|iban|curp)"
)
OWNER = (
    rf"(?i)(\b{OWNERS}(?:[ _-]?id)?[\"']?\s{{0,2}}[:=#]?\s{{0,2}}[\"'(]?)"
    r"([A-Z]{0,2}\+?[0-9]{4,}|[A-Z]{2}[0-9]{2} [0-9]{4})\b"
)
NAME = "[A-ZÁÉÍÓÚÑÜ][a-záéíóúñü]+(?: (?:de |del |la )?[A-ZÁÉÍÓÚÑÜ][a-záéíóúñü]+)"  # and more
TITLE = "(?:(?:Sra?|Srta|Mrs?|Ms|Dra?)[.]?|(?i:don|doña|señora?|señorita)) "
PERSON = "(?:contacto|recipient|destinatario|user|usuario|subscriber|customer|cliente?)"
NAMED = (  # user Juan Pérez blocked the bot; Recipient Juan Pérez <‹…›>
    rf"(\b{PERSON} ){NAME}{{1,3}}( [a-z])",
    rf"(\b(?i:{PERSON}) ){NAME}{{1,3}}( ?[<(]?{MASK_TOKEN})",
    rf"(\b{TITLE}){NAME}{{0,3}}()",
    r"((?i:\b(?:first|last|full|display|profile|contact|user|customer)[_ ]?name|\bnombre)"
    rf"[\"'\\]{{0,3}} ?[:=] ?[\"'\\]{{0,3}}){NAME}{{0,3}}()",  # "first_name": "Juan"
    rf"((?i:\bname=|\b(?:name|{PERSON})[\"'\\]{{0,3}} ?[:=] ?[\"'\\]{{1,3}})){NAME}{{0,3}}()",
)
MASK_PATTERN = "|".join(
    (
        r"[^\s<>()\[\]\",;:@'\\]+@[A-Za-z0-9.*-]+",  # e-mail addresses and WhatsApp's internal ones
        r"[A-Za-z0-9._+-]+%40[A-Za-z0-9.-]+",
        r"[A-Za-z0-9._+-]+ ?[\[(](?:at|arroba)[\])] ?[A-Za-z0-9.-]+",
        r"@[A-Za-z][A-Za-z0-9_.]{2,}",  # @handle
        # wamid: holds the phone number in base64
        r"(?:[Ww][Aa])?[Mm][Ii][Dd][.][$A-Za-z0-9+/=_:-]+",
        r"fbtrace_id[^A-Za-z0-9]{1,12}[A-Za-z0-9_-]+",
        r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b",  # UUID
        r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?",
        r"\b\d\d?[ /.-](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*[ /.,-]+\d{2,4}\b",
        r"\b\d\d?/\d\d?/\d{4}\b",
        r"\b\d\d?:\d\d:\d\d(?:[.,]\d+)?(?: ?[AP]M)?(?: [A-Z]{3,4}\b| ?[+-]\d\d:?\d\d)?",
        rf"\b\d{{1,4}}{BETWEEN}\d{{1,4}}(?:{BETWEEN}\d{{2,4}}){{3,}}\b",  # five groups
        r"\b\d{1,3}(?:[.]\d{1,3}){3}\b",  # IPv4
        r"\b(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f:.]*",  # IPv6
        # phone numbers, however grouped
        r"\+\d[\dXx*().-]{6,}|\+\d{1,3}(?:[ ().-]{1,2}\d{2,5}){2,5}\b",
        rf"\+\d(?:(?:{BETWEEN}|[()]){{0,3}}\d){{6,14}}",
        rf"\b\d{{1,3}}{BETWEEN}\(?\d{{2,4}}\)?{BETWEEN}\d{{3,5}}{BETWEEN}\d{{3,5}}\b",
        rf"(?:\(\d{{2,4}}\)|\b\d{{2,4}}){BETWEEN}\d{{3,4}}{BETWEEN}\d{{4}}\b",
        rf"\b\d{{4}}{BETWEEN}\d{{6}}\b|\b\d{{6}}{BETWEEN}\d{{4}}\b|\b\d{{4}}{BETWEEN}\d{{4}}\b",
        r"\b\d{3}-\d{4}\b",
        r"\b\d(?:[ .-]\d){6,}\b",
        r"\b\d{1,3}(?:,\d{3}){3,}\b",
        r"[０-９٠-٩۰-۹०-९](?:[ .-]?[０-９٠-٩۰-۹०-९]){5,}",  # digits of other scripts
        # eight digits that begin with four zeros are no phone number, but a code such as 0x00000008
        r"[+-]?(?:\d{9,}|[1-9]\d{7}|0[1-9]\d{6}|00[1-9]\d{5}|000[1-9]\d{4})[Xx*]*",
        r"\b\d{7}\b",
        r"\b[A-ZÑ]{3,4}\d{6}[A-Z0-9]{3,8}\b",  # RFC and CURP, numbers of people in Mexico
        r"\b[0-9A-Fa-f]{16,}\b",
        r"[A-Za-z0-9+_-]{40,}={0,2}",  # access tokens, and ids that mix letters and digits
        r"\b\d*(?:[_-]*[A-Za-z][A-Za-z_-]*\d+){3,}[A-Za-z_-]*={0,2}",
    )
)
REPLACED = (
    (CODE, rf"\1{CODE_MARK}\2"),
    (FAMILY, rf"{CODE_MARK}\1"),
    (MASK_PATTERN, MASK_TOKEN),
)
OF_PEOPLE = (
    (OWNER, rf"\1{MASK_TOKEN}"),
    *((pattern, rf"\1{MASK_TOKEN}\2") for pattern in NAMED),
)
# What every text has in which one of OF_PEOPLE is found: faster to look for than each of them.
PEOPLE = rf"(?i){OWNERS}|{PERSON}|{TITLE}|name|nombre"


def mask(text: str | None) -> str:
    """Return text without what identifies one message or person.

    Codes of up to six digits stay, and those of seven that are called codes. At most 2,000
    characters are kept. None gives "".

    >>> mask("(#131026) Message undeliverable to +52 55 1234 5678")
    '(#131026) Message undeliverable to ‹…›'
    """
    masked = utf8((text or "")[:MASK_LENGTH])
    for pattern, instead in (*REPLACED, *OF_PEOPLE):
        masked = re2.sub(pattern, partial(_filled, instead), masked)
    return masked.replace(CODE_MARK, "")


def _filled(instead: str, match: "re2.Match") -> str:
    """What stands in the place of a match; re2 itself would garble accents."""
    return re.sub(r"\\([0-9])", lambda group: match[int(group[1])], instead)


def mask_expr(column: "ibis.Value") -> "ibis.Value":
    """Return the expression that does in the engine what `mask` does to one text."""
    masked = replaced(column.fill_null("").left(MASK_LENGTH), REPLACED)
    bare = replaced(masked, OF_PEOPLE)
    return column.re_search(PEOPLE).ifelse(bare, masked).replace(CODE_MARK, "")


def replaced(text: "ibis.Value", *tables: tuple[tuple[str, str], ...]) -> "ibis.Value":
    """Return the expression that applies tables of patterns, and what comes instead, in turn."""
    return reduce(lambda so_far, one: so_far.re_replace(*one), chain(*tables), text)


def utf8(text: str) -> str:
    """Return text without what UTF-8 cannot hold, such as half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
