"""Whether what is seen in a picture is what a scene says: the rules of the family's own GenEval. Needs no torch.

A group is right if exactly its number of its things is there, in its colour and size. A place is right if the centres
lie so; "on" and "above" differ by the gap between the two. As in GenEval (arXiv 2310.11513), other things that are
there as well are no fault.
"""

from dataclasses import dataclass

from training.scenes.grammar import Group, Scene
from training.scenes.things import WORN_NAMES

SIDEWAYS = 18.0  # pixels by which a thing is at least left of another, or above it
TOUCHING = 6.0  # pixels of the gap below which a thing stands on another
SMALL, BIG = 62.0, 96.0  # pixels of the longer side
BIGGER = 1.35  # ratio of the sides of "big" and "small" in one picture


@dataclass(frozen=True)
class Found:
    """A thing: its name and how sure, its centre and sides in pixels, and its colour."""

    name: str
    chance: float
    x: float
    y: float
    width: float
    height: float
    colour: str

    @property
    def side(self) -> float:
        return max(self.width, self.height)


@dataclass(frozen=True)
class Seen:
    """Everything found in a picture: the things, and the setting ("" for none)."""

    things: tuple[Found, ...]
    setting: str


def right(scene: Scene, seen: Seen) -> bool:
    """Whether the picture shows the scene."""
    groups = [_group(group, scene, seen) for group in scene.groups]
    if not all(groups):
        return False
    return _setting(scene, seen) and (len(groups) == 1 or _related(scene, groups[0][0], groups[1][0]))


def _group(group: Group, scene: Scene, seen: Seen) -> list[Found]:
    """The group's things, [] if they are not as the scene says."""
    things = [thing for thing in seen.things if thing.name == group.name]
    if len(things) != group.count or (group.colour and any(thing.colour != group.colour for thing in things)):
        return []
    if group.size and len(scene.groups) == 1:
        (thing,) = things
        if not (thing.side >= BIG if group.size == "big" else thing.side <= SMALL):
            return []
    if group.worn and not any(_wears(things[0], other, group.worn) for other in seen.things):
        return []
    return things


def _wears(wearer: Found, other: Found, worn: str) -> bool:
    return other.name == WORN_NAMES.get(worn, worn) and abs(other.x - wearer.x) < wearer.width / 3


def _setting(scene: Scene, seen: Seen) -> bool:
    return not scene.setting or seen.setting == scene.setting


def _related(scene: Scene, first: Found, second: Found) -> bool:
    """Whether two things lie as the relation says."""
    sizes = [group.size for group in scene.groups]
    if any(sizes):
        big, small = (first, second) if sizes[0] == "big" else (second, first)
        if big.side < BIGGER * small.side:
            return False
    across, down = second.x - first.x, second.y - first.y
    gap = abs(down) - (first.height + second.height) / 2
    return {
        "and": True,
        "left": across > SIDEWAYS and across > abs(down),
        "right": -across > SIDEWAYS and -across > abs(down),
        "above": down > SIDEWAYS and down > abs(across) and gap >= TOUCHING,
        "below": -down > SIDEWAYS and -down > abs(across) and gap >= TOUCHING,
        "on": down > SIDEWAYS and down > abs(across) and gap < TOUCHING,
    }[scene.relation]
