"""Did the resend reach them: the ledger's contacts against the exports made after the resend."""

from dataclasses import dataclass
from datetime import datetime

from ..bench.parameters import SAMPLE_AFTER, SAMPLE_RECOVERY
from ..bench.workbench import Workbench
from ..common.exceptions import LedgerError, ParameterError, did_you_mean, sentence
from ..common.lazy import ibis, pd
from ..errors import advice
from ..ledger.ledger import Ledger
from . import recover as recovering


@dataclass(frozen=True)
class Check:
    """What became of the contacts that were tagged.

    `outcomes`: run_id, broadcast, wave, cause, outcome (reached, failed_again, no_sign, not_due,
    not_known), contacts. `again`: cause, verdict and title of the new failures, contacts. `runs`:
    run_id, broadcast, due_from, contacts, due, reached, share. `horizon`: the newest moment that
    the exports show (UTC).
    """

    outcomes: "pd.DataFrame"
    again: "pd.DataFrame"
    runs: "pd.DataFrame"
    horizon: datetime
    measured: bool


def check(bench: Workbench) -> Check:
    """Compare who was tagged with what arrived since; raises LedgerError without a ledger that
    knows the broadcast.

    A contact is reached by any message delivered to it on its channel from its due time on; with no
    such message it failed again, or there is no sign of a send. Without a messages export nobody
    can be called reached: contacts that did not fail again are `not_known`.
    """
    if bench.given.get("exports") == SAMPLE_AFTER["exports"] and not bench.text("ledger"):
        bench.ledger = _sample_ledger(bench)
    if bench.ledger is None:
        raise ParameterError(
            "No ledger was named; expected the folder that the recovery was run with.", "ledger"
        )
    records = bench.ledger.runs()
    known = sorted({r["broadcast"] for r in records})
    asked = bench.text("broadcast") or None
    if not records or (asked and asked not in known):
        hint = did_you_mean(asked or "", known)
        raise LedgerError(
            "The ledger knows no run for '{broadcast}'.{hint} Known: {known}.",
            hint=hint,
            broadcast=asked or sentence("any broadcast"),
            known=", ".join(known) or sentence("none"),
        )
    fates = bench.engine.keep(_fates(bench, bench.ledger.tagged(bench.engine.con, asked)))
    keys = ["run_id", "broadcast", "wave", "cause", "outcome"]
    outcomes = fates.group_by(keys).aggregate(contacts=fates.count()).order_by(keys).to_pandas()
    starts = fates.group_by("run_id").aggregate(first=fates.due_at.min()).to_pandas()
    starts = dict(zip(starts["run_id"], starts["first"], strict=True))
    again = fates.filter(fates.outcome == "failed_again").group_by(
        "rule", cause="new_cause", verdict="new_verdict"
    )
    again = again.aggregate(contacts=lambda t: t.count()).to_pandas()
    told = [
        advice(rule if isinstance(rule, str) else None, bench.lang.code, bench.rules)
        for rule in again.pop("rule")
    ]
    again["title"], again["fix"] = [title for title, _fix in told], [fix for _title, fix in told]
    again = again.sort_values(["contacts", "title"], ascending=[False, True], ignore_index=True)
    return Check(
        outcomes,
        again,
        _runs(bench, outcomes, records, starts),
        horizon(bench),
        bench.messages is not None,
    )


def _sample_ledger(bench: Workbench) -> Ledger:
    """The ledger that the sample's recovery would have written, for the sample's resend."""
    scratch = bench.engine.scratch
    before = Workbench(
        SAMPLE_RECOVERY | {"ledger": str(scratch / "ledger"), "out": str(scratch / "recovery")}
    )
    recovering.recover(before)
    before.finish()
    return before.ledger


def horizon(bench: Workbench) -> datetime:
    """The newest moment (UTC) of which the exports tell."""
    tables = [bench.export.table] + ([bench.messages.table] if bench.messages else [])
    seen = [t.sent_at.max().execute() for t in tables]
    return max(t for t in seen if pd.notna(t)).to_pydatetime()


def _fates(bench: Workbench, tagged: "ibis.Table") -> "ibis.Table":
    rows = tagged.mutate(channel_id=tagged.channel_id.fill_null(""))
    failed = bench.all_failed.select(
        "sent_at",
        "rule",
        "row_id",
        on=bench.all_failed.channel_id.fill_null(""),
        to="contact_id",
        new_cause="cause",
        new_verdict="verdict",
    )
    same = [
        rows.contact_id == failed.to,
        rows.channel_id == failed.on,
        failed.sent_at >= rows.due_at,
    ]
    latest = rows.join(failed, same).group_by("run_id", "contact_id", "channel_id")
    latest = latest.aggregate(
        new_cause=lambda t: t.new_cause.argmax(t.sent_at),
        new_verdict=lambda t: t.new_verdict.argmax(t.sent_at),
        rule=lambda t: t.rule.argmax(t.sent_at),
    )
    keys = ["run_id", "contact_id", "channel_id"]
    rows = rows.left_join(latest, keys, rname="{name}_again")
    reached, other = ibis.literal(False), "not_known"
    if bench.messages is not None:
        sent = bench.delivered.select(
            "sent_at", to="contact_id", on=bench.delivered.channel_id.fill_null("")
        )
        same = [rows.contact_id == sent.to, rows.channel_id == sent.on, sent.sent_at >= rows.due_at]
        arrived = rows.join(sent, same).select(*keys).distinct().mutate(arrived=ibis.literal(True))
        rows = rows.left_join(arrived, keys, rname="{name}_arrived")
        reached, other = rows.arrived.fill_null(False), "no_sign"
    end = ibis.literal(horizon(bench)).cast("timestamp('UTC')")
    outcome = ibis.cases(
        (reached, "reached"),
        (rows.new_cause.notnull(), "failed_again"),
        (rows.due_at > end, "not_due"),
        else_=other,
    )
    columns = [
        "run_id",
        "broadcast",
        "wave",
        "cause",
        "contact_id",
        "channel_id",
        "due_at",
        "rule",
        "new_cause",
        "new_verdict",
    ]
    return rows.select(*columns, outcome=outcome)


def _runs(
    bench: Workbench, outcomes: "pd.DataFrame", records: list[dict], starts: dict
) -> "pd.DataFrame":
    """One row per run, in order: how many contacts were due, and how many of them were reached."""
    rows = []
    for record in records:
        mine = outcomes[outcomes["run_id"] == record["run_id"]]
        if len(mine):
            sums, contacts = mine.groupby("outcome")["contacts"].sum(), int(mine["contacts"].sum())
            due, reached = contacts - int(sums.get("not_due", 0)), int(sums.get("reached", 0))
            share = reached / due if due and bench.messages else None
            rows.append(
                (
                    record["run_id"],
                    record["broadcast"],
                    starts[record["run_id"]],
                    contacts,
                    due,
                    reached,
                    share,
                )
            )
    return pd.DataFrame(
        rows, columns=["run_id", "broadcast", "due_from", "contacts", "due", "reached", "share"]
    )
