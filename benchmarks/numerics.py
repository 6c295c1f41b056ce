"""Compares our U-Nets with torch in float32, on the latents of a trajectory that torch computed.

Stores the reference beside the weights, because it takes six steps of the slowest contender.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.picture import GUIDANCE_SCALE
from benchmarks.plan import LIBRARIES, MODES, part
from benchmarks.subjects import NEGATIVE_PROMPT, PROMPT, SEED, Subject
from benchmarks.trajectory import TIMESTEPS, psnr, walk
from benchmarks.turns import Say, lacking
from benchmarks.worker import Contender, ContenderError, Remote

REFERENCE = "torch f32"


def measure(subject: Subject, threads: int, cache: Path, log: Path, say: Say) -> tuple[list[dict], dict[str, str]]:
    """Entries of `psnr`, and the reasons for what is missing, by contender."""
    entries, left_out = [], {}
    try:
        hidden, latents, truth = _reference(subject, threads, log, say)
    except ContenderError as error:
        return [], {REFERENCE: str(error)}
    for name in (f"ours {mode}" for mode in MODES):
        say(f"    {name}")
        try:
            with Remote(part(subject, "unet", name, threads, cache), log) as remote:
                remote.call("prepare")
                outputs = [
                    remote.call("predict", sample, float(timestep), hidden).value
                    for timestep, sample in zip(TIMESTEPS, latents, strict=True)
                ]
        except ContenderError as error:
            left_out[name] = str(error)
            continue
        values = {str(t): psnr(output, wanted) for t, output, wanted in zip(TIMESTEPS, outputs, truth, strict=True)}
        entries.append({"system": subject.key, "contender": name, "db": values})
    return entries, left_out


def _reference(subject: Subject, threads: int, log: Path, say: Say) -> tuple[NDArray, NDArray, NDArray]:
    """Hidden states [2, D, 1, L], latents and torch's predictions [T, 2, C, h, w]."""
    path = subject.derived("unet", "trajectory.npz")
    if path.is_file():
        with np.load(path) as kept:
            return kept["hidden"], kept["latents"], kept["truth"]
    arguments = {"subject": subject, "precision": "f32", "threads": threads, "runtime": "torch"}
    place = "benchmarks.contenders.parts:PromptEncoder"
    encoder = Contender(REFERENCE, place, arguments, libraries=LIBRARIES["torch"])
    if reason := lacking(encoder):
        raise ContenderError(reason)
    say(f"    the trajectory of {REFERENCE}")
    with Remote(encoder, log) as remote:
        remote.call("prepare")
        hidden = remote.call("encode", PROMPT, NEGATIVE_PROMPT).value
    with Remote(part(subject, "unet", REFERENCE, threads), log) as remote:
        remote.call("prepare")
        shape = remote.call("latent_shape").value
        noise = np.random.RandomState(SEED).standard_normal((1, *shape))
        latents, truth = walk(lambda x, t: remote.call("predict", x, t, hidden).value, noise, GUIDANCE_SCALE)
    np.savez(path, hidden=hidden, latents=latents, truth=truth)
    return hidden, latents, truth
