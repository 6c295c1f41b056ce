"""Serves the QR code of a comparison's link, so that a phone opens what a screen shows."""

from __future__ import annotations

import io
from urllib.parse import quote, urlencode

import segno
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError
from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import JOB
from bksdm_demo.phrase_book import said
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.reports import page_address

FOLDER = "qr"
QUIET = 4  # modules of white around the code, as ISO/IEC 18004 asks
NO_ADDRESS = marked("The address of this page is not known, so there is no code for it.")
LONGEST = 1000  # characters of a link; a denser code is hard to scan


def qr_route(comparisons: Comparisons) -> Route:
    """Return the route "/qr/JOB.svg": the link to a job of this server, at the address that the browser sees."""

    def serve(request: WebRequest) -> Response:
        try:
            job = comparisons.get(str(request.path_params["name"]).removesuffix(".svg"))
        except DemoError as error:
            return PlainTextResponse(said(error), 404, headers={"Cache-Control": "no-store"})
        link = f"{page_address(request)}?{urlencode({JOB: job.id})}"
        if not link.startswith("http") or len(link) > LONGEST:
            return PlainTextResponse(say(NO_ADDRESS), 404, headers={"Cache-Control": "no-store"})
        headers = {"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "sandbox"}
        return Response(code(link), media_type="image/svg+xml", headers=headers)

    return Route(f"/{FOLDER}/{{name}}", serve, methods=["GET"])


def qr_address(job_id: str) -> str:
    """Return the address of the code, relative to the page."""
    return f"{FOLDER}/{quote(job_id, safe='')}.svg"


def code(text: str) -> bytes:
    """Return the QR code of a text as SVG, black on white in every theme."""
    buffer = io.BytesIO()
    segno.make(text, micro=False, error="m").save(buffer, "svg", border=QUIET, dark="#000", light="#fff", omitsize=True)
    return buffer.getvalue()
