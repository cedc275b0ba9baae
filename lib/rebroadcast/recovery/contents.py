"""What the contents of messages say: what stays from contact to contact, and how to know it."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import re2

READ = 32  # contents that are read word by word, each time
ALIKE = 0.6  # of the words of two contents, for them to be one message (Dice's coefficient)
STAYS = 0.8  # of a message's contents that have a word which is the message's own
OFTEN, LEAST = 0.125, 4  # of the contents, and how many, for a capitalised word to be no name
VERSIONS = 12  # in one group: beyond it contents do not tell messages apart
PATTERNS = 4  # for one version
PIECES = 2  # in one pattern, for those that it is to be told from

NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)+)"')
ADDRESS = re.compile(r"\S*(?:://|www\.|@|\d)\S*")
WORD = re2.compile(r"\pL[\pL\pM]*")  # many scripts write vowels as marks on a letter
PLAIN = re.compile(r"[\x00-\u02ff\u2010-\u2027\u20a0-\u20bf\U0001f300-\U0001faff]*")
LETTERS = re.compile(r"[^\W\d_\xb2\xb3\xb9\xbc-\xbe]+")  # the words of such a text, found faster
UNSPACED = re2.compile(  # what is written without spaces between words
    r"([\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Han}\p{Hiragana}\p{Katakana}]+)"
)
NO_LETTERS = re.compile(r"[\W_]+")
SIGNS = re.compile(r"[%_\\]")
UNSAID = {"type", "url", "id", "language", "languageCode", "mimeType", "format"}


@dataclass(frozen=True)
class Said:
    """What one content says: its template's name, its words without names, numbers and links, and
    all of its words as they are written.
    """

    template: str
    words: frozenset[str]
    written: tuple[str, ...]


@lru_cache(maxsize=20_000)
def said(content: str) -> Said:
    r"""Read a content: JSON as the platform writes it, or any text.

    Names are told from other words by their capitals, as far as there are others.

    >>> sorted(said('{"type":"text","text":"Hola Ana,\\ntu pedido 7 va 🎉"}').words)
    ['pedido', 'tu', 'va']
    >>> said('{"type":"whatsapp_template","template":{"name":"promo"}}').template
    'promo'
    """
    name = NAME.search(content) if "template" in content else None
    try:
        value = json.loads(content.replace(name[0], '"name":""', 1) if name else content)
    except ValueError:
        value = "" if name else content
    written = _words(" ".join(_texts(value)))
    words = [w for w in written if w == w.lower()]
    if name:  # it says as much as two words: of two that it has beside it, one may change
        words = [f"template:{name[1]}", *([name[1], *words] if words else [])]
    elif not written:
        words = written = list(_signs(value)) or _words(content)
    own = frozenset(w.casefold() for w in words or written)
    return Said(name[1] if name else "", own, tuple(written))


def _words(text: str) -> list[str]:
    """The words of a text without addresses and numbers; pairs of letters where no spaces part
    them.

    >>> _words("Tu código 7 vence: https://x.example/1"), _words("注文7は発送")
    (['Tu', 'código', 'vence'], ['注文', 'は発', '発送'])
    """
    if PLAIN.fullmatch(text):
        return LETTERS.findall(ADDRESS.sub(" ", text))
    words = []
    for word in WORD.findall(ADDRESS.sub(" ", UNSPACED.sub(r" \1 ", text))):
        pairs = len(word) - 1 if UNSPACED.match(word) else 0
        words += [word[i : i + 2] for i in range(pairs)] or [word]
    return words


def _texts(value: object, unsaid: Collection[str] = UNSAID) -> Iterator[str]:
    """What a JSON value says to its reader, or all of its texts."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        value = [inner for name, inner in value.items() if name not in unsaid]
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner, unsaid)


def _signs(value: object) -> Iterator[str]:
    """What a content without words says: its signs, its kind, and the address of its file, whole
    and in the parts that stay where each contact has a file of their own.

    >>> list(_signs({"type": "image", "url": "https://x.example/menu-7.jpg?key=5"}))
    ['image', 'https://x.example/menu-7.jpg', 'x.example', 'menu', 'jpg']
    """
    for text in _texts(value, ()):
        address = text.partition("?")[0]
        *host, file = address.partition("://")[2].split("/")
        if host:
            yield from (address, host[0], *(w for w in NO_LETTERS.split(file) if w.isalpha()))
        else:
            yield from _words(text)
            yield from (c for c in text if not c.isalnum() and not c.isspace())


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """How much two sets of words have in common, from 0 to 1 (Dice's coefficient)."""
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def hashed(*texts: str, length: int = 6) -> str:
    """A short hash of texts, the same everywhere."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:length]


@dataclass
class Version:
    """Contents that say the same: their words and how often each comes, and the sets of words
    without names.
    """

    template: str = ""
    contents: list[str] = field(default_factory=list)
    words: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    weight: float = 0
    said: Counter = field(default_factory=Counter)

    @property
    def stays(self) -> frozenset[str]:
        """The words that are the message's own."""
        return frozenset(w for w, n in self.words.items() if n >= STAYS * self.weight)

    def add(self, words: Iterable[str], weight: float) -> None:
        self.weight += weight
        for word in words:
            self.words[word] += weight


@dataclass
class Group:
    """The versions in a group's contents, and the patterns (for LIKE) by which they are told, each
    with the number of its version; the first that fits decides.
    """

    contents: list[str] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    patterns: list[tuple[str, int]] = field(default_factory=list)
    pieces: list[tuple[str, ...]] = field(default_factory=list)

    def learn(self, contents: Iterable[str]) -> bool:
        """Read contents that fit no pattern yet, READ at most; False where there are none."""
        read = set(self.contents)
        strange = [
            c for c in contents if c not in read and not any(fits(c, p) for p in self.pieces)
        ]
        if not strange:
            return False
        self.contents += strange[:READ]
        self.versions = versions(self.contents)
        told = []
        for number, version in enumerate(self.versions):
            others = [v for v in self.versions if v is not version]
            if version.template:
                others = [v for v in others if v.template == version.template]
            near = [c for v in others if alike(v.stays, version.stays) >= ALIKE for c in v.contents]
            far = [c for v in others for c in v.contents if c not in near]
            for pieces in recognise(version, near, far):
                fitting = any(fits(content, pieces) for content in near + far)
                told.append((fitting, -len(pieces), pieces, number))
        told.sort()  # what fits others too comes last
        self.pieces = [pieces for *_rank, pieces, _number in told]
        self.patterns = [(like(pieces), number) for *_rank, pieces, number in told]
        return True

    def version(self, content: str) -> int:
        """The number of the version of a content; -1 where it fits none."""
        told = zip(self.pieces, self.patterns, strict=True)
        return next((number for pieces, (_, number) in told if fits(content, pieces)), -1)


def versions(contents: list[str]) -> list[Version]:
    """Tell apart what is said in a sample of contents of one sender.

    Contents that come again word for word (names apart) stand for themselves, others join those
    that they resemble.
    """
    capital = Counter(w for c in contents for w in set(said(c).written) if w != w.lower())
    often = {w for w, n in capital.items() if n >= max(LEAST, OFTEN * len(contents))}
    kinds: dict[tuple[str, frozenset[str]], list[str]] = {}
    for content in contents:
        read = said(content)
        words = read.words | {w.casefold() for w in often.intersection(read.written)}
        kinds.setdefault((read.template, words), []).append(content)
    order = sorted(kinds.items(), key=lambda k: (-len(k[1]), k[0][0], sorted(k[0][1])))
    told = _clustered(order, 1)
    return (told if len(told) <= VERSIONS else _clustered(order, len(contents)))[:VERSIONS]


def _clustered(kinds: list, single: int) -> list[Version]:
    """Put kinds of contents together that resemble each other, where one has up to single ones."""
    told: list[Version] = []
    for (template, words), own in kinds:
        near = None
        if len(own) <= single:
            others = (v for v in told if v.template == template)
            near = max(others, key=lambda v: alike(words, v.stays), default=None)
        if near is None or alike(words, near.stays) < ALIKE:
            near = Version(template)
            told.append(near)
        near.contents += own
        near.add(words, len(own))
        near.said.update(said(content).words for content in own)
    return told


def recognise(version: Version, near: list[str], far: list[str]) -> list[tuple[str, ...]]:
    """Pieces of text, up to PATTERNS times, that between them all contents of a version have.

    near and far are the contents of the others, those that resemble it and those that do not: the
    pieces are words that these do not have, as far as there are any.
    """
    name = f'"{version.template}"'
    if version.template and not near and not far:
        return [('"name"', name)]
    left, patterns = list(dict.fromkeys(version.contents)), list[tuple[str, ...]]()
    while left and len(patterns) < PATTERNS:
        written = dict.fromkeys(said(left[0]).written)
        forms = (form for w in written for form in (w, json.dumps(w)[1:-1]))
        words = [form for form in dict.fromkeys(forms) if form in left[0]]
        if not words:
            left = left[1:]
            continue
        count = {w: sum(w in c for c in left) for w in words}
        shared = [w for w in words if count[w] == max(count.values())]
        best = set(_longest(shared, near)) if near else set()
        # A name that many share may tell two that are alike; the message's words tell the others.
        best |= set(_longest([w for w in shared if w not in best] or shared, far))
        best |= {name} if version.template else set()
        pieces = tuple(sorted(best, key=left[0].find))
        if not all(fits(c, pieces) for c in left):
            pieces = (max(sorted(best - {name}), key=len),)
        patterns.append(pieces)
        left = [c for c in left if not fits(c, pieces)]
    return patterns


def _longest(words: list[str], others: list[str]) -> list[str]:
    own = [w for w in words if not any(w in o for o in others)] or words
    return sorted(own, key=lambda w: (-len(w), w))[:PIECES]


def fits(content: str, pieces: tuple[str, ...]) -> bool:
    """Whether a content has pieces in their order, as LIKE says with `like(pieces)`."""
    place = 0
    for piece in pieces:
        place = content.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True


def like(pieces: tuple[str, ...]) -> str:
    r"""The pattern for LIKE; what it takes for signs stands for any one character.

    >>> like(("pedido", "50%"))
    '%pedido%50_%'
    """
    return f"%{'%'.join(SIGNS.sub('_', piece) for piece in pieces)}%"
