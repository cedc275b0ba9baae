"""cache: a file is parsed once for all runs that share REBROADCAST_CACHE, and never taken for
another.
"""

import os
import shutil
import stat

import pytest

from rebroadcast.reading import cache, exports, salvage

HEAD = "Date & Time,Contact ID,Message ID,Channel ID,Error\n"
ROWS = (
    '2022-01-11 15:00:00,100,9001,1001,"two\nlines"\ntoo,few\n2022-01-11'
    " 15:00:01,1.0E+08,9002,1001,boom\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch):
    """The names of the files that were parsed, in turn."""
    names, real = [], salvage.read

    def read(engine, source, doubted):
        names.append(source.name)
        return real(engine, source, doubted)

    monkeypatch.setattr(salvage, "read", read)
    return names


def found(engine, path, **options):
    export = exports.read(engine, str(path), **options)
    return export.table.order_by("row").to_pandas().to_dict("records"), export.rejected.to_dict(
        "records"
    )


def write(tmp_path, text=HEAD + ROWS, name="failed.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_without_a_folder_nothing_is_shared(engine, tmp_path, parsed, monkeypatch):
    monkeypatch.delenv(cache.FOLDER, raising=False)
    path = write(tmp_path)
    assert found(engine, path) == found(engine, path) and parsed == ["failed.csv"] * 2


def test_a_file_is_parsed_once_and_gives_the_same_rows_and_rejects(
    engine, tmp_path, folder, parsed
):
    path = write(tmp_path)
    first = found(engine, path)
    assert [r["reason"] for r in first[1]] == [
        "too few columns",
        "a contact ID damaged by a spreadsheet",
    ]
    assert found(engine, path) == first and parsed == ["failed.csv"]
    there = found(
        engine, path, timezone="America/Mexico_City"
    )  # what is shared does not depend on it
    assert there[0][0]["sent_at"] != first[0][0]["sent_at"] and parsed == ["failed.csv"]


def test_another_content_under_the_same_name_is_read_anew(engine, tmp_path, folder, parsed):
    path = write(tmp_path)
    before, seen = found(engine, path), path.stat()
    write(tmp_path, HEAD + ROWS.replace("100,9001", "200,9001"))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert found(engine, path)[0][0]["contact_id"] == "200" != before[0][0]["contact_id"]
    assert len(parsed) == 2


def test_the_folder_may_be_deleted_or_damaged_at_any_moment(engine, tmp_path, folder, parsed):
    path = write(tmp_path)
    first = found(engine, path)
    export = exports.read(engine, str(path))  # from the cache, not yet looked at
    shutil.rmtree(folder)
    assert export.table.count().execute() == 1
    assert found(engine, path) == first and len(parsed) == 2
    [entry] = folder.iterdir()
    (entry / "refused.parquet").write_bytes(b"broken")
    assert found(engine, path) == first and len(parsed) == 3


def test_entries_are_private_and_old_ones_go(engine, tmp_path, folder):
    found(engine, write(tmp_path))
    [entry] = folder.iterdir()
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder, entry, *sorted(entry.iterdir()))]
    assert modes == [0o700, 0o700, 0o600, 0o600]
    os.utime(entry, (0, 0))
    found(engine, write(tmp_path, HEAD + ROWS.replace("9001", "9003")))
    assert entry not in set(folder.iterdir()) and len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_no_obstacle(engine, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "file" / "cache"))
    assert len(found(engine, write(tmp_path))[0]) == 1
