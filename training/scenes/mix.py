"""What a training sees: single pictures as before, and scenes, each with a caption drawn anew.

An example follows from its number alone, so a stopped training goes on with the next one, on any machine and with any
number of processes.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from training import data
from training.scenes import grammar, render, words
from training.scenes.grammar import Scene
from training.scenes.render import CELL, GRID, Placed

MOST_GROUPS = 2  # of a scene
SINGLE_SHARE = 0.35
NOISIER = 1.7  # more of the steps in which a scene is decided, 69 % from 500 on (diffusion.add_noise)
EMPTY_NOISE = 0.5  # share of the first steps' latents that are noise alone (diffusion.add_noise)
FIRST_OF_TESTS = 10**12  # numbers from here on are for tests: no training gets so far


@dataclass(frozen=True)
class Example:
    """A picture uint8 [128, 128, 3] with its caption's ids [77].

    For scenes also the group that each token names [77], and where the groups' things are: 1 in the cells of eight
    pixels that they touch, uint8 [2, 16, 16].
    """

    picture: NDArray[np.uint8]
    ids: NDArray[np.int64]
    groups: NDArray[np.int64]
    regions: NDArray[np.uint8]


def _regions(scene: Scene, placed: Sequence[Placed]) -> NDArray[np.uint8]:
    regions = np.zeros((MOST_GROUPS, GRID, GRID), np.uint8)
    for one in placed:
        if not one.worn:
            left, right = one.x - one.width / 2, one.x + one.width / 2
            top, bottom = one.y - one.height / 2, one.y + one.height / 2
            rows, columns = (
                slice(max(0, int(low // CELL)), max(0, math.ceil(high / CELL)))
                for low, high in ((top, bottom), (left, right))
            )
            regions[scene.groups.index(one.group), rows, columns] = 1
    return regions


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
            ids = words.encode(data.caption(self._words[place], chance))
            nowhere = np.zeros((MOST_GROUPS, GRID, GRID), np.uint8)
            return Example(self._pictures[place], ids, np.full(words.LENGTH, words.NO_GROUP), nowhere)
        scene = grammar.scene(chance)
        picture, placed = render.draw(scene, chance)
        ids, groups = words.encode_phrases(grammar.caption(scene, chance))
        return Example(picture, ids, groups, _regions(scene, placed))

    def batch(self, first: int, size: int) -> tuple[NDArray, ...]:
        """The fields of the examples from `first` on, stacked."""
        found = [self[number] for number in range(first, first + size)]
        return tuple(np.stack([getattr(one, name) for one in found]) for name in Example.__annotations__)
