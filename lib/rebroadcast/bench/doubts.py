"""What makes the numbers of a run less sure, whatever is asked of it."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from ..common.doubts import ALL, Doubt, concerning, n_
from ..engine.engine import distinct_ids
from ..reading import checks
from .tables import Tables

_ = str  # marks a message for the catalogue; it is translated where it is shown
LISTED = 5  # channels that are named
FEW = 0.05  # so large a share of the failures may say no reason without a word
NIGHT = timedelta(minutes=10)  # so near to midnight, an export's edge may cut a broadcast


def doubts(tables: Tables) -> tuple[Doubt, ...]:
    """Doubts about the files that were read, their days, and the selection."""
    return (
        *of_files(tables),
        *_zone(tables),
        *_too_early(tables),
        *(_cut(tables) or _midnight(tables)),
        *_one_day(tables),
        *_grouping(tables),
        *_no_channel(tables),
        *_no_reason(tables),
        *_other_channels(tables),
        *_shared_ids(tables),
        *_unmatched(tables),
        *_none_delivered(tables),
        *_restricted(tables),
        *_unlimited(tables),
        *_other_sizes(tables),
        *_attempted(tables),
    )


def _zone(tables: Tables) -> list[Doubt]:
    """How a time zone was understood that is not called so."""
    settings = tables.settings
    word = str(settings.stated.get("timezone") or settings.channels.timezone or settings.zone)
    if word.lower() == settings.zone.lower():
        return []
    return [
        Doubt(
            "zone",
            "The time zone '{word}' is taken to be {zone}.",
            {"word": word, "zone": settings.zone},
        )
    ]


def of_files(tables: Tables) -> list[Doubt]:
    """Doubts about the files alone: exports and channels file."""
    told = [doubt for export in tables.inputs.all_read.values() for doubt in export.doubts]
    return [*told, *tables.settings.channels.doubts()]


def _too_early(tables: Tables) -> list[Doubt]:
    newest = tables.newest
    if newest is None or (age := datetime.now(UTC) - newest) >= tables.settling:
        return []
    return [
        Doubt(
            "too early",
            "The newest failure is {age} old, and failures on these channels may arrive for"
            " {settling}. Export again later, or more contacts may turn out to have failed.",
            {"age": max(age, timedelta()), "settling": tables.settling},
            ALL,
        )
    ]


def _cut(tables: Tables) -> list[Doubt]:
    """How many broadcasts have failures both inside and outside the dates asked for."""
    if not any(tables.settings.selection.period):
        return []
    rows = tables.inputs.all_failed
    rows = rows.filter(rows.broadcast.notnull())
    inside = tables.selected(rows)
    edge = rows.group_by("broadcast").aggregate(some=inside.any(), every=inside.all())
    cut = int(edge.filter(edge.some & ~edge.every).count().execute())
    return concerning(
        "cut by dates",
        _(
            "Broadcasts only partly within the dates that were asked for: {n}. Widen them to see"
            " all of each."
        ),
        cut,
    )


def _midnight(tables: Tables) -> list[Doubt]:
    """Whether broadcast messages failed near midnight on the first or last day of the export."""
    first, last = tables.seen[["first", "last"]]
    if pd.isna(first) or first.time() == last.time():
        return []
    if min(first - first.normalize(), last.normalize() + timedelta(days=1) - last) > NIGHT:
        return []
    return [
        Doubt(
            "cut at midnight",
            "Broadcast messages failed within minutes of midnight at the edge of the export: its"
            " dates may cut a broadcast in half. Export one day more.",
        )
    ]


def _one_day(tables: Tables) -> list[Doubt]:
    """Whether all failures are on the same day of three months or more."""
    text = _(
        "All failures are on the same day of different months: see whether day and month are read"
        " in the right order (date_format)."
    )
    one_day = tables.seen["days"] == 1 and tables.seen["months"] > 2
    return [Doubt("day and month", text, {}, ALL)] if one_day else []


def _grouping(tables: Tables) -> list[Doubt]:
    """What broadcasts are told apart by, where the exports lack some of it."""
    groups = tables.inputs.groups
    if not len(groups.found):
        return []
    without = {
        "sender_type": _(
            "The exports do not say who sent a message, so messages of agents and workflows may"
            " count as broadcasts."
        ),
        "sender_id": _(
            "The exports have no sender IDs, so broadcasts of several senders at the same time on a"
            " channel are told apart by their contents alone."
        ),
        "content": _(
            "The exports have no contents, so broadcasts are told apart by channel, sender and time"
            " alone: two within six hours count as one. Later resends cannot be told, so whom they"
            " reached is not left out (reached: any counts every later message)."
        ),
        "sent_at": _(
            "The exports have no times, so broadcasts of one channel and sender that say the same"
            " count as one."
        ),
    }
    return [Doubt("grouping", text) for name, text in without.items() if name not in groups.basis]


def _no_channel(tables: Tables) -> list[Doubt]:
    """How many failed messages name no channel, where others do."""
    n = int(tables.seen["nowhere"]) if tables.inputs.groups.channels else 0
    return concerning(
        "no channel",
        n_(
            "{n} failed message names no channel, unlike the others (a sheet may have had merged"
            " cells): it is in no channel's numbers, and counts as a broadcast of its own.",
            "{n} failed messages name no channel, unlike the others (a sheet may have had merged"
            " cells): they are in no channel's numbers, and count as broadcasts of their own.",
        ),
        n,
    )


def _no_reason(tables: Tables) -> list[Doubt]:
    """How many failed messages say no reason, where they are more than a few."""
    n = int(tables.seen["silent"])
    text = n_(
        "{n} failed message says no reason: its error is empty, or a spreadsheet broke it. So it is"
        " not known whether its contact can be reached again. Export the failed messages again,"
        " and do not save them in a spreadsheet.",
        "{n} failed messages say no reason: their errors are empty, or a spreadsheet broke them. So"
        " it is not known whether their contacts can be reached again. Export the failed messages"
        " again, and do not save them in a spreadsheet.",
    )
    return concerning("no reason", text, n) if n >= FEW * tables.seen["failed"] else []


def _other_channels(tables: Tables) -> list[Doubt]:
    """Whether the channels file is about none of the channels of the failed messages."""
    named = [c.id for c in tables.settings.channels.channels]
    present = tables.inputs.groups.channels
    if not named or not present or not {*named}.isdisjoint(present):
        return []
    return [
        Doubt(
            "other channels",
            "The channels file names none of the export's channels: it has {named}, the export"
            " {present}. So names and limits are not known; see whether an ID is misspelt, or the"
            " file another's.",
            {"named": ", ".join(named[:LISTED]), "present": ", ".join(present[:LISTED])},
            ALL,
        )
    ]


def _shared_ids(tables: Tables) -> list[Doubt]:
    """How many failed messages have the message ID of another contact's."""
    _known = tables.failed  # tells which IDs are shared
    return concerning(
        "ids are shared",
        n_(
            "{n} failed message has a message ID that another contact's message has, too (a"
            " spreadsheet may have rounded it). Messages cannot be compared by ID; export again,"
            " and do not open the file in a spreadsheet before.",
            "{n} failed messages have a message ID that another contact's message has, too (a"
            " spreadsheet may have rounded it). Messages cannot be compared by ID; export again,"
            " and do not open the file in a spreadsheet before.",
        ),
        tables.sharing,
    )


def _unmatched(tables: Tables) -> list[Doubt]:
    """How many failures the messages export should have, and has not."""
    if tables.inputs.outgoing is None:
        return []
    rows = tables.failed.semi_join(tables.inputs.unmatched, "row_id")
    files = [s.name for s in tables.inputs.export.sources if checks.nameless(s)]
    seen = rows.group_by(nameless=rows.source_file.isin(files))
    seen = seen.aggregate(n=rows.count(), contacts=distinct_ids("contact_id", rows)).to_pandas()
    texts = {
        False: n_(
            "{n} failed message is not in the messages export of those days, so its ID cannot be"
            " compared (a spreadsheet may have cut it). What seems to have arrived for its contact"
            " is not counted. Export both files again, and do not save them in a spreadsheet.",
            "{n} failed messages are not in the messages export of those days, so their IDs cannot"
            " be compared (a spreadsheet may have cut them). What seems to have arrived for these"
            " {contacts} contacts is not counted. Export both files again, and do not save them in"
            " a spreadsheet.",
        ),
        True: n_(
            "{n} failed message is of an export without message IDs, so it cannot be found in the"
            " messages export. What seems to have arrived for its contact is not counted. Export"
            " the failed messages again, with their IDs.",
            "{n} failed messages are of an export without message IDs, so they cannot be found in"
            " the messages export. What seems to have arrived for these {contacts} contacts is not"
            " counted. Export the failed messages again, with their IDs.",
        ),
    }
    return [
        Doubt(
            "ids do not match", texts[one.nameless], {"n": one.n, "contacts": one.contacts}, one.n
        )
        for one in seen.itertuples()
    ]


def _none_delivered(tables: Tables) -> list[Doubt]:
    """Whether every message of the messages export failed."""
    delivered = tables.inputs.delivered
    if delivered is None or not tables.settings.messages or delivered.limit(1).count().execute():
        return []
    return [
        Doubt(
            "none delivered",
            "All messages of the messages export are in the failed-messages export, so that nothing"
            " counts as delivered. See whether it is the export of all messages (messages).",
            {},
            ALL,
        )
    ]


def _restricted(tables: Tables) -> list[Doubt]:
    """What the reading of a restriction as a limit rests on."""
    seen = tables.inputs.at_limit
    return concerning(
        "restriction",
        n_(
            "{n} message failed with a restriction of the number (131048) after {reached} contacts"
            " had been reached, exactly a limit, and none after that: it counts as a failure at the"
            " limit. If people reported the number, mend that first.",
            "{n} messages failed with a restriction of the number (131048) after {reached} contacts"
            " had been reached, exactly a limit, and none after that: they count as failures at the"
            " limit. If people reported the number, mend that first.",
        ),
        int(seen["failed"].sum()),
        reached=", ".join(map(tables.settings.reader.number, sorted({*seen["reached"]}))),
    )


def _unlimited(tables: Tables) -> list[Doubt]:
    """How many failures say that a limit was reached on channels that are stated to have none."""
    free = [c for limit in tables.settings.limits if not limit.size for c in limit.channels]
    if not free:
        return []
    rows = tables.inputs.all_failed
    n = int(((rows.cause == "quota") & rows.channel_id.isin(free)).sum().execute() or 0)
    return concerning(
        "unlimited",
        n_(
            "{n} failure says that a limit was reached, on a channel that the channels file calls"
            " unlimited: no overflow and no waves are worked out for it. Correct the file.",
            "{n} failures say that a limit was reached, on channels that the channels file calls"
            " unlimited: no overflow and no waves are worked out for them. Correct the file.",
        ),
        n,
    )


def _other_sizes(tables: Tables) -> list[Doubt]:
    """Whether windows were full with other numbers of contacts than their limits say."""
    if tables.inputs.outgoing is None:
        return []
    full, reader = tables.full_windows, tables.settings.reader
    other = full[~full["agrees"]]
    text = _(
        "Messages failed at a limit when its window held other numbers of contacts than the"
        " channels file says (contacts/limit): {limits}. Check the limit, and whether the messages"
        " export holds the day before: until then these failures count as over it, and wait as long"
        " as their errors say."
    )
    seen = zip(other["limit"], other["observed"], other["size"], strict=True)
    limits = [f"{reader.limit(n)}: {reader.number(a)}/{reader.number(b)}" for n, a, b in seen]
    values = {"limits": "; ".join(dict.fromkeys(limits))}
    return [Doubt("limit", text, values, int(other["quota"].sum()))] if limits else []


def _attempted(tables: Tables) -> list[Doubt]:
    """Which stated counts are not used: a channel's with several broadcasts, whose shares of it are
    not known, and what the messages export says otherwise.
    """
    sent, stated = tables.sent, tables.settings.attempted
    name = tables.settings.reader.channel
    if sent is None:
        text = _(
            "{name}: {given} attempted were given for the channel, but it has {several}"
            " broadcasts, and what was attempted in each is not known. Give the count of each"
            " by its key (see the command broadcasts)."
        )
        several = tables.inputs.groups.found["channel_id"].value_counts()
        return [
            Doubt("attempted", text, {"name": name(c), "given": n, "several": int(several[c])}, n)
            for c, n in stated.items()
            if several.get(c, 0) > 1
        ]
    text = _(
        "{name}: {given} attempted were given, {measured} are in the messages export. The"
        " export is used here."
    )
    own = [sent.filter((sent.channel_id == key) | (sent.broadcast == key)) for key in stated]
    measured = [int(rows.message_id.nunique().execute()) for rows in own]
    return [
        Doubt("attempted", text, {"name": name(key), "given": n, "measured": seen}, abs(n - seen))
        for (key, n), seen in zip(stated.items(), measured, strict=True)
        if n != seen
    ]
