"""The CSV files that a vendor's contact import takes: whom to reach again, and the tag to add."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import sheets
from ..common.exceptions import InputError
from ..common.lazy import ibis
from .targets import BY_HAND, Target, filled

if TYPE_CHECKING:
    from ..engine.engine import Engine

HAND = {"Recipient": "{contact_id}", "Tag": "{tag}"}  # a list for whoever sends to them by hand


def cells(tagged: "ibis.Table", contacts: "ibis.Table | None" = None) -> "ibis.Table":
    """Turn tagged contacts (contact_id, tag) into the rows of import files, one file per tag:
    contact_id, tag, tags.

    With a contacts export (contact_id, tags), the tags that a contact already has stay in its cell
    beside the new one, unchanged, since it is not known whether an import adds to them or replaces
    them.
    """
    rows = tagged.select("contact_id", "tag").distinct()
    if contacts is None:
        return rows.mutate(tags=rows.tag)
    kept = contacts.select(contact_id="contact_id", own=contacts.tags.split(",").unnest())
    kept = (
        rows.join(kept.mutate(own=kept.own.strip()), "contact_id")
        .filter(lambda t: (t.own != "") & (t.own != t.tag))
        .distinct()
    )
    # A tag that would start a formula goes behind the new one, which never does: so the cell never
    # does.
    behind = (kept.own.re_search(f"^[{sheets.FORMULA}]").cast("int8") * 2).cast("int8")
    both = rows.mutate(own=rows.tag, new=ibis.literal(1, "int8")).union(kept.mutate(new=behind))
    return both.group_by("contact_id", "tag").aggregate(
        tags=both.own.group_concat(",", order_by=[both.new, both.own])
    )


def check_contacts(contacts: "ibis.Table") -> None:
    """Raise InputError where a contacts export names a contact twice."""
    twice = contacts.group_by("contact_id").aggregate(n=contacts.count()).filter(lambda t: t.n > 1)
    found = twice.aggregate(n=twice.count(), one=twice.contact_id.min()).execute().iloc[0]
    if found["n"]:
        raise InputError(
            "The contacts export has {n} contact IDs more than once, such as {one}; expected one"
            " row per contact. Export the contacts again.",
            n=found["n"],
            one=found["one"],
        )


def write(
    engine: "Engine", rows: "ibis.Table", folder: Path, tags: Iterable[str], target: Target
) -> list[dict]:
    """Write import rows (`targets.recipients` of tag and tags) as CSV files, one per tag and kind of
    recipient, sorted, split where the target's limits ask for it.

    Returns one dict per file, in the order of the tags: file, contacts, tag. The same rows give the
    same bytes.
    """
    own = {"group_by": ["tag", "kind"], "order_by": "contact_id"}
    most = rows.contact_id.length() + rows.tags.length() * 4 + _constant(target)  # bytes
    by_rows = ibis.row_number().over(ibis.window(**own)) // target.rows
    rows = engine.keep(rows.mutate(most=most, by_rows=by_rows))
    parts = ["by_rows"]
    sizes = rows.group_by("tag", "kind", "by_rows").aggregate(bytes=rows.most.sum())
    if (sizes.bytes.max().execute() or 0) > target.bytes:  # a file keeps to both limits
        so_far = rows.most.sum().over(ibis.window(**own, rows=(None, 0)))
        rows = engine.keep(rows.mutate(by_bytes=so_far // target.bytes))
        parts.append("by_bytes")
    sizes = rows.group_by("tag", "kind", *parts).aggregate(n=rows.count())
    sizes = sizes.order_by("kind", *parts).to_pandas()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written, names = [], Counter()
    for tag in tags:
        split, name = sizes[sizes["tag"] == tag], file_name(tag)
        names[name] += 1  # tags that differ in signs only, or in letters that are not Latin
        name += f"-tag{names[name]}" if names[name] > 1 else ""
        kinds = list(dict.fromkeys(split["kind"]))
        for kind in kinds:
            alone = len(kinds) == 1 and kind != BY_HAND
            of_kind = name if alone else f"{name}-{kind.replace(' ', '-')}"
            places = split[split["kind"] == kind].drop(columns=["tag", "kind"])
            for number, (*place, contacts) in enumerate(places.itertuples(index=False), 1):
                part = "" if len(places) == 1 else f"-{number}of{len(places)}"
                tests = [rows[one] == at for one, at in zip(parts, place, strict=True)]
                one = rows.filter(rows.tag == tag, rows.kind == kind, *tests)
                cells = filled(one, target.columns.get(kind, HAND))
                file = f"{of_kind}{part}.csv"
                engine.to_csv(one.order_by("contact_id").select(**cells), folder / file)
                (folder / file).chmod(0o600)
                written.append({"file": file, "contacts": int(contacts), "tag": tag})
    return written


def _constant(target: Target) -> int:
    """The bytes of a row beside its recipient and tags, at the most."""
    return max(sum(len(t) + 1 for t in columns.values()) for columns in target.columns.values())


def file_name(tag: str) -> str:
    """A file name for a tag: letters without their accents, digits and dashes.

    >>> file_name("failed broadcast 110122")
    'failed-broadcast-110122'
    """
    tag = "".join(c for c in unicodedata.normalize("NFKD", tag) if not unicodedata.combining(c))
    return re.sub(r"[^\w]+", "-", tag, flags=re.ASCII).strip("-").lower()[:80] or "import"
