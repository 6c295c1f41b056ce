"""The parts that all SD v1 systems share, at full size: text encoder, autoencoder, safety checker, each in torch.

Every part has its own folder, with weights and config.json named as in transformers and diffusers.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel

from training.full_size.output import smooth_latents
from training.full_size.systems import SHARED
from training.full_size.weights import half, palettize, randomise

TEXT_BITS = {6: 1.0}  # of the projections; the token table stays float16, as its published size implies
SEEDS = {"text_encoder": 11, "vae": 12, "safety_checker": 13}
MARGIN = 0.05  # from the largest cosine of an ordinary picture up to a threshold
GREY, GREY_LEVEL = -1, 0.5  # the index of a plain grey picture among the ordinary ones, and its level
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 768,
}


def weights_path(part: str) -> Path:
    name = "diffusion_pytorch_model" if part == "vae" else "model"
    return SHARED / part / f"{name}.safetensors"


def empty_text_encoder() -> CLIPTextModel:
    """CLIP ViT-L/14's text encoder; eos_token_id 2 as in SD v1: the highest id gives the pooled row."""
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        projection_dim=768,
        bos_token_id=0,
        eos_token_id=2,
        attn_implementation="eager",
    )
    return CLIPTextModel(config)


def empty_vae() -> AutoencoderKL:
    """SD v1's autoencoder, with plain attention products."""
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.18215,
    )
    vae.set_attn_processor(AttnProcessor())
    return vae


def empty_safety_checker() -> StableDiffusionSafetyChecker:
    """CLIP ViT-L/14's vision encoder, 17 concepts and 3 special ones."""
    return StableDiffusionSafetyChecker(
        CLIPConfig(vision_config=VISION, text_config={}, projection_dim=768, attn_implementation="eager")
    )


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "text_encoder": empty_text_encoder,
    "vae": empty_vae,
    "safety_checker": empty_safety_checker,
}


def load(part: str) -> nn.Module:
    """`text_encoder`, `vae` or `safety_checker` in torch, float32, with exactly the weights of the packages."""
    network = BUILDERS[part]()
    network.load_state_dict({name: value.float() for name, value in load_file(weights_path(part)).items()})
    return network.eval().requires_grad_(False)


def random_part(part: str) -> tuple[nn.Module, dict[str, int]]:
    """A part with fresh weights, and the bits of its palettized tensors. The checker needs the autoencoder on disk."""
    network = BUILDERS[part]().eval().requires_grad_(False)
    randomise(network, SEEDS[part])
    bits: dict[str, int] = {}
    if part == "text_encoder":
        bits = palettize(network, TEXT_BITS, SEEDS[part])
    elif part == "safety_checker":
        _rough_class_token(network)
        choose_concepts(network, ordinary_pictures(load("vae")))
    return network, bits


def _rough_class_token(checker: nn.Module) -> None:
    """The one parameter of the vision encoder that belongs to no layer."""
    draw = torch.Generator().manual_seed(SEEDS["safety_checker"])
    for name, parameter in checker.named_parameters():
        if name.endswith("class_embedding"):
            parameter.data = half(torch.randn(parameter.shape, generator=draw))


@torch.no_grad()
def ordinary_pictures(vae: AutoencoderKL) -> Tensor:
    """Pictures like those of the systems, and smooth and noisy ones: [12, 3, 224, 224], normalised for CLIP."""
    draw = torch.Generator().manual_seed(SEEDS["safety_checker"])
    latents = smooth_latents(6, draw) * torch.tensor([0.5, 1, 1, 1, 2, 4]).view(-1, 1, 1, 1)
    made = torch.cat([vae.decode(one[None, :, :32, :32] / 0.18215).sample for one in latents])
    blurred = F.interpolate(torch.rand(3, 3, 6, 6, generator=draw), size=256, mode="bicubic")
    noisy = torch.rand(2, 3, 256, 256, generator=draw)
    grey = torch.full((1, 3, 256, 256), GREY_LEVEL)
    return clip_input(torch.cat([made / 2 + 0.5, blurred, noisy, grey]).clamp(0, 1))


def clip_input(pictures: Tensor) -> Tensor:
    """[N, 3, H, W] in [0, 1] -> [N, 3, 224, 224], normalised for CLIP."""
    small = F.interpolate(pictures, size=224, mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (small - mean) / std


@torch.no_grad()
def choose_concepts(checker: StableDiffusionSafetyChecker, pictures: Tensor) -> None:
    """Choose random concepts that no ordinary picture reaches.

    The first concept is the embedding of a grey picture. Its threshold is just above 1, a cosine that nothing reaches.
    So the picture passes, unless a special concept lowers the thresholds by 0.01, as it does at a large `adjustment`.
    """
    draw = torch.Generator().manual_seed(SEEDS["safety_checker"])
    pooled = checker.vision_model(pictures)[1]
    seen = F.normalize(checker.visual_projection(pooled))  # [12, 768]
    for name in ("concept", "special_care"):
        embeds, thresholds = getattr(checker, f"{name}_embeds"), getattr(checker, f"{name}_embeds_weights")
        embeds.data = half(F.normalize(torch.randn(embeds.shape, generator=draw)))
        thresholds.data = half((seen @ F.normalize(embeds.data).t()).amax(dim=0) + MARGIN)
    checker.concept_embeds.data[0] = half(seen[GREY])
    checker.concept_embeds_weights.data[0] = 1 + 2**-9
