"""A comparison as one HTML file with its pictures inside; it runs no script and fetches nothing.

The style is in templates/report.css, the markup in templates/report.html, the words in html_view.py. The template
engine escapes every text. A content security policy in the page forbids scripts and requests.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import BinaryIO

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bksdm_demo.languages import language, say
from bksdm_demo.phrase_book import translated
from bksdm_demo.reports.html_view import MISSING_FILE, report_view
from bksdm_demo.reports.material import Material
from bksdm_demo.units import unbroken
from bksdm_demo.wording.timing import PHASE_LABELS

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "report.html"


def page_templates(*folders: Path) -> Environment:
    """The templates in these folders, the first that has a name first. Every text is escaped, a missing name raises."""
    templates = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["unbroken"] = unbroken
    templates.globals |= {"say": say, "translated": translated, "language": language}
    return templates


_templates = page_templates(TEMPLATES)


def write_html(material: Material, stream: BinaryIO) -> None:
    """Write the page piece by piece, with one picture at a time in memory."""

    def embedded(index: int) -> str:
        """The picture as a data address; "" if its file is missing."""
        data = material.png(index)
        return "" if data is None else f"data:image/png;base64,{base64.b64encode(data).decode()}"

    page = _templates.get_template(PAGE)
    words = {"view": report_view(material), "missing_file": say(MISSING_FILE), "phases": PHASE_LABELS}
    for piece in page.generate(words, embedded=embedded):
        stream.write(piece.encode("utf-8", "replace"))
