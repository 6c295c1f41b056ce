"""The walk through the timesteps against a network that knows the truth; PSNR against a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.trajectory import TIMESTEPS, psnr, walk
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule


def test_a_network_that_predicts_the_true_noise_is_walked_along_one_line() -> None:
    """With eps known, DDIM's latents at t are exactly sqrt(a) x0 + sqrt(1 - a) eps."""
    source = np.random.default_rng(0)
    clean, noise = source.standard_normal((2, 1, 4, 8, 8))
    kept = TrainingSchedule().alphas_cumprod

    def predict(latents: NDArray, timestep: float) -> NDArray:
        eps = (latents - np.sqrt(kept[int(timestep)]) * clean) / np.sqrt(1 - kept[int(timestep)])
        return eps.astype(np.float32)

    start = np.sqrt(kept[999]) * clean + np.sqrt(1 - kept[999]) * noise
    latents, predictions = walk(predict, start, guidance_scale=7.5)
    assert latents.shape == predictions.shape == (len(TIMESTEPS), 2, 4, 8, 8)
    for timestep, pair in zip(TIMESTEPS, latents, strict=True):
        truth = np.sqrt(kept[timestep]) * clean + np.sqrt(1 - kept[timestep]) * noise
        np.testing.assert_allclose(pair[0], truth[0], atol=1e-3)
        np.testing.assert_array_equal(pair[0], pair[1])


def test_guidance_decides_the_way() -> None:
    """Halves that predict different noise lead elsewhere when guidance weighs them differently."""

    def predict(latents: NDArray, _timestep: float) -> NDArray:
        return np.stack([np.zeros_like(latents[0]), latents[1]])

    noise = np.ones((1, 1, 2, 2))
    weak, strong = (walk(predict, noise, scale)[0][-1] for scale in (1.0, 2.0))
    assert not np.allclose(weak, strong)


def test_psnr_of_a_worked_example() -> None:
    """Peak 10, every element off by 0.1: 20 log10(10 / 0.1) = 40 dB."""
    reference = np.array([-10.0, 0.0, 5.0, 5.0])
    assert psnr(reference + 0.1, reference) == pytest.approx(40.0)


def test_psnr_of_equals_is_infinite() -> None:
    assert psnr(np.ones(3), np.ones(3)) == float("inf")
