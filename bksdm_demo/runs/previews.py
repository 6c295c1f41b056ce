"""Previews of a picture: the current estimate of the clean latents, decoded at low cost and checked for safety.

The cheap decoder is a linear map from a latent pixel to its mean colour. The idea is known from ComfyUI's "latent2rgb",
but no numbers are hard-coded here: the map is fitted by least squares for each VAE decoder. It learns from pictures
that the VAE decodes anyway, the first preview of a new decoder and every finished picture. If the VAE itself is fast
enough for the previews' share of the time, it decodes the previews.

Safety fails closed. A preview is shown only if every concept's score is at least CLEAR below zero, because scores
still move until the last step. Otherwise the preview is not shown, and the picture gets no
further one. The checker sees the preview at the size of the picture. A prompt that the gate on the request blocks is
not drawn, so it has no preview.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import EngineError
from bksdm_demo.records import Step, Verdict

logger = logging.getLogger(__name__)

PREVIEW_SHARE = 0.25  # largest part of the denoising time that previews may take
CLEAR = 0.05  # cosine by which a preview must stay below every concept's threshold
UNCLEAR = "No preview: the safety checker is not sure about it. It checks the finished picture."
FAILED = "The preview failed. The picture itself goes on."

Show = Callable[[NDArray | None, str], None]  # a preview uint8 [h, w, 3] or None, and a sentence for the visitor


def _clear(verdict: Verdict) -> bool:
    """Whether the checker lets a preview through, and every score is well below zero."""
    return verdict.blocked is False and bool(verdict.scores) and all(score < -CLEAR for score in verdict.scores)


class ColourMap:
    """Maps latents to colours by least squares. Keeps sums over all latent pixels and solves them on demand.

    Before the first finished picture it learns from estimates of clean latents, afterwards only from finished pictures.
    """

    def __init__(self, channels: int) -> None:
        self._squares = np.zeros((channels + 1, channels + 1))
        self._products = np.zeros((channels + 1, 3))
        self._provisional = True
        self.picture_size = (0, 0)  # (height, width) of the pictures that the VAE decodes

    @property
    def ready(self) -> bool:
        return self.picture_size != (0, 0)

    def learn(self, latents: NDArray, image: NDArray, finished: bool) -> None:
        """Learn from latents [1, C, h, w] and the picture uint8 [H, W, 3] that the VAE decoded from them."""
        if self._provisional and finished:
            self._squares[:], self._products[:], self._provisional = 0, 0, False
        elif not self._provisional and not finished:
            return
        height, width = latents.shape[2:]
        shrunk = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
        inputs, colours = _pixels(latents), np.asarray(shrunk, dtype=np.float64).reshape(-1, 3)
        self._squares += inputs.T @ inputs
        self._products += inputs.T @ colours
        self.picture_size = (image.shape[0], image.shape[1])

    def paint(self, latents: NDArray) -> NDArray[np.uint8]:
        """Turn latents [1, C, h, w] into colours uint8 [h, w, 3]. Raises EngineError for NaN or infinite latents."""
        inputs = _pixels(latents)
        if not np.isfinite(inputs).all():
            raise EngineError("The latents hold NaN or infinite numbers.")
        weights = np.linalg.lstsq(self._squares, self._products, rcond=None)[0]  # [C + 1, 3]
        colours = np.clip(np.round(inputs @ weights), 0, 255).astype(np.uint8)
        return colours.reshape(*latents.shape[2:], 3)


def _pixels(latents: NDArray) -> NDArray[np.float64]:
    """Turn [1, C, h, w] into rows of C numbers and a one, [h * w, C + 1]."""
    rows = np.asarray(latents[0], dtype=np.float64).reshape(latents.shape[1], -1).T
    return np.column_stack([rows, np.ones(len(rows))])


class _Decoder:
    """The colour map and the latest run time of one VAE decoder."""

    def __init__(self, channels: int) -> None:
        self.colours = ColourMap(channels)
        self.seconds: float | None = None  # of its latest run


class Previews:
    """The colour maps of all VAE decoders used so far. Makes an observer for each picture."""

    def __init__(self, share: float = PREVIEW_SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self.clock = share, clock
        self._decoders: WeakKeyDictionary[Engine, _Decoder] = WeakKeyDictionary()

    def observer(self, every: int, show: Show) -> PreviewObserver:
        """Return an observer that shows a preview every `every` steps, as far as the share of the time allows."""
        return PreviewObserver(self, every, show)

    def decoder(self, pipeline: Pipeline, latents: NDArray) -> _Decoder:
        """Return the record of this pipeline's decoder. Not locked: one thread draws at a time."""
        if pipeline.decoder not in self._decoders:
            self._decoders[pipeline.decoder] = _Decoder(latents.shape[1])
        return self._decoders[pipeline.decoder]


class PreviewObserver:
    """Makes the previews of one picture. `seconds` is the time that took so far. Never raises."""

    def __init__(self, previews: Previews, every: int, show: Show) -> None:
        self._previews, self._every, self._show, self._clock = previews, every, show, previews.clock
        self._denoising = 0.0  # seconds of all steps so far
        self._latest = 0.0  # seconds of the latest preview
        self._over = False  # true after an unclear or failed preview
        self.seconds = 0.0

    def observe(self, pipeline: Pipeline, step: Step) -> None:
        """Show a preview after this step if one is due, except after the last step: the picture follows."""
        self._denoising += step.seconds
        if self._over or step.index % self._every or step.index == step.count:
            return
        if self.seconds + self._latest > self._previews.share * self._denoising and self.seconds:
            return
        started = self._clock()
        try:
            preview = self._preview(pipeline, step)
        except Exception:
            # Any error fails closed: no preview. The picture itself is not affected.
            logger.exception("A preview failed")
            preview, sentence = None, FAILED
        else:
            sentence = "" if preview is not None else UNCLEAR
        self._over = preview is None
        self._show(preview, sentence)
        self._latest = self._clock() - started
        self.seconds += self._latest

    def learn_from(self, pipeline: Pipeline, latents: NDArray, image: NDArray, seconds: float) -> None:
        """Fit the decoder's colour map to a finished picture, which took `seconds` to decode."""
        started = self._clock()
        try:
            decoder = self._previews.decoder(pipeline, latents)
            decoder.colours.learn(latents, image, finished=True)
            decoder.seconds = seconds
        except Exception:
            logger.exception("The colour map could not learn from a picture")
        self.seconds += self._clock() - started

    def _preview(self, pipeline: Pipeline, step: Step) -> NDArray[np.uint8] | None:
        """Return the preview of this step; None if the checker is not sure about it."""
        latents = step.latents if step.denoised is None else step.denoised
        decoder = self._previews.decoder(pipeline, latents)
        spare = self._previews.share * self._every * self._denoising / step.index  # seconds for each preview
        cheap = decoder.seconds is not None and decoder.seconds <= spare
        if cheap or not decoder.colours.ready:
            preview = checked = self._decode(pipeline, latents, decoder)
        else:
            preview = decoder.colours.paint(latents)
            height, width = decoder.colours.picture_size
            enlarged = Image.fromarray(preview).resize((width, height), Image.Resampling.BICUBIC)
            checked = np.asarray(enlarged)
        preview.setflags(write=False)
        return preview if _clear(pipeline.check(checked)) else None

    def _decode(self, pipeline: Pipeline, latents: NDArray, decoder: _Decoder) -> NDArray[np.uint8]:
        started = self._clock()
        image = pipeline.decode(latents)
        decoder.seconds = self._clock() - started
        decoder.colours.learn(latents, image, finished=False)
        return image
