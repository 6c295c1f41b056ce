"""The page's events called as plain functions over a real service with fake parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.errors import EngineError
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.form import Form
from bksdm_demo.ui.handlers import GONE, Handlers, Live
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, TRUNCATED_WORD, fake_comparisons

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
    "guidance_interval": "0:1",
    "forecast": False,
    "deep_every": 1,
    "last_job": "",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


def handlers(comparisons: Comparisons) -> Handlers:
    return Handlers(comparisons, comparisons.catalog)


def begin(comparisons: Comparisons, **changes: Any) -> Live:
    """What the page shows after a press of Compare."""
    return handlers(comparisons).compare(**(SETTINGS | changes))


def finish(comparisons: Comparisons, job_id: str) -> Live:
    """What the page shows after the end of a comparison."""
    list(comparisons.watch(job_id))
    return handlers(comparisons).refresh(job_id)


def compare(comparisons: Comparisons, **changes: Any) -> tuple[Live, Live]:
    """What the page shows first and last."""
    first = begin(comparisons, **changes)
    return first, finish(comparisons, first.job_id)


def page_of(query: dict[str, str]) -> gr.Request:
    return SimpleNamespace(query_params=query)  # type: ignore[return-value]


def wait_until_claimed(service: Comparisons, job_id: str) -> None:
    """Wait until the worker has taken the job from the queue."""
    for job, _ in zip(service.watch(job_id, heartbeat=1.0), range(PATIENCE), strict=False):
        if not job.position:
            return
    raise AssertionError(f"The worker has not claimed the job within {PATIENCE} seconds.")


def test_a_comparison_from_click_to_pictures(service: Comparisons) -> None:
    first, last = compare(service)
    assert service.get(first.job_id).finished
    assert first.seed == 7
    assert first.compare["interactive"] is False
    assert first.cancel["visible"] is True
    assert last.compare["interactive"] is True
    assert last.cancel["visible"] is False
    assert last.board.count("<img") == 2
    assert "Where the time went" in last.timing
    assert (last.job_id, last.seed, last.notice) == (SKIP,) * 3


def test_only_a_running_comparison_has_news(service: Comparisons) -> None:
    first, last = compare(service)
    assert f'data-news="news/board/{first.job_id}"' in first.board
    assert 'data-refresh="bk-refresh"' in first.board
    assert "data-news" not in last.board


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
    update = begin(service, **changes)
    assert words in update.notice
    assert (update.board, update.timing, update.job_id, update.seed) == (SKIP,) * 4
    assert update.compare["interactive"] is True


def test_a_full_queue_is_a_sentence(tmp_path: Path) -> None:
    gate = threading.Event()
    service = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}}, queue_size=1)
    try:
        wait_until_claimed(service, begin(service).job_id)  # only then is the queue's one place free again
        begin(service)
        assert "The queue is full" in begin(service).notice
    finally:
        gate.set()
        service.close()


def test_a_blocked_picture_and_truncated_words_are_reported(service: Comparisons) -> None:
    board = compare(service, prompt=f"{BLOCKED_WORD} {TRUNCATED_WORD}")[-1].board
    assert "<img" not in board
    assert board.count("Picture blocked") == 2
    assert TRUNCATED_WORD in board


def test_a_prompt_that_is_not_drawn_says_so_and_has_no_times(service: Comparisons) -> None:
    shown = compare(service, prompt=f"a {REFUSED_WORD} word")[-1]
    assert shown.board.count(escape(PROMPT_BLOCKED)) == 2
    assert "safety checker" not in shown.board
    assert "bk-measure" not in shown.board
    assert shown.timing == ""


def test_a_negative_prompt_that_was_too_long_is_named(service: Comparisons) -> None:
    board = compare(service, prompt="red (apple:1.3)", negative_prompt=f"dull {TRUNCATED_WORD}")[-1].board
    assert board.count("The negative prompt is longer than the text encoder reads.") == 1
    assert "The prompt is longer" not in board
    assert board.count("are read literally, as words.") == 1


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
        first = begin(service)
        notice, button = handlers(service).cancel(first.job_id)
        assert (notice, button["interactive"]) == ("", False)
        gate.set()
        last = finish(service, first.job_id)
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
    update = handlers(service).reopen(page_of({"job": job_id}))
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
        job_id = begin(service).job_id
        gate.set()
        list(service.watch(job_id))
        again = handlers(service).reopen(page_of({"job": job_id}))
        assert Live(*again[len(Form._fields) :]).board.count("<img") == 2
    finally:
        gate.set()
        service.close()


def test_a_comparison_that_is_gone_is_a_sentence(service: Comparisons) -> None:
    assert GONE in handlers(service).refresh("forgotten").notice


def test_models_that_are_gone_are_not_put_into_the_form(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = compare(service)[0].job_id
    tied = handlers(service)
    monkeypatch.setattr(tied, "_known", lambda: {FAMILY[1]})
    update = tied.reopen(page_of({"job": job_id}))
    assert dict(zip(Form._fields, update, strict=False))["models"] == [FAMILY[1]]


@pytest.mark.parametrize(("query", "words"), [({}, None), ({"job": ""}, None), ({"job": "forgotten"}, GONE)])
def test_an_address_without_a_known_job(service: Comparisons, query: dict[str, str], words: str | None) -> None:
    update = handlers(service).reopen(page_of(query))
    live = Live(*update[len(Form._fields) :])
    assert update[: len(Form._fields)] == (SKIP,) * len(Form._fields)
    assert live.board == SKIP
    assert live.notice == SKIP if words is None else words in live.notice


def test_the_preview_follows_the_choice_until_something_was_drawn(service: Comparisons) -> None:
    shown = handlers(service).preview(list(FAMILY[:3]), "")
    assert "Ready to compare 3 models" in shown
    assert handlers(service).preview(list(FAMILY[:3]), "some-job") == SKIP


def test_more_runs_are_a_new_comparison_with_the_same_settings_and_five_seeds(service: Comparisons) -> None:
    first, _ = compare(service)
    filled = handlers(service).measure("visitor", first.job_id)
    live = Live(*filled[len(Form._fields) :])
    assert live.job_id != first.job_id
    assert filled[Form._fields.index("seeds")] == "5"
    last = finish(service, live.job_id)
    job, shown = service.get(live.job_id), service.get(first.job_id)
    assert (job.request, job.models, job.seeds) == (shown.request, shown.models, (7, 8, 9, 10, 11))
    assert job.by_seed
    assert "data-measure" not in last.timing
    assert "Times are medians of 5 runs, one per seed." in last.timing


def test_more_runs_of_a_comparison_that_is_gone_are_refused(service: Comparisons) -> None:
    filled = handlers(service).measure("visitor", "gone")
    live = Live(*filled[len(Form._fields) :])
    assert "There is no comparison with this id" in live.notice
    assert live.job_id == SKIP


def test_a_finished_comparison_with_one_seed_offers_more_runs(service: Comparisons) -> None:
    first, last = compare(service)
    assert "data-measure disabled" in first.timing  # it has its place already
    assert "data-measure>" in last.timing
    assert "one run" in last.timing


def test_options_that_save_evaluations_reach_the_job_and_come_back(service: Comparisons) -> None:
    live = begin(service, guidance_interval="0.2:0.8", forecast=True, deep_every=2, previews=True)
    finish(service, live.job_id)
    job = service.get(live.job_id)
    assert job.request.savings == {"guidance_interval": (0.2, 0.8), "forecast": True, "deep_every": 2}
    filled: Any = Form(*handlers(service).open(job.id)[: len(Form._fields)])
    assert (filled.guidance_interval, filled.forecast, filled.deep_every) == ("0.2:0.8", True, 2)


def test_a_wrong_interval_is_a_sentence(service: Comparisons) -> None:
    assert "guidance_interval is 0.8:0.2" in begin(service, guidance_interval="0.8:0.2").notice
    assert "such as 0:0.5, not &#x27;half&#x27;" in begin(service, guidance_interval="half").notice
