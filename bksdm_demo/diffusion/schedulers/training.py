"""The noise schedule a network was trained with: what every sampler is built from.

Follows Stable Diffusion v1.4's scheduler configuration ("scaled_linear" betas, 1000 steps, noise prediction). Leaves
out cosine schedules, zero terminal SNR and thresholding, which no SD v1 system uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError

PREDICTIONS = ("epsilon", "v_prediction")
BETA_SCHEDULES = ("scaled_linear", "linear")


@dataclass(frozen=True)
class TrainingSchedule:
    """Betas from `beta_start` to `beta_end` over `train_steps`; the defaults are SD v1.4's.

    `prediction` says what the network returns: the noise ("epsilon") or the velocity ("v_prediction", Salimans & Ho
    2022). `steps_offset` shifts the evenly spaced times of PNDM and DDIM. Raises PackageError for unknown words and
    for betas outside 0 < beta_start <= beta_end < 1.
    """

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    prediction: str = "epsilon"
    steps_offset: int = 1

    def __post_init__(self) -> None:
        if self.beta_schedule not in BETA_SCHEDULES:
            raise PackageError(f"beta_schedule is {self.beta_schedule!r}; choose one of {', '.join(BETA_SCHEDULES)}.")
        if self.prediction not in PREDICTIONS:
            raise PackageError(f"prediction is {self.prediction!r}; choose one of {', '.join(PREDICTIONS)}.")
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise PackageError(f"Betas run from {self.beta_start} to {self.beta_end}; 0 < start <= end < 1 is needed.")
        if self.train_steps < 2 or self.steps_offset not in (0, 1):
            raise PackageError(f"steps_offset is {self.steps_offset}, with {self.train_steps} steps; it is 0 or 1.")

    @cached_property
    def alphas_cumprod(self) -> NDArray[np.float64]:
        """[train_steps]: the share of the signal's variance left at each training step, falling from almost 1.

        The betas are rounded to float32 and multiplied up in float64, as torch does where the networks were trained.
        """
        root = 0.5 if self.beta_schedule == "scaled_linear" else 1.0
        betas = np.linspace(self.beta_start**root, self.beta_end**root, self.train_steps).astype(np.float32)
        if self.beta_schedule == "scaled_linear":
            betas = betas * betas
        alphas = np.float32(1) - betas
        return np.cumprod(alphas, dtype=np.float64).astype(np.float32).astype(np.float64)

    @cached_property
    def sigmas(self) -> NDArray[np.float64]:
        """[train_steps]: noise over signal, sqrt((1 - a) / a), rising with the training step."""
        return np.sqrt((1 - self.alphas_cumprod) / self.alphas_cumprod)
