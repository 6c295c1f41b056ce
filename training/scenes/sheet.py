"""A contact sheet to look at: twenty-four prompts by a composing U-Net, or what the autoencoder makes of scenes.

python -m training.scenes.sheet [--shape original|base|small|tiny] [--steps 12] [--out FILE]
python -m training.scenes.sheet --reconstructions
"""

import argparse
import random
from pathlib import Path

import numpy as np
from PIL import Image

from training import data, networks, sampling
from training.evaluation_sheet import Tile, sheet
from training.scenes import autoencoder, evaluate, grammar, machine, original, render, students
from training.workspace import WORK

PROMPTS = (
    "red apple", "cat", "rocket", "a blue apple", "a purple cat", "pink elephant",
    "two cats", "three apples", "four balloons", "cat and guitar", "a dog next to a car", "house and tree",
    "apple left of a pear", "a cat on a car", "a bird above a house", "a star below a crown", "a small cat",
    "a big dog and a small mouse", "a cat at night", "a duck under water", "a penguin in the snow",
    "a dog with sunglasses", "two blue cars", "a red car next to a green apple",
)  # fmt: skip
SIDE = 112


def generated(shape: str, steps: int, guidance: float) -> Image.Image:
    pair, vae = original.load().cpu(), autoencoder.load().cpu()
    unet = pair["unet"] if shape == "original" else students.load(shape).cpu()
    latents = sampling.latents(unet, pair["text"], list(PROMPTS), list(range(len(PROMPTS))), steps, guidance)
    images = sampling.decode(vae, latents).numpy()
    tiles = [Tile(image, words=(prompt,)) for image, prompt in zip(images, PROMPTS, strict=True)]
    return sheet([tiles[place : place + 6] for place in range(0, len(tiles), 6)], SIDE)


def reconstructions() -> Image.Image:
    """Scenes of every kind and single pictures, each above what the autoencoder makes of it."""
    chance = random.Random(77)
    pictures = [render.draw(grammar.scene(chance, kind), chance)[0] for kind in grammar.KINDS for _ in range(2)]
    shown = np.stack([*pictures, *data.pictures()[5::130][:8]])
    made = evaluate.reconstructed(shown)
    rows = []
    for place in range(0, len(shown), 8):
        rows += [[Tile(image) for image in images[place : place + 8]] for images in (shown, made)]
    return sheet(rows, SIDE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=networks.NAMES, default="original")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=evaluate.GUIDANCE)
    parser.add_argument("--reconstructions", action="store_true")
    parser.add_argument("--out", type=Path, default=WORK / "scene-sheet.png")
    chosen = parser.parse_args()
    machine.prepare()
    picture = reconstructions() if chosen.reconstructions else generated(chosen.shape, chosen.steps, chosen.guidance)
    picture.save(chosen.out)


if __name__ == "__main__":
    main()
