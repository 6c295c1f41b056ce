"""Files of a family of models as they look from outside, with a few bytes for weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FAMILY = ("emoji-original", "emoji-base", "emoji-small", "emoji-tiny")


def write_package(path: Path, content: bytes = b"weights") -> Path:
    """A folder that looks like an `.mlpackage` from outside and holds `content` as its weights."""
    inside = path / "Data" / "com.apple.CoreML"
    (inside / "weights").mkdir(parents=True)
    (path / "Manifest.json").write_text("{}")
    (inside / "model.mlmodel").write_bytes(b"model")
    (inside / "weights" / "weight.bin").write_bytes(content)
    return path


def write_compiled(path: Path, content: bytes = b"weights") -> Path:
    """A folder that looks like an `.mlmodelc` from outside and holds `content` as its weights."""
    (path / "weights").mkdir(parents=True)
    (path / "model.mil").write_bytes(b"program(1.0)")
    (path / "weights" / "weight.bin").write_bytes(content)
    return path


def write_family(assets: Path, models: Sequence[str] = FAMILY) -> Path:
    """The embedded family's files below `assets`, in their real layout, with a few bytes for weights."""
    shared = assets / "emoji" / "shared"
    for position, role in enumerate(("text_encoder", "vae_decoder", "safety_checker")):
        content = role.encode() * (30 + position)
        write_package(shared / f"Stable_Diffusion_version_emoji_{role}.mlpackage", content)
    (shared / "vocab.json").write_text("{}")
    (shared / "merges.txt").write_text("")
    (shared / "safety_rules.json").write_text('{"concepts": [{"name": "bomb"}]}')
    for position, key in enumerate(models):
        content = key.encode() * (100 - 10 * position)
        write_package(assets / "emoji" / key / f"Stable_Diffusion_version_{key}_unet.mlpackage", content)
    return assets
