"""The folder of one run's results, and its record."""

import os
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from ..common import sheets
from ..common.folder import staged
from ..ledger import record
from ..show.reader import Reader
from .settings import RESULTS, STAGING


class Results:
    """Where results are written until they are complete; nowhere (`folder` is None) where nothing
    was asked for. `published` is the folder that they will be in.
    """

    def __init__(self, out: str, reader: Reader, stack: ExitStack):
        self.reader = reader
        self.started = record.now()
        self.folder: Path | None = None
        self.published: Path | None = None
        if staging := os.environ.get(STAGING):
            self.folder, self.published = Path(staging), Path(os.environ[RESULTS])
        elif out:
            self.published = Path(out)
            self.folder = stack.enter_context(staged(self.published))

    def table(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """Keep a small frame as `data/<name>.csv` beside the report, and return it."""
        if self.folder:
            (self.folder / "data").mkdir(mode=0o700, exist_ok=True)
            sheets.write(frame, self.folder / "data" / f"{name}.csv")
        return frame

    def figure(self, chart, frame: pd.DataFrame, save_as: str = "", **options):
        """Draw a chart of a frame in the reader's language (a plotly figure; None where it would
        say nothing), and keep the frame as CSV beside the report.
        """
        from ..show.drawing import telling

        figure = chart(frame, lang=self.reader.lang, **options)
        name = save_as or figure.layout.meta["id"]
        self.table(frame, name)
        if self.folder:
            figure.layout.meta = dict(figure.layout.meta) | {"csv": f"data/{name}.csv"}
        return figure if telling(figure) else None
