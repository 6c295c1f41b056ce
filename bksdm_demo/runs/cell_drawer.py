"""Draws the waiting cells of a job, one after the other. A cell that fails gets a message, and the others go on.

Every message of the log that arises meanwhile names the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from numpy.typing import NDArray

from bksdm_demo.diffusion.plan import evaluations_by_call
from bksdm_demo.errors import CancelledError, DemoError
from bksdm_demo.logs import about, job_id
from bksdm_demo.records import Cell, LoadProgress, Phase
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.jobs import UNEXPECTED, Run
from bksdm_demo.runs.meter import Meter, Waiting
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import Previews
from bksdm_demo.wording.outcomes import OUTCOMES

logger = logging.getLogger(__name__)


class CellDrawer:
    """The runner of a JobQueue. `record` stores a final cell and shows it. Without `previews` nobody gets any."""

    def __init__(
        self,
        cache: PipelineCache,
        meter: Meter,
        waiting: Waiting,
        previews: Previews | None,
        record: Callable[[Run, int, Cell], None],
    ) -> None:
        self._cache, self._meter, self._waiting = cache, meter, waiting
        self._previews, self._record = previews, record

    def run(self, run: Run) -> None:
        """Draw every waiting cell of the job, or those of one turn."""
        job = run.job
        waited = self._waiting.take(job.id)
        if waited is not None:
            self._meter.began(waited)
        with about(job_id, job.id):
            for index in job.order:
                if run.turn_over():
                    return
                if job.cells[index].phase is Phase.QUEUED and not run.stopped():
                    self._run_cell(run, index)

    def _run_cell(self, run: Run, index: int) -> None:
        """Draw one cell and make it final: done, blocked or failed. The queue marks cancelled cells."""
        model, request = run.job.cells[index].model, run.job.request_of(index)

        def report(phase: Phase, step: int, steps: int) -> None:
            run.change(index, phase, step=step, steps=steps, loading=None)
            if phase is Phase.DENOISING and step:
                self._meter.evaluated(model, evaluations_by_call(request, steps)[step - 1])

        def report_loading(progress: LoadProgress) -> None:
            run.change(index, Phase.LOADING, loading=progress)

        def show(preview: NDArray | None, message: str) -> None:
            run.change(index, Phase.DENOISING, preview=preview, message=message)

        every = 0 if request.savings else run.job.preview_every  # the checker never saw estimates of such runs
        observer = self._previews.observer(every, show) if every and self._previews is not None else None
        public_message: Callable[[Exception], str] = str
        try:
            public_message = self._cache.catalog.get(model).public_error
            result = generate(self._cache, model, request, report, run.stopped, report_loading, observer)
        except CancelledError:
            return  # the queue makes every unfinished cell final
        except DemoError as error:
            self._fail(run, index, public_message(error))
        except Exception:
            logger.exception("%s failed unexpectedly", model)
            self._fail(run, index, UNEXPECTED)
        else:
            blocked = result.image is None
            if blocked:  # the scores are for the operator only
                logger.info("%s: %s Scores: %s", model, result.verdict.reason, result.verdict.scores or "none")
            message = (result.verdict.reason or OUTCOMES[Phase.BLOCKED][1]) if blocked else ""
            phase = Phase.BLOCKED if blocked else Phase.DONE
            final = run.job.cells[index].verdict(phase, result, message)
            self._record(run, index, final)
            self._meter.ended(final)

    def _fail(self, run: Run, index: int, message: str) -> None:
        """Make the cell failed, or as it was before it ran again; the store already has the earlier outcome."""
        cell = run.job.cells[index]
        ended = cell.ended(Phase.FAILED, message)
        if cell.earlier is None:
            self._record(run, index, ended)
        else:
            run.put(index, ended)
        self._meter.ended(ended)
