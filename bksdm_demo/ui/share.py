"""Markup for sharing a comparison: the button that copies its link and the menu of files to save.

This file writes only the link's query; share.js adds the address that the browser sees. The link is therefore right on
this machine, behind a proxy and inside a Space's frame.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.parameters.links import job_query
from bksdm_demo.records import Job
from bksdm_demo.reports.formats import DESCRIPTIONS, Kind
from bksdm_demo.ui.reports import report_address

KIND_NAMES = {Kind.HTML: "Report", Kind.ZIP: "Everything", Kind.CSV: "Table", Kind.JSON: "Record"}
COPY = "Copy link"
COPY_BY_HAND = "Copy this address:"


def share_tools(job: Job) -> str:
    """Return the buttons of one comparison; the save menu appears once it is finished."""
    copy = (
        f'<button type="button" class="bk-tool" data-link="?{escape(job_query(job))}">{COPY}</button>'
        f'<label class="bk-by-hand" hidden>{COPY_BY_HAND} <input type="text" readonly></label>'
    )
    return copy + (save_menu(job) if job.finished else "")


def save_menu(job: Job, of: str = "") -> str:
    """Return the kinds of report as links; `of` names the comparison for screen readers."""
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
