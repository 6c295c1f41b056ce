"""A scene as a picture: things are scaled and pasted on a background at places that follow from the scene.

Small shifts and sizes are drawn at random, always from the given generator, so equal generators give equal pictures.
128 px; the same code composes pictures for training, for the detector and for tests.
"""

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
STEP = 2  # pixels: sizes are multiples of it, so that scaled things can be kept
OVERLAP = 4  # pixels by which a thing covers what it stands on

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


def _jitter(chance: random.Random, most: float) -> float:
    return chance.uniform(-most, most)


def _spots(scene: Scene, group: Group, chance: random.Random) -> list[Spot]:
    """The places of the things of one group that is alone in the picture."""
    if group.count > 1:
        return _several(group.count, scene.setting, chance)
    x, y = MIDDLE + _jitter(chance, 3), MIDDLE + _jitter(chance, 3)
    if group.size:
        side = {"big": 120, "small": chance.uniform(38, 48)}[group.size]
        return [(x, y, side)]
    if group.worn:
        return [(x, 78 + _jitter(chance, 2), chance.uniform(84, 92))]
    if scene.setting:
        side = chance.uniform(70, 84)
        return [(x + _jitter(chance, 8), 118 - side / 2 if scene.setting != "water" else y, side)]
    return [(x, y, chance.uniform(102, 116))]


def _several(count: int, setting: str, chance: random.Random) -> list[Spot]:
    """Two in a row, three in a triangle or, rarely, in a row, four in a square."""
    low, high = 33 + _jitter(chance, 2), 95 + _jitter(chance, 2)
    side, middle = chance.uniform(50, 57), MIDDLE + _jitter(chance, 4)
    if count == 2:
        y = MIDDLE + (18 if setting else 0)
        places = [(low, y), (high, y)]
    elif count == 3 and (setting or chance.random() < 0.2):
        side = chance.uniform(36, 39)
        y = MIDDLE + (24 if setting else 0) + _jitter(chance, 6)
        places = [(22.0, y), (64.0, y), (106.0, y)]
    elif count == 3:
        places = [(middle, low), (low, high), (high, high)]
    else:
        side = side - (6 if setting else 0)
        places = [(x, y) for y in (low, high) for x in (low, high)]
    return [(x + _jitter(chance, 2), y + _jitter(chance, 2), side + _jitter(chance, 2)) for x, y in places]


def _two(scene: Scene, chance: random.Random) -> Iterator[tuple[Group, Spot]]:
    """Two things side by side or one over the other."""
    first, second = scene.groups
    sizes = [_size_of(group, chance) for group in scene.groups]
    drop = 20 if scene.setting and scene.setting != "water" else 0
    low, high = 33 + _jitter(chance, 3), 95 + _jitter(chance, 3)
    across = MIDDLE + _jitter(chance, 6)
    if scene.relation in ("and", "left", "right"):
        ends = (high, low) if scene.relation == "right" else (low, high)
        if first.size:  # the big one needs more room
            ends = (44.0, 105.0) if first.size == "big" else (22.0, 84.0)
        for group, x, side in zip(scene.groups, ends, sizes, strict=True):
            yield group, (x, MIDDLE + drop + _jitter(chance, 5), side)
    elif scene.relation in ("above", "below"):
        ends = (low - 2, high + 2) if scene.relation == "above" else (high + 2, low - 2)
        for group, y, side in zip(scene.groups, ends, sizes, strict=True):
            yield group, (across + _jitter(chance, 3), y, min(side, 52.0))
    else:
        yield from _stacked(first, second, across, chance)


def _size_of(group: Group, chance: random.Random) -> float:
    return {"big": chance.uniform(76, 82), "small": chance.uniform(32, 38)}.get(group.size, chance.uniform(52, 58))


def _stacked(first: Group, second: Group, x: float, chance: random.Random) -> Iterator[tuple[Group, Spot]]:
    """The first thing stands on the second: it touches it."""
    below, above = chance.uniform(62, 68), chance.uniform(46, 52)
    lower = _scaled(second.name, "", STEP * round(below / STEP)).height
    upper = _scaled(first.name, "", STEP * round(above / STEP)).height
    bottom = min(124.0, MIDDLE + (lower + upper - OVERLAP) / 2)  # both together in the middle
    yield second, (x, bottom - lower / 2, below)
    yield first, (x + _jitter(chance, 3), bottom - lower + OVERLAP - upper / 2, above)
