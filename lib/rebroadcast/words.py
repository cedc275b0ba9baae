"""The words of the house as people read them: causes, verdicts, dispositions, outcomes, column headers."""

from .language import Language

_ = str  # marks a message for the catalogue; it is translated where it is shown

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
VERDICTS = {"wait": _("wait"), "fix": _("fix first"), "never": _("never again"), "unknown": _("not known")}
DISPOSITIONS = VERDICTS | {
    "rejected": _("could not be read"),
    "filtered": _("filtered out"),
    "repeated": _("same contact again"),
    "fix_first": _("fix first"),
    "reached_later": _("reached later"),
    "tagged_before": _("tagged before"),
    "tagged": _("tagged"),
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


def word(words: dict[str, str], key: object, lang: Language) -> str:
    """Return the word for key in this language; a key that is not in words stays as it is."""
    return lang.gettext(words[key]) if key in words else str(key)


def cause_name(cause: str, lang: Language) -> str:
    """Return what people read for a cause.

    >>> cause_name("quota", Language("en"))
    'limit used up'
    """
    return word(CAUSES, cause, lang)


def verdict_name(verdict: str, lang: Language) -> str:
    """Return what people read for a verdict: `never` is "never again"."""
    return word(VERDICTS, verdict, lang)


def disposition_name(disposition: str, lang: Language) -> str:
    """Return what people read for a disposition: `fix_first` is "fix first"."""
    return word(DISPOSITIONS, disposition, lang)
