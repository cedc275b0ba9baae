"""Warnings that a run gives by itself: too early an export, and edges that may cut a broadcast."""

from datetime import UTC, datetime, timedelta

import pytest

from conftest import HEADER, LIMIT, opened, row, typed
from rebroadcast.bench.doubts import doubts, of_files
from rebroadcast.verbs import assess, plan, summarise

EDGES = {"too early", "cut by dates", "cut at midnight"}


def told(path, **given):
    """The warnings of these kinds, by kind."""
    bench = opened({"exports": str(path), "timezone": "UTC"} | given)
    return {doubt.kind: doubt for doubt in doubts(bench.tables) if doubt.kind in EDGES}


def sent(*times):
    return [row(str(n), f"m{n}", at=at) for n, at in enumerate(times)]


@pytest.mark.parametrize(("hours", "early"), [(3, True), (-2, True), (24 * 40, False)])
def test_an_export_made_soon_after_the_broadcast_is_told(write, hours, early):
    at = datetime.now(UTC) - timedelta(hours=hours)
    found = told(write(sent(f"{at:%Y-%m-%d} 12:00:00", f"{at:%Y-%m-%d %H:%M:%S}")))
    assert ("too early" in found) == early
    if early:
        assert found["too early"].values["age"] >= timedelta()
        assert found["too early"].values["settling"] > timedelta(hours=3)
        assert "Export again later" in found["too early"].text()


BROADCAST = ("2022-01-11 10:00:00", "2022-01-11 11:00:00", "2022-01-11 12:00:00")


@pytest.mark.parametrize(
    ("dates", "cut"),
    [
        ({}, False),
        ({"from_": "2022-01-11 10:30"}, True),
        ({"to": "2022-01-11 11:30"}, True),
        ({"from_": "2022-01-11", "to": "2022-01-11"}, False),
    ],
)
def test_a_broadcast_that_the_dates_asked_for_cut_is_told(write, dates, cut):
    found = told(write(sent(*BROADCAST)), **dates)
    assert ({*found} == {"cut by dates"}) == cut and bool(found) == cut
    if cut:
        assert found["cut by dates"].values == {"n": 1}


@pytest.mark.parametrize(
    ("times", "cut"),
    [
        (("2022-01-11 00:02:00", "2022-01-11 00:40:00"), True),
        (("2022-01-11 23:10:00", "2022-01-11 23:58:00"), True),
        (("2022-01-11 00:30:00", "2022-01-11 23:20:00"), False),
        (("2022-01-11 00:00:00", "2022-01-11 00:00:00"), False),  # days without a time
    ],
)
def test_an_export_whose_edge_is_near_midnight_is_told(write, times, cut):
    found = told(write(sent(*times)))
    assert ("cut at midnight" in found) == cut
    assert not cut or "Export one day more" in found["cut at midnight"].text()


def test_what_the_dates_cut_is_told_instead_of_midnight(write):
    times = ("2022-01-11 00:02:00", "2022-01-11 01:00:00")
    assert {*told(write(sent(*times)), from_="2022-01-11 00:30")} == {"cut by dates"}


@pytest.mark.parametrize(
    ("limit", "error", "n"),
    [
        ('"unlimited"', LIMIT, 3),
        ('"unlimited"', "131026 - Message undeliverable", None),
        ("250", LIMIT, None),
    ],
)
def test_a_limit_that_the_channels_file_denies_is_told(write, tmp_path, limit, error, n):
    channels = tmp_path / "channels.toml"
    channels.write_text(f'[channel.1001]\nkind = "whatsapp"\nlimit = {limit}\n', "utf-8")
    rows = [row(str(i), f"m{i}", channel="1001", error=error) for i in range(3)]
    rows.append(row("9", "m9", channel="2002", error=LIMIT))  # of another channel
    bench = opened({"exports": str(write(rows)), "channels": str(channels), "timezone": "UTC"})
    found = {doubt.kind: doubt for doubt in doubts(bench.tables)}
    assert ("unlimited" in found) == (n is not None)
    if n:
        assert found["unlimited"].values == {"n": n}
        assert "Correct the file" in found["unlimited"].text()


@pytest.mark.parametrize(
    ("language", "one", "several"),
    [
        ("en", ("1 row of failed messages could", ": 1 date cannot"), ("2 rows of", "2 dates")),
        (
            "es",
            ("1 fila de mensajes fallidos no se pudo", ": 1 fecha no se puede"),
            ("2 filas de",),
        ),
    ],
)
def test_one_is_told_otherwise_than_several(write, language, one, several):
    good, *bad = row("1", "m1"), *(row(str(n), f"m{n}", at="2022-01-1? 18:0") for n in (2, 3))
    for rows, told in (([good, *bad[:1]], one), ([good, *bad], several)):
        bench = opened({"exports": str(write(rows)), "timezone": "UTC", "language": language})
        said = " · ".join(map(bench.reader.said, doubts(bench.tables)))
        assert all(part in said for part in told), said


@pytest.mark.parametrize(("ids", "told_"), [("1001", 0), ("1001\n2002", 0), ("1010", 1)])
def test_a_channels_file_of_other_channels_is_told(write, tmp_path, ids, told_):
    channels = tmp_path / "channels.toml"
    channels.write_text("".join(f"[channel.{one}]\nlimit = 5\n" for one in ids.split()), "utf-8")
    given = {"exports": str(write([row()])), "channels": str(channels), "timezone": "UTC"}
    found = [d.text() for d in doubts(opened(given).tables) if d.kind == "other channels"]
    assert len(found) == told_ and all("it has 1010, the export 1001." in one for one in found)


def two_broadcasts(days=(1, 2)):
    """Three failures of each of two broadcasts, a day apart."""
    return [
        row(f"{day}{n}", f"m{day}{n}", at=f"2022-03-0{day} 09:0{n}:00", content=f"Promo {day}")
        for day in days
        for n in range(3)
    ]


@pytest.mark.parametrize("command", ["broadcasts", "report", "quota"])
def test_fewer_attempted_on_a_channel_than_failed_is_refused(write, tmp_path, command):
    words = [command, write(two_broadcasts()), "--timezone", "UTC", "--attempted", "1001=4"]
    done = typed(*words, place=tmp_path)
    assert done.returncode == 2 and not (tmp_path / "results").exists()
    assert "4 attempted" in done.stderr and "6 failed" in done.stderr


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (False, "80 attempted were given for the channel, but it has 2 broadcasts"),
        (True, "80 attempted were given, 7 are in the messages export. The export is used"),
    ],
)
def test_a_stated_count_that_is_not_used_is_told(write, measured, said):
    failed = two_broadcasts()
    sent = [one[:-1] for one in failed] + [row("9", "m9", None, at="2022-03-02 09:05:00")]
    files = {"messages": str(write(sent, "messages.csv", HEADER[:-1]))} if measured else {}
    given = {"exports": str(write(failed)), "timezone": "UTC", "attempted": "1001=80"} | files
    bench = opened(given)
    found = [doubt.text() for doubt in doubts(bench.tables) if doubt.kind == "attempted"]
    assert len(found) == 1 and said in found[0]
    exact = opened(given | {"attempted": "1001=7" if measured else ""})
    assert not [doubt for doubt in doubts(exact.tables) if doubt.kind == "attempted"]


DAYS = [row(str(n), f"m{n}", at=f"2022-01-11 15:00:{n:02}") for n in range(12)]
SECOND = [row("1", "m90", at="2022-01-11 15:00:01"), row("20", "m91", at="2022-01-12 15:00:01")]


def without(rows, *names):
    """Rows, and their header, without some columns."""
    left = [n for n, name in enumerate(HEADER) if name not in names]
    return [[cells[n] for n in left] for cells in rows], [HEADER[n] for n in left]


@pytest.mark.parametrize(
    ("first", "second", "alike", "messages"),
    [
        ([], [], 0, 14),  # IDs tell the messages apart, of which five repeat
        (["Message ID"], ["Message ID"], 6, 13),
        (["Message ID"], [], 6, 13),
        ([], ["Message ID"], 6, 13),
        (["Message ID", "Content"], ["Message ID"], 6, 13),
        (["Message ID", "Date & Time"], ["Message ID", "Date & Time"], 6, 19),
    ],
)
def test_messages_without_ids_that_overlapping_files_hold_twice_count_once(
    write, first, second, alike, messages
):
    """The second file has five rows of the first, one alike but for its ID, and a new one."""
    one, two = without(DAYS, *first), without(DAYS[7:] + SECOND, *second)
    files = [str(write(rows, f"{n}.csv", header)) for n, (rows, header) in enumerate([one, two])]
    tables = opened({"exports": files, "timezone": "UTC"}).tables
    found = {doubt.kind: doubt.values["n"] for doubt in doubts(tables) if doubt.kind == "alike"}
    assert found == ({"alike": alike} if alike else {})
    assert int(tables.failed.count().execute()) == int(tables.facts["failed"]) == messages
    assert tables.repeats == 19 - messages


def test_rows_that_are_alike_in_one_file_are_messages_of_their_own(write):
    rows, header = without([*DAYS[:2], DAYS[0]], "Message ID")
    files = [str(write(some, f"{len(some)}.csv", header)) for some in (rows, rows[:2])]
    tables = opened({"exports": files, "timezone": "UTC"}).tables
    assert int(tables.failed.count().execute()) == 3
    assert {doubt.kind: doubt.values["n"] for doubt in doubts(tables)}["alike"] == 2


@pytest.mark.parametrize("columns", [[], ["Message ID"]])
def test_an_export_without_message_ids_is_not_said_to_be_cut_by_a_spreadsheet(write, columns):
    rows, header = without(DAYS[:3], *columns)
    failed = write(rows, header=header)
    sent = write(
        [[*cells[:4], f"x{cells[4]}", *cells[5:-1]] for cells in DAYS], "m.csv", HEADER[:-1]
    )
    bench = opened({"exports": str(failed), "messages": str(sent), "timezone": "UTC"})
    [said] = [doubt for doubt in doubts(bench.tables) if doubt.kind == "ids do not match"]
    assert said.values == {"n": 3, "contacts": 3}
    assert ("spreadsheet" in said.text()) == (not columns)


@pytest.mark.parametrize(
    ("errors", "silent"),
    [
        (["", LIMIT, ""], 2),
        (["-", "N/A", "null", "#NAME?", "#¿NOMBRE?", "#DIV/0!", "n/d"], 7),
        ([LIMIT, "Línea dada de baja", "未送达", "#131026", "30003", "None of these"], 0),
        (["", *[LIMIT] * 19], 1),
        (["", *[LIMIT] * 20], 0),  # fewer than one in twenty
    ],
)
def test_failures_without_a_reason_are_told_where_they_are_many(write, errors, silent):
    path = write([row(str(n), f"m{n}", error) for n, error in enumerate(errors, 1)])
    bench = opened({"exports": str(path), "timezone": "UTC"})
    found = {doubt.kind: doubt for doubt in doubts(bench.tables)}
    assert (found["no reason"].weight if "no reason" in found else 0) == silent


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cause": "quotas"}, "has cause 'quotas'. Did you mean 'quota'? Present: quota, unreach"),
        ({"cause": "media"}, "has cause 'media'. Present: quota, unreachable."),
        ({"verdict": "retry"}, "has verdict 'retry'. Present: unknown, wait."),
        ({"sender_type": "brodcast"}, "'brodcast'. Did you mean 'broadcast'? Present: broadcast."),
        ({"cause": "quota", "from_": "2022-02-01"}, "is left for from 2022-02-01, cause quota"),
    ],
)
def test_a_filter_that_no_failure_fits_is_answered_with_what_there_is(write, asked, said):
    path = write([row("1", "m1"), row("2", "m2", "(#131026) Message undeliverable")])
    words = [f"--{name.strip('_').replace('_', '-')}={value}" for name, value in asked.items()]
    done = typed("recover", path, "--tag", "t", "--timezone", "UTC", "--dry-run", *words)
    assert done.returncode == 2 and said in done.stderr


def of_days(write, failed_form, messages_form, window="24h"):
    """A workbench over a broadcast of an evening that filled its limit: 6 were reached, 4 not, and
    the dates of each export are written in a form.
    """
    at = [datetime(2022, 1, 11, 20, 0, second) for second in range(10)]
    rows = [row(str(n), f"m{n}", at=f"{when:%F %T}") for n, when in enumerate(at)]
    failed, sent = (
        [[f"{datetime.fromisoformat(cells[0]):{form}}", *cells[1:]] for cells in part]
        for form, part in ((failed_form, rows[6:]), (messages_form, rows))
    )
    channels = write([], "channels.toml", header=[])
    channels.write_text(
        'timezone = "UTC"\n[channel.1001]\nname = "W"\nkind = "whatsapp"\n'
        f'limit = 6\nwindow = "{window}"\n'
    )
    given = {"exports": str(write(failed)), "channels": str(channels)}
    if messages_form:
        path = write([cells[:-1] for cells in sent], "messages.csv", HEADER[:-1])
        given["messages"] = str(path)
    return opened(given | {"tag": "t {wave}", "start": "2022-01-12 00:30"})


@pytest.mark.parametrize(
    ("failed", "messages", "window", "first"),
    [
        ("%F", "%F", "24h", "2022-01-13 00:00"),
        ("%F", "", "24h", "2022-01-13 00:00"),
        ("%F %T", "%F", "24h", "2022-01-13 00:00"),
        ("%d %b %Y", "%F %T", "24h", "2022-01-12 20:01"),
        ("%F %T", "%F %T", "24h", "2022-01-12 20:01"),
        ("%F", "%F", "day", "2022-01-12 00:30"),
        ("%F", "", "day", "2022-01-12 00:30"),
    ],
)
def test_a_wave_waits_for_the_end_of_a_day_without_a_time(write, failed, messages, window, first):
    bench = of_days(write, failed, messages, window)
    assessed = assess.assess(bench.settings, bench.tables)
    planned = plan.plan(bench.settings, bench.tables, bench.tables.audience, assessed)
    assert [f"{at:%F %H:%M}" for at in planned.waves["start"]] == [first]
    assert planned.waves["size"].tolist() == [4]
    told = {doubt.kind for doubt in of_files(bench.tables)}
    assert ("dates without a time" in told) == (not "%F %T" == failed == messages)
    assert "clock" not in told


@pytest.mark.parametrize("failed", ["%F", "%d.%m.%Y", "%F 00:00:00"])
def test_failures_of_days_take_the_times_of_the_messages_export(write, failed):
    bench = of_days(write, failed, "%F %T")
    told = summarise.summarise(bench.settings, bench.tables).broadcasts
    assert told[["attempted", "delivered", "failed"]].to_numpy().tolist() == [[10, 6, 4]]
    assert f"{told['first'].iloc[0]:%F %T}" == "2022-01-11 20:00:00"


@pytest.mark.parametrize(
    ("failed", "messages", "days", "reached"),
    [
        ("%F", "%F", 0, 1),  # on the same day
        ("%F %T", "%F", 0, 1),
        ("%F", "%F", 2, 1),
        ("%F", "%F", -2, 0),
    ],
)
def test_a_resend_of_a_day_without_a_time_reaches(write, failed, messages, days, reached):
    at, again = datetime(2022, 1, 11, 10), datetime(2022, 1, 11, 12) + timedelta(days=days)
    rows = [row(str(n), f"m{n}", at=f"{at:{failed}}") for n in range(4)]
    sent = [[f"{at:{messages}}", *cells[1:-1]] for cells in rows]
    sent += [row("0", "again", None, at=f"{again:{messages}}")]
    given = {"exports": str(write(rows)), "timezone": "UTC"}
    given["messages"] = str(write(sent, "messages.csv", HEADER[:-1]))
    tables = opened(given).tables
    fates = tables.fates.disposition.value_counts().to_pandas()
    assert dict(fates.itertuples(index=False)).get("reached_later", 0) == reached
