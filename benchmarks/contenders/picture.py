"""Draws a whole picture through this demo's pipeline, with its own engines or with a peer's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.parts import open_part
from benchmarks.subjects import NEGATIVE_PROMPT, PROMPT, SEED, Subject
from bksdm_demo.diffusion.calibration import calibrate
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.diffusion.safety import SafetyChecker
from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.diffusion.unet import Unet
from bksdm_demo.diffusion.vae import VaeDecoder
from bksdm_demo.engines.base import Engine
from bksdm_demo.records import Request

SCHEDULER = "dpmpp-2m"
GUIDANCE_SCALE = 7.5


class Picture:
    """`prepare` loads every part; `run` draws one picture of `steps` steps, the safety check included.

    Calibrates a U-Net in int8 first, unless `cache` holds its calibration.
    """

    def __init__(
        self, runtime: str, subject: Subject, precision: str, threads: int, steps: int, cache: Path | None = None
    ) -> None:
        self._runtime, self._subject, self._precision = runtime, subject, precision
        self._threads, self._cache = threads, cache
        self._request = Request(PROMPT, NEGATIVE_PROMPT, SEED, steps, GUIDANCE_SCALE, SCHEDULER)
        self._pipeline: Pipeline | None = None

    def ready(self) -> None:
        """Import what `prepare` needs. Opening a part reads none of its data yet."""
        self._engines("unet")

    def prepare(self) -> None:
        self._pipeline = self._assemble()
        calibrate(self._pipeline)
        self._pipeline.load()

    def calibrate(self) -> None:
        """Store the calibration of int8 in `cache`, for parts that run without a pipeline."""
        calibrate(self._assemble())

    def run(self) -> None:
        pipeline = self._pipeline
        assert pipeline is not None, "prepare() first"
        pipeline.check(_drawn(pipeline, self._request))

    def draw(self, prompt: str, negative: str) -> NDArray[np.uint8]:
        """The picture [H, W, 3] of other prompts from torch's noise, not checked."""
        assert self._pipeline is not None, "prepare() first"
        request = replace(self._request, prompt=prompt, negative_prompt=negative, generator="torch")
        return _drawn(self._pipeline, request)

    def _assemble(self) -> Pipeline:
        parts, text_encoder = self._subject.parts, TextEncoder(self._engines("text_encoder")[0])
        return Pipeline(
            tokenizer=Tokenizer(parts.vocab, parts.merges, text_encoder.length),
            text_encoder=text_encoder,
            unet=Unet(self._engines("unet")),
            vae=VaeDecoder(self._engines("vae_decoder")[0]),
            safety=SafetyChecker(self._engines("safety_checker")[0]),
        )

    def _engines(self, role: str) -> tuple[Engine, ...]:
        return open_part(self._runtime, self._subject, role, self._precision, self._threads, self._cache)


def _drawn(pipeline: Pipeline, request: Request) -> NDArray[np.uint8]:
    *_, last = pipeline.steps(request, pipeline.encode(request))
    return pipeline.decode(last.latents)
