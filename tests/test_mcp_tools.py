"""The tools, asked by the protocol's own client: in this process, and over HTTP beside the page."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client

from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.mcp_tools import PATH, build_server, mcp_route
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.ui.page import build_page, launch_options
from bksdm_demo.ui.reports import page_address
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons
from tests.ui.conftest import close_loops  # noqa: F401
from tests.ui.test_page import free_port

MODELS = list(FAMILY[:2])
REQUEST = {"prompt": "red apple", "models": MODELS, "steps": 2, "seeds": [7, 8]}
SECONDS = 60  # a loaded machine is slow
PNG = "iVBORw0KGgo"  # the first bytes of every PNG, in base 64


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sheets]:
    service = fake_comparisons(tmp_path_factory.mktemp("tools"))
    with closing(service), closing(Sheets(service)) as found:
        yield found


@pytest.fixture(scope="module")
def address(sheets: Sheets) -> Iterator[str]:
    page = build_page(sheets.comparisons, sheets=sheets)
    options = launch_options(sheets.comparisons, sheets=sheets, more=[mcp_route(sheets, page_address)])
    _, found, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **options)
    yield found.rstrip("/")
    page.close(verbose=False)


def run(ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """In a thread of its own: Gradio keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, ask).result()


def call(target: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What one client gets for these tools, one after the other."""

    async def ask() -> list[Any]:
        async with Client(target) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    found: list[Any] = run(ask)
    return found


def facts(answer: Any) -> dict[str, Any]:
    assert not answer.is_error, answer.content
    found: dict[str, Any] = json.loads(answer.content[0].text)
    return found


def test_every_tool_and_parameter_is_described(sheets: Sheets) -> None:
    async def tools() -> list[Any]:
        async with Client(build_server(sheets)) as client:
            return (await client.list_tools()).tools

    found = run(tools)
    assert [tool.name for tool in found] == ["models", "compare", "sheet", "report"]
    for tool in found:
        assert tool.description
        assert all(value.get("description") for value in tool.input_schema["properties"].values()), tool.name


def test_two_calls_compare_beside_the_page(address: str) -> None:
    models, compared = call(address + PATH, ("models", {}), ("compare", REQUEST))
    assert [json.loads(entry.text)["key"] for entry in models.content][:2] == REQUEST["models"]
    found = facts(compared)
    assert [(one["model"], one["seed"], one["outcome"]) for one in found["pictures"]] == [
        (model, seed, "done") for seed in (7, 8) for model in FAMILY[:2]
    ]
    pictures = [entry for entry in compared.content if entry.type == "image"]
    assert len(pictures) == 4
    assert all(picture.data.startswith(PNG) for picture in pictures)
    assert httpx.get(found["url"]).status_code == 200
    assert found["url"].startswith(address)


def test_settings_that_nobody_stated_stay_within_the_operator_s_limits(tmp_path: Path) -> None:
    with closing(fake_comparisons(tmp_path, allowance=Allowance(steps=(1, 3)))) as service:
        request = {"prompt": "red apple", "models": MODELS}
        stated, unstated = call(
            build_server(Sheets(service)),
            ("compare", request | {"steps": 4}),
            ("compare", request | {"forecast": True, "deep_every": 2}),
        )
    assert "this page allows 1 to 3" in stated.content[0].text
    assert (facts(unstated)["request"]["steps"], facts(unstated)["request"]["deep_every"]) == (3, 2)


def test_no_stream_is_held_open(address: str) -> None:
    assert httpx.get(address + PATH).status_code == 405


def test_reports_come_as_text_or_as_an_address(address: str) -> None:
    job = facts(call(address + PATH, ("compare", REQUEST))[0])["id"]
    table, page = call(address + PATH, ("report", {"id": job}), ("report", {"id": job, "kind": "html"}))
    assert table.content[0].text.count("\n") == 5  # the header and four pictures
    report = httpx.get(page.content[0].text)
    assert (report.status_code, "red apple" in report.text) == (200, True)


def test_a_sheet_draws_in_the_background_and_reports_its_table(address: str) -> None:
    sheet = {"rows": "red apple\nblue car", "models": MODELS, "axes": "steps 2, 3"}
    (begun,) = call(address + PATH, ("sheet", sheet))
    found = facts(begun)
    assert (found["rows"], found["pictures"], found["models"]) == (4, 8, MODELS)
    assert httpx.get(found["url"]).status_code == 200
    deadline = time.monotonic() + SECONDS
    while found["state"] == "running" and time.monotonic() < deadline:
        (answer,) = call(address + PATH, ("report", {"id": found["id"]}))
        found = facts(answer)
    assert (found["outcomes"], found["missing"], found["problem"]) == ({"done": 8}, 0, "")
    table = list(csv.DictReader(io.StringIO(answer.content[1].text)))
    assert [(row["prompt"], row["steps"]) for row in table[::2]] == [
        (prompt, steps) for prompt in ("red apple", "blue car") for steps in ("2", "3")
    ]
    assert {row["outcome"] for row in table} == {"done"}


def test_without_a_page_files_have_no_address(sheets: Sheets) -> None:
    server = build_server(sheets)
    found = facts(call(server, ("compare", REQUEST))[0])
    assert found["url"] is None
    (refused,) = call(server, ("report", {"id": found["id"], "kind": "zip"}))
    assert refused.is_error
    assert "Choose csv or json" in refused.content[0].text


def test_a_blocked_picture_is_missing(sheets: Sheets) -> None:
    request = REQUEST | {"prompt": f"red {BLOCKED_WORD}"}
    (answer,) = call(build_server(sheets), ("compare", request))
    assert {one["outcome"] for one in facts(answer)["pictures"]} == {"blocked"}
    assert [entry.type for entry in answer.content] == ["text"]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("compare", REQUEST | {"models": ["nothing"]}, "nothing"),
        ("compare", REQUEST | {"models": []}, "model"),
        ("compare", REQUEST | {"prompt": " "}, "prompt is empty"),
        ("compare", REQUEST | {"steps": 1000}, "between 1 and 150"),
        ("compare", REQUEST | {"guidance_interval": "half"}, "such as 0:0.5"),
        ("sheet", {"rows": "steps\n5", "models": ["emoji-tiny"]}, "prompt"),
        ("sheet", {"rows": "apple", "models": MODELS, "axes": "seeds 1..200"}, "at most 256 pictures"),
        ("report", {"id": "unknown"}, "no comparison with this id"),
    ],
)
def test_refusals_are_sentences(sheets: Sheets, name: str, arguments: dict[str, Any], words: str) -> None:
    (answer,) = call(build_server(sheets), (name, arguments))
    assert answer.is_error
    assert words in answer.content[0].text


def test_without_the_flag_there_is_nothing_at_the_address(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path)
    page = build_page(service)
    _, found, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **launch_options(service))
    try:
        assert httpx.post(found.rstrip("/") + PATH, json={}).status_code == 404
    finally:
        page.close(verbose=False)
        service.close()
