"""How many seconds pictures take, learnt from those that were drawn: by kind of place, and by model.

A picture is denoised in a time that grows with its U-Net evaluations; text encoder, decoder, checker and storing take
the rest. Left out: loading, which a model needs once, and pictures that are blocked before they are drawn.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from bksdm_demo.diffusion.plan import evaluations, evaluations_by_call
from bksdm_demo.records import Cell, Phase, Request, Result

LATEST = 9  # pictures whose median counts
Key = tuple[str, str]  # kind of place, model


@dataclass
class Measured:
    """What is known of one model at one kind of place: seconds of an evaluation, and of everything else."""

    rates: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    others: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST))
    first: float | None = None  # seconds of an evaluation of the first picture, while it is drawn

    @property
    def rate(self) -> float | None:
        return statistics.median(self.rates) if self.rates else self.first

    @property
    def other(self) -> float:
        return statistics.median(self.others) if self.others else 0.0


@lru_cache(maxsize=256)
def _evaluations(request: Request) -> float:
    return evaluations(request)


class Speeds:
    """Seconds by kind of place and model. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[Key, Measured] = {}
        self._lock = threading.Lock()

    def stepped(self, kind: str, model: str, seconds: float, done: float) -> None:
        """The picture in progress took `seconds` for its `done` evaluations so far."""
        with self._lock:
            known = self._known.setdefault((kind, model), Measured())
            if done > 0:
                known.first = seconds / done

    def drawn(self, kind: str, model: str, request: Request, denoising: float, other: float) -> None:
        """A picture was drawn in so many seconds, without those of loading."""
        with self._lock:
            known = self._known.setdefault((kind, model), Measured())
            known.rates.append(denoising / max(_evaluations(request), 1.0))
            known.others.append(max(0.0, other))

    def seconds(self, kind: str, model: str, request: Request) -> float | None:
        """The seconds of a picture, None if nothing was drawn yet. A guess if this model was not drawn there."""
        with self._lock:
            found = self._measured(kind, model)
        return None if found is None else found[0] * _evaluations(request) + found[1]

    def left(self, kind: str, cell: Cell, request: Request) -> float | None:
        """The seconds until a picture in progress ends, as `seconds`."""
        with self._lock:
            found = self._measured(kind, cell.model)
        if found is None:
            return None
        match cell.phase:
            case Phase.DENOISING:
                share = 1 - cell.step / max(cell.steps, 1)
            case Phase.DECODING | Phase.CHECKING:
                share = 0.0
            case _:
                share = 1.0
        return found[0] * _evaluations(request) * share + found[1]

    def _measured(self, kind: str, model: str) -> tuple[float, float] | None:
        """Seconds of an evaluation, and of everything else."""
        known = self._known.get((kind, model))
        if known is not None and known.rate is not None:
            return known.rate, known.other
        elsewhere = [
            (rate * self._ratio(kind, other), there.other)
            for (other, name), there in self._known.items()
            if name == model and (rate := there.rate) is not None
        ]
        alike = [
            (rate, there.other)
            for (other, _), there in self._known.items()
            if other == kind and (rate := there.rate) is not None
        ]
        guesses = elsewhere or alike
        if not guesses:
            return None
        return statistics.mean(rate for rate, _ in guesses), statistics.mean(other for _, other in guesses)

    def _ratio(self, kind: str, other: str) -> float:
        """How much longer `kind` takes than `other`, by the models that both have drawn; 1 if there is none."""
        ratios = [
            mine / theirs
            for (place, model), known in self._known.items()
            if place == kind
            and (mine := known.rate)
            and (there := self._known.get((other, model))) is not None
            and (theirs := there.rate)
        ]
        return statistics.median(ratios) if ratios else 1.0


class Lesson:
    """What one picture teaches while it is drawn. A picture that begins again teaches from its new beginning."""

    def __init__(
        self,
        speeds: Speeds,
        kind: str,
        model: str,
        request: Request,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._speeds, self._key, self._request, self._stopwatch = speeds, (kind, model), request, stopwatch
        self._began = self._denoising = stopwatch()

    def entered(self, phase: Phase, step: int, steps: int) -> None:
        """The picture is in this phase, with so many finished steps of all."""
        now = self._stopwatch()
        if phase is Phase.LOADING:
            self._began = now
        elif phase is Phase.DENOISING and not step:
            self._denoising = now
        elif phase is Phase.DENOISING:
            done = sum(evaluations_by_call(self._request, steps)[:step])
            self._speeds.stepped(*self._key, now - self._denoising, done)

    def drawn(self, result: Result) -> None:
        """The picture has ended."""
        timings = result.timings
        if timings.drew:
            other = self._stopwatch() - self._began - timings.denoise - timings.load
            self._speeds.drawn(*self._key, self._request, timings.denoise, other)
