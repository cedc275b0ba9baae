"""People behind contact IDs: a contacts export may have one person under several."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import ibis

from ..common.doubts import Doubt, concerning, n_
from ..engine.engine import id_parts
from .broadcasts import PAUSE

MOST = 3  # contacts that share a number: where more do, it is a placeholder or a shop's own
# WhatsApp writes mobile numbers of Mexico and Argentina with a digit that may be left out.
MOBILE = (r"^521(\d{10})$", r"52\1"), (r"^549(\d{10})$", r"54\1")
LOST = r"^\s*\+?[0-9]([.,][0-9]*)?[eE]\+?[0-9]+\s*$"  # a number as spreadsheets cut it


class People(NamedTuple):
    """Who is one person: `table` has contact_id, person (the same for all contacts of one) and
    active_at, for those contacts only that share a phone number or an e-mail address.

    `crowded` is how many contacts share one with so many others that it tells nothing, `lost` how
    many have a number whose digits a spreadsheet took.
    """

    table: "ibis.Table"
    crowded: int
    lost: int = 0

    def doubts(self) -> tuple[Doubt, ...]:
        """What is not certain about who is one person."""
        crowded = Doubt(
            "people",
            "{n} contacts have a phone number or an e-mail address that more than {most} contacts"
            " share; it is taken for a placeholder, and each contact for a person.",
            {"n": self.crowded, "most": MOST},
            self.crowded,
        )
        lost = n_(
            "A spreadsheet cut the phone number of {n} contact (as 5.25E+11), so that its"
            " person cannot be told by it. Export the contacts again, and do not open them in"
            " a spreadsheet before.",
            "A spreadsheet cut the phone numbers of {n} contacts (as 5.25E+11), so that"
            " persons with several contacts cannot be told by them. Export the contacts"
            " again, and do not open them in a spreadsheet before.",
        )
        shared = [crowded] if self.crowded else []
        return (*shared, *concerning("lost phones", lost, self.lost))


def people(contacts: "ibis.Table", keep: "Callable[[ibis.Table], ibis.Table]") -> People:
    """Find the contacts that share a phone number or an e-mail address, also through a third one.

    contacts has contact_id, phone, email and, where known, last_active (text); numbers are compared
    by their digits. keep has the engine work a table out once.

    >>> people(contacts, engine.keep).table.count()  # doctest: +SKIP
    """
    active = contacts.last_active if "last_active" in contacts.columns else ibis.null("string")
    contacts = contacts.mutate(active_at=active.strip().try_cast("timestamp"))
    keys = ibis.union(
        *(
            contacts.select("contact_id", key=name + ibis.literal(":") + value)
            for name, value in (
                (ibis.literal("phone"), digits(contacts.phone)),
                (ibis.literal("email"), contacts.email.fill_null("").strip().lower()),
            )
        )
    )
    keys = keys.filter(keys.key.contains("@") | keys.key.re_search("^phone:[0-9]")).distinct()
    sizes = keys.group_by("key").aggregate(n=keys.count())
    several = keep(keys.join(sizes.filter(sizes.n > 1), "key"))
    crowd = several.filter(several.n > MOST)
    labels = _joined(keep(several.filter(several.n <= MOST).drop("n")), keep)
    activity = contacts.group_by("contact_id").aggregate(active_at=contacts.active_at.max())
    table = labels.join(activity, "contact_id")
    lost = contacts.phone.re_search(LOST).sum().execute()
    return People(keep(table), int(crowd.contact_id.nunique().execute()), int(lost or 0))


def spread(rows: "ibis.Table", people: People | None) -> "ibis.Table":
    """Repeat what is known of a contact (rows with contact_id) for the other contacts of the same
    person, where people are known.

    >>> spread(tagged_before, people)  # doctest: +SKIP
    """
    if people is None:
        return rows
    rows = _by_id(rows)
    return rows.union(_for_others(rows, people))


def arrived(delivered: "ibis.Table", people: People) -> "ibis.Table":
    """Repeat delivered messages (contact_id, sender_type, sent_at) for the other contacts of the
    same person.

    A broadcast reaches each contact once: one that arrived under another contact up to PAUSE before
    this one's failed is the same broadcast, so those messages count from then on.

    >>> arrived(delivered, people)  # doctest: +SKIP
    """
    delivered = _by_id(delivered)
    others = _for_others(delivered, people)
    later = others.sent_at + ibis.interval(seconds=int(PAUSE.total_seconds()))
    of_broadcast = (others.sender_type.lower() == "broadcast").fill_null(False)
    return delivered.union(others.mutate(sent_at=of_broadcast.ifelse(later, others.sent_at)))


def _by_id(rows: "ibis.Table") -> "ibis.Table":
    """Rows without the parts of their contact IDs, which would not follow where these change."""
    return rows.drop(*set(id_parts("contact_id")).intersection(rows.columns))


def _for_others(rows: "ibis.Table", people: People) -> "ibis.Table":
    one = people.table.select("contact_id", "person")
    other = one.rename(other_="contact_id", person_="person")
    pairs = one.join(other, [one.person == other.person_, one.contact_id != other.other_])
    pairs = pairs.select(known_="contact_id", other_="other_")
    more = rows.join(pairs, rows.contact_id == pairs.known_).mutate(contact_id=ibis._.other_)
    return more.select(*rows.columns)


def unite(fates: "ibis.Table", people: People) -> "ibis.Table":
    """Treat the contacts of one person as one, in each audience.

    fates has contact_id, audience and disposition (see `fates.fates`). Whoever is final, was
    reached or was tagged under one of their contacts is so under all; of those who are left, the
    contact that was active last is tagged (of several, the lowest ID), and the others are
    `repeated`.

    >>> unite(fates, people)  # doctest: +SKIP
    """
    mine = fates.join(people.table, "contact_id")
    own = {"group_by": ["person", "audience"]}
    told = [
        (mine.disposition == name).any().over(ibis.window(**own))
        for name in ("never", "reached_later", "tagged_before")
    ]
    tagged = mine.disposition == "tagged"
    order = [
        tagged.desc(),
        mine.active_at.desc(nulls_first=False),
        mine.contact_id.length(),
        mine.contact_id,
    ]
    place = ibis.row_number().over(ibis.window(**own, order_by=order))
    disposition = ibis.cases(
        (~tagged, mine.disposition),
        (told[0], "never"),
        (told[1], "reached_later"),
        (told[2], "tagged_before"),
        (place > 0, "repeated"),
        else_="tagged",
    )
    changed = mine.mutate(disposition=disposition).select(*fates.columns)
    return fates.anti_join(people.table, "contact_id").union(changed)


def without(
    fates: "ibis.Table",
    excluded: "ibis.Table",
    disposition: str = "filtered",
    same: Sequence[str] = ("contact_id",),
) -> "ibis.Table":
    """Leave contacts out (excluded: contact_id, and what else must be the same): where they would
    be tagged they get another disposition.

    >>> without(fates, carriers)  # doctest: +SKIP
    """
    left = excluded.select(**{f"{name}_": name for name in same}).distinct()
    rows = fates.left_join(left, [fates[name] == left[f"{name}_"] for name in same])
    out = rows[f"{same[0]}_"].notnull() & (rows.disposition == "tagged")
    return rows.mutate(disposition=out.ifelse(disposition, rows.disposition)).select(*fates.columns)


def digits(phone: "ibis.Value") -> "ibis.Value":
    """A phone number's digits, as they are compared; "" for what is no phone number."""
    text = phone.fill_null("").strip().re_replace(r"^00", "+")
    number = text.re_replace(r"[.,]0$", "").re_replace("[^0-9]", "")  # 525555550001.0
    for pattern, plain in MOBILE:
        number = number.re_replace(pattern, plain)
    return text.re_search("^[+(]?[0-9][0-9 ().+\u00a0/-]{6,}$").ifelse(number, "")


def _joined(shared: "ibis.Table", keep: "Callable[[ibis.Table], ibis.Table]") -> "ibis.Table":
    """Give all contacts that are joined by keys (key, contact_id) one label: contact_id, person.

    Every round joins each group to the lowest of its neighbours, and follows that to its end.
    """
    labels = keep(shared.select("contact_id", person="contact_id").distinct())
    while True:
        lowest = (
            shared.join(labels, "contact_id")
            .group_by("key")
            .aggregate(low=lambda t: t.person.min())
        )
        near = (
            shared.join(lowest, "key").group_by("contact_id").aggregate(low=lambda t: t.low.min())
        )
        steps = keep(
            labels.join(near, "contact_id").group_by("person").aggregate(to=lambda t: t.low.min())
        )
        if not steps.filter(steps.to != steps.person).count().execute():
            return labels
        for _again in range(2):
            on = steps.view()
            steps = keep(
                steps.join(on, steps.to == on.person).select(person=steps.person, to=on.to)
            )
        labels = keep(labels.join(steps, "person").select("contact_id", person="to"))
