"""The VAE decoder part: latents in, a picture out.

Follows Apple's VAEDecoder package (`z` -> `image` in [-1, 1]). Reads the scaling factor from the package's metadata key
"scaling_factor". SD v1 packages lack that key, so SD v1's factor is the default. Leaves out tiling and the encoder.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.pixels import to_pixels
from bksdm_demo.diffusion.ports import check_rank, find_port, take_finite
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import EngineError, PackageError

PART = "VAE decoder"
SCALING_KEY = "scaling_factor"
SD1_SCALING_FACTOR = 0.18215


class VaeDecoder:
    """Reads its shape and scaling factor from the package. Raises PackageError for an unusable shape or factor."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._input = check_rank(find_port(engine.inputs, "z", PART), 4, PART)
        self._output = find_port(engine.outputs, "image", PART)
        self.scaling_factor = _scaling_factor(engine.metadata.get(SCALING_KEY))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the latents that it decodes."""
        _, channels, height, width = self._input.shape
        return channels, height, width

    def decode(self, latents: NDArray) -> NDArray[np.uint8]:
        """The sampler's latents [1, C, h, w], still scaled, to a picture uint8 [H, W, 3]."""
        z = (np.asarray(latents, dtype=np.float64) / self.scaling_factor).astype(np.float32)
        image = take_finite(self.engine.run({self._input.name: z}), self._output.name, PART)
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise EngineError(f"{PART}: {self._output.name} came back as {list(image.shape)}, not [1, 3, H, W].")
        return to_pixels(image)


def _scaling_factor(text: str | None) -> float:
    if text is None:
        return SD1_SCALING_FACTOR
    try:
        factor = float(text)
    except ValueError as error:
        raise PackageError(f"{PART}: {SCALING_KEY} in the metadata is {text!r}, not a number.") from error
    if not math.isfinite(factor) or factor <= 0:
        raise PackageError(f"{PART}: {SCALING_KEY} in the metadata is {text!r}; it must be above 0.")
    return factor
