"""Scaled pictures fit their share of a report, at the size and the colours that it allows."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bksdm_demo.reports.scaled_pictures import SIDE, SIDES, scale_picture

NOISE = np.random.RandomState(1).randint(0, 256, (512, 512, 3)).astype(np.uint8)  # nothing compresses worse


def png(pixels: NDArray) -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    info.add_text("parameters", "a secret prompt")
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def gradient(width: int, height: int) -> NDArray:
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    planes = [np.broadcast_to(across, (height, width)), np.broadcast_to(down[:, None], (height, width))]
    return np.stack([*planes, np.full((height, width), 90.0)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("most", [60_000, 20_000, 5_000, 2_600])
def test_even_noise_fits(most: int) -> None:
    scaled = scale_picture(png(NOISE), most)
    assert len(scaled.data) <= most
    assert scaled.width == scaled.height >= SIDES[-1]


def test_more_room_gives_a_larger_picture() -> None:
    sides = [scale_picture(png(NOISE), most).width for most in (3_000, 10_000, 60_000)]
    assert sides == sorted(set(sides))


@pytest.mark.parametrize("size", [(64, 64), (128, 96), (512, 512)])
def test_a_smooth_picture_keeps_its_size_and_colours(size: tuple[int, int]) -> None:
    pixels = gradient(*size)
    scaled = scale_picture(png(pixels), 60_000)
    assert (scaled.width, scaled.height) == size
    with Image.open(io.BytesIO(scaled.data)) as opened:
        error = np.abs(np.asarray(opened.convert("RGB")).astype(int) - pixels)
    assert error.mean() < 4


def test_a_large_picture_is_scaled_to_the_reports_side_in_its_shape() -> None:
    scaled = scale_picture(png(gradient(1024, 512)), 60_000)
    assert (scaled.width, scaled.height) == (SIDE, SIDE // 2)


def test_parameters_stay_out() -> None:
    scaled = scale_picture(png(gradient(64, 64)), 60_000)
    assert b"secret" not in scaled.data
    assert base64.b64decode(scaled.address.partition(",")[2]) == scaled.data
