"""The store's contract, in a folder and in memory: what goes in comes out, limits, filters, foreign names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.jobs import new_id
from bksdm_demo.store.contract import Filter, Retention, StoreError, owner_digest
from bksdm_demo.store.sqlite import MEMORY_QUOTA, SqliteStore
from bksdm_demo.units import DAY

NOW = 1_000_000_000.0
TIMINGS = Timings(0.1 + 0.2, 1 / 3, 0.7, 0.01, 0.02, 1.23456789012345, (0.1, 0.2, 0.4), True, 0.05)
PICTURE = b"\x89PNG not really, but the store does not look"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "data" if request.param == "folder" else None


@pytest.fixture
def start(place: Path | None, clock: Clock) -> Iterator[Callable[..., SqliteStore]]:
    made: list[SqliteStore] = []

    def start(folder: Path | None = place, **retention: Any) -> SqliteStore:
        made.append(SqliteStore(folder, Retention(**retention), clock))
        return made[-1]

    yield start
    for store in made:
        store.close()


def new_job(prompt: str = "red apple", models: tuple[str, ...] = ("a", "b"), **fields: Any) -> Job:
    cells = tuple(Cell(model, seed=seed) for seed in (7, 8) for model in models)
    return Job(new_id(), Request(prompt, seed=7), cells, **{"created": NOW, **fields})


def done(job: Job, index: int) -> Cell:
    cell = job.cells[index]
    result = Result(
        cell.model,
        job.request_of(index),
        Verdict(False, "", (0.25, float("nan"))),
        TIMINGS,
        np.zeros((8, 16, 3), np.uint8),
        ("word", "sôme"),
        "fake",
        123,
        negative_truncated=("hände",),
    )
    return cell.verdict(Phase.DONE, result)


def stored(store: SqliteStore, job: Job, picture: bytes = PICTURE) -> Job:
    """Add the job, all cells done, and end it."""
    store.add(job)
    for index in range(len(job.cells)):
        store.save_cell(job.id, index, done(job, index), picture)
    ended = replace(job, cells=tuple(done(job, index) for index in range(len(job.cells))))
    store.end(ended)
    return ended


def ids(store: SqliteStore, **wanted: Any) -> list[str]:
    return [job.id for job in store.list(Filter(**wanted)).jobs]


# --- What goes in comes out ------------------------------------------------------------------------------------------


def test_a_job_comes_back_as_it_was_without_its_pixels(start: Callable[..., SqliteStore]) -> None:
    store = start()
    job = new_job(
        "naïve 红苹果",
        owner=owner_digest("me"),
        environment={"cpu": {"count": 2}},
        preview_every=3,
        cancelled=False,
    )
    ended = stored(store, job)
    read = store.get(job.id)
    for kept, cell in zip(read.cells, ended.cells, strict=True):
        assert kept.result is not None
        assert cell.result is not None
        assert kept.result.image is None
        assert (kept.shown, kept.result.size) == (True, (8, 16))
        assert kept.result.timings == TIMINGS  # to the last digit
        assert repr(kept.result.verdict) == repr(cell.result.verdict)  # NaN is not equal to itself
        assert kept.result.request == cell.result.request
        assert (kept.result.truncated, kept.result.negative_truncated) == (("word", "sôme"), ("hände",))
        assert (kept.model, kept.seed, kept.phase) == (cell.model, cell.seed, Phase.DONE)
    assert (read.request, read.owner, read.environment) == (job.request, job.owner, job.environment)
    assert (read.created, read.preview_every, read.expires) == (NOW, 3, NOW + 30 * DAY)
    assert store.picture(job.id, 2) == PICTURE


def test_a_folder_outlives_its_store(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path)
    job = stored(first, new_job(created=time.time()))
    first.close()
    second = SqliteStore(tmp_path)
    assert second.get(job.id).request == job.request
    assert second.picture(job.id, 0) == PICTURE
    second.close()
    second.close()  # twice is fine


def test_a_replaced_cell_leaves_no_old_picture(start: Callable[..., SqliteStore], place: Path | None) -> None:
    store = start()
    job = stored(store, new_job(models=("a",)))
    again = replace(job, cells=(job.cells[0].again(), job.cells[1]))
    store.claim(again, (0,))
    assert store.picture(job.id, 0) == PICTURE  # until there is a new one
    store.save_cell(job.id, 0, done(job, 0), b"newer")
    store.end(job)
    assert [store.picture(job.id, index) for index in (0, 1)] == [b"newer", PICTURE]
    if place is not None:
        assert len(list(place.rglob("*.png"))) == 2


def test_a_picture_that_is_not_shown_is_refused(start: Callable[..., SqliteStore], place: Path | None) -> None:
    store = start()
    job = new_job()
    store.add(job)
    blocked = done(job, 0)
    assert blocked.result is not None
    blocked = replace(blocked, result=replace(blocked.result, verdict=Verdict(True)))
    for cell in (blocked, job.cells[0], job.cells[0].ended(Phase.FAILED, "no")):
        with pytest.raises(StoreError, match="may not be shown"):
            store.save_cell(job.id, 0, cell, PICTURE)
    with pytest.raises(RequestError, match="no such picture"):
        store.picture(job.id, 0)
    assert place is None or not list(place.rglob("*.png"))


@pytest.mark.parametrize("foreign", ["", "guess", "../../etc/passwd", "x' OR '1'='1", "\udcff", "\0"])
def test_ids_from_outside_are_looked_up_and_nothing_else(start: Callable[..., SqliteStore], foreign: str) -> None:
    store = start()
    stored(store, new_job())
    for ask in (store.get, store.delete, lambda name: store.picture(name, 0)):
        with pytest.raises(RequestError, match="no comparison with this id"):
            ask(foreign)
    with pytest.raises(RequestError):
        store.star(foreign, True)
    assert store.usage().jobs == 1


def test_delete_removes_rows_and_files(start: Callable[..., SqliteStore], place: Path | None) -> None:
    store = start()
    job, other = stored(store, new_job()), stored(store, new_job())
    store.delete(job.id)
    with pytest.raises(RequestError):
        store.get(job.id)
    assert ids(store) == [other.id]
    assert place is None or len(list(place.rglob("*.png"))) == 4
    store.delete(other.id)
    assert (store.usage().jobs, store.usage().bytes) == (0, 0)


def test_the_end_of_a_job_closes_its_open_cells(start: Callable[..., SqliteStore]) -> None:
    store = start()
    job = new_job()
    store.add(job)
    store.save_cell(job.id, 0, done(job, 0), PICTURE)
    lost = done(job, 2)  # finished, but its picture never came here
    stopped = job.cells[1].ended(Phase.CANCELLED, "Stopped.")
    store.end(replace(job, cells=(done(job, 0), stopped, lost, stopped), cancelled=True, environment={"a": 1}))
    read = store.get(job.id)
    assert [cell.phase for cell in read.cells] == [Phase.DONE, Phase.CANCELLED, Phase.FAILED, Phase.CANCELLED]
    assert "run it again" in read.cells[2].message
    assert (read.cancelled, read.environment, read.resumable) == (True, {"a": 1}, (1, 2, 3))


# --- Lists and limits ------------------------------------------------------------------------------------------------


def test_filters_and_pages(start: Callable[..., SqliteStore], clock: Clock) -> None:
    store = start()
    prompts = ("red apple", "A Red CAR", "Übergröße café", "50%_off")
    jobs = [
        stored(store, new_job(prompt, ("a", "b") if index % 2 else ("c",), created=NOW + index, owner=str(index)))
        for index, prompt in enumerate(prompts)
    ]
    newest = [job.id for job in reversed(jobs)]
    assert ids(store) == newest
    assert ids(store, text="red") == [jobs[1].id, jobs[0].id]
    assert ids(store, text="car red") == [jobs[1].id]
    assert ids(store, text="ÜBERGRÖSSE") == [jobs[2].id]
    assert ids(store, text="%_") == [jobs[3].id]  # signs are signs
    assert ids(store, text="x' OR 1") == []
    assert ids(store, model="c") == [jobs[2].id, jobs[0].id]
    assert ids(store, since=NOW + 1, until=NOW + 3) == [jobs[2].id, jobs[1].id]
    assert ids(store, owner="3") == [jobs[3].id]
    store.star(jobs[0].id, True)
    assert ids(store, starred=True) == [jobs[0].id]
    assert store.star(jobs[0].id, False).starred is False
    page = store.list(Filter(), offset=1, limit=2)
    assert ([job.id for job in page.jobs], page.total) == (newest[1:3], 4)
    assert store.list(Filter(), offset=9).jobs == ()
    assert store.list(Filter(), offset=-5, limit=-1).total == 4


def test_old_jobs_expire_and_starred_ones_stay(start: Callable[..., SqliteStore], clock: Clock) -> None:
    store = start(keep_seconds=10 * DAY)
    old, starred = stored(store, new_job()), stored(store, new_job())
    assert store.star(starred.id, True).expires is None
    clock.now += 10 * DAY
    assert store.get(old.id).expires == clock.now
    clock.now += 1
    with pytest.raises(RequestError):
        store.get(old.id)
    clock.now += 100
    young = stored(store, new_job(created=clock.now))
    assert ids(store) == [young.id, starred.id]


def test_the_oldest_make_room_and_starred_ones_stay(start: Callable[..., SqliteStore], place: Path | None) -> None:
    store = start(quota_bytes=100_000, keep_seconds=None)
    starred = stored(store, new_job(created=NOW - 9), bytes(5_000))
    store.star(starred.id, True)
    kept = [stored(store, new_job(created=NOW + index), bytes(5_000)) for index in range(6)]
    assert store.usage().bytes <= 100_000
    left = ids(store)
    assert left[-1] == starred.id
    assert left[:-1] == [job.id for job in reversed(kept)][: len(left) - 1]  # a run of the newest
    assert 2 <= len(left) - 1 < 6
    assert place is None or len(list(place.rglob("*.png"))) == 4 * len(left)


def test_stars_cannot_fill_the_store(start: Callable[..., SqliteStore]) -> None:
    store = start(quota_bytes=100_000)
    jobs = [stored(store, new_job(created=NOW + index), bytes(5_000)) for index in range(4)]
    store.star(jobs[0].id, True)
    store.star(jobs[1].id, True)
    store.star(jobs[1].id, True)  # twice is once
    with pytest.raises(BusyError, match="star"):
        store.star(jobs[2].id, True)
    store.star(jobs[1].id, False)
    store.star(jobs[2].id, True)


def test_memory_has_a_smaller_quota() -> None:
    store = SqliteStore(None, Retention(quota_bytes=10 * MEMORY_QUOTA))
    assert store.usage().retention.quota_bytes == MEMORY_QUOTA
    assert store.usage().place == ""
    store.close()


def test_secrets_are_stored_as_digests_only() -> None:
    assert owner_digest("") == ""
    assert owner_digest("a") != owner_digest("b")
    assert "visitor" not in owner_digest("visitor")
