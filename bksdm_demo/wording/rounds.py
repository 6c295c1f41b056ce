"""The rounds of a comparison: the seeds that every model has drawn, their times, and speeds with intervals.

A round in which a model was loaded is left out if there is another one, because the first picture after loading can
take longer. Speeds compare drawing times within each round with the first model that finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from bksdm_demo.intervals import Estimate, ratio_estimate
from bksdm_demo.languages import joined, marked, say
from bksdm_demo.records import Job, Timings
from bksdm_demo.wording.comparison import plural
from bksdm_demo.wording.step_times import line_through
from bksdm_demo.wording.timing import drawing_seconds, timings_of

IN_TURN = marked("The models took turns, seed by seed.")
ONE_AFTER_ANOTHER = marked(
    "Each model drew all its seeds before the next one began, so a change of the machine's speed counts as a "
    "difference of the models."
)


@dataclass(frozen=True)
class Rounds:
    """The times of `models` in `seeds`, in this order; `cold` counts the rounds that are left out.

    `loads` are the seconds of all loading by model, 0 for a model that was warm from the start.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    cold: int
    times: Mapping[str, tuple[Timings, ...]]
    loads: Mapping[str, float]

    def drawings(self, model: str) -> list[float]:
        """Return the drawing seconds of a model, round by round."""
        return [drawing_seconds(timings) for timings in self.times[model]]

    def speed(self, model: str) -> Estimate | None:
        """Return how many times as fast as the first model; None for that model itself, and if a time is missing."""
        base, own = self.drawings(self.models[0]), self.drawings(model)
        if model == self.models[0] or min(*base, *own) <= 0:
            return None
        return ratio_estimate(base, own)


def rounds_of(job: Job) -> Rounds | None:
    """Return the rounds of every model with timings; None while no model has any.

    Models that share no seed with the others are left out.
    """
    models, seeds = _compared(job)
    if not models:
        return None
    known = {model: _timed(job, model) for model in models}
    warm = [seed for seed in seeds if not any(known[model][seed].cold for model in models)]
    counted = warm or seeds
    return Rounds(
        models=tuple(models),
        seeds=tuple(counted),
        cold=len(seeds) - len(counted),
        times={model: tuple(known[model][seed] for seed in counted) for model in models},
        loads={model: sum(one.load for one in known[model].values() if one.cold) for model in models},
    )


def rounds_words(job: Job, rounds: Rounds) -> str:
    """Return what the numbers of several seeds are: medians of how many runs, and in which order; "" for one seed."""
    if len(job.seeds) == 1:
        return ""
    count = len(rounds.seeds)
    what = say("medians of {count} runs, one per seed", count=count) if count > 1 else say("those of one run")
    if rounds.cold:
        left = plural(rounds.cold, "run")
        words = say("Times are {what}, without {runs} in which a model was loaded.", what=what, runs=left)
    else:
        words = say("Times are {what}.", what=what)
    return words if len(job.models) == 1 else joined(words, say(IN_TURN if job.by_seed else ONE_AFTER_ANOTHER))


def equal_time_words(rounds: Rounds, names: Mapping[str, str]) -> str:
    """Return how many steps of the first model take the time of each faster one; "" without a faster one.

    Fewer steps are the other way to a faster picture, so they belong beside every speed. The numbers are computed, not
    measured.
    """
    base, *others = rounds.models
    if not all(timings.steps for timings in rounds.times[base]):
        return ""
    line, steps = line_through(rounds.times[base]), len(rounds.times[base][0].steps)
    found = [(line.steps_within(median(rounds.drawings(model))), model) for model in others]
    fewer = [(count, names.get(model, model)) for count, model in found if count < steps]
    if not fewer:
        return ""
    first = say(
        "{count} of its {steps} take the time of {model}",
        count=fewer[0][0],
        steps=plural(steps, "step"),
        model=fewer[0][1],
    )
    others = [say("{count} that of {model}", count=count, model=model) for count, model in fewer[1:]]
    return say(
        "With fewer steps, {model} is as fast: about {list} (computed from its seconds per step).",
        model=names.get(base, base),
        list=", ".join([first, *others]),
    )


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
