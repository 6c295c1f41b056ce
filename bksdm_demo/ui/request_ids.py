"""Gives every request an id, as ASGI middleware: the log names it, and the answer's header X-Request-ID tells it.

Behind a proxy, an id that the proxy already gave is kept. Events that Gradio queues run outside their request; for
them the id travels in the scope.
"""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bksdm_demo.logs import about, request_id

HEADER = "X-Request-ID"
KEY = "bksdm.request_id"  # in the scope
GIVEN = re.compile(r"[\w.:+/=-]{1,64}", re.ASCII)


class RequestIds:
    """The middleware. `behind_proxy`: a proxy sets the header, and no client can."""

    def __init__(self, app: ASGIApp, behind_proxy: bool = False) -> None:
        self.app, self.behind_proxy = app, behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "") if self.behind_proxy else ""
        name = given if GIVEN.fullmatch(given) else secrets.token_hex(8)

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        with about(request_id, name):
            await self.app({**scope, KEY: name}, receive, send_with)


def id_of(request: object) -> str:
    """Return the id of a gr.Request, or of the Starlette request in it; "" without one."""
    inner = getattr(request, "request", request)
    return str(getattr(inner, "scope", {}).get(KEY, ""))
