"""News: a word that changes with what a page shows, asked over a running and a finished comparison."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bksdm_demo.downloads.prewarm import Warming
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.ui.news import board_news, board_word, models_news, news_routes
from tests.fakes import FAMILY, fake_comparisons

NOW = 1_700_000_000.0
JOB = Job("job", Request("red apple", seed=7), (Cell("a", seed=7), Cell("b", seed=7)), version=3, position=2)


def at(job: Job, phase: Phase, **changes: object) -> Job:
    return replace(job, cells=(job.cells[0].at(phase, **changes), job.cells[1]))


@pytest.mark.parametrize(
    "changed",
    [
        replace(JOB, version=4), replace(JOB, position=1), replace(JOB, cancelled=True), at(JOB, Phase.LOADING),
        at(JOB, Phase.DENOISING, step=1, steps=3),
    ],
)  # fmt: skip
def test_the_word_changes_with_the_comparison(changed: Job) -> None:
    assert board_word(changed, NOW) != board_word(JOB, NOW)


def test_the_word_changes_with_time_only_while_a_model_loads() -> None:
    assert board_word(JOB, NOW) == board_word(JOB, NOW + 60)
    loading = at(JOB, Phase.LOADING)
    assert board_word(loading, NOW) != board_word(loading, NOW + 1)


def test_the_word_changes_with_what_the_board_says_of_the_wait() -> None:
    waiting = replace(JOB, starts=NOW + 100.0)
    assert board_word(waiting, NOW) == board_word(waiting, NOW + 1) != board_word(waiting, NOW + 20)
    assert board_word(waiting, NOW + 99) == board_word(waiting, NOW + 500)


def test_a_finished_board_has_no_news() -> None:
    ended = replace(JOB, cells=tuple(cell.ended(Phase.FAILED, "No room left.") for cell in JOB.cells))
    assert board_news(ended, NOW) == ""
    assert 'data-news="news/board/job"' in board_news(JOB, NOW)
    assert 'data-news="news/models"' in models_news(1, NOW)


def test_the_route_answers_at_once_with_the_word_of_the_board(tmp_path: Path) -> None:
    gate = threading.Event()
    comparisons = fake_comparisons(tmp_path, {"unet": {"run_gate": gate}})
    try:
        client = TestClient(Starlette(routes=news_routes(comparisons, None)))
        job = comparisons.submit(Request("red apple", seed=7, steps=2), FAMILY[:1])
        before = client.get(f"/news/board/{job.id}")
        assert (before.status_code, before.headers["cache-control"]) == (200, "no-store")
        gate.set()
        *_, ended = comparisons.watch(job.id)
        assert client.get(f"/news/board/{job.id}").text not in ("", before.text)
        unknown = client.get("/news/board/unheard-of")
        assert unknown.status_code == 404
        assert "There is no comparison" in unknown.text
        assert client.get("/news/models").status_code == 404  # a page without downloads
        assert ended.finished
    finally:
        gate.set()
        comparisons.close()


def test_every_answer_says_when_the_server_is_about_to_end(tmp_path: Path) -> None:
    comparisons = fake_comparisons(tmp_path)
    try:
        client = TestClient(Starlette(routes=news_routes(comparisons, StatusBoard())))
        addresses = ("/news/server", "/news/models", "/news/board/unheard-of")
        assert [client.get(address).headers["x-server"] for address in addresses] == ["open"] * 3
        comparisons.drain()
        assert [client.get(address).headers["x-server"] for address in addresses] == ["restarting"] * 3
        assert client.get("/news/server").text == "restarting"
    finally:
        comparisons.close()


def test_the_route_of_models_follows_the_status_board(tmp_path: Path) -> None:
    comparisons, status_board = fake_comparisons(tmp_path), StatusBoard()
    try:
        client = TestClient(Starlette(routes=news_routes(comparisons, status_board)))
        before = client.get("/news/models").text
        status_board.post(Warming("emoji-tiny", "Emoji Tiny"))
        assert client.get("/news/models").text.partition("-")[0] != before.partition("-")[0]
    finally:
        comparisons.close()
