"""What the page's events do: start a comparison, watch it, take it up again after a reload, stop it.

Jobs run in the services' worker; everything here only asks, watches and renders, so a closed tab costs nothing but
the watching. DemoErrors become sentences here and nowhere else in the page. Leaves out the layout (page.py).
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
from bksdm_demo.ui.prefill import FILLED_BY_LINK, FILLED_BY_PICTURE, NOT_KEPT_HERE, form_values, read_upload
from bksdm_demo.ui.timing import timing_view
from bksdm_demo.ui.visitors import EVERYBODYS, Visitors

COMPARE_TAB = "compare"
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
    """The page's events over one Comparisons service; of visitors it knows only which of a page's watchers goes on.

    Watching events take the request as Gradio hands it in; without one the watcher is nobody's and no other ends it.
    """

    def __init__(
        self, comparisons: Comparisons, catalog: Catalog, visitors: Visitors = EVERYBODYS, pause: float = PAUSE
    ) -> None:
        self.comparisons, self.catalog, self.visitors, self.pause = comparisons, catalog, visitors, pause
        self._turns = LatestWatcher()

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
        """Submit the form as one job and watch it; a refused form leaves the board as it is."""
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
        """On loading the page: show the job in the address, else fill the form with what the link asks for."""
        job_id = page.query_params.get(JOB, "")
        partial = read_query(page.query_params, self._known())
        try:
            if job_id:
                yield from self.open(job_id, page)
                return
            refusal = ""
        except RequestError:  # unknown
            refusal = GONE if partial.empty else NOT_KEPT_HERE
        except DemoError as error:
            refusal = str(error)
        yield (*form_values(partial), *_told(partial, FILLED_BY_LINK, refusal))

    def open(self, job_id: str, page: gr.Request | None = None) -> Iterator[tuple[Any, ...]]:
        """Fill the form from a job and watch it: the values of the form, then those of Live. Raises as `watch`."""
        job = self.comparisons.get(job_id)
        fields = tuple(_field(job, name, self._known()) for name in Form._fields)
        for live in self._watch(job_id, page):
            yield (*fields, *live)
            fields = (gr.skip(),) * len(Form._fields)

    def open_card(self, event: gr.EventData, page: gr.Request | None = None) -> Iterator[tuple[Any, ...]]:
        """A card of the gallery: the tab to show, then as `open`."""
        tab: Any = gr.Tabs(selected=COMPARE_TAB)
        try:
            for values in self.open(event_value(event, "job"), page):
                yield (tab, *values)
                tab = gr.skip()
        except DemoError as error:
            yield (tab, *form_values(PartialRequest()), *_refused(str(error)))

    def read_picture(self, event: gr.EventData) -> tuple[Any, ...]:
        """Fill the form from a dropped picture's text: the tab to show, the values of the form, a sentence."""
        try:
            partial = read_upload(event._data, self._known())
        except DemoError as error:
            return gr.Tabs(selected=COMPARE_TAB), *form_values(PartialRequest()), notice(str(error))
        return gr.Tabs(selected=COMPARE_TAB), *form_values(partial), _told(partial, FILLED_BY_PICTURE).notice

    def recommend(self, models: Sequence[str], *values: Any) -> tuple[Any, ...]:
        """Steps, guidance and scheduler follow the chosen systems; what was changed by hand stays as it is.

        `values` are the three as they are, then the three that were recommended last; the new six come back.
        """
        present, before = values[:3], values[3:]
        after = recommended([self.systems[key] for key in models if key in self.systems]) or before
        followed = (
            new if now == old and new != old else gr.skip()
            for now, old, new in zip(present, before, after, strict=True)
        )
        return *followed, *after

    def resume(self, job_id: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Watch on after the connection was cut: a phone that slept, a tab that came back from the background."""
        try:
            yield from self._watch(job_id, page)
        except DemoError:
            yield _refused(GONE)

    def rest(self, job_id: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Run what ended without a verdict once more and watch it."""
        yield from self._once_more(lambda: self.comparisons.resume(job_id), page)

    def rerun(self, job_id: str, index: str, page: gr.Request | None = None) -> Iterator[Live]:
        """Run one cell once more, by its index as the page sends it, and watch it."""
        number = int(index) if index.isdecimal() else -1
        yield from self._once_more(lambda: self.comparisons.rerun(job_id, number), page)

    def _once_more(self, start: Callable[[], Job], page: gr.Request | None) -> Iterator[Live]:
        try:
            job = start()
        except DemoError as error:
            yield _refused(str(error))
            return
        yield from self._watch(job.id, page)

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

    def _known(self) -> set[str]:
        """The models that can be chosen."""
        return {key for key, system in self.systems.items() if system.available}

    def _watch(self, job_id: str, page: gr.Request | None) -> Iterator[Live]:
        """One Live per change, until the end or until the page shows something else."""
        snapshots = self.comparisons.watch(job_id, heartbeat=HEARTBEAT)
        with self._turns.turn(getattr(page, "session_hash", None) or "") as ours:
            for live in self._lives(snapshots):
                if not ours():
                    yield _untouched()  # Gradio sends an event's last values once more at its end
                    return
                yield live

    def _lives(self, snapshots: Iterator[Job]) -> Iterator[Live]:
        """Nothing is sent twice, so that finished parts of the page stay untouched."""
        seen, timing_seen = None, None
        for job in snapshots:
            if job is seen:
                still = _untouched()
                yield still._replace(board=job_board(job, self.systems, time.time())) if _loads(job) else still
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
        """The seed of this visitor's last comparison; None when there is none or it is forgotten."""
        try:
            return self.comparisons.get(job_id).request.seed if job_id else None
        except DemoError:
            return None


def _field(job: Job, name: str, known: Collection[str]) -> Any:
    """The job's value of one input of the form; the lock is no part of a request and stays as it is."""
    if name == "models":
        return [key for key in job.models if key in known]
    if name == "seeds":
        return seeds_field(job.seeds)
    if name == "previews":
        return job.preview_every > 0
    return gr.skip() if name in ("locked", "seed") else getattr(job.request, name)


def _loads(job: Job) -> bool:
    """Whether a model is being loaded, whose seconds are counted on the page."""
    return any(cell.phase is Phase.LOADING for cell in job.cells)


def _untouched() -> Live:
    return Live(*(gr.skip(),) * len(Live._fields))


def _refused(sentence: str) -> Live:
    return _untouched()._replace(
        notice=notice(sentence), compare=gr.update(interactive=True), cancel=gr.update(visible=False)
    )


def event_value(event: gr.EventData, name: str) -> str:
    """What the page's scripts sent along with an event, "" for anything that is no text."""
    value = event._data.get(name, "") if isinstance(event._data, dict) else ""
    return value if isinstance(value, str) else ""


def _told(partial: PartialRequest, filled: str, refusal: str = "") -> Live:
    """The sentences under a form that was filled: a refusal, or `filled` where anything was found; then the notes."""
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
