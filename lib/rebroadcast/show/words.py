"""The words of the house as people read them: titles, causes, verdicts, dispositions, outcomes,
column headers, reasons.
"""

from collections.abc import Mapping
from functools import partial

from ..common.doubts import n_
from ..common.language import Language

_ = str  # marks a message for the catalogue; it is translated where it is shown

TITLES = {
    "failure_report": _("Why messages failed"),
    "quota_overflow": _("Limits and overflow"),
    "tag_import": _("Who to reach again"),
    "recovery_check": _("Did the resend reach them"),
}
CAUSES = {
    "quota": _("limit used up"),
    "rate_limit": _("sent too fast"),
    "recipient_cap": _("platform's cap per recipient"),
    "outside_window": _("service window closed"),
    "opted_out": _("blocked or unsubscribed"),
    "invalid_recipient": _("invalid recipient"),
    "unreachable": _("recipient cannot be reached"),
    "template": _("template problem"),
    "content": _("content not accepted"),
    "media": _("media problem"),
    "account": _("sender's account"),
    "configuration": _("channel set-up"),
    "policy": _("policy or quality restriction"),
    "outage": _("platform's own trouble"),
    "audience": _("broadcast never started"),
    "unknown": _("unknown cause"),
}
VERDICTS = {
    "wait": _("wait"),
    "fix": _("fix first"),
    "never": _("never again"),
    "unknown": _("not known"),
}
Said = str | tuple[str, str]  # or for one and for several, which other languages tell apart
DISPOSITIONS: dict[str, Said] = {
    **VERDICTS,
    "rejected": n_("could not be read", "could not be read"),
    "filtered": _("filtered out"),
    "repeated": n_("same contact again", "same contact again"),
    "fix_first": _("fix first"),
    "reached_later": n_("reached later", "reached later"),
    "tagged_before": n_("tagged before", "tagged before"),
    "tagged": n_("tagged", "tagged"),
}
MEANINGS = {
    "rejected": _("The row could not be read; data/rejected.csv says why."),
    "filtered": _(
        "Another channel, date or sender type than the one asked for, or no broadcast message."
    ),
    "repeated": _(
        "An earlier failure of the same contact (the latest decides), or another contact of the"
        " same person."
    ),
    "never": _("At least one failure of the contact is final, such as a block."),
    "fix_first": _("Something must be changed before the message can arrive."),
    "unknown": _("The reason is not known for sure; nobody is tagged on a guess."),
    "reached_later": _("A later message reached the contact."),
    "tagged_before": _("The ledger shows the contact as tagged for the same broadcast."),
    "tagged": _("The same message can be sent again later."),
}
OUTCOMES = {
    "reached": _("reached"),
    "failed_again": _("failed again"),
    "no_sign": _("no sign of a send"),
    "not_known": _("not known"),
    "not_due": _("not due yet"),
}
COLUMNS = {
    "channel": _("Channel"),
    "attempted": _("Attempted"),
    "delivered": _("Delivered"),
    "failed": _("Failed"),
    "limit": _("Limit"),
    "overflow": _("Over the limit"),
    "error": _("Error"),
    "cause": _("Cause"),
    "verdict": _("Verdict"),
    "hour": _("Time"),
    "at": _("Time"),
    "load": _("Contacts in the window"),
    "disposition": _("Disposition"),
    "rows": _("Rows"),
    "wave": _("Wave"),
    "start": _("Start"),
    "contacts": _("Contacts"),
    "capacity": _("Capacity"),
    "outcome": _("Outcome"),
    "scenario": _("Scenario"),
    "waves": _("Waves"),
    "finish": _("Finish"),
    "before": _("Before"),
    "now": _("Now"),
}
REASONS = {
    "several contacts fit this name": _(
        "several contacts have this name; see import/checklist.csv"
    ),
    "no contact has this name": _("no contact has this name; see import/checklist.csv"),
} | {
    reason: reason
    for reason in (
        _("too few columns"),
        _("too many columns"),
        _("a stray quote"),
        _("not valid UTF-8"),
        _("a zero byte"),
        _("cut off at its end"),
        _("a line break without quotes"),
        _("a line that is too long"),
        _("no contact ID"),
        _("no recipient"),
        _("a phone number that is none"),
        _("a state that its profile does not know"),
        _("no JSON object"),
        _("a record of another form"),
        _("a contact ID damaged by a spreadsheet"),
        _("a channel ID damaged by a spreadsheet"),
        _("a message ID damaged by a spreadsheet"),
        _("a date that cannot be read"),
        _("a contact ID that is none"),
        _("a phone number and an e-mail address that are none"),
        _("the header again"),
    )
}
CONFIDENCES = {  # how sure the meaning of an error is (column `confidence` of errors.classify)
    "code": _("an exact code"),
    "text": _("a known text"),
    "concept": _("what its words are about"),
    "guess": _("a guess"),
    "not": _("left aside: it is about the sender"),
    "": _("known to no rule"),
}
WORTH = {  # another try, by verdict or disposition
    "wait": _("yes, later"),
    "fix": _("after the change"),
    "fix_first": _("after the change"),
    "never": _("no"),
    "unknown": _("look first"),
}
# of errors: what `exceptions.sentence` meets in data files, and what the system and pydantic say
PIECES = (
    _("failed-messages export"),
    _("messages export"),
    _("contacts export"),
    _("failed-message log"),
    _("messages of the API"),
    _("contacts of the API"),
    _("a PDF document"),
    _("an image"),
    _("an old Excel workbook (.xls)"),
    _("a program"),
    _("a database"),
    _("a text document (.rtf)"),
    _("a pointer of Git LFS"),
    _("a web page"),
    _("Instagram channels do not support broadcasts on the platform."),
    _("WeChat channels do not support broadcasts on the platform."),
    _("E-mail channels do not support broadcasts on the platform."),
    _("Gmail channels do not support broadcasts on the platform."),
    _("Website chat channels do not support broadcasts on the platform."),
    _(
        "Counts unique contacts delivered outside a service window; shared by all numbers of "
        "a business portfolio since 2025-10-07; above 100,000 it is unlimited. A coexistence "
        "number sends 20 a second."
    ),
    _(
        "300 text messages a second for each page, 10 with audio or video; calls in 24 hours "
        "grow with the number of engaged users."
    ),
    _(
        "About 30 messages a second in bulk and one a second for each chat; exact figures are"
        " not published."
    ),
    _("Messages outside a session have a monthly free threshold that depends on the account."),
    _(
        "The monthly allowance depends on the plan and is shared by push, multicast, "
        "broadcast and narrowcast."
    ),
    _("The platform's help neither offers nor refuses broadcasts on VK, and no limit was found."),
    _("Allowances and pace depend on the provider, the country and the sender's registration."),
    _("Limits and error texts are those of the channel's own software."),
    _("No such file or directory"),
    _("Permission denied"),
    _("Is a directory"),
    _("Not a directory"),
    _("File exists"),
    _("File name too long"),
    _("Read-only file system"),
    _("No space left on device"),
    _("a valid string"),
    _("a valid list"),
    _("a valid dictionary"),
    _("a valid number"),
    _("a valid integer"),
    _("a valid boolean"),
)


def word(words: Mapping[str, Said], key: object, lang: Language, n: int = 1) -> str:
    """Return the word for key in this language, as it stands beside a number; a key that is not in
    words stays as it is.

    >>> word(CAUSES, "quota", Language("en"))
    'limit used up'
    """
    said = words.get(str(key))
    if isinstance(said, tuple):
        return lang.ngettext(*said, n)
    return lang.gettext(said) if said else str(key)


cause_name, verdict_name, disposition_name, meaning, reason_name, confidence_name, outcome_name = (
    partial(word, words)
    for words in (CAUSES, VERDICTS, DISPOSITIONS, MEANINGS, REASONS, CONFIDENCES, OUTCOMES)
)


def unnamed(lang: Language, files: str = "EXPORT") -> str:
    """What is said where no channels file was named."""
    return lang.gettext(
        "No channels file was named: channels go by their IDs, and limits are not known. Draft one"
        " with: rebroadcast channels {files} > channels.toml",
        files=files,
    )
