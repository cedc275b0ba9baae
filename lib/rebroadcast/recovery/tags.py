"""The tag: a template, checked and filled."""

import re
from datetime import date, datetime
from string import Formatter

from ..common.exceptions import ParameterError, did_you_mean, sentence
from ..common.sheets import guard

TAG_LENGTH = 255  # the platform's API: a tag has at most 255 characters


def check_tag(template: str) -> str:
    """Return a tag template that can be used: words in braces are date, channel, wave and waves.

    Raises ParameterError for an empty tag, a comma, an unknown word or more than 255 characters.
    """
    if not template.strip():
        raise ParameterError(
            "The tag is empty; expected a text such as 'failed broadcast 110122'.", "tag"
        )
    fill_tag(template, datetime(2022, 1, 11), "WhatsApp", 1, 1)
    return template


def fill_tag(template: str, day: date | None, channel: str, wave: int, waves: int) -> str:
    """Fill a tag template; raises ParameterError where the result is no tag that the platform
    takes.

    >>> fill_tag("failed broadcast {date:%d%m%y}", date(2022, 1, 11), "", 1, 1)
    'failed broadcast 110122'
    """
    values = {"date": day or "", "channel": channel.replace(",", " "), "wave": wave, "waves": waves}
    parts = []
    try:
        for text, word, form, _ in Formatter().parse(template):
            parts.append(text)
            if word is None:
                continue
            if word not in values:
                raise ParameterError(
                    "The tag has '{{{word}}}'; expected one of: {known}.{hint}",
                    "tag",
                    word=word,
                    known=", ".join(values),
                    hint=did_you_mean(word, values),
                )
            if re.search("[0-9]{4}", form or ""):
                raise ValueError(sentence("'{form}' is too wide", form=form))
            parts.append(format(values[word], form or "") if values[word] != "" else "")
    except ValueError as error:
        raise ParameterError(
            "The tag '{template}' cannot be read: {reason}.", "tag", template=template, reason=error
        ) from None
    tag = "".join(parts).strip()
    unseen = not tag.isprintable()
    if not tag or "," in tag or unseen or len(tag) > TAG_LENGTH:
        what = (
            sentence("is empty")
            if not tag
            else (
                sentence("has a comma, which separates tags in an import file")
                if "," in tag
                else (
                    sentence("holds a character that cannot be seen")
                    if unseen
                    else sentence("has {n} characters", n=len(tag))
                )
            )
        )
        raise ParameterError(
            "The tag '{tag}' {what}; expected at most {most} characters and no comma.",
            "tag",
            tag=tag[:60],
            what=what,
            most=TAG_LENGTH,
        )
    if guard(tag) != tag:
        raise ParameterError(
            "The tag '{tag}' has a '=', '+', '-' or '@' where a spreadsheet takes it for a formula;"
            " start with a letter.",
            "tag",
            tag=tag[:60],
        )
    return tag
