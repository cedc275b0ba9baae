"""The tag: a template, checked once and filled per broadcast, channel and wave."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from ..common.exceptions import ParameterError, did_you_mean, reason, sentence
from ..common.sheets import guard

TAG_LENGTH = 255  # the platform's API: a tag has at most 255 characters
DATED = {"date": "%Y-%m-%d", "time": "%H%M"}  # how a moment is written where no form is given
# A form has one of these at least, and no other.
FORM = re.compile(r"(?:[^%]|%%)*(?:%-?[aAbBdeHIjmMpSuUVwWyYG](?:[^%]|%%)*)+")
WORDS = ("date", "time", "broadcast", "channel", "wave", "waves")


@dataclass(frozen=True)
class Tag:
    """A tag template that can be used.

    >>> Tag.parse("failed broadcast {date:%d%m%y}").fill(datetime(2022, 1, 11, 15, 0))
    'failed broadcast 110122'
    """

    template: str

    @classmethod
    def parse(cls, template: str) -> "Tag":
        """Read a template with words in braces: date, time, broadcast, channel, wave and waves.

        Raises ParameterError for an empty tag, a comma, an unknown word or more than 255
        characters.
        """
        if not template.strip():
            raise ParameterError(
                "The tag is empty; expected a text such as 'failed broadcast 110122'.", "tag"
            )
        tag = cls(template)
        tag.fill(datetime(2022, 1, 11, 15, 0), "WhatsApp", "WhatsApp")
        return tag

    @property
    def words(self) -> set[str]:
        """The words in braces."""
        return {word for _, word, _, _ in Formatter().parse(self.template) if word}

    @property
    def per_channel(self) -> bool:
        return "channel" in self.words

    def in_waves(self, waves: int) -> "Tag":
        """The same tag with its wave in it, where there is more than one."""
        if waves < 2 or "wave" in self.words:
            return self
        return Tag(self.template + " w{wave}of{waves}")

    def fill(
        self,
        first: datetime | None,
        channel: str = "",
        broadcast: str = "",
        wave: int = 1,
        waves: int = 1,
    ) -> str:
        """The tag of one wave of one broadcast, whose first message was at `first` (wall clock).

        Raises ParameterError where the result is no tag that the platform takes.
        """
        if first is None and self.words & {"date", "time"}:
            raise ParameterError(
                "The export has no dates; expected a tag without {{date}} and {{time}}.", "tag"
            )
        values = {
            "date": first,
            "time": first,
            "channel": channel.replace(",", " "),
            "broadcast": broadcast.replace(",", ""),
            "wave": wave,
            "waves": waves,
        }
        try:
            parts = [
                _part(text, word, form, values)
                for text, word, form, _ in list(Formatter().parse(self.template))
            ]
        except ValueError as error:
            raise ParameterError(
                "The tag '{template}' cannot be read: {reason}.",
                "tag",
                template=self.template,
                reason=reason(error),
            ) from None
        return _checked("".join(parts).strip())


def _part(text: str, word: str | None, form: str | None, values: Mapping[str, object]) -> str:
    if word is None:
        return text
    if word not in values:
        raise ParameterError(
            "The tag has '{{{word}}}'; expected one of: {known}.{hint}",
            "tag",
            word=word,
            known=", ".join(WORDS),
            hint=did_you_mean(word, WORDS),
        )
    if re.search("[0-9]{4}", form or ""):
        raise ValueError(sentence("'{form}' is too wide", form=form))
    if word in DATED and form and not FORM.fullmatch(form):
        raise ValueError(
            sentence("'{form}' is no form of a date or time, such as %d%m%y or %H%M", form=form)
        )
    return text + format(values[word], form or DATED.get(word, ""))


def _checked(tag: str) -> str:
    """Return a tag that the platform takes; ParameterError for any other."""
    if not tag:
        wrong = sentence("is empty")
    elif "," in tag:
        wrong = sentence("has a comma, which separates tags in an import file")
    elif not tag.isprintable():
        wrong = sentence("holds a character that cannot be seen")
    elif len(tag) > TAG_LENGTH:
        wrong = sentence("has {n} characters", n=len(tag))
    elif guard(tag) != tag:
        raise ParameterError(
            "The tag '{tag}' has a '=', '+', '-' or '@' where a spreadsheet takes it for a formula;"
            " start with a letter.",
            "tag",
            tag=tag[:60],
        )
    else:
        return tag
    raise ParameterError(
        "The tag '{tag}' {what}; expected at most {most} characters and no comma.",
        "tag",
        tag=tag[:60],
        what=wrong,
        most=TAG_LENGTH,
    )
