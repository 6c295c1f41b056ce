"""HaarPSI against piq 0.8.0.

The expected values are `piq.haarpsi(picture, reference, data_range=255.0)` of these very pictures in float64.
"""

import numpy as np
import pytest

from bksdm_demo.reports.haarpsi import haarpsi
from tests.reports.test_similarity import waves


@pytest.mark.parametrize(
    ("noise", "size", "expected"),
    [
        (1, (48, 64), 0.9030615299250909),
        (2, (48, 64), 0.8258430453136607),
        (3, (129, 131), 0.7763830906559156),
    ],
)
def test_the_values_of_piq(noise: int, size: tuple[int, int], expected: float) -> None:
    assert haarpsi(waves(noise, *size), waves(0, *size)) == pytest.approx(expected, abs=1e-9)
    assert haarpsi(waves(0, *size), waves(noise, *size)) == pytest.approx(expected, abs=1e-9)


def test_equal_pictures_are_at_one_and_without_edges_the_colours_count() -> None:
    flat = np.full((16, 16, 3), (200, 40, 40), np.uint8)
    black = np.zeros((16, 16, 3), np.uint8)
    assert haarpsi(waves(1), waves(1)) == pytest.approx(1.0)
    assert haarpsi(black, black) == pytest.approx(1.0)
    assert 0 < haarpsi(flat, flat[:, :, ::-1]) < 0.9
