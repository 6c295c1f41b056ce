"""The evaluator's prompts: (prompt, seed) pairs set aside, and compositions that no caption of the training has.

The noise of a pair was not used in training. The evaluator draws from the app's "numpy" stream, training from torch's.
Besides, the seeds lie in the upper half of their range, and those of the safety checker's training in the lower
(tested). Prompts are names that people type: a label or one of its plain words. Flagged concepts are left out, because
the app blocks their pictures.
"""

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PARTS = ("common", "all")
FIRST_SEED, SEEDS = 2**31, 2**31  # seeds are drawn from [FIRST_SEED, FIRST_SEED + SEEDS)


@dataclass(frozen=True)
class Pair:
    """A prompt, the seed of its noise, and the label of the concept that it names ("" for a composition)."""

    prompt: str
    seed: int
    label: str = ""


def held_seed(*words: object) -> int:
    """A seed that follows from the words alone."""
    digest = hashlib.blake2b("\0".join(map(str, words)).encode(), digest_size=8).digest()
    return FIRST_SEED + int.from_bytes(digest, "big") % SEEDS


def names_of(entry: Mapping[str, Any]) -> list[str]:
    """The label and the plain words of an entry of words.json."""
    return [entry["label"], *entry["plain"]]


def eligible(entries: Sequence[Mapping[str, Any]], part: str, only: Collection[str] | None = None) -> list[dict]:
    """The entries for pairs: no flagged ones; for "common" only common ones; with `only` only those labels."""
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; choose one of {', '.join(PARTS)}")
    return [
        dict(entry)
        for entry in entries
        if not entry["flagged"]
        if part == "all" or entry["common"]
        if only is None or entry["label"] in only
    ]


def draw_pairs(
    entries: Sequence[Mapping[str, Any]], part: str, count: int, seed: int = 0, only: Collection[str] | None = None
) -> list[Pair]:
    """`count` pairs; every concept comes once before any comes again. A larger `count` keeps the first pairs."""
    chosen = eligible(entries, part, only)
    if not chosen:
        raise SystemExit(f"no concept to draw {part} pairs from: words.json and the list of labels have none in common")
    draw = random.Random(f"pairs {part} {seed}")
    pairs: list[Pair] = []
    while len(pairs) < count:
        for entry in draw.sample(chosen, len(chosen)):
            noise = held_seed("pair", part, seed, len(pairs), entry["label"])
            pairs.append(Pair(draw.choice(names_of(entry)), noise, entry["label"]))
    return pairs[:count]


@dataclass(frozen=True)
class Composition:
    """A prompt of several parts. Each part lists labels; one of these must be among the three likeliest names.

    `colour` is the colour that most of the coloured pixels should have, "" if the prompt names none. A person has to
    check what a name cannot say, such as how many apples there are or what the snowman stands on.
    """

    prompt: str
    parts: Mapping[str, tuple[str, ...]]
    colour: str = ""


APPLES = ("red apple", "green apple")
CARS = ("automobile", "racing car", "oncoming automobile", "sport utility vehicle", "taxi", "police car")
CATS = ("cat face", "black cat", "grinning cat", "grinning cat with smiling eyes")
DOGS = ("dog face", "poodle", "guide dog", "service dog")
HEARTS = ("red heart", "pink heart", "two hearts", "growing heart", "beating heart")
PIZZA = ("pizza",)

COMPOSITIONS = (
    Composition("blue apple", {"apple": APPLES}, "blue"),
    Composition("green car", {"car": CARS}, "green"),
    Composition("red dog", {"dog": DOGS}, "red"),
    Composition("pink elephant", {"elephant": ("elephant",)}, "pink"),
    Composition("blue rose", {"rose": ("rose",)}, "blue"),
    Composition("two apples", {"apples": APPLES}),
    Composition(
        "cat with sunglasses", {"cat": CATS, "sunglasses": ("sunglasses", "smiling face with sunglasses", "goggles")}
    ),
    Composition(
        "snowman on a beach",
        {
            "snowman": ("snowman", "snowman without snow"),
            "beach": ("beach with umbrella", "desert island", "umbrella on ground"),
        },
    ),
    Composition("dog in a car", {"dog": DOGS, "car": CARS}),
    Composition("pig with a crown", {"pig": ("pig face", "boar", "pig nose"), "crown": ("crown",)}),
    Composition("robot with a heart", {"robot": ("robot",), "heart": HEARTS}),
    Composition("pizza with mushrooms", {"pizza": PIZZA, "mushrooms": ("mushroom", "brown mushroom")}),
)


def composition_pairs(seed: int = 0) -> list[Pair]:
    """One pair for each composition."""
    return [Pair(made.prompt, held_seed("composition", seed, made.prompt)) for made in COMPOSITIONS]
