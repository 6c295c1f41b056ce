"""Serves finished pictures as the store keeps them, previews, and the similarity of finished pictures.

A blocked picture has no pixels and no address: a request for one gets the answer for a picture that does not exist.
The unguessable id of the job is the only access control.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from starlette.requests import Request as WebRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.phrase_book import said
from bksdm_demo.reports.folder import cell_name
from bksdm_demo.reports.similarity_cache import Compared, SimilarityCache
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.present import picture_version, similarity_words
from bksdm_demo.ui.thumbnails import Thumbnails
from bksdm_demo.units import unbroken

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
FOREVER = {"Cache-Control": "private, max-age=3600, immutable", **NOSNIFF}  # a version never changes
FRESH = {"Cache-Control": "private, no-cache", **NOSNIFF}
NEVER = {"Cache-Control": "no-store", **NOSNIFF}

Answer = Callable[[WebRequest], Response]


def picture_routes(comparisons: Comparisons) -> list[Route]:
    """Return every route of this file, for Gradio's server."""
    return [preview_route(comparisons), picture_route(comparisons), similarity_route(comparisons)]


def picture_route(comparisons: Comparisons) -> Route:
    """Return the route "/pictures/JOB/NAME.png"; it answers 404 with a sentence for all but a finished picture.

    "?width=192" returns a thumbnail for lists, without the parameters.
    """
    thumbnails = Thumbnails()

    def serve(request: WebRequest) -> Response:
        job_id = request.path_params["job"]
        index = find_cell(comparisons, job_id, request.path_params["name"])
        data = comparisons.picture(job_id, index)
        if "width" in request.query_params:
            data = thumbnails.thumbnail(data, request.query_params["width"])
        version = picture_version(comparisons.get(job_id).cells[index])
        headers = FOREVER if request.query_params.get("v") == version else FRESH
        return Response(data, media_type="image/png", headers=headers)

    return Route("/pictures/{job}/{name}", _with_sentences(serve), methods=["GET"])


def preview_route(comparisons: Comparisons) -> Route:
    """Return the route "/pictures/JOB/preview/NAME.png": the preview of a running cell, 404 once the cell is done."""

    def serve(request: WebRequest) -> Response:
        job_id = request.path_params["job"]
        data = comparisons.preview(job_id, find_cell(comparisons, job_id, request.path_params["name"]))
        return Response(data, media_type="image/png", headers=NEVER)

    return Route("/pictures/{job}/preview/{name}", _with_sentences(serve), methods=["GET"])


def similarity_route(comparisons: Comparisons) -> Route:
    """Return the route "/similarity/JOB?reference=PLACE"; PLACE is the index of a model in the job, from 0.

    It answers JSON: `reference`, the model's key, and for each picture its `index`, `psnr` in dB (null when identical),
    `ssim`, and both in `words`. It answers 404 with a sentence when the reference has no picture.
    """
    similarities = SimilarityCache(comparisons)

    def serve(request: WebRequest) -> Response:
        job_id, place = request.path_params["job"], request.query_params.get("reference", "0")
        reference = int(place) if re.fullmatch(r"\d{1,3}", place) else -1
        found = similarities.against(job_id, reference)
        model = comparisons.get(job_id).models[reference]
        names = {system.key: system.name for system in comparisons.catalog.systems()}
        pictures = [_similarity_json(compared, names.get(model, model)) for compared in found]
        return JSONResponse({"reference": model, "pictures": pictures}, headers=FRESH)

    return Route("/similarity/{job}", _with_sentences(serve), methods=["GET"])


def _similarity_json(compared: Compared, reference: str) -> dict[str, Any]:
    similarity = compared.similarity
    return {
        "index": compared.index,
        "psnr": None if similarity is None or similarity.identical else similarity.psnr,
        "ssim": None if similarity is None else similarity.ssim,
        "haarpsi": None if similarity is None else similarity.haarpsi,
        "words": unbroken(similarity_words(compared, reference)),
    }


def _with_sentences(serve: Answer) -> Answer:
    """Answer every DemoError of the route with 404 and its sentence."""

    def answer(request: WebRequest) -> Response:
        try:
            return serve(request)
        except DemoError as error:
            return PlainTextResponse(said(error), status_code=404, headers=NEVER)

    return answer


def find_cell(comparisons: Comparisons, job_id: str, name: str) -> int:
    """Return the index of the cell behind an address. Raises RequestError when there is none."""
    job = comparisons.get(job_id)
    for index in range(len(job.cells)):
        if cell_name(job, index) == name:
            return index
    raise RequestError("There is no such picture.")
