"""The CSV files that the platform's contact import takes: contact IDs and the tag to add."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import sheets
from ..common.exceptions import InputError
from ..common.lazy import ibis

if TYPE_CHECKING:
    from ..engine.engine import Engine


# The platform's contact import: CSV only, under 20 MB and fewer than 200,000 rows.
MOST_ROWS = 199_999
MOST_BYTES = 19_000_000
HEADER = ("Contact ID", "Tags")


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


def write(engine: "Engine", rows: "ibis.Table", folder: Path, tags: Iterable[str]) -> list[dict]:
    """Write import rows (contact_id, tag, tags) as CSV files, one per tag, sorted, split where the
    platform's limits ask for it.

    Returns one dict per file, in the order of the tags: file, contacts, tag. The same rows give the
    same bytes.
    """
    own = {"group_by": "tag", "order_by": "contact_id"}
    most = rows.contact_id.length() + rows.tags.length() * 4 + 4  # bytes, at the most
    rows = engine.keep(
        rows.mutate(most=most, by_rows=ibis.row_number().over(ibis.window(**own)) // MOST_ROWS)
    )
    parts, sizes = ["by_rows"], rows.group_by("tag", "by_rows").aggregate(bytes=rows.most.sum())
    if (
        sizes.bytes.max().execute() or 0
    ) > MOST_BYTES:  # both together, so that a file keeps to both limits
        rows = engine.keep(
            rows.mutate(
                by_bytes=rows.most.sum().over(ibis.window(**own, rows=(None, 0))) // MOST_BYTES
            )
        )
        parts.append("by_bytes")
    sizes = rows.group_by("tag", *parts).aggregate(n=rows.count()).order_by(parts).to_pandas()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written, names = [], Counter()
    for tag in tags:
        split, name = sizes[sizes["tag"] == tag], file_name(tag)
        names[name] += 1  # tags that differ in signs only, or in letters that are not Latin
        name += f"-tag{names[name]}" if names[name] > 1 else ""
        for number, (_tag, *place, contacts) in enumerate(split.itertuples(index=False), 1):
            file = f"{name}.csv" if len(split) == 1 else f"{name}-{number}of{len(split)}.csv"
            one = rows.filter(
                rows.tag == tag, *(rows[part] == at for part, at in zip(parts, place, strict=True))
            ).order_by("contact_id")
            engine.to_csv(
                one.select(**dict(zip(HEADER, (one.contact_id, one.tags), strict=True))),
                folder / file,
            )
            (folder / file).chmod(0o600)
            written.append({"file": file, "contacts": int(contacts), "tag": tag})
    return written


def file_name(tag: str) -> str:
    """A file name for a tag: letters without their accents, digits and dashes.

    >>> file_name("failed broadcast 110122")
    'failed-broadcast-110122'
    """
    tag = "".join(c for c in unicodedata.normalize("NFKD", tag) if not unicodedata.combining(c))
    return re.sub(r"[^\w]+", "-", tag, flags=re.ASCII).strip("-").lower()[:80] or "import"
