"""The text of the limits, their windows and the plan in waves, as HTML."""

from IPython.display import HTML

from ..bench.workbench import Workbench
from ..common.lazy import pd
from ..limits.waves import Plan
from ..show import limits as limit_charts
from ..show.parts import SAFE_ROWS, html, p, table
from ..verbs.assess import Assessment, load_line
from ..verbs.plan import plan_frame
from .frame import status

COUNTS = ("attempted", "delivered", "failed", "size", "overflow", "explained", "other", "after")


def limit_overview(bench: Workbench, found: Assessment) -> HTML:
    """The sentence of the fullest window, what it rests on, and where sources disagree."""
    _ = bench.lang.gettext
    basis = {
        "measured": _(
            "Measured: the failed and the messages export were compared contact by contact."
        ),
        "computed": _("Computed from the failed export and the attempted counts that were given."),
        "inferred": _(
            "A lower bound from the failed export alone: each limit error is taken as a contact"
            " beyond the limit, and the export as complete. How many were attempted, and so the"
            " limit itself, it cannot tell."
        ),
    }[found.basis]
    sentences = [limit_sentence(bench, row) for row in found.windows.head(3).to_dict("records")]
    first, *others = sentences or [_("No message failed at a limit.")]
    warnings = (p(note, "warning") for note in found.notes)
    return html(
        p(first, "headline"),
        *map(p, others),
        status(bench),
        *map(p, [basis, *found.agreed]),
        *warnings,
    )


def limit_sentence(bench: Workbench, row: dict) -> str:
    """One window of one limit, in one plain sentence."""
    _, lang, known = (
        bench.lang.gettext,
        bench.lang,
        {k: v for k, v in row.items() if not pd.isna(v)},
    )
    facts = {"name": row["name"]} | {
        k: lang.number(int(v)) for k, v in known.items() if k in COUNTS
    }
    if "attempted" not in known:
        facts |= {k: lang.datetime(bench.wall_clock(row[k])) for k in ("begin", "end")}
        return _(
            "{name}: at least {overflow} contacts were beyond the limit, from {begin} to {end}.",
            **facts,
        )
    if "size" not in known:
        return _(
            "{name}: {attempted} attempted, {delivered} delivered, {failed} failed; its limit is"
            " not known.",
            **facts,
        )
    told = _(
        "{name}: {attempted} attempted against a limit of {size}, {delivered} delivered, {failed}"
        " failed. The overflow is {overflow}; the limit explains {explained} of the failures,"
        " {other} have other causes.",
        **facts,
    )
    if not known.get("open"):
        return told
    n = lang.number(int(known["open"]))
    return f"{told} {_('{n} more had written within 24 hours before and do not count.', n=n)}"


def limit_windows(bench: Workbench, found: Assessment) -> HTML | None:
    """The windows in which a limit was reached, if any: counts in unique contacts."""
    _, lang = bench.lang.gettext, bench.lang
    frame = (
        bench.table(found.windows, "windows")
        .reindex(columns=["name", "begin", "first", *COUNTS])
        .head(SAFE_ROWS)
    )
    if frame.empty:
        return None

    def time(value: object) -> str:
        return "—" if pd.isna(value) else lang.datetime(bench.wall_clock(value))

    def number(value: object) -> str:
        return "—" if pd.isna(value) else lang.number(int(value))

    rows = [
        [r["name"], time(r["begin"]), time(r["first"]), *(number(r[c]) for c in COUNTS)]
        for r in frame.to_dict("records")
    ]
    header = [
        _("Limit"),
        _("From"),
        _("Reached"),
        _("Attempted"),
        _("Delivered"),
        _("Failed"),
        _("Size"),
        _("Overflow"),
        _("Explained"),
        _("Other"),
        _("Failed after"),
    ]
    return html(
        table(rows, header, numbers=range(3, 11)),
        p(_("Numbers count different contacts, as limits do."), "fine"),
    )


def load_figures(bench: Workbench, found: Assessment) -> list:
    """One load figure per limit that was measured, fullest first, or a sentence that says why there
    is none.
    """

    _ = bench.lang.gettext
    if found.load is None:
        text = _(
            "This needs the messages export of the same days, which says when each message was"
            " sent: export Messages and name it (messages; --messages FILE on the command line)."
        )
        return [html(p(text))]
    figures = []
    order = found.reached.assign(
        share=found.reached["peak"] / found.reached["size"].astype("Float64")
    )
    for row in order.dropna(subset=["size"]).sort_values("share", ascending=False).itertuples():
        mine = found.load.filter(found.load["limit"] == row.limit)
        if len(frame := load_line(bench, mine)):
            at = None if pd.isna(row.reached_at) else bench.wall_clock(row.reached_at)
            size, save_as = None if pd.isna(row.size) else int(row.size), f"load-{len(figures) + 1}"
            name = bench.limit_name(row.limit, found.limits)
            figures.append(
                bench.figure(
                    limit_charts.load, frame, save_as, limit=size, name=name, reached_at=at
                )
            )
    return figures or [html(p(_("No message went out on a channel whose limit is known.")))]


def plan_table(bench: Workbench, planned: Plan) -> HTML | None:
    """Each wave: its start in the workspace's zone and in UTC, channel, contacts, and how fast to
    send.
    """
    _, lang = bench.lang.gettext, bench.lang
    frame = bench.table(plan_frame(bench, planned), "plan")
    bench.totals["recoverable"] = int(frame["contacts"].sum())
    paces = {bench.channels.name(c): x.pace for x in bench.limits for c in x.channels if x.pace}
    pace = {
        name: _("at most {n} a second", n=lang.number(number)) for name, number in paces.items()
    }
    rows = [
        [
            lang.number(r.wave),
            lang.datetime(r.start),
            f"{r.start_utc:%Y-%m-%d %H:%M}",
            r.channel,
            lang.number(r.contacts),
            pace.get(r.channel, "—"),
        ]
        for r in frame.head(SAFE_ROWS).itertuples()
    ]
    header = [
        _("Wave"),
        _("Start ({zone})", zone=bench.lang.zone(bench.timezone)),
        _("Start (UTC)"),
        _("Channel"),
        _("Contacts"),
        _("Pace"),
    ]
    return html(table(rows, header, numbers=(0, 4))) if rows else None
