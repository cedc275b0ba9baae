"""The same work written by hand: python benchmarks/peers.py pandas|polars|floor EXPORT OUT.

Every column is read as text; each distinct error text is masked with this library's pattern and
given the verdict of the first phrase of `generate.ERRORS` that it holds; counts go to
error-by-channel.csv and by-hour.csv; a contact with any `never` on a channel (each has one
broadcast) is left out there, otherwise its latest failure decides, and of those of one second the
most careful; dispositions.parquet has a line per row, import.csv the contacts to tag. They check
nothing: neither damaged rows nor IDs, dates of one kind only. `floor` is DuckDB parsing every
column once.
"""

import re
import sys
import tempfile
from pathlib import Path

import generate

from rebroadcast.common.masking import MASK_PATTERN, MASK_TOKEN

PHRASES = [(phrase, verdict) for _, _, phrase, verdict in generate.ERRORS]
ID, SENT, CHANNEL, ERROR = "Contact ID", "Date & Time", "Channel ID", "Error"
FATES = {"never": "never", "fix": "fix_first", "unknown": "unknown", "wait": "tagged"}
CARE = {"wait": 0, "unknown": 1, "fix": 2, "never": 3}
KEPT = [ID, CHANNEL, "Message ID", "at", "verdict", "disposition"]


def with_pandas(path: str, out: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    texts = pd.Series(frame[ERROR].unique())
    known = pd.DataFrame(
        {
            ERROR: texts,
            "masked": texts.str.replace(re.compile(MASK_PATTERN), MASK_TOKEN, regex=True),
        }
    )
    known["verdict"] = ""
    for phrase, verdict in reversed(PHRASES):
        known.loc[known["masked"].str.contains(phrase, regex=False), "verdict"] = verdict
    frame = frame.merge(known, on=ERROR, how="left")
    frame["at"] = pd.to_datetime(frame[SENT])
    frame.groupby([CHANNEL, "masked"]).size().to_csv(out / "error-by-channel.csv")
    frame.groupby([frame["at"].dt.floor("h"), "masked"]).size().to_csv(out / "by-hour.csv")
    frame["care"] = frame["verdict"].map(CARE)
    ordered = frame.sort_values(["at", "care"], kind="stable")
    latest = ordered.drop_duplicates([ID, CHANNEL], keep="last").index
    refused = (frame["verdict"] == "never").groupby([frame[ID], frame[CHANNEL]])
    never = refused.transform("max")
    frame["disposition"] = frame["verdict"].map(FATES).where(~never, "never")
    frame["disposition"] = frame["disposition"].where(frame.index.isin(latest), "repeated")
    frame[KEPT].to_parquet(out / "dispositions.parquet")
    tagged = frame.loc[frame["disposition"] == "tagged", [ID]].sort_values(ID)
    tagged.assign(Tags="failed 100122").to_csv(out / "import.csv", index=False)


def with_polars(path: str, out: Path) -> None:
    import polars as pl

    rows = pl.scan_csv(path, infer_schema=False).select(
        ID, CHANNEL, "Message ID", ERROR, at=pl.col(SENT).str.to_datetime("%Y-%m-%d %H:%M:%S")
    )
    read = Path(tempfile.gettempdir()) / "rows.parquet"
    rows.sink_parquet(read, compression="uncompressed")
    rows = pl.scan_parquet(read).with_row_index("row")
    texts = rows.select(pl.col(ERROR).unique()).collect(engine="streaming")
    masked = pl.col(ERROR).str.replace_all(MASK_PATTERN, MASK_TOKEN)
    verdict = pl.coalesce(
        *(
            pl.when(pl.col("masked").str.contains(p, literal=True)).then(pl.lit(v))
            for p, v in PHRASES
        )
    )
    known = texts.with_columns(masked=masked).with_columns(verdict=verdict).lazy()
    care = pl.col("verdict").replace_strict(CARE, return_dtype=pl.Int64)
    order = (pl.col("at").dt.epoch("s") * 4 + care) * 2**29 + pl.col("row").cast(pl.Int64)
    rows = rows.join(known, on=ERROR, how="left").with_columns(order=order)
    fates = rows.group_by(ID, CHANNEL).agg(
        never=(pl.col("verdict") == "never").any(), last=pl.col("order").max()
    )
    fate = (
        pl.when("never")
        .then(pl.lit("never"))
        .otherwise(pl.col("verdict").replace_strict(FATES, return_dtype=pl.String))
    )
    done = rows.join(fates, on=[ID, CHANNEL], how="left").with_columns(
        disposition=pl.when(pl.col("order") != pl.col("last"))
        .then(pl.lit("repeated"))
        .otherwise(fate)
    )
    counts = [
        rows.group_by(CHANNEL, "masked").len(),
        rows.group_by(pl.col("at").dt.truncate("1h"), "masked").len(),
    ]
    for name, found in zip(
        ("error-by-channel", "by-hour"), pl.collect_all(counts, engine="streaming"), strict=True
    ):
        found.write_csv(out / f"{name}.csv")
    done.select(KEPT).sink_parquet(out / "dispositions.parquet", engine="streaming")
    tagged = (
        pl.scan_parquet(out / "dispositions.parquet")
        .filter(pl.col("disposition") == "tagged")
        .select(ID)
    )
    tagged.sort(ID).with_columns(Tags=pl.lit("failed 100122")).sink_csv(out / "import.csv")
    read.unlink()


def floor(path: str, out: Path) -> None:
    import duckdb

    names = duckdb.sql(f"SELECT * FROM read_csv('{path}', all_varchar = true) LIMIT 0").columns
    lengths = ", ".join(f'sum(strlen("{name}"))' for name in names)
    duckdb.sql(f"SELECT {lengths} FROM read_csv('{path}', all_varchar = true)").fetchall()


if __name__ == "__main__":
    {"pandas": with_pandas, "polars": with_polars, "floor": floor}[sys.argv[1]](
        sys.argv[2], Path(sys.argv[3])
    )
