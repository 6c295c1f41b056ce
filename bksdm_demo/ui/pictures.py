"""Serves finished pictures as the store keeps them: PNG with their parameters inside.

A withheld picture has no pixels anywhere and no address; asking for one is answered as asking for nothing. Leaves out
access control beyond the job's unguessable id.
"""

from __future__ import annotations

from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.services.export import column_name

HEADERS = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}


def picture_route(comparisons: Comparisons) -> Route:
    """The route "/pictures/JOB/NAME.png"; 404 with a sentence for anything that is not a finished picture."""

    def serve(request: WebRequest) -> Response:
        try:
            job_id = request.path_params["job"]
            data = comparisons.picture(job_id, find_column(comparisons, job_id, request.path_params["name"]))
        except DemoError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(data, media_type="image/png", headers=HEADERS)

    return Route("/pictures/{job}/{name}", serve, methods=["GET"])


def find_column(comparisons: Comparisons, job_id: str, name: str) -> int:
    """The index of the column behind an address; RequestError when there is none."""
    job = comparisons.get(job_id)
    for index in range(len(job.columns)):
        if column_name(job, index) == name:
            return index
    raise RequestError("There is no such picture.")
