"""The picture of a card: its size and type, what is on it, and that nothing blocked is."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.records import Phase
from bksdm_demo.reports import link_card
from bksdm_demo.reports.link_card import LARGEST, SIZE, card_file, general_card_file, unfolds
from tests.reports import report_jobs
from tests.reports.report_jobs import ENVIRONMENT, job_of
from tests.reports.small_jobs import NAMES, SIDE, blocked, done, job


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", SIZE)
        return np.asarray(picture)


def near(card: np.ndarray, colour: tuple[int, ...]) -> int:
    """How many pixels have this colour, as far as JPEG keeps it."""
    return int((np.abs(card.astype(int) - colour).max(axis=-1) < 12).sum())


@pytest.mark.parametrize(("models", "seeds"), [(1, 1), (4, 1), (4, 4), (8, 2), (1, 16), (16, 1)])
def test_a_card_has_the_size_that_readers_show(models: int, seeds: int) -> None:
    made = job_of(models=[f"m{index}" for index in range(models)], seeds=range(seeds))
    data = card_file(made, {}, ENVIRONMENT)
    assert pixels(data).shape == (SIZE[1], SIZE[0], 3)
    assert len(data) <= LARGEST


def test_a_card_shows_the_pictures_and_nothing_blocked() -> None:
    green, red = np.full((SIDE, SIDE, 3), (10, 200, 30), np.uint8), np.full((SIDE, SIDE, 3), (250, 0, 0), np.uint8)
    card = pixels(card_file(job(done("a", image=green), blocked("b", red)), NAMES, ENVIRONMENT))
    assert near(card, (10, 200, 30)) > 10_000
    assert near(card, (250, 0, 0)) == 0


def test_of_many_cells_whole_seeds_are_shown() -> None:
    many = job_of(models=["a", "b", "c"], seeds=range(5))
    shown = link_card._first_cells(many)
    assert [(cell.model, cell.seed) for cell in shown] == [(model, seed) for seed in (0, 1) for model in "abc"]


def test_noise_is_kept_below_the_limit() -> None:
    noise = [np.random.RandomState(n).randint(0, 256, (512, 512, 3)).astype(np.uint8) for n in range(4)]
    made = job(*(done(f"m{n}", image=picture) for n, picture in enumerate(noise)))
    assert len(card_file(made, {}, ENVIRONMENT)) <= LARGEST


def test_only_a_finished_comparison_with_a_picture_unfolds() -> None:
    whole = job_of()
    assert unfolds(whole)
    running = replace(whole.cells[0], phase=Phase.DENOISING)
    assert not unfolds(replace(whole, cells=(running, *whole.cells[1:])))
    assert not unfolds(replace(whole, cells=tuple(report_jobs.blocked(cell) for cell in whole.cells)))
    assert unfolds(replace(whole, cells=(report_jobs.blocked(whole.cells[0]), *whole.cells[1:])))


def test_the_general_card_comes_from_any_sheet() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 900), "#0000ff").save(buffer, "PNG")
    card = pixels(general_card_file(buffer.getvalue()))
    assert near(card, (0, 0, 255)) == pytest.approx(630 * 210, rel=0.05)
