"""The text of the recovery check."""

from IPython.display import HTML

from ..show.parts import SAFE_ROWS, grid, html, p, table, verdict_label
from ..show.reader import Reader
from ..show.words import word
from ..verbs.check import Check
from .frame import status, warnings

_ = str  # marks a message for the catalogue; it is translated where it is shown
WORTH = {
    "wait": _("yes, later"),
    "fix": _("after the change"),
    "never": _("no"),
    "unknown": _("look first"),
}
HOW = {
    "message": _("Reached means: the same message, or its resend, was delivered."),
    "any": _("Reached means: any later message was delivered on the channel."),
}


def checked(reader: Reader, found: Check) -> HTML:
    """How many were reached, in one sentence, and what that can and cannot tell."""
    _, due, not_due = reader.gettext, found.due, found.contacts("not_due")
    names = ("reached", "failed_again", "no_sign", "not_due", "not_known")
    facts = {name: reader.number(found.contacts(name)) for name in names}
    if not due:
        sentence = _("No contact is due yet; {not_due} wait for their wave.", **facts)
    elif found.measured:
        sentence = _(
            "{reached} of the {due} contacts that were due have been reached ({share});"
            " {failed_again} failed again, {no_sign} show no sign of a send.",
            due=reader.number(due),
            share=reader.lang.percent(found.contacts("reached") / due),
            **facts,
        )
    else:
        sentence = _(
            "{failed_again} of the {due} contacts that were due failed again.",
            due=reader.number(due),
            **facts,
        )
    parts = [p(sentence, "headline"), *warnings(reader, found.doubts)]
    if not found.measured:
        parts.append(
            p(
                _(
                    "Without the messages export of the days after the resend, only new failures"
                    " can be seen. Whether the others were reached or never sent to cannot be told:"
                    " export Messages for those days and name it (messages)."
                ),
                "warning",
            )
        )
    elif found.contacts("no_sign"):
        parts.append(
            p(
                _(
                    "{no_sign} contacts show no message at all since they were due. Check that the"
                    " import succeeded, that the segment's tag is spelled as in the file, and that"
                    " the broadcast was sent to that segment.",
                    **facts,
                ),
                "warning",
            )
        )
    if not_due:
        text = _(
            "The exports end on {until}; {not_due} contacts were not due by then.",
            until=reader.instant(found.horizon),
            **facts,
        )
        parts.append(p(text))
    parts += [p(word(HOW, found.how, reader.lang), "fine"), status(reader, found.facts)]
    return html(*parts)


def failed_again(reader: Reader, found: Check) -> HTML:
    """Why contacts failed again, and whether another try is worth it."""
    _ = reader.gettext
    again = found.again.head(SAFE_ROWS)
    if again.empty:
        return html(p(_("No contact failed again.")))
    frame = grid(
        {
            _("Contacts"): [reader.number(n) for n in again["contacts"]],
            _("What it means"): again["title"],
            _("Verdict"): [verdict_label(v, reader.lang) for v in again["verdict"]],
            _("Another try"): [
                word(WORTH, v, reader.lang) if v in WORTH else "—" for v in again["verdict"]
            ],
            _("What to do"): again["fix"],
        }
    )
    return html(table(frame, numbers=[_("Contacts")]))


def history(reader: Reader, found: Check) -> HTML:
    """The recovery rate of each run, in order."""
    _, runs = reader.gettext, found.runs.tail(SAFE_ROWS)
    known = runs["share"].notna()
    frame = grid(
        {
            _("Broadcast"): runs["broadcast"],
            _("Due from"): [reader.instant(at) for at in runs["due_from"]],
            _("Contacts"): [reader.number(n) for n in runs["contacts"]],
            _("Due"): [reader.number(n) for n in runs["due"]],
            _("Reached"): [
                reader.number(n) if k else "—" for n, k in zip(runs["reached"], known, strict=True)
            ],
            _("Recovery rate"): [
                reader.lang.percent(share) if k else "—"
                for share, k in zip(runs["share"], known, strict=True)
            ],
        }
    )
    return html(table(frame, numbers=list(frame.columns[2:])))
