"""What a training sees: single pictures as before, and scenes, each with a caption drawn anew.

An example follows from its number alone, so a stopped training goes on with the next one, on any machine and with any
number of processes.
"""

import random
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from training import data
from training.scenes import grammar, render, words

SINGLE_SHARE = 0.36
FIRST_OF_TESTS = 10**12  # numbers from here on are for tests: no training gets so far


@dataclass(frozen=True)
class Example:
    """A picture uint8 [128, 128, 3] with its caption's ids [77]."""

    picture: NDArray[np.uint8]
    ids: NDArray[np.int64]


class Examples:
    """Examples by number. `single` is the share of single pictures."""

    def __init__(self, seed: int, single: float = SINGLE_SHARE) -> None:
        self._seed, self._single = seed, single
        self._pictures, self._words = data.pictures(), data.words()
        weights = (data.COMMON_WEIGHT if entry["common"] else 1.0 for entry in self._words)
        self._weights = tuple(accumulate(weights))

    def __getitem__(self, number: int) -> Example:
        chance = random.Random(self._seed << 48 | number)
        if chance.random() < self._single:
            (place,) = chance.choices(range(len(self._words)), cum_weights=self._weights)
            return Example(self._pictures[place], words.encode(data.caption(self._words[place], chance)))
        scene = grammar.scene(chance)
        picture, _ = render.draw(scene, chance)
        return Example(picture, words.encode(grammar.caption(scene, chance)))

    def batch(self, first: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pictures [B, 128, 128, 3] and ids [B, 77] of the examples from `first` on."""
        found = [self[number] for number in range(first, first + size)]
        return np.stack([one.picture for one in found]), np.stack([one.ids for one in found])
