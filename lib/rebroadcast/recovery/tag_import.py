"""The CSV files that a vendor's contact import takes: whom to reach again, and the tag to add."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import ibis
import pandas as pd

from ..common import sheets
from ..common.doubts import Doubt, n_
from ..common.exceptions import InputError
from ..common.folder import slug, unused
from ..engine.engine import Engine, id_parts, same_ids, shared_parts, with_ids
from ..sources.profile import Target
from .people import People, spread
from .targets import BY_HAND, filled, needed

# Tags that people give to whoever does not want to be written to, in English, Spanish, Portuguese
# and French; a warning, no verdict.
OPT_OUT = (
    r"(^|[^a-z])(un-?subscrib|opt(ed)?[ _-]?out|stop([^a-z]|$)|dn[cd]([^a-z]|$)"
    r"|do[ _-]?not[ _-]?(contact|disturb|message|send|call)|blocked|black-?list"
    r"|(no|n[ãa]o|ne[ _-]pas)[ _-](molest|perturb|d[eé]rang|conta[ct]|envi|envoy|escr[ei]v|escrib"
    r"|llam|quiere|quer|desea|receb|mandar|mensaj)"
    r"|dess?u[bs]?scri|d[eé]sinscri|d[eé]sabonn|descadastr"
    r"|cancel[a-zó]*[ _-](la[ _-]|a[ _-])?(su[bs]*scri|inscri|assin)"
    r"|(de|dad[oa]|dar(se)?[ _-]de|pidi[oó]|solicit[a-zó]*)[ _-]baja|bloquead|bloqu[eé]+($|[^a-z])"
    r"|lista[ _-](negra|noire))"
    r"|^(bajas?|sair)$|^baja[ _-](whats|sms|e?-?mail|correo|market|promo|public|bolet|mensaj|defin)"
)
MOST_TAGS = 3  # that a warning names one by one
HAND = {"Recipient": "{contact_id}", "Tag": "{tag}"}  # a list for whoever sends to them by hand


def cells(tagged: "ibis.Table", contacts: "ibis.Table | None" = None) -> "ibis.Table":
    """Turn tagged contacts (contact_id, tag, each once) into the rows of import files, one file per
    tag: contact_id, tag, tags.

    With a contacts export (contact_id, tags), the tags that a contact already has stay in its cell
    beside the new one, unchanged, since it is not known whether an import adds to them or replaces
    them.
    """
    if contacts is None:
        return tagged.select("contact_id", "tag", tags="tag")
    ids = shared_parts("contact_id", tagged, contacts)
    rows, known = tagged.select(*ids, "tag"), contacts.select(*ids, had="tags")
    rows = rows.left_join(known, same_ids(rows, known, "contact_id")).select(*ids, "tag", "had")
    rows = rows.mutate(had=rows.had.fill_null(""))
    texts = rows.select("tag", "had").distinct()  # few, of many contacts
    kept = texts.mutate(own=texts.had.split(",").unnest()).mutate(own=ibis._.own.strip())
    kept = kept.filter((kept.own != "") & (kept.own != kept.tag)).distinct()
    # A tag that would start a formula goes behind the new one, which never does: so the cell never
    # does.
    behind = (kept.own.re_search(f"^[{sheets.FORMULA}]").cast("int8") * 2).cast("int8")
    both = texts.mutate(own=texts.tag, new=ibis.literal(1, "int8")).union(kept.mutate(new=behind))
    cells = both.group_by("tag", "had").aggregate(
        tags=both.own.group_concat(",", order_by=[both.new, both.own])
    )
    return with_ids(rows.join(cells, ["tag", "had"])).select("contact_id", "tag", "tags")


def check_contacts(contacts: "ibis.Table") -> None:
    """Raise InputError where a contacts export names a contact twice."""
    twice = contacts.group_by("contact_id").aggregate(n=contacts.count()).filter(lambda t: t.n > 1)
    if n := int(twice.count().execute()):
        raise InputError(
            "Contact IDs that the contacts export has more than once: {n}; expected one row per"
            " contact. Export the contacts again.",
            n=n,
        )


def labels(contacts: "ibis.Table") -> "ibis.Table":
    """The tags of contacts, and the stage of their lifecycle where the export has it: contact_id
    (its parts, where there are some), label (lower case; one that a contact has twice comes twice).
    """
    ids = id_parts("contact_id", contacts)
    one = contacts.select(all="tags").distinct()  # few, of many contacts
    one = one.mutate(label=one["all"].split(",").unnest())
    one = one.mutate(label=one.label.strip().lower())
    own = contacts.join(one, contacts.tags == one["all"]).select(*ids, "label")
    if "lifecycle" in contacts.columns:
        own = own.union(contacts.select(*ids, label=contacts.lifecycle.strip().lower()))
    return own.filter(own.label != "")


def carrying(contacts: "ibis.Table", tags: Collection[str]) -> "ibis.Table":
    """Return the contacts (contact_id) that have one of the tags, or are at that stage; case and
    spaces at the ends do not count.

    >>> carrying(contacts, ["no molestar"])  # doctest: +SKIP
    """
    own = labels(contacts)
    theirs = own.filter(own.label.isin([tag.strip().lower() for tag in tags]))
    return with_ids(theirs).select("contact_id").distinct()


def in_use(labelled: "Iterable[ibis.Table]", tagged: "ibis.Table") -> tuple[Doubt, ...]:
    """Who else carries a tag that is to be given (tagged: contact_id, tag, each once), so that its
    segment would hold them too: labelled are tables of contact_id and label, those of a contacts
    export (`labels`), and what a ledger says was given.

    >>> in_use([labels(contacts)], audience)  # doctest: +SKIP
    """
    sizes = tagged.group_by("tag").aggregate(mine=tagged.count())
    sizes = sizes.mutate(label=sizes.tag.strip().lower())
    each = [with_ids(own.join(sizes, "label")) for own in labelled]
    if not each:
        return ()
    carriers = ibis.union(*(own.select("contact_id", "tag", "mine") for own in each), distinct=True)
    carriers = carriers.anti_join(tagged, ["contact_id", "tag"])
    others = carriers.group_by("tag", "mine").aggregate(n=carriers.count())
    others = others.order_by(others.n.desc(), "tag").to_pandas()
    found = [
        Doubt(
            "tag in use",
            n_(
                "{n} other contact carries the tag '{tag}' already: a segment of it will hold"
                " {all}, not {mine}. Take another tag, or take it off that contact first.",
                "{n} other contacts carry the tag '{tag}' already: a segment of it will hold"
                " {all}, not {mine}. Take another tag, or take it off them first.",
            ),
            {"n": int(more), "tag": tag, "all": int(mine + more), "mine": int(mine)},
            int(more),
        )
        for tag, mine, more in others.head(MOST_TAGS).itertuples(index=False)
    ]
    if len(others) > MOST_TAGS:
        found.append(
            Doubt(
                "tag in use",
                "Other contacts carry {n} more of these tags already.",
                {"n": len(others) - MOST_TAGS},
                int(others["n"].iloc[MOST_TAGS]),
            )
        )
    return tuple(found)


def doubts(
    contacts: "ibis.Table",
    tagged: "ibis.Table",
    excluded: Collection[str] = (),
    people: People | None = None,
) -> tuple[Doubt, ...]:
    """What a contacts export says against a plan to tag (tagged: contact_id, tag, each once): tags
    that read like an opt-out (of any contact of the same person, where people are known), and tags
    to be left out (excluded) that nobody has.

    >>> doubts(contacts, audience)  # doctest: +SKIP
    """
    own, found = labels(contacts), list[Doubt]()
    names = own.select("label").distinct()  # each is looked at once
    names = names.filter(names.label.re_search(OPT_OUT))
    against = spread(with_ids(own.semi_join(names, "label").distinct()), people)
    against = against.semi_join(tagged, "contact_id")
    if asked_out := int(against.contact_id.nunique().execute()):
        names = against.group_by("label").aggregate(n=against.count())
        names = names.order_by(names.n.desc(), "label").limit(MOST_TAGS).execute()["label"]
        found.append(
            Doubt(
                "opt-out",
                n_(
                    "{n} of the contacts to tag has a tag that reads like an opt-out ({tags}); to"
                    " leave it out, name the tag (exclude_tag).",
                    "{n} of the contacts to tag have tags that read like an opt-out ({tags}); to"
                    " leave them out, name the tags (exclude_tag).",
                ),
                {"n": asked_out, "tags": ", ".join(names)},
                asked_out,
            )
        )
    found += [
        Doubt(
            "exclude_tag",
            "No contact has the tag '{tag}', so that nobody was left out by it (exclude_tag).",
            {"tag": tag},
        )
        for tag in excluded
        if not carrying(contacts, [tag]).count().execute()
    ]
    return tuple(found)


def write(
    engine: Engine, rows: "ibis.Table", folder: Path, tags: Iterable[str], target: Target
) -> list[dict]:
    """Write import rows (`targets.recipients` of tag and tags) as CSV files, one per tag and kind
    of recipient, sorted, split where the target's limits ask for it.

    Returns one dict per file, in the order of the tags: file, contacts, tag. The same rows give the
    same bytes.
    """
    columns = target.columns | {BY_HAND: HAND}
    sizes = [
        (rows.kind == kind, sum(_bytes(cell) for cell in filled(rows, own).values()))
        for kind, own in columns.items()
        if needed(own) <= set(rows.columns)  # else none of these rows is of that kind
    ]
    rows = engine.here(engine.keep(rows.mutate(most=ibis.cases(*sizes))))
    parts = _parts(rows, target)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    asked = {name: ibis.param("string") for name in ("of", "begin", "end")}
    own = rows.filter(rows.tag == asked["of"], rows.contact_id >= asked["begin"])
    own = own.filter((asked["end"] == "") | (own.contact_id < asked["end"])).order_by("contact_id")
    writers: dict[str, Callable] = {}
    for kind in parts["kind"].unique():
        cells = filled(own, columns[kind])
        writers[kind] = engine.files.csv_writer(own.filter(own.kind == kind).select(**cells), asked)
    written, names = [], set[str]()
    of_tag = dict(iter(parts.groupby("tag")))
    for tag in tags:
        split = of_tag.get(tag, parts[:0])
        # Tags may differ in signs only, or in letters that are not Latin.
        name = unused(slug(tag, "import"), names.__contains__, "-tag")
        names.add(name)
        kinds = list(dict.fromkeys(split["kind"]))
        for kind in kinds:
            alone = len(kinds) == 1 and kind != BY_HAND
            of_kind = name if alone else f"{name}-{kind.replace(' ', '-')}"
            own_parts = split[split["kind"] == kind]
            ends = own_parts["begin"].shift(-1, fill_value="")
            bounds = zip(own_parts["begin"], ends, own_parts["n"], strict=True)
            for number, (begin, end, contacts) in enumerate(bounds, 1):
                part = "" if len(ends) == 1 else f"-{number}of{len(ends)}"
                file = f"{of_kind}{part}.csv"
                writers[kind]({"of": tag, "begin": begin, "end": end}, folder / file)
                (folder / file).chmod(0o600)
                written.append({"file": file, "contacts": int(contacts), "tag": tag})
    return written


def _parts(rows: "ibis.Table", target: Target) -> "pd.DataFrame":
    """The files of each tag and kind, so that each keeps to both limits of a target: tag, kind,
    begin (the first contact_id) and n (contacts), in the order of the contact IDs.
    """
    of_file = rows.group_by("tag", "kind").aggregate(
        begin=rows.contact_id.min(), n=rows.count(), most=rows.most.sum()
    )
    files = of_file.to_pandas().sort_values(["kind", "begin"], ignore_index=True)
    limits = {"n": target.rows, "most": target.bytes}
    passed = {name: limit for name, limit in limits.items() if (files[name] > limit).any()}
    if not passed:
        return files
    # A number is sorted in a quarter of the time that a long tag takes.
    files = files[["tag", "kind"]].assign(file=files.index)
    numbered = rows.join(ibis.memtable(files), ["tag", "kind"])
    weight = ["most"] if "most" in passed else []
    numbered = numbered.select("file", "contact_id", *weight, part=ibis.literal(0, "int64"))
    for name, limit in passed.items():
        before = ibis.row_number() if name == "n" else numbered.most.sum()
        within = {"group_by": ["file", "part"], "order_by": "contact_id"}
        before = before.over(ibis.window(**within, rows=(None, 0)))
        numbered = numbered.mutate(part=before // limit + numbered.part * 2**20)
    parts = numbered.group_by("file", "part").aggregate(
        begin=numbered.contact_id.min(), n=numbered.count()
    )
    return parts.to_pandas().merge(files, on="file").sort_values(["kind", "begin"])


def _bytes(cell: "ibis.Value") -> "ibis.Value":
    """What a cell takes in an import file, at the most: a letter other than ASCII takes up to four
    bytes, a quote is written twice, and a comma needs quotes around the cell.
    """
    return cell.length() * cell.re_search(r"^[ !#-~]*$").ifelse(1, 4) + 3
