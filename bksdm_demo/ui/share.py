"""Markup for sharing a comparison: the button that copies its link, the menu to share it, the menu of files to save.

This file writes only the link's query; share.js adds the address that the browser sees. The link is therefore right on
this machine, behind a proxy and inside a Space's frame. The code to embed is shown only where the operator shares.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import job_query
from bksdm_demo.records import Job
from bksdm_demo.reports.formats import DESCRIPTIONS, Kind
from bksdm_demo.reports.link_card import unfolds
from bksdm_demo.ui.embed import embed_address
from bksdm_demo.ui.qr import qr_address
from bksdm_demo.ui.reports import report_address
from bksdm_demo.wording.comparison import shorten

KIND_NAMES = {
    Kind.HTML: marked("Report"),
    Kind.ZIP: marked("Everything"),
    Kind.CSV: marked("Table"),
    Kind.JSON: marked("Record"),
}
TITLE_SHOWN = 90  # characters of a prompt in the title of a frame
COPY = marked("Copy link")
SHARE, SAVE = marked("Share"), marked("Save")
COPY_BY_HAND = marked("Copy this address:")
QR_ALT = marked("QR code of the link to this comparison")
SCAN = marked("Scan it to open this comparison on a phone.")
SCAN_NOT = marked(
    "This address works on this computer only. Start the page with <code>--host 0.0.0.0</code>, open it at this "
    "computer’s own address, and a phone can scan that."
)
COPY_EMBED = marked("Copy code to embed")
EMBED_BY_HAND = marked("Copy this code:")


def share_tools(job: Job) -> str:
    """Return the buttons of one comparison. The menus open once it is finished; until then buttons keep their place."""
    copy = (
        f'<button type="button" class="bk-tool" data-link="?{escape(job_query(job))}">{escape(say(COPY))}</button>'
        f'<label class="bk-by-hand" hidden>{escape(say(COPY_BY_HAND))} <input type="text" readonly></label>'
    )
    waiting = "".join(
        f'<button type="button" class="bk-tool" disabled>{escape(say(menu))}</button>' for menu in (SHARE, SAVE)
    )
    return copy + (share_menu(job) + save_menu(job) if job.finished else waiting)


def share_menu(job: Job) -> str:
    """Return the menu with the QR code of the link, and the button that copies code to embed the comparison."""
    where, title = escape(embed_address(job.id)), escape(shorten(job.request.prompt, TITLE_SHOWN))
    embed = (
        f'<div class="bk-embed" hidden><button type="button" class="bk-tool" data-embed="{where}" data-title="{title}">'
        f"{escape(say(COPY_EMBED))}</button>"
        f'<label class="bk-by-hand" hidden>{escape(say(EMBED_BY_HAND))} <input type="text" readonly></label></div>'
    )
    return (
        f'<details class="bk-menu" data-share><summary class="bk-tool">{escape(say(SHARE))}</summary>'
        '<div class="bk-menu-body">'
        f'<div class="bk-qr" data-qr="{escape(qr_address(job.id))}" data-alt="{escape(say(QR_ALT))}"></div>'
        f'<p class="bk-scan">{escape(say(SCAN))}</p><p class="bk-scan-not" hidden>{say(SCAN_NOT)}</p>'
        f"{embed if unfolds(job) else ''}</div></details>"
    )


def save_menu(job: Job, of: str = "") -> str:
    """Return the kinds of report as links; `of` names the comparison for screen readers."""
    hidden = f'<span class="bk-hidden"> {escape(of)}</span>' if of else ""
    items = "".join(
        f'<a href="{escape(report_address(job.id, kind.value))}" download><strong>{escape(say(KIND_NAMES[kind]))}, '
        f"{kind.value.upper()}</strong><span>{escape(say(DESCRIPTIONS[kind]))}</span></a>"
        for kind in Kind
    )
    return (
        f'<details class="bk-menu"><summary class="bk-tool">{escape(say(SAVE))}{hidden}</summary>'
        f'<div class="bk-menu-body">{items}</div></details>'
    )
