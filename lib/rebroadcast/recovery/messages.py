"""What a messages export tells: which messages went out, and which arrived."""

from typing import TYPE_CHECKING

from ..common.lazy import ibis

if TYPE_CHECKING:
    pass


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
    """Whether a message came from a contact."""
    return (
        (messages.sender_type.lower() == "contact") | (messages.traffic_type.lower() == "incoming")
    ).fill_null(False)
