"""The figures: each a pure function from a small tidy pandas frame to a plotly figure.

A title says the finding with its number, the grey subtitle what is shown. Frames may come in any
order of rows, with more columns than are named, and empty; texts in them may be a stranger's and
are escaped. `layout.meta` has `id`, `title`, `description` (words for a screen reader) and `data`
(header, then rows), as plain text: who puts them on a page escapes them. A mark's `customdata` is
its value as in the frame. Limit lines are shapes named "limit", so that a dark page can turn them
white; a heat map's `meta.dark` is its colour scale there.
"""

from datetime import timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from ..common.language import Language
from . import drawing as draw
from .drawing import CAUSE_COLOURS, DELIVERED, ENGLISH, FAILED, QUIET, SLOT, TOP, VERDICT_COLOURS
from .words import cause_name

CAUSES_SHOWN, CHANNELS_SHOWN, MANY = 6, 8, 8  # more rows than MANY name their columns above as well


@draw.chart
def failures_by_cause(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by cause, stacked by verdict. Columns: cause, verdict, failed."""
    _, rows = lang.gettext, draw.ranked(frame, "cause")
    facts = draw.facts(rows, lang) | {"cause": cause_name(rows.cause[0], lang)}
    names = [
        name[:1].upper() + name[1:] for name in (cause_name(cause, lang) for cause in rows.cause)
    ]
    return draw.bars(
        names,
        draw.by_verdict(frame, "cause", rows.cause, lang),
        draw.shares(rows.failed, lang),
        _("{share} of the failures have one cause: {cause}, {count} of {total}", **facts),
        _("{total} failed messages by cause and by what to do", **facts),
        _("failed messages"),
        lang,
        raw=rows.cause,
    )


@draw.chart
def failures_by_error(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by masked error text, coloured by verdict: the 15 most frequent, and the
    rest.

    Columns: error, cause, verdict, failed.
    """
    _, rows = lang.gettext, draw.ranked(frame, "error")
    facts = draw.facts(rows, lang) | {"error": draw.brief(rows.error[0])}
    names, counts = draw.folded(rows, "error", lang)
    colours = [*(VERDICT_COLOURS.get(verdict, QUIET) for verdict in rows.verdict[:TOP]), QUIET][
        : len(names)
    ]
    return draw.bars(
        names,
        [(_("failed"), colours, counts)],
        draw.shares(counts, lang),
        _("{share} of the failures carry one error: {error}", **facts),
        _("{total} failed messages by error; there are {kinds} different ones", **facts),
        _("failed messages"),
        lang,
        key=[part for part in draw.by_verdict(frame, "error", rows.error, lang) if any(part[2])],
    )


@draw.chart
def failures_by_channel(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by channel (15 and the rest), stacked by verdict. Columns: channel, verdict,
    failed.
    """
    _, rows = lang.gettext, draw.ranked(frame, "channel")
    facts = draw.facts(rows, lang) | {"channel": draw.shorten(rows.channel[0], 30)}
    names, counts = draw.folded(rows, "channel", lang)
    parts = [
        (*part, draw.fold(counts.tolist()))
        for *part, counts in draw.by_verdict(frame, "channel", rows.channel, lang)
    ]
    return draw.bars(
        names,
        parts,
        draw.shares(counts, lang),
        _("{share} of the failures are on one channel: {channel}, {count} of {total}", **facts),
        _("{total} failed messages by channel and by what to do", **facts),
        _("failed messages"),
        lang,
    )


@draw.chart
def error_by_channel(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Heat map of the 15 largest errors and 8 largest channels. Columns: error, channel, failed."""
    _, errors, channels = lang.gettext, draw.ranked(frame, "error"), draw.ranked(frame, "channel")
    shown = errors.error[:TOP], channels.channel[:CHANNELS_SHOWN]
    cells = draw.split(frame[frame.error.isin(shown[0])], "error", "channel", "failed")
    cells = cells.reindex(shown[0], columns=shown[1], fill_value=0).astype(int)
    (error, channel), values = cells.stack().idxmax(), cells.to_numpy().tolist()
    facts = draw.facts(errors, lang) | {
        "error": draw.brief(error),
        "channel": draw.shorten(channel, 30),
        "count": lang.number(max(map(max, values))),
        "shown": lang.number(sum(map(sum, values))),
    }
    pairs = [[[name, channel] for channel in cells.columns] for name in cells.index]
    texts = [[lang.number(count) if count else "" for count in row] for row in values]
    hover = [
        [draw.hover(*pair, text or "0") for pair, text in zip(*row, strict=True)]
        for row in zip(pairs, texts, strict=True)
    ]
    trace = go.Heatmap(
        z=[[count or None for count in row] for row in values],
        text=texts,
        customdata=pairs,
        hovertext=hover,
        colorscale=[[0, "#F6E3EE"], [1, "#8A3A67"]],
        meta={"dark": [[0, "#40273A"], [1, "#B04C84"]]},
        showscale=False,
        xgap=3,
        ygap=SLOT - 20,
        texttemplate="%{text}",
        hoverinfo="text",
        hoverongaps=False,
        zmin=0,
    )
    wide, above = len(cells.columns), 0.75 if len(cells) > MANY else 0
    figure = draw.figure(
        [trace],
        _("{count} of {total} failures: {error} on {channel}", **facts),
        _("Failed messages by error and channel, {shown} of {total}", **facts),
        SLOT * (len(cells) + above) + 16,
        lang,
    )
    width = 104 // wide  # a narrower place shortens them further
    for place, name in enumerate(
        cells.columns
    ):  # plotly hides tick labels near labels inside the plot
        more: dict[str, Any] = {
            "name": "column",
            "text": draw.shorten(name, 2 * width),
            "width": width,
            "font": {"size": 11},
        }
        draw.note(figure, place, len(cells) - 0.5, **more)
        if above:
            draw.note(figure, place, -0.7, yanchor="bottom", **more)
    figure.update_xaxes(range=[-0.5, wide - 0.5], showticklabels=False, showgrid=False, ticks="")
    rows = draw.lines(cells.index)
    return figure.update_yaxes(rows | {"range": [rows["range"][0], rows["range"][1] - above]})


@draw.chart
def failures_by_hour(
    frame: "pd.DataFrame", *, unit: str = "hour", lang: Language = ENGLISH
) -> go.Figure:
    """Failed messages over time, stacked by cause: the six most frequent, and the others.

    Columns: hour (naive local time at which the minute, hour or day starts), cause, failed. unit
    names which.
    """
    _, causes, peak = lang.gettext, draw.ranked(frame, "cause"), draw.ranked(frame, "hour")
    names = {cause: cause_name(cause, lang) for cause in causes.cause[:CAUSES_SHOWN]}
    names |= {"": _("other causes")} if len(causes) > CAUSES_SHOWN else {}
    shown = frame.assign(cause=frame.cause.where(frame.cause.isin(names), ""))
    split = draw.split(shown, "hour", "cause", "failed")
    at, step = peak.hour[0], timedelta(**{f"{unit}s": 1})
    facts = draw.facts(peak, lang) | {
        "cause": cause_name(peak.cause[0], lang),
        "day": lang.date(at),
        "time": f"{at:%H:%M}",
    }
    when = lang.date if unit == "day" else lang.datetime
    title = (
        _("Failures peak on {day} with {count}, mostly: {cause}", **facts)
        if unit == "day"
        else _("Failures peak on {day} at {time} with {count}, mostly: {cause}", **facts)
    )
    subtitle = {
        "day": _("{total} failed messages by day (local time) and cause", **facts),
        "hour": _("{total} failed messages by hour (local time) and cause", **facts),
        "minute": _("{total} failed messages by minute (local time) and cause", **facts),
    }[unit]
    times, key, bars = [time.to_pydatetime() for time in split.index], [], []
    for cause, name in names.items():
        counts = split[cause].astype(int).tolist()
        key.append((name, CAUSE_COLOURS.get(cause, QUIET), counts))
        hover = [
            draw.hover(when(t), name, lang.number(n)) for t, n in zip(times, counts, strict=True)
        ]
        bars.append(
            go.Bar(
                x=times,
                y=counts,
                offset=0,
                width=step.total_seconds() * 940,  # in milliseconds, less a small gap
                marker_color=key[-1][1],
                hovertext=hover,
                hoverinfo="text",
                customdata=[cause] * len(times),
            )
        )
    figure = draw.figure(bars, title, subtitle, 300, lang, key, below=46)
    end = max(times[-1] + step, times[0] + 6 * step)
    draw.timeline(figure, times[0], end, peak.failed[0], _("failed messages"), lang)
    return draw.note(figure, at + step / 2, peak.failed[0], facts["count"], yanchor="bottom")


@draw.chart
def comparison(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Dumbbells of the 15 errors by channel that changed most; those that did not are left out.
    Columns: error, channel, before, now.
    """
    _, rows = lang.gettext, frame.fillna({"before": 0, "now": 0})
    rows["change"] = rows.now - rows.before
    rows = rows.assign(size=-rows.change.abs()).sort_values(
        ["size", "error", "channel"], ignore_index=True
    )
    sums = {name: lang.number(int(rows[name].sum())) for name in ("before", "now")}
    sums |= {"change": draw.signed(rows.change.sum(), lang)}
    changed = rows[rows.change != 0] if rows.change.any() else rows
    shown, at = changed.head(TOP), list(range(min(TOP, len(changed))))
    sums |= {"n": lang.number(len(changed)), "shown": lang.number(len(at))}
    colours = [FAILED if change > 0 else DELIVERED for change in shown.change]
    hover = [
        draw.hover(r.error, r.channel, f"{r.before:.0f} → {r.now:.0f}") for r in shown.itertuples()
    ]
    dots: dict[str, Any] = {
        "y": at,
        "mode": "markers",
        "hovertext": hover,
        "hoverinfo": "text",
        "cliponaxis": False,
        "customdata": shown[["error", "channel"]].to_numpy().tolist(),
    }
    traces = [
        go.Bar(
            x=shown.change.tolist(),
            base=shown.before.tolist(),
            y=at,
            orientation="h",
            width=0.07,
            marker_color=colours,
            hoverinfo="skip",
        ),
        go.Scatter(x=shown.before.tolist(), marker={"color": QUIET, "size": 13}, **dots),
        go.Scatter(x=shown.now.tolist(), marker={"color": colours, "size": 13}, **dots),
    ]
    key = [
        (_("before"), QUIET, rows.before),
        (_("more now"), FAILED, rows.now[rows.change > 0]),
        (_("fewer now"), DELIVERED, rows.now[rows.change < 0]),
    ]
    names = [
        f"{draw.shorten(r.channel, 20)} · {draw.shorten(r.error, 70)}" for r in shown.itertuples()
    ]
    figure = draw.figure(
        traces,
        _("{now} failures now, {before} before: {change}", **sums),
        _("Failed messages by error and channel, {shown} of {n}, largest change first", **sums),
        SLOT * len(at) + 16,
        lang,
        key,
    )
    return draw.ends(
        figure.update_yaxes(draw.lines(names)),
        shown[["before", "now"]].max(axis=1),
        [draw.signed(change, lang) for change in shown.change],
        _("failed messages"),
        gap=3,
    )
