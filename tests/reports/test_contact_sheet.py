"""The contact sheet: its size, its rows and what it draws in place of a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports import contact_sheet
from bksdm_demo.reports.contact_sheet import TILE, draw_sheet
from bksdm_demo.reports.text_layout import lines_of
from tests.reports.report_jobs import refused
from tests.reports.small_jobs import ENVIRONMENT, NAMES, SIDE, blocked, done, job, request


def texts_of(monkeypatch: pytest.MonkeyPatch, shown: Job) -> list[str]:
    """The texts that the sheet shows, each once, before they are broken into lines."""
    texts: dict[str, None] = {}

    def note(text: str, size: float, width: float, most: int) -> Any:
        texts[text] = None
        return lines_of(text, size, width, most)

    monkeypatch.setattr(contact_sheet, "lines_of", note)
    draw_sheet(shown, NAMES, ENVIRONMENT)
    return list(texts)


def test_sheet_shows_each_picture_enlarged_by_a_whole_factor() -> None:
    flat = np.full((SIDE, SIDE, 3), (10, 200, 30), np.uint8)
    sheet = np.asarray(draw_sheet(job(done("a", image=flat), blocked("b")), NAMES, ENVIRONMENT))
    assert (sheet == flat[0, 0]).all(axis=-1).sum() == TILE**2


def test_the_last_line_of_the_sheet_has_the_arithmetic() -> None:
    plain, with_precision = (
        np.asarray(draw_sheet(job(done("a")), NAMES, {**ENVIRONMENT, "parts": parts}))
        for parts in ({}, {"emoji-tiny_unet": {"engine": "fake", "precision": "int8"}})
    )
    rows = np.flatnonzero((plain != with_precision).any(axis=(1, 2)))
    assert len(rows) > 0
    assert rows.min() > len(plain) - 80


def test_sheet_grows_by_rows_and_keeps_to_them() -> None:
    one, four, five = (
        draw_sheet(job(*(done(f"m{index}") for index in range(count))), {}, ENVIRONMENT) for count in (1, 4, 5)
    )
    assert five.width < four.width
    assert five.height > four.height
    assert one.width >= 2 * TILE


def test_every_seed_begins_a_row_of_the_sheet() -> None:
    def sheet(models: int, seeds: int) -> Image.Image:
        cells = (replace(done(f"m{model}"), seed=seed) for seed in range(seeds) for model in range(models))
        return draw_sheet(job(*cells), {}, ENVIRONMENT)

    assert sheet(3, 2).size == sheet(6, 1).size
    assert sheet(3, 3).width == sheet(3, 1).width
    row = sheet(3, 2).height - sheet(3, 1).height
    assert sheet(3, 4).height - sheet(3, 1).height == 3 * row
    assert sheet(5, 2).height - sheet(3, 1).height == 3 * row  # two rows for each seed
    assert sheet(1, 4).size == sheet(4, 1).size  # one model: its seeds stand side by side


@pytest.mark.parametrize("words", ["w " * 9000, "w" * 19_000, "猫" * 3000, "\u202e\u200b a", "🍎"])
def test_sheet_takes_any_prompt_and_message(words: str) -> None:
    long = replace(job(done("a"), replace(blocked("b"), message=words)), request=request(prompt=words))
    short = job(done("a"), blocked("b"))
    extra_lines = draw_sheet(long, {"a": words}, ENVIRONMENT).height - draw_sheet(short, {}, ENVIRONMENT).height
    assert 0 <= extra_lines < 120  # pixels: at most two more lines of the title


@pytest.mark.parametrize(
    ("truncated", "negative_truncated", "sentence"),
    [
        (("tower",), (), "The prompt is longer than the text encoder reads. The models did not read: “tower”"),
        ((), ("hands",), "The negative prompt is longer than the text encoder reads. The models did not read: “hands”"),
        ((), (), ""),
    ],
)
def test_sheet_names_the_prompt_that_was_too_long(
    monkeypatch: pytest.MonkeyPatch, truncated: tuple[str, ...], negative_truncated: tuple[str, ...], sentence: str
) -> None:
    shown = texts_of(monkeypatch, job(done("a", truncated=truncated, negative_truncated=negative_truncated)))
    assert [text for text in shown if "longer than" in text] == [sentence] * bool(sentence)


def test_sheet_says_why_nothing_was_drawn_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = texts_of(monkeypatch, replace(job(refused(done("a"))), request=request()))
    assert PROMPT_BLOCKED in shown
    assert not [text for text in shown if "loading" in text or text.endswith((" s", " ms")) or "checker" in text]
    assert "0.46 s + 0.50 s loading" in texts_of(monkeypatch, job(done("a")))


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DONE])
def test_sheet_draws_every_other_phase_as_a_notice(phase: Phase) -> None:
    draw_sheet(job(Cell("a", phase)), {}, {})
