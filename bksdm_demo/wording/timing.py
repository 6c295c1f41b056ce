"""The timings of a job: phases in order, drawing times, speeds, and seconds in words.

"Drawing" is encode + denoise + decode + safety, the cost of each further picture. Loading is separate, because a model
loads only once. Speed compares drawing times. Charts and tables are in ui/ and reports/.
"""

from __future__ import annotations

from statistics import median

from bksdm_demo.intervals import Estimate
from bksdm_demo.languages import marked, say
from bksdm_demo.records import Cell, Job, Phase, Timings
from bksdm_demo.units import duration
from bksdm_demo.wording.comparison import plural

PHASES = ("load", "encode", "denoise", "decode", "safety")
PHASE_LABELS = {
    "load": marked("Load"),
    "encode": marked("Encode"),
    "denoise": marked("Denoise"),
    "decode": marked("Decode"),
    "safety": marked("Safety"),
}
NOTHING = "–"  # for an empty cell of a table
WARM = marked("warm")  # instead of a loading time: every part was loaded already
ONE_RUN = marked("one run")  # beside a ratio that nothing but one picture each supports


def timings_of(cell: Cell) -> Timings | None:
    """Return the timings of a cell that was drawn and has a verdict, None for any other."""
    decided = cell.phase in (Phase.DONE, Phase.BLOCKED) and cell.result is not None
    return cell.result.timings if decided and cell.result is not None and cell.result.timings.drew else None


def drawing_seconds(timings: Timings) -> float:
    """Return the seconds of all phases but loading."""
    return timings.encode + timings.denoise + timings.decode + timings.safety


def speed_up(timings: Timings, reference: Timings) -> float | None:
    """Return how many times as fast as the reference; None if a time is missing."""
    own, other = drawing_seconds(timings), drawing_seconds(reference)
    return other / own if own > 0 and other > 0 else None


def baseline_of(job: Job) -> Cell | None:
    """Return the reference for the speeds of single pictures: the first cell with timings.

    None with only one model, and with several seeds: there the speed of a model, over all its pictures, says more.
    """
    cells = job.cells if len(job.models) > 1 and len(job.seeds) == 1 else ()
    return next((cell for cell in cells if timings_of(cell) is not None), None)


def cell_speed(job: Job, cell: Cell, message: str = "{ratio} ({runs})") -> str:
    """ "baseline", "1.42× (one run)", or "" if there is nothing to compare. `message` as in `say`."""
    baseline = baseline_of(job)
    own, other = timings_of(cell), None if baseline is None else timings_of(baseline)
    if own is None or other is None:
        return ""
    ratio = speed_up(own, other)
    if cell is baseline:
        return say("baseline")
    return "" if ratio is None else say(message, ratio=format_ratio(ratio), runs=say(ONE_RUN))


def speed_words(job: Job, cell: Cell) -> str:
    """ "baseline", "1.42× as fast (one run)", or ""."""
    return cell_speed(job, cell, marked("{ratio} as fast ({runs})"))


def median_step(timings: Timings) -> float | None:
    """Return the median seconds of a step; None without steps."""
    return median(timings.steps) if timings.steps else None


def decimals(longest: float) -> int:
    """Return the digits after the point for a table whose longest time is `longest` seconds."""
    return 3 if longest < 10 else 2 if longest < 100 else 1


def load_cell(timings: Timings, digits: int) -> str:
    """Return the loading time for a cell of a table."""
    return f"{timings.load:.{digits}f}" if timings.cold else say(WARM)


def format_seconds(seconds: float) -> str:
    """Format a measured time: "8 ms", "0.94 s", "12.3 s", "2 min 05 s"."""
    if seconds < 0.0995:
        return say("{milliseconds} ms", milliseconds=f"{seconds * 1000:.0f}")
    if seconds < 9.995:
        return say("{seconds} s", seconds=f"{seconds:.2f}")
    if seconds < 99.95:
        return say("{seconds} s", seconds=f"{seconds:.1f}")
    return duration(round(seconds))


def format_ratio(ratio: float) -> str:
    """ "1.42×", "12.5×"."""
    return f"{ratio:.2f}×" if ratio < 9.995 else f"{ratio:.1f}×"


def certainty(estimate: Estimate) -> str:
    """Say how sure a ratio is: "1.38–1.47", its 95 % interval; "one run" or "3 runs" if they are too few."""
    if estimate.low is not None and estimate.high is not None:
        return f"{format_ratio(estimate.low)[:-1]}–{format_ratio(estimate.high)[:-1]}"
    return say(ONE_RUN) if estimate.count == 1 else plural(estimate.count, "run")


def ratio_words(estimate: Estimate) -> str:
    """ "1.42× (1.38–1.47)", "1.42× (one run)"."""
    return f"{format_ratio(estimate.value)} ({certainty(estimate)})"
