"""Make one system's U-Net: weights for torch, then the package of the same weights."""

import json
import os
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file

from training.coreml_unet import CoreUnet
from training.full_size import packages
from training.full_size.output import fit_last_layer
from training.full_size.systems import RECIPE, System, load_unet
from training.full_size.weights import palettize, randomise
from training.workspace import log

STAGE = "full_size"


def make_weights(system: System) -> None:
    """unet_weights.safetensors (float16) and config.json; skipped where they are up to date."""
    if up_to_date(system.weights):
        return
    with torch.device("meta"):
        unet = UNet2DConditionModel(**system.configuration())
    unet = unet.to_empty(device="cpu").eval().requires_grad_(False)
    randomise(unet, system.seed)
    chosen = palettize(unet, system.bits, system.seed, keep=("conv_in", "conv_out"))
    fit_last_layer(unet, system.seed)
    sizes = {name: parameter.numel() for name, parameter in unet.named_parameters()}
    average = sum(sizes[name] * bits for name, bits in chosen.items()) / sum(sizes[name] for name in chosen)
    log(STAGE, f"{system.key}: {sum(sizes.values()) / 1e6:.1f} M parameters, {average:.2f} bits a large weight")
    save_weights(unet, system.weights, chosen)


def save_weights(network: torch.nn.Module, path: Path, bits: dict[str, int]) -> None:
    """float16 safetensors with config.json beside, the bits of every palettized tensor in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = network.config.to_json_string() if hasattr(network.config, "to_json_string") else network.to_json_string()
    (path.parent / "config.json").write_text(config)
    state = {name: value.to(torch.float16).contiguous() for name, value in network.state_dict().items()}
    partial = path.with_name(f"partial-{path.name}")
    save_file(state, partial, metadata={"format": "pt", "recipe": RECIPE, "bits": json.dumps(bits)})
    partial.chmod(0o644)
    os.replace(partial, path)


def up_to_date(weights: Path) -> bool:
    if not weights.exists():
        return False
    with safe_open(weights, "pt") as file:
        return (file.metadata() or {}).get("recipe") == RECIPE


def unet_inputs(batch: int = 2) -> packages.Inputs:
    return {
        "sample": ((batch, 4, 64, 64), packages.HALF),
        "timestep": ((batch,), packages.HALF),
        "encoder_hidden_states": ((batch, 768, 1, 77), packages.HALF),
    }


def make_package(system: System, attention: str) -> None:
    """The package of one attention kind, from the weights on disk; skipped where it is up to date."""
    path = system.package(attention)
    if packages.up_to_date(path):
        return
    unet = load_unet(system)
    count = sum(parameter.numel() for parameter in unet.parameters())
    module = CoreUnet(unet, attention)
    del unet
    model = packages.convert(module, unet_inputs(), ["noise_pred"])
    facts = {"attention": attention, "parameters": str(count)}
    packages.save(model, path, f"{system.key}: U-Net of full size with random weights.", facts)
