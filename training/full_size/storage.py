"""Weights on disk as diffusers and transformers read them: float16 safetensors with config.json beside."""

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from training.full_size.systems import RECIPE


def save_weights(network: torch.nn.Module, path: Path, bits: dict[str, int]) -> None:
    """Write weights and configuration, each as a whole. The header holds the bits of every palettized tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    described = network.config if hasattr(network.config, "to_json_string") else network
    (path.parent / "config.json").write_text(described.to_json_string())
    state = {name: value.to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    partial = path.with_name(f"partial-{path.name}")
    save_file(state, partial, metadata={"format": "pt", "recipe": RECIPE, "bits": json.dumps(bits)})
    partial.chmod(0o644)  # safetensors writes for its owner alone
    os.replace(partial, path)


def up_to_date(path: Path) -> bool:
    """Whether these weights exist and were made by the present recipe."""
    if not path.exists():
        return False
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("recipe") == RECIPE


def average_bits(network: torch.nn.Module, bits: dict[str, int]) -> float:
    """Average bits per parameter. A tensor without an entry has 16."""
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return sum(size * bits.get(name, 16) for name, size in sizes.items()) / sum(sizes.values())
