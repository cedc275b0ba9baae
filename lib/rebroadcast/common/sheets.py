"""CSV files that people open in a spreadsheet: no text in them may start a formula, and its words
for nothing are no text. Import files are not changed so: `recovery` refuses tags that start a
formula.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = (  # what spreadsheets start a formula with, or strip before they look for one
    "=+@\t\r＝＋－＠-"
)
# How programs write that there is none, and what a spreadsheet writes where it fails.
NOTHING = (
    r"(?i)^(?:[(<]?(?:null|none)[)>]?|nan|nil|undefined|n/?a|\\n|-+"
    r"|#(?:n/[ad]|[¡¿]?[a-zñáéíóú0-9/]{2,8}[!?]))$"
)
# At a text's start, and after whatever a spreadsheet set to another separator starts a cell with.
_PLACE = r"(?<![^;|\t\r\n\"])"
_GUARD = re.compile(rf"{_PLACE}('*)(?=[{FORMULA}])")
_GUARDED = re.compile(rf"{_PLACE}'('*)(?=[{FORMULA}])")


def guard(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for the start of a formula.

    The characters are those of OWASP's page on CSV injection, and their full-width forms.

    >>> guard("=1+1"), guard("'=1"), guard("a;-1"), guard("a-1")
    ("'=1+1", "''=1", "a;'-1", 'a-1')
    """
    return _GUARD.sub(r"'\1", text)


def unguard(text: str) -> str:
    """Take away what `guard` put in.

    >>> unguard(guard("'=1"))
    "'=1"
    """
    return _GUARDED.sub(r"\1", text)


def write(frame: "pd.DataFrame", path: Path) -> None:
    """Write a small frame as CSV; its texts are guarded, numbers and times are as they are."""
    safe = frame.map(lambda value: guard(value) if isinstance(value, str) else value)
    safe.to_csv(path, index=False, lineterminator="\n", errors="backslashreplace")


def read(path: Path, texts: tuple[str, ...]) -> "pd.DataFrame":
    """Read a CSV that `write` wrote; texts are the columns of text."""
    import pandas as pd

    frame = pd.read_csv(path, dtype=dict.fromkeys(texts, "str"), keep_default_na=False)
    return frame.assign(**{name: frame[name].map(unguard) for name in texts})
