"""What can be composed: things with their words, colours, worn things and settings. Needs nothing but things.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
COUNTS = {2: "two", 3: "three", 4: "four"}
WORN = {"sunglasses": ("sunglasses",), "crown": ("a crown",), "top hat": ("a top hat", "a hat")}  # label -> words
WORN_NAMES = {"sunglasses": "pair of sunglasses"}  # where the worn thing has another name by itself
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "night": ("at night", "in the night"),
    "snow": ("in the snow", "in snow"),
    "water": ("under water", "underwater"),
    "beach": ("on a beach", "on the beach", "at the beach"),
    "grass": ("on the grass", "in the grass", "in a meadow"),
}
# a thing and the one it relates to: which is where
RELATIONS: Mapping[str, tuple[str, ...]] = {
    "and": ("and", "next to", "beside"),
    "left": ("left of", "to the left of", "on the left of"),
    "right": ("right of", "to the right of", "on the right of"),
    "on": ("on", "on top of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
}
MIRRORED = {"left": "right", "right": "left", "above": "below", "below": "above"}
PLACES = tuple(relation for relation in RELATIONS if relation != "and")
SIZES = {"big": ("big", "large", "huge"), "small": ("small", "little", "tiny")}


@dataclass(frozen=True)
class Anchors:
    """Where worn things go, in shares of the picture's own bounds: see things.txt."""

    eyes: float
    glasses: float
    top: float
    hat: float


@dataclass(frozen=True)
class Thing:
    """A picture's label with the words that people use for it. `nouns` start with the one that names it here."""

    label: str
    nouns: tuple[str, ...]
    plural: str
    coloured: bool
    own_colour: str  # "" if it is none of COLOURS, or not known
    anchors: Anchors | None

    @property
    def name(self) -> str:
        return self.nouns[0]


def _parse(line: str) -> Thing:
    label, _, rest = line.partition(" = ")
    words, plural, marks = ([*rest.split(";"), "", ""])[:3]
    nouns = tuple(word.strip() for word in words.split(","))
    before, wears, numbers = marks.partition("wears")
    anchors = Anchors(*map(float, numbers.split())) if wears else None
    marked = before.split()
    own = marked[1] if len(marked) > 1 else ""
    return Thing(label, nouns, plural.strip() or nouns[0] + "s", "colour" in marked, own, anchors)


def _read() -> dict[str, Thing]:
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    things = [_parse(line) for line in lines if line and not line.startswith("#")]
    return {thing.name: thing for thing in things}


THINGS: Mapping[str, Thing] = _read()  # by name
NAMES = tuple(THINGS)
COLOURED = tuple(name for name, thing in THINGS.items() if thing.coloured)
WEARERS = tuple(name for name, thing in THINGS.items() if thing.anchors)
