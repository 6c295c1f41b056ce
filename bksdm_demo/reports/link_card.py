"""The picture of a comparison for links that unfold in other programs: its contact sheet in 1200 x 630 pixels, as JPEG.

The size is what the Open Graph protocol's readers show without cropping. A blocked picture is on no contact sheet.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from bksdm_demo.records import Cell, Job
from bksdm_demo.reports.contact_sheet import PAPER, draw_sheet

SIZE = (1200, 630)  # pixels
MOST_CELLS = 8  # two rows of four; more would be too small to see
LARGEST = 300_000  # bytes; some messengers show no larger picture
QUALITIES = (90, 75, 60, 40)  # of JPEG, the first that fits


def unfolds(job: Job) -> bool:
    """Whether the comparison has a card of its own: it is finished, and a picture may be shown."""
    return job.finished and any(cell.shown for cell in job.cells)


def card_file(job: Job, names: Mapping[str, str], environment: Mapping[str, Any]) -> bytes:
    """The card of a job with its pictures, as a JPEG file of at most LARGEST bytes."""
    return _jpeg(_fitted(draw_sheet(replace(job, cells=_first_cells(job)), names, environment)))


def general_card_file(sheet: bytes) -> bytes:
    """A card from the PNG file of any contact sheet."""
    with Image.open(io.BytesIO(sheet), formats=["PNG"]) as picture:
        return _jpeg(_fitted(picture.convert("RGB")))


def _first_cells(job: Job) -> tuple[Cell, ...]:
    """The cells of the first seeds, as far as they fit; of many models with one seed, the first."""
    chosen: list[Cell] = []
    for seed in job.seeds:
        row = [cell for cell in job.cells if cell.seed == seed]
        if chosen and len(chosen) + len(row) > MOST_CELLS:
            break
        chosen += row[:MOST_CELLS]
    return tuple(chosen)


def _fitted(sheet: Image.Image) -> Image.Image:
    """The sheet scaled into SIZE, on paper."""
    scale = min(SIZE[0] / sheet.width, SIZE[1] / sheet.height)
    scaled = sheet.resize((round(sheet.width * scale), round(sheet.height * scale)), Image.Resampling.LANCZOS)
    card = Image.new("RGB", SIZE, PAPER)
    card.paste(scaled, ((SIZE[0] - scaled.width) // 2, (SIZE[1] - scaled.height) // 2))
    return card


def _jpeg(card: Image.Image) -> bytes:
    for quality in QUALITIES:
        buffer = io.BytesIO()
        card.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= LARGEST:
            break
    return buffer.getvalue()
