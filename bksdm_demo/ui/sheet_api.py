"""The endpoints of sheets for programs: start one, and look at it. Its files are downloaded with a GET."""

from __future__ import annotations

from typing import Any

import gradio as gr

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.sheet import SHEET_CELLS_LIMIT
from bksdm_demo.evaluation.sheet_order import PUBLIC_CELLS, read_order, sheet_state
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.runs.fairness import Client
from bksdm_demo.ui.reports import page_address
from bksdm_demo.ui.visitors import address_of


class SheetApi:
    """The endpoints as methods over one Sheets service. `public` as on a page that strangers reach."""

    def __init__(self, sheets: Sheets, public: bool) -> None:
        self.sheets = sheets
        self._most_cells = PUBLIC_CELLS if public else SHEET_CELLS_LIMIT

    def sheet(self, web: gr.Request, rows: str, models: list[str], axes: str = "") -> dict:
        """Draw many requests with each model, in the background. Returns what /sheet_state returns, and the cost.

        rows: one prompt per line; or CSV, JSON or YAML with fields such as prompt, seed, steps, guidance. axes:
        multiplies the rows, such as "steps 5, 10, 20; seeds 1..4".
        """
        if not all(isinstance(text, str) for text in (rows, axes)):
            raise RequestError("rows and axes must be strings.")
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            raise RequestError(f"models must be a list of strings, not {models!r:.60}.")
        made = read_order(self.sheets, rows, axes, models, self._most_cells)
        cost = self.sheets.cost(made).words
        record = self.sheets.create(made)
        self.sheets.start(record.id, Client("", address_of(web)))
        return {**self._state(web, record.id), "cost": cost}

    def sheet_state(self, web: gr.Request, id: str) -> dict:
        """Return a sheet's state, the number of its pictures by outcome, and the addresses of its files: its report
        (html), everything with the pictures (zip), its table (csv), its record (json) and its assertions (xml, JUnit).
        `id` comes from /sheet, or from the part after sheet= in an address."""
        if not isinstance(id, str):
            raise RequestError(f"id must be a string, not {id!r:.60}.")
        return self._state(web, id)

    def _state(self, web: gr.Request, sheet_id: str) -> dict[str, Any]:
        page = page_address(web.request) if web.request is not None else ""
        return sheet_state(self.sheets, sheet_id, page)
