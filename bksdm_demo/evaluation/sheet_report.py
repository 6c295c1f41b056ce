"""A sheet's report: one HTML file with its pictures inside, which opens anywhere and fetches nothing.

MOST_BYTES bounds the pictures, whatever their number: each gets an equal share, and is scaled until it fits. A script
of this file sorts, filters and enlarges; without it everything still shows. A content security policy allows no other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.sheet_results import SheetResults
from bksdm_demo.evaluation.sheet_view import sheet_view
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.reports.html_report import TEMPLATES as STYLES
from bksdm_demo.reports.html_report import page_templates
from bksdm_demo.reports.scaled_pictures import ScaledPicture, scale_picture

TEMPLATES = Path(__file__).parent / "templates"
MOST_BYTES = 28_000_000  # of all pictures together, as text; words and style come on top
LARGEST = 60_000  # bytes of one picture
IN_TEXT = 4 / 3  # base64

_templates = page_templates(TEMPLATES, STYLES)


def share_of(pictures: int) -> int:
    """The bytes that each of so many pictures may take."""
    return int(min(LARGEST, MOST_BYTES / IN_TEXT / max(1, pictures)))


def write_sheet_html(
    results: SheetResults, sheets: Sheets, stream: BinaryIO, report: Callable[[], None] = lambda: None
) -> None:
    """Write the page piece by piece, with one picture at a time in memory. `report` is called after each picture."""
    view = sheet_view(results)
    share = share_of(sum(cell.tone == "done" for row in view.rows for cell in row.cells))

    def embedded(row: int, column: int) -> ScaledPicture | None:
        """The scaled picture of a cell; None without one, or if its file is missing."""
        cell = results.rows[row].cells[column]
        if cell.place is None or cell.cell is None or not cell.cell.shown:
            return None
        try:
            scaled = scale_picture(sheets.picture(cell.place), share)
        except (DemoError, OSError, ValueError):
            return None
        report()
        return scaled

    script = (TEMPLATES / "sheet.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    words = {"view": view, "script": script, "digest": digest}
    for piece in _templates.get_template("sheet.html").generate(words, embedded=embedded):
        stream.write(piece.encode("utf-8", "replace"))
