"""The material of every report: a snapshot of the job, the facts about its models, and access to its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from numpy.typing import NDArray

from bksdm_demo.environment import run_mode_of
from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.png_writer import decode_png
from bksdm_demo.records import Job
from bksdm_demo.reports.similarity import Similarity, compare_pictures

Lookup = Callable[[int], bytes]  # index of a cell -> its PNG; raises DemoError where there is none


@dataclass(frozen=True)
class Material:
    """`made` is the time of the report in seconds since the epoch; `base_url` is the server's address, "" if unknown.

    `stored` says that this server stores the job under its id.
    """

    job: Job
    systems: Mapping[str, System]
    picture: Lookup
    base_url: str = ""
    made: float = 0.0
    stored: bool = False

    @cached_property
    def names(self) -> dict[str, str]:
        """Display names by model key; a model that the catalogue no longer has is called by its key."""
        return {key: self.systems[key].name if key in self.systems else key for key in self.job.models}

    @cached_property
    def similarities(self) -> dict[int, Similarity]:
        """The similarity of each picture to the first model's with the same seed, by the index of its cell."""
        return dict(self._compared())

    def png(self, index: int) -> bytes | None:
        """The stored picture of a cell; None where there is none to show, or its file is missing."""
        if not self.job.cells[index].shown:
            return None
        try:
            return self.picture(index)
        except DemoError:
            return None

    def pixels(self, index: int) -> NDArray | None:
        """The picture of a cell as uint8 [H, W, 3]; None as for `png`, and for a damaged file."""
        data = self.png(index)
        try:
            return None if data is None else decode_png(data)
        except DemoError:
            return None

    def precision(self, index: int) -> str:
        """The arithmetic of the cell's U-Net as its engine reported it, else as requested; "" if unknown."""
        system, environment = self.systems.get(self.job.cells[index].model), self.job.environment
        paths = system.parts.unet if system and system.parts else ()
        reported = (run_mode_of(environment, path).get("precision") for path in paths)
        return str(next(filter(None, reported), environment.get("precision", "")))

    def _compared(self) -> Iterator[tuple[int, Similarity]]:
        """Compare seed by seed, with at most two pictures in memory."""
        cells, first = self.job.cells, self.job.models[0]
        for seed in self.job.seeds:
            row = [index for index, cell in enumerate(cells) if cell.seed == seed and cell.shown]
            if len(row) < 2 or cells[row[0]].model != first:
                continue
            reference = self.pixels(row[0])
            for index in row[1:] if reference is not None else ():
                pixels = self.pixels(index)
                if pixels is None or reference is None:
                    continue
                try:
                    yield index, compare_pictures(pixels, reference)
                except RequestError:  # of different sizes, or too small
                    continue


def settled(job: Job) -> Job:
    """The job as a report shows it: a cell that runs again has its earlier outcome."""
    return replace(job, cells=tuple(cell.earlier or cell for cell in job.cells))
