"""What a sheet costs before it runs: U-Net evaluations, and minutes as far as this machine's own runs tell.

An evaluation's time is the median of the stored comparisons with the same model, and so is the time beside the
evaluations. A model without a stored run has an unknown time, and is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.evaluation.sheet import Sheet
from bksdm_demo.languages import say
from bksdm_demo.records import Cell, Job, Request
from bksdm_demo.runs.fairness import price
from bksdm_demo.units import duration
from bksdm_demo.wording.comparison import plural
from bksdm_demo.wording.timing import drawing_seconds, timings_of


@dataclass(frozen=True)
class Speed:
    """Median seconds of one U-Net evaluation, and of everything else in a picture, without loading."""

    evaluation: float
    rest: float

    def drawing(self, request: Request) -> float:
        """The seconds that a picture of this request will take."""
        return evaluations(request) * self.evaluation + self.rest


@dataclass(frozen=True)
class Cost:
    """`cells` to draw, `reused` ones, their U-Net evaluations, and the seconds of those whose speed is known.

    `unknown` are the models that no stored run has timed here.
    """

    cells: int
    reused: int
    evaluations: int
    seconds: float
    unknown: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """ "8 pictures, 160 U-Net evaluations, about 3 min 20 s; 4 pictures are drawn already"."""
        if not self.cells:
            return say("Every picture is drawn already: {count}", count=f"{self.reused:,}")
        parts = [plural(self.cells, "picture"), plural(self.evaluations, "U-Net evaluation"), self._time()]
        cost = ", ".join(parts)
        if not self.reused:
            return cost
        return say("{cost}; {pictures} drawn already", cost=cost, pictures=plural(self.reused, "picture"))

    def _time(self) -> str:
        if not self.unknown:
            return say("about {time}", time=duration(max(1, round(self.seconds))))
        named = ", ".join(self.unknown)
        if not self.seconds:
            return say("time unknown, as no run of {models} is stored here", models=named)
        return say(
            "about {time} and the time of {models}, which is unknown here",
            time=duration(max(1, round(self.seconds))),
            models=named,
        )


def evaluations_of(request: Request, models: int = 1) -> int:
    """The U-Net evaluations of one request with so many models, as the queue counts them."""
    return price(Job("", request, tuple(Cell(str(number), seed=request.seed) for number in range(models))))


def cost_of(sheet: Sheet, drawn: Iterable[tuple[int, int]], speeds: Mapping[str, Speed]) -> Cost:
    """The cost of a sheet of which the cells in `drawn`, (row, column), need no drawing."""
    reused, seconds, counted, cells = set(drawn), 0.0, 0, 0
    unknown: dict[str, None] = {}
    for number, row in enumerate(sheet.rows):
        each = evaluations_of(row.request)
        for column, model in enumerate(sheet.models):
            if (number, column) in reused:
                continue
            cells, counted = cells + 1, counted + each
            speed = speeds.get(model)
            if speed is None:
                unknown[model] = None
            else:
                seconds += speed.drawing(row.request)
    return Cost(cells, sheet.cells - cells, counted, seconds, tuple(unknown))


def known_speeds(jobs: Iterable[Job]) -> dict[str, Speed]:
    """The speed of every model that these comparisons drew."""
    found: dict[str, list[float]] = {}
    rest: dict[str, list[float]] = {}
    for job in jobs:
        each = evaluations(job.request)
        for cell in job.cells:
            timings = timings_of(cell)
            if timings is not None and each:
                found.setdefault(cell.model, []).append(timings.denoise / each)
                rest.setdefault(cell.model, []).append(drawing_seconds(timings) - timings.denoise)
    return {model: Speed(median(seconds), median(rest[model])) for model, seconds in found.items()}
