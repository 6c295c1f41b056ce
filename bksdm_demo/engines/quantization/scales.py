"""Chooses how the values that a site reads, and its weights, are rounded to 8 bits: pure arithmetic on arrays.

A value x [..., C] becomes round((x - centre) / (spread * scale)) + zero_point, clipped to 0..255. `spread` brings the
channels to a common size first, because integer kernels need one scale for the tensor. The weights [O, C, ...] are
multiplied by `spread` in return and rounded to -127..127, with one scale for each of the O outputs. A constant makes up
for `centre`. So large channels take no precision from small ones.

A search for each site decides how far to equalise (after SmoothQuant, Xiao et al., 2211.10438, equation 4:
spread = |x|^a / |w|^(1-a)) and where to clip. It minimises the expected error of the output, with the errors of values
and weights taken as independent. It looks at samples of real values, not only at their extremes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 256
WEIGHT_LIMIT = 127
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # a: 0 leaves the values as they are, 1 makes all channels equal
VALUE_CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the sampled range
WEIGHT_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)  # of each output's largest weight
OUTPUT_STRIDE = 8  # the search looks at the weights of every eighth output
TINY = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rounding:
    """How one value is rounded: `scale` and `zero_point` for the tensor, the rest [C] for its channels.

    `power` is the mean square of (x - centre) / spread.
    """

    scale: float
    zero_point: int
    spread: Floats
    centre: Floats
    power: Floats

    @property
    def low(self) -> float:
        """The least value that can be represented, after centring and spreading."""
        return -self.zero_point * self.scale

    @property
    def high(self) -> float:
        return (LEVELS - 1 - self.zero_point) * self.scale

    def rounded(self, values: Floats) -> Floats:
        """The values [..., C] after rounding."""
        whole = np.round((values - self.centre) / (self.spread * self.scale)) + self.zero_point
        clipped = (np.clip(whole, 0, LEVELS - 1) - self.zero_point) * self.scale
        return np.asarray(clipped * self.spread + self.centre, np.float32)


def choose_rounding(samples: Floats, weights: Sequence[Floats], pointwise: bool, by_channel: bool = True) -> Rounding:
    """The best rounding of a value, from samples [n, C] of it and the weights [O, C, ...] of all sites that read it.

    Only the values of `pointwise` sites are centred: elsewhere padding adds zeros, which must stay zeros. Without
    `by_channel`, all channels are rounded alike.
    """
    channels = samples.shape[1]
    joined = np.concatenate([weight.reshape(len(weight), channels, -1) for weight in weights])  # [O, C, K]
    centre = _middle(samples) if pointwise and by_channel else np.zeros(channels, np.float32)
    centred = samples - centre
    reach = np.maximum(np.abs(centred).max(0), TINY)
    strength = np.maximum(np.abs(joined).max((0, 2)), TINY)
    gain = (joined**2).sum((0, 2))
    some = joined[::OUTPUT_STRIDE]
    best: tuple[float, Rounding] | None = None
    for exponent in EXPONENTS if by_channel else (0.0,):
        spread = reach**exponent / strength ** (1 - exponent) if exponent else np.ones(channels)
        spread = (spread / np.exp(np.log(spread).mean())).astype(np.float32)
        equalised = centred / spread
        power = np.asarray((equalised**2).mean(0), np.float32)
        weight_error = _weight_error(some * spread[:, None], power) * len(joined) / len(some)
        for clip in VALUE_CLIPS:
            scale, zero_point = affine(float(equalised.min()) * clip, float(equalised.max()) * clip)
            rounding = Rounding(scale, zero_point, spread, centre, power)
            error = float((((rounding.rounded(samples) - samples) ** 2).mean(0) * gain).sum()) + weight_error
            if best is None or error < best[0]:
                best = error, rounding
    assert best is not None
    return best[1]


def affine(low: float, high: float) -> tuple[float, int]:
    """The scale and zero point that represent the values from `low` to `high`, and zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, TINY) / (LEVELS - 1)
    return scale, int(np.clip(round(-low / scale), 0, LEVELS - 1))


def round_weights(weights: Floats, power: Floats) -> tuple[NDArray[np.int8], Floats]:
    """The weights [O, C, ...] as int8 and the scale of each output [O], clipped for the least error.

    `power` [C] is the mean square of the values that the weights multiply.
    """
    flat = weights.reshape(len(weights), -1)
    scales = _best_scales(flat, power)[0]
    whole = np.clip(np.round(flat / scales[:, None]), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    return whole.reshape(weights.shape), scales


def _best_scales(flat: Floats, power: Floats) -> tuple[Floats, Floats]:
    """The scale of each row of weights [O, C * K], and the expected square error of its output."""
    heavy = np.repeat(power, flat.shape[1] // len(power))
    largest = np.maximum(np.abs(flat).max(1), TINY)
    scales = errors = np.full(len(flat), np.inf, np.float32)
    for clip in WEIGHT_CLIPS:
        scale = (largest * np.float32(clip) / WEIGHT_LIMIT).astype(np.float32)
        whole = np.clip(np.round(flat / scale[:, None]), -WEIGHT_LIMIT, WEIGHT_LIMIT)
        error = ((whole * scale[:, None] - flat) ** 2) @ heavy
        scales, errors = np.where(error < errors, scale, scales), np.minimum(error, errors)
    return scales, errors


def _weight_error(weights: Floats, power: Floats) -> float:
    return float(_best_scales(weights.reshape(len(weights), -1), power)[1].sum())


def _middle(samples: Floats) -> Floats:
    low, high = np.percentile(samples, (0.5, 99.5), axis=0)
    return np.asarray((low + high) / 2, np.float32)
