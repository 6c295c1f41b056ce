"""Converts pictures between the parts' ranges: [-1, 1] float, [0, 255] uint8, and CLIP's normalised crop.

Follows diffusers' VaeImageProcessor and transformers' CLIPImageProcessor (bicubic with antialiasing in 8 bits, centre
crop, CLIP's mean and deviation). Pillow resizes, as it does there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Mean and deviation of CLIP's training pictures, R G B in [0, 1] (OpenAI's CLIP preprocessing).
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711])


def to_pixels(image: NDArray) -> NDArray[np.uint8]:
    """Finite [1, 3, H, W] in [-1, 1] (clipped) to uint8 [H, W, 3]."""
    unit = np.clip(image[0].transpose(1, 2, 0) / 2 + 0.5, 0, 1)  # [H, W, 3]
    return np.ascontiguousarray(np.round(unit * 255).astype(np.uint8))


def to_unit(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [H, W, 3] to float [1, H, W, 3] in [0, 1]."""
    return (image[np.newaxis] / np.float32(255)).astype(np.float32)


def to_clip(image: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """uint8 [H, W, 3] to CLIP's normalised [1, 3, size, size]: scale the shorter edge to `size`, crop the centre."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    new_width, new_height = max(size, int(width * scale)), max(size, int(height * scale))
    resized = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BICUBIC)
    left, top = (new_width - size) // 2, (new_height - size) // 2
    unit = to_unit(np.asarray(resized)[top : top + size, left : left + size])[0]
    normalised = (unit - CLIP_MEAN) / CLIP_STD  # [size, size, 3]
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[np.newaxis].astype(np.float32))
