"""PNDM with a network that returns the velocity, against diffusers' order of operations restated in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import NumpySource
from bksdm_demo.diffusion.schedulers import TrainingSchedule, build_scheduler
from tests.diffusion.fake_network import predict_noise, predict_velocity

SHAPE = (1, 4, 3, 5)
NETWORKS = {"epsilon": predict_noise, "v_prediction": predict_velocity}


def restated(prediction: str, steps: int, sample: NDArray) -> list[NDArray]:
    """The sample after every call, as diffusers' PNDMScheduler computes it with `skip_prk_steps` True.

    Its `step_plms` combines raw outputs of the network. Its `_get_prev_sample` then makes noise of the combination,
    at the sample and the time that the step starts from.
    """
    alphas = TrainingSchedule().alphas_cumprod
    stride = 1000 // steps
    falling = [1 + stride * count for count in reversed(range(steps))]
    times = [falling[0], *falling[1:2], *falling[1:]]
    outputs: list[NDArray] = []  # oldest first
    start, samples = sample, []
    for call, time in enumerate(times):
        output = NETWORKS[prediction](sample, time)
        source, target, base = time, time - stride, sample
        if call == 1:
            source, target, base = time + stride, time, start
            combined = (output + outputs[0]) / 2
        else:
            outputs.append(output)
            last = outputs[::-1]
            if len(last) == 1:
                combined = last[0]
            elif len(last) == 2:
                combined = (3 * last[0] - last[1]) / 2
            elif len(last) == 3:
                combined = (23 * last[0] - 16 * last[1] + 5 * last[2]) / 12
            else:
                combined = (55 * last[0] - 59 * last[1] + 37 * last[2] - 9 * last[3]) / 24
        a, b = alphas[source], alphas[target] if target >= 0 else alphas[0]
        noise = combined if prediction == "epsilon" else a**0.5 * combined + (1 - a) ** 0.5 * base
        denominator = a * (1 - b) ** 0.5 + (a * (1 - a) * b) ** 0.5
        sample = (b / a) ** 0.5 * base - (b - a) * noise / denominator
        samples.append(sample)
    return samples


def ours(prediction: str, steps: int, sample: NDArray) -> list[NDArray]:
    scheduler = build_scheduler("pndm", TrainingSchedule(prediction=prediction), steps)
    samples = []
    for index, time in enumerate(scheduler.timesteps):
        output = NETWORKS[prediction](scheduler.scale_input(sample, index), float(time))
        sample = scheduler.step(output, index, sample, NumpySource(0))
        samples.append(sample)
    return samples


def start_noise() -> NDArray[np.float64]:
    return NumpySource(5).normal(SHAPE).astype(np.float64)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 20, 50])
@pytest.mark.parametrize("prediction", NETWORKS)
def test_every_sample_is_diffusers(prediction: str, steps: int) -> None:
    found, expected = ours(prediction, steps, start_noise()), restated(prediction, steps, start_noise())
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_velocity_and_noise_agree_in_the_limit() -> None:
    """The averages differ between the two, so few steps lead to different ends, and many to the same."""
    apart = {}
    for steps in (10, 40, 160):
        ends = [ours(prediction, steps, start_noise())[-1] for prediction in NETWORKS]
        apart[steps] = np.abs(ends[0] - ends[1]).mean()
    assert apart[10] > 2 * apart[40] > 4 * apart[160]
