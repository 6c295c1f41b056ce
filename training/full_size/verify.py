"""Compares the packages, run by the demo's OpenVINO engine in f32 and bf16, with torch in float32 on the same weights.

PSNR in dB against the largest value of torch's output. The torch networks are freed before the engine loads.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine, native_bf16
from training.diffusion import ALPHA_BAR
from training.full_size import modules, parts
from training.full_size.output import smooth_latents
from training.full_size.systems import SHARED, System, load_unet
from training.sampling import scheduler
from training.tokenizer import encode
from training.tokenizer import load as load_tokenizer
from training.workspace import log

STAGE = "full_size"
STEPS = (1, 251, 501, 751, 981, 999)
GUIDANCE, TRAJECTORY = 7.5, 10

Arrays = dict[str, NDArray]
Run = Callable[[Arrays], Mapping[str, NDArray]]


def decibel(reference: NDArray, other: NDArray) -> float:
    error = np.square(reference.astype(np.float64) - other.reshape(reference.shape)).mean()
    if error == 0:
        return float("inf")
    return float(10 * np.log10(np.square(np.abs(reference).max()) / error))


def as_stored(value: Tensor) -> Tensor:
    """Rounded to float16, so both sides compute from equal numbers."""
    return value.half().float()


def engines(package: Path) -> dict[str, OpenVinoEngine]:
    precisions = ("f32", "bf16") if native_bf16() else ("f32",)
    return {name: OpenVinoEngine(package, EngineOptions(precision=name)) for name in precisions}


def unet_arrays(sample: Tensor, step: float, context: Tensor) -> Arrays:
    """A package's inputs from diffusers': sample [2, 4, 64, 64], context [2, 77, 768]."""
    hidden = context.transpose(1, 2)[:, :, None].contiguous()
    return {
        "sample": sample.numpy(),
        "timestep": np.full(2, step, dtype=np.float32),
        "encoder_hidden_states": hidden.numpy(),
    }


@torch.no_grad()
def verify_system(system: System, attention: str | None = None) -> None:
    draw = torch.Generator().manual_seed(7)
    context = as_stored(torch.randn(2, 77, 768, generator=draw))
    clean, noise = smooth_latents(2, draw), torch.randn(2, 4, 64, 64, generator=draw)
    samples = {step: as_stored(ALPHA_BAR[step].sqrt() * clean + (1 - ALPHA_BAR[step]).sqrt() * noise) for step in STEPS}
    unet = load_unet(system)
    expected = {step: unet(sample, step, context).sample.numpy() for step, sample in samples.items()}
    del unet
    pair = engines(system.package(attention))
    for precision, engine in pair.items():
        found = {step: engine.run(unet_arrays(samples[step], step, context))["noise_pred"] for step in STEPS}
        values = " / ".join(f"{decibel(expected[step], found[step]):.1f}" for step in STEPS)
        log(STAGE, f"{system.key} {attention or system.attention} {precision}: {values} dB at {STEPS}")
        if precision == list(pair)[-1]:
            _alive(engine.run, samples[501], context)
            _trajectory(engine.run, context, draw)
        engine.unload()


def _alive(run: Run, sample: Tensor, context: Tensor) -> None:
    """How much of the output depends on the step and on the prompt, relative to the output."""
    base = run(unet_arrays(sample, 501, context))["noise_pred"]
    later = run(unet_arrays(sample, 541, context))["noise_pred"]
    swapped = run(unet_arrays(sample, 501, context.flip(0)))["noise_pred"]
    size = base.std()
    log(
        STAGE,
        f"  size {size:.2f}; 40 steps later {(later - base).std() / size:.2f}, other prompt"
        f" {(swapped - base).std() / size:.2f} of it",
    )


def _trajectory(run: Run, context: Tensor, draw: torch.Generator) -> None:
    """The size of the latents along ten guided steps."""
    solver, x = scheduler(), torch.randn(1, 4, 64, 64, generator=draw)
    solver.set_timesteps(TRAJECTORY)
    sizes = []
    for step in solver.timesteps:
        pair = torch.from_numpy(run(unet_arrays(torch.cat([x, x]), float(step), context))["noise_pred"])
        empty, worded = pair.chunk(2)
        x = solver.step(empty + GUIDANCE * (worded - empty), step, x).prev_sample
        sizes.append(f"{x.std():.2f}")
    log(STAGE, f"  latents along {TRAJECTORY} steps with guidance {GUIDANCE}: {' '.join(sizes)}")


def part_cases(name: str) -> list[dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(8)
    if name == "text_encoder":
        words = load_tokenizer(SHARED)
        return [{"input_ids": encode(words, [prompt]).float()} for prompt in ("a cat on a red sofa", "")]
    if name == "vae_decoder":
        return [{"z": as_stored(smooth_latents(1, draw) / 0.18215)}]
    if name == "vae_encoder":
        return [{"x": as_stored(torch.rand(1, 3, 512, 512, generator=draw) * 2 - 1)}]
    picture = parts.clip_input(torch.full((1, 3, 256, 256), parts.GREY_LEVEL))  # flagged if strict
    images = torch.rand(1, 512, 512, 3, generator=draw)
    return [
        {"clip_input": as_stored(picture), "images": as_stored(images), "adjustment": torch.full((1,), value)}
        for value in (0.0, 0.5)
    ]


@torch.no_grad()
def verify_part(part: modules.Part) -> None:
    module, cases = part.module(parts.load(part.network)), part_cases(part.name)
    expected = []
    for case in cases:
        result = module(*(value.clone() for value in case.values()))
        expected.append([value.numpy() for value in (result if isinstance(result, tuple) else (result,))])
    del module
    for precision, engine in engines(part.package).items():
        for case, wanted in zip(cases, expected, strict=True):
            found = engine.run({name: value.numpy() for name, value in case.items()})
            values = ", ".join(
                f"{name} {decibel(reference, found[name]):.1f} dB (largest {np.abs(reference).max():.3g})"
                for name, reference in zip(part.outputs, wanted, strict=True)
            )
            log(STAGE, f"{part.name} {precision}: {values}")
        engine.unload()
