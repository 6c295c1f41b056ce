"""Builds the Gallery tab: saved comparisons as cards to filter, open, star, save and delete. Layout and events only.

Words come from gallery_view.py, markup from cards.py. One HTML component holds all cards. A pressed button reaches
Python as an event of that component; its data is checked like any other input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.languages import say
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.store.contract import Filter, Page
from bksdm_demo.ui.board import notice
from bksdm_demo.ui.cards import empty_gallery, gallery_cards, gallery_line
from bksdm_demo.ui.compare import CompareTab
from bksdm_demo.ui.gallery_sheets import Folded, fold, sheet_card
from bksdm_demo.ui.gallery_view import (
    EMPTY_FILTER,
    EMPTY_GALLERY,
    EMPTY_OWN_GALLERY,
    CardView,
    card_view,
    range_words,
    read_filter,
    unreadable_words,
    usage_words,
)
from bksdm_demo.ui.handlers import event_value
from bksdm_demo.ui.visitors import Visitors, Visits

CARDS = 12  # on one page
FURTHEST = 10**9  # comparisons before a page; SQLite takes no number of any size

# Plain clicks stay on the page; clicks with a key held, such as for a new tab, follow the link.
CARDS_JS = """element.addEventListener('click', (event) => {
  const act = event.target.closest('[data-act]');
  if (act) return trigger('submit', { act: act.dataset.act, job: act.dataset.job });
  const open = event.target.closest('[data-open]');
  if (!open || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  trigger('select', { job: open.dataset.open });
});"""

DAY_FIELD = '<label>{}<input type="date" min="1970-01-01" max="9998-12-31" value="${{value}}"></label>'
DAY_JS = """element.addEventListener('change', (event) => {
  props.value = event.target.value;
  trigger('input');
});"""


class GalleryInputs(NamedTuple):
    """The inputs of every event of the tab, in the order in which handlers take their values."""

    visitor: Any
    zone: Any
    model: Any
    text: Any
    since: Any
    until: Any
    starred: Any
    offset: Any


class GalleryOutputs(NamedTuple):
    """The outputs of every event of the tab except opening a card, in this order."""

    notice: Any
    cards: Any
    line: Any
    range: Any
    newer: Any
    older: Any
    offset: Any


class GalleryHandlers:
    """The tab's events over one Comparisons service; it holds no state of any visitor."""

    def __init__(self, comparisons: Comparisons, visitors: Visitors, sheets: Sheets | None = None) -> None:
        self.comparisons, self.visitors, self.sheets = comparisons, visitors, sheets

    def refresh(self, *values: Any) -> GalleryOutputs:
        """Show the current page of cards again."""
        return self._show(GalleryInputs(*values))

    def first(self, *values: Any) -> GalleryOutputs:
        """Show the newest comparisons that match: the result of a changed filter."""
        return self._show(GalleryInputs(*values)._replace(offset=0))

    def newer(self, *values: Any) -> GalleryOutputs:
        """Show the previous page."""
        inputs = GalleryInputs(*values)
        return self._show(inputs._replace(offset=_place(inputs.offset) - CARDS))

    def older(self, *values: Any) -> GalleryOutputs:
        """Show the next page."""
        inputs = GalleryInputs(*values)
        return self._show(inputs._replace(offset=_place(inputs.offset) + CARDS))

    def act(self, event: gr.EventData, *values: Any) -> GalleryOutputs:
        """Star, unstar or delete one comparison, then show the page again."""
        inputs = GalleryInputs(*values)
        try:
            self._act(event_value(event, "act"), event_value(event, "job"), self.visitors.owner(inputs.visitor))
        except DemoError as error:
            return self._show(inputs)._replace(notice=notice(str(error)))
        return self._show(inputs)

    def _act(self, act: str, job_id: str, owner: str | None) -> None:
        if act == "delete":
            self.comparisons.delete(job_id, owner)
        elif act == "delete-sheet" and self.sheets is not None:
            self.sheets.delete_all(job_id, owner)
        elif act in ("star", "unstar"):
            self.comparisons.star(job_id, act == "star", owner)
        else:
            raise RequestError(f"There is no action {act[:20]!r}. Use star, unstar or delete.")

    def _show(self, inputs: GalleryInputs) -> GalleryOutputs:
        try:
            chosen = read_filter(
                inputs.model, inputs.text, inputs.since, inputs.until, inputs.starred, str(inputs.zone)
            )
            owner = self.visitors.owner(inputs.visitor)
            folded = Folded() if self.sheets is None or chosen != Filter() else fold(self.sheets, owner)
            shown = replace(chosen, owner=owner, without=folded.hidden)
            offset, page = self._page(shown, _place(inputs.offset))
            line = gallery_line(usage_words(self.comparisons.usage(), self.visitors.own), self.comparisons.problem)
        except DemoError as error:
            return GalleryOutputs(notice(str(error)), *(gr.skip(),) * (len(GalleryOutputs._fields) - 1))
        systems = self.comparisons.catalog.by_key()
        cards = [(self._card(card_view(job, systems, str(inputs.zone)), folded), job) for job in page.jobs]
        unreadable = [(lost.id, unreadable_words(lost.created, str(inputs.zone))) for lost in page.unreadable]
        empty = EMPTY_OWN_GALLERY if self.visitors.own else EMPTY_GALLERY
        words = EMPTY_FILTER if chosen != Filter() else empty
        return GalleryOutputs(
            notice="",
            cards=gallery_cards(cards, unreadable) if cards or unreadable else empty_gallery(words),
            line=line,
            range=range_words(offset, len(cards) + len(unreadable), page.total),
            newer=gr.update(visible=page.total > CARDS, interactive=offset > 0),
            older=gr.update(visible=page.total > CARDS, interactive=offset + CARDS < page.total),
            offset=offset,
        )

    def _card(self, view: CardView, folded: Folded) -> CardView:
        """Return the card, as that of the sheet for which its comparison stands."""
        sheet = folded.sheets.get(view.id)
        return view if sheet is None or self.sheets is None else sheet_card(view, self.sheets, sheet)

    def _page(self, own: Filter, offset: int) -> tuple[int, Page]:
        """Return the page at `offset`, or the last page if `offset` is past the end."""
        page = self.comparisons.gallery(own, offset, CARDS)
        if page.jobs or page.unreadable or not page.total:
            return (offset if page.total else 0), page
        last = (page.total - 1) // CARDS * CARDS
        return last, self.comparisons.gallery(own, last, CARDS)


def _place(offset: object) -> int:
    """Return how many comparisons lie before the page; 0 for what is no such number."""
    return int(min(max(offset, 0), FURTHEST)) if isinstance(offset, (int, float)) and offset == offset else 0


def build_gallery(
    tabs: gr.Tabs, comparisons: Comparisons, visits: Visits, compare_tab: CompareTab, sheets: Sheets | None = None
) -> None:
    """Lay out the tab and wire its events; opening a card shows it on `compare_tab`. `sheets` are shown as one card."""
    handlers = GalleryHandlers(comparisons, visits.visitors, sheets)
    with gr.Tab(say("Gallery"), id="gallery") as tab, gr.Column(elem_id="bk-kept"):
        filters = _filters(comparisons.catalog)
        message = gr.HTML(apply_default_css=False, elem_id="bk-kept-said")
        cards = gr.HTML(js_on_load=CARDS_JS, apply_default_css=False, elem_id="bk-cards")
        with gr.Row(elem_id="bk-pages"):
            newer = gr.Button(say("Newer"), size="sm", visible=False, min_width=0, scale=0)
            place = gr.HTML(apply_default_css=False, elem_id="bk-range")
            older = gr.Button(say("Older"), size="sm", visible=False, min_width=0, scale=0)
        line = gr.HTML(apply_default_css=False, elem_id="bk-usage")
        offset = gr.Number(0, precision=0, visible=False)
    inputs = GalleryInputs(visits.secret, visits.zone, *filters, offset)
    _wire(handlers, inputs, GalleryOutputs(message, cards, line, place, newer, older, offset), tab)
    cards.select(
        compare_tab.handlers.open_card,
        outputs=[tabs, *compare_tab.form, *compare_tab.live],
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )


def _filters(catalog: Catalog) -> tuple[gr.Dropdown, gr.Textbox, gr.HTML, gr.HTML, gr.Checkbox]:
    choices = [(say("All models"), ""), *((system.name, system.key) for system in catalog.systems())]
    with gr.Row(elem_id="bk-filters"):
        text = gr.Textbox(label=say("Prompt contains"), max_lines=1, min_width=160, scale=3, elem_id="bk-find")
        model = gr.Dropdown(choices, value="", label=say("Model"), min_width=160, scale=2, elem_id="bk-find-model")
        since, until = _day(say("From")), _day(say("To"))
        starred = gr.Checkbox(
            label=say("Starred only"), container=False, min_width=120, scale=0, elem_id="bk-find-starred"
        )
    return model, text, since, until, starred


def _day(label: str) -> gr.HTML:
    """Build the browser's date field; its value is "" or "2026-11-23"."""
    return gr.HTML("", html_template=DAY_FIELD.format(label), js_on_load=DAY_JS, elem_classes="bk-day", min_width=150)


def _wire(handlers: GalleryHandlers, inputs: GalleryInputs, outputs: GalleryOutputs, tab: gr.Tab) -> None:
    both: dict[str, Any] = {
        "inputs": list(inputs),
        "outputs": list(outputs),
        "show_progress": "hidden",
        "queue": False,
        "api_visibility": "private",
    }
    filters: Sequence[Any] = (inputs.model, inputs.since, inputs.until, inputs.starred)
    gr.on(
        [inputs.text.change, *(component.input for component in filters)],
        handlers.first,
        trigger_mode="always_last",
        **both,
    )
    outputs.newer.click(handlers.newer, **both)
    outputs.older.click(handlers.older, **both)
    outputs.cards.submit(handlers.act, **both)
    tab.select(handlers.refresh, **both)
