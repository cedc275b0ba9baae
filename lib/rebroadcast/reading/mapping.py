"""Another vendor's rows as ours: one row per message, with its recipient, state, time and error."""

from functools import reduce
from operator import add

import ibis
import pandas as pd

from ..common.doubts import Doubt
from ..common.exceptions import folded
from ..common.masking import mask
from ..common.sheets import NOTHING
from ..engine.engine import Engine
from ..sources.files import Source
from ..sources.profile import STATES, Form, key
from . import checks, dates
from .scan import IDS

NO_STATE = "a state that its profile does not know"
MOST = 3  # states that are named
RANK, FILE = 60, 40  # bits: a record's state, file and place, as one number that orders them
NUMBERS = {*IDS, "phone", "code"}
DRESSED = {*NUMBERS, "sent_at"}  # what spreadsheets keep as text by a sign before it
BETWEEN = " _.'’-\u0300\u0301\u0302\u0303\u0308\u0327"  # signs that words of a state go without
ACCENTS = {
    c: folded(c)
    for c in map(chr, range(0xE0, 0x180))
    if c.islower() and len(folded(c)) == 1 and folded(c) != c
}
ALIKE_IN = ("contact_id", "sent_at", "channel_id", "sender_id", "content")  # of one message
# As people and APIs write a phone number: what is between the digits is dropped after a "+" only.
PHONE = r"^'?(?:[a-z_]+:)?(?:[+][0-9][0-9 ().-]*|[0-9]+)$"
DIGITS = r"^[1-9][0-9]{6,14}$"  # E.164 without its "+"
USER = r"^[A-Z]{2}[.][A-Za-z0-9.]+$"  # WhatsApp's ID of a user whose number a business does not see
EMAIL = r"^[A-Za-z0-9_][^\s@,;\"]*@[^\s@,;\"]+$"  # begins no formula
# Begins no formula, and cannot be a heading or a text; or a phone number with its country's code.
CONTACT = r"^(?:[A-Za-z0-9][A-Za-z0-9_.:@-]*|[+][1-9][0-9]{6,14})$"


def messages(
    engine: Engine,
    parts: list[tuple[Source, "ibis.Table"]],
    zone: str,
    date_format: str,
    columns: list[str],
) -> "tuple[ibis.Table, list[Doubt]]":
    """The messages (or contacts) of files of one form, each once, in these columns; and what makes
    them less sure.

    parts are the files and their cells as text. To the columns come `state` (failed, reached, open;
    null where it is not known), `problem` (why a row cannot be used), `said` (a date that is none),
    `file` (its number) and `place` (from 1). `sent_at` is an instant (UTC), without zone the text
    that `convert` keeps. A message that several records tell of has its furthest state and its
    first time: one that failed and was delivered after all has not failed.
    """
    form, document = parts[0][0].fitted.form, parts[0][0].document
    read = [_rows(engine, n, *part, zone, date_format, columns) for n, part in enumerate(parts)]
    tables, doubts = [rows for rows, _ in read], [doubt for _, told in read for doubt in told]
    rows = ibis.union(*tables)
    if others := [state for state in ("incoming", "none") if state in form.states]:
        rows = rows.filter(~rows.state.isin(others).fill_null(False))
    if form.states:
        rows = _once(rows, document)
    rows = _recipients(rows, form)
    ours = {n: rows[n] if n in rows.columns else ibis.null("string") for n in columns}
    if form.provider and "provider" in columns:
        ours["provider"] = ibis.literal(form.provider)
    if zone and "sent_at" in columns:
        local = engine.to_wall_clock(rows.sent_at, zone)
        ours["local_at"] = rows.wall.fill_null(local) if "wall" in rows.columns else local
    more = {n: rows[n] for n in ("state", "file", "place", "said")}
    return engine.keep(rows.select(**ours, **more, problem=_problem(rows, form))), doubts


def _states(form: Form, said: "dict[str, ibis.Value]") -> "list[tuple[ibis.Value, ibis.Value]]":
    """What tells each state in the cells of a form, and the state; null for one that is unknown."""
    signs = [
        (ours, values, state)
        for state in ("unknown", "incoming", "none", "reached", "failed", "open")
        for ours, values in form.states.get(state, {}).items()
        if ours in said
    ]
    signs.sort(key=lambda sign: sign[1] == ["*"])  # what is filled tells less than what it says
    return [
        (_says(said[ours], values), ibis.literal(state).nullif("unknown"))
        for ours, values, state in signs
    ]


def unknown_states(source: Source, raw: "ibis.Table") -> list[Doubt]:
    """Name the states of a file that its profile does not know, those of most rows first; what one
    row alone has may be anything, and is not named.
    """
    form, raw = source.fitted.form, _said(source, raw)
    said = {name: raw[name] for name in form.columns if name in raw.columns}
    tells = {n: sum(len(own.get(n, ())) for own in form.states.values()) for n in said}
    rows = raw.filter(ibis.cases(*_states(form, said)).isnull())
    seen = rows.group_by(word=said[max(tells, key=tells.__getitem__)]).aggregate(n=rows.count())
    seen = seen.filter(seen.word.notnull(), seen.n > 1).order_by(ibis.desc("n"), "word").to_pandas()
    doubt = Doubt(
        "unknown states",
        "{file}: its profile does not know the states {states}. For a profile in which to name"
        " them, run: rebroadcast profiles {file}",
        {"file": source.name, "states": ", ".join(map(mask, seen["word"].head(MOST)))},
        int(seen["n"].sum()),
    )
    return [doubt] * (len(seen) > 0)


def _rows(
    engine: Engine,
    number: int,
    source: Source,
    raw: "ibis.Table",
    zone: str,
    date_format: str,
    wanted: list[str],
) -> "tuple[ibis.Table, list[Doubt]]":
    """The records of one file: our columns as the file says them, and their state; and what the
    forms of its dates leave open.
    """
    raw = raw.filter(~raw.broken) if source.document else raw
    form, raw = source.fitted.form, _said(source, raw)
    said = {name: raw[name] for name in form.columns if name in raw.columns}
    tests = _states(form, said)
    place = raw.file_row_number.cast("int64") + 1
    code, why = (said.get(n, ibis.null("string")) for n in ("code", "reason"))
    own = ibis.literal(f"{source.sha256[:8]} {source.name}:") + place.cast("string")
    if "message_id" not in said and {"contact_id", "sent_at"} <= said.keys():
        own = _named(said, place)
    columns = {n: said.get(n, ibis.null("string")) for n in form.columns if n in wanted}
    rows = raw.select(
        **columns
        | {
            "message_id": ibis.coalesce(said.get("message_id", ibis.null("string")), own),
            "error": ibis.coalesce(said.get("error"), code + ": " + why, code, why),
            "state": ibis.cases(*tests) if tests else ibis.literal("failed"),
            "file": ibis.literal(number, "int64"),
            "place": place,
        }
    )
    if "sent_at" not in columns:
        return rows.mutate(sent_at=ibis.null("timestamp('UTC')"), said=ibis.null("string")), []
    times = dates.read(engine, rows.sent_at, source, form.zone or zone, date_format)
    rows = rows.rename(date_="sent_at")
    rows = rows.left_join(times.rename(as_said="said"), rows.date_ == times.said)
    at = rows["at"]
    if not zone:
        zoned = ibis.literal(form.zone != "") | rows.zoned
        at = engine.to_wall_clock(at, "UTC").cast("string") + zoned.ifelse("+00:00", "")
    unread = rows["at"].isnull().ifelse(rows.date_, None)
    # A vendor's own zone is sure, whatever the user's says.
    known = {"date_", "as_said", *times.columns} - {"said", *["wall"] * (not form.zone)}
    doubts = checks.written(source.name, _forms(rows, times), date_format)
    return rows.mutate(sent_at=at, said=unread).drop(*known), doubts


def _named(said: "dict[str, ibis.Value]", place: "ibis.Value") -> "ibis.Value":
    """An ID for messages without one: the same for the same message in another export, whatever
    its state is there; of several that are alike in a file each has its own.
    """
    alike = [said[name].fill_null("") for name in ALIKE_IN if name in said]
    nth = ibis.row_number().over(group_by=alike, order_by=place).cast("string")
    return ibis.literal("|").join([*alike, nth]).hexdigest("md5")


def _forms(rows: "ibis.Table", times: "ibis.Table") -> "pd.DataFrame":
    """How many dates are written in which form, where some are in figures that may be turned."""
    if not times.filter(times.shape.contains("|")).limit(1).count().execute():
        return pd.DataFrame({"shape": [], "late": [], "n": []}, dtype="string")
    told = rows.filter(rows.shape.notnull()).group_by("shape", "late")
    return told.aggregate(n=ibis._.count()).to_pandas()


def _said(source: Source, raw: "ibis.Table") -> "ibis.Table":
    """Add our columns as a file says them: the first of several that is filled, null for nothing.

    Each step is one of the query's own, as the next asks for its columns several times.
    """
    fit, form, fold = source.fitted, source.fitted.form, str if source.document else key
    cells = dict(reversed([*zip(map(fold, source.header), raw.columns, strict=False)]))
    said: dict[str, list[list[str]]] = {}  # the cells that say ours together, in each way
    for ours, aliases in form.columns.items():
        for alias in aliases:
            parts = [fit.path(alias)] if source.document else alias.split(" + ")
            if {*map(fold, parts)} <= cells.keys():
                said.setdefault(ours, []).append([cells[fold(part)] for part in parts])
    used = {f"{ours} {c}": (ours, c) for ours, ways in said.items() for way in ways for c in way}
    raw = raw.mutate(**{name: _bare(ours, raw[c], source) for name, (ours, c) in used.items()})
    raw = raw.mutate(**{name: _filled(ours, raw[name], source) for name, (ours, _) in used.items()})
    columns = {
        ours: ibis.coalesce(*(reduce(add, [raw[f"{ours} {c}"] for c in way]) for way in ways))
        for ours, ways in said.items()
    }
    return raw.mutate(**columns)


def _bare(ours: str, cell: "ibis.Value", source: Source) -> "ibis.Value":
    """What a cell holds, without what a spreadsheet put around it."""
    if source.document:
        return cell
    cell = checks.bare(cell.strip()) if ours in DRESSED else cell.strip()
    return cell.re_replace(NOTHING, "")


def _filled(ours: str, cell: "ibis.Value", source: Source) -> "ibis.Value":
    """A cell, null where it says nothing."""
    if ours in NUMBERS or (ours == "state" and not source.document):
        cell = checks.repaired(cell)
    return reduce(
        lambda so_far, none: so_far.nullif(none), source.fitted.form.empty, cell.nullif("")
    )


def _says(value: "ibis.Value", values: list[str]) -> "ibis.Value":
    """Whether a cell has one of the values that say a state, whatever its case, its accents and
    what stands between its words.
    """
    if values == ["*"]:
        return value.notnull()
    accented, plain = "".join(ACCENTS), "".join(ACCENTS.values())
    said = [one.lower().translate(str.maketrans(accented, plain, BETWEEN)) for one in values]
    cell = value.lower()
    bare = cell.translate(accented + BETWEEN, plain)
    return cell.re_search("^[a-z0-9]*$").ifelse(cell, bare).isin(said).fill_null(False)


def _once(rows: "ibis.Table", document: str) -> "ibis.Table":
    """Each message once, in its furthest state; a record whose state is not known stays alone.

    In a CSV file a spreadsheet can have given several messages one ID, so that the recipient counts
    too; in a document a record without one is of the recipient that another of the message names.
    """
    rank = rows.state.cases(*((state, n) for n, state in enumerate(STATES, 1)), else_=0)
    place = rank.cast("int64") * 2**RANK + rows.file * 2**FILE + rows.place
    alone = ibis.ifelse(rows.state.isnull(), rows.place, 0)
    keys = {"message_id": rows.message_id, "alone": alone}
    keys |= {} if document else {"contact_id": rows.contact_id}
    own = {
        "decisive": place.max(),
        "sent_at": rows.sent_at.min(),
        "said": rows.said.min(),
        "error": rows.error.argmax(place, where=rows.state == "failed"),
    }
    known = {*own, *keys, "state", "file", "place"}
    rest = {n: rows[n].min() for n in rows.columns if n not in known}
    once = rows.group_by(**keys).aggregate(**own, **rest)
    return once.mutate(
        state=(once.decisive >> RANK).cases(*enumerate(STATES, 1)),
        file=(once.decisive >> FILE) & (2 ** (RANK - FILE) - 1),
        place=once.decisive & (2**FILE - 1),
    )


def _recipients(rows: "ibis.Table", form: Form) -> "ibis.Table":
    """Phone numbers as their digits, country code first; other recipients as they are."""
    said = rows.contact_id
    if form.recipient == "contact":
        return rows
    digits = said.re_replace("[^0-9]", "")
    phone = said.re_search(PHONE) & digits.re_search(DIGITS)
    plain = said.re_search(DIGITS)  # most are, and need no look at each sign
    return rows.mutate(contact_id=plain.ifelse(said, phone.ifelse(digits, said)))


def _problem(rows: "ibis.Table", form: Form) -> "ibis.Value":
    """Why a row cannot be used; null for a good one."""
    kinds = {
        "contact": ("a contact ID that is none", [CONTACT]),
        "phone": ("a phone number that is none", [DIGITS, USER]),
        "address": ("a phone number and an e-mail address that are none", [DIGITS, EMAIL]),
    }
    words, patterns = kinds[form.recipient]
    to, ids = rows.contact_id, {n: rows[n] for n in IDS if n in rows.columns}
    return ibis.cases(
        (rows.state.isnull(), NO_STATE),
        (to.isnull(), "no contact ID" if form.recipient == "contact" else "no recipient"),
        *(checks.damage(name, cell) for name, cell in ids.items()),
        (~ibis.cases(*((to.re_search(one), True) for one in patterns), else_=False), words),
        *((cell.contains('"'), "a stray quote") for cell in ids.values()),
        (rows.said.notnull(), checks.NO_DATE),
    )
