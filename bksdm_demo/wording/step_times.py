"""Seconds against steps: a picture takes a fixed time, and then some time for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bksdm_demo.records import Timings
from bksdm_demo.wording.timing import drawing_seconds


@dataclass(frozen=True)
class Line:
    """Seconds of one picture as a function of its steps: `fixed` + `per_step` x steps."""

    fixed: float
    per_step: float

    def seconds(self, steps: int) -> float:
        return self.fixed + self.per_step * steps

    def steps_within(self, seconds: float) -> int:
        """Return the number of steps whose time is nearest to `seconds`; at least 1."""
        return max(1, round((seconds - self.fixed) / self.per_step)) if self.per_step > 0 else 1


def line_through(pictures: Sequence[Timings]) -> Line:
    """Return the line of a model from pictures with equally many steps. The fixed part is all drawing but the steps."""
    per_step = median(fmean(timings.steps) for timings in pictures)
    fixed = median(drawing_seconds(timings) - sum(timings.steps) for timings in pictures)
    return Line(max(fixed, 0.0), per_step)
