"""A whole picture through diffusers' own StableDiffusionPipeline on torch, safety checker included."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.models.embeddings import Timesteps
from numpy.typing import NDArray
from transformers import CLIPImageProcessorPil, CLIPTokenizer

from benchmarks.contenders.networks import DTYPES, load_network
from benchmarks.contenders.picture import GUIDANCE_SCALE
from benchmarks.subjects import NEGATIVE_PROMPT, PROMPT, SEED, Subject


class DiffusersPicture:
    """`prepare` loads every part; `run` draws one picture of `steps` steps, with as many calls of the U-Net as ours."""

    def __init__(self, subject: Subject, precision: str, threads: int, steps: int) -> None:
        self._subject, self._dtype, self._threads, self._steps = subject, DTYPES[precision], threads, steps
        self._pipeline: StableDiffusionPipeline | None = None

    def ready(self) -> None:
        """Do nothing: everything is imported already."""

    def prepare(self) -> None:
        torch.set_num_threads(self._threads)
        parts = self._subject.parts
        networks = {
            role: load_network(self._subject, role, self._dtype)
            for role in ("unet", "vae_decoder", "text_encoder", "safety_checker")
        }
        self._pipeline = StableDiffusionPipeline(
            vae=networks["vae_decoder"],
            text_encoder=networks["text_encoder"],
            tokenizer=CLIPTokenizer(
                str(parts.vocab),
                str(parts.merges),
                model_max_length=networks["text_encoder"].config.max_position_embeddings,
            ),
            unet=networks["unet"],
            scheduler=DPMSolverMultistepScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
            ),
            safety_checker=networks["safety_checker"],
            feature_extractor=CLIPImageProcessorPil(),
        )
        self._pipeline.set_progress_bar_config(disable=True)

    def leave_unchecked(self) -> None:
        """Draw without the safety check from now on."""
        assert self._pipeline is not None, "prepare() first"
        self._pipeline.safety_checker = None

    def take_exact_frequencies(self) -> None:
        """Embed timesteps as published from now on, and not with the packages' frequencies in half precision."""
        assert self._pipeline is not None, "prepare() first"
        unet = self._pipeline.unet
        unet.time_proj = Timesteps(unet.config.block_out_channels[0], flip_sin_to_cos=True, downscale_freq_shift=0)

    def run(self) -> None:
        self.draw(PROMPT, NEGATIVE_PROMPT)

    @torch.inference_mode()
    def draw(self, prompt: str, negative: str) -> NDArray[np.uint8]:
        """The picture [H, W, 3]."""
        assert self._pipeline is not None, "prepare() first"
        drawn = self._pipeline(
            prompt,
            negative_prompt=negative,
            num_inference_steps=self._steps,
            guidance_scale=GUIDANCE_SCALE,
            generator=torch.Generator().manual_seed(SEED),
        )
        return np.asarray(drawn.images[0])
