"""The embedded family drawn in int8, from settings to picture: near f32, told as int8, the same picture each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.cli import run
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Form, FormRunner
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.environment import unet_precisions
from bksdm_demo.records import LoadProgress, Request, Step
from bksdm_demo.runs.part_loading import CALIBRATING
from bksdm_demo.settings import Settings
from bksdm_demo.start import Services, start
from bksdm_demo.ui.labels import job_labels
from tests.translate.programs import psnr

REQUEST = Request("a green apple", seed=3, steps=6, guidance_scale=3.0)  # not among those it is calibrated on
KEY = "emoji-tiny"
# dB: each prediction against f32 on the trajectory of f32; measured 54.0 at the second step and 36.0 at the last, where
# little noise is left to tell (emoji-original: 56.4 and 34.6)
STEP_FLOOR = 30.0
PICTURE_FLOOR = 20.0  # dB against the picture of f32; measured 22.3 (emoji-original: 21.6)


@contextmanager
def services(cache: Path, precision: str) -> Iterator[Services]:
    running = start(Settings(precision=precision, cache_dir=cache))
    try:
        yield running
    finally:
        running.close()


def draw(pipeline: Pipeline) -> tuple[list[Step], NDArray]:
    steps = list(pipeline.steps(REQUEST, pipeline.encode(REQUEST)))
    return steps, pipeline.decode(steps[-1].latents)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@dataclass(frozen=True)
class Rounded:
    """What the first service over the cache did in int8: it calibrated, predicted where f32 had, and drew."""

    told: tuple[LoadProgress, ...]
    distances: tuple[float, ...]  # dB of each prediction
    picture: NDArray
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def exact(cache: Path) -> tuple[list[tuple[NDArray, float, NDArray]], list[NDArray], NDArray]:
    """The points of the trajectory of f32, what f32 predicts there, and its picture."""
    with services(cache, "f32") as running, running.cache.lease(KEY) as lease:
        pipeline = lease.pipeline
        hidden = pipeline.encode(REQUEST).hidden
        steps, truth = draw(pipeline)
        befores = [np.repeat(step.latents, 2, axis=0) for step in steps[:-1]]  # what the next step starts from
        points = [(before, after.timestep, hidden) for before, after in zip(befores, steps[1:], strict=True)]
        return points, [pipeline.unet.predict(*point) for point in points], truth


@pytest.fixture(scope="module")
def first(cache: Path, exact: tuple[list[tuple[NDArray, float, NDArray]], list[NDArray], NDArray]) -> Rounded:
    points, predicted, _ = exact
    told: list[LoadProgress] = []
    with services(cache, "int8") as rounded, rounded.cache.lease(KEY, told.append) as lease:
        unet = lease.pipeline.unet
        distances = [psnr(unet.predict(*point), noise) for point, noise in zip(points, predicted, strict=True)]
        return Rounded(tuple(told), tuple(distances), draw(lease.pipeline)[1], dict(rounded.environment()))


def test_int8_stays_near_f32(first: Rounded, exact: tuple[Any, Any, NDArray]) -> None:
    assert any(loading.part.startswith(CALIBRATING) for loading in first.told)
    assert min(first.distances) >= STEP_FLOOR, first.distances
    assert psnr(first.picture, exact[-1].astype(np.float64)) >= PICTURE_FLOOR
    assert first.facts["precision"] == "int8"
    assert first.facts["parts"][f"emoji/{KEY}/Stable_Diffusion_version_{KEY}_unet"]["precision"] == "int8"
    assert first.facts["parts"]["emoji/shared/Stable_Diffusion_version_emoji_safety_checker"]["precision"] == "f32"


def test_a_comparison_says_that_it_was_drawn_in_int8(cache: Path) -> None:
    said = StringIO()
    with services(cache, "int8") as rounded:
        job = run.draw(rounded.comparisons, REQUEST, [KEY], {}, said)
        systems = {system.key: system for system in rounded.catalog.systems()}
    assert run.ROUNDED in said.getvalue()
    assert ("Runs on", "OpenVINO, int8") in job_labels(job, systems).shared
    assert unet_precisions(job.environment) == ("int8",)


def test_what_an_earlier_process_calibrated_draws_the_same_picture(cache: Path, first: Rounded) -> None:
    told: list[LoadProgress] = []
    with services(cache, "int8") as rounded, rounded.cache.lease(KEY, told.append) as lease:
        np.testing.assert_array_equal(draw(lease.pipeline)[1], first.picture)
    assert not any(loading.part.startswith(CALIBRATING) for loading in told)


def test_a_calibration_that_fails_is_told_and_tried_again(
    tmp_path: Path, first: Rounded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another cache, as another machine has it: the same picture comes of a calibration of its own."""
    told: list[LoadProgress] = []
    with services(tmp_path, "int8") as rounded:
        with monkeypatch.context() as broken:
            broken.setattr(OpenVinoEngine, "observing", lambda self: (_ for _ in ()).throw(OSError("no room")))
            with pytest.raises(OSError, match="no room"), rounded.cache.lease(KEY):
                pass
        with rounded.cache.lease(KEY, told.append) as lease:
            assert lease.pipeline.unet.engines[0].loaded
            np.testing.assert_array_equal(draw(lease.pipeline)[1], first.picture)
    assert any(loading.part.startswith(CALIBRATING) for loading in told)


def test_one_half_alone_is_that_half_of_both(cache: Path) -> None:
    with services(cache, "int8") as rounded, rounded.cache.lease(KEY, forms=[Form.HALF]) as lease:
        unet, hidden = lease.pipeline.unet, lease.pipeline.encode(REQUEST).hidden
        sample = np.random.default_rng(0).standard_normal((2, *unet.latent_shape))
        both = unet.predict(sample, 500.0, hidden)
        for half in (0, 1):
            np.testing.assert_array_equal(unet.predict(sample, 500.0, hidden, (half,)), both[half : half + 1])
        assert all(isinstance(engine, FormRunner) and engine.form_loaded(Form.HALF) for engine in unet.engines)


def test_deep_layers_and_shallow_ones_together_are_the_whole(cache: Path) -> None:
    forms = [Form.DEEP, Form.SHALLOW]
    with services(cache, "int8") as rounded, rounded.cache.lease(KEY, forms=forms) as lease:
        unet, hidden = lease.pipeline.unet, lease.pipeline.encode(REQUEST).hidden
        sample = np.random.default_rng(0).standard_normal((2, *unet.latent_shape))
        whole = unet.predict(sample, 500.0, hidden)
        cut = unet.predict_in_parts(sample, 500.0, hidden, {}, renews=True)
        assert np.sqrt(np.mean((cut - whole) ** 2)) < 0.01 * np.abs(whole).max()  # bf16 rounds at other places
