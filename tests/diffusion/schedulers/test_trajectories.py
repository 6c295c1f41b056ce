"""Every sampler against diffusers: recorded trajectories, and live ones where diffusers is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import open_source
from bksdm_demo.diffusion.schedulers import Scheduler, TrainingSchedule, build_scheduler
from bksdm_demo.records import SCHEDULERS
from tests.diffusion.fake_network import predict_noise, predict_velocity

Network = Callable[[NDArray, float], NDArray]

FOLDER = Path(__file__).parents[2] / "golden" / "schedulers"
GOLDEN = np.load(FOLDER / "trajectories.npz")
SHAPE = (1, 4, 4, 4)
SEED = 7
TOLERANCE = 1e-4  # in units of the latents, whose deviation is about 1 (about 14 at the start of Euler's)


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
