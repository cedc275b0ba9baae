"""The whole way from an export to its import files, for the same messages in other forms and with
one row in ten thousand damaged, beside the plain file.

python benchmarks/forms.py [ROWS]
"""

import gzip
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
from generate import generate
from speed import HERE, measure

RUNS = 2  # of each pair, in turn
EACH = 10_000  # rows, one of which is damaged
FILES = 4
ROW = b"2022-"  # how a row starts; other lines are within a value
WHOLE = "replace(replace({}, chr(10), ' '), chr(13), '')"


def rewritten(plain: Path, path: Path, change: Callable[[bytes], bytes]) -> None:
    with plain.open("rb") as read, path.open("wb") as written:
        written.writelines(map(change, read))


def encoded(plain: Path, path: Path, encoding: str) -> None:
    """The file in another encoding, with letters that are not ASCII."""
    read = plain.open(encoding="utf-8", newline="")
    with read, path.open("w", encoding=encoding, newline="") as written:
        written.writelines(line.replace("promo", "promoción") for line in read)


def copied(plain: Path, path: Path, options: str, columns: str = "*") -> None:
    rows = f"SELECT {columns} FROM read_csv('{plain}', all_varchar = true)"
    with duckdb.connect() as con:
        con.execute(f"COPY ({rows}) TO '{path}' ({options})")


def compressed(plain: Path, path: Path) -> None:
    with plain.open("rb") as read, gzip.open(path, "wb", 6) as written:
        shutil.copyfileobj(read, written)


def parted(plain: Path, path: Path) -> None:
    """Several files, each with the header."""
    path.mkdir()
    written, size = None, plain.stat().st_size // FILES + 1
    with plain.open("rb") as read:
        header = read.readline()
        for line in read:
            if not written or (written.tell() > size and line.startswith(ROW)):
                written = (path / f"part-{len(list(path.iterdir()))}.csv").open("wb")
                written.write(header)
            written.write(line)
    written.close()


def cut(plain: Path, path: Path) -> None:
    shutil.copy(plain, path)
    os.truncate(path, path.stat().st_size - 30)


def damaged(plain: Path, path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the first line of one row in EACH."""
    rows, due = 0, EACH // 2
    with plain.open("rb") as read, path.open("wb") as written:
        for line in read:
            rows += line.startswith(ROW)
            if rows >= due and line.startswith(ROW):
                line, due = change(line), due + EACH
            written.write(line)


FORMS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "no line break within a value": (
        "one-line.csv",
        lambda plain, path: copied(
            plain,
            path,
            "HEADER",
            f'* REPLACE ({WHOLE.format(chr(34) + "Content" + chr(34))} AS "Content",'
            f' {WHOLE.format(chr(34) + "Error" + chr(34))} AS "Error")',
        ),
    ),
    "semicolons": ("semicolons.csv", lambda plain, path: copied(plain, path, "HEADER, DELIM ';'")),
    "CRLF": (
        "crlf.csv",
        lambda plain, path: rewritten(plain, path, lambda line: line[:-1] + b"\r\n"),
    ),
    "a byte-order mark": ("bom.csv", lambda plain, path: encoded(plain, path, "utf-8-sig")),
    "UTF-16": ("utf-16.csv", lambda plain, path: encoded(plain, path, "utf-16")),
    "Windows-1252": ("windows.csv", lambda plain, path: encoded(plain, path, "cp1252")),
    "gzip": ("failed.csv.gz", compressed),
    f"{FILES} files": ("parts", parted),
    "Parquet": ("failed.parquet", lambda plain, path: copied(plain, path, "FORMAT parquet")),
    "damaged: a date": (
        "dates.csv",
        lambda plain, path: damaged(plain, path, lambda row: b"2022-13" + row[7:]),
    ),
    "damaged: a contact ID": (
        "ids.csv",
        lambda plain, path: damaged(
            plain, path, lambda row: row.replace(b",broadcast,1", b",broadcast,1E+", 1)
        ),
    ),
    "damaged: a column too few": (
        "columns.csv",
        lambda plain, path: damaged(plain, path, lambda row: row.replace(b",", b"", 1)),
    ),
    "damaged: the end is missing": ("cut.csv", cut),
    "a row in ten thousand in Windows-1252": (
        "mixed.csv",
        lambda plain, path: damaged(
            plain, path, lambda row: row.replace(b",text,", b",te\xe1xt,", 1)
        ),
    ),
    "damaged: a stray quote": (
        "quotes.csv",
        lambda plain, path: damaged(plain, path, lambda row: row.replace(b",text,", b',te"xt,', 1)),
    ),
}


def run(export: str, work: Path) -> tuple[float, float, dict[str, int]]:
    """Seconds by the clock and of the processors, and the rows of each disposition."""
    out, scratch = work / "out", work / "scratch"
    scratch.mkdir(exist_ok=True)
    took, processor, *_ = measure([sys.executable, HERE / "ours.py", export, out], scratch)
    counts = json.loads((out / "run.json").read_text())["counts"]
    shutil.rmtree(out)
    return took, processor, counts


def main(rows: int) -> None:
    print(
        f"| {rows:,} messages | its time / plain | its processor time / plain |\n|---|--:|--:|",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name)
        plain = generate(rows, work / "failed.csv")
        for form, (file, write) in FORMS.items():
            path = work / file
            write(plain, path)
            export = str(path / "*.csv") if path.is_dir() else str(path)
            pairs = [(run(str(plain), work), run(export, work)) for _ in range(RUNS)]
            for (*_, ours), (*_, theirs) in pairs:
                lost = theirs["rejected"]
                assert sum(ours.values()) == sum(theirs.values()), (form, ours, theirs)
                assert ours == theirs if "damaged" not in form else 0 < lost <= rows // EACH + 1
            wall, processor = (median(b[i] / a[i] for a, b in pairs) for i in (0, 1))
            print(f"| {form} | {wall:.2f} | {processor:.2f} |", flush=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
