"""Who was tagged, for which broadcast, by which run: a folder of small files that several people
can share.

It holds `ledger.json` (workspace, and every file with its SHA-256), `ledger.lock`, and per run, in
`runs/`, one record that never changes and one Parquet file of contacts. A run first claims its
contacts: its record then lies in `pending/`, beside a lock that the living process holds;
`confirm`, after the results are published, moves it to `runs/`. Order is by a sequence number given
under the lock, never by clocks.

Files are private to their owner. To share a ledger among accounts, make its folder first, with
group access.
"""

import os
import re
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from filelock import FileLock

from ..common.doubts import Doubt, n_
from ..common.exceptions import LedgerError, ParameterError, did_you_mean, folded, reason
from ..common.folder import busy, sync
from ..engine.engine import reader_path
from . import record as run_record
from .store import CARD, SCHEMA, Store, damaged, size

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
PAUSE = timedelta(hours=6)  # a longer one separates two broadcasts (see README)
# What version 1 called a broadcast that nobody had named: its channels and first day.
OLDER_NAME = re.compile(r"\A(.+) (\d{4}-\d{2}-\d{2})\Z")
OLDER_ALL = "all channels"


@dataclass(frozen=True)
class Broadcast:
    """What a ledger knows a broadcast by.

    `key` is that of the export's broadcast, `name` is for people, and `label` the name that a user
    gave it ("" where nobody did). channel, sender and shape (of the content) are None where they
    are not known, first and last (UTC) the time in which its messages were seen, zone that of the
    clock which told it.
    """

    key: str
    name: str = ""
    label: str = ""
    channel: str | None = None
    sender: str | None = None
    shape: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    zone: str | None = None

    def same(self, other: "Broadcast") -> bool:
        """Whether both are one broadcast: by key, by a name that a user gave, or because all that
        is known of both agrees and no more than PAUSE lies between their messages.

        >>> monday = datetime(2022, 1, 10, 9, tzinfo=UTC)
        >>> one = Broadcast("a", "", "", "1001", "77", "promo", monday, monday)
        >>> one.same(replace(one, key="b", last=monday + timedelta(hours=2)))
        True
        >>> one.same(replace(one, key="b", sender="78"))
        False
        """
        named = {folded(self.label)} & other._names | {folded(other.label)} & self._names
        if self.key == other.key or named - {""}:
            return True
        if not (self.first and self.last and other.first and other.last):
            return False
        near = self.first <= other.last + PAUSE and other.first <= self.last + PAUSE
        facts = ("channel", "sender", "shape")
        pairs = [(getattr(self, name), getattr(other, name)) for name in facts]
        return near and all(a == b or None in (a, b) for a, b in pairs)

    @property
    def said(self) -> str:
        """What people call it."""
        return self.label or self.name or self.key

    @property
    def _names(self) -> set[str]:
        return {folded(self.label), folded(self.name), folded(self.key)}


@dataclass(frozen=True)
class Claim:
    """What a run may tag: `table` has COLUMNS. The audience's other contacts were tagged before.

    `repeated` tells that this run was confirmed before; table is then what it tagged. `doubts` say
    which older entries may concern the same broadcast.
    """

    run_id: str
    table: "ibis.Table"
    rows: int
    repeated: bool
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a ledger holds.

    `broadcasts`: broadcast (key), name, channel, runs, contacts, due_from, due_to. `runs`, in
    order: run_id, state, claimed_at, broadcast (names), waves, contacts, due_from, due_to.
    `released`: run_id, at, reason, contacts. Times are UTC.
    """

    workspace: str | None
    broadcasts: "pd.DataFrame"
    runs: "pd.DataFrame"
    released: "pd.DataFrame"


@dataclass
class Ledger:
    """An open ledger; see `open_ledger`."""

    path: Path
    workspace: str | None = None

    def __post_init__(self) -> None:
        self._store = Store(self.path)
        self._held: dict[str, FileLock] = {}

    def runs(self) -> list[dict]:
        """Return the runs' records in order, each with `state`: done, or pending (claimed, not
        confirmed).

        A record has `store.RECORD_KEYS`, broadcasts and pid: claimed_at is UTC, results the run's
        folder, run what the claimant gave. Raises LedgerError for a file that is missing or not as
        it was written.
        """
        with self._store.locked():
            return self._store.records()

    def tagged(
        self,
        con,
        broadcast: "str | Broadcast | Sequence[Broadcast] | None" = None,
        without: str | None = None,
        results: str | Path | None = None,
    ) -> "ibis.Table":
        """Return the rows (COLUMNS) of all runs for some broadcasts, or for all; the run `without`
        is left out.

        A broadcast is given as such or by its key or name; `broadcast` of the rows is the key of
        the one that was asked for. Contacts that a living run has claimed count too; claims of dead
        processes go first, as far as that is known, for which `results` is as in `claim`. Raises
        LedgerError.

        >>> open_ledger(folder).tagged(con, "monday").count().execute()  # doctest: +SKIP
        490
        """
        with self._store.locked():
            records = [r for r in self._settle(None, _place(results)) if r["run_id"] != without]
            if broadcast is not None:
                return self._taken(con, records, _listed(broadcast))
            return self._rows(con, records)

    def planned(self, con, without: str | None = None) -> "ibis.Table":
        """Return what the runs plan as traffic, for `quota.load`: at (UTC), contact_id, channel_id.

        Nobody knows whether a tagged contact was sent to, or when exactly: each counts from the
        time for which it is due. `without` is as in `tagged`. Raises LedgerError.
        """
        rows = self.tagged(con, without=without)
        return rows.filter(rows.due_at.notnull()).select("contact_id", "channel_id", at="due_at")

    def claim(
        self,
        con,
        run_id: str,
        audience: "ibis.Table | Path",
        broadcast: "str | Broadcast | Sequence[Broadcast]",
        now: datetime,
        record: dict | None = None,
        results: str | Path | None = None,
    ) -> Claim:
        """Claim the contacts of audience that no other run has for their broadcast, and return
        those.

        audience is a table of con, or a Parquet file, with COLUMNS except run_id; broadcast (the
        key) is needed only where there are several. It is computed while other runs wait, so pass
        one that is cheap to read. run_id stands for input and parameters: the same run again takes
        over its own claim. record goes into the run's record (nothing personal). results is the
        folder that `folder.staged` makes, with this run_id in its run.json: it tells whether a
        process that died had published. Claim inside `staged`, publish, then `confirm`; `take_back`
        where the run is refused before that.

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
        asked = _listed(broadcast)
        with self._store.locked():
            records = self._settle(run_id, _place(results))
            if mine := [r for r in records if r["run_id"] == run_id]:
                return Claim(run_id, self._rows(con, mine), mine[0]["rows"], True)
            rows = con.read_parquet(audience) if isinstance(audience, str | Path) else audience
            rows = _audience(rows, run_id, asked)
            rows = rows.anti_join(self._taken(con, records, asked), ["broadcast", "contact_id"])
            known = (*records, *self._store.card()["released"])
            content: dict[str, Any] = {
                "schema": SCHEMA,
                "run_id": run_id,
                "sequence": 1 + max((entry["sequence"] for entry in known), default=0),
                "broadcast": ", ".join(b.said for b in asked),
                "broadcasts": [_written(b) for b in asked],
                "zone": next((b.zone for b in asked), None),
                "claimed_at": now.astimezone(UTC).isoformat(timespec="seconds"),
                "results": _place(results),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "run": record or {},
            }
            content = self._keep(con, rows, content)
            claimed = self._rows(con, [content])
            doubts = self._doubts(con, claimed, records, asked)
            return Claim(run_id, claimed, content["rows"], False, doubts)

    def confirm(self, run_id: str) -> None:
        """Make a claim final, once its results are published; again does no harm. Raises
        LedgerError.
        """
        with self._store.locked():
            self._confirm(run_id)

    def claimed(self, con, run_id: str) -> "ibis.Table | None":
        """Return what a run tagged (COLUMNS), where it was made and confirmed before, else None.
        Raises LedgerError.
        """
        with self._store.locked():
            records = self._settle(None, None)
            mine = [r for r in records if r["run_id"] == run_id and r["state"] == "done"]
            return self._rows(con, mine) if mine else None

    def settle(self) -> None:
        """Confirm or give up the claims of dead processes, as far as it is known what became of
        them. Raises LedgerError.
        """
        with self._store.locked():
            self._settle(None, None)

    def take_back(self, run_id: str) -> None:
        """Give up the claim of a run that was refused or failed, unless it was confirmed. Raises
        LedgerError.
        """
        with self._store.locked():
            if (self._store.pending / f"{run_id}.json").exists():
                self._discard(run_id)

    def release(self, run_id: str, reason: str, now: datetime) -> int:
        """Take a run out by hand, confirmed or not, so that its contacts may be tagged again;
        return how many they are.

        The ledger keeps who was released when, and the reason (UTC; nothing personal). Raises
        LedgerError where there is no such run or it is being made, ParameterError without a reason.
        """
        if not reason.strip():
            raise ParameterError(
                "No reason was given; say why the run's contacts may be tagged again.", "reason"
            )
        with self._store.locked():
            records = {r["run_id"]: r for r in self._store.records()}
            if run_id not in records:
                raise LedgerError(
                    "'{path}' has no run {run_id}.{hint} Its runs: {known}.",
                    path=self.path,
                    run_id=run_id,
                    hint=did_you_mean(run_id, records),
                    known=", ".join(records) or "-",
                )
            if not self._lock_free(run_id):
                raise LedgerError(
                    "Run {run_id} is being made now; end it, then discard its claim.",
                    run_id=run_id,
                )
            contacts = records[run_id]["rows"]
            entry = {
                "run_id": run_id,
                "sequence": records[run_id]["sequence"],
                "at": now.astimezone(UTC).isoformat(timespec="seconds"),
                "reason": " ".join(reason.split()),
                "contacts": contacts,
            }
            self._discard(run_id, entry)
            return contacts

    def verify(self) -> int:
        """Read every file and return how many there are; LedgerError names the first that is
        missing or not as it was written.
        """
        with self._store.locked():
            return self._store.check()

    def contents(self, con) -> Contents:
        """Return what the ledger holds, by broadcast and by run. Raises LedgerError."""
        with self._store.locked():
            records, released = self._store.records(), self._store.card()["released"]
            rows = self._rows(con, records)
            measures = {
                "contacts": rows.contact_id.nunique(),
                "due_from": rows.due_at.min(),
                "due_to": rows.due_at.max(),
            }
            by_run = rows.group_by("run_id").aggregate(waves=rows.wave.nunique(), **measures)
            by_broadcast = rows.group_by("broadcast").aggregate(
                runs=rows.run_id.nunique(), **measures
            )
            by_run, by_broadcast = by_run.to_pandas(), by_broadcast.to_pandas()
        runs = pd.DataFrame(records, columns=["run_id", "state", "claimed_at", "broadcast"])
        known = {b.key: b for r in records for b in _known(r)}
        of = [known[key] for key in by_broadcast["broadcast"]]
        by_broadcast.insert(1, "name", [broadcast.said for broadcast in of])
        by_broadcast.insert(2, "channel", [broadcast.channel or "" for broadcast in of])
        return Contents(
            self.workspace,
            by_broadcast.sort_values("broadcast", ignore_index=True),
            runs.merge(by_run, "left", on="run_id").fillna({"contacts": 0, "waves": 0}),
            pd.DataFrame(released, columns=["run_id", "at", "reason", "contacts"]),
        )

    def broadcasts(self) -> list[Broadcast]:
        """Return the broadcasts of all runs, each as its latest run knew it. Raises LedgerError."""
        with self._store.locked():
            records = self._store.records()
        return list({b.key: b for record in records for b in _known(record)}.values())

    def _keep(self, con, rows: "ibis.Table", content: dict) -> dict:
        """Write a run's rows and record, under a lock of its own; nothing is left where that
        fails.
        """
        run_id = content["run_id"]
        try:
            lock = self._store.pending / f"{run_id}.lock"
            self._held[run_id] = FileLock(lock, thread_local=False, mode=self._store.mode)
            self._held[run_id].acquire(timeout=0)
            with self._store.scratch() as name:
                scratch = Path(name) / "rows.parquet"
                con.to_parquet(rows, scratch)
                count = con.read_parquet(reader_path(scratch)).count().execute()
                content = {**content, "rows": int(count), "bytes": size(scratch)}
                self._store.add(scratch, content)  # now it is claimed
        except BaseException:
            self._discard(run_id)
            raise
        return content

    def _taken(self, con, records: list[dict], asked: Sequence[Broadcast]) -> "ibis.Table":
        """The rows of the records that are for one of the broadcasts, under the key asked for."""
        pairs = [
            (mine.key, known.key, record["run_id"])
            for record in records
            for known in _known(record)
            for mine in asked
            if mine.same(known)
        ]
        runs = {run_id for _mine, _known, run_id in pairs}
        rows = self._rows(con, [r for r in records if r["run_id"] in runs])
        names = ibis.memtable(
            list(dict.fromkeys(pairs)),
            schema={"asked_": "string", "known_": "string", "run_": "string"},
        )
        rows = rows.join(names, [rows.broadcast == names.known_, rows.run_id == names.run_])
        return rows.mutate(broadcast=rows.asked_).select(*COLUMNS)

    def _rows(self, con, records: list[dict]) -> "ibis.Table":
        """The rows of some runs. A claim that is pending may be discarded and its file go, so those
        rows are read here and now.
        """
        parts = []
        for state in ("done", "pending"):
            files = [
                reader_path(self._store.rows(r["run_id"]))
                for r in records
                if (r.get("state") == "pending") == (state == "pending")
            ]
            if files:
                rows = con.read_parquet(files).select(*COLUMNS).cast({"wave": "int64"})
                if state == "pending":
                    rows = con.create_table(f"pending_{secrets.token_hex(8)}", rows, temp=True)
                parts.append(rows)
        if parts:
            return ibis.union(*parts) if len(parts) > 1 else parts[0]
        return ibis.memtable(ibis.schema(COLUMNS).to_pyarrow().empty_table())

    def _doubts(
        self, con, claimed: "ibis.Table", records: list[dict], asked: Sequence[Broadcast]
    ) -> tuple[Doubt, ...]:
        """What is not certain about entries of version 1, which have a name and nothing more."""
        older = [r for r in records if r["schema"] == 1]
        taken = [
            r
            for r in older
            if any(b.same(k) and not b._names & k._names for b in asked for k in _known(r))
        ]
        others = [r for r in older if not any(b.same(k) for b in asked for k in _known(r))]
        again = claimed.semi_join(self._rows(con, others), "contact_id").contact_id.nunique()
        told = (
            (
                taken,
                sum(r["rows"] for r in taken),
                n_(
                    "By channel and date, this broadcast is taken to be what the ledger calls"
                    " '{names}'; {n} contact tagged for that is not tagged again.",
                    "By channel and date, this broadcast is taken to be what the ledger calls"
                    " '{names}'; {n} contacts tagged for that are not tagged again.",
                ),
            ),
            (
                others,
                int(again.execute()) if others else 0,
                n_(
                    "{n} contact tagged now was tagged before for '{names}'; if that is this"
                    " broadcast, give it that name (broadcast).",
                    "{n} contacts tagged now were tagged before for '{names}'; if that is"
                    " this broadcast, give it that name (broadcast).",
                ),
            ),
        )
        return tuple(
            Doubt(
                "older ledger",
                text,
                {"names": ", ".join(sorted({r["broadcast"] for r in of})), "n": n},
                n,
            )
            for of, n, text in told
            if n
        )

    def _lock_free(self, run_id: str) -> bool:
        path = self._store.pending / f"{run_id}.lock"
        try:
            if run_id not in self._held and path.exists():
                with FileLock(path, timeout=0, mode=self._store.mode):
                    pass
        except TimeoutError:
            return False
        return True

    def _settle(self, run_id: str | None, results: str | None) -> list[dict]:
        """Clear what killed processes left, and return the records that count. Needs the ledger's
        lock.
        """
        for left in self._store.leftovers():
            if self._lock_free(left):
                self._discard(left)
        for record in [r for r in self._store.records() if r["state"] == "pending"]:
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
            # Others stay: it cannot be seen from here whether they were published.
            elif name == run_id or (record["host"] == socket.gethostname() and _visible(place)):
                self._discard(name)
        return self._store.records()

    def _confirm(self, run_id: str) -> None:
        pending, runs = self._store.pending, self._store.runs
        source, target = pending / f"{run_id}.json", runs / f"{run_id}.json"
        if source.exists():
            os.replace(source, target)
            sync(runs, deep=False)
            sync(pending, deep=False)
        elif not target.exists():
            raise LedgerError(
                "'{path}' has no claim of run {run_id}; make that run again.",
                path=self.path,
                run_id=run_id,
            )
        self._let_go(run_id)

    def _discard(self, run_id: str, released: dict | None = None) -> None:
        self._store.drop(run_id, released)
        self._let_go(run_id)

    def _let_go(self, run_id: str) -> None:
        if lock := self._held.pop(run_id, None):
            lock.release(force=True)
        # Last: it tells what there is to clear.
        (self._store.pending / f"{run_id}.lock").unlink(missing_ok=True)


def open_ledger(path: str | Path, workspace: str | None = None, create: bool = True) -> Ledger:
    """Open the ledger in a folder; make it there first if it is missing or empty (and create is
    true).

    workspace is the platform workspace's name or ID; a ledger keeps the first one it is opened
    with. A ledger of version 1 becomes one of this version. Raises LedgerError: another workspace,
    a newer schema, a damaged file, a folder that holds other things or cannot be written.

    >>> open_ledger("ledger", workspace="12345").runs()  # doctest: +SKIP
    []
    """
    path = Path(os.path.abspath(path))
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
    if (
        CARD not in names
        and {"runs", "pending"} & names
        and names <= {"runs", "pending", "ledger.lock"}
    ):
        raise damaged(path / CARD)
    if CARD not in names and names - {"ledger.lock"}:
        raise LedgerError(
            "'{path}' is no ledger but holds other files; give --ledger an empty folder.", path=path
        )
    if CARD not in names and not create:
        raise LedgerError("There is no ledger in '{path}'; check --ledger.", path=path)
    ledger = Ledger(path)
    with ledger._store.locked():
        ledger.workspace = ledger._store.open(workspace)["workspace"]
    return ledger


def _listed(broadcast: "str | Broadcast | Iterable[Broadcast]") -> list[Broadcast]:
    if isinstance(broadcast, str):
        return [Broadcast(broadcast, broadcast, broadcast)]
    return [broadcast] if isinstance(broadcast, Broadcast) else list(broadcast)


def _written(broadcast: Broadcast) -> dict:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(broadcast).items()
        if name != "zone"  # which is the record's, so that earlier versions can read it
    }


def _known(record: dict) -> list[Broadcast]:
    """The broadcasts of a run's record. Version 1 has one name for all of them: one that a user
    gave, or the channels and the first day.
    """
    if "broadcasts" in record:
        return [
            Broadcast(
                **b | {n: b[n] and datetime.fromisoformat(b[n]) for n in ("first", "last")},
                zone=record.get("zone"),
            )
            for b in record["broadcasts"]
        ]
    name = record["broadcast"]
    known = Broadcast(name, name, name, last=datetime.fromisoformat(record["claimed_at"]))
    try:
        [(channels, day)] = OLDER_NAME.findall(name)
        begin = datetime.fromisoformat(f"{day}T00:00+14:00")  # the day's first instant anywhere
    except ValueError:
        return [known]
    each = [None] if channels == OLDER_ALL else channels.split("+")
    return [replace(known, channel=channel, first=begin) for channel in each]


def _audience(rows: "ibis.Table", run_id: str, asked: Sequence[Broadcast]) -> "ibis.Table":
    """An audience as it is kept; ParameterError where a column is missing."""
    if "broadcast" not in rows.columns and len(asked) == 1:
        rows = rows.mutate(broadcast=ibis.literal(asked[0].key))
    rows = rows.mutate(run_id=ibis.literal(run_id))
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        raise ParameterError(
            "The audience lacks the column {columns}.", "audience", columns=", ".join(missing)
        )
    return rows.select(**{name: rows[name].cast(kind) for name, kind in COLUMNS.items()})


def _place(results: str | Path | None) -> str | None:
    return None if results is None else os.path.abspath(results)


def _visible(place: str | None) -> bool:
    """Whether this account can tell what results are in place, or that there are none."""
    if not place or not os.path.lexists(place):
        return not place or os.access(os.path.dirname(place), os.R_OK | os.X_OK)
    card = os.path.join(place, run_record.NAME)
    return os.access(place, os.R_OK | os.X_OK) and (
        os.access(card, os.R_OK) or not os.path.lexists(card)
    )
