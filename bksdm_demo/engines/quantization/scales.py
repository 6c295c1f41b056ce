"""How the values that a site reads, and its weights, are rounded to 8 bits: pure arithmetic on arrays.

A value x [..., C] becomes round((x - centre) / (spread * scale)) + zero_point, clipped to 0..255: one scale for the
tensor, as integer kernels need it, over channels that were first brought to a common size. The weights [O, C, ...]
take the other half, w * spread, are rounded to -127..127 with one scale for each of the O outputs, and `centre` is
paid back as a constant. So large channels cost the small ones nothing.

How far to equalise (after SmoothQuant, Xiao et al., 2211.10438, equation 4: spread = |x|^a / |w|^(1-a)) and where to
clip is searched for each site: the choice with the least expected error of the output, taking the errors of values and
weights as independent. Samples of real values decide, not their extremes alone.
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
EVERY = 8  # the search looks at every eighth output's weights
TINY = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rounding:
    """How one value is rounded: `scale` and `zero_point` of the tensor; `spread`, `centre` and `power` [C] of its
    channels, the last being the mean square of (x - centre) / spread."""

    scale: float
    zero_point: int
    spread: Floats
    centre: Floats
    power: Floats

    @property
    def low(self) -> float:
        """The least value that can be told, after centring and spreading."""
        return -self.zero_point * self.scale

    @property
    def high(self) -> float:
        return (LEVELS - 1 - self.zero_point) * self.scale

    def rounded(self, values: Floats) -> Floats:
        """What values [..., C] come back as."""
        whole = np.round((values - self.centre) / (self.spread * self.scale)) + self.zero_point
        kept = (np.clip(whole, 0, LEVELS - 1) - self.zero_point) * self.scale
        return np.asarray(kept * self.spread + self.centre, np.float32)


def choose_rounding(samples: Floats, weights: Sequence[Floats], pointwise: bool, by_channel: bool = True) -> Rounding:
    """The rounding of a value, from samples [n, C] of it and the weights [O, C, ...] of all sites that read it.

    Only a `pointwise` site may have its values centred: padding adds zeros, which have to stay zeros. Unless
    `by_channel`, all channels are rounded alike.
    """
    channels = samples.shape[1]
    joined = np.concatenate([weight.reshape(len(weight), channels, -1) for weight in weights])  # [O, C, K]
    centre = _middle(samples) if pointwise and by_channel else np.zeros(channels, np.float32)
    centred = samples - centre
    reach = np.maximum(np.abs(centred).max(0), TINY)
    strength = np.maximum(np.abs(joined).max((0, 2)), TINY)
    gain = (joined**2).sum((0, 2))
    some = joined[::EVERY]
    best: tuple[float, Rounding] | None = None
    for exponent in EXPONENTS if by_channel else (0.0,):
        spread = reach**exponent / strength ** (1 - exponent) if exponent else np.ones(channels)
        spread = (spread / np.exp(np.log(spread).mean())).astype(np.float32)
        spreaded = centred / spread
        power = np.asarray((spreaded**2).mean(0), np.float32)
        weight_error = _weight_error(some * spread[:, None], power) * len(joined) / len(some)
        for clip in VALUE_CLIPS:
            scale, zero_point = affine(float(spreaded.min()) * clip, float(spreaded.max()) * clip)
            rounding = Rounding(scale, zero_point, spread, centre, power)
            error = float((((rounding.rounded(samples) - samples) ** 2).mean(0) * gain).sum()) + weight_error
            if best is None or error < best[0]:
                best = error, rounding
    assert best is not None
    return best[1]


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point that tell the values from `low` to `high`, and zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, TINY) / (LEVELS - 1)
    return scale, int(np.clip(round(-low / scale), 0, LEVELS - 1))


def round_weights(weights: Floats, power: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Weights [O, C, ...] as int8 and the scale of each output [O], clipped where the error is least.

    `power` [C] is the mean square of the values that the weights meet.
    """
    flat = weights.reshape(len(weights), -1)
    scales = _best_scales(flat, power)[0]
    whole = np.clip(np.round(flat / scales[:, None]), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    return whole.reshape(weights.shape), scales


def _best_scales(flat: Floats, power: Floats) -> tuple[Floats, Floats]:
    """For each row of weights [O, C * K]: its scale and the expected square error of its output."""
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
