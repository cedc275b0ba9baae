"""Coverage-guided fuzzing with atheris: whatever bytes come in, a RebroadcastError with one
sentence or a result comes out.

`python tests/fuzz.py explain corpus -runs=1000` (targets: explain, sift, failed, messages,
contacts; the rest is libFuzzer's). test_fuzz.py runs a few of each and replays tests/corpus; `make
fuzz` runs FUZZ_SECONDS of each.
"""

import sys
import tempfile
from pathlib import Path

import atheris

from rebroadcast.engine import connect as connection

with atheris.instrument_imports(include=["rebroadcast"]):
    from rebroadcast import errors
    from rebroadcast.common.exceptions import RebroadcastError
    from rebroadcast.common.masking import mask
    from rebroadcast.sources import files
from rebroadcast.reading import exports
from rebroadcast.reading import sift as sifting

FOLDER = Path(tempfile.mkdtemp(prefix="rebroadcast-fuzz-"))
KINDS = [None, "whatsapp", "email", "sms", "telegram", "no such kind"]


def sentence(error: RebroadcastError) -> None:
    """A refusal is one sentence."""
    text = str(error)
    assert text.strip() and "\n" not in text, f"no sentence: {text!r}"


def explain(data: bytes) -> None:
    text = (
        data[1:].decode("utf-8", "surrogatepass" if data[:1] < b"\x80" else "replace")
        if _decodes(data[1:])
        else data[1:].decode("latin-1")
    )
    told = errors.explain(text, KINDS[data[0] % len(KINDS)] if data else None)
    assert told.cause and told.verdict and told.title
    assert mask(told.masked) is not None


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _path(data: bytes) -> Path:
    path = FOLDER / "export.csv"
    path.write_bytes(data)
    return path


def sift(data: bytes) -> None:
    """The slow way through a damaged file, without the engine."""
    try:
        sources = files.open_source(_path(data), "failed", FOLDER)
    except RebroadcastError as error:
        return sentence(error)
    for source in sources:
        if (
            source.delimiter
            and source.path.exists()
            and not source.path.read_bytes().startswith(b"PAR1")
        ):
            good, refused, _ = sifting.sift(source, FOLDER / "sifted.csv")
            assert good >= 0
            assert (refused.reason.map(bool) | (refused.lines > 0)).all()


def _read(kind: str):
    def read(data: bytes) -> None:
        with connection.connect() as engine:
            try:
                export = exports.read(engine, _path(data), kind)
            except RebroadcastError as error:
                return sentence(error)
            assert export.rows == export.table.count().execute() > 0
            assert export.rejected.reason.map(bool).all() and (export.rejected.line >= 1).all()

    return read


TARGETS = {
    "explain": explain,
    "sift": sift,
    **{kind: _read(kind) for kind in ("failed", "messages", "contacts")},
}

if __name__ == "__main__":
    work = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, work)
    atheris.Fuzz()
