"""Stage 8: convert everything to Core ML packages under assets/emoji.

    python -m training.export [--random] [--parts text decoder checker original base small tiny]

mlprogram, float16, iOS 16 / macOS 13, weights palettized to 6 bits by k-means. Parts that the four systems share are
stored once, in assets/emoji/shared. `--random` writes untrained networks of the same shapes, to develop against.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import torch
from diffusers import UNet2DConditionModel

from training import checker, decoder, distill, networks, original, tokenizer, vae
from training.coreml_checker import Concepts, CoreChecker, unit
from training.coreml_parts import CoreDecoder, CoreTextEncoder
from training.coreml_unet import CoreUnet
from training.workspace import EMOJI, log

BITS = 6  # of a palettized weight
SMALLEST = 2048  # weights; fewer stay float16
PREFIX = "Stable_Diffusion_version"
AUTHOR = "BK-SDM Core ML demo"
LICENCE = "Apache-2.0; trained on Fluent Emoji (MIT) and emojibase-data (MIT)"
HALF, SINGLE = np.float16, np.float32
LATENT = (4, networks.LATENT_SIDE, networks.LATENT_SIDE)
PIXELS = 8 * networks.LATENT_SIDE

Inputs = dict[str, tuple[tuple[int, ...], type]]


def convert(module: torch.nn.Module, inputs: Inputs, outputs: list[str]) -> ct.models.MLModel:
    """Trace, convert and palettize one network."""
    example = [torch.rand(shape) for shape, _ in inputs.values()]
    with torch.no_grad():
        traced = torch.jit.trace(module.float().eval(), example)
    model = ct.convert(
        traced,
        inputs=[ct.TensorType(name=name, shape=shape, dtype=dtype) for name, (shape, dtype) in inputs.items()],
        outputs=[ct.TensorType(name=name, dtype=SINGLE) for name in outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT16,
        skip_model_load=True,
    )
    palette = cto.OpPalettizerConfig(mode="kmeans", nbits=BITS, weight_threshold=SMALLEST)
    return cto.palettize_weights(model, cto.OptimizationConfig(palette))


def save(model: ct.models.MLModel, folder: Path, name: str, description: str, facts: dict[str, str]) -> None:
    model.author, model.license, model.short_description = AUTHOR, LICENCE, description
    model.user_defined_metadata.update(facts)
    path = folder / f"{PREFIX}_{name}.mlpackage"
    shutil.rmtree(path, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(path))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    log("export", f"{path.relative_to(EMOJI)}: {size / 1e6:.2f} MB")


def export_unet(name: str, network: UNet2DConditionModel) -> None:
    count = networks.parameters(network)
    inputs: Inputs = {
        "sample": ((2, *LATENT), HALF),
        "timestep": ((2,), HALF),
        "encoder_hidden_states": ((2, networks.TEXT_WIDTH, 1, networks.TEXT_LENGTH), HALF),
    }
    model = convert(CoreUnet(network), inputs, ["noise_pred"])
    facts = {"attention": "split_einsum_v2", "parameters": str(count)}
    save(model, EMOJI / f"emoji-{name}", f"emoji-{name}_unet", f"Noise predictor of the emoji family, {name}.", facts)


def export_text(encoder: torch.nn.Module) -> None:
    inputs: Inputs = {"input_ids": ((1, networks.TEXT_LENGTH), SINGLE)}
    model = convert(CoreTextEncoder(encoder), inputs, ["last_hidden_state", "pooled_outputs"])
    facts = {"parameters": str(networks.parameters(encoder))}
    save(model, tokenizer.SHARED, "emoji_text_encoder", "Text encoder of the emoji family.", facts)


def export_decoder(network: torch.nn.Module) -> None:
    model = convert(CoreDecoder(network), {"z": ((1, *LATENT), HALF)}, ["image"])
    facts = {"parameters": str(networks.parameters(network.decoder)), "scaling_factor": "1.0"}
    save(model, tokenizer.SHARED, "emoji_vae_decoder", "Latents to pictures, emoji family.", facts)


def export_checker(network: CoreChecker, concepts: str) -> None:
    inputs: Inputs = {
        "clip_input": ((1, 3, 224, 224), HALF),
        "images": ((1, PIXELS, PIXELS, 3), HALF),
        "adjustment": ((1,), HALF),
    }
    model = convert(network, inputs, ["filtered_images", "has_nsfw_concepts", "concept_scores"])
    facts = {"parameters": str(networks.parameters(network)), "concepts": concepts}
    save(model, tokenizer.SHARED, "emoji_safety_checker", "Blocks the flagged pictures of the emoji family.", facts)


def roughen(network: torch.nn.Module) -> torch.nn.Module:
    """Random norm parameters, or the converter drops the identity affine operations that trained networks have."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def random_checker() -> CoreChecker:
    groups = [Concepts(unit(torch.randn(count, 64)), torch.full((count,), 0.6)) for count in (7, 3)]
    return CoreChecker(roughen(networks.vision_encoder()), *groups)


PARTS = ("text", "decoder", "checker", *networks.NAMES)


def export_random(parts: list[str]) -> None:
    jobs: dict[str, Callable[[], None]] = {
        "text": lambda: export_text(roughen(networks.text_encoder(len(tokenizer.load())))),
        "decoder": lambda: export_decoder(roughen(vae.build())),
        "checker": lambda: export_checker(random_checker(), "untrained"),
    }
    for part in parts:
        if part in networks.NAMES:
            export_unet(part, roughen(networks.unet(part)))
        else:
            jobs[part]()


def export_trained(parts: list[str]) -> None:
    jobs: dict[str, Callable[[], None]] = {
        "text": lambda: export_text(original.load()["text"]),
        "decoder": lambda: export_decoder(decoder.load()),
        "checker": lambda: export_checker(*checker.load()),
        "original": lambda: export_unet("original", original.load()["unet"]),
    }
    for part in parts:
        if part in networks.STUDENTS:
            export_unet(part, distill.load(part))
        else:
            jobs[part]()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", action="store_true", help="untrained networks of the same shapes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    (export_random if options.random else export_trained)(options.parts)
