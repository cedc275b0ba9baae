"""The text of the recovery check."""

from IPython.display import HTML

from ..show.parts import SAFE_ROWS, grid, html, p, verdict_label
from ..show.reader import Reader
from ..show.words import WORTH, word
from ..verbs.check import Check
from .frame import status, warnings

_ = str  # marks a message for the catalogue; it is translated where it is shown
HOW = {
    "message": _("Reached means: the same message, or its resend, was delivered."),
    "any": _("Reached means: any later message was delivered on the channel."),
}


def checked(reader: Reader, found: Check) -> HTML:
    """How many were reached, in one sentence, and what that can and cannot tell."""
    no_sign, not_due = found.contacts("no_sign"), found.contacts("not_due")
    unseen = reader.gettext(
        "Without the messages export of the days after the resend, only new failures"
        " can be seen. Whether the others were reached or never sent to cannot be told:"
        " export Messages for those days and name it (messages)."
    )
    unsent = reader.ngettext(
        "{n} contact shows no message of this broadcast since it was due. Check that the import"
        " succeeded, that the segment's tag is spelled as in the file, and that the broadcast"
        " was sent to that segment.",
        "{n} contacts show no message of this broadcast since they were due. Check that the"
        " import succeeded, that the segment's tag is spelled as in the file, and that the"
        " broadcast was sent to that segment.",
        no_sign,
    )
    early = reader.ngettext(
        "The exports end on {until}; {n} contact was not due by then.",
        "The exports end on {until}; {n} contacts were not due by then.",
        not_due,
        until=reader.instant(found.horizon),
    )
    return html(
        p(_headline(reader, found), "headline"),
        *warnings(reader, found.doubts),
        *([] if found.measured else [p(unseen, "warning")]),
        *([p(unsent, "warning")] if no_sign else []),
        *([p(early)] if not_due else []),
        p(word(HOW, found.how, reader.lang), "fine"),
        status(reader, found.facts),
    )


def _headline(reader: Reader, found: Check) -> str:
    """How many contacts were reached, failed again, and show nothing, as far as it is known."""
    facts = {
        name: reader.number(found.contacts(name))
        for name in ("reached", "failed_again", "no_sign", "not_known")
    }
    if not found.due:
        return reader.ngettext(
            "No contact is due yet; {n} waits for its wave.",
            "No contact is due yet; {n} wait for their wave.",
            found.contacts("not_due"),
        )
    if not found.measured:
        return reader.ngettext(
            "{failed_again} of {n} contact that was due failed again.",
            "{failed_again} of the {n} contacts that were due failed again.",
            found.due,
            failed_again=facts["failed_again"],
        )
    if found.contacts("not_known"):
        return reader.ngettext(
            "{reached} of {n} contact that was due has been reached; {failed_again} failed again,"
            " {no_sign} without a sign of a send, {not_known} not known.",
            "{reached} of the {n} contacts that were due have been reached; {failed_again} failed"
            " again, {no_sign} without a sign of a send, {not_known} not known.",
            found.due,
            **facts,
        )
    return reader.ngettext(
        "{reached} of {n} contact that was due has been reached ({share}); {failed_again} failed"
        " again, {no_sign} without a sign of a send.",
        "{reached} of the {n} contacts that were due have been reached ({share}); {failed_again}"
        " failed again, {no_sign} without a sign of a send.",
        found.due,
        share=reader.lang.percent(found.contacts("reached") / found.due),
        **facts,
    )


def failed_again(reader: Reader, found: Check) -> HTML:
    """Why contacts failed again, and whether another try is worth it."""
    _ = reader.gettext
    again = found.again.head(SAFE_ROWS)
    if again.empty:
        return html(p(_("No contact failed again.")))
    return html(
        grid(
            {
                _("Contacts"): [reader.number(n) for n in again["contacts"]],
                _("What it means"): again["title"],
                _("Verdict"): [verdict_label(v, reader.lang) for v in again["verdict"]],
                _("Another try"): [
                    word(WORTH, v, reader.lang) if v in WORTH else "—" for v in again["verdict"]
                ],
                _("What to do"): again["fix"],
            },
            numbers=[_("Contacts")],
        )
    )


def history(reader: Reader, found: Check) -> HTML:
    """The recovery rate of each run, in order."""
    _, runs = reader.gettext, found.runs.tail(SAFE_ROWS)
    known = runs["share"].notna()
    listed = grid(
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
        },
        numbers=[_("Contacts"), _("Due"), _("Reached"), _("Recovery rate")],
    )
    return html(listed)
