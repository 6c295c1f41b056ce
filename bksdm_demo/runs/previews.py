"""Pictures on their way: the present estimate of the clean latents, decoded at low cost and passed by the checker.

The cheap decoder is a linear map from a latent pixel to its mean colour, fitted by least squares for each VAE decoder
(the idea is known from ComfyUI's "latent2rgb"; here nothing is hard-coded). What it is fitted to are pictures that
the VAE decoded anyway: the first preview of a decoder never seen before, and every finished picture. Where the VAE is
so cheap beside the steps between two previews that it stays within their share of the time, it decodes them itself.

Safety fails closed: what the checker does not clearly pass, and what it fails on, is not shown, and the picture gets
no further preview. The checker sees the preview at the size of the picture.
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
from bksdm_demo.records import Step

logger = logging.getLogger(__name__)

PREVIEW_SHARE = 0.25  # of the time of denoising, at most for previews
HELD_BACK = "The safety checker held the preview back; whether the picture is shown is decided when it is finished."
FAILED = "The preview could not be made; the picture itself goes on."

Show = Callable[[NDArray | None, str], None]  # a preview uint8 [h, w, 3] or None, and a sentence for the visitor


class ColourMap:
    """Latents to colours by least squares: sums over all latent pixels seen, solved when asked.

    Estimates of clean latents serve until there is a finished picture, then only finished pictures count.
    """

    def __init__(self, channels: int) -> None:
        self._squares = np.zeros((channels + 1, channels + 1))
        self._products = np.zeros((channels + 1, 3))
        self._provisional = True
        self.picture_size = (0, 0)  # (height, width) of what the VAE makes of such latents

    @property
    def ready(self) -> bool:
        return self.picture_size != (0, 0)

    def learn(self, latents: NDArray, image: NDArray, finished: bool) -> None:
        """Latents [1, C, h, w] and the picture uint8 [H, W, 3] that the VAE made of them."""
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
        """Latents [1, C, h, w] to colours uint8 [h, w, 3]. Raises EngineError for latents that are no numbers."""
        inputs = _pixels(latents)
        if not np.isfinite(inputs).all():
            raise EngineError("The latents hold NaN or infinite numbers.")
        weights = np.linalg.lstsq(self._squares, self._products, rcond=None)[0]  # [C + 1, 3]
        colours = np.clip(np.round(inputs @ weights), 0, 255).astype(np.uint8)
        return colours.reshape(*latents.shape[2:], 3)


def _pixels(latents: NDArray) -> NDArray[np.float64]:
    """[1, C, h, w] to rows of C numbers and a one."""
    rows = np.asarray(latents[0], dtype=np.float64).reshape(latents.shape[1], -1).T
    return np.column_stack([rows, np.ones(len(rows))])


class _Decoder:
    """What is known of one VAE decoder."""

    def __init__(self, channels: int) -> None:
        self.colours = ColourMap(channels)
        self.seconds: float | None = None  # of its latest run


class Previews:
    """The colour maps of every VAE decoder seen so far; gives each picture its observer."""

    def __init__(self, share: float = PREVIEW_SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self.clock = share, clock
        self._decoders: WeakKeyDictionary[Engine, _Decoder] = WeakKeyDictionary()

    def observer(self, every: int, show: Show) -> PreviewObserver:
        """Somebody who looks at one picture every `every` steps, as far as the share of the time allows."""
        return PreviewObserver(self, every, show)

    def decoder(self, pipeline: Pipeline, latents: NDArray) -> _Decoder:
        """What is known of this pipeline's decoder; one thread draws at a time."""
        if pipeline.decoder not in self._decoders:
            self._decoders[pipeline.decoder] = _Decoder(latents.shape[1])
        return self._decoders[pipeline.decoder]


class PreviewObserver:
    """Looks at one picture; `seconds` is what that took so far. Never raises."""

    def __init__(self, previews: Previews, every: int, show: Show) -> None:
        self._previews, self._every, self._show, self._clock = previews, every, show, previews.clock
        self._denoising = 0.0  # seconds of all steps so far
        self._latest = 0.0  # seconds of the latest preview
        self._over = False  # after something was held back or failed
        self.seconds = 0.0

    def look(self, pipeline: Pipeline, step: Step) -> None:
        """Show a preview after this step where it is time for one; the last step is followed by the picture itself."""
        self._denoising += step.seconds
        if self._over or step.index % self._every or step.index == step.count:
            return
        if self.seconds + self._latest > self._previews.share * self._denoising and self.seconds:
            return
        started = self._clock()
        try:
            preview = self._preview(pipeline, step)
        except Exception:
            # Fails closed on purpose, whatever went wrong; the picture itself is not concerned.
            logger.exception("A preview failed")
            preview, sentence = None, FAILED
        else:
            sentence = "" if preview is not None else HELD_BACK
        self._over = preview is None
        self._show(preview, sentence)
        self._latest = self._clock() - started
        self.seconds += self._latest

    def learn(self, pipeline: Pipeline, latents: NDArray, image: NDArray, seconds: float) -> None:
        """Fit the decoder's colours to a finished picture as well, which took `seconds` to decode."""
        started = self._clock()
        try:
            decoder = self._previews.decoder(pipeline, latents)
            decoder.colours.learn(latents, image, finished=True)
            decoder.seconds = seconds
        except Exception:
            logger.exception("A picture could not be learned from")
        self.seconds += self._clock() - started

    def _preview(self, pipeline: Pipeline, step: Step) -> NDArray[np.uint8] | None:
        """What may be shown of this step; None for what the checker does not pass."""
        latents = step.latents if step.denoised is None else step.denoised
        decoder = self._previews.decoder(pipeline, latents)
        spare = self._previews.share * self._every * self._denoising / step.index  # seconds for each preview
        cheap = decoder.seconds is not None and decoder.seconds <= spare
        if cheap or not decoder.colours.ready:
            preview = judged = self._decode(pipeline, latents, decoder)
        else:
            preview = decoder.colours.paint(latents)
            height, width = decoder.colours.picture_size
            enlarged = Image.fromarray(preview).resize((width, height), Image.Resampling.BICUBIC)
            judged = np.asarray(enlarged)
        passed = pipeline.check(judged).blocked is False
        preview.setflags(write=False)
        return preview if passed else None

    def _decode(self, pipeline: Pipeline, latents: NDArray, decoder: _Decoder) -> NDArray[np.uint8]:
        started = self._clock()
        image = pipeline.decode(latents)
        decoder.seconds = self._clock() - started
        decoder.colours.learn(latents, image, finished=False)
        return image
