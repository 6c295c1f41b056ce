"""The prompts of the family's GenEval: six hundred, by kind, of trained and of never-trained combinations apart.

They follow from a seed. A scene that shows a painted thing in its own colour is left out: there is nothing to compose.
Prompts are written as people write them; the noise of a prompt comes from a seed that no training uses.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.pairs import Pair, eligible, held_seed, names_of
from training.scenes import grammar
from training.scenes.grammar import Scene
from training.scenes.things import THINGS

SINGLE = "single"
TRAINED, NEVER = "trained", "never trained"
# kind -> prompts of trained and of never-trained combinations
COUNTS: Mapping[str, tuple[int, int]] = {
    SINGLE: (90, 0),
    "colour": (40, 40),
    "count": (40, 40),
    "pair": (40, 40),
    "place": (40, 40),
    "setting": (30, 30),
    "worn": (20, 20),
    "size": (30, 0),
    "mixed": (30, 30),
}
DIFFICULTIES: Mapping[str, str] = {
    **dict.fromkeys((SINGLE, "colour", "size", "setting"), "easy"),
    **dict.fromkeys(("count", "pair", "worn"), "medium"),
    **dict.fromkeys(("place", "mixed"), "hard"),
}


@dataclass(frozen=True)
class Asked:
    """One prompt: the noise's seed, the scene that it means, or for a single picture the concept's label."""

    prompt: str
    seed: int
    kind: str
    part: str  # TRAINED or NEVER
    scene: Scene | None = None
    label: str = ""

    @property
    def pair(self) -> Pair:
        return Pair(self.prompt, self.seed, self.label)

    @property
    def difficulty(self) -> str:
        return DIFFICULTIES[self.kind]


def prompts(entries: Sequence[Mapping[str, Any]], seed: int = 0) -> list[Asked]:
    """All prompts of a seed; `entries` are those of words.json."""
    found = []
    for kind, counts in COUNTS.items():
        for part, count in zip((TRAINED, NEVER), counts, strict=True):
            draw = random.Random(f"{seed} {kind} {part}")
            if kind == SINGLE:
                found += _singles(entries, count, draw, seed)
            else:
                found += [_asked(kind, part, number, draw, seed) for number in range(count)]
    return found


def _singles(entries: Sequence[Mapping[str, Any]], count: int, draw: random.Random, seed: int) -> list[Asked]:
    names = [(draw.choice(names_of(entry)), entry["label"]) for entry in draw.sample(eligible(entries, "all"), count)]
    return [Asked(name, held_seed("scenes", seed, name), SINGLE, TRAINED, label=label) for name, label in names]


def _asked(kind: str, part: str, number: int, draw: random.Random, seed: int) -> Asked:
    while True:
        made = grammar.scene(draw, kind) if part == TRAINED else grammar.held_out_scene(draw, kind)
        if not _trivial(made):
            break
    text = grammar.prompt(made, draw)
    return Asked(text, held_seed("scenes", seed, kind, part, number, text), kind, part, made)


def _trivial(scene: Scene) -> bool:
    return any(group.colour and group.colour == THINGS[group.name].own_colour for group in scene.groups)


def every(asked: Sequence[Asked], share: int) -> list[Asked]:
    """Each `share`-th prompt of every kind and part, for a quick look."""
    groups: dict[tuple[str, str], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.kind, one.part), []).append(one)
    return [one for group in groups.values() for one in group[::share]]
