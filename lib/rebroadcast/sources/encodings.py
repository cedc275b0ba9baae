"""The bytes of a file: their hash, whether they are UTF-8, and in which encoding they are if
not.
"""

import codecs
import hashlib
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..common.exceptions import InputError

# What is no letter in Windows-1252, or none that stands so; œ before u is French.
STRANGE = re.compile(
    # within a word, or at its end: letters of DOS and old Macs
    rb"[A-Za-z](?!\x9cu)[\x80-\x91\x93-\x9f\xa1-\xa9\xab-\xac\xae-\xb6\xb8-\xb9\xbb-\xbf](?=[a-z])"
    rb"|[a-z][\x82\x87\x8e\x97\xa1-\xa5](?![A-Za-z])"
    # words of other scripts: Cyrillic, Greek, Hebrew, Arabic, Thai; Chinese and Korean; Japanese
    rb"|[\xc0-\xff]{3}|[\xa1-\xff]{4}|(?:[\x82\x83][\x40-\xf1]){3}"
    # at the end of a word: letters of Polish
    rb"|(?:[a-z]{3}[\xb3\xb9]|[a-z]{2}[\xbf\x9c\x9f])(?![0-9A-Za-z])"
)
TELLING = re.compile(rb"[\x80-\x90\x95-\xff]")
JUDGED = 10_000  # lines, each of which takes 80 µs; a program writes them all alike
# What programs take UTF-8 for that do not expect it, and in them the letters á to ÿ as UTF-8 has
# them: two signs that no language writes side by side.
MISTAKEN = ("cp1252", "mac_roman", "cp850", "cp437")
LETTERS = [n for n in range(0xA1, 0xC0) if chr(n) not in "°»"]  # Ã may stand before these two
LOOKED_AT = 2**26  # bytes: a program that takes letters for others does so throughout a file
LEADS = {code: bytes([0xC3]).decode(code) for code in MISTAKEN}
GARBLED = {  # the first sign, and the pattern of both
    lead.encode(): re.compile(
        re.escape(lead.encode())
        + b"(?:"
        + b"|".join(
            re.escape(bytes([n]).decode(code).encode())
            for code in MISTAKEN
            for n in LETTERS
            if LEADS[code] == lead
        )
        + b")"
    )
    for lead in LEADS.values()
}


class Survey(NamedTuple):
    """What one look at all bytes of a file tells: its hash, size, first bytes, whether it is UTF-8
    throughout, and how many of its first letters were taken for others before it was saved so.
    """

    sha256: str
    size: int
    start: bytes
    utf8: bool
    garbled: int


def survey(path: Path) -> Survey:
    """Look at all bytes of a file, once."""
    from concurrent.futures import ThreadPoolExecutor

    hashed, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, start, utf8, garbled = 0, b"", True, 0
    with (
        path.open("rb") as file,
        ThreadPoolExecutor(1) as other,
    ):  # hashing takes as long as all the rest
        hashing = other.submit(hashed.update, b"")
        while block := file.read(2**20):
            hashing.result()
            hashing = other.submit(hashed.update, block)
            plain = block.isascii()
            if utf8 and not (plain and decoder.getstate()[0] == b""):
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    utf8 = False
            start, size = start or block[:4096], size + len(block)
            for lead, both in GARBLED.items() if size < LOOKED_AT and not plain else ():
                garbled += len(both.findall(block)) if lead in block else 0
    utf8 &= b"\0" not in start and decoder.getstate()[0] == b""
    return Survey(hashed.hexdigest(), size, start, utf8, garbled if utf8 else 0)


def encoding(path: Path) -> str:
    """Tell the encoding of a file that is not UTF-8 throughout: by its mark, else UTF-8 where most
    is, else Windows-1252.
    """
    with path.open("rb") as file:
        start = file.read(4096)
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if start.startswith(mark):
                return name
        if b"\0" in start:
            zeros = [start[i::2].count(0) for i in (0, 1)]
            if max(zeros) > len(start) // 4:
                return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
            return "utf-8"
        file.seek(0)
        good, bad, strange, telling = _counted(file)
    # Damaged rows in a UTF-8 file must not garble all its accents; lines of another encoding are
    # hardly ever UTF-8.
    if bad <= good:
        return "utf-8"
    if strange * 2 > telling:
        raise InputError(
            "{path} is in an encoding that cannot be told; open it where its accents are right and"
            " save it as UTF-8.",
            path,
            path=path,
        )
    return "cp1252"


def _counted(file: BinaryIO) -> tuple[int, int, int, int]:
    """Of the lines that are not ASCII: how many are UTF-8 and how many are not; of the first JUDGED
    of these, how many are strange as Windows-1252, and how many tell that they are not: curly
    quotes tell nothing, for a Mac's í is one of them.
    """
    good, bad, strange, telling = 0, 0, 0, 0
    while block := file.read(2**20) + file.readline(2**20):
        for line in () if block.isascii() else block.split(b"\n"):
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                bad += 1
                if bad <= JUDGED:
                    strange += bool(STRANGE.search(line))
                    telling += bool(TELLING.search(line))
    return good, bad, strange, telling
