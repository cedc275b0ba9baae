"""Run a notebook with checked parameters, and publish what came out: one offline HTML file and its
data.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from ..bench import parameters
from ..bench import settings as settings_
from ..common import exceptions
from ..common.exceptions import (
    LedgerError,
    OutputError,
    ParameterError,
    RebroadcastError,
    RunError,
    did_you_mean,
    sentence,
)
from ..common.folder import check_only, disk_full, make, scratch, staged
from ..common.language import Language, language
from ..ledger import record
from ..ledger.store import CARD
from ..show.words import TITLES, word
from ..sources import share

if TYPE_CHECKING:
    import nbformat
    from jupyter_client.manager import AsyncKernelManager


def locate(notebook: str | Path) -> Path:
    """Find a notebook by path, or by name among this project's own."""
    names = share.notebooks()
    for path in (Path(notebook), names.get(str(notebook), Path())):
        if path.suffix == ".ipynb" and path.is_file():
            return path
    raise ParameterError(
        "No such notebook: {notebook}.{hint} Known: {known}.",
        "notebook",
        notebook=notebook,
        hint=did_you_mean(str(notebook), names),
        known=", ".join(names),
    )


def run(
    notebook: str | Path,
    given: Mapping[str, object],
    out: str | Path,
    overwrite: bool = False,
    extra: Mapping[str, object] | None = None,
    strict: bool = False,
    **options: object,
) -> dict:
    """Run a notebook and publish its folder of results whole, or not at all; return the run record.

    given are the notebook's parameters by name; they are checked against its parameters cell before
    anything starts. out becomes a folder with `<notebook>.html`, `<notebook>.ipynb`, `run.json` and
    what the notebook wrote; extra goes into its run record, options to papermill. With strict any
    warning is an error of the user's, and nothing is written. Raises the
    RebroadcastError that the notebook met (nothing is written then), or RunError for any other
    failure (out then holds a run record with status "failed").
    """
    path, out = locate(notebook), Path(out)
    checked = parameters.check(
        parameters.declared(path), {k: v for k, v in given.items() if k != "out"}
    )
    if path in share.notebooks().values():  # a mistake that needs no kernel to be seen
        settings_.check(checked)
    lang = language(str(checked.get("language") or "en"))
    _check_place(checked, out)
    started = record.now()
    made = [parent for parent in reversed(out.absolute().parents) if not parent.exists()]
    make(out.absolute().parent)
    try:
        with staged(out, overwrite or record.read(out).get("status") == "failed") as staging:
            target = staging / f"{path.stem}.ipynb"
            place = {settings_.STAGING: str(staging), settings_.RESULTS: str(out.absolute())}
            failure = execute(path, checked, target, place, **options)
            if isinstance(failure, RebroadcastError) and failure.exit_status == 2:
                raise failure
            content, executed = record.read(staging), clean(_load(target))
            if strict and (warnings := content.get("warnings")):
                raise ParameterError(
                    "Nothing was written, since warnings are errors here (strict): {warnings}",
                    "strict",
                    warnings=" · ".join(warnings),
                )
            if failure:
                content = _failed(staging, failure.said_in(lang.code), failure)
            _write(
                staging,
                path.stem,
                executed,
                lang,
                content.get("subject") or "",
                bool(checked.get("light")),
            )
            content = {
                "started": started,
                "status": "ok",
                **content,
                "notebook": path.stem,
                "parameters": dict(given),
                "finished": record.now(),
                **(extra or {}),
                "outputs": record.outputs(staging),
            }
            record.write(staging, content)
    except BaseException:
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        _take_back(checked)
        raise
    if claim := content.get("ledger"):  # what the run claimed is published
        from ..ledger.ledger import open_ledger

        open_ledger(claim["path"]).confirm(claim["run_id"])
    if failure:
        _take_back(checked)
        raise RunError(
            "{failure} The run record is in {file}.", failure=failure, file=out / record.NAME
        )
    return content


def _failed(staging: Path, message: str, failure: Exception) -> dict:
    """Clear the folder of a run that failed, since half of the results are none; return what its
    record says of that.
    """
    for child in staging.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()
    return {
        "status": "failed",
        "message": message,
        "cell": getattr(failure, "cell", None),
        "died": getattr(failure, "died", False),
    }


def _take_back(checked: Mapping[str, object]) -> None:
    """Have the ledger give up what a run claimed that was refused or failed: its process has
    ended.
    """
    ledger = str(checked.get("ledger") or "")
    if checked.get("tag") and (Path(ledger) / CARD).is_file():
        from ..ledger.ledger import open_ledger

        with suppress(LedgerError):  # what the run met is said, not what follows from it
            open_ledger(ledger).settle()


def _check_place(checked: Mapping[str, Any], out: Path) -> None:
    """Raise OutputError where the results would go over a file that is no result of a run."""
    place, found = out.resolve(), record.read(out)
    for name in ("exports", "messages", "contacts", "channels", "rules", "ledger"):
        value = checked.get(name) or []
        for given in [value] if isinstance(value, str) else value:
            if Path(given).resolve().is_relative_to(place):
                raise OutputError(
                    "'{given}' ({name}) lies in the folder for the results; give another --out.",
                    given=given,
                    name=name,
                )
    known = {record.NAME, *(entry["name"] for entry in found.get("outputs", ()))}
    check_only(out, known.__contains__)


def execute(
    path: Path,
    checked: Mapping[str, object],
    target: Path,
    env: Mapping[str, str],
    **options: object,
) -> RebroadcastError | None:
    """Run a notebook with papermill, in a kernel that sees env, into target; return the error it
    met, if any.
    """
    with scratch() as temporary:  # what the kernel leaves goes with it, even if it is killed
        env = {**env, **safe_path(), "TMPDIR": temporary, "IPYTHONDIR": temporary}
        before = {name: os.environ.get(name) for name in env}
        os.environ.update(env)
        try:
            with _kernel(
                temporary, ahead="rebroadcast.bench" in path.read_text("utf-8", "replace")
            ) as kernel:
                Thread(
                    target=_prepare_page,
                    args=[bool(checked.get("light"))],
                    name="pages",
                    daemon=True,
                ).start()
                return _run_cells(path, checked, target, km=kernel, **options)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@contextmanager
def _kernel(folder: str, ahead: bool) -> "Iterator[AsyncKernelManager]":
    """A kernel that starts, and with ahead imports the workbench, while the process that asks for
    it imports what runs a notebook: each takes about a second.
    """
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from traitlets.config import Config

    class Manager(AsyncKernelManager):
        """Keeps its client, which ends with the kernel: else each run leaves a thread behind."""

        def client(self, **kwargs):
            self.at_work = super().client(**kwargs)
            return self.at_work

    place = {
        "transport_encryption": "auto",  # keeps ipykernel from warning at each start
        "connection_file": os.path.join(folder, "kernel.json"),
    }
    kernel = Manager(kernel_name="python3", config=Config({"KernelManager": place}))
    told = ["--log-level=50", "--HistoryManager.enabled=False"]  # it tells of its interrupt
    told += ["--IPKernelApp.exec_lines=__import__('rebroadcast.bench.ahead')"] if ahead else []
    run_sync(kernel.start_kernel)(extra_arguments=told)
    try:
        yield kernel
    finally:
        if client := getattr(kernel, "at_work", None):
            client.stop_channels()
        run_sync(kernel.shutdown_kernel)(now=True)


def _prepare_page(light: bool) -> None:
    from .page import prepare

    prepare(light)


def _run_cells(
    path: Path, checked: Mapping[str, object], target: Path, **options: object
) -> RebroadcastError | None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.engines import NBClientEngine, papermill_engines
    from traitlets.config import Config

    class Engine(NBClientEngine):
        """Writes the notebook at its end; papermill's own does before and after each cell, a fifth
        of a run's time.
        """

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **options):
            place, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = place

    papermill_engines.register("whole", Engine)
    # Seconds for the last outputs of a cell that has ended: on a busy machine four, as it is set,
    # are too few. Widget state would be megabytes.
    client = Config({"NotebookClient": {"iopub_timeout": 120}})
    options = {"config": client, "store_widget_state": False} | options
    try:
        papermill.execute_notebook(
            *(
                str(p).replace("{", "{{").replace("}", "}}") for p in (path, target)
            ),  # papermill fills in {names}
            dict(checked),
            engine_name="whole",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            **options,
        )
    except papermill.PapermillExecutionError as error:
        kind = getattr(exceptions, error.ename, None)
        if isinstance(kind, type) and issubclass(kind, RebroadcastError):
            return kind(error.evalue)
        if disk_full(error):
            return OutputError(
                "The disk is full ({why}); free some space for the results and for temporary files,"
                " and run again.",
                why=_one_line(error.evalue),
            )
        return _at(error.cell_index + (not checked), f"{error.ename}: {_one_line(error.evalue)}")
    except CellTimeoutError as error:
        return _at(
            _last(target), sentence("a cell took too long ({reason})", reason=_one_line(error))
        )
    except DeadKernelError:
        return _at(
            _last(target),
            sentence("the notebook's process died, often for want of memory"),
            died=True,
        )
    return None


def safe_path(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a process is told, in its environment, so that it imports nothing of the current folder.

    >>> safe_path({"PYTHONPATH": os.pathsep + "lib"})
    {'PYTHONSAFEPATH': '1', 'PYTHONPATH': 'lib'}
    """
    named = environ.get("PYTHONPATH", "").split(os.pathsep)  # an empty name is the current folder
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, named))}


def _at(cell: int | None, message: str, died: bool = False) -> RunError:
    return RunError("Cell {cell} failed: {message}.", cell, died, cell=cell, message=message)


def _last(target: Path) -> int | None:
    """The last cell that started; papermill marks cells as completed even where the kernel died."""
    return max(
        (
            number
            for number, cell in enumerate(_load(target).cells)
            if cell.get("execution_count") or cell.get("outputs")
        ),
        default=None,
    )


def _load(target: Path) -> "nbformat.NotebookNode":
    import nbformat

    return nbformat.read(target, as_version=4) if target.exists() else nbformat.v4.new_notebook()


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:300].rstrip(".")


def clean(notebook: "nbformat.NotebookNode") -> "nbformat.NotebookNode":
    """Take out what differs between runs or tells of the machine, so that equal runs give equal
    notebooks.
    """
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        cell.id = f"cell-{number}"
    return notebook


def _write(
    staging: Path,
    name: str,
    notebook: "nbformat.NotebookNode",
    lang: Language,
    subject: str,
    light: bool,
) -> None:
    import nbformat

    from .page import export

    nbformat.write(notebook, staging / f"{name}.ipynb")
    export(
        notebook,
        staging / f"{name}.html",
        title=word(TITLES, name, lang).replace("_", " "),
        subject=subject,
        lang=lang,
        made_at=record.now().replace("T", " ").removesuffix("+00:00") + " UTC",
        light=light,
    )
