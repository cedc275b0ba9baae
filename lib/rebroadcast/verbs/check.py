"""Did the resend reach them: the ledger's contacts against the exports made after the resend."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd

from ..bench import parameters
from ..bench.results import Results
from ..bench.settings import Selection, Settings
from ..bench.tables import Inputs, Tables
from ..common.doubts import ALL, Doubt, concerning, n_
from ..common.exceptions import LedgerError, ParameterError, did_you_mean, sentence
from ..ledger.ledger import Broadcast, Ledger, open_ledger
from ..recovery import broadcasts
from ..show.words import OUTCOMES
from . import recover, summarise

NEVER = datetime(9999, 1, 1)  # begins an export without dates
KEYS = ["run_id", "broadcast", "contact_id", "channel_id"]


@dataclass(frozen=True)
class Check:
    """What became of the contacts that were tagged.

    `outcomes`: run_id, broadcast (name), wave, cause, outcome (reached, failed_again, no_sign,
    not_due, not_known), contacts. `again`: cause, verdict, title and fix of the new failures,
    contacts. `runs`: run_id, broadcast, due_from, contacts, due, reached, share. `horizon`: the
    newest moment that the exports show (UTC). `facts` are of the whole exports, but for its
    contacts: those that were checked. `how` says what counted as reached: a message that
    says the same ("message"), or any ("any").
    """

    facts: summarise.Facts
    outcomes: pd.DataFrame
    again: pd.DataFrame
    runs: pd.DataFrame
    horizon: datetime
    measured: bool
    how: str
    doubts: tuple[Doubt, ...] = field(default=())

    def contacts(self, outcome: str) -> int:
        """How many contacts had an outcome."""
        return int(self.outcomes.loc[self.outcomes["outcome"] == outcome, "contacts"].sum())

    @property
    def due(self) -> int:
        """How many contacts were due."""
        return int(self.outcomes["contacts"].sum()) - self.contacts("not_due")

    @property
    def recorded(self) -> dict:
        contacts = {name: self.contacts(name) for name in OUTCOMES}
        totals = {"attempted": self.due, "failed": contacts["failed_again"]}
        return {"totals": totals, "outcomes": contacts}


def check(settings: Settings, tables: Tables) -> Check:
    """Compare who was tagged with what arrived since; raises LedgerError without a ledger that
    knows the broadcast.

    A contact is reached by a message of the same broadcast or its resend that was delivered to it
    from its due time on; with no such message it failed again, or there is no sign of a send.
    Without a messages export nobody can be called reached: contacts that did not fail again are
    `not_known`, as are those who were due before it begins. Channel and dates select contacts, by
    when they were due.
    """
    ledger = tables.ledger
    if ledger is None and settings.exports == (parameters.SAMPLE_AFTER["exports"],):
        ledger = tables.ledger = _sample_ledger(tables)
    if ledger is None:
        raise ParameterError(
            "No ledger was named; expected the folder that the recovery was run with.", "ledger"
        )
    tagged, known = _asked(settings, tables, ledger)
    told = [b for b in ledger.broadcasts() if b.key in known]
    tables = tables.over(replace(settings, selection=Selection()))
    end = horizon(tables)
    pairs, doubts = _resends(settings, tables, told)
    fates = tables.engine.keep(_fates(settings, tables, tagged, pairs, end))
    keys = ["run_id", "broadcast", "wave", "cause", "outcome"]
    outcomes = fates.group_by(keys).aggregate(contacts=fates.count()).order_by(keys).to_pandas()
    outcomes["broadcast"] = outcomes["broadcast"].map(lambda key: known.get(key, key))
    facts = summarise.look(tables)
    return Check(
        facts=replace(facts, contacts=int(outcomes["contacts"].sum())),
        outcomes=outcomes,
        again=_again(settings, fates),
        runs=_runs(ledger, fates, outcomes),
        horizon=end,
        measured=tables.inputs.messages is not None,
        how=settings.reached,
        doubts=(
            *facts.doubts,
            *doubts,
            *_zones(settings, told),
            *_before_due(settings, tables, fates, pairs, told),
            *_unseen(tables, fates),
        ),
    )


def _sample_ledger(tables: Tables) -> Ledger:
    """The ledger that the sample's recovery would have written, for the sample's resend."""
    place = str(tables.engine.scratch / "ledger")
    stated = parameters.SAMPLE_RECOVERY | {"ledger": place, "timezone": tables.settings.zone}
    before = Settings.parse(stated, "tag_import")
    sample = Tables(Inputs(before))
    with sample.inputs.stack as stack:
        results = Results("", before.reader, stack)
        results.folder = results.published = tables.engine.scratch / "recovery"
        results.folder.mkdir()
        claim = recover.recover(before, sample, results).claim
    assert claim  # as it was run with a ledger
    ledger = open_ledger(place, create=False)
    ledger.confirm(claim["run_id"])
    return ledger


def _asked(settings: Settings, tables: Tables, ledger: Ledger) -> tuple[ibis.Table, dict[str, str]]:
    """The ledger's rows that were asked for (all without a selection), and the names of their
    broadcasts by key.
    """
    listed = ledger.contents(tables.engine.con).broadcasts
    asked = settings.selection.broadcast
    names = dict(zip(listed["broadcast"], listed["name"], strict=True))
    try:
        key = asked and broadcasts.choose(asked, listed)
    except ParameterError:
        key = None
    if key is None or not len(listed):
        raise LedgerError(
            "The ledger knows no run for '{broadcast}'.{hint} Known: {known}.",
            hint=did_you_mean(asked, [*names, *names.values()]),
            broadcast=asked or sentence("any broadcast"),
            known=", ".join(names.values()) or sentence("none"),
        )
    rows = ledger.tagged(tables.engine.con)
    if key:
        rows, names = rows.filter(rows.broadcast == key), {key: names[key]}
    return _selected(settings, rows), names


def _selected(settings: Settings, rows: ibis.Table) -> ibis.Table:
    """The contacts on the channels asked for that were due in the dates asked for; raises
    ParameterError where there is none, and for a sender type: whoever sends it, a resend is one.
    """
    asked, zone, tests = settings.selection, settings.zone, [ibis.literal(True)]
    if asked.sender_type:
        raise ParameterError(
            "A resend counts whoever sent it; leave out sender_type, which this check does not"
            " take.",
            "sender_type",
        )
    start, end = asked.period
    tests += [rows.channel_id.isin(asked.channel)] if asked.channel else []
    tests += [rows.due_at >= _instant(start, zone)] if start else []
    tests += [rows.due_at < _instant(end, zone)] if end else []
    left = rows.filter(ibis.and_(*tests))
    if len(tests) > 1 and not left.limit(1).count().execute():
        stated = {n: settings.stated[n] for n in ("channel", "from_", "to") if n in settings.stated}
        raise ParameterError(
            "No contact of the ledger is left for {filters}; it has {rows}, on {channels}, due from"
            " {begin} to {end}.",
            next(iter(stated)).strip("_"),
            filters=", ".join(f"{n.strip('_')} {value}" for n, value in stated.items()),
            rows=rows.count().execute(),
            channels=", ".join(sorted(rows.channel_id.collect(distinct=True).execute())),
            begin=settings.reader.instant(rows.due_at.min().execute()),
            end=settings.reader.instant(rows.due_at.max().execute()),
        )
    return left


def _instant(at: datetime, zone: str) -> ibis.Value:
    """A wall-clock time of a zone as an instant."""
    utc = at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return ibis.literal(utc).cast("timestamp('UTC')")


def _resends(
    settings: Settings, tables: Tables, known: Sequence[Broadcast]
) -> tuple[list[tuple[str, str]], list[Doubt]]:
    """Which broadcasts of the exports say what one of the ledger said: pairs of keys.

    Where either has no content to compare, every broadcast on the channel may be the resend.
    """
    every = [(told, row) for told in known for row in tables.inputs.groups.found.itertuples()]
    same = [
        (told, row)
        for told, row in every
        if told.shape and row.shape and broadcasts.same_shape(told.shape, row.shape)
    ]
    unread = [
        (told, row)
        for told, row in every
        if not (told.shape and row.shape) and told.channel in (None, "", row.channel_id)
    ]
    pairs = [(told.key, row.broadcast) for told, row in same + unread]
    if settings.reached == "any" or not unread:
        return pairs, []
    return pairs, [
        Doubt(
            "no contents",
            "The contents of messages are not known here, so any later broadcast on a contact's"
            " channel counts as the resend.",
        )
    ]


def horizon(tables: Tables) -> datetime:
    """The newest moment (UTC) of which the exports tell who was reached, or failed again."""
    exports = [tables.inputs.messages, tables.inputs.export]
    seen = (export.table.sent_at.max().execute() for export in exports if export)
    return next(at for at in seen if pd.notna(at)).to_pydatetime()


def _fates(
    settings: Settings,
    tables: Tables,
    tagged: ibis.Table,
    pairs: list[tuple[str, str]],
    end: datetime,
) -> ibis.Table:
    """The outcome of each contact that was tagged."""
    rows = tagged.mutate(channel_id=tagged.channel_id.fill_null(""))
    failed = tables.inputs.all_failed
    told = {"rule_": failed.rule, "new_cause": failed.cause, "new_verdict": failed.verdict}
    failed = _with_resends(settings, rows, failed, pairs, **told)
    failed = failed.filter(failed.sent_at >= failed.due_at)
    latest = failed.group_by(KEYS).aggregate(
        new_cause=failed.new_cause.argmax(failed.sent_at),
        new_verdict=failed.new_verdict.argmax(failed.sent_at),
        rule=failed.rule_.argmax(failed.sent_at),
    )
    rows = rows.left_join(latest, KEYS, rname="{name}_again")
    newest = ibis.literal(end).cast("timestamp('UTC')")
    tests = [(rows.new_cause.notnull(), "failed_again"), (rows.due_at > newest, "not_due")]
    other, sure = "not_known", ibis.null("boolean")
    if tables.delivered is not None and tables.inputs.messages:
        arrived = _with_resends(settings, rows, tables.delivered, pairs)
        arrived = arrived.filter(arrived.sent_at >= arrived.due_at).group_by(KEYS)
        arrived = arrived.aggregate(sure=lambda t: _covered(settings, tables, t).any())
        rows = rows.left_join(arrived, KEYS, rname="{name}_arrived")
        begin = _midnight(tables.inputs.messages.span[0] or NEVER, settings.zone)
        tests += [(rows.due_at < begin, "not_known")]
        tests, other, sure = [(rows.sure.notnull(), "reached"), *tests], "no_sign", rows.sure
    columns = ("wave", "cause", "due_at", "rule", "new_cause", "new_verdict")
    return rows.select(*KEYS, *columns, sure=sure, outcome=ibis.cases(*tests, else_=other))


def _midnight(day: datetime, zone: str, later: int = 0) -> ibis.Value:
    """The instant at which a day begins, or one some days later: exports are of whole days."""
    return _instant(datetime.combine(day, time()) + timedelta(days=later), zone)


def _covered(
    settings: Settings, tables: Tables, rows: ibis.Table, first: bool = False
) -> ibis.Value:
    """Whether the failed-messages export would show that a message to a contact failed: it has
    failures of that day, and one since the contact was due, but where it is the first message.
    """
    (begin, end), zone = tables.inputs.export.span, settings.zone
    if not settings.messages or begin is None or end is None:  # the same file; no dates
        return ibis.literal(True)
    inside = rows.sent_at.between(_midnight(begin, zone), _midnight(end, zone, later=1))
    return inside if first else inside & (rows.due_at <= _instant(end, zone))


def _with_resends(
    settings: Settings,
    rows: ibis.Table,
    messages: ibis.Table,
    pairs: list[tuple[str, str]],
    **more: ibis.Value,
) -> ibis.Table:
    """Contacts beside each message to them that may be the resend of the ledger's broadcast: when
    it was sent (`sent_at`), and more of its columns.
    """
    events = messages.select(
        "sent_at", to="contact_id", key=messages.channel_id.fill_null(""), of="broadcast", **more
    )
    if settings.reached == "any":
        return rows.join(events, [rows.contact_id == events.to, rows.channel_id == events.key])
    resends = ibis.memtable(pairs, schema={"resent": "string", "resend": "string"})
    events = events.join(resends, events.of == resends.resend)
    return rows.join(events, [rows.contact_id == events.to, rows.broadcast == events.resent])


def _zones(settings: Settings, known: Sequence[Broadcast]) -> list[Doubt]:
    """Whether a recovery read its times in a zone whose clock shows another time."""
    seen = [(b.last, b.zone) for b in known if b.last and b.zone]
    other = {
        zone
        for at, zone in seen
        if at.astimezone(ZoneInfo(zone)).utcoffset()
        != at.astimezone(ZoneInfo(settings.zone)).utcoffset()
    }
    if not other:
        return []
    return [
        Doubt(
            "another zone",
            "The recovery was made with the time zone {before}, and this check reads times in"
            " {zone}: name the same zone (timezone), or contacts count as due too early or too"
            " late.",
            {"before": ", ".join(sorted(other)), "zone": settings.zone},
            ALL,
        )
    ]


def _before_due(
    settings: Settings,
    tables: Tables,
    fates: ibis.Table,
    pairs: list[tuple[str, str]],
    known: Sequence[Broadcast],
) -> list[Doubt]:
    """How many contacts without an outcome a resend went to before they were due: after all of
    their broadcast that the recovery saw, by the clock that it read. And whose failures are none
    any more: the broadcast itself has arrived late.
    """
    zone = ZoneInfo(settings.zone)
    clocks = [
        (b.key, b.last.astimezone(ZoneInfo(b.zone or settings.zone))) for b in known if b.last
    ]
    seen = [(key, int(at.replace(tzinfo=zone).timestamp())) for key, at in clocks]
    last = ibis.memtable(seen, schema={"known_": "string", "last": "int64"})
    waiting = fates.filter(~fates.outcome.isin(["reached", "failed_again"]))
    rows = waiting.join(last, waiting.broadcast == last.known_)
    messages = ((tables.inputs.all_failed, True), (tables.delivered, False))
    sent = ibis.union(
        *(
            _with_resends(settings, rows, table, pairs, failed=ibis.literal(failed))
            for table, failed in messages
            if table is not None
        )
    )
    later = sent.sent_at.epoch_seconds().cast("int64") > sent["last"]
    early = sent.filter(later, sent.sent_at < sent.due_at).select(KEYS).distinct()
    own = sent.filter(~later, sent.of == sent.broadcast)
    arrived = ~own.failed & _covered(settings, tables, own, first=True)
    own = own.group_by(KEYS).aggregate(late=arrived.any() & ~own.failed.any())
    return [
        *concerning(
            "sent early",
            n_(
                "What would count as the resend went to {n} contact after its failure and before it"
                " was due, so that it does not count. See whether the resend went out before its"
                " start, and whether the time zone is that of the exports.",
                "What would count as the resend went to {n} contacts after their failure and before"
                " they were due, so that it does not count. See whether the resend went out before"
                " its start, and whether the time zone is that of the exports.",
            ),
            int(early.count().execute()),
        ),
        *concerning(
            "arrived late",
            n_(
                "The failure of {n} contact without a sign of a send is no longer in the"
                " failed-messages export, though it covers its time, and its message is in the"
                " messages export: it seems to have arrived late. Do not write to this contact"
                " again.",
                "The failures of {n} contacts without a sign of a send are no longer in the"
                " failed-messages export, though it covers their time, and their messages are in"
                " the messages export: they seem to have arrived late. Do not write to these"
                " contacts again.",
            ),
            int(own.filter(own.late).count().execute()),
        ),
    ]


def _unseen(tables: Tables, fates: ibis.Table) -> list[Doubt]:
    """How many contacts the exports tell too little of, since they are not of all days."""
    messages = tables.inputs.messages
    if messages is None:
        return []
    counts = fates.aggregate(
        unsure=fates.count(where=(fates.outcome == "reached") & ~fates.sure),
        before=fates.count(where=fates.outcome == "not_known"),
    )
    unsure, before = map(int, counts.execute().iloc[0])
    begin, end = tables.inputs.export.span
    return [
        *concerning(
            "failures not exported",
            n_(
                "{n} contact counts as reached by a message that may have failed: the"
                " failed-messages export ({begin} to {end}) tells of none of its day, or of none"
                " since the contact was due. Export the failed messages of all days since the"
                " resend; if none failed, this contact was reached.",
                "{n} contacts count as reached by messages that may have failed: the"
                " failed-messages export ({begin} to {end}) tells of none of their day, or of none"
                " since the contacts were due. Export the failed messages of all days since the"
                " resend; if none failed, these contacts were reached.",
            ),
            unsure,
            begin=begin,
            end=end,
        ),
        *concerning(
            "messages not exported",
            n_(
                "{n} contact was due before the messages export begins ({begin}), so what became of"
                " it is not known. Export the messages of all days since then.",
                "{n} contacts were due before the messages export begins ({begin}), so what became"
                " of them is not known. Export the messages of all days since then.",
            ),
            before,
            begin=messages.span[0],
        ),
    ]


def _again(settings: Settings, fates: ibis.Table) -> pd.DataFrame:
    """Why contacts failed again, most first."""
    rows = fates.filter(fates.outcome == "failed_again").group_by(
        "rule", cause="new_cause", verdict="new_verdict"
    )
    again = rows.aggregate(contacts=lambda t: t.count()).to_pandas()
    again = summarise.advised(again, settings.rules, settings.lang.code).drop(columns="rule")
    return again.sort_values(["contacts", "title"], ascending=[False, True], ignore_index=True)


def _runs(ledger: Ledger, fates: ibis.Table, outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row per run, in order: how many contacts were due, and how many of them were reached; no
    share where that is not known of all.
    """
    starts = fates.group_by("run_id").aggregate(first=fates.due_at.min()).to_pandas()
    starts = dict(zip(starts["run_id"], starts["first"], strict=True))
    rows = []
    for run in (record["run_id"] for record in ledger.runs() if record["run_id"] in starts):
        mine = outcomes[outcomes["run_id"] == run]
        sums, contacts = mine.groupby("outcome")["contacts"].sum(), int(mine["contacts"].sum())
        due, reached = contacts - int(sums.get("not_due", 0)), int(sums.get("reached", 0))
        share = reached / due if due and not sums.get("not_known") else None
        names = ", ".join(dict.fromkeys(mine["broadcast"]))
        rows.append((run, names, starts[run], contacts, due, reached, share))
    columns = ["run_id", "broadcast", "due_from", "contacts", "due", "reached", "share"]
    return pd.DataFrame(rows, columns=columns)
