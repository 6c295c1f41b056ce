"""Comparisons over fake parts: same noise, failures in one cell, cancels, and no blocked picture outside."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import BusyError, EngineError, ModelUnavailableError, RequestError
from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.jobs import UNEXPECTED
from tests.fakes import BLOCKED_WORD, FAMILY, FakeEngine, fake_comparisons, fake_parts

PATIENCE = 10  # seconds until a test that hangs fails
REQUEST = Request("red apple", seed=7, steps=4)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Comparisons]]:
    """Builds services. After the test it opens their gates and closes them."""
    services: list[Comparisons] = []
    gates: list[threading.Event] = []

    def start(options: dict[str, dict[str, Any]] | None = None, **limits: Any) -> Comparisons:
        found = [value for entry in (options or {}).values() for value in entry.values()]
        gates.extend(value for value in found if isinstance(value, threading.Event))
        services.append(fake_comparisons(tmp_path, options, **limits))
        return services[-1]

    yield start
    for gate in gates:
        gate.set()
    for service in services:
        service.close()


def finish(service: Comparisons, job: Job) -> Job:
    return list(service.watch(job.id))[-1]


def run(service: Comparisons, request: Request = REQUEST, models: tuple[str, ...] = FAMILY) -> Job:
    return finish(service, service.submit(request, models))


def phases(job: Job) -> list[Phase]:
    return [cell.phase for cell in job.cells]


def wait_for(service: Comparisons, job: Job, phase: Phase, cell: int = 0) -> Job:
    for snapshot in service.watch(job.id):
        if snapshot.cells[cell].phase is phase:
            return snapshot
    raise AssertionError(f"cell {cell} never reached {phase}")


def arrays_in(value: object) -> list[np.ndarray]:
    """Every array reachable from a record."""
    if isinstance(value, np.ndarray):
        return [value]
    if dataclasses.is_dataclass(value):
        return [array for field in dataclasses.fields(value) for array in arrays_in(getattr(value, field.name))]
    if isinstance(value, (tuple, list)):
        return [array for item in value for array in arrays_in(item)]
    return []


def test_every_model_draws_from_the_same_noise(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = run(service)
    assert phases(job) == [Phase.DONE] * 4
    assert [cell.model for cell in job.cells] == list(FAMILY)
    firsts = [fake_parts(service).engine(f"{key}_unet").calls[0]["sample"] for key in FAMILY]
    expected = np.random.RandomState(7).standard_normal((1, 4, 8, 8)).astype(np.float32)
    for first in firsts:
        assert np.array_equal(first[:1], expected)
    pictures = [cell.result.image for cell in job.cells if cell.result and cell.result.image is not None]
    assert len({picture.tobytes() for picture in pictures}) == 4  # the models differ


def test_cells_run_one_after_the_other(start: Callable[..., Comparisons]) -> None:
    service = start()
    most = 0
    for snapshot in service.watch(service.submit(REQUEST, FAMILY).id):
        active = [cell for cell in snapshot.cells if not cell.phase.final and cell.phase is not Phase.QUEUED]
        most = max(most, len(active))
    assert most == 1


def test_a_model_named_twice_runs_once(start: Callable[..., Comparisons]) -> None:
    job = run(start(), models=("emoji-tiny", "emoji-base", "emoji-tiny"))
    assert [cell.model for cell in job.cells] == ["emoji-tiny", "emoji-base"]


def test_wrong_models_are_refused_at_submit(start: Callable[..., Comparisons]) -> None:
    service = start()
    empty: list[Any] = [(), [], "emoji-tiny"]
    for nothing in empty:
        with pytest.raises(RequestError, match="at least one"):
            service.submit(REQUEST, nothing)
    with pytest.raises(ModelUnavailableError, match="'sdxl'"):
        service.submit(REQUEST, ("emoji-tiny", "sdxl"))


def test_a_full_queue_is_busy(start: Callable[..., Comparisons]) -> None:
    service = start({"unet": {"run_gate": threading.Event()}}, queue_size=1)
    running = service.submit(REQUEST, ("emoji-tiny",))
    wait_for(service, running, Phase.DENOISING)
    service.submit(REQUEST, ("emoji-tiny",))
    with pytest.raises(BusyError, match="queue is full"):
        service.submit(REQUEST, ("emoji-tiny",))


def test_a_known_error_is_shown_and_the_others_go_on(start: Callable[..., Comparisons]) -> None:
    job = run(start({"base_unet": {"failure": EngineError("The U-Net cannot run here.")}}))
    assert phases(job) == [Phase.DONE, Phase.FAILED, Phase.DONE, Phase.DONE]
    assert job.cells[1].message == "The U-Net cannot run here."
    assert job.cells[1].result is None


def test_an_error_hides_the_folders_of_the_files(start: Callable[..., Comparisons], tmp_path: Path) -> None:
    folder = tmp_path / "assets" / "emoji" / "emoji-base"
    job = run(start({"base_unet": {"load_failure": EngineError(f"{folder / 'x_unet.mlpackage'} is torn.")}}))
    assert job.cells[1].message == "emoji-base/x_unet.mlpackage is torn."


def test_an_unexpected_error_shows_no_internals(
    start: Callable[..., Comparisons], caplog: pytest.LogCaptureFixture
) -> None:
    job = run(start({"base_unet": {"failure": ValueError("/home/secret")}}))
    assert phases(job) == [Phase.DONE, Phase.FAILED, Phase.DONE, Phase.DONE]
    assert job.cells[1].message == UNEXPECTED
    assert "/home/secret" in caplog.text  # for the operator, with traceback
    assert "Traceback" in caplog.text


def test_a_load_error_fails_its_cell_and_can_heal(start: Callable[..., Comparisons]) -> None:
    service = start({"small_unet": {"load_failure": EngineError("The weights are torn.")}})
    job = run(service)
    assert phases(job) == [Phase.DONE, Phase.DONE, Phase.FAILED, Phase.DONE]
    assert job.cells[2].message == "The weights are torn."
    fake_parts(service).engine("small_unet").load_failure = None
    assert phases(run(service)) == [Phase.DONE] * 4


def test_a_model_that_does_not_fit_fails_with_a_message(start: Callable[..., Comparisons]) -> None:
    job = run(start(budget_bytes=10), models=("emoji-tiny",))
    assert phases(job) == [Phase.FAILED]
    assert "memory budget" in job.cells[0].message


def test_pixels_of_a_blocked_picture_are_in_no_snapshot(start: Callable[..., Comparisons]) -> None:
    service = start()
    job = service.submit(Request(f"a {BLOCKED_WORD}", steps=3), FAMILY)
    for snapshot in service.watch(job.id):
        assert arrays_in(snapshot) == []
    last = service.get(job.id)
    assert phases(last) == [Phase.BLOCKED] * 4
    assert all(cell.message and cell.result and cell.result.verdict.blocked for cell in last.cells)


def test_running_snapshots_hold_no_pixels_before_the_verdict(start: Callable[..., Comparisons]) -> None:
    service = start()
    seen = set()
    for snapshot in service.watch(service.submit(REQUEST, ("emoji-tiny",)).id):
        done = snapshot.cells[0].phase is Phase.DONE
        assert len(arrays_in(snapshot)) == (1 if done else 0)
        seen.add(done)
    assert seen == {False, True}


def test_a_checker_that_fails_blocks_or_fails_but_never_shows(start: Callable[..., Comparisons]) -> None:
    job = run(start({"safety": {"failure": EngineError("The checker fell over.")}}), models=("emoji-tiny",))
    assert job.cells[0].phase in (Phase.FAILED, Phase.BLOCKED)
    assert arrays_in(job) == []


def test_cancel_in_mid_step_keeps_finished_cells(start: Callable[..., Comparisons]) -> None:
    gate = threading.Event()
    service = start({"base_unet": {"run_gate": gate}})
    job = service.submit(REQUEST, FAMILY)
    wait_for(service, job, Phase.DENOISING, cell=1)
    assert service.cancel(job.id).cancelled
    gate.set()
    last = finish(service, job)
    assert phases(last) == [Phase.DONE, Phase.CANCELLED, Phase.CANCELLED, Phase.CANCELLED]
    assert last.cells[0].result is not None
    engine: FakeEngine = fake_parts(service).engine("base_unet")
    assert engine.runs <= 1  # the step in progress ended, no other began
    assert not any("small_unet" in path.name for path in fake_parts(service).opened)


def test_cancel_while_loading_stops_after_the_load(start: Callable[..., Comparisons]) -> None:
    gate = threading.Event()
    service = start({"tiny_unet": {"load_gate": gate}})
    job = service.submit(REQUEST, ("emoji-tiny",))
    wait_for(service, job, Phase.LOADING)
    service.cancel(job.id)
    gate.set()
    assert phases(finish(service, job)) == [Phase.CANCELLED]
    assert phases(run(service, models=("emoji-tiny",))) == [Phase.DONE]  # the worker and the lease are free


def test_a_closed_tab_loses_nothing(start: Callable[..., Comparisons]) -> None:
    gate = threading.Event()
    service = start({"tiny_unet": {"run_gate": gate}})
    job = service.submit(REQUEST, ("emoji-tiny",))
    tab: Any = service.watch(job.id)
    next(tab)
    tab.close()
    gate.set()
    assert phases(finish(service, job)) == [Phase.DONE]


def test_close_interrupts_and_unloads(start: Callable[..., Comparisons]) -> None:
    service = start({"unet": {"delay": 0.01}})
    job = service.submit(Request("red apple", steps=150), FAMILY)
    wait_for(service, job, Phase.DENOISING)
    service.close()
    assert phases(service.get(job.id)) == [Phase.INTERRUPTED] * 4
    assert service.cache.state().parts == ()
