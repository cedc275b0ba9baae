"""What a messages export tells: which messages went out, and which arrived."""

from ..common.lazy import ibis

INCOMING = ("incoming", "inbound", "received", "entrante")


def delivered(messages: "ibis.Table", failed: "ibis.Table") -> "ibis.Table":
    """The outgoing messages that arrived: in the messages export and not in the failed export, by
    message ID.
    """
    lost = failed.filter(failed.message_id.notnull()).select("message_id").distinct()
    return outgoing(messages).anti_join(lost, "message_id")


def outgoing(messages: "ibis.Table") -> "ibis.Table":
    """The messages of an export that were sent to contacts, not received from them."""
    return messages.filter(~received(messages))


def received(messages: "ibis.Table") -> "ibis.Value":
    """Whether a message came from a contact: its sender is one, or its type or direction says so,
    whichever of these columns an export fills.
    """
    incoming = [
        messages[name].lower().isin(INCOMING).fill_null(False)
        for name in ("message_type", "traffic_type")
    ]
    return ibis.or_((messages.sender_type.lower() == "contact").fill_null(False), *incoming)
