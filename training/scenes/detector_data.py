"""Scenes with what is where in them: what the detector learns from. Never a generated picture.

Targets lie on a grid of 16 x 16 cells: for every cell, which things have their centre there, the offset and the sides
of their bounds, and their colour.
"""

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import data
from training.scenes import grammar, render, sprites
from training.scenes.grammar import Group, Scene
from training.scenes.render import CELL, GRID, Placed
from training.scenes.things import COLOURS, NAMES, SETTINGS, THINGS

NAME_PLACES = {name: place for place, name in enumerate(NAMES)}
BY_LABEL = {thing.label: name for name, thing in THINGS.items()}
SETTING_NAMES = ("", *SETTINGS)
UNKNOWN = -100  # of a colour or concept that is not to be learned: cross_entropy's own mark
NEAR = 0.35  # target of the cells beside a centre
SINGLE_SHARE = 0.3

Batch = tuple[NDArray, ...]


@dataclass(frozen=True)
class Targets:
    """The targets of one picture: see the comments."""

    picture: NDArray[np.uint8]  # [128, 128, 3]
    names: NDArray[np.float32]  # [things, 16, 16], 1 at centres, NEAR beside them
    known: bool  # whether `names` says all
    bounds: NDArray[np.float32]  # [4, 16, 16]: centre minus cell's centre, and sides; in cells
    colours: NDArray[np.int64]  # [16, 16], a place in COLOURS or UNKNOWN
    setting: int  # a place in SETTING_NAMES
    concept: int  # a place in words.json or UNKNOWN


class Labelled:
    """Examples with targets, by number. `single` is the share of single pictures."""

    def __init__(self, seed: int, single: float = SINGLE_SHARE) -> None:
        self._seed, self._single = seed, single
        self._pictures = data.pictures()
        self._labels = [entry["label"] for entry in data.words()]

    def __getitem__(self, number: int) -> Targets:
        chance = random.Random(self._seed << 48 | number)
        if chance.random() < self._single:
            place = chance.randrange(len(self._labels))
            return _single(self._pictures[place], self._labels[place], place)
        return scene_targets(_any_scene(chance), chance)

    def batch(self, first: int, size: int) -> Batch:
        """The fields of Targets, stacked."""
        found = [self[number] for number in range(first, first + size)]
        return tuple(np.stack([getattr(one, name) for one in found]) for name in Targets.__annotations__)


def _any_scene(chance: random.Random) -> Scene:
    """The detector may learn from every combination: it has to tell what is there, not what is likely."""
    kind = chance.choices(tuple(grammar.KINDS), tuple(grammar.KINDS.values()))[0]
    return grammar.MAKERS[kind](chance)


def scene_targets(scene: Scene, chance: random.Random) -> Targets:
    picture, placed = render.draw(scene, chance)
    return _targets(picture, placed, SETTING_NAMES.index(scene.setting), UNKNOWN, True)


def _single(picture: NDArray[np.uint8], label: str, place: int) -> Targets:
    """A single picture; its targets say all only if the thing is one of those that compositions are made of."""
    name = BY_LABEL.get(label)
    placed = []
    if name is not None:
        height, width = sprites.thing(name).shape[:2]
        placed = [Placed(Group(name), *sprites.home(name), width, height)]
    return _targets(picture, placed, 0, place, name is not None)


def _targets(picture: NDArray[np.uint8], placed: list[Placed], setting: int, concept: int, known: bool) -> Targets:
    names = np.zeros((len(NAMES), GRID, GRID), np.float32)
    bounds = np.zeros((4, GRID, GRID), np.float32)
    colours = np.full((GRID, GRID), UNKNOWN, np.int64)
    for one in sorted(placed, key=lambda each: -each.width * each.height):
        x, y = one.x / CELL, one.y / CELL
        column, row = (min(GRID - 1, max(0, int(value))) for value in (x, y))
        plane = names[NAME_PLACES[one.group.name]]
        for near_row in range(max(0, row - 1), min(GRID, row + 2)):
            for near_column in range(max(0, column - 1), min(GRID, column + 2)):
                plane[near_row, near_column] = max(plane[near_row, near_column], NEAR)
        plane[row, column] = 1
        if not one.worn:
            bounds[:, row, column] = (x - column - 0.5, y - row - 0.5, one.width / CELL, one.height / CELL)
            colour = one.group.colour or THINGS[one.group.name].own_colour
            colours[row, column] = COLOURS.index(colour) if colour in COLOURS else UNKNOWN
    return Targets(picture, names, known, bounds, colours, setting, concept)
