"""Handles the page's events: start a comparison, show its current state, show it again after a reload, stop it.

Jobs run in the worker of the Comparisons service and go on when a tab is closed. The handlers only submit and render,
and return at once: an open page holds neither a thread nor a connection. news.py tells it when to look again. The
handlers turn every DemoError into a sentence on the page. The layout is in compare.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.intervals import FEWEST
from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.parameters.links import JOB, read_query
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import Job
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.board import empty_board, job_board, notice, remark
from bksdm_demo.ui.chart import timing_section
from bksdm_demo.ui.form import PREVIEW_EVERY, Form, choose_seeds, consecutive, read_request, recommended, seeds_field
from bksdm_demo.ui.prefill import FILLED_BY_LINK, FILLED_BY_PICTURE, NOT_STORED_HERE, form_values, read_upload
from bksdm_demo.ui.timing import timing_view
from bksdm_demo.ui.visitors import EVERYBODYS, Visitors
from bksdm_demo.wording.comparison import interval_text

COMPARE_TAB = "compare"
GONE = marked(
    "The server does not have this comparison. Results expire after a while. Press Compare to start a new one."
)

Update = dict[str, Any]


class Live(NamedTuple):
    """The outputs of every event that shows a comparison, in this order; gr.skip() leaves one unchanged."""

    job_id: Any
    seed: Any
    notice: Any
    board: Any
    timing: Any
    compare: Any
    cancel: Any


class Handlers:
    """The page's events over one Comparisons service. They keep no state of any page."""

    def __init__(self, comparisons: Comparisons, catalog: Catalog, visitors: Visitors = EVERYBODYS) -> None:
        self.comparisons, self.catalog, self.visitors = comparisons, catalog, visitors

    def compare(
        self,
        visitor: str,
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
        guidance_interval: str,
        forecast: bool,
        deep_every: float,
        last_job: str,
        page: gr.Request | None = None,
    ) -> Live:
        """Submit the form as one job and show it; a refused form leaves the board unchanged."""
        try:
            numbers = choose_seeds(seed, locked, self._used_seed(last_job), seeds)
            request = read_request(
                prompt,
                negative_prompt,
                numbers[0],
                steps,
                guidance_scale,
                scheduler,
                generator,
                guidance_interval,
                forecast,
                deep_every,
            )
            every = PREVIEW_EVERY if previews and self.comparisons.previews_allowed else 0
            client = self.visitors.client(visitor, page)
            job = self.comparisons.submit(
                request, models, seeds=numbers, preview_every=every, owner=client.visitor, address=client.address
            )
        except DemoError as error:
            return _refused(str(error))
        return self._first(job)

    def reopen(self, page: gr.Request) -> tuple[Any, ...]:
        """Handle the loading of the page: show the job in the address, or fill the form from the link."""
        job_id = page.query_params.get(JOB, "")
        partial = read_query(page.query_params, self._known())
        try:
            if job_id:
                return self.open(job_id)
            refusal = ""
        except RequestError:  # there is no such job
            refusal = GONE if partial.empty else NOT_STORED_HERE
        except DemoError as error:
            refusal = str(error)
        return *form_values(partial), *_after_filling(partial, FILLED_BY_LINK, refusal)

    def open(self, job_id: str) -> tuple[Any, ...]:
        """Fill the form from a job and show it: returns the values of the form, then those of Live.

        Raises RequestError for an unknown job.
        """
        job = self.comparisons.get(job_id)
        return *(_field(job, name, self._known()) for name in Form._fields), *self._first(job)

    def open_card(self, event: gr.EventData) -> tuple[Any, ...]:
        """Open a card of the gallery: returns what `show` does."""
        return self.show(event_value(event, "job"))

    def show(self, job_id: str) -> tuple[Any, ...]:
        """Show a comparison instead of the present one: returns the tab to show, then the values of `open`."""
        tab = gr.Tabs(selected=COMPARE_TAB)
        try:
            return tab, *self.open(job_id)
        except DemoError as error:
            return tab, *form_values(PartialRequest()), *_refused(str(error))

    def read_picture(self, event: gr.EventData) -> tuple[Any, ...]:
        """Fill the form from the text in a dropped picture: returns the tab to show, the form's values and a notice."""
        try:
            partial = read_upload(event._data, self._known())
        except DemoError as error:
            return gr.Tabs(selected=COMPARE_TAB), *form_values(PartialRequest()), notice(str(error))
        return gr.Tabs(selected=COMPARE_TAB), *form_values(partial), _after_filling(partial, FILLED_BY_PICTURE).notice

    def recommend(self, models: Sequence[str], *values: Any) -> tuple[Any, ...]:
        """Set steps, guidance and scheduler to what the chosen systems recommend, unless the visitor changed them.

        `values` are the three current values, then the last three recommended ones. Returns the new six.
        """
        present, before = values[:3], values[3:]
        after = recommended([self.systems[key] for key in models if key in self.systems]) or before
        after = (self.comparisons.allowance.nearest_steps(after[0]), *after[1:])
        followed = (
            new if now == old and new != old else gr.skip()
            for now, old, new in zip(present, before, after, strict=True)
        )
        return *followed, *after

    def refresh(self, job_id: str) -> Live:
        """Show the current state of the comparison on the page; watch.js asks for it when there is news."""
        try:
            return self._shown(self.comparisons.get(job_id))
        except DemoError:
            return _refused(GONE)

    def rest(self, visitor: str, job_id: str, page: gr.Request | None = None) -> Live:
        """Run every cell that ended without a verdict again."""
        client = self.visitors.client(visitor, page)
        return self._run_again(lambda: self.comparisons.resume(job_id, client))

    def measure(self, visitor: str, job_id: str, page: gr.Request | None = None) -> tuple[Any, ...]:
        """Start the comparison anew with enough seeds for intervals: returns what `open` does."""
        try:
            shown = self.comparisons.get(job_id)
            client = self.visitors.client(visitor, page)
            job = self.comparisons.submit(
                shown.request,
                shown.models,
                seeds=consecutive(shown.request.seed, FEWEST),
                owner=client.visitor,
                address=client.address,
            )
            return self.open(job.id)
        except DemoError as error:
            return *form_values(PartialRequest()), *_refused(str(error))

    def rerun(self, visitor: str, job_id: str, index: str, page: gr.Request | None = None) -> Live:
        """Run one cell again; `index` is the text that the page sends."""
        number = int(index) if index and index.isdecimal() and len(index) < 5 else -1
        client = self.visitors.client(visitor, page)
        return self._run_again(lambda: self.comparisons.rerun(job_id, number, client))

    def _run_again(self, start: Callable[[], Job]) -> Live:
        try:
            return self._first(start())
        except DemoError as error:
            return _refused(str(error))

    def cancel(self, job_id: str) -> tuple[str, Update]:
        """Stop the job; news follow. Returns the notice and the cancel button."""
        try:
            self.comparisons.cancel(job_id)
        except DemoError as error:
            return notice(str(error)), gr.update(visible=False)
        return "", gr.update(value=say("Stopping…"), interactive=False)

    def preview(self, models: Sequence[str], job_id: str) -> Any:
        """Show the chosen models on the empty board until a first comparison is shown."""
        if job_id:
            return gr.skip()
        return empty_board([system for key, system in self.systems.items() if key in models])

    @property
    def systems(self) -> dict[str, System]:
        """The systems of the catalogue, by key."""
        return self.catalog.by_key()

    def _names(self) -> dict[str, str]:
        return {key: system.name for key, system in self.systems.items()}

    def _known(self) -> set[str]:
        """Return the keys of the models that can be chosen."""
        return {key for key, system in self.systems.items() if system.available}

    def _first(self, job: Job) -> Live:
        """Return a comparison that the page has not shown before."""
        return self._shown(job)._replace(job_id=job.id, seed=job.request.seed, notice="")

    def _shown(self, job: Job) -> Live:
        """Return the parts of the page that change while a comparison runs."""
        return _untouched()._replace(
            board=job_board(job, self.systems, time.time()),
            timing=timing_section(timing_view(job, self._names(), self.comparisons.allowance.pictures)),
            compare=_compare_button(job),
            cancel=_cancel_button(job),
        )

    def _used_seed(self, job_id: str) -> int | None:
        """Return the seed of this visitor's last comparison; None if there is none or it has expired."""
        try:
            return self.comparisons.get(job_id).request.seed if job_id else None
        except DemoError:
            return None


def _field(job: Job, name: str, known: Collection[str]) -> Any:
    """Return the job's value for one input of the form; the lock is not part of a request and stays unchanged."""
    if name == "models":
        return [key for key in job.models if key in known]
    if name == "seeds":
        return seeds_field(job.seeds)
    if name == "previews":
        return job.preview_every > 0
    if name == "guidance_interval":
        return interval_text(job.request.guidance_interval)
    return gr.skip() if name in ("locked", "seed") else getattr(job.request, name)


def _untouched() -> Live:
    return Live(*(gr.skip(),) * len(Live._fields))


def _refused(sentence: str) -> Live:
    return _untouched()._replace(
        notice=notice(sentence), compare=gr.update(interactive=True), cancel=gr.update(visible=False)
    )


def event_value(event: gr.EventData, name: str) -> str:
    """Return a text that the page's scripts sent with an event; "" for any other value."""
    value = event._data.get(name, "") if isinstance(event._data, dict) else ""
    return value if isinstance(value, str) else ""


def _after_filling(partial: PartialRequest, filled: str, refusal: str = "") -> Live:
    """Return the notice for a filled form: the refusal, or `filled` if there was anything to fill, then the notes."""
    first = refusal or ("" if partial.empty else filled)
    sentences = " ".join([*([first] if first else []), *partial.notes])
    if not sentences:
        return _untouched()
    alert = bool(refusal or partial.notes)
    return _untouched()._replace(notice=notice(sentences) if alert else remark(sentences))


def _compare_button(job: Job) -> Update:
    return gr.update(interactive=job.finished, value=say("Compare") if job.finished else say("Drawing…"))


def _cancel_button(job: Job) -> Update:
    stopping = job.cancelled and not job.finished
    return gr.update(
        visible=not job.finished, interactive=not stopping, value=say("Stopping…") if stopping else say("Cancel")
    )
