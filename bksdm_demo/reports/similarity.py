"""The similarity of two pictures: PSNR, SSIM, and HaarPSI of haarpsi.py.

SSIM after Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
Similarity" (IEEE TIP 13/4, 2004): Gaussian window of 11 x 11 with sigma 1.5, K1 0.01, K2 0.03, the mean over the
windows that lie inside the picture, here of each channel of RGB, then of the channels. All numbers measure similarity.
None says which picture is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bksdm_demo.errors import RequestError
from bksdm_demo.reports.haarpsi import haarpsi

PEAK = 255.0
WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
K1, K2 = 0.01, 0.03


@dataclass(frozen=True)
class Similarity:
    """`psnr` is in dB for a peak of 255, infinite for equal pictures; `ssim` and `haarpsi` are at most 1."""

    psnr: float
    ssim: float
    haarpsi: float

    @property
    def identical(self) -> bool:
        return self.psnr == inf


def compare_pictures(picture: NDArray, reference: NDArray) -> Similarity:
    """Compare two uint8 [H, W, 3] pictures of one size, at least 11 pixels high and wide; else raise RequestError."""
    if picture.shape != reference.shape:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (picture.shape, reference.shape))
        raise RequestError(f"Pictures of {sizes} pixels cannot be compared pixel by pixel.")
    if min(picture.shape[:2]) < WINDOW:
        raise RequestError(f"Pictures of fewer than {WINDOW} pixels on a side cannot be compared.")
    return Similarity(psnr(picture, reference), ssim(picture, reference), haarpsi(picture, reference))


def psnr(picture: NDArray, reference: NDArray) -> float:
    """Peak signal-to-noise ratio in dB over all channels; infinite for equal pictures."""
    error = np.mean(np.square(picture.astype(np.float64) - reference))
    return inf if error == 0 else 10 * log10(PEAK**2 / error)


def ssim(picture: NDArray, reference: NDArray) -> float:
    """Mean structural similarity, in [-1, 1]."""
    x, y = (np.moveaxis(array, -1, 0).astype(np.float64) for array in (picture, reference))  # [3, H, W]
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    means = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(means * (2 * covariance + c2) / (variance_x + variance_y + c2)))


def _blur(planes: NDArray) -> NDArray:
    """Blur [3, H, W] -> [3, H - 10, W - 10]: Gaussian means of all windows inside. The window is separable."""
    places = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(places**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    rows = sliding_window_view(planes, WINDOW, axis=1) @ weights
    return np.asarray(sliding_window_view(rows, WINDOW, axis=2) @ weights)
