"""The figures: each a pure function from a small tidy pandas frame to a plotly figure.

A title says the finding with its number, the grey subtitle what is shown. Frames may come in any
order of rows, with more columns than are named, and empty; texts in them may be a stranger's and
are escaped. `layout.meta` has `id`, `title`, `description` (words for a screen reader) and `data`
(header, then rows), as plain text: who puts them on a page escapes them. A mark's `customdata` is
its value as in the frame. Limit lines are shapes named "limit", so that a dark page can turn them
white; a heat map's `meta.dark` is its colour scale there.
"""

from datetime import datetime, timedelta

import plotly.graph_objects as go

from . import drawing as draw
from .drawing import (
    CAUSE_COLOURS,
    DISPOSITION_COLOURS,
    ENGLISH,
    OUTCOME_COLOURS,
    SLOT,
    TOP,
    VERDICT_COLOURS,
)
from .language import Language
from .lazy import pd
from .words import DISPOSITIONS, OUTCOMES, cause_name, disposition_name, word

CAUSES_SHOWN, CHANNELS_SHOWN, MANY = 6, 8, 8  # more rows than MANY name their columns above as well
DELIVERED, FAILED, LIMIT, QUIET, WAIT = (
    draw.DELIVERED,
    draw.FAILED,
    draw.LIMIT,
    draw.QUIET,
    draw.WAIT,
)


@draw.chart
def attempted(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Delivered and failed messages of each channel against its limit, largest first.

    Columns: channel, attempted, delivered, failed, limit, overflow; all but channel and failed may
    be null.

    >>> attempted(frame).layout.meta["title"]  # doctest: +SKIP
    'WhatsApp: 1,500 attempted, 1,000 delivered, 500 failed; the limit is 1,000'
    """
    _, rows = lang.gettext, frame.fillna({"failed": 0, "overflow": 0})
    rows["delivered"] = rows.delivered.fillna(rows.attempted - rows.failed)
    rows["attempted"] = rows.attempted.fillna(rows.delivered + rows.failed)
    rows["bar"] = rows.delivered.fillna(0) + rows.failed
    rows = rows.sort_values(["bar", "channel"], ascending=[False, True], ignore_index=True)
    names = ("attempted", "delivered", "failed", "limit")
    facts = {name: lang.number(int(rows[name].sum())) for name in names}
    facts |= {"channel": draw.shorten(rows.channel[0], 40), "channels": lang.number(len(rows))}
    if rows.attempted.isna().all():
        title = _("{failed} messages failed; how many were delivered is not known", **facts)
    elif rows.attempted.isna().any():
        facts["n"] = lang.number(int(rows.attempted.isna().sum()))
        title = _(
            "{failed} messages failed; for {n} of {channels} channels it is not known how many were"
            " delivered",
            **facts,
        )
    elif len(rows) > 1:
        title = _("{attempted} attempted and {failed} failed on {channels} channels", **facts)
        if over := int((rows.overflow > 0).sum()):
            title = lang.ngettext(
                "{attempted} attempted, {failed} failed; {n} channel is over its limit",
                "{attempted} attempted, {failed} failed; {n} channels are over their limits",
                over,
                **facts,
            )
    elif rows.limit.isna().any():
        title = _(
            "{channel}: {attempted} attempted, {delivered} delivered, {failed} failed", **facts
        )
    else:
        title = _(
            "{channel}: {attempted} attempted, {delivered} delivered, {failed} failed; the limit is"
            " {limit}",
            **facts,
        )
    parts = [
        (_("delivered"), DELIVERED, rows.delivered.fillna(0)),
        (_("failed"), FAILED, rows.failed),
    ]
    shares = [draw.share(*pair, lang) for pair in zip(rows.failed, rows.attempted, strict=True)]
    ends, subtitle = (
        [_("{count} failed", count=share) for share in shares],
        _("Messages by channel"),
    )
    figure = draw.bars(
        rows.channel, parts, ends, title, subtitle, _("messages"), lang, limits=rows.limit
    )
    if len(rows) == 1 and rows.overflow[0] > 0:
        text = _(
            "limit {limit}: {over} over", limit=facts["limit"], over=lang.number(rows.overflow[0])
        )
        near = rows.limit[0] < 0.35 * rows.bar[0]
        draw.note(figure, rows.limit[0], 0.26, text, xanchor="left" if near else "center")
    return figure


@draw.chart
def failures_by_cause(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by cause, stacked by verdict. Columns: cause, verdict, failed."""
    _, rows = lang.gettext, draw.ranked(frame, "cause")
    facts = draw.facts(rows, lang) | {"cause": cause_name(rows.cause[0], lang)}
    title = _("{share} of the failures have one cause: {cause}, {count} of {total}", **facts)
    subtitle = _("{total} failed messages by cause and by what to do", **facts)
    names = [
        name[:1].upper() + name[1:] for name in (cause_name(cause, lang) for cause in rows.cause)
    ]
    parts, ends = draw.by_verdict(frame, "cause", rows.cause, lang), draw.shares(rows.failed, lang)
    return draw.bars(
        names, parts, ends, title, subtitle, _("failed messages"), lang, raw=rows.cause
    )


@draw.chart
def failures_by_error(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by masked error text, coloured by verdict: the 15 most frequent, and the
    rest.

    Columns: error, cause, verdict, failed.
    """
    _, rows = lang.gettext, draw.ranked(frame, "error")
    facts = draw.facts(rows, lang) | {"error": draw.brief(rows.error[0])}
    title = _("{share} of the failures carry one error: {error}", **facts)
    subtitle = _("{total} failed messages by error; there are {kinds} different ones", **facts)
    names, counts = draw.folded(rows, "error", lang)
    colours = [*(VERDICT_COLOURS.get(verdict, QUIET) for verdict in rows.verdict[:TOP]), QUIET][
        : len(names)
    ]
    parts, ends, key = (
        [(_("failed"), colours, counts)],
        draw.shares(counts, lang),
        draw.verdicts(frame, lang),
    )
    return draw.bars(names, parts, ends, title, subtitle, _("failed messages"), lang, key=key)


@draw.chart
def failures_by_channel(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Failed messages by channel (15 and the rest), stacked by verdict. Columns: channel, verdict,
    failed.
    """
    _, rows = lang.gettext, draw.ranked(frame, "channel")
    facts = draw.facts(rows, lang) | {"channel": draw.shorten(rows.channel[0], 30)}
    title = _("{share} of the failures are on one channel: {channel}, {count} of {total}", **facts)
    subtitle = _("{total} failed messages by channel and by what to do", **facts)
    names, counts = draw.folded(rows, "channel", lang)
    parts = [
        (*part, draw.fold(counts.tolist()))
        for *part, counts in draw.by_verdict(frame, "channel", rows.channel, lang)
    ]
    return draw.bars(
        names, parts, draw.shares(counts, lang), title, subtitle, _("failed messages"), lang
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
    }
    facts |= {
        "count": lang.number(max(map(max, values))),
        "shown": lang.number(sum(map(sum, values))),
    }
    pairs, texts, hover = [], [], []
    for name, row in zip(cells.index, values, strict=True):
        pairs.append([[name, channel] for channel in cells.columns])
        texts.append([lang.number(count) if count else "" for count in row])
        hover.append(
            [draw.hover(*p, text or "0") for p, text in zip(pairs[-1], texts[-1], strict=True)]
        )
    look = {
        "colorscale": [[0, "#F6E3EE"], [1, "#8A3A67"]],
        "meta": {"dark": [[0, "#40273A"], [1, "#B04C84"]]},
        "showscale": False,
    }
    look |= {
        "xgap": 3,
        "ygap": SLOT - 20,
        "texttemplate": "%{text}",
        "hoverinfo": "text",
        "hoverongaps": False,
        "zmin": 0,
    }
    z = [[count or None for count in row] for row in values]
    trace = go.Heatmap(z=z, text=texts, customdata=pairs, hovertext=hover, **look)
    title = _("{count} of {total} failures: {error} on {channel}", **facts)
    subtitle = _("Failed messages by error and channel, {shown} of {total}", **facts)
    wide, above = len(cells.columns), 0.75 if len(cells) > MANY else 0
    figure = draw.figure([trace], title, subtitle, SLOT * (len(cells) + above) + 16, lang)
    width = 104 // wide  # a narrower place shortens them further
    for place, name in enumerate(
        cells.columns
    ):  # plotly hides tick labels near labels inside the plot
        more = {
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
    }
    if unit == "day":
        title = _("Failures peak on {day} with {count}, mostly: {cause}", **facts)
        subtitle, when = (
            _("{total} failed messages by day (local time) and cause", **facts),
            lang.date,
        )
    else:
        facts["time"], when = f"{at:%H:%M}", lang.datetime
        title = _("Failures peak on {day} at {time} with {count}, mostly: {cause}", **facts)
        subtitle = _("{total} failed messages by hour (local time) and cause", **facts)
        if unit == "minute":
            subtitle = _("{total} failed messages by minute (local time) and cause", **facts)
    times, key, bars = [time.to_pydatetime() for time in split.index], [], []
    for cause, name in names.items():
        counts = split[cause].astype(int).tolist()
        key.append((name, CAUSE_COLOURS.get(cause, QUIET), counts))
        hover = [
            draw.hover(when(t), name, lang.number(n)) for t, n in zip(times, counts, strict=True)
        ]
        width = step.total_seconds() * 940  # in milliseconds, less a small gap
        more = {"hovertext": hover, "hoverinfo": "text", "customdata": [cause] * len(times)}
        bars.append(
            go.Bar(x=times, y=counts, offset=0, width=width, marker_color=key[-1][1], **more)
        )
    figure = draw.figure(bars, title, subtitle, 300, lang, key, below=46)
    end = max(times[-1] + step, times[0] + 6 * step)
    draw.timeline(figure, times[0], end, peak.failed[0], _("failed messages"))
    return draw.note(figure, at + step / 2, peak.failed[0], facts["count"], yanchor="bottom")


@draw.chart
def load(
    frame: "pd.DataFrame",
    *,
    limit: int | None,
    name: str,
    reached_at: datetime | None,
    lang: Language = ENGLISH,
) -> go.Figure:
    """Step line of the different contacts in the moving window of the channel or pool `name`, with
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
    if limit is None:
        title = _("{name} reached up to {peak} contacts in its window", **facts)
    elif reached_at is None:
        title = _("{name} stayed below its limit of {limit}: {peak} contacts at most", **facts)
    else:
        title = _(
            "{name} reached its limit of {limit} on {time}", time=lang.datetime(reached_at), **facts
        )
    times, counts = (
        [time.to_pydatetime() for time in rows["at"]],
        rows.load.fillna(0).astype(int).tolist(),
    )
    hover = [
        draw.hover(lang.datetime(t), lang.number(n)) for t, n in zip(times, counts, strict=True)
    ]
    line, mode = (
        {"shape": "hv", "color": WAIT, "width": 2},
        ("lines" if len(times) > 1 else "markers"),
    )
    traces = [
        go.Scatter(x=times, y=counts, mode=mode, line=line, hovertext=hover, hoverinfo="text")
    ]
    text = _("limit {limit}", **facts)
    if limit is not None and reached_at is not None:
        text = _("limit {limit}, reached at {time}", time=f"{reached_at:%H:%M}", **facts)
        dot = {"color": WAIT, "size": 10}
        traces.append(
            go.Scatter(x=[reached_at], y=[limit], mode="markers", marker=dot, hoverinfo="skip")
        )
    subtitle = _("Different contacts in the moving window, {peak} at most", **facts)
    figure = draw.figure(traces, title, subtitle, 280, lang)
    end = max(times[-1], times[0] + timedelta(hours=1))
    draw.timeline(figure, times[0], end, max(*counts, limit or 0, 1), _("contacts"))
    if limit is not None:
        line = {"name": "limit", "xref": "paper", "line": {"color": LIMIT, "width": 2}}
        figure.add_shape(x0=0, x1=1, y0=limit, y1=limit, **line)
        draw.note(figure, 0, limit, text, xref="paper", xanchor="left", yanchor="bottom")
    return figure


@draw.chart
def flow(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """Sankey: rows of the files to their dispositions, and tagged rows on to their waves.

    Columns: disposition, rows and, where known, wave.
    """
    _, total, sums = (
        lang.gettext,
        int(frame["rows"].sum()),
        frame.groupby("disposition")["rows"].sum(),
    )
    found = [name for name in reversed(DISPOSITIONS) if sums.get(name, 0) > 0]
    nodes, links = (
        [(_("rows in the files"), total, QUIET)],
        [0] * len(found),
    )  # one link to each other node
    for name in found:
        nodes.append(
            (disposition_name(name, lang), sums[name], DISPOSITION_COLOURS.get(name, QUIET))
        )
    if "wave" in frame and "tagged" in found:
        waves = (
            frame[frame.disposition == "tagged"].dropna(subset="wave").groupby("wave")["rows"].sum()
        )
        names = [draw.wave(wave, lang) for wave in waves.index[:TOP]]
        names += [_("later waves")] if len(waves) > TOP else []
        nodes += [
            (name, count, WAIT)
            for name, count in zip(names, draw.fold(waves.tolist()), strict=True)
        ]
        links += [1 + found.index("tagged")] * len(names)
    texts = [draw.escape(f"{name} {lang.number(int(count))}") for name, count, _colour in nodes]
    node = {"label": texts, "color": [colour for *_, colour in nodes], "pad": 20, "thickness": 14}
    node |= {"line": {"width": 0}, "align": "left", "hovertemplate": "%{label}<extra></extra>"}
    link = {
        "source": links,
        "target": list(range(1, len(nodes))),
        "value": [int(n[1]) for n in nodes[1:]],
    }
    link |= {"customdata": texts[1:], "hovertemplate": "%{customdata}<extra></extra>"}
    link["color"] = [draw.faded(colour) for *_, colour in nodes[1:]]
    title = lang.ngettext(
        "{n} of {total} rows is a contact to reach again",
        "{n} of {total} rows are contacts to reach again",
        int(sums.get("tagged", 0)),
        total=lang.number(total),
    )
    subtitle = _("What became of each of the {total} rows of the files", total=lang.number(total))
    trace = go.Sankey(node=node, link=link, textfont={"shadow": "none"})
    return draw.figure(
        [trace], title, subtitle, 44 * max(3, len(found), len(nodes) - len(found)), lang
    )


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
    facts = {"shown": len(shown), "n": lang.number(len(rows))}
    subtitle = _("Contacts by wave against what fits the limit, {shown} of {n} waves", **facts)
    names = [
        f"{draw.wave(row.wave, lang)} · {lang.datetime(row.start)}" for row in shown.itertuples()
    ]
    if "channel" in rows and rows.channel.nunique() > 1:
        names = [
            f"{name} · {draw.shorten(c, 12)}" for name, c in zip(names, shown.channel, strict=True)
        ]
    ends = [draw.share(*pair, lang) for pair in zip(shown.contacts, shown.capacity, strict=True)]
    parts, more = (
        [(_("contacts"), WAIT, shown.contacts)],
        {
            "limits": shown.capacity,
            "raw": shown.wave,
        },
    )
    return draw.bars(names, parts, ends, title, subtitle, _("contacts"), lang, **more)


@draw.chart
def recovery(frame: "pd.DataFrame", *, lang: Language = ENGLISH) -> go.Figure:
    """What came of each wave, first wave on top; 15 are drawn.

    Columns: wave, outcome (reached, failed_again, no_sign, not_due), contacts.
    """
    _, split = lang.gettext, draw.split(frame, "wave", "outcome", "contacts")
    split = split.reindex(columns=list(OUTCOMES), fill_value=0)
    sums, sent, shown = split.sum(), split.drop(columns="not_due").sum(axis=1), split.head(TOP)
    facts = {name: lang.number(int(count)) for name, count in [*sums.items(), ("due", sent.sum())]}
    title = _("No wave is due yet; {not_due} contacts wait", **facts)
    if due := sent.sum():
        facts["share"] = lang.percent(sums.reached / due)
        title = _(
            "{share} were reached, {reached} of {due} that were due; {failed_again} failed again",
            **facts,
        )
    ends = [
        (
            _("{count} reached", count=draw.share(count, due, lang))
            if due
            else word(OUTCOMES, "not_due", lang)
        )
        for count, due in zip(shown.reached, sent.head(TOP), strict=True)
    ]
    parts = [(word(OUTCOMES, name, lang), OUTCOME_COLOURS[name], shown[name]) for name in OUTCOMES]
    subtitle = _(
        "Contacts by wave and outcome, {shown} of {n} waves", shown=len(shown), n=len(split)
    )
    names = [draw.wave(wave, lang) for wave in shown.index]
    return draw.bars(names, parts, ends, title, subtitle, _("contacts"), lang, raw=shown.index)


@draw.chart
def what_if(
    frame: "pd.DataFrame", *, start: datetime | None = None, lang: Language = ENGLISH
) -> go.Figure:
    """When each scenario would be done, earliest on top: hours from start, or waves where start is
    not given.

    Columns: scenario, waves, finish (on the clock of start; null: cannot be done) and, if known,
    contacts.
    """
    _, rows = (
        lang.gettext,
        frame.sort_values(["finish", "waves"], ignore_index=True).fillna({"waves": 0}),
    )
    done = ["" if time != time else lang.datetime(time) for time in rows.finish]
    many = [lang.ngettext("{n} wave", "{n} waves", int(count)) for count in rows.waves]
    texts = [
        _("{waves} · {time}", waves=w, time=t) if t else "" for w, t in zip(many, done, strict=True)
    ]
    facts = {"scenario": draw.shorten(rows.scenario[0], 40), "time": done[0], "waves": many[0]}
    title = _("None of these scenarios can be done")
    if done[0]:
        title = _("First done: {scenario}, on {time} after {waves}", **facts)
    lengths, unit = rows.waves, _("waves")
    if start is not None:
        lengths, unit = (
            ((rows.finish - start).dt.total_seconds() / 3600).fillna(0),
            _("hours until done"),
        )
    subtitle = _("Scenarios, the earliest done on top")
    if "contacts" in rows and rows.contacts.max() > 0:
        subtitle = _(
            "Scenarios for {contacts} contacts", contacts=lang.number(int(rows.contacts.max()))
        )
    ends = [text or _("cannot be done") for text in texts]
    return draw.bars(
        rows.scenario, [(unit, WAIT, lengths)], ends, title, subtitle, unit, lang, key=()
    )


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
    title = _("{now} failures now, {before} before: {change}", **sums)
    changed = rows[rows.change != 0] if rows.change.any() else rows
    shown, at = changed.head(TOP), list(range(min(TOP, len(changed))))
    sums |= {"n": lang.number(len(changed)), "shown": lang.number(len(at))}
    subtitle = _(
        "Failed messages by error and channel, {shown} of {n}, largest change first", **sums
    )
    colours = [FAILED if change > 0 else DELIVERED for change in shown.change]
    hover = [
        draw.hover(r.error, r.channel, f"{r.before:.0f} → {r.now:.0f}") for r in shown.itertuples()
    ]
    dots = {"y": at, "mode": "markers", "hovertext": hover, "hoverinfo": "text"}
    dots |= {"cliponaxis": False}
    dots["customdata"] = shown[["error", "channel"]].to_numpy().tolist()
    line = {"orientation": "h", "width": 0.07, "marker_color": colours, "hoverinfo": "skip"}
    traces = [
        go.Bar(x=shown.change.tolist(), base=shown.before.tolist(), y=at, **line),
        go.Scatter(x=shown.before.tolist(), marker={"color": QUIET, "size": 13}, **dots),
        go.Scatter(x=shown.now.tolist(), marker={"color": colours, "size": 13}, **dots),
    ]
    up, down = rows.now[rows.change > 0], rows.now[rows.change < 0]
    key = [
        (_("before"), QUIET, rows.before),
        (_("more now"), FAILED, up),
        (_("fewer now"), DELIVERED, down),
    ]
    names = [
        f"{draw.shorten(r.channel, 20)} · {draw.shorten(r.error, 70)}" for r in shown.itertuples()
    ]
    figure = draw.figure(traces, title, subtitle, SLOT * len(at) + 16, lang, key)
    figure.update_yaxes(draw.lines(names))
    longest = shown[["before", "now"]].max(axis=1)
    labels = [draw.signed(change, lang) for change in shown.change]
    return draw.ends(figure, longest, labels, _("failed messages"), gap=3)
