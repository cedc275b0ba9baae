"""Make big failed-messages exports: the same bytes for the same number of rows, written by the
engine.

python benchmarks/generate.py 3000000 failed.csv
"""

import sys
from pathlib import Path

import duckdb

# One row in ten or so names a person or a trace, so that raw texts are many and masked ones are
# thousands.
# (weight in a thousand, text, what a peer looks for, verdict); {n} is one of 900 names, {u} is
# unique.
ERRORS = (
    (
        300,
        (
            "Messaging limit reached: this business can start conversations with 1,000 unique"
            " contacts in 24 hours."
        ),
        "limit reached",
        "wait",
    ),
    (
        170,
        "(#131026) Message undeliverable: Receiver is incapable of receiving this message",
        "#131026",
        "unknown",
    ),
    (
        110,
        (
            "(#131047) Re-engagement message: more than 24 hours have passed since the recipient"
            " last replied"
        ),
        "#131047",
        "fix",
    ),
    (
        100,
        "(#131049) This message was not delivered to maintain healthy ecosystem engagement.",
        "#131049",
        "wait",
    ),
    (80, "(#132001) Template name (oferta_{n}) does not exist in es_MX", "#132001", "fix"),
    (50, "(#132000) Number of parameters does not match the template aviso_{n}", "#132000", "fix"),
    (40, "Forbidden: bot was blocked by the user", "blocked by the user", "never"),
    (40, '(#131031) Account has been locked, {{"fbtrace_id":"A{u}Kp"}}', "#131031", "fix"),
    (40, "(#551) This person isn't available right now. fbtrace_id: Bq{u}Zx", "#551", "unknown"),
    (30, "21610 - Attempt to send to unsubscribed recipient +52155{u}", "21610", "never"),
    (20, "(#130429) Rate limit hit; retry after 2022-01-11 15:0{d}:00", "#130429", "wait"),
    (20, "(#131052) Media download error: fichero_{n}.jpg\nHTTP 404 Not Found", "#131052", "fix"),
)
# One broadcast per channel: a text with the contact's name, one on several lines, a template.
CONTENT = """[
 '{{"type":"text","text":"Hola ' || name || ', \\"promo\\" hoy"}}',
 '{{\n  "type": "text",\n  "text": "Su pedido va en camino, ' || name || '"\n}}',
 '{{"type":"template","name":"oferta_enero"}}'][(1 + g // 3 % 3)::INT]"""
NAME = "'N' || chr((97 + g % 26)::INT) || chr((97 + g // 26 % 26)::INT) || 'a'"


def _case() -> str:
    """The SQL that picks a row's error by its weight."""
    upto, cases = 0, []
    for weight, text, _, _ in ERRORS:
        upto += weight
        marks = {
            "n": "' || lpad((g // 11 % 900)::VARCHAR, 3, '0') || '",
            "d": "' || (g // 13 % 10) || '",
        }
        marks["u"] = "' || lpad((g * 31 % 100000000)::VARCHAR, 8, '0') || '"
        cases.append(
            f"WHEN g // 1009 % 1000 < {upto} THEN"
            f" '{text.replace(chr(39), chr(39) * 2).format(**marks)}'"
        )
    return f"CASE {' '.join(cases)} END"


def generate(rows: int, path: Path) -> Path:
    """Write an export of this many rows (about 230 bytes each); a file that is there already is
    kept.
    """
    if path.exists():
        return path
    part = path.with_suffix(".part")
    duckdb.sql(f"""
        COPY (
            SELECT strftime(TIMESTAMP '2022-01-10 09:00:00' + to_seconds(i // 40),
                            '%Y-%m-%d %H:%M:%S') "Date & Time",
                   '88001' "Sender ID", 'broadcast' "Sender Type",
                   (100000000 + h % {rows * 7 // 10 + 1})::VARCHAR "Contact ID",
                   1641400000000000 + i "Message ID", 'text' "Content Type",
                   'message' "Message Type",
                   {CONTENT.replace("{{", "{").replace("}}", "}")} "Content",
                   (1001 + g // 3 % 6)::VARCHAR "Channel ID",
                   'outgoing' "Type", 'text' "Sub Type", {_case()} "Error"
            FROM (SELECT *, {NAME} AS name FROM (
                SELECT i, h, xor(h, h >> 13) * 3266489917 % 4294967296 g FROM (
                    SELECT i, xor(k, k >> 16) * 2246822507 % 4294967296 h FROM (
                        SELECT range i, range::UBIGINT * 2654435761 % 4294967296 k
                        FROM range({rows})))))
        ) TO '{part}' (HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"')""")
    part.rename(path)
    return path


if __name__ == "__main__":
    generate(int(sys.argv[1]), Path(sys.argv[2]))
