"""Comparisons rebuilt from pictures that the index does not name: it was moved away, damaged, or is an older copy.

A picture's own parameters say its request, model and measurements, but not its comparison. Pictures of one request
that were written one after the other make one comparison, with a cell for each of its models and seeds. Leaves out
what only the index had: ids, owners, stars, and cells without a picture.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bksdm_demo.errors import DemoError
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, Cell, Job, Phase, Result
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.database import Database
from bksdm_demo.store.pictures import Pictures, Unnamed
from bksdm_demo.store.queries import insert_job, named_pictures, put_cell
from bksdm_demo.wording.comparison import plural

logger = logging.getLogger(__name__)

QUARANTINE_NAME = "quarantine"  # the folder for pictures that do not say what drew them
BREAK = 3600.0  # seconds between two pictures that no comparison spans
LOST = "The index of the stored comparisons was lost, and there is no picture of this cell. Run it again to draw one."

# A PNG -> its result without pixels, and the environment of its run. Raises DemoError where it does not hold both.
ReadPicture = Callable[[bytes], tuple[Result, Mapping[str, Any]]]


@dataclass(frozen=True)
class FoundPicture:
    """One picture with its parameters; `written` is in seconds since the epoch."""

    name: str
    written: float
    size_bytes: int
    result: Result
    environment: Mapping[str, Any]


class Recovery:
    """Brings pictures back into the index of one store; without `read_picture` all go into quarantine."""

    def __init__(
        self,
        database: Database,
        pictures: Pictures,
        retention: Retention,
        clock: Callable[[], float],
        read_picture: ReadPicture | None,
    ) -> None:
        self._database, self._pictures, self._retention = database, pictures, retention
        self._clock, self._read_picture = clock, read_picture

    def bring_back(self, older: float) -> str:
        """Store comparisons of the pictures that the index does not know, if written more than `older` seconds ago.

        Returns a sentence with their numbers, "" if there are none and the quarantine is empty.
        """
        with self._database.read() as connection:
            named = named_pictures(connection)
        lost = self._pictures.unnamed(named, older)
        found, unread = self._read(lost)
        adopted = [len(pictures) for job, pictures in rebuilt(found) if self._adopt(job, pictures)]
        moved = sum(self._put_aside(picture) for picture in unread)
        words = []
        if lost:
            words.append(f"The index did not know {plural(len(lost), 'picture')} of the data folder:")
            words.append(f"{sum(adopted)} are back, in {plural(len(adopted), 'comparison')} without owner;")
            words.append(f"{moved} do not say what drew them and were put aside.")
        if count := self._pictures.quarantined():
            words.append(f"The folder {QUARANTINE_NAME} in the data folder holds {plural(count, 'picture')};")
            words.append("delete it once you have looked at them.")
        if words:
            logger.warning("%s", " ".join(words))
        return " ".join(words)

    def _read(self, lost: Sequence[Unnamed]) -> tuple[list[FoundPicture], list[Unnamed]]:
        """The pictures with their parameters, and those without."""
        found, unread = [], []
        for picture in lost:
            try:
                if self._read_picture is None:
                    raise DemoError("Nothing reads pictures here.")
                data = self._pictures.read(picture.name)
                found.append(FoundPicture(picture.name, picture.written, len(data), *self._read_picture(data)))
            except DemoError as error:
                logger.info("The picture %s cannot be taken into the index: %s", picture.name, error)
                unread.append(picture)
        return found, unread

    def _put_aside(self, picture: Unnamed) -> bool:
        try:
            self._pictures.quarantine(picture.name)
        except OSError as error:
            logger.warning("The picture %s cannot be moved: %s", picture.name, error)
            return False
        return True

    def _adopt(self, job: Job, pictures: Mapping[int, FoundPicture]) -> bool:
        """Store a rebuilt comparison, unless another process was faster.

        One that would expire at once must have been starred, or its pictures would be gone.
        """
        expires = self._retention.expires(job.created, starred=False)
        starred = expires is not None and expires < self._clock()
        with self._database.change() as connection:
            if not named_pictures(connection).isdisjoint(picture.name for picture in pictures.values()):
                return False
            insert_job(connection, replace(job, starred=starred), "")
            for index, picture in pictures.items():
                put_cell(connection, job.id, index, job.cells[index], picture.name, picture.size_bytes)
        return True


@dataclass
class _Group:
    """The pictures of one comparison in the making, by model and seed."""

    pictures: dict[tuple[str, int], FoundPicture] = field(default_factory=dict)
    last: float = 0.0

    def takes(self, picture: FoundPicture) -> bool:
        place = _place(picture)
        models = {model for model, _ in [*self.pictures, place]}
        seeds = {seed for _, seed in [*self.pictures, place]}
        fits = len(seeds) <= SEEDS_LIMIT and len(models) * len(seeds) <= CELLS_LIMIT
        return fits and place not in self.pictures and picture.written - self.last <= BREAK

    def put(self, picture: FoundPicture) -> None:
        self.pictures[_place(picture)] = picture
        self.last = picture.written


def rebuilt(found: Sequence[FoundPicture]) -> Iterator[tuple[Job, dict[int, FoundPicture]]]:
    """Yield each comparison, and its pictures by the index of their cell."""
    groups: dict[object, list[_Group]] = {}
    for picture in sorted(found, key=lambda picture: (picture.written, picture.name)):
        alike = groups.setdefault(replace(picture.result.request, seed=0), [_Group()])
        if alike[-1].pictures and not alike[-1].takes(picture):
            alike.append(_Group())
        alike[-1].put(picture)
    for alike in groups.values():
        for group in alike:
            yield _comparison(group.pictures)


def _place(picture: FoundPicture) -> tuple[str, int]:
    return picture.result.model, picture.result.request.seed


def _comparison(pictures: Mapping[tuple[str, int], FoundPicture]) -> tuple[Job, dict[int, FoundPicture]]:
    models = tuple(dict.fromkeys(model for model, _ in pictures))
    seeds = tuple(dict.fromkeys(seed for _, seed in pictures))
    first, *_ = in_order = list(pictures.values())
    places = [(model, seed) for seed in seeds for model in models]
    job = Job(
        id=secrets.token_hex(16),
        request=replace(first.result.request, seed=seeds[0]),
        cells=tuple(_cell(model, seed, pictures.get((model, seed))) for model, seed in places),
        created=first.written,
        environment=in_order[-1].environment,
    )
    return job, {index: pictures[place] for index, place in enumerate(places) if place in pictures}


def _cell(model: str, seed: int, picture: FoundPicture | None) -> Cell:
    if picture is None:
        return Cell(model, Phase.INTERRUPTED, seed=seed, message=LOST)
    steps = picture.result.request.steps
    return Cell(model, Phase.DONE, steps, steps, picture.result, seed=seed)
