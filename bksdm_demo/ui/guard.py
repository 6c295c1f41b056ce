"""Guards the server as ASGI middleware: what strangers may ask for, how much they may send, what every answer says.

It refuses with a sentence: addresses that the page does not need, bodies that are too large, too slow or too many, and
too many open requests of one address. It adds the security headers, hides X-Forwarded-Host unless a proxy sets it, and
logs a request that broke off in one line. Fairness between visitors is not decided here but in the queue of jobs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

# What the page and gradio_client ask Gradio for. Everything else is closed: uploads, files, proxies, development.
OPEN = frozenset({
    "/", "/config", "/robots.txt", "/favicon.ico", "/manifest.json", "/theme.css", "/gradio_api/theme.css",
    "/gradio_api/info", "/gradio_api/app_id", "/gradio_api/startup-events", "/gradio_api/reset", "/gradio_api/cancel",
    "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/queue/status",
})  # fmt: skip
OPEN_TO_SIGN_IN = frozenset({"/login", "/logout", "/login_check", "/gradio_api/login_check"})
OPEN_TO_OAUTH = frozenset({"/login/huggingface", "/login/callback", "/logout"})  # where the page has a login button
OPEN_BELOW = (
    "/assets/", "/static/", "/gradio_api/run/", "/gradio_api/api/", "/gradio_api/call/", "/gradio_api/heartbeat/",
)  # fmt: skip
EMBEDDERS = (
    "'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"  # the hub shows Spaces in frames
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address names a comparison, and who knows it can open it
    "Content-Security-Policy": f"frame-ancestors {EMBEDDERS}; base-uri 'self'; object-src 'none'; form-action 'self'",
}
CLOSED = "There is nothing at this address. The page is at /, the API's description at /gradio_api/info."
TOO_LARGE = "The body of this request is too large: at most {:,} bytes are read."
TOO_SLOW = "The body of this request did not arrive within {:.0f} seconds."
TOO_MANY = "There are too many open requests from this address. Close some tabs or programs and try again."
SIGN_IN = "This page asks who you are. Open / and sign in first."
CROWDED = "The server is reading too many large requests. Try again later."


@dataclass(frozen=True)
class Limits:
    """What one server reads at once.

    `body` and `bodies` are bytes: of one request, and of all that are being read. Bodies above `large` are handled one
    after the other, because parsed they take many times their size. `seconds` is the time for a body to arrive,
    `requests` the number of open requests of one address.
    """

    body: int = 8_000_000
    bodies: int = 64_000_000
    large: int = 256_000
    seconds: float = 60.0
    requests: int = 128


class _Refused(Exception):
    """Ends a request with this status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _BrokenOff(Exception):
    """The client went away before its body was complete."""


class Guard:
    """The middleware. `behind_proxy`: a proxy sets the X-Forwarded headers.

    `own` are the page's own routes, `open_routes` those of the operator, which answer without signing in. What is
    passed on names the client by its true address.
    """

    def __init__(
        self,
        app: ASGIApp,
        own: Sequence[BaseRoute] = (),
        behind_proxy: bool = False,
        limits: Limits | None = None,
        open_routes: Sequence[BaseRoute] = (),
    ) -> None:
        self.app, self.own, self.open_routes, self.behind_proxy = app, tuple(own), tuple(open_routes), behind_proxy
        self.limits = limits or Limits()
        self._open: Counter[str] = Counter()  # requests by address
        self._reading = 0  # bytes of bodies
        self._one_large = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = self._address(scope)
        self._open[address] += 1
        try:
            named = {**scope, "client": (address, 0)}
            await self._guarded(named, receive, _with_headers(send), self._open[address])
        finally:
            self._open[address] -= 1
            self._open += Counter()  # drops addresses without an open request

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, open_requests: int) -> None:
        size = 0
        try:
            if open_requests > self.limits.requests:
                raise _Refused(429, TOO_MANY)
            if not self._known(scope):
                raise _Refused(404, CLOSED)
            if _any_matches(self.own, scope) and not _signed_in(scope):
                raise _Refused(401, SIGN_IN)
            size, receive = await self._read(scope, receive)
            await self._pass_on(self._without_origin(scope), receive, send, size)
        except _Refused as refused:
            await PlainTextResponse(str(refused), refused.status)(scope, receive, send)
        except _BrokenOff:
            pass
        except RuntimeError as error:  # a refusal after the answer began: Gradio's streams of unknown sessions
            if not isinstance(error.__cause__, HTTPException):
                raise
            logger.info("The answer to %r ended early: %s.", scope["path"], error.__cause__.detail)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._reading -= size

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, size: int) -> None:
        if size <= self.limits.large:
            await self.app(scope, receive, send)
            return
        async with self._one_large:
            await self.app(scope, receive, send)

    def _address(self, scope: Scope) -> str:
        """Return the client's address; behind a proxy, the one that the proxy names last."""
        named = Headers(scope=scope).get("x-forwarded-for", "") if self.behind_proxy else ""
        peer = scope.get("client") or ("",)
        return named.rpartition(",")[2].strip() or str(peer[0])

    def _known(self, scope: Scope) -> bool:
        path = str(scope["path"])
        if path in OPEN_TO_OAUTH and _has_login_button(scope):
            return True
        if path.rstrip("/") in OPEN_TO_SIGN_IN:
            return _asks_who(scope)
        if path.rstrip("/") in OPEN or path in OPEN or path.startswith(OPEN_BELOW):
            return True
        return _any_matches((*self.own, *self.open_routes), scope)

    def _without_origin(self, scope: Scope) -> Scope:
        """Return the scope without the headers by which a client names another host as the page's address."""
        if self.behind_proxy:
            return scope
        hidden = (b"x-forwarded-host", b"x-gradio-server")
        return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name.lower() not in hidden]}

    async def _read(self, scope: Scope, receive: Receive) -> tuple[int, Receive]:
        """Read the whole body. Returns its size, which counts as being read, and a `receive` that gives it again."""
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isascii() or not declared.isdecimal() or int(declared) > self.limits.body:
            raise _Refused(413, TOO_LARGE.format(self.limits.body))
        if scope["method"] in ("GET", "HEAD"):
            return 0, receive
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.seconds):
                while await self._more(body, receive):
                    pass
        except TimeoutError as error:
            raise _Refused(408, TOO_SLOW.format(self.limits.seconds)) from error
        finally:
            self._reading -= len(body)
        self._reading += len(body)
        return len(body), _again(bytes(body), receive)

    async def _more(self, body: bytearray, receive: Receive) -> bool:
        """Read the next part into `body`. Returns whether another follows."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _BrokenOff
        part = message.get("body", b"")
        if len(body) + len(part) > self.limits.body:
            raise _Refused(413, TOO_LARGE.format(self.limits.body))
        if self._reading + len(part) > self.limits.bodies:
            raise _Refused(503, CROWDED)
        body += part
        self._reading += len(part)
        return bool(message.get("more_body", False))


def _any_matches(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is not Match.NONE for route in routes)


def _asks_who(scope: Scope) -> bool:
    """Whether visitors must sign in."""
    return getattr(scope.get("app"), "auth", None) is not None


def _has_login_button(scope: Scope) -> bool:
    return getattr(getattr(scope.get("app"), "blocks", None), "expects_oauth", False)


def _signed_in(scope: Scope) -> bool:
    """Whether the visitor has signed in, or need not. Gradio asks only before its own routes."""
    if not _asks_who(scope):
        return True
    app = scope["app"]
    cookies = HTTPConnection(scope).cookies
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(cookies.get(name) in app.tokens for name in names)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once, then what the server says."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the security headers which an answer does not set itself."""

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with
