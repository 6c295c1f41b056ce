"""One text-to-image pipeline: prompt -> hidden states -> steps -> picture -> verdict, with one method per phase.

Follows Apple's StableDiffusionPipeline and diffusers'. The caller handles progress, timing, previews and cancelling:
`steps()` is a generator, and a caller cancels a run by no longer iterating. Leaves out image-to-image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.guidance import double, guide, stack_halves
from bksdm_demo.diffusion.noise import open_source
from bksdm_demo.diffusion.plan import BOTH, plan
from bksdm_demo.diffusion.prompt_gate import PromptGate
from bksdm_demo.diffusion.safety import MISSING, SafetyChecker
from bksdm_demo.diffusion.safety_rules import SafetyRules
from bksdm_demo.diffusion.schedulers import TrainingSchedule, build_scheduler
from bksdm_demo.diffusion.schedulers.prediction import output_for
from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.diffusion.unet import Features, Unet
from bksdm_demo.diffusion.vae import VaeDecoder
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import PackageError
from bksdm_demo.records import Request, Step, Verdict


@dataclass(frozen=True)
class Encoded:
    """Both prompts as the U-Net's input, float32 [2, D, 1, L], negative half first; and the truncated words of each.

    `embeddings` are the text embeddings [D] of the prompt and of the negative prompt, for the gate on the request.
    """

    hidden: NDArray
    embeddings: tuple[NDArray, NDArray]
    truncated: tuple[str, ...] = ()
    negative_truncated: tuple[str, ...] = ()


class Pipeline:
    """The parts of one system. Pipelines may share parts; a run keeps no state here.

    `training` defaults to SD v1.4's schedule. Raises PackageError at once if the parts do not fit together. Without a
    safety checker every picture is blocked. Without `rules` every prompt is drawn.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        text_encoder: TextEncoder,
        unet: Unet,
        vae: VaeDecoder,
        safety: SafetyChecker | None,
        training: TrainingSchedule | None = None,
        rules: SafetyRules | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.unet = unet
        self.vae = vae
        self.safety = safety
        self.training = training if training is not None else TrainingSchedule()
        self.gate = None if rules is None else PromptGate(rules, self.embed)
        self._check_fit()

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine of this pipeline, in the order of their use."""
        last = () if self.safety is None else (self.safety.engine,)
        return (self.text_encoder.engine, *self.unet.engines, self.vae.engine, *last)

    @property
    def engine(self) -> str:
        """The kind of engine that draws: the U-Net's."""
        return self.unet.engines[0].kind

    @property
    def decoder(self) -> Engine:
        """The engine that turns latents into pictures; pipelines that share it map latents to the same colours."""
        return self.vae.engine

    def load(self) -> None:
        for engine in self.engines:
            engine.load()

    def encode(self, request: Request) -> Encoded:
        """Encode both prompts, and list the words of each that did not fit."""
        negative = self.tokenizer.encode(request.negative_prompt)
        positive = self.tokenizer.encode(request.prompt)
        halves = self.text_encoder.encode(negative.ids), self.text_encoder.encode(positive.ids)
        embeddings = halves[1][0, positive.end], halves[0][0, negative.end]
        hidden = stack_halves(*halves).transpose(0, 2, 1)[:, :, np.newaxis, :]  # [2, D, 1, L]
        return Encoded(np.ascontiguousarray(hidden), embeddings, positive.truncated, negative.truncated)

    def embed(self, text: str) -> NDArray[np.float32]:
        """The text embedding [D]: the hidden state at the end mark, as in CLIP's pooled output."""
        tokens = self.tokenizer.encode(text)
        embedding: NDArray[np.float32] = self.text_encoder.encode(tokens.ids)[0, tokens.end]
        return embedding

    def check_request(self, request: Request, encoded: Encoded) -> Verdict:
        """The verdict on the request, before anything is drawn. Draw only if it does not block."""
        if self.gate is None:
            return Verdict(blocked=False)
        return self.gate.check(request, encoded.embeddings)

    def steps(self, request: Request, encoded: Encoded) -> Iterator[Step]:
        """Denoise step by step; each step is computed when the caller asks for it.

        The same request gives the same noise to every model whose latents have the same shape. Decode the latents of
        the last step. PNDM takes one step more than requested.
        """
        source = open_source(request.seed, request.generator)
        scheduler = build_scheduler(request.scheduler, self.training, request.steps)
        sample: NDArray = source.normal((1, *self.unet.latent_shape)).astype(np.float64) * scheduler.initial_scale
        calls = plan(request, len(scheduler.timesteps))
        count = len(calls)
        features: Features = {}
        for index, (timestep, call) in enumerate(zip(scheduler.timesteps, calls, strict=True)):
            started = time.perf_counter()
            inputs = scheduler.scale_input(sample, index)
            if call.halves:
                given = double(inputs), float(timestep), encoded.hidden
                if request.deep_every == 1:
                    predicted = self.unet.predict(*given, call.halves)
                else:
                    predicted = self.unet.predict_in_parts(*given, features, call.renews, call.halves)
                output = guide(predicted, request.guidance_scale) if call.halves == BOTH else predicted
            else:
                assert scheduler.clean is not None, "the first call is never forecast"
                output = output_for(scheduler.clean, inputs, *scheduler.levels(index), self.training.prediction)
            sample = scheduler.step(output, index, sample, source)
            seconds = time.perf_counter() - started
            clean = None if scheduler.clean is None else scheduler.clean.astype(np.float32)
            yield Step(index + 1, count, float(timestep), sample.astype(np.float32), seconds, clean)

    def decode(self, latents: NDArray) -> NDArray[np.uint8]:
        """Latents [1, C, h, w] to a picture uint8 [H, W, 3], not yet checked."""
        return self.vae.decode(latents)

    def check(self, image: NDArray) -> Verdict:
        """The safety verdict on a picture. Show the picture only if the verdict does not block it."""
        if self.safety is None:
            return Verdict(blocked=True, reason=MISSING)
        return self.safety.check(image)

    def _check_fit(self) -> None:
        """Refuse parts of different shapes now, not in the middle of a run."""
        width, _, length = self.unet.hidden_shape
        if self.text_encoder.length != length:
            raise PackageError(f"The text encoder gives {self.text_encoder.length} tokens, the U-Net takes {length}.")
        if self.text_encoder.width not in (None, width):
            raise PackageError(f"The text encoder is {self.text_encoder.width} wide, the U-Net takes {width}.")
        if self.tokenizer.length != length:
            raise PackageError(f"The tokenizer gives {self.tokenizer.length} ids, the text encoder takes {length}.")
        if self.vae.latent_shape != self.unet.latent_shape:
            raise PackageError(
                f"The VAE decoder takes latents {self.vae.latent_shape}, the U-Net makes {self.unet.latent_shape}."
            )
