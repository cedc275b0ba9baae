"""The explorer's filters at 0.1 and 1 million messages, beside the same filter and group-bys on a
pandas copy, in turn.

A change of the filters answers with the counts of all figures and the first page of messages. The
peer is what a notebook would do: the classified messages in one DataFrame, a mask, three group-bys
and the 15 newest. Both have read and classified the export before; their answers are compared. Then
the whole change as the explorer does it, figures drawn.
"""

import statistics
import sys
import tempfile
import time
from datetime import datetime
from itertools import cycle, islice, product
from pathlib import Path

import pandas as pd
from generate import generate

from rebroadcast.explorer import explorer, selection
from rebroadcast.explorer.selection import Filters
from rebroadcast.verbs.summarise import time_unit

CHANGES = 30


def changes(prepared: selection.Prepared) -> list[Filters]:
    """Some 30 changes, one after the other: causes, verdicts, channels, hours, words and pairs of
    them.
    """
    first, last = (datetime.fromisoformat(str(f)[:13]) for f in span(prepared))
    hours = [f"{first + (last - first) * part / 4:%Y-%m-%d %H}:00" for part in range(4)]
    one = [Filters(cause=(c,)) for c in prepared.options["cause"]] + [
        Filters(verdict=(v,)) for v in prepared.options["verdict"]
    ]
    one += [Filters(channel=(c,)) for c in prepared.options["channel"]] + [
        Filters(from_=h) for h in hours
    ]
    one += [Filters(text=t) for t in ("limit", "131026", "template", "blocked")] + [Filters()]
    pairs = product(prepared.options["cause"][:4], prepared.options["channel"][:3])
    return list(
        islice(cycle(one + [Filters(cause=(a,), channel=(b,)) for a, b in pairs]), CHANGES + 1)
    )


def span(prepared: selection.Prepared) -> list:
    at = prepared.cells.local_at
    return [at.min().execute(), at.max().execute()]


def ours(prepared: selection.Prepared, filters: Filters) -> tuple:
    found = selection.frames(prepared, filters)
    return found["causes"], found["errors"], found["times"], selection.page(prepared, filters)


def peer(frame: pd.DataFrame, filters: Filters) -> tuple:
    def passes(cause: bool = True) -> pd.DataFrame:
        mask = pd.Series(True, frame.index)
        for column, values in (
            ("cause", filters.cause if cause else ()),
            ("verdict", filters.verdict),
            ("channel_id", filters.channel),
        ):
            if values:
                mask &= frame[column].isin(values)
        if filters.from_:
            mask &= frame["local_at"] >= filters.from_
        if filters.text:
            mask &= frame["masked"].str.lower().str.contains(filters.text.lower(), regex=False)
        return frame[mask]

    shown = passes()
    causes = (passes(cause=False) if filters.cause else shown).groupby(["cause", "verdict"]).size()
    errors = shown.groupby(["channel_id", "masked"]).size()
    hours = shown["local_at"].dt.floor("h")
    unit = time_unit(hours.max() - hours.min()) if len(hours) else "hour"
    times = shown.groupby(
        ["cause", shown["local_at"].dt.floor({"minute": "min", "hour": "h", "day": "D"}[unit])]
    ).size()
    return causes, errors, times, shown.nlargest(selection.PAGE, "local_at")


def agree(a: tuple, b: tuple) -> None:
    for mine, other in zip(a[:3], b[:3], strict=True):
        assert mine["failed"].sum() == other.sum() and len(mine) == len(other), (mine, other)
    assert [row["local_at"] for row in a[3]] == b[3]["local_at"].dt.to_pydatetime().tolist()


def seconds(action, *words) -> tuple[float, object]:
    begin = time.perf_counter()
    found = action(*words)
    return time.perf_counter() - begin, found


def measure(size: int, folder: Path) -> None:
    face = explorer.Explorer(
        {"exports": str(generate(size, folder / f"{size}.csv")), "timezone": "UTC"}
    )
    loaded, _ = seconds(face.load, face.given)
    frame = face.prepared.rows.to_pandas()
    times = []
    for filters in changes(face.prepared):
        mine, a = seconds(ours, face.prepared, filters)
        other, b = seconds(peer, frame, filters)
        agree(a, b)
        wanted = {n: getattr(filters, n) for n in selection.NAMES} | {
            "from_": filters.from_ and datetime.fromisoformat(filters.from_)
        }
        face.choose(draw=False, **wanted)
        times.append((mine, other, seconds(face.draw)[0]))
    engine, pandas, whole = ([t[i] for t in times[1:]] for i in range(3))
    ratio = statistics.median(p / e for e, p, _ in times[1:])
    worst = [statistics.quantiles(part, n=20)[-1] for part in (engine, pandas, whole)]
    middle = [statistics.median(part) for part in (engine, pandas, whole)]
    print(
        f"{size:>10,} messages, opened in {loaded:5.1f} s; median (95th percentile) of {CHANGES}"
        f" changes:\n           ours {middle[0]:.3f} s ({worst[0]:.3f})   pandas {middle[1]:.3f} s"
        f" ({worst[1]:.3f})   {ratio:.1f} x faster; with figures drawn {middle[2]:.3f} s"
        f" ({worst[2]:.3f})",
        flush=True,
    )
    face.prepared.bench._stack.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for rows in [int(a) for a in sys.argv[1:]] or [100_000, 1_000_000]:
            measure(rows, Path(scratch))
