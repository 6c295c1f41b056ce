"""The similarity of a comparison's pictures: each against a reference model's picture with the same seed.

Reads the stored pictures and caches each result by the bytes of both. A picture that was drawn again is therefore
compared again. A blocked picture is never compared.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.png_writer import decode_png
from bksdm_demo.records import Job
from bksdm_demo.reports.similarity import Similarity, compare_pictures
from bksdm_demo.runs.comparisons import Comparisons

REMEMBERED = 1024  # pairs of pictures

Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Compared:
    """One picture against the reference of its seed; `similarity` is None for the reason in `why`."""

    index: int
    similarity: Similarity | None = None
    why: str = ""
    reference: bool = False


class SimilarityCache:
    """Compares pictures on demand; threads may share it."""

    def __init__(self, comparisons: Comparisons, remembered: int = REMEMBERED) -> None:
        self._comparisons, self._remembered = comparisons, remembered
        self._known: OrderedDict[Pair, Similarity] = OrderedDict()
        self._lock = threading.Lock()

    def against(self, job_id: str, reference: int) -> tuple[Compared, ...]:
        """Compare every picture of a job with those of its `reference`-th model.

        Skips cells without a picture, and seeds without a picture of the reference. Raises RequestError for an unknown
        job or model and for a reference without any picture; StoreError.
        """
        job = self._comparisons.get(job_id)
        if not 0 <= reference < len(job.models):
            raise RequestError(f"There is no model {reference} in this comparison; it has {len(job.models)}.")
        rows = [(seed, job.index_of(job.models[reference], seed)) for seed in job.seeds]
        found = [compared for seed, index in rows if job.cells[index].shown for compared in self._row(job, index)]
        if not found:
            raise RequestError("The reference has no picture to compare with.")
        return tuple(found)

    def _row(self, job: Job, reference: int) -> list[Compared]:
        seed, base = job.cells[reference].seed, self._comparisons.picture(job.id, reference)
        row = []
        for index, cell in enumerate(job.cells):
            if index == reference:
                row.append(Compared(index, reference=True))
            elif cell.seed == seed and cell.shown:
                row.append(self.pair(index, self._comparisons.picture(job.id, index), base))
        return row

    def pair(self, index: int, picture: bytes, reference: bytes) -> Compared:
        """Compare two PNGs; `index` is the place of the first one in its comparison."""
        key = (hashlib.sha256(picture).digest(), hashlib.sha256(reference).digest())
        with self._lock:
            known = self._known.get(key)
        if known is None:
            try:
                known = compare_pictures(decode_png(picture), decode_png(reference))
            except RequestError as error:
                return Compared(index, why=str(error))
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return Compared(index, known)
