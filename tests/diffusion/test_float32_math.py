"""The single-precision functions against exact rational arithmetic and numpy's double-precision ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from bksdm_demo.diffusion import float32_math as cephes

ULP = 2.0**-23  # relative spacing of float32


def test_fused_rounds_once() -> None:
    random = np.random.RandomState(0)
    a, b, c = (random.standard_normal(4000).astype(np.float32) for _ in range(3))
    for x, y, z, result in zip(a, b, c, cephes.fused(a, b, c), strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        neighbours = [float(np.nextafter(result, np.float32(way))) for way in (np.inf, -np.inf)]
        error = abs(Fraction(float(result)) - exact)
        assert all(error <= abs(Fraction(neighbour) - exact) for neighbour in neighbours)


def test_fused_where_rounding_twice_goes_wrong() -> None:
    """The exact sum is 2**-54 below the midpoint of two float32; float64 puts it on the midpoint."""
    a, b = np.float32(2.0**-24 * (1 + 2.0**-15)), np.float32(1 - 2.0**-15)
    c = np.float32(1 + ULP)
    assert np.float32(np.float64(a) * np.float64(b) + np.float64(c)) == np.float32(1 + 2 * ULP)  # rounded twice
    assert cephes.fused(np.array([a]), np.array([b]), np.array([c]))[0] == c


def test_log_is_accurate() -> None:
    x = (1 - np.arange(0, 2**24, 997) * 2.0**-24).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    np.testing.assert_allclose(cephes.log(x), exact, rtol=2 * ULP, atol=1e-12)


def test_sine_and_cosine_are_accurate() -> None:
    x = np.linspace(0, 2 * np.pi, 20_001).astype(np.float32)
    sine, cosine = cephes.sin_cos(x)
    np.testing.assert_allclose(sine, np.sin(x.astype(np.float64)), rtol=0, atol=ULP)
    np.testing.assert_allclose(cosine, np.cos(x.astype(np.float64)), rtol=0, atol=ULP)
