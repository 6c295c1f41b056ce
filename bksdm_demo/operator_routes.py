"""What an operator's tools ask: /healthz (does it live), /readyz (may visitors come), /metrics (figures).

Answers are short texts. /healthz and /readyz are open to everybody and tell nothing about visitors. /metrics answers
only to who knows the token, if there is one.
"""

from __future__ import annotations

import secrets

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bksdm_demo.metrics import CONTENT_TYPE, Metrics
from bksdm_demo.start import Services

HEADERS = {"Cache-Control": "no-store"}
ASK = {**HEADERS, "WWW-Authenticate": 'Bearer realm="metrics"'}
NO_WORKER = "The thread that draws has ended. Restart the page."
RESTARTING = "The server is restarting."
NO_MODEL = "No model can be used here."
NO_TOKEN = "The figures need the operator's token: send the header Authorization: Bearer TOKEN."


def health_routes(services: Services) -> list[Route]:
    """Return the routes /healthz and /readyz, which answer 200, or 503 with a sentence."""

    async def healthz(request: WebRequest) -> Response:  # without a thread, so it answers however busy they are
        return _state(not_alive(services))

    def readyz(request: WebRequest) -> Response:
        return _state(not_ready(services))

    return [Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]


def metrics_route(metrics: Metrics, token: str | None) -> Route:
    """Return the route /metrics. With a token, it answers 401 without "Authorization: Bearer TOKEN"."""

    async def figures(request: WebRequest) -> Response:
        if token is not None and not _knows(request, token):
            return PlainTextResponse(NO_TOKEN + "\n", 401, headers=ASK)
        return Response(await run_in_threadpool(metrics.text), headers={**HEADERS, "Content-Type": CONTENT_TYPE})

    return Route("/metrics", figures, methods=["GET"])


def not_alive(services: Services) -> str:
    """Say why only a restart helps; "" if the page lives."""
    comparisons = services.comparisons
    return "" if comparisons.working or comparisons.draining else NO_WORKER


def not_ready(services: Services) -> str:
    """Say why no visitors should be sent here now; "" if the page is ready."""
    if services.comparisons.draining:
        return RESTARTING
    if not any(system.available for system in services.catalog.systems()):
        return NO_MODEL
    return not_alive(services)


def _state(problem: str) -> Response:
    return PlainTextResponse((problem or "ok") + "\n", 503 if problem else 200, headers=HEADERS)


def _knows(request: WebRequest, token: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())
