"""Ranges of pictures, and CLIP's crop against transformers' own image processor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from bksdm_demo.diffusion.pixels import CLIP_MEAN, CLIP_STD, to_clip, to_pixels, to_unit

GREY_LEVEL = 1 / 255


def test_to_pixels_clips_and_rounds() -> None:
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0, -1 + 0.6 / 127.5, -1 + 0.4 / 127.5])
    image = np.broadcast_to(values, (1, 3, 1, 7))
    assert to_pixels(image)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 1, 0]


def test_to_pixels_keeps_channels_and_axes() -> None:
    image = np.zeros((1, 3, 2, 4))
    image[0, 0, 1, 3] = 1
    pixels = to_pixels(image)
    assert pixels.shape == (2, 4, 3)
    assert pixels[1, 3].tolist() == [255, 128, 128]


def test_unit_and_pixels_are_inverse() -> None:
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    unit = to_unit(pixels)
    assert unit.shape == (1, 8, 8, 3)
    np.testing.assert_array_equal(to_pixels(unit.transpose(0, 3, 1, 2) * 2 - 1), pixels)


def picture(height: int, width: int, rough: bool) -> NDArray[np.uint8]:
    random = np.random.RandomState(height)
    if rough:
        return random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("size", [(128, 128), (224, 224), (512, 512), (96, 160), (301, 517), (640, 384)])
def test_clip_crop_of_transformers(size: tuple[int, int], rough: bool) -> None:
    image = picture(*size, rough)
    expected = np.asarray(CLIPImageProcessorPil()(image, return_tensors="np")["pixel_values"])
    got = to_clip(image, 224)
    assert got.shape == (1, 3, 224, 224)
    assert got.dtype == np.float32
    in_grey_levels = np.abs(got - expected) * CLIP_STD[:, np.newaxis, np.newaxis]
    assert in_grey_levels.max() <= GREY_LEVEL


@pytest.mark.parametrize("side", [32, 64, 224])
def test_clip_of_a_plain_picture(side: int) -> None:
    colour = np.array([255, 128, 0], dtype=np.uint8)
    clip = to_clip(np.broadcast_to(colour, (128, 128, 3)).copy(), side)
    expected = (colour / 255 - CLIP_MEAN) / CLIP_STD
    np.testing.assert_allclose(clip, np.broadcast_to(expected[:, None, None], (1, 3, side, side)), atol=1e-5)
