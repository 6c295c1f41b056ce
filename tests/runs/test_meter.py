"""What a meter is told: waits by a clock of our own, steps as the request asks for them, and each kind of ending."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import EngineError
from bksdm_demo.logs import job_id
from bksdm_demo.records import Cell, Phase, Request
from bksdm_demo.runs.meter import Waiting
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_comparisons

STEPS = 3


class Tally:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.steps: list[str] = []
        self.evaluations = 0.0
        self.cells: list[Cell] = []

    def began(self, waited: float) -> None:
        self.waits.append(waited)

    def evaluated(self, model: str, evaluations: float) -> None:
        self.steps.append(model)
        self.evaluations += evaluations

    def ended(self, cell: Cell) -> None:
        self.cells.append(cell)


def test_waiting_is_counted_from_the_last_submission() -> None:
    now = [10.0]
    waiting = Waiting(lambda: now[0])
    waiting.add("a")
    now[0] = 13.0
    waiting.add("b")
    now[0] = 14.0
    assert waiting.seconds() == (4.0, 1.0)
    assert (waiting.take("a"), waiting.take("a"), waiting.take("unknown")) == (4.0, None, None)
    assert waiting.seconds() == (1.0,)


@pytest.mark.parametrize(
    ("prompt", "phase", "steps"),
    [("red apple", Phase.DONE, STEPS), (BLOCKED_WORD, Phase.BLOCKED, STEPS), (REFUSED_WORD, Phase.BLOCKED, 0)],
)
def test_every_step_and_every_ending_is_told(tmp_path: Path, prompt: str, phase: Phase, steps: int) -> None:
    tally = Tally()
    comparisons = fake_comparisons(tmp_path, meter=tally)
    try:
        *_, job = comparisons.watch(comparisons.submit(Request(prompt, steps=STEPS), FAMILY[:2]).id)
        comparisons.delete(job.id)  # waits for the worker
        assert tally.steps == [key for key in FAMILY[:2] for _ in range(steps)]
        assert [(cell.model, cell.phase) for cell in tally.cells] == [(key, phase) for key in FAMILY[:2]]
        assert [len(cell.result.timings.steps) for cell in tally.cells if cell.result] == [steps] * 2
        assert len(tally.waits) == 1
        assert comparisons.waiting == ()
    finally:
        comparisons.close()


@pytest.mark.parametrize(
    ("savings", "evaluations"),
    [({}, 10), ({"forecast": True}, 7), ({"guidance_interval": (0.0, 0.4)}, 4 + 0.5 * 6), ({"guidance_scale": 1.0}, 5)],
)
def test_only_what_the_network_runs_is_an_evaluation(
    tmp_path: Path, savings: dict[str, Any], evaluations: float
) -> None:
    tally = Tally()
    comparisons = fake_comparisons(tmp_path, meter=tally)
    try:
        job = comparisons.submit(Request("red apple", steps=10, **savings), FAMILY[:1])
        *_, _ended = comparisons.watch(job.id)
    finally:
        comparisons.close()
    assert (len(tally.steps), tally.evaluations) == (10, evaluations)


def test_a_failed_picture_is_told_and_a_stopped_one_is_not(tmp_path: Path) -> None:
    tally, gate = Tally(), threading.Event()
    options: dict[str, dict[str, Any]] = {
        "original_unet": {"failure": EngineError("It broke.")},
        "tiny_unet": {"run_gate": gate},
    }
    comparisons = fake_comparisons(tmp_path, options, meter=tally)
    try:
        job = comparisons.submit(Request("red apple", steps=STEPS), (FAMILY[0], FAMILY[3]))
        waits = comparisons.submit(Request("red apple", steps=STEPS), FAMILY[:1])
        for seen in comparisons.watch(job.id):
            if seen.cells[1].phase is Phase.DENOISING:
                break
        assert len(comparisons.waiting) == 1
        comparisons.cancel(waits.id)
        assert not comparisons.waiting
        comparisons.cancel(job.id)
        gate.set()
        *_, ended = comparisons.watch(job.id)
        comparisons.delete(job.id)
        assert [cell.phase for cell in ended.cells] == [Phase.FAILED, Phase.CANCELLED]
        assert [(cell.model, cell.phase) for cell in tally.cells] == [(FAMILY[0], Phase.FAILED)]
    finally:
        gate.set()
        comparisons.close()


def test_the_log_names_the_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str]] = []

    def note(record: logging.LogRecord) -> bool:
        seen.append((record.getMessage(), job_id.get()))
        return True

    caplog.handler.addFilter(note)
    comparisons = fake_comparisons(tmp_path)
    try:
        with caplog.at_level(logging.INFO, "bksdm_demo"):
            job = comparisons.submit(Request(BLOCKED_WORD, steps=STEPS), FAMILY[:1])
            *_, _ended = comparisons.watch(job.id)
            comparisons.delete(job.id)
    finally:
        caplog.handler.removeFilter(note)
        comparisons.close()
    assert {"A comparison waits; pictures to draw: 1.", "A comparison ended: 1 blocked."} < {said for said, _ in seen}
    assert {named for _, named in seen} == {job.id}
    assert len(seen) == 3  # the checker's scores, for the operator


def test_a_drain_refuses_new_comparisons_and_still_answers(tmp_path: Path) -> None:
    tally, gate = Tally(), threading.Event()
    comparisons = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}}, meter=tally)
    try:
        job = comparisons.submit(Request("red apple", steps=STEPS), FAMILY[:1])
        for seen in comparisons.watch(job.id):
            if seen.cells[0].phase is Phase.DENOISING:
                break
        assert (comparisons.draining, comparisons.working) == (False, True)
        drain = threading.Thread(target=comparisons.drain)
        drain.start()
        *_, ended = comparisons.watch(job.id)
        gate.set()
        drain.join()
        assert ended.cells[0].phase is Phase.INTERRUPTED
        assert (comparisons.draining, comparisons.working) == (True, False)
        assert len(tally.steps) <= 1  # the present step ends, no other begins
        with pytest.raises(Exception, match="The server is restarting"):
            comparisons.submit(Request("red apple"), FAMILY[:1])
        assert comparisons.gallery().total == 1
    finally:
        gate.set()
        comparisons.close()
