"""The safety checker blocks whatever is not a clear all-clear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.pixels import to_clip
from bksdm_demo.diffusion.safety import FAILED, FLAGGED, SafetyChecker
from bksdm_demo.engines.base import Port
from bksdm_demo.errors import EngineError, PackageError
from tests.diffusion import parts
from tests.fakes import FakeEngine

IMAGE = np.random.RandomState(0).randint(0, 256, parts.PICTURE).astype(np.uint8)
CLEAR = {"has_nsfw_concepts": np.zeros(1), "concept_scores": np.full((1, 2), -0.1), "filtered_images": np.zeros(1)}


def test_clear_picture_passes() -> None:
    verdict = SafetyChecker(parts.safety_checker()).check(IMAGE)
    assert (verdict.blocked, verdict.reason) == (False, "")
    assert verdict.scores == pytest.approx((-0.2, -0.1))


def test_flagged_picture_is_blocked() -> None:
    verdict = SafetyChecker(parts.safety_checker(flag=1.0, scores=(0.02, -0.1))).check(IMAGE)
    assert (verdict.blocked, verdict.reason) == (True, FLAGGED)
    assert verdict.scores == pytest.approx((0.02, -0.1))


def test_inputs() -> None:
    engine = parts.safety_checker()
    SafetyChecker(engine).check(IMAGE)
    (call,) = engine.calls
    np.testing.assert_array_equal(call["clip_input"], to_clip(IMAGE, parts.CLIP))
    np.testing.assert_allclose(call["images"][0], IMAGE / 255, atol=1e-7)
    assert call["adjustment"].tolist() == [0]


@pytest.mark.parametrize("reason", [FLAGGED, FAILED])
def test_reasons_are_sentences(reason: str) -> None:
    assert reason[0].isupper()
    assert reason.endswith(".")


@pytest.mark.parametrize("error", [EngineError("broken"), RuntimeError("driver"), MemoryError(), KeyError("x")])
def test_a_checker_that_fails_blocks(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    verdict = SafetyChecker(parts.safety_checker(failure=error)).check(IMAGE)
    assert (verdict.blocked, verdict.reason, verdict.scores) == (True, FAILED, ())
    assert "Safety checker failed" in caplog.text  # said to the operator, not to the visitor


@pytest.mark.parametrize(
    "changes",
    [
        {"has_nsfw_concepts": np.array([np.nan])},
        {"has_nsfw_concepts": np.array([np.inf])},
        {"has_nsfw_concepts": np.zeros(0)},
        {"has_nsfw_concepts": np.zeros(2)},
        {"concept_scores": np.array([[-0.1, np.nan]])},
        {"concept_scores": np.zeros((1, 0))},
        {"has_nsfw_concepts": None},
        {"concept_scores": None},
    ],
    ids=str,
)
def test_senseless_answers_block(changes: dict[str, NDArray | None]) -> None:
    answer = {name: value for name, value in {**CLEAR, **changes}.items() if value is not None}
    engine = parts.safety_checker(function=lambda arrays: answer)
    checker = SafetyChecker(engine)
    engine.outputs = tuple(port for port in engine.outputs if port.name in answer)  # what run() really gives back
    verdict = checker.check(IMAGE)
    assert (verdict.blocked, verdict.reason, verdict.scores) == (True, FAILED, ())


def test_the_same_answers_unchanged_do_pass() -> None:
    assert not SafetyChecker(parts.safety_checker(function=lambda arrays: CLEAR)).check(IMAGE).blocked


@pytest.mark.parametrize(
    "image",
    [IMAGE[:-1], IMAGE[..., :1], IMAGE.astype(np.float32), IMAGE[np.newaxis], np.zeros((0, 0, 3), np.uint8), None],
    ids=["short", "grey", "float", "batch", "empty", "nothing"],
)
def test_senseless_pictures_block_without_a_run(image: Any) -> None:
    engine = parts.safety_checker()
    verdict = SafetyChecker(engine).check(image)
    assert (verdict.blocked, verdict.reason) == (True, FAILED)
    assert engine.runs == 0


def test_verdict_holds_no_pixels() -> None:
    verdict = SafetyChecker(parts.safety_checker(flag=1.0)).check(IMAGE)
    assert not any(isinstance(value, np.ndarray) for value in dataclasses.asdict(verdict).values())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda engine: setattr(engine, "inputs", engine.inputs[1:]),
        lambda engine: setattr(engine, "inputs", engine.inputs[:2]),
        lambda engine: setattr(engine, "outputs", engine.outputs[:2]),
        lambda engine: setattr(engine, "outputs", (Port("has_nsfw", (1,)),)),
        lambda engine: setattr(engine, "inputs", (Port("clip_input", (3, 8, 8)), *engine.inputs[1:])),
    ],
)
def test_other_parts_are_refused_at_once(spoil: Callable[[FakeEngine], None]) -> None:
    engine = parts.safety_checker()
    spoil(engine)
    with pytest.raises(PackageError, match="Safety checker"):
        SafetyChecker(engine)
