"""Stage 9: compares the written packages, run by the demo's OpenVINO engine in float32, with the networks in torch.

    python -m training.verify [--float16]

The difference shows what float16 and the palettes cost. PSNR in dB against the largest value of torch's output. With
`--float16`, the U-Nets without palettes show what float16 alone costs, the original with the other kind of attention.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from training import checker, data, decoder, distill, latents, networks, original, tokenizer
from training.export import FLOAT16, FLOAT16_ENDING, PREFIX
from training.workspace import EMOJI, log


def run(folder: Path, name: str, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    engine = OpenVinoEngine(folder / f"{PREFIX}_{name}.mlpackage", EngineOptions(precision="f32"))
    arrays = {key: np.ascontiguousarray(value.float().numpy()) for key, value in inputs.items()}
    return {key: torch.from_numpy(value) for key, value in engine.run(arrays).items()}


def decibel(reference: torch.Tensor, other: torch.Tensor) -> float:
    error = (reference - other.view_as(reference)).square().mean()
    return (10 * torch.log10(reference.abs().max() ** 2 / error)).item()


def text_encoder(ids: torch.Tensor, hidden: torch.Tensor) -> None:
    """Compare the hidden states of the first prompt."""
    text = run(EMOJI / "shared", "emoji_text_encoder", input_ids=ids[:1])
    log("verify", f"text encoder {decibel(hidden[:1], text['last_hidden_state']):.1f} dB")


def unet(name: str, network: torch.nn.Module, clean: torch.Tensor, hidden: torch.Tensor, float16: bool) -> None:
    """Two latents [2, 4, 16, 16] on their way from noise, at three steps."""
    folder, key = (FLOAT16, f"emoji-{name}{FLOAT16_ENDING}") if float16 else (EMOJI, f"emoji-{name}")
    noise, values = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)), []
    for step, amount in ((951, 0.99), (501, 0.8), (101, 0.3)):
        sample, timestep = (1 - amount**2) ** 0.5 * clean + amount * noise, torch.tensor([step, step])
        states = hidden.transpose(1, 2)[:, :, None]  # [2, 128, 1, 77]
        parts = {"sample": sample, "timestep": timestep, "encoder_hidden_states": states}
        predicted = run(folder / key, f"{key}_unet", **parts)["noise_pred"]
        values.append(f"{decibel(network(sample, timestep, hidden).sample, predicted):.1f}")
    log("verify", f"U-Net {key} {' / '.join(values)} dB at steps 951 / 501 / 101")


def safety_checker(picture: torch.Tensor) -> None:
    """[1, 128, 128, 3] uint8."""
    network, _ = checker.load()
    inputs = {"clip_input": checker.prepare(picture), "images": picture / 255, "adjustment": torch.zeros(1)}
    scores = run(EMOJI / "shared", "emoji_safety_checker", **inputs)["concept_scores"]
    log("verify", f"safety checker {decibel(network(*inputs.values())[2], scores):.1f} dB on the scores")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--float16", action="store_true", help="the U-Nets in training/work/float16")
    options = parser.parse_args()
    pair, places = original.load(), [20, 90]
    ids = tokenizer.encode(tokenizer.load(), [data.words()[place]["label"] for place in places])
    hidden, clean = pair["text"](ids).last_hidden_state, latents.load(16)[places]
    if not options.float16:
        text_encoder(ids, hidden)
        decoded = run(EMOJI / "shared", "emoji_vae_decoder", z=clean[:1])["image"]
        log("verify", f"decoder {decibel(decoder.load().decode(clean[:1]).sample, decoded):.1f} dB")
        safety_checker(torch.from_numpy(data.pictures())[places[:1]])
    for name in networks.NAMES:
        network = pair["unet"] if name == "original" else distill.load(name)
        unet(name, network, clean, hidden, options.float16)


if __name__ == "__main__":
    main()
