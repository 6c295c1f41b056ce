"""Converts tiny whole parts with coremltools and records torch's float32 answers, the truth for tests/translate.

    .venv-training/bin/python tests/golden/parts/make_parts.py [NAME...]

Made with Python 3.11, torch 2.13.0, coremltools 9.0, diffusers 0.42.1, transformers 5.23.0, numpy 2.3.5; target iOS 16,
fp16. Every one-dimensional parameter is randomised: untouched norms are identities, which the converter deletes. Each
NAME.npz holds `in.X` and `out.Y` of the package's inputs and outputs, with a leading axis of cases (of length 1 for an
input that is the same in all of them).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from training.coreml_parts import CoreDecoder, CoreTextEncoder  # noqa: E402
from training.coreml_unet import CoreUnet, SplitAttention  # noqa: E402

HALF, SINGLE = np.float16, np.float32
TIMESTEPS = (1, 251, 501, 751, 981, 999)
VOCABULARY = 2600  # beyond 2048, where fp16 no longer holds every whole number

Case = dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """A module, the element types of its inputs, its output names, and the cases to record."""

    module: nn.Module
    types: dict[str, type[np.floating]]
    outputs: tuple[str, ...]
    cases: list[Case]


class WholeAttention(nn.Module):
    """All heads at once: the form that Apple's converter calls ORIGINAL."""

    def __init__(self, split: SplitAttention) -> None:
        super().__init__()
        self.heads, self.scale = split.heads, split.scale
        self.to_q, self.to_k, self.to_v, self.to_out = split.to_q, split.to_k, split.to_v, split.to_out

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        batch, channels = x.shape[0], self.to_q.out_channels
        query, key, value = (
            projected.view(batch, self.heads, channels // self.heads, -1)  # [B, H, d, S]
            for projected in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        weights = (torch.einsum("bhcq,bhck->bhqk", query, key) * self.scale).softmax(dim=3)
        mixed = torch.einsum("bhqk,bhck->bhcq", weights, value)
        return self.to_out(mixed.contiguous().view(batch, channels, 1, -1))


class Encoder(nn.Module):
    """x [1, 3, H, W] in [-1, 1] -> mean and log-variance [1, 8, H/2, W/2]."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))


class Checker(nn.Module):
    """SD v1's safety checker, where flagged pictures are blacked out by writing at a mask's positions."""

    def __init__(self, vision: nn.Module, width: int, concepts: int = 5, special: int = 3) -> None:
        super().__init__()
        self.vision = vision
        self.register_buffer("concepts", torch.randn(concepts, width))
        self.register_buffer("special", torch.randn(special, width))
        self.register_buffer("thresholds", torch.rand(concepts) * 0.1 + 0.5)
        self.register_buffer("special_thresholds", torch.rand(special) * 0.1 + 0.5)

    def forward(self, clip_input: Tensor, images: Tensor, adjustment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        embedding = nn.functional.normalize(self.vision(clip_input).image_embeds)
        special = embedding @ nn.functional.normalize(self.special).t() - self.special_thresholds + adjustment
        careful = special.gt(0).float().sum(dim=1).gt(0).float() * 0.01
        cosines = embedding @ nn.functional.normalize(self.concepts).t()
        scores = cosines - self.thresholds + careful[:, None].expand(-1, cosines.shape[1]) + adjustment
        flagged = scores.gt(0).float().sum(dim=1).gt(0)[:, None, None, None]
        mask, _ = torch.broadcast_tensors(flagged, images)
        images[mask] = 0.0
        return images, flagged.float(), scores


def roughen(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return module.eval().requires_grad_(False)


def unet() -> CoreUnet:
    """Two levels; 1024 tokens on the upper one, so that the queries come in two chunks of 512."""
    torch.manual_seed(1)
    network = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        layers_per_block=1,
        cross_attention_dim=12,
        attention_head_dim=2,  # heads, in SD v1's configuration
        norm_num_groups=4,
    )
    return CoreUnet(roughen(network)).eval()


def whole(module: nn.Module) -> nn.Module:
    """The network with every split attention exchanged for a whole one."""
    for name, child in module.named_children():
        if isinstance(child, SplitAttention):
            setattr(module, name, WholeAttention(child))
        else:
            whole(child)
    return module


def unet_part(network: nn.Module, timesteps: tuple[int, ...]) -> Part:
    torch.manual_seed(2)
    sample, hidden = torch.randn(2, 4, 32, 32), torch.randn(2, 12, 1, 7)
    cases = [
        {"sample": sample, "timestep": torch.full((2,), float(time)), "encoder_hidden_states": hidden}
        for time in timesteps
    ]
    types = {"sample": HALF, "timestep": HALF, "encoder_hidden_states": HALF}
    return Part(network, types, ("noise_pred",), cases)


def text_encoder() -> Part:
    """The end token, the highest id, is repeated as padding: the pooled row is that of the first."""
    torch.manual_seed(3)
    config = CLIPTextConfig(  # type: ignore[call-arg]
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        attn_implementation="eager",
    )
    end = VOCABULARY - 1
    words = torch.randint(0, end, (77,))
    cases = [
        {"input_ids": torch.cat([words[:length], torch.full((77 - length,), end)])[None].float()}
        for length in (1, 9, 60)
    ]
    module = CoreTextEncoder(roughen(CLIPTextModel(config)))
    return Part(module, {"input_ids": SINGLE}, ("last_hidden_state", "pooled_outputs"), cases)


def autoencoder() -> AutoencoderKL:
    torch.manual_seed(4)
    network = AutoencoderKL(
        block_out_channels=(16, 24),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
    )
    network.set_default_attn_processor()
    return roughen(network)


def vae_decoder() -> Part:
    torch.manual_seed(5)
    return Part(CoreDecoder(autoencoder()), {"z": HALF}, ("image",), [{"z": torch.randn(1, 4, 12, 16)}])


def vae_encoder() -> Part:
    torch.manual_seed(6)
    return Part(Encoder(autoencoder()), {"x": HALF}, ("latent",), [{"x": torch.rand(1, 3, 24, 32) * 2 - 1}])


def safety_checker() -> Part:
    """One picture that passes and one that a strict adjustment flags."""
    torch.manual_seed(7)
    config = CLIPVisionConfig(  # type: ignore[call-arg]
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        projection_dim=16,
        attn_implementation="eager",
    )
    module = Checker(roughen(CLIPVisionModelWithProjection(config)), width=16).eval()
    picture = {"clip_input": torch.randn(1, 3, 56, 56), "images": torch.rand(1, 16, 12, 3)}
    cases = [picture | {"adjustment": torch.tensor([value])} for value in (-0.3, 0.5)]
    types = {"clip_input": HALF, "images": HALF, "adjustment": HALF}
    return Part(module, types, ("filtered_images", "has_nsfw_concepts", "concept_scores"), cases)


PARTS: dict[str, Callable[[], Part]] = {
    "unet_split": lambda: unet_part(unet(), TIMESTEPS),
    "unet_whole": lambda: unet_part(whole(unet()), (981,)),
    "text_encoder": text_encoder,
    "vae_decoder": vae_decoder,
    "vae_encoder": vae_encoder,
    "safety_checker": safety_checker,
}


def as_stored(case: Case, types: dict[str, type]) -> Case:
    """Inputs as the package's element types hold them, so that both sides compute from equal numbers."""
    return {name: torch.from_numpy(value.numpy().astype(types[name])).float() for name, value in case.items()}


def answers(part: Part, case: Case) -> list[Tensor]:
    result = part.module(*(value.clone() for value in case.values()))
    return list(result) if isinstance(result, tuple) else [result]


def convert(part: Part, path: Path) -> None:
    example = tuple(value.clone() for value in part.cases[0].values())
    traced = torch.jit.trace(part.module, example, check_trace=False)
    model = ct.convert(
        traced,
        inputs=[ct.TensorType(name, part.cases[0][name].shape, dtype) for name, dtype in part.types.items()],
        outputs=[ct.TensorType(name, dtype=SINGLE) for name in part.outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT16,
        skip_model_load=True,
    )
    shutil.rmtree(path, ignore_errors=True)
    model.save(str(path))


def distinct(arrays: list[np.ndarray]) -> np.ndarray:
    """Stacked [cases, ...]; a single case where all are equal."""
    same = all(np.array_equal(array, arrays[0]) for array in arrays)
    return np.stack(arrays[:1] if same else arrays)


def make(name: str) -> None:
    part = PARTS[name]()
    cases = [as_stored(case, part.types) for case in part.cases]
    with torch.no_grad():
        made = [answers(part, case) for case in cases]
        convert(part, HERE / f"{name}.mlpackage")
    recorded: dict[str, Any] = {f"in.{key}": distinct([case[key].numpy() for case in cases]) for key in part.types}
    recorded |= {f"out.{key}": np.stack([case[i].numpy() for case in made]) for i, key in enumerate(part.outputs)}
    np.savez_compressed(HERE / f"{name}.npz", **recorded)


if __name__ == "__main__":
    for part_name in sys.argv[1:] or PARTS:
        make(part_name)
