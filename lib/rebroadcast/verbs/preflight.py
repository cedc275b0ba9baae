"""A planned broadcast, looked at before it is sent: can this channel do it, whom will it miss, and
how many waves it takes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import pandas as pd

from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common.exceptions import ParameterError, QuotaError, did_you_mean, sentence
from ..common.times import END_OF_DAY
from ..limits import load as loads
from ..limits import waves
from ..limits.channels import Channel, Kind, kinds
from ..limits.limit import Limit
from ..recovery import messages
from . import assess as assessing
from . import plan as planning


@dataclass(frozen=True)
class Preflight:
    """What a broadcast to these contacts would meet. Counts are contacts; times are UTC.

    `duplicates` are rows of a contact or of a person (a shared phone number or address) beyond the
    first, `left` is the room in the limit at the start (None: not limited, or not known, see
    `note`), `waves` how many waves the `sendable` contacts take, `no_identifier` how many the
    channel cannot reach for want of a phone number or address, or since they are not on it
    (Channels of the export), `segments` how many segments that needs, of `segment_limit`.
    """

    channel: str
    kind: str
    contacts: int
    duplicates: int
    no_identifier: int
    refused: int
    unreachable: int
    planned: int
    sendable: int
    limit: int | None
    left: int | None
    waves: int | None
    finish: datetime | None
    segments: int | None
    segment_limit: int | None
    note: str = ""


def preflight(settings: Settings, tables: Tables) -> Preflight:
    """Check a contacts export against one channel, its limit, earlier exports and the ledger.

    Raises ParameterError for a channel that is not known or whose kind cannot broadcast, with the
    reason.
    """
    channel, kind = _channel(settings)
    contacts, persons = tables.inputs.contacts, tables.inputs.people
    if contacts is None or persons is None:
        raise ParameterError(
            "No contacts export was named; expected the contacts that the broadcast is for.",
            "contacts",
        )
    people, identifier = contacts.table, kind.identifier
    # Where no phone number or address does, a person must have written on the channel: the export
    # lists the names of theirs.
    listed = (
        people.channels.split(",")
        .map(lambda name: name.strip())
        .contains(channel.name)
        .fill_null(False)
    )
    on_it = people[identifier].notnull() if identifier else listed
    told = bool(identifier or on_it.any().execute())
    rows = people.group_by("contact_id").aggregate(
        n=people.count(), known=on_it.any() if told else people.count() > 0
    )
    known = _known(settings, tables, channel.id)
    for name, marked in known.items():
        rows = rows.left_join(marked, "contact_id", rname=f"{name}_{{name}}")
    rows = rows.mutate(**{name: rows[name].fill_null(False) for name in known})
    rows = rows.left_join(
        persons.table.select("contact_id", "person"), "contact_id", rname="person_{name}"
    )
    rows = rows.mutate(good=rows.known & ~rows.refused & ~rows.planned)
    one = {"group_by": [rows.person.fill_null(rows.contact_id), rows.good]}
    place = ibis.row_number().over(ibis.window(**one, order_by=rows.contact_id))
    rows = tables.engine.keep(rows.mutate(twin=rows.good & (place > 0)))
    good = rows.filter(rows.good & ~rows.twin)
    counts = (
        rows.aggregate(
            contacts=rows.n.sum(),
            duplicates=(rows.n - 1).sum() + rows.twin.sum(),
            no_identifier=(~rows.known).sum(),
            refused=rows.refused.sum(),
            unreachable=(rows.unreachable & ~rows.refused).sum(),
            planned=rows.planned.sum(),
        )
        .execute()
        .iloc[0]
        .astype(int)
        .to_dict()
    )
    room = _room(settings, tables, channel, good)
    if not told:
        why = settings.lang.gettext(
            "No contact's Channels name '{name}', so who has written on this channel is not known.",
            name=channel.name,
        )
        room["note"] = f"{why} {room['note']}".strip()
    return Preflight(channel.name, kind.name, **counts, **room)


def _channel(settings: Settings) -> tuple[Channel, Kind]:
    asked, known = ",".join(settings.selection.channel), settings.reader.channels
    listed = ", ".join(f"{i} ({n})" for i, n in known.items())
    channel = settings.channels.get(asked)
    if channel is None or asked not in known:
        raise ParameterError(
            "Channel '{asked}' is not in the channels file.{hint} Known: {known}.",
            "channel",
            asked=asked,
            hint=did_you_mean(asked, [*known, *known.values()]),
            known=listed or sentence("none; name a channels file (channels)"),
        )
    if channel.kind is None:
        raise ParameterError(
            "The channels file gives no kind for channel {asked}; expected kind = one of {known}.",
            "channel",
            asked=asked,
            known=", ".join(kinds()),
        )
    if not channel.kind.can_broadcast:
        reason = channel.kind.reason or ""
        raise ParameterError(
            "{name} ({kind}) cannot broadcast: {reason}",
            "channel",
            name=channel.name,
            kind=channel.kind.name,
            reason=sentence(reason),
        )
    return channel, channel.kind


def _known(settings: Settings, tables: Tables, channel: str) -> dict[str, "ibis.Table"]:
    """Contacts that are final (refused) or unreachable on the channel in earlier exports, and those
    the ledger has still to send to (planned): by that name contact_id, and the name, true.
    """
    nobody = ibis.memtable({"contact_id": ["0"]}, schema={"contact_id": "string"}).filter(
        ibis.literal(False)
    )
    known = dict.fromkeys(("refused", "unreachable", "planned"), nobody)
    if settings.exports:
        failed = tables.inputs.all_failed
        rows = failed.filter(failed.channel_id == channel)
        known["refused"] = rows.filter(rows.verdict == "never")
        known["unreachable"] = rows.filter(rows.cause == "unreachable")
    if tables.ledger:
        rows = tables.ledger.tagged(tables.engine.con)
        start = ibis.literal(planning.start_of(settings, tables)).cast("timestamp('UTC')")
        known["planned"] = rows.filter((rows.channel_id == channel) & (rows.due_at >= start))
    return {
        name: rows.select("contact_id").distinct().mutate(**{name: ibis.literal(True)})
        for name, rows in known.items()
    }


def _room(settings: Settings, tables: Tables, channel: Channel, good: "ibis.Table") -> dict:
    """The room in the limit, and the waves and segments that the good contacts take."""
    _, sendable = settings.lang.gettext, int(good.count().execute())
    limit = next((x for x in settings.limits if channel.id in x.channels), None)
    found: dict[str, Any] = {
        "sendable": sendable,
        "limit": limit.size if limit else None,
        "left": None,
        "waves": None,
        "finish": None,
        "segments": None,
        "segment_limit": settings.channels.segment_limit,
    }
    if limit is None:
        return found | {
            "note": _(
                "The channel's limit is not known, so no waves could be planned; state it in the"
                " channels file."
            )
        }
    start, failed = planning.start_of(settings, tables), _last_at_limit(settings, tables, limit)
    load, note = _load(settings, tables), ""
    if load is None and failed:
        load = planning.assumed([limit], failed)
        note = _(
            "No messages export was named, so the window is taken as full until it has passed since"
            " the last failure at the limit, and as empty then."
        )
    elif load is None:
        note = _("No messages export was named, so the window is taken as empty now.")
    if limit.size:
        found["left"] = (
            limit.room
            if load is None
            else int(loads.capacity(load, [limit], start).iloc[0]["left"])
        )
    audience = good.select("contact_id", channel_id=ibis.literal(channel.id))
    try:
        plan = waves.plan(
            audience,
            settings.limits,
            start,
            traffic=load,
            quiet=settings.sending.quiet,
            zone=settings.zone,
            deadline=settings.sending.deadline,
        )
    except QuotaError as error:
        return found | {"note": error.said_in(settings.lang.code)}
    found |= {"waves": len(plan.waves), "finish": plan.finish, "segments": len(plan.waves)}
    if found["segment_limit"] and len(plan.waves) > found["segment_limit"]:
        few = _(
            "{needed} segments are needed, but a workspace has {allowed}.",
            needed=len(plan.waves),
            allowed=found["segment_limit"],
        )
        note = f"{few} {note}".strip()
    return found | {"note": note}


def _last_at_limit(settings: Settings, tables: Tables, limit: Limit) -> datetime | None:
    """The newest failure at a limit, by the exports of failed messages, if any (UTC)."""
    if not settings.exports:
        return None
    rows = tables.inputs.all_failed
    rows = rows.filter((rows.cause == "quota") & rows.channel_id.isin(limit.channels))
    last = rows.sent_at.max().execute()
    return None if pd.isna(last) else last + END_OF_DAY * tables.inputs.export.days


def _load(settings: Settings, tables: Tables) -> "ibis.Table | None":
    """How full the limits are by the messages export; None without one."""
    inputs = tables.inputs
    if inputs.messages is None:
        return None
    sent = (
        inputs.delivered
        if settings.exports
        else messages.outgoing(inputs.messages.table).mutate(broadcast=ibis.null("string"))
    )
    return loads.load(assessing.counted(tables, sent), settings.limits)
