"""What a notebook of the workbench will import: a kernel imports this module while the process that
runs the notebook is still starting. Garbage is not collected meanwhile, and less often afterwards,
since a kernel of one run has little: 6 % and a fifth of a second.
"""

import gc

gc.disable()

import ibis.backends.duckdb  # noqa: E402

from ..show import drawing  # noqa: E402
from . import workbench  # noqa: E402

__all__ = ["drawing", "ibis", "workbench"]

gc.freeze()
gc.set_threshold(100_000)
gc.enable()
