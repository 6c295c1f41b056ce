"""Calibrates U-Net engines that compute in int8: they observe a few real denoising runs, once.

An engine that rounds to 8 bits has to know the range of its values. It observes whole denoising runs with guidance,
from fixed prompts and seeds, so every calibration of a model sees the same values. Other engines stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Calibrated
from bksdm_demo.records import Request

PROMPTS = (
    "a photo of an astronaut riding a horse on the moon",
    "a red apple and a glass of water on a wooden table, oil painting",
    "portrait of an old fisherman, dramatic light, detailed",
    "a small house by a lake in the mountains, sunset, emoji",
)
STEPS = 6  # per prompt; dpmpp-2m spreads them over the whole schedule

ReportSteps = Callable[[int, int], None]  # steps done, steps in all


def needs_calibration(pipeline: Pipeline) -> bool:
    return any(isinstance(engine, Calibrated) and engine.needs_calibration for engine in pipeline.unet.engines)


def calibrate(pipeline: Pipeline, report: ReportSteps = lambda done, count: None) -> None:
    """Calibrate the U-Net's engines if any of them needs it. `report` is called after every step and may raise to stop.

    Raises what `report` and the engines raise; then the engines keep nothing.
    """
    if not needs_calibration(pipeline):
        return
    count = STEPS * len(PROMPTS)
    with ExitStack() as watching:
        for engine in pipeline.unet.engines:
            if isinstance(engine, Calibrated):
                watching.enter_context(engine.observing())
        done = 0
        for seed, prompt in enumerate(PROMPTS):
            request = Request(prompt=prompt, seed=seed, steps=STEPS, scheduler="dpmpp-2m")
            for _ in pipeline.steps(request, pipeline.encode(request)):
                done += 1
                report(done, count)
