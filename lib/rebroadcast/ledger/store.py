"""The files of a ledger: written whole, and read only where they are as they were written.

`ledger.json`, the card, names the record and the rows of every run with their SHA-256 and seals
itself with one of its own, so that a file that is missing, added or changed is noticed before
anything is decided by it.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from ..common.exceptions import LedgerError, reason, sentence
from ..common.folder import disk_full, sync

SCHEMA = 2
CARD = "ledger.json"
CARD_KEYS = {"schema", "workspace", "id"}
RECORD_KEYS = {
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


@dataclass
class Store:
    """A ledger's folder. All but `locked` and `make` are called while its lock is held."""

    path: Path

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def pending(self) -> Path:
        return self.path / "pending"

    @property
    def mode(self) -> int:
        """Of files: private, or the group's too if the owner opened the ledger's folder to the
        group.
        """
        return 0o660 if self.path.stat().st_mode & 0o020 else 0o600

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger; LedgerError where it cannot be used, or another run holds it too
        long.
        """
        try:
            with FileLock(self.path / "ledger.lock", timeout=PATIENCE, mode=self.mode):
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

    def scratch(self) -> TemporaryDirectory:
        """A folder on the ledger's disk for files that are not finished."""
        return TemporaryDirectory(prefix=".tmp-", dir=self.path, ignore_cleanup_errors=True)

    def place(self, source: Path, target: Path) -> None:
        """Move a finished file, or an engine's folder of files, to its name."""
        for path in (source, *source.rglob("*")):
            path.chmod(self.mode | (self.mode >> 2 & 0o110 if path.is_dir() else 0))
        sync(source)
        remove(target) if target.is_dir() else None
        os.replace(source, target)
        sync(target.parent, deep=False)

    def write(self, target: Path, content: dict) -> str:
        """Write a JSON file; return its SHA-256."""
        text = _text(content)
        with self.scratch() as name:
            (Path(name) / target.name).write_text(text, "utf-8")
            self.place(Path(name) / target.name, target)
        return _sha256(text)

    def open(self, workspace: str | None) -> dict:
        """Read the card, made or brought to this version first where that is needed; return it.

        Version 1 had no checksums: what it holds is taken over as it is found.
        """
        known = self._loaded(self.path / CARD, CARD_KEYS)
        if known and workspace and known["workspace"] not in (None, workspace):
            raise LedgerError(
                "'{path}' belongs to workspace '{known}', not '{workspace}'.",
                path=self.path,
                known=known["workspace"],
                workspace=workspace,
            )
        card = known or {"schema": SCHEMA, "workspace": None, "id": uuid.uuid4().hex}
        if known and (known["schema"] == SCHEMA or "seal" in known):
            self._check_seal(known)
        else:
            card = {**card, "schema": SCHEMA, "runs": self._unnamed(), "released": []}
        card = {**card, "workspace": card["workspace"] or workspace}
        if card != known:
            self.keep(card)
        for folder in (self.runs, self.pending):
            if not folder.exists():
                folder.mkdir()
                group = self.path.stat().st_mode & 0o2000  # a shared folder hands down its group
                folder.chmod(self.mode | self.mode >> 2 & 0o110 | group)
        self.check()
        with self.scratch():  # shows whether it can be written
            return card

    def check(self) -> int:
        """Read every file and return how many there are; LedgerError names the first that is
        missing or not as it was written.
        """
        records = self.records()
        for record in records:
            self.rows(record["run_id"])
        return 1 + 2 * len(records)

    def card(self) -> dict:
        """The card as it was written: workspace, id, runs (run ID: record and rows, as SHA-256)
        and released (claims that were given up by hand).
        """
        card = self._loaded(self.path / CARD, CARD_KEYS)
        if not card:
            raise damaged(self.path / CARD)
        self._check_seal(card)
        return card

    def keep(self, card: dict) -> None:
        """Write the card, sealed."""
        content = {name: value for name, value in card.items() if name != "seal"}
        self.write(self.path / CARD, content | {"seal": _sha256(_text(content))})

    def records(self) -> list[dict]:
        """The runs' records in order, each with `state`: done, or pending (claimed, not confirmed).

        Raises LedgerError for a record that is missing, that the card does not name, or that is
        not as it was written.
        """
        card = self.card()
        given_up = {entry["run_id"] for entry in card["released"]}
        found = {}
        for state, folder in (("pending", self.pending), ("done", self.runs)):
            for path in sorted(folder.glob("*.json")):
                named = card["runs"].get(path.stem)
                if named and digest(path) != named["record"]:
                    raise damaged(path)
                if named:
                    found[path.stem] = {**self._loaded(path, RECORD_KEYS), "state": state}
                elif state == "done" and path.stem not in given_up:
                    raise LedgerError(
                        "'{file}' is not named by '{card}'; bring both back from one backup.",
                        file=path,
                        card=CARD,
                    )
        for run_id in card["runs"]:
            if run_id not in found:
                raise damaged(self.runs / f"{run_id}.json")
        return sorted(found.values(), key=lambda record: record["sequence"])

    def rows(self, run_id: str) -> Path:
        """The file of a run's rows, as it was written."""
        path = self.runs / f"{run_id}.parquet"
        named = self.card()["runs"][run_id]["rows"]
        if not path.exists():
            raise damaged(path)
        if not os.access(path, os.R_OK):
            raise PermissionError(13, f"'{path}' may not be read", str(path))
        if digest(path) != named:
            raise damaged(path)
        return path

    def add(self, rows: Path, content: dict) -> None:
        """Write a run's rows and its record; from the card's naming them on, they count."""
        run_id = content["run_id"]
        target = self.runs / f"{run_id}.parquet"
        self.place(rows, target)
        entry = {
            "record": self.write(self.pending / f"{run_id}.json", content),
            "rows": digest(target),
        }
        card = self.card()
        self.keep(card | {"runs": card["runs"] | {run_id: entry}})

    def drop(self, run_id: str, released: dict | None = None) -> None:
        """Take a run's files out, and name it as released where that was asked for by hand."""
        card = self.card()
        if run_id in card["runs"]:
            runs = {name: entry for name, entry in card["runs"].items() if name != run_id}
            self.keep(
                card | {"runs": runs, "released": card["released"] + [released] * bool(released)}
            )
        for folder in (self.pending, self.runs):
            (folder / f"{run_id}.json").unlink(missing_ok=True)
            sync(folder, deep=False)
        remove(self.runs / f"{run_id}.parquet")

    def leftovers(self) -> list[str]:
        """Clear what killed processes left unfinished; return the runs that were not named yet, or
        no more.
        """
        for path in self.path.glob(".tmp-*"):
            remove(path)
        card = self.card()
        names = {path.stem for path in self.pending.iterdir()} - card["runs"].keys()
        given_up = {entry["run_id"] for entry in card["released"]} - card["runs"].keys()
        left = {path.stem for path in self.runs.iterdir() if path.stem in given_up}
        return sorted(names | left)

    def _loaded(self, path: Path, keys: set[str]) -> dict:
        """A record or the ledger's card; {} where it is not there."""
        try:
            content = json.loads(path.read_text("utf-8"))
            newer = content["schema"] > SCHEMA
            whole = newer or (content["schema"] >= 1 and keys <= content.keys())
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
            raise damaged(path)
        return content

    def _check_seal(self, card: dict) -> None:
        content = {name: value for name, value in card.items() if name != "seal"}
        text = (self.path / CARD).read_bytes()
        if text != _text(card).encode() or card.get("seal") != _sha256(_text(content)):
            raise damaged(self.path / CARD)

    def _unnamed(self) -> dict:
        """What a ledger of version 1 holds, as the card names it."""
        runs = {}
        for path in sorted([*self.pending.glob("*.json"), *self.runs.glob("*.json")]):
            record, rows = self._loaded(path, RECORD_KEYS), self.runs / f"{path.stem}.parquet"
            if not rows.exists() or size(rows) != record["bytes"]:
                raise damaged(rows)
            runs[path.stem] = {"record": digest(path), "rows": digest(rows)}
        return runs


def digest(path: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of an engine's folder of files."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(inner for inner in path.rglob("*") if inner.is_file())
    return _sha256("".join(f"{digest(f)}  {f.relative_to(path).as_posix()}\n" for f in files))


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _text(content: dict) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def size(path: Path) -> int:
    """The bytes of a file, or of all files in an engine's folder."""
    return sum(p.stat().st_size for p in (path, *path.rglob("*")) if p.is_file())


def damaged(path: Path) -> LedgerError:
    """The error that says that a file is not as it was written."""
    return LedgerError(
        "'{file}' is missing or damaged; bring it back from a backup before going on.", file=path
    )
