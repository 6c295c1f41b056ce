"""Handing a comparison on: the button that copies its link and the menu of files to save. Markup only.

The link's query is written here, the rest of the address is the browser's own (share.js): that is right on this
machine, behind a relay and inside a Space's frame alike.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.parameters.links import job_query
from bksdm_demo.records import Job
from bksdm_demo.reports.formats import DESCRIPTIONS, Kind
from bksdm_demo.ui.reports import report_address

KIND_NAMES = {Kind.HTML: "Report", Kind.ZIP: "Everything", Kind.CSV: "Table", Kind.JSON: "Record"}
COPY = "Copy link"
COPY_BY_HAND = "Copy this address by hand:"


def share_tools(job: Job) -> str:
    """The buttons of one comparison; files are there once it is finished."""
    copy = (
        f'<button type="button" class="bk-tool" data-link="?{escape(job_query(job))}">{COPY}</button>'
        f'<label class="bk-by-hand" hidden>{COPY_BY_HAND} <input type="text" readonly></label>'
    )
    return copy + (save_menu(job) if job.finished else "")


def save_menu(job: Job, of: str = "") -> str:
    """The kinds of report as links; `of` tells a screen reader which comparison is meant."""
    hidden = f'<span class="bk-hidden"> {escape(of)}</span>' if of else ""
    items = "".join(
        f'<a href="{escape(report_address(job.id, kind.value))}" download><strong>{KIND_NAMES[kind]}, '
        f"{kind.value.upper()}</strong><span>{escape(DESCRIPTIONS[kind])}</span></a>"
        for kind in Kind
    )
    return (
        f'<details class="bk-menu"><summary class="bk-tool">Save{hidden}</summary>'
        f'<div class="bk-menu-body">{items}</div></details>'
    )
