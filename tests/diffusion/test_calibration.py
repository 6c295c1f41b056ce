"""Calibration over fake engines: which steps they observe, that these never change, and which engines it skips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.calibration import PROMPTS, STEPS, calibrate, needs_calibration
from bksdm_demo.engines.base import Calibrated
from bksdm_demo.errors import CancelledError
from tests.diffusion import parts
from tests.diffusion.test_pipeline import pipeline
from tests.fakes import FakeEngine


class Watched(FakeEngine):
    """A fake engine that needs a calibration until it was observed without an error."""

    needs_calibration = True
    watching = False
    seen: int | None = None

    @contextmanager
    def observing(self) -> Iterator[None]:
        before, self.watching = self.runs, True
        try:
            yield
            self.seen, self.needs_calibration = self.runs - before, False
        finally:
            self.watching = False


def watched(fake: FakeEngine) -> Watched:
    return Watched(fake.inputs, fake.outputs, fake.function, name=fake.name)


def samples(engine: FakeEngine) -> list[NDArray]:
    return [call["sample"] for call in engine.calls]


def test_a_fake_engine_needs_none() -> None:
    pipe = pipeline()
    assert not isinstance(pipe.unet.engines[0], Calibrated)
    assert not needs_calibration(pipe)
    calibrate(pipe)
    assert not any(engine.loaded for engine in pipe.engines)


def test_whole_trajectories_are_watched_once() -> None:
    unet, reported = watched(parts.unet()), []
    pipe = pipeline(unet)
    assert needs_calibration(pipe)
    calibrate(pipe, lambda *step: reported.append(step))
    count = len(PROMPTS) * STEPS
    assert unet.seen == count
    assert reported == [(done, count) for done in range(1, count + 1)]
    assert len({call["timestep"].tobytes() for call in unet.calls}) == STEPS
    assert len({call["encoder_hidden_states"].tobytes() for call in unet.calls}) == len(PROMPTS)
    assert not pipe.vae.engine.loaded
    calibrate(pipe)
    assert unet.runs == count


def test_every_calibration_sees_the_same() -> None:
    first, second = watched(parts.unet()), watched(parts.unet())
    calibrate(pipeline(first))
    calibrate(pipeline(second))
    np.testing.assert_array_equal(samples(first), samples(second))


def test_chunks_are_watched_together_even_if_one_needs_none() -> None:
    """Otherwise what the second sees would depend on whether the first rounds already."""
    chunks = [watched(chunk) for chunk in parts.unet_chunks()]
    chunks[0].needs_calibration = False
    calibrate(pipeline(*chunks))
    assert [chunk.seen for chunk in chunks] == [len(PROMPTS) * STEPS] * 2


def test_stopping_keeps_nothing() -> None:
    unet = watched(parts.unet())

    def stop(done: int, count: int) -> None:
        if done == 3:
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        calibrate(pipeline(unet), stop)
    assert unet.runs == 3
    assert unet.needs_calibration
    assert not unet.watching
