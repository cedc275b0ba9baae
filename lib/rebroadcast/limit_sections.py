"""The text of the limits, their windows and the plan in waves, as HTML."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from .sections import SAFE_ROWS, html, status, table, warning

if TYPE_CHECKING:
    from IPython.display import HTML

    from .limits import Assessment
    from .waves import Plan
    from .workbench import Workbench


def limit_overview(bench: "Workbench", found: "Assessment") -> "HTML":
    """The sentence of the fullest window, what it rests on, and where sources disagree."""
    _ = bench.lang.gettext
    basis = {
        "measured": _("Measured: the failed and the messages export were compared contact by contact."),
        "computed": _("Computed from the failed export and the attempted counts that were given."),
        "inferred": _(
            "A lower bound from the failed export alone: each limit error is taken as a contact beyond the limit, and the "
            "export as complete. How many were attempted, and so the limit itself, it cannot tell."
        ),
    }[found.basis]
    sentences = [limit_sentence(bench, row) for row in found.windows.head(3).to_dict("records")]
    sentences = sentences or [_("No message failed at a limit.")]
    parts = [Markup('<p class="headline">{}</p>').format(sentences[0])]
    parts += [Markup("<p>{}</p>").format(s) for s in sentences[1:]]
    parts += [status(bench), Markup("<p>{}</p>").format(basis)]
    parts += [Markup("<p>{}</p>").format(note) for note in found.agreed] + [warning(note) for note in found.notes]
    return html(Markup("").join(parts))


def limit_sentence(bench: "Workbench", row: dict) -> str:
    """One window of one limit, in one plain sentence."""
    _, number = bench.lang.gettext, lambda v: bench.lang.number(int(v))
    from pandas import isna

    known = {k: v for k, v in row.items() if not isna(v)}
    if "attempted" not in known:
        return _(
            "{name}: at least {overflow} contacts were beyond the limit, from {begin} to {end}.",
            name=row["name"], overflow=number(row["overflow"]),
            begin=bench.lang.datetime(bench.wall_clock(row["begin"])), end=bench.lang.datetime(bench.wall_clock(row["end"])),
        )  # fmt: skip
    facts = {k: number(v) for k, v in known.items() if k in ("attempted", "delivered", "failed", "size", "overflow", "explained", "other")}
    if "size" not in known:
        return _(
            "{name}: {attempted} attempted, {delivered} delivered, {failed} failed; its limit is not known.", name=row["name"], **facts
        )
    return _(
        "{name}: {attempted} attempted against a limit of {size}, {delivered} delivered, {failed} failed. "
        "The overflow is {overflow}; the limit explains {explained} of the failures, {other} have other causes.",
        name=row["name"], **facts,
    )  # fmt: skip


def limit_windows(bench: "Workbench", found: "Assessment") -> "HTML":
    """The windows in which a limit was reached: counts in unique contacts."""
    _, lang = bench.lang.gettext, bench.lang
    from pandas import isna

    columns = ["attempted", "delivered", "failed", "size", "overflow", "explained", "other", "after"]
    frame = bench.table(found.windows, "windows").reindex(columns=["name", "begin", "first", *columns]).head(SAFE_ROWS)

    def time(value: object) -> str:
        return "—" if isna(value) else lang.datetime(bench.wall_clock(value))

    def number(value: object) -> str:
        return "—" if isna(value) else lang.number(int(value))

    rows = [
        [r["name"], time(r["begin"]), time(r["first"]), *(number(r[c]) for c in columns)]
        for r in frame.to_dict("records")
    ]  # fmt: skip
    header = [_("Limit"), _("From"), _("Reached"), _("Attempted"), _("Delivered"), _("Failed"), _("Size"), _("Overflow"),
              _("Explained"), _("Other"), _("Failed after")]  # fmt: skip
    note = Markup('<p class="fine">{}</p>').format(_("Numbers count different contacts, as limits do."))
    return html(table(rows, header, numbers=tuple(range(3, 11))) + note)


def plan_table(bench: "Workbench", planned: "Plan") -> "HTML":
    """Each wave: its start in the workspace's zone and in UTC, channel, contacts, and how fast to send."""
    from .limits import plan_frame

    _, lang = bench.lang.gettext, bench.lang
    frame = bench.table(plan_frame(bench, planned), "plan")
    bench.totals["recoverable"] = int(frame["contacts"].sum())
    rows = [
        [lang.number(r.wave), lang.datetime(r.start), f"{r.start_utc:%Y-%m-%d %H:%M}", r.channel, lang.number(r.contacts), _pace(bench, r)]
        for r in frame.head(SAFE_ROWS).itertuples()
    ]  # fmt: skip
    header = [_("Wave"), _("Start ({zone})", zone=bench.timezone), _("Start (UTC)"), _("Channel"), _("Contacts"), _("Pace")]
    return html(table(rows, header, numbers=(0, 4)))


def _pace(bench: "Workbench", wave) -> str:
    limit = next((x for x in bench.limits for c in x.channels if bench.channels.name(c) == wave.channel), None)
    if limit is None or not limit.pace:
        return "—"
    return bench.lang.gettext("at most {n} a second", n=bench.lang.number(limit.pace))
