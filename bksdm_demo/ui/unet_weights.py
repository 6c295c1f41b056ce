"""Counts the weights of every removable part of Stable Diffusion v1.4's U-Net, from its published configuration.

The configuration is that of `unet/config.json` in CompVis/stable-diffusion-v1-4: 320, 640, 1280 and 1280 channels, two
pairs per stage, text states of 768. The layers are those of Rombach et al., arXiv 2112.10752. The sum is the network's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bksdm_demo.ui.blocks import LEVELS, PAIRS_DOWN, PAIRS_UP, has_attention

CHANNELS = (320, 640, 1280, 1280)  # by level, from the outermost
LATENT_CHANNELS = 4
TIME, TEXT = 1280, 768  # widths of the time embedding and of the text states
DOWN, MID, UP = "down", "mid", "up"


@dataclass(frozen=True)
class Part:
    """A pair of one residual block and one attention, alone where there is no attention; or the whole mid stage.

    `pair` counts from 0 in the order of execution. `weights` is the number of its weights.
    """

    side: str
    level: int
    pair: int
    weights: int

    @property
    def key(self) -> str:
        """ "down-0-1", "mid-3-0": the same in every language."""
        return f"{self.side}-{self.level}-{self.pair}"


def parts() -> tuple[Part, ...]:
    """Return every part in the order of execution."""
    return (*_down(), _mid(), *_up())


def rest() -> int:
    """Return the weights of what no model removes, or only together with a stage: first, last and resizing layers."""
    first, last = _conv(LATENT_CHANNELS, CHANNELS[0]), 2 * CHANNELS[0] + _conv(CHANNELS[0], LATENT_CHANNELS)
    time = _linear(CHANNELS[0], TIME) + _linear(TIME, TIME)
    return first + last + time + sum(map(resizing, range(LEVELS - 1)))


def resizing(level: int) -> int:
    """Return the weights of the two layers that lead from this level to the next inner one and back."""
    return _conv(CHANNELS[level], CHANNELS[level]) + _conv(CHANNELS[level + 1], CHANNELS[level + 1])


def _down() -> Iterator[Part]:
    before = CHANNELS[0]
    for level, width in enumerate(CHANNELS):
        for pair in range(PAIRS_DOWN):
            yield Part(DOWN, level, pair, _pair(before, width, level))
            before = width


def _mid() -> Part:
    width = CHANNELS[-1]
    return Part(MID, LEVELS - 1, 0, 2 * _residual(width, width) + _attention(width))


def _up() -> Iterator[Part]:
    before = CHANNELS[-1]
    for level in reversed(range(LEVELS)):
        width, outside = CHANNELS[level], CHANNELS[max(level - 1, 0)]
        for pair in range(PAIRS_UP):
            skip = width if pair < PAIRS_UP - 1 else outside  # the last takes what entered the stage on the way down
            yield Part(UP, level, pair, _pair(before + skip, width, level))
            before = width


def _pair(before: int, width: int, level: int) -> int:
    return _residual(before, width) + (_attention(width) if has_attention(level) else 0)


def _residual(before: int, width: int) -> int:
    """Two norms, two convolutions, the projection of the time, and a shortcut where the width changes."""
    shortcut = _linear(before, width) if before != width else 0
    return 2 * before + _conv(before, width) + _linear(TIME, width) + 2 * width + _conv(width, width) + shortcut


def _attention(width: int) -> int:
    """A norm, two projections, and a transformer block: attention to the picture, to the text, and a gated network."""
    to_itself = 3 * width * width + _linear(width, width)
    to_text = width * width + 2 * TEXT * width + _linear(width, width)
    gated = _linear(width, 8 * width) + _linear(4 * width, width)
    return 2 * width + 2 * _linear(width, width) + 3 * 2 * width + to_itself + to_text + gated


def _conv(before: int, after: int) -> int:
    return 9 * before * after + after


def _linear(before: int, after: int) -> int:
    return before * after + after
