"""The clean latents that the U-Nets learn, encoded once: 16x16 of the pictures, 8x8 of their half-size copies."""

import numpy as np
import torch
from PIL import Image

from training import data, vae
from training.workspace import WORK, log

CACHE = WORK / "latents.pt"


def _half(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((data.SIDE // 2, data.SIDE // 2), Image.Resampling.BOX))


def load(side: int) -> torch.Tensor:
    """[N, 4, side, side] float32 for side 16 or 8."""
    if not CACHE.exists():
        network, pictures = vae.load(), data.pictures()
        halves = np.stack([_half(picture) for picture in pictures])
        cached = {16: vae.encode(network, vae.to_tensor(pictures)), 8: vae.encode(network, vae.to_tensor(halves))}
        log("latents", ", ".join(f"{key}: deviation {value.std():.3f}" for key, value in cached.items()))
        torch.save(cached, CACHE)
    return torch.load(CACHE)[side]
