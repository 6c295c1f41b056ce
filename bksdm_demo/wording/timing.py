"""What a job's timings come to: phases in order, the time of drawing, speeds, and seconds in words.

"Drawing" is encode + denoise + decode + safety: what each further picture costs. Loading is told apart, because it is
paid once. Speed is always drawing time against a reference's. Leaves out charts and tables, which have files of their
own on the page and in a report.
"""

from __future__ import annotations

from statistics import median

from bksdm_demo.records import Cell, Job, Phase, Timings
from bksdm_demo.units import duration

PHASES = ("load", "encode", "denoise", "decode", "safety")
PHASE_LABELS = {"load": "Load", "encode": "Encode", "denoise": "Denoise", "decode": "Decode", "safety": "Safety"}
NOTHING = "–"  # an empty cell of a table
WARM = "warm"  # in place of a loading time: every part was loaded already


def timings_of(cell: Cell) -> Timings | None:
    """The timings of a cell that came to a verdict, None for every other."""
    told = cell.phase in (Phase.DONE, Phase.BLOCKED) and cell.result is not None
    return cell.result.timings if told and cell.result is not None else None


def drawing_seconds(timings: Timings) -> float:
    """Seconds of everything but loading."""
    return timings.encode + timings.denoise + timings.decode + timings.safety


def speed_up(timings: Timings, reference: Timings) -> float | None:
    """How many times as fast as the reference; None where a time is missing."""
    own, other = drawing_seconds(timings), drawing_seconds(reference)
    return other / own if own > 0 and other > 0 else None


def format_speed(timings: Timings, reference: Timings) -> str:
    """ "1.42×", "" where a time is missing."""
    ratio = speed_up(timings, reference)
    return "" if ratio is None else format_ratio(ratio)


def baseline_of(job: Job, seed: int) -> Cell | None:
    """The cell that the speeds of a seed refer to: its first that finished with timings. None with one model only."""
    cells = job.cells if len(job.models) > 1 else ()
    return next((cell for cell in cells if cell.seed == seed and timings_of(cell) is not None), None)


def cell_speed(job: Job, cell: Cell) -> str:
    """ "baseline", "1.42×", or "" where there is nothing to compare."""
    baseline = baseline_of(job, cell.seed)
    own, other = timings_of(cell), None if baseline is None else timings_of(baseline)
    if own is None or other is None:
        return ""
    return "baseline" if cell is baseline else format_speed(own, other)


def median_step(timings: Timings) -> float | None:
    """Seconds of the step in the middle, None without any."""
    return median(timings.steps) if timings.steps else None


def decimals(longest: float) -> int:
    """Digits after the point that a table needs whose largest number of seconds is `longest`."""
    return 3 if longest < 10 else 2 if longest < 100 else 1


def load_cell(timings: Timings, digits: int) -> str:
    """A table's cell for the seconds of loading."""
    return f"{timings.load:.{digits}f}" if timings.cold else WARM


def format_seconds(seconds: float) -> str:
    """A measured time with three digits at most: "8 ms", "0.94 s", "12.3 s", "2 min 05 s"."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return duration(round(seconds))


def format_ratio(ratio: float) -> str:
    """ "1.42×", "12.5×"."""
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.1f}×"
