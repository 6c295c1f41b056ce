"""The shared parts as Core ML takes them, and the table of packages."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from torch import Tensor, nn

from training.coreml_checker import SPECIAL_ADJUSTMENT
from training.coreml_parts import CoreDecoder, CoreTextEncoder
from training.full_size.packages import HALF, SINGLE, Inputs
from training.full_size.systems import PREFIX, SHARED


class Encoder(nn.Module):
    """x [1, 3, 512, 512] in [-1, 1] -> latent [1, 8, 64, 64]: means, then logarithms of variances."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))


class Checker(nn.Module):
    """SD v1's checker as published: `adjustment` reaches the special concepts only; flagged pictures are overwritten.

    clip_input [1, 3, 224, 224], images [1, 512, 512, 3] in [0, 1], adjustment [1] -> images, flag [1, 1, 1, 1],
    scores [1, 17].
    """

    def __init__(self, checker: StableDiffusionSafetyChecker) -> None:
        super().__init__()
        self.vision, self.projection = checker.vision_model, checker.visual_projection
        self.concepts, self.thresholds = checker.concept_embeds, checker.concept_embeds_weights
        self.special, self.special_thresholds = checker.special_care_embeds, checker.special_care_embeds_weights

    def forward(self, clip_input: Tensor, images: Tensor, adjustment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        embedding = F.normalize(self.projection(self.vision(clip_input)[1]))  # [1, 768]
        special = embedding @ F.normalize(self.special).t() - self.special_thresholds + adjustment
        careful = special.gt(0).float().sum(dim=1).gt(0).float() * SPECIAL_ADJUSTMENT
        cosines = embedding @ F.normalize(self.concepts).t()
        scores = cosines - self.thresholds + careful[:, None].expand(-1, cosines.shape[1])
        flagged = scores.gt(0).float().sum(dim=1).gt(0)[:, None, None, None]
        mask, _ = torch.broadcast_tensors(flagged, images)
        images[mask] = 0.0
        return images, flagged.float(), scores


@dataclass(frozen=True)
class Part:
    """One package: its network, module, inputs and outputs."""

    name: str
    network: str  # in parts.BUILDERS
    module: Callable[[nn.Module], nn.Module]
    inputs: Inputs
    outputs: tuple[str, ...]

    @property
    def package(self) -> Path:
        return SHARED / f"{PREFIX}_sd-v1_{self.name}.mlpackage"


PARTS = {
    part.name: part
    for part in (
        Part("vae_decoder", "vae", CoreDecoder, {"z": ((1, 4, 64, 64), HALF)}, ("image",)),
        Part(
            "text_encoder",
            "text_encoder",
            CoreTextEncoder,
            {"input_ids": ((1, 77), SINGLE)},
            ("last_hidden_state", "pooled_outputs"),
        ),
        Part(
            "safety_checker",
            "safety_checker",
            Checker,
            {
                "clip_input": ((1, 3, 224, 224), HALF),
                "images": ((1, 512, 512, 3), HALF),
                "adjustment": ((1,), HALF),
            },
            ("filtered_images", "has_nsfw_concepts", "concept_scores"),
        ),
        Part("vae_encoder", "vae", Encoder, {"x": ((1, 3, 512, 512), HALF)}, ("latent",)),
    )
}
