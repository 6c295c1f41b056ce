"""Where the time went, as rows and bars: pure functions from a job's timings, no markup.

"Drawing" is encode + denoise + decode + safety: what each further picture costs. Loading is told apart, because it
is paid once; a cold model (one that had to be loaded) is marked. Speed is always drawing time against the first
column that finished. Leaves out energy and memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bksdm_demo.records import Column, Job, Phase, Timings

PHASES = ("load", "encode", "denoise", "decode", "safety")
PHASE_LABELS = {"load": "Load", "encode": "Encode", "denoise": "Denoise", "decode": "Decode", "safety": "Safety"}
NOTHING = "–"  # an empty cell
WARM = "warm"  # in place of a loading time: every part was loaded already


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
    """One row of the table: a label, the phase whose colour marks it ("" for none), one cell per model."""

    label: str
    cells: tuple[str, ...]
    phase: str = ""
    strong: bool = False


@dataclass(frozen=True)
class TimingView:
    """Chart and table of the models that finished; `baseline` names the one that speeds refer to."""

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    baseline: str


def timing_view(job: Job, names: Mapping[str, str]) -> TimingView | None:
    """The view of every column with timings, None while there is none."""
    columns = [column for column in job.columns if _timed(column)]
    baseline = baseline_of(job)
    if baseline is None:
        return None
    shown = [names.get(column.model, column.model) for column in columns]
    bars = tuple(_bar(name, _timings(column)) for name, column in zip(shown, columns, strict=True))
    return TimingView(tuple(shown), bars, _rows(columns, baseline), names.get(baseline.model, baseline.model))


def baseline_of(job: Job) -> Column | None:
    """The first column that finished with timings: what speeds refer to."""
    return next((column for column in job.columns if _timed(column)), None)


def drawing_seconds(timings: Timings) -> float:
    """Seconds of everything but loading."""
    return timings.encode + timings.denoise + timings.decode + timings.safety


def speed_up(column: Column, baseline: Column) -> float | None:
    """How many times as fast as the baseline; None where a time is missing."""
    own, other = drawing_seconds(_timings(column)), drawing_seconds(_timings(baseline))
    return other / own if own > 0 and other > 0 else None


def format_speed(column: Column, baseline: Column) -> str:
    """ "baseline", "1.42×", or "" where there is nothing to compare."""
    if column is baseline:
        return "baseline"
    ratio = speed_up(column, baseline)
    if ratio is None:
        return ""
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.1f}×"


def format_seconds(seconds: float) -> str:
    """ "8 ms", "0.94 s", "12.3 s", "2 min 05 s"."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02d} s"


def decimals(longest: float) -> int:
    """Digits after the point that a table needs whose largest number of seconds is `longest`."""
    return 3 if longest < 10 else 2 if longest < 100 else 1


def _timed(column: Column) -> bool:
    return column.phase in (Phase.DONE, Phase.BLOCKED) and column.result is not None


def _timings(column: Column) -> Timings:
    assert column.result is not None  # _timed() was asked before
    return column.result.timings


def _bar(name: str, timings: Timings) -> Bar:
    segments = tuple(
        Segment(phase, getattr(timings, phase), f"{PHASE_LABELS[phase]} {format_seconds(getattr(timings, phase))}")
        for phase in PHASES
        if getattr(timings, phase) > 0
    )
    drawing = drawing_seconds(timings)
    return Bar(name, segments, drawing, timings.load + drawing, timings.cold)


def _rows(columns: list[Column], baseline: Column) -> tuple[Row, ...]:
    every = [_timings(column) for column in columns]
    digits = decimals(max(timings.load + drawing_seconds(timings) for timings in every))

    def cells(values: list[float]) -> tuple[str, ...]:
        return tuple(f"{value:.{digits}f}" for value in values)

    phases = [
        Row(PHASE_LABELS[phase], cells([getattr(timings, phase) for timings in every]), phase) for phase in PHASES[1:]
    ]
    steps = [sum(timings.steps) / len(timings.steps) * 1000 if timings.steps else None for timings in every]
    return (
        *phases,
        Row("Drawing", cells([drawing_seconds(timings) for timings in every]), strong=True),
        Row("Speed", tuple(format_speed(column, baseline) or NOTHING for column in columns), strong=True),
        Row("One step, ms", tuple(NOTHING if step is None else f"{step:.1f}" for step in steps)),
        Row("Load", tuple(_load_cell(timings, digits) for timings in every), "load"),
    )


def _load_cell(timings: Timings, digits: int) -> str:
    return f"{timings.load:.{digits}f}" if timings.cold else WARM
