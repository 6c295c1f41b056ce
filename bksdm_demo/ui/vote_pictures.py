"""Serves the pictures of open ballots under names that say nothing about who drew them, and that end with the vote."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.phrase_book import said
from bksdm_demo.ui.pictures import NEVER

FOLDER = "ballots"


def ballot_address(token: str, side: str) -> str:
    """Return the address of a picture, relative so that it works behind any proxy."""
    return f"{FOLDER}/{quote(token, safe='')}/{side}.png"


def ballot_routes(booth: Booth) -> list[Route]:
    """Return the route "/ballots/TOKEN/SIDE.png"; it answers 404 with a sentence once the ballot has ended."""

    def serve(request: WebRequest) -> Response:
        try:
            data = booth.picture(request.path_params["token"], request.path_params["side"])
        except DemoError as error:
            return PlainTextResponse(said(error), status_code=404, headers=NEVER)
        return Response(data, media_type="image/png", headers=NEVER)

    return [Route(f"/{FOLDER}/{{token}}/{{side}}.png", serve, methods=["GET"])]
