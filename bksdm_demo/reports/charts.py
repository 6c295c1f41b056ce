"""The charts of a report as geometry: pure functions from timings to coordinates.

A bar stacks the phases of a picture, once with loading and once without. A line shows its step times. All pictures
share one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.languages import say
from bksdm_demo.records import Timings
from bksdm_demo.wording.timing import PHASE_LABELS, PHASES, drawing_seconds, format_seconds

LINE_WIDTH, LINE_HEIGHT = 100.0, 24.0  # the drawing area of a line of step times
LINE_MARGIN = 1.5  # keeps the highest and the lowest step inside


@dataclass(frozen=True)
class Segment:
    """One phase of a bar; `start` and `width` are percent of the widest bar."""

    phase: str
    start: float
    width: float
    label: str


@dataclass(frozen=True)
class Bar:
    """The phases of one picture: segments and their sum, with loading and without."""

    name: str
    cold: bool
    with_loading: tuple[Segment, ...]
    total: str
    without_loading: tuple[Segment, ...]
    drawing: str


def bars(names: Sequence[str], timings: Sequence[Timings]) -> tuple[Bar, ...]:
    """A bar per picture, in the given order."""
    widest = max((timing.load + drawing_seconds(timing) for timing in timings), default=0.0)
    widest_drawing = max((drawing_seconds(timing) for timing in timings), default=0.0)
    return tuple(
        Bar(
            name,
            timing.cold,
            _segments(timing, PHASES, widest),
            format_seconds(timing.load + drawing_seconds(timing)),
            _segments(timing, PHASES[1:], widest_drawing),
            format_seconds(drawing_seconds(timing)),
        )
        for name, timing in zip(names, timings, strict=True)
    )


def _segments(timings: Timings, phases: Sequence[str], widest: float) -> tuple[Segment, ...]:
    found, start = [], 0.0
    for phase in phases:
        seconds = getattr(timings, phase)
        if seconds > 0 and widest > 0:
            width = 100 * seconds / widest
            found.append(
                Segment(
                    phase,
                    start,
                    width,
                    say("{phase} {time}", phase=say(PHASE_LABELS[phase]), time=format_seconds(seconds)),
                )
            )
            start += width
    return tuple(found)


def step_line(steps: Sequence[float], slowest: float) -> str:
    """The points "x,y x,y" of a line through the step times, with 0 at the bottom and `slowest` at the top."""
    if slowest <= 0 or not steps:
        return ""
    across = LINE_WIDTH / max(len(steps) - 1, 1)
    room = LINE_HEIGHT - 2 * LINE_MARGIN
    heights = [LINE_HEIGHT - LINE_MARGIN - room * seconds / slowest for seconds in steps]
    if len(heights) == 1:  # a line needs two ends
        heights *= 2
    return " ".join(f"{index * across:.2f},{height:.2f}" for index, height in enumerate(heights))
