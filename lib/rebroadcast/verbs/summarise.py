"""What failed, why, where and when; which broadcasts there are; who can be reached again."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import pandas as pd

from ..bench import doubts as bench_doubts
from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common import sheets
from ..common.doubts import Doubt, concerning, n_
from ..common.exceptions import InputError, ParameterError, QuotaError, sentence
from ..engine.engine import distinct_ids
from ..errors import Rules, advice
from ..errors.texts import find_words, plain_text, shapes
from ..limits.channels import Channels
from ..recovery import broadcasts as broadcasts_
from ..show.reader import Reader
from . import assess

DAYS_BY_HOUR = 5  # a longer span is charted by day
HOURS_BY_MINUTE = 2  # a shorter span is charted by minute: a limit is often reached within minutes


@dataclass(frozen=True)
class Facts:
    """What a run looked at: rows read, `repeats` (rows of a message that another row holds),
    selected failures and those that `count` against limits and for recovery, first and last (wall
    clock, None without dates), channels, contacts; `rejected` (as, file, line, reason, text) are
    rows of any file that could not be read.
    """

    read: int
    repeats: int
    failed: int
    counted: int
    first: datetime | None
    last: datetime | None
    channels: int
    contacts: int
    rejected: pd.DataFrame
    basis: tuple[str, ...]
    doubts: tuple[Doubt, ...]

    @property
    def recorded(self) -> dict:
        return {"totals": {"failed": self.failed}}


@dataclass(frozen=True)
class Summary:
    """The answer of `summarise`: small frames, see the functions that make them.

    `fates`: disposition, contacts, people, first, last (UTC); `recoverable` is the number of
    different contacts to reach again. `compared` is None where no earlier run was named.
    """

    facts: Facts
    broadcasts: pd.DataFrame
    errors: pd.DataFrame
    causes: pd.DataFrame
    channels: pd.DataFrame
    where: pd.DataFrame
    times: pd.DataFrame
    unit: str
    unknown: pd.DataFrame
    compared: pd.DataFrame | None
    fates: pd.DataFrame
    recoverable: int
    confidence: pd.DataFrame
    uncovered: InputError | None  # where the messages export does not cover the failures
    doubts: tuple[Doubt, ...] = field(default=())

    @property
    def recorded(self) -> dict:
        totals = {"failed": self.facts.failed, "recoverable": self.recoverable}
        attempted = self.broadcasts["attempted"]
        if len(attempted) and attempted.notna().all():
            totals["attempted"] = int(attempted.sum())
        return {"totals": totals}


def summarise(settings: Settings, tables: Tables) -> Summary:
    """What failed and why, and who can be reached again.

    Raises ParameterError where a filter leaves nothing, QuotaError where stated counts cannot be.
    """
    facts = look(tables)
    failed, channels = tables.failed, settings.channels
    errors, counts = by_error(failed, settings.rules, settings.lang.code), tally(failed)
    where = error_by_channel(counts, channels)
    times, unit = by_time(tables)
    uncovered, people = None, 0
    try:
        fates, people = _fates(tables)
    except InputError as error:
        fates, uncovered = pd.DataFrame(), error
    return Summary(
        facts=facts,
        broadcasts=broadcasts(settings, tables, with_fates=uncovered is None),
        errors=errors,
        causes=summed(counts, "cause", "verdict"),
        channels=by_channel(counts, channels),
        where=where,
        times=times,
        unit=unit,
        unknown=unknown_shapes(errors, where),
        compared=comparison(where, Path(settings.compare)) if settings.compare else None,
        fates=fates,
        recoverable=people,
        confidence=summed(counts, "confidence"),
        uncovered=uncovered,
        doubts=(*facts.doubts, *(() if uncovered else failed_again(tables))),
    )


def failed_again(tables: Tables) -> list[Doubt]:
    """Whether contacts of a broadcast failed in its resend, too."""
    return concerning(
        "failed again",
        n_(
            "{n} contact to be reached again for a broadcast failed in the one that repeats it,"
            " too: who is tagged for both would get the message twice, and what failed there for"
            " another reason may fail again. Choose the later one (broadcast).",
            "{n} contacts to be reached again for a broadcast failed in the one that repeats it,"
            " too: who is tagged for both would get the message twice, and what failed there for"
            " another reason may fail again. Choose the later one (broadcast).",
        ),
        tables.failed_again,
    )


def look(tables: Tables) -> Facts:
    """What a run looks at, and what makes it less sure."""
    seen = tables.facts
    dated = pd.notna(seen["begin"])
    rejected = [e.rejected.assign(**{"as": kind}) for kind, e in tables.inputs.all_read.items()]
    return Facts(
        read=tables.inputs.export.rows,
        repeats=tables.repeats,
        failed=int(seen["failed"]),
        counted=int(seen["counted"]),
        first=seen["begin"] if dated else None,
        last=seen["end"] if dated else None,
        channels=int(seen["channels"]),
        contacts=int(seen["contacts"]),
        rejected=pd.concat(rejected, ignore_index=True)[["as", "file", "line", "reason", "text"]],
        basis=tables.inputs.groups.basis,
        doubts=bench_doubts.doubts(tables),
    )


def _fates(tables: Tables) -> tuple[pd.DataFrame, int]:
    """disposition, contacts (once per audience), people, first, last (UTC); and how many different
    contacts can be reached again.
    """
    rows = tables.fates
    counted = rows.group_by("disposition").aggregate(
        contacts=rows.count(),
        people=distinct_ids("contact_id", rows),
        first=rows.earliest.min(),
        last=rows.earliest.max(),
    )
    frame = counted.to_pandas()
    return frame, int(frame.loc[frame["disposition"] == "tagged", "people"].sum())


def broadcasts(settings: Settings, tables: Tables, with_fates: bool = True) -> pd.DataFrame:
    """One row per broadcast that was selected, in the order of time.

    broadcast (key), name, channel_id, channel, first, last (wall clock), attempted, delivered,
    failed (messages), quota (failed by a limit), limit (size of the channel's limit), used (its
    contacts that others had taken), over_limit, explained (of those, how many failed at the limit),
    recoverable (contacts), earliest (UTC), message and resend_of (see `broadcasts.summary`).
    Unknown values are missing.
    """
    inputs, names = tables.inputs, {c.id: c.name for c in settings.channels.channels}
    arrived = tables.delivered if with_fates else inputs.delivered
    if arrived is not None:
        arrived = arrived.filter(tables.counted(arrived))
    frame = broadcasts_.summary(
        inputs.groups.found,
        tables.broadcasts,
        arrived,
        settings.attempted,
        names,
        settings.lang,
        inputs.resends,
    )
    frame = frame[frame["failed"] + frame["delivered"].fillna(0) > 0].reset_index(drop=True)
    _check_attempted(settings, frame, measured=arrived is not None)
    frame.insert(3, "channel", [settings.channels.name(c) if c else "" for c in frame.channel_id])
    frame = assess.over_limit(settings, tables, frame)
    if not with_fates:
        return frame.assign(recoverable=pd.NA, earliest=pd.NaT)
    again = tables.audiences.set_index("audience")[["recoverable", "earliest"]]
    return (
        frame.join(again, on="broadcast")
        .fillna({"recoverable": 0})
        .astype({"recoverable": "int64"})
    )


JSON = (
    "broadcast",
    "name",
    "channel_id",
    "first",
    "last",
    "attempted",
    "delivered",
    "failed",
    "limit",
    "used",
    "over_limit",
    "explained",
    "recoverable",
    "earliest",
    "resend_of",
)


def as_json(listed: pd.DataFrame) -> list[dict]:
    """Broadcasts as a list of objects: times are the workspace's wall clock, but `earliest` (UTC,
    ISO 8601); null where a value is not known.
    """
    rows = []
    for row in listed[list(JSON)].astype(object).to_dict("records"):
        known = {name: None if pd.isna(value) else value for name, value in row.items()}
        for name in ("first", "last"):
            known[name] = known[name] and f"{known[name]:%Y-%m-%d %H:%M:%S}"
        known["earliest"] = known["earliest"] and known["earliest"].isoformat()
        rows.append(known)
    return rows


def titled(listed: pd.DataFrame, reader: Reader) -> pd.DataFrame:
    """Broadcasts as texts under headings in the reader's language."""
    _ = reader.gettext
    frame = {
        _("Key"): listed["broadcast"],
        _("Broadcast"): listed["name"],
        _("Channel"): listed["channel"],
        _("First"): [_moment(at) for at in listed["first"]],
        _("Last"): [_moment(at) for at in listed["last"]],
    }
    return pd.DataFrame(frame | counts(listed, reader))


def counts(listed: pd.DataFrame, reader: Reader) -> dict[str, list[str]]:
    """What is counted of broadcasts, and from when they can be recovered, as texts by heading."""
    _ = reader.gettext
    heads = {
        "attempted": _("Attempted"),
        "delivered": _("Delivered"),
        "failed": _("Failed"),
        "over_limit": _("Over the limit"),
        "recoverable": _("Can be reached again"),
    }
    told = {h: [reader.number(n) for n in listed[c].astype(object)] for c, h in heads.items()}
    return told | {_("From"): [reader.instant(at) for at in listed["earliest"]]}


def _moment(at: datetime) -> str:
    return "—" if pd.isna(at) else f"{at:%Y-%m-%d %H:%M}"


def _check_attempted(settings: Settings, frame: pd.DataFrame, measured: bool) -> None:
    """Raise QuotaError where fewer were attempted than failed, of a broadcast or of a channel's,
    ParameterError for a count of nothing that is there.
    """
    known = [*frame["broadcast"], *frame["channel_id"]]
    for name in settings.attempted:
        if name not in known:
            raise ParameterError(
                "attempted names '{name}', which has no failed message; present: {present}.",
                "attempted",
                name=name,
                present=", ".join(dict.fromkeys(frame["channel_id"])) or sentence("none"),
            )
    rows = frame[frame["attempted"].notna()]
    counts = list(zip(rows["name"], rows["attempted"], rows["failed"], strict=True))
    if not measured:
        failed = frame.groupby("channel_id")["failed"].sum()
        stated = {c: n for c, n in settings.attempted.items() if c in failed}
        counts += [(settings.channels.name(c), n, failed[c]) for c, n in stated.items()]
    for name, count, failures in counts:
        if count < failures:
            raise QuotaError(
                "{name}: {count} attempted, but {failures} failed messages; attempted counts"
                " delivered and failed. Check the counts, or the days that the messages export"
                " covers.",
                name=name,
                count=count,
                failures=failures,
            )


def by_error(failed: "ibis.Table", rules: Rules, language: str = "en") -> "pd.DataFrame":
    """One row per rule and masked text: error, rule, cause, verdict, wait_s, failed, contacts,
    title, fix, source.
    """
    groups = failed.group_by(error="masked", rule="rule", cause="cause", verdict="verdict")
    frame = groups.aggregate(
        failed=failed.count(),
        contacts=distinct_ids("contact_id", failed),
        wait_s=failed.wait_s.max(),
    ).to_pandas()
    frame = advised(_ranked(frame, "error"), rules, language)
    sources = {rule.id: rule.source for rule in rules.by_id.values()}
    frame["source"] = [sources.get(rule) or "" for rule in frame["rule"]]
    return frame


def advised(frame: "pd.DataFrame", rules: Rules, language: str) -> "pd.DataFrame":
    """Add title and fix: the advice of each row's rule, which is missing where none knows the
    error.
    """
    told = [
        advice(rule if isinstance(rule, str) else None, language, rules) for rule in frame["rule"]
    ]
    return frame.join(pd.DataFrame(told, frame.index, ["title", "fix"], "str"))


def tally(failed: "ibis.Table") -> "pd.DataFrame":
    """How many messages failed, for each channel_id, error (masked), cause, verdict and confidence
    ("code", "text", "concept", "guess", or "" where no rule knows the error) that are together.
    """
    groups = failed.group_by(
        "channel_id",
        "cause",
        "verdict",
        error="masked",
        confidence=failed.confidence.fill_null(""),
    )
    return groups.aggregate(failed=failed.count()).to_pandas().fillna({"channel_id": ""})


def summed(counts: "pd.DataFrame", *names: str) -> "pd.DataFrame":
    """The failed of what `tally` tells, by its columns of these names; most first."""
    groups = counts.groupby(list(names), dropna=False, as_index=False)
    return _ranked(groups["failed"].sum(), *names)


def by_channel(counts: "pd.DataFrame", channels: Channels) -> "pd.DataFrame":
    """channel (its name), channel_id, verdict, failed, of what `tally` tells."""
    return _ranked(named(summed(counts, "channel_id", "verdict"), channels), "channel", "verdict")


def error_by_channel(counts: "pd.DataFrame", channels: Channels) -> "pd.DataFrame":
    """error (masked), channel (its name), failed, of what `tally` tells."""
    return _ranked(named(summed(counts, "channel_id", "error"), channels), "error", "channel")


def by_time(tables: Tables) -> tuple["pd.DataFrame", str]:
    """hour (wall clock), cause, failed, and the unit: "hour", "minute" within two hours, "day"
    beyond five days.
    """
    dated = tables.failed.filter(tables.failed.local_at.notnull())
    unit = time_unit(tables.facts["end"] - tables.facts["begin"])
    hour = dated.local_at.truncate({"day": "D", "hour": "h", "minute": "m"}[unit])
    frame = dated.group_by(hour=hour, cause="cause").aggregate(failed=dated.count()).to_pandas()
    return frame.sort_values(["hour", "cause"], ignore_index=True), unit


def time_unit(span: timedelta) -> str:
    """The unit in which a span of time is charted: "minute", "hour" or "day"."""
    if span.days > DAYS_BY_HOUR:
        return "day"
    return "hour" if span >= timedelta(hours=HOURS_BY_MINUTE) else "minute"


def unknown_shapes(errors: "pd.DataFrame", where: "pd.DataFrame") -> "pd.DataFrame":
    """Unknown errors grouped by shape, largest first: shape, example (masked), texts, failed,
    channels.

    errors is what `by_error` returned, where what `error_by_channel` did.
    """
    unknown = errors[errors["rule"].isna()]
    frame = unknown.assign(shape=unknown["error"].map(shapes(unknown["error"])).astype("str"))
    names = where.groupby("error")["channel"].agg(set).to_dict()
    found = frame.groupby("shape", sort=False, as_index=False).agg(
        example=("error", "first"),
        texts=("error", "size"),
        failed=("failed", "sum"),
        channels=(
            "error",
            lambda own: ", ".join(sorted(set().union(*(names.get(e, set()) for e in own)))),
        ),
    )
    return _ranked(found, "shape")


def suggested_rule(text_shape: str, example: str = "") -> str:
    """A rule for the user's rules file that matches a shape (without words of its own: the masked
    example).
    """
    said = [
        find_words(plain_text(text.partition("http")[0]))[0].partition(" | ")[0]
        for text in (text_shape, example)
    ]
    parts = next(
        filter(None, ([w.strip() for w in text.split("~") if w.strip()] for text in said)), ["?"]
    )
    pattern = ".*".join(re.escape(part).replace("\\ ", " ") for part in parts).replace("'", ".")
    name = "-".join(re.findall("[a-z]+", text_shape.lower())[:4]) or "unknown"
    return (
        f'[[rule]]\nid = "my-{name}"\ntext = \'{pattern}\'\ncause = "unknown"\nverdict ='
        ' "unknown"\n'
    )


def comparison(now: "pd.DataFrame", folder: Path) -> "pd.DataFrame":
    """error, channel, before, now: `error_by_channel` of this run beside that of the run in folder.

    Raises InputError where folder holds no report.
    """
    path = folder / "data" / "error-by-channel.csv"
    if not path.is_file():
        raise InputError(
            "{folder} holds no failure report to compare with; expected a folder with"
            " data/error-by-channel.csv.",
            folder=folder,
        )
    before = sheets.read(path, ("error", "channel"))
    both = now.merge(before, on=["error", "channel"], how="outer", suffixes=("_now", "_before"))
    both = both.rename(columns={"failed_now": "now", "failed_before": "before"}).fillna(0)
    return both.astype({"now": "int64", "before": "int64"})[["error", "channel", "before", "now"]]


def _ranked(frame: "pd.DataFrame", *names: str) -> "pd.DataFrame":
    return frame.sort_values(
        ["failed", *names], ascending=[False, *[True] * len(names)], ignore_index=True
    )


def named(frame: "pd.DataFrame", channels: Channels) -> "pd.DataFrame":
    """The frame with `channel`, the name of its channel_id, before the others."""
    frame["channel_id"] = frame["channel_id"].fillna("")
    names = {c: channels.name(c) for c in frame["channel_id"].unique()}
    frame.insert(0, "channel", frame["channel_id"].map(names))
    return frame
