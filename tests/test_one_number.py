"""How many can be reached again is one number, wherever it is said, and it is the right one."""

import csv
import json
import random
from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from conftest import BLOCKED, HEADER, LIMIT, few_first, long
from months import month
from rebroadcast import cli
from rebroadcast.bench import workbench
from rebroadcast.explorer import selection
from rebroadcast.report import frame, quota_overflow
from rebroadcast.verbs import assess, check, plan, recover, summarise

PAUSED = "(#132015) Template is paused"
SEEDS = range(101, 113)  # with a messages export, and without
CHANNELS = "".join(f'[channel.{c}]\nname = "N{c}"\nlimit = 100\n' for c in (1001, 1002, 2001))


class World:
    """A generated month as files, and what is right for it: the contacts to reach again of each
    broadcast (by number), counted in plain Python.
    """

    def __init__(self, seed, folder):
        self.month, self.dice = month(seed), random.Random(seed)
        self.with_messages = seed % 3 > 0
        self.errors = {
            message: self.dice.choices([LIMIT, BLOCKED, PAUSED], [8, 1, 1])[0]
            for message in sorted(self.month.failed)
        }
        self.given = {"channels": self._write(folder / "channels.toml", CHANNELS)}
        failed = [r for r in self.month.rows if r["message"] in self.errors]
        self.given["exports"] = self._export(folder / "failed.csv", HEADER, failed)
        if self.with_messages:
            rows = self.month.rows
            self.given["messages"] = self._export(folder / "messages.csv", HEADER[:-1], rows)

    def _write(self, path, text):
        path.write_text(text, "utf-8")
        return str(path)

    def _export(self, path, header, rows):
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(header)
            for r in rows:
                cells = [f"{r['at']:%Y-%m-%d %H:%M:%S}", r["sender"], r["type"], r["contact"]]
                cells += [r["message"], "text", "message", r["content"], r["channel"], "outgoing"]
                cells += ["text", self.errors.get(r["message"])]
                out.writerow(cells[: len(header)])
        return str(path)

    def right(self):
        """The contacts to reach again, by the number of their broadcast."""
        gone = {
            (r["contact"], r["channel"])
            for r in self.month.rows
            if self.errors.get(r["message"]) == BLOCKED
        }
        arrived = defaultdict(list)
        for r in self.month.rows:
            if self.with_messages and r["message"] not in self.errors:
                arrived[r["contact"], self._first(r["message"])].append(r["at"])
        people = defaultdict(set)
        for r in self.month.rows:
            number = self.month.of.get(r["message"])
            if number is None or self.errors.get(r["message"]) != LIMIT:
                continue
            later = arrived[r["contact"], self._first(r["message"])]
            if (r["contact"], r["channel"]) not in gone and not any(at > r["at"] for at in later):
                people[number].add(r["contact"])
        return people

    def _first(self, message):
        """The broadcast that a message belongs to, or that its broadcast resends."""
        number = self.month.of.get(message)
        return number and (self.month.broadcasts[number]["of"] or number)


def imported(folder):
    """Contact IDs of each import file."""
    found = {}
    for path in sorted((folder / "import").glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            found[path.stem] = {line[0] for line in list(csv.reader(file))[1:]}
    return found


@pytest.mark.parametrize("seed", few_first(SEEDS, 2))
def test_all_faces_say_the_number_that_is_right(tmp_path, seed):
    world = World(seed, tmp_path)
    right = sorted(map(sorted, world.right().values()))
    everybody = {contact for people in right for contact in people}
    asked = world.given | {"tag": "again {broadcast}", "start": "2022-03-01 08:00"}
    asked |= {"out": str(tmp_path / "out"), "ledger": str(tmp_path / "ledger")}
    bench = workbench.open(asked, "tag_import")
    told = summarise.summarise(bench.settings, bench.tables)
    assert sorted(told.broadcasts["recoverable"][told.broadcasts["recoverable"] > 0]) == sorted(
        map(len, right)
    )
    assert told.recoverable == len(everybody)
    explored = selection.prepare(bench)
    seen = selection.audience(selection.view(explored, selection.Filters(), tag=asked["tag"]))
    assert seen.people == len(everybody)
    found = recover.recover(bench.settings, bench.tables, bench.results)
    assert found.recoverable == len(everybody)
    assessed = assess.assess(bench.settings, bench.tables)
    planned = plan.plan(bench.settings, bench.tables, bench.tables.audience, assessed)
    pairs = bench.tables.audience.select("contact_id", "channel_id").distinct()
    assert planned.waves["size"].sum() == pairs.count().execute()
    recorded = bench.finish(found)
    assert recorded["totals"]["recoverable"] == len(everybody)
    files = imported(tmp_path / "out")
    assert sorted(map(sorted, files.values())) == right
    later = {k: v for k, v in asked.items() if k not in ("tag", "out")}
    checked = workbench.open(later, "recovery_check")
    outcome = check.check(checked.settings, checked.tables)
    assert outcome.outcomes["contacts"].sum() == sum(map(len, right))
    checked.close()


def test_the_terminal_and_the_report_say_it_too(tmp_path):
    world = World(SEEDS[0], tmp_path)
    right = world.right()
    everybody = {contact for people in right.values() for contact in people}
    options = [f"--{name}={path}" for name, path in world.given.items() if name != "exports"]

    def run(verb, *more):
        done = CliRunner().invoke(cli.app, [verb, world.given["exports"], *options, *more])
        assert done.exit_code == 0, done.output
        return done.stdout

    listed = json.loads(run("broadcasts", "--json"))
    assert sum(one["recoverable"] for one in listed) == sum(map(len, right.values()))
    said = run("recover", "--tag", "again {broadcast}", "--out", str(tmp_path / "out"))
    assert f"{sum(map(len, right.values())):,}  tagged" in said
    run("report", "--out", str(tmp_path / "report"))
    page = (tmp_path / "report" / "failure_report.html").read_text("utf-8")
    assert f"{len(everybody):,}" in page
    record = json.loads((tmp_path / "report" / "run.json").read_text("utf-8"))
    assert record["totals"]["recoverable"] == len(everybody)


POOLS = {"1001": ("main", 60), "1002": ("main", 60), "2001": ("2001", 40)}
LIMITS = (
    "timezone = 'UTC'\n[pool.main]\nlimit = 60\nwindow = '{0}'\n[channel.1001]\npool = 'main'\n"
    "[channel.1002]\npool = 'main'\n[channel.2001]\nlimit = 40\nwindow = '{0}'\n"
)


class Platform:
    """Sends message by message under limits with one kind of window, and counts what each broadcast
    met.

    Two numbers share a pool of 60 contacts, a third has 40 of its own; whom a number has reached
    within the window costs nothing more, and is in it until one window after the last message.
    """

    def __init__(self, seed, window="24h"):
        self.dice, self.open, self.rows, self.over = random.Random(seed), {}, [], {}
        self.window = window

    def broadcast(self, number, start, channel, people, text, blocked):
        pool, limit = POOLS[channel]
        refused, failed, full = 0, 0, set()
        for i, contact in enumerate(people):
            at = start + timedelta(seconds=7 * i)
            inside = self._inside(pool, at)
            error = None if contact in inside or len(inside) < limit else LIMIT
            if contact not in inside and self.dice.random() < blocked:
                error = BLOCKED
            if error is None:
                self.open[pool, contact] = at
            failed += error is not None
            if error == LIMIT:
                refused, full = refused + 1, full or inside
            cells = [f"{at:%Y-%m-%d %H:%M:%S}", "88001", "broadcast", contact, f"{number}00{i}"]
            cells += ["text", "message", json.dumps({"text": text}), channel, "outgoing", "text"]
            self.rows.append((at, cells, error))
        beyond = min(len({*people} | full) - limit, failed) if refused else 0
        self.over[number] = (beyond, refused)

    def _inside(self, pool, at):
        if self.window in ("day", "month"):
            since = at.replace(
                hour=0, minute=0, second=0, day=1 if self.window == "month" else at.day
            )
            since -= timedelta(seconds=1)
        else:
            since = at - timedelta(hours=int(self.window[:-1]))
        return {c for (p, c), opened in self.open.items() if p == pool and opened > since}

    def week(self, blocked):
        """Broadcasts on several days, several on some, to people who overlap."""
        everybody = [str(100_000 + n) for n in range(150)]
        for number in range(1, 7):
            start = datetime(2022, 1, 3 + (number - 1) // 2 * 2, 9 + (number - 1) % 2 * 7)
            channel = self.dice.choice([*POOLS])
            people = self.dice.sample(everybody, self.dice.choice([20, 45, 70, 90]))
            self.broadcast(
                number, start, channel, people, f"Aviso {'abcdefgh'[number] * 9} hoy", blocked
            )
        return self

    def files(self, folder):
        given = {"channels": folder / "channels.toml", "messages": folder / "messages.csv"}
        given |= {"exports": folder / "failed.csv"}
        given["channels"].write_text(LIMITS.format(self.window), "utf-8")
        for name, header in (("messages", HEADER[:-1]), ("exports", HEADER)):
            rows = [[*cells, error] for _, cells, error in self.rows if error or name == "messages"]
            rows = [cells[: len(header)] for cells in rows]
            with given[name].open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *rows])
        return {name: str(path) for name, path in given.items()}


@pytest.mark.parametrize("given", [("messages",), ()])
def test_where_no_limit_is_known_the_failures_at_one_are_over_it(tmp_path, given):
    platform = Platform(1).week(0.1)
    files = platform.files(tmp_path)
    bench = workbench.open({n: files[n] for n in ("exports", *given)} | {"timezone": "UTC"})
    told = summarise.summarise(bench.settings, bench.tables).broadcasts
    assert told["quota"].sum() == sum(refused for _, refused in platform.over.values())
    assert told["over_limit"].tolist() == told["explained"].tolist() == told["quota"].tolist()
    assert ((told["quota"] > 0) & (told["failed"] > told["quota"])).any()
    assert 'class="limit"' not in frame.broadcasts(bench.reader, told), "nobody knows where it is"
    bench.close()


@pytest.mark.parametrize(
    ("seed", "blocked", "window"),
    [
        *((seed, blocked, "24h") for seed in range(2) for blocked in (0, 0.1)),
        *((7, 0.3, window) for window in ("12h", "45h", "day", "month")),
        *(
            pytest.param(seed, 0.3, window, marks=long)
            for seed in range(2, 9)
            for window in ("24h", "12h", "45h", "day", "month")
        ),
    ],
)
def test_over_the_limit_is_whom_it_had_no_room_for(tmp_path, seed, blocked, window):
    platform = Platform(seed, window).week(blocked)
    bench = workbench.open(platform.files(tmp_path) | {"timezone": "UTC"})
    told = summarise.summarise(bench.settings, bench.tables).broadcasts
    beyond, refused = zip(*platform.over.values(), strict=True)
    assert tuple(told["over_limit"]) == beyond
    assert tuple(told["quota"]) == refused
    assert blocked or beyond == refused
    marks = frame.broadcasts(bench.reader, told).count('class="limit"')
    assert marks == (told["over_limit"] > 0).sum() > 0
    said = quota_overflow.shared_windows(bench.reader, told)
    taken = told[(told["used"] > 0) & (told["over_limit"] > 0)]
    assert len(said) == len(taken)
    for sentence, row in zip(said, taken.itertuples(), strict=True):
        assert f"others had taken {row.used} of the limit of {row.limit}" in sentence
        assert f"{row.over_limit} were beyond it: the limit explains {row.explained} of" in sentence
        assert row.explained == min(row.over_limit, row.quota)
    bench.close()
