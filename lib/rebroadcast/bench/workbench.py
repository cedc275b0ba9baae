"""What a notebook opens: exports read, classified and filtered by its parameters, and a place for
results.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from .. import errors
from ..common import sheets
from ..common.exceptions import ColumnError, InputError, ParameterError, did_you_mean, sentence
from ..common.folder import staged
from ..common.lazy import go, ibis, pd
from ..engine import connect as connection
from ..engine import engine as engines
from ..ledger import ledger as ledgers
from ..ledger import record
from ..reading import exports, files
from ..reading import profile as profiles
from ..recovery import fates as fates_
from ..recovery import messages as messages_
from ..recovery import tags as tags_
from . import parameters, settings
from .settings import NAMES, Settings

STAGING = (  # set by reports.run: results go there, and the caller publishes them
    "REBROADCAST_STAGING"
)
RESULTS = "REBROADCAST_RESULTS"  # the folder that they will be published as
FILES = ("exports", "messages", "contacts", "channels", "rules")  # they count by what is in them
UNUSED = (
    "content",
    "content_type",
    "message_type",
    "sub_type",
    "error",
    "kind",
)  # of a classified row, by what follows
OWN = (
    "out",
    "language",
    "ledger",
    "engine",
    "decided_by",
)  # parameters that do not change who is tagged


def open(namespace: Mapping[str, object], notebook: str = "") -> "Workbench":
    """Open the workbench with a notebook's own variables: `bench = workbench.open(globals())`.

    Raises a RebroadcastError with one sentence for any parameter or file that cannot be used.
    """
    given = parameters.from_namespace(namespace, NAMES)
    if given.get("exports") == "sample":
        sample = parameters.SAMPLE_AFTER if notebook == "recovery_check" else parameters.SAMPLE
        given = given | {k: v for k, v in sample.items() if given.get(k) in ("", "sample", None)}
    return Workbench(given, notebook)


def check(given: Mapping[str, object]) -> None:
    """Raise the error that opening the workbench with these parameters would, as far as no file
    need be read.
    """
    asked = Settings({k: v for k, v in given.items() if k in NAMES})
    for name, kind in (("exports", "failed"), ("messages", "messages"), ("contacts", "contacts")):
        if (paths := asked.paths(name)) and paths != ["sample"]:
            files.find(paths, kind)
    if "tag" in given:
        tags_.check_tag(asked.text("tag"))


@dataclass
class Workbench(Settings):
    """The tables of one run, and its results. Everything is read once, when it is first asked
    for.
    """

    counts: dict = field(default_factory=dict)
    waves: list = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    claimed: str = ""  # the run's ID in the ledger, once it has claimed its contacts
    results: Path | None = None
    checklist: "pd.DataFrame | None" = None  # rows of a failed-message log to be tagged by hand
    repeats: int = 0  # rows that hold a message which another row holds already
    warned: list[str] = field(default_factory=list)  # what a report warned of
    ledger_begun: bool = False
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    @cached_property
    def engine(self) -> engines.Engine:
        return self._stack.enter_context(connection.connect(self.text("engine")))

    def _read(self, name: str, kind: str) -> exports.Export | None:
        if not (paths := self.paths(name)):
            return None
        return exports.read(
            self.engine,
            paths,
            kind,
            self.timezone,
            self.text("date_format"),
            profile=self.text("profile"),
        )

    @cached_property
    def export(self) -> exports.Export:
        """The failed-messages export, as read."""
        try:
            found = self._read("exports", "failed")
        except ColumnError as error:  # a failed-message log has names instead of contact IDs
            from . import matching

            try:
                return matching.export(self, self._read("exports", "log"))
            except ColumnError:
                raise error from None
        if found is None:
            raise ParameterError(
                "No export was named; expected the path of a failed-messages export.", "exports"
            )
        return found

    @cached_property
    def messages(self) -> exports.Export | None:
        """The messages export, or what the log of another vendor tells of all messages; None where
        there is neither.
        """
        given = self._read("messages", "messages")
        return given or (self.export.messages if self.paths("exports") else None)

    @cached_property
    def contacts(self) -> exports.Export | None:
        """The contacts export, or None where none was given."""
        return self._read("contacts", "contacts")

    @cached_property
    def recipient(self) -> str:
        """What contact IDs are: contact (IDs), phone or address."""
        fit = self.export.sources[0].fit
        return fit.form.recipient if fit else "contact"

    @cached_property
    def target(self) -> profiles.Target:
        """What the import takes that contacts are written for: as named, else that of the vendor
        whose export it is; a plain list where that vendor has none.
        """
        fit = self.export.sources[0].fit
        return profiles.target(self.text("for_"), fit and fit.profile)

    @cached_property
    def all_failed(self) -> "ibis.Table":
        """Every readable row of the export, classified (columns of `errors.classify`)."""
        table = self.export.table
        present = sorted(
            c
            for c in table.channel_id.as_table().distinct().execute()["channel_id"]
            if isinstance(c, str)
        )
        for asked in self.list("channel"):
            if asked not in present:
                names = ", ".join(
                    f"{c} ({self.channels.name(c)})" if self.channels.get(c) else c for c in present
                )
                raise ParameterError(
                    "No failed message has channel ID '{asked}'.{hint} Present: {present}.",
                    "channel",
                    asked=asked,
                    hint=did_you_mean(asked, present),
                    present=names or sentence("none"),
                )
        kinds = {c: self.channels.kind(c) or "" for c in present}
        kind = (
            table.channel_id.fill_null("").substitute(kinds, else_="")
            if kinds
            else ibis.literal("")
        )
        classified = errors.classify(table.mutate(kind=kind), self.rules, keep=self.engine.keep)
        return self.engine.view(classified.drop(*UNUSED))

    def selected(self, table: "ibis.Table", broadcast: bool = False) -> "ibis.Value":
        """Whether a row lies in the channel, dates and sender type that were asked for.

        With broadcast, and no sender type asked for, only broadcast messages count where the export
        has any.
        """
        tests = [ibis.literal(True)]
        if channels := self.list("channel"):
            tests.append(table.channel_id.isin(channels))
        start, end = self.period
        tests += [table.local_at >= start] if start else []
        tests += [table.local_at < end] if end else []
        asked = [s.lower() for s in self.list("sender_type")]
        if senders := asked or (["broadcast"] if broadcast and self.has_broadcasts else []):
            tests.append(table.sender_type.lower().isin(senders))
        if (
            broadcast
            and table is self.__dict__.get("all_failed")
            and (narrow := self.narrowing(table))
        ):
            # Whole contacts: their other failures still count, so that a `never` is not filtered
            # away.
            whole = ["contact_id", "channel_id"] if "{channel" in self.text("tag") else "contact_id"
            tests.append(ibis.and_(*tests, *narrow).any().over(group_by=whole))
        return ibis.and_(*tests)

    def narrowing(self, table: "ibis.Table") -> "list[ibis.Value]":
        """Tests for the cause, the verdict and the error's masked text (contains it; "=..." is all
        of it).
        """
        tests, text = (
            [table[n].isin(self.list(n)) for n in ("cause", "verdict") if self.list(n)],
            self.text("text"),
        )
        masked, sought = (
            table.masked.fill_null("").strip().lower(),
            ibis.literal(text.removeprefix("=").strip()).lower(),
        )
        return (
            [*tests, masked == sought if text[0] == "=" else masked.contains(sought)]
            if text
            else tests
        )

    @cached_property
    def has_broadcasts(self) -> bool:
        """Whether any failed message was sent by a broadcast."""
        return bool((self.all_failed.sender_type.lower() == "broadcast").any().execute())

    @cached_property
    def failed(self) -> "ibis.Table":
        """The classified messages in the channel, dates and sender type that were asked for, each
        message once.
        """
        found = self.all_failed.filter(self.selected(self.all_failed))
        named = found.message_id.notnull().sum().fill_null(0)
        rows, named, unique = (
            found.aggregate(rows=found.count(), named=named, unique=found.message_id.nunique())
            .execute()
            .iloc[0]
        )
        if (
            named > unique
        ):  # a spreadsheet can round the IDs of messages to several contacts to the same one
            known = found.filter(found.message_id.notnull())
            once = self.engine.keep(
                known.group_by("message_id", "contact_id").aggregate(row_id=known.row_id.min())
            )
            self.repeats = int(named - once.count().execute())
            found = found.filter(found.message_id.isnull()).union(found.semi_join(once, "row_id"))
        if not rows:
            start, end = (self.text(n) or "…" for n in ("from_", "to"))
            raise ParameterError(
                "No failed message is left for channel {channel}, from {start} to {end}; the export"
                " has {rows}.",
                "from",
                channel=self.text("channel") or sentence("any"),
                start=start,
                end=end,
                rows=self.export.rows,
            )
        return found

    @cached_property
    def broadcasts(self) -> "ibis.Table":
        """The failed messages of broadcasts among those asked for, or all of them where none is
        marked as such.
        """
        return self.failed.filter(self.selected(self.failed, broadcast=True))

    @cached_property
    def sent(self) -> "ibis.Table | None":
        """The outgoing messages of the same selection, delivered or not; None without a messages
        export.
        """
        if self.messages is None:
            return None
        table = messages_.outgoing(self.messages.table)
        return table.filter(self.selected(table, broadcast=True))

    @cached_property
    def delivered(self) -> "ibis.Table | None":
        """All outgoing messages that arrived, whatever was selected; None without a messages
        export.
        """
        if self.messages is None:
            return None
        self.check_coverage()
        return messages_.delivered(self.messages.table, self.all_failed)

    @property
    def broadcast_rows(self) -> "ibis.Value":
        """Which rows of `all_failed` are those of the broadcasts that were asked for."""
        return self.selected(self.all_failed, broadcast=True)

    @cached_property
    def fates(self) -> "ibis.Table":
        """What became of each selected contact and channel, one row each: contact_id, channel_id,
        cause, waited_since, earliest (UTC), disposition.
        """
        rows = fates_.fates(self.all_failed, self.broadcast_rows, True, self.fixed, self.delivered)
        return self.engine.keep(rows.drop("audience", "row_id", "rule"))

    @cached_property
    def audience(self) -> "ibis.Table":
        """The contacts to reach again: contact_id, channel_id, cause, waited_since, earliest
        (UTC).
        """
        return self.fates.filter(self.fates.disposition == "tagged").drop("disposition")

    def check_coverage(self, start: bool = False) -> None:
        """Raise InputError where the messages export ends before the failures do (with start: or
        begins after).
        """
        if not self.text("messages"):  # the same file
            return
        (begin, end), (first, last) = (
            _days(rows) for rows in (self.messages.table, self.broadcasts)
        )
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
    def settling(self) -> timedelta:
        """How long failures may still arrive on the channels of the selected broadcasts."""
        ids = self.broadcasts.channel_id.as_table().distinct().execute()["channel_id"]
        kinds = [
            c.kind for i in ids if isinstance(i, str) and (c := self.channels.get(i)) and c.kind
        ]
        return max((k.settling for k in kinds), default=timedelta(hours=24))

    @cached_property
    def cut_broadcasts(self) -> int:
        """How many broadcasts (by sender ID and channel) have failures both inside and outside the
        dates asked for.
        """
        if not any(self.period):
            return 0
        rows = self.all_failed.filter(self.all_failed.sender_type.lower() == "broadcast")
        inside = self.selected(rows, broadcast=True)
        edge = rows.group_by("sender_id", "channel_id").aggregate(
            some=inside.any(), every=inside.all()
        )
        return int(edge.filter(edge.some & ~edge.every).count().execute())

    @cached_property
    def ends_at_midnight(self) -> bool:
        """Whether broadcast messages failed within ten minutes of midnight on the first or last day
        of the export.
        """
        first, last = _days(
            self.all_failed.filter(self.all_failed.sender_type.lower() == "broadcast")
        )
        return bool(first) and (
            (first.hour == 0 and first.minute < 10) or (last.hour == 23 and last.minute >= 50)
        )

    @cached_property
    def one_day_of_months(self) -> bool:
        """Whether all failures are on the same day of three months or more, as where day and month
        were mixed up.
        """
        at = self.all_failed.local_at
        seen = (
            self.all_failed.aggregate(days=at.day().nunique(), months=at.month().nunique())
            .execute()
            .iloc[0]
        )
        return bool(seen["days"] == 1 and seen["months"] > 2)

    @property
    def broadcast(self) -> str:
        """What the ledger calls this broadcast: as named, else its channels and first day."""
        first, _last = _days(self.broadcasts)
        day = f" {first:%Y-%m-%d}" if first else ""
        return (
            self.text("broadcast")
            or f"{'+'.join(sorted(self.list('channel'))) or 'all channels'}{day}"
        )

    @property
    def run_id(self) -> str:
        """The same for the same input and parameters, so that a rerun is the same run."""
        asked = {k: v for k, v in self.stated.items() if v is not False and k not in (*OWN, *FILES)}
        read = sorted(s.sha256 for sources in self.sources.values() for s in sources)
        settings = [
            files.find(p)[0].read_text("utf-8", "replace")
            for n in ("channels", "rules")
            if (p := self.text(n))
        ]
        return hashlib.sha256(
            json.dumps([asked, read, settings], sort_keys=True).encode()
        ).hexdigest()[:24]

    @cached_property
    def ledger(self) -> ledgers.Ledger | None:
        """The ledger that was named, or None. Without a folder for results it is only read."""
        path, recovering = self.text("ledger"), bool(self.text("tag"))
        if not path or (recovering and not self.folder and not Path(path).exists()):
            return None
        create = recovering and self.folder is not None
        self.ledger_begun = create and not Path(path).exists()
        return ledgers.open_ledger(Path(path), self.channels.workspace, create=create)

    @cached_property
    def start(self) -> datetime:
        """When sending may begin (UTC): as asked, else now; on the sample, right after its newest
        failure.
        """
        if self.given.get("exports") != parameters.SAMPLE["exports"] or self.text("start"):
            return self._instant("start") or settings.next_minute()
        return self.all_failed.sent_at.max().execute().to_pydatetime().replace(
            second=0
        ) + timedelta(minutes=1)

    @cached_property
    def folder(self) -> Path | None:
        """Where this run's results are written until they are complete; None where nothing was
        asked for.
        """
        if staging := os.environ.get(STAGING):
            self.results = Path(os.environ[RESULTS])
            return Path(staging)
        if out := self.text("out"):
            self.results = Path(out)
            return self._stack.enter_context(staged(Path(out)))
        return None

    def table(self, frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
        """Keep a small frame as `data/<name>.csv` beside the report, and return it."""
        if self.folder:
            (self.folder / "data").mkdir(mode=0o700, exist_ok=True)
            sheets.write(frame, self.folder / "data" / f"{name}.csv")
        return frame

    def figure(self, chart, frame: "pd.DataFrame", save_as: str = "", **options) -> "go.Figure":
        """Draw a chart of a frame in the run's language, and keep the frame as CSV beside the
        report.
        """
        figure = chart(frame, lang=self.lang, **options)
        name = save_as or figure.layout.meta["id"]
        self.table(frame, name)
        self.figures.append(name)
        if self.folder:
            figure.layout.meta = dict(figure.layout.meta) | {"csv": f"data/{name}.csv"}
        return figure

    @property
    def sources(self) -> dict[str, tuple[files.Source, ...]]:
        """The files read so far, by kind."""
        read = {"exports": "export", "messages": "messages", "contacts": "contacts"}
        return {
            n: found.sources for n, a in read.items() if (found := self.__dict__.get(a)) is not None
        }

    def finish(self) -> dict:
        """Write the run record, publish the results where the notebook runs on its own, and close
        the engine. Returns the record.
        """
        content = {
            "notebook": self.notebook,
            "status": "ok",
            "started": self.started,
            "finished": record.now(),
            "parameters": self.stated,
            "timezone": self.timezone,
            "overrides": [
                {"rule": ours, "replaces": theirs} for ours, theirs in self.rules.overrides
            ],
            "inputs": [
                {"as": kind, "name": s.name, "bytes": s.size, "sha256": s.sha256}
                for kind, sources in self.sources.items()
                for s in sources
            ],
            "counts": self.counts,
            "totals": self.totals,
            "waves": self.waves,
            "warnings": self.warned,
            "outputs": record.outputs(self.folder) if self.folder else [],
        }
        if self.claimed:
            content["ledger"] = {
                "path": self.text("ledger"),
                "run_id": self.claimed,
                "broadcast": self.broadcast,
            }
            content["run_id"] = self.claimed
        if self.fixed:
            content["fixed"] = {"causes": sorted(self.fixed), "decided_by": self.decided_by}
        if self.folder:
            record.write(self.folder, content)
        self._stack.close()
        if self.claimed and STAGING not in os.environ:
            self.ledger.confirm(self.claimed)
        return content


def _days(table: "ibis.Table") -> tuple[datetime | None, datetime | None]:
    """The first and the last local_at of a table, None where it has none."""
    seen = table.aggregate(first=table.local_at.min(), last=table.local_at.max()).execute().iloc[0]
    return tuple(None if pd.isna(at) else at for at in seen)
