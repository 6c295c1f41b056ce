"""A lost index: its pictures come back, whatever became of the file, and what does not say what drew it is kept."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.parameters.picture_record import read_picture
from bksdm_demo.records import Phase, Request
from bksdm_demo.store.contract import Filter, Retention, StoreError
from bksdm_demo.store.recovery import BREAK, LOST, FoundPicture, rebuilt
from bksdm_demo.store.sqlite import INDEX_NAME, SqliteStore
from bksdm_demo.units import DAY
from tests.fakes import FAMILY, fake_comparisons
from tests.runs.test_comparisons import finish
from tests.store.test_shared_folder import PATIENCE, said
from tests.store.test_shared_folder import child as child  # a fixture, also for this file
from tests.store.test_sqlite import PICTURE, done, new_job, stored

OLD = 7200.0  # seconds: older than what a running process may be writing


def reopened(folder: Path, **retention: Any) -> SqliteStore:
    return SqliteStore(folder, Retention(**retention), read_picture=read_picture)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "pictures").rglob("*.png")}


def age(folder: Path, seconds: float) -> None:
    """Make the pictures that much older; they stay in their order."""
    for path in folder.rglob("*.png"):
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A data folder with one comparison of two models and two seeds; its pictures are two hours old."""
    folder = tmp_path / "data"
    service = fake_comparisons(tmp_path, store=SqliteStore(folder))
    finish(service, service.submit(Request("red apple", steps=3), FAMILY[:2], seeds=(7, 8)))
    service.close()
    age(folder, OLD)
    return folder


def lose(index: Path) -> None:
    index.rename(index.with_suffix(".moved"))


def empty(index: Path) -> None:
    index.write_bytes(b"")


def half(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM jobs")
    connection.close()


@pytest.mark.parametrize("happens", [lose, empty, half])
def test_pictures_come_back_with_all_that_they_say(drawn: Path, happens: Callable[[Path], None]) -> None:
    before = pictures(drawn)
    happens(drawn / INDEX_NAME)
    store = reopened(drawn)
    assert pictures(drawn) == before
    (job,) = store.list(Filter(text="apple")).jobs
    assert (job.request.prompt, job.request.steps, job.models, job.seeds) == ("red apple", 3, FAMILY[:2], (7, 8))
    assert [cell.phase for cell in job.cells] == [Phase.DONE] * 4
    assert sorted(store.picture(job.id, index) for index in range(4)) == sorted(before.values())
    for index, cell in enumerate(job.cells):
        result, _ = read_picture(store.picture(job.id, index))
        assert (result.model, result.request.seed) == (cell.model, cell.seed)
        assert cell.result is not None
        assert (cell.result.size, cell.result.verdict.blocked) == ((64, 64), False)
    assert "4 pictures" in store.note
    store.close()
    again = reopened(drawn)
    assert (again.list(Filter()).total, again.note) == (1, "")
    again.close()


def test_a_killed_server_and_a_moved_index(child: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    process = child()
    said(process)
    assert said(process) == "first"
    process.kill()
    process.wait(PATIENCE)
    data = tmp_path / "data"
    before = pictures(data)
    assert len(before) == 1
    lose(data / INDEX_NAME)  # as the message advises; its write-ahead log stays behind
    store = reopened(data)
    (job,) = store.list(Filter()).jobs
    assert store.picture(job.id, 0) == next(iter(before.values()))
    store.close()


def test_pictures_without_parameters_go_into_quarantine(tmp_path: Path) -> None:
    store = reopened(tmp_path)
    stored(store, new_job())
    store.close()
    age(tmp_path, OLD)
    before = pictures(tmp_path)
    lose(tmp_path / INDEX_NAME)
    for times in (1, 2):  # a later start says so again
        store = reopened(tmp_path)
        assert store.list(Filter()).total == 0
        assert "holds 4 pictures" in store.note, times
        store.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "quarantine").iterdir()} == before


def test_a_picture_that_should_have_expired_was_starred(drawn: Path) -> None:
    age(drawn, 40 * DAY)
    lose(drawn / INDEX_NAME)
    store = reopened(drawn, keep_seconds=30 * DAY)
    (job,) = store.list(Filter()).jobs
    assert job.starred
    assert len(pictures(drawn)) == 4
    store.close()


def test_a_living_process_keeps_its_young_pictures(drawn: Path) -> None:
    alive = reopened(drawn)
    lose(drawn / INDEX_NAME)
    age(drawn, 10 - OLD)
    other = reopened(drawn)
    assert (other.list(Filter()).total, other.note) == (0, "")
    other.close()
    alive.close()


def test_deleted_pictures_do_not_come_back(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = reopened(drawn)
    (job,) = store.list(Filter()).jobs
    with monkeypatch.context() as stuck:
        stuck.setattr(Path, "unlink", _refused)  # as after a crash, or while another program reads the file
        store.delete(job.id)
    store.close()
    assert len(pictures(drawn)) == 4
    store = reopened(drawn)
    assert (store.list(Filter()).total, store.note, pictures(drawn)) == (0, "", {})
    store.close()


def test_a_picture_without_its_record_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = reopened(tmp_path)
    job = new_job()
    store.add(job)
    with monkeypatch.context() as killed:
        killed.setattr("bksdm_demo.store.sqlite.put_cell", _refused)
        killed.setattr(Path, "unlink", _refused)
        with pytest.raises(StoreError):
            store.save_cell(job.id, 0, done(job, 0), PICTURE)
    store.close()
    assert len(pictures(tmp_path)) == 1
    store = reopened(tmp_path)
    assert (pictures(tmp_path), store.note) == ({}, "")
    store.close()


def _refused(*_: object, **__: object) -> None:
    raise OSError(13, "Permission denied")


def found(model: str, seed: int, written: float, prompt: str = "red apple") -> FoundPicture:
    job = new_job(prompt, (model,))
    result = done(job, 0).result
    assert result is not None
    made = result.__class__(model, Request(prompt, seed=seed), result.verdict, result.timings, stored_size=(8, 8))
    return FoundPicture(f"{model}{seed}{written}", written, 1, made, {})


def test_one_request_drawn_in_one_go_is_one_comparison() -> None:
    parts = [found("a", 7, 1.0), found("a", 8, 2.0), found("b", 7, 3.0)]
    ((job, placed),) = rebuilt([*reversed(parts)])
    assert [(cell.model, cell.seed) for cell in job.cells] == [("a", 7), ("b", 7), ("a", 8), ("b", 8)]
    assert [cell.phase for cell in job.cells] == [*[Phase.DONE] * 3, Phase.INTERRUPTED]
    assert job.cells[3].message == LOST
    assert {index: picture.name for index, picture in placed.items()} == {
        0: parts[0].name, 2: parts[1].name, 1: parts[2].name
    }  # fmt: skip
    assert job.created == 1.0


@pytest.mark.parametrize(
    "second",
    [
        found("b", 7, 1.0, prompt="blue whale"),  # another request
        found("a", 7, 2.0),  # the same cell again
        found("b", 7, 2.0 + BREAK),  # much later
    ],
)
def test_anything_else_is_another_comparison(second: FoundPicture) -> None:
    assert len(list(rebuilt([found("a", 7, 1.0), second]))) == 2


def test_a_rebuilt_comparison_is_no_larger_than_a_new_one() -> None:
    for count, many in ((16, [found("a", seed, 1.0 + seed) for seed in range(40)]),
                        (64, [found(f"m{place}", place, 1.0 + place) for place in range(16)])):  # fmt: skip
        for job, _ in rebuilt(many):
            assert len(job.cells) <= count
