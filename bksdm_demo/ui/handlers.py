"""Handles the page's events: start a comparison, watch it, show it again after a reload, stop it.

Jobs run in the worker of the Comparisons service and go on when a tab is closed. The handlers only submit, watch and
render. They turn every DemoError into a sentence on the page. The layout is in compare.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.parameters.links import JOB, read_query
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import Job, Phase
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.board import empty_board, job_board, notice, remark
from bksdm_demo.ui.chart import timing_section
from bksdm_demo.ui.form import PREVIEW_EVERY, Form, choose_seeds, read_request, recommended, seeds_field
from bksdm_demo.ui.latest_watcher import LatestWatcher
from bksdm_demo.ui.prefill import FILLED_BY_LINK, FILLED_BY_PICTURE, NOT_STORED_HERE, form_values, read_upload
from bksdm_demo.ui.timing import timing_view
from bksdm_demo.ui.visitors import EVERYBODYS, Visitors

COMPARE_TAB = "compare"
HEARTBEAT = 1.0  # seconds until a watcher without news checks for its visitor and updates the elapsed times
PAUSE = 0.06  # seconds between two updates of the board: short for the eye, long for a miniature model
GONE = "The server does not have this comparison. Results expire after a while. Press Compare to start a new one."

Update = dict[str, Any]


class Live(NamedTuple):
    """The outputs that every watching event writes, in this order; gr.skip() leaves one unchanged."""

    job_id: Any
    seed: Any
    notice: Any
    board: Any
    timing: Any
    compare: Any
    cancel: Any


class Handlers:
    """The page's events over one Comparisons service. Their only state is the latest watcher of each page.

    Gradio passes its request to the watching events. Without a request, no later watcher ends this one.
    """

    def __init__(
        self, comparisons: Comparisons, catalog: Catalog, visitors: Visitors = EVERYBODYS, pause: float = PAUSE
    ) -> None:
        self.comparisons, self.catalog, self.visitors, self.pause = comparisons, catalog, visitors, pause
        self._latest_watcher = LatestWatcher()

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
        last_job: str,
        page: gr.Request | None = None,
    ) -> Iterator[Live]:
        """Submit the form as one job and watch it; a refused form leaves the board unchanged."""
        try:
            numbers = choose_seeds(seed, locked, self._used_seed(last_job), seeds)
            request = read_request(prompt, negative_prompt, numbers[0], steps, guidance_scale, scheduler, generator)
            every = PREVIEW_EVERY if previews else 0
            owner = self.visitors.submitter(visitor)
            job = self.comparisons.submit(request, models, seeds=numbers, preview_every=every, owner=owner)
        except DemoError as error:
            yield _refused(str(error))
            return
        yield from self._watch(job.id, page)

    def reopen(self, page: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Handle the loading of the page: show the job in the address, or fill the form from the link."""
        job_id = page.query_params.get(JOB, "")
        partial = read_query(page.query_params, self._known())
        try:
            if job_id:
                yield from self.open(job_id, page)
                return
            refusal = ""
        except RequestError:  # there is no such job
            refusal = GONE if partial.empty else NOT_STORED_HERE
        except DemoError as error:
            refusal = str(error)
        yield (*form_values(partial), *_after_filling(partial, FILLED_BY_LINK, refusal))

    def open(self, job_id: str, page: gr.Request | None = None) -> Iterator[tuple[Any, ...]]:
        """Fill the form from a job and watch it: yields the values of the form, then those of Live.

        Raises RequestError for an unknown job.
        """
        job = self.comparisons.get(job_id)
        fields = tuple(_field(job, name, self._known()) for name in Form._fields)
        for live in self._watch(job_id, page):
            yield (*fields, *live)
            fields = (gr.skip(),) * len(Form._fields)

    def open_card(self, event: gr.EventData, page: gr.Request | None = None) -> Iterator[tuple[Any, ...]]:
        """Open a card of the gallery: yields the tab to show, then the values of `open`."""
        tab: Any = gr.Tabs(selected=COMPARE_TAB)
        try:
            for values in self.open(event_value(event, "job"), page):
                yield (tab, *values)
                tab = gr.skip()
        except DemoError as error:
            yield (tab, *form_values(PartialRequest()), *_refused(str(error)))

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
        followed = (
            new if now == old and new != old else gr.skip()
            for now, old, new in zip(present, before, after, strict=True)
        )
        return *followed, *after

    def resume(self, job_id: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Watch again after the connection was cut, such as by a phone that slept or a tab in the background."""
        try:
            yield from self._watch(job_id, page)
        except DemoError:
            yield _refused(GONE)

    def rest(self, job_id: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Run every cell that ended without a verdict again, and watch."""
        yield from self._run_again(lambda: self.comparisons.resume(job_id), page)

    def rerun(self, job_id: str, index: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Run one cell again and watch; `index` is the text that the page sends."""
        number = int(index) if index.isdecimal() else -1
        yield from self._run_again(lambda: self.comparisons.rerun(job_id, number), page)

    def _run_again(self, start: Callable[[], Job], page: gr.Request | None) -> Iterator[Live]:
        try:
            job = start()
        except DemoError as error:
            yield _refused(str(error))
            return
        yield from self._watch(job.id, page)

    def cancel(self, job_id: str) -> tuple[str, Update]:
        """Stop the job; the watcher shows the rest. Returns the notice and the cancel button."""
        try:
            self.comparisons.cancel(job_id)
        except DemoError as error:
            return notice(str(error)), gr.update(visible=False)
        return "", gr.update(value="Stopping…", interactive=False)

    def preview(self, models: Sequence[str], job_id: str) -> Any:
        """Show the chosen models on the empty board until a first comparison is shown."""
        if job_id:
            return gr.skip()
        return empty_board([system for key, system in self.systems.items() if key in models])

    @property
    def systems(self) -> dict[str, System]:
        """The systems of the catalogue, by key."""
        return self.catalog.by_key()

    def _known(self) -> set[str]:
        """Return the keys of the models that can be chosen."""
        return {key for key, system in self.systems.items() if system.available}

    def _watch(self, job_id: str, page: gr.Request | None) -> Iterator[Live]:
        """Yield one Live per change until the job ends or the page shows another comparison."""
        snapshots = self.comparisons.watch(job_id, heartbeat=HEARTBEAT)
        with self._latest_watcher.watch(getattr(page, "session_hash", None) or "") as is_latest:
            for update in self._updates(snapshots):
                if not is_latest():
                    yield _untouched()  # Gradio sends the last values of an event again when it ends
                    return
                yield update

    def _updates(self, snapshots: Iterator[Job]) -> Iterator[Live]:
        """Yield each value only once, so that finished parts of the page stay untouched."""
        seen, timing_seen = None, None
        for job in snapshots:
            if job is seen:
                still = _untouched()
                yield still._replace(board=job_board(job, self.systems, time.time())) if _is_loading(job) else still
                continue
            timing = timing_section(timing_view(job, {key: system.name for key, system in self.systems.items()}))
            yield Live(
                job_id=job.id if seen is None else gr.skip(),
                seed=job.request.seed if seen is None else gr.skip(),
                notice="" if seen is None else gr.skip(),
                board=job_board(job, self.systems, time.time()),
                timing=gr.skip() if timing == timing_seen else timing,
                compare=_compare_button(job),
                cancel=_cancel_button(job),
            )
            seen, timing_seen = job, timing
            if not job.finished:
                time.sleep(self.pause)

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
    return gr.skip() if name in ("locked", "seed") else getattr(job.request, name)


def _is_loading(job: Job) -> bool:
    """Whether a model is loading, so that the page must count the seconds."""
    return any(cell.phase is Phase.LOADING for cell in job.cells)


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
    return gr.update(interactive=job.finished, value="Compare" if job.finished else "Drawing…")


def _cancel_button(job: Job) -> Update:
    stopping = job.cancelled and not job.finished
    return gr.update(visible=not job.finished, interactive=not stopping, value="Stopping…" if stopping else "Cancel")
