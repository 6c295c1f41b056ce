"""Measures models in interleaved rounds: each round draws one picture per model, so a slow minute meets all of them.

The order rotates from round to round, and its direction turns after each full rotation. Warm-up rounds come first: they
load and prepare the models and are left out. For each model that is faster than the reference, the rounds also draw the
reference with as many steps as fit into that model's time: fewer steps are the other way to get faster, and need no
other model. The pictures are checked as always, and dropped. lab_summary.py makes numbers of the samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bksdm_demo.environment import cpu_count
from bksdm_demo.errors import RequestError
from bksdm_demo.records import Request, Timings
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.wording.step_times import line_through
from bksdm_demo.wording.timing import drawing_seconds

WARM_UP = 2  # rounds: the first loads, the second tells how many steps of the reference take the time of each model
ROUNDS_RANGE = (1, 1000)

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Variant:
    """One line of the rounds: a model with a number of steps. `matches` are the models whose time these steps take."""

    model: str
    steps: int
    matches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """The times of one picture. `round`, and `place` in the round, count from 1, also in the warm-up."""

    variant: Variant
    round: int
    place: int
    timings: Timings


@dataclass(frozen=True)
class Measurement:
    """All samples in the order in which they were drawn.

    `memory` is what the engines expect each model to take, in bytes. `loads` are the machine's load averages over one
    minute: before the first picture, then after each round; () where the system has none.
    """

    request: Request
    reference: str
    variants: tuple[Variant, ...]
    warm_up: tuple[Sample, ...]
    samples: tuple[Sample, ...]
    memory: Mapping[str, int]
    loads: tuple[float, ...]
    cores: int

    @property
    def rounds(self) -> int:
        return max(sample.round for sample in self.samples)


def measure(
    cache: PipelineCache,
    request: Request,
    models: Sequence[str],
    repeat: int,
    reference: str | None = None,
    announce: Announce = lambda line: None,
) -> Measurement:
    """Draw `repeat` rounds after the warm-up. `reference` is one of `models`, the first by default.

    `announce` gets a line before each round. Raises RequestError for no model, a reference that is not among the
    models, a `repeat` out of range, and a prompt that the gate refuses; and the errors of `generate`.
    """
    chosen = tuple(dict.fromkeys(models))
    reference = _reference(chosen, reference)
    low, high = ROUNDS_RANGE
    if not low <= repeat <= high:
        raise RequestError(f"The number of rounds is {repeat}; it must be between {low} and {high}.")
    loads = [*_load_average()]
    variants = tuple(Variant(model, request.steps) for model in chosen)
    warm_up: list[Sample] = []
    for number in range(1, WARM_UP + 1):
        announce(f"Warm-up {number} of {WARM_UP}")
        warm_up += _round(cache, request, variants, number)
    variants += fewer_steps(reference, warm_up[-len(chosen) :])
    samples: list[Sample] = []
    for number in range(1, repeat + 1):
        announce(f"Round {number} of {repeat}")
        samples += _round(cache, request, ordered(variants, number), number)
        loads += _load_average()
    memory = {model: _memory(cache, model) for model in chosen}
    return Measurement(request, reference, variants, tuple(warm_up), tuple(samples), memory, tuple(loads), cpu_count())


def ordered(variants: Sequence[Variant], number: int) -> list[Variant]:
    """Return the order of round `number`: rotated by one each round, backwards in every other rotation."""
    turn = (number - 1) % len(variants)
    rotated = [*variants[turn:], *variants[:turn]]
    return rotated[::-1] if (number - 1) // len(variants) % 2 else rotated


def fewer_steps(reference: str, samples: Sequence[Sample]) -> tuple[Variant, ...]:
    """Return the reference with the numbers of steps that take the time of each faster model; one per number."""
    by_model = {sample.variant.model: sample for sample in samples}
    base = by_model[reference]
    line = line_through([base.timings])
    further = len(base.timings.steps) - base.variant.steps  # PNDM takes one step more than requested
    found: dict[int, list[str]] = {}
    for model, sample in by_model.items():
        steps = max(1, line.steps_within(drawing_seconds(sample.timings)) - further)
        if model != reference and steps < base.variant.steps:
            found.setdefault(steps, []).append(model)
    return tuple(Variant(reference, steps, tuple(found[steps])) for steps in sorted(found, reverse=True))


def _reference(models: Sequence[str], wanted: str | None) -> str:
    if not models:
        raise RequestError("No model is chosen. Choose at least one.")
    if wanted is not None and wanted not in models:
        raise RequestError(f"The reference {wanted!r:.60} is not among the models; choose one of {', '.join(models)}.")
    return models[0] if wanted is None else wanted


def _round(cache: PipelineCache, request: Request, variants: Sequence[Variant], number: int) -> list[Sample]:
    found = []
    for place, variant in enumerate(variants, 1):
        result = generate(cache, variant.model, replace(request, steps=variant.steps))
        if not result.timings.drew:
            raise RequestError(f"Nothing was drawn, so there is nothing to measure: {result.verdict.reason}")
        found.append(Sample(variant, number, place, result.timings))
    return found


def _memory(cache: PipelineCache, model: str) -> int:
    """Return the bytes that the engines expect all parts of a model to take."""
    with cache.lease(model) as lease:
        return sum(engine.memory_bytes for engine in lease.pipeline.engines)


def _load_average() -> tuple[float, ...]:
    """Return the load average over one minute; () where the system has none."""
    try:
        return (os.getloadavg()[0],)
    except (AttributeError, OSError):
        return ()
