"""The noise schedule that a network was trained with. Every scheduler is built from one.

Follows Stable Diffusion v1.4's scheduler configuration ("scaled_linear" betas, 1000 steps). Leaves out other shapes of
the betas, zero terminal SNR and thresholding, which no SD v1 system uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class TrainingSchedule:
    """Betas from `beta_start` to `beta_end` over `train_steps`; the defaults are SD v1.4's.

    `prediction` is what the network returns: the noise ("epsilon") or the velocity ("v_prediction", Salimans & Ho
    2022). Raises PackageError for an unknown prediction and for betas outside 0 < beta_start <= beta_end < 1.
    """

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction: str = "epsilon"

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise PackageError(f"prediction is {self.prediction!r}; choose one of {', '.join(PREDICTIONS)}.")
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise PackageError(f"Betas run from {self.beta_start} to {self.beta_end}; 0 < start <= end < 1 is needed.")
        if self.train_steps < 2:
            raise PackageError(f"train_steps is {self.train_steps}; at least 2 are needed.")

    @cached_property
    def alphas_cumprod(self) -> NDArray[np.float64]:
        """[train_steps]: the share of the signal's variance left at each training step, falling from almost 1.

        The roots of the betas are evenly spaced. As torch does in training, they are rounded to float32 and the
        product is taken in float64.
        """
        roots = np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.train_steps).astype(np.float32)
        alphas = np.float32(1) - roots * roots
        return np.cumprod(alphas, dtype=np.float64).astype(np.float32).astype(np.float64)

    @cached_property
    def sigmas(self) -> NDArray[np.float64]:
        """[train_steps]: noise over signal, sqrt((1 - a) / a), rising with the training step."""
        return np.sqrt((1 - self.alphas_cumprod) / self.alphas_cumprod)
