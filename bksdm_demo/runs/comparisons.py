"""The service of comparisons: one request with several models and seeds; all models start from the same noise.

The page and the command line use only this service. Each model with each seed is a cell of the job. A cell that fails
gets a message, and the others go on. jobs.py queues and watches jobs, cell_drawer.py draws their cells, and the store
saves a job when it is queued and a cell when it is final. If the store fails, the comparison still runs but ends with
the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.logs import about, job_id
from bksdm_demo.parameters.png_writer import decode_png, encode_png, plain_png
from bksdm_demo.records import STEPS_RANGE, Cell, Job, Request, Result
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.cell_drawer import CellDrawer
from bksdm_demo.runs.cells import both_machines, new_cells, on_disk, outcomes, take_turns
from bksdm_demo.runs.drawer import Drawer
from bksdm_demo.runs.fairness import NOBODY, Client
from bksdm_demo.runs.jobs import RUNNING, JobQueue, Run, new_id
from bksdm_demo.runs.local_drawer import LocalDrawer
from bksdm_demo.runs.meter import Meter, NoMeter, Waiting
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import PREVIEW_SHARE, Previews
from bksdm_demo.store.contract import Filter, Page, Store, StoreError, UnreadableError, Usage
from bksdm_demo.store.sqlite import open_store
from bksdm_demo.wording.comparison import NO_PICTURE

logger = logging.getLogger(__name__)

NOT_YOURS = "Another visitor or a program started this comparison. You can run it again, but not star or delete it."
ELSEWHERE = "Another process of this demo runs this comparison. Here you can only watch it."
NO_PREVIEWS = "Previews are off on this page. Start the comparison without them."
POLL_SECONDS = 1.0  # between two reads of a job that another process runs


class Comparisons:
    """The service. Safe to use from several threads. `close()` stops its worker and closes the store.

    The default store is in memory. `environment` returns a description of this machine, for the job's record and for
    its pictures. `queue_size`, `remembered_jobs` and `remembered_seconds` limit the JobQueue. `preview_share` is the
    largest part of the denoising time that previews may take. Without `previews_allowed` nobody gets any. `allowance`
    limits what one client may ask for. `expected_memory` are the bytes that a loaded system will take. `drawer` draws
    for at most `lanes` jobs at a time; without one, this process does. Then `environment` returns {}.
    """

    def __init__(
        self,
        cache: PipelineCache,
        *,
        store: Store | None = None,
        environment: Callable[[], Mapping[str, Any]] = dict,
        queue_size: int = 16,
        remembered_jobs: int = 8,
        remembered_seconds: float = 3600.0,
        preview_share: float = PREVIEW_SHARE,
        previews_allowed: bool = True,
        meter: Meter | None = None,
        allowance: Allowance | None = None,
        expected_memory: Callable[[System], int] = on_disk,
        drawer: Drawer | None = None,
        lanes: int = 1,
    ) -> None:
        self.cache, self.previews_allowed, self.expected_memory = cache, previews_allowed, expected_memory
        self.allowance = allowance or Allowance()
        self._store: Store = open_store(None) if store is None else store
        self._environment = environment
        self._waiting = Waiting()
        local = LocalDrawer(cache, Previews(preview_share) if previews_allowed else None, environment)
        drawer = drawer or local
        self._jobs = JobQueue(
            CellDrawer(drawer, self.catalog, meter or NoMeter(), self._waiting, self._put).run,
            places=drawer.places,
            lanes=lanes,
            ended=self._end,
            queue_size=queue_size,
            remembered_jobs=remembered_jobs,
            remembered_seconds=remembered_seconds,
            allowance=self.allowance,
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
        address: str = "",
        job_id: str = "",
        draw: Collection[str] | None = None,
    ) -> Job:
        """Queue a comparison of every model with every seed. Repeated models and seeds run once.

        Without `seeds`, the request's own seed is the only one. `preview_every` is the number of steps between two
        previews, 0 for none. `owner` is a digest (store.owner_digest), `address` the submitter's `fairness.network`.
        `job_id` is a fresh id from `jobs.new_id`, for a caller that notes it before it submits. With `draw`, only these
        models draw; the cells of the others are left interrupted, for `resume`.
        Raises RequestError without a model, for seeds that are out of range or too many, and for more than the
        allowance; ModelUnavailableError for an unknown or unavailable model; BusyError if the queue is full or the
        submitter must wait.
        """
        if isinstance(models, str) or not models:
            raise RequestError("No model is chosen. Choose at least one.")
        if not isinstance(preview_every, int) or not 0 <= preview_every <= STEPS_RANGE[1]:
            raise RequestError(f"preview_every is {preview_every!r}; it must be between 0 (off) and {STEPS_RANGE[1]}.")
        if preview_every and not self.previews_allowed:
            raise RequestError(NO_PREVIEWS)
        chosen = tuple(dict.fromkeys(models))
        systems = [self.catalog.get(key) for key in chosen]
        cells = new_cells(request, chosen, tuple(dict.fromkeys(seeds)) or (request.seed,), draw)
        job = Job(
            job_id or new_id(),
            replace(request, seed=cells[0].seed),
            cells,
            created=self._jobs.clock(),
            preview_every=preview_every,
            owner=owner,
            environment=self._environment(),
            by_seed=take_turns(systems, len(cells), self.cache.budget_bytes, self.expected_memory),
        )
        self.allowance.check(request, len(cells))
        with self._jobs.reserved(job.id):
            self._jobs.admit(job, Client(owner, address))
            return self._queue(replace(job, note=self._save(lambda: self._store.add(job))))

    def cancel(self, job_id: str) -> Job:
        """Stop a comparison: at once while it waits, after the current step while it runs. Finished cells stay."""
        job = self.get(job_id)
        if self._jobs.known(job_id) is not None:
            return self._jobs.cancel(job_id)
        if not job.finished:
            raise RequestError(ELSEWHERE)
        return job

    def resume(self, job_id: str, client: Client = NOBODY, indexes: Collection[int] | None = None) -> Job:
        """Queue the unfinished cells of a finished comparison: those that were interrupted, stopped or failed.

        With `indexes`, only those. The id, the request and the owner stay; `client` is who asks. Raises RequestError if
        there is no such cell or the comparison still runs, and the errors of allowance, models and queue as `submit`.
        """
        with self._jobs.reserved(job_id):
            job = self._finished(job_id)
            left = tuple(index for index in job.resumable if indexes is None or index in indexes)
            if not left:
                raise RequestError("Every picture of this comparison is finished. Nothing is left to run.")
            return self._again(job, left, client)

    def rerun(self, job_id: str, index: int, client: Client = NOBODY) -> Job:
        """Queue one cell of a finished comparison again. A new verdict replaces its earlier one.

        `client` is who asks. Raises RequestError for a missing index or a comparison that still runs, and the other
        errors of `resume`.
        """
        with self._jobs.reserved(job_id):
            job = self._finished(job_id)
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(job.cells):
                raise RequestError(f"There is no picture {index!r} in this comparison; it has {len(job.cells)}.")
            return self._again(job, (index,), client)

    def drain(self) -> None:
        """Refuse new comparisons, interrupt all others and wait for the current step, at most 5 seconds.

        Reading goes on until `close`.
        """
        self._jobs.close()

    def close(self) -> None:
        """Interrupt everything, stop the worker, unload the models and close the store."""
        self._jobs.close()
        self.cache.clear()
        self._save(self._store.close)

    # --- Reading ---------------------------------------------------------------------------------------------------

    def environment(self) -> Mapping[str, Any]:
        """Return the description of this machine that the next comparison gets."""
        return self._environment()

    @property
    def busy(self) -> bool:
        """Whether a comparison waits or runs in this process."""
        return self._jobs.busy

    @property
    def waiting(self) -> tuple[float, ...]:
        """How long each waiting comparison has waited, in seconds, the longest first."""
        return self._waiting.seconds()

    @property
    def draining(self) -> bool:
        """Whether this process is about to end and accepts no new comparisons."""
        return self._jobs.closed

    @property
    def working(self) -> bool:
        """Whether queued comparisons will run: the worker lives. It ends in a drain."""
        return self._jobs.working

    def get(self, job_id: str) -> Job:
        """Return the current snapshot of a running or stored job. Raises RequestError for an unknown id, StoreError."""
        return self._jobs.known(job_id) or self._store.get(job_id)

    def watch(self, job_id: str, heartbeat: float | None = None) -> Iterator[Job]:
        """Yield the current snapshot, then the newest one after each change, up to the finished one.

        A slow watcher misses some snapshots, but never the last one. With `heartbeat` (seconds), the current snapshot
        is repeated whenever nothing changed for that time. Raises the errors of `get` at once.
        """
        return self._watch(self.get(job_id), heartbeat)

    def picture(self, job_id: str, index: int) -> bytes:
        """Return the PNG of one cell, with its parameters inside. A cell that runs again has its earlier picture.

        Raises RequestError if there is no picture to show, StoreError.
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
            return self._png(cell.result, job.environment)

    def preview(self, job_id: str, index: int) -> bytes:
        """Return the current preview of a cell as a small PNG. Raises RequestError if there is none."""
        job = self._jobs.get(job_id)
        preview = job.cells[index].preview if 0 <= index < len(job.cells) else None
        if preview is None:
            raise RequestError("This picture has no preview now.")
        return plain_png(preview)

    def with_pictures(self, job: Job) -> Job:
        """Return the snapshot with every picture in memory, for reports. Raises StoreError if a file is missing."""
        return replace(job, cells=tuple(self._with_picture(job, index) for index in range(len(job.cells))))

    # --- Storing ---------------------------------------------------------------------------------------------------

    @property
    def problem(self) -> str:
        """Why comparisons are not stored in the chosen folder but end with this process; "" if they are stored."""
        return self._store.problem

    @property
    def note(self) -> str:
        """What the start did with pictures that the store's index did not know; "" if there were none."""
        return self._store.note

    def gallery(self, wanted: Filter | None = None, offset: int = 0, limit: int = 24) -> Page:
        """Return one page of the comparisons that match, newest first, running ones included. Raises StoreError."""
        page = self._store.list(wanted or Filter(), offset, limit)
        return replace(page, jobs=tuple(self._jobs.known(job.id) or job for job in page.jobs))

    def star(self, job_id: str, starred: bool, owner: str | None = None) -> Job:
        """Add or remove the star. A starred comparison does not expire.

        `owner` is the visitor's digest, None for the operator. Raises RequestError for an unknown id or another
        visitor's job, BusyError if starred comparisons fill their share of the quota, StoreError.
        """
        self._check_owner(self.get(job_id).owner, owner)
        job = self._store.star(job_id, starred)
        self._jobs.update(job_id, starred=job.starred, expires=job.expires)
        return self._jobs.known(job_id) or job

    def delete(self, job_id: str, owner: str | None = None) -> None:
        """Delete a finished comparison and its pictures, also one whose record cannot be read.

        `owner` and errors as in `star`; RequestError if it runs.
        """
        try:
            self._check_owner(self._finished(job_id).owner, owner)
        except UnreadableError as error:
            self._check_owner(error.owner, owner)
        in_memory = self._jobs.known(job_id) is not None
        self._jobs.forget(job_id)
        try:
            self._store.delete(job_id)
        except RequestError:
            if not in_memory:  # a job in memory may never have been stored
                raise

    def usage(self) -> Usage:
        """Return the size of the store and its quota. Raises StoreError."""
        return self._store.usage()

    # --- Inside ----------------------------------------------------------------------------------------------------

    def _finished(self, job_id: str) -> Job:
        """Return a finished job whose end is recorded. Raises RequestError if it still runs."""
        job = self.get(job_id)
        if not job.finished:
            raise RequestError(RUNNING)
        self._jobs.settled(job_id)
        return self.get(job_id)

    def _again(self, job: Job, indexes: Sequence[int], client: Client) -> Job:
        self.allowance.check(job.request, len(indexes))
        for key in {job.cells[index].model for index in indexes}:
            self.catalog.get(key)
        cells = (cell.again() if index in indexes else cell for index, cell in enumerate(job.cells))
        again = replace(job, cells=tuple(cells), cancelled=False, environment=self._environment())
        self._jobs.admit(again, client)
        return self._queue(replace(again, note=self._save(lambda: self._store.claim(again, indexes))))

    def _queue(self, job: Job) -> Job:
        self._waiting.add(job.id)
        try:
            queued = self._jobs.submit(job)
        except DemoError:
            self._waiting.take(job.id)
            raise
        with about(job_id, job.id):
            logger.info("A comparison waits; pictures to draw: %d.", sum(not cell.phase.final for cell in job.cells))
        return queued

    def _watch(self, job: Job, heartbeat: float | None) -> Iterator[Job]:
        yield job
        while not job.finished:
            job = self._newer(job, heartbeat)
            yield job

    def _newer(self, seen: Job, heartbeat: float | None) -> Job:
        """Wait for the next snapshot. The store has it if another process runs the job or the queue forgot it."""
        if self._jobs.known(seen.id) is not None:
            try:
                return self._jobs.newer(seen, heartbeat)
            except RequestError:  # finished and already forgotten
                return self._store.get(seen.id)
        self._jobs.wait(POLL_SECONDS if heartbeat is None else min(heartbeat, POLL_SECONDS))
        return self._store.get(seen.id)

    def _with_picture(self, job: Job, index: int) -> Cell:
        cell = job.cells[index]
        if not cell.shown or cell.result is None or cell.result.image is not None:
            return cell
        image = decode_png(self._store.picture(job.id, index))
        return replace(cell, result=replace(cell.result, image=image))

    def _put(self, run: Run, index: int, cell: Cell, machine: Mapping[str, Any]) -> None:
        """Store a final cell, then show it. The environment is now that of the machine that drew it."""

        def write() -> None:
            picture = self._png(cell.result, machine) if cell.shown and cell.result is not None else None
            self._store.save_cell(run.job.id, index, cell, picture)

        note = self._save(write)
        environment = both_machines(run.job.environment, machine or self._environment())
        run.update(environment=environment, note=note or run.job.note)
        run.put(index, cell)

    def _end(self, job: Job) -> None:
        """Record the end of a job in the store, with the environment of every part that drew."""
        self._waiting.take(job.id)
        with about(job_id, job.id):
            logger.info("A comparison ended: %s.", outcomes(job))
        ended = replace(job, environment=self._environment() or job.environment)
        self._save(lambda: self._store.end(ended))
        self._jobs.update(job.id, environment=ended.environment, expires=self._expires(job.id))

    def _expires(self, job_id: str) -> float | None:
        """Return when the store may delete the job; None if the store does not have it."""
        try:
            return self._store.get(job_id).expires
        except DemoError:
            return None

    def _save(self, write: Callable[[], None]) -> str:
        """Write to the store. Return a note for the visitor if that fails, else ""."""
        try:
            write()
        except DemoError as error:
            logger.warning("A comparison could not be stored: %s", error)
            return f"This comparison is lost when the server stops: {error}"
        return ""

    def _png(self, result: Result, machine: Mapping[str, Any]) -> bytes:
        system = self.catalog.by_key().get(result.model)
        return encode_png(result, result.model if system is None else system.name, machine)

    def _check_owner(self, owns: str, owner: str | None) -> None:
        if owner is not None and owner != owns:
            raise RequestError(NOT_YOURS)
