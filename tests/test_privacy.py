"""What is shared (page, notebook, run record, what a command prints, a batch's index) names nobody:
people are planted in every input, and looked for in all of it.
"""

import csv
import json
import re

import pytest

from conftest import BLOCKED, HEADER, LIMIT, typed

NAMES = ["Xochitl", "Quetzalli", "Wojciechowska", "Nakamurazaki"]
PHONES = [
    "+52 55 8137 4461",
    "(55) 8137-4462",
    "55-81-37-44-63",
    "5581374464",
    "55 8137 4465",
    "55 8137 4466",
    "+52 1 55 8137 4467",
    "55.8137.4468",
]
MAILS = [f"{name.lower()}.{n}@correo.example" for n in (1, 2) for name in NAMES]
IDS = [str(730_004_411 + n) for n in range(8)]
HANDLES = ["@quetzalli_mx", "wamid.HBgMNTI1NTgxMzc0NDYxFQ"]
TEXTS = [
    f"(#131026) Message undeliverable to {PHONES[0]}",
    f"Recipient {PHONES[1]} is not a valid WhatsApp user",
    f"Contact ID {IDS[2]} could not be reached at {PHONES[2]}",
    f"Carrier refused {PHONES[3]} ({MAILS[0]})",
    f"User {HANDLES[0]} not found, message {HANDLES[1]}",
    "Number 55\N{NO-BREAK SPACE}8137\N{NO-BREAK SPACE}4465 has opted out",
]
CHANNELS = '[channel.1001]\nname = "México"\nkind = "whatsapp"\nlimit = 1000\n'


def secrets():
    """Each planted text, and the digits of those that are written in groups."""
    told = [*NAMES, *MAILS, *IDS, *HANDLES, *PHONES]
    return told + [re.sub(r"\D", "", phone)[-8:] for phone in PHONES]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Exports with people in every column, in rows that can be read and in rows that cannot."""
    home = tmp_path_factory.mktemp("people")

    def export(name, header, rows):
        with (home / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])

    def message(n, error=LIMIT, at=None):
        who = f"{NAMES[n % 4]} {MAILS[n % 8]} {PHONES[n % 8]}"
        content = json.dumps({"type": "text", "text": f"Hola {who}"})
        at = at or f"2022-01-11 15:00:{n:02}"
        cells = [at, "88001", "broadcast", IDS[n % 8], f"16400000000{n:05}", "text", "message"]
        return [*cells, content, "1001", "outgoing", "text", error]

    failed = [message(n, text) for n, text in enumerate([*TEXTS, LIMIT, LIMIT, BLOCKED])]
    broken = [message(40, at=f"{NAMES[0]} {PHONES[3]}"), message(41)[:5], [PHONES[0], NAMES[1]]]
    broken += [[*message(42)[:3], NAMES[2], *message(42)[4:]], [*message(43), MAILS[1], "x"]]
    export("failed.csv", HEADER, [*failed, *broken])
    arrived = [message(n)[:-1] for n in range(26, 29)]
    broken = [cells[: len(HEADER) - 1] for cells in broken]
    export("messages.csv", HEADER[:-1], [*(f[:-1] for f in failed), *arrived, *broken])
    people = [
        [IDS[n], NAMES[n % 4], NAMES[-n % 4], PHONES[n], MAILS[n], f"vip,{NAMES[n % 4]}"]
        for n in range(8)
    ]
    people += [[NAMES[0], PHONES[0]], ["x" * 30, *people[0][1:]]]
    header = ["ContactID", "FirstName", "LastName", "PhoneNumber", "Email", "Tags"]
    export("contacts.csv", header, people)
    export("list.csv", people[0], people[1:])
    (home / "channels.toml").write_text(CHANNELS, "utf-8")
    (home / "batch.toml").write_text(
        '[[entry]]\nname = "why"\nnotebook = "failure_report"\n'
        'parameters = { exports = "failed.csv", channels = "channels.toml" }\n'
        '[[entry]]\nname = "list"\nnotebook = "failure_report"\n'
        'parameters = { exports = "list.csv" }\n',
        "utf-8",
    )
    return home


def command(home, *words):
    """What a command prints, in the folder of the files."""
    done = typed(*words, place=home)
    assert done.returncode in (0, 1, 2), done.stderr
    return done.stdout + done.stderr


def shared(folder):
    """The texts of a results folder that are for others to see."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not {"import", "data"} & {*inside}:
            text = path.read_text("utf-8")
            yield path.name, re.sub(r'<script type="text/plain" id="plotly[^<]*</script>', "", text)


def nobody_in(name, text):
    plain = re.sub(r"\W", "", text)
    for secret in secrets():
        assert secret not in text, (name, secret)
        assert not (secret.isdigit() and len(secret) == 8 and secret in plain), (name, secret)


FILES = ["--channels", "channels.toml", "--messages", "messages.csv"]
LEDGER = ["--ledger", "ledger"]
RECOVER = ["--contacts", "contacts.csv", "--tag", "again {channel}", "--timezone", "UTC"]


def test_reports_name_nobody(world):
    said = {
        "report": command(world, "report", "failed.csv", *FILES, "--out", "why"),
        "recover": command(
            world, "recover", "failed.csv", *FILES, *RECOVER, *LEDGER, "--out", "again"
        ),
        "check": command(world, "check", "failed.csv", *FILES, *LEDGER, "--out", "did"),
        "batch": command(world, "batch", "batch.toml", "--out", "night"),
    }
    assert list((world / "again" / "import").iterdir())
    assert (world / "did" / "recovery_check.html").is_file()
    assert (world / "night" / "index.html").is_file()
    for name, text in said.items():
        nobody_in(name, text)
    for folder in ("why", "again", "did", "night"):
        pages = dict(shared(world / folder))
        assert pages
        for name, text in pages.items():
            nobody_in(f"{folder}/{name}", text)


@pytest.mark.parametrize(
    "words",
    [
        ["report", "list.csv"],
        ["report", "contacts.csv"],
        ["broadcasts", "failed.csv", "--messages", "messages.csv"],
        ["recover", "failed.csv", "--contacts", "list.csv", "--tag", "t", "--out", "none"],
        ["preflight", "list.csv", "--channels", "channels.toml", "--channel", "1001"],
        ["preflight", "contacts.csv", "--channels", "channels.toml", "--channel", "1001"],
    ],
)
def test_what_commands_print_names_nobody(world, words):
    nobody_in(" ".join(words), command(world, *words))


# The platform's header in languages that nobody has told the names of, and one that is made up.
HEADERS = {
    "de": "Datum & Uhrzeit;Absender-ID;Absendertyp;Kontakt-ID;Nachrichten-ID;Inhaltstyp;"
    "Nachrichtentyp;Inhalt;Kanal-ID;Typ;Untertyp;Fehler",
    "it": "Data e ora;ID mittente;Tipo mittente;ID contatto;ID messaggio;Tipo contenuto;"
    "Tipo messaggio;Contenuto;ID canale;Genere;Sottotipo;Errore",
    "pl": "Data i godzina;ID nadawcy;Typ nadawcy;ID kontaktu;ID wiadomości;Typ treści;"
    "Typ wiadomości;Treść;ID kanału;Typ;Podtyp;Błąd",
    "none": "Qa;Qb;Qc;Qd;Qe;Qf;Qg;Qh;Qi;Qj;Qk;Ql",
}
KNOWN = ["message", "text", "channel", "broadcast", "type"]  # words of data that are columns' names


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("language", [*HEADERS, ""])
def test_an_error_names_the_headers_columns_and_never_a_rows_cells(tmp_path, language, words):
    first = HEADERS.get(language)
    rows = [
        f"2022-01-11 15:00:{n:02};{';'.join(KNOWN[:words])};{IDS[n]};{NAMES[n % 4]};{PHONES[n]};"
        + ";".join("x" * (7 - words))
        for n in range(8)
    ]
    lines = [first] * bool(first) + rows
    (tmp_path / "saved.csv").write_text("\n".join([*lines, ""]), "utf-8")
    for verb in ("report", "broadcasts", "profiles"):
        done = typed(verb, "saved.csv", place=tmp_path)
        said = done.stdout + done.stderr
        nobody_in(f"{verb} {language}", said)
        assert done.returncode == 2 or verb == "profiles"
        assert not first or first.split(";")[3] in said


@pytest.mark.parametrize(
    "cell",
    [
        "2022-01-11",
        "11.01.2022 15:00",
        "Jan 11, 2022",
        "88001",
        "1.79387E+15",
        "+52 55 8137 4461",
        "whatsapp:+525581374461",
        '{""type"": ""text""}',
        "ana@correo.example",
    ],
)
def test_a_row_of_data_is_no_header_whatever_words_it_holds(tmp_path, cell):
    table = f'{HEADERS["none"]}\n"{cell}";Contact ID;Error;Content;Quetzalli;;;;;;;\n'
    (tmp_path / "saved.csv").write_text(table, "utf-8")
    done = typed("report", "saved.csv", place=tmp_path)
    assert "'Qa', 'Qb'" in done.stderr
    assert "Quetzalli" not in done.stderr
