"""The embedded family drawn in int8, from settings to picture: near f32, told as int8, the same picture each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

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
# dB: each prediction against f32 on the trajectory of f32; measured 54.0 at the second step and 36.0 at the last, where
# little noise is left to tell (emoji-original: 56.4 and 34.6)
STEP_FLOOR = {"emoji-tiny": 30.0}
PICTURE_FLOOR = {"emoji-tiny": 20.0}  # dB against the picture of f32; measured 22.3 (emoji-original: 21.6)


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


@pytest.mark.parametrize("key", STEP_FLOOR)
def test_int8_stays_near_f32(cache: Path, key: str) -> None:
    with services(cache, "f32") as exact, exact.cache.lease(key) as lease:
        pipeline = lease.pipeline
        hidden = pipeline.encode(REQUEST).hidden
        steps, truth = draw(pipeline)
        befores = [np.repeat(step.latents, 2, axis=0) for step in steps[:-1]]  # what the next step starts from
        points = [(before, after.timestep, hidden) for before, after in zip(befores, steps[1:], strict=True)]
        predicted = [pipeline.unet.predict(*point) for point in points]
    told: list[LoadProgress] = []
    with services(cache, "int8") as rounded, rounded.cache.lease(key, told.append) as lease:
        distances = [
            psnr(lease.pipeline.unet.predict(*point), noise) for point, noise in zip(points, predicted, strict=True)
        ]
        _, made = draw(lease.pipeline)
        facts = rounded.environment()
    assert any(loading.part.startswith(CALIBRATING) for loading in told)
    assert min(distances) >= STEP_FLOOR[key], distances
    assert psnr(made, truth.astype(np.float64)) >= PICTURE_FLOOR[key]
    assert facts["precision"] == "int8"
    assert facts["parts"][f"emoji/{key}/Stable_Diffusion_version_{key}_unet"]["precision"] == "int8"
    assert facts["parts"]["emoji/shared/Stable_Diffusion_version_emoji_safety_checker"]["precision"] == "f32"


def test_a_comparison_says_that_it_was_drawn_in_int8(cache: Path) -> None:
    said = StringIO()
    with services(cache, "int8") as rounded:
        job = run.draw(rounded.comparisons, REQUEST, ["emoji-tiny"], {}, said)
        systems = {system.key: system for system in rounded.catalog.systems()}
    assert run.ROUNDED in said.getvalue()
    assert ("Runs on", "OpenVINO, int8") in job_labels(job, systems).shared
    assert unet_precisions(job.environment) == ("int8",)


def test_the_picture_does_not_depend_on_who_calibrated(cache: Path, tmp_path: Path) -> None:
    """Calibrated here, by an earlier process, or by another machine's cache: the same picture."""
    pictures, calibrated = [], []
    for folder in (tmp_path, tmp_path, tmp_path / "another"):
        told: list[LoadProgress] = []
        with services(folder, "int8") as rounded, rounded.cache.lease("emoji-tiny", told.append) as lease:
            pictures.append(draw(lease.pipeline)[1])
        calibrated.append(any(loading.part.startswith(CALIBRATING) for loading in told))
    assert calibrated == [True, False, True]
    np.testing.assert_array_equal(pictures[1], pictures[0])
    np.testing.assert_array_equal(pictures[2], pictures[0])


def test_a_calibration_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services(tmp_path, "int8") as rounded:
        with monkeypatch.context() as broken:
            broken.setattr(OpenVinoEngine, "observing", lambda self: (_ for _ in ()).throw(OSError("no room")))
            with pytest.raises(OSError, match="no room"), rounded.cache.lease("emoji-tiny"):
                pass
        with rounded.cache.lease("emoji-tiny") as lease:
            assert lease.pipeline.unet.engines[0].loaded


def test_one_half_alone_is_that_half_of_both(cache: Path) -> None:
    with services(cache, "int8") as rounded, rounded.cache.lease("emoji-tiny", forms=[Form.HALF]) as lease:
        unet, hidden = lease.pipeline.unet, lease.pipeline.encode(REQUEST).hidden
        sample = np.random.default_rng(0).standard_normal((2, *unet.latent_shape))
        both = unet.predict(sample, 500.0, hidden)
        for half in (0, 1):
            np.testing.assert_array_equal(unet.predict(sample, 500.0, hidden, (half,)), both[half : half + 1])
        assert all(isinstance(engine, FormRunner) and engine.form_loaded(Form.HALF) for engine in unet.engines)


def test_deep_layers_and_shallow_ones_together_are_the_whole(cache: Path) -> None:
    forms = [Form.DEEP, Form.SHALLOW]
    with services(cache, "int8") as rounded, rounded.cache.lease("emoji-tiny", forms=forms) as lease:
        unet, hidden = lease.pipeline.unet, lease.pipeline.encode(REQUEST).hidden
        sample = np.random.default_rng(0).standard_normal((2, *unet.latent_shape))
        whole = unet.predict(sample, 500.0, hidden)
        cut = unet.predict_in_parts(sample, 500.0, hidden, {}, renews=True)
        assert np.sqrt(np.mean((cut - whole) ** 2)) < 0.01 * np.abs(whole).max()  # bf16 rounds at other places
