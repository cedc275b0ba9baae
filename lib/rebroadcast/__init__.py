"""Why a broadcast's messages failed, who can be reached again and when, and whether it worked."""

import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "explain"]

# jsonschema, which nbformat imports, would build 35 grammars for a check that notebooks do not use
# (over a second,
# in the caller and again in the kernel); it goes on without them.
sys.modules.setdefault("rfc3987_syntax", None)

if TYPE_CHECKING:
    from .errors import explain


def __getattr__(name: str):
    if name == "explain":
        from .errors import explain

        return explain
    raise AttributeError(f"module 'rebroadcast' has no attribute '{name}'")
