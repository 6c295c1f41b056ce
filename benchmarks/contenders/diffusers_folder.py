"""Makes a diffusers folder of a system's weights, for stable-diffusion.cpp."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.subjects import Subject

PREFIX = "text_model."  # of the text encoder's tensors; transformers leaves it out since its version 5
# Where a diffusers folder has each part's weights.
PLACES = {
    "unet": "unet/diffusion_pytorch_model.safetensors",
    "vae_decoder": "vae/diffusion_pytorch_model.safetensors",
    "text_encoder": "text_encoder/model.safetensors",
}


def diffusers_folder(subject: Subject) -> Path:
    """A folder of links with diffusers' names, to the weights and to a copy of the text encoder's with PREFIX.

    Raises PackageError for a part without weights.
    """
    folder = subject.derived("unet", "diffusers")
    for role, name in PLACES.items():
        weights, link = subject.weights(role).resolve(), folder / name
        if role == "text_encoder":
            weights = subject.derived(role, "with_prefix.safetensors").resolve()
            if not weights.exists():
                write_with_prefix(subject.weights(role), weights)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not (link.is_symlink() and link.readlink() == weights):
            link.unlink(missing_ok=True)
            link.symlink_to(weights)
    return folder


def write_with_prefix(weights: Path, place: Path) -> None:
    """Copy a safetensors file; tensors whose names lack PREFIX get it. The file appears whole or not at all."""
    partial = place.with_suffix(".partial")
    with weights.open("rb") as source, partial.open("wb") as target:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        named = {
            name if name.startswith((PREFIX, "__metadata__")) else PREFIX + name: entry
            for name, entry in header.items()
        }
        text = json.dumps(named).encode()
        target.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(source, target)
    partial.replace(place)
