"""What strangers may send to a served page: no files, no huge values, nothing that costs a log full of lines."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.ui.guard import Limits
from bksdm_demo.ui.guarded_blocks import LARGEST_VALUES, NO_FILES, check_values
from bksdm_demo.ui.page import SESSIONS, build_page, launch_options
from tests.fakes import fake_comparisons
from tests.ui.test_api import ENDPOINTS
from tests.ui.test_page import free_port, served

FILE = {"path": "https://example.com/a.png", "url": "https://example.com/a.png", "meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("strangers")) as (found, _):
        yield found


@pytest.fixture(scope="module")
def events(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{address}config").json()["dependencies"]
    return found


@pytest.mark.parametrize("value", [FILE, [1, [FILE]], {"a": {"b": FILE}}, {"path": "/etc/passwd"}])
def test_files_are_found_at_any_depth(value: object) -> None:
    with pytest.raises(RequestError, match="takes no files"):
        check_values(["red apple", value])


def test_the_longest_values_that_the_page_sends_are_taken() -> None:
    prompts = ["🍎" * 20_000, "🍏" * 20_000]
    check_values([*prompts, {"a": 1}, None])
    with pytest.raises(RequestError, match=f"{LARGEST_VALUES:,} bytes"):
        check_values(["a" * LARGEST_VALUES])
    check_values(["\ud83c"])  # half an emoji is counted, not refused here


def test_no_event_of_the_page_holds_a_connection_or_a_thread(address: str, events: list[dict[str, Any]]) -> None:
    """The queue answers through a stream that stays open; only the API for programs uses it."""
    assert httpx.get(f"{address}config").json()["connect_heartbeat"] is False
    programs = {event["id"] for event in events if event["queue"] is not False and event["backend_fn"]}
    names = {event["api_name"] for event in events if event["id"] in programs}
    assert names == ENDPOINTS
    assert not [event["api_name"] for event in events if event["types"]["generator"]]


def test_an_address_of_a_file_is_refused_and_not_fetched(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def download(url: str, *_: Any) -> str:
        asked.append(url)
        return __file__

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", download)
    for body in ({"data": [FILE]}, {"data": [FILE], "session_hash": "stranger"}):
        answer = httpx.post(f"{address}gradio_api/run/job", json=body)
        assert answer.json()["error"] == NO_FILES
    assert asked == []


def test_uploads_and_unneeded_routes_are_closed(address: str) -> None:
    answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("a.txt", b"0" * 500)})
    assert answer.status_code == 404
    for path in ("openapi.json", "docs", "gradio_api/openapi.json", "gradio_api/dev/reload"):
        assert httpx.get(f"{address}{path}").status_code == 404, path


def test_a_chunked_body_over_the_limit_is_cut(address: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.putrequest("POST", "/gradio_api/queue/join")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    chunk = b"%x\r\n" % (1 << 20) + b"0" * (1 << 20) + b"\r\n"
    try:
        for _ in range(Limits().body // (1 << 20) + 2):
            connection.send(chunk)
    except OSError:  # cut off already
        pass
    answer = connection.getresponse()
    assert answer.status == 413
    assert f"{Limits().body:,} bytes" in answer.read().decode()
    connection.close()


def test_the_page_does_not_take_another_host_for_its_own(address: str) -> None:
    config = httpx.get(f"{address}config", headers={"X-Forwarded-Host": "evil.example"}).text
    assert "evil.example" not in config
    page = httpx.get(address)
    assert "frame-ancestors" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_sessions_that_nobody_opened_are_forgotten(tmp_path: Path) -> None:
    comparisons = fake_comparisons(tmp_path)
    page = build_page(comparisons)
    app, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_port=free_port(), **launch_options(comparisons)
    )
    try:
        with httpx.Client() as client:
            for number in range(SESSIONS + 20):
                body = {"data": ["nobody"], "session_hash": f"invented-{number}"}
                assert client.post(f"{address}gradio_api/run/page_cancel", json=body).status_code == 200
        assert len(app.state_holder.session_data) == SESSIONS
    finally:
        page.close(verbose=False)
        comparisons.close()


@pytest.mark.parametrize("value", ["\ud83d", "\ud83d" * 2, "\0"])
def test_a_refusal_that_quotes_half_an_emoji_is_sent(
    address: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = ["", "red apple", ["emoji-tiny"], 7, False, "1", "", 2, 3, "ddim", value, False, "0:1", False, 1, ""]
    body = json.dumps({"data": data})
    answer = httpx.post(
        f"{address}gradio_api/run/page_compare", content=body, headers={"content-type": "application/json"}
    )
    assert "is not in the list of choices" in answer.json()["error"]
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "data", [[], [1, 2, 3], [{"a": 1}], [[["x"]]], [None] * 13, ["\x00"] * 13, [{"value": []}] * 13, [1e308] * 13]
)
@pytest.mark.parametrize("name", ["page_compare", "page_cancel", "page_refresh", "job", "reopen"])
def test_values_of_wrong_types_are_a_sentence_and_a_line(
    address: str, name: str, data: list[Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        answer = httpx.post(f"{address}gradio_api/run/{name}", json={"data": data})
    assert answer.status_code in (200, 500)
    assert answer.status_code == 200 or answer.json()["error"]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("bksdm_demo")]
    assert len(lines) <= 1
    assert all("\n" not in line for line in lines)
    printed = capfd.readouterr()
    assert "Traceback" not in printed.out + printed.err
