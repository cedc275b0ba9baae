"""Which messages belong to which broadcast, under a key that stays the same in other exports.

A broadcast is one message to many contacts: the broadcast messages of one channel and sender ID,
without a pause of more than six hours, and of one content shape (the template's name and the words
that stay the same from contact to contact). Groups come from channel, sender and pause, on small
columns. A bounded sample of their contents then says which groups may hold more than one message,
and only the contents of those are looked at in full (of small exports all are).

Contents that come mixed over the same time are versions of one broadcast, as where each contact is
written to in their own language. Where one begins after the other, or ends before, or where the
same contacts get both, they are two.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

import ibis
import numpy as np
import pandas as pd

from ..common.exceptions import ParameterError, did_you_mean, folded, sentence
from ..common.folder import unused
from ..common.language import Language, language
from ..engine.engine import Engine, id_parts, same_ids, shared_parts
from . import contents as read_contents
from .contents import Group, Version, alike, hashed

PAUSE = timedelta(hours=6)  # a longer one ends a broadcast
DAY_BEGINS = timedelta(hours=5)  # of a key: the hour at which the fewest broadcasts run
BUCKET = 60  # seconds: rows are looked up by channel, sender and minute
RUN = 300  # seconds without a message, after which contents are sampled anew
SAMPLE = 100  # contents of a run that are held against what was read of its group
ROUNDS = 3  # of reading what fits none of the messages read so far
FULL = 250_000  # rows whose contents are looked at in full, the smallest groups first
RIVAL = 0.55  # of the largest version's rows: a version of this size can name the broadcast too
RARE = 0.05  # of a broadcast's rows: versions below it are not kept in its shape
SURE, LIKELY = 1e-6, 0.002  # chance of mixed versions to look like two broadcasts
BOTH = (2, 0.2)  # contacts, and their share, that got two versions: these are two broadcasts
GAPS = (300, 1800, 3600)  # seconds between two messages: likely, unlike, alike contents
FEW = 10  # rows of a broadcast that do not say for sure which words stay
RESENT = 0.8  # of a resend's contacts failed before
DRAWN, PERHAPS = 400, 0.5  # rows of which that share of contacts make a resend likely
SHORTEST = 4  # characters of the beginning of a key, or the part of a name
HASH, HASHES = 2_654_435_761, 2**32  # spreads row numbers evenly (Knuth's multiplier)
PLACE = ["channel", "sender", "minute"]
RAW = ["channel", "written", "minute"]  # the sender's ID as the export writes it
KIND = ["sender_type", "traffic_type", "message_type"]
# The rows of both exports are the same, as far as both have them.
TOTALS = {"rows": "max", "first": "min", "last": "max", "begins": "min", "ends": "max"}
COLUMNS = [
    "broadcast",
    "channel_id",
    "sender_id",
    "template",
    "shape",
    "first",
    "last",
    "rows",
    "message",
]


@dataclass(frozen=True)
class Broadcasts:
    """The broadcasts of an export.

    `found` has a row for each, in the order of time: broadcast (its key), channel_id, sender_id,
    template (its name, or ""), shape (hashes of the words that stay, for a ledger), first, last
    (wall clock), rows and message (the key of the first broadcast that says the same). `basis` says
    what the grouping rests on: those of sender_type, sender_id, sent_at and content that the
    exports have. `channels`: the channel IDs of all failed messages, sorted.
    """

    found: "pd.DataFrame"
    basis: tuple[str, ...]
    places: "ibis.Table | None" = field(default=None, repr=False)
    patterns: int = 0
    untyped: bool = False
    channels: tuple[str, ...] = ()

    def mark(self, table: "ibis.Table") -> "ibis.Table":
        """Add `broadcast` (a key) and `message` to the rows of an export, null for rows of none.

        table is one that was searched, or of the same rows: channel_id, sender_id, sender_type,
        traffic_type, message_type, local_at and, where there are `patterns`, content, as
        `exports.read` gives them; what else it has stays.
        """
        none = ibis.null("string")
        if self.places is None:
            return table.mutate(broadcast=none, message=none)
        columns, places = table.columns, self.places
        table = table.mutate(**{f"{name}_of_row": value for name, value in _place(table).items()})
        rows = table.left_join(places, [table[f"{n}_of_row"] == places[f"{n}_"] for n in RAW])
        belongs = _kind(rows).isin(["broadcast", "none"] if self.untyped else ["broadcast"])
        fitting = [rows.content.like(rows[f"pattern{i}_"]) for i in range(self.patterns)]
        marks = {
            name: ibis.cases(
                (~belongs, none),
                *((fits, rows[f"{name}{i}_"]) for i, fits in enumerate(fitting)),
                else_=rows[f"{name}_"],
            )
            for name in ("broadcast", "message")
        }
        return rows.select(*(c for c in columns if c not in marks), **marks)


def find(
    engine: Engine,
    failed: "ibis.Table",
    messages: "ibis.Table | None" = None,
    known: "pd.DataFrame | None" = None,
) -> Broadcasts:
    """Find the broadcasts of a failed-messages export and, where there is one, a messages export.

    Both are tables as `exports.read` gives them: sent_at (UTC), local_at (wall clock), channel_id,
    sender_id, sender_type, traffic_type, message_type, content, contact_id and row_id. Rows without
    a type of sender count in a table that has no types at all. known are broadcasts that have a key
    already (`found` of an earlier export, or a ledger's: broadcast, channel_id, sender_id, shape,
    first, last); what is one of them takes its key, see `keys`.
    """
    exports = [failed] if messages is None else [failed, messages]
    columns = [*KIND, "sent_at", "local_at", "row_id", "content"]
    columns += shared_parts("contact_id", failed, exports[-1])
    rows = (
        table.select(*columns, **_place(table), export=ibis.literal(number, "int64"))
        for number, table in enumerate(exports)
    )
    rows = engine.view(ibis.union(*rows))
    counted = _totals(rows.mutate(kind=_kind(rows)), [*RAW, "kind", "export"])
    typed = set(counted[counted["kind"] != "none"]["export"])
    untyped = len(typed) < counted["export"].nunique()
    sender = counted["written"].str.strip().str.replace("[.]0+$", "", regex=True)
    # An export has senders or has none, whichever of its broadcasts are in a part of it.
    with_sender = bool((sender != "").groupby(counted["export"]).any().all())
    counted["sender"] = sender if with_sender else ""
    channels = tuple(sorted(filter(None, counted[counted["export"] == 0]["channel"].unique())))
    counted = counted[counted["kind"].isin(["broadcast", "none"] if untyped else ["broadcast"])]
    if counted.empty:
        return Broadcasts(pd.DataFrame(columns=COLUMNS), (), untyped=untyped, channels=channels)
    minutes = _grouped(counted)
    rows = rows.filter(_kind(rows).isin(list(counted["kind"].unique())))
    contents = _Contents(rows, counted[[*RAW, "sender"]].drop_duplicates(RAW))
    sample = contents.drawn(minutes[[*PLACE, "group", "run", "run_rows"]])
    groups = _read(sample)
    minutes = _versions(contents, minutes, sample, groups)
    minutes = _broadcasts(minutes, groups, _both(sample, groups))
    found = _described(minutes, groups)
    found["hash"] = _settled(found)
    found["broadcast"] = keys(found, known)
    found["message"] = _same_message(found)
    has = {
        "sender_type": not untyped,
        "sender_id": with_sender,
        "sent_at": bool((minutes["minute"] != -1).any()),
        "content": bool(groups),
    }
    places, patterns = _places(minutes, groups, found)
    places = contents.written(places).drop(columns="sender").rename(columns=lambda n: f"{n}_")
    places = engine.keep(_table(places))
    return Broadcasts(
        found[COLUMNS],
        tuple(name for name, there in has.items() if there),
        places,
        patterns,
        untyped,
        channels,
    )


# Which rows count, and where they are looked up


def _kind(table: "ibis.Table") -> "ibis.Value":
    """Who sent a row: "broadcast", "none" where nothing says so, or "other"."""
    kind = table.sender_type.lower()
    came = (table.traffic_type.lower() == "incoming") | (table.message_type.lower() == "incoming")
    return ibis.cases(
        (kind == "broadcast", "broadcast"),
        (kind.notnull() | came.fill_null(False), "other"),
        else_="none",
    )


def _place(table: "ibis.Table") -> "dict[str, ibis.Value]":
    """Where a row is looked up: wall clocks cost an engine less than instants with a zone."""
    minute = (table.local_at.epoch_seconds().cast("int64") / BUCKET).floor().cast("int64")
    return {
        "channel": table.channel_id.fill_null(""),
        "written": table.sender_id.fill_null(""),
        "minute": minute.fill_null(-1),
    }


def _totals(rows: "ibis.Table", by: list[str]) -> "pd.DataFrame":
    """Rows, first and last (seconds), and begins and ends (wall clock) of each part."""
    totals = rows.group_by(by).aggregate(
        rows=rows.count(),
        first=rows.sent_at.min().epoch_seconds().cast("int64").fill_null(-1),
        last=rows.sent_at.max().epoch_seconds().cast("int64").fill_null(-1),
        begins=rows.local_at.min(),
        ends=rows.local_at.max(),
    )
    return totals.to_pandas()


def _grouped(minutes: "pd.DataFrame") -> "pd.DataFrame":
    """Number the groups and the runs of minutes, and count the rows of each run."""
    minutes = minutes.groupby(PLACE, as_index=False).agg(TOTALS)  # sorted by the place
    minutes["group"] = _stretches(minutes, PLACE[:2], PAUSE)
    minutes["run"] = _stretches(minutes, PLACE[:2], timedelta(seconds=RUN))
    minutes["run_rows"] = minutes.groupby("run")["rows"].transform("sum")
    return minutes


def _stretches(minutes: "pd.DataFrame", by: list[str], most: timedelta) -> "pd.Series":
    """Number the stretches of sorted minutes that have no longer pause."""
    parted = minutes["first"] - minutes["last"].shift() > most.total_seconds()
    for column in by:
        parted |= minutes[column] != minutes[column].shift()
    return parted.cumsum()


# What the groups say


class _Contents:
    """The contents of the exports' broadcast messages, by place."""

    def __init__(self, rows: "ibis.Table", senders: "pd.DataFrame"):
        spread = rows.row_id * HASH % HASHES
        self.rows, self.senders = rows.drop(*KIND).mutate(spread=spread), senders

    def written(self, places: "pd.DataFrame") -> "pd.DataFrame":
        """Places with the sender's ID as it is written: a spreadsheet can make a decimal of it."""
        return places.merge(self.senders, on=PLACE)

    def at(self, places: "pd.DataFrame") -> "ibis.Table":
        """The rows at places, with all that is said of these."""
        return self.rows.join(_table(self.written(places)), RAW)

    def drawn(self, places: "pd.DataFrame") -> "pd.DataFrame":
        """About SAMPLE contents of each run, and those of about SAMPLE of its contacts."""
        rows = self.at(places)
        *number, contact = id_parts("contact_id", rows)
        of_contact = rows[number[0]].fill_null(rows.row_id) if number else rows.row_id
        spreads = (rows.spread, of_contact % (HASHES // 2) * HASH % HASHES)
        drawn = ibis.or_(*(spread * rows.run_rows < SAMPLE * HASHES for spread in spreads))
        rows = rows.filter(drawn, rows.content.notnull())
        rows = rows.mutate(
            rank=ibis.row_number().over(group_by="run", order_by="spread"),
            contact=ibis.coalesce(*(rows[n].cast("string") for n in number), rows[contact]),
        )
        return _sample(rows.filter(rows["rank"] < 3 * SAMPLE), "run", "contact")

    def strange(self, places: "pd.DataFrame", patterns: int) -> "pd.DataFrame":
        """Up to SAMPLE contents of each group that fit none of its patterns: group, content."""
        rows = self.at(places)
        rows = rows.filter(rows.content.notnull(), _pattern(rows, patterns) == 0)
        rows = rows.mutate(rank=ibis.row_number().over(group_by="group", order_by="spread"))
        return _sample(rows.filter(rows["rank"] < SAMPLE))

    def totals(self, places: "pd.DataFrame", patterns: int) -> "pd.DataFrame":
        """The totals of each place and pattern (from 1; 0 for none), empty contents apart."""
        rows = self.at(places)
        rows = rows.mutate(pattern=_pattern(rows, patterns), empty=rows.content.isnull())
        return _totals(rows, [*PLACE, "group", "pattern", "empty", "export"])


def _pattern(rows: "ibis.Table", patterns: int) -> "ibis.Value":
    tests = [(rows.content.like(rows[f"pattern{i}"]), i + 1) for i in range(patterns)]
    return ibis.cases(*tests, else_=0).cast("int64")


def _sample(rows: "ibis.Table", *more: str) -> "pd.DataFrame":
    sample = rows.select("group", "content", "spread", *more).to_pandas()
    sample["content"] = sample["content"].astype(object)  # is gone through faster
    return sample.sort_values(["group", "spread", "content"])


def _table(frame: "pd.DataFrame") -> "ibis.Table":
    """A small frame of texts and whole numbers as a table."""
    kinds = {c: "int64" if frame[c].dtype.kind == "i" else "string" for c in frame.columns}
    texts = {c: frame[c].astype(object).where(frame[c].notna(), None) for c in frame.columns}
    return ibis.memtable(pd.DataFrame(texts), schema=kinds)


def _read(sample: "pd.DataFrame") -> dict[int, Group]:
    """Read a sample of the contents of each group; groups without contents have none."""
    groups = {}
    for number, drawn in sample.groupby("group")["content"]:
        group = groups[int(number)] = Group()
        for _round in range(ROUNDS):
            if not group.learn(drawn):
                break
    return groups


def _versions(
    contents: _Contents, minutes: "pd.DataFrame", sample: "pd.DataFrame", groups: dict[int, Group]
) -> "pd.DataFrame":
    """Count the rows of each version, minute by minute, in runs that may have several; in others
    all rows are of the version that the sample has.

    Adds `version` (a number in the group) to minutes; -1 where the content is not there, or fits
    none.
    """
    sizes = minutes.groupby("run")["rows"].sum().sort_values()
    small = set(sizes.index[sizes.cumsum() <= FULL])
    sampled = _sampled(sample, groups)
    runs = sampled.groupby("run")["version"].nunique()
    asked = minutes[minutes["run"].isin(small | set(runs.index[runs > 1]))]
    asked = asked[asked["group"].isin({n for n, g in groups.items() if g.patterns})]
    done = []
    for left in reversed(range(ROUNDS)):
        if asked.empty:
            break
        places, patterns = _with_patterns(asked, groups)
        totals = contents.totals(places, patterns)
        numbers = zip(totals["group"], totals["pattern"], strict=True)
        totals["version"] = [groups[g].patterns[p - 1][1] if p else -1 for g, p in numbers]
        strange = set(totals[(totals["version"] < 0) & ~totals["empty"]]["group"]) if left else ()
        done.append(totals[~totals["group"].isin(strange)])
        asked = asked[asked["group"].isin(strange)]
        if strange:
            unread = contents.strange(places[places["group"].isin(strange)], patterns)
            for number, drawn in unread.groupby("group")["content"]:
                groups[int(number)].learn(drawn)
            sampled = _sampled(sample, groups)
    return _with_versions(minutes, pd.concat(done) if done else None, sampled)


def _sampled(sample: "pd.DataFrame", groups: dict[int, Group]) -> "pd.DataFrame":
    """The run and the version of each content of a sample."""
    pairs = zip(sample["group"], sample["content"], strict=True)
    return sample[["run"]].assign(version=[groups[g].version(content) for g, content in pairs])


def _both(sample: "pd.DataFrame", groups: dict[int, Group]) -> dict[int, set[tuple[int, int]]]:
    """The pairs of versions, by group, that the same contacts of a sample got."""
    told = sample[["group", "contact"]].join(_sampled(sample, groups)["version"])
    told = told[told["version"] >= 0].dropna().drop_duplicates()
    sizes = told.groupby(["group", "version"]).size()
    pairs = told.merge(told, on=["group", "contact"], suffixes=("", "_also"))
    pairs = pairs[pairs["version"] != pairs["version_also"]]
    both: dict[int, set[tuple[int, int]]] = {}
    for (group, *pair), contacts in (
        pairs.groupby(["group", "version", "version_also"]).size().items()
    ):
        if contacts >= max(BOTH[0], BOTH[1] * min(sizes[group, version] for version in pair)):
            both.setdefault(group, set()).add(tuple(pair))
    return both


def _with_versions(
    minutes: "pd.DataFrame", totals: "pd.DataFrame | None", sampled: "pd.DataFrame"
) -> "pd.DataFrame":
    """Put together what was looked at in full, and the rest with the version of its run."""
    most = sampled.groupby("run")["version"].agg(lambda v: v.mode().iloc[0])
    rest = minutes.assign(version=minutes["run"].map(most).fillna(0).astype("int64"))
    if totals is None:
        return rest
    by = [*PLACE, "group", "version"]
    totals = totals.groupby([*by, "export"], as_index=False).agg(TOTALS | {"rows": "sum"})
    totals = (
        totals.groupby(by, as_index=False).agg(TOTALS).merge(minutes[[*PLACE, "run"]], on=PLACE)
    )
    rest = rest[~rest["run"].isin(set(totals["run"]))]
    return pd.concat([rest[totals.columns], totals], ignore_index=True)


def _with_patterns(minutes: "pd.DataFrame", groups: dict[int, Group]) -> tuple["pd.DataFrame", int]:
    """The places of minutes, with the patterns of their groups; and how many columns these are."""
    numbers = sorted(set(minutes["group"]))
    count = max(len(groups[n].patterns) for n in numbers)
    columns = {
        f"pattern{i}": [p[i][0] if i < len(p := groups[n].patterns) else None for n in numbers]
        for i in range(count)
    }
    patterns = pd.DataFrame({"group": numbers} | columns)
    return minutes[[*PLACE, "group"]].merge(patterns, on="group"), count


# From versions to broadcasts


def _broadcasts(
    minutes: "pd.DataFrame",
    groups: dict[int, Group],
    both: dict[int, set[tuple[int, int]]],
) -> "pd.DataFrame":
    """Add `number`, which numbers the broadcasts; rows of version -1 go with those around them."""
    several = minutes[minutes["group"].isin(minutes[minutes["version"] > 0]["group"])]
    columns = ["version", "minute", "rows", "first", "last"]
    heads = {
        (group, version): head
        for group, own in several.groupby("group")[columns]
        for version, head in _joined(
            own.to_records(index=False), groups[int(group)].versions, both.get(int(group), set())
        ).items()
    }
    told = zip(minutes["group"], minutes["version"], strict=True)
    minutes = minutes.assign(said=[heads.get(version, version[1]) for version in told])
    told = minutes[minutes["said"] >= 0].sort_values(["minute", "rows"])
    around = told.drop_duplicates(["group", "minute"], keep="last")[["group", "minute", "said"]]
    minutes = minutes.sort_values("minute", ignore_index=True)
    nearest = pd.merge_asof(
        minutes[["minute", "group"]], around, on="minute", by="group", direction="nearest"
    )["said"]
    minutes["around"] = nearest.fillna(0).astype("int64")
    minutes["said"] = minutes["said"].where(minutes["said"] >= 0, minutes["around"])
    minutes = minutes.sort_values(["group", "said", "minute"], ignore_index=True)
    return minutes.assign(number=_stretches(minutes, ["group", "said"], PAUSE))


def _joined(
    minutes: "np.recarray", versions: list[Version], both: set[tuple[int, int]]
) -> dict[int, int]:
    """For each version of a group the number of a large version of its broadcast: those that are
    alike are put together first, so that what is told of the others rests on many rows. Pairs that
    both went to the same contacts are of two broadcasts.
    """
    own = {int(n): minutes[minutes["version"] == n] for n in set(minutes["version"]) - {-1}}
    large = {-1: -1} | {number: number for number in own}
    for least in (read_contents.ALIKE, 0):
        joined: dict[int, Any] = {}
        for number in sorted(own, key=lambda n: (-own[n]["rows"].sum(), n)):
            version = versions[number]
            nearness = {head: alike(version.stays, versions[head].stays) for head in joined}
            fitting = (
                head
                for head in sorted(joined, key=lambda h: -nearness[h])
                if nearness[head] >= least
                and version.template == versions[head].template
                and both.isdisjoint(
                    (a, b) for a in large for b in large if (large[a], large[b]) == (head, number)
                )
                and not _parted(joined[head], own[number], nearness[head])
            )
            head = next(fitting, number)
            parts = [joined[head]] if head in joined else []
            joined[head] = np.concatenate([*parts, own[number]])
            large |= {n: head for n, before in large.items() if before == number}
        own = joined
    return large


def _parted(one: "np.recarray", other: "np.recarray", nearness: float) -> bool:
    """Whether the minutes of two versions say that they are of two broadcasts.

    Versions of one broadcast come mixed, so how likely it is that one begins, ends or runs as much
    apart from the other as it does can be told (the last by the test of Kolmogorov and Smirnov).
    """
    n, m = int(one["rows"].sum()), int(other["rows"].sum())
    gap = max(other["first"].min() - one["last"].max(), one["first"].min() - other["last"].max())
    if gap > 0:
        chance = 2 * math.exp(math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1))
        likely, unlike, same = (gap >= least for least in GAPS)
        parted = same if nearness >= read_contents.ALIKE else unlike
        return bool(chance < SURE or (likely and chance < LIKELY) or parted)
    for early, late in ((one, other), (other, one)):
        share = early["rows"].sum() / (n + m)
        before = early["rows"][early["minute"] < late["minute"].min()].sum()
        after = early["rows"][early["minute"] > late["minute"].max()].sum()
        if share ** max(before, after) < SURE:
            return True
    minute = np.concatenate([one["minute"], other["minute"]])
    share = np.concatenate([one["rows"] / n, other["rows"] / -m])
    order = np.argsort(minute, kind="stable")
    whole = np.append(np.diff(minute[order]) > 0, True)  # the last part of each minute
    distance = np.abs(np.cumsum(share[order])[whole]).max()
    return bool(distance > math.sqrt(math.log(2 / SURE) / 2 * (n + m) / (n * m)))


def _described(minutes: "pd.DataFrame", groups: dict[int, Group]) -> "pd.DataFrame":
    """One row per broadcast, without its key: number, hash, and most of `found`."""
    by_version = minutes.groupby(["number", "version"])["rows"].sum()
    found = minutes.groupby("number").agg(
        channel_id=("channel", "first"),
        sender_id=("sender", "first"),
        group=("group", "first"),
        version=("version", lambda v: tuple(sorted(set(v) - {-1}))),
        rows=("rows", "sum"),
        first=("begins", "min"),
        last=("ends", "max"),
    )
    said = [
        _shape(
            [
                (version, int(by_version[number, n]))
                for n, version in enumerate(groups.get(group, Group()).versions)
                if n in own
            ]
        )
        for number, group, own in zip(found.index, found["group"], found["version"], strict=True)
    ]
    found["template"], found["hash"], found["shape"] = zip(*said, strict=True)
    order = ["first", "channel_id", "sender_id", "hash"]
    return found.reset_index().sort_values(order, ignore_index=True)


def _shape(versions: list[tuple[Version, int]]) -> tuple[str, str, str]:
    """The template, the hash for the key and the shape of versions with their numbers of rows.

    What stays is told anew from all of their contents: a word that some contacts have instead of
    another (a product, a town) makes versions, and is not the message's own.
    """
    weights: dict[frozenset[str], float] = {}
    for version, rows in versions:
        for words, count in version.said.items():
            weights[words] = weights.get(words, 0) + rows * count / version.said.total()
    families: list[Version] = []
    for words, weight in sorted(weights.items(), key=lambda w: (-w[1], sorted(w[0]))):
        near = max(families, key=lambda f: alike(words, f.stays), default=None)
        if near is None or alike(words, near.stays) < read_contents.ALIKE:
            near = Version()
            families.append(near)
        near.add(words, weight)
    most = max((f.weight for f in families), default=0)
    shapes = [sorted(map(hashed, f.stays)) for f in families if f.weight >= RIVAL * most]
    kept = [sorted(map(hashed, f.stays)) for f in families if f.weight >= RARE * most]
    template = versions[0][0].template if versions else ""
    return template, hashed(*min(shapes, default=[])), "|".join(map(" ".join, sorted(kept)))


# Keys


def keys(found: "pd.DataFrame", known: "pd.DataFrame | None" = None) -> list[str]:
    """The key of each broadcast of found: channel_id, sender_id, hash, shape, first and last.

    A key is a hash of channel, sender, what the message says and its day, which begins at five in
    the morning, so that an export which ends or begins at midnight cuts no night's broadcast in
    two. Those of one day that say the same are numbered (-2, -3). Broadcasts that are known (see
    `find`) keep their key: same channel, sender and shape, and no longer pause between the two than
    within one.
    """
    parts = found[["channel_id", "sender_id", "hash", "first", "last"]]
    made = [_key(*row) for row in parts.itertuples(index=False)]
    told, taken = _recognised(found, known), set()
    if known is not None:
        same = [k for i, k in enumerate(made) if i not in told and k in set(known["broadcast"])]
        taken = set(known["broadcast"]) - (set(same) - set(told.values()))
    result = []
    for i, key in enumerate(made):
        result.append(told.get(i) or unused(key, taken.__contains__))
        taken.add(result[-1])
    return result


def _settled(found: "pd.DataFrame") -> list[str]:
    """The hash of each broadcast; one of few rows, in which names can pass for words, takes that of
    the largest one that says the same.
    """
    large = found[found["rows"] >= FEW].sort_values("rows", ascending=False)
    pairs = list(zip(large["shape"], large["hash"], strict=True))
    return [
        own if rows >= FEW else next((h for s, h in pairs if same_shape(s, shape)), own)
        for own, shape, rows in zip(found["hash"], found["shape"], found["rows"], strict=True)
    ]


def _key(channel: str, sender: str, said: str, first, last) -> str:
    midnight = first == last and first == first.normalize()  # a file with days, but no times
    day = first if midnight else first - DAY_BEGINS
    told = "" if pd.isna(day) else f"{day:%Y-%m-%d}"
    return f"b{hashed(channel, sender, said, told, length=9)}"


def _recognised(found, known) -> dict[int, str]:
    """Which of found (by place) are known, with their keys: those first that share most time."""
    pairs = []
    for there in () if known is None else known.itertuples(index=False):
        near = found[found["channel_id"] == there.channel_id]
        for i, here in zip(near.index, near.itertuples(index=False), strict=True):
            shared = min(here.last, there.last) - max(here.first, there.first)
            senders = here.sender_id == there.sender_id or not (here.sender_id and there.sender_id)
            # A ledger may know a template by its name alone, as it once was the whole shape.
            by_name = there.shape == hashed(f"template:{here.template}")
            same = by_name or same_shape(here.shape, there.shape)
            if senders and shared >= -PAUSE and same:
                pairs.append((-shared.total_seconds(), i, there.broadcast))
    told: dict[int, str] = {}
    for _shared, i, key in sorted(pairs):
        if i not in told and key not in told.values():
            told[i] = key
    return told


def same_shape(one: str, other: str) -> bool:
    """Whether two shapes are of one message: the same template, or most words of a version.

    A shape of few contents can hold a name beside the words that stay.

    >>> same_shape("a1 b2 c3 d4 e5", "a1 b2 c3 d4 e5 f6"), same_shape("a1 b2", "b2 c3 d4")
    (True, False)
    """
    return any(
        alike(a, b) >= read_contents.STAYS and (a <= b or b <= a or alike(a, b) >= 0.9)
        for a in _versions_of(one)
        for b in _versions_of(other)
    )


@lru_cache(maxsize=10_000)
def _versions_of(shape: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(line.split()) for line in shape.split("|"))


# What repeats what


def _same_message(found: "pd.DataFrame") -> list[str]:
    """The key of the first broadcast that says the same, for each of found in order of time."""
    first: dict[str, str] = {}
    said = []
    for key, shape in zip(found["broadcast"], found["shape"], strict=True):
        heads = (k for s, k in first.items() if s == shape or (shape and same_shape(s, shape)))
        head = next(heads, key) if shape else key
        first.setdefault(shape, head)
        said.append(head)
    return said


def resends(found: "pd.DataFrame", rows: "list[ibis.Table]") -> dict[str, str]:
    """Which broadcasts repeat an earlier one to contacts that it had failed to reach, and which
    that is: keys by key.

    found are those of `find`; rows its exports, the failed messages first, as `Broadcasts.mark`
    gives them. A bounded sample of the contacts says which may, and only those of these are all
    looked at.
    """
    later = found[found["message"].duplicated(keep=False)]
    if later.empty:
        return {}
    ids = id_parts("contact_id", rows[0])
    rows = [table.select("broadcast", "message", *ids, "row_id") for table in rows]
    shared = _shared(rows, later, DRAWN)
    likely = shared[shared["contacts"] >= PERHAPS * shared["of"]]
    later = later[later["broadcast"].isin(likely["broadcast"])]
    if (later["rows"] > DRAWN).any():
        shared = _shared(rows, later, int(later["rows"].max()))
    shared = shared[shared["contacts"] >= RESENT * shared["of"]]
    order = {key: i for i, key in enumerate(found["broadcast"])}
    resend: dict[str, str] = {}
    for key, earlier in shared[["broadcast", "earlier"]].itertuples(index=False):
        if order[earlier] < order[key] and order[earlier] >= order.get(resend.get(key), -1):
            resend[key] = earlier
    return resend


def _shared(rows: "list[ibis.Table]", later: "pd.DataFrame", drawn: int) -> "pd.DataFrame":
    """How many contacts (of so many rows, about) of later broadcasts others that say the same had
    failed to reach, and of how many: broadcast, earlier, contacts, of.
    """
    sent = ibis.union(*rows) if len(rows) > 1 else rows[0]
    sent = sent.join(_table(later[["broadcast", "rows"]]), "broadcast")
    sent = sent.filter(sent.row_id * HASH % HASHES * sent["rows"] < drawn * HASHES)
    ids = id_parts("contact_id", sent)
    sent = sent.select("broadcast", "message", *ids).distinct()
    failed = rows[0].select("message", *ids, earlier="broadcast")
    same = [sent.message == failed.message, *same_ids(sent, failed, "contact_id")]
    both = sent.join(failed, [*same, sent.broadcast != failed.earlier])
    both = both.select("broadcast", *ids, "earlier").distinct()
    every = both.union(sent.select("broadcast", *ids, earlier=ibis.literal("")))
    counts = every.group_by("broadcast", "earlier").aggregate(contacts=every.count()).to_pandas()
    whole = counts["earlier"] == ""
    sizes = counts[whole].set_index("broadcast")["contacts"]
    return counts[~whole].assign(of=counts["broadcast"].map(sizes).astype("int64"))


def _places(
    minutes: "pd.DataFrame", groups: dict[int, Group], found: "pd.DataFrame"
) -> tuple["pd.DataFrame", int]:
    """The table in which `mark` looks up: per place the key of most rows, and, in groups of more
    than one broadcast, each pattern with its key; and how many patterns there are.
    """
    marks = found.set_index("number")[["broadcast", "message"]]
    minutes = minutes.join(marks, on="number").sort_values(["minute", "rows"])
    places = minutes.drop_duplicates(PLACE, keep="last")[[*PLACE, "group", "run", *marks.columns]]
    said = minutes.groupby("run")["said"].nunique()
    several = set(said.index[said > 1])
    patterns = 0
    if several:
        mixed, patterns = _with_patterns(places[places["run"].isin(several)], groups)
        keys_at = minutes.drop_duplicates([*PLACE, "version"]).set_index([*PLACE, "version"])
        for i in range(patterns):
            version = [p[i][1] if i < len(p := groups[g].patterns) else -2 for g in mixed["group"]]
            at = pd.MultiIndex.from_frame(mixed[PLACE].assign(version=version))
            for name in marks.columns:
                mixed[f"{name}{i}"] = keys_at[name].reindex(at).to_numpy()
        places = places.merge(mixed.drop(columns="group"), on=PLACE, how="left")
        for i in range(patterns):  # a version that a place does not have goes with the others
            for name in marks.columns:
                places[f"{name}{i}"] = places[f"{name}{i}"].fillna(places[name])
    return places.drop(columns=["group", "run"]), patterns


# What a reader is told


def summary(
    found: "pd.DataFrame",
    failed: "ibis.Table",
    delivered: "ibis.Table | None" = None,
    attempted: Mapping[str, int] | None = None,
    names: Mapping[str, str] | None = None,
    lang: Language | None = None,
    resent: Mapping[str, str] | None = None,
) -> "pd.DataFrame":
    """One row per broadcast of found, in the order of time.

    failed has broadcast (as `Broadcasts.mark` adds it) and cause, each message once; delivered
    (broadcast) are the messages that arrived. attempted states how many messages were sent, per key
    or per ID of a channel that has one broadcast, where there is no delivered. names are those of
    the channels, by ID; resent is what `resends` tells.

    Returns broadcast (the key), name (unlike all others), channel_id, first, last, attempted,
    delivered, failed, quota (failed by a limit), message and
    resend_of; attempted and delivered are missing where nothing says them.
    """
    rows = failed.filter(failed.broadcast.notnull())
    counts = rows.group_by("broadcast").aggregate(
        failed=rows.count(), quota=(rows.cause == "quota").sum()
    )
    frame = found[["broadcast", "channel_id", "first", "last", "message"]]
    frame = frame.assign(resend_of=[(resent or {}).get(key, "") for key in frame["broadcast"]])
    frame = frame.merge(counts.to_pandas(), on="broadcast", how="left")
    frame = frame.fillna({"failed": 0, "quota": 0}).astype({"failed": "int64", "quota": "int64"})
    if delivered is not None:
        arrived = dict(delivered.broadcast.value_counts().to_pandas().itertuples(index=False))
        frame["delivered"] = [int(arrived.get(key, 0)) for key in frame["broadcast"]]
        frame["attempted"] = frame["delivered"] + frame["failed"]
    else:
        alone = ~frame["channel_id"].duplicated(keep=False)
        of_channel = frame["channel_id"].where(alone).map(attempted or {})
        stated = frame["broadcast"].map(attempted or {}).fillna(of_channel)
        frame["attempted"] = stated.astype("Int64")
        frame["delivered"] = (frame["attempted"] - frame["failed"]).clip(lower=0)
    frame["name"] = named(found, names or {}, lang or language())
    times, counts = ["first", "last"], ["attempted", "delivered", "failed", "quota"]
    return frame[["broadcast", "name", "channel_id", *times, *counts, "message", "resend_of"]]


def named(found: "pd.DataFrame", names: Mapping[str, str], lang: Language) -> list[str]:
    """The template, or channel and time; with more of these and the key where two are the same."""
    said, columns = [], ["broadcast", "channel_id", "template", "first"]
    for key, channel, template, first in found[columns].itertuples(index=False):
        at = [] if pd.isna(first) else [lang.date(first), f"{first:%H:%M}"]
        channel = names.get(channel) or channel
        where = ", ".join([channel, *at] if channel else at)
        said.append([template or where or key, ", ".join(filter(None, (template, where))), key])
    for more in (1, 2):
        counts = Counter(folded(name[0]) for name in said)
        for name in said:
            if counts[folded(name[0])] > 1:
                name[0] = name[1] if more == 1 else f"{name[0]} ({name[2]})"
    return [name[0] for name in said]


def choose(asked: str, summary: "pd.DataFrame") -> str:
    """The key of the broadcast that a user asked for by its key, the beginning of one (four
    characters or more), its name, or a part of a name that no other has.

    summary has broadcast and name. Raises ParameterError, with those that could be meant, where
    none or several fit.

    >>> choose("promo", pd.DataFrame({"broadcast": ["b12"], "name": ["Promo"]}))
    'b12'
    """
    listed = dict(zip(summary["broadcast"], summary["name"], strict=True))
    key, name = asked.strip(), folded(asked)
    names = {k: folded(n) for k, n in listed.items()}
    tests = (
        [k for k in listed if k == key.lower()],
        [k for k in listed if len(key) >= SHORTEST and k.startswith(key.lower())],
        [k for k, n in names.items() if n == name],
        [k for k, n in names.items() if len(name) >= SHORTEST and name in n],
    )
    fitting = next((keys for keys in tests if keys), [])
    if len(fitting) == 1:
        return fitting[0]
    shown = "; ".join(f"{k} ({listed[k]})" for k in fitting or listed) or sentence("none")
    if fitting:
        raise ParameterError(
            "Several broadcasts are meant by '{asked}': {shown}; expected the key of one.",
            "broadcast",
            asked=asked,
            shown=shown,
        )
    raise ParameterError(
        "There is no broadcast '{asked}'.{hint} Present: {shown}.",
        "broadcast",
        asked=asked,
        hint=did_you_mean(asked, [*listed, *listed.values()]),
        shown=shown,
    )


def reached(failed: "ibis.Table", delivered: "ibis.Table", how: str = "message") -> "ibis.Table":
    """Add `reached` to failed messages: whether a later one reached the contact.

    Both tables have contact_id, channel_id, sent_at and message (as `Broadcasts.mark` adds it).
    With how "message" a message of the same broadcast or its resend counts, on any of the contact's
    channels: one that says the same. With "any" every later one on the channel does, as an agent's.
    """
    if how == "any":
        of, of_row = delivered.channel_id.fill_null(""), failed.channel_id.fill_null("")
    else:
        delivered = delivered.filter(delivered.message.notnull())
        of, of_row = delivered.message, failed.message
    rows, ids = failed.mutate(of_row_=of_row), shared_parts("contact_id", failed, delivered)
    to = {f"to_{part}": delivered[part] for part in ids}
    last = delivered.group_by(of_=of, **to).aggregate(delivered_at_=delivered.sent_at.max())
    same = [rows[part].identical_to(last[f"to_{part}"]) for part in ids]
    rows = rows.left_join(last, [*same, rows.of_row_ == last.of_])
    later = (rows.delivered_at_ > rows.sent_at).fill_null(False)
    return rows.select(*failed.columns, reached=later)
