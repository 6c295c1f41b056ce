"""The page's events called as plain functions and generators over a real service with fake parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from bksdm_demo.errors import EngineError
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui import handlers as handlers_module
from bksdm_demo.ui.form import Form
from bksdm_demo.ui.handlers import GONE, Handlers, Live
from tests.fakes import BLOCKED_WORD, FAMILY, TRUNCATED_WORD, fake_comparisons

SKIP = gr.skip()
PATIENCE = 60  # seconds until a test that hangs fails
SETTINGS: dict[str, Any] = {
    "visitor": "0123456789abcdef" * 2,
    "prompt": "red apple",
    "negative_prompt": "",
    "models": FAMILY[:2],
    "seed": 7,
    "locked": False,
    "seeds": "1",
    "steps": 3,
    "guidance_scale": 4.0,
    "scheduler": "ddim",
    "generator": "numpy",
    "previews": False,
    "last_job": "",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


def handlers(comparisons: Comparisons) -> Handlers:
    return Handlers(comparisons, comparisons.catalog, pause=0)


def compare(comparisons: Comparisons, **changes: Any) -> list[Live]:
    return list(handlers(comparisons).compare(**(SETTINGS | changes)))


def page_of(query: dict[str, str]) -> gr.Request:
    return SimpleNamespace(query_params=query)  # type: ignore[return-value]


def wait_until_claimed(service: Comparisons, job_id: str) -> None:
    """Wait until the worker has taken the job from the queue."""
    for job, _ in zip(service.watch(job_id, heartbeat=1.0), range(PATIENCE), strict=False):
        if not job.position:
            return
    raise AssertionError(f"The worker has not claimed the job within {PATIENCE} seconds.")


def test_a_comparison_from_click_to_pictures(service: Comparisons) -> None:
    updates = compare(service)
    first, last = updates[0], updates[-1]
    assert service.get(first.job_id).finished
    assert first.seed == 7
    assert first.compare["interactive"] is False
    assert first.cancel["visible"] is True
    assert last.compare["interactive"] is True
    assert last.cancel["visible"] is False
    assert last.board.count("<img") == 2
    assert "Where the time went" in last.timing
    assert all(update.job_id == SKIP for update in updates[1:])


def test_what_has_not_changed_is_not_sent_again(service: Comparisons) -> None:
    timings = [update.timing for update in compare(service)]
    sent = [timing for timing in timings if timing != SKIP]
    assert len(sent) == len(set(sent))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": "  "}, "The prompt is empty"), ({"seed": None}, "The seed is empty"), ({"models": []}, "No model"),
        ({"models": ["nothing"]}, "There is no model called"), ({"steps": 999}, "steps is 999"),
    ],
)  # fmt: skip
def test_a_refused_form_is_a_sentence_and_leaves_the_board(
    service: Comparisons, changes: dict[str, Any], words: str
) -> None:
    (update,) = compare(service, **changes)
    assert words in update.notice
    assert (update.board, update.timing, update.job_id, update.seed) == (SKIP,) * 4
    assert update.compare["interactive"] is True


def test_a_full_queue_is_a_sentence(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}}, queue_size=1)
    try:
        watching = [handlers(service).compare(**SETTINGS) for _ in range(3)]
        first = next(watching[0])
        wait_until_claimed(service, first.job_id)  # only then is the queue's one place free again
        next(watching[1])
        assert "The queue is full" in next(watching[2]).notice
    finally:
        gate.set()
        service.close()


def test_a_blocked_picture_and_truncated_words_are_reported(service: Comparisons) -> None:
    board = compare(service, prompt=f"{BLOCKED_WORD} {TRUNCATED_WORD}")[-1].board
    assert "<img" not in board
    assert board.count("Picture blocked") == 2
    assert TRUNCATED_WORD in board


def test_one_model_fails_and_the_others_go_on(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, {"base_unet": {"failure": EngineError("No room left.")}})
    try:
        board = compare(service)[-1].board
        assert "No room left." in board
        assert board.count("<img") == 1
    finally:
        service.close()


def test_an_unlocked_seed_is_new_at_the_second_click(service: Comparisons) -> None:
    first = compare(service)[0]
    again = compare(service, last_job=first.job_id)[0]
    locked = compare(service, last_job=first.job_id, locked=True)[0]
    assert again.seed != 7
    assert locked.seed == 7


def test_cancel_stops_at_the_next_step(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})
    try:
        watching: Any = handlers(service).compare(**SETTINGS)
        first = next(watching)
        notice, button = handlers(service).cancel(first.job_id)
        assert (notice, button["interactive"]) == ("", False)
        gate.set()
        last = list(watching)[-1]
        assert "stopped" in last.board
        assert last.compare["interactive"] is True
    finally:
        gate.set()
        service.close()


def test_cancelling_a_forgotten_job_is_a_sentence(service: Comparisons) -> None:
    notice, button = handlers(service).cancel("nobody")
    assert "There is no comparison" in notice
    assert button["visible"] is False


def test_reloading_the_page_opens_the_job_again(service: Comparisons) -> None:
    job_id = compare(service)[0].job_id
    (update,) = handlers(service).reopen(page_of({"job": job_id}))
    fields = dict(zip(Form._fields, update, strict=False))
    assert fields["prompt"] == "red apple"
    assert fields["models"] == list(FAMILY[:2])
    assert fields["scheduler"] == "ddim"
    live = Live(*update[len(Form._fields) :])
    assert (live.job_id, live.seed) == (job_id, 7)
    assert live.board.count("<img") == 2


def test_leaving_the_page_leaves_the_job(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})
    try:
        watching: Any = handlers(service).compare(**SETTINGS)
        job_id = next(watching).job_id
        watching.close()  # what Gradio does when the tab is closed
        gate.set()
        *_, last = handlers(service).reopen(page_of({"job": job_id}))
        assert Live(*last[len(Form._fields) :]).board.count("<img") == 2
    finally:
        gate.set()
        service.close()


def test_a_cut_connection_is_resumed(service: Comparisons) -> None:
    job_id = compare(service)[0].job_id
    (live,) = handlers(service).resume(job_id)
    assert live.board.count("<img") == 2
    (refused,) = handlers(service).resume("forgotten")
    assert GONE in refused.notice


def test_models_that_are_gone_are_not_put_into_the_form(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = compare(service)[0].job_id
    tied = handlers(service)
    monkeypatch.setattr(tied, "_known", lambda: {FAMILY[1]})
    (update,) = tied.reopen(page_of({"job": job_id}))
    assert dict(zip(Form._fields, update, strict=False))["models"] == [FAMILY[1]]


def test_only_the_latest_watcher_of_a_page_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers_module, "HEARTBEAT", 0.01)
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})
    pages: list[Any] = [SimpleNamespace(session_hash=name, query_params={}) for name in ("one", "other")]
    page, other = pages
    tied = handlers(service)
    try:
        first, elsewhere = tied.compare(**SETTINGS, page=page), tied.compare(**SETTINGS, page=other)
        running = next(first).job_id
        next(elsewhere)
        second = tied.resume(running, page)
        assert next(second).job_id == running
        assert list(first) == [(SKIP,) * len(Live._fields)]  # it ends although its comparison still runs
        assert next(second) is not None
        assert next(elsewhere) is not None
        gate.set()
        assert [*second][-1].board.count("<img") == 2
        assert [*elsewhere][-1].board.count("<img") == 2
        assert tied._latest_watcher._latest == {}
    finally:
        gate.set()
        service.close()


@pytest.mark.parametrize(("query", "words"), [({}, None), ({"job": ""}, None), ({"job": "forgotten"}, GONE)])
def test_an_address_without_a_known_job(service: Comparisons, query: dict[str, str], words: str | None) -> None:
    (update,) = handlers(service).reopen(page_of(query))
    live = Live(*update[len(Form._fields) :])
    assert update[: len(Form._fields)] == (SKIP,) * len(Form._fields)
    assert live.board == SKIP
    assert live.notice == SKIP if words is None else words in live.notice


def test_a_quiet_job_lets_the_watcher_breathe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers_module, "HEARTBEAT", 0.01)
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})
    try:
        watching: Any = handlers(service).compare(**SETTINGS)
        assert any(update == (SKIP,) * len(Live._fields) for update, _ in zip(watching, range(50), strict=False))
    finally:
        gate.set()
        service.close()


def test_the_preview_follows_the_choice_until_something_was_drawn(service: Comparisons) -> None:
    shown = handlers(service).preview(list(FAMILY[:3]), "")
    assert "Ready to compare 3 models" in shown
    assert handlers(service).preview(list(FAMILY[:3]), "some-job") == SKIP
