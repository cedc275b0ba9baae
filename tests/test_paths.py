"""Archives and places that are made to do harm: refused with one sentence, or contained."""

import gzip
import io
import os
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import openpyxl
import pytest

from conftest import HEADER, row
from rebroadcast.common.exceptions import InputError, OutputError, ParameterError, RulesError
from rebroadcast.reading import exports
from rebroadcast.report import reports
from rebroadcast.sources import archives
from rebroadcast.verbs.convert import convert

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension'
    ' ref="A1:XFD1048576"/><sheetData>{}</sheetData></worksheet>'
)


def refused(engine, path, words="") -> str:
    """The one sentence that refuses a file, with less on the disk than a bomb would leave."""
    with pytest.raises(InputError) as caught:
        exports.read(engine, [str(path)])
    text = str(caught.value)
    assert path.name in text and words in text and len(text) < 400 and "\n" not in text
    assert (
        sum(p.stat().st_size for p in engine.scratch.rglob("*") if p.is_file())
        < 2 * archives.ROOM + archives.RATIO * path.stat().st_size
    )
    return text


def text_of(rows, header=HEADER) -> str:
    return (
        "\n".join(
            ",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in r) for r in [header, *rows]
        )
        + "\n"
    )


def test_a_bomb_is_refused_before_it_fills_the_disk(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 2**20)
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    (tmp_path / "bomb.csv.gz").write_bytes(packed)
    refused(engine, tmp_path / "bomb.csv.gz", "unpacks to more than")
    with zipfile.ZipFile(
        tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9
    ) as archive:
        archive.writestr("export.csv", bytes(64 * 2**20))
    refused(engine, tmp_path / "bomb.zip", "unpacks to more than")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(tmp_path / "bomb.zip", "inner.zip")
    refused(engine, tmp_path / "outer.zip", "0 of them CSV")


def test_entries_that_overlap_or_lie_are_refused(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.csv", text_of([row()]) + "x" * 2**20)
    whole = buffer.getvalue()
    at = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry, directory = whole[at:end], b""
    for number in range(400):  # as many names for one piece of data
        directory += entry.replace(b"a.csv", b"%05d" % number)
    tail = bytearray(whole[end:])
    struct.pack_into("<HHII", tail, 8, 400, 400, len(directory), at)
    (tmp_path / "overlap.zip").write_bytes(
        whole[:at] + directory.replace(b"00000", b"a.csv") + bytes(tail)
    )
    refused(engine, tmp_path / "overlap.zip")
    small = bytearray(whole)  # the directory and the entry say that it is ten bytes
    struct.pack_into("<I", small, at + 24, 10)
    struct.pack_into("<I", small, 22, 10)
    (tmp_path / "lie.zip").write_bytes(bytes(small))
    refused(engine, tmp_path / "lie.zip")


def test_damaged_archives_are_one_sentence(engine, tmp_path):
    content = text_of([row(str(i), str(i)) for i in range(500)]).encode()
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    for name, whole in (
        ("z.zip", (tmp_path / "whole.zip").read_bytes()),
        ("g.csv.gz", gzip.compress(content)),
    ):
        for place in (12, 40, len(whole) // 2, len(whole) - 30, len(whole) - 5):
            (tmp_path / name).write_bytes(whole[:place])
            refused(engine, tmp_path / name)
            changed = bytearray(whole)
            changed[place : place + 3] = bytes(b ^ 0xA5 for b in changed[place : place + 3])
            (tmp_path / name).write_bytes(bytes(changed))
            try:
                assert (
                    exports.read(engine, [str(tmp_path / name)]).rows == 500
                )  # a place that says nothing
            except InputError as error:
                assert name in str(error)


def test_many_entries_and_entries_that_climb_are_contained(engine, tmp_path):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(archives.MEMBERS + 1):
            archive.writestr(f"{number}.csv", "x")
    refused(engine, tmp_path / "many.zip", "expected one export")
    with zipfile.ZipFile(tmp_path / "climb.zip", "w") as archive:
        for number, name in enumerate(
            (
                "../../climbed.csv",
                "/tmp/rebroadcast-absolute.csv",
                "C:\\x.csv",
                "a/../../b\u202e.csv",
            )
        ):
            archive.writestr(name, text_of([row(str(number), str(number))]))
    assert exports.read(engine, [str(tmp_path / "climb.zip")]).rows == 4
    assert (
        not list(tmp_path.parent.glob("climbed.csv"))
        and not Path("/tmp/rebroadcast-absolute.csv").exists()
    )
    link = zipfile.ZipInfo("link.csv")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "root" not in refused(engine, tmp_path / "link.zip")
    odd = (tmp_path / "climb.zip").read_bytes().replace("b\u202e".encode(), b"b\xff\xfe\xfd")
    (tmp_path / "odd.zip").write_bytes(odd)
    refused(engine, tmp_path / "odd.zip", "damaged")
    with tarfile.open(tmp_path / "export.tar", "w") as archive:
        archive.add(tmp_path / "climb.zip", "../x.csv")
    refused(engine, tmp_path / "export.tar")


def test_a_workbook_that_claims_or_unpacks_to_too_much(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ROOM", 2**20)
    book = openpyxl.Workbook()
    for r in [HEADER, row("1", "1"), ["", "", ""], row("2", "2")]:
        book.active.append(r)
    book.save(tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "book.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()

    def made(name: str, **changed) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, content in (
                parts
                | {"xl/worksheets/sheet1.xml": changed.get("sheet", sheet)}
                | changed.get("more", {})
            ).items():
                archive.writestr(part, content)
        return tmp_path / name

    claims = made(
        "claims.xlsx",
        sheet=re.sub('<dimension ref="[^"]*"', '<dimension ref="A1:XFD1048576"', sheet),
    )
    found = exports.read(engine, [str(claims)])
    assert (found.rows, len(found.rejected)) == (2, 1)
    cell = '<row r="{0}"><c r="XFD{0}" t="str"><v>x</v></c></row>'
    refused(
        engine,
        made("wide.xlsx", sheet=SHEET.format("".join(cell.format(n) for n in range(1, 3000)))),
    )
    refused(
        engine,
        made("deep.xlsx", sheet=SHEET.format('<row r="1"><c r="A1"/></row><row r="2000000000"/>')),
        "unpacks to more",
    )
    refused(
        engine, made("long.xlsx", sheet=SHEET.format(" " * (64 * 2**20))), "unpacks to more than"
    )
    laughs = (
        '<!DOCTYPE x [<!ENTITY a "ha">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 50}">' for i in range(9))
        + "]>"
    )
    refused(
        engine,
        made("laughs.xlsx", sheet=laughs + SHEET.format('<row><c t="str"><v>&j;</v></c></row>')),
    )


def test_what_is_no_file_is_refused_at_once(engine, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("/dev/zero")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "link.csv", "loop.csv", "folder.csv", "/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match=r"not a regular file|is a folder|No such file"):
            exports.read(engine, [str(tmp_path / name)])
    with pytest.raises(InputError, match="No such file"):
        exports.read(engine, [str(tmp_path / "*.csv")])
    from rebroadcast.errors import load_rules

    with pytest.raises(RulesError, match="not a regular file"):
        load_rules(tmp_path / "pipe.csv")
    command = [Path(sys.executable).parent / "rebroadcast", "report"]
    for option in ("--channels", "--rules", "--messages"):
        done = subprocess.run(
            [*command, "data/samples/failed_messages.csv", option, tmp_path / "pipe.csv"],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=Path(__file__).parents[1],
        )
        assert (
            done.returncode == 2
            and "not a regular file" in done.stderr
            and "Traceback" not in done.stderr
        )


def test_names_with_signs_are_names(engine, write, tmp_path):
    write([row("1", "1")], name="ax.csv")
    for name in (
        "a[x].csv",
        "a*.csv",
        "a?.csv",
        "{a}.csv",
        'it\'s "a".csv',
        "%s$HOME `x`.csv",
        "-a.csv",
        "ñ 日本.csv",
    ):
        write([row("1", "1"), row("2", "2")], name=name)
        assert exports.read(engine, [str(tmp_path / name)]).rows == 2, name
    odd = os.fsencode(tmp_path) + b"/a\xff.csv"
    with open(odd, "wb") as file:
        file.write((tmp_path / "ax.csv").read_bytes())
    with pytest.raises(InputError, match="rename the file"):
        exports.read(engine, [os.fsdecode(odd)])
    with pytest.raises(ParameterError, match="rename the file"):
        reports.run("failure_report", {"exports": os.fsdecode(odd)}, tmp_path / "out")


def test_an_overwrite_takes_nothing_but_results(write, tmp_path):
    path = write([row()])
    out = tmp_path / "out"
    out.mkdir()
    for name, given in (
        ("exports", {"exports": str(out / "x.csv")}),
        ("ledger", {"exports": str(path), "ledger": str(out / "ledger")}),
    ):
        (out / "x.csv").write_bytes(path.read_bytes())
        notebook = "tag_import" if name == "ledger" else "failure_report"
        with pytest.raises(OutputError, match=rf"\({name}\) lies in the folder for the results"):
            reports.run(notebook, given, out, overwrite=True)
    with pytest.raises(OutputError, match=r"holds 'x.csv', which is no result"):
        reports.run("failure_report", {"exports": str(path)}, out, overwrite=True)
    with pytest.raises(OutputError, match=r"holds 'x.csv', which is no result"):
        convert(str(path), out, overwrite=True)
    (tmp_path / "link").symlink_to(out)
    for place in (tmp_path / "link", tmp_path / "link" / "run"):
        if place.name == "link":
            with pytest.raises(OutputError, match="a link|no result"):
                reports.run("failure_report", {"exports": str(path)}, place, overwrite=True)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["failed.csv", "link", "out", "x.csv"]
