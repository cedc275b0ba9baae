"""What comes with the package: the notebooks and the made-up sample."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from ..common.exceptions import OutputError, RebroadcastError

PACKAGE = Path(__file__).parents[1]
# What the word "sample" stands for, by the kind of file that is expected.
SAMPLE = {
    "failed": "data/samples/failed_messages.csv",
    "messages": "data/samples/messages.csv",
    "contacts": "data/samples/contacts.csv",
    "channels": "data/samples/channels.toml",
}


def home() -> Path:
    """The folder that holds `notebooks` and `data/samples`: a part of the installed package, or the
    checkout that an editable install points to.

    >>> sorted(path.stem for path in (home() / "notebooks").glob("e*.ipynb"))
    ['explore']
    """
    packed = PACKAGE / "share"
    return packed if packed.is_dir() else PACKAGE.parents[1]


def asked(word: object) -> bool:
    """Whether a word asks for the sample: it is "sample", and no file has that name."""
    return word == "sample" and not Path("sample").exists()


def notebooks() -> dict[str, Path]:
    """The project's own notebooks, by name."""
    return {path.stem: path for path in sorted((home() / "notebooks").glob("[a-z]*.ipynb"))}


def lacking(name: str | None) -> RebroadcastError:
    """The error for a package of the extra `lab` that is not there, with the command that adds the
    extra to the environment that is running.

    >>> str(lacking("voila")).endswith('pip install "rebroadcast[lab]"')
    True
    """
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    pip = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return RebroadcastError(
        "This needs the package {name}, which is not installed; install it with: {command}",
        name=name,
        command=f'{pip} "rebroadcast[lab]"',
    )


def put(folder: Path, overwrite: bool = False) -> list[Path]:
    """Copy the notebooks into a folder, and return the copies. Raises OutputError, and copies none,
    where one of their names is taken there and overwrite does not say that it may be replaced.
    """
    from ..common.folder import make  # its locks take a tenth of the time of `explain`

    copies = {folder / path.name: path for path in notebooks().values()}
    taken = [copy.name for copy in copies if copy.exists()]
    if taken and not overwrite:
        raise OutputError(
            "{folder} already holds {names}; name another folder, or replace them with"
            " --overwrite.",
            folder=folder,
            names=", ".join(taken),
        )
    make(folder)
    for copy, path in copies.items():
        shutil.copyfile(path, copy)
    return list(copies)
