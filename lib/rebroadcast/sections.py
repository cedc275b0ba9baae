"""The text of the reports, as HTML: what happened, what to do now, the steps on the platform, how
it was made.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from IPython.display import HTML, Markdown
from markupsafe import Markup

from . import __version__, summaries
from .exceptions import visible
from .language import Language
from .lazy import pd
from .words import VERDICTS, cause_name, reason_name, verdict_name
from .workbench import Workbench

SAFE_ROWS = 60  # rows of a table in a report; all of them are in its CSV


def html(*parts: Markup) -> HTML:
    """Show escaped markup; no notebook may read TeX ($...$) into a stranger's text."""
    text = visible(Markup("").join(parts))
    return HTML(
        f'<div class="tex2jax_ignore mathjax_ignore">{text}</div>'
        if set("$\\") & set(text)
        else text
    )


def heading(bench: Workbench, name: str) -> Markdown | None:
    """The heading of a part of the report, which the table of contents lists; none for a part that
    would be empty.
    """
    _ = bench.lang.gettext
    if (name == "compare" and not bench.text("compare")) or (
        name == "rejected" and bench.export.rejected.empty
    ):
        return None
    text = {
        "why": _("Why"),
        "where": _("Where"),
        "when": _("When"),
        "limit": _("Against the limit"),
        "again": _("Who can be reached again"),
        "unknown": _("Errors that no rule knows"),
        "compare": _("Against an earlier run"),
        "rows": _("What became of each row"),
        "steps": _("Next steps on the platform"),
        "rejected": _("Rows that could not be read"),
        "load": _("How full the limits were"),
        "sources": _("What this rests on"),
        "plan": _("When to send to whom"),
        "what_if": _("What if"),
        "fix": _("What to fix first"),
        "waves": _("Wave by wave"),
        "history": _("Over time"),
        "made": _("How this was made"),
    }[name]
    return Markdown(f"## {text}")


def table(
    rows: Iterable[list],
    header: list[str] = (),
    numbers: Iterable[int] = (),
    widths: Iterable[int] = (),
) -> Markup:
    """An HTML table of escaped cells, nothing where there are no rows; numbers are the columns that
    align right.

    A phone shows the rows of one with five columns or more as cards; the roles keep it a table for
    a screen reader. With widths, in per cent, it is one of the explorer's, in which a row of one
    cell spans all.
    """
    cards = len(header) >= 5 and not widths
    size = Markup("").join(Markup('<col style="width:{}%">').format(width) for width in widths)

    def row(cells: list, tag: str) -> Markup:
        kinds = [Markup(' class="num"') if place in numbers else "" for place in range(len(cells))]
        kinds = [Markup(f' colspan="{len(widths)}"')] if widths and len(cells) == 1 else kinds
        if cards:
            role, more = (
                {"th": "columnheader", "td": "cell"}[tag],
                Markup('{} role="{}" data-label="{}"'),
            )
            kinds = [
                more.format(kind, role, name) for kind, name in zip(kinds, header, strict=True)
            ]
        parts = (
            Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), kind, cell)
            for kind, cell in zip(kinds, cells, strict=True)
        )
        return Markup("<tr{}>{}</tr>").format(
            Markup(' role="row"' if cards else ""), Markup("").join(parts)
        )

    start = Markup('<table class="table cards" role="table">' if cards else '<table class="table">')
    start = (
        Markup('<table class="rb-table"><colgroup>{}</colgroup>').format(size) if widths else start
    )
    head = Markup("<thead>{}</thead>").format(row(header, "th")) if header else ""
    body = Markup("").join(row(r, "td") for r in rows)
    return Markup("{}{}<tbody>{}</tbody></table>").format(start, head, body) if body else body


def p(text: object, kind: str = "") -> Markup:
    """A paragraph, of a class of report.css: headline, warning or fine."""
    return Markup("<p{}>{}</p>").format(Markup(' class="{}"').format(kind) if kind else "", text)


def ordered(lines: Iterable[object], kind: str = "steps") -> Markup:
    """A numbered list."""
    return Markup('<ol class="{}">{}</ol>').format(
        kind, Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    )


def verdict_label(verdict: str, lang: Language) -> Markup:
    return Markup('<span class="verdict-{}">{}</span>').format(verdict, verdict_name(verdict, lang))


def strip(cells: list[tuple[str, str, bool]]) -> Markup:
    """The status strip: (label, value, whether it is a warning)."""
    cell = Markup("<div{}><dt>{}</dt><dd>{}</dd></div>")
    parts = (
        cell.format(Markup(' class="warn"' if warn else ""), label, value)
        for label, value, warn in cells
    )
    return Markup('<dl class="strip">{}</dl>').format(Markup("").join(parts))


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


def status(bench: Workbench) -> Markup:
    """Period, channels, freshness, rows read and rejected, warnings, time zone."""
    _, lang, failed = bench.lang.gettext, bench.lang, bench.failed
    seen = (
        failed.aggregate(
            first=failed.local_at.min(),
            last=failed.local_at.max(),
            channels=failed.channel_id.nunique(),
            contacts=failed.contact_id.nunique(),
        )
        .execute()
        .iloc[0]
    )
    dated = pd.notna(seen["first"])
    read, rejected, warned = (
        lang.number(bench.export.rows),
        len(bench.export.rejected),
        len(warnings(bench)),
    )
    if bench.repeats:
        read = _(
            "{rows}, {repeats} of them repeated", rows=read, repeats=lang.number(bench.repeats)
        )
    return strip(
        [
            (
                _("Period"),
                lang.period(seen["first"], seen["last"]) if dated else _("the export has no dates"),
                not dated,
            ),
            (_("Newest failure"), lang.datetime(seen["last"]) if dated else "—", False),
            (_("Channels"), lang.number(int(seen["channels"])), False),
            (_("Contacts"), lang.number(int(seen["contacts"])), False),
            (_("Rows read"), read, False),
            (_("Rows rejected"), lang.number(rejected), rejected > 0),
            (_("Warnings"), lang.number(warned), warned > 0),
            (
                _("Time zone"),
                zone_name(bench),
                not (bench.text("timezone") or bench.channels.timezone),
            ),
        ]
    )


def zone_name(bench: Workbench) -> str:
    """The time zone of a workbench's times, and whether it was only assumed."""
    zone, given = bench.lang.zone(bench.timezone), bench.text("timezone") or bench.channels.timezone
    return zone if given else bench.lang.gettext("{zone} (assumed: none was given)", zone=zone)


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
    from . import charts

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


def provenance(bench: Workbench) -> HTML:
    """How the report was made: parameters, rules and overrides, files with SHA-256, versions."""
    _, lang = bench.lang.gettext, bench.lang
    given = [
        [k.strip("_"), ", ".join(map(str, v)) if isinstance(v, list) else str(v)]
        for k, v in bench.stated.items()
        if k != "out"
    ]
    read = [
        [kind, s.name, lang.number(s.size), s.sha256]
        for kind, sources in bench.sources.items()
        for s in sources
    ]
    parts = [table(given, [_("Parameter"), _("Value")])]
    parts.append(table(read, [_("Read as"), _("File"), _("Bytes"), "SHA-256"], numbers=(2,)))
    if bench.rules.overrides:
        replaced = [[ours, theirs or _("a new rule")] for ours, theirs in bench.rules.overrides]
        parts.append(table(replaced, [_("Your rule"), _("Goes before")]))
    return html(*parts, p(_("rebroadcast {version}.", version=__version__), "fine"))


def rejected(bench: Workbench) -> HTML | None:
    """The rows that could not be read, by reason, with their lines."""
    _, lang, frame = bench.lang.gettext, bench.lang, bench.export.rejected
    if frame.empty:
        return None
    groups = frame.groupby(["file", "reason"], sort=True)["line"]
    rows = [
        [
            file,
            reason_name(reason, lang),
            lang.number(len(lines)),
            ", ".join([*map(str, lines.head(10)), *["…"] * (len(lines) > 10)]),
        ]
        for (file, reason), lines in groups
    ]
    return html(table(rows, [_("File"), _("Reason"), _("Rows"), _("Lines")], numbers=(2,)))
