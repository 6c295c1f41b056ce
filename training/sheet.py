"""A contact sheet to look at: sixteen common prompts, one row per system.

python -m training.sheet [--systems original tiny] [--out sheet.png]
python -m training.sheet --reconstructions
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training import data, decoder, distill, networks, original, sampling, vae
from training.workspace import WORK

PROMPTS = (
    "red apple", "cat face", "rocket", "pizza", "dog face", "sunflower", "hamburger", "house",
    "red car", "whale", "crying face", "strawberry", "guitar", "rainbow", "birthday cake", "heart",
)  # fmt: skip


def tile(pictures: NDArray[np.uint8], columns: int) -> Image.Image:
    """[N, H, W, 3] -> one picture with `columns` across."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        y, x = divmod(place, columns)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    return Image.fromarray(sheet)


def generated(systems: list[str], steps: int) -> Image.Image:
    pair, autoencoder = original.load(), decoder.load()
    rows = []
    for name in systems:
        unet = pair["unet"] if name == "original" else distill.load(name)
        clean = sampling.latents(unet, pair["text"], list(PROMPTS), list(range(len(PROMPTS))), steps)
        rows.append(sampling.decode(autoencoder, clean).numpy())
    return tile(np.concatenate(rows), 8 if len(systems) == 1 else len(PROMPTS))


def reconstructions() -> Image.Image:
    """Sixteen pictures and, below each eight, their reconstructions by the autoencoder."""
    network, pictures = decoder.load(), data.pictures()[5::13][:16]
    decoded = sampling.decode(network, vae.encode(network, vae.to_tensor(pictures))).numpy()
    return tile(np.concatenate([pictures[:8], decoded[:8], pictures[8:], decoded[8:]]), 8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--systems", nargs="+", choices=networks.NAMES, default=["original"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--reconstructions", action="store_true")
    parser.add_argument("--out", type=Path, default=WORK / "sheet.png")
    options = parser.parse_args()
    picture = reconstructions() if options.reconstructions else generated(options.systems, options.steps)
    picture.save(options.out)
