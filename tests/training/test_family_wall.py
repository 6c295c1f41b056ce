"""The picture wall: prompts that the family knows, and every picture at its place."""

from __future__ import annotations

import numpy as np
from PIL import Image

from training import wall
from training.concepts import COMMON, FLAGGED


def test_the_prompts_are_names_of_common_concepts_that_are_not_flagged() -> None:
    names = {name: label for label, plain in COMMON.items() for name in (label, *plain)}
    assert len(set(wall.PROMPTS)) == 48
    assert set(wall.PROMPTS) <= set(names)
    assert not {names[prompt] for prompt in wall.PROMPTS} & set(FLAGGED)
    assert len({names[prompt] for prompt in wall.PROMPTS}) == 48


def test_every_picture_is_at_its_place_and_a_blocked_one_is_blank() -> None:
    def plain(*colour: int) -> np.ndarray:
        return np.full((128, 128, 3), colour, np.uint8)

    rows: dict[str, list[np.ndarray | None]] = {
        "one": [plain(255, 0, 0), plain(0, 255, 0), None],
        "two": [plain(0, 0, 255)] * 3,
    }
    canvas = wall.wall(["a", "b", "c"], rows, across=2)
    assert canvas.size == (wall.MARGIN + 2 * wall.TILE, 2 * (wall.LINE + 2 * wall.TILE) + wall.GAP)

    def middle(column: int, band: int, row: int) -> object:
        height = wall.LINE + 2 * wall.TILE + wall.GAP
        y = band * height + wall.LINE + row * wall.TILE + wall.TILE // 2
        return Image.Image.getpixel(canvas, (wall.MARGIN + column * wall.TILE + wall.TILE // 2, y))

    assert [middle(0, 0, 0), middle(1, 0, 0), middle(0, 0, 1)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert middle(0, 1, 0) == wall.BLOCKED
    assert middle(1, 1, 0) == wall.PAPER
