"""Who to reach again: every row's disposition, the tags, the claim in the ledger, the files."""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import ibis
import pandas as pd

from ..bench.results import Results
from ..bench.settings import Settings
from ..bench.tables import Tables
from ..common.doubts import Doubt, concerning, n_
from ..common.exceptions import ParameterError, RunError
from ..engine.engine import PARQUET, id_parts, reader_path, same_ids, with_ids
from ..ledger.ledger import Claim, open_ledger
from ..limits.limit import by_channel
from ..limits.waves import Plan
from ..reading import checks
from ..recovery import fates as fates_
from ..recovery import messages, tag_import, targets
from ..sources import profile
from . import assess, plan, summarise

_ = str  # marks a message for the catalogue; it is translated where it is shown
NO_TAGS = "tags not known"  # the kind of a doubt
COLUMNS = (
    "source_file",
    "row",
    "contact_id",
    "channel_id",
    "message_id",
    "sent_at",
    "local_at",
    "rule",
    "cause",
    "verdict",
    "broadcast",
    "waited_since",
    "earliest",
    "disposition",
)


@dataclass(frozen=True)
class Recovery:
    """What a recovery found.

    `files`: file, contacts, tag, wave. `waves`: wave, tag, contacts, broadcast (name) and, where
    planned, start (ISO, UTC). `counts`: rows per disposition. `flow`: the same, with the waves of
    tagged rows. `fix`: cause, title, fix, contacts: what must be changed first. `missing`: tagged
    contacts that a contacts export does not have. `recoverable`: different contacts that are
    tagged. `folder` is that of the import files, until the results are published or the engine is
    closed; `checklist` the rows of a log that are to be tagged by hand.
    """

    facts: summarise.Facts
    broadcasts: pd.DataFrame
    files: list[dict]
    waves: list[dict]
    counts: dict[str, int]
    flow: pd.DataFrame
    fix: pd.DataFrame
    missing: int
    recoverable: int
    plan: Plan | None
    folder: Path
    dispositions: Path
    checklist: pd.DataFrame | None
    steps: list[str] | None = None  # of another vendor's import; None: the platform's own
    claim: dict | None = None
    doubts: tuple[Doubt, ...] = field(default=())

    @property
    def recorded(self) -> dict:
        content = {
            "counts": self.counts,
            "totals": {"recoverable": self.recoverable},
            "waves": self.waves,
        }
        if self.claim:
            content |= {"ledger": self.claim, "run_id": self.claim["run_id"]}
        return content


def recover(settings: Settings, tables: Tables, results: Results | None = None) -> Recovery:
    """Give every row of the failed-messages export its disposition, and write the import files.

    With a folder for results it holds `data/dispositions.parquet` (one line per input row) and
    `import/*.csv`; without one nothing is kept, and nothing is claimed. Raises RunError where a row
    would be lost, ParameterError where two broadcasts would get one tag, or
    where the filters leave nothing.
    """
    contacts = tables.inputs.contacts
    if contacts:
        tag_import.check_contacts(contacts.table)
    facts = summarise.look(tables)
    tables.check_left()
    published = results.folder if results else None
    audience, planned = _as_before(settings, tables) if published else (None, None)
    resting: tuple[Doubt, ...] = ()
    if audience is None:
        audience, planned, resting = _in_waves(settings, tables)
        sizes = _tags(settings, tables, audience, planned)
        audience = tables.engine.view(audience.join(_given(sizes), ["audience", "wave"]))
    else:
        sizes = _sizes(audience)
    fates, claim = tables.fates, None
    if settings.ledger and results and published:
        claim = _claim(settings, tables, audience, planned, results)
        audience, fates = _claimed(tables, audience, fates, claim)
        sizes = _sizes(audience)
    try:
        folder = published or Path(tempfile.mkdtemp(dir=tables.engine.scratch))
        kept = _keep(tables, fates, audience, sizes, folder)
        counts = fates_.counts(
            tables.engine.files.con.read_parquet(reader_path(kept)),
            tables.inputs.export.rows + len(tables.inputs.export.rejected),
        )
        files, missing = _files(tables, audience, sizes, folder / "import")
        told = (
            *_in_use(tables, audience),
            *_no_tags(tables, audience, missing),
            *_people(settings, tables, audience, folder),
            *_asked_out(tables, audience, folder),
        )
    except BaseException:
        if claim and not claim.repeated:
            open_ledger(settings.ledger).take_back(claim.run_id)
        raise
    recoverable, fix = _contacts(settings, tables.engine.here(fates))
    return Recovery(
        facts=facts,
        broadcasts=summarise.broadcasts(settings, tables),
        files=files,
        waves=_waves(tables, sizes, planned),
        counts=counts,
        flow=_flow(sizes, counts, planned),
        fix=fix,
        missing=missing,
        recoverable=recoverable,
        plan=planned,
        folder=folder / "import",
        dispositions=kept,
        checklist=tables.inputs.checklist,
        steps=profile.steps(tables.target, settings.lang.code)
        if tables.target != profile.packaged()["respondio"].target
        else None,
        claim={
            "path": settings.ledger,
            "run_id": claim.run_id,
            "broadcast": ", ".join(b.said for b in tables.known),
        }
        if claim
        else None,
        doubts=(
            *facts.doubts,
            *summarise.failed_again(tables),
            *resting,
            *told,
            *(claim.doubts if claim else ()),
            *_begun(settings, tables, published),
        ),
    )


def _as_before(settings: Settings, tables: Tables) -> tuple[ibis.Table | None, Plan | None]:
    """The audience with the waves and tags that this very run gave before, whatever was planned
    since; None where it was not made before.
    """
    ledger = tables.ledger
    before = ledger.claimed(tables.engine.con, tables.run_id) if ledger else None
    if before is None:
        return None, None
    rows = before.select(
        "wave", "tag", "due_at", to="contact_id", on=before.channel_id, of=before.broadcast
    )
    audience = tables.audience
    same = [
        _in_ledger(tables, audience) == rows.of,
        audience.contact_id == rows.to,
        audience.channel_id.fill_null("") == rows.on.fill_null(""),
    ]
    audience = tables.engine.keep(audience.join(rows, same).drop("to", "on", "of"))
    if not settings.waves:
        return audience.drop("due_at"), None
    names = {c: x.name for c, x in by_channel(settings.limits).items()}
    sent = audience.group_by("wave", "channel_id").aggregate(
        start=audience.due_at.min(), size=audience.contact_id.nunique()
    )
    frame = sent.order_by("wave").to_pandas()
    frame = frame.assign(end=frame["start"], limit=frame["channel_id"].map(names))
    frame = frame[["wave", "start", "end", "size", "limit", "channel_id"]]
    return audience.drop("due_at"), Plan(frame, audience.select("contact_id", "channel_id", "wave"))


def _people(
    settings: Settings, tables: Tables, audience: ibis.Table, folder: Path
) -> tuple[Doubt, ...]:
    """What a contacts export says against tagging; list the failed contacts that share a person, as
    `data/same_person.csv`.
    """
    contacts, people = tables.inputs.contacts, tables.inputs.people
    if contacts is None or people is None:
        return ()
    doubts = tag_import.doubts(contacts.table, audience, settings.exclude_tag, people)
    doubts += people.doubts()
    rows = tables.fates.join(people.table, "contact_id")
    rows = rows.select("contact_id", "person", "audience", "disposition")
    if not (sharing := int(rows.contact_id.nunique().execute())):
        return doubts
    rows = rows.order_by("person", "contact_id", "audience")
    tables.engine.to_csv(rows, folder / "data" / "same_person.csv")
    return (
        *doubts,
        *concerning(
            "people",
            n_(
                "{n} contact shares a phone number or an e-mail address with another one, and"
                " counts as one person with it (data/same_person.csv).",
                "{n} contacts share a phone number or an e-mail address with another one, and count"
                " as one person with it (data/same_person.csv).",
            ),
            sharing,
        ),
    )


def _asked_out(tables: Tables, audience: ibis.Table, folder: Path) -> list[Doubt]:
    """How many contacts to tag wrote that they want no messages; `data/asked_out.csv` lists them.
    Twilio, for one, takes STOP for an opt-out (help.twilio.com/articles/223134027).
    """
    if tables.inputs.messages is None:
        return []
    asked = messages.asked_out(tables.inputs.messages.table, tag_import.OPT_OUT)
    asked = asked.semi_join(audience, "contact_id").select("contact_id").order_by("contact_id")
    if n := int(asked.count().execute()):
        tables.engine.to_csv(asked, folder / "data" / "asked_out.csv")
    return concerning(
        "asked out",
        n_(
            "{n} of the contacts to tag wrote a message that reads like an opt-out, such as STOP or"
            " BAJA (data/asked_out.csv); leave it out of what you import.",
            "{n} of the contacts to tag wrote messages that read like an opt-out, such as STOP or"
            " BAJA (data/asked_out.csv); leave them out of what you import.",
        ),
        n,
    )


def _in_use(tables: Tables, audience: ibis.Table) -> tuple[Doubt, ...]:
    """Who else carries the tags, by the contacts export or by what other runs gave them."""
    contacts, ledger = tables.inputs.contacts, tables.ledger
    given = None if ledger is None else ledger.tagged(tables.engine.con, without=tables.run_id)
    labelled = (
        None if contacts is None else tag_import.labels(contacts.table),
        None if given is None else given.select("contact_id", label=given.tag.strip().lower()),
    )
    return tag_import.in_use([own for own in labelled if own is not None], audience)


def _no_tags(tables: Tables, audience: ibis.Table, missing: int) -> list[Doubt]:
    """Whether the contacts exports do not tell which tags the contacts have (missing: of how many
    they say nothing), where an import may replace them.
    """
    if not any("tags" in targets.needed(own) for own in tables.target.columns.values()):
        return []
    sources = tables.inputs.sources.get("contacts", ())
    lacking = [s.name for s in sources if checks.lacks(s, "tags")]
    text = _(
        "{files} has no Tags column, so the tags that contacts have already are not known and not"
        " in the import files: an import that replaces tags would take them off. Export the"
        " contacts with their tags, or try one row first."
    )
    absent = n_(
        "{n} of the contacts to tag is not in the contacts export, so the tags that it has already"
        " are not known: an import that replaces tags would take them off. Export all contacts,"
        " or try one row first.",
        "{n} of the contacts to tag are not in the contacts export, so the tags that they have"
        " already are not known: an import that replaces tags would take them off. Export all"
        " contacts, or try one row first.",
    )
    n = int(audience.contact_id.nunique().execute()) if lacking else 0
    return concerning(NO_TAGS, text, n, files=", ".join(lacking)) or concerning(
        NO_TAGS, absent, missing
    )


def _in_waves(
    settings: Settings, tables: Tables
) -> tuple[ibis.Table, Plan | None, tuple[Doubt, ...]]:
    """The audience with the wave of each contact, the plan where one was asked for, and what that
    rests on.
    """
    audience = tables.audience
    if not settings.waves:
        return audience.mutate(wave=ibis.literal(1, "int64")), None, ()
    found = assess.assess(settings, tables)
    planned = plan.plan(settings, tables, audience, found)
    audience = audience.join(planned.assignment, ["contact_id", "channel_id"])
    return audience, planned, found.doubts


def _tags(
    settings: Settings, tables: Tables, audience: ibis.Table, planned: Plan | None
) -> pd.DataFrame:
    """The tag of each audience and wave, as `_sizes` tells them.

    Raises ParameterError where two would get the same.
    """
    began = tables.audiences.set_index("audience")
    found = tables.inputs.groups.found.set_index("broadcast")
    if planned:
        sizes = audience.group_by("audience", "wave").aggregate(contacts=audience.count())
        sizes = sizes.order_by("audience", "wave").to_pandas()
    else:
        sizes = began[["recoverable"]].rename(columns={"recoverable": "contacts"}).reset_index()
        sizes = sizes[sizes["contacts"] > 0].assign(wave=1)
    assert settings.tag  # as every recovery has
    waves = len(planned.waves) if planned else 1
    template, tags = settings.tag.in_waves(waves), []
    for key, wave in zip(sizes["audience"], sizes["wave"], strict=True):
        first = found["first"].get(key, began["first"].get(key))
        channel = began["channel_id"].get(key)
        tag = template.fill(
            None if pd.isna(first) else first,
            settings.channels.name(channel) if isinstance(channel, str) else "",
            tables.names.get(key, ""),
            wave,
            waves,
        )
        tags.append(tag)
    sizes["tag"] = tags
    _check_apart(tables, sizes)
    return sizes.sort_values(["wave", "tag"])


def _given(sizes: pd.DataFrame) -> ibis.Table:
    """The tags as a table: audience, wave, tag."""
    kinds = {"audience": "string", "wave": "int64", "tag": "string"}
    return ibis.memtable(sizes[[*kinds]], schema=kinds)


def _check_apart(tables: Tables, sizes: pd.DataFrame) -> None:
    """Raise ParameterError where two audiences or waves have the same tag."""
    for tag, keys in sizes.groupby("tag", sort=False)["audience"]:
        if len(keys) > 1:
            names = [tables.names.get(key) or key or "—" for key in keys]
            raise ParameterError(
                "{n} broadcasts would get the tag '{tag}': {names}. Choose one (broadcast), or tell"
                " them apart in the tag: {{broadcast}}, {{channel}}, {{date}}, {{time}} or"
                " {{wave}}.",
                "tag",
                n=len(keys),
                tag=tag,
                names="; ".join(f"{n} ({k})" if k else n for n, k in zip(names, keys, strict=True)),
            )


def _claim(
    settings: Settings, tables: Tables, audience: ibis.Table, planned: Plan | None, results: Results
) -> Claim:
    """Claim the audience in the ledger before any import file is written; another run may have been
    first.
    """
    start = ibis.literal(plan.start_of(settings, tables)).cast("timestamp('UTC')")
    due = audience.mutate(due_at=start)
    if planned:
        starts = ibis.memtable(planned.waves[["wave", "start"]]).rename(wave_="wave")
        due = audience.join(starts.distinct(), audience.wave == starts.wave_)
        due = due.mutate(due_at=due.start.cast("timestamp('UTC')"))
    due = due.mutate(broadcast=_in_ledger(tables, due))
    columns = ("broadcast", "contact_id", "channel_id", "wave", "tag", "due_at", "cause")
    ledger = open_ledger(Path(settings.ledger), settings.channels.workspace)
    return ledger.claim(
        tables.engine.con,
        tables.run_id,
        due.select(*columns),
        tables.known,
        datetime.now(UTC),
        {"notebook": settings.notebook, "channel": list(settings.selection.channel)},
        results.published,
    )


def _in_ledger(tables: Tables, audience: ibis.Table) -> ibis.Value:
    """What the ledger calls each row's audience: its broadcast, or what holds those of none."""
    none = [b.key for b in tables.known if b.key not in tables.names]
    if not none:
        return audience.audience
    listed = ibis.literal(list(tables.names), "array<string>")
    return listed.contains(audience.audience).ifelse(audience.audience, none[0])


def _claimed(
    tables: Tables, audience: ibis.Table, fates: ibis.Table, claim: Claim
) -> tuple[ibis.Table, ibis.Table]:
    """The audience and the fates with what was claimed only; the rest was tagged before."""
    ours = claim.table.select("contact_id", "tag").distinct()
    kept = tables.engine.keep(audience.semi_join(ours, ["contact_id", "tag"]))
    rows = kept.select(row_="row_id", ours=ibis.literal(True))
    fates = fates.left_join(rows, fates.row_id == rows.row_)
    lost = (fates.disposition == "tagged") & fates.ours.isnull()
    fates = fates.mutate(disposition=lost.ifelse("tagged_before", fates.disposition))
    return kept, tables.engine.keep(fates.drop("ours", "row_"))


def _begun(settings: Settings, tables: Tables, published: object) -> list[Doubt]:
    if not published or not settings.ledger or tables.ledger is not None:
        return []
    return [
        Doubt(
            "ledger begun",
            "A new ledger was begun in {path}, so nobody counts as tagged before. If there is one"
            " already, check the path (ledger).",
            {"path": settings.ledger},
        )
    ]


def _sizes(audience: ibis.Table) -> pd.DataFrame:
    """Wave, tag, audience and contacts of each tag, sorted."""
    sizes = audience.group_by("wave", "tag", "audience").aggregate(contacts=audience.count())
    return sizes.order_by("wave", "tag").to_pandas()


def _waves(tables: Tables, sizes: pd.DataFrame, planned: Plan | None) -> list[dict]:
    starts = {}
    if planned:
        waves = planned.waves[["wave", "start"]].itertuples(index=False)
        starts = {wave: {"start": start.isoformat()} for wave, start in waves}
    told = sizes.assign(broadcast=[tables.names.get(key, "") for key in sizes["audience"]])
    return [
        row | starts.get(row["wave"], {})
        for row in told[["wave", "tag", "contacts", "broadcast"]].to_dict("records")
    ]


def _flow(sizes: pd.DataFrame, counts: dict[str, int], planned: Plan | None) -> pd.DataFrame:
    flow = [(name, n, None) for name, n in counts.items() if name != "tagged"]
    flow += [("tagged", n, wave) for wave, n in sizes.groupby("wave")["contacts"].sum().items()]
    frame = pd.DataFrame(flow, columns=["disposition", "rows", "wave"])
    return frame if planned else frame.drop(columns="wave")


def _contacts(settings: Settings, fates: ibis.Table) -> tuple[int, pd.DataFrame]:
    """How many different contacts are tagged; and the others by what must be changed before the
    message can reach them, most first: cause, title, fix, contacts.
    """
    rows = fates.filter(fates.disposition.isin(["tagged", "fix_first"]))
    fix = rows.disposition == "fix_first"
    causes = {name: fix.ifelse(rows[name], ibis.null("string")) for name in ("cause", "rule")}
    rows = rows.select(*id_parts("contact_id", rows), **causes).distinct()
    frame = rows.group_by(*causes).aggregate(contacts=rows.count()).to_pandas()
    tagged = frame["cause"].isna()
    recoverable, frame = int(frame.loc[tagged, "contacts"].sum()), frame[~tagged]
    frame = summarise.advised(frame, settings.rules, settings.lang.code)
    frame = frame.groupby(["cause", "title", "fix"], as_index=False)["contacts"].sum()
    return recoverable, frame.sort_values(
        ["contacts", "title"], ascending=[False, True], ignore_index=True
    )


def _files(
    tables: Tables, audience: ibis.Table, sizes: pd.DataFrame, folder: Path
) -> tuple[list[dict], int]:
    """Write the import files, one set per tag; return them, and how many contacts a contacts export
    does not have.
    """
    contacts = tables.inputs.contacts and tables.inputs.contacts.table
    waves = dict(zip(sizes["tag"], sizes["wave"], strict=True))
    cells = tag_import.cells(audience, contacts)
    people = targets.recipients(
        tables.engine, cells, tables.target, tables.inputs.recipient, contacts
    )
    written = tag_import.write(tables.engine, people, folder, waves, tables.target)
    files = [file | {"wave": waves[file["tag"]]} for file in written]
    total, expected = sum(file["contacts"] for file in files), int(sizes["contacts"].sum())
    if total != expected:
        raise RunError(
            "The import files hold {total} contacts, but {expected} are to be tagged; nothing was"
            " written.",
            total=total,
            expected=expected,
        )
    if contacts is None:
        return files, 0
    lacking = audience.anti_join(contacts, same_ids(audience, contacts, "contact_id"))
    return files, int(lacking.contact_id.nunique().execute())


def _keep(
    tables: Tables, fates: ibis.Table, audience: ibis.Table, sizes: pd.DataFrame, folder: Path
) -> Path:
    """Write one line per input row, in the order of the files, to `data/dispositions.parquet`."""
    path = folder / "data" / "dispositions.parquet"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fates = _in_files(fates, audience, sizes)
    rows = fates_.dispositions(tables.inputs.all_failed, tables.recoverable_rows, fates)
    parts = [part for name in COLUMNS for part in id_parts(name, rows) if name.endswith("_id")]
    others = [name for name in COLUMNS if not name.endswith("_id")]
    rows = rows.select("row_id", *others, *parts, "wave", "tag")
    few = {
        "channel_id": ["", *tables.inputs.groups.channels],
        "broadcast": ["", *tables.inputs.groups.found["broadcast"]],
        "disposition": fates_.DISPOSITIONS,
        "source_file": [source.name for source in tables.inputs.export.sources],
        "tag": ["", *sizes["tag"]],
    }
    rows = with_ids(tables.engine.in_order(rows, "row_id", few))
    rows = rows.select(*COLUMNS, "wave", "tag", line=ibis.null("int64"))
    if len(lost := tables.inputs.export.rejected):
        rows = rows.union(_unread(rows, lost))
    rows.to_parquet(path, **PARQUET)
    return path


def _in_files(fates: ibis.Table, audience: ibis.Table, sizes: pd.DataFrame) -> ibis.Table:
    """Add the wave and the tag of whom is tagged."""
    if sizes["audience"].is_unique:  # one of each for an audience
        tags = _given(sizes)
        same = [fates.audience == tags.audience, fates.disposition == "tagged"]
        return fates.left_join(tags, same).drop("audience_right")
    tagged = audience.select("wave", "tag", place="row_id")
    return fates.left_join(tagged, fates.row_id == tagged.place).drop("place")


def _unread(rows: ibis.Table, lost: pd.DataFrame) -> ibis.Table:
    """The rows that could not be read, by the line on which they start, in the columns of rows."""
    lost = lost.sort_values(["file", "line"])
    given = {"source_file": lost["file"].tolist(), "line": lost["line"].tolist()}
    unread = ibis.memtable(given, schema={"source_file": "string", "line": "int64"})
    unread = unread.mutate(disposition=ibis.literal("rejected"))
    kinds = rows.schema().items()
    return unread.select(
        **{c: unread[c] if c in unread.columns else ibis.null(kind) for c, kind in kinds}
    )
