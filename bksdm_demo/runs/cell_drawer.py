"""Draws the waiting cells of a job: one after the other, or at idle places at the same time.

A cell that fails gets a message, and the others go on. Every message of the log that arises meanwhile names the job.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from bksdm_demo.diffusion.plan import evaluations_by_call
from bksdm_demo.errors import CancelledError, DemoError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.logs import about, job_id
from bksdm_demo.records import Cell, Phase
from bksdm_demo.runs.drawer import Drawer, Event, Loading, Order, Preview, Progress
from bksdm_demo.runs.jobs import UNEXPECTED, Run
from bksdm_demo.runs.meter import Meter, Waiting
from bksdm_demo.wording.outcomes import OUTCOMES

logger = logging.getLogger(__name__)


class CellDrawer:
    """The runner of a JobQueue. `record` stores and shows a final cell; it gets the machine's description, too."""

    def __init__(
        self,
        drawer: Drawer,
        catalog: Catalog,
        meter: Meter,
        waiting: Waiting,
        record: Callable[[Run, int, Cell, Mapping[str, Any]], None],
    ) -> None:
        self._drawer, self._catalog, self._meter, self._waiting = drawer, catalog, meter, waiting
        self._record = record

    def run(self, run: Run) -> None:
        """Draw every waiting cell of the job, or those of one turn. Idle places draw some of them at the same time."""
        job = run.job
        waited = self._waiting.take(job.id)
        if waited is not None:
            self._meter.began(waited)
        left = deque(index for index in job.order if job.cells[index].phase is Phase.QUEUED)
        helpers: list[threading.Thread] = []
        with about(job_id, job.id):
            while left and not run.turn_over() and not run.stopped():
                while len(left) > len(helpers) + 1 and run.more_room():
                    helpers.append(threading.Thread(target=self._help, args=(run, left), name="cells", daemon=True))
                    helpers[-1].start()
                self._draw_next(run, left)
        if helpers:
            run.rest()
        for helper in helpers:
            helper.join()

    def _help(self, run: Run, left: deque[int]) -> None:
        """Draw waiting cells at a place of their own, until another job waits for it."""
        try:
            with about(job_id, run.job.id):
                while left and not run.crowded() and not run.stopped():
                    self._draw_next(run, left)
        except Exception:
            logger.exception("Some pictures of a comparison ended unexpectedly")
        finally:
            run.leave_room()

    def _draw_next(self, run: Run, left: deque[int]) -> None:
        try:
            index = left.popleft()
        except IndexError:  # another thread has the last one
            return
        self._run_cell(run, index)

    def _run_cell(self, run: Run, index: int) -> None:
        """Draw one cell and make it final: done, blocked or failed. The queue marks cancelled cells."""
        job = run.job
        model, request = job.cells[index].model, job.request_of(index)
        lesson = run.lesson(model, request)

        def tell(event: Event) -> None:
            match event:
                case Progress(phase, step, steps):
                    lesson.entered(phase, step, steps)
                    run.change(index, phase, step=step, steps=steps, loading=None)
                    if phase is Phase.DENOISING and step:
                        self._meter.evaluated(model, evaluations_by_call(request, steps)[step - 1])
                case Loading(progress):
                    run.change(index, Phase.LOADING, loading=progress)
                case Preview(image, message):
                    run.change(index, Phase.DENOISING, preview=image, message=message)

        public_message: Callable[[Exception], str] = str
        try:
            public_message = self._catalog.get(model).public_error
            order = Order(job.id, index, model, request, job.preview_every, job.models)
            drawn = self._drawer.draw(order, tell, run.stopped)
        except CancelledError:
            return  # the queue makes every unfinished cell final
        except DemoError as error:
            self._fail(run, index, public_message(error))
        except Exception:
            logger.exception("%s failed unexpectedly", model)
            self._fail(run, index, UNEXPECTED)
        else:
            result = drawn.result
            lesson.drawn(result)
            blocked = result.image is None
            if blocked:  # the scores are for the operator only
                logger.info("%s: %s Scores: %s", model, result.verdict.reason, result.verdict.scores or "none")
            message = (result.verdict.reason or OUTCOMES[Phase.BLOCKED][1]) if blocked else ""
            phase = Phase.BLOCKED if blocked else Phase.DONE
            final = run.job.cells[index].verdict(phase, result, message)
            self._record(run, index, final, drawn.environment)
            self._meter.ended(final)

    def _fail(self, run: Run, index: int, message: str) -> None:
        """Make the cell failed, or as it was before it ran again; the store already has the earlier outcome."""
        cell = run.job.cells[index]
        ended = cell.ended(Phase.FAILED, message)
        if cell.earlier is None:
            self._record(run, index, ended, {})
        else:
            run.put(index, ended)
        self._meter.ended(ended)
