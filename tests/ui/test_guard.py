"""The guard before a small application: what it lets through, what it cuts off, what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bksdm_demo.ui.guard import HEADERS, Guard, Limits

SMALL = Limits(body=100, bodies=150, large=50, seconds=0.05, requests=3)
JOIN = "/gradio_api/queue/join"


async def _echo(request: WebRequest) -> Response:
    body = await request.body()
    host = request.headers.get("x-forwarded-host", "none")
    return PlainTextResponse(f"{len(body)} bytes, host {host}")


def _sandboxed(request: WebRequest) -> Response:
    return PlainTextResponse("own", headers={"Content-Security-Policy": "sandbox"})


OWN = [Route("/reports/{name}", _sandboxed)]
EVERYTHING = [*OWN, Route("/{path:path}", _echo, methods=["GET", "POST"])]


def guard(**options: Any) -> Guard:
    return Guard(Starlette(routes=EVERYTHING), **{"own": OWN, "limits": SMALL, **options})


async def _ask(app: Guard, method: str, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
        return await client.request(method, path, **options)


def ask(app: Guard, method: str, path: str, **options: Any) -> httpx.Response:
    return asyncio.run(_ask(app, method, path, **options))


async def _parts(count: int) -> Any:
    for _ in range(count):
        yield b"0" * 20


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_body_within_the_limit_arrives_whole(size: int) -> None:
    assert ask(guard(), "POST", JOIN, content=b"0" * size).text.startswith(f"{size} bytes")


def test_a_declared_size_above_the_limit_is_refused_unread() -> None:
    answer = ask(guard(), "POST", JOIN, content=b"0" * 101)
    assert answer.status_code == 413
    assert "at most 100 bytes" in answer.text


def test_a_chunked_body_is_counted_and_cut() -> None:
    assert ask(guard(), "POST", JOIN, content=_parts(5)).text.startswith("100 bytes")
    answer = ask(guard(), "POST", JOIN, content=_parts(6))
    assert answer.status_code == 413
    assert "at most 100 bytes" in answer.text


@pytest.mark.parametrize("length", ["many", "-1", "²"])
def test_a_size_that_is_no_number_is_refused(length: str) -> None:
    headers = {"Content-Length": length.encode("utf-8")}
    assert ask(guard(), "POST", JOIN, content=_parts(1), headers=headers).status_code == 413


async def _call(app: Guard, messages: list[dict[str, Any]], wait: bool = False) -> list[dict[str, Any]]:
    """Send one POST by hand, in these messages; with `wait` nothing follows them. Returns what the server sent."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "POST", "path": JOIN, "raw_path": JOIN.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"host", b"page")], "client": ("10.0.0.1", 5), "server": ("page", 80), "scheme": "http",
        "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> Any:
        if not messages and wait:
            await asyncio.Event().wait()
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def test_a_body_that_does_not_come_to_its_end_is_given_up() -> None:
    first = {"type": "http.request", "body": b"{", "more_body": True}
    sent = asyncio.run(_call(guard(), [first], wait=True))
    assert sent[0]["status"] == 408


def test_a_client_that_breaks_off_gets_no_answer_and_costs_nothing() -> None:
    app = guard()
    first = {"type": "http.request", "body": b"{", "more_body": True}
    assert asyncio.run(_call(app, [first])) == []
    assert (app._reading, dict(app._open)) == (0, {})


async def _held(app: Guard, count: int, part: bytes) -> tuple[list[asyncio.Task[Any]], httpx.Response]:
    """Ask while `count` requests have sent a part of their body each."""
    message = {"type": "http.request", "body": part, "more_body": True}
    tasks = [asyncio.create_task(_call(app, [dict(message)], wait=True)) for _ in range(count)]
    await asyncio.sleep(0)
    transport = httpx.ASGITransport(app, client=("10.0.0.1", 9))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        answer = await client.post(JOIN, content=b"0" * 60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return tasks, answer


def test_open_requests_of_one_address_are_counted() -> None:
    patient = Limits(body=100, bodies=1000, seconds=60, requests=3)
    _, answer = asyncio.run(_held(guard(limits=patient), 2, b"{"))
    assert answer.status_code == 200
    app = guard(limits=patient)
    _, answer = asyncio.run(_held(app, 3, b"{"))
    assert answer.status_code == 429
    assert "from this address" in answer.text
    assert (app._reading, dict(app._open)) == (0, {})


def test_bodies_that_are_read_at_once_are_counted_together() -> None:
    patient = Limits(body=100, bodies=150, seconds=60)
    _, answer = asyncio.run(_held(guard(limits=patient), 1, b"0" * 91))
    assert answer.status_code == 503
    _, answer = asyncio.run(_held(guard(limits=patient), 1, b"0" * 90))
    assert answer.status_code == 200


def test_large_bodies_are_handled_one_after_the_other() -> None:
    running, most = 0, 0

    async def count(request: WebRequest) -> Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return PlainTextResponse("counted")

    app = Guard(Starlette(routes=[Route("/{path:path}", count, methods=["POST"])]), limits=Limits(large=50))

    async def several(size: int) -> list[httpx.Response]:
        return await asyncio.gather(*(_ask(app, "POST", JOIN, content=b"0" * size) for _ in range(4)))

    for size, expected in ((51, 1), (50, 4)):
        most = 0
        answers = asyncio.run(several(size))
        assert {answer.text for answer in answers} == {"counted"}
        assert most == expected


@pytest.mark.parametrize(
    "path",
    [
        "/openapi.json", "/docs", "/gradio_api/openapi.json", "/gradio_api/dev/reload", "/gradio_api/vibe-edit/",
        "/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/file=https://example.com/",
        "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=https://example.hf.space/", "/gradio_api/component_server",
        "/gradio_api/process_recording", "/monitoring", "/login", "/gradio_api/stream/1", "/gradio_api/../upload",
    ],
)  # fmt: skip
def test_what_the_page_does_not_need_is_closed(path: str) -> None:
    for method in ("GET", "POST"):
        answer = ask(guard(), method, path)
        assert (answer.status_code, "nothing at this address" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "path", ["/", "/config", "/config/", "/gradio_api/info", "/gradio_api/run/job", "/assets/a.js"]
)
def test_what_the_page_needs_is_open(path: str) -> None:
    assert ask(guard(), "GET", path).status_code == 200


def test_every_answer_carries_the_headers() -> None:
    for path in ("/", "/docs", "/reports/a.html"):
        answer = ask(guard(), "GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert ask(guard(), "GET", "/reports/a.html").headers["content-security-policy"] == "sandbox"  # its own stays


def test_only_the_hub_shows_the_page_in_a_frame() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["frame-ancestors"].split() == [
        "'self'", "https://huggingface.co", "https://*.huggingface.co", "https://*.hf.space",
    ]  # fmt: skip


@pytest.mark.parametrize(("behind_proxy", "seen"), [(False, "none"), (True, "evil.example")])
def test_another_host_is_believed_only_behind_a_proxy(behind_proxy: bool, seen: str) -> None:
    answer = ask(guard(behind_proxy=behind_proxy), "GET", "/", headers={"X-Forwarded-Host": "evil.example"})
    assert answer.text.endswith(f"host {seen}")


@pytest.fixture
def scope() -> dict[str, Any]:
    return {"client": ("10.0.0.1", 5), "headers": [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2")]}


def test_the_address_is_the_last_that_the_proxy_names(scope: dict[str, Any]) -> None:
    assert guard()._address(scope) == "10.0.0.1"
    assert guard(behind_proxy=True)._address(scope) == "2.2.2.2"
    assert guard(behind_proxy=True)._address({**scope, "headers": []}) == "10.0.0.1"
    assert guard()._address({"headers": [], "client": None}) == ""


def _unknown_session(request: WebRequest) -> Response:
    async def events() -> AsyncIterator[str]:
        raise HTTPException(404, "Session not found")
        yield ""

    return StreamingResponse(events())


def test_a_refusal_within_a_begun_stream_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """As Gradio refuses to stream the events of a session that it does not know."""
    app = Guard(Starlette(routes=[Route("/gradio_api/queue/data", _unknown_session)]), own=(), limits=SMALL)
    with caplog.at_level("INFO", logger="bksdm_demo.ui.guard"):
        answer = ask(app, "GET", "/gradio_api/queue/data")
    assert answer.text == ""
    assert caplog.messages == ["The answer to '/gradio_api/queue/data' ended early: Session not found."]


@pytest.mark.parametrize(("button", "status"), [(True, 200), (False, 404)])
@pytest.mark.parametrize("path", ["/login/huggingface", "/login/callback", "/logout"])
def test_signing_in_is_open_where_the_page_has_a_login_button(path: str, button: bool, status: int) -> None:
    app = Starlette(routes=[Route(path, lambda request: PlainTextResponse("here"))])
    app.blocks = SimpleNamespace(expects_oauth=button)  # type: ignore[attr-defined]
    app.add_middleware(Guard, own=(), limits=SMALL)
    assert ask(app, "GET", path).status_code == status  # type: ignore[arg-type]
