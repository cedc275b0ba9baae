"""What the rows of a CSV file look like, as patterns and tests of texts."""

import csv
import re
from itertools import islice, repeat

import numpy as np
import re2

from ..sources.files import Source, headings

KEPT = 10_000  # characters that are kept of a refused record
WIDEST = 1000  # columns of rows that go by as they are: re2 repeats no more
TYPED = {
    "sent_at": r"\W*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}",
    "contact_id": r" *[\w.:@+-]*\d[\w.:@+-]*",
}
CELL = r'(?:"(?:[^"\0]|"")*"|[^{}\r\n"\0]*{})'  # as programs write it, for re2
BEGUN = {  # how lines within a value look that may begin so
    "sent_at": r'(?:[^\w"]++|"")*+\d{1,4}+[-/.]\d',
    "contact_id": r'["\s]*+[\w.:@+-]*\d',
}


class Shapes:
    """What the rows of a file look like, as patterns and tests of texts."""

    def __init__(self, source: Source, row_end: str):
        self.count, self.delimiter = len(source.header), source.delimiter
        d = re.escape(source.delimiter)
        cell = rf'(?: *+"[^"]*+(?:""[^"]*+)*+" *+|[^{d}\r\n"]*+)'
        value = r'[^"]++(?:""[^"]*+)*+" *+'  # the end of a value, and what follows it
        self.whole = re.compile(rf"({cell}(?:{d}{cell}){{{self.count - 1}}})[\r\n]*+")
        self.legal = re.compile(rf"{cell}(?:{d}{cell})*+[\r\n]*+")
        self.cells = re.compile(rf"({cell})(?:{d}|[\r\n]*+$)")
        self.single = re.compile(rf"{cell}[\r\n]*+")
        self.tail = re.compile(rf"{value}(?:{d}{cell})*+[\r\n]*+")
        # A value that began on a line before.
        self.closes = re.compile(rf'[^"]++(?<!{d})(?:""[^"]*+)*+" *+(?:{d}|[\r\n]*+$)')
        self.starts = re.compile(rf"[\r\n]{starts(source)}")
        self.plain = plain(source, row_end)
        # One record of as many cells as the header, whatever they hold.
        one = rf'(?: *"(?:[^"]|"")*" *|[^{d}\r\n"]*)'
        self.long = _compiled(
            rf"{one}(?:{d}{one}){{{self.count - 1}}}(?:[\r\n]|$)" if self.count <= WIDEST else ""
        )
        self.may_begin = re.compile(_may_begin(source))
        self.typed = [
            (i, re.compile(TYPED[c] + r"(?![ \w])" * (c == "contact_id")))
            for i, c in enumerate(source.columns)
            if c in TYPED
        ]

    def begins(self, line: str) -> bool:
        """Whether a date or contact ID of a line is in its place, or any line where a file has
        neither.
        """
        try:
            found = next(csv.reader([line[:KEPT]], delimiter=self.delimiter))
        except (csv.Error, StopIteration):
            return False
        # The start of an ID, or a short row.
        alone = len(found) == 1 and re.fullmatch(TYPED["contact_id"], found[0])
        return not self.typed or (
            not alone and any(i < len(found) and p.match(found[i]) for i, p in self.typed)
        )

    def ends_of_plain(self, text: str) -> "np.ndarray":
        """Where each of the first plain records ends that has no line within its values that may
        begin a row.
        """
        form = ("ascii", np.uint8) if text.isascii() else ("utf-32-le", np.uint32)
        signs = np.frombuffer(text.encode(form[0]), form[1])
        quotes, breaks, returns = (np.flatnonzero(signs == ord(sign)) for sign in '"\n\r')
        inside = np.searchsorted(quotes, breaks) % 2 == 1
        ends = breaks[~inside] + 1
        doubts = [n for n in returns.tolist() if text[n + 1] != "\n"][:1]
        begun = map(self.may_begin.match, repeat(text), (breaks[inside] + 1).tolist())
        first = min(
            [*doubts, *(found.start() for found in islice(filter(None, begun), 1)), len(text)]
        )
        return ends[: np.searchsorted(ends, first, side="right")]

    def heads(self, text: str) -> bool:
        """Whether a line is a header."""
        return sum(map(bool, headings(text[:KEPT].split(self.delimiter)))) > 1

    def values(self, text: str) -> list[str]:
        """The cells of a record, without their quotes."""
        if '"' not in text:
            return text.split(self.delimiter)[: self.count]
        cells = (c.strip(" ") if '"' in c else c for c in self.cells.findall(text)[: self.count])
        return [c[1:-1].replace('""', '"') if c[:1] == '"' else c for c in cells]

    def columns(self, text: str) -> str:
        """What is wrong with the columns of a record of whole cells, none of which holds another
        row; "" for any other text.
        """
        cells = self.cells.findall(text) if self.legal.fullmatch(text) else []
        if not cells or self.swallowed(cells):
            return ""
        return "too few columns" if len(cells) <= self.count else "too many columns"

    def swallowed(self, record: list[str]) -> bool:
        """Whether a value holds the end of a row and the start of another."""
        several = ((i, v) for i, v in enumerate(record) if "\n" in v or "\r" in v)
        return any(self.starts.search(v) or self._two_rows(i, v) for i, v in several)

    def _two_rows(self, place: int, value: str) -> bool:
        """Whether the first and the last line of a value have the cells after and before it."""
        first, *_, last = re.split(r"[\r\n]+", value)
        return (
            first.count(self.delimiter) >= self.count - 1 - place
            and last.count(self.delimiter) >= place
            and self.begins(last)
        )

    def ends(self, line: str) -> bool:
        """Whether a line is the end of a value that began before, and of its row."""
        return bool(self.tail.fullmatch(line)) and not self.begins(line)

    def goes_on(self, line: str) -> bool:
        """Whether a line goes on with the row before it, rather than being a row, a header, a
        title, a rule or a footer.
        """
        if self.begins(line) or self.heads(line):
            return False
        if self.closes.match(line):
            return True
        prose = self.delimiter not in line.replace(self.delimiter + " ", "")
        if not (prose or self.single.fullmatch(line)) or not re.search(r"[^\W\d_]", line):
            return False
        return not re.match(r'[ "]*([-=*_]|#(?!\d))', line)


def starts(source: Source) -> str:
    """A pattern for the start of a row, up to its date and contact ID; one that fits nothing where
    it has neither.
    """
    d, known = re.escape(source.delimiter), [i for i, c in enumerate(source.columns) if c in TYPED]
    cells = [TYPED.get(c or "", "") for c in source.columns[: max(known, default=0) + 1]]
    return "".join(rf"{cell}[^{d}\n]*{d}" for cell in cells) if known else r"[^\s\S]"


def plain(source: Source, row_end: str) -> "re2._Regexp":
    """A pattern of bytes that takes rows as programs write them."""
    d, count = re.escape(source.delimiter), len(source.header)
    # Where delimiters are blanks, too, a row is more than those.
    blank = source.delimiter.isspace() or count == 1
    first = CELL.format(d, rf"[!#-~][^{d}\r\n\"\0]*" if blank else "")
    row = f"{first}(?:{d}{CELL.format(d, '')}){{{count - 1}}}{row_end}"
    return _compiled(f"(?:{row if count <= WIDEST else ''})*")


def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.encoding, options.log_errors = re2.Options.Encoding.LATIN1, False
    return re2.compile(pattern.encode(), options)


def _may_begin(source: Source) -> str:
    """A pattern that fits any line within a value that `begins` takes for a row's, and others."""
    places = [i for i, name in enumerate(source.columns) if name in TYPED]
    first = [BEGUN[source.columns[i] or ""] for i in places if not i]
    own = rf'[^{re.escape(source.delimiter)}\n"]*+'
    cell = rf'{own}(?:""{own})*+{re.escape(source.delimiter)}'
    return "|".join(first + [rf"(?:{cell}){{{i}}}" for i in places if i][:1])
