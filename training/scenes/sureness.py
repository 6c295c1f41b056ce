"""How sure the detector has to be: precision, recall and F1 of things by that threshold.

    python -m training.scenes.sureness

On rendered scenes of no training, disturbed as in its training: a thing counts as found where one of its name is within
two cells. detector.SURE is the tenth with the best F1. The last column is the share of scenes in which rules.py finds
no fault.
"""

import random

import numpy as np
import torch
from numpy.typing import NDArray

from training.evaluation_report import table
from training.scenes import detector, grammar, machine, render, rules
from training.scenes.grammar import Scene
from training.scenes.machine import DEVICE
from training.scenes.mix import FIRST_OF_TESTS
from training.scenes.render import CELL, Placed
from training.scenes.rules import Seen

COUNT = 960
DISTURBED_TOGETHER = 8  # pictures that get the same blur and shift
THRESHOLDS = tuple(tenth / 10 for tenth in range(1, 9))
NEAR = 2 * CELL  # pixels across and down


def scenes() -> tuple[list[Scene], list[list[Placed]], NDArray[np.uint8]]:
    """Scenes, what stands where in them, and their disturbed pictures [COUNT, 128, 128, 3]."""
    made, placed, pictures = [], [], []
    for number in range(COUNT):
        chance = random.Random(FIRST_OF_TESTS + number)
        made.append(grammar.scene(chance))
        picture, things = render.draw(made[-1], chance)
        placed.append(things)
        pictures.append(picture)
    draw, disturbed = torch.Generator(DEVICE), []
    for number, part in enumerate(machine.to_images(np.stack(pictures)).split(DISTURBED_TOGETHER)):
        draw.manual_seed(FIRST_OF_TESTS + number)
        disturbed.append(detector.disturb(part, draw))
    images = ((torch.cat(disturbed).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return made, placed, images.permute(0, 2, 3, 1).cpu().numpy()


def matched(placed: list[Placed], seen: Seen) -> int:
    """How many of the things are found, each at most once."""
    left, count = list(seen.things), 0
    for one in placed:
        near = [
            thing
            for thing in left
            if thing.name == one.group.name and max(abs(thing.x - one.x), abs(thing.y - one.y)) < NEAR
        ]
        if near:
            left.remove(near[0])
            count += 1
    return count


def main() -> None:
    machine.prepare()
    network = detector.load()
    made, placed, pictures = scenes()
    there, rows = sum(map(len, placed)), []
    for threshold in THRESHOLDS:
        seen = detector.look(network, pictures, threshold)
        right = sum(map(matched, placed, seen))
        found = sum(len(one.things) for one in seen)
        good = sum(not rules.fault(scene, one) for scene, one in zip(made, seen, strict=True))
        shares = (right / max(found, 1), right / there, 2 * right / (found + there), good / COUNT)
        rows.append([f"{threshold}", *(f"{100 * share:.1f}" for share in shares)])
    print(table(["sure", "precision, %", "recall, %", "F1, %", "scenes right, %"], rows))


if __name__ == "__main__":
    main()
