"""Converts a tiny system whose pictures are wider than high, with torch's float32 answers for its parts.

    .venv-training/bin/python tests/golden/wide/make_wide.py

Made with Python 3.11, torch 2.13.0, coremltools 9.0, diffusers 0.42.1, transformers 5.23.0, numpy 2.3.5; target iOS 16,
fp16, untrained. Latents are 20 high and 28 wide, so that the 560 queries come in chunks of 512 and 48; pictures are 160
by 224. The text encoder and vocabulary are those of the embedded family. `wide_unet_chunk1` and `2` are the U-Net as
coremltools' bisect_model cuts it. `wide.npz` holds the inputs `sample`, `timestep`, `hidden` and `latents`, the truth
`noise_pred`, and of the true picture [1, 3, 160, 224] every fourth row and column, `image`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from coremltools.models.utils import bisect_model
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tests.golden.parts.make_parts import HALF, Part, answers, as_stored, convert, roughen  # noqa: E402
from training.coreml_checker import Concepts, CoreChecker, unit  # noqa: E402
from training.coreml_parts import CoreDecoder  # noqa: E402
from training.coreml_unet import CoreUnet  # noqa: E402
from training.networks import TEXT_LENGTH, TEXT_WIDTH  # noqa: E402

HEIGHT, WIDTH = 20, 28  # of the latents
SCALE = 8  # pixels to a latent
TIMESTEP = 501.0
KEPT = 4  # every fourth pixel is recorded


def unet() -> Part:
    torch.manual_seed(11)
    network = UNet2DConditionModel(
        block_out_channels=(8, 8),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type=None,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=2,  # heads, in SD v1's configuration
        norm_num_groups=4,
    )
    case = {
        "sample": torch.randn(2, 4, HEIGHT, WIDTH),
        "timestep": torch.full((2,), TIMESTEP),
        "encoder_hidden_states": torch.randn(2, TEXT_WIDTH, 1, TEXT_LENGTH),
    }
    return Part(CoreUnet(roughen(network)).eval(), dict.fromkeys(case, HALF), ("noise_pred",), [case])


def vae_decoder() -> Part:
    torch.manual_seed(12)
    network = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
    )
    network.set_default_attn_processor()
    case = {"z": torch.randn(1, 4, HEIGHT, WIDTH)}
    return Part(CoreDecoder(roughen(network)), {"z": HALF}, ("image",), [case])


def safety_checker() -> Part:
    """Untrained, with thresholds that no cosine reaches: everything passes."""
    torch.manual_seed(13)
    config = CLIPVisionConfig(  # type: ignore[call-arg]
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        projection_dim=16,
        attn_implementation="eager",
    )
    groups = [Concepts(unit(torch.randn(count, 16)), torch.full((count,), 1.5)) for count in (5, 3)]
    module = CoreChecker(roughen(CLIPVisionModelWithProjection(config)), *groups).eval()
    case = {
        "clip_input": torch.randn(1, 3, 56, 56),
        "images": torch.rand(1, SCALE * HEIGHT, SCALE * WIDTH, 3),
        "adjustment": torch.zeros(1),
    }
    outputs = ("filtered_images", "has_nsfw_concepts", "concept_scores")
    return Part(module, dict.fromkeys(case, HALF), outputs, [case])


def make() -> None:
    recorded: dict[str, Any] = {}
    for name, part in {"unet": unet(), "vae_decoder": vae_decoder(), "safety_checker": safety_checker()}.items():
        case = as_stored(part.cases[0], part.types)
        with torch.no_grad():
            answer = answers(part, case)[0].numpy()
            convert(part, HERE / f"wide_{name}.mlpackage")
        if name == "unet":
            recorded |= {"sample": case["sample"].numpy(), "timestep": np.float32(TIMESTEP), "noise_pred": answer}
            recorded["hidden"] = case["encoder_hidden_states"].numpy().astype(HALF)
        elif name == "vae_decoder":
            recorded |= {"latents": case["z"].numpy(), "image": answer[..., ::KEPT, ::KEPT]}
    np.savez_compressed(HERE / "wide.npz", **recorded)
    for number in (1, 2):
        shutil.rmtree(HERE / f"wide_unet_chunk{number}.mlpackage", ignore_errors=True)
    bisect_model(str(HERE / "wide_unet.mlpackage"), str(HERE), check_output_correctness=False)


if __name__ == "__main__":
    make()
