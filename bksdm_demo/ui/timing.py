"""Turns the timings of a job into the rows and bars of the timing section. Pure functions without markup.

wording/timing.py defines drawing, loading and speed. A model that had to be loaded is marked cold. Speed refers to the
first model that finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bksdm_demo.records import Job, Timings
from bksdm_demo.wording.timing import (
    NOTHING,
    PHASE_LABELS,
    PHASES,
    decimals,
    drawing_seconds,
    format_seconds,
    format_speed,
    load_cell,
    median_step,
    timings_of,
)


@dataclass(frozen=True)
class Segment:
    """One phase of one bar, in seconds."""

    phase: str
    seconds: float
    label: str


@dataclass(frozen=True)
class Bar:
    """One model's bar: its phases in order, the time of drawing and the time with loading, in seconds."""

    name: str
    segments: tuple[Segment, ...]
    drawing: float
    total: float
    cold: bool


@dataclass(frozen=True)
class Row:
    """One row of the table: a label, the phase that gives its colour ("" for none), one cell per model."""

    label: str
    cells: tuple[str, ...]
    phase: str = ""
    strong: bool = False


@dataclass(frozen=True)
class TimingView:
    """Chart and table of the models that finished.

    `baseline` names the model that speeds refer to, "" in a job with only one model. The numbers are means over `seeds`
    pictures per model.
    """

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    baseline: str
    seeds: int = 1


def timing_view(job: Job, names: Mapping[str, str]) -> TimingView | None:
    """Return the view of every model with timings; None while no model has any.

    With several seeds, a model's numbers are means over the seeds that every model shown has finished, so all models
    are compared on the same work. Loading is the sum over all its seeds, because a model loads only once.
    """
    models, seeds = _compared(job)
    if not models:
        return None
    taken = [_mean(job, model, seeds) for model in models]
    shown = tuple(names.get(model, model) for model in models)
    bars = tuple(_bar(name, timings) for name, timings in zip(shown, taken, strict=True))
    several = len(job.models) > 1
    return TimingView(shown, bars, _rows(taken, several), shown[0] if several else "", len(seeds))


def _compared(job: Job) -> tuple[list[str], list[int]]:
    """Return the models with timings and the seeds that all have finished, without models that share no seed."""
    done = {model: set(_timed(job, model)) for model in job.models}
    models = [model for model, seeds in done.items() if seeds]
    while models:
        common = set.intersection(*(done[model] for model in models))
        if common:
            return models, [seed for seed in job.seeds if seed in common]
        models.remove(min(reversed(models), key=lambda model: len(done[model])))
    return [], []


def _timed(job: Job, model: str) -> dict[int, Timings]:
    """Return the timings of a model by seed."""
    found = ((cell.seed, timings_of(cell)) for cell in job.cells if cell.model == model)
    return {seed: timings for seed, timings in found if timings is not None}


def _mean(job: Job, model: str, seeds: list[int]) -> Timings:
    """Return the mean times of a model over `seeds`, the sum of its loading, and the steps of those seeds."""
    known = _timed(job, model)
    every = [known[seed] for seed in seeds]
    phases = {phase: sum(getattr(timings, phase) for timings in every) / len(every) for phase in PHASES[1:]}
    load = sum(timings.load for timings in known.values() if timings.cold)
    steps = tuple(step for timings in every for step in timings.steps)
    cold = any(timings.cold for timings in known.values())
    return Timings(load, **phases, total=load + sum(phases.values()), steps=steps, cold=cold)


def _bar(name: str, timings: Timings) -> Bar:
    segments = tuple(
        Segment(phase, getattr(timings, phase), f"{PHASE_LABELS[phase]} {format_seconds(getattr(timings, phase))}")
        for phase in PHASES
        if getattr(timings, phase) > 0
    )
    drawing = drawing_seconds(timings)
    return Bar(name, segments, drawing, timings.load + drawing, timings.cold)


def _rows(every: list[Timings], several: bool) -> tuple[Row, ...]:
    digits = decimals(max(timings.load + drawing_seconds(timings) for timings in every))
    baseline, *others = every

    def cells(values: list[float]) -> tuple[str, ...]:
        return tuple(f"{value:.{digits}f}" for value in values)

    phases = [
        Row(PHASE_LABELS[phase], cells([getattr(timings, phase) for timings in every]), phase) for phase in PHASES[1:]
    ]
    speeds = ("baseline", *(format_speed(timings, baseline) or NOTHING for timings in others))
    steps = [median_step(timings) for timings in every]
    return (
        *phases,
        Row("Drawing", cells([drawing_seconds(timings) for timings in every]), strong=True),
        *([Row("Speed", speeds, strong=True)] if several else []),
        Row("One step, ms", tuple(NOTHING if step is None else f"{step * 1000:.1f}" for step in steps)),
        Row("Load", tuple(load_cell(timings, digits) for timings in every), "load"),
    )
