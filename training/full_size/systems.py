"""The five systems' U-Nets: their configuration in diffusers, the storage of their weights, and their paths."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn

from training.workspace import WORK

FOLDER = WORK / "full_size"
SHARED = FOLDER / "shared"
PREFIX = "Stable_Diffusion_version"
RECIPE = "1"  # raise it when the same key would be made differently

HALF = 16  # bits of a weight that is not palettized
Mixture = dict[int, float]  # bits of a weight tensor -> share of the weights


@dataclass(frozen=True)
class System:
    """One published U-Net: its blocks, its attention and the bits of its stored weights."""

    key: str
    levels: int  # of 320, 640, 1280, 1280 channels
    pairs: int  # resnet(+attention) pairs in a down stage; an up stage has one more
    middle: bool
    attention: str  # original, split_einsum or split_einsum_v2
    bits: Mixture
    seed: int

    @property
    def folder(self) -> Path:
        return FOLDER / self.key

    def package(self, attention: str | None = None) -> Path:
        """The U-Net's package. With another attention than the published one, it lies in a folder of that name."""
        folder = self.folder if attention in (None, self.attention) else self.folder / attention
        return folder / f"{PREFIX}_{self.key}_unet.mlpackage"

    @property
    def weights(self) -> Path:
        return self.folder / "unet_weights.safetensors"

    def configuration(self) -> dict[str, object]:
        """diffusers' configuration: SD v1's, shortened. `attention_head_dim` is the number of heads in SD v1."""
        down = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
        up = ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3
        return {
            "sample_size": 64,
            "in_channels": 4,
            "out_channels": 4,
            "down_block_types": down[: self.levels],
            "up_block_types": up[4 - self.levels :],
            "mid_block_type": "UNetMidBlock2DCrossAttn" if self.middle else None,
            "block_out_channels": (320, 640, 1280, 1280)[: self.levels],
            "layers_per_block": self.pairs,
            "attention_head_dim": 8,
            "cross_attention_dim": 768,
        }


# Mixtures that give the zips' published sizes, after 0.92 GB of text encoder, autoencoder and safety checker.
TWELVE = {1: 0.005, 2: 0.01, 4: 0.09, 6: 0.15, 8: 0.145, HALF: 0.60}
NINE = {1: 0.005, 2: 0.02, 4: 0.20, 6: 0.25, 8: 0.255, HALF: 0.27}
EIGHT = {1: 0.005, 2: 0.03, 4: 0.245, 6: 0.28, 8: 0.24, HALF: 0.20}

SYSTEMS = {
    system.key: system
    for system in (
        System("bk-sdm-tiny-2m", 3, 1, False, "split_einsum_v2", TWELVE, seed=1),
        System("bk-sdm-small-2m", 4, 1, False, "split_einsum_v2", NINE, seed=2),
        System("bk-sdm-base-2m", 4, 1, True, "split_einsum_v2", EIGHT, seed=3),
        System("small-sd-v0", 4, 1, True, "split_einsum", {HALF: 1.0}, seed=4),
        System("sd-v1-4-palettized", 4, 2, True, "split_einsum_v2", {6: 1.0}, seed=5),
    )
}


class StoredSinusoid(nn.Module):
    """diffusers' time_proj (cosines first) with the frequencies as a package holds them, rounded to float16.

    Rounding turns the fastest frequencies by half a radian in late steps. Both sides of a comparison must share that.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        exponents = torch.arange(channels // 2, dtype=torch.float32) / (channels // 2)
        self.frequencies = torch.exp(-math.log(10000) * exponents).half().float()

    def forward(self, timesteps: Tensor) -> Tensor:
        angles = timesteps[:, None].float() * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


def load_unet(system: System) -> UNet2DConditionModel:
    """The network in torch, float32, with exactly the constants of the package."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(json.loads((system.folder / "config.json").read_text()))
    state = {name: value.float() for name, value in load_file(system.weights).items()}
    unet.load_state_dict(state, assign=True)
    unet.time_proj = StoredSinusoid(unet.config.block_out_channels[0])
    return unet.eval().requires_grad_(False)
