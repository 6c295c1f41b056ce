"""A comparison as one HTML file: no script, nothing fetched, the pictures inside with their parameters.

The page's looks are in templates/report.css, its shape in templates/report.html, its words in report_view.py. Every
text is escaped by the template engine; a content policy inside the page forbids it to run or to fetch anything.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import BinaryIO

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bksdm_demo.reports.material import Material
from bksdm_demo.reports.view import GONE, report_view
from bksdm_demo.wording.timing import PHASE_LABELS

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "report.html"

_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_html(material: Material, stream: BinaryIO) -> None:
    """The page, bit by bit: of the pictures one at a time is in memory."""

    def embedded(index: int) -> str:
        """The picture as an address that holds it, "" where its file is gone."""
        data = material.png(index)
        return "" if data is None else f"data:image/png;base64,{base64.b64encode(data).decode()}"

    page = _templates.get_template(PAGE)
    words = {"view": report_view(material), "gone": GONE, "phases": PHASE_LABELS}
    for piece in page.generate(words, embedded=embedded):
        stream.write(piece.encode("utf-8", "replace"))
