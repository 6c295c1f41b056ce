"""Rows, bars and speeds from timings, by table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.ui import timing
from bksdm_demo.wording.timing import WARM
from tests.ui.records import REQUEST, SYSTEMS, blocked, done, job, refused

NAMES = {key: system.name for key, system in SYSTEMS.items()}


def test_the_models_to_come_have_their_place() -> None:
    """So the page keeps its height: every view of a comparison has the same rows, bars and small lines."""
    coming = Cell("b")
    views = [
        timing.timing_view(job(*cells), NAMES)
        for cells in ((Cell("a", Phase.DENOISING, 1, 20), coming), (done("a"), coming), (done("a"), done("b")))
    ]
    shapes = [
        ([(row.label, len(row.cells), any(row.spreads)) for row in view.rows], view.names, len(view.bars))
        for view in views
        if view is not None
    ]
    assert len(shapes) == 3
    assert shapes[0] == shapes[1] == shapes[2]
    assert timing.timing_view(job(Cell("a", Phase.FAILED)), NAMES) is None


def test_speed_leaves_loading_out_and_refers_to_the_first_finished_cell() -> None:
    view = timing.timing_view(job(Cell("a", Phase.FAILED), done("b", 1.5, load=9.0), done("c", 0.5)), NAMES)
    assert view is not None
    assert view.baseline == "Beta"
    assert view.names == ("Beta", "Gamma")
    ((speeds, spreads),) = [(row.cells, row.spreads) for row in view.rows if row.label == "Speed"]
    assert speeds == ("baseline", "2.00×")
    assert spreads == ("", "one run")


def test_what_was_not_drawn_is_in_no_chart() -> None:
    view = timing.timing_view(job(refused("a"), done("b", 1.5), done("c", 0.5)), NAMES)
    assert view is not None
    assert (view.baseline, view.names) == ("Beta", ("Beta", "Gamma"))
    assert timing.timing_view(job(refused("a"), refused("b")), NAMES) is None


def test_rows_say_what_the_bars_show() -> None:
    view = timing.timing_view(job(done("a", 1.5, load=0.25), blocked("b", 0.5)), NAMES)
    assert view is not None
    cells = {row.label: row.cells for row in view.rows}
    assert cells == {
        "Encode": ("0.100", "0.100"), "Denoise": ("1.500", "0.500"), "Decode": ("0.300", "0.300"),
        "Safety": ("0.100", "0.100"), "Drawing": ("2.000", "1.000"), "Speed": ("baseline", "2.00×"),
        "One step, ms": ("375.0", "125.0"), "Load": ("0.250", WARM),
    }  # fmt: skip
    first, second = view.bars
    assert [segment.phase for segment in first.segments] == ["load", "encode", "denoise", "decode", "safety"]
    assert [segment.phase for segment in second.segments] == ["encode", "denoise", "decode", "safety"]
    assert (first.drawing, first.total, first.cold) == pytest.approx((2.0, 2.25, True))
    assert (second.drawing, second.total, second.cold) == pytest.approx((1.0, 1.0, False))


def several(*rows: tuple[Cell, ...]) -> Job:
    """A job with a row for each seed, counted from 0."""
    return Job("job", REQUEST, tuple(replace(cell, seed=seed) for seed, row in enumerate(rows) for cell in row))


def test_several_seeds_are_medians_of_the_warm_rows_that_all_models_finished() -> None:
    rows = ((done("a", 9.0, load=4.0), done("b", 9.5)), *((done("a", slow), done("b", 0.5)) for slow in (1, 2, 6)))
    view = timing.timing_view(several(*rows, (done("a", 99.0), Cell("b", Phase.FAILED))), NAMES)
    assert view is not None
    assert view.names == ("Alpha", "Beta")
    cells = {row.label: (row.cells, row.spreads) for row in view.rows}
    assert cells["Denoise"] == (("2.000", "0.500"), ("1.500–4.000", "0.500–0.500"))
    assert cells["Speed"] == (("baseline", "2.50×"), ("", "3 runs"))
    assert cells["Load"] == (("4.000", WARM), ())
    assert view.bars[0].total == pytest.approx(6.5)
    assert view.runs.startswith("Times are medians of 3 runs, one per seed, without 1 run in which a model was loaded.")


def test_five_warm_rows_give_a_speed_its_interval() -> None:
    view = timing.timing_view(several(*((done("a", slow), done("b", 0.5)) for slow in (1, 2, 3, 4, 5))), NAMES)
    assert view is not None
    (speeds,) = [row for row in view.rows if row.label == "Speed"]
    assert (speeds.cells, speeds.spreads) == (("baseline", "3.50×"), ("", "1.50–5.50"))
    assert view.more == ""


def test_few_seeds_offer_more_once_the_comparison_is_finished() -> None:
    pair = done("a"), done("b")
    assert timing.timing_view(job(*pair), NAMES).more == "Measure with 5 seeds"  # type: ignore[union-attr]
    assert timing.timing_view(job(*pair), NAMES, most=9).more == ""  # type: ignore[union-attr]
    assert timing.timing_view(job(*pair, Cell("c")), NAMES).running  # type: ignore[union-attr]
    assert timing.timing_view(job(done("a")), NAMES).more == ""  # type: ignore[union-attr]


def test_a_model_without_a_seed_in_common_is_left_out() -> None:
    failed = Cell("b", Phase.FAILED), Cell("a", Phase.FAILED)
    view = timing.timing_view(several((done("a"), failed[0]), (failed[1], done("b"))), NAMES)
    assert view is not None
    assert view.names == ("Alpha",)


def test_one_model_alone_has_no_speed() -> None:
    view = timing.timing_view(several((done("a", 1.0),), (done("a", 2.0),)), NAMES)
    assert view is not None
    assert view.baseline == ""
    assert "Speed" not in {row.label for row in view.rows}
