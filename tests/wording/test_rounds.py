"""Which seeds of a comparison count, and the speeds of models over them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bksdm_demo.records import Cell, Job, Phase, Timings
from bksdm_demo.wording.rounds import IN_TURN, ONE_AFTER_ANOTHER, equal_time_words, rounds_of, rounds_words
from tests.ui.records import REQUEST, done, job, refused, result


def several(*rows: tuple[Cell, ...], by_seed: bool = True) -> Job:
    """A job with a row for each seed, counted from 0."""
    cells = tuple(replace(cell, seed=seed) for seed, row in enumerate(rows) for cell in row)
    return Job("job", REQUEST, cells, by_seed=by_seed)


def test_a_round_that_loaded_a_model_is_left_out() -> None:
    rounds = rounds_of(several((done("a", load=2.0), done("b")), (done("a", 1.5), done("b", 0.5))))
    assert rounds is not None
    assert (rounds.seeds, rounds.cold) == ((1,), 1)
    assert rounds.loads == {"a": 2.0, "b": 0.0}
    assert rounds.drawings("a") == pytest.approx([2.0])


def test_if_every_round_loaded_a_model_all_count() -> None:
    rounds = rounds_of(several((done("a", load=2.0), done("b")), (done("a"), done("b", load=1.0))))
    assert rounds is not None
    assert (rounds.seeds, rounds.cold) == ((0, 1), 0)


def test_only_seeds_that_all_models_finished_count() -> None:
    failed = Cell("b", Phase.FAILED)
    rounds = rounds_of(several((done("a"), failed), (done("a"), done("b")), (refused("a"), done("b"))))
    assert rounds is not None
    assert (rounds.models, rounds.seeds) == (("a", "b"), (1,))
    apart = rounds_of(several((done("a"), failed), (Cell("a", Phase.FAILED), done("b"))))
    assert apart is not None
    assert apart.models == ("a",)


def test_speeds_are_medians_of_the_ratios_within_each_round() -> None:
    rounds = rounds_of(several(*((done("a", slow - 0.5), done("b", 0.5)) for slow in (2.0, 4.0, 3.0, 5.0, 30.0))))
    assert rounds is not None
    speed = rounds.speed("b")
    assert speed is not None
    assert speed.value == pytest.approx(4.0)
    assert speed.low is not None
    assert rounds.speed("a") is None


def test_a_missing_time_gives_no_speed() -> None:
    instant = Cell("b", Phase.DONE, result=result("b", Timings(denoise=1e-9, encode=-1e-9)))
    rounds = rounds_of(job(done("a"), instant))
    assert rounds is not None
    assert rounds.speed("b") is None


def test_what_was_not_drawn_has_no_rounds() -> None:
    assert rounds_of(job(refused("a"), Cell("b"))) is None


def test_the_order_of_the_runs_is_said() -> None:
    rows = (done("a"), done("b")), (done("a"), done("b"))
    for by_seed, words in ((True, IN_TURN), (False, ONE_AFTER_ANOTHER)):
        shown = several(*rows, by_seed=by_seed)
        rounds = rounds_of(shown)
        assert rounds is not None
        assert rounds_words(shown, rounds) == f"Times are medians of 2 runs, one per seed. {words}"
    single = job(done("a"), done("b"))
    rounds = rounds_of(single)
    assert rounds is not None
    assert rounds_words(single, rounds) == ""


def test_the_reference_with_fewer_steps_is_named_beside_every_faster_model() -> None:
    """Half a second and 4 steps: of 2.0 s, 1.25 s are 2 steps of 0.375 s, and 0.9 s are 1. Worked out by hand."""
    rounds = rounds_of(job(done("a", 1.5), done("b", 0.75), done("c", 0.4)))
    assert rounds is not None
    words = equal_time_words(rounds, {"a": "Alpha", "b": "Beta"})
    assert words.startswith(
        "With fewer steps, Alpha is as fast: about 2 of its 4 steps take the time of Beta, 1 that of c (computed"
    )
    slower = rounds_of(job(done("a", 0.5), done("b", 0.75)))
    assert slower is not None
    assert equal_time_words(slower, {}) == ""


def test_times_without_steps_name_no_fewer_steps() -> None:
    stepless = Cell("a", Phase.DONE, result=result("a", Timings(denoise=2.0)))
    rounds = rounds_of(job(stepless, done("b", 0.5)))
    assert rounds is not None
    assert equal_time_words(rounds, {}) == ""
