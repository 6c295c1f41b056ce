"""Comparisons: one request through several models, one after the other, from the same noise.

The page and the command line ask here and nowhere deeper. Each model is a column of the job; a column that fails does
so with a sentence and the others go on. Queueing and watching are jobs.py's, drawing is generation.py's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from bksdm_demo.errors import CancelledError, DemoError, RequestError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.records import Job, Loading, Phase, Request
from bksdm_demo.services.cache import PipelineCache
from bksdm_demo.services.generation import generate
from bksdm_demo.services.jobs import UNEXPECTED, JobQueue, Run

logger = logging.getLogger(__name__)

BLOCKED = "The safety checker blocked this picture. Try another prompt or another seed."


class Comparisons:
    """The service; safe to use from several threads. `close()` it to stop its worker."""

    def __init__(
        self, cache: PipelineCache, *, queue_size: int = 16, keep_jobs: int = 64, keep_seconds: float = 3600.0
    ) -> None:
        self.cache = cache
        self._jobs = JobQueue(self._run, queue_size=queue_size, keep_jobs=keep_jobs, keep_seconds=keep_seconds)

    @property
    def catalog(self) -> Catalog:
        return self.cache.catalog

    def submit(self, request: Request, models: Sequence[str]) -> Job:
        """Queue a comparison; a model named twice runs once.

        Raises RequestError without any model, ModelUnavailableError for an unknown or unavailable one, BusyError
        when the queue is full.
        """
        if isinstance(models, str) or not models:
            raise RequestError("No model is chosen: choose at least one.")
        chosen = tuple(dict.fromkeys(models))
        for key in chosen:
            self.catalog.get(key)
        return self._jobs.submit(request, chosen)

    def get(self, job_id: str) -> Job:
        """The present snapshot. Raises RequestError for an id that is unknown or forgotten."""
        return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> Job:
        """Stop a comparison: at once while it waits, after the present step while it runs; finished columns stay."""
        return self._jobs.cancel(job_id)

    def watch(self, job_id: str, heartbeat: float | None = None) -> Iterator[Job]:
        """Snapshots from now to the finished one; may be left and taken up again. See JobQueue.watch."""
        return self._jobs.watch(job_id, heartbeat)

    def close(self) -> None:
        """Interrupt everything, stop the worker and unload the models."""
        self._jobs.close()
        self.cache.clear()

    def _run(self, run: Run) -> None:
        for index in range(len(run.job.columns)):
            if not run.stopped():
                self._run_column(run, index)

    def _run_column(self, run: Run, index: int) -> None:
        """Draw one column and leave it final: done, blocked, failed or cancelled."""
        model, request = run.job.columns[index].model, run.job.request

        def report(phase: Phase, step: int, steps: int) -> None:
            run.change(index, phase, step=step, steps=steps, loading=None)

        def loading(part: Loading) -> None:
            run.change(index, Phase.LOADING, loading=part)

        told: Callable[[Exception], str] = str
        try:
            told = self.catalog.get(model).told
            result = generate(self.cache, model, request, report, run.stopped, loading)
        except CancelledError:
            return  # the queue marks every unfinished column
        except DemoError as error:
            run.change(index, Phase.FAILED, message=told(error))
        except Exception:
            logger.exception("%s failed unexpectedly", model)
            run.change(index, Phase.FAILED, message=UNEXPECTED)
        else:
            blocked = result.image is None
            message = (result.verdict.reason or BLOCKED) if blocked else ""
            run.change(index, Phase.BLOCKED if blocked else Phase.DONE, result=result, message=message)
