"""The text of the reports, as HTML: what happened, what to do now, the steps on the platform, how
it was made.
"""

import shlex
from datetime import timedelta
from pathlib import Path

from IPython.display import HTML
from markupsafe import Markup
from markupsafe import escape as html_escape

from ..bench.warnings import warnings
from ..bench.workbench import Workbench
from ..common.exceptions import InputError
from ..common.language import Language
from ..common.lazy import pd
from ..recovery.fates import DISPOSITIONS
from ..show import failures as charts
from ..show.parts import SAFE_ROWS, html, ordered, p, table, verdict_label
from ..show.words import VERDICTS, cause_name, disposition_name, meaning
from ..verbs import summarise as summaries
from .frame import status


def overview(bench: Workbench, attempted: "pd.DataFrame", errors: "pd.DataFrame") -> HTML:
    """The first screen: one sentence, the status strip, and what to do now."""
    bench.totals["failed"] = int(errors["failed"].sum())
    if len(attempted) and attempted["attempted"].notna().all():
        bench.totals["attempted"] = int(attempted["attempted"].sum())
    _, lang, some = bench.lang.gettext, bench.lang, int(bench.broadcasts.count().execute())
    only = _(
        "Against limits, and of contacts to reach again, only the {n} broadcast messages count;"
        " name a sender type (sender_type) for others.",
        n=lang.number(some),
    )
    parts = [
        status(bench),
        *(p(w, "warning") for w in warnings(bench)),
        next_steps(bench, errors),
        *[p(only, "fine")] * (some < bench.totals["failed"]),
    ]
    return html(p(headline(bench, attempted, errors), "headline"), *parts)


def headline(bench: Workbench, attempted: "pd.DataFrame", errors: "pd.DataFrame") -> str:
    """What happened, in one sentence with its numbers."""
    _, n, number = bench.lang.gettext, bench.lang.ngettext, bench.lang.number
    failed, known = int(errors["failed"].sum()), attempted[attempted["attempted"].notna()]
    if len(known) == 1 and len(attempted) == 1:
        row = known.iloc[0]
        facts = {name: number(int(row[name])) for name in ("attempted", "delivered", "failed")}
        sentence = _(
            "{channel}: {attempted} attempted, {delivered} delivered, {failed} failed.",
            channel=row["channel"],
            **facts,
        )
        if row["quota"]:
            explained = min(int(row["quota"]), int(row["failed"]))
            sentence += " " + _(
                "The limit explains {quota} of the failures.", quota=number(explained)
            )
        return sentence
    top = (
        errors.groupby("cause", sort=False)["failed"]
        .sum()
        .sort_values(ascending=False, kind="stable")
    )
    return (
        n("{n} message failed.", "{n} messages failed.", failed)
        + " "
        + _(
            "The most frequent cause is “{cause}”, with {count} of them ({share}).",
            cause=cause_name(top.index[0], bench.lang),
            count=number(int(top.iloc[0])),
            share=bench.lang.percent(top.iloc[0] / failed),
        )
    )


def next_steps(bench: Workbench, errors: "pd.DataFrame") -> Markup:
    """What to do now, in up to three lines: wait, fix, leave out."""
    _, n, number = bench.lang.gettext, bench.lang.ngettext, bench.lang.number
    rows = {v: errors[errors["verdict"] == v] for v in VERDICTS}
    count = {v: int(frame["failed"].sum()) for v, frame in rows.items()}
    lines = []
    if count["wait"]:
        lines.append(
            n(
                "{n} failure passes by itself: send the same message again later, with the"
                " tag-import file of “recover”.",
                "{n} failures pass by themselves: send the same message again later, with the"
                " tag-import file of “recover”.",
                count["wait"],
            )
        )
    if count["fix"]:
        lines.append(
            n(
                "{n} failure needs a change first: {title}.",
                "{n} failures need a change first. Start with the most frequent: {title}.",
                count["fix"],
                title=rows["fix"].iloc[0]["title"].rstrip("."),
            )
        )
    if count["never"] and count["unknown"]:
        lines.append(
            _(
                "Leave out {never} failures that are final, since sending again does harm, and look"
                " at {unknown} without a known reason before you decide.",
                never=number(count["never"]),
                unknown=number(count["unknown"]),
            )
        )
    elif count["never"]:
        lines.append(
            n(
                "{n} failure is final: leave this contact out, sending again does harm.",
                "{n} failures are final: leave these contacts out, sending again does harm.",
                count["never"],
            )
        )
    elif count["unknown"]:
        lines.append(
            n(
                "{n} failure has no known reason: look at its text before you decide.",
                "{n} failures have no known reason: look at their texts before you decide.",
                count["unknown"],
            )
        )
    return Markup("<h3>{}</h3>").format(_("What to do now")) + ordered(lines, "next")


def advice(bench: Workbench, errors: "pd.DataFrame") -> HTML:
    """The table of errors: meaning, verdict, how long, what to fix, source; most frequent first."""
    _, lang = bench.lang.gettext, bench.lang
    groups = errors.groupby(
        ["rule", "cause", "verdict", "title", "fix", "source"], dropna=False, sort=False
    )
    shown = groups.agg(
        error=("error", "first"), failed=("failed", "sum"), wait_s=("wait_s", "max")
    ).reset_index()
    rows = [
        [
            lang.number(int(r.failed)),
            Markup("{}<br><code>{}</code>").format(r.title, str(r.error)[:160]),
            verdict_label(r.verdict, lang),
            how_long(r.wait_s, r.verdict, lang),
            r.fix,
            _source(r.source),
        ]
        for r in (
            shown.sort_values("failed", ascending=False, kind="stable").head(SAFE_ROWS).itertuples()
        )
    ]
    header = [
        _("Failed"),
        _("What it means, and an example"),
        _("Verdict"),
        _("How long"),
        _("What to do"),
        _("Source"),
    ]
    return html(table(rows, header, numbers=(0,)))


def unknown_errors(bench: Workbench, shapes: "pd.DataFrame") -> HTML:
    """Errors that no rule knows, by shape, each with a rule that is ready to be completed and
    pasted.
    """
    _, lang = bench.lang.gettext, bench.lang
    if bench.table(shapes, "unknown-errors").empty:
        return html(p(_("Every error is known to a rule.")))
    rows = [
        [
            lang.number(int(r.failed)),
            lang.number(int(r.texts)),
            r.channels,
            Markup("<code>{}</code>").format(str(r.example)[:300]),
            Markup("<pre>{}</pre>").format(summaries.suggested_rule(r.shape, r.example)),
        ]
        for r in shapes.head(SAFE_ROWS).itertuples()
    ]
    header = [
        _("Failed"),
        _("Texts"),
        _("Channels"),
        _("Masked example"),
        _("A rule for your rules file"),
    ]
    note = _(
        "Put a rule into a file, choose its cause and verdict, and try it: rebroadcast explain TEXT"
        " --rules FILE. Then name the file (rules)."
    )
    return html(table(rows, header, numbers=(0, 1)), p(note, "fine"))


def compare(bench: Workbench, where: "pd.DataFrame"):
    """What rose and fell against the run named by `compare`, as a figure; a sentence where nothing
    did, nothing where none was named.
    """

    if not (earlier := bench.text("compare")):
        return None
    _, frame = bench.lang.gettext, summaries.comparison(where, Path(earlier))
    if (frame["before"] != frame["now"]).any():
        return bench.figure(charts.comparison, frame)
    total = int(bench.table(frame, "comparison")["now"].sum())
    return html(
        p(
            _(
                "Nothing rose or fell: each channel has each error as often as before, {total} in"
                " all.",
                total=bench.lang.number(total),
            )
        )
    )


def how_long(wait_s: float, verdict: str, lang: Language) -> str:
    """The wait before the same message may be sent again, in words."""
    if verdict != "wait":
        return "—"
    return (
        lang.duration(timedelta(seconds=wait_s)) if pd.notna(wait_s) else lang.gettext("not stated")
    )


def _source(source: str) -> str | Markup:
    if not source.startswith(("https://", "http://")):
        return source or "—"
    host = Markup("<wbr>.").join(
        source.split("/")[2].split(".")
    )  # a narrow column breaks it before a dot
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(source, host)


def again(bench: Workbench) -> HTML:
    """How many contacts can be reached again, from when, and what is in the way of the others."""
    _, n, lang = bench.lang.gettext, bench.lang.ngettext, bench.lang
    try:
        rows = bench.fates
    except InputError as error:  # the messages export does not cover the failures
        return html(p(error, "warning"))
    counted = rows.group_by("disposition").aggregate(
        contacts=rows.count(),
        people=rows.contact_id.nunique(),
        first=rows.earliest.min(),
        last=rows.earliest.max(),
    )
    found = {r.disposition: r for r in counted.to_pandas().itertuples()}
    tagged, when = (
        found.get("tagged"),
        {
            "fix_first": _("after the change"),
            "unknown": _("look first"),
            "never": _("no"),
        },
    )
    bench.totals["recoverable"] = int(tagged.people) if tagged else 0
    sentence = n(
        "{n} contact can be reached again.",
        "{n} contacts can be reached again.",
        bench.totals["recoverable"],
    )
    if tagged and pd.notna(tagged.last):
        first, last = (
            lang.datetime(bench.wall_clock(t.to_pydatetime())) for t in (tagged.first, tagged.last)
        )
        when["tagged"] = (
            first if first == last else _("between {first} and {last}", first=first, last=last)
        )
    cells = [
        [
            disposition_name(k, lang),
            lang.number(int(found[k].contacts)),
            meaning(k, lang),
            when.get(k, "—"),
        ]
        for k in reversed(DISPOSITIONS)
        if k in found
    ]
    header = [_("Disposition"), _("Contacts"), _("Rule"), _("Another try")]
    each = sum(r.contacts for r in found.values()) > rows.contact_id.nunique().execute()
    note = _(
        "A contact who failed on several channels counts once on each, since each channel can reach"
        " them again or not."
    )
    return html(
        p(Markup("<strong>{}</strong>").format(sentence)),
        table(cells, header, numbers=(1,)),
        *[p(note, "fine")] * each,
    )


def steps_after_report(bench: Workbench) -> HTML:
    """From the report to the resend, in order; the clicks in detail are in the report of
    `recover`.
    """
    _ = bench.lang.gettext
    exports = bench.given["exports"]
    words = ["rebroadcast", "recover", *([exports] if isinstance(exports, str) else exports)]
    chosen = (
        bench.text("channel") or bench.broadcasts.channel_id.mode().execute()
    )  # a broadcast goes out on one
    words += ["--channel", chosen] if chosen else []
    for name in (
        "channels",
        "messages",
        "contacts",
        "timezone",
        "date_format",
        "rules",
        "from_",
        "to",
        "language",
    ):
        if (value := bench.text(name)) and (name, value) != ("language", "en"):
            words += [f"--{name.strip('_').replace('_', '-')}", value]
    command = Markup("<code>{}</code>").format(
        shlex.join([*words, "--tag", _("failed broadcast {date:%d%m%y}")])
    )
    steps = [
        _("Change what has to be changed first (the table under “Why” says what)."),
        Markup(
            html_escape(_("Write the tag-import file: {command}, or the notebook tag_import."))
        ).format(command=command),
        _("Open Contacts > Import contacts and add the CSV file: {files}.", files="import/*.csv"),
        _("Choose “Update existing contacts only”, and Contact ID as the identifier."),
        _("Create a segment: Contact tag > has any of > {tag}.", tag=_("the tag")),
        _("Send the broadcast again, to that segment only."),
        _("Afterwards export again and run “check”: it says who was reached."),
    ]
    return html(ordered(steps))
