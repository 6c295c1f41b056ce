"""The endpoints of the timing lab for programs: measure models in rounds, and read the numbers with their intervals.

A measurement is a comparison with a seed for each round, as behind the page's "Measure" button: it waits in the queue,
counts against the same limits, and can be opened on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from bksdm_demo.errors import RequestError
from bksdm_demo.intervals import FEWEST, Estimate, spread
from bksdm_demo.parameters.links import job_address
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.result_json import request_report
from bksdm_demo.records import SCHEDULERS, SEEDS_LIMIT, Job
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.form import FIRST_SEED, whole
from bksdm_demo.ui.reports import page_address
from bksdm_demo.ui.visitors import address_of
from bksdm_demo.wording.rounds import Rounds, equal_time_words, rounds_of, rounds_words

if TYPE_CHECKING:
    Scheduler = str
else:  # Gradio shows these choices at /gradio_api/info
    Scheduler = Literal[SCHEDULERS]


class LabApi:
    """The endpoints as methods over one Comparisons service."""

    def __init__(self, comparisons: Comparisons) -> None:
        self.comparisons = comparisons

    def lab(
        self,
        web: gr.Request,
        prompt: str,
        models: list[str],
        rounds: int = FEWEST,
        steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: Scheduler | None = None,
    ) -> dict:
        """Measure models: each round draws one picture with each of them. Returns at once what /lab_result returns.

        rounds: fewer than 5 give no interval. The first model is the one that speeds refer to. steps, guidance_scale,
        scheduler: by default what the first model recommends.
        """
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            raise RequestError(f"models must be a list of strings, not {models!r:.60}.")
        number = whole(rounds)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= SEEDS_LIMIT:
            raise RequestError(f"rounds is {rounds!r:.60}; it must be a whole number between 1 and {SEEDS_LIMIT}.")
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + number))
        partial = PartialRequest(prompt, "", whole(steps), guidance_scale, scheduler, None, seeds)
        system = self.comparisons.catalog.get(models[0]) if models else None
        request = self.comparisons.allowance.complete(partial, system)
        job = self.comparisons.submit(request, models, seeds=seeds, address=address_of(web))
        return self._result(web, job)

    def lab_result(self, web: gr.Request, id: str) -> dict:
        """Return what was measured so far: for each model its drawing seconds (median and quartiles), its speed against
        the first model with the 95 % interval, and its loading. `id` comes from /lab, or from any comparison."""
        if not isinstance(id, str):
            raise RequestError(f"id must be a string, not {id!r:.60}.")
        return self._result(web, self.comparisons.get(id))

    def _result(self, web: gr.Request, job: Job) -> dict[str, Any]:
        page = page_address(web.request) if web.request is not None else ""
        names = {system.key: system.name for system in self.comparisons.catalog.systems()}
        return lab_result(job, names, page)


def lab_result(job: Job, names: Mapping[str, str], page: str) -> dict[str, Any]:
    """Return a measurement as plain data. `interleaved` says whether the models took turns, round by round."""
    rounds = rounds_of(job)
    return {
        "id": job.id,
        "url": job_address(page, job),
        "state": "finished" if job.finished else "queued" if job.position else "running",
        "request": request_report(job.request),
        "rounds": len(job.seeds),
        "measured": 0 if rounds is None else len(rounds.seeds),
        "left_out": 0 if rounds is None else rounds.cold,
        "interleaved": job.by_seed,
        "words": "" if rounds is None else rounds_words(job, rounds),
        "fewer_steps": "" if rounds is None or len(rounds.models) == 1 else equal_time_words(rounds, names),
        "models": [] if rounds is None else [_model(rounds, model, names) for model in rounds.models],
        "machine": {name: job.environment.get(name) for name in ("platform", "cpu", "engine", "precision")},
    }


def _model(rounds: Rounds, model: str, names: Mapping[str, str]) -> dict[str, Any]:
    drawing = spread(rounds.drawings(model))
    return {
        "model": model,
        "name": names.get(model, model),
        "drawing_seconds": {"median": drawing.median, "low": drawing.low, "high": drawing.high},
        "times_as_fast": _estimate(rounds.speed(model)),
        "loading_seconds": rounds.loads[model],
    }


def _estimate(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"median": found.value, "low": found.low, "high": found.high, "count": found.count}
