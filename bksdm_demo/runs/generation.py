"""Draws one picture with one model and times every phase. Knows nothing of jobs or cells.

`report` receives each phase and step. `cancelled` is asked between steps and between phases, and stops the run. A
blocked request is not drawn. A blocked picture is dropped here: no Result holds it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from numpy.typing import NDArray

from bksdm_demo.diffusion.pipeline import Encoded, Pipeline
from bksdm_demo.diffusion.plan import forms
from bksdm_demo.errors import CancelledError
from bksdm_demo.records import LoadProgress, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.cached_parts import Lease
from bksdm_demo.runs.part_loading import ReportLoading
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import PreviewObserver

Report = Callable[[Phase, int, int], None]  # the current phase, finished denoising steps, all denoising steps
Cancelled = Callable[[], bool]
Outcome = TypeVar("Outcome")


def _ignore_phase(phase: Phase, step: int, steps: int) -> None:
    pass


def _ignore_progress(progress: LoadProgress) -> None:
    pass


def _never() -> bool:
    return False


def generate(
    cache: PipelineCache,
    model: str,
    request: Request,
    report: Report = _ignore_phase,
    cancelled: Cancelled = _never,
    report_loading: ReportLoading = _ignore_progress,
    observer: PreviewObserver | None = None,
) -> Result:
    """Draw `request` with the system `model`, which is loaded first if necessary. `report_loading` receives each part.

    `observer` makes previews; their time counts only as `Timings.preview`. Raises CancelledError soon after
    `cancelled()` turns true, and the DemoErrors of the cache, the engines and the pipeline.
    """
    start = time.perf_counter()
    run = _Run(request, report, cancelled, observer)
    run.enter(Phase.LOADING)
    with cache.lease(model, report_loading, cancelled, forms(request)) as lease:
        return run.draw(lease, start)


@dataclass
class _Run:
    """Runs the phases of one picture and collects their seconds."""

    request: Request
    report: Report
    cancelled: Cancelled
    observer: PreviewObserver | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    count: int = 0  # all steps, known after the first one: some schedulers take one more than requested

    def enter(self, phase: Phase) -> None:
        """Begin a phase. Raises CancelledError if the run was cancelled."""
        self.check()
        self.show(phase)

    def check(self) -> None:
        if self.cancelled():
            raise CancelledError("Stopped by the visitor.")

    def show(self, phase: Phase) -> None:
        self.report(phase, len(self.steps), self.count or self.request.steps)

    def draw(self, lease: Lease, start: float) -> Result:
        """Draw with the leased pipeline. `start` is when the work on this picture began, by time.perf_counter()."""
        pipeline = lease.pipeline
        self.enter(Phase.ENCODING)
        encoded = self._timed("encode", lambda: pipeline.encode(self.request))
        allowed = self._timed("safety", lambda: pipeline.check_request(self.request, encoded))
        if allowed.blocked is not False:
            return self._result(lease, start, encoded, allowed, None)
        latents = self._timed("denoise", lambda: self._denoise(pipeline, encoded))
        self.enter(Phase.DECODING)
        image = self._timed("decode", lambda: pipeline.decode(latents))
        if self.observer is not None:
            self.observer.learn_from(pipeline, latents, image, self.seconds["decode"])
        self.enter(Phase.CHECKING)
        verdict = self._timed("safety", lambda: pipeline.check(image))
        image.setflags(write=False)
        return self._result(lease, start, encoded, verdict, image)

    def _result(self, lease: Lease, start: float, encoded: Encoded, verdict: Verdict, image: NDArray | None) -> Result:
        """The result so far; without the picture if the verdict blocks it."""
        return Result(
            model=lease.system.key,
            request=self.request,
            verdict=verdict,
            timings=Timings(
                load=lease.load_seconds,
                total=time.perf_counter() - start - self._preview_seconds(),
                steps=tuple(self.steps),
                cold=lease.cold,
                preview=self._preview_seconds(),
                **self.seconds,
            ),
            image=image if verdict.blocked is False else None,
            truncated=encoded.truncated,
            engine=lease.pipeline.engine,
            size_bytes=lease.system.size_bytes,
            negative_truncated=encoded.negative_truncated,
        )

    def _denoise(self, pipeline: Pipeline, encoded: Encoded) -> NDArray:
        """Return the latents after the last step."""
        latents: NDArray | None = None
        self.enter(Phase.DENOISING)
        for step in pipeline.steps(self.request, encoded):
            latents, self.count = step.latents, step.count
            self.steps.append(step.seconds)
            self.show(Phase.DENOISING)
            self.check()
            if self.observer is not None:
                self.observer.observe(pipeline, step)
        assert latents is not None, "a request has at least one step"
        return latents

    def _timed(self, phase: str, work: Callable[[], Outcome]) -> Outcome:
        start, previews = time.perf_counter(), self._preview_seconds()
        outcome = work()
        spent = time.perf_counter() - start - (self._preview_seconds() - previews)
        self.seconds[phase] = self.seconds.get(phase, 0.0) + spent
        return outcome

    def _preview_seconds(self) -> float:
        """Return the seconds spent on previews so far."""
        return 0.0 if self.observer is None else self.observer.seconds
