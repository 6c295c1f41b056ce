"""On a small served page: what one visitor changed stays theirs, and what a program has read is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware

from bksdm_demo.ui.guarded_blocks import GuardedBlocks
from bksdm_demo.ui.sessions import ForgetMessages, forget_read
from tests.ui.test_page import free_port

PATIENCE = 30.0  # seconds


class Page:
    """A served page with a choice that an event extends, and calls that wait for `gate`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        with GuardedBlocks(analytics_enabled=False) as self.blocks:
            word = gr.Dropdown(["red"], value="red")
            gr.Button().click(lambda: gr.Dropdown(["red", "blue"]), outputs=word, api_name="extend", queue=False)
            gr.Button().click(lambda text: text, word, gr.Textbox(), api_name="choose", queue=False)
            gr.Button().click(lambda: "read", outputs=gr.Textbox(), api_name="answer")
            gr.Button().click(lambda: str(self.gate.wait(PATIENCE)), outputs=gr.Textbox(), api_name="wait")
        self.blocks.queue(default_concurrency_limit=None)
        self.app, address, _ = self.blocks.launch(
            prevent_thread_lock=True,
            quiet=True,
            server_port=free_port(),
            app_kwargs={"middleware": [Middleware(ForgetMessages)]},
        )
        self.client = httpx.Client(base_url=address, timeout=PATIENCE)

    def event(self, name: str, session: str, *values: Any) -> dict[str, Any]:
        body = {"data": list(values), "session_hash": session}
        return dict(self.client.post(f"/gradio_api/run/{name}", json=body).json())

    def call(self, name: str) -> str:
        """Begin an API call and return its id."""
        return str(self.client.post(f"/gradio_api/call/{name}", json={"data": []}).json()["event_id"])

    def answer(self, name: str, event: str) -> str:
        return self.client.get(f"/gradio_api/call/{name}/{event}").text

    @property
    def kept(self) -> tuple[set[str], set[str]]:
        """The sessions with messages, and those with ids of unread events, after one more request."""
        self.client.get("/gradio_api/queue/status").raise_for_status()
        queue = self.blocks._queue
        return set(queue.pending_messages_per_session), set(queue.pending_event_ids_session)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    made = Page()
    yield made
    made.gate.set()
    made.client.close()
    made.blocks.close(verbose=False)


def test_a_change_is_seen_by_its_own_session_only(page: Page) -> None:
    page.event("extend", "own")
    assert page.event("choose", "own", "blue")["data"] == ["blue"]
    assert "not in the list of choices" in page.event("choose", "other", "blue")["error"]
    assert page.event("choose", "other", "red")["data"] == ["red"]


def test_a_session_describes_no_component(page: Page) -> None:
    page.event("choose", "mine", "red")
    assert not any(page.app.state_holder["mine"].config_values.values())
    described = {part["type"] for part in page.client.get("/config").json()["components"]}
    assert {"dropdown", "textbox", "button"} <= described


def test_a_call_is_kept_until_it_is_read(page: Page) -> None:
    unread = page.call("answer")
    read = page.call("answer")
    assert "read" in page.answer("answer", read)
    settled(lambda: page.kept == ({unread}, {unread}))
    assert "read" in page.answer("answer", unread)
    settled(lambda: page.kept == (set(), set()))


def test_a_call_that_runs_is_kept_and_one_that_nobody_awaits_is_dropped(page: Page) -> None:
    page.gate.clear()
    awaited, left = page.call("wait"), page.call("wait")
    with page.client.stream("GET", f"/gradio_api/call/wait/{left}", timeout=PATIENCE):
        pass  # broken off before the answer
    assert "read" in page.answer("answer", page.call("answer"))
    assert awaited in page.kept[0]
    page.gate.set()
    assert "True" in page.answer("wait", awaited)
    settled(lambda: page.kept == (set(), set()))


def test_an_event_that_nobody_awaits_any_more_counts_as_read() -> None:
    """As Gradio leaves it when the program is found gone between two messages."""
    gone, awaited = (
        SimpleNamespace(_id=name, session_hash=name, alive=name == "awaited") for name in ("gone", "awaited")
    )
    queue: Any = SimpleNamespace(
        pending_messages_per_session={"gone": None, "awaited": None, "read": None},
        pending_event_ids_session={"gone": {"gone"}, "awaited": {"awaited"}, "read": set()},
        event_ids_to_events={"gone": gone, "awaited": awaited},
    )
    forget_read(queue)
    assert set(queue.pending_messages_per_session) == {"gone", "awaited"}  # both may still send
    queue.event_ids_to_events.clear()
    forget_read(queue)
    assert set(queue.pending_messages_per_session) == {"awaited"} == set(queue.pending_event_ids_session)


def test_ids_go_with_the_messages_that_nobody_has_read(page: Page) -> None:
    messages = page.blocks._queue.pending_messages_per_session
    first = page.call("answer")
    settled(lambda: not page.blocks._queue.event_ids_to_events)
    messages.pop(first)  # as Gradio does once there are too many
    assert "read" in page.answer("answer", page.call("answer"))
    settled(lambda: page.kept == (set(), set()))


def settled(condition: Any) -> None:
    """Wait for what the server does after an answer."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
