"""The evaluator's contact sheets: the prompt, the original picture, and every system's picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

TILE = 72  # pixels; a tile of a composition is as large as its picture
LINE = 13  # pixels of a line of words
FRAME = 3  # pixels
GOOD, BAD, BLOCKED = (255, 255, 255), (214, 40, 40), (90, 90, 90)
INK = (40, 40, 40)


@dataclass(frozen=True)
class Tile:
    """A picture, the colour of its frame, and words below it."""

    image: NDArray[np.uint8]
    frame: tuple[int, int, int] = GOOD
    words: tuple[str, ...] = ()


def sheet(rows: Sequence[Sequence[Tile]], side: int, blocks: int = 1, title: Sequence[str] = ()) -> Image.Image:
    """Rows of tiles in `blocks` columns of rows; `title` heads each column of tiles."""
    across, lines = max(map(len, rows)), max(len(tile.words) for row in rows for tile in row)
    width, height = side + 2 * FRAME, side + 2 * FRAME + LINE * lines
    deep = -(-len(rows) // blocks)
    canvas = Image.new("RGB", (blocks * (across * width + 2 * FRAME), LINE * bool(title) + deep * height), GOOD)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(10)
    for block in range(blocks):
        left = block * (across * width + 2 * FRAME)
        for column, words in enumerate(title):
            draw.text((left + column * width + FRAME, 0), words, INK, font)
    for place, row in enumerate(rows):
        block, line = divmod(place, deep)
        top = LINE * bool(title) + line * height
        for column, tile in enumerate(row):
            _paint(draw, canvas, tile, (block * (across * width + 2 * FRAME) + column * width, top), side, font)
    return canvas


def _paint(
    draw: ImageDraw.ImageDraw,
    canvas: Image.Image,
    tile: Tile,
    corner: tuple[int, int],
    side: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    x, y = corner
    draw.rectangle((x, y, x + side + 2 * FRAME - 1, y + side + 2 * FRAME - 1), tile.frame)
    canvas.paste(Image.fromarray(tile.image).resize((side, side), Image.Resampling.LANCZOS), (x + FRAME, y + FRAME))
    for number, words in enumerate(tile.words):
        while words and draw.textlength(words, font) > side + FRAME:
            words = words[:-1]
        draw.text((x + FRAME, y + side + 2 * FRAME + LINE * number), words, INK, font)
