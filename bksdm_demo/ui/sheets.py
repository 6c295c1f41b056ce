"""Builds the Sheets tab: many requests with several models, as a grid that fills while it is drawn. Layout and events.

The markup is in sheet_grid.py, the service in evaluation/sheets.py. A run belongs to no page: a visitor may leave, and
the link to the sheet shows it again. No page holds a connection; watch.js asks for news and presses a hidden button.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.evaluation.sheet import SHEET_CELLS_LIMIT, Sheet, SheetRecord
from bksdm_demo.evaluation.sheet_order import PUBLIC_CELLS, read_order
from bksdm_demo.evaluation.sheet_starters import STARTERS, starter_text
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.languages import inflected, marked, say
from bksdm_demo.parameters.links import JOB, SHEET
from bksdm_demo.records import Phase
from bksdm_demo.ui.board import notice
from bksdm_demo.ui.compare import CompareTab
from bksdm_demo.ui.form import default_choice
from bksdm_demo.ui.handlers import event_value
from bksdm_demo.ui.present import choice_label
from bksdm_demo.ui.sheet_choice import ALL_MODELS, FILTER_CHOICES, SORT_CHOICES, Choice, in_words, read_choice
from bksdm_demo.ui.sheet_grid import AS_IT_IS, ROWS, known_names, look_at, sheet_grid, sheet_list, unfinished
from bksdm_demo.ui.sheet_routes import REFRESH_SHEET, with_baseline
from bksdm_demo.ui.visitors import Visits

SHEETS_TAB = "sheets"
TEXT_LIMIT = 200_000  # characters that the page sends
PLACEHOLDER = marked(
    "a red apple\na blue car\n\nOr cells copied from a spreadsheet, with a heading for each column: prompt, steps, "
    "seed, guidance, scheduler, label …\nOr CSV, JSON or YAML."
)
AXES_HINT = marked("Multiply the rows: steps 5, 10, 20; seeds 1..4; guidance 1, 3, 7.5; scheduler all")
FOLLOW_JS = "(query) => window.bksdm.followSheet(query)"  # sheets.js
VISITOR_JS = "() => [window.bksdm.visitor()]"  # share.js
GRID_JS = "window.bksdm.sheetGrid(element, trigger)"


class Shown(NamedTuple):
    """The outputs of every event that shows a sheet, in this order."""

    sheet_id: Any
    address: Any
    first: Any
    notice: Any
    grid: Any
    baseline: Any
    filter: Any
    sort: Any
    only: Any
    stop: Any
    go_on: Any
    before: Any
    after: Any
    listed: Any
    form: Any


class SheetHandlers:
    """The tab's events over one Sheets service; it holds no state of any visitor."""

    def __init__(self, sheets: Sheets, visits: Visits, votes: bool = False) -> None:
        self.sheets, self.visitors, self._votes = sheets, visits.visitors, votes

    def choose(self, name: str) -> Any:
        """Put a starter sheet into the field of rows."""
        return starter_text(name) if name in STARTERS else gr.skip()

    def price(self, text: str, axes: str, models: Sequence[str]) -> str:
        """Return what the sheet in the form costs, or what is wrong with it; "" for an empty form."""
        if not (text or "").strip() and not (axes or "").strip():
            return ""
        try:
            made = self._sheet(text, axes, models)
            rows = inflected(len(made.rows), "{count} row", "{count} rows")
            words = say("{rows}: {cost}.", rows=rows, cost=self.sheets.cost(made).words)
            return f'<p class="bk-note" role="status">{escape(words)}</p>'
        except DemoError as error:
            return notice(str(error))

    def draw(self, visitor: str, text: str, axes: str, models: Sequence[str], page: gr.Request | None = None) -> Shown:
        """Create the sheet in the form, start it and show it."""
        client = self.visitors.client(visitor, page)
        try:
            record = self.sheets.create(self._sheet(text, axes, models), client.visitor)
            self.sheets.start(record.id, client)
            return self._shown(record.id, visitor)._replace(form=gr.update(open=False))
        except DemoError as error:
            return _untouched()._replace(notice=notice(str(error)))

    def reopen(self, visitor: str, page: gr.Request) -> tuple[Any, ...]:
        """Show the sheet that the address names: returns the tab, then what `open` returns."""
        sheet_id = page.query_params.get(SHEET, "")
        if not sheet_id or page.query_params.get(JOB):
            return gr.skip(), *_untouched()
        return gr.Tabs(selected=SHEETS_TAB), *self.open(visitor, sheet_id, read_choice(page.query_params))

    def open(self, visitor: str, sheet_id: str, choice: Choice = AS_IT_IS) -> Shown:
        """Show a sheet from its first row."""
        try:
            return self._shown(sheet_id, visitor, 0, choice)._replace(form=gr.update(open=False))
        except DemoError as error:
            return _untouched()._replace(notice=notice(str(error)))

    def open_listed(self, event: gr.EventData, visitor: str) -> Shown:
        """Show a sheet of the list."""
        return self.open(visitor, event_value(event, "sheet"))

    def refresh(self, visitor: str, sheet_id: str, first: float, *choice: str) -> Shown:
        """Show the current state of the sheet on the page, or the list of sheets where none is shown."""
        if not sheet_id:
            return _untouched()._replace(listed=self._listed(visitor))
        return self._turned(visitor, sheet_id, first, choice, 0)

    def choose_view(self, visitor: str, sheet_id: str, first: float, *choice: str) -> Shown:
        """Show the first rows of another view."""
        return self.refresh(visitor, sheet_id, 0, *choice)

    def before(self, visitor: str, sheet_id: str, first: float, *choice: str) -> Shown:
        """Show the rows before."""
        return self._turned(visitor, sheet_id, first, choice, -ROWS)

    def after(self, visitor: str, sheet_id: str, first: float, *choice: str) -> Shown:
        """Show the rows after."""
        return self._turned(visitor, sheet_id, first, choice, ROWS)

    def stop(self, visitor: str, sheet_id: str) -> tuple[Any, Any]:
        """Stop the run after the current step: returns the notice and the button."""
        try:
            self.sheets.stop(sheet_id, self.visitors.submitter(visitor))
        except DemoError as error:
            return notice(str(error)), gr.skip()
        return "", gr.update(value=say("Stopping…"), interactive=False)

    def go_on(
        self,
        visitor: str,
        sheet_id: str,
        first: float,
        baseline: str = "",
        shown: str = "",
        sort: str = "",
        only: str = "",
        page: gr.Request | None = None,
    ) -> Shown:
        """Run the unfinished cells of the sheet on the page."""
        try:
            self.sheets.start(sheet_id, self.visitors.client(visitor, page))
        except DemoError as error:
            return _untouched()._replace(notice=notice(str(error)))
        return self._turned(visitor, sheet_id, first, (baseline, shown, sort, only), 0)

    def _sheet(self, text: str, axes: str, models: Sequence[str]) -> Sheet:
        """Read the form. Raises RequestError with what is wrong."""
        if len(text or "") > TEXT_LIMIT:
            raise RequestError(f"The rows have more than {TEXT_LIMIT:,} characters. Use the command line for them.")
        most = PUBLIC_CELLS if self.visitors.own else SHEET_CELLS_LIMIT
        return read_order(self.sheets, text or "", axes or "", tuple(models or ()), most)

    def _turned(self, visitor: str, sheet_id: str, first: float, choice: Sequence[str], by: int) -> Shown:
        try:
            start = int(first) if isinstance(first, (int, float)) and 0 <= first < 1e6 else 0
            return self._shown(sheet_id, visitor, start + by, Choice(*map(_text, choice)))
        except DemoError as error:
            return _untouched()._replace(notice=notice(str(error)))

    def _shown(self, sheet_id: str, visitor: str, first: int = 0, choice: Choice = AS_IT_IS) -> Shown:
        own = self.sheets.get(sheet_id)
        choice = choice.of(own.sheet)
        record = with_baseline(own, choice.baseline)
        look = look_at(self.sheets, record, choice)
        rows = len(look.rows)
        first = max(0, min(first, (rows - 1) // ROWS * ROWS)) // ROWS * ROWS
        running, stopping = self.sheets.progress(sheet_id) is not None, self.sheets.stopping(sheet_id)
        mine = record.owner in ("", self.visitors.submitter(visitor))
        names = known_names(self.sheets.comparisons.catalog.by_key(), record.sheet.models)
        return Shown(
            sheet_id=sheet_id,
            address=choice.query(sheet_id),
            first=first,
            notice="",
            grid=sheet_grid(self.sheets, record, first, choice, look, self._votes),
            baseline=gr.update(choices=names, value=record.sheet.baseline, visible=len(names) > 1),
            filter=gr.update(value=choice.filter, visible=True),
            sort=gr.update(value=choice.sort, visible=True),
            only=gr.update(choices=[*in_words([ALL_MODELS]), *names], value=choice.only, visible=len(names) > 2),
            stop=gr.update(
                visible=running and mine,
                value=say("Stopping…") if stopping else say("Cancel"),
                interactive=not stopping,
            ),
            go_on=gr.update(visible=not running and mine and unfinished(record), value=_go_on_words(record)),
            before=gr.update(visible=rows > ROWS, interactive=first > 0),
            after=gr.update(visible=rows > ROWS, interactive=first + ROWS < rows),
            listed=gr.skip() if running else self._listed(visitor),
            form=gr.skip(),
        )

    def _listed(self, visitor: str) -> str:
        return sheet_list(self.sheets.records(self.visitors.owner(visitor)))


def _go_on_words(record: SheetRecord) -> str:
    outcomes = record.outcomes
    ended = all(phase.value not in outcomes for phase in (Phase.CANCELLED, Phase.INTERRUPTED)) and "" not in outcomes
    return say("Try failed ones again") if ended else say("Continue")


def _untouched() -> Shown:
    return Shown(*(gr.skip(),) * len(Shown._fields))


def build_sheets(
    page: gr.Blocks, tabs: gr.Tabs, sheets: Sheets, visits: Visits, compare_tab: CompareTab, votes: bool = False
) -> None:
    """Lay out the tab and wire its events; a picture opens its comparison on `compare_tab`.

    `votes` as in sheet_grid.
    """
    handlers = SheetHandlers(sheets, visits, votes)
    systems = [system for system in sheets.comparisons.catalog.systems() if system.available]
    with gr.Tab(say("Sheets"), id=SHEETS_TAB) as tab, gr.Column(elem_id="bk-sheets"):
        with gr.Accordion(say("New sheet"), elem_id="bk-sheet-new") as new, gr.Row(elem_id="bk-sheet-form"):
            with gr.Column(scale=3, min_width=280):
                choices = [(say("Your own"), ""), *((say(what), name) for name, what in STARTERS.items())]
                begin = gr.Dropdown(choices, value="", label=say("Begin with"), elem_id="bk-sheet-begin")
                text = gr.Textbox(
                    label=say("Rows"), lines=7, max_lines=14, placeholder=say(PLACEHOLDER), elem_id="bk-sheet-text"
                )
            with gr.Column(scale=2, min_width=280):
                axes = gr.Textbox(label=say("Axes"), info=say(AXES_HINT), max_lines=3, elem_id="bk-sheet-axes")
                models = gr.CheckboxGroup(
                    [(choice_label(system), system.key) for system in systems],
                    value=default_choice(systems),
                    label=say("Models"),
                    elem_id="bk-sheet-models",
                )
                price = gr.HTML(apply_default_css=False, elem_id="bk-sheet-price")
                start = gr.Button(say("Start"), variant="primary", elem_id="bk-sheet-start", interactive=bool(systems))
        said = gr.HTML(apply_default_css=False, elem_id="bk-sheet-said")
        with gr.Row(elem_id="bk-sheet-actions"):
            field: dict[str, Any] = {"visible": False, "min_width": 150, "scale": 0}
            baseline = gr.Dropdown([], label=say("Baseline"), elem_id="bk-sheet-base", **field)
            shows = gr.Dropdown(
                in_words(FILTER_CHOICES), value="", label=say("Show"), elem_id="bk-sheet-filter", **field
            )
            sort = gr.Dropdown(in_words(SORT_CHOICES), value="", label=say("Sort by"), elem_id="bk-sheet-sort", **field)
            only = gr.Dropdown(
                in_words([ALL_MODELS]), value="", label=say("Beside the baseline"), elem_id="bk-sheet-only", **field
            )
            stop = gr.Button(say("Cancel"), visible=False, min_width=0, scale=0, elem_id="bk-sheet-stop")
            go_on = gr.Button(say("Continue"), visible=False, min_width=0, scale=0, elem_id="bk-sheet-go-on")
        grid = gr.HTML(js_on_load=GRID_JS, apply_default_css=False, elem_id="bk-sheet-grid")
        with gr.Row(elem_id="bk-sheet-pages"):
            before = gr.Button(say("Rows before"), size="sm", visible=False, min_width=0, scale=0)
            after = gr.Button(say("Rows after"), size="sm", visible=False, min_width=0, scale=0)
        listed = gr.HTML(js_on_load=GRID_JS, apply_default_css=False, elem_id="bk-sheet-list")
        refresh = gr.Button("Refresh", visible="hidden", elem_id=REFRESH_SHEET)
        sheet_id, address = gr.Textbox(visible=False), gr.Textbox(visible=False)
        first = gr.Number(0, precision=0, visible=False)
    for chosen in (baseline, shows, sort, only):
        chosen.preprocess = _text  # type: ignore[method-assign, assignment]
    models.preprocess = _texts  # type: ignore[method-assign, assignment]
    shown = Shown(
        sheet_id, address, first, said, grid, baseline, shows, sort, only, stop, go_on, before, after, listed, new
    )
    _wire_form(handlers, begin, text, axes, models, price, start, shown, visits)
    gr.on([refresh.click, tab.select], handlers.refresh, **_now(shown, visits))
    views = [each.input for each in (baseline, shows, sort, only)]
    gr.on(views, handlers.choose_view, trigger_mode="always_last", **_now(shown, visits))
    _wire_grid(page, tabs, handlers, shown, visits, compare_tab)


def _text(value: object) -> str:
    """Pass a choice on; the choices change with the sheet, and Gradio knows only the first ones."""
    return value if isinstance(value, str) else ""


def _texts(values: object) -> list[str]:
    """Pass the keys on; the service looks them up. Gradio would refuse models downloaded after the page was built."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


QUIET: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}


def _wire_form(
    handlers: SheetHandlers,
    begin: gr.Dropdown,
    text: gr.Textbox,
    axes: gr.Textbox,
    models: gr.CheckboxGroup,
    price: gr.HTML,
    start: gr.Button,
    shown: Shown,
    visits: Visits,
) -> None:
    begin.input(handlers.choose, inputs=begin, outputs=text, **QUIET)
    gr.on(
        [text.change, axes.change, models.change],
        handlers.price,
        inputs=[text, axes, models],
        outputs=price,
        trigger_mode="always_last",
        **QUIET,
    )
    start.click(handlers.draw, inputs=[visits.secret, text, axes, models], outputs=list(shown), **QUIET)


def _now(shown: Shown, visits: Visits) -> dict[str, Any]:
    """Return the keywords of every event that shows the sheet on the page anew."""
    now = [visits.secret, shown.sheet_id, shown.first, shown.baseline, shown.filter, shown.sort, shown.only]
    return {"inputs": now, "outputs": list(shown), **QUIET}


def _wire_grid(
    page: gr.Blocks,
    tabs: gr.Tabs,
    handlers: SheetHandlers,
    shown: Shown,
    visits: Visits,
    compare_tab: CompareTab,
) -> None:
    now = _now(shown, visits)
    shown.before.click(handlers.before, **now)
    shown.after.click(handlers.after, **now)
    shown.go_on.click(handlers.go_on, **now)
    shown.stop.click(handlers.stop, inputs=[visits.secret, shown.sheet_id], outputs=[shown.notice, shown.stop], **QUIET)
    shown.address.change(None, inputs=shown.address, js=FOLLOW_JS, api_visibility="private")
    shown.listed.submit(handlers.open_listed, inputs=visits.secret, outputs=list(shown), **QUIET)
    shown.grid.select(compare_tab.handlers.open_card, outputs=[tabs, *compare_tab.form, *compare_tab.live], **QUIET)
    page.load(handlers.reopen, inputs=visits.secret, outputs=[tabs, *shown], js=VISITOR_JS, **QUIET)
