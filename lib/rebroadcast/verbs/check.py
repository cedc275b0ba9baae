"""Did the resend reach them: the ledger's contacts against the exports made after the resend."""

from dataclasses import dataclass, field
from datetime import datetime

import ibis
import pandas as pd

from ..bench import parameters
from ..bench.results import Results
from ..bench.settings import Settings
from ..bench.tables import Inputs, Tables
from ..common.doubts import Doubt
from ..common.exceptions import LedgerError, ParameterError, did_you_mean, sentence
from ..ledger.ledger import Ledger, open_ledger
from ..recovery import broadcasts
from . import recover, summarise

_ = str  # marks a message for the catalogue; it is translated where it is shown
KEYS = ["run_id", "broadcast", "contact_id", "channel_id"]


@dataclass(frozen=True)
class Check:
    """What became of the contacts that were tagged.

    `outcomes`: run_id, broadcast (name), wave, cause, outcome (reached, failed_again, no_sign,
    not_due, not_known), contacts. `again`: cause, verdict, title and fix of the new failures,
    contacts. `runs`: run_id, broadcast, due_from, contacts, due, reached, share. `horizon`: the
    newest moment that the exports show (UTC). `how` says what counted as reached: a message that
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
        return {"totals": {"attempted": self.due, "failed": self.contacts("failed_again")}}


def check(settings: Settings, tables: Tables) -> Check:
    """Compare who was tagged with what arrived since; raises LedgerError without a ledger that
    knows the broadcast.

    A contact is reached by a message of the same broadcast or its resend that was delivered to it
    from its due time on; with no such message it failed again, or there is no sign of a send.
    Without a messages export nobody can be called reached: contacts that did not fail again are
    `not_known`.
    """
    ledger = tables.ledger
    if ledger is None and settings.exports == (parameters.SAMPLE_AFTER["exports"],):
        ledger = tables.ledger = _sample_ledger(tables)
    if ledger is None:
        raise ParameterError(
            "No ledger was named; expected the folder that the recovery was run with.", "ledger"
        )
    tagged, known = _asked(settings, tables, ledger)
    end = horizon(tables)
    pairs, doubts = _resends(settings, tables, ledger, known)
    fates = tables.engine.keep(_fates(settings, tables, tagged, pairs, end))
    measured = tables.inputs.messages is not None
    keys = ["run_id", "broadcast", "wave", "cause", "outcome"]
    outcomes = fates.group_by(keys).aggregate(contacts=fates.count()).order_by(keys).to_pandas()
    outcomes["broadcast"] = outcomes["broadcast"].map(lambda key: known.get(key, key))
    facts = summarise.look(tables)
    return Check(
        facts=facts,
        outcomes=outcomes,
        again=_again(settings, fates),
        runs=_runs(ledger, fates, outcomes, measured),
        horizon=end,
        measured=measured,
        how=settings.reached,
        doubts=(*facts.doubts, *doubts),
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
    """The ledger's rows for the broadcast that was asked for (all without one), and the names of
    their broadcasts by key.
    """
    listed = ledger.contents(tables.engine.con).broadcasts
    asked = settings.selection.broadcast
    names = dict(zip(listed["broadcast"], listed["name"], strict=True))
    try:
        key = asked and broadcasts.choose(asked, listed)
    except ParameterError:
        key = None
    if key is None or not len(listed):
        known = [*names.values()]
        raise LedgerError(
            "The ledger knows no run for '{broadcast}'.{hint} Known: {known}.",
            hint=did_you_mean(asked, [*names, *known]),
            broadcast=asked or sentence("any broadcast"),
            known=", ".join(known) or sentence("none"),
        )
    rows = ledger.tagged(tables.engine.con)
    return (rows.filter(rows.broadcast == key), {key: names[key]}) if key else (rows, names)


def _resends(
    settings: Settings, tables: Tables, ledger: Ledger, known: dict[str, str]
) -> tuple[list[tuple[str, str]], list[Doubt]]:
    """Which broadcasts of the exports say what one of the ledger said: pairs of keys.

    Where either has no content to compare, every broadcast on the channel may be the resend.
    """
    pairs, unread = [], 0
    for told in (b for b in ledger.broadcasts() if b.key in known):
        for row in tables.inputs.groups.found.itertuples():
            if not told.shape or not row.shape:
                same = told.channel in (None, "", row.channel_id)
                unread += same
            else:
                same = broadcasts.same_shape(told.shape, row.shape)
            if same:
                pairs.append((told.key, row.broadcast))
    if settings.reached == "any" or not unread:
        return pairs, []
    text = _(
        "The contents of messages are not known here, so any later broadcast on a contact's channel"
        " counts as the resend."
    )
    return pairs, [Doubt("no contents", text)]


def horizon(tables: Tables) -> datetime:
    """The newest moment (UTC) of which the exports tell."""
    exports = [tables.inputs.export, tables.inputs.messages]
    seen = [export.table.sent_at.max().execute() for export in exports if export]
    return max(at for at in seen if pd.notna(at)).to_pydatetime()


def _fates(
    settings: Settings,
    tables: Tables,
    tagged: ibis.Table,
    pairs: list[tuple[str, str]],
    end: datetime,
) -> ibis.Table:
    """The outcome of each contact that was tagged."""
    rows = tagged.mutate(channel_id=tagged.channel_id.fill_null(""))
    events = _events(settings, tables.inputs.all_failed, pairs)
    failed = events.select(
        "to", "on", "of", "sent_at", rule_="rule", new_cause="cause", new_verdict="verdict"
    )
    latest = rows.join(failed, _same(settings, rows, failed)).group_by(KEYS)
    latest = latest.aggregate(
        new_cause=lambda t: t.new_cause.argmax(t.sent_at),
        new_verdict=lambda t: t.new_verdict.argmax(t.sent_at),
        rule=lambda t: t.rule_.argmax(t.sent_at),
    )
    rows = rows.left_join(latest, KEYS, rname="{name}_again")
    reached, other = ibis.literal(False), "not_known"
    if tables.delivered is not None:
        sent = _events(settings, tables.delivered, pairs).select("to", "on", "of", "sent_at")
        arrived = rows.join(sent, _same(settings, rows, sent)).select(*KEYS).distinct()
        rows = rows.left_join(
            arrived.mutate(arrived=ibis.literal(True)), KEYS, rname="{name}_arrived"
        )
        reached, other = rows.arrived.fill_null(False), "no_sign"
    newest = ibis.literal(end).cast("timestamp('UTC')")
    outcome = ibis.cases(
        (reached, "reached"),
        (rows.new_cause.notnull(), "failed_again"),
        (rows.due_at > newest, "not_due"),
        else_=other,
    )
    return rows.select(
        *KEYS, "wave", "cause", "due_at", "rule", "new_cause", "new_verdict", outcome=outcome
    )


def _events(settings: Settings, messages: ibis.Table, pairs: list[tuple[str, str]]) -> ibis.Table:
    """Messages with to, on, and `of`: the ledger's broadcast that they may be the resend of."""
    to, on = messages.contact_id, messages.channel_id.fill_null("")
    if settings.reached == "any":
        return messages.mutate(to=to, on=on, of=ibis.literal(""))
    schema = {"of": "string", "resend_": "string"}
    resends = ibis.memtable([dict(zip(schema, pair, strict=True)) for pair in pairs], schema=schema)
    rows = messages.mutate(to=to, on=on)
    return rows.join(resends, rows.broadcast == resends.resend_)


def _same(settings: Settings, rows: ibis.Table, events: ibis.Table) -> list[ibis.Value]:
    """Whether a message is one of a contact's, from its due time on."""
    anything = settings.reached == "any"
    same = rows.channel_id == events.on if anything else rows.broadcast == events.of
    return [rows.contact_id == events.to, events.sent_at >= rows.due_at, same]


def _again(settings: Settings, fates: ibis.Table) -> pd.DataFrame:
    """Why contacts failed again, most first."""
    rows = fates.filter(fates.outcome == "failed_again").group_by(
        "rule", cause="new_cause", verdict="new_verdict"
    )
    again = rows.aggregate(contacts=lambda t: t.count()).to_pandas()
    again = summarise.advised(again, settings.rules, settings.lang.code).drop(columns="rule")
    return again.sort_values(["contacts", "title"], ascending=[False, True], ignore_index=True)


def _runs(
    ledger: Ledger, fates: ibis.Table, outcomes: pd.DataFrame, measured: bool
) -> pd.DataFrame:
    """One row per run, in order: how many contacts were due, and how many of them were reached."""
    starts = fates.group_by("run_id").aggregate(first=fates.due_at.min()).to_pandas()
    starts = dict(zip(starts["run_id"], starts["first"], strict=True))
    rows = []
    for run in (record["run_id"] for record in ledger.runs() if record["run_id"] in starts):
        mine = outcomes[outcomes["run_id"] == run]
        sums, contacts = mine.groupby("outcome")["contacts"].sum(), int(mine["contacts"].sum())
        due, reached = contacts - int(sums.get("not_due", 0)), int(sums.get("reached", 0))
        rows.append(
            {
                "run_id": run,
                "broadcast": ", ".join(dict.fromkeys(mine["broadcast"])),
                "due_from": starts[run],
                "contacts": contacts,
                "due": due,
                "reached": reached,
                "share": reached / due if due and measured else None,
            }
        )
    columns = ["run_id", "broadcast", "due_from", "contacts", "due", "reached", "share"]
    return pd.DataFrame(rows, columns=columns)
