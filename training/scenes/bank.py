"""Latents of the pictures as the shipped original draws them: what a new encoder has to agree with.

    python -m training.scenes.bank

The shipped family has no encoder. Its U-Net knows which latents mean a picture, so it draws each concept once; the
encoder's training (autoencoder.py) takes these as targets. Writes `training/work/bank.pt`, float16 [N, 4, 16, 16] in
the order of words.json, and goes on where it was stopped.
"""

import os

import torch

from training import data, networks, sampling
from training.workspace import WORK, log

PATH = WORK / "bank.pt"
BATCH = 32
STEPS, GUIDANCE = 14, 2.0  # less guidance than for looks: the plain latents are wanted


def load() -> torch.Tensor:
    """[N, 4, 16, 16] float32; N may be less than all, from the first on."""
    return torch.load(PATH).float() if PATH.exists() else torch.zeros(0, 4, networks.LATENT_SIDE, networks.LATENT_SIDE)


def main() -> None:
    from training.scenes import recover  # reads packages, which no other stage has to

    torch.set_num_threads(1)
    pair, found, words = recover.original(), load(), data.words()
    while len(found) < len(words):
        places = range(len(found), min(len(found) + BATCH, len(words)))
        prompts = [words[place]["label"] for place in places]
        drawn = sampling.latents(pair["unet"], pair["text"], prompts, list(places), STEPS, GUIDANCE)
        found = torch.cat([found, drawn])
        partial = PATH.with_suffix(".partial")
        torch.save(found.half(), partial)
        os.replace(partial, PATH)
        log("bank", f"{len(found)} of {len(words)}, deviation {found.std():.3f}")


if __name__ == "__main__":
    main()
