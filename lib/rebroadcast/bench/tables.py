"""The tables of one run, each made once from the engine and the settings, and only read after."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pandas as pd

from .. import errors
from ..common.exceptions import ColumnError, InputError, ParameterError, did_you_mean, sentence
from ..common.times import END_OF_DAY
from ..engine.connect import connect
from ..engine.engine import Engine, distinct_ids, id_parts
from ..errors.classify import classify
from ..ledger import record
from ..ledger.ledger import Broadcast, Ledger, open_ledger
from ..limits.channels import kinds
from ..limits.limit import Window, by_channel
from ..reading import exports
from ..reading.checks import span
from ..recovery import broadcasts, messages, tag_import
from ..recovery import fates as fates_
from ..recovery import people as people_
from ..sources import files, profile
from . import full_windows, matching
from .settings import FILES, OWN, Selection, Settings

# Columns of a classified row that nothing behind it needs.
UNUSED = (
    "content",
    "content_type",
    "message_type",
    "traffic_type",
    "sub_type",
    "sender_id",
    "provider",
    "error",
    "kind",
)
# What an error says that is empty, but for a sign of that or for what a sheet made of it.
NO_REASON = r"^[^\p{L}\p{N}]*$|^(n/?[ad]|null|none|nan|nil)$|^#[^ 1-9]+[!?]$"


class Inputs:
    """The files of a run: read once, whatever is then selected of them."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.stack = ExitStack()
        self.checklist: pd.DataFrame | None = None  # rows of a log that are to be tagged by hand

    def close(self) -> None:
        self.stack.close()

    @cached_property
    def engine(self) -> Engine:
        return self.stack.enter_context(connect(self.settings.engine))

    def _read(self, paths: tuple[str, ...], kind: str) -> exports.Export:
        return exports.read(
            self.engine,
            list(paths),
            kind,
            self.settings.zone,
            self.settings.date_format,
            profile=self.settings.profile,
        )

    @cached_property
    def export(self) -> exports.Export:
        """The failed-messages export."""
        if not self.settings.exports:
            raise ParameterError(
                "No export was named; expected the path of a failed-messages export.", "exports"
            )
        try:
            return self._read(self.settings.exports, "failed")
        except ColumnError as error:  # a failed-message log has names instead of contact IDs
            try:
                log = self._read(self.settings.exports, "log")
            except ColumnError:
                raise error from None
            people = self.contacts and self.contacts.table
            export, self.checklist = matching.export(
                self.engine, log, people, self.settings.channels
            )
            return export

    @cached_property
    def messages(self) -> exports.Export | None:
        """The messages export, or what the log of another vendor tells of all messages; None where
        there is neither.
        """
        paths, exports = self.settings.messages, self.settings.exports
        given = self._read(paths, "messages") if paths else None
        if not given:
            return self.export.messages if exports else None
        failed = {source.sha256 for source in self.export.sources} if exports else set()
        for source in given.sources:
            if source.sha256 in failed:
                raise InputError(
                    "{file} was given as failed messages and as all messages; expected a messages"
                    " export of those days, with what was delivered too (messages).",
                    source.path,
                    file=source.name,
                )
        return given

    @cached_property
    def contacts(self) -> exports.Export | None:
        """The contacts export, or None where none was given."""
        return self._read(self.settings.contacts, "contacts") if self.settings.contacts else None

    @cached_property
    def people(self) -> people_.People | None:
        """Which contacts are one person; None without a contacts export."""
        return people_.people(self.contacts.table, self.engine.keep) if self.contacts else None

    @cached_property
    def recipient(self) -> str:
        """What contact IDs are: contact (IDs), phone or address."""
        kinds = {s.fit.form.recipient if s.fit else "contact" for s in self.export.sources}
        if "contact" in kinds and len(kinds) > 1:
            raise InputError(
                "The exports name people in two ways, by contact IDs and by phone numbers or"
                " addresses; reach them again in one run for each."
            )
        return max(kinds)

    @property
    def all_read(self) -> dict[str, exports.Export]:
        """All files that were named, read, by the parameter that names them."""
        read = {
            "exports": self.export if self.settings.exports else None,
            "messages": self.messages,
            "contacts": self.contacts,
        }
        return {name: export for name, export in read.items() if export is not None}

    @cached_property
    def sources(self) -> dict[str, tuple[files.Source, ...]]:
        """The files that were read, by the parameter that names them."""
        return {name: export.sources for name, export in self.all_read.items()}

    @cached_property
    def failures(self) -> ibis.Table:
        """The failed messages; where they have days alone, at the times of the messages export."""
        sent, table = self.messages, self.export.table
        known = self.export.days and sent is not None and not sent.days
        return self.engine.view(messages.timed(table, sent.table)) if known and sent else table

    @cached_property
    def groups(self) -> broadcasts.Broadcasts:
        """The broadcasts of the exports, whatever was selected of them."""
        sent = self.messages and self.messages.table
        return broadcasts.find(self.engine, self.failures, sent, known=self._recorded())

    def _recorded(self) -> pd.DataFrame | None:
        """The broadcasts that the ledger has, so that they keep their keys in other exports."""
        path = Path(self.settings.ledger or "")
        if not self.settings.ledger or not path.exists():
            return None
        ledger = open_ledger(path, self.settings.channels.workspace, create=False)
        wall_clock = self.settings.reader.wall_clock
        rows = [
            {
                "broadcast": told.key,
                "channel_id": told.channel or "",
                "sender_id": told.sender or "",
                "shape": told.shape or "",
                "first": pd.Timestamp(wall_clock(told.first)),
                "last": pd.Timestamp(wall_clock(told.last)),
            }
            for told in ledger.broadcasts()
            if told.first and told.last
        ]
        return pd.DataFrame(rows) if rows else None

    @cached_property
    def all_failed(self) -> ibis.Table:
        """Every readable failed message, classified, with the key of its broadcast; a restriction
        of the number where the broadcast's own figures show a limit is a failure at that limit.
        """
        rows = self._classified
        if self.at_limit.empty:
            return rows
        inside = rows.broadcast.isin(self.at_limit["broadcast"].tolist())
        for restriction, limit in self._restrictions.items():
            meant: dict[str, Any] = {
                "rule": limit.id,
                "cause": limit.cause,
                "verdict": limit.verdict,
                "confidence": "guess",
                "wait_s": limit.seconds(""),
            }
            changed = inside & (rows.rule == restriction)
            types = dict.fromkeys(meant, "string") | {"wait_s": "float64"}
            told = {n: changed.ifelse(meant[n], rows[n].cast(kind)) for n, kind in types.items()}
            rows = rows.mutate(**told)
        return self.engine.view(rows)

    @property
    def _restrictions(self) -> dict[str, errors.Rule]:
        """The rules, by ID, that a restriction of the number and a limit can be meant by, and the
        rule of that limit: WhatsApp says 131048 where people reported the number and, by help
        pages, where its tier was exceeded.
        """
        rules = self.settings.rules.by_id
        return {name: rules[rule.at_limit] for name, rule in rules.items() if rule.at_limit}

    @cached_property
    def at_limit(self) -> pd.DataFrame:
        """The broadcasts with restrictions that are their channel's limit, as
        `recovery.messages.at_limit` finds them; none without a messages export.
        """
        rows = self._classified.filter(self._classified.rule.isin(list(self._restrictions)))
        if self.outgoing is None or not rows.limit(1).count().execute():
            return pd.DataFrame({"broadcast": [], "channel_id": [], "reached": [], "failed": []})
        stated = {c: [x.size] for c, x in by_channel(self.settings.limits).items() if x.size}
        sizes = dict.fromkeys(self.groups.channels, kinds()["whatsapp"].sizes) | stated
        return messages.at_limit(rows.filter(rows.broadcast.notnull()), self.delivered, sizes)

    @cached_property
    def _classified(self) -> ibis.Table:
        table, channels = self.failures, self.settings.channels
        kinds = {c: channels.kind(c) or "" for c in self.groups.channels}
        stated = {c.id: c.provider for c in channels.channels if c.provider}
        channel, own = table.channel_id.fill_null(""), {}
        if any(kinds.values()):
            own["kind"] = channel.substitute(kinds, else_="")
        told = "provider" in table.columns and any(
            s.fit or "provider" in s.columns for s in self.export.sources
        )
        if stated:
            by_channel = channel.substitute(stated, else_="")
            by_row = table.provider.nullif("") if told else ibis.null("string")
            own["provider"] = by_row.fill_null(by_channel)
        classified = classify(
            table.mutate(**own),
            self.settings.rules,
            kind_column="kind" if "kind" in own else None,
            engine=self.engine,
            provider_column="provider" if stated or told else None,
            unused=[name for name in UNUSED if name in {*table.columns, *own}],
            more=self.groups.mark,
        )
        return self.engine.view(classified)

    def with_waits(self, rows: ibis.Table) -> ibis.Table:
        """Failures at a known limit wait until its window has passed, unless their error says that
        it takes longer than any such window. Those of a day without a time wait from its end.
        """
        midnight = rows.local_at == rows.local_at.truncate("D")
        late = ibis.cases((midnight & self.export.days, messages.DAY), else_=0)
        for limit in (x for x in self.settings.limits if x.window != Window()):  # as rules know it
            own = (rows.cause == "quota") & rows.channel_id.isin(limit.channels)
            window, longest = limit.window, int(limit.window.longest.total_seconds())
            if window.kind == "moving":
                left = ibis.literal(longest)
            else:
                wall = self.engine.to_wall_clock(rows.sent_at, window.zone)
                after = wall.truncate(window.kind[0].upper()) + ibis.interval(
                    **{f"{window.kind}s": 1}
                )
                after = self.engine.to_utc(after, window.zone)
                left = after.epoch_seconds() - rows.sent_at.epoch_seconds() - late
            usual = int(timedelta(hours=24).total_seconds())  # what rules say where no text does
            short = own & (rows.wait_s.fill_null(0) <= max(longest, usual))
            rows = rows.mutate(wait_s=short.ifelse(left.cast("float64"), rows.wait_s))
        return rows.mutate(wait_s=rows.wait_s.fill_null(0) + late) if self.export.days else rows

    @cached_property
    def outgoing(self) -> ibis.Table | None:
        """All messages to contacts, with the key of their broadcast; None without their export."""
        if self.messages is None:
            return None
        rows = messages.outgoing(self.groups.mark(self.messages.table))
        rows = rows.drop(*set(UNUSED).intersection(rows.columns))
        return self.engine.view(rows, joins=True)

    @cached_property
    def resends(self) -> dict[str, str]:
        """Which broadcasts repeat which, see `broadcasts.resends`."""
        rows = [t for t in (self.all_failed, self.outgoing) if t is not None]
        return broadcasts.resends(self.groups.found, rows)

    @cached_property
    def delivered(self) -> ibis.Table | None:
        """The outgoing messages that arrived; None without a messages export."""
        if self.outgoing is None:
            return None
        rows = messages.delivered(self.outgoing, self._classified, self.unmatched)
        return self.engine.keep_numbers(rows, *messages.IDS)

    @cached_property
    def unmatched(self) -> ibis.Table:
        """The failures that the messages export should have but has not: `messages.unmatched`."""
        rows = messages.unmatched(self.outgoing, self._classified)
        return self.engine.keep_numbers(rows, "contact_id")

    @cached_property
    def has_broadcasts(self) -> bool:
        return len(self.groups.found) > 0


class Tables:
    """What was selected of the inputs."""

    def __init__(self, inputs: Inputs, settings: Settings | None = None):
        self.inputs = inputs
        self.settings = settings or inputs.settings
        self.repeats = 0  # rows that hold a message which another row holds already
        self.sharing = 0  # messages whose ID that of another contact has, too

    def over(self, settings: Settings) -> "Tables":
        """The same inputs under other settings, without reading them again."""
        return Tables(self.inputs, settings)

    @property
    def engine(self) -> Engine:
        return self.inputs.engine

    @property
    def target(self) -> profile.Target:
        """What the import takes that contacts are written for: as named, else that of the vendor
        whose export it is; a plain list where that vendor has none.
        """
        fit = self.inputs.export.sources[0].fit
        return profile.target(self.settings.target, fit.profile if fit else None)

    @cached_property
    def ledger(self) -> Ledger | None:
        """The ledger that was named, where it exists already; None else."""
        path = self.settings.ledger
        if not path or (self.settings.tag and not Path(path).exists()):
            return None
        return open_ledger(Path(path), self.settings.channels.workspace, create=False)

    @cached_property
    def chosen(self) -> str:
        """The key of the broadcast that was asked for, or ""."""
        asked = self.settings.selection.broadcast
        if not asked:
            return ""
        named = pd.DataFrame({"broadcast": self.names.keys(), "name": self.names.values()})
        try:
            return broadcasts.choose(asked, named)
        except ParameterError:
            if self.settings.ledger and len(self._in_sight) == 1:  # a name for the ledger
                return ""
            raise

    @cached_property
    def _in_sight(self) -> list[str]:
        """The keys of the broadcasts in the channel and dates asked for."""
        asked = replace(self.settings.selection, broadcast="")
        others = self.over(replace(self.settings, selection=asked))
        keys = others.broadcasts.select("broadcast").distinct().to_pandas()["broadcast"]
        return keys.dropna().tolist()

    def selected(self, table: ibis.Table) -> ibis.Value:
        """Whether a row lies in the channel, dates, sender type and broadcast asked for."""
        asked, tests = self.settings.selection, [ibis.literal(True)]
        tests += [table.channel_id.isin(asked.channel)] if asked.channel else []
        start, end = asked.period
        tests += [table.local_at >= start] if start else []
        tests += [table.local_at < end] if end else []
        senders = [profile.in_english("sender_type", said) for said in asked.sender_type]
        tests += [table.sender_type.lower().isin(senders)] if senders else []
        tests += [table.broadcast == self.chosen] if self.chosen else []
        return ibis.and_(*tests).fill_null(False)

    def counted(self, table: ibis.Table) -> ibis.Value:
        """Whether a selected row counts against limits and for recovery: those of the sender type
        asked for, else those of broadcasts where the exports have any.
        """
        if self.settings.selection.sender_type or not self.inputs.has_broadcasts:
            return self.selected(table)
        return self.selected(table) & table.broadcast.notnull()

    @cached_property
    def recoverable_rows(self) -> ibis.Value:
        """Which rows of `all_failed` a recovery is about.

        A filter on cause, verdict or text takes whole contacts: their other failures in the same
        audience still count, so that a `never` is not filtered away.
        """
        table = self.inputs.all_failed
        counted = self.counted(table)
        if not (narrow := narrowing(table, self.settings.selection)):
            return counted
        whole = [table.contact_id, self.audience_of(table)]
        return counted & ibis.and_(counted, *narrow).any().over(group_by=whole)

    def audience_of(self, table: ibis.Table) -> ibis.Value:
        """The audience that a row belongs to: its broadcast, or, for messages of none, its channel
        where the tag tells channels apart.
        """
        tag = self.settings.tag
        other = table.channel_id.fill_null("") if tag and tag.per_channel else ibis.literal("")
        return table.broadcast.fill_null(other)

    @cached_property
    def seen(self) -> pd.Series:
        """What one look at all failures shows.

        Of all: `newest` (UTC); `first` and `last` of broadcasts (wall clock), NaT where there is
        none; how many days of months (`days`) and months of years (`months`) have some; how many
        failures name no channel (`nowhere`). Of those selected: what `facts` shows, how many rows
        are in another file, too (`again`), say no reason (`silent`), or have a message ID
        (`named`), how many IDs these are (`unique`), and the channels of those that count
        (`counting`).
        """
        rows = self.inputs.all_failed
        at, sent, own = rows.local_at, rows.broadcast.notnull(), self.selected(rows)
        counted = self.counted(rows)
        parts = [rows[part] for part in id_parts("message_id", rows)]
        said = rows.masked.fill_null("").strip().lower()
        # A pattern takes as long as all the rest: only those whose texts tell nothing are read.
        silent = ibis.cases((rows.cause == "unknown", said.re_search(NO_REASON)), else_=False)
        found = rows.aggregate(
            newest=rows.sent_at.max(),
            first=at.min(where=sent),
            last=at.max(where=sent),
            days=at.day().nunique(),
            months=at.month().nunique(),
            nowhere=rows.count(where=rows.channel_id.fill_null("") == ""),
            again=rows.count(where=own & _again(rows)),
            silent=rows.count(where=own & silent),
            named=sum(part.count(where=own) for part in parts),
            unique=distinct_ids("message_id", rows, own),
            counting=rows.channel_id.collect(where=counted, distinct=True),
            **_facts(rows, own, counted),
        )
        return found.execute().iloc[0]

    @cached_property
    def facts(self) -> pd.Series:
        """Of the selected failures, each message once: how many (`failed`), how many of them that
        count (`counted`), `begin` and `end` (wall clock; of those that count `since` and `until`),
        how many `channels` and `contacts`.
        """
        failed = self.failed
        if not self.repeats:
            return self.seen
        facts = _facts(failed, self.selected(failed), self.counted(failed))
        return failed.aggregate(**facts).execute().iloc[0]

    @property
    def newest(self) -> datetime | None:
        """The newest failure (UTC); of days without a time the end of the last."""
        at = self.seen["newest"]
        return None if pd.isna(at) else at.to_pydatetime() + END_OF_DAY * self.inputs.export.days

    @cached_property
    def failed(self) -> ibis.Table:
        """The classified messages that were selected, each message once."""
        present, channels = self.inputs.groups.channels, self.settings.channels
        for channel in self.settings.selection.channel:
            if channel not in present:
                names = [f"{c} ({channels.name(c)})" if channels.get(c) else c for c in present]
                raise ParameterError(
                    "No failed message has channel ID '{asked}'.{hint} Present: {present}.",
                    "channel",
                    asked=channel,
                    hint=did_you_mean(channel, [*present, *(c.name for c in channels.channels)]),
                    present=", ".join(names) or sentence("none"),
                )
        seen, rows = self.seen, self.inputs.all_failed
        if not seen["failed"]:
            raise self._nothing_left()
        rows = rows.filter(self.selected(rows), ~_again(rows))
        self.repeats = int(seen["again"])
        if seen["named"] == seen["unique"]:
            return self.engine.view(rows)
        # A spreadsheet can round the IDs of messages to several contacts to the same one.
        known = rows.filter(rows.message_id.notnull())
        once = self.engine.keep(
            known.group_by("message_id", "contact_id").aggregate(row_id=known.row_id.min())
        )
        single = int(once.count().execute())
        self.repeats += int(seen["named"]) - single
        self.sharing = single - int(seen["unique"])
        return self.engine.view(
            rows.filter(rows.message_id.isnull()).union(rows.semi_join(once, "row_id"))
        )

    def check_left(self) -> None:
        """Raise ParameterError where cause, verdict or text asked for leave nothing to recover."""
        table = self.inputs.all_failed
        narrow = narrowing(table, self.settings.selection)
        if narrow and not table.filter(self.recoverable_rows).limit(1).count().execute():
            raise self._nothing_left()

    def _nothing_left(self) -> ParameterError:
        """Which filters left nothing, or a value that no failed message has."""
        for name in ("sender_type", "cause", "verdict"):
            known = self.inputs.all_failed[name].lower().collect(distinct=True).execute()
            known = [] if known is None else sorted(known)
            for value in getattr(self.settings.selection, name):
                if profile.in_english(name, value).lower() not in known:
                    return absent(name, value, known)
        names = ("channel", "from_", "to", "sender_type", "broadcast", "cause", "verdict", "text")
        stated = {n: self.settings.stated[n] for n in names if n in self.settings.stated}
        filters = ", ".join(f"{n.strip('_')} {value}" for n, value in stated.items())
        first = next(iter(stated), "exports")
        return ParameterError(
            "No failed message is left for {filters}; the export has {rows}.",
            first.strip("_"),
            filters=filters,
            rows=self.inputs.export.rows,
        )

    @cached_property
    def broadcasts(self) -> ibis.Table:
        """The selected failures that count against limits and for recovery."""
        return self.engine.view(self.failed.filter(self.counted(self.failed)))

    @cached_property
    def full_windows(self) -> pd.DataFrame:
        """What broadcasts met at their limits, by the messages export: see
        `full_windows.full_windows`.
        """
        return full_windows.full_windows(self)

    @cached_property
    def sent(self) -> ibis.Table | None:
        """The outgoing messages of the same selection, delivered or not; None without a messages
        export.
        """
        table = self.inputs.outgoing
        return None if table is None else table.filter(self.counted(table))

    @cached_property
    def delivered(self) -> ibis.Table | None:
        """All outgoing messages that arrived, whatever was selected; None without a messages
        export.
        """
        if self.inputs.delivered is not None:
            self.check_coverage()
        return self.inputs.delivered

    def check_coverage(self, start: bool = False) -> None:
        """Raise InputError where the messages export ends before the failures do (with start: or
        begins after).
        """
        messages = self.inputs.messages
        if not self.settings.messages or messages is None:  # the same file
            return
        (begin, end), (first, last) = messages.span, span(*self.facts[["since", "until"]])
        if not (begin and end and first and last):
            return
        if end.date() < last.date() or (start and begin.date() > first.date()):
            raise InputError(
                "The messages export runs from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, but the failed"
                " messages from {first:%Y-%m-%d} to {last:%Y-%m-%d}; export the messages of those"
                " days.",
                begin=begin,
                end=end,
                first=first,
                last=last,
            )

    @cached_property
    def fates(self) -> ibis.Table:
        """What became of each contact of each audience: the one place where that is computed.

        Columns of `recovery.fates.fates`.
        """
        _ = self.failed  # says where nothing is left
        delivered, tagged_before, people = self.delivered, self.tagged_before, self.inputs.people
        sent = self.inputs.messages
        if delivered is not None and sent and sent.days:  # it may have come late on its day
            delivered = delivered.mutate(sent_at=delivered.sent_at + END_OF_DAY)
        if people and delivered is not None:
            delivered = people_.arrived(delivered, people)
        if tagged_before is not None:
            tagged_before = people_.spread(tagged_before, people)
        failed = self.inputs.with_waits(self.inputs.all_failed)
        rows = fates_.fates(
            failed,
            self.recoverable_rows,
            self.audience_of(failed),
            self.settings.fixed,
            delivered,
            tagged_before,
            self.settings.reached,
            people,
        )
        if any(self.settings.selection.period):
            rows = people_.without(rows, self._refused(), "never", ("contact_id", "audience"))
        if self.settings.exclude_tag:
            rows = people_.without(rows, self._excluded())
        rows = people_.unite(rows, people) if people else rows
        return self.engine.keep_numbers(rows, "contact_id")

    def _refused(self) -> ibis.Table:
        """Whom a broadcast cannot reach, of all its days, under all of their IDs: contact_id and
        audience.
        """
        failed, people = self.inputs.all_failed, self.inputs.people
        final = failed.filter(failed.broadcast.notnull() & (failed.verdict == "never"))
        return people_.spread(final.select("contact_id", audience="broadcast"), people)

    def _excluded(self) -> ibis.Table:
        """The contacts with a tag that was to be left out, under all of their IDs."""
        if self.inputs.contacts is None or self.inputs.people is None:
            raise ParameterError(
                "Tags are known from a contacts export only; name one (contacts).", "exclude_tag"
            )
        carriers = tag_import.carrying(self.inputs.contacts.table, self.settings.exclude_tag)
        return people_.spread(carriers, self.inputs.people)

    @cached_property
    def known(self) -> tuple[Broadcast, ...]:
        """The selected broadcasts as the ledger knows them; what is of none goes by channel."""
        found = self.inputs.groups.found
        keys = self.broadcasts.select("broadcast").distinct().to_pandas()["broadcast"]
        label = self.settings.selection.broadcast if self.chosen == "" else ""
        rows = found[found["broadcast"].isin(set(keys.dropna()))]
        known = [
            Broadcast(
                key=row.broadcast,
                name=self.names[row.broadcast],
                label=label,
                channel=row.channel_id or None,
                sender=row.sender_id or None,
                shape=row.shape or None,
                first=None if pd.isna(row.first) else self._utc(row.first),
                last=None if pd.isna(row.last) else self._utc(row.last),
                zone=self.settings.zone,
            )
            for row in rows.itertuples()
        ]
        if keys.isna().any():
            channels = "+".join(sorted(self.settings.selection.channel)) or "all channels"
            senders = "+".join(self.settings.selection.sender_type)
            known.append(Broadcast(key=f"{channels} {senders}".strip(), label=label))
        return tuple(known)

    def _utc(self, wall_clock: pd.Timestamp) -> datetime:
        return (
            wall_clock.to_pydatetime().replace(tzinfo=ZoneInfo(self.settings.zone)).astimezone(UTC)
        )

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each broadcast, by its key."""
        channels, found = self.settings.reader.channels, self.inputs.groups.found
        names = broadcasts.named(found, channels, self.settings.lang)
        return dict(zip(found["broadcast"], names, strict=True))

    @cached_property
    def run_id(self) -> str:
        """The same for the same files and parameters, so that a rerun is the same run."""
        settings = self.settings
        asked = {
            k: v for k, v in settings.stated.items() if v is not False and k not in (*OWN, *FILES)
        }
        read = {
            name: sorted(s.sha256 for s in files_) for name, files_ in self.inputs.sources.items()
        }
        own = [Path(p).read_text("utf-8", "replace") for p in settings.own_files]
        return record.identity(asked, read, own)

    @cached_property
    def tagged_before(self) -> ibis.Table | None:
        """Contacts and audiences (contact_id, audience) that the ledger has from other runs."""
        if self.ledger is None or not self.settings.tag:
            return None
        rows = self.ledger.tagged(self.engine.con, self.known, without=self.run_id)
        own = {b.key: "" for b in self.known if b.key not in self.names}  # messages of no broadcast
        audience = rows.broadcast.substitute(own) if own else rows.broadcast
        if self.settings.tag.per_channel and own:
            audience = (audience == "").ifelse(rows.channel_id.fill_null(""), audience)
        return self.engine.keep(rows.select("contact_id", audience=audience))

    @cached_property
    def planned(self) -> ibis.Table | None:
        """What the ledger's other runs plan to send: at (UTC), contact_id, channel_id."""
        if self.ledger is None:
            return None
        return self.engine.keep(self.ledger.planned(self.engine.con, without=self.run_id))

    @cached_property
    def audience(self) -> ibis.Table:
        """The contacts to reach again, one row per contact and audience (columns of `fates`)."""
        return self.fates.filter(self.fates.disposition == "tagged")

    @cached_property
    def failed_again(self) -> int:
        """How many contacts are to be reached again for a broadcast that failed to reach them in
        its resend, too.
        """
        if not self.inputs.resends:
            return 0
        pairs = ibis.memtable(
            list(self.inputs.resends.items()), schema={"later": "string", "audience": "string"}
        )
        later = self.fates.select("contact_id", later="audience").join(pairs, "later")
        again = self.audience.semi_join(later, ["contact_id", "audience"])
        return int(again.contact_id.nunique().execute())

    @cached_property
    def audiences(self) -> pd.DataFrame:
        """One row per audience: audience, first (wall clock of its first failure), channel_id (the
        lowest), recoverable (contacts) and the `earliest` (UTC) of these.
        """
        rows = self.engine.here(self.fates)
        tagged = rows.disposition == "tagged"
        told = rows.group_by("audience").aggregate(
            first=rows.waited_since.min(),
            channel_id=rows.channel_id.min(),
            recoverable=rows.count(where=tagged),
            earliest=rows.earliest.min(where=tagged),
        )
        first = self.engine.files.to_wall_clock(told.first, self.settings.zone)
        return told.mutate(first=first).order_by("audience").to_pandas()

    @cached_property
    def settling(self) -> timedelta:
        """How long failures may still arrive on the channels of the selected broadcasts."""
        ids = self.seen["counting"]
        known = [self.settings.channels.get(i) for i in (() if ids is None else ids) if i]
        settling = (channel.kind.settling for channel in known if channel and channel.kind)
        return max(settling, default=timedelta(hours=24))


def _again(rows: ibis.Table) -> ibis.Value:
    """Whether a row holds a message without ID that another file has, too."""
    return rows.again if "again" in rows.columns else ibis.literal(False)


def _facts(rows: ibis.Table, own: ibis.Value, counted: ibis.Value) -> dict[str, ibis.Value]:
    """What `Tables.facts` tells, of the rows that are its own."""
    return {
        "failed": rows.count(where=own),
        "counted": rows.count(where=counted),
        "begin": rows.local_at.min(where=own),
        "end": rows.local_at.max(where=own),
        "since": rows.local_at.min(where=counted),
        "until": rows.local_at.max(where=counted),
        "channels": rows.channel_id.nunique(where=own),
        "contacts": distinct_ids("contact_id", rows, own),
    }


def narrowing(table: ibis.Table, asked: Selection) -> list[ibis.Value]:
    """Tests for the cause, the verdict and the error's masked text (contains it; "=..." is all of
    it).
    """
    tests = [table[n].isin(getattr(asked, n)) for n in ("cause", "verdict") if getattr(asked, n)]
    if not asked.text:
        return tests
    masked = table.masked.fill_null("").strip().lower()
    sought = ibis.literal(asked.text.removeprefix("=").strip()).lower()
    return [*tests, masked == sought if asked.text[0] == "=" else masked.contains(sought)]


def absent(name: str, value: str, known: Collection[str]) -> ParameterError:
    """The refusal of a filter's value that no failed message has, beside those that are known."""
    return ParameterError(
        "No failed message has {name} '{value}'.{hint} Present: {known}.",
        name,
        name=name,
        value=value,
        hint=did_you_mean(value, known),
        known=", ".join(known) or sentence("none"),
    )
