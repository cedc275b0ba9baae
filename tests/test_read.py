"""Reading exports: what comes in, in any of its shapes, and what is refused, with file, line and
reason.
"""

import gzip
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import HEADER, SAMPLES, few_first, row
from rebroadcast.common.exceptions import ColumnError, DateError, InputError, ParameterError
from rebroadcast.reading import exports

ROWS = [
    row("100", "1", content='línea\ncon salto, y «comillas» "'),
    row("0200", "2"),
    row("300", "3", sender="user"),
]
SPANISH = [
    "Fecha y hora",
    "ID de remitente",
    "Tipo de remitente",
    "ID de contacto",
    "ID de mensaje",
    "Tipo de contenido",
    "Tipo de mensaje",
    "Contenido",
    "ID de canal",
    "Tipo",
    "Subtipo",
    "Error",
]


def contacts(engine, path, **options):
    return sorted(exports.read(engine, path, **options).table.contact_id.execute())


def test_sample_rows_and_rejects_are_those_that_its_script_knows(engine, truth):
    export = exports.read(engine, SAMPLES / "failed_messages.csv", timezone="America/Mexico_City")
    assert export.rows + len(export.rejected) == truth["rows"]["failed_messages.csv"]
    assert export.rejected["line"].tolist() == [r["line"] for r in truth["rejected"]]
    assert set(export.rejected["file"]) == {"failed_messages.csv"}
    assert truth["repaired"]["contact_id"] in export.table.contact_id.execute().tolist()


PAIRS = [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-16-le"), (";", "cp1252")]
CODES = [code for _, code in PAIRS]
ALL = list(dict.fromkeys([*PAIRS, *((sign, code) for sign in ",;\t" for code in CODES)]))


@pytest.mark.parametrize(("delimiter", "encoding"), few_first(ALL, len(PAIRS)))
def test_encodings_and_delimiters_give_the_same_table(engine, write, encoding, delimiter):
    path = write(ROWS, encoding=encoding, delimiter=delimiter)
    export = exports.read(engine, path)
    assert export.table.order_by("row").content.execute().tolist()[0] == ROWS[0][7]
    assert sorted(export.table.contact_id.execute()) == ["0200", "100", "300"]


def test_an_opendocument_sheet_is_named_with_the_way_on(engine, tmp_path):
    with zipfile.ZipFile(tmp_path / "failed.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", "<office/>")
    with pytest.raises(InputError, match=r"failed\.ods is an OpenDocument file; save it as \.xlsx"):
        exports.read(engine, tmp_path / "failed.ods")


def test_gzip_zip_workbook_and_parquet_give_the_same_table(engine, write, tmp_path):
    path = write(ROWS)
    packed = tmp_path / "failed.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    archive = tmp_path / "failed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "failed.csv")
    book = openpyxl.Workbook()
    for cells in [HEADER, *ROWS]:
        book.active.append(cells)
    book.save(tmp_path / "failed.xlsx")
    parquet = tmp_path / "failed.parquet"
    engine.con.read_csv(str(path), all_varchar=True).to_parquet(parquet)
    for other in (packed, archive, tmp_path / "failed.xlsx", parquet):
        assert contacts(engine, other) == ["0200", "100", "300"], other


@pytest.mark.parametrize(
    "header",
    [SPANISH, [h.upper().replace(" ", "_") for h in HEADER], [f" {h.lower()} " for h in HEADER]],
)
def test_columns_match_in_english_and_spanish_without_case_space_and_punctuation(
    engine, write, header
):
    table = exports.read(engine, write(ROWS, header=header)).table
    assert table.order_by("row").sender_type.execute().tolist() == [
        "broadcast",
        "broadcast",
        "user",
    ]


def test_columns_in_another_order_with_extra_ones(engine, write):
    path = write(
        [["x", "boom", "100"], ["y", "bang", "200"]],
        header=["Notes", "Failure Reason", "Contact ID"],
    )
    table = exports.read(engine, path).table
    assert sorted(zip(table.contact_id.execute(), table.error.execute(), strict=True)) == [
        ("100", "boom"),
        ("200", "bang"),
    ]
    assert table.sent_at.isnull().all().execute()


def test_many_files_and_patterns_count_each_row_once(engine, write, tmp_path):
    write(ROWS[:1], "a.csv")
    write(ROWS[1:], "b.csv", delimiter=";")
    export = exports.read(engine, [str(tmp_path / "*.csv"), str(tmp_path / "a.csv")])
    assert export.rows == 3
    assert sorted(export.table.source_file.execute()) == ["a.csv", "b.csv", "b.csv"]


def test_ids_damaged_by_a_spreadsheet_are_rejected_or_repaired_where_certain(engine, write):
    rows = [
        row("123.0", "1"),
        row("1.0E+08", "2"),
        row("1,69E+15", "3"),
        row("", "4"),
        row("007", "5"),
        row("8", "6", channel="1.2E+09"),
    ]
    export = exports.read(engine, write(rows))
    assert sorted(export.table.contact_id.execute()) == ["007", "123"]
    assert export.rejected[["line", "reason"]].to_numpy().tolist() == [
        [3, "a contact ID damaged by a spreadsheet"],
        [4, "a contact ID damaged by a spreadsheet"],
        [5, "no contact ID"],
        [7, "a channel ID damaged by a spreadsheet"],
    ]


def test_lines_count_line_breaks_inside_values_and_unreadable_records(engine, write):
    path = write([row("1", "1", content="a"), row("2", "2")])
    text = (
        path.read_text().replace('""a""', '""a\n\nb""')
        + "too,few\n"
        + ",".join(row("", "3", content="c")[:3])
        + ",,9,,,,,,,e\n"
    )
    path.write_text(text)
    export = exports.read(engine, path)
    assert export.rejected["line"].tolist() == [6, 7]
    assert [text.splitlines()[line - 1][:7] for line in export.rejected["line"]] == [
        "too,few",
        "2022-01",
    ]


@pytest.mark.parametrize(
    "dates",
    [
        {"1/13/2022 3:00:00 PM": "2022-01-13 21:00:00"},
        {
            "2022-01-11 15:00:00": "2022-01-11 21:00:00",
            "2022-01-11T15:00:00": "2022-01-11 21:00:00",
            "2022-01-11T15:00:00Z": "2022-01-11 15:00:00",
            "2022-01-11 15:00": "2022-01-11 21:00:00",
            "13/01/2022 15:00": "2022-01-13 21:00:00",
            "13.01.2022 15:00": "2022-01-13 21:00:00",
            "2022/01/13 15:00:00.123": "2022-01-13 21:00:00",
            "13/1/2022 12:05 a. m.": "2022-01-13 06:05:00",
        },
    ],
    ids=["month first", "day first"],
)
def test_dates_in_the_shapes_that_exports_and_spreadsheets_give(engine, write, dates):
    path = write([row(str(n), str(n), at=text) for n, text in enumerate(dates, 1)])
    table = exports.read(engine, path, timezone="America/Mexico_City").table
    told = [str(at)[:19] for at in table.order_by("row").execute().sent_at]
    assert dict(zip(dates, told, strict=True)) == dates


def test_a_damaged_date_is_no_date(engine, write):
    damaged = [
        "2022-01-11 18:0 :28",
        "2022-01-11 18:04:2",
        "2022-01-11 18:04 CET",
        "2022-01-11 18:04:28 x",
        "202-01-11 18:04:28",
        "2022-01-11 18:",
        "epoch",
        "infinity",
        "2022-01-11 (BC) 18:04",
        "2022-01-11 25:04:28",
    ]
    rows = [row(str(n), str(n), at=text) for n, text in enumerate(damaged, 1)]
    export = exports.read(engine, write([*rows, row("99", "99")]))
    assert export.table.contact_id.execute().tolist() == ["99"]
    assert export.rejected[["line", "reason"]].to_numpy().tolist() == [
        [line, "a date that cannot be read"] for line in range(2, 2 + len(damaged))
    ]


def test_ambiguous_dates_are_asked_about_and_settled_by_date_format(engine, write):
    path = write([row(at="03/04/2022 10:00"), row("2", "2", at="05/06/2022 10:00")])
    with pytest.raises(DateError, match=r"03/04/2022 10:00.*two ways.*date_format"):
        exports.read(engine, path)
    for date_format, month in (("DMY", 4), ("MDY", 3), ("%d/%m/%Y %H:%M", 4)):
        table = exports.read(engine, path, date_format=date_format).table
        assert min(table.sent_at.execute()).month == month
    with pytest.raises(DateError, match="date_format"):
        exports.read(engine, path, date_format="whatever")
    with pytest.raises(DateError, match="mixes"):
        exports.read(engine, write([row(at="13/01/2022"), row("2", "2", at="01/13/2022")]))


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", InputError, "is empty"),
        (b"\n\n", InputError, "is empty"),
        (b"%PDF-1.7 ...", InputError, "PDF"),
        (b"\x89PNG\r\n\x1a\n", InputError, "an image"),
        (b"just a line of prose", InputError, "not a CSV"),
        (b"\x00\x01\x02\x03" * 50, InputError, "not a text file|not text"),
        (b"Contact ID,Error\n", InputError, "header but no rows"),
        (b"2022-01-11 15:00:00,88001,broadcast,100,9001,boom\n", InputError, "no header row"),
        (
            b"Contact ID,Channel ID\n1,2\n",
            ColumnError,
            "no 'Error' column.*found: 'Contact ID', 'Channel ID'",
        ),
        (b"Contac ID,Error\n1,2\n", ColumnError, "Did you mean 'Contac ID'"),
        (b"Contact ID,Error,Reason\n1,2,3\n", ColumnError, "two columns that both fit"),
        (
            b"Contact ID,Error\n1.0E+08,x\n",
            InputError,
            "every row was rejected.*do not open it in a spreadsheet",
        ),
    ],
)
def test_what_is_no_export_is_refused_with_one_sentence(engine, tmp_path, content, kind, words):
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    with pytest.raises(kind, match=words) as error:
        exports.read(engine, path)
    assert "\n" not in str(error.value)
    assert "export.csv" in str(error.value)


def test_missing_files_folders_and_doubles_are_refused(engine, write, tmp_path):
    path = write(ROWS, "failed_messages.csv")
    with pytest.raises(InputError, match=r"No such file.*Did you mean 'failed_messages.csv'"):
        exports.read(engine, tmp_path / "failed_mesages.csv")
    with pytest.raises(InputError, match="is a folder"):
        exports.read(engine, tmp_path)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="given twice"):
        exports.read(engine, [path, copy])
    with pytest.raises(
        ParameterError, match=r"no known time zone.*Did you mean 'America/Mexico_City'"
    ):
        exports.read(engine, path, timezone="America/Mexico_Cty")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6)
    | st.lists(st.tuples(TEXTS, TEXTS), min_size=30, max_size=60)
)
def test_any_text_in_content_and_error_comes_back_as_it_was(engine, write, texts):
    path = write([row(str(i), str(i), error=e, content=c) for i, (c, e) in enumerate(texts)])
    table = exports.read(engine, path).table.order_by("row").to_pandas()
    assert table["error"].fillna("").tolist() == [e for _, e in texts]


def test_a_stray_quote_costs_its_own_row_only(engine, write):
    path = write([row(str(n), f"m{n}") for n in range(1, 7)])
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(
        ",text,message,", ',text,"message,'
    )  # opens a value that nothing closes
    path.write_text("\n".join(lines) + "\n")
    export = exports.read(engine, path)
    assert sorted(export.table.contact_id.execute()) == ["1", "2", "4", "5", "6"]
    assert export.rejected["line"].tolist() == [4]


def test_a_file_without_a_last_line_break_keeps_its_last_row(engine, write):
    path = write([row("1", "1"), row("2", "2", "an error that no other row has")])
    path.write_text(path.read_text().rstrip("\n"))
    export = exports.read(engine, path)
    assert sorted(export.table.contact_id.execute()) == ["1", "2"] and export.rejected.empty


@pytest.mark.parametrize(
    ("error", "stray", "kept"),
    [
        (
            "blocked",
            "Report of January",
            ["1", "2", "3"],
        ),  # another row has this error, and none goes on so
        ("Number", "is invalid", ["2", "3"]),
        ("", "blocked", ["2", "3"]),
    ],
)
def test_a_stray_line_costs_the_row_before_it_only_where_that_may_go_on(
    engine, write, error, stray, kept
):
    path = write([row("1", "m1", error), row("2", "m2", "blocked"), row("3", "m3", "blocked")])
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:2], stray, *lines[2:]]))
    export = exports.read(engine, path)
    assert sorted(export.table.contact_id.execute()) == kept
    assert export.rejected["line"].tolist() == ([3] if "1" in kept else [2])


def test_rows_of_another_table_are_no_contacts(engine, tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text(
        "ContactID,PhoneNumber,Email,Tags\n1001,+52 55"
        " 1234,ana@example.com,\n1002,none,,\n1003,,none,\nx0,x1,x2,x3\n7,7,7,7\n"
    )
    export = exports.read(engine, path, "contacts")
    assert export.table.order_by("row").contact_id.execute().tolist() == ["1001", "1002", "1003"]
    assert export.rejected[["line", "reason"]].to_numpy().tolist() == [
        [line, "a phone number and an e-mail address that are none"] for line in (5, 6)
    ]


def test_a_heading_that_swallowed_rows_is_refused_and_old_accents_are_not_guessed(engine, write):
    path = write(ROWS)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Error", '"Error', 1), encoding="utf-8")
    with pytest.raises((InputError, ColumnError)):
        exports.read(engine, path)
    for code in ("cp437", "cp850", "mac-roman"):
        path.write_bytes(
            "\n".join(
                [
                    text.split("\n")[0],
                    *(",".join(row(str(n), str(n), "El envió falló así")) for n in range(3)),
                ]
            ).encode(code)
        )
        with pytest.raises(InputError, match="encoding that cannot be told"):
            exports.read(engine, path)


def test_many_files_are_read_as_one_table_in_their_order(engine, write):
    paths = [write([row(str(n), str(9000 + n))], name=f"part{n:02}.csv") for n in range(23)]
    export = exports.read(engine, [str(path) for path in paths])
    rows = export.table.order_by("row_id").to_pandas()
    assert rows["contact_id"].tolist() == [str(n) for n in range(23)]
    assert rows["source_file"].tolist() == [path.name for path in paths]
    assert set(rows["row"]) == {1}


FOREIGN = {  # errors as a spreadsheet of the country saves them
    "cp1250": "Użytkownik zablokował nadawcę, już nie pisz",
    "cp1251": "Пользователь заблокировал отправителя",
    "cp1253": "Ο χρήστης έχει αποκλείσει τον αποστολέα",
    "cp1255": "המשתמש חסם את השולח",
    "cp1256": "قام المستخدم بحظر المرسل",
    "gbk": "用户已屏蔽发送者",
    "shift_jis": "ブロックされたユーザーです",
    "euc_kr": "사용자가 발신자를 차단했습니다",
}
WESTERN = (
    "¡Hola! ¿Cómo estás? El usuario bloqueó al remitente nº 5, 20 € más, 25 m³",
    "Nos meilleurs vœux à votre sœur, créée l'été: l'œuvre est fermée",
    "As promoções não estão disponíveis, o usuário não está na área",
    "Empfänger ungültig, schöne Grüße – wir schließen früh",
    "Hääyöaie päättyi, lähettäjä estettiin",
)


@pytest.mark.parametrize("code", FOREIGN)
def test_words_of_another_encoding_are_refused_and_not_read_as_other_words(engine, write, code):
    rows = [row(str(n), str(9000 + n), FOREIGN[code]) for n in range(5)]
    with pytest.raises(InputError, match="encoding that cannot be told"):
        exports.read(engine, write(rows, encoding=code))


@pytest.mark.parametrize("text", WESTERN)
def test_words_of_the_west_are_read_as_they_were_saved(engine, write, text):
    rows = [row(str(n), str(9000 + n), text) for n in range(5)]
    export = exports.read(engine, write(rows, encoding="cp1252"))
    assert set(export.table.to_pandas()["error"]) == {text}


@pytest.mark.parametrize("foreign", [0, 1, 11_999, 12_000])
def test_the_encoding_of_a_long_file_is_that_of_most_lines(engine, write, foreign):
    """More lines than are judged; the foreign ones of a mixed file stand at its end."""
    text = "El usuario bloqueó al remitente"
    rows = [row(str(n), str(100000 + n), text) for n in range(12_000)]
    path = write(rows, name="rest.csv", header=None, encoding="cp1252")
    old = path.read_bytes().splitlines(keepends=True)[12_000 - foreign :]
    path = write(rows[: 12_000 - foreign])
    path.write_bytes(path.read_bytes() + b"".join(old))
    export = exports.read(engine, path)
    found = export.table.to_pandas()["error"].value_counts().to_dict()
    if foreign < 6_000:
        assert found == {text: 12_000 - foreign} and len(export.rejected) == foreign
    else:
        garbled = text.encode().decode("cp1252")
        wanted = {text: foreign, garbled: 12_000 - foreign}
        assert found == {said: n for said, n in wanted.items() if n}
