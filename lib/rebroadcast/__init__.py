"""Why a broadcast's messages failed, who can be reached again and when, and whether it worked."""

import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "explain"]

# In a notebook's kernel the current folder comes before what is installed: a file there that has a
# library's name would run. It stays at hand, behind everything else.
if "ipykernel" in sys.modules and "" in sys.path:
    sys.path.append(sys.path.pop(sys.path.index("")))

if TYPE_CHECKING:
    from .errors import explain


def __getattr__(name: str):
    if name == "explain":
        from .errors import explain

        return explain
    raise AttributeError(f"module 'rebroadcast' has no attribute '{name}'")
