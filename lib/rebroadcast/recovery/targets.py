"""Where contacts to reach again go: what identifies them there, and phone numbers in the form that
is asked for.
"""

import re
from string import Formatter

import ibis

from ..common.exceptions import InputError
from ..engine.engine import Engine
from ..sources.profile import Target

BY_HAND = "by hand"  # the kind of a recipient that a target cannot take
E164 = r"^[1-9][0-9]{6,14}$"


def recipients(
    engine: Engine,
    rows: "ibis.Table",
    target: Target,
    own: str,
    contacts: "ibis.Table | None" = None,
) -> "ibis.Table":
    """Add `kind` (contact, phone, address or by hand) to import rows, and what is filled in for it:
    `contact`, `phone` (digits, country code first), `country`, `national`, `address`.

    own is what contact_id is: "contact" (an ID), "phone" or "address". Where the target takes no
    such IDs, the phone number and e-mail address are those of contacts. A number that no country
    has, and whatever the target does not take, is left to be sent to by hand. InputError where
    contact IDs need a contacts export and there is none.
    """
    if own == "contact" and "contact" in target.columns:
        return rows.mutate(kind=ibis.literal("contact"), contact=rows.contact_id)
    phone = rows.contact_id
    if own == "contact":
        if contacts is None:
            raise InputError(
                "These imports take phone numbers or e-mail addresses, and the export has contact"
                " IDs; name a contacts export (contacts)."
            )
        known = contacts.select(id_="contact_id", phone_="phone", email_="email")
        rows = rows.left_join(known, rows.contact_id == known.id_).drop("id_")
        phone = rows.phone_
    digits = phone.re_replace("[^0-9]", "")
    rows = engine.keep(rows.mutate(phone=digits.re_search(E164).ifelse(digits, None)))
    rows = rows.mutate(country=country(rows.phone))
    address = rows.email_ if "email_" in rows.columns else rows.contact_id
    address = address.contains("@").ifelse(address, None)
    tests = {"phone": rows.country.notnull(), "address": address.notnull()}
    cases = [(test, kind) for kind, test in tests.items() if kind in target.columns]
    kind = ibis.cases(*cases, else_=BY_HAND) if cases else ibis.literal(BY_HAND)
    return engine.keep(
        rows.mutate(
            kind=kind,
            national=rows.phone.substr(rows.country.length()),
            address=address,
        )
    )


def country(digits: "ibis.Value") -> "ibis.Value":
    """The calling code of the country that could have a number; null where none could.

    The rules are those of libphonenumber (`general_desc` of each region), as texts that the engine
    compares with; only countries that occur are looked at.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as CODES

    first = digits.left(3).name("first").as_table().distinct().to_pandas()["first"].dropna()
    codes = {code for start in first for n in (1, 2, 3) if (code := int(start[:n])) in CODES}
    tests = [(digits.re_search(rf"^{code}(?:{_numbers(code)})$"), str(code)) for code in codes]
    return ibis.cases(*sorted(tests, key=lambda test: test[1])) if tests else ibis.null("string")


def _numbers(code: int) -> str:
    """A pattern of all national numbers that the regions of a calling code could have."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE as CODES
    from phonenumbers import PhoneMetadata

    of_region, regions = PhoneMetadata.metadata_for_region_or_calling_code, CODES[code]
    shapes = [known.general_desc for region in regions if (known := of_region(code, region))]
    patterns = dict.fromkeys(shape.national_number_pattern for shape in shapes if shape)
    return "|".join(re.sub(r"\s", "", pattern) for pattern in patterns if pattern) or r"\d+"


def filled(rows: "ibis.Table", columns: dict[str, str]) -> "dict[str, ibis.Value]":
    """The cells of an import file: heading → text with what stands in braces filled in."""
    return {
        heading: sum(
            (text + rows[name] if name else text for text, name, _, _ in Formatter().parse(of)),
            ibis.literal(""),
        )
        for heading, of in columns.items()
    }


def needed(columns: dict[str, str]) -> set[str]:
    """What the cells of an import file are filled with.

    >>> needed({"Phone": "+{phone}", "Tag": "{tag}"}) == {"phone", "tag"}
    True
    """
    templates = "".join(columns.values())
    return {name for _, name, _, _ in Formatter().parse(templates) if name}
