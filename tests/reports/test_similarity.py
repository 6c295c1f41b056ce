"""PSNR and SSIM against scikit-image 0.26.0.

The expected values are `structural_similarity(channel_axis=2, gaussian_weights=True, sigma=1.5,
use_sample_covariance=False, data_range=255)` and `peak_signal_noise_ratio(data_range=255)` of these very pictures.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import RequestError
from bksdm_demo.reports.similarity import compare_pictures


def waves(noise: int, height: int = 48, width: int = 64) -> NDArray:
    """Coloured waves under so much noise."""
    y, x = np.mgrid[:height, :width]
    base = 127 + 80 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None] * np.array([1, 0.5, -0.7])
    grain = np.random.RandomState(noise).normal(0, 4 + 6 * noise, (height, width, 3))
    return np.clip(base + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("noise", "psnr", "ssim"), [(1, 27.46939330249178, 0.670809248475079), (2, 23.77437423996737, 0.48031854838229976)]
)
def test_the_values_of_scikit_image(noise: int, psnr: float, ssim: float) -> None:
    similarity = compare_pictures(waves(0), waves(noise))
    assert similarity.psnr == pytest.approx(psnr, abs=1e-9)
    assert similarity.ssim == pytest.approx(ssim, abs=1e-9)
    assert not similarity.identical
    assert compare_pictures(waves(noise), waves(0)).ssim == pytest.approx(ssim, abs=1e-9)


def test_equal_pictures_are_identical() -> None:
    similarity = compare_pictures(waves(1), waves(1))
    assert similarity.identical
    assert similarity.ssim == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("shapes", "words"), [(((32, 32, 3), (32, 16, 3)), "32x32 and 16x32"), (((8, 40, 3),) * 2, "fewer than 11")]
)
def test_sizes_that_cannot_be_compared(shapes: tuple[tuple[int, ...], ...], words: str) -> None:
    one, other = (np.zeros(shape, np.uint8) for shape in shapes)
    with pytest.raises(RequestError, match=words):
        compare_pictures(one, other)
