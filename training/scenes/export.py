"""The composing family as Core ML packages, in the layout of assets/emoji, to evaluate and, once it is good, to ship.

    python -m training.scenes.export [--shapes original base small tiny]

Writes the trained shapes, the text encoder and the decoder to `training/work/scenes-family`; vocabulary, safety checker
and safety rules are the shipped family's until the safety stage makes new ones.

    python -m training.scenes.evaluate --systems --packages training/work/scenes-family
"""

import argparse
import shutil
from pathlib import Path

from training import export, networks
from training.coreml_parts import CoreDecoder, CoreTextEncoder
from training.export import LATENT, SINGLE, Form, Inputs
from training.scenes import autoencoder, machine, original, students
from training.workspace import EMOJI, WORK, checkpoint_path

FOLDER = WORK / "scenes-family"
SHARED = FOLDER / "shared"


def write_text(encoder: object) -> None:
    inputs: Inputs = {"input_ids": ((1, networks.TEXT_LENGTH), SINGLE)}
    model = export.convert(CoreTextEncoder(encoder), inputs, ["last_hidden_state", "pooled_outputs"])
    facts = {"parameters": str(networks.parameters(encoder))}
    export.save(model, SHARED, "emoji_text_encoder", "Text encoder of the composing emoji family.", facts)


def write_decoder(network: object) -> None:
    model = export.convert(CoreDecoder(network), {"z": ((1, *LATENT), export.HALF)}, ["image"])
    facts = {"parameters": str(networks.parameters(network.decoder)), "scaling_factor": "1.0"}
    export.save(model, SHARED, "emoji_vae_decoder", "Latents to pictures, composing emoji family.", facts)


def copy_shared() -> None:
    """What does not change: everything shared but the text encoder and the decoder."""
    SHARED.mkdir(parents=True, exist_ok=True)
    for source in (EMOJI / "shared").iterdir():
        target = SHARED / source.name
        if "text_encoder" in source.name or "vae_decoder" in source.name or target.exists():
            continue
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)


def trained_shapes() -> list[str]:
    names = {shape: students.checkpoint_of(shape) for shape in networks.STUDENTS} | {"original": original.NAME}
    return [shape for shape in networks.NAMES if checkpoint_path(names[shape]).exists()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="+", choices=networks.NAMES, help="if not all that are trained")
    chosen = parser.parse_args()
    machine.prepare()
    pair = original.load().cpu()
    copy_shared()
    write_text(pair["text"])
    write_decoder(autoencoder.load().cpu())
    for shape in chosen.shapes or trained_shapes():
        unet = pair["unet"] if shape == "original" else students.load(shape).cpu()
        export.export_unet(shape, unet, Form(Path(FOLDER)))


if __name__ == "__main__":
    main()
