"""A finished comparison as a small page for frames on other sites: pictures, times, and a link to the whole.

Any site may frame it, because nothing in it can be pressed but that link: it has no script and no form, and its
Content-Security-Policy forbids both. Everything else of this server stays out of strangers' frames (guard.py). It is
there only where the operator shares. A blocked picture is a sentence here as elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote, urlencode

from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.languages import language, marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.links import JOB
from bksdm_demo.records import Job
from bksdm_demo.reports.contact_sheet import settings_line
from bksdm_demo.reports.link_card import unfolds
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.present import PROMPT_SHOWN, CellView, RowView, row_views, status_words
from bksdm_demo.wording.comparison import shorten

FOLDER = "embed"
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors *"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "public, max-age=300", "Referrer-Policy": "no-referrer"}
NOTHING = marked("There is no such comparison to embed here.")
STYLE = """:root{--soft:color-mix(in srgb,CanvasText 70%,Canvas);color-scheme:light dark;
font:15px/1.45 system-ui,sans-serif}body{margin:0;padding:14px}
h1{margin:0;font-size:1.2rem;overflow-wrap:anywhere}h2{margin:14px 0 0;font-size:1rem}p{margin:4px 0}
small,.soft{color:var(--soft)}ol{display:grid;gap:12px;padding:0;margin:12px 0;list-style:none;
grid-template-columns:repeat(auto-fit,minmax(min(150px,100%),1fr))}figure{margin:0}
img{display:block;width:100%;height:auto;border-radius:8px}
.none{display:grid;aspect-ratio:1;padding:10px;place-content:center;text-align:center;
border:1px solid var(--soft);border-radius:8px;box-sizing:border-box}figcaption{margin-top:4px}"""


def embed_route(comparisons: Comparisons, shared: bool) -> Route:
    """Return the route "/embed/JOB"; it answers 404 with a sentence unless it is `shared` and has a picture."""

    def serve(request: WebRequest) -> Response:
        try:
            job = comparisons.get(str(request.path_params["job"]))
            if not shared or not unfolds(job):
                raise RequestError(NOTHING)
        except DemoError:
            return PlainTextResponse(say(NOTHING), 404, headers={"Cache-Control": "no-store"})
        return HTMLResponse(embed_page(job, comparisons.catalog.by_key()), headers=HEADERS)

    return Route(f"/{FOLDER}/{{job}}", serve, methods=["GET"])


def embed_address(job_id: str) -> str:
    """Return the address of the small page, relative to the page."""
    return f"{FOLDER}/{quote(job_id, safe='')}"


def embed_page(job: Job, systems: Mapping[str, System]) -> str:
    """Return the small page of a finished job."""
    prompt = escape(shorten(job.request.prompt, PROMPT_SHOWN))
    link = escape(f"../?{urlencode({JOB: job.id})}")
    return (
        f'<!doctype html><html lang="{language()}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{prompt}</title><style>{STYLE}</style></head><body>"
        f'<h1 dir="auto">{prompt}</h1><p>{escape(status_words(job, systems))}</p>'
        f'<p class="soft"><small>{escape(settings_line(job.request, job.seeds))}</small></p>'
        f"{''.join(_row(row) for row in row_views(job, systems))}"
        f'<p><a href="{link}" target="_blank" rel="noopener">{escape(say("Open this comparison"))}</a></p>'
        "</body></html>"
    )


def _row(row: RowView) -> str:
    title = f"<h2>{escape(row.title)}</h2>" if row.title else ""
    return f"{title}<ol>{''.join(_cell(view) for view in row.cells)}</ol>"


def _cell(view: CellView) -> str:
    picture = (
        f'<img src="../{escape(view.picture)}" alt="{escape(view.alt)}">'
        if view.picture
        else f'<div class="none">{escape(view.title)}</div>'
    )
    seconds = f' <span class="soft">{escape(view.seconds)}</span>' if view.picture and view.seconds else ""
    return f"<li><figure>{picture}<figcaption><strong>{escape(view.name)}</strong>{seconds}</figcaption></figure></li>"
