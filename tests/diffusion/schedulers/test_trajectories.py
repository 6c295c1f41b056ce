"""Every sampler against diffusers: recorded trajectories, and live ones where diffusers is installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import open_source
from bksdm_demo.diffusion.schedulers import Scheduler, TrainingSchedule, build_scheduler
from bksdm_demo.library.scheduler_config import Config, training_of
from bksdm_demo.records import SCHEDULERS
from tests.diffusion.fake_network import predict_noise, predict_velocity

Network = Callable[[NDArray, float], NDArray]

FOLDER = Path(__file__).parents[2] / "golden" / "schedulers"
GOLDEN = np.load(FOLDER / "trajectories.npz")
CONFIGURED = np.load(FOLDER / "configured.npz")
CONFIGS = {
    key.removesuffix("/config"): json.loads(str(CONFIGURED[key])) for key in CONFIGURED if key.endswith("/config")
}
SHAPE = (1, 4, 4, 4)
SEED = 7
TOLERANCE = 1e-4  # in units of the latents, whose deviation is about 1 (about 14 at the start of Euler's)
LARGE = 2e-5  # of the largest latent, where sigmas go up to hundreds: the reference computes in float32


def trajectory(scheduler: Scheduler, seed: int = SEED, network: Network = predict_noise) -> NDArray[np.float64]:
    """[calls, 1, 4, 4, 4]: the sample after every call."""
    source = open_source(seed, "torch")
    sample: NDArray = source.normal(SHAPE) * scheduler.initial_scale
    samples = []
    for index, time in enumerate(scheduler.timesteps):
        seen = scheduler.scale_input(sample, index).astype(np.float32)
        sample = scheduler.step(network(seen, float(time)).astype(np.float32), index, sample, source)
        samples.append(sample)
    return np.stack(samples)


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 50, 150])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_recorded(name: str, steps: int) -> None:
    scheduler = build_scheduler(name, TrainingSchedule(), steps)
    expected = GOLDEN[f"{name}/{steps}/samples"]
    np.testing.assert_array_equal(scheduler.timesteps, GOLDEN[f"{name}/{steps}/timesteps"])
    assert scheduler.initial_scale == pytest.approx(float(GOLDEN[f"{name}/{steps}/scale"]), abs=1e-5)
    np.testing.assert_allclose(trajectory(scheduler)[-len(expected) :], expected, rtol=0, atol=TOLERANCE)


def assert_close(ours: NDArray, expected: NDArray) -> None:
    """Every sample within TOLERANCE, or within LARGE of its largest latent."""
    allowed = np.maximum(TOLERANCE, LARGE * np.abs(expected).max(axis=(1, 2, 3, 4), keepdims=True))
    assert (np.abs(ours - expected) <= allowed).all()


def network_of(config: Config) -> Network:
    return predict_velocity if config.get("prediction_type") == "v_prediction" else predict_noise


@pytest.mark.parametrize("steps", [1, 7, 20])
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("case", CONFIGS)
def test_configured(case: str, name: str, steps: int) -> None:
    config, run = CONFIGS[case], f"{case}/{name}/{steps}"
    scheduler = build_scheduler(name, training_of(config, "scheduler_config.json"), steps)
    expected = CONFIGURED[f"{run}/samples"]
    np.testing.assert_array_equal(scheduler.timesteps, CONFIGURED[f"{run}/timesteps"])
    assert scheduler.initial_scale == pytest.approx(float(CONFIGURED[f"{run}/scale"]), abs=1e-5)
    assert_close(trajectory(scheduler, network=network_of(config))[-len(expected) :], expected)


def test_recorded_start_is_ours() -> None:
    np.testing.assert_array_equal(open_source(SEED, "torch").normal(SHAPE), GOLDEN["start"])


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    spec = importlib.util.spec_from_file_location("golden_schedulers", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.reference
@pytest.mark.parametrize("name", SCHEDULERS)
def test_live(name: str, reference: ModuleType) -> None:
    for steps, seed in ((10, 1), (20, 2), (33, 3), (50, 4)):
        run = reference.reference_run(reference.reference_schedulers()[name], steps, seed)
        scheduler = build_scheduler(name, TrainingSchedule(), steps)
        np.testing.assert_array_equal(scheduler.timesteps, run["timesteps"])
        np.testing.assert_allclose(trajectory(scheduler, seed), run["samples"], rtol=0, atol=TOLERANCE)


@pytest.mark.reference
@pytest.mark.parametrize("name", SCHEDULERS)
def test_live_velocity(name: str, reference: ModuleType) -> None:
    training = TrainingSchedule(prediction="v_prediction")
    for steps, seed in ((1, 0), (2, 1), (10, 2), (33, 3), (50, 4)):
        run = reference.reference_run(
            reference.reference_schedulers("v_prediction")[name], steps, seed, predict_velocity
        )
        ours = trajectory(build_scheduler(name, training, steps), seed, predict_velocity)
        np.testing.assert_allclose(ours, run["samples"], rtol=0, atol=TOLERANCE)


@pytest.mark.reference
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("case", CONFIGS)
def test_live_configured(case: str, name: str, reference: ModuleType) -> None:
    config = reference.CONFIGURED[case]
    for steps, seed in ((1, 0), (2, 1), (12, 2), (33, 3), (50, 4)):
        scheduler = reference.configured_schedulers(config)[name]
        run = reference.reference_run(scheduler, steps, seed, network_of(config))
        ours = build_scheduler(name, training_of(config, "scheduler_config.json"), steps)
        np.testing.assert_array_equal(ours.timesteps, run["timesteps"])
        assert_close(trajectory(ours, seed, network_of(config)), run["samples"])
