"""The load of a moving window over 0.1 to 10 million messages, and a plan for a million contacts,
beside plain pandas.

pandas is run at the largest size that it finishes in a minute; the ratio is taken there.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from rebroadcast.engine import connect as connection
from rebroadcast.limits import limit as limit_
from rebroadcast.limits import load as loads
from rebroadcast.limits import waves

LIMIT = limit_.Limit("1001", ("1001",), 100_000)
START = datetime(2022, 1, 1, tzinfo=UTC)
PATIENCE = 60.0


def events(n: int) -> pd.DataFrame:
    """n messages over 30 days to n / 5 contacts on one channel: at (UTC), contact_id,
    channel_id.
    """
    random = np.random.default_rng(7)
    at = pd.to_datetime(START) + pd.to_timedelta(
        np.sort(random.integers(0, 30 * 86_400, n)), unit="s"
    )
    contacts = random.integers(0, n // 5, n).astype(str)
    return pd.DataFrame({"at": at, "contact_id": contacts, "channel_id": "1001"})


def ours(frame: pd.DataFrame) -> tuple[float, int]:
    """Seconds and peak load, from a Parquet file."""
    with connection.connect() as engine:
        path = engine.new_file(".parquet")
        frame.to_parquet(path)
        begin = time.perf_counter()
        load = loads.load(engine.con.read_parquet(path), [LIMIT])
        peak = int(load["load"].max().execute())
        return time.perf_counter() - begin, peak


def peer(frame: pd.DataFrame) -> tuple[float, int]:
    """The same with pandas: +1 where a contact comes into the window, -1 where it leaves, added up
    over time.
    """
    begin = time.perf_counter()
    day = pd.Timedelta(hours=24)
    frame = frame.sort_values(["contact_id", "at"])
    by = frame.groupby("contact_id")["at"]
    begins = frame["at"] - by.shift() >= day
    begins |= by.shift().isna()
    ends = by.shift(-1) - frame["at"] >= day
    ends |= by.shift(-1).isna()
    changes = pd.concat([pd.Series(1, frame["at"][begins]), pd.Series(-1, frame["at"][ends] + day)])
    peak = int(changes.groupby(level=0).sum().sort_index().cumsum().max())
    return time.perf_counter() - begin, peak


def main(sizes: list[int]) -> None:
    before, patient = None, True
    for size in sizes:
        frame = events(size)
        took, peak = ours(frame)
        line = f"load, {size:>10,} messages     ours {took:6.2f} s"
        if before:
            line += f"   growth {took / before[1]:5.1f} x for {size / before[0]:.0f} x the messages"
        if patient:
            other, peer_peak = peer(frame)
            assert peak == peer_peak, (peak, peer_peak)
            line += f"   pandas {other:6.2f} s   ratio {other / took:5.1f} x faster"
            patient = other * 12 < PATIENCE
        print(line, flush=True)
        before = (size, took)
    contacts = pd.DataFrame({"contact_id": np.arange(1_000_000).astype(str), "channel_id": "1001"})
    for size in (100_000, 1_000):
        begin = time.perf_counter()
        with connection.connect() as engine:
            path = engine.new_file(".parquet")
            contacts.to_parquet(path)
            plan = waves.plan(
                engine.con.read_parquet(path),
                [limit_.Limit("1001", ("1001",), size)],
                START + timedelta(days=31),
            )
            placed = plan.assignment.count().execute()
        print(
            f"plan, 1,000,000 contacts in {len(plan.waves):>5,} waves:"
            f" {time.perf_counter() - begin:5.2f} s ({placed:,} placed)",
            flush=True,
        )


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])
