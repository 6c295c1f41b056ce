"""A whole picture through stable-diffusion.cpp on ggml, without a safety check: it has none.

It reads the weights from a diffusers folder, which diffusers_folder.py makes of links. Its sampler is our DPM-Solver++,
with the noise levels of our scheduler; its "cpu" generator draws torch's noise. It runs the halves of guidance as two
calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from stable_diffusion_cpp import StableDiffusion

from benchmarks.contenders.diffusers_folder import diffusers_folder
from benchmarks.contenders.picture import GUIDANCE_SCALE
from benchmarks.subjects import NEGATIVE_PROMPT, PROMPT, SEED, Subject
from bksdm_demo.diffusion.schedulers.times import sigmas_at, solver_times
from bksdm_demo.diffusion.schedulers.training import TrainingSchedule

SAMPLER = "dpm++2m"
SIDE = 512


class StableDiffusionCppPicture:
    """`prepare` loads every part; `run` draws one picture of `steps` steps.

    `precision` is ggml's name of a weight type. Weights of convolutions stay in f16, whatever it is.
    """

    def __init__(self, subject: Subject, precision: str, threads: int, steps: int) -> None:
        self._subject, self._precision, self._threads, self._steps = subject, precision, threads, steps
        self._model: StableDiffusion | None = None

    def ready(self) -> None:
        """Do nothing: everything is imported already."""

    def prepare(self) -> None:
        self._model = StableDiffusion(
            model_path=str(diffusers_folder(self._subject)),
            wtype=self._precision,
            n_threads=self._threads,
            rng_type="cpu",
            sampler_rng_type="cpu",
            vae_decode_only=True,
            verbose=False,
        )
        if not self._model.model:  # the binding passes over what the library refuses
            raise ValueError(f"stable-diffusion.cpp does not read the weights of {self._subject.key}.")

    def run(self) -> None:
        self.draw(PROMPT, NEGATIVE_PROMPT)

    def draw(self, prompt: str, negative: str) -> NDArray[np.uint8]:
        """The picture [H, W, 3]."""
        assert self._model is not None, "prepare() first"
        (picture,) = self._model.generate_image(
            prompt,
            negative,
            width=SIDE,
            height=SIDE,
            cfg_scale=GUIDANCE_SCALE,
            sample_method=SAMPLER,
            sample_steps=self._steps,
            sigmas=",".join(map(repr, sigmas(self._steps))),
            seed=SEED,
        )
        return np.asarray(picture.convert("RGB"))


def sigmas(steps: int) -> Sequence[float]:
    """[steps + 1]: the noise-to-signal ratios of our DPM-Solver++, ending in 0."""
    training = TrainingSchedule()
    levels: list[float] = sigmas_at(training, solver_times(training, steps)).tolist()
    return levels
