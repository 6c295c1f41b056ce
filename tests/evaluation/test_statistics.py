"""The drift of the machine, against simulation and worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bksdm_demo.evaluation.statistics import drift_of
from bksdm_demo.intervals import FEWEST

EXPERIMENTS = 200


def rounds_of(numbers: np.random.Generator, count: int, slower: float) -> list[list[float]]:
    """Times of three models in `count` rounds; the machine is `slower` by that share at the end."""
    course = np.linspace(0, np.log1p(slower), count)[:, np.newaxis]
    return (np.exp(course + numbers.normal(0, 0.02, (count, 3))) * [4.0, 2.0, 0.5]).tolist()


def test_a_steady_machine_seldom_seems_to_drift() -> None:
    numbers = np.random.default_rng(1)
    drifts = [drift_of(rounds_of(numbers, 10, 0.0)) for _ in range(EXPERIMENTS)]
    assert np.mean([drift is not None and drift.found for drift in drifts]) < 0.09  # 5 % by design


def test_a_slowing_machine_is_found_out() -> None:
    numbers = np.random.default_rng(2)
    drifts = [drift_of(rounds_of(numbers, 10, 0.2)) for _ in range(EXPERIMENTS)]
    found = [drift for drift in drifts if drift is not None and drift.found]
    assert len(found) > 0.95 * EXPERIMENTS
    assert np.median([drift.change for drift in found]) == pytest.approx(0.106, abs=0.02)  # half of the way, in logs
    assert all(drift.trend > 0 for drift in found)


def test_a_machine_that_gets_faster_has_a_falling_trend() -> None:
    drift = drift_of([[seconds] for seconds in (8.0, 7.0, 6.0, 5.0, 4.0, 3.0)])
    assert drift is not None
    assert drift.trend == pytest.approx(-1)
    assert drift.change < 0
    assert drift.found


def test_equal_times_do_not_drift() -> None:
    drift = drift_of([[1.0, 2.0]] * 8)
    assert drift is not None
    assert (drift.trend, drift.change, drift.found) == (0.0, 0.0, False)


def test_few_rounds_say_nothing_about_drift() -> None:
    assert drift_of([[1.0]] * (FEWEST - 1)) is None


def test_ranks_of_equal_times_are_shared() -> None:
    """Spearman's correlation of 1 2 2 3 3 with their places: ranks 0, 1.5, 1.5, 3.5, 3.5, worked out by hand."""
    drift = drift_of([[1.0], [2.0], [2.0], [3.0], [3.0]])
    assert drift is not None
    assert drift.trend == pytest.approx(9 / np.sqrt(9 * 10))
