"""Properties of every sampler that need no reference, and tests of the samplers' own parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NumpySource
from bksdm_demo.diffusion.schedulers import TrainingSchedule, build_scheduler, scheduler_names
from bksdm_demo.diffusion.schedulers.base import register
from bksdm_demo.diffusion.schedulers.prediction import estimate, output_for
from bksdm_demo.diffusion.schedulers.times import karras_sigmas, leading_times
from bksdm_demo.diffusion.schedulers.training import PREDICTIONS, SPACINGS
from bksdm_demo.errors import PackageError, RequestError
from bksdm_demo.records import SCHEDULERS, STEPS_RANGE
from tests.diffusion.fake_network import predict_noise

SHAPE = (1, 4, 3, 5)
DETERMINISTIC = tuple(name for name in SCHEDULERS if name != "euler-ancestral")
# The last sample of PNDM and DDIM keeps the noise of training step 0 (`set_alpha_to_one` False): 2.9 % of it.
NOISE_LEFT = {"pndm": (1 - TrainingSchedule().alphas_cumprod[0]) ** 0.5, "ddim": 0.0292}


class Silent:
    """A source for samplers that must not draw."""

    def normal(self, shape: Sequence[int]) -> NDArray[np.float32]:
        raise AssertionError("a deterministic sampler drew noise")


def true_noise(clean: NDArray, seen: NDArray, time: float, training: TrainingSchedule) -> NDArray[np.float64]:
    """What a network that knows the clean latents would say of a sample that it sees at `time`."""
    sigma = np.interp(time, np.arange(training.train_steps), training.sigmas)
    signal = 1 / np.sqrt(1 + sigma**2)
    return (seen - signal * clean) / (sigma * signal)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 149, 150])
@pytest.mark.parametrize("name", [name for name in SCHEDULERS if "karras" not in name])
def test_true_noise_gives_the_clean_latents_back(name: str, steps: int) -> None:
    """Starting from an honest mixture of clean latents and noise at the first time."""
    training = TrainingSchedule()
    scheduler = build_scheduler(name, training, steps)
    source = NumpySource(3)
    clean, noise = source.normal(SHAPE).astype(np.float64), source.normal(SHAPE).astype(np.float64)
    sigma = np.interp(scheduler.timesteps[0], np.arange(training.train_steps), training.sigmas)
    grows = name.startswith("euler")  # Euler's samples are clean + sigma * noise
    sample = (clean + sigma * noise) / (1 if grows else np.sqrt(1 + sigma**2))
    assert scheduler.clean is None
    for index, time in enumerate(scheduler.timesteps):
        output = true_noise(clean, scheduler.scale_input(sample, index), float(time), training)
        sample = scheduler.step(output, index, sample, source)
        assert scheduler.clean is not None
        if index == 0:  # later samples of a method that is exact in the limit only are not honest mixtures
            np.testing.assert_allclose(scheduler.clean, clean, rtol=0, atol=1e-4)
    left = 5 * NOISE_LEFT.get(name, 0.0)  # no normal number here is beyond 5
    np.testing.assert_allclose(sample, clean, rtol=0, atol=left + 1e-4)


@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_true_noise_with_karras_spacing(steps: int) -> None:
    """There the network gets rounded times; the truth is taken at the exact ratio."""
    training = TrainingSchedule()
    scheduler = build_scheduler("dpmpp-2m-karras", training, steps)
    sigmas = karras_sigmas(training, steps)
    source = NumpySource(3)
    clean, noise = source.normal(SHAPE).astype(np.float64), source.normal(SHAPE).astype(np.float64)
    sample = (clean + sigmas[0] * noise) / np.sqrt(1 + sigmas[0] ** 2)
    for index in range(steps):
        signal = 1 / np.sqrt(1 + sigmas[index] ** 2)
        sample = scheduler.step((sample - signal * clean) / (sigmas[index] * signal), index, sample, Silent())
    np.testing.assert_allclose(sample, clean, rtol=0, atol=1e-5)


def endpoint(name: str, steps: int) -> NDArray[np.float64]:
    scheduler = build_scheduler(name, TrainingSchedule(), steps)
    sample: NDArray = NumpySource(1).normal(SHAPE) * scheduler.initial_scale
    for index, time in enumerate(scheduler.timesteps):
        output = predict_noise(scheduler.scale_input(sample, index), float(time))
        sample = scheduler.step(output, index, sample, Silent())
    return sample


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_error_shrinks_with_the_step_count(name: str) -> None:
    """Against the same sampler at 250 steps, halving the step at least halves the error (first order or better)."""
    target = endpoint(name, 250)
    errors = [float(np.abs(endpoint(name, steps) - target).mean()) for steps in (5, 20, 100)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_second_order_beats_first() -> None:
    target = endpoint("dpmpp-2m", 400)
    errors = {name: np.abs(endpoint(name, 20) - target).mean() for name in ("dpmpp-2m", "ddim", "euler")}
    assert 2 * errors["dpmpp-2m"] < min(errors["ddim"], errors["euler"])


def test_deterministic_samplers_agree_in_the_limit() -> None:
    ends = [endpoint(name, 500) for name in DETERMINISTIC]
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=0, atol=0.06)  # PNDM and DDIM keep 2.9 % of noise


def test_ancestral_noise_comes_from_the_given_source() -> None:
    def run(seed: int) -> NDArray:
        scheduler = build_scheduler("euler-ancestral", TrainingSchedule(), 5)
        source, sample = NumpySource(seed), np.full(SHAPE, scheduler.initial_scale)
        for index in range(5):
            sample = scheduler.step(np.full(SHAPE, 0.5), index, sample, source)
        return sample

    np.testing.assert_array_equal(run(1), run(1))
    assert np.abs(run(1) - run(2)).max() > 0.01


@pytest.mark.parametrize("steps", [*range(1, 31), 99, 100, 101, *range(140, STEPS_RANGE[1] + 1)])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_step_count_works(name: str, steps: int) -> None:
    scheduler = build_scheduler(name, TrainingSchedule(), steps)
    times = scheduler.timesteps
    assert len(times) == steps + (1 if name == "pndm" and steps > 1 else 0)
    assert (np.diff(times) <= 0).all()
    assert (times >= 0).all()
    assert (times <= 999).all()
    source = NumpySource(0)
    sample: NDArray = source.normal((2,)) * scheduler.initial_scale
    for index in range(len(times)):
        sample = scheduler.step(np.zeros(2), index, scheduler.scale_input(sample, index) * 0, source)
    assert np.isfinite(sample).all()


def test_names_are_those_of_the_records() -> None:
    assert set(scheduler_names()) == set(SCHEDULERS)


def test_unknown_name_lists_what_exists() -> None:
    with pytest.raises(RequestError, match=r"'heun'.*pndm"):
        build_scheduler("heun", TrainingSchedule(), 10)


@pytest.mark.parametrize("steps", [0, -1, 501])
def test_impossible_step_count(steps: int) -> None:
    with pytest.raises(RequestError, match=str(steps)):
        build_scheduler("ddim", TrainingSchedule(), steps)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 61, 103, 150])  # in floating point 61 and 103 do not divide 1000 evenly
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_spacing_stays_within_the_training_steps(name: str, steps: int, spacing: str) -> None:
    times = build_scheduler(name, TrainingSchedule(spacing=spacing), steps).timesteps
    assert len(times) == steps + (1 if name == "pndm" and steps > 1 else 0)
    assert (np.diff(times) <= 0).all()
    assert times.min() >= 0
    assert times.max() <= 999


def test_an_offset_that_leaves_the_training_steps_is_refused() -> None:
    training = TrainingSchedule(steps_offset=20)
    assert build_scheduler("ddim", training, 20).timesteps[0] == 970
    with pytest.raises(RequestError, match=r"steps is 100; this model's steps_offset of 20 .* Choose fewer steps"):
        build_scheduler("ddim", training, 100)


def test_a_name_cannot_be_taken_twice() -> None:
    with pytest.raises(ValueError, match="ddim"):
        register("ddim")(lambda training, steps: build_scheduler("pndm", training, steps))


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "pndm"])  # test_pndm.py: it averages outputs
def test_velocity_and_noise_say_the_same(name: str) -> None:
    """A network that returns the velocity leads a sampler to the same end as one that returns the noise."""
    steps, ends = 8, {}
    for prediction in PREDICTIONS:
        training = TrainingSchedule(prediction=prediction)
        scheduler = build_scheduler(name, training, steps)
        sigmas = np.interp(scheduler.timesteps, np.arange(training.train_steps), training.sigmas)
        if name.endswith("karras"):
            sigmas = karras_sigmas(training, steps)
        source = NumpySource(2)
        sample: NDArray = source.normal(SHAPE) * scheduler.initial_scale
        for index, time in enumerate(scheduler.timesteps):
            seen = scheduler.scale_input(sample, index)
            output = predict_noise(seen, float(time))
            if prediction == "v_prediction":  # velocity = (noise - level * seen) / signal
                signal = 1 / np.sqrt(1 + sigmas[index] ** 2)
                output = (output - sigmas[index] * signal * seen) / signal
            sample = scheduler.step(output, index, sample, source)
        ends[prediction] = sample
    np.testing.assert_allclose(ends["epsilon"], ends["v_prediction"], rtol=0, atol=1e-4)


def test_estimate_inverts_the_mixture() -> None:
    source = NumpySource(4)
    clean, noise = source.normal(SHAPE).astype(np.float64), source.normal(SHAPE).astype(np.float64)
    signal, level = 0.6, 0.8
    sample = signal * clean + level * noise
    outputs = {"epsilon": noise, "v_prediction": signal * noise - level * clean}
    for prediction, output in outputs.items():
        found = estimate(output, sample, signal, level, prediction)
        np.testing.assert_allclose(found.clean, clean, atol=1e-12)
        np.testing.assert_allclose(found.noise, noise, atol=1e-12)


class TestTrainingSchedule:
    def test_sd_v1(self) -> None:
        training = TrainingSchedule()
        assert training.alphas_cumprod.shape == (1000,)
        assert training.alphas_cumprod[0] == pytest.approx(1 - 0.00085)
        assert training.alphas_cumprod[-1] == pytest.approx(0.00466, abs=1e-5)
        assert training.sigmas[-1] == pytest.approx(14.6146, abs=1e-4)  # k-diffusion's sigma_max for SD v1
        assert training.sigmas[0] == pytest.approx(0.0292, abs=1e-4)  # and its sigma_min

    def test_published_times(self) -> None:
        assert leading_times(TrainingSchedule(), 50)[:3].tolist() == [981, 961, 941]
        assert leading_times(TrainingSchedule(), 50)[-3:].tolist() == [41, 21, 1]

    @pytest.mark.parametrize(
        "values",
        [
            {"prediction": "sample"},
            {"beta_start": 0.0},
            {"beta_start": 0.5, "beta_end": 0.1},
            {"beta_end": 1.0},
            {"beta_start": float("nan")},
            {"train_steps": 0},
            {"beta_schedule": "cosine"},
            {"spacing": "even"},
            {"steps_offset": -1},
            {"trained_betas": (0.1,)},
            {"trained_betas": (0.1, 1.0), "train_steps": 2},
        ],
    )
    def test_refuses_nonsense(self, values: dict) -> None:
        with pytest.raises(PackageError):
            TrainingSchedule(**values)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_output_for_clean_latents_is_the_inverse_of_the_estimate(prediction: str) -> None:
    source = NumpySource(5)
    clean, sample = source.normal(SHAPE).astype(np.float64), source.normal(SHAPE).astype(np.float64)
    output = output_for(clean, sample, 0.6, 0.8, prediction)
    np.testing.assert_allclose(estimate(output, sample, 0.6, 0.8, prediction).clean, clean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_forecast_keeps_the_clean_latents(name: str, prediction: str) -> None:
    """With the levels of every sampler, it finds the clean latents that the forecast holds."""
    training = TrainingSchedule(prediction=prediction)
    scheduler = build_scheduler(name, training, 12)
    source = NumpySource(3)
    clean = source.normal(SHAPE).astype(np.float64)
    sample = source.normal(SHAPE).astype(np.float64) * scheduler.initial_scale
    for index in range(len(scheduler.timesteps)):
        signal, level = scheduler.levels(index)
        assert signal**2 + level**2 == pytest.approx(1)
        output = output_for(clean, scheduler.scale_input(sample, index), signal, level, prediction)
        sample = scheduler.step(output, index, sample, source)
        assert scheduler.clean is not None
        np.testing.assert_allclose(scheduler.clean, clean, rtol=0, atol=1e-6)
