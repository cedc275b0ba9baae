"""Whole tables of messages in, small pandas frames out: what charts and reports show."""

import re
from datetime import timedelta
from pathlib import Path

from ..common import sheets
from ..common.exceptions import InputError, QuotaError
from ..common.lazy import ibis, pd
from ..errors import Rules, advice
from ..errors.texts import find_words, plain_text, shapes
from ..limits.channels import Channels
from ..recovery.messages import outgoing

DAYS_BY_HOUR = 5  # a longer span is charted by day
HOURS_BY_MINUTE = 2  # a shorter span is charted by minute: a limit is often reached within minutes


def by_error(failed: "ibis.Table", rules: Rules, language: str = "en") -> "pd.DataFrame":
    """One row per rule and masked text: error, rule, cause, verdict, wait_s, failed, contacts,
    title, fix, source.
    """
    groups = failed.group_by(error="masked", rule="rule", cause="cause", verdict="verdict")
    frame = groups.aggregate(
        failed=failed.count(), contacts=failed.contact_id.nunique(), wait_s=failed.wait_s.max()
    ).to_pandas()
    frame = _ranked(frame, "error")
    told = {
        rule: advice(rule, language, rules) for rule in [None, *frame["rule"].dropna().unique()]
    }
    for place, name in enumerate(("title", "fix")):
        frame[name] = [told.get(rule, told[None])[place] for rule in frame["rule"]]
    sources = {rule.id: rule.source for rule in rules.by_id.values()}
    frame["source"] = [sources.get(rule) or "" for rule in frame["rule"]]
    return frame


def by_cause(failed: "ibis.Table") -> "pd.DataFrame":
    """cause, verdict, failed; most first."""
    return _ranked(
        failed.group_by("cause", "verdict").aggregate(failed=failed.count()).to_pandas(),
        "cause",
        "verdict",
    )


def by_channel(failed: "ibis.Table", channels: Channels) -> "pd.DataFrame":
    """channel (its name), channel_id, verdict, failed."""
    frame = failed.group_by("channel_id", "verdict").aggregate(failed=failed.count()).to_pandas()
    return _ranked(named(frame, channels), "channel", "verdict")


def error_by_channel(failed: "ibis.Table", channels: Channels) -> "pd.DataFrame":
    """error (masked), channel (its name), failed."""
    frame = (
        failed.group_by("channel_id", error=failed.masked)
        .aggregate(failed=failed.count())
        .to_pandas()
    )
    return _ranked(named(frame, channels), "error", "channel")


def by_time(failed: "ibis.Table") -> tuple["pd.DataFrame", str]:
    """hour (wall clock), cause, failed, and the unit: "hour", "minute" within two hours, "day"
    beyond five days.
    """
    dated = failed.filter(failed.local_at.notnull())
    span = dated.aggregate(first=dated.local_at.min(), last=dated.local_at.max()).execute().iloc[0]
    unit = time_unit(span["last"] - span["first"])
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
    groups = frame.groupby("shape", sort=False)
    found = groups.agg(
        example=("error", "first"), texts=("error", "size"), failed=("failed", "sum")
    ).reset_index()
    found["channels"] = [
        ", ".join(sorted(set().union(*(names.get(e, set()) for e in g["error"]))))
        for _, g in groups
    ]
    return _ranked(found, "shape")


def suggested_rule(text_shape: str, example: str = "") -> str:
    """A rule for the user's rules file that matches a shape (without words of its own: the masked
    example).
    """
    said = [
        find_words(plain_text(text.partition("http")[0])).partition(" | ")[0]
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
    both = now.merge(
        before, on=["error", "channel"], how="outer", suffixes=("_now", "_before")
    ).fillna(0)
    both = both.rename(columns={"failed_now": "now", "failed_before": "before"})
    return both.astype({"now": "int64", "before": "int64"})[["error", "channel", "before", "now"]]


def attempted(
    failed: "ibis.Table",
    channels: Channels,
    messages: "ibis.Table | None" = None,
    given: dict[str, int] | None = None,
) -> "pd.DataFrame":
    """Per channel: attempted, delivered, failed (messages), limit and overflow (contacts); source
    of the counts.

    attempted comes from a messages export (its outgoing messages) or from given counts (channel ID
    → number); a count that was given outranks a measured one, and `measured` keeps the other.
    Columns that are not known are null. The limit is compared with one broadcast, so it is left out
    where a channel's messages span more than its window, or where more were delivered than it
    allows: then some did not count, such as WhatsApp's replies within 24 hours, and only `limits`
    can tell.
    """
    limited = (failed.cause == "quota").cast("int64").sum()
    span = (failed.sent_at.max().epoch_seconds() - failed.sent_at.min().epoch_seconds()).cast(
        "float64"
    )
    frame = (
        failed.group_by("channel_id")
        .aggregate(failed=failed.count(), quota=limited, span=span)
        .to_pandas()
    )
    if messages is not None:
        sent = outgoing(messages)
        spread = (sent.sent_at.max().epoch_seconds() - sent.sent_at.min().epoch_seconds()).cast(
            "float64"
        )
        measured = (
            sent.group_by("channel_id")
            .aggregate(measured=sent.message_id.nunique(), spread=spread)
            .to_pandas()
        )
        frame = frame.merge(measured, on="channel_id", how="left")
        frame["span"] = frame[["span", "spread"]].max(axis=1)
    else:
        frame["measured"] = pd.NA
    frame["attempted"] = [
        (given or {}).get(c, m) for c, m in zip(frame["channel_id"], frame["measured"], strict=True)
    ]
    frame["attempted"] = frame["attempted"].astype("Int64")
    for c, count, failures in frame[["channel_id", "attempted", "failed"]].itertuples(index=False):
        if not pd.isna(count) and count < failures:
            raise QuotaError(
                "Channel {channel}: {count} attempted, but {failures} failed messages; attempted"
                " counts delivered and failed. Check the counts, or the days that the messages"
                " export covers.",
                channel=c,
                count=count,
                failures=failures,
            )
    frame["delivered"] = (frame["attempted"] - frame["failed"]).astype("Int64")
    limits = {
        c: limit for limit in channels.limits() for c in limit.channels if len(limit.channels) == 1
    }
    lengths = {c: limit.window.length for c, limit in limits.items() if limit.window.length}
    fits = [
        c in lengths and not s > lengths[c].total_seconds()
        for c, s in zip(frame["channel_id"], frame["span"], strict=True)
    ]
    sizes = [
        limits[c].size if ok else None for c, ok in zip(frame["channel_id"], fits, strict=True)
    ]
    frame["limit"] = pd.array(sizes, dtype="Int64")
    frame["limit"] = frame["limit"].mask((frame["delivered"] > frame["limit"]).fillna(False))
    frame["overflow"] = (frame["attempted"] - frame["limit"]).clip(lower=0)
    return _ranked(
        named(frame.drop(columns=["span", "spread"], errors="ignore"), channels), "channel"
    )


def _ranked(frame: "pd.DataFrame", *names: str) -> "pd.DataFrame":
    return frame.sort_values(
        ["failed", *names], ascending=[False, *[True] * len(names)], ignore_index=True
    )


def named(frame: "pd.DataFrame", channels: Channels) -> "pd.DataFrame":
    """The frame with `channel`, the name of its channel_id, before the others."""
    frame["channel_id"] = frame["channel_id"].fillna("")
    names = {c: channels.name(c) if c else "—" for c in frame["channel_id"].unique()}
    frame.insert(0, "channel", frame["channel_id"].map(names))
    return frame
