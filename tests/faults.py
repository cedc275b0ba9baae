"""Real runs of `rebroadcast recover` that are killed, starved of disk or memory, or run against
each other.

The short tests of test_faults.py use it. The long campaign: python tests/faults.py KILLS [SEED]
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "samples"
TAG = "failed broadcast 110122"
POINTS = {  # what can be seen from outside when a run has come so far
    "begun": lambda place: any(place.glob(".out.partial-*")),
    "claimed": lambda place: any(place.glob("ledger/pending/*.json")),
    "import files written": lambda place: any(place.glob(".out.partial-*/import/*.csv")),
    "record written": lambda place: any(place.glob(".out.partial-*/run.json")),
    "report written": lambda place: any(place.glob(".out.partial-*/*.html")),
    "published": lambda place: (place / "out").exists(),
    "confirmed": lambda place: any(place.glob("ledger/runs/*.json")),
}


def command(place: Path, out: str = "out", tag: str = TAG, **options: object) -> list[str]:
    given = {
        "channel": "1001",
        "channels": SAMPLES / "channels.toml",
        "tag": tag,
        "ledger": place / "ledger",
        "out": place / out,
    }
    words = [
        word
        for name, value in (given | options).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    return [
        sys.executable,
        "-m",
        "rebroadcast.cli",
        "recover",
        str(SAMPLES / "failed_messages.csv"),
        *words,
    ]


def start(place: Path, *words: str, own_kernel: bool = True, **options: object) -> subprocess.Popen:
    """Start a run in a process group of its own, with its temporary files in place/tmp; with a
    kernel of its own where that is to be killed.
    """
    (place / "tmp").mkdir(exist_ok=True)
    env = os.environ | {"TMPDIR": str(place / "tmp")} | ({"JUPYTER_PATH": ""} if own_kernel else {})
    return subprocess.Popen(
        [*words, *command(place, **options)],
        env=env,
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(place: Path, *words: str, **options: object) -> subprocess.CompletedProcess:
    process = start(place, *words, own_kernel=False, **options)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def imported(folder: Path) -> list[str]:
    return sorted(
        row[0]
        for path in folder.glob("import/*.csv")
        for row in csv.reader(path.open())
        if row[0].isdigit()
    )


def state(place: Path) -> dict:
    """What a run leaves that counts: its import files, and the ledger's runs and contacts."""
    import pyarrow.parquet

    records = [json.loads(p.read_text()) for p in sorted(place.glob("ledger/runs/*.json"))]
    tagged = [
        str(c)
        for p in sorted(place.glob("ledger/runs/*.parquet"))
        for c in pyarrow.parquet.read_table(p)["contact_id"].to_pylist()
    ]
    return {
        "files": {p.name: p.read_bytes() for p in sorted(place.glob("out/import/*.csv"))},
        "names": sorted(
            p.relative_to(place / "out").as_posix() for p in (place / "out").rglob("*")
        ),
        "runs": [(r["run_id"], r["rows"], r["sequence"]) for r in records],
        "tagged": sorted(tagged),
        "pending": [p.name for p in place.glob("ledger/pending/*")],
        "status": json.loads((place / "out" / "run.json").read_text())["status"],
    }


def whole_or_absent(place: Path) -> bool:
    """Whether the results folder holds what its record lists, byte for byte, or is not there."""
    import hashlib

    out = place / "out"
    if not out.exists():
        return False
    listed = {e["name"]: e["sha256"] for e in json.loads((out / "run.json").read_text())["outputs"]}
    found = {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in out.rglob("*")
        if p.is_file()
    }
    del found["run.json"]
    assert listed == found, "half of the results"
    return True


def kill_at(place: Path, when: object, whom: str = "all") -> str:
    """Start a run and kill it: after some seconds, or when it has reached one of POINTS. Returns
    what was killed.

    whom: "all" (the whole group), "parent" (rebroadcast itself) or "kernel" (as the memory limiter
    does).
    """
    process, begun = start(place), time.monotonic()
    reached = POINTS[when] if isinstance(when, str) else lambda _: time.monotonic() - begun > when
    while process.poll() is None and not reached(place):
        time.sleep(0.001)
    if process.poll() is None:
        if whom == "all":
            os.killpg(process.pid, signal.SIGKILL)
        elif whom == "parent":
            process.kill()
        elif kernel := kernel_of(process.pid):
            os.kill(kernel, signal.SIGKILL)
    process.communicate(timeout=300)
    return "killed" if process.returncode else "done before"


def kernel_of(pid: int) -> int | None:
    """The process that runs the notebook of a run."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if (
                int(path.read_text().rpartition(")")[2].split()[1]) == pid
                and b"ipykernel" in (path.parent / "cmdline").read_bytes()
            ):
                return int(path.parent.name)
        except OSError:
            continue
    return None


def again(place: Path) -> str:
    """Run the same command again until it is done, and return what it said while it could not be.

    A kernel whose parent was killed lives for a second more, and holds its claim; the message says
    so. Where results are there, nothing needs to be done.
    """
    said = ""
    for _ in range(20):
        done = run(place)
        if done.returncode == 0:
            return said
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        if "already holds another run" in done.stderr:  # it had been published
            done = subprocess.run(
                [*command(place), "--overwrite"], capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr
            return said
        said = done.stderr
        assert "being made now" in said or "is writing" in said or "holds it" in said, said
        time.sleep(1)
    raise AssertionError(said)


def main(kills: int, seed: int) -> None:
    """The campaign: every point for each victim, then kills at random moments; prints one line of
    results.
    """
    import tempfile

    chance, tally = random.Random(seed), {"killed": 0, "done before": 0, "whole": 0, "absent": 0}
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "wanted").mkdir()
        begun = time.monotonic()
        assert run(Path(home) / "wanted").returncode == 0
        length, wanted = time.monotonic() - begun, state(Path(home) / "wanted")
        plans = [(point, whom) for whom in ("all", "parent", "kernel") for point in POINTS]
        plans += [
            (chance.uniform(0, 1.1 * length), chance.choice(("all", "all", "parent", "kernel")))
            for _ in range(kills)
        ]
        for number, (when, whom) in enumerate(plans):
            place = Path(home) / str(number)
            place.mkdir()
            tally[kill_at(place, when, whom)] += 1
            tally["whole" if whole_or_absent(place) else "absent"] += 1
            again(place)
            assert state(place) == wanted, (when, whom)
            left = [
                p.name
                for p in place.iterdir()
                if p.name not in ("out", "ledger", "tmp", ".out.lock")
            ]
            assert not left, left
            subprocess.run(["rm", "-rf", place], check=True)
    print(
        f"{len(plans)} runs: {tally['killed']} killed, {tally['done before']} ended before; after"
        f" it results whole {tally['whole']}, absent {tally['absent']}, half 0; after one rerun the"
        f" same files and ledger in {len(plans)}, lost 0, twice 0"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7)
