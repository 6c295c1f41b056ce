"""Builds the Compare tab: lays out the form, the published models and the board, and wires events to handlers.

The frame around the tab is in page.py; words about a job are in present.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.downloads.background import Background
from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import EMOJI_FAMILY, Availability, Catalog
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.background import BackgroundHandlers
from bksdm_demo.ui.board import empty_board
from bksdm_demo.ui.form import Form, build_essentials, build_settings, default_choice
from bksdm_demo.ui.handlers import COMPARE_TAB, Handlers, Live
from bksdm_demo.ui.models import Shelf, build_shelf
from bksdm_demo.ui.news import REFRESH_BOARD, REFRESH_MODELS
from bksdm_demo.ui.present import unavailable_facts, unavailable_title
from bksdm_demo.ui.profile_times import ProfileTimes, wire_profiles
from bksdm_demo.ui.visitors import Visits

EMOJI_NOTE = marked(
    "<strong>The emoji models are miniatures.</strong> They repeat BK-SDM’s recipe on 128-pixel emoji, so you can try "
    "everything here without a download. They know 1,075 emoji and nothing else, and do not replace BK-SDM. A safety "
    "checker inspects every picture before it leaves the server. Ask for “cigarette” to see it block one."
)
UPLOAD = marked(
    "To fill the form with the settings in a picture, drop it anywhere on this page or {choose}. PNG, JPEG and WebP "
    "pictures from other tools work too."
)
FILE_FIELD = '<label>{}<input type="file" accept="image/png,image/jpeg,image/webp"></label>'
UPLOAD_JS = "window.bksdm.pictures(element, (text) => trigger('upload', text))"  # drop.js
FOLLOW_JOB_JS = "(job) => window.bksdm.follow(job)"  # page.js
ADDRESSED_JS = "() => window.bksdm.addressed()"
RUN_REST_JS = "(visitor) => [visitor, window.bksdm.shownJob()]"  # board.js
RUN_AGAIN_JS = "(visitor) => [visitor, window.bksdm.shownJob(), window.bksdm.cellToRun()]"


class CompareTab(NamedTuple):
    """What other tabs need in order to show a comparison on this one."""

    handlers: Handlers
    form: Form
    live: Live


def build_compare(
    page: gr.Blocks, tabs: gr.Tabs, comparisons: Comparisons, background: Background | None, visits: Visits
) -> CompareTab:
    """Lay out the tab and wire its events. Without `background` visitors cannot download models."""
    with gr.Tab(say("Compare"), id=COMPARE_TAB):
        return _build(page, tabs, comparisons, background, visits)


def _build(
    page: gr.Blocks, tabs: gr.Tabs, comparisons: Comparisons, background: Background | None, visits: Visits
) -> CompareTab:
    catalog = comparisons.catalog
    handlers = Handlers(comparisons, catalog, visits.visitors)
    systems = [system for system in catalog.systems() if system.available]
    offers = _offers(catalog) if background is not None else ()
    with gr.Row(elem_id="bk-main"):
        with gr.Column(elem_id="bk-side", min_width=280):
            prompt, models, seed, locked, seeds = build_essentials(systems, comparisons.allowance)
            with gr.Row(elem_id="bk-actions"):
                compare = gr.Button(
                    say("Compare"),
                    variant="primary",
                    elem_id="bk-compare",
                    interactive=bool(systems) or _awaits(catalog),
                )
                cancel = gr.Button(say("Cancel"), variant="secondary", elem_id="bk-cancel", visible=False)
            warming = gr.HTML(apply_default_css=False, elem_id="bk-warming")
            notice = gr.HTML(apply_default_css=False, elem_id="bk-said")
            settings, profiles = build_settings(
                systems[0] if systems else None,
                comparisons.allowance,
                comparisons.previews_allowed,
                comparisons.environment().get("engine"),
            )
            form = Form(prompt, models, seed, locked, seeds, *settings)
        with gr.Column(elem_id="bk-results", min_width=280):
            chosen = [system for system in systems if system.key in default_choice(systems)]
            board = gr.HTML(empty_board(chosen), apply_default_css=False, elem_id="bk-board")
            timing = gr.HTML(apply_default_css=False, elem_id="bk-timing")
        with gr.Column(elem_id="bk-more", min_width=280):  # after the results, as on a phone: see page.css
            if background is not None:
                shelf = build_shelf(offers, background.downloads.allowed)
            picture = gr.HTML(upload_note(), js_on_load=UPLOAD_JS, apply_default_css=False, elem_id="bk-upload")
            gr.HTML(_notes(catalog, offers), apply_default_css=False, elem_id="bk-about")
    job_id = gr.Textbox(visible=False, elem_id="bk-job")
    live = Live(job_id, form.seed, notice, board, timing, compare, cancel)
    _wire(page, handlers, form, live, visits.secret)
    wire_profiles(ProfileTimes(comparisons), profiles, form, live.timing)
    _wire_filling(handlers, form, live, tabs, picture)
    _wire_back(handlers, form, live, tabs)
    _wire_refresh(handlers, live)
    _wire_reruns(handlers, live, visits.secret)
    _wire_measuring(handlers, form, live, visits.secret)
    if background is not None:
        _wire_background(page, BackgroundHandlers(background, catalog, offers), warming, form, shelf)
    return CompareTab(handlers, form, live)


def upload_note() -> str:
    """Return what to do with a picture that has settings in it."""
    return f"<p>{say(UPLOAD, choose=FILE_FIELD.format(escape(say('choose a file'))))}</p>"


def _awaits(catalog: Catalog) -> bool:
    """Return whether models can come without a new start of the page: with the next worker of its pool."""
    return any(system.availability is Availability.AWAITED for system in catalog.systems())


def _offers(catalog: Catalog) -> tuple[str, ...]:
    """Return the systems that were not downloaded yet when the page was built."""
    return tuple(system.key for system in catalog.systems() if system.availability is Availability.TO_DOWNLOAD)


def _notes(catalog: Catalog, offers: Sequence[str]) -> str:
    systems = catalog.systems()
    about = (
        f'<p class="bk-note">{say(EMOJI_NOTE)}</p>' if any(system.family == EMOJI_FAMILY for system in systems) else ""
    )
    return about + unavailable_list(unavailable_facts(systems, offers))


def unavailable_list(facts: Sequence[tuple[str, str]]) -> str:
    """Return a folded list of the systems that cannot be chosen; commands in backticks become code."""
    if not facts:
        return ""
    items = "".join(f"<li><strong>{escape(name)}</strong> {_with_code(reason)}</li>" for name, reason in facts)
    title = escape(unavailable_title(len(facts)))
    return f'<details class="bk-note bk-absent"><summary>{title}</summary><ul>{items}</ul></details>'


def _with_code(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _wire(page: gr.Blocks, handlers: Handlers, form: Form, live: Live, visitor: gr.Textbox) -> None:
    """Wire the events of a run. The board shows the progress, so Gradio's own display is hidden."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "undocumented"}
    live.compare.click(
        handlers.compare,
        inputs=[visitor, *form, live.job_id],
        outputs=list(live),
        api_name="page_compare",
        **quiet,
    )
    live.cancel.click(
        handlers.cancel,
        inputs=live.job_id,
        outputs=[live.notice, live.cancel],
        api_name="page_cancel",
        **quiet,
    )
    form.models.change(handlers.preview, inputs=[form.models, live.job_id], outputs=live.board, **quiet)
    live.job_id.change(None, inputs=live.job_id, js=FOLLOW_JOB_JS, api_visibility="private")
    page.load(handlers.reopen, outputs=[*form, *live], **quiet)


def _wire_filling(handlers: Handlers, form: Form, live: Live, tabs: gr.Tabs, picture: gr.HTML) -> None:
    """Wire the events that fill the form: a dropped picture, and recommended settings for the chosen models."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    picture.upload(handlers.read_picture, outputs=[tabs, *form, live.notice], **quiet)
    followed = [form.steps, form.guidance_scale, form.scheduler]
    # Hidden fields, not gr.State: a page with a State holds a connection to the server as long as it is open.
    recommended = [_hidden(component.value) for component in followed]
    form.models.input(
        handlers.recommend,
        inputs=[form.models, *followed, *recommended],
        outputs=[*followed, *recommended],
        **quiet,
    )


def _wire_back(handlers: Handlers, form: Form, live: Live, tabs: gr.Tabs) -> None:
    """Wire a hidden button that page.js presses when the browser goes back or forward to another comparison."""
    addressed = gr.Textbox(visible=False)
    back = gr.Button("Back", visible="hidden", elem_id="bk-back")
    back.click(
        handlers.show,
        inputs=addressed,
        outputs=[tabs, *form, *live],
        js=ADDRESSED_JS,
        show_progress="hidden",
        queue=False,
        api_visibility="private",
        trigger_mode="multiple",  # also before an earlier answer
    )


def _hidden(value: Any) -> gr.Number | gr.Textbox:
    """Build a field that keeps a value in the browser."""
    return gr.Textbox(value, visible=False) if isinstance(value, str) else gr.Number(value, visible=False)


def _wire_refresh(handlers: Handlers, live: Live) -> None:
    """Wire a hidden button that watch.js presses when the comparison on the page has changed."""
    refresh = gr.Button("Refresh", visible="hidden", elem_id=REFRESH_BOARD)
    refresh.click(
        handlers.refresh,
        inputs=live.job_id,
        outputs=list(live),
        api_name="page_refresh",
        show_progress="hidden",
        queue=False,
        api_visibility="undocumented",
    )


def _wire_reruns(handlers: Handlers, live: Live, visitor: gr.Textbox) -> None:
    """Wire two hidden buttons that board.js presses; it also supplies the job on the board and the cell to run."""
    quiet: dict[str, Any] = {
        "outputs": list(live),
        "show_progress": "hidden",
        "queue": False,
        "api_visibility": "private",
    }
    index = gr.Textbox(visible=False)
    rest = gr.Button("Run the rest", visible="hidden", elem_id="bk-rest")
    rest.click(handlers.rest, inputs=[visitor, live.job_id], js=RUN_REST_JS, **quiet)
    again = gr.Button("Run again", visible="hidden", elem_id="bk-again")
    again.click(handlers.rerun, inputs=[visitor, live.job_id, index], js=RUN_AGAIN_JS, **quiet)


def _wire_measuring(handlers: Handlers, form: Form, live: Live, visitor: gr.Textbox) -> None:
    """Wire a hidden button that board.js presses for more runs of the comparison on the board."""
    measure = gr.Button("Measure", visible="hidden", elem_id="bk-measure-more")
    measure.click(
        handlers.measure,
        inputs=[visitor, live.job_id],
        outputs=[*form, *live],
        js=RUN_REST_JS,
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )


def _wire_background(page: gr.Blocks, handlers: BackgroundHandlers, warming: gr.HTML, form: Form, shelf: Shelf) -> None:
    """Wire the buttons of the published models, and a hidden button that watch.js presses when there is news."""
    outputs = [warming, shelf.panel, form.models, *shelf.cards, *shelf.downloads, *shelf.cancels]
    quiet: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    for key, download, cancel in zip(handlers.offers, shelf.downloads, shelf.cancels, strict=True):
        download.click(handlers.starter(key), outputs=outputs, **quiet)
        cancel.click(handlers.stopper(key), outputs=cancel, **quiet)
    watch = gr.Button("Watch", visible="hidden", elem_id=REFRESH_MODELS)
    watch.click(handlers.refresh, outputs=outputs, **quiet)
    page.load(handlers.current, outputs=outputs, **quiet)
