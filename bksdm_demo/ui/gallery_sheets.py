"""The rows of a sheet in the gallery: one card for the sheet instead of a card for each row.

Its newest comparison stands for the sheet, so that paging and order stay those of comparisons. A filter lists single
rows again, because it is a search for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bksdm_demo.evaluation.sheet import SheetRecord
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.languages import say
from bksdm_demo.ui.gallery_view import CardView
from bksdm_demo.ui.sheet_grid import sheet_status, sheet_title
from bksdm_demo.wording.comparison import plural


@dataclass(frozen=True)
class Folded:
    """The comparisons that the gallery leaves out, and the sheets by the comparison that stands for each."""

    hidden: frozenset[str] = frozenset()
    sheets: Mapping[str, SheetRecord] = field(default_factory=dict)


def fold(sheets: Sheets, owner: str | None) -> Folded:
    """Fold the sheets of this owner's digest, or all. A comparison of several sheets belongs to the newest."""
    seen: set[str] = set()
    hidden: set[str] = set()
    standing: dict[str, SheetRecord] = {}
    for record in sheets.records(owner):
        jobs = dict.fromkeys(place.job for row in reversed(record.places) for place in row if place is not None)
        own = [job for job in jobs if job not in seen]
        seen.update(own)
        first = next((job for job in own if sheets.stored(job)), None)
        if first is not None:
            standing[first] = record
        hidden.update(job for job in own if job != first)
    return Folded(frozenset(hidden), standing)


def sheet_card(view: CardView, sheets: Sheets, record: SheetRecord) -> CardView:
    """The card of the comparison that stands for a sheet, as the sheet's."""
    rows, models = plural(len(record.sheet.rows), "row"), plural(len(record.sheet.models), "model")
    progress = sheets.progress(record.id)
    return replace(
        view,
        prompt=sheet_title(record),
        more="",
        settings=say("{rows} with {models}", rows=rows, models=models),
        status=say("Sheet: {status}", status=sheet_status(record, progress)),
        running=progress is not None,
        sheet=record.id,
    )
