"""A folder of results that appears whole or not at all, and the file habits behind that."""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import BaseFileLock, FileLock

from .exceptions import OutputError, folded, reason

SCRATCH = "rebroadcast-"
PRIVATE = ("import", "data")  # these hold contact IDs: files 0600, folders 0700


@contextmanager
def staged(target: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty hidden folder beside target; if the block ends well it becomes target, else it
    goes.

    One process at a time works on a target; what a killed one left there is put right first.
    OutputError: target cannot be written, holds another run (without overwrite), is being written,
    or the disk is full.

    >>> with staged("out/monday") as folder:  # doctest: +SKIP
    ...     (folder / "run.json").write_text("{}")
    """
    target = _check(target, overwrite=True)
    lock, staging = FileLock(_beside(target, "lock")), _beside(target, f"partial-{os.getpid()}-")
    try:
        with _explained(target, OSError):
            lock.acquire(timeout=2)
            left = re.compile(re.escape(f".{target.name}.") + r"(partial-\d+|previous)-[0-9a-f]{8}")
            _settle(target, [path for path in target.parent.iterdir() if left.fullmatch(path.name)])
            _check(target, overwrite)
            staging.mkdir(mode=0o700)
        with _explained(target):
            yield staging
        publish(staging, target, overwrite)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if lock.is_locked:
            with suppress(
                OSError
            ):  # removed while held: a process that waits for it makes a new one
                Path(lock.lock_file).unlink()
            lock.release()


def publish(staging: Path, target: str | Path, overwrite: bool = False) -> None:
    """Turn staging, a folder on target's disk, into target; after a kill target is as before or as
    after.

    A target that is there goes aside first; if a kill leaves it aside, the next `staged` brings it
    back. Raises OutputError as `staged` does.
    """
    target = _check(target, overwrite)
    with _explained(target, OSError):
        for path in [p for name in PRIVATE for p in (staging / name, *(staging / name).rglob("*"))]:
            if path.exists() and not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
        os.umask(mask := os.umask(0o077))  # the only way to read it
        staging.chmod(0o777 & ~mask | staging.stat().st_mode & 0o2000)
        sync(staging)
        aside = _beside(target, "previous-")
        if target.exists():
            os.rename(target, aside)
        try:
            os.rename(staging, target)
            sync(target.parent, deep=False)
        finally:
            _settle(target, [aside])


def write_whole(path: Path, text: str) -> None:
    """Write a text file: whoever reads it sees the old one or the new one, also after a kill."""
    aside = _beside(path, "partial-")
    try:
        aside.write_text(text, "utf-8")
        sync(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def slug(text: str, nothing: str) -> str:
    """A name for a file or an anchor: at most 80 letters without case and accents, digits and
    dashes; nothing where none is left.

    >>> slug("Failed: Ñandú 110122", "import")
    'failed-nandu-110122'
    """
    return re.sub(r"\W+", "-", folded(text), flags=re.ASCII).strip("-")[:80] or nothing


def unused(name: str, taken: Callable[[str], object], sign: str = "-") -> str:
    """The first of name, name-2, name-3 and so on that is not taken.

    >>> unused("why", {"why", "why-2"}.__contains__)
    'why-3'
    """
    more = (f"{name}{sign}{number}" for number in count(2))
    return next(one for one in chain([name], more) if not taken(one))


def make(folder: Path) -> None:
    """Make a folder, and those above it; OutputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            "{folder} cannot be made ({reason}); name another folder (out).",
            folder=folder,
            reason=reason(error),
        ) from None


def check_only(target: Path, known: Callable[[str], object]) -> None:
    """Raise OutputError where target holds a file that is not known by its name in it; hidden files
    do not count.
    """
    names = (
        sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file())
        if target.is_dir()
        else []
    )
    if other := [name for name in names if not known(name) and not re.match(r"(.*/)?[.]", name)]:
        raise OutputError(
            "'{target}' holds '{other}', which is no result of a run; move it, or give another"
            " --out.",
            target=target,
            other=other[0],
        )


def busy(target: str | Path) -> bool:
    """Return whether a living process is making results for target, inside `staged`, at this
    moment.
    """
    lock = FileLock(_beside(Path(os.path.abspath(target)), "lock"))
    with suppress(OSError):
        if Path(lock.lock_file).exists():
            lock.acquire(timeout=0)
            lock.release()
        return False
    return True


class Scratch(TemporaryDirectory[str]):
    """A temporary folder with the lock that tells that its process lives."""

    alive: BaseFileLock


def scratch() -> Scratch:
    """Make a private temporary folder; what killed processes of this user left of theirs goes
    first.

    A living process holds a lock in its folder. One without a lock is new, or being made, and
    stays.
    """
    made = Scratch(prefix=SCRATCH, ignore_cleanup_errors=True)
    mine = Path(made.name)
    made.alive = FileLock(mine / ".alive")
    made.alive.acquire()
    for path in mine.parent.glob(f"{SCRATCH}*/.alive"):
        with suppress(OSError):
            seen = path.parent.lstat()
            if (
                path.parent != mine
                and seen.st_uid == mine.stat().st_uid
                and time.time() - seen.st_mtime >= 60
            ):
                with FileLock(path, timeout=0):
                    shutil.rmtree(path.parent, ignore_errors=True)
    return made


def disk_full(error: BaseException) -> bool:
    """Return whether error, Python's or the engine's, says that the disk or the user's share is
    full.
    """
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in full or any(
        os.strerror(code) in str(error) for code in full
    )


def sync(path: Path, deep: bool = True) -> None:
    """Have the disk keep a file, or a folder: its list of names and, if deep, all that is in it."""
    for child in path.iterdir() if deep and path.is_dir() and not path.is_symlink() else ():
        sync(child)
    if not path.is_symlink() and (
        path.is_file() or os.name != "nt"
    ):  # Windows keeps names by itself
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(target: Path, what: str) -> Path:
    """A hidden name next to target; what is "lock", or ends with "-" and gets a random end."""
    return target.with_name(
        f".{target.name}.{what}{secrets.token_hex(4) if what[-1] == '-' else ''}"
    )


def _check(target: str | Path, overwrite: bool) -> Path:
    target = Path(os.path.abspath(target))
    with _explained(target, OSError):
        if not target.name or not target.parent.is_dir():
            raise OutputError(
                "'{folder}' is not a folder; make it first, or give another --out.",
                folder=target.parent,
            )
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise OutputError(
                "'{target}' is not a folder but a file or a link; give another --out.",
                target=target,
            )
        if target.exists() and any(target.iterdir()) and not overwrite:
            raise OutputError(
                "'{target}' already holds another run; give another --out or --overwrite.",
                target=target,
            )
    return target


def _settle(target: Path, left: list[Path]) -> None:
    """Bring back what an overwrite put aside if target is missing; delete the rest of what is
    left.
    """
    for path in [path for path in left if path.exists()]:
        aside = path.name.removeprefix(f".{target.name}").startswith(".previous-")
        if aside and not target.exists():
            os.rename(path, target)
        else:
            # Under another name, so that a half-deleted folder is never brought back.
            path = path.rename(_beside(target, "partial-0-")) if aside else path
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _explained(target: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn a full disk, and errors of these kinds, into an OutputError."""
    try:
        yield
    except Exception as error:
        if kinds and isinstance(error, TimeoutError):
            raise OutputError(
                "Another run is writing '{target}' now; wait for it, or give another --out.",
                target=target,
            ) from error
        if disk_full(error):
            raise OutputError(
                "The disk is full, so '{target}' was not written; free some space and run again.",
                target=target,
            ) from error
        if isinstance(error, kinds):
            raise OutputError(
                "'{target}' cannot be written ({reason}); see its permissions or give another"
                " --out.",
                target=target,
                reason=reason(error),
            ) from error
        raise
