"""One picture by one model, every phase timed; knows nothing of jobs or cells.

The caller hears of each phase and step through `report` and stops the run through `cancelled`, which is asked between
steps and phases. A picture that the checker did not pass is dropped here and is in no Result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from numpy.typing import NDArray

from bksdm_demo.diffusion.pipeline import Encoded, Pipeline
from bksdm_demo.errors import CancelledError
from bksdm_demo.records import Loading, Phase, Request, Result, Timings
from bksdm_demo.runs.pipeline_cache import Lease, PipelineCache, ReportLoading
from bksdm_demo.runs.previews import PreviewObserver

Report = Callable[[Phase, int, int], None]  # the present phase, denoising steps finished, denoising steps in all
Cancelled = Callable[[], bool]
Outcome = TypeVar("Outcome")


def _silent(phase: Phase, step: int, steps: int) -> None:
    """Nobody listens."""


def _unheard(loading: Loading) -> None:
    """Nobody listens."""


def _never() -> bool:
    return False


def generate(
    cache: PipelineCache,
    model: str,
    request: Request,
    report: Report = _silent,
    cancelled: Cancelled = _never,
    loading: ReportLoading = _unheard,
    observer: PreviewObserver | None = None,
) -> Result:
    """The picture of `request` by the system `model`, loading it first where needed; `loading` hears of each part.

    `observer` looks at the picture on its way; what that takes is in no timing but its own.
    Raises CancelledError soon after `cancelled()` turns true, and the DemoErrors of the cache, the engines and the
    pipeline.
    """
    start = time.perf_counter()
    run = _Run(request, report, cancelled, observer)
    run.enter(Phase.LOADING)
    with cache.lease(model, loading, cancelled) as lease:
        return run.draw(lease, start)


@dataclass
class _Run:
    """The phases of one picture and the seconds they took."""

    request: Request
    report: Report
    cancelled: Cancelled
    observer: PreviewObserver | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    count: int = 0  # steps in all, known with the first: some schedulers take one more than asked for

    def enter(self, phase: Phase) -> None:
        """Begin a phase, unless the run was cancelled."""
        self.check()
        self.tell(phase)

    def check(self) -> None:
        if self.cancelled():
            raise CancelledError("Stopped by the visitor.")

    def tell(self, phase: Phase) -> None:
        self.report(phase, len(self.steps), self.count or self.request.steps)

    def draw(self, lease: Lease, start: float) -> Result:
        """The Result of the leased pipeline; `start` is when the work on this picture began."""
        pipeline = lease.pipeline
        self.enter(Phase.ENCODING)
        encoded = self._timed("encode", lambda: pipeline.encode(self.request))
        latents = self._timed("denoise", lambda: self._denoise(pipeline, encoded))
        self.enter(Phase.DECODING)
        image = self._timed("decode", lambda: pipeline.decode(latents))
        if self.observer is not None:
            self.observer.learn(pipeline, latents, image, self.seconds["decode"])
        self.enter(Phase.CHECKING)
        verdict = self._timed("safety", lambda: pipeline.check(image))
        image.setflags(write=False)
        return Result(
            model=lease.system.key,
            request=self.request,
            verdict=verdict,
            timings=Timings(
                load=lease.load_seconds,
                total=time.perf_counter() - start - self._looking(),
                steps=tuple(self.steps),
                cold=lease.cold,
                preview=self._looking(),
                **self.seconds,
            ),
            image=image if verdict.blocked is False else None,
            truncated=encoded.truncated,
            engine=pipeline.engine,
            size_bytes=lease.system.size_bytes,
        )

    def _denoise(self, pipeline: Pipeline, encoded: Encoded) -> NDArray:
        """The latents after the last step; a run that is cancelled in between asks for no further step."""
        latents: NDArray | None = None
        self.enter(Phase.DENOISING)
        for step in pipeline.steps(self.request, encoded):
            latents, self.count = step.latents, step.count
            self.steps.append(step.seconds)
            self.tell(Phase.DENOISING)
            self.check()
            if self.observer is not None:
                self.observer.look(pipeline, step)
        assert latents is not None, "a request has at least one step"
        return latents

    def _timed(self, phase: str, work: Callable[[], Outcome]) -> Outcome:
        start, looking = time.perf_counter(), self._looking()
        outcome = work()
        self.seconds[phase] = time.perf_counter() - start - (self._looking() - looking)
        return outcome

    def _looking(self) -> float:
        """Seconds spent on previews so far."""
        return 0.0 if self.observer is None else self.observer.seconds
