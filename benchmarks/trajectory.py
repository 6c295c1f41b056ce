"""Walks a real trajectory through the timesteps of the comparison, and measures how far two outputs differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.guidance import double, guide
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

TIMESTEPS = (999, 981, 751, 501, 251, 1)  # from noise to picture
Predict = Callable[[NDArray, float], NDArray]  # latents [2, C, h, w] and a timestep -> prediction [2, C, h, w]


def walk(
    predict: Predict, noise: NDArray, guidance_scale: float, timesteps: Sequence[int] = TIMESTEPS
) -> tuple[NDArray, NDArray]:
    """The latents [T, 2, C, h, w] that the network gets at each timestep, and its predictions for them.

    DDIM without noise (arXiv 2010.02502, equation 12 with sigma 0), for a network that predicts noise, from `noise`
    [1, C, h, w] on; both halves of a pair of latents are equal.
    """
    kept = TrainingSchedule().alphas_cumprod
    sample, latents, predictions = noise.astype(np.float64), [], []
    for place, timestep in enumerate(timesteps):
        given = double(sample).astype(np.float32)
        output = predict(given, float(timestep))
        latents.append(given)
        predictions.append(output)
        if place + 1 < len(timesteps):
            guided = guide(output.astype(np.float64), guidance_scale)
            now, later = kept[timestep], kept[timesteps[place + 1]]
            clean = (sample - np.sqrt(1 - now) * guided) / np.sqrt(now)
            sample = np.sqrt(later) * clean + np.sqrt(1 - later) * guided
    return np.stack(latents), np.stack(predictions)


def psnr(output: NDArray, reference: NDArray) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the largest magnitude of the reference, as in Apple's converter.

    With the range (highest less lowest value) as the peak it would be up to 6 dB more.
    """
    error = float(np.mean((output.astype(np.float64) - reference) ** 2))
    return float("inf") if error == 0 else float(20 * np.log10(np.abs(reference).max()) - 10 * np.log10(error))
