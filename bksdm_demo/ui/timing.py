"""Turns the timings of a job into the rows and bars of the timing section. Pure functions without markup.

wording/timing.py defines drawing, loading and speed, wording/rounds.py which seeds count. With several seeds, numbers
are medians with their quartiles, and a speed has its interval. A model that had to be loaded is marked cold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bksdm_demo.intervals import FEWEST, Spread, spread
from bksdm_demo.languages import marked, say
from bksdm_demo.records import CELLS_LIMIT, Job, Timings
from bksdm_demo.wording.rounds import Rounds, equal_time_words, rounds_of, rounds_words
from bksdm_demo.wording.timing import (
    NOTHING,
    PHASE_LABELS,
    PHASES,
    WARM,
    certainty,
    decimals,
    format_ratio,
    format_seconds,
    median_step,
)

QUARTILES_FROM = 3  # runs
BLANK = "\N{NO-BREAK SPACE}"
MORE_RUNS = marked("Measure with {seeds} seeds")


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
    """One row of the table: a label, the phase that gives its colour ("" for none), one cell per model.

    `spreads` are the small lines below the cells, which say how sure they are: "" for none; () for none at all.
    """

    label: str
    cells: tuple[str, ...]
    phase: str = ""
    strong: bool = False
    spreads: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimingView:
    """Chart and table of the models that finished.

    `baseline` names the model that speeds refer to, "" in a job with only one model. `runs` says what the numbers are
    of, "" for one seed. `more` is the label of the button that measures with more seeds, "" for no button; it waits
    while the job is `running`.
    """

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    baseline: str
    runs: str = ""
    more: str = ""
    fewer_steps: str = ""
    running: bool = False


def timing_view(job: Job, names: Mapping[str, str], most: int = CELLS_LIMIT) -> TimingView | None:
    """Return the view of every model with timings; None for a finished job without any.

    `most` is the number of pictures that one comparison may have. While the job runs, the models to come have their
    place already, so that the page keeps its height.
    """
    rounds = rounds_of(job)
    measured = None if rounds is None else _measured(job, rounds, names, most)
    if job.finished:
        return measured
    coming = [names.get(model, model) for model in job.models if rounds is None or model not in rounds.models]
    return _with_coming(measured or _nothing_yet(job, most), coming, len(job.seeds))


def _measured(job: Job, rounds: Rounds, names: Mapping[str, str], most: int) -> TimingView:
    shown = tuple(names.get(model, model) for model in rounds.models)
    bars = tuple(_bar(name, rounds, model) for name, model in zip(shown, rounds.models, strict=True))
    several = len(job.models) > 1
    return TimingView(
        shown,
        bars,
        _rows(rounds, several),
        shown[0] if several else "",
        rounds_words(job, rounds),
        _more(job, most),
        equal_time_words(rounds, names) if several else "",
        running=not job.finished,
    )


def _nothing_yet(job: Job, most: int) -> TimingView:
    """Return a view with the labels of all rows and without a model."""
    several = len(job.models) > 1
    phases = [Row(say(PHASE_LABELS[phase]), (), phase) for phase in PHASES[1:]]
    speed = [Row(say("Speed"), (), strong=True, spreads=())] if several else []
    rows = (
        *phases,
        Row(say("Drawing"), (), strong=True),
        *speed,
        Row(say("One step, ms"), ()),
        Row(say("Load"), (), "load"),
    )
    return TimingView((), (), rows, "", more=_more(job, most), running=True)


def _with_coming(view: TimingView, coming: Sequence[str], seeds: int) -> TimingView:
    """Add the models without timings; blank spreads keep the room of those that will come."""
    return replace(
        view,
        names=(*view.names, *coming),
        bars=(*view.bars, *(Bar(name, (), 0.0, 0.0, False) for name in coming)),
        rows=tuple(_with_blanks(row, len(coming), seeds) for row in view.rows),
    )


def _with_blanks(row: Row, count: int, seeds: int) -> Row:
    measured = row.label not in (say("One step, ms"), say("Load"))
    room = row.spreads or (row.label == say("Speed")) or (measured and seeds >= QUARTILES_FROM)
    known = row.spreads or ("",) * len(row.cells)
    spreads = tuple(spread or BLANK for spread in (*known, *("",) * count)) if room else ()
    return replace(row, cells=(*row.cells, *(NOTHING,) * count), spreads=spreads)


def _more(job: Job, most: int) -> str:
    few = len(job.models) > 1 and len(job.seeds) < FEWEST
    return say(MORE_RUNS, seeds=FEWEST) if few and FEWEST * len(job.models) <= most else ""


def _series(rounds: Rounds, model: str, phase: str) -> list[float]:
    return [getattr(timings, phase) for timings in rounds.times[model]]


def _bar(name: str, rounds: Rounds, model: str) -> Bar:
    """Return a bar of medians. Its sum is the median of the whole, to which those of the phases need not add up."""
    load = rounds.loads[model]
    medians = {"load": load} | {phase: spread(_series(rounds, model, phase)).median for phase in PHASES[1:]}
    segments = tuple(
        Segment(phase, seconds, say("{phase} {time}", phase=say(PHASE_LABELS[phase]), time=format_seconds(seconds)))
        for phase, seconds in medians.items()
        if seconds > 0
    )
    drawing = spread(rounds.drawings(model)).median
    return Bar(name, segments, drawing, load + drawing, load > 0)


def _rows(rounds: Rounds, several: bool) -> tuple[Row, ...]:
    models = rounds.models
    drawings = [spread(rounds.drawings(model)) for model in models]
    digits = decimals(max(rounds.loads[model] + found.median for model, found in zip(models, drawings, strict=True)))
    phases = [
        _spread_row(
            say(PHASE_LABELS[phase]), [spread(_series(rounds, model, phase)) for model in models], digits, phase
        )
        for phase in PHASES[1:]
    ]
    loads = tuple(f"{rounds.loads[model]:.{digits}f}" if rounds.loads[model] else say(WARM) for model in models)
    return (
        *phases,
        _spread_row(say("Drawing"), drawings, digits, strong=True),
        *([_speed_row(rounds)] if several else []),
        Row(say("One step, ms"), tuple(_step_words(rounds.times[model]) for model in models)),
        Row(say("Load"), loads, "load"),
    )


def _spread_row(label: str, spreads: Sequence[Spread], digits: int, phase: str = "", strong: bool = False) -> Row:
    cells = tuple(f"{found.median:.{digits}f}" for found in spreads)
    if spreads[0].count < QUARTILES_FROM:
        return Row(label, cells, phase, strong)
    quartiles = tuple(f"{found.low:.{digits}f}–{found.high:.{digits}f}" for found in spreads)
    return Row(label, cells, phase, strong, quartiles)


def _speed_row(rounds: Rounds) -> Row:
    others = rounds.models[1:]
    speeds = [rounds.speed(model) for model in others]
    cells = (say("baseline"), *(NOTHING if one is None else format_ratio(one.value) for one in speeds))
    sure = ("", *("" if one is None else certainty(one) for one in speeds))
    return Row(say("Speed"), cells, strong=True, spreads=sure)


def _step_words(times: Sequence[Timings]) -> str:
    """Return the milliseconds of the median step of all runs."""
    step = median_step(Timings(steps=tuple(step for timings in times for step in timings.steps)))
    return NOTHING if step is None else f"{step * 1000:.1f}"
