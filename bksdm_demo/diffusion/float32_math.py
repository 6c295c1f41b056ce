"""Single-precision log, sin and cos, bit for bit as torch's vectorised CPU code computes them.

The polynomials are Cephes' (S. L. Moshier, logf.c and sinf.c). torch runs them with AVX2. Its compiler fuses some
products with the sum that follows into one multiply-add, rounded once; comparing bits with torch 2.13 showed which.
Every operation here is exactly rounded, so the results are the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
LN_2 = (0.693359375, -2.12194440e-4)  # in two parts: the first is exact in a few bits
QUARTER_PI = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)  # in three parts
SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def log(x: Floats) -> Floats:
    """Natural logarithm of positive, normal float32 numbers."""
    one = np.float32(1)
    mantissa, exponent = np.frexp(x)  # mantissa in [0.5, 1)
    low = mantissa < np.float32(0.5**0.5)
    r = np.where(low, (mantissa - one) + mantissa, mantissa - one)  # x = 2**exponent * (1 + r), r around 0
    exponent = np.where(low, exponent - 1, exponent).astype(np.float32)
    square = r * r
    tail = _polynomial(LOG, r) * r
    tail = fused(tail, square, exponent * np.float32(LN_2[1]))
    tail = fused(square, np.float32(-0.5), tail)
    return fused(exponent, np.float32(LN_2[0]), r + tail)


def sin_cos(x: Floats) -> tuple[Floats, Floats]:
    """Sine and cosine of float32 angles in radians, 0 <= x < 8192."""
    octant = (x * np.float32(4 / np.pi)).astype(np.int32)
    octant = octant + 1 & ~1  # the nearest even multiple of pi / 4
    for part in QUARTER_PI:  # subtract that multiple
        x = fused(octant.astype(np.float32), np.float32(-part), x)
    square = x * x
    half = square * np.float32(0.5)
    cosine = fused(_polynomial(COS, square) * square, square, -half) + np.float32(1)
    sine = fused(_polynomial(SIN, square) * square, x, x)
    swap = octant & 2 != 0
    sine, cosine = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    sine = np.where(octant & 4 != 0, -sine, sine)
    cosine = np.where(octant - 2 & 4 == 0, -cosine, cosine)
    return sine, cosine


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    """Horner's scheme, highest power first, each step fused."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = fused(value, x, np.float32(coefficient))
    return value


def fused(a: Floats, b: Floats | np.float32, c: Floats | np.float32) -> Floats:
    """a * b + c rounded once to float32.

    The product is exact in float64. The sum is rounded to odd there (Boldo & Melquiond 2008), so that the second
    rounding, to float32, is correct.
    """
    product = np.multiply(a, b, dtype=np.float64)
    addend = np.asarray(c, dtype=np.float64)
    total = product + addend
    back = total - product
    error = (product - (total - back)) + (addend - back)  # the exact rounding error of the sum (Knuth's two-sum)
    even = total.view(np.int64) & 1 == 0
    odd = np.nextafter(total, np.copysign(np.inf, error))
    return np.where((error != 0) & even, odd, total).astype(np.float32)
