"""The address of every report: builds the file that a visitor, or a program, asks for by the job's id and a kind.

Always sent as a file to be saved: a report is not shown inside this page's own origin. Leaves out access control
beyond the job's unguessable id, and what is in a report (services/reports.py).
"""

from __future__ import annotations

from urllib.parse import quote

from gradio.route_utils import get_root_url
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError
from bksdm_demo.reports.formats import build_report
from bksdm_demo.runs.comparisons import Comparisons

FOLDER = "reports"


def report_route(comparisons: Comparisons) -> Route:
    """The route "/reports/JOB.KIND"; 404 with a sentence for anything that cannot be reported."""

    def serve(request: WebRequest) -> Response:
        job_id, _, kind = str(request.path_params["name"]).rpartition(".")
        try:
            report = build_report(comparisons, job_id, kind, page_address(request))
        except DemoError as error:
            return PlainTextResponse(str(error), status_code=404)
        headers = {
            "Content-Disposition": f'attachment; filename="{report.name}"',
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(report.data, media_type=report.media_type, headers=headers)

    return Route(f"/{FOLDER}/{{name}}", serve, methods=["GET"])


def report_address(job_id: str, kind: str) -> str:
    """Where the report is, relative to the page."""
    return f"{FOLDER}/{quote(job_id, safe='')}.{kind}"


def page_address(request: WebRequest) -> str:
    """The page's own address as the asking browser sees it, also behind a proxy; ends with a slash."""
    return get_root_url(request, request.url.path, request.scope.get("root_path", "")) + "/"
