"""Figures of a recovery: what became of each row, and of each wave."""

import pandas as pd
import plotly.graph_objects as go

from ..common.language import Language
from . import drawing as draw
from .drawing import DISPOSITION_COLOURS, ENGLISH, OUTCOME_COLOURS, QUIET, TOP, WAIT
from .words import DISPOSITIONS, OUTCOMES, disposition_name, word


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
    nodes: list[tuple[str, float, str]] = [
        (_("rows in the files"), total, QUIET),
        *(
            (
                disposition_name(name, lang, int(sums[name])),
                sums[name],
                DISPOSITION_COLOURS.get(name, QUIET),
            )
            for name in found
        ),
    ]
    links = [0] * len(found)  # one link to each other node
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
    trace = go.Sankey(
        node={
            "label": texts,
            "color": [colour for *_, colour in nodes],
            "pad": 20,
            "thickness": 14,
            "line": {"width": 0},
            "align": "left",
            "hovertemplate": "%{label}<extra></extra>",
        },
        link={
            "source": links,
            "target": list(range(1, len(nodes))),
            "value": [int(n[1]) for n in nodes[1:]],
            "color": [draw.faded(colour) for *_, colour in nodes[1:]],
            "customdata": texts[1:],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        textfont={"shadow": "none"},
    )
    title = lang.ngettext(
        "{n} of {total} rows is a contact to reach again",
        "{n} of {total} rows are contacts to reach again",
        int(sums.get("tagged", 0)),
        total=lang.number(total),
    )
    return draw.figure(
        [trace],
        title,
        _("What became of each of the {total} rows of the files", total=lang.number(total)),
        44 * max(3, len(found), len(nodes) - len(found)),
        lang,
    )


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
    if (due := sent.sum()) and sums.not_known:
        title = _("{failed_again} of {due} that were due failed again", **facts)
        if sums.reached:
            title = _(
                "{reached} of {due} that were due were reached; {failed_again} failed again,"
                " {not_known} not known",
                **facts,
            )
    elif due:
        facts["share"] = lang.percent(sums.reached / due)
        title = _(
            "{share} were reached, {reached} of {due} that were due; {failed_again} failed again",
            **facts,
        )
    ends = []
    for row, due in zip(shown.itertuples(), sent.head(TOP), strict=True):
        text = word(OUTCOMES, "not_known" if row.not_known else "not_due", lang)
        if due and not row.not_known:
            text = _("{count} reached", count=draw.share(row.reached, due, lang))
        elif row.reached:
            text = _("{count} reached", count=lang.number(int(row.reached)))
        ends.append(text)
    return draw.bars(
        [draw.wave(wave, lang) for wave in shown.index],
        [(word(OUTCOMES, name, lang), OUTCOME_COLOURS[name], shown[name]) for name in OUTCOMES],
        ends,
        title,
        _("Contacts by wave and outcome, {shown} of {n} waves", shown=len(shown), n=len(split)),
        _("contacts"),
        lang,
        raw=shown.index,
    )
