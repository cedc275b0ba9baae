"""The failed-message log, which has no contact IDs: whose rows they are, where a contacts export
says so for certain.
"""

from dataclasses import replace

import ibis
import pandas as pd

from ..common.exceptions import InputError
from ..engine.engine import Engine
from ..limits.channels import Channels
from ..reading.exports import Export
from ..sources.files import known

AMBIGUOUS = "several contacts fit this name"
MISSING = "no contact has this name"


def match(log: ibis.Table, people: ibis.Table | None, channels: Channels) -> ibis.Table:
    """Find the contact of each row of a failed-message log, never guessing between two people.

    log has contact_name and channel (a name); people is a contacts export. A row is
    sure where exactly one contact has that full name, or, for several of one name, where exactly
    one of them is on the row's channel; a name cell that is a phone number or an e-mail address is
    compared with those. Returns log with contact_id (null where it is not sure), `problem` (why
    not) and channel_id: the ID that the channels file gives to that name, else the name.
    """
    if people is None:
        raise InputError(
            "A failed-message log has no contact IDs; name a contacts export (contacts) to match"
            " its names with."
        )
    full = fold(people.first_name.fill_null("") + " " + people.last_name.fill_null(""))
    keys = [full, _digits(people.phone), fold(people.email.fill_null(""))]
    people_by = ibis.union(
        *(
            people.select("contact_id", channels=fold(people.channels.fill_null("")), key=k)
            for k in keys
        )
    )
    people_by = people_by.filter(people_by.key != "").distinct()
    phone = _digits(log.contact_name)
    key = (phone != "").ifelse(phone, fold(log.contact_name.fill_null("")))
    log = log.mutate(key=key, on=fold(log.channel.fill_null("")))
    pairs = log.select("row_id", "key", "on").join(people_by, "key")
    pairs = pairs.mutate(here=(pairs.on != "") & pairs.channels.contains(pairs.on))
    found = pairs.group_by("row_id").aggregate(
        people=pairs.contact_id.nunique(),
        one=pairs.contact_id.max(),
        people_here=pairs.contact_id.nunique(where=pairs.here),
        one_here=pairs.contact_id.max(where=pairs.here),
    )
    log = log.left_join(found, "row_id")
    sure = ibis.cases((log.people == 1, log.one), (log.people_here == 1, log.one_here))
    problem = ibis.cases((log.people.isnull(), MISSING), (sure.isnull(), AMBIGUOUS))
    ids = {" ".join(c.name.lower().split()): c.id for c in channels.channels}  # as `fold` does
    channel = log.on.substitute(ids, else_=log.channel) if ids else log.channel
    return log.mutate(contact_id=sure, problem=problem, channel_id=channel).drop(
        "on", "key", *found.columns[1:]
    )


def fold(text: ibis.Value) -> ibis.Value:
    """Names as they are compared: lower case, one space between words."""
    return text.lower().strip().re_replace(r"\s+", " ")


def _digits(text: ibis.Value) -> ibis.Value:
    """A phone number's digits; "" for what is no phone number."""
    text = text.fill_null("").strip()
    return text.re_search(r"^[+(]?[0-9][0-9 ().+-]{6,}$").ifelse(text.re_replace("[^0-9]", ""), "")


def export(
    engine: Engine, log: Export, people: ibis.Table | None, channels: Channels
) -> tuple[Export, pd.DataFrame]:
    """Turn a failed-message log as read into a failed-messages export: sure rows in its table, the
    others rejected; return it with the rows that are to be tagged by hand (local_at, contact_name,
    channel, error, problem).
    """
    rows = engine.keep(match(log.table, people, channels))
    good = rows.filter(rows.problem.isnull())
    columns = known()["exports"]["failed"]["columns"] + ["local_at", "source_file", "row", "row_id"]
    table = good.select(
        **{c: good[c] if c in good.columns else ibis.null("string") for c in columns}
    )
    unsure = rows.filter(rows.problem.notnull()).order_by("row_id").to_pandas()
    skips = {s.name: s.skip for s in log.sources}
    lines = [int(r) + skips[f] for r, f in zip(unsure["row"], unsure["source_file"], strict=True)]
    frame = pd.DataFrame(
        {
            "file": unsure["source_file"],
            "line": lines,
            "reason": unsure["problem"],
            "text": unsure["contact_name"],
        }
    )
    rejected = pd.concat([log.rejected, frame], ignore_index=True)
    if not len(lines) < log.rows:
        raise InputError(
            "No name in {file} fits exactly one contact of the contacts export; is it of the same"
            " workspace?",
            file=log.sources[0].name,
        )
    sure = replace(log, kind="failed", table=table, rejected=rejected, rows=log.rows - len(unsure))
    return sure, unsure[["local_at", "contact_name", "channel", "error", "problem"]]
