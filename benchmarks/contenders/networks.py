"""The original networks in torch, built from a configuration and the weights beside the Core ML parts.

`load_part` wraps each so that it takes and gives tensors in the order of peer.py, which is what an ONNX export needs.
"""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel

from benchmarks.subjects import Subject

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
SPECIAL_CARE = 0.01  # what a special-care hit adds to every other score, as diffusers' checker does


def load_network(subject: Subject, role: str, dtype: torch.dtype) -> torch.nn.Module:
    """The diffusers or transformers network of a part with its weights, for inference. Raises ValueError."""
    configuration = json.loads(subject.configuration(role).read_text())
    with torch.device("meta"):  # neither memory nor time for weights that are replaced at once
        network = _build(role, configuration)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(subject.weights(role)).items()}
    missing, unexpected = network.load_state_dict(weights, strict=False, assign=True)
    if missing or unexpected:
        raise ValueError(f"{subject.weights(role)}: missing {missing[:3]}, not known {unexpected[:3]}.")
    _count_positions(network)
    if role == "unet":
        network.time_proj = StoredSinusoid(network.config.block_out_channels[0])
    return network.eval().requires_grad_(False)


def _count_positions(network: torch.nn.Module) -> None:
    """Fill the position ids, the one buffer that no file holds. Raises ValueError if there are others."""
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if name != "position_ids":
                raise ValueError(f"{type(module).__name__} has a buffer {name} that no file holds.")
            module.register_buffer(name, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False)


def _build(role: str, configuration: dict[str, Any]) -> torch.nn.Module:
    if role == "unet":
        return UNet2DConditionModel.from_config(configuration)
    if role == "vae_decoder":
        return AutoencoderKL.from_config(configuration)
    if role == "text_encoder":
        return CLIPTextModel(CLIPTextConfig.from_dict(configuration))
    return StableDiffusionSafetyChecker(CLIPConfig.from_dict(configuration))


class StoredSinusoid(torch.nn.Module):
    """The timestep's embedding [B, C], cosines first, with the frequencies as the Core ML file holds them.

    The converter rounds them to half precision. In a late step, that turns the fastest by up to half a radian. The file
    causes this, not an engine, so every contender uses the same frequencies. Angles and sinusoid stay in float32, as in
    diffusers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2

    def forward(self, timesteps: Tensor) -> Tensor:
        exponents = torch.arange(self.half, dtype=torch.float32) / self.half
        frequencies = torch.exp(-math.log(10_000) * exponents).half().float()
        angles = timesteps.float()[:, None] * frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


class Denoiser(torch.nn.Module):
    """[2, C, h, w], [2], [2, L, D] -> the predicted noise."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> tuple[Tensor, ...]:
        return (self.network(sample, timestep, encoder_hidden_states, return_dict=False)[0],)


class Decoder(torch.nn.Module):
    """[1, 4, h, w] -> [1, 3, H, W] in [-1, 1]."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        return (self.network.decode(z, return_dict=False)[0],)


class Encoder(torch.nn.Module):
    """Token ids [1, L] -> hidden [1, L, D]."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return (self.network(input_ids, return_dict=False)[0],)


class Checker(torch.nn.Module):
    """[1, 3, 224, 224] -> the score of each concept above its threshold [1, N], and whether any is [1].

    diffusers' arithmetic (`forward_onnx`) without the blackening of pictures.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip_input: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        embedded = network.visual_projection(network.vision_model(clip_input)[1])
        special = _cosine(embedded, network.special_care_embeds) - network.special_care_embeds_weights
        care = (special > 0).any(dim=1, keepdim=True).to(clip_input.dtype) * SPECIAL_CARE
        scores = _cosine(embedded, network.concept_embeds) - network.concept_embeds_weights + care
        return scores, (scores > 0).any(dim=1).to(clip_input.dtype)


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    normal = torch.nn.functional.normalize
    return normal(left) @ normal(right).t()


WRAPPERS = {"unet": Denoiser, "vae_decoder": Decoder, "text_encoder": Encoder, "safety_checker": Checker}


def load_part(subject: Subject, role: str, dtype: torch.dtype) -> torch.nn.Module:
    """A part's network, wrapped."""
    return WRAPPERS[role](load_network(subject, role, dtype)).eval()
