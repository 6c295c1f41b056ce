"""Drawing one picture: order of phases, timings, cancels between steps, and no blocked picture in a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import CancelledError
from bksdm_demo.records import Phase, Request, Step
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.fakes import BLOCKED_WORD, TRUNCATED_WORD, FakeParts, fake_assemble, fake_catalog

REQUEST = Request("red apple", seed=7, steps=5)
MODEL = "emoji-tiny"


@pytest.fixture
def parts() -> FakeParts:
    return FakeParts({"unet": {"delay": 0.002}})


@pytest.fixture
def cache(tmp_path: Path, parts: FakeParts) -> PipelineCache:
    return PipelineCache(fake_catalog(tmp_path), parts, 1_000_000, assemble=fake_assemble)


def test_the_result_is_complete(cache: PipelineCache) -> None:
    result = generate(cache, MODEL, Request(f"red {TRUNCATED_WORD}", steps=3))
    assert (result.model, result.engine) == (MODEL, "fake")
    assert (result.truncated, result.negative_truncated) == ((TRUNCATED_WORD,), ())
    assert result.size_bytes == cache.catalog.get(MODEL).size_bytes
    assert result.image is not None
    assert (result.image.shape, result.image.dtype.name) == ((64, 64, 3), "uint8")
    assert not result.image.flags.writeable
    assert not result.verdict.blocked


def test_truncated_words_belong_to_their_prompt(cache: PipelineCache) -> None:
    result = generate(cache, MODEL, Request("red apple", f"dull {TRUNCATED_WORD}", steps=1))
    assert (result.truncated, result.negative_truncated) == ((), (TRUNCATED_WORD,))


def test_the_same_request_gives_the_same_picture_and_another_seed_another(cache: PipelineCache) -> None:
    first, again = generate(cache, MODEL, REQUEST), generate(cache, MODEL, REQUEST)
    other = generate(cache, MODEL, Request("red apple", seed=8, steps=5))
    assert first.image is not None
    assert again.image is not None
    assert other.image is not None
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_phases_come_in_order_with_every_step(cache: PipelineCache) -> None:
    heard: list[tuple[Phase, int, int]] = []
    generate(cache, MODEL, REQUEST, lambda *heard_now: heard.append(heard_now))
    steps = [(Phase.DENOISING, step, 5) for step in range(6)]
    assert heard == [
        (Phase.LOADING, 0, 5),
        (Phase.ENCODING, 0, 5),
        *steps,
        (Phase.DECODING, 5, 5),
        (Phase.CHECKING, 5, 5),
    ]


def test_timings_add_up(cache: PipelineCache) -> None:
    timings = generate(cache, MODEL, REQUEST).timings
    phases = (timings.load, timings.encode, timings.denoise, timings.decode, timings.safety)
    assert all(seconds > 0 for seconds in phases)
    assert len(timings.steps) == 5
    assert sum(timings.steps) <= timings.denoise
    assert sum(phases) <= timings.total
    assert timings.cold
    assert not generate(cache, MODEL, REQUEST).timings.cold


def test_cancel_stops_after_the_current_step(cache: PipelineCache, parts: FakeParts) -> None:
    steps: list[int] = []

    def report(phase: Phase, step: int, count: int) -> None:
        steps.append(step)

    with pytest.raises(CancelledError):
        generate(cache, MODEL, REQUEST, report, lambda: max(steps, default=0) == 2)
    assert parts.engine("tiny_unet").runs == 2
    assert parts.engine("vae").runs == 0
    cache.clear()
    assert cache.state().parts == ()  # the lease was given back


def test_cancel_before_anything_loads_nothing(cache: PipelineCache, parts: FakeParts) -> None:
    with pytest.raises(CancelledError):
        generate(cache, MODEL, REQUEST, cancelled=lambda: True)
    assert parts.opened == {}


def test_a_blocked_picture_is_dropped(cache: PipelineCache) -> None:
    result = generate(cache, MODEL, Request(f"a {BLOCKED_WORD}", steps=2))
    assert result.verdict.blocked
    assert result.image is None
    assert result.timings.total > 0


class Slow:
    """An observer that claims 100 s for each preview and 1000 s for learning, and does nothing."""

    seconds = 0.0

    def observe(self, pipeline: object, step: Step) -> None:
        self.seconds += 100

    def learn_from(self, pipeline: object, latents: NDArray, image: NDArray, seconds: float) -> None:
        self.seconds += 1000


def test_preview_time_counts_in_no_other_timing(cache: PipelineCache) -> None:
    timings = generate(cache, MODEL, REQUEST, observer=Slow()).timings  # type: ignore[arg-type]
    assert timings.preview == 1500
    assert round(timings.denoise, -2) == -500
    assert round(timings.total, -2) == -1500
    assert timings.decode >= 0
