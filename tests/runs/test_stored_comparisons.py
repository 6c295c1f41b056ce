"""Comparisons that outlive memory and the process: seeds, resuming, running again, the gallery."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.errors import BusyError, EngineError, RequestError
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import Filter, StoreError, owner_digest
from bksdm_demo.store.sqlite import SqliteStore
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons
from tests.runs.test_comparisons import arrays_in, finish, phases, wait_for
from tests.store.store_child import REQUEST

PATIENCE = 60  # seconds until a test that hangs fails
MACHINE = {"cpu": {"name": "A processor"}}
TWO = FAMILY[:2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Comparisons]]:
    """Builds services over one data folder. After the test it opens their gates and closes them."""
    services: list[Comparisons] = []
    gates: list[threading.Event] = []

    def start(options: dict[str, dict[str, Any]] | None = None, **limits: Any) -> Comparisons:
        found = [value for entry in (options or {}).values() for value in entry.values()]
        gates.extend(value for value in found if isinstance(value, threading.Event))
        store = limits.pop("store", None) or SqliteStore(tmp_path / "data")
        services.append(fake_comparisons(tmp_path, options, store=store, environment=lambda: MACHINE, **limits))
        return services[-1]

    yield start
    for gate in gates:
        gate.set()
    for service in services:
        service.close()


def run(service: Comparisons, request: Request = REQUEST, models: tuple[str, ...] = TWO, **options: Any) -> Job:
    return finish(service, service.submit(request, models, **options))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


def engine(service: Comparisons, word: str) -> Any:
    return service.cache.open_part.engine(word)  # type: ignore[attr-defined]


# --- Several seeds ---------------------------------------------------------------------------------------------------


def test_every_model_draws_every_seed(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = run(service, seeds=(7, 9, 7))
    assert (job.seeds, job.models, job.request.seed) == ((7, 9), TWO, 7)
    assert [(cell.seed, cell.model) for cell in job.cells] == [(s, m) for s in (7, 9) for m in TWO]
    assert [cell.result.request.seed for cell in job.cells if cell.result] == [7, 7, 9, 9]
    assert job.index_of(TWO[1], 9) == 3
    assert job.request_of(3).seed == 9
    single = run(service, Request("red apple", seed=9, steps=4))
    for index, cell in enumerate(single.cells):
        assert cell.result is not None
        assert cell.result.image is not None
        assert np.array_equal(pixels(service.picture(job.id, 2 + index)), cell.result.image)
    with pytest.raises(RequestError, match="seed 8"):
        job.index_of(TWO[0], 8)


@pytest.mark.parametrize(("expected", "order"), [(10, (0, 1, 2, 3, 4, 5)), (600_000, (0, 2, 4, 1, 3, 5))])
def test_models_take_turns_if_all_fit_into_memory(
    start: Callable[..., Comparisons], expected: int, order: tuple[int, ...]
) -> None:
    """Else each model is finished before the next. The budget of the fakes is 1,000,000 bytes."""
    service = start(expected_memory=lambda system: expected)
    ended: list[int] = []
    job = service.submit(REQUEST, TWO, seeds=(1, 2, 3))
    assert job.order == order
    for snapshot in service.watch(job.id):
        ended += [i for i, cell in enumerate(snapshot.cells) if cell.phase.final and i not in ended]
        if snapshot.current is not None:
            assert snapshot.current not in ended
    assert sorted(ended, key=job.order.index) == ended
    assert start().get(job.id).order == order  # as stored


@pytest.mark.parametrize(
    ("seeds", "models", "words"),
    [
        ((-1,), TWO, "seed is -1"),
        ((1, "2"), TWO, "whole number"),
        (tuple(range(SEEDS_LIMIT + 1)), TWO[:1], f"at most {SEEDS_LIMIT}"),
    ],
)
def test_impossible_seeds_are_refused(
    start: Callable[..., Comparisons], seeds: tuple[Any, ...], models: tuple[str, ...], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        start().submit(REQUEST, models, seeds=seeds)


def test_too_many_pictures_are_refused(start: Callable[..., Comparisons], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bksdm_demo.runs.cells.CELLS_LIMIT", 7)
    with pytest.raises(RequestError, match="make 8 pictures"):
        start().submit(REQUEST, FAMILY, seeds=(1, 2))
    assert CELLS_LIMIT >= SEEDS_LIMIT


# --- Stored ----------------------------------------------------------------------------------------------------------


def test_a_finished_comparison_is_there_after_a_restart(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = run(service, seeds=(7, 8))
    service.close()
    again = start()
    read = finish(again, job)
    assert phases(read) == [Phase.DONE] * 4
    assert read.environment == MACHINE
    assert arrays_in(read) == []  # nothing is in memory before it is asked for
    for index, cell in enumerate(job.cells):
        assert cell.result is not None
        stored = read.cells[index].result
        assert stored is not None
        assert (stored.timings, stored.verdict) == (cell.result.timings, cell.result.verdict)
        assert cell.result.image is not None
        assert np.array_equal(pixels(again.picture(job.id, index)), cell.result.image)
    whole = again.with_pictures(read)
    assert [array.shape for array in arrays_in(whole)] == [(64, 64, 3)] * 4


def test_stored_pictures_carry_their_parameters(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = run(service, seeds=(7, 8))
    with Image.open(io.BytesIO(service.picture(job.id, 3))) as picture:
        record = json.loads(picture.info["bksdm-demo"])
        assert "Seed: 8" in picture.info["parameters"]
    assert (record["model"], record["request"]["seed"], record["environment"]) == (TWO[1], 8, MACHINE)


def test_memory_does_not_grow_with_the_gallery(start: Callable[..., Comparisons]) -> None:
    service = start(remembered_jobs=2)
    jobs = [run(service) for _ in range(5)]
    assert [bool(arrays_in(service.get(job.id))) for job in jobs] == [False, False, False, True, True]
    page = service.gallery()
    assert ([job.id for job in page.jobs], page.total) == ([job.id for job in reversed(jobs)], 5)
    assert pixels(service.picture(jobs[0].id, 0)).shape == (64, 64, 3)


def test_large_pictures_leave_memory_first(start: Callable[..., Comparisons], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bksdm_demo.runs.finished.REMEMBERED_PIXELS", 3 * 64 * 64 * 3)
    service = start()
    jobs = [run(service) for _ in range(3)]
    assert [bool(arrays_in(service.get(job.id))) for job in jobs] == [False, False, True]


def test_nothing_blocked_is_in_any_file(start: Callable[..., Comparisons], tmp_path: Path) -> None:
    service = start(preview_share=1e9)
    job = run(service, Request(f"a {BLOCKED_WORD}", steps=4), FAMILY, seeds=(1, 2), preview_every=1)
    assert phases(job) == [Phase.BLOCKED] * 8
    service.close()
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(b"PNG" in path.read_bytes() for path in files)
    read = start().get(job.id)
    assert all(cell.result and cell.result.verdict.blocked and cell.message for cell in read.cells)
    with pytest.raises(RequestError, match="no such picture"):
        service.picture(job.id, 0)


def test_without_a_working_store_a_comparison_still_runs(
    start: Callable[..., Comparisons], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "data")
    service = start(store=store)

    def fails(*_: object) -> None:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(store, "save_cell", fails)
    job = run(service)
    assert phases(job) == [Phase.DONE] * 2
    assert "The disk is full" in job.note
    assert pixels(service.picture(job.id, 0)).shape == (64, 64, 3)  # from memory
    monkeypatch.undo()
    service.close()
    later = start()
    assert later.get(job.id).resumable == (0, 1)  # they run again
    assert phases(finish(later, later.resume(job.id))) == [Phase.DONE] * 2


# --- Running again ---------------------------------------------------------------------------------------------------


def test_resume_runs_only_the_missing_cells(start: Callable[..., Comparisons]) -> None:
    gate = threading.Event()
    service = start({"base_unet": {"run_gate": gate}})
    job = service.submit(REQUEST, FAMILY[:3])
    wait_for(service, job, Phase.DENOISING, cell=1)
    with pytest.raises(RequestError, match="still running"):
        service.resume(job.id)
    service.cancel(job.id)
    gate.set()
    stopped = finish(service, job)
    assert stopped.resumable == (1, 2)
    runs = engine(service, "original_unet").runs
    again = finish(service, service.resume(job.id))
    assert again.id == job.id
    assert phases(again) == [Phase.DONE] * 3
    assert not again.cancelled
    assert engine(service, "original_unet").runs == runs
    assert again.cells[0].result == stopped.cells[0].result
    with pytest.raises(RequestError, match="Nothing is left"):
        service.resume(job.id)
    service.close()
    assert phases(start().get(job.id)) == [Phase.DONE] * 3


def test_resume_runs_failed_cells(start: Callable[..., Comparisons]) -> None:
    service = start({"base_unet": {"failure": EngineError("It broke.")}})
    job = run(service)
    assert phases(job) == [Phase.DONE, Phase.FAILED]
    engine(service, "base_unet").failure = None
    assert phases(finish(service, service.resume(job.id))) == [Phase.DONE] * 2


def test_a_rerun_replaces_its_cell_when_there_is_a_new_verdict(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = run(service)
    before = [service.picture(job.id, index) for index in (0, 1)]
    queued = service.rerun(job.id, 1)
    assert queued.cells[1].earlier == job.cells[1]
    assert service.picture(job.id, 1)  # the earlier one, or already the new one
    again = finish(service, queued)
    assert again.cells[0] == job.cells[0]
    new, old = again.cells[1].result, job.cells[1].result
    assert new is not None
    assert old is not None
    assert new.timings != old.timings
    assert again.cells[1].earlier is None
    assert service.picture(job.id, 0) == before[0]
    assert service.picture(job.id, 1) != before[1]  # same pixels, new timings inside
    assert np.array_equal(pixels(service.picture(job.id, 1)), pixels(before[1]))


@pytest.mark.parametrize("how", ["failed", "cancelled", "closed"])
def test_a_rerun_without_a_verdict_leaves_the_earlier_result(start: Callable[..., Comparisons], how: str) -> None:
    service = start()
    job = run(service)
    before = service.picture(job.id, 0)
    unet, gate = engine(service, "original_unet"), threading.Event()
    unet.run_gate = gate
    unet.run_entered.clear()
    service.rerun(job.id, 0)
    assert unet.run_entered.wait(PATIENCE)
    if how == "failed":
        unet.failure = EngineError("It broke.")
        gate.set()
    elif how == "cancelled":
        service.cancel(job.id)
        gate.set()
    else:
        threading.Timer(0.05, gate.set).start()
        service.close()
    if how != "closed":
        again = finish(service, job)
        assert again.cells[0].result == job.cells[0].result
        assert "new run gave no result" in again.cells[0].message
        assert service.picture(job.id, 0) == before
        service.close()
    read = start()
    assert phases(read.get(job.id)) == [Phase.DONE] * 2
    assert read.picture(job.id, 0) == before


def test_impossible_reruns_are_refused(start: Callable[..., Comparisons]) -> None:
    service = start({"base_unet": {"run_gate": threading.Event()}})
    job = run(service, models=TWO[:1])
    for index in (-1, 1, True, "0"):
        with pytest.raises(RequestError, match="no picture"):
            service.rerun(job.id, index)  # type: ignore[arg-type]
    running = service.submit(REQUEST, TWO[1:])
    for ask in (service.resume, service.delete, lambda job_id: service.rerun(job_id, 0)):
        with pytest.raises(RequestError, match="still running"):
            ask(running.id)
    service.cancel(running.id)


def test_running_again_waits_in_the_same_queue(start: Callable[..., Comparisons]) -> None:
    service = start({"base_unet": {"run_gate": threading.Event()}}, queue_size=1)
    job = run(service, models=TWO[:1])
    wait_for(service, service.submit(REQUEST, TWO[1:]), Phase.DENOISING)
    queued = service.rerun(job.id, 0)
    assert queued.position == 1
    with pytest.raises(BusyError):
        service.submit(REQUEST, TWO[:1])
    assert service.cancel(job.id).cells[0].result == job.cells[0].result  # stopped while it waited: as before


def test_two_submits_for_the_last_place_store_only_one_job(
    start: Callable[..., Comparisons], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, both = threading.Event(), threading.Barrier(2, timeout=PATIENCE)
    store = SqliteStore(tmp_path / "data")
    service = start({"unet": {"run_gate": gate}}, store=store, queue_size=1)
    wait_for(service, service.submit(REQUEST, TWO[:1]), Phase.DENOISING)
    refused: list[BusyError] = []

    def ask() -> None:
        both.wait()
        try:
            service.submit(REQUEST, TWO[:1])
        except BusyError as error:
            refused.append(error)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    add = store.add

    def slowly(job: Job) -> None:
        time.sleep(0.2)  # both passed the first check by then
        add(job)

    monkeypatch.setattr(store, "add", slowly)
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(PATIENCE)
    assert len(refused) == 1
    assert service.gallery().total == 2  # one that runs, one that waits


# --- The gallery -----------------------------------------------------------------------------------------------------


def test_star_filter_and_delete(start: Callable[..., Comparisons], tmp_path: Path) -> None:
    service = start()
    first, second = run(service), run(service, Request("blue cat", steps=2), TWO[1:])
    assert first.expires is None or first.expires > time.time()
    assert service.star(first.id, True).starred
    assert service.get(first.id).expires is None
    assert [job.id for job in service.gallery(Filter(starred=True)).jobs] == [first.id]
    assert [job.id for job in service.gallery(Filter(model=TWO[0])).jobs] == [first.id]
    assert [job.id for job in service.gallery(Filter(text="CAT")).jobs] == [second.id]
    service.delete(second.id)
    with pytest.raises(RequestError, match="no comparison with this id"):
        service.get(second.id)
    assert service.usage().jobs == 1
    assert len(list((tmp_path / "data").rglob("*.png"))) == 2


def test_another_visitors_job_is_seen_but_not_changed(start: Callable[..., Comparisons]) -> None:
    service = start()
    mine, yours = owner_digest("mine"), owner_digest("yours")
    job = run(service, owner=mine)
    assert service.gallery(Filter(owner=yours)).total == 0
    assert service.gallery(Filter(owner=mine)).total == 1
    for change in (lambda: service.star(job.id, True, yours), lambda: service.delete(job.id, yours)):
        with pytest.raises(RequestError, match="Another visitor"):
            change()
    program = run(service)  # without an owner, as from the API
    with pytest.raises(RequestError, match="a program"):
        service.delete(program.id, mine)
    assert service.star(job.id, True, mine).starred
    service.delete(job.id)  # the operator may


def test_running_jobs_are_listed_in_their_current_state(start: Callable[..., Comparisons]) -> None:
    service = start({"original_unet": {"run_gate": threading.Event()}})
    job = service.submit(REQUEST, TWO)
    wait_for(service, job, Phase.DENOISING)
    (listed,) = service.gallery().jobs
    assert listed.cells[0].phase is Phase.DENOISING
