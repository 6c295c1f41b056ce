"""Whether what is seen in a picture is what a scene says: the rules of the family's own GenEval. Needs no torch.

A group is right if exactly its number of its things is there, in its colour and size. A place is right if the centres
lie so; "on" and "above" differ by the gap between the two. As in GenEval (arXiv 2310.11513), other things that are
there as well are no fault.
"""

from dataclasses import dataclass

from training.scenes.grammar import Group, Scene
from training.scenes.things import WORN_NAMES

SIDEWAYS = 18.0  # pixels by which a thing is at least left of another, or above it
TOUCHING = 2.0  # pixels of the gap below which a thing stands on another
SMALL, BIG = 72.0, 96.0  # pixels of the longer side
BIGGER = 1.35  # ratio of the sides of "big" and "small" in one picture
FAULTS = ("thing", "number", "colour", "size", "worn", "setting", "place")  # in the order in which they are looked for


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


def fault(scene: Scene, seen: Seen) -> str:
    """What is wrong first, one of FAULTS, or "". A thing is wrong if it is nowhere, its number if there is another."""
    found = [[thing for thing in seen.things if thing.name == group.name] for group in scene.groups]
    if not all(found):
        return "thing"
    for group, things in zip(scene.groups, found, strict=True):
        if wrong := _of_group(group, things, scene, seen):
            return wrong
    if scene.setting and seen.setting != scene.setting:
        return "setting"
    if len(found) == 1:
        return ""
    first, second = (things[0] for things in found)
    return "size" if not _sized(scene, first, second) else "" if _related(scene, first, second) else "place"


def _of_group(group: Group, things: list[Found], scene: Scene, seen: Seen) -> str:
    """What is wrong with a group whose thing is there."""
    if len(things) != group.count:
        return "number"
    if group.colour and any(thing.colour != group.colour for thing in things):
        return "colour"
    if group.size and len(scene.groups) == 1:
        (thing,) = things
        if not (thing.side >= BIG if group.size == "big" else thing.side <= SMALL):
            return "size"
    if group.worn and not any(_wears(things[0], other, group.worn) for other in seen.things):
        return "worn"
    return ""


def _wears(wearer: Found, other: Found, worn: str) -> bool:
    return other.name == WORN_NAMES.get(worn, worn) and abs(other.x - wearer.x) < wearer.width / 3


def _sized(scene: Scene, first: Found, second: Found) -> bool:
    """Whether two things are as big and as small as the words say."""
    sizes = [group.size for group in scene.groups]
    if not any(sizes):
        return True
    big, small = (first, second) if sizes[0] == "big" else (second, first)
    return big.side >= BIGGER * small.side


def _related(scene: Scene, first: Found, second: Found) -> bool:
    """Whether two things lie as the relation says."""
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
