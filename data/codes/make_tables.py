"""Make the code tables of lib/rebroadcast/errors/codes from the published catalogues beside this
file.

published/KIND.csv has the codes as their providers publish them (code, text, source); judged.csv
says which rule a code belongs to where its words alone do not (rule `-`: it does not occur on a
send). All other codes get the rule that their own text leads to; a text that leads nowhere gets no
row. The coverage of what is published goes into docs/errors.md.
"""

import csv
import re
from pathlib import Path

from rebroadcast.errors import explain, load_rules, providers
from rebroadcast.errors.rules import Rules

HERE = Path(__file__).parent
TABLES = HERE.parents[1] / "lib" / "rebroadcast" / "errors" / "codes"
NOTE = HERE.parents[1] / "docs" / "errors.md"
BEGIN, END = "<!-- coverage -->\n", "<!-- /coverage -->\n"
DATE = "2026-11-01"  # when the catalogues were collected
COLUMNS = ["kind", "code", "rule", "weak", "text", "source", "date"]
PROVIDERS = {
    "Twilio": "twilio",
    "Sinch": "sinch",
    "Bandwidth": "bandwidth",
    "Infobip": "infobip",
    "Vonage SMS DLR": "vonage_dlr",
    "Vonage SMS status": "vonage_sms",
    "Vonage": "vonage",
    "MessageBird": "messagebird",
    "Plivo": "plivo",
    "AWS": "aws",
    "SMPP": "smpp",
    "docs.gupshup.io": "gupshup",
    "developer.exotel.com": "exotel",
    "tdlib": "telegram",
    "Tele": "telegram",
    "Viber": "viber",
    "VKCOM": "vk",
    "WxJava": "wechat",
    "LINE": "line",
    "IANA": "smtp",
}
KINDS = {
    "vonage": "sms whatsapp messenger viber",
    "smtp": "email",
    "twilio": "sms whatsapp messenger viber",
    "infobip": "sms whatsapp viber",
}
NOT_ON_A_SEND = "-"
HTTP_ONLY = ("tdlib", "TelegramBotAPI", "LINE")  # their numbers are HTTP's: the text tells


def provider_of(source: str) -> str:
    """Return the provider that a source is about; Meta's tables have many names."""
    return next((p for start, p in PROVIDERS.items() if source.startswith(start)), "meta")


def code_of(code: str, source: str) -> str:
    """Return a code as it stands in an error: the subcode of two, without a word before it."""
    if "SMPP" in source and (hexadecimal := re.search(r"0x[0-9A-F]{8}", source)):
        return f"{code}|{int(hexadecimal[0], 16):#x}"
    if any(name in source for name in HTTP_ONLY) and code.isdecimal():
        return ""
    code = code.rpartition("/")[2] if len(code.rpartition("/")[2]) > 4 else code.partition("/")[0]
    code = code.rpartition(" ")[2].rpartition(":")[2]
    return code if code.startswith("-") else code.lstrip("0") or code[:1]


def published() -> list[dict[str, str]]:
    """Return every published code once: kind, provider, code, text, source."""
    rows = {}
    for path in sorted((HERE / "published").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                provider = provider_of(row["source"])
                kind = KINDS.get(provider, path.stem)
                kind = "messenger instagram" if kind == "messenger" else kind
                for code in code_of(row["code"], row["source"]).split("|"):
                    found = {"kind": kind, "provider": provider} | row | {"code": code}
                    rows.setdefault((kind, provider, code, row["text"]), found)
    return list(rows.values())


def judgements() -> list[dict[str, str]]:
    """Return the rows of judged.csv; an empty text stands for whatever text."""
    with (HERE / "judged.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judged_of(row: dict[str, str], judged: list[dict[str, str]]) -> dict[str, str]:
    """Return what was judged of a published code: its own text before any text."""
    fitting = [
        j
        for j in judged
        if (j["provider"], j["code"]) == (row["provider"], row["code"])
        and j["text"] in ("", row["text"])
        and set(j["kind"].split()) & set(row["kind"].split())
    ]
    return max(fitting, key=lambda j: len(j["text"]), default={})


def tables() -> dict[str, list[dict[str, str]]]:
    """Return the rows of each provider's table."""
    known = load_rules()
    words_only = Rules(known.by_id.values(), known.causes, lexicon=lambda: known.lexicon)
    judged, made, met = judgements(), {}, []
    for row in published():
        said = judged_of(row, judged)
        met.append(said)
        rule = said.get("rule")
        if not rule:
            found = words_only.find(row["text"], row["kind"].split()[0])
            rule = found.rule.id if found.confidence in ("text", "concept") else None
        if rule and rule != NOT_ON_A_SEND:
            row |= {"rule": rule, "weak": said.get("weak", ""), "date": DATE}
            made.setdefault(row["provider"], []).append(row)
    for said in judged:
        if not any(said is m for m in met) and said["rule"] != NOT_ON_A_SEND:
            made.setdefault(said["provider"], []).append(said | {"date": DATE})
    return made


def coverage() -> str:
    """Return the share of published codes that an answer is known for, per kind and form, as a
    table.
    """
    judged, known_rules = judgements(), load_rules()
    rules = Rules(
        known_rules.by_id.values(),
        known_rules.causes,
        tables=providers.load(TABLES),
        lexicon=lambda: known_rules.lexicon,
    )
    told: dict[str, list[list[bool]]] = {}
    for row in published():
        if judged_of(row, judged).get("rule") == NOT_ON_A_SEND:
            continue
        kind, code, text = row["kind"].split()[0], row["code"], row["text"]
        alone = f"error code: {code}" if code[-1:].isdecimal() else code
        forms = {
            "code": alone if code else None,
            "code, provider named": alone if code else None,
            "text": text,
            "both": f"{code}: {text}" if code else None,
        }
        known = [
            None
            if form is None
            else explain(form, kind, rules, provider=row["provider"] * ("named" in name)).rule
            is not None
            for name, form in forms.items()
        ]
        told.setdefault(kind, []).append(known)
    lines = [
        "| kind | published codes | code alone | code, provider named | text alone"
        " | code and text |",
        "|---|---|---|---|---|---|",
    ]
    everything = [row for rows in told.values() for row in rows]
    for kind, rows in [*sorted(told.items()), ("all", everything)]:
        shares = [[r[n] for r in rows if r[n] is not None] for n in range(4)]
        cells = [f"{sum(s) / len(s):.0%} of {len(s)}" if s else "–" for s in shares]
        lines.append(f"| {kind} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write one file per provider, and the coverage into the note."""
    TABLES.mkdir(exist_ok=True)
    for provider, rows in tables().items():
        with (TABLES / f"{provider}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda r: (r["code"], r["kind"], r["text"])))
    before, _, rest = NOTE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    NOTE.write_text(before + BEGIN + coverage() + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
