"""Figures of limits: the load, waves, what if."""

from datetime import datetime, timedelta

import pandas as pd
import plotly.graph_objects as go

from ..common.language import Language
from . import drawing as draw
from .drawing import ENGLISH, LIMIT, TOP, WAIT


@draw.chart
def load(
    frame: "pd.DataFrame",
    *,
    limit: int | None,
    name: str,
    reached_at: datetime | None,
    lang: Language = ENGLISH,
) -> go.Figure:
    """Step line of the different contacts in the window of the channel or pool `name`, with
    its limit.

    Columns: at (naive local time), load. reached_at: when the limit was first reached, None if it
    was not.
    """
    _, rows = lang.gettext, frame.sort_values("at", ignore_index=True)
    facts = {
        "name": name,
        "peak": lang.number(int(rows.load.max())),
        "limit": lang.number(limit or 0),
    }
    times, counts = (
        [time.to_pydatetime() for time in rows["at"]],
        rows.load.fillna(0).astype(int).tolist(),
    )
    hover = [
        draw.hover(lang.datetime(t), lang.number(n)) for t, n in zip(times, counts, strict=True)
    ]
    traces = [
        go.Scatter(
            x=times,
            y=counts,
            mode="lines" if len(times) > 1 else "markers",
            line={"shape": "hv", "color": WAIT, "width": 2},
            hovertext=hover,
            hoverinfo="text",
        )
    ]
    text = _("limit {limit}", **facts)
    if limit is None:
        title = _("{name} reached up to {peak} contacts in its window", **facts)
    elif reached_at is None:
        title = _("{name} stayed below its limit of {limit}: {peak} contacts at most", **facts)
    else:
        title = _(
            "{name} reached its limit of {limit} on {time}", time=lang.datetime(reached_at), **facts
        )
        text = _("limit {limit}, reached at {time}", time=f"{reached_at:%H:%M}", **facts)
        traces.append(
            go.Scatter(
                x=[reached_at],
                y=[limit],
                mode="markers",
                marker={"color": WAIT, "size": 10},
                hoverinfo="skip",
            )
        )
    figure = draw.figure(
        traces,
        title,
        _("Different contacts in the limit's window, {peak} at most", **facts),
        280,
        lang,
    )
    end = max(times[-1], times[0] + timedelta(hours=1))
    draw.timeline(figure, times[0], end, max(*counts, limit or 0, 1), _("contacts"), lang)
    if limit is not None:
        figure.add_shape(
            name="limit",
            xref="paper",
            x0=0,
            x1=1,
            y0=limit,
            y1=limit,
            line={"color": LIMIT, "width": 2},
        )
        draw.note(figure, 0, limit, text, xref="paper", xanchor="left", yanchor="bottom")
    return figure


@draw.chart
def waves(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Contacts of each wave against its capacity, first wave on top; 15 are drawn.

    Columns: wave, start (local time), contacts, capacity (null: no limit) and, if several, channel.
    """
    _, rows = lang.gettext, frame.sort_values(["start", "wave"], ignore_index=True)
    title = lang.ngettext(
        "{contacts} contacts in {n} wave, which starts on {start}",
        "{contacts} contacts in {n} waves, the last of which starts on {start}",
        len(rows),
        contacts=lang.number(int(rows.contacts.sum())),
        start=lang.datetime(rows.start.iloc[-1]),
    )
    shown = rows.head(TOP)
    names = [
        f"{draw.wave(row.wave, lang)} · {lang.datetime(row.start)}" for row in shown.itertuples()
    ]
    if "channel" in rows and rows.channel.nunique() > 1:
        names = [
            f"{name} · {draw.shorten(c, 12)}" for name, c in zip(names, shown.channel, strict=True)
        ]
    return draw.bars(
        names,
        [(_("contacts"), WAIT, shown.contacts)],
        [draw.share(*pair, lang) for pair in zip(shown.contacts, shown.capacity, strict=True)],
        title,
        _(
            "Contacts by wave against what fits the limit, {shown} of {n} waves",
            shown=len(shown),
            n=lang.number(len(rows)),
        ),
        _("contacts"),
        lang,
        limits=shown.capacity,
        raw=shown.wave,
    )


@draw.chart
def what_if(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """When each scenario would be done, earliest on top, and in how many waves.

    Columns: scenario, waves, finish (local time; null: cannot be done) and, if known, contacts.
    """
    _, rows = lang.gettext, frame.sort_values(["finish", "waves"], ignore_index=True)
    rows = rows.fillna({"waves": 0})
    done = ["" if time != time else lang.datetime(time) for time in rows.finish]
    many = [lang.ngettext("{n} wave", "{n} waves", int(count)) for count in rows.waves]
    ends = [
        _("{waves} · {time}", waves=w, time=t) if t else _("cannot be done")
        for w, t in zip(many, done, strict=True)
    ]
    facts = {"scenario": draw.shorten(rows.scenario[0], 40), "time": done[0], "waves": many[0]}
    title = (
        _("First done: {scenario}, on {time} after {waves}", **facts)
        if done[0]
        else _("None of these scenarios can be done")
    )
    subtitle = _("Scenarios, the earliest done on top")
    if "contacts" in rows and rows.contacts.max() > 0:
        subtitle = _(
            "Scenarios for {contacts} contacts", contacts=lang.number(int(rows.contacts.max()))
        )
    parts = [(_("waves"), WAIT, rows.waves)]
    return draw.bars(rows.scenario, parts, ends, title, subtitle, _("waves"), lang, key=())
