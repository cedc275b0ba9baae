"""A channels file, drafted from what exports tell: channel IDs, their kinds, and the time zone."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator

import ibis
import pandas as pd

from ..common.exceptions import visible
from ..common.times import fixed_zone, zones_with
from ..errors import canonical_kind
from ..limits.channels import Kind, find_kind, kinds
from .tables import Tables

SAID = 60  # characters of an error that are shown
CITIES = 6  # that are named where the clock is that of several
FEWEST = 3  # messages that must speak for a kind


def draft(tables: Tables) -> str:
    """Draft a channels file (TOML) that `load_channels` reads as it is: each channel of the exports
    with its kind, where errors or contents tell it, and why; as comments the limits of that kind.

    What is not sure is a comment. It holds masked errors only, no contents.
    """
    _, number = tables.settings.lang.gettext, tables.settings.lang.number
    evidence = _evidence(tables)
    lines = ["# " + _("A draft: complete it, and name it with --channels."), *_zone(tables)]
    for channel, own in evidence[evidence["channel_id"] != ""].groupby("channel_id"):
        plain = re.fullmatch(r"[\w-]+", channel, re.ASCII)
        lines += [
            "",
            f"[channel.{channel if plain else json.dumps(channel, ensure_ascii=False)}]",
            "# " + _("Failed messages: {n}.", n=number(int(own["n"][own["failed"]].sum()))),
            '# name = ""',
            *_kind(channel, own, _),
        ]
    if len(lines) == 2:
        lines.append("# " + _("The exports name no channel."))
    return "".join(f"{visible(line)}\n" for line in lines)


def _evidence(tables: Tables) -> pd.DataFrame:
    """channel_id, said (a masked error, or the types of contents and of message IDs), n (messages),
    kinds (that it speaks of) and failed (whether it is an error); most messages first.
    """
    rows = tables.inputs.all_failed
    errors = rows.group_by("channel_id", said="masked").aggregate(n=rows.count()).to_pandas()
    errors["kinds"] = errors["said"].fillna("").map(tables.settings.rules.kinds)
    signs = pd.concat(
        _signs(export.table)
        for name, export in tables.inputs.all_read.items()
        if name != "contacts"
    )
    signs["kinds"] = signs["said"].map(lambda said: frozenset({canonical_kind(said)} - {None}))
    both = pd.concat([errors.assign(failed=True), signs.assign(failed=False)])
    both = both.fillna({"channel_id": "", "said": ""})
    return both.sort_values("n", ascending=False, kind="stable")


def _signs(table: ibis.Table) -> pd.DataFrame:
    """What types messages have: channel_id, said, n."""
    columns = ("content_type", "content", "message_id")
    typed, content, message = (table[name].fill_null("") for name in columns)
    inner = content.re_extract(r'^\s*\{\s*"type"\s*:\s*"([a-z_]+)"', 1)
    wamid = message.startswith("wamid.").ifelse("WhatsApp", "")
    rows = table.select("channel_id", said=typed + " " + inner + " " + wamid)
    return rows.group_by("channel_id", "said").aggregate(n=rows.count()).to_pandas()


def _kind(channel: str, own: pd.DataFrame, _: Callable[..., str]) -> Iterator[str]:
    """The lines on a channel's kind and its limits; own is the evidence."""
    votes: Counter[str] = Counter()
    for row in own.itertuples():  # of several kinds it is one that can broadcast
        sent = [
            kind for kind in row.kinds if (meant := find_kind(kind)) and meant.can_broadcast
        ] or row.kinds
        votes.update({kind: row.n / len(sent) for kind in sent})
    (best, most), (_other, less) = [*votes.most_common(2), ("", 0), ("", 0)][:2]
    if told := canonical_kind(channel):
        best, why = told, _("as its ID says")
    elif most > less and most >= FEWEST:
        spoken = own[[best in told for told in own["kinds"]]]
        said = " ".join(spoken.iloc[0]["said"].split())[:SAID].strip()
        why = _("{n} messages say so, such as: {said}", n=int(spoken["n"].sum()), said=said)
    else:
        why = _("not sure; one of: {known}", known=", ".join(votes or kinds()))
        yield f'# kind = "{best or "custom"}"  # {why}'
        return
    yield f'kind = "{best}"  # {why}'
    if voted := find_kind(best):
        yield from _limits(voted, own["said"], _)


def _limits(kind: Kind, said: pd.Series, _: Callable[..., str]) -> Iterator[str]:
    """What is known of a kind's limits, as comments; a size that its errors name goes first."""
    numbers = {re.sub(r"\D", "", n) for text in said for n in re.findall(r"\d[\d.,]*", text)}
    stated = [size for size in kind.sizes if str(size) in numbers]
    if kind.size:
        yield f"# limit = {json.dumps(kind.size)}"
    else:
        why = (
            _("as its errors say")
            if stated
            else _("one of: {known}", known=", ".join(map(str, kind.sizes)))
            if kind.sizes
            else _("depends on the account or its plan")
        )
        yield f"# limit = {[*stated, *kind.sizes, 1000][0]}  # {why}"
        yield f'# window = "{kind.window or "24h"}"'
    if kind.pace:
        yield f"# pace = {kind.pace:g}  # " + _("contacts per second")
    known = map(_, filter(None, [kind.reason or kind.note]))  # marked in show/words.py
    yield f"# {' '.join(known)} ({kind.source})"


def _zone(tables: Tables) -> Iterator[str]:
    """The line on the time zone: as stated, or as message IDs show it."""
    settings, _ = tables.settings, tables.settings.lang.gettext
    clock = next((e.clock for e in tables.inputs.all_read.values() if e.clock), None)
    if settings.zone_given:
        yield f'timezone = "{settings.zone}"'
    elif clock:
        cities = zones_with(clock.offsets, list(filter(None, tables.inputs.export.span)))
        zone = cities[0] if len(cities) == 1 else fixed_zone(clock.offsets)
        why = _("message IDs show {clock}", clock=clock)
        why = f"{why}: {', '.join(cities[:CITIES])}" if cities else why
        yield f'timezone = "{zone}"  # {why}' if zone else f'# timezone = "UTC"  # {why}'
    else:
        yield '# timezone = "America/Mexico_City"  # ' + _("without it UTC is assumed")
