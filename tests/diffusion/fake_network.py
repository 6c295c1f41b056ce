"""A deterministic stand-in for a U-Net, in float64 numpy: the exact noise predictor of a simple picture world.

In that world every latent is +m or -m (m depends on its place), blurred by a normal of deviation BLUR; the noise that
is expected in a noisy latent has a closed form, so trajectories bend like those of a trained network and stay finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLUR = 0.6
BETA_ROOTS = (0.00085**0.5, 0.012**0.5)  # Stable Diffusion v1.4's schedule, as a continuous curve


def signal_share(time: float) -> float:
    """The share of the variance that is signal at a training step between 0 and 999: exp of minus the summed betas."""
    low, high = BETA_ROOTS
    rise = (high - low) / 999
    count = time + 1
    return float(np.exp(-(low**2 * count + low * rise * count**2 + rise**2 * count**3 / 3)))


def predict_noise(sample: NDArray, time: float) -> NDArray[np.float64]:
    """The expected noise in `sample` (any shape, variance about 1) at a training step."""
    x = np.asarray(sample, dtype=np.float64)
    a = signal_share(time)
    m = 1 + 0.5 * np.cos(np.arange(x.size, dtype=np.float64)).reshape(x.shape)
    variance = a * BLUR**2 + 1 - a
    side = np.tanh(np.sqrt(a) * m * x / variance)
    clean = m * side + np.sqrt(a) * BLUR**2 / variance * (x - np.sqrt(a) * m * side)
    return (x - np.sqrt(a) * clean) / np.sqrt(1 - a)


def predict_velocity(sample: NDArray, time: float) -> NDArray[np.float64]:
    """The same world's velocity, `signal * noise - level * clean` (Salimans & Ho 2022, appendix D)."""
    signal, level = np.sqrt(signal_share(time)), np.sqrt(1 - signal_share(time))
    noise = predict_noise(sample, time)
    clean = (np.asarray(sample, dtype=np.float64) - level * noise) / signal
    return signal * noise - level * clean
