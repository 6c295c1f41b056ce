"""Makes one key: first the weights for torch, then the package of the same numbers. Skips what is up to date."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from training.coreml_unet import CoreUnet
from training.full_size import modules, packages, parts, storage
from training.full_size.output import fit_last_layer
from training.full_size.systems import System, load_unet
from training.full_size.weights import palettize, randomise
from training.workspace import log

STAGE = "full_size"


def make_system(system: System, attention: str | None = None) -> None:
    """Make one system's U-Net, with its published attention or another one."""
    attention = attention or system.attention
    if not storage.up_to_date(system.weights):
        with _timed(f"{system.key} weights", system.weights):
            _unet_weights(system)
    path = system.package(attention)
    if not packages.up_to_date(path):
        with _timed(f"{system.key} package, {attention}", path):
            _unet_package(system, attention, path)


def make_part(part: modules.Part) -> None:
    """Make one shared package, after the weights of its network."""
    weights = parts.weights_path(part.network)
    if not storage.up_to_date(weights):
        with _timed(f"{part.network} weights", weights):
            network, bits = parts.random_part(part.network)
            storage.save_weights(network, weights, bits)
            del network
    if not packages.up_to_date(part.package):
        with _timed(f"{part.name} package", part.package):
            network = parts.load(part.network)
            module = part.module(network)
            count = sum(parameter.numel() for parameter in module.parameters())
            del network
            model = packages.convert(module, part.inputs, list(part.outputs))
            description = f"SD v1's {part.name.replace('_', ' ')} at full size with random weights."
            packages.save(model, part.package, description, {"parameters": str(count)})


def _unet_weights(system: System) -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**system.configuration())
    unet = unet.to_empty(device="cpu").eval().requires_grad_(False)
    randomise(unet, system.seed)
    bits = palettize(unet, system.bits, system.seed, keep=("conv_in", "conv_out"))
    fit_last_layer(unet, system.seed)
    log(STAGE, f"{system.key}: {unet.num_parameters() / 1e6:.1f} M, {storage.average_bits(unet, bits):.2f} bits each")
    storage.save_weights(unet, system.weights, bits)


def _unet_package(system: System, attention: str, path: Path) -> None:
    unet = load_unet(system)
    count = unet.num_parameters()
    module = CoreUnet(unet, attention)
    del unet
    inputs: packages.Inputs = {
        "sample": ((2, 4, 64, 64), packages.HALF),
        "timestep": ((2,), packages.HALF),
        "encoder_hidden_states": ((2, 768, 1, 77), packages.HALF),
    }
    model = packages.convert(module, inputs, ["noise_pred"])
    facts = {"attention": attention, "parameters": str(count)}
    packages.save(model, path, f"{system.key}: U-Net at full size with random weights.", facts)


@contextmanager
def _timed(what: str, path: Path) -> Iterator[None]:
    """Logs the time, the size of the result and the peak memory of the process."""
    start = time.monotonic()
    yield
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    log(STAGE, f"{what}: {size / 1e6:.0f} MB in {time.monotonic() - start:.0f} s, peak memory {peak / 1e9:.1f} GB")
