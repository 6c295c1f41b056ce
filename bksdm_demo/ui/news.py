"""Tells an open page whether what it shows has changed. An answer is one word and comes at once.

So an open page holds no connection: a browser opens at most six to one server, for all its tabs together. An element
that will change names the address to ask, the word that it shows and the button that shows it anew; watch.js asks.
Every answer says whether the server is about to end. A page that shows nothing that changes asks only for that.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from html import escape
from urllib.parse import quote

from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.errors import DemoError
from bksdm_demo.phrase_book import said
from bksdm_demo.records import Job, Phase
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.units import SOON, rounded_seconds

FOLDER = "news"
SERVER = "X-Server"  # the header whose word is one of:
OPEN, RESTARTING = "open", "restarting"
REFRESH_BOARD = "bk-refresh"  # ids of hidden buttons
REFRESH_MODELS = "bk-watch"


def news_routes(comparisons: Comparisons, status_board: StatusBoard | None) -> list[Route]:
    """Return the routes "/news/server", "/news/board/JOB" and, with a status board, "/news/models"."""

    async def server(request: WebRequest) -> Response:
        return answer_word(lambda: server_word(comparisons), server_word(comparisons))

    def board(request: WebRequest) -> Response:
        job_id = request.path_params["job"]
        return answer_word(lambda: board_word(comparisons.get(job_id), time.time()), server_word(comparisons))

    routes = [
        Route(f"/{FOLDER}/server", server, methods=["GET"]),
        Route(f"/{FOLDER}/board/{{job}}", board, methods=["GET"]),
    ]
    if status_board is not None:

        def models(request: WebRequest) -> Response:
            word = models_word(status_board.snapshot().version, time.time())
            return answer_word(lambda: word, server_word(comparisons))

        routes.append(Route(f"/{FOLDER}/models", models, methods=["GET"]))
    return routes


def server_word(comparisons: Comparisons) -> str:
    """Return whether the server accepts comparisons."""
    return RESTARTING if comparisons.draining else OPEN


def answer_word(word: Callable[[], str], server: str) -> Response:
    """Answer with the word, or with the sentence of a DemoError; `server` is the header's word."""
    headers = {"Cache-Control": "no-store", SERVER: server}
    try:
        return PlainTextResponse(word(), headers=headers)
    except DemoError as error:
        return PlainTextResponse(said(error), status_code=404, headers=headers)


def board_word(job: Job, now: float) -> str:
    """Return a word that changes with all that a board shows. While a model loads, it changes every second.

    A job that another process runs keeps its version, so the phases and steps count as well. A waiting job's board says
    in how many seconds it begins, at most every five seconds anew.
    """
    loading = any(cell.phase is Phase.LOADING for cell in job.cells)
    cells = [(cell.phase.value, cell.step) for cell in job.cells]
    begins = None if job.starts is None else rounded_seconds(job.starts - now) if job.starts > now + SOON else 0
    shown = (job.version, job.position, job.cancelled, cells, begins, int(now) if loading else 0)
    return f"{zlib.crc32(repr(shown).encode()):08x}"


def models_word(version: int, now: float) -> str:
    """Return a word that changes with the status board, and every second, for the elapsed times."""
    return f"{version}-{int(now)}"


def board_news(job: Job, now: float) -> str:
    """Return the attributes of a board that will change; "" for a finished one."""
    return "" if job.finished else _attributes(f"board/{quote(job.id, safe='')}", board_word(job, now), REFRESH_BOARD)


def models_news(version: int, now: float) -> str:
    """Return the attributes of the list of downloads and prewarmings while one is active."""
    return _attributes("models", models_word(version, now), REFRESH_MODELS)


def _attributes(what: str, word: str, button: str) -> str:
    return f' data-news="{FOLDER}/{escape(what)}" data-word="{word}" data-refresh="{button}"'
