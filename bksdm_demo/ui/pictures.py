"""Serves finished pictures as PNG with their parameters inside, straight from the job in memory.

No file is written, so nothing is left behind when the job is forgotten. A withheld picture has no pixels in its
Result and no address; asking for one is answered as asking for nothing. Leaves out access control beyond the job's
unguessable id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.records import Phase, Result
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.services.export import picture_name
from bksdm_demo.services.png import encode_png

HEADERS = {"Cache-Control": "private, max-age=3600, immutable", "X-Content-Type-Options": "nosniff"}


def picture_route(comparisons: Comparisons, catalog: Catalog, environment: Mapping[str, Any]) -> Route:
    """The route "/pictures/JOB/NAME.png"; 404 with a sentence for anything that is not a finished picture."""
    names = {system.key: system.name for system in catalog.systems()}

    def serve(request: WebRequest) -> Response:
        try:
            result = find_result(comparisons, request.path_params["job"], request.path_params["name"])
            data = encode_png(result, names.get(result.model, result.model), environment)
        except DemoError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(data, media_type="image/png", headers=HEADERS)

    return Route("/pictures/{job}/{name}", serve, methods=["GET"])


def find_result(comparisons: Comparisons, job_id: str, name: str) -> Result:
    """The finished result behind an address; RequestError when there is none to show."""
    for index, column in enumerate(comparisons.get(job_id).columns, start=1):
        if picture_name(index, column.model) == name and column.phase is Phase.DONE and column.result is not None:
            return column.result
    raise RequestError("There is no such picture.")
