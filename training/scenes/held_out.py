"""The combinations that are held out for ever: no training scene has one. Read from held_out.txt, made once by a seed.

python -m training.scenes.held_out      (writes the list anew; for a new list of things only)
"""

import random
from itertools import combinations
from pathlib import Path

from training.scenes.things import COLOURED, COLOURS, COUNTS, NAMES, PLACES, SETTINGS, THINGS, WEARERS, WORN

PATH = Path(__file__).with_suffix(".txt")
SEED = 19
SHARES = {"colour": 0.15, "count": 0.12, "place": 0.12, "setting": 0.12, "worn": 0.2}
PAIRS = 120  # of the pairs
# names of pictures that say a colour: they are trained as single pictures
TAKEN = frozenset({"green apple", "green book", "blue book", "orange book"})
HEAD = "# Held out for ever: `kind: what` lists the things or pairs that no training scene combines so.\n"


def _read() -> frozenset[str]:
    """As "colour: blue apple", "pair: cat + guitar"."""
    if not PATH.exists():
        return frozenset()
    found = set()
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, what, names = (part.strip() for part in line.split(":"))
            form = {"pair": "pair: {0} + {1}", "worn": "worn: {1} {0}"}.get(kind, f"{kind}: {{0}} {{1}}")
            found |= {form.format(what, name.strip()) for name in names.split(",")}
    return frozenset(found)


def _strange(colour: str, name: str) -> bool:
    """Whether a thing in this colour is no single picture of the family."""
    return colour != THINGS[name].own_colour and f"{colour} {name}" not in TAKEN


def choose(seed: int = SEED) -> str:
    """The text of the list."""
    draw = random.Random(seed)
    rows: dict[tuple[str, str], list[str]] = {}
    kinds = {
        "colour": (COLOURS, COLOURED),
        "count": (tuple(map(str, COUNTS)), NAMES),
        "place": (PLACES, NAMES),
        "setting": (tuple(SETTINGS), NAMES),
        "worn": (tuple(WORN), WEARERS),
    }
    for kind, (firsts, names) in kinds.items():
        for first in firsts:
            free = [name for name in names if kind != "colour" or _strange(first, name)]
            rows[kind, first] = sorted(draw.sample(free, round(SHARES[kind] * len(names))))
    for first, second in draw.sample(list(combinations(sorted(NAMES), 2)), PAIRS):
        rows.setdefault(("pair", first), []).append(second)
    lines = [f"{kind}: {what}: {', '.join(sorted(names))}" for (kind, what), names in sorted(rows.items())]
    return HEAD + "\n".join(lines) + "\n"


HELD_OUT = _read()

if __name__ == "__main__":
    PATH.write_text(choose(), encoding="utf-8")
