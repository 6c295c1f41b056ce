"""One load of a system's parts: what its caller is told, how it stops, and the calibration that a part may need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bksdm_demo.diffusion.calibration import calibrate
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Calibrated, Engine
from bksdm_demo.errors import CancelledError
from bksdm_demo.records import LoadProgress

CALIBRATING = "U-Net, calibrated once for int8"

ReportLoading = Callable[[LoadProgress], None]
Cancelled = Callable[[], bool]


def ignore_progress(progress: LoadProgress) -> None:
    """Take a report and do nothing."""


def never() -> bool:
    """Say that nobody cancels."""
    return False


@dataclass
class LoadReporter:
    """Reports the parts of one load to its caller."""

    report: ReportLoading
    began: float  # seconds since the epoch
    number: int = 0
    count: int = 0

    def show(self, part: str) -> None:
        """Report `part` without counting it."""
        self.report(LoadProgress(part, self.number, self.count, self.began))

    def next(self, part: str) -> None:
        """Report the next part. A part that is tried again after another caller's cancel is not counted twice."""
        self.number = min(self.number + 1, self.count)
        self.show(part)


def calibrate_engine(engine: Engine, pipeline: Pipeline, reporter: LoadReporter, cancelled: Cancelled) -> None:
    """Calibrate an engine that needs it, by the values it observes while a few pictures are drawn."""
    if not (isinstance(engine, Calibrated) and engine.needs_calibration):
        return

    def show(done: int, count: int) -> None:
        if cancelled():
            raise stopped_loading()
        reporter.show(f"{CALIBRATING} (step {done} of {count})")

    calibrate(pipeline, show)


def stopped_loading() -> CancelledError:
    """Return the error of a load that was stopped."""
    return CancelledError("Stopped while the model was loading.")
