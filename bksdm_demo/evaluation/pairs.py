"""Decides which two pictures a visitor may compare blindly, and which of them come next.

The pool never holds more than the gallery lists for that visitor, apart from comparisons that the operator names. A
sheet is a part of that pool and never adds to it. A picture that is blocked, unfinished or gone makes no pair.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.votes import GALLERY, STARRED, Pair, Picture
from bksdm_demo.records import Job, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import MOST_PER_PAGE, Filter

NEWEST = 500  # comparisons of the gallery; older ones make no pairs
REMEMBERED_SECONDS = 20.0  # until the gallery is read again
REMEMBERED = 64  # owners whose pairs are remembered
LONGEST_ID = 64  # characters


@dataclass(frozen=True)
class PoolChoice:
    """What the operator chose: the gallery's comparisons, only its starred ones, or these comparisons.

    A list of comparisons is for everybody, whoever owns them. Then `jobs` are their ids, and `starred` is not used.
    """

    starred: bool = False
    jobs: tuple[str, ...] | None = None


def read_choice(text: str) -> PoolChoice:
    """Read "gallery", "starred" or the path of a file with one id of a comparison a line. Raises DemoError."""
    if text in (GALLERY, STARRED):
        return PoolChoice(starred=text == STARRED)
    try:
        lines = Path(text).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise DemoError(
            f"The vote pool is {text!r:.80}; give {GALLERY}, {STARRED}, or a file with the id of one comparison a "
            f"line. This file cannot be read: {error}."
        ) from error
    ids = tuple(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.startswith("#")))
    if not ids or any(len(each) > LONGEST_ID for each in ids):
        raise DemoError(
            f"The file {text} of the vote pool must have the id of one comparison a line, as `history` lists them."
        )
    return PoolChoice(jobs=ids)


class Pool:
    """The pairs of a page. Safe to use from several threads."""

    def __init__(
        self, comparisons: Comparisons, choice: PoolChoice, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._comparisons, self._choice, self._clock = comparisons, choice, clock
        self._known: OrderedDict[tuple[str | None, str], tuple[float, tuple[Pair, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def pairs(self, owner: str | None, sheet: SheetRecord | None = None) -> tuple[Pair, ...]:
        """The pairs for a visitor whose gallery is that of `owner`, None for everybody's; of one sheet, or all.

        Raises StoreError.
        """
        owner = None if self._choice.jobs is not None else owner
        key = owner, "" if sheet is None else sheet.id
        with self._lock:
            read, pairs = self._known.get(key, (0.0, None))
            if pairs is None or self._clock() - read > REMEMBERED_SECONDS:
                pairs = tuple(pairs_of(self._jobs(owner)) if sheet is None else self._of_sheet(sheet, owner))
                self._known[key] = (self._clock(), pairs)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return pairs

    def open(self, pair: Pair) -> bool:
        """Whether both pictures can be shown now."""
        return all(self._shown(picture) for picture in (pair.first, pair.second))

    def _shown(self, picture: Picture) -> bool:
        try:
            cells = self._comparisons.get(picture.job).cells
        except DemoError:
            return False
        return picture.index < len(cells) and cells[picture.index].shown and cells[picture.index].model == picture.model

    def _of_sheet(self, sheet: SheetRecord, owner: str | None) -> Iterator[Pair]:
        places = [place for row in sheet.places for place in row if place is not None]
        jobs = []
        for job_id in dict.fromkeys(place.job for place in places):
            try:
                job = self._comparisons.get(job_id)
            except DemoError:
                continue
            if self._allowed(job, owner):
                jobs.append(job)
        return pairs_of(jobs, {(place.job, place.index) for place in places})

    def _allowed(self, job: Job, owner: str | None) -> bool:
        """Whether the operator's choice has this comparison for that visitor, however old it is."""
        if self._choice.jobs is not None:
            return job.id in self._choice.jobs
        return owner in (None, job.owner) and (job.starred or not self._choice.starred)

    def _jobs(self, owner: str | None) -> Iterator[Job]:
        if self._choice.jobs is None:
            wanted = Filter(starred=self._choice.starred, owner=owner)
            for offset in range(0, NEWEST, MOST_PER_PAGE):
                page = self._comparisons.gallery(wanted, offset, MOST_PER_PAGE)
                yield from page.jobs
                if offset + MOST_PER_PAGE >= page.total:
                    return
            return
        for job_id in self._choice.jobs:
            try:
                yield self._comparisons.get(job_id)
            except DemoError:  # deleted or expired
                continue


def pairs_of(jobs: Iterable[Job], cells: Collection[tuple[str, int]] | None = None) -> Iterator[Pair]:
    """The pairs of these comparisons: every two finished pictures of one request and seed by two models.

    With `cells`, comparisons and indexes, only of these.

    The two may come from two comparisons, as in a sheet that was drawn in parts. Of several pictures by one model,
    the first counts.
    """
    drawn: dict[Request, dict[str, Picture]] = {}
    for job in jobs:
        for index, cell in enumerate(job.cells):
            if cell.shown and (cells is None or (job.id, index) in cells):
                of_request = drawn.setdefault(job.request_of(index), {})
                of_request.setdefault(cell.model, Picture(job.id, index, cell.model))
    for request, pictures in drawn.items():
        for first, second in combinations(sorted(pictures), 2):
            yield Pair(request, pictures[first], pictures[second])


def choose(
    pairs: Sequence[Pair], answered: Collection[str], votes: Mapping[tuple[str, str], int], random: Random
) -> Iterator[Pair]:
    """The pairs that are not `answered`, in the order in which to try them.

    `votes` counts the votes by two models. Models that met seldom come first more often: the chance of two models is
    proportional to 1 / (1 + votes). Which of their pictures come is drawn evenly.
    """
    left = [pair for pair in pairs if pair.key not in answered]
    sizes = Counter(pair.models for pair in left)

    def late(pair: Pair) -> float:  # an exponential time: the first to ring is drawn in proportion to its rate
        return random.expovariate(1 / ((1 + votes.get(pair.models, 0)) * sizes[pair.models]))

    return iter(sorted(left, key=late))
