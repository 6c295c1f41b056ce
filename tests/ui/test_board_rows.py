"""The board of several seeds: a row for each, the controls of each picture, and pictures behind a progress."""

from __future__ import annotations

from dataclasses import replace

from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.ui.board import job_board
from tests.ui.records import PIXELS, REQUEST, SYSTEMS, blocked, done, job
from tests.ui.test_board import HOSTILE, Page

TWO_SEEDS = Job(
    "job-2",
    REQUEST,
    tuple(
        replace(cell, seed=seed)
        for seed, row in ((7, (done("a"), blocked("b"))), (9, (done("a"), Cell("b", Phase.FAILED))))
        for cell in row
    ),
)


def with_class(page: Page, name: str) -> list[dict[str, str | None]]:
    return [attributes for _, attributes in page.tags if name in (attributes.get("class") or "").split()]


def test_a_row_for_each_seed() -> None:
    page = Page(job_board(TWO_SEEDS, SYSTEMS))
    assert [row["aria-label"] for row in with_class(page, "bk-seed")] == ["Seed 7", "Seed 9"]
    cells = [(cell["data-index"], cell["data-seed"], cell["data-model"]) for cell in with_class(page, "bk-column")]
    assert cells == [("0", "7", "0"), ("1", "7", "1"), ("2", "9", "0"), ("3", "9", "1")]
    assert len(page.all("h4")) == 4
    assert page.text.count("13.0\N{NO-BREAK SPACE}M weights") == 1  # only in the first row
    assert with_class(Page(job_board(job(done("a")), SYSTEMS)), "bk-seed") == []


def test_every_picture_opens_the_viewer_and_can_be_saved() -> None:
    page = Page(job_board(TWO_SEEDS, SYSTEMS))
    buttons = with_class(page, "bk-picture")
    links = [link for link in page.all("a") if (link["href"] or "").startswith("pictures/")]
    assert len(buttons) == len(page.all("img")) == len(links) == 2
    assert all(button["aria-haspopup"] == "dialog" for button in buttons)
    assert [link["download"] for link in links] == ["seed-7-01-a.png", "seed-9-03-a.png"]


def test_every_cell_can_run_again_except_a_blocked_one() -> None:
    page = Page(job_board(TWO_SEEDS, SYSTEMS))
    assert [button["data-again"] for button in page.all("button") if "data-again" in button] == ["0", "2", "3"]
    assert "Run the rest (1)" in page.text
    running = Page(job_board(job(done("a"), Cell("b")), SYSTEMS))
    assert not [button for button in running.all("button") if "data-again" in button or "data-rest" in button]


def test_a_picture_behind_the_progress_is_decoration() -> None:
    drawing = replace(Cell("b"), phase=Phase.DENOISING, step=4, steps=20, preview=PIXELS)
    page = Page(job_board(job(done("a").again(), drawing), SYSTEMS))
    earlier, preview = with_class(page, "bk-backdrop")
    assert (earlier["data-kind"], preview["data-kind"]) == ("earlier", "preview")
    assert earlier["alt"] == preview["alt"] == ""
    assert with_class(page, "bk-picture") == []
    again = Page(job_board(job(blocked("a").again()), SYSTEMS))
    assert again.all("img") == []


def test_notes_are_shown_and_escaped() -> None:
    noted = replace(done("a"), message=HOSTILE)
    page = Page(job_board(job(noted, note=HOSTILE), SYSTEMS))
    assert page.text.count("onerror=alert(1)") == 2
    assert len(page.all("img")) == 1
