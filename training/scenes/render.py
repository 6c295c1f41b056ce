"""A scene as a picture: things are scaled and pasted on a background at places that follow from the scene.

Sizes are few, and centres lie on a grid of the autoencoder's cells: a thing's latents are then nearly the same wherever
it stands, which is much less to learn. Which of some places it takes is drawn from the given generator, so equal
generators give equal pictures. 128 px; the same code composes pictures for training, for the detector and for tests.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.scenes import sprites
from training.scenes.grammar import Group, Scene
from training.scenes.things import THINGS, WORN_NAMES

SIDE = sprites.SIDE
MIDDLE = SIDE / 2
CELL = 8  # pixels of a latent
GRID = SIDE // CELL
LOW, HIGH = MIDDLE - 4 * CELL, MIDDLE + 4 * CELL  # the middles of the picture's halves
STEP = 2  # pixels: sizes are multiples of it, so that scaled things can be kept
SMALL_SIDE, MIDDLE_SIDE, LARGE_SIDE, BIG_SIDE = 48.0, 56.0, 80.0, 120.0  # all there are, but a single thing's own
SIDES = {"": MIDDLE_SIDE, "big": LARGE_SIDE, "small": SMALL_SIDE}  # of one of two things, by the size in words

Spot = tuple[float, float, float]  # centre x, centre y and the longer side, in pixels


@dataclass(frozen=True)
class Placed:
    """A thing in a picture: what it is, centre and sides of its bounds in pixels, and whether another wears it."""

    group: Group
    x: float
    y: float
    width: float
    height: float
    worn: bool = False


@lru_cache(maxsize=1000)
def _coloured(name: str, colour: str) -> NDArray[np.uint8]:
    """A thing, painted unless the colour is its own or ""."""
    picture = sprites.thing(name)
    return sprites.painted(picture, colour) if colour and colour != THINGS[name].own_colour else picture


@lru_cache(maxsize=6000)
def _scaled(name: str, colour: str, side: int) -> Image.Image:
    """A thing whose longer side is `side` pixels; colours are averaged as far as they are seen."""
    picture = _coloured(name, colour)
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def draw(scene: Scene, chance: random.Random) -> tuple[NDArray[np.uint8], list[Placed]]:
    """The picture [128, 128, 3] and what stands where in it."""
    canvas = _background(scene.setting, chance)
    placed = []
    for group, (x, y, side) in arrange(scene, chance):
        picture = _scaled(group.name, group.colour, max(STEP, STEP * round(side / STEP)))
        _paste(canvas, picture, x, y)
        placed.append(Placed(group, x, y, *picture.size))
        if group.worn:
            placed.append(_dress(canvas, group, placed[-1]))
    return np.asarray(canvas), placed


def _background(setting: str, chance: random.Random) -> Image.Image:
    if not setting:
        return Image.new("RGB", (SIDE, SIDE), "white")
    picture = Image.fromarray(chance.choice(list(sprites.backgrounds(setting))))
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else picture


def _paste(canvas: Image.Image, picture: Image.Image, x: float, y: float) -> None:
    place = (round(x - picture.width / 2), round(y - picture.height / 2))
    canvas.paste(picture, place, picture)


def _dress(canvas: Image.Image, group: Group, wearer: Placed) -> Placed:
    """Put the worn thing on, and say where it is."""
    anchors = THINGS[group.name].anchors
    assert anchors is not None, f"{group.name} wears nothing"
    top, name = wearer.y - wearer.height / 2, WORN_NAMES.get(group.worn, group.worn)
    glasses = group.worn == "sunglasses"
    item = _scaled(name, "", round((anchors.glasses if glasses else anchors.hat) * wearer.width))
    y = top + (anchors.eyes * wearer.height if glasses else anchors.top * wearer.height - 0.42 * item.height)
    _paste(canvas, item, wearer.x, y)
    return Placed(Group(name), wearer.x, y, *item.size, worn=True)


def arrange(scene: Scene, chance: random.Random) -> Iterator[tuple[Group, Spot]]:
    """Every thing with its place, those behind first."""
    if len(scene.groups) == 2:
        yield from _two(scene, chance)
        return
    (group,) = scene.groups
    spots = _spots(scene, group, chance)
    yield from ((group, spot) for spot in spots)


def _shift(chance: random.Random) -> float:
    """At most one cell."""
    return CELL * chance.choice((-1, 0, 0, 1))


def _spots(scene: Scene, group: Group, chance: random.Random) -> list[Spot]:
    """The places of the things of one group that is alone in the picture."""
    if group.count > 1:
        return _several(group.count, scene.setting, chance)
    if group.size == "big":
        return [(MIDDLE, MIDDLE, BIG_SIDE)]
    if group.size:
        return [(MIDDLE + _shift(chance), MIDDLE + _shift(chance), MIDDLE_SIDE)]
    if group.worn:
        return [(MIDDLE, MIDDLE + 2 * CELL, LARGE_SIDE)]
    if scene.setting:
        y = MIDDLE + (_shift(chance) if scene.setting == "water" else 2 * CELL)
        return [(MIDDLE + _shift(chance), y, LARGE_SIDE)]
    return [(*sprites.home(group.name), max(sprites.thing(group.name).shape[:2]))]


def _several(count: int, setting: str, chance: random.Random) -> list[Spot]:
    """Two in a row, three in a triangle, four in a square."""
    y = MIDDLE + (2 * CELL if setting else 0) + _shift(chance)
    places = {
        2: [(LOW, y), (HIGH, y)],
        3: [(MIDDLE, LOW), (LOW, HIGH), (HIGH, HIGH)],
        4: [(x, y) for y in (LOW, HIGH) for x in (LOW, HIGH)],
    }
    return [(x, y, MIDDLE_SIDE) for x, y in places[count]]


def _two(scene: Scene, chance: random.Random) -> Iterator[tuple[Group, Spot]]:
    """Two things side by side or one over the other."""
    first, second = scene.groups
    if scene.relation in ("and", "left", "right"):
        ends = (HIGH, LOW) if scene.relation == "right" else (LOW, HIGH)
        if first.size:  # the big one needs more room
            ends = (40.0, 104.0) if first.size == "big" else (24.0, 88.0)
        drop = 2 * CELL if scene.setting and scene.setting != "water" else 0
        for group, x in zip(scene.groups, ends, strict=True):
            yield group, (x, MIDDLE + drop + _shift(chance), SIDES[group.size])
    elif scene.relation in ("above", "below"):
        x, ends = MIDDLE + _shift(chance), (LOW, HIGH) if scene.relation == "above" else (HIGH, LOW)
        yield from ((group, (x, y, MIDDLE_SIDE)) for group, y in zip(scene.groups, ends, strict=True))
    else:
        yield from _stacked(first, second, MIDDLE + _shift(chance))


def _stacked(first: Group, second: Group, x: float) -> Iterator[tuple[Group, Spot]]:
    """The first thing stands on the second and covers some of it: half a cell to one and a half."""
    lower, upper = (_scaled(group.name, "", int(MIDDLE_SIDE)).height for group in (second, first))
    y = CELL * round((MIDDLE + upper / 2) / CELL)  # of the lower one, so that both together are in the middle
    yield second, (x, y, MIDDLE_SIDE)
    yield first, (x, CELL * math.ceil((y - (lower + upper) / 2) / CELL + 0.5), MIDDLE_SIDE)
