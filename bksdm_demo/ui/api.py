"""The API for programs: compare, job, cancel, report, models, sheets, lab and votes, documented at /gradio_api/info.

Programs and visitors share the queue of the Comparisons service. A refused request reaches the client as the sentence
that a visitor would read. No endpoint lists saved comparisons: a client must know the id.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal

import anyio
import gradio as gr
from gradio.events import api

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.parameters.links import job_address
from bksdm_demo.parameters.partial_request import PartialRequest, interval
from bksdm_demo.parameters.profiles import EXACT, PROFILE_NAMES, stated_options, with_profile
from bksdm_demo.parameters.result_json import request_report, result_report, timestamp
from bksdm_demo.phrase_book import said
from bksdm_demo.records import GENERATORS, SCHEDULERS, Job
from bksdm_demo.reports.formats import KINDS, parse_kind
from bksdm_demo.reports.json_report import offers_report
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.form import FIRST_SEED, whole
from bksdm_demo.ui.lab_api import LabApi
from bksdm_demo.ui.present import picture_address
from bksdm_demo.ui.reports import page_address, report_address
from bksdm_demo.ui.sheet_api import SheetApi
from bksdm_demo.ui.visitors import Visitors, address_of
from bksdm_demo.ui.vote_api import VoteApi

MOST_WAITING = 24  # programs that wait for their pictures; Gradio handles 40 events at once
LOOK_AGAIN = 0.1  # seconds until a waiting program's job is looked at again
TOO_MANY_WAIT = "Too many programs wait for their pictures. Send wait=false and ask /job for the state."

if TYPE_CHECKING:
    Scheduler = str
    Profile = str
    Generator = str
    ReportKind = str
else:  # Gradio shows these choices at /gradio_api/info
    Scheduler = Literal[SCHEDULERS]
    Profile = Literal[PROFILE_NAMES]
    Generator = Literal[GENERATORS]
    ReportKind = Literal[KINDS]


class Api:
    """The endpoints as methods over one Comparisons service."""

    def __init__(self, comparisons: Comparisons) -> None:
        self.comparisons = comparisons
        self._waiting = 0

    async def compare(
        self,
        web: gr.Request,
        prompt: str,
        models: list[str],
        seeds: list[int] | None = None,
        steps: int | None = None,
        guidance_scale: float | None = None,
        scheduler: Scheduler | None = None,
        generator: Generator = "numpy",
        negative_prompt: str = "",
        wait: bool = True,
        guidance_interval: str = "0:1",
        forecast: bool = False,
        deep_every: int = 1,
        profile: Profile = EXACT,
    ) -> dict:
        """Draw one prompt with every model and every seed; all models start from the same noise. Returns what /job
        returns.

        models: keys from /models. seeds: only 7 by default. steps, guidance_scale, scheduler: by default what the first
        model recommends. wait: return when every picture is drawn; if false, return at once and poll /job.
        guidance_interval: the share of the steps that guidance acts in, such as 0:0.5. forecast: skip some evaluations
        of the network, which changes the pictures a little. deep_every: run the network's deep layers in every
        n-th step only. profile: exact, fast or draft, the last two options by name where they are not stated.
        """
        if not isinstance(wait, bool):
            raise RequestError(f"wait must be true or false, not {wait!r:.60}.")
        if wait and self._waiting >= MOST_WAITING:
            raise BusyError(TOO_MANY_WAIT)
        job = await anyio.to_thread.run_sync(
            self._submit,
            web,
            prompt,
            models,
            seeds,
            steps,
            guidance_scale,
            scheduler,
            generator,
            negative_prompt,
            guidance_interval,
            forecast,
            deep_every,
            profile,
        )
        if wait:
            job = await self._finished(job)
        return job_state(job, self._names(), _page(web))

    async def _finished(self, job: Job) -> Job:
        """Wait for the end of a job without a thread."""
        self._waiting += 1
        try:
            while not job.finished:
                await anyio.sleep(LOOK_AGAIN)
                job = await anyio.to_thread.run_sync(self.comparisons.get, job.id)
            return job
        finally:
            self._waiting -= 1

    def _submit(
        self,
        web: gr.Request | None,
        prompt: str,
        models: list[str],
        seeds: list[int] | None,
        steps: int | None,
        guidance_scale: float | None,
        scheduler: str | None,
        generator: str,
        negative_prompt: str,
        guidance_interval: str,
        forecast: bool,
        deep_every: int,
        profile: str,
    ) -> Job:
        """Complete a request by what the first model recommends, and queue it."""
        chosen = _strings("models", models)
        system = self.comparisons.catalog.get(chosen[0]) if chosen else None
        numbers = _numbers("seeds", seeds or [FIRST_SEED])
        partial = PartialRequest(
            prompt,
            negative_prompt,
            whole(steps),
            guidance_scale,
            scheduler,
            generator,
            seeds=numbers,
            **stated_options(interval(_string("guidance_interval", guidance_interval)), forecast, whole(deep_every)),
        )
        partial = with_profile(partial, profile, self.comparisons.environment().get("engine"))
        request = self.comparisons.allowance.complete(partial, system)
        return self.comparisons.submit(request, chosen, seeds=numbers, address=address_of(web))

    def job(self, web: gr.Request, id: str) -> dict:
        """Return the state of a comparison, running or saved: its place in the queue, and the phase, step, seconds and
        address of each picture. `id` comes from /compare, or from the part after job= in a page's address."""
        return job_state(self.comparisons.get(_string("id", id)), self._names(), _page(web))

    def cancel(self, web: gr.Request, id: str) -> dict:
        """Stop a comparison: at once while it waits, else after the current step. Returns what /job returns."""
        return job_state(self.comparisons.cancel(_string("id", id)), self._names(), _page(web))

    def report(self, web: gr.Request, id: str, kind: ReportKind = "html") -> str:
        """Return the address of a report on a comparison; download it with a GET. The kinds: one HTML page that opens
        without this server, a ZIP of everything, a CSV table, or the JSON record."""
        job = self.comparisons.get(_string("id", id))
        return _page(web) + report_address(job.id, parse_kind(_string("kind", kind)).value)

    def models(self) -> list[dict]:
        """List the models: key, name, whether each can run now, the reason if it cannot, and recommended settings."""
        return offers_report(self.comparisons.catalog.systems())

    def _names(self) -> dict[str, str]:
        return {system.key: system.name for system in self.comparisons.catalog.systems()}


def build_api(
    comparisons: Comparisons, sheets: Sheets | None = None, booth: Booth | None = None, *, public: bool = False
) -> None:
    """Add the endpoints; call it inside the page's Blocks. `public` as in SheetApi: visitors own what they draw."""
    endpoints = Api(comparisons)
    named: list[Callable[..., Any]] = [
        endpoints.compare,
        endpoints.job,
        endpoints.cancel,
        endpoints.report,
        endpoints.models,
    ]
    if sheets is not None:
        more = SheetApi(sheets, public)
        named += [more.sheet, more.sheet_state]
    lab = LabApi(comparisons)
    named += [lab.lab, lab.lab_result]
    if booth is not None:
        votes = VoteApi(booth, sheets, Visitors(public))
        named += [votes.vote_pools, votes.vote_pair, votes.vote, votes.leaderboard]
    for endpoint in named:
        api(_with_sentences(endpoint), api_name=endpoint.__name__)


def job_state(job: Job, names: dict[str, str], base_url: str) -> dict[str, Any]:
    """Return a job as plain data. `state` is queued, running or finished; addresses are absolute."""
    return {
        "id": job.id,
        "url": job_address(base_url, job),
        "state": "finished" if job.finished else "queued" if job.position else "running",
        "position": job.position,
        "cancelled": job.cancelled,
        "created": timestamp(job.created),
        "expires": None if job.expires is None else timestamp(job.expires),
        "request": request_report(job.request),
        "models": list(job.models),
        "seeds": list(job.seeds),
        "columns": [_cell_state(job, index, names, base_url) for index in range(len(job.cells))],
        "note": job.note,
    }


def _cell_state(job: Job, index: int, names: dict[str, str], base_url: str) -> dict[str, Any]:
    cell = job.cells[index]
    return {
        "model": cell.model,
        "name": names.get(cell.model, cell.model),
        "seed": cell.seed,
        "phase": cell.phase.value,
        "step": cell.step,
        "steps": cell.steps,
        "message": cell.message,
        "picture": base_url + picture_address(job, index) if cell.shown else None,
        "result": None if cell.result is None else result_report(cell.result),
    }


def _page(web: gr.Request) -> str:
    return page_address(web.request) if web.request is not None else ""


def _with_sentences(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Turn every DemoError of the endpoint into a gr.Error with the same sentence."""

    @wraps(endpoint)
    def answer(*values: Any, **named: Any) -> Any:
        try:
            return endpoint(*values, **named)
        except DemoError as error:
            raise gr.Error(said(error), print_exception=False) from error

    @wraps(endpoint)
    async def later_answer(*values: Any, **named: Any) -> Any:
        try:
            return await endpoint(*values, **named)
        except DemoError as error:
            raise gr.Error(said(error), print_exception=False) from error

    return later_answer if iscoroutinefunction(endpoint) else answer


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{name} must be a string, not {value!r:.60}.")
    return value


def _strings(name: str, values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RequestError(f"{name} must be a list of strings, not {values!r:.60}.")
    return values


def _numbers(name: str, values: object) -> tuple[int, ...]:
    numbers: list[Any] = [whole(value) for value in values] if isinstance(values, list) else [None]
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise RequestError(f"{name} must be a list of whole numbers, not {values!r:.60}.")
    return tuple(numbers)
