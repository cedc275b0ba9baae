"""The text of the limits, their windows and the plan in waves."""

import pandas as pd
from IPython.display import HTML

from ..bench.results import Results
from ..limits.limit import Limit
from ..show import limits as limit_charts
from ..show.parts import SAFE_ROWS, grid, html, p
from ..show.reader import Reader
from ..show.words import word
from ..verbs.assess import Assessment, LoadLine
from ..verbs.summarise import Facts
from .frame import broadcasts, status, warnings

_ = str  # marks a message for the catalogue; it is translated where it is shown
COUNTS = ("attempted", "delivered", "failed", "size", "overflow", "explained", "other", "after")
COUNTED = {  # the limit that was configured, against what was counted
    "agrees": _(
        "{name}: you configured {size}; at most {high} contacts were counted in a full window. They"
        " agree."
    ),
    "a tier": _(
        "{name}: you configured {size}, but at most {high} contacts were counted in a full window,"
        " which fits the tier of {tier}. Check the limit."
    ),
    "no tier": _(
        "{name}: you configured {size}, but at most {high} contacts were counted in a full window,"
        " which fits no known tier. Check the limit."
    ),
}
BASIS = {
    "measured": _("Measured: the failed and the messages export were compared contact by contact."),
    "computed": _("Computed from the failed export and the attempted counts that were given."),
    "inferred": _(
        "A lower bound from the failed export alone: each limit error is taken as a contact beyond"
        " the limit, and the export as complete. How many were attempted, and so the limit itself,"
        " it cannot tell."
    ),
}


def limit_overview(reader: Reader, found: Assessment, facts: Facts, listed: pd.DataFrame) -> HTML:
    """The sentence of the fullest window, the broadcasts, what it rests on, and where sources
    disagree.
    """
    windows = found.windows.assign(dated=found.windows["limit"].duplicated(keep=False))
    sentences = [limit_sentence(reader, row) for row in windows.head(3).to_dict("records")]
    first, *others = sentences or [reader.gettext("No message failed at a limit.")]
    return html(
        p(first, "headline"),
        *map(p, others),
        broadcasts(reader, listed),
        *map(p, shared_windows(reader, listed)),
        *warnings(reader, (*facts.doubts, *found.doubts)),
        status(reader, facts),
        p(word(BASIS, found.basis, reader.lang)),
        *sources(reader, found),
    )


def shared_windows(reader: Reader, listed: pd.DataFrame) -> list[str]:
    """A sentence for each broadcast that found a part of its limit taken by others."""
    counts = ["attempted", "limit", "used", "over_limit", "explained", "failed"]
    full = listed[(listed["used"] > 0) & (listed["over_limit"] > 0)].dropna(subset=counts)
    return [
        reader.gettext(
            "{name}: {attempted} attempted, when others had taken {used} of the limit of {limit} in"
            " the same window (whom both reach counts once). {over_limit} were beyond it: the limit"
            " explains {explained} of the {failed} failures, {other} have other causes.",
            name=row["name"],
            other=reader.number(row["failed"] - row["explained"]),
            **{count: reader.number(row[count]) for count in counts},
        )
        for row in full.to_dict("records")
    ]


def sources(reader: Reader, found: Assessment) -> list:
    """Where what was configured or stated agrees with what was counted, and where it does not."""
    number, parts = reader.number, []
    for row in found.tiers.itertuples():
        facts = {
            "name": reader.limit(row.limit),
            "size": number(row.size),
            "high": number(row.high),
            "tier": number(row.tier),
        }
        known = "agrees" if row.agrees else "a tier" if pd.notna(row.tier) else "no tier"
        text = word(COUNTED, known, reader.lang).format(**facts)
        parts.append(p(text, "" if row.agrees else "warning"))
    if found.uncounted:
        text = reader.gettext(
            "No attempted count was given for: {names}.",
            names=", ".join(map(reader.channel, found.uncounted)),
        )
        parts.append(p(text, "warning"))
    return parts


def limit_sentence(reader: Reader, row: dict) -> str:
    """One window of one limit, in one plain sentence."""
    _ = reader.gettext
    known = {k: v for k, v in row.items() if not pd.isna(v)}
    facts = {k: reader.number(v) for k, v in known.items() if k in COUNTS}
    facts["name"] = reader.limit(row["limit"])
    if row.get("dated") and "begin" in known:
        facts["name"] += f", {reader.instant(row['begin'])}"
    if "attempted" not in known:
        facts |= {k: reader.instant(row[k]) for k in ("begin", "end")}
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
    return f"{told} " + _(
        "{n} more had written within 24 hours before and do not count.",
        n=reader.number(known["open"]),
    )


def limit_windows(reader: Reader, found: Assessment) -> HTML | None:
    """The windows in which a limit was reached, if any: counts in unique contacts."""
    _ = reader.gettext
    windows = found.windows.head(SAFE_ROWS).reindex(columns=["limit", "begin", "first", *COUNTS])
    if windows.empty:
        return None
    headings = {
        "attempted": _("Attempted"),
        "delivered": _("Delivered"),
        "failed": _("Failed"),
        "size": _("Size"),
        "overflow": _("Overflow"),
        "explained": _("Explained"),
        "other": _("Other"),
        "after": _("Failed after"),
    }
    counts = {
        headings[name]: [reader.number(n) for n in windows[name].astype(object)] for name in COUNTS
    }
    listed = grid(
        {
            _("Limit"): [reader.limit(name) for name in windows["limit"]],
            _("From"): [reader.instant(at) for at in windows["begin"]],
            _("Limit reached"): [reader.instant(at) for at in windows["first"]],
            **counts,
        },
        numbers=counts,
    )
    return html(listed, p(_("Numbers count different contacts, as limits do."), "fine"))


def load_figures(
    reader: Reader, results: Results, found: Assessment, lines: list[LoadLine]
) -> list:
    """One load figure per limit that was measured, fullest first, or a sentence that says why there
    is none.
    """
    _ = reader.gettext
    if found.load is None:
        text = _(
            "This needs the messages export of the same days, which says when each message was"
            " sent: export Messages and name it (messages; --messages FILE on the command line)."
        )
        return [html(p(text))]
    figures = [
        results.figure(
            limit_charts.load,
            line.frame,
            f"load-{place}",
            limit=line.size,
            name=reader.limit(line.limit),
            reached_at=line.reached_at and reader.wall_clock(line.reached_at),
        )
        for place, line in enumerate(lines, 1)
    ]
    return [*filter(None, figures)] or [
        html(p(_("No message went out on a channel whose limit is known.")))
    ]


def what_if(reader: Reader, results: Results, scenarios: pd.DataFrame):
    """When each scenario would be done, as a figure; a sentence where none changes the waves."""
    if scenarios["waves"].nunique(dropna=False) > 1:
        return results.figure(limit_charts.what_if, scenarios)
    results.table(scenarios, "what-if")
    if not scenarios["waves"].notna().any():
        return html(p(reader.gettext("None of these scenarios can be done")))
    text = reader.ngettext(
        "It takes {n} wave in each case: {scenarios}.",
        "It takes {n} waves in each case: {scenarios}.",
        int(scenarios["waves"].iloc[0]),
        scenarios=", ".join(scenarios["scenario"]),
    )
    return html(p(text))


def plan_table(reader: Reader, planned: pd.DataFrame, limits: tuple[Limit, ...]) -> HTML | None:
    """Each wave: its start in the workspace's zone and in UTC, channel, contacts, how fast to send,
    and whose contacts they are.
    """
    _, shown = reader.gettext, planned.head(SAFE_ROWS)
    pace = {
        reader.channel(channel): _("at most {n} a second", n=reader.lang.number(limit.pace))
        for limit in limits
        for channel in limit.channels
        if limit.pace
    }
    listed = grid(
        {
            _("Wave"): [reader.number(n) for n in shown["wave"]],
            _("Start ({zone})", zone=reader.lang.zone(reader.zone)): [
                reader.lang.datetime(at) for at in shown["start"]
            ],
            _("Start (UTC)"): [f"{at:%Y-%m-%d %H:%M}" for at in shown["start_utc"]],
            _("Channel"): [reader.lang.channel(name) for name in shown["channel"]],
            _("Contacts"): [reader.number(n) for n in shown["contacts"]],
            _("Pace"): [pace.get(name, "—") for name in shown["channel"]],
            _("Broadcast"): shown["broadcasts"],
        },
        numbers=[_("Wave"), _("Contacts")],
    )
    return html(listed) if listed else None
