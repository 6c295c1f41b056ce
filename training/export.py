"""Stage 8: convert everything to Core ML packages under assets/emoji.

    python -m training.export [--random] [--parts text decoder checker original base small tiny]
    python -m training.export --controls | --float16

mlprogram, float16, iOS 16 / macOS 13, weights palettized to 6 bits by k-means, split_einsum_v2. Parts that the four
systems share are stored once, in assets/emoji/shared. `--random` writes untrained networks of the same shapes, to
develop against. Two flags write U-Nets for measurements, in the same layout: `--controls` writes the controls, and the
students that are compared with them, to training/work/controls. `--float16` writes the four systems without palettes to
training/work/float16, emoji-original with the original attention, so this kind runs as well. They are not shipped: the
original alone takes 23.4 MB.
"""

import argparse
import multiprocessing
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
from training.workspace import EMOJI, WORK, checkpoint_path, log

BITS = 6  # of a palettized weight
SMALLEST = 2048  # weights; fewer stay float16
PREFIX = "Stable_Diffusion_version"
AUTHOR = "BK-SDM Core ML demo"
LICENCE = "Apache-2.0; trained on Fluent Emoji (MIT) and emojibase-data (MIT)"
HALF, SINGLE = np.float16, np.float32
LATENT = (4, networks.LATENT_SIDE, networks.LATENT_SIDE)
PIXELS = 8 * networks.LATENT_SIDE
PARTS = ("original", "base", "small", "tiny", "decoder", "checker", "text")  # the slowest first
CONTROLS, FLOAT16 = WORK / "controls", WORK / "float16"
FLOAT16_ENDING = "-float16"

Inputs = dict[str, tuple[tuple[int, ...], type]]


@dataclass(frozen=True)
class Form:
    """How and where a U-Net is written: bits of a palettized weight (None for plain float16), its attention, and the
    ending of its name."""

    folder: Path = EMOJI
    bits: int | None = BITS
    attention: str = "split_einsum_v2"
    ending: str = ""


SHIPPED = Form()


def convert(module: torch.nn.Module, inputs: Inputs, outputs: list[str], bits: int | None = BITS) -> ct.models.MLModel:
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
    if bits is None:
        return model
    palette = cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=SMALLEST)
    return cto.palettize_weights(model, cto.OptimizationConfig(palette))


def save(model: ct.models.MLModel, folder: Path, name: str, description: str, facts: dict[str, str]) -> None:
    model.author, model.license, model.short_description = AUTHOR, LICENCE, description
    model.user_defined_metadata.update(facts)
    path = folder / f"{PREFIX}_{name}.mlpackage"
    shutil.rmtree(path, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(path))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    log("export", f"{folder.name}/{path.name}: {size / 1e6:.2f} MB")


def export_unet(name: str, network: UNet2DConditionModel, form: Form = SHIPPED) -> None:
    """Write one U-Net. `name` is a system or a control."""
    inputs: Inputs = {
        "sample": ((2, *LATENT), HALF),
        "timestep": ((2,), HALF),
        "encoder_hidden_states": ((2, networks.TEXT_WIDTH, 1, networks.TEXT_LENGTH), HALF),
    }
    model = convert(CoreUnet(network, form.attention), inputs, ["noise_pred"], form.bits)
    facts = {"attention": form.attention, "parameters": str(networks.parameters(network))}
    key = f"emoji-{name}{form.ending}"
    save(model, form.folder / key, f"{key}_unet", f"Noise predictor of the emoji family, {name}.", facts)


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
    """Give the norms random parameters, as in trained networks. The converter would drop an identity affine."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def random_checker() -> CoreChecker:
    groups = [Concepts(unit(torch.randn(count, 64)), torch.full((count,), 0.6)) for count in (7, 3)]
    return CoreChecker(roughen(networks.vision_encoder()), *groups)


def trained_unet(name: str) -> UNet2DConditionModel:
    """The U-Net of a system or a control. Raises SystemExit if it is not trained."""
    if name == "original":
        return original.load()["unet"]
    if not checkpoint_path(name).exists():
        raise SystemExit(f"no {name} yet: run python -m training.distill --arms {name}")
    return distill.load(name)


def export_random(part: str) -> None:
    torch.set_num_threads(1)
    jobs: dict[str, Callable[[], None]] = {
        "text": lambda: export_text(roughen(networks.text_encoder(len(tokenizer.load())))),
        "decoder": lambda: export_decoder(roughen(vae.build())),
        "checker": lambda: export_checker(random_checker(), "untrained"),
    }
    jobs.get(part, lambda: export_unet(part, roughen(networks.unet(part))))()


def export_trained(part: str) -> None:
    torch.set_num_threads(1)
    jobs: dict[str, Callable[[], None]] = {
        "text": lambda: export_text(original.load()["text"]),
        "decoder": lambda: export_decoder(decoder.load()),
        "checker": lambda: export_checker(*checker.load()),
    }
    jobs.get(part, lambda: export_unet(part, trained_unet(part)))()


def export_control(name: str) -> None:
    torch.set_num_threads(1)
    export_unet(name, trained_unet(name), Form(CONTROLS))


def export_float16(name: str) -> None:
    torch.set_num_threads(1)
    attention = "original" if name == "original" else SHIPPED.attention
    export_unet(name, trained_unet(name), Form(FLOAT16, None, attention, FLOAT16_ENDING))


def export_all(export: Callable[[str], None], parts: Iterable[str]) -> None:
    """Export all, two at a time, each in a process with one thread."""
    parts = list(parts)
    with ProcessPoolExecutor(min(2, len(parts)), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(export, parts))  # raises the first error


def trained_controls() -> list[str]:
    """The controls and early students that have a checkpoint. Raises SystemExit if none has."""
    names = [name for name in distill.COMPARED if checkpoint_path(name).exists()]
    if not names:
        raise SystemExit(f"no control is trained: run python -m training.distill --arms {' '.join(distill.ARMS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser()
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--random", action="store_true", help="untrained networks of the same shapes")
    kind.add_argument("--controls", action="store_true", help="the trained controls, to training/work/controls")
    kind.add_argument("--float16", action="store_true", help="U-Nets without palettes, to training/work/float16")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="of the shipped family")
    options = parser.parse_args()
    if options.controls:
        export_all(export_control, trained_controls())
    elif options.float16:
        export_all(export_float16, [part for part in networks.NAMES if part in options.parts])
    else:
        export_all(export_random if options.random else export_trained, options.parts)


if __name__ == "__main__":
    main()
