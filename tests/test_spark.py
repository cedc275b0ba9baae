"""The same answers from a cluster: a real Spark master and two workers on this machine, held
against DuckDB.
"""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import started
from conftest import BLOCKED, HEADER, LIMIT, ROOT, SAMPLES, few_first, long, row
from rebroadcast.bench import workbench
from rebroadcast.common.exceptions import ParameterError
from rebroadcast.common.masking import mask, mask_expr
from rebroadcast.engine import connect as connection
from rebroadcast.engine import engine as engines
from rebroadcast.explorer import selection
from rebroadcast.ledger.ledger import open_ledger
from rebroadcast.limits import limit as limit_
from rebroadcast.limits import load as loads
from rebroadcast.limits import overflow as overflows
from rebroadcast.reading import exports
from rebroadcast.verbs import assess as assessing
from rebroadcast.verbs import check, convert
from rebroadcast.verbs import plan as planning
from rebroadcast.verbs import recover as recovering
from rebroadcast.verbs import summarise as summaries

pyspark = pytest.importorskip(
    "pyspark", reason="the tests on a cluster need pyspark: pip install -e '.[spark]'"
)
pytestmark = pytest.mark.skipif(
    not shutil.which("java"), reason="the tests on a cluster need Java: sh tests/system.sh"
)
ZONE = "America/New_York"
READ_ONCE = ("export", "messages", "contacts", "groups", "all_failed")
QUICK = "\n".join(
    [
        "spark.ui.enabled false",
        *(  # to start with
            f"spark.{p}.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
            for p in ("driver", "executor")
        ),
    ]
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    with started(tmp_path_factory.mktemp("cluster"), options=QUICK) as found:
        yield found


@pytest.fixture(scope="session")
def spark(cluster):
    with connection.connect(cluster[0]) as opened:
        yield opened


@pytest.fixture(scope="session")
def duck():
    with connection.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """Failed messages as they come: repeated contacts, quoted line breaks, accents, hours that come
    twice, bad rows.
    """
    path, dice = tmp_path_factory.mktemp("generated") / "failed.csv", random.Random(7)
    told = [
        LIMIT,
        BLOCKED,
        "(#131026) Message undeliverable to +52 55 1234 {n}",
        "(#131049) not delivered, «así»\r\nwamid.HBgM{n}",
        "Carrier said: ruta no válida {n}",
        "21610 - Attempt to send to unsubscribed recipient",
        "🚫 código{n}é2022-01-01",
        "",
    ]
    begin = datetime(2022, 11, 6, 3, 30)  # with New York's change of clocks, at 2:00 back to 1:00
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(HEADER)
        for n in range(8_000):
            contact = f"{dice.randrange(2_800):08}" if n % 97 else "1.0E+08"
            at = begin - timedelta(seconds=dice.randrange(4 * 3600))
            error = dice.choice(told).format(n=dice.randrange(1000, 1400))
            out.writerow(
                row(
                    contact,
                    str(n),
                    error,
                    f"{at:%Y-%m-%d %H:%M:%S}",
                    dice.choice(["1001", "1002", "2001"]),
                    dice.choice(["broadcast", "broadcast", "user"]),
                    'Hola,\n"ya"',
                )
            )
    return path


def same(ours: pd.DataFrame, theirs: pd.DataFrame, *order) -> None:
    """Hold two frames equal, row by row and kind by kind, in their order or that of some
    columns.
    """
    ours, theirs = (
        (f.sort_values([*order], ignore_index=True) if order else f) for f in (ours, theirs)
    )
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_read(duck, spark, generated):
    for path, kind in (
        (generated, "failed"),
        *(
            (SAMPLES / f"{n}.csv", k)
            for n, k in (
                ("failed_messages", "failed"),
                ("messages", "messages"),
                ("contacts", "contacts"),
            )
        ),
    ):
        ours, theirs = (exports.read(e, str(path), kind, ZONE) for e in (duck, spark))
        assert ours.rows == theirs.rows and ours.table.schema() == theirs.table.schema()
        same(ours.table.to_pandas(), theirs.table.to_pandas(), "row_id")
        same(ours.rejected, theirs.rejected)


@pytest.fixture(scope="session")
def parquet(generated, tmp_path_factory):
    """The generated export and the samples, as `convert` writes them; parts small enough to be
    several.
    """
    out = tmp_path_factory.mktemp("parquet")
    convert.convert(str(generated), out / "generated", most=2_400)
    samples = [str(SAMPLES / f"{n}.csv") for n in ("failed_messages", "messages", "contacts")]
    convert.convert(samples, out / "samples", most=1_000)
    return out


@long
def test_read_parquet(duck, spark, generated, parquet):
    ours, theirs = (
        exports.read(duck, str(generated), timezone=ZONE),
        exports.read(spark, str(parquet / "generated"), timezone=ZONE),
    )
    assert ours.rows == theirs.rows and len(theirs.sources) == 5
    same(ours.table.drop("row_id").to_pandas(), theirs.table.drop("row_id").to_pandas(), "row")
    assert theirs.table.row_id.nunique().execute() == theirs.rows
    same(ours.rejected.sort_values(["file", "line"]), theirs.rejected)
    for kind in ("messages", "contacts"):
        ours, theirs = (
            exports.read(e, str(parquet / "samples"), kind, ZONE) for e in (duck, spark)
        )
        same(ours.table.to_pandas(), theirs.table.to_pandas(), "row_id")


def test_read_parquet_of_others(duck, spark, tmp_path):
    """Instants, wall clocks, and the ways in which people write dates, in several files."""
    when = pd.DataFrame({"Contact ID": ["1", "2", "1E+08"], "Error": ["x"] * 3})
    stamps = pd.to_datetime(["2022-11-06 05:30:00", None, "2022-11-06 06:30:00"])
    written = [
        "2022-11-06 01:30",
        "2022-11-06T06:30:00Z",
        "13/03/2022 2:30 PM",
        "2022-03-13 02:30:00.123",
        "2022/11/6 1:05 a.m.",
        "soon",
        "",
        "2022-11-06 01:30:00+01:00",
        "2022-11-06 25:00:00",
    ]
    texts_ = pd.DataFrame(
        {"Contact ID": [str(n) for n in range(9)], "Error": ["x"] * 9, "Date & Time": written}
    )
    for name, frames in {
        "utc": [when.assign(Time=stamps.tz_localize("UTC"))] * 2,
        "wall": [when.assign(Time=stamps)],
        "text": [texts_],
    }.items():
        for n, frame in enumerate(frames):
            frame.assign(Content=str(n)).to_parquet(tmp_path / f"{name} [1]-{n}.parquet")
        ours, theirs = (
            exports.read(e, str(tmp_path / f"{name} [[]1]*"), timezone=ZONE) for e in (duck, spark)
        )
        same(ours.table.to_pandas(), theirs.table.to_pandas(), "row_id")
        same(ours.rejected, theirs.rejected)
    assert ours.rows == 6 and set(ours.rejected["reason"]) == {"a date that cannot be read"}


def masked(spark, written):
    frame = pd.DataFrame({"n": range(len(written)), "text": written}).astype({"text": "str"})
    return ibis.memtable(frame).pipe(lambda t: t.select("n", masked=mask_expr(t.text)))


def test_mask(duck, spark):
    with (ROOT / "tests" / "data" / "error_examples.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        written = [r["text"] for r in csv.DictReader(file)]
    ours, theirs = (e.con.to_pyarrow(masked(e, written)).to_pandas() for e in (duck, spark))
    same(ours, theirs, "n")
    assert ours.sort_values("n")["masked"].tolist() == [mask(text) for text in written]


ERRORS = st.lists(
    st.text(
        st.sampled_from("aé_ß.:+-@/=()[]{}Tt $^\\'\"\n\r\t\v\u2028🚫0123456789ABCDEFabcdef"),
        max_size=60,
    ),
    min_size=100,
    max_size=300,
)


@settings(max_examples=8, deadline=None)
@given(ERRORS)
def test_mask_of_any_text(duck, spark, written):
    same(*(e.con.to_pyarrow(masked(e, written)).to_pandas() for e in (duck, spark)), "n")


@pytest.fixture(scope="session")
def benches(duck, spark, generated, parquet, tmp_path_factory):
    """Make a workbench on each engine: on CSV with DuckDB, on converted Parquet with Spark; each
    file is read once.
    """
    read = {}

    def make(data, notebook="", **given):
        found = []
        for engine, name in ((duck, "duck"), (spark, "spark")):
            files = (
                {"exports": str(generated)}
                if data == "generated"
                else {
                    k: str(SAMPLES / f"{v}.csv")
                    for k, v in {
                        "exports": "failed_messages",
                        "messages": "messages",
                        "contacts": "contacts",
                    }.items()
                }
            )
            if engine is spark:
                files = dict.fromkeys(files, str(parquet / data))
            channels = (
                {"channels": str(SAMPLES / "channels.toml")}
                if data == "samples"
                else {"timezone": ZONE}
            )
            own = {
                k: v.replace("{engine}", name) if isinstance(v, str) else v
                for k, v in given.items()
            }
            bench = workbench.open(files | channels | own, notebook)
            inputs = bench.inputs
            inputs.__dict__["engine"] = engine
            if (key := (data, name)) not in read:
                read[key] = {n: getattr(inputs, n) for n in READ_ONCE}
            inputs.__dict__.update(read[key])
            found.append(bench)
        return found

    return make


@pytest.mark.parametrize("data", few_first(["samples", "generated"], 1))
def test_classify(benches, data):
    ours, theirs = (b.inputs.all_failed.drop("row_id") for b in benches(data))
    # DuckDB keeps long IDs as numbers, and their texts beside them.
    assert {*ours.columns} - {*theirs.columns} <= {"contact_text", "message_text"}
    same(ours.select(theirs.columns).to_pandas(), theirs.to_pandas(), "source_file", "row")


@long
def test_summaries(benches):
    for data in ("generated", "samples"):
        ours, theirs = benches(data)
        found = [summaries.summarise(b.settings, b.tables) for b in (ours, theirs)]
        for name in ("broadcasts", "errors", "causes", "channels", "where", "times", "unknown"):
            same(*(getattr(one, name) for one in found))
        assert found[0].recoverable == found[1].recoverable
        # Dates were read when the files were converted; what was rejected then is said here, too.
        told = [{(d.kind, d.weight) for d in one.doubts if d.kind != "dates"} for one in found]
        assert told[0] == told[1]
        assert ours.tables.repeats == theirs.tables.repeats


def test_the_explorer_asks_a_cluster_too(benches):
    ours, theirs = (selection.prepare(b) for b in benches("samples"))
    assert ours.options == theirs.options and ours.total == theirs.total
    for asked in (
        selection.Filters(),
        selection.Filters(
            channel=("1001",), cause=("quota",), from_="2022-01-11 15:10", text="it's"
        ),
        selection.Filters(verdict=("wait", "fix"), text="Limit", sender_type=("broadcast",)),
    ):
        found = [selection.frames(p, asked) for p in (ours, theirs)]
        for name, columns in (
            ("causes", ["cause", "verdict"]),
            ("errors", ["channel_id", "error"]),
            ("times", ["cause", "hour"]),
        ):
            same(*(f[name] for f in found), *columns)
        pages = [
            [row | {"row_id": 0} for row in selection.page(p, asked, sort="message_id")]
            for p in (ours, theirs)
        ]
        assert pages[0] == pages[1]


@long  # of `make test`, test_recover_and_check plans waves
def test_limits(benches):
    ours, theirs = benches(
        "samples", channel="1001", start="2022-01-12 15:00"
    )  # else it is the minute in which each is asked
    pair = (ours, theirs)
    found = [assessing.assess(b.settings, b.tables) for b in pair]
    assert found[0].basis == found[1].basis == "measured"
    for name in ("windows", "tiers", "stated"):
        same(*(getattr(one, name) for one in found))
    same(found[0].reached, found[1].reached)
    same(*(f.load.to_pandas() for f in found), "limit", "at")
    same(*(loads.capacity(f.load, f.limits, datetime(2022, 1, 11, 22, tzinfo=UTC)) for f in found))
    same(*(overflows.infer(b.tables.broadcasts) for b in pair))
    asked = [
        (b.settings, b.tables, planning.covered(b.tables.audience, f), f)
        for b, f in zip(pair, found, strict=True)
    ]
    plans = [planning.plan(*one) for one in asked]
    same(plans[0].waves, plans[1].waves)
    same(*(p.assignment.to_pandas() for p in plans), "contact_id", "channel_id")
    same(*(planning.scenarios(*one) for one in asked))


@pytest.mark.parametrize("data", few_first(["samples", "generated"], 1))
def test_load(benches, data):
    windows = (
        limit_.Window(),
        limit_.Window("day", None, ZONE),
        limit_.Window("month", None, "UTC"),
    )
    limit = [limit_.Limit(w.kind, ("1001", "1002"), 900, w) for w in windows]
    ours, theirs = benches(data)
    measured = []
    for bench in (ours, theirs):
        events = bench.inputs.all_failed.select("contact_id", "channel_id", at="sent_at")
        measured.append(bench.tables.engine.keep(loads.load(events, limit)))
    same(*(load.to_pandas() for load in measured), "limit", "at")
    same(*(loads.reached(load, limit) for load in measured))


def results(bench, folder):
    """What a recovery wrote: dispositions row by row, import files byte by byte."""
    rows = bench.tables.engine.con.read_parquet(
        engines.reader_path(folder / "data" / "dispositions.parquet")
    ).to_pandas()
    return rows, {p.name: p.read_bytes() for p in sorted((folder / "import").iterdir())}


def hold_equal(ours, theirs, folder):
    """Recover on both engines, and hold all that they wrote equal."""
    pair = (ours, theirs)
    found = [recovering.recover(b.settings, b.tables, b.results) for b in pair]
    records = [b.finish(one) for b, one in zip(pair, found, strict=True)]
    assert (
        records[0]["counts"] == records[1]["counts"] and records[0]["waves"] == records[1]["waves"]
    )
    assert found[0].files == found[1].files and found[0].missing == found[1].missing
    same(found[0].flow, found[1].flow)
    same(found[0].fix, found[1].fix)
    (rows, files), (rows_, files_) = (
        results(ours, folder / "duck"),
        results(theirs, folder / "spark"),
    )
    assert files == files_ and files
    same(rows, rows_, "source_file", "row", "line")
    same(
        rows[rows["disposition"] != "rejected"], rows_[rows_["disposition"] != "rejected"]
    )  # in the files' order
    ledgers = [
        open_ledger(folder / f"ledger {name}").tagged(b.tables.engine.con)
        for name, b in (("duck", ours), ("spark", theirs))
    ]
    tagged = (t.drop("run_id").to_pandas() for t in ledgers)
    same(*tagged, "contact_id", "channel_id")
    for bench, ledger in ((ours, "spark"), (theirs, "duck")):  # each reads what the other wrote
        frame = (
            open_ledger(folder / f"ledger {ledger}")
            .tagged(bench.tables.engine.con)
            .drop("run_id")
            .to_pandas()
        )
        same(frame, ledgers[0].drop("run_id").to_pandas(), "contact_id", "channel_id")


def test_recover_and_check(benches, tmp_path):
    out = {
        "out": str(tmp_path / "{engine}"),
        "ledger": str(tmp_path / "ledger {engine}"),
    }
    hold_equal(
        *benches(
            "samples",
            tag="again",
            channel="1001",
            waves=True,
            reserve="900",
            start="2022-01-13 09:00",
            **out,
        ),
        tmp_path,
    )
    found = []
    after = {
        k: str(SAMPLES / "after_resend" / f"{n}.csv")
        for k, n in (("exports", "failed_messages"), ("messages", "messages"))
    }
    for bench in benches("samples", notebook="recovery_check", ledger=out["ledger"]):
        asked = workbench.open(dict(bench.settings.stated) | after, "recovery_check")
        asked.inputs.__dict__["engine"] = bench.tables.engine
        found.append(check.check(asked.settings, asked.tables))
    ours, theirs = found
    # These were due on the 13th, and the exports begin on the day of the resend.
    assert {"reached", "failed_again", "not_known"} <= set(ours.outcomes["outcome"])
    same(ours.outcomes.drop(columns="run_id"), theirs.outcomes.drop(columns="run_id"))
    same(ours.again, theirs.again)
    same(ours.runs.drop(columns="run_id"), theirs.runs.drop(columns="run_id"))
    assert ours.horizon == theirs.horizon


def test_import_file(duck, spark, tmp_path):
    """The same bytes, whatever a contact's tags are."""
    tags = [
        "a",
        "a,b",
        'say "hi"',
        " padded ",
        "#1",
        "año 🚫",
        "semi;colon",
        "it's",
        "\\",
        "tab\tbed",
        '"',
        "-",
        "'=1",
        "1\n2",
        "1#",
        "NULL",
        "",
    ]
    rows = ibis.memtable(
        {"Contact ID": [str(n) for n in range(len(tags))][::-1], "Tags": tags}
    ).order_by("Contact ID")
    for engine, name in ((duck, "a.csv"), (spark, "b.csv")):
        engine.to_csv(engine.adopt(rows) if engine is duck else rows, tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_claim(spark, tmp_path):
    """Two runs on the cluster never tag a contact twice."""
    ledger, now = open_ledger(tmp_path / "ledger"), datetime(2022, 1, 12, tzinfo=UTC)
    people = ibis.memtable({"contact_id": ["1", "2", "3"], "wave": [1, 1, 2]}).mutate(
        channel_id=ibis.literal("1001"),
        tag=ibis.literal("t"),
        cause=ibis.literal("quota"),
        due_at=ibis.literal(now).cast("timestamp('UTC')"),
    )
    first = ledger.claim(spark.con, "first", people.filter(people.wave == 1), "monday", now)
    assert first.rows == 2
    assert ledger.tagged(spark.con, "monday").count().execute() == 2  # claimed, not confirmed
    ledger.confirm("first")
    assert ledger.claim(
        spark.con, "second", people, "monday", now
    ).table.contact_id.to_pandas().tolist() == ["3"]
    assert ledger.claim(spark.con, "first", people, "monday", now).repeated


def test_urls(monkeypatch):
    for url in ("sparc://host:7077", "spark://host", "local[x]", "yarn"):
        with pytest.raises(ParameterError, match="expected duckdb, local"):
            connection.connect(url)
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match="pip install"):
        connection.connect("local[2]")


def test_another_master(spark):
    with pytest.raises(ParameterError, match="Spark runs on"):
        connection.connect("local[2]")


@pytest.mark.parametrize(
    ("env", "url", "said"),
    [
        ({}, "spark://127.0.0.1:9", "No Spark master answers"),
        ({"PATH": "", "JAVA_HOME": ""}, "local[2]", "Java 17 or newer"),
    ],
)
def test_what_is_missing(env, url, said):
    code = (
        "from rebroadcast.common import exceptions\nfrom rebroadcast.engine import connect\n"
        f"try: connect.connect({url!r})\nexcept exceptions.ParameterError as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | env,
        timeout=300,
    )
    assert said in done.stdout and not done.stderr and done.stdout.count("\n") == 1


@long
def test_a_worker_is_killed(benches, cluster, spark, tmp_path):
    """The run goes on with the worker that is left, and comes to the same result."""
    tracker, victim, killed = spark.con._session.sparkContext.statusTracker(), cluster[1][0], []
    ours, theirs = benches(
        "generated",
        tag="again {channel}",
        fixed="window",
        sender_type="user",
        channel="1001,1002",
        start="2022-11-07 09:00",
        out=str(tmp_path / "{engine}"),
        ledger=str(tmp_path / "ledger {engine}"),
    )

    def kill():
        for _ in range(60_000):
            if len(tracker.getActiveStageIds()):
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.wait())
                return
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    hold_equal(ours, theirs, tmp_path)
    killer.join()
    assert killed == [-signal.SIGKILL]
