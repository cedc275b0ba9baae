"""The text of the reports, as HTML: what happened, what to do now, the steps on the platform, how it was made."""

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from . import __version__
from .exceptions import visible
from .language import Language
from .words import cause_name, verdict_name

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
    from IPython.display import Markdown as MarkdownOutput

    from .workbench import Workbench

VERDICTS = ("wait", "fix", "never", "unknown")
SAFE_ROWS = 60  # rows of a table in a report; all of them are in its CSV


def html(text: Markup) -> "HTML":
    """Show escaped markup; no notebook may read TeX ($...$) into a stranger's text."""
    from IPython.display import HTML

    plain = not set("$\\") & set(text)
    return HTML(visible(text) if plain else f'<div class="tex2jax_ignore mathjax_ignore">{visible(text)}</div>')


def heading(bench: "Workbench", name: str) -> "MarkdownOutput | None":
    """The heading of a part of the report, which the table of contents lists; none for a part that would be empty."""
    from IPython.display import Markdown

    _ = bench.lang.gettext
    if (name == "compare" and not bench.text("compare")) or (name == "rejected" and bench.export.rejected.empty):
        return None
    text = {
        "why": _("Why"),
        "where": _("Where"),
        "when": _("When"),
        "limit": _("Against the limit"),
        "unknown": _("Errors that no rule knows"),
        "compare": _("Against an earlier run"),
        "rows": _("What became of each row"),
        "again": _("Who can be reached again"),
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


def table(rows: list[list], header: list[str], numbers: tuple[int, ...] = ()) -> Markup:
    """An HTML table of escaped cells; numbers are the columns that align right."""

    def row(cells: list, tag: str) -> Markup:
        out = [
            Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), Markup(' class="num"' if i in numbers else ""), c) for i, c in enumerate(cells)
        ]
        return Markup("<tr>{}</tr>").format(Markup("").join(out))

    body = Markup("").join(row(r, "td") for r in rows)
    return Markup('<table class="table"><thead>{}</thead><tbody>{}</tbody></table>').format(row(header, "th"), body)


def warning(text: str) -> Markup:
    return Markup('<p class="warning">{}</p>').format(text)


def verdict_label(verdict: str, lang: Language) -> Markup:
    return Markup('<span class="verdict-{}">{}</span>').format(verdict, verdict_name(verdict, lang))


def strip(cells: list[tuple[str, str, bool]]) -> Markup:
    """The status strip: (label, value, whether it is a warning)."""
    parts = [
        Markup("<div{}><dt>{}</dt><dd>{}</dd></div>").format(Markup(' class="warn"' if warn else ""), label, value)
        for label, value, warn in cells
    ]
    return Markup('<dl class="strip">{}</dl>').format(Markup("").join(parts))


def overview(bench: "Workbench", attempted: "pd.DataFrame", errors: "pd.DataFrame") -> "HTML":
    """The first screen: one sentence, the status strip, and what to do now."""
    bench.totals["failed"] = int(errors["failed"].sum())
    if len(attempted) and attempted["attempted"].notna().all():
        bench.totals["attempted"] = int(attempted["attempted"].sum())
    sentence = Markup('<p class="headline">{}</p>').format(headline(bench, attempted, errors))
    return html(sentence + status(bench) + Markup("").join(warnings(bench)) + next_steps(bench, errors))


def headline(bench: "Workbench", attempted: "pd.DataFrame", errors: "pd.DataFrame") -> str:
    """What happened, in one sentence with its numbers."""
    _, n, number = bench.lang.gettext, bench.lang.ngettext, bench.lang.number
    failed, known = int(errors["failed"].sum()), attempted[attempted["attempted"].notna()]
    if len(known) == 1 and len(attempted) == 1:
        row = known.iloc[0]
        sentence = _(
            "{channel}: {attempted} attempted, {delivered} delivered, {failed} failed.",
            channel=row["channel"], attempted=number(int(row["attempted"])),
            delivered=number(int(row["delivered"])), failed=number(int(row["failed"])),
        )  # fmt: skip
        if row["quota"]:
            explained = min(int(row["quota"]), int(row["failed"]))
            sentence += " " + _("The limit explains {quota} of the failures.", quota=number(explained))
        return sentence
    top = errors.groupby("cause", sort=False)["failed"].sum().sort_values(ascending=False, kind="stable")
    return n("{n} message failed.", "{n} messages failed.", failed) + " " + _(
        "The most frequent cause is “{cause}”, with {count} of them ({share}).",
        cause=cause_name(top.index[0], bench.lang), count=number(int(top.iloc[0])), share=bench.lang.percent(top.iloc[0] / failed),
    )  # fmt: skip


def status(bench: "Workbench") -> Markup:
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
    dated = seen["first"] == seen["first"] and seen["first"] is not None
    given = bool(bench.text("timezone") or bench.channels.timezone)
    zone = bench.timezone.split("/")[-1].replace("_", " ")
    zone = zone if given else _("{zone} (assumed: none was given)", zone=zone)
    read, rejected, warned = lang.number(bench.export.rows), len(bench.export.rejected), len(warnings(bench))
    if bench.repeats:
        read = _("{rows}, {repeats} of them repeated", rows=read, repeats=lang.number(bench.repeats))
    return strip([
        (_("Period"), lang.period(seen["first"], seen["last"]) if dated else _("the export has no dates"), not dated),
        (_("Newest failure"), lang.datetime(seen["last"]) if dated else "—", False),
        (_("Channels"), lang.number(int(seen["channels"])), False),
        (_("Contacts"), lang.number(int(seen["contacts"])), False),
        (_("Rows read"), read, False),
        (_("Rows rejected"), lang.number(rejected), rejected > 0),
        (_("Warnings"), lang.number(warned), warned > 0),
        (_("Time zone"), zone, not given),
    ])  # fmt: skip


def warnings(bench: "Workbench") -> list[Markup]:
    """What makes the numbers less sure: an export that is too early, or that cuts a broadcast in half."""
    from datetime import UTC, datetime

    _, lang, rows = bench.lang.gettext, bench.lang, bench.broadcasts
    newest = rows.sent_at.max().execute()
    found = []
    if newest is not None and newest == newest and (age := datetime.now(UTC) - newest) < bench.settling:
        found.append(_(
            "The newest failure is {age} old, and failures on these channels may arrive for {settling}. Export again later, or more contacts may turn out to have failed.",
            age=lang.duration(max(age, age * 0), rough=True), settling=lang.duration(bench.settling)))  # fmt: skip
    if cut := bench.cut_broadcasts:
        found.append(lang.ngettext(
            "{n} broadcast is only partly within the dates that were asked for: widen them to see all of it.",
            "{n} broadcasts are only partly within the dates that were asked for: widen them to see all of them.", cut))  # fmt: skip
    elif bench.ends_at_midnight:
        found.append(
            _(
                "Broadcast messages failed within minutes of midnight at the edge of the export: its dates may cut a broadcast in half. Export one day more."
            )
        )
    return [warning(text) for text in found]


def next_steps(bench: "Workbench", errors: "pd.DataFrame") -> Markup:
    """What to do now, in up to three lines: wait, fix, leave out."""
    _, n, number = bench.lang.gettext, bench.lang.ngettext, bench.lang.number
    rows = {v: errors[errors["verdict"] == v] for v in VERDICTS}
    count = {v: int(frame["failed"].sum()) for v, frame in rows.items()}
    lines = []
    if count["wait"]:
        lines.append(n(
            "{n} failure passes by itself: send the same message again later, with the tag-import file of “recover”.",
            "{n} failures pass by themselves: send the same message again later, with the tag-import file of “recover”.",
            count["wait"]))  # fmt: skip
    if count["fix"]:
        lines.append(n(
            "{n} failure needs a change first: {title}.",
            "{n} failures need a change first. Start with the most frequent: {title}.",
            count["fix"], title=rows["fix"].iloc[0]["title"].rstrip(".")))  # fmt: skip
    if count["never"] and count["unknown"]:
        lines.append(_(
            "Leave out {never} failures that are final, since sending again does harm, and look at {unknown} without a known reason before you decide.",
            never=number(count["never"]), unknown=number(count["unknown"])))  # fmt: skip
    elif count["never"]:
        lines.append(n(
            "{n} failure is final: leave this contact out, sending again does harm.",
            "{n} failures are final: leave these contacts out, sending again does harm.", count["never"]))  # fmt: skip
    elif count["unknown"]:
        lines.append(n(
            "{n} failure has no known reason: look at its text before you decide.",
            "{n} failures have no known reason: look at their texts before you decide.", count["unknown"]))  # fmt: skip
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup('<h3>{}</h3><ol class="next">{}</ol>').format(_("What to do now"), items)


def advice(bench: "Workbench", errors: "pd.DataFrame") -> "HTML":
    """The table of errors: meaning, verdict, how long, what to fix, source; most frequent first."""
    _, lang = bench.lang.gettext, bench.lang
    shown = (
        errors.groupby(["rule", "cause", "verdict", "title", "fix", "source"], dropna=False, sort=False)
        .agg(error=("error", "first"), failed=("failed", "sum"), wait_s=("wait_s", "max"), texts=("error", "size"))
        .reset_index()
    )
    shown = shown.sort_values("failed", ascending=False, kind="stable").head(SAFE_ROWS)
    rows = [
        [lang.number(int(r.failed)), Markup("{}<br><code>{}</code>").format(r.title, str(r.error)[:160]),
         verdict_label(r.verdict, lang), how_long(r.wait_s, r.verdict, lang), r.fix, _source(r.source)]
        for r in shown.itertuples()
    ]  # fmt: skip
    header = [_("Failed"), _("What it means, and an example"), _("Verdict"), _("How long"), _("What to do"), _("Source")]
    return html(table(rows, header, numbers=(0,)))


def unknown_errors(bench: "Workbench", shapes: "pd.DataFrame") -> "HTML":
    """Errors that no rule knows, by shape, each with a rule that is ready to be completed and pasted."""
    from .summaries import suggested_rule

    _, lang = bench.lang.gettext, bench.lang
    bench.table(shapes, "unknown-errors")
    if shapes.empty:
        return html(Markup("<p>{}</p>").format(_("Every error is known to a rule.")))
    rows = [
        [lang.number(int(r.failed)), lang.number(int(r.texts)), r.channels, Markup("<code>{}</code>").format(str(r.example)[:300]),
         Markup("<pre>{}</pre>").format(suggested_rule(r.shape, r.example))]
        for r in shapes.head(SAFE_ROWS).itertuples()
    ]  # fmt: skip
    header = [_("Failed"), _("Texts"), _("Channels"), _("Masked example"), _("A rule for your rules file")]
    note = _(
        "Put a rule into a file, choose its cause and verdict, and try it: rebroadcast explain TEXT --rules FILE. Then name the file (rules)."
    )
    return html(table(rows, header, numbers=(0, 1)) + Markup('<p class="fine">{}</p>').format(note))


def compare(bench: "Workbench", where: "pd.DataFrame"):
    """What rose and fell against the run named by `compare`, as a figure; nothing where none was named."""
    from . import charts, summaries

    if not bench.text("compare"):
        return None
    return bench.figure(charts.comparison, summaries.comparison(where, Path(bench.text("compare"))))


def how_long(wait_s: float, verdict: str, lang: Language) -> str:
    """The wait before the same message may be sent again, in words."""
    from datetime import timedelta

    if verdict == "wait" and wait_s == wait_s and wait_s is not None:
        return lang.duration(timedelta(seconds=wait_s))
    return lang.gettext("not stated") if verdict == "wait" else "—"


def _source(source: str) -> str | Markup:
    if source.startswith(("https://", "http://")):
        return Markup('<a href="{0}" rel="noreferrer">{1}</a>').format(source, source.split("/")[2])
    return source or "—"


def provenance(bench: "Workbench") -> "HTML":
    """How the report was made: parameters, rules and overrides, files with SHA-256, versions."""
    _, lang = bench.lang.gettext, bench.lang
    given = [
        [k.strip("_"), ", ".join(map(str, v)) if isinstance(v, list) else str(v)]
        for k, v in bench.given.items()
        if v not in ("", None, [], {}) and k != "out"
    ]
    read = [[kind, s.name, lang.number(s.size), s.sha256] for kind, sources in bench.sources.items() for s in sources]
    parts = [table(given, [_("Parameter"), _("Value")]), table(read, [_("Read as"), _("File"), _("Bytes"), "SHA-256"], numbers=(2,))]
    if bench.rules.overrides:
        replaced = [[ours, theirs or _("a new rule")] for ours, theirs in bench.rules.overrides]
        parts.append(table(replaced, [_("Your rule"), _("Goes before")]))
    parts.append(Markup('<p class="fine">{}</p>').format(_("rebroadcast {version}.", version=__version__)))
    return html(Markup("").join(parts))


def rejected(bench: "Workbench") -> "HTML | None":
    """The rows that could not be read, by reason, with their lines."""
    _, lang, frame = bench.lang.gettext, bench.lang, bench.export.rejected
    if frame.empty:
        return None
    groups = frame.groupby(["file", "reason"], sort=True)["line"].agg(["size", lambda x: ", ".join(map(str, list(x)[:10]))])
    rows = [
        [file, _reason(reason, lang), lang.number(int(size)), lines]
        for (file, reason), (size, lines) in zip(groups.index, groups.to_numpy(), strict=True)
    ]
    return html(table(rows, [_("File"), _("Reason"), _("Rows"), _("Lines")], numbers=(2,)))


def _reason(reason: str, lang: Language) -> str:
    _ = lang.gettext
    return {
        "too few columns": _("too few columns"),
        "too many columns": _("too many columns"),
        "a stray quote": _("a stray quote"),
        "not valid UTF-8": _("not valid UTF-8"),
        "a zero byte": _("a zero byte"),
        "cut off at its end": _("cut off at its end"),
        "a line break without quotes": _("a line break without quotes"),
        "a line that is too long": _("a line that is too long"),
        "no contact ID": _("no contact ID"),
        "several contacts fit this name": _("several contacts have this name; see import/checklist.csv"),
        "no contact has this name": _("no contact has this name; see import/checklist.csv"),
        "a contact ID damaged by a spreadsheet": _("a contact ID damaged by a spreadsheet"),
        "a channel ID damaged by a spreadsheet": _("a channel ID damaged by a spreadsheet"),
        "a message ID damaged by a spreadsheet": _("a message ID damaged by a spreadsheet"),
        "a date that cannot be read": _("a date that cannot be read"),
    }.get(reason, reason)
