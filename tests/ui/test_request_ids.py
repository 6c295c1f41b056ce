"""Request ids: one for every request, in the log and in the answer; a proxy's is kept, a stranger's is not."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from gradio_client import Client
from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bksdm_demo.logs import request_id
from bksdm_demo.ui.request_ids import HEADER, RequestIds, id_of
from tests.fakes import FAMILY
from tests.ui.test_page import SECONDS, served


def client(behind_proxy: bool) -> TestClient:
    def say(request: WebRequest) -> PlainTextResponse:
        return PlainTextResponse(f"{request_id.get()} {id_of(request)} {id_of(SimpleNamespace(request=request))}")

    return TestClient(RequestIds(Starlette(routes=[Route("/", say)]), behind_proxy))


def test_every_request_has_an_id_that_its_answer_tells() -> None:
    answers = [client(behind_proxy=False).get("/") for _ in range(2)]
    for answer in answers:
        assert answer.text.split() == [answer.headers[HEADER]] * 3
    assert answers[0].text != answers[1].text
    assert request_id.get() == ""


@pytest.mark.parametrize(
    ("given", "behind_proxy", "kept"),
    [("3f2a:7", True, True), ("3f2a:7", False, False), ("a b", True, False), ("x" * 65, True, False)],
)
def test_only_a_proxy_may_choose_it(given: str, behind_proxy: bool, kept: bool) -> None:
    answer = client(behind_proxy).get("/", headers={HEADER: given})
    assert (answer.headers[HEADER] == given) == kept


def test_nothing_without_a_request_has_an_id() -> None:
    assert (id_of(None), id_of(SimpleNamespace())) == ("", "")


def test_the_log_of_a_queued_event_names_its_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The API's events run in Gradio's queue, outside the request that brought them."""
    seen: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("A comparison waits"):
            seen.append(request_id.get())
        return True

    caplog.handler.addFilter(note)
    try:
        with served(tmp_path) as (address, _), caplog.at_level(logging.INFO, "bksdm_demo"):
            assert httpx.get(address, timeout=SECONDS).headers[HEADER]
            Client(address, verbose=False).predict(
                prompt="red apple", models=[FAMILY[0]], steps=1, wait=True, api_name="/compare"
            )
    finally:
        caplog.handler.removeFilter(note)
    assert len(seen) == 1
    assert seen[0]
