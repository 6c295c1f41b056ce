"""The numbers of a measurement with made-up times, worked out by hand."""

from __future__ import annotations

import pytest

from bksdm_demo.evaluation.lab_summary import RELOADED, TOO_FEW, summarise
from tests.evaluation.lab_samples import FEWER, QUICK, SLOW, measurement

STEADY = (1.0, 1.1, 0.9, 1.05, 0.95, 1.0)


def test_speeds_are_taken_within_each_round() -> None:
    slow, quick, fewer = summarise(measurement(STEADY)).rows
    assert (slow.variant, quick.variant, fewer.variant) == (SLOW, QUICK, FEWER)
    assert slow.ratio is None
    assert quick.ratio is not None
    assert (quick.ratio.value, quick.ratio.low, quick.ratio.high) == pytest.approx((2.2, 2.2, 2.2))  # 2.2 s / 1.0 s
    assert fewer.ratio is not None
    assert fewer.ratio.value == pytest.approx(2.2 / 1.1)


def test_times_have_quartiles_and_phases_sum_to_the_drawing() -> None:
    slow, *_ = summarise(measurement((1.0, 2.0, 3.0))).rows
    assert (slow.drawing.low, slow.drawing.median, slow.drawing.high) == pytest.approx((3.3, 4.4, 5.5))
    assert sum(found.median for found in slow.phases.values()) == pytest.approx(4.4)
    assert (slow.estimate.low, slow.estimate.high) == (None, None)


def test_seconds_are_a_fixed_part_and_one_per_step() -> None:
    slow, _, fewer = summarise(measurement((1.0,))).rows
    assert (slow.line.fixed, slow.line.per_step) == pytest.approx((0.2, 0.1))
    assert slow.line.seconds(FEWER.steps) == pytest.approx(fewer.drawing.median)


def test_the_cold_start_is_kept_apart() -> None:
    slow, quick, fewer = summarise(measurement(STEADY)).rows
    assert slow.cold is not None
    assert (slow.cold.load, slow.cold.drawing) == pytest.approx((3.0, 4.4))
    assert (quick.memory, fewer.memory, fewer.cold) == (100, None, None)


def test_rounds_that_loaded_a_model_are_left_out() -> None:
    summary = summarise(measurement((1.0, 9.0, 1.0), cold=(2,)))
    assert (summary.rounds, summary.left_out) == (2, 1)
    assert summary.rows[0].drawing.high == pytest.approx(2.2)
    always = summarise(measurement((1.0, 2.0), cold=(1, 2)))
    assert (always.rounds, always.left_out) == (2, 0)
    assert always.sentences[0] == RELOADED


def test_a_drift_is_said_and_so_is_none() -> None:
    (steady,) = summarise(measurement(STEADY)).sentences
    assert steady.startswith("The machine kept its speed: ")
    (unsteady,) = summarise(measurement((1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 2.0, 2.0))).sentences
    assert unsteady.startswith("The machine was unsteady: the second half of the rounds was 100.0 % slower")
    drifting = summarise(measurement((1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7)))
    assert drifting.sentences[0].startswith("The machine drifted: the second half of the rounds was 34.8 % slower")
    assert summarise(measurement((1.0, 1.0))).sentences == (TOO_FEW,)


def test_a_busy_machine_is_said() -> None:
    *_, last = summarise(measurement(STEADY, loads=(3.4, 3.5))).sentences
    assert last.startswith("Before the first picture the load average was 3.4 on 2 cores: other programs were running.")
    assert not any("load" in sentence for sentence in summarise(measurement(STEADY, loads=())).sentences)
