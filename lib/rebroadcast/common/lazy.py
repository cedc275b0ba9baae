"""Heavy modules, each loaded when something of it is first used: a start pays for nothing that it
does not need.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis
    import nbformat
    import numpy as np
    import pandas as pd
    import plotly.graph_objects as go
    from babel import dates, numbers
else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, name: str):
            return getattr(import_module(self._name), name)

    ibis, nbformat, np, pd = map(_Lazy, ("ibis", "nbformat", "numpy", "pandas"))
    dates, go, numbers = map(_Lazy, ("babel.dates", "plotly.graph_objects", "babel.numbers"))


__all__ = ["dates", "go", "ibis", "nbformat", "np", "numbers", "pd"]
