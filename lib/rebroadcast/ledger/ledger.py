"""Who was tagged, for which broadcast, by which run: a folder of small files that several people
can share.

It holds `ledger.json` (schema, workspace, id), `ledger.lock`, and per run, in `runs/`, one record
that never changes and one Parquet file of contacts. A run first claims its contacts: its record
then lies in `pending/`, beside a lock that the living process holds; `confirm`, after the results
are published, moves it to `runs/`. Order is by a sequence number given under the lock, never by
clocks.

Files are private to their owner. To share a ledger among accounts, make its folder first, with
group access.
"""

import json
import os
import re
import secrets
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from ..common.exceptions import LedgerError, ParameterError, reason, sentence
from ..common.folder import busy, disk_full, sync
from ..common.lazy import ibis
from ..engine.engine import reader_path
from . import record as run_record

SCHEMA = 1
COLUMNS = {
    "contact_id": "string",
    "broadcast": "string",
    "run_id": "string",
    "channel_id": "string",
    "wave": "int64",
    "tag": "string",
    "due_at": "timestamp('UTC', 6)",
    "cause": "string",
}
KEYS = {
    "schema",
    "run_id",
    "sequence",
    "broadcast",
    "claimed_at",
    "rows",
    "bytes",
    "host",
    "results",
    "run",
}
PATIENCE = 300  # seconds to wait for another run's claim


@dataclass(frozen=True)
class Claim:
    """What a run may tag: `table` has COLUMNS. The audience's other contacts were tagged before.

    `repeated` tells that this run was confirmed before; table is then what it tagged.
    """

    run_id: str
    table: "ibis.Table"
    rows: int
    repeated: bool


@dataclass
class Ledger:
    """An open ledger; see `open_ledger`."""

    path: Path
    workspace: str | None = None

    def __post_init__(self) -> None:
        self._runs, self._pending = self.path / "runs", self.path / "pending"
        self._held: dict[str, FileLock] = {}

    def runs(self) -> list[dict]:
        """Return the runs' records in order, each with `state`: done, or pending (claimed, not
        confirmed).

        A record has KEYS and pid: claimed_at is UTC, results the run's folder, run what the
        claimant gave. Raises LedgerError for a record that cannot be read.
        """
        found = {}
        for state, folder in (
            ("pending", self._pending),
            ("done", self._runs),
        ):  # confirming moves a record
            for path in sorted(folder.glob("*.json")):
                if content := _read(path, KEYS):
                    found[path.stem] = {**content, "state": state}
        return sorted(found.values(), key=lambda record: record["sequence"])

    def tagged(self, con, broadcast: str | None = None, without: str | None = None) -> "ibis.Table":
        """Return the rows (COLUMNS) of all runs for a broadcast, or for all; the run `without` is
        left out.

        Contacts that a run has claimed and not yet confirmed count too. Raises LedgerError.

        >>> open_ledger(folder).tagged(con, "monday").count().execute()  # doctest: +SKIP
        490
        """
        with self._locked():
            records = [r for r in self.runs() if broadcast in (None, r["broadcast"])]
            records = [r for r in records if r["run_id"] != without]
            pending = [r for r in records if r["state"] == "pending"]
            table = self._rows(con, [r for r in records if r["state"] == "done"])
            if (
                pending
            ):  # such a claim may be discarded and its file go, so those rows are read here and now
                name = f"pending_{secrets.token_hex(8)}"
                table = table.union(con.create_table(name, self._rows(con, pending), temp=True))
            return table

    def claim(
        self,
        con,
        run_id: str,
        audience: "ibis.Table | Path",
        broadcast: str,
        now: datetime,
        record: dict | None = None,
        results: str | Path | None = None,
    ) -> Claim:
        """Claim the contacts of audience that no other run has for this broadcast, and return
        those.

        audience is a table of con, or a Parquet file, with COLUMNS except broadcast and run_id; it
        is computed while other runs wait, so pass one that is cheap to read. run_id stands for
        input and parameters: the same run again takes over its own claim. record goes into the
        run's record (nothing personal). results is the folder that `folder.staged` makes, with this
        run_id in its run.json: it tells whether a process that died had published. Claim inside
        `staged`, publish, then `confirm`.

        Raises LedgerError (ledger not usable, or this very run is being made now) and
        ParameterError.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", run_id):
            raise ParameterError(
                "run_id is '{run_id}', expected letters, digits, - and _ only.",
                "run_id",
                run_id=run_id,
            )
        if now.tzinfo is None:
            raise ParameterError("now is {now}, expected a time with its zone.", "now", now=now)
        results = None if results is None else os.path.abspath(results)
        with self._locked():
            records = self._settle(run_id, results)
            if mine := [r for r in records if r["run_id"] == run_id]:
                return Claim(run_id, self._rows(con, mine), mine[0]["rows"], True)
            rows = con.read_parquet(audience) if isinstance(audience, str | Path) else audience
            rows = rows.mutate(broadcast=ibis.literal(broadcast), run_id=ibis.literal(run_id))
            if missing := [name for name in COLUMNS if name not in rows.columns]:
                raise ParameterError(
                    "The audience lacks the column {columns}.",
                    "audience",
                    columns=", ".join(missing),
                )
            rows = rows.select(**{name: rows[name].cast(kind) for name, kind in COLUMNS.items()})
            if taken := [r for r in records if r["broadcast"] == broadcast]:
                rows = rows.anti_join(self._rows(con, taken), "contact_id")
            try:
                lock = self._pending / f"{run_id}.lock"
                self._held[run_id] = FileLock(lock, thread_local=False, mode=self._mode)
                self._held[run_id].acquire(timeout=0)
                with self._scratch() as name:
                    scratch = Path(name)
                    con.to_parquet(rows, scratch / "rows.parquet")
                    count = int(
                        con.read_parquet(reader_path(scratch / "rows.parquet")).count().execute()
                    )
                    content = {
                        "schema": SCHEMA,
                        "run_id": run_id,
                        "broadcast": broadcast,
                        "rows": count,
                        "sequence": 1 + max((r["sequence"] for r in records), default=0),
                        "claimed_at": now.astimezone(UTC).isoformat(timespec="seconds"),
                        "bytes": _size(scratch / "rows.parquet"),
                        "results": results,
                        "host": socket.gethostname(),
                        "pid": os.getpid(),
                        "run": record or {},
                    }
                    self._place(scratch / "rows.parquet", self._runs / f"{run_id}.parquet")
                    self._write(
                        scratch, self._pending / f"{run_id}.json", content
                    )  # now it is claimed
            except BaseException:
                self._discard(run_id)
                raise
            return Claim(run_id, self._rows(con, [content]), count, False)

    def confirm(self, run_id: str) -> None:
        """Make a claim final, once its results are published; again does no harm. Raises
        LedgerError.
        """
        with self._locked():
            self._confirm(run_id)

    def discard(self, run_id: str) -> None:
        """Give up a claim that is not confirmed, so that others may tag its contacts. Raises
        LedgerError.

        For a run that failed, and for what a run left behind that was killed on another machine.
        """
        with self._locked():
            if not (self._pending / f"{run_id}.json").exists():
                raise LedgerError(
                    "Run {run_id} has no open claim in '{path}'; see the ledger's runs.",
                    run_id=run_id,
                    path=self.path,
                )
            if not self._lock_free(run_id):
                raise LedgerError(
                    "Run {run_id} is being made now; end it, then discard its claim.", run_id=run_id
                )
            self._discard(run_id)

    @property
    def _mode(self) -> int:
        """Of files: private, or the group's too if the owner opened the ledger's folder to the
        group.
        """
        return 0o660 if self.path.stat().st_mode & 0o020 else 0o600

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with FileLock(self.path / "ledger.lock", timeout=PATIENCE, mode=self._mode):
                yield
        except Exception as error:
            if disk_full(error):
                text = sentence("the disk is full; free some space and run again")
            elif isinstance(error, TimeoutError):
                text = sentence(
                    "another run holds it since {n} seconds; try again when that run has ended",
                    n=PATIENCE,
                )
            elif isinstance(error, OSError):
                text = sentence(
                    "{reason}; ask for read and write access, or give another --ledger",
                    reason=reason(error),
                )
            else:
                raise
            raise LedgerError(
                "The ledger '{path}' cannot be used: {text}.", path=self.path, text=text
            ) from error

    def _scratch(self) -> TemporaryDirectory:
        return TemporaryDirectory(prefix=".tmp-", dir=self.path, ignore_cleanup_errors=True)

    def _place(self, source: Path, target: Path) -> None:
        """Move a finished file, or an engine's folder of files, to its name."""
        for path in (source, *source.rglob("*")):
            path.chmod(self._mode | (self._mode >> 2 & 0o110 if path.is_dir() else 0))
        sync(source)
        _remove(target) if target.is_dir() else None
        os.replace(source, target)
        sync(target.parent, deep=False)

    def _write(self, scratch: Path, target: Path, content: dict) -> None:
        (scratch / target.name).write_text(
            json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )
        self._place(scratch / target.name, target)

    def _rows(self, con, records: list[dict]) -> "ibis.Table":
        files = [self._runs / f"{record['run_id']}.parquet" for record in records]
        for file, record in zip(files, records, strict=True):
            if not file.exists() or _size(file) != record["bytes"]:
                raise LedgerError(
                    "'{file}' is missing or damaged; bring it back from a backup.", file=file
                )
            if not os.access(file, os.R_OK):
                raise PermissionError(13, f"'{file}' may not be read", str(file))
        if files:
            return con.read_parquet([reader_path(file) for file in files])
        return ibis.memtable(ibis.schema(COLUMNS).to_pyarrow().empty_table())

    def _lock_free(self, run_id: str) -> bool:
        lock = FileLock(self._pending / f"{run_id}.lock", mode=self._mode)
        try:
            if run_id not in self._held:
                lock.acquire(timeout=0)
                lock.release()
        except TimeoutError:
            return False
        return True

    def _settle(self, run_id: str, results: str | None) -> list[dict]:
        """Clear what killed processes left, and return the records that count. Needs the ledger's
        lock.
        """
        for path in self.path.glob(".tmp-*"):
            _remove(path)
        for path in self._pending.glob("*.lock"):
            if not path.with_suffix(".json").exists():
                self._discard(path.stem)
        for record in [r for r in self.runs() if r["state"] == "pending"]:
            place, name = record["results"], record["run_id"]
            # Whoever claims for the same folder holds it (`staged`), so that no other process is
            # busy there.
            free = name == run_id if name in self._held else self._lock_free(name)
            if not free or (place and place != results and busy(place)):
                if name == run_id:
                    raise LedgerError(
                        "Run {name} is being made now on {host}; wait for its end.",
                        name=name,
                        host=record["host"],
                    )
            elif place and run_record.read(Path(place)).get("run_id") == name:
                self._confirm(name)
            elif name == run_id or (record["host"] == socket.gethostname() and _visible(place)):
                self._discard(
                    name
                )  # others stay: it cannot be seen from here whether they were published
        return self.runs()

    def _confirm(self, run_id: str) -> None:
        source, target = self._pending / f"{run_id}.json", self._runs / f"{run_id}.json"
        if source.exists():
            os.replace(source, target)
            sync(self._runs, deep=False)
            sync(self._pending, deep=False)
        elif not target.exists():
            raise LedgerError(
                "'{path}' has no claim of run {run_id}; make that run again.",
                path=self.path,
                run_id=run_id,
            )
        self._release(run_id)

    def _discard(self, run_id: str) -> None:
        (self._pending / f"{run_id}.json").unlink(missing_ok=True)
        sync(self._pending, deep=False)
        if not (self._runs / f"{run_id}.json").exists():
            _remove(self._runs / f"{run_id}.parquet")
        self._release(run_id)

    def _release(self, run_id: str) -> None:
        if lock := self._held.pop(run_id, None):
            lock.release(force=True)
        (self._pending / f"{run_id}.lock").unlink(
            missing_ok=True
        )  # last: it tells what there is to clear


def open_ledger(path: str | Path, workspace: str | None = None, create: bool = True) -> Ledger:
    """Open the ledger in a folder; make it there first if it is missing or empty (and create is
    true).

    workspace is the platform workspace's name or ID; a ledger keeps the first one it is opened
    with. Raises LedgerError: another workspace, a newer schema, a folder that holds other things or
    cannot be written.

    >>> open_ledger("ledger", workspace="12345").runs()  # doctest: +SKIP
    []
    """
    ledger = Ledger(Path(os.path.abspath(path)))
    path, card = ledger.path, ledger.path / "ledger.json"
    try:
        if not path.exists() and path.parent.is_dir() and create:
            path.mkdir(mode=0o700, exist_ok=True)
        names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    except OSError as error:
        raise LedgerError(
            "The ledger '{path}' cannot be used: {reason}; see --ledger.",
            path=path,
            reason=reason(error),
        ) from error
    if card.name not in names and (
        names - {"runs", "pending", "ledger.lock"} or any(path.glob("runs/*"))
    ):
        raise LedgerError(
            "'{path}' is no ledger but holds other files; give --ledger an empty folder.", path=path
        )
    if card.name not in names and not create:
        raise LedgerError("There is no ledger in '{path}'; check --ledger.", path=path)
    with ledger._locked():
        known = _read(card, {"schema", "workspace", "id"})
        if known and workspace and known["workspace"] not in (None, workspace):
            raise LedgerError(
                "'{path}' belongs to workspace '{known}', not '{workspace}'.",
                path=path,
                known=known["workspace"],
                workspace=workspace,
            )
        content = known or {"schema": SCHEMA, "workspace": None, "id": uuid.uuid4().hex}
        content = {**content, "workspace": content["workspace"] or workspace}
        for folder in (ledger._runs, ledger._pending):
            if not folder.exists():
                folder.mkdir()
                group = path.stat().st_mode & 0o2000  # a shared folder hands down its group
                folder.chmod(ledger._mode | ledger._mode >> 2 & 0o110 | group)
        with ledger._scratch() as name:  # shows whether it can be written
            if content != known:
                ledger._write(Path(name), card, content)
    ledger.workspace = content["workspace"]
    return ledger


def _read(path: Path, keys: set[str]) -> dict:
    """A record or the ledger's card; {} where it is not there."""
    try:
        content = json.loads(path.read_text("utf-8"))
        newer = content["schema"] > SCHEMA
        whole = newer or keys <= content.keys()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(
            "'{path}' cannot be read; bring it back from a backup before going on.", path=path
        ) from error
    if newer:
        raise LedgerError(
            "'{path}' was written by a newer rebroadcast; update yours to use it.", path=path
        )
    if not whole:
        raise LedgerError(
            "'{path}' is damaged; bring it back from a backup before going on.", path=path
        )
    return content


def _visible(place: str | None) -> bool:
    """Whether this account can tell what results are in place, or that there are none."""
    if not place or not os.path.lexists(place):
        return not place or os.access(os.path.dirname(place), os.R_OK | os.X_OK)
    card = os.path.join(place, run_record.NAME)
    return os.access(place, os.R_OK | os.X_OK) and (
        os.access(card, os.R_OK) or not os.path.lexists(card)
    )


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return sum(p.stat().st_size for p in (path, *path.rglob("*")) if p.is_file())
