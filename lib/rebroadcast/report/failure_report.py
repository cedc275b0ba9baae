"""The text of the failure report: what happened, why, what to do now, who can be reached again."""

import shlex
from datetime import timedelta

import pandas as pd
from IPython.display import HTML
from markupsafe import Markup
from markupsafe import escape as html_escape

from ..bench.results import Results
from ..bench.settings import Settings
from ..recovery.fates import DISPOSITIONS
from ..show import failures as charts
from ..show.drawing import ranked
from ..show.parts import SAFE_ROWS, grid, html, more, ordered, p, verdict_label
from ..show.reader import Reader
from ..show.words import (
    CONFIDENCES,
    VERDICTS,
    WORTH,
    cause_name,
    disposition_name,
    meaning,
    word,
)
from ..verbs.summarise import Summary, suggested_rule
from .frame import broadcasts, status, tiles, warnings

MEANINGS, WORDINGS = 6, 20  # that are seen at once; of one meaning
REPEATED = (  # parameters that the recovery of this report needs too
    "channels",
    "messages",
    "contacts",
    "exclude_tag",
    "timezone",
    "date_format",
    "profile",
    "rules",
    "from_",
    "to",
    "sender_type",
    "language",
    "engine",
)


def overview(reader: Reader, found: Summary) -> HTML:
    """The first screen: one sentence, the broadcasts, warnings, and what to do now."""
    facts, others = found.facts, found.facts.failed - found.facts.counted
    apart = reader.ngettext(
        "{n} failed message belongs to no broadcast, such as an agent's. It does not count against"
        " limits or among the contacts to reach again; name a sender type (sender_type) for it.",
        "{n} failed messages belong to no broadcast, such as an agent's. They do not count against"
        " limits or among the contacts to reach again; name a sender type (sender_type) for them.",
        others,
    )
    fates = {} if found.uncovered else found.fates.set_index("disposition")["people"].to_dict()
    return html(
        p(headline(reader, found), "headline"),
        *([] if found.compared is None else [p(against(reader, found.compared), "fine")]),
        broadcasts(reader, found.broadcasts),
        tiles(reader, found.recoverable, found.broadcasts, fates) if fates else Markup(""),
        next_steps(reader, found.errors),
        *warnings(reader, found.doubts),
        status(reader, facts),
        *([p(apart, "fine")] if others else []),
    )


def headline(reader: Reader, found: Summary) -> str:
    """What happened, in one sentence with its numbers."""
    _, number = reader.gettext, reader.number
    listed, failed = found.broadcasts, found.facts.failed
    if len(listed) and listed["attempted"].notna().all():
        facts = {k: number(listed[k].sum()) for k in ("attempted", "delivered", "failed")}
        if len(listed) == 1:
            said = _(
                "{name}: {attempted} attempted, {delivered} delivered, {failed} failed.",
                name=listed["name"].iloc[0],
                **facts,
            )
        else:
            said = _(
                "{n} broadcasts: {attempted} attempted, {delivered} delivered, {failed} failed.",
                n=number(len(listed)),
                **facts,
            )
        if listed["quota"].sum():
            quota = min(listed["quota"].sum(), listed["failed"].sum())
            return (
                said + " " + _("The limit explains {quota} of the failures.", quota=number(quota))
            )
    else:
        said = reader.ngettext("{n} message failed.", "{n} messages failed.", failed)
    top = ranked(found.errors, "cause").iloc[0]  # as the figure has it, also where causes tie
    return f"{said} " + _(
        "The most frequent cause is “{cause}”: {count} ({share}).",
        cause=cause_name(top["cause"], reader.lang),
        count=number(top["failed"]),
        share=reader.lang.percent(top["failed"] / failed),
    )


def against(reader: Reader, compared: pd.DataFrame) -> str:
    """How many failed in the earlier run and in this one, and by how much that rose or fell."""
    before, now = (int(compared[name].sum()) for name in ("before", "now"))
    sign = "+" if now > before else ""
    return reader.gettext(
        "Failed in the earlier run: {before}; in this one: {now} ({change}).",
        before=reader.number(before),
        now=reader.number(now),
        change=sign + reader.lang.percent(now / before - 1) if before else "—",
    )


def next_steps(reader: Reader, errors: pd.DataFrame) -> Markup:
    """What to do now, in up to three lines: wait, fix, leave out."""
    _, n, number = reader.gettext, reader.ngettext, reader.number
    rows = {v: errors[errors["verdict"] == v] for v in VERDICTS}
    count = {v: int(frame["failed"].sum()) for v, frame in rows.items()}
    lines = []
    if count["wait"]:
        lines.append(
            n(
                "{n} failure passes by itself: send the same message again later, with the"
                " tag-import file of the command “recover”.",
                "{n} failures pass by themselves: send the same message again later, with the"
                " tag-import file of the command “recover”.",
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


def advice(reader: Reader, found: Summary) -> HTML:
    """The table of meanings, most frequent first: verdict and how long, what to do, and behind a
    click the errors' own words and the source; and how sure the meanings are.
    """
    keys = ["rule", "cause", "verdict", "title", "fix", "source"]
    shown = (
        found.errors.groupby(keys, dropna=False, sort=False)
        .agg(error=("error", list), failed=("failed", "sum"), wait_s=("wait_s", "max"))
        .reset_index()
        .sort_values("failed", ascending=False, kind="stable")
    )
    parts = [_meanings(reader, shown.head(MEANINGS))]
    if len(rest := shown[MEANINGS:SAFE_ROWS]):
        summary = reader.ngettext("{n} more meaning", "{n} more meanings", len(rest))
        parts.append(more(summary, _meanings(reader, rest)))
    return html(*parts, p(how_sure(reader, found.confidence), "fine"))


def _meanings(reader: Reader, shown: pd.DataFrame) -> Markup:
    _ = reader.gettext
    return grid(
        {
            _("Failed"): [reader.number(n) for n in shown["failed"]],
            _("What it means"): [_meaning(reader, row) for row in shown.itertuples()],
            _("Verdict"): [
                verdict_label(v, reader.lang) + how_long(reader, wait, v)
                for v, wait in zip(shown["verdict"], shown["wait_s"], strict=True)
            ],
            _("What to do"): shown["fix"],
        },
        numbers=[_("Failed")],
        kind="table brief",
    )


def _meaning(reader: Reader, row) -> Markup:
    """What an error means; its own words and where that is written, behind a click."""
    words = [Markup("<code>{}</code>").format(str(error)[:160]) for error in row.error[:WORDINGS]]
    told = [p(Markup("<br>").join(words)), *([p(_source(row.source))] if row.source else [])]
    summary = reader.ngettext("{n} wording", "{n} wordings", len(row.error))
    return Markup("{}{}").format(row.title, more(summary, *told))


def how_sure(reader: Reader, confidence: pd.DataFrame) -> str:
    """What the meanings of the errors rest on, by share of the failures."""
    total, lang = confidence["failed"].sum(), reader.lang
    shares = ", ".join(
        f"{lang.percent(row.failed / total)} {word(CONFIDENCES, row.confidence, lang)}"
        for row in confidence.itertuples()
    )
    return reader.gettext("What the meanings rest on: {shares}.", shares=shares)


def unknown_errors(reader: Reader, shapes: pd.DataFrame) -> HTML | None:
    """Errors that no rule knows, by shape, each with a rule that is ready to be completed and
    pasted.
    """
    _, shown = reader.gettext, shapes.head(SAFE_ROWS)
    if shown.empty:
        return None
    code, block = Markup("<code>{}</code>"), Markup("<pre>{}</pre>")
    listed = grid(
        {
            _("Failed"): [reader.number(n) for n in shown["failed"]],
            _("Texts"): [reader.number(n) for n in shown["texts"]],
            _("Channels"): shown["channels"],
            _("Masked example"): [code.format(str(text)[:300]) for text in shown["example"]],
            _("A rule for your rules file"): [
                more(shape, block.format(suggested_rule(shape, text)))
                for shape, text in zip(shown["shape"], shown["example"], strict=True)
            ],
        },
        numbers=[_("Failed"), _("Texts")],
    )
    note = _(
        "Put a rule into a file, choose its cause and verdict, and try it: rebroadcast explain TEXT"
        " --rules FILE. Then name the file (rules)."
    )
    return html(listed, p(note, "fine"))


def compare(reader: Reader, results: Results, compared: pd.DataFrame | None):
    """What rose and fell against an earlier run, as a figure; a sentence where nothing did, nothing
    where none was named.
    """
    if compared is None:
        return None
    if (compared["before"] != compared["now"]).any():
        return results.figure(charts.comparison, compared)
    results.table(compared, "comparison")
    text = reader.gettext(
        "Nothing rose or fell: each channel has each error as often as before, {total} in all.",
        total=reader.number(compared["now"].sum()),
    )
    return html(p(text))


def how_long(reader: Reader, wait_s: float, verdict: str) -> str:
    """How long to wait before the same message may be sent again, where that is known."""
    known = verdict == "wait" and pd.notna(wait_s)
    return " " + reader.lang.duration(timedelta(seconds=wait_s)) if known else ""


def _source(source: str) -> str | Markup:
    if not source.startswith(("https://", "http://")):
        return source
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(source, source.split("/")[2])


def again(reader: Reader, found: Summary) -> HTML:
    """How many contacts can be reached again, from when, and what is in the way of the others."""
    _ = reader.gettext
    if found.uncovered:  # the messages export does not cover the failures
        return html(p(found.uncovered, "warning"))
    order = {name: place for place, name in enumerate(reversed(DISPOSITIONS))}
    fates = found.fates.sort_values("disposition", key=lambda names: names.map(order))
    sentence = reader.ngettext(
        "{n} contact can be reached again.",
        "{n} contacts can be reached again.",
        found.recoverable,
    )
    listed = grid(
        {
            _("Disposition"): [disposition_name(k, reader.lang) for k in fates["disposition"]],
            _("Contacts"): [reader.number(n) for n in fates["contacts"]],
            _("Rule"): [meaning(k, reader.lang) for k in fates["disposition"]],
            _("Another try"): [_another_try(reader, row) for row in fates.itertuples()],
        },
        numbers=[_("Contacts")],
        kind="table brief",
    )
    note = _(
        "A contact who failed in several broadcasts counts once in each, since each can reach them"
        " again or not."
    )
    several = fates["contacts"].sum() > fates["people"].sum() or found.broadcasts.shape[0] > 1
    return html(
        p(Markup("<strong>{}</strong>").format(sentence)),
        listed,
        *([p(note, "fine")] if several else []),
    )


def _another_try(reader: Reader, row) -> str:
    if row.disposition != "tagged":
        return word(WORTH, row.disposition, reader.lang) if row.disposition in WORTH else "—"
    if pd.isna(row.last):
        return "—"
    first, last = (reader.instant(at.to_pydatetime()) for at in (row.first, row.last))
    if first == last:
        return first
    return reader.gettext("between {first} and {last}", first=first, last=last)


def recover_command(reader: Reader, settings: Settings, found: Summary) -> str:
    """The command that writes the tag-import files of this report."""
    words, chosen = ["rebroadcast", "recover", *settings.exports], settings.selection
    given: dict[str, object] = {
        "broadcast": chosen.broadcast,
        "channel": ",".join(chosen.channel),
        **{name: settings.stated.get(name, "") for name in REPEATED},
    }
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            if one and (name, one) != ("language", "en"):
                words += [f"--{name.strip('_').replace('_', '-')}", str(one)]
    several = len(found.broadcasts) > 1
    tag = reader.gettext("failed broadcast {date:%d%m%y}")
    return shlex.join([*words, "--tag", f"{tag} {{channel}} {{time}}" if several else tag])


def steps_after_report(reader: Reader, settings: Settings, found: Summary) -> HTML:
    """From the report to the resend, in order; the clicks in detail are in the report of
    `recover`.
    """
    _ = reader.gettext
    command = Markup("<code>{}</code>").format(recover_command(reader, settings, found))
    write = html_escape(_("Write the tag-import file: {command}, or the notebook tag_import."))
    steps = [
        _("Change what has to be changed first (the table under “Why” says what)."),
        Markup(write).format(command=command),
        _("Open Contacts > Import contacts and add the CSV file: {files}.", files="import/*.csv"),
        _("Choose “Update existing contacts only”, and Contact ID as the identifier."),
        _("Create a segment: Contact tag > has any of > {tag}.", tag=_("the tag")),
        _("Send the broadcast again, to that segment only."),
        _(
            "Afterwards export again and run “check” with the same --ledger DIR as “recover”: it"
            " says who was reached."
        ),
    ]
    return html(ordered(steps))
