"""What the page's events do: start a comparison, watch it, take it up again after a reload, stop it.

Jobs run in the services' worker; everything here only asks, watches and renders, so a closed tab costs nothing but
the watching. DemoErrors become sentences here and nowhere else in the page. Leaves out the layout (page.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.records import Job, Phase
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.ui.board import empty_board, job_board, notice
from bksdm_demo.ui.chart import timing_section
from bksdm_demo.ui.form import PREVIEW_EVERY, Form, choose_seeds, read_request, seeds_field
from bksdm_demo.ui.timing import timing_view

JOB_PARAMETER = "job"  # of the page's address
HEARTBEAT = 1.0  # seconds after which a quiet watcher checks that its visitor is still there, and looks at the clock
PAUSE = 0.06  # seconds between two pictures of the board: faster than eyes, slower than miniature models
GONE = "This comparison is no longer kept on the server; results stay for a limited time. Compare again."

Update = dict[str, Any]


class Live(NamedTuple):
    """The outputs that every watching event writes, in this order; gr.skip() leaves one as it is."""

    job_id: Any
    seed: Any
    notice: Any
    board: Any
    timing: Any
    compare: Any
    cancel: Any


class Handlers:
    """The page's events over one Comparisons service; holds no state of any visitor."""

    def __init__(self, comparisons: Comparisons, catalog: Catalog, pause: float = PAUSE) -> None:
        self.comparisons, self.catalog, self.pause = comparisons, catalog, pause

    def compare(
        self,
        prompt: str,
        models: Sequence[str],
        seed: float | None,
        locked: bool,
        seeds: str,
        negative_prompt: str,
        steps: float,
        guidance_scale: float,
        scheduler: str,
        generator: str,
        previews: bool,
        last_job: str,
    ) -> Iterator[Live]:
        """Submit the form as one job and watch it; a refused form leaves the board as it is."""
        try:
            numbers = choose_seeds(seed, locked, self._used_seed(last_job), seeds)
            request = read_request(prompt, negative_prompt, numbers[0], steps, guidance_scale, scheduler, generator)
            every = PREVIEW_EVERY if previews else 0
            job = self.comparisons.submit(request, models, seeds=numbers, preview_every=every)
        except DemoError as error:
            yield _refused(str(error))
            return
        yield from self._watch(job.id)

    def reopen(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """On loading the page: fill the form from the job in the address, if any, and watch it."""
        job_id = request.query_params.get(JOB_PARAMETER, "")
        blank = (gr.skip(),) * len(Form._fields)
        if not job_id:
            yield (*blank, *_untouched())
            return
        try:
            job = self.comparisons.get(job_id)
        except DemoError:
            yield (*blank, *_refused(GONE))
            return
        fields = tuple(_field(job, name) for name in Form._fields)
        for live in self._watch(job_id):
            yield (*fields, *live)
            fields = blank

    def resume(self, job_id: str) -> Iterator[Live]:
        """Watch on after the connection was cut: a phone that slept, a tab that came back from the background."""
        try:
            yield from self._watch(job_id)
        except DemoError:
            yield _refused(GONE)

    def cancel(self, job_id: str) -> tuple[str, Update]:
        """Stop the job: the watcher shows the rest. Answers the notice and the cancel button."""
        try:
            self.comparisons.cancel(job_id)
        except DemoError as error:
            return notice(str(error)), gr.update(visible=False)
        return "", gr.update(value="Stopping…", interactive=False)

    def preview(self, models: Sequence[str], job_id: str) -> Any:
        """The empty board follows the choice of models until a first comparison is shown."""
        if job_id:
            return gr.skip()
        return empty_board([system for key, system in self.systems.items() if key in models])

    @property
    def systems(self) -> dict[str, System]:
        """The catalogue's systems by key."""
        return {system.key: system for system in self.catalog.systems()}

    def _watch(self, job_id: str) -> Iterator[Live]:
        """One Live per change; nothing is sent twice, so that finished parts of the page stay untouched."""
        seed: Any = self.comparisons.get(job_id).request.seed
        seen, timing_seen = None, None
        for job in self.comparisons.watch(job_id, heartbeat=HEARTBEAT):
            if job is seen:
                still = _untouched()
                yield still._replace(board=job_board(job, self.systems, time.time())) if _loads(job) else still
                continue
            timing = timing_section(timing_view(job, {key: system.name for key, system in self.systems.items()}))
            yield Live(
                job_id=job.id if seen is None else gr.skip(),
                seed=seed,
                notice="" if seen is None else gr.skip(),
                board=job_board(job, self.systems, time.time()),
                timing=gr.skip() if timing == timing_seen else timing,
                compare=_compare_button(job),
                cancel=_cancel_button(job),
            )
            seed, seen, timing_seen = gr.skip(), job, timing
            if not job.finished:
                time.sleep(self.pause)

    def _used_seed(self, job_id: str) -> int | None:
        """The seed of this visitor's last comparison; None when there is none or it is forgotten."""
        try:
            return self.comparisons.get(job_id).request.seed if job_id else None
        except DemoError:
            return None


def _field(job: Job, name: str) -> Any:
    """The job's value of one input of the form; the lock is no part of a request and stays as it is."""
    if name == "models":
        return list(job.models)
    if name == "seeds":
        return seeds_field(job.seeds)
    if name == "previews":
        return job.preview_every > 0
    return gr.skip() if name in ("locked", "seed") else getattr(job.request, name)


def _loads(job: Job) -> bool:
    """Whether a model is being loaded, whose seconds are counted on the page."""
    return any(column.phase is Phase.LOADING for column in job.columns)


def _untouched() -> Live:
    return Live(*(gr.skip(),) * len(Live._fields))


def _refused(sentence: str) -> Live:
    return _untouched()._replace(
        notice=notice(sentence), compare=gr.update(interactive=True), cancel=gr.update(visible=False)
    )


def _compare_button(job: Job) -> Update:
    return gr.update(interactive=job.finished, value="Compare" if job.finished else "Drawing…")


def _cancel_button(job: Job) -> Update:
    stopping = job.cancelled and not job.finished
    return gr.update(visible=not job.finished, interactive=not stopping, value="Stopping…" if stopping else "Cancel")
