"""What a messages export tells: which messages went out, and which arrived."""

from collections.abc import Collection, Mapping

import ibis
import pandas as pd

from ..engine.engine import id_parts, same_ids, shared_parts, with_ids

IDS = ("message_id", "contact_id")
MINUTE, DAY = 60, 24 * 60 * 60  # seconds
INCOMING = ("incoming", "inbound", "received", "entrante")
SHORT = 30  # characters: in a longer text the words of an opt-out may say something else


def delivered(messages: ibis.Table, failed: ibis.Table, unmatched: ibis.Table) -> ibis.Table:
    """The outgoing messages that arrived: in the messages export and not in the failed export.

    Messages are compared by contact and ID. A contact with a failure that is not in the messages
    export (see `unmatched`) tells nothing on that channel: its IDs are damaged, and what seems to
    have arrived may be what failed.
    """
    lost = _ids(failed)
    arrived = messages.anti_join(lost, same_ids(messages, lost, *IDS))
    same = same_ids(arrived, unmatched, "contact_id")
    return arrived.anti_join(unmatched, [*same, arrived.channel_id == unmatched.channel_id])


def unmatched(messages: ibis.Table, failed: ibis.Table) -> ibis.Table:
    """The failures that should be in the messages export and are not, on a channel and in a time
    that it covers: contact_id (or its parts), channel_id and row_id.
    """
    covered = messages.group_by("channel_id").aggregate(
        begin=messages.sent_at.min(), end=messages.sent_at.max()
    )
    # A clock without seconds, or a date without a clock, begins before what happened in it.
    at = failed.local_at
    minutes = at.hour() + at.minute()
    width = ibis.cases((at.second() > 0, 0), (minutes > 0, MINUTE), (minutes == 0, DAY), else_=0)
    ids = [part for name in IDS for part in id_parts(name, failed)]
    rows = failed.select(*ids, "channel_id", "sent_at", "row_id", width=width)
    rows = with_ids(rows.join(covered, "channel_id"))
    rows = rows.filter(
        rows.sent_at + rows.width.cast("int64").as_interval("s") >= rows.begin,
        rows.sent_at <= rows.end,
    )
    known = _ids(messages)
    rows = rows.anti_join(known, same_ids(rows, known, *IDS))
    return with_ids(rows.select(*id_parts("contact_id", rows), "channel_id", "row_id"))


def _ids(table: ibis.Table) -> ibis.Table:
    """The IDs of messages and their contacts, each once."""
    ids = [part for name in IDS for part in id_parts(name, table)]
    return with_ids(table.filter(table.message_id.notnull()).select(*ids).distinct())


def timed(failed: ibis.Table, messages: ibis.Table) -> ibis.Table:
    """Failed messages whose dates are days, at the times at which the messages export has them."""
    ids = [part for name in IDS for part in shared_parts(name, failed, messages)]
    known = messages.filter(messages.message_id.notnull())
    known = known.group_by(**{f"of_{part}": known[part] for part in ids}).aggregate(
        at_=known.sent_at.min(), local_=known.local_at.min()
    )
    rows = failed.left_join(known, [failed[p].identical_to(known[f"of_{p}"]) for p in ids])
    at, local = rows.at_.fill_null(rows.sent_at), rows.local_.fill_null(rows.local_at)
    return rows.mutate(sent_at=at, local_at=local).select(*failed.columns)


def outgoing(messages: ibis.Table) -> ibis.Table:
    """The messages of an export that were sent to contacts, not received from them."""
    return messages.filter(~received(messages))


def received(messages: ibis.Table) -> ibis.Value:
    """Whether a message came from a contact: by its sender, its direction or its type."""
    tests = (
        messages.sender_type.lower() == "contact",
        messages.traffic_type.lower().isin(INCOMING),
        messages.message_type.lower().isin(INCOMING),
    )
    return ibis.or_(*(test.fill_null(False) for test in tests))


def asked_out(messages: ibis.Table, words: str) -> ibis.Table:
    """The contacts who wrote a short message that a pattern of opt-outs matches: contact_id (or its
    parts), each once. Their words stand in the content as they are, or in JSON as "text".
    """
    wrote = messages.filter(received(messages))
    said = wrote.content.re_extract(r'"text"\s*:\s*"([^"]*)"', 1).nullif("")
    said = said.fill_null(wrote.content).strip().lower()
    wrote = wrote.filter((said.length() <= SHORT) & said.re_search(words))
    return with_ids(wrote.select(*id_parts("contact_id", wrote)).distinct())


def at_limit(
    restricted: ibis.Table, arrived: ibis.Table, sizes: Mapping[str, Collection[int]]
) -> pd.DataFrame:
    """The broadcasts whose restrictions are no other than their channel's limit: exactly as many
    contacts were reached as one of its sizes (by channel ID), and all before the first restriction.

    Returns broadcast, channel_id, reached (contacts) and failed (messages).
    """
    lost = restricted.group_by("broadcast", "channel_id").aggregate(
        failed=restricted.count(), begin=restricted.sent_at.min()
    )
    got = arrived.group_by("broadcast").aggregate(
        reached=arrived.contact_id.nunique(), end=arrived.sent_at.max()
    )
    pairs = lost.join(got, "broadcast")
    frame = pairs.filter(pairs.begin >= pairs.end).drop("begin", "end").to_pandas()
    fits = [n in sizes.get(c, ()) for n, c in zip(frame.reached, frame.channel_id, strict=True)]
    return frame.loc[fits]
