"""The picture wall: forty-eight prompts by the four systems, from the shipped packages through the app's own pipeline.

    python -m training.wall [--out assets/emoji/wall.webp]

Needs no torch. Every picture has the app's recommended settings. Its prompt decides the seed, so all systems share it.
Pictures stay in training/work/wall, so a system whose packages have not changed is not drawn again.
"""

import argparse
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.drawing import Album, Order, album_path, embedded, fill_all
from training.pairs import Pair
from training.workspace import ASSETS, EMOJI, WORK

KEPT, OUT = WORK / "wall", EMOJI / "wall.webp"
NAMES = ("original", "base", "small", "tiny")
STEPS = 20
ACROSS = 12  # prompts in a band
TILE, LINE, MARGIN, GAP = 96, 15, 52, 10  # pixels
INK, PAPER, BLOCKED = (50, 50, 50), (255, 255, 255), (225, 225, 225)
QUALITY = 90

PROMPTS = (
    "red apple", "cat", "rocket", "slice of pizza", "dog", "sunflower", "burger", "house",
    "red car", "whale", "crying", "strawberry", "guitar", "rainbow", "birthday cake", "red heart",
    "fox", "penguin", "octopus", "butterfly", "panda", "turtle", "unicorn", "snail",
    "cactus", "palm tree", "tulip", "pumpkin", "snowman", "fire", "volcano", "moon",
    "banana", "avocado", "donut", "croissant", "ice cream cone", "coffee", "popcorn", "pineapple",
    "bicycle", "sailboat", "helicopter", "castle", "umbrella", "gold crown", "light bulb", "robot",
)  # fmt: skip


def pairs() -> list[Pair]:
    return [Pair(prompt, zlib.crc32(prompt.encode())) for prompt in PROMPTS]


def wall(
    prompts: Sequence[str], rows: Mapping[str, Sequence[NDArray[np.uint8] | None]], across: int = ACROSS
) -> Image.Image:
    """Bands of `across` prompts. Each band has one row of pictures per system; None for a blocked one."""
    bands, height = -(-len(prompts) // across), LINE + len(rows) * TILE + GAP
    canvas = Image.new("RGB", (MARGIN + across * TILE, bands * height - GAP), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(10)
    for number, prompt in enumerate(prompts):
        band, column = divmod(number, across)
        left, top = MARGIN + column * TILE, band * height
        draw.text((left + TILE // 2, top + LINE // 2), prompt, INK, font, anchor="mm")
        for row, (name, pictures) in enumerate(rows.items()):
            corner = (left, top + LINE + row * TILE)
            if column == 0:
                draw.text((MARGIN - 6, corner[1] + TILE // 2), name, INK, font, anchor="rm")
            picture = pictures[number]
            tile = Image.new("RGB", (TILE, TILE), BLOCKED) if picture is None else Image.fromarray(picture)
            canvas.paste(tile.resize((TILE, TILE), Image.Resampling.LANCZOS), corner)
    return canvas


def _shown(album: Album) -> list[NDArray[np.uint8] | None]:
    drawn = [album[pair] for pair in pairs()]
    return [None if one.blocked else one.image for one in drawn]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=OUT, help="a picture file; the ending says its kind")
    options = parser.parse_args()
    systems = embedded(NAMES, ASSETS)
    orders = [Order(system, tuple(pairs()), album_path(KEPT, system, STEPS), STEPS) for system in systems]
    albums = fill_all(orders, lambda message: print(f"wall: {message}", flush=True))
    rows = {name: _shown(albums[system.key]) for name, system in zip(NAMES, systems, strict=True)}
    wall(PROMPTS, rows).save(options.out, quality=QUALITY)
    blocked = sum(picture is None for pictures in rows.values() for picture in pictures)
    size = options.out.stat().st_size / 1e6
    print(f"wall: {len(PROMPTS)} prompts x {len(NAMES)} systems, {blocked} blocked, {options.out}: {size:.2f} MB")


if __name__ == "__main__":
    main()
