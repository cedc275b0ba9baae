"""What makes the numbers of a run less sure."""

from datetime import UTC, datetime

from ..common.lazy import pd
from .workbench import Workbench


def warnings(bench: Workbench) -> list[str]:
    """What makes the numbers less sure, such as an export that is too early, or that cuts a
    broadcast in half; also for the record.
    """
    _, lang, rows = bench.lang.gettext, bench.lang, bench.broadcasts
    newest, found = rows.sent_at.max().execute(), []
    if pd.notna(newest) and (age := datetime.now(UTC) - newest) < bench.settling:
        found.append(
            _(
                "The newest failure is {age} old, and failures on these channels may arrive for"
                " {settling}. Export again later, or more contacts may turn out to have failed.",
                age=lang.duration(max(age, age * 0), rough=True),
                settling=lang.duration(bench.settling),
            )
        )
    if cut := bench.cut_broadcasts:
        found.append(
            lang.ngettext(
                "{n} broadcast is only partly within the dates that were asked for: widen them to"
                " see all of it.",
                "{n} broadcasts are only partly within the dates that were asked for: widen them to"
                " see all of them.",
                cut,
            )
        )
    elif bench.ends_at_midnight:
        found.append(
            _(
                "Broadcast messages failed within minutes of midnight at the edge of the export:"
                " its dates may cut a broadcast in half. Export one day more."
            )
        )
    if bench.one_day_of_months:
        found.append(
            _(
                "All failures are on the same day of different months: see whether day and month"
                " are read in the right order (date_format)."
            )
        )
    several = (
        bench.text("tag")
        and "{channel" not in bench.text("tag")
        and int(rows.channel_id.nunique().execute())
    )
    if several and several > 1:
        found.append(
            _(
                "These failures are of {several} channels, and a broadcast goes out on one. Choose"
                " it (channel), or put {{channel}} into the tag for one tag per channel. Until"
                " then, a contact that is final on one of them is left out.",
                several=lang.number(several),
            )
        )
    if bench.ledger_begun:
        found.append(
            _(
                "A new ledger was begun in {path}, so nobody counts as tagged before. If there is"
                " one already, check the path (ledger).",
                path=bench.text("ledger"),
            )
        )
    bench.warned = found
    return found
