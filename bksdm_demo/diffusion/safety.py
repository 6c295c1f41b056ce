"""The safety checker part. It fails closed: anything but a clear "no concept found" blocks the picture.

Follows Apple's SafetyChecker package (`clip_input`, `images`, `adjustment` -> `has_nsfw_concepts`, `concept_scores`).
Ignores the blackened picture that the package also returns, because a blocked picture is not shown at all.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.pixels import to_clip, to_unit
from bksdm_demo.diffusion.ports import check_rank, named_port, take_finite
from bksdm_demo.engines.base import Engine, Port
from bksdm_demo.errors import EngineError
from bksdm_demo.records import Verdict

PART = "Safety checker"
FLAGS, SCORES = "has_nsfw_concepts", "concept_scores"
ADJUSTMENT = 0.0  # the published strictness; a higher value adds to the scores of special-care concepts

FLAGGED = "The safety checker blocked this picture, because it found a concept on its list."
FAILED = "The safety checker could not check this picture, so the picture is blocked."
MISSING = "This model has no safety checker, so its pictures are blocked."

_log = logging.getLogger(__name__)


class SafetyChecker:
    """Reads its sizes from the package. Raises PackageError for a package that is not a safety checker."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._clip = check_rank(named_port(engine.inputs, "clip_input", PART), 4, PART)
        self._images = check_rank(named_port(engine.inputs, "images", PART), 4, PART)
        self._adjustment: Port = named_port(engine.inputs, "adjustment", PART)
        for name in (FLAGS, SCORES):
            named_port(engine.outputs, name, PART)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(H, W, 3) of the pictures that it checks."""
        _, height, width, channels = self._images.shape
        return height, width, channels

    def check(self, image: NDArray) -> Verdict:
        """The verdict on uint8 [H, W, 3]; holds no pixels. Never raises: a checker that fails blocks the picture."""
        try:
            flagged, scores = self._judge(image)
        except Exception:
            # Any error blocks, on purpose. The details go to the log, not to the visitor.
            _log.exception("%s failed", PART)
            return Verdict(blocked=True, reason=FAILED)
        return Verdict(blocked=flagged, reason=FLAGGED if flagged else "", scores=scores)

    def _judge(self, image: NDArray) -> tuple[bool, tuple[float, ...]]:
        if image.dtype != np.uint8 or image.shape != self.picture_shape:
            got = f"{image.dtype}{list(image.shape)}"
            raise EngineError(f"{PART}: the picture is {got}, not uint8{list(self.picture_shape)}.")
        outputs = self.engine.run(
            {
                self._clip.name: to_clip(image, self._clip.shape[2]),
                self._images.name: to_unit(image),
                self._adjustment.name: np.full(self._adjustment.shape, ADJUSTMENT, dtype=np.float32),
            }
        )
        flags, scores = take_finite(outputs, FLAGS, PART), take_finite(outputs, SCORES, PART)
        if flags.size != 1:
            raise EngineError(f"{PART}: {FLAGS} came back as {list(flags.shape)}; one flag was expected.")
        return bool(flags.any()), tuple(float(score) for score in scores.ravel())
