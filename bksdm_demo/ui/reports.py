"""Serves reports: builds the file that a visitor or a program requests by a job's id and a kind.

The browser saves the file and never shows it in this page's origin. The unguessable id of the job is the only access
control. The room reports/ builds the content.
"""

from __future__ import annotations

from urllib.parse import quote

import httpx
from gradio.route_utils import get_root_url
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError
from bksdm_demo.phrase_book import said
from bksdm_demo.reports.formats import build_report
from bksdm_demo.runs.comparisons import Comparisons

FOLDER = "reports"


def report_route(comparisons: Comparisons) -> Route:
    """Return the route "/reports/JOB.KIND"; it answers 404 with a sentence when there is no such report."""

    def serve(request: WebRequest) -> Response:
        job_id, _, kind = str(request.path_params["name"]).rpartition(".")
        try:
            report = build_report(comparisons, job_id, kind, page_address(request))
        except DemoError as error:
            return PlainTextResponse(said(error), status_code=404)
        headers = {
            "Content-Disposition": f'attachment; filename="{report.name}"',
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(report.data, media_type=report.media_type, headers=headers)

    return Route(f"/{FOLDER}/{{name}}", serve, methods=["GET"])


def report_address(job_id: str, kind: str) -> str:
    """Return the address of a report, relative to the page."""
    return f"{FOLDER}/{quote(job_id, safe='')}.{kind}"


def page_address(request: WebRequest) -> str:
    """Return the page's address as the browser sees it, also behind a proxy; it ends with a slash.

    "" if a program names itself or its path so that no address can be made of it.
    """
    try:
        return get_root_url(request, request.url.path, request.scope.get("root_path", "")) + "/"
    except (httpx.InvalidURL, ValueError):
        return ""
