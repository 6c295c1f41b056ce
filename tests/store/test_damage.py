"""The store when things go wrong: missing and torn files, a full disk, what a crash leaves, older and newer files."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.store import database as store_database
from bksdm_demo.store.contract import Filter, Retention, StoreError, Unreadable
from bksdm_demo.store.sqlite import INDEX_NAME, SqliteStore, open_store
from tests.store.test_sqlite import PICTURE, done, ids, new_job, stored


def test_a_missing_picture_is_reported_and_the_job_stays(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job = stored(store, new_job())
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    for index in range(4):
        with pytest.raises(StoreError, match="missing from the data folder"):
            store.picture(job.id, index)
    assert store.get(job.id).finished
    store.close()


@pytest.mark.parametrize("damage", ["nonsense", "torn", "newer", "half"])
def test_an_unusable_folder_is_reported_and_left_alone(tmp_path: Path, damage: str) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    for _ in range(40):
        stored(store, new_job())
    store.close()
    index = tmp_path / INDEX_NAME
    if damage == "nonsense":
        index.write_bytes(b"not a database at all" * 100)
    elif damage == "torn":
        data = bytearray(index.read_bytes())
        data[4096 * 2 : 4096 * 8] = os.urandom(4096 * 6)
        index.write_bytes(data)
    else:
        with sqlite3.connect(index) as connection:
            connection.execute("PRAGMA user_version = 99" if damage == "newer" else "DROP TABLE columns")
        connection.close()
    for path in tmp_path.rglob("*.png"):
        os.utime(path, (1, 1))  # old enough for any sweep
    before = index.read_bytes()
    pictures = len(list(tmp_path.rglob("*.png")))
    with pytest.raises(StoreError, match="newer version" if damage == "newer" else "damaged"):
        SqliteStore(tmp_path)
    fallback = open_store(tmp_path)
    assert "memory only" in fallback.problem
    assert str(tmp_path) not in fallback.problem  # visitors read it
    stored(fallback, new_job())  # the app goes on
    fallback.close()
    assert index.read_bytes() == before
    assert len(list(tmp_path.rglob("*.png"))) == pictures


def test_an_index_that_cannot_be_written_leaves_every_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    stored(store, new_job())
    store.close()
    pictures = list(tmp_path.rglob("*.png"))
    connect = sqlite3.connect
    monkeypatch.setattr(  # permissions do not stop root
        sqlite3, "connect", lambda path, **options: connect(f"file:{path}?mode=ro", uri=True, **options)
    )
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(tmp_path)
    monkeypatch.undo()
    assert sorted(tmp_path.rglob("*.png")) == sorted(pictures)


def test_a_path_below_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(tmp_path / "file" / "below")
    assert "cannot be used" in store.problem
    store.close()


def test_a_foreign_record_is_reported(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job, other = stored(store, new_job()), stored(store, new_job())
    with sqlite3.connect(tmp_path / INDEX_NAME) as connection:
        connection.execute("UPDATE jobs SET record = '{}' WHERE id = ?", (job.id,))
        connection.execute("UPDATE columns SET picture = '../../secret.png' WHERE job = ?", (other.id,))
    connection.close()
    with pytest.raises(StoreError, match=f"cannot read the record of comparison {job.id}"):
        store.get(job.id)
    page = store.list(Filter())  # one that cannot be read hides no others, and is counted
    assert ([found.id for found in page.jobs], page.total) == ([other.id], 2)
    assert page.unreadable == (Unreadable(job.id, job.created),)
    with pytest.raises(StoreError, match="never makes"):
        store.picture(other.id, 0)
    store.delete(job.id)
    assert store.list(Filter()).unreadable == ()
    store.close()


def test_an_unreadable_job_of_a_dead_server_does_not_stop_the_next_start(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job, other = stored(store, new_job()), stored(store, new_job())
    store.close()
    with sqlite3.connect(tmp_path / INDEX_NAME) as connection:
        connection.execute("UPDATE jobs SET runner = 'dead', record = '{}' WHERE id = ?", (job.id,))
        connection.execute("UPDATE columns SET final = 0 WHERE job = ?", (job.id,))
    connection.close()
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    assert ids(store) == [other.id]
    store.close()


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job = new_job()
    store.add(job)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.save_cell(job.id, 0, done(job, 0), PICTURE)
    monkeypatch.undo()
    assert [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()] == []
    assert not store.get(job.id).cells[0].phase.final
    store.close()


def test_half_written_files_of_a_crash_are_removed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job = stored(store, new_job())
    store.close()
    folder = tmp_path / "pictures" / "ab"
    folder.mkdir(exist_ok=True)
    abandoned, young, foreign = (folder / name for name in (".bksdm-demo-1.part", ".bksdm-demo-2.part", "notes.txt"))
    for path in (abandoned, young, foreign):
        path.write_bytes(PICTURE)
    for path in (abandoned, foreign):
        os.utime(path, (1, 1))
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    assert [path.exists() for path in (abandoned, young, foreign)] == [False, True, True]
    assert [store.picture(job.id, index) for index in range(4)] == [PICTURE] * 4
    assert store.note == ""
    store.close()


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "deep" / "data").close()
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o077 == 0


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    job = stored(store, new_job())
    store.close()
    later = (
        *store_database.COMPARISONS.migrations,
        "CREATE TABLE votes (job TEXT); ALTER TABLE jobs ADD CELL note TEXT;",
    )
    monkeypatch.setattr(store_database, "COMPARISONS", replace(store_database.COMPARISONS, migrations=later))
    store = SqliteStore(tmp_path, Retention(keep_seconds=None))
    assert ids(store) == [job.id]
    store.close()
    with sqlite3.connect(tmp_path / INDEX_NAME) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
        assert connection.execute("SELECT COUNT(*) FROM votes").fetchone() == (0,)
    connection.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteStore(tmp_path).close()
    broken = (*store_database.COMPARISONS.migrations, "CREATE TABLE votes (job TEXT); SELECT no_such_thing;")
    monkeypatch.setattr(store_database, "COMPARISONS", replace(store_database.COMPARISONS, migrations=broken))
    with pytest.raises(StoreError):
        SqliteStore(tmp_path)
    monkeypatch.undo()
    SqliteStore(tmp_path).close()
