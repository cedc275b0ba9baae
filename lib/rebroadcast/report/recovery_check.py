"""The text of the recovery check."""

from IPython.display import HTML

from ..bench.workbench import Workbench
from ..common.lazy import pd
from ..show.parts import SAFE_ROWS, html, p, table, verdict_label
from ..verbs.check import Check
from .frame import status


def checked(bench: Workbench, found: Check) -> HTML:
    """How many were reached, in one sentence, and what that can and cannot tell."""
    _, lang = bench.lang.gettext, bench.lang
    sums = found.outcomes.groupby("outcome")["contacts"].sum()
    facts = {
        k: lang.number(int(sums.get(k, 0)))
        for k in ("reached", "failed_again", "no_sign", "not_due", "not_known")
    }
    total = int(sums.sum())
    due = total - int(sums.get("not_due", 0))
    bench.totals |= {
        "attempted": due,
        "failed": int(sums.get("failed_again", 0)),
    }  # of the resend, in contacts
    if found.measured and due:
        sentence = _(
            "{reached} of the {due} contacts that were due have been reached ({share});"
            " {failed_again} failed again, {no_sign} show no sign of a send.",
            due=lang.number(due),
            share=lang.percent(int(sums.get("reached", 0)) / due),
            **facts,
        )
    elif due:
        sentence = _(
            "{failed_again} of the {due} contacts that were due failed again.",
            due=lang.number(due),
            **facts,
        )
    else:
        sentence = _("No contact is due yet; {not_due} wait for their wave.", **facts)
    parts = [p(sentence, "headline"), status(bench)]
    if not found.measured:
        parts.append(
            p(
                _(
                    "Without the messages export of the days after the resend, only new failures"
                    " can be seen. Whether the others were reached or never sent to cannot be told:"
                    " export Messages for those days and name it (messages)."
                ),
                "warning",
            )
        )
    elif sums.get("no_sign", 0):
        parts.append(
            p(
                _(
                    "{no_sign} contacts show no message at all since they were due. Check that the"
                    " import succeeded, that the segment's tag is spelled as in the file, and that"
                    " the broadcast was sent to that segment.",
                    **facts,
                ),
                "warning",
            )
        )
    if due < total:
        until = lang.datetime(bench.wall_clock(found.horizon))
        parts.append(
            p(
                _(
                    "The exports end on {until}; {not_due} contacts were not due by then.",
                    until=until,
                    **facts,
                )
            )
        )
    return html(*parts)


def failed_again(bench: Workbench, found: Check) -> HTML:
    """Why contacts failed again, and whether another try is worth it."""
    _, lang = bench.lang.gettext, bench.lang
    if found.again.empty:
        return html(p(_("No contact failed again.")))
    worth = {
        "wait": _("yes, later"),
        "fix": _("after the change"),
        "never": _("no"),
        "unknown": _("look first"),
    }
    rows = [
        [
            lang.number(int(r.contacts)),
            r.title,
            verdict_label(r.verdict, lang),
            worth.get(r.verdict, "—"),
            r.fix,
        ]
        for r in found.again.head(SAFE_ROWS).itertuples()
    ]
    header = [_("Contacts"), _("What it means"), _("Verdict"), _("Another try"), _("What to do")]
    return html(table(rows, header, numbers=(0,)))


def history(bench: Workbench, found: Check) -> HTML:
    """The recovery rate of each run, in order."""
    _, lang = bench.lang.gettext, bench.lang
    bench.table(found.runs, "runs")
    rows = []
    for r in found.runs.tail(SAFE_ROWS).itertuples():
        known = pd.notna(r.share)
        reached = [lang.number(int(r.reached)), lang.percent(r.share)] if known else ["—", "—"]
        rows.append(
            [
                r.broadcast,
                lang.datetime(bench.wall_clock(r.due_from)),
                lang.number(int(r.contacts)),
                lang.number(int(r.due)),
                *reached,
            ]
        )
    header = [
        _("Broadcast"),
        _("Due from"),
        _("Contacts"),
        _("Due"),
        _("Reached"),
        _("Recovery rate"),
    ]
    return html(table(rows, header, numbers=(2, 3, 4, 5)))
