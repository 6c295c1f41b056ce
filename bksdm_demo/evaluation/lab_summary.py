"""Makes numbers and sentences of a measurement: medians by phase, speeds with intervals, seconds per step, drift.

Only rounds in which no model had to be loaded count, unless every round loaded one. All numbers are of drawing, without
loading. The cold start is that of the first warm-up round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bksdm_demo.evaluation.lab import WARM_UP, Measurement, Sample, Variant
from bksdm_demo.evaluation.statistics import (
    Drift,
    Estimate,
    Spread,
    drift_of,
    median_estimate,
    ratio_estimate,
    spread,
)
from bksdm_demo.records import Timings
from bksdm_demo.wording.comparison import plural
from bksdm_demo.wording.step_times import Line, line_through
from bksdm_demo.wording.timing import PHASES, drawing_seconds

IDLE = 0.5  # load average per core, before the first picture, above which other programs were busy
CALM = 0.05  # a change of the machine's speed up to this share is no matter, unless it is a trend
STEADY = "The machine kept its speed: {change} from the first half of the rounds to the second, no trend."
UNSTEADY = (
    "The machine was unsteady: the second half of the rounds was {change} than the first, but the rounds differ too "
    "much to call it a trend. Speeds are compared within each round; measure again on an idle machine for closer ones."
)
DRIFTED = (
    "The machine drifted: the second half of the rounds was {change} than the first (rank correlation {trend:+.2f}). "
    "Speeds are compared within each round, so they hold; the seconds hold for this course only."
)
TOO_FEW = "The rounds are too few to see whether the machine's speed drifted; measure at least 5."
BUSY = (
    "Before the first picture the load average was {load:.1f} on {cores}: other programs were running. "
    "Measure again on an idle machine."
)
RELOADED = (
    "The models do not fit into memory together, so every round loaded some of them. Loading is not counted, but the "
    "first steps after it can be slower. Raise the memory budget, or measure fewer models."
)


@dataclass(frozen=True)
class Cold:
    """The first picture of a model: seconds of loading and of drawing."""

    load: float
    drawing: float


@dataclass(frozen=True)
class Row:
    """One variant. `ratio` is its speed against the reference, None for the reference itself.

    `cold` and `memory` (bytes) are None for the reference with fewer steps, which needs no further model.
    """

    variant: Variant
    phases: Mapping[str, Spread]
    drawing: Spread
    estimate: Estimate
    ratio: Estimate | None
    line: Line
    cold: Cold | None
    memory: int | None


@dataclass(frozen=True)
class Summary:
    """The numbers of a measurement. `rounds` counts those that the numbers are of, `left_out` the measured others."""

    rows: tuple[Row, ...]
    rounds: int
    left_out: int
    warm_up: int
    drift: Drift | None
    sentences: tuple[str, ...]


def summarise(measurement: Measurement) -> Summary:
    """Return the numbers of all variants, in their order."""
    rounds, reloaded = _counted(measurement)
    times = {
        variant: [_timings(measurement.samples, variant, number) for number in rounds]
        for variant in measurement.variants
    }
    base = drawings(times[_reference(measurement)])
    drift = drift_of(list(zip(*(drawings(found) for found in times.values()), strict=True)))
    return Summary(
        rows=tuple(_row(measurement, variant, found, base) for variant, found in times.items()),
        rounds=len(rounds),
        left_out=measurement.rounds - len(rounds),
        warm_up=WARM_UP,
        drift=drift,
        sentences=(*([RELOADED] if reloaded else []), drift_words(drift), *_busy(measurement)),
    )


def drawings(times: Sequence[Timings]) -> list[float]:
    return [drawing_seconds(timings) for timings in times]


def drift_words(drift: Drift | None) -> str:
    """Return a sentence on whether the machine kept its speed."""
    if drift is None:
        return TOO_FEW
    share = f"{abs(drift.change) * 100:.1f} %"
    change = f"{share} {'slower' if drift.change > 0 else 'faster'}"
    if drift.found:
        return DRIFTED.format(change=change, trend=drift.trend)
    return (STEADY if abs(drift.change) <= CALM else UNSTEADY).format(change=change)


def _busy(measurement: Measurement) -> list[str]:
    load = measurement.loads[0] if measurement.loads else 0.0
    cores = plural(measurement.cores, "core")
    return [BUSY.format(load=load, cores=cores)] if load > IDLE * measurement.cores else []


def _reference(measurement: Measurement) -> Variant:
    return next(
        variant for variant in measurement.variants if variant.model == measurement.reference and not variant.matches
    )


def _counted(measurement: Measurement) -> tuple[list[int], bool]:
    """Return the rounds in which every model was warm, else all; and whether it had to be all."""
    cold = {sample.round for sample in measurement.samples if sample.timings.cold}
    every = list(range(1, measurement.rounds + 1))
    warm = [number for number in every if number not in cold]
    return (warm, False) if warm else (every, True)


def _timings(samples: Sequence[Sample], variant: Variant, number: int) -> Timings:
    return next(sample.timings for sample in samples if (sample.variant, sample.round) == (variant, number))


def _row(measurement: Measurement, variant: Variant, times: Sequence[Timings], base: Sequence[float]) -> Row:
    own = drawings(times)
    first = next(sample.timings for sample in measurement.warm_up if sample.variant.model == variant.model)
    is_reference = variant == _reference(measurement)
    return Row(
        variant=variant,
        phases={phase: spread([getattr(timings, phase) for timings in times]) for phase in PHASES[1:]},
        drawing=spread(own),
        estimate=median_estimate(own),
        ratio=None if is_reference else ratio_estimate(base, own),
        line=line_through(times),
        cold=None if variant.matches else Cold(first.load, drawing_seconds(first)),
        memory=None if variant.matches else measurement.memory[variant.model],
    )
