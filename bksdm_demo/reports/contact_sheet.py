"""The contact sheet: all pictures of a comparison in one image, each with its model, time and size.

Each seed starts a new row. The prompt and the shared settings are above, the machine below. A blocked, failed or
cancelled cell is a plain panel with a sentence. Sizes are in pixels for tiles `TILE` wide; larger pictures have larger
tiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bksdm_demo.environment import unet_precisions
from bksdm_demo.languages import ENGLISH, say, speaking
from bksdm_demo.records import Cell, Job, Phase, Request, Result
from bksdm_demo.reports.text_layout import lines_of
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.comparison import GENERATOR_NAMES, SCHEDULER_NAMES, plural, saving_facts, truncation_words
from bksdm_demo.wording.outcomes import OUTCOMES
from bksdm_demo.wording.timing import drawing_seconds, format_seconds, timings_of

TILE = 384  # least width and height of a picture on the sheet, pixels
MOST_PER_ROW = 4
MARGIN, GAP, PADDING = 40, 24, 16
CAPTION = 132  # height of the text under a picture
TITLE_SIZE, NAME_SIZE, TEXT_SIZE, SMALL_SIZE = 38, 28, 23, 20
LEADING = 1.3  # line height divided by font size

PAPER, CARD, EDGE = "#f6f5f2", "#ffffff", "#d9d5cc"
INK, SOFT_INK = "#22211f", "#67635b"
PANELS = {Phase.BLOCKED: "#f1e9d8", Phase.FAILED: "#f3e2dd"}
QUIET_PANEL = "#eae8e3"


@dataclass
class _Pen:
    """The position of the next line of text; it moves down with every line."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    width: float

    def write(self, text: str, size: float, ink: str = INK, most: int = 1) -> None:
        lines, font = lines_of(text, size, self.width, most)
        for line in lines:
            self.draw.text((self.x, self.y), line, font=font, fill=ink)
            self.y += size * LEADING


@speaking(ENGLISH)  # whether there is a font for another language is known to nobody
def draw_sheet(job: Job, names: Mapping[str, str], environment: Mapping[str, Any]) -> Image.Image:
    """The whole sheet in RGB. `names` maps model keys to display names; a key without a name is shown as it is."""
    images = [image for cell in job.cells if (image := image_of(cell)) is not None]
    tile = max([TILE, *(_shown_size(image.shape[:2]) for image in images)])
    places, per_row = _places(job)
    rows = 1 + max(row for row, _ in places)
    width = 2 * MARGIN + max(per_row, 2) * (tile + GAP) - GAP
    header = _header_height(job, width)
    row_height = tile + CAPTION + GAP
    footer = round(SMALL_SIZE * LEADING) + MARGIN
    sheet = Image.new("RGB", (width, header + rows * row_height + footer), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_header(_Pen(draw, MARGIN, MARGIN, width - 2 * MARGIN), job)
    for (row, across), cell in zip(places, job.cells, strict=True):
        corner = (MARGIN + across * (tile + GAP), header + row * row_height)
        name = names.get(cell.model, cell.model)
        title = f"{name} · seed {cell.seed}" if len(job.seeds) > 1 else name
        _draw_cell(sheet, draw, corner, tile, cell, title)
    pen = _Pen(draw, MARGIN, header + rows * row_height, width - 2 * MARGIN)
    pen.write(_machine_line(environment, job), SMALL_SIZE, SOFT_INK)
    return sheet


def image_of(cell: Cell) -> NDArray | None:
    """The picture of the cell as uint8 [H, W, 3]; None where there is none, or where it is blocked."""
    result = cell.result
    return result.image if cell.phase is Phase.DONE and result is not None and not result.verdict.blocked else None


def _shown_size(shape: tuple[int, ...]) -> int:
    """The longer side times the smallest whole factor that fills a tile. Whole factors keep pixel edges sharp."""
    longer = max(shape)
    return longer * math.ceil(TILE / longer)


def _places(job: Job) -> tuple[list[tuple[int, int]], int]:
    """(row, column) of every cell, and the cells per row. The seeds of a single model fill rows like several models."""
    group = len(job.models) if len(job.models) > 1 else len(job.cells)
    per_row = _per_row(group)
    rows = math.ceil(group / per_row)
    numbers = range(len(job.cells))
    return [(n // group * rows + n % group // per_row, n % group % per_row) for n in numbers], per_row


def _per_row(count: int) -> int:
    """Cells per row, for rows of similar length: 4 -> 4, 5 -> 3 + 2, 6 -> 3 + 3."""
    rows = max(1, math.ceil(count / MOST_PER_ROW))
    return max(1, math.ceil(count / rows))


def _header_height(job: Job, width: int) -> int:
    blank = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    pen = _Pen(blank, MARGIN, MARGIN, width - 2 * MARGIN)
    _write_header(pen, job)
    return round(pen.y) + GAP


def _write_header(pen: _Pen, job: Job) -> None:
    pen.write(job.request.prompt, TITLE_SIZE, INK, most=3)
    pen.write(settings_line(job.request, job.seeds), TEXT_SIZE, SOFT_INK, most=2)
    if job.request.negative_prompt.strip():
        pen.write(f"Without: {job.request.negative_prompt}", TEXT_SIZE, SOFT_INK, most=2)
    if truncated := truncation_words(job):
        pen.write(truncated, TEXT_SIZE, SOFT_INK, most=5)


def settings_line(request: Request, seeds: Sequence[int] = ()) -> str:
    """The shared settings in one line; `seeds` lists them if there are several."""
    if len(seeds) > 1:
        seed = say("Seeds {seeds}", seeds=", ".join(map(str, seeds)))
    else:
        seed = say("Seed {seed}", seed=request.seed)
    scheduler, noise = SCHEDULER_NAMES[request.scheduler], GENERATOR_NAMES[request.generator]
    facts = [
        seed,
        plural(request.steps, "step"),
        say("guidance {value}", value=f"{request.guidance_scale:g}"),
        scheduler,
        say("{generator} noise", generator=noise),
        *(f"{say(label).lower()} {say(value)}" for label, value in saving_facts(request)),
    ]
    return " · ".join(facts)


def _draw_cell(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], tile: int, cell: Cell, name: str
) -> None:
    left, top = corner
    draw.rectangle((left - 1, top - 1, left + tile, top + tile + CAPTION), fill=CARD, outline=EDGE)
    result, image = cell.result, image_of(cell)
    if image is not None:
        _paste(sheet, corner, tile, image)
    else:
        _draw_notice(draw, corner, tile, cell)
    draw.line((left, top + tile, left + tile - 1, top + tile), fill=EDGE)
    pen = _Pen(draw, left + PADDING, top + tile + PADDING - 2, tile - 2 * PADDING)
    pen.write(name, NAME_SIZE)
    if result is not None:
        if timings_of(cell) is not None:
            pen.write(time_line(result), TEXT_SIZE)
        pen.write(f"{format_bytes(result.size_bytes)} on disk", TEXT_SIZE, SOFT_INK)


def _paste(sheet: Image.Image, corner: tuple[int, int], tile: int, image: NDArray) -> None:
    picture = Image.fromarray(image)
    scale = tile / max(picture.size)
    if scale != 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = corner
    sheet.paste(picture, (left + (tile - picture.width) // 2, top + (tile - picture.height) // 2))


def _draw_notice(draw: ImageDraw.ImageDraw, corner: tuple[int, int], tile: int, cell: Cell) -> None:
    """A plain panel in place of the picture, with a headline and a sentence."""
    left, top = corner
    phase = cell.phase if cell.phase in OUTCOMES else Phase.FAILED
    headline, sentence = OUTCOMES[phase]
    draw.rectangle((left, top, left + tile - 1, top + tile - 1), fill=PANELS.get(phase, QUIET_PANEL))
    inner = 2 * PADDING
    pen = _Pen(draw, left + inner, top + tile * 0.36, tile - 2 * inner)
    pen.write(headline, NAME_SIZE)
    pen.write(cell.message or sentence, TEXT_SIZE, SOFT_INK, most=5)


def time_line(result: Result) -> str:
    """Seconds of drawing, and of loading apart, so that a cold start does not make the first model look slow."""
    timings = result.timings
    drawing = format_seconds(drawing_seconds(timings))
    return f"{drawing} + {format_seconds(timings.load)} loading" if timings.cold else drawing


def _machine_line(environment: Mapping[str, Any], job: Job) -> str:
    """Program, engine, arithmetic, processor and cores, as far as the environment has them."""
    engine = next((cell.result.engine for cell in job.cells if cell.result), environment.get("engine", ""))
    cpu = environment.get("cpu", {})
    cores = cpu.get("count")
    version = f"bksdm-demo {environment.get('demo_version', '')}".strip()
    facts = (version, engine, *unet_precisions(environment), cpu.get("name", ""), f"{cores} cores" if cores else "")
    return " · ".join(fact for fact in facts if fact)
