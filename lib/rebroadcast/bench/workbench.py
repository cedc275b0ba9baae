"""What a notebook opens: settings, tables made of them, and a place for results."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from ..common.doubts import loudest_first
from ..ledger import record
from ..ledger.ledger import open_ledger
from . import parameters
from .results import Results
from .settings import NAMES, STAGING, Settings
from .tables import Inputs, Tables


class Workbench:
    """The `settings`, `tables` and `results` of one run, and the `reader` of its report."""

    def __init__(
        self, settings: Settings, tables: Tables | None = None, stack: ExitStack | None = None
    ):
        """Over inputs of its own; or over tables that others go on to use, with a stack that
        publishes the results when it is closed.
        """
        self.settings = settings
        self.tables = tables or Tables(Inputs(settings))
        self.inputs = self.tables.inputs
        self.reader = settings.reader
        self.stack = stack or self.inputs.stack
        self.results = Results(settings.out, self.reader, self.stack)

    def finish(self, *found) -> dict:
        """Write the run record, publish the results where the notebook runs on its own, and close
        the engine. Returns the record.

        found are what the verbs returned: each has `recorded`, a part of the record, and `doubts`.
        """
        settings, folder = self.settings, self.results.folder
        content: dict[str, Any] = {
            "notebook": settings.notebook,
            "status": "ok",
            "started": self.results.started,
            "finished": record.now(),
            "parameters": dict(settings.stated),
            "timezone": settings.zone,
            "overrides": [{"rule": own, "replaces": old} for own, old in settings.rules.overrides],
            "inputs": [
                {"as": kind, "name": s.name, "bytes": s.size, "sha256": s.sha256}
                for kind, sources in self.inputs.sources.items()
                for s in sources
            ],
            "counts": {},
            "totals": {},
            "waves": [],
        }
        if settings.fixed:
            content["fixed"] = {"causes": sorted(settings.fixed), "decided_by": settings.decider}
        doubts = loudest_first(doubt for part in found for doubt in part.doubts)
        content["warnings"] = [self.reader.said(doubt) for doubt in doubts]
        for part in found:
            for name, value in part.recorded.items():
                old = content.get(name)
                content[name] = old | value if isinstance(old, dict) else value
        content["subject"] = self._subject(found)
        content["outputs"] = record.outputs(folder) if folder else []
        if folder:
            record.write(folder, content)
        self.close()
        claim = content.get("ledger")
        if claim and STAGING not in os.environ:
            open_ledger(claim["path"]).confirm(claim["run_id"])
        return content

    def _subject(self, found: tuple) -> str:
        """What a report is about: its only broadcast, or its days."""
        for part in found:
            facts, listed = getattr(part, "facts", part), getattr(part, "broadcasts", None)
            if listed is not None and len(listed) == 1:
                return listed["name"].iloc[0]
            if facts.first is not None:
                return self.reader.lang.period(facts.first, facts.last)
        return ""

    def close(self) -> None:
        """Close the engine; publish results that are complete."""
        self.stack.close()


def open(namespace: Mapping[str, object], notebook: str = "") -> Workbench:
    """Open the workbench with a notebook's own variables: `bench = workbench.open(globals())`.

    Raises a RebroadcastError with one sentence for any parameter or file that cannot be used.
    """
    given = parameters.from_namespace(namespace, NAMES)
    return Workbench(Settings.parse(given, notebook))
