"""The noise schedule that a network was trained with, and how it wants to be sampled. Schedulers are built from it.

Follows the entries of diffusers' scheduler configurations; the defaults are Stable Diffusion v1.4's. Leaves out
thresholding and clipping, which no latent diffusion model uses, and flow matching.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError

PREDICTIONS = ("epsilon", "v_prediction")
BETA_SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
SPACINGS = ("leading", "trailing", "linspace")
MOST_TRAIN_STEPS = 100_000
MOST_BETA = 0.999  # of the cosine schedule


@dataclass(frozen=True)
class TrainingSchedule:
    """The betas of `train_steps` training steps, and what follows from the training.

    `trained_betas` win over `beta_start`, `beta_end` and `beta_schedule`. `prediction` is what the network returns: the
    noise ("epsilon") or the velocity ("v_prediction", Salimans & Ho 2022). `spacing` says which times are visited; ""
    leaves that to each sampler. `steps_offset` is added to "leading" times. `set_alpha_to_one` makes PNDM and DDIM end
    at a sample without noise instead of at training step 0; None leaves that to each. Raises PackageError for a value
    out of range, with the name of its entry in diffusers' configurations.
    """

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    trained_betas: tuple[float, ...] | None = None
    prediction: str = "epsilon"
    spacing: str = ""
    steps_offset: int = 1
    set_alpha_to_one: bool | None = False

    def __post_init__(self) -> None:
        _check_choice("prediction_type", self.prediction, PREDICTIONS)
        _check_choice("beta_schedule", self.beta_schedule, BETA_SCHEDULES)
        _check_choice("timestep_spacing", self.spacing or SPACINGS[0], SPACINGS)
        if not 2 <= self.train_steps <= MOST_TRAIN_STEPS:
            raise PackageError(f"num_train_timesteps is {self.train_steps}; choose 2 to {MOST_TRAIN_STEPS}.")
        if not 0 <= self.steps_offset < self.train_steps:
            raise PackageError(f"steps_offset is {self.steps_offset}; choose 0 to {self.train_steps - 1}.")
        if self.trained_betas is None and not 0 < self.beta_start <= self.beta_end < 1:
            raise PackageError(
                f"beta_start is {self.beta_start} and beta_end {self.beta_end}; "
                "0 < beta_start <= beta_end < 1 is needed."
            )
        if self.trained_betas is not None:
            self._check_trained(self.trained_betas)

    def _check_trained(self, betas: tuple[float, ...]) -> None:
        if len(betas) != self.train_steps:
            raise PackageError(
                f"trained_betas has {len(betas)} numbers, but num_train_timesteps is {self.train_steps}; "
                "there must be as many."
            )
        wrong = next((beta for beta in betas if not 0 < beta < 1), None)
        if wrong is not None:
            raise PackageError(f"trained_betas has {wrong}; every beta lies between 0 and 1.")

    @cached_property
    def betas(self) -> NDArray[np.float32]:
        """[train_steps]: the share of the signal's variance that each training step replaces by noise."""
        if self.trained_betas is not None:
            return np.array(self.trained_betas, np.float32)
        if self.beta_schedule == "squaredcos_cap_v2":
            return _cosine_betas(self.train_steps)
        if self.beta_schedule == "linear":
            return np.linspace(self.beta_start, self.beta_end, self.train_steps).astype(np.float32)
        roots = np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.train_steps).astype(np.float32)
        return roots * roots

    @cached_property
    def alphas_cumprod(self) -> NDArray[np.float64]:
        """[train_steps]: the share of the signal's variance left at each training step, falling from almost 1.

        As torch does in training, the betas are rounded to float32 and the product is taken in float64.
        """
        alphas = np.float32(1) - self.betas
        return np.cumprod(alphas, dtype=np.float64).astype(np.float32).astype(np.float64)

    @cached_property
    def sigmas(self) -> NDArray[np.float64]:
        """[train_steps]: noise over signal, sqrt((1 - a) / a), rising with the training step."""
        return np.sqrt((1 - self.alphas_cumprod) / self.alphas_cumprod)

    def levels(self, time: int) -> tuple[float, float]:
        """How much of the clean sample and of the noise is left at a time; their squares sum to 1."""
        kept = float(self.alphas_cumprod[time])
        return math.sqrt(kept), math.sqrt(1 - kept)

    def alpha_at(self, time: int, *, ends_clean: bool) -> float:
        """The share of the signal's variance at a time; before training step 0, where a picture ends.

        There it is 1 if `set_alpha_to_one` says so, or if that is None and the sampler usually `ends_clean`.
        """
        if time >= 0:
            return float(self.alphas_cumprod[time])
        clean = ends_clean if self.set_alpha_to_one is None else self.set_alpha_to_one
        return 1.0 if clean else float(self.alphas_cumprod[0])


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise PackageError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")


def _cosine_betas(train_steps: int) -> NDArray[np.float32]:
    """Betas whose signal falls as a squared cosine (Nichol & Dhariwal 2021, arXiv 2102.09672, eq. 17)."""
    left = [math.cos((step / train_steps + 0.008) / 1.008 * math.pi / 2) ** 2 for step in range(train_steps + 1)]
    ratios = (1 - after / before for before, after in pairwise(left))
    return np.array([min(beta, MOST_BETA) for beta in ratios], np.float32)
