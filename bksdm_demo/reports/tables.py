"""The tables of the HTML report: seconds of each phase, step times, similarity, and how each part of a model ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bksdm_demo.intervals import Spread, spread
from bksdm_demo.languages import say
from bksdm_demo.records import Cell, Job, Timings
from bksdm_demo.reports.charts import step_line
from bksdm_demo.reports.material import Material
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.wording.comparison import plural
from bksdm_demo.wording.devices import devices_text, trials_text
from bksdm_demo.wording.rounds import rounds_of
from bksdm_demo.wording.timing import (
    NOTHING,
    PHASE_LABELS,
    PHASES,
    cell_speed,
    decimals,
    drawing_seconds,
    load_cell,
    median_step,
    ratio_words,
    timings_of,
)


@dataclass(frozen=True)
class Table:
    """Heads and rows; the first text of a row is its heading."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StepRow:
    """The step times of one picture. `line` holds the points of their curve, on one scale for all pictures."""

    name: str
    texts: tuple[str, ...]
    line: str
    label: str


def timing_table(names: Sequence[str], cells: Sequence[Cell], job: Job) -> Table:
    """A row per picture with the seconds of each phase; all rows have the same number of decimals.

    With several seeds there are no speeds here: model_table has those of the models, with their intervals.
    """
    timings = [timing for cell in cells if (timing := timings_of(cell))]
    longest = max((timing.load + drawing_seconds(timing) for timing in timings), default=0.0)
    digits = decimals(longest)
    speeds = (say("Speed"),) if len(job.seeds) == 1 else ()
    heads = (say("Seconds"), *(say(PHASE_LABELS[phase]) for phase in PHASES), say("Drawing"), *speeds)
    rows = []
    for name, timing, cell in zip(names, timings, cells, strict=True):
        drawing = [getattr(timing, phase) for phase in PHASES[1:]] + [drawing_seconds(timing)]
        speed = (cell_speed(job, cell) or NOTHING,) if speeds else ()
        rows.append((name, load_cell(timing, digits), *(f"{seconds:.{digits}f}" for seconds in drawing), *speed))
    return Table(heads, tuple(rows))


def model_table(names: Mapping[str, str], job: Job) -> Table | None:
    """A row per model with the median seconds of each phase, their quartiles, and its speed with an interval.

    None with one seed.
    """
    rounds = rounds_of(job)
    if rounds is None or len(job.seeds) == 1:
        return None
    digits = decimals(max(max(rounds.drawings(model)) for model in rounds.models))
    speeds = (say("Speed"),) if len(job.models) > 1 else ()
    phases = (say(PHASE_LABELS[phase]) for phase in PHASES[1:])
    heads = (say("Seconds, median (quartiles)"), *phases, say("Drawing"), *speeds)
    rows = []
    for model in rounds.models:
        series = [[getattr(one, phase) for one in rounds.times[model]] for phase in PHASES[1:]]
        texts = [_spread(spread(seconds), digits) for seconds in (*series, rounds.drawings(model))]
        ratio = rounds.speed(model)
        speed = (ratio_words(ratio) if ratio else say("baseline") if model == rounds.models[0] else NOTHING,)
        rows.append((names[model], *texts, *(speed if speeds else ())))
    return Table(heads, tuple(rows))


def _spread(found: Spread, digits: int) -> str:
    """ "1.50 (1.40–1.62)"; without quartiles for one or two runs."""
    quartiles = f" ({found.low:.{digits}f}–{found.high:.{digits}f})" if found.count > 2 else ""
    return f"{found.median:.{digits}f}{quartiles}"


def step_rows(names: Sequence[str], timings: Sequence[Timings]) -> tuple[StepRow, ...]:
    """A row per picture: the number of steps, then the fastest, the median and the slowest in milliseconds."""
    slowest = max((seconds for timing in timings for seconds in timing.steps), default=0.0)
    rows = []
    for name, timing in zip(names, timings, strict=True):
        middle = median_step(timing)
        if middle is None:
            continue
        shown = (min(timing.steps), middle, max(timing.steps))
        texts = (str(len(timing.steps)), *(_milliseconds(seconds) for seconds in shown))
        label = say(
            "{steps} between {low} and {high} milliseconds",
            steps=plural(len(timing.steps), "step"),
            low=texts[1],
            high=texts[3],
        )
        rows.append(StepRow(name, texts, step_line(timing.steps, slowest), label))
    return tuple(rows)


def every_step_table(names: Sequence[str], timings: Sequence[Timings]) -> Table:
    """A row per picture with the milliseconds of every step."""
    longest = max((len(timing.steps) for timing in timings), default=0)
    rows = []
    for name, timing in zip(names, timings, strict=True):
        texts = [_milliseconds(seconds) for seconds in timing.steps]
        rows.append((name, *texts, *[NOTHING] * (longest - len(texts))))
    return Table((say("Milliseconds"), *(str(number) for number in range(1, longest + 1))), tuple(rows))


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def similarity_table(material: Material) -> Table | None:
    """A row per model after the first, a column per seed; None without two pictures to compare."""
    job, known = material.job, material.similarities
    if not known:
        return None
    heads = (
        say("Against {model}", model=material.names[job.models[0]]),
        *(say("Seed {seed}", seed=seed) if len(job.seeds) > 1 else "PSNR · SSIM · HaarPSI" for seed in job.seeds),
    )
    rows = []
    for model in job.models[1:]:
        found = [known.get(job.index_of(model, seed)) for seed in job.seeds]
        rows.append((material.names[model], *(NOTHING if one is None else similarity_text(one) for one in found)))
    return Table(heads, tuple(rows))


def similarity_text(similarity: Similarity) -> str:
    """ "31.2 dB · SSIM 0.942 · HaarPSI 0.871", or "identical"."""
    if similarity.identical:
        return say("identical")
    return f"{similarity.psnr:.1f} dB · SSIM {similarity.ssim:.3f} · HaarPSI {similarity.haarpsi:.3f}"


def parts_table(environment: Mapping[str, Any]) -> Table | None:
    """A row per part of the models with its engine and precision; None if the record has no parts.

    Parts whose engine chooses among compute units also show what its plan and the trials found.
    """
    parts: Mapping[str, Mapping[str, Any]] = environment.get("parts") or {}
    heads = (
        say("Part"),
        say("Engine"),
        say("Precision or compute units"),
        say("Processors by estimated cost"),
        say("Trials"),
    )
    rows = [
        (
            name,
            str(run_mode.get("engine", NOTHING)),
            str(run_mode.get("precision") or run_mode.get("compute_units", NOTHING)),
            devices_text(run_mode.get("devices") or {}),
            trials_text(run_mode.get("self_check"), run_mode.get("refused_units") or {}),
        )
        for name, run_mode in parts.items()
    ]
    shown = [index for index in range(len(heads)) if index < 3 or any(row[index] for row in rows)]
    cells = (tuple(row[index] or NOTHING for index in shown) for row in rows)
    return Table(tuple(heads[index] for index in shown), tuple(cells)) if rows else None
