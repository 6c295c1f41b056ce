"""Comparisons: one request through several models and seeds, one after the other, each seed from the same noise.

The page and the command line ask here and nowhere deeper. Each model with each seed is a cell of the job; a cell
that fails does so with a sentence and the others go on. Queueing and watching are jobs.py's, drawing generation.py's,
keeping store.py's: a job is kept when it is queued, a cell when it is final. A store that fails costs a job its
permanence and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from bksdm_demo.errors import CancelledError, DemoError, RequestError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.parameters.png_writer import decode_png, encode_png, plain_png
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, STEPS_RANGE, Cell, Job, Loading, Phase, Request, Result
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.jobs import RUNNING, UNEXPECTED, JobQueue, Run, new_id
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import PREVIEW_SHARE, Previews
from bksdm_demo.store.contract import Filter, Page, Store, StoreError, Usage
from bksdm_demo.store.sqlite import open_store
from bksdm_demo.wording.comparison import NO_PICTURE

logger = logging.getLogger(__name__)

BLOCKED = "The safety checker blocked this picture. Try another prompt or another seed."
NOT_YOURS = "Another visitor or a program asked for this comparison; you can run it again, not star or delete it."
ELSEWHERE = "Another process of this demo runs this comparison; its end can be seen here, nothing else."
POLL_SECONDS = 1.0  # between two looks at a job that another process runs


class Comparisons:
    """The service; safe to use from several threads. `close()` it to stop its worker.

    `store` keeps the comparisons, in memory when left out; it is closed with the service. `environment` describes
    this machine, for the job's record and inside its pictures. `preview_share` limits the time that previews may take,
    as a part of the time of denoising.
    """

    def __init__(
        self,
        cache: PipelineCache,
        *,
        store: Store | None = None,
        environment: Callable[[], Mapping[str, Any]] = dict,
        queue_size: int = 16,
        keep_jobs: int = 8,
        keep_seconds: float = 3600.0,
        preview_share: float = PREVIEW_SHARE,
    ) -> None:
        self.cache = cache
        self._previews = Previews(preview_share)
        self._store: Store = open_store(None) if store is None else store
        self._environment = environment
        self._jobs = JobQueue(
            self._run, ended=self._end, queue_size=queue_size, keep_jobs=keep_jobs, keep_seconds=keep_seconds
        )

    @property
    def catalog(self) -> Catalog:
        return self.cache.catalog

    # --- Running ---------------------------------------------------------------------------------------------------

    def submit(
        self,
        request: Request,
        models: Sequence[str],
        *,
        seeds: Sequence[int] = (),
        preview_every: int = 0,
        owner: str = "",
    ) -> Job:
        """Queue a comparison of every model with every seed; what is named twice runs once.

        Without `seeds` the request's own is the only one. `preview_every` steps there is a look at the picture on its
        way, 0 for none. `owner` is a digest (store.owner_digest). Raises RequestError without any model and for seeds
        that are out of range or too many, ModelUnavailableError for an unknown or unavailable model, BusyError when
        the queue is full.
        """
        if isinstance(models, str) or not models:
            raise RequestError("No model is chosen: choose at least one.")
        if not isinstance(preview_every, int) or not 0 <= preview_every <= STEPS_RANGE[1]:
            raise RequestError(f"preview_every is {preview_every!r}; it must be between 0 (off) and {STEPS_RANGE[1]}.")
        chosen = tuple(dict.fromkeys(models))
        for key in chosen:
            self.catalog.get(key)
        cells = _cells(request, chosen, tuple(dict.fromkeys(seeds)) or (request.seed,))
        job = Job(
            new_id(),
            replace(request, seed=cells[0].seed),
            cells,
            created=self._jobs.clock(),
            preview_every=preview_every,
            owner=owner,
            environment=self._environment(),
        )
        with self._jobs.reserved(job.id):
            return self._jobs.submit(replace(job, note=self._kept(lambda: self._store.add(job))))

    def cancel(self, job_id: str) -> Job:
        """Stop a comparison: at once while it waits, after the present step while it runs; finished cells stay."""
        job = self.get(job_id)
        if self._jobs.known(job_id) is not None:
            return self._jobs.cancel(job_id)
        if not job.finished:
            raise RequestError(ELSEWHERE)
        return job

    def resume(self, job_id: str) -> Job:
        """Queue the cells of a finished comparison that ended without a verdict: interrupted, stopped or failed.

        Same id, same request. Raises RequestError where there is none of them or the comparison still runs,
        ModelUnavailableError and BusyError as `submit`.
        """
        with self._jobs.reserved(job_id):
            job = self._finished(job_id)
            if not job.resumable:
                raise RequestError("Every picture of this comparison is there; nothing is left to run.")
            return self._again(job, job.resumable)

    def rerun(self, job_id: str, index: int) -> Job:
        """Queue one cell of a finished comparison once more. What it has is replaced when there is a new verdict.

        Raises RequestError for an index that is not there or a comparison that still runs, ModelUnavailableError and
        BusyError as `submit`.
        """
        with self._jobs.reserved(job_id):
            job = self._finished(job_id)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(job.cells):
                raise RequestError(f"There is no picture {index!r} in this comparison; it has {len(job.cells)}.")
            return self._again(job, (index,))

    def close(self) -> None:
        """Interrupt everything, stop the worker, unload the models and close the store."""
        self._jobs.close()
        self.cache.clear()
        self._kept(self._store.close)

    # --- Looking ---------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job:
        """The present snapshot, of a running job or a kept one. Raises RequestError for an unknown id, StoreError."""
        return self._jobs.known(job_id) or self._store.get(job_id)

    def watch(self, job_id: str, heartbeat: float | None = None) -> Iterator[Job]:
        """Snapshots from now to the finished one; may be left and taken up again.

        A slow watcher misses snapshots in between, never the last. With `heartbeat` (seconds) the present snapshot
        comes again when nothing changed for so long. Raises as `get` does, at once.
        """
        return self._watch(self.get(job_id), heartbeat)

    def picture(self, job_id: str, index: int) -> bytes:
        """The PNG of one cell, parameters inside. Raises RequestError where there is none to show, StoreError.

        A cell that is being run again still has its earlier one.
        """
        job = self.get(job_id)
        cell = job.cells[index] if 0 <= index < len(job.cells) else None
        cell = cell.earlier or cell if cell is not None else None
        if cell is None or not cell.shown or cell.result is None:
            raise RequestError(NO_PICTURE)
        try:
            return self._store.picture(job_id, index)
        except (StoreError, RequestError):
            if cell.result.image is None:
                raise
            return self._png(cell.result)

    def preview(self, job_id: str, index: int) -> bytes:
        """The present preview of a cell as a small PNG. Raises RequestError where there is none."""
        job = self._jobs.get(job_id)
        preview = job.cells[index].preview if 0 <= index < len(job.cells) else None
        if preview is None:
            raise RequestError("There is no preview of this picture at present.")
        return plain_png(preview)

    def with_pictures(self, job: Job) -> Job:
        """The same snapshot with every picture in memory: for a report, an export, a contact sheet.

        Raises StoreError where a picture's file is gone.
        """
        return replace(job, cells=tuple(self._with_picture(job, index) for index in range(len(job.cells))))

    # --- Keeping ---------------------------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why comparisons end with this process although a folder was named for them; "" when all is well."""
        return self._store.problem

    def gallery(self, wanted: Filter | None = None, offset: int = 0, limit: int = 24) -> Page:
        """Some of the comparisons that fit, newest first, those that run included. Raises StoreError."""
        page = self._store.list(wanted or Filter(), offset, limit)
        return replace(page, jobs=tuple(self._jobs.known(job.id) or job for job in page.jobs))

    def star(self, job_id: str, starred: bool, owner: str | None = None) -> Job:
        """Put or take the star, which keeps a comparison from expiring.

        `owner` is the asking visitor's digest, None for the operator. Raises RequestError for an unknown id or
        another visitor's job, BusyError when stars take their share of the place, StoreError.
        """
        self._check_owner(self.get(job_id), owner)
        job = self._store.star(job_id, starred)
        self._jobs.update(job_id, starred=job.starred, expires=job.expires)
        return self._jobs.known(job_id) or job

    def delete(self, job_id: str, owner: str | None = None) -> None:
        """Remove a finished comparison with its pictures. `owner` and errors as in `star`; RequestError if it runs."""
        self._check_owner(self._finished(job_id), owner)
        in_memory = self._jobs.known(job_id) is not None
        self._jobs.forget(job_id)
        try:
            self._store.delete(job_id)
        except RequestError:
            if not in_memory:  # else it could never be kept
                raise

    def usage(self) -> Usage:
        """How much is kept, and how much may be. Raises StoreError."""
        return self._store.usage()

    # --- Inside ----------------------------------------------------------------------------------------------------

    def _finished(self, job_id: str) -> Job:
        """A job on which nobody works any more. Raises RequestError for any other."""
        job = self.get(job_id)
        if not job.finished:
            raise RequestError(RUNNING)
        self._jobs.settled(job_id)
        return self.get(job_id)

    def _again(self, job: Job, indexes: Sequence[int]) -> Job:
        for key in {job.cells[index].model for index in indexes}:
            self.catalog.get(key)
        cells = (cell.again() if index in indexes else cell for index, cell in enumerate(job.cells))
        again = replace(job, cells=tuple(cells), cancelled=False, environment=self._environment())
        return self._jobs.submit(replace(again, note=self._kept(lambda: self._store.claim(again, indexes))))

    def _watch(self, job: Job, heartbeat: float | None) -> Iterator[Job]:
        yield job
        while not job.finished:
            job = self._newer(job, heartbeat)
            yield job

    def _newer(self, seen: Job, heartbeat: float | None) -> Job:
        """The next snapshot; from the store where another process runs the job or this one has forgotten it."""
        if self._jobs.known(seen.id) is not None:
            try:
                return self._jobs.newer(seen, heartbeat)
            except RequestError:  # finished, and forgotten at once
                return self._store.get(seen.id)
        self._jobs.wait(POLL_SECONDS if heartbeat is None else min(heartbeat, POLL_SECONDS))
        return self._store.get(seen.id)

    def _with_picture(self, job: Job, index: int) -> Cell:
        cell = job.cells[index]
        if not cell.shown or cell.result is None or cell.result.image is not None:
            return cell
        image = decode_png(self._store.picture(job.id, index))
        return replace(cell, result=replace(cell.result, image=image))

    def _run(self, run: Run) -> None:
        """Every cell that waits."""
        job = run.job
        for index in job.order:
            if job.cells[index].phase is Phase.QUEUED and not run.stopped():
                self._run_cell(run, index)

    def _run_cell(self, run: Run, index: int) -> None:
        """Draw one cell and leave it final: done, blocked, failed or cancelled."""
        model, request = run.job.cells[index].model, run.job.request_of(index)

        def report(phase: Phase, step: int, steps: int) -> None:
            run.change(index, phase, step=step, steps=steps, loading=None)

        def loading(part: Loading) -> None:
            run.change(index, Phase.LOADING, loading=part)

        def show(preview: NDArray | None, message: str) -> None:
            run.change(index, Phase.DENOISING, preview=preview, message=message)

        every = run.job.preview_every
        observer = self._previews.observer(every, show) if every else None
        sentence: Callable[[Exception], str] = str
        try:
            sentence = self.catalog.get(model).public_error
            result = generate(self.cache, model, request, report, run.stopped, loading, observer)
        except CancelledError:
            return  # the queue marks every unfinished cell
        except DemoError as error:
            self._fail(run, index, sentence(error))
        except Exception:
            logger.exception("%s failed unexpectedly", model)
            self._fail(run, index, UNEXPECTED)
        else:
            blocked = result.image is None
            message = (result.verdict.reason or BLOCKED) if blocked else ""
            phase = Phase.BLOCKED if blocked else Phase.DONE
            self._put(run, index, run.job.cells[index].verdict(phase, result, message))

    def _fail(self, run: Run, index: int, message: str) -> None:
        """Leave the cell failed, or as it was before it was run again: then the store has it already."""
        cell = run.job.cells[index]
        ended = cell.ended(Phase.FAILED, message)
        if cell.earlier is None:
            self._put(run, index, ended)
        else:
            run.put(index, ended)

    def _put(self, run: Run, index: int, cell: Cell) -> None:
        """Keep a final cell, then show it; by now the parts that drew it have told how they run."""

        def keep() -> None:
            picture = self._png(cell.result) if cell.shown and cell.result is not None else None
            self._store.save_cell(run.job.id, index, cell, picture)

        note = self._kept(keep)
        run.update(environment=self._environment(), note=note or run.job.note)
        run.put(index, cell)

    def _end(self, job: Job) -> None:
        """Nothing of the job runs any more, and every part that drew has told how it runs."""
        ended = replace(job, environment=self._environment())
        self._kept(lambda: self._store.end(ended))
        self._jobs.update(job.id, environment=ended.environment, expires=self._expires(job.id))

    def _expires(self, job_id: str) -> float | None:
        """When the store may drop the job; None where it does not keep it."""
        try:
            return self._store.get(job_id).expires
        except DemoError:
            return None

    def _kept(self, keep: Callable[[], None]) -> str:
        """What to tell when something could not be kept; "" when it was."""
        try:
            keep()
        except DemoError as error:
            logger.warning("A comparison could not be kept: %s", error)
            return f"This comparison will be gone when the server stops: {error}"
        return ""

    def _png(self, result: Result) -> bytes:
        name = next((system.name for system in self.catalog.systems() if system.key == result.model), result.model)
        return encode_png(result, name, self._environment())

    def _check_owner(self, job: Job, owner: str | None) -> None:
        if owner is not None and owner != job.owner:
            raise RequestError(NOT_YOURS)


def _cells(request: Request, models: Sequence[str], seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Seed by seed, the models in their order under each. Raises RequestError for what is out of range."""
    if len(seeds) > SEEDS_LIMIT:
        raise RequestError(f"{len(seeds)} seeds are asked for; one comparison takes at most {SEEDS_LIMIT}.")
    if len(seeds) * len(models) > CELLS_LIMIT:
        raise RequestError(
            f"{len(models)} models with {len(seeds)} seeds make {len(models) * len(seeds)} pictures; "
            f"one comparison takes at most {CELLS_LIMIT}."
        )
    for seed in seeds:
        replace(request, seed=seed)
    return tuple(Cell(model, seed=seed) for seed in seeds for model in models)
