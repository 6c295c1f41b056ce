"""HaarPSI: how alike two pictures look to people, from edges, textures and colours at several scales.

After Reisenhofer, Bosse, Kutyniok and Wiegand, "A Haar Wavelet-Based Perceptual Similarity Index for Image Quality
Assessment" (Signal Processing: Image Communication 61, 2018), with their constants. The edges of the two finer scales
are compared, and the coarsest says how much each place matters. It has no learned weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

C = 30.0  # keeps small differences of coefficients from counting
ALPHA = 4.2  # of the logistic function
SCALES = (2, 4, 8)  # pixels of a Haar filter, after the pictures are halved
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def haarpsi(picture: NDArray, reference: NDArray) -> float:
    """Compare two uint8 [H, W, 3] pictures of one size: 1 for equal ones, above 0 for all others."""
    (luma_x, *chroma_x), (luma_y, *chroma_y) = _planes(picture), _planes(reference)
    likeness, weights = [], []
    for edges_x, edges_y in zip(_edges(luma_x), _edges(luma_y), strict=True):  # horizontal, then vertical
        likeness.append(np.mean([_alike(x, y) for x, y in zip(edges_x[:2], edges_y[:2], strict=True)], axis=0))
        weights.append(np.maximum(edges_x[2], edges_y[2]))
    colours = [_alike(_blur(x), _blur(y)) for x, y in zip(chroma_x, chroma_y, strict=True)]
    likeness.append(np.mean(colours, axis=0))
    weights.append(np.mean(weights, axis=0))
    total = np.sum(weights)
    if total == 0:  # two pictures without any edge: only colours are left to compare
        weights, total = [np.ones_like(weight) for weight in weights], float(np.size(weights))
    share = np.sum(np.array(weights) / (1 + np.exp(-ALPHA * np.array(likeness)))) / total
    return float((np.log(share / (1 - share)) / ALPHA) ** 2)


def _planes(picture: NDArray) -> NDArray:
    """Brightness and two colour planes at half the size: uint8 [H, W, 3] -> [3, (H + 1) // 2, (W + 1) // 2]."""
    planes = np.tensordot(YIQ, picture.astype(np.float64), axes=(1, 2))
    return np.stack([_sums(plane, 2)[::2, ::2] / 4 for plane in planes])


def _edges(plane: NDArray) -> tuple[list[NDArray], list[NDArray]]:
    """Magnitudes of the Haar coefficients, [H, W] for each of SCALES: of horizontal edges, then of vertical ones."""
    pairs = [_haar(plane, size) for size in SCALES]
    return [horizontal for horizontal, _ in pairs], [vertical for _, vertical in pairs]


def _haar(plane: NDArray, size: int) -> tuple[NDArray, NDArray]:
    """Differences of the two halves of each window of size x size pixels: upper and lower half, left and right half."""
    table, half, (height, width) = _table(plane, size), size // 2, plane.shape
    upper = _rectangles(table, half, size)[:height, :width]
    lower = _rectangles(table, half, size)[half : half + height, :width]
    left = _rectangles(table, size, half)[:height, :width]
    right = _rectangles(table, size, half)[:height, half : half + width]
    return np.abs(upper - lower) / size, np.abs(left - right) / size


def _blur(plane: NDArray) -> NDArray:
    return np.abs(_sums(plane, 2)) / 4


def _sums(plane: NDArray, size: int) -> NDArray:
    """The sum of each window of size x size pixels, [H, W] -> [H, W]; outside is black."""
    return _rectangles(_table(plane, size), size, size)


def _table(plane: NDArray, size: int) -> NDArray:
    """Sums of all pixels above and left of each, for windows of this size: a window lies half a size further down."""
    around = (size // 2 - 1, size // 2)
    return np.pad(np.pad(plane, (around, around)).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _rectangles(table: NDArray, height: int, width: int) -> NDArray:
    """The sum of each rectangle inside."""
    rows = table[height:] - table[:-height]
    return np.asarray(rows[:, width:] - rows[:, :-width])


def _alike(x: NDArray, y: NDArray) -> NDArray:
    return np.asarray((2 * x * y + C) / (x * x + y * y + C))
