"""The simulation of a pool, against what queueing theory and arithmetic say."""

from __future__ import annotations

import statistics
from math import factorial

import pytest

from benchmarks.capacity import needed, quantile, simulate


def test_without_a_queue_a_comparison_takes_its_pictures_on_one_worker_or_one_on_many() -> None:
    for workers, seconds in ((1, 40.0), (64, 10.0)):
        times = simulate(workers, 0.05, 4, 10.0, spread=0.0, hours=1000)
        assert len(times) > 30
        assert times == pytest.approx([seconds] * len(times), abs=1e-6)


def test_waiting_times_of_one_worker_are_those_of_an_m_d_1_queue() -> None:
    """Pollaczek-Khinchine: a mean wait of load * service / (2 * (1 - load)), here with 0.6 and 6 s."""
    times = simulate(1, 360, 1, 6.0, spread=0.0, hours=60)
    assert statistics.mean(times) - 6.0 == pytest.approx(0.6 * 6.0 / (2 * 0.4), rel=0.1)


def test_several_workers_wait_less_than_with_exponential_times() -> None:
    """Erlang C gives the mean wait with exponential times; with constant ones it is about half of it."""
    workers, load, service = 4, 3.2, 8.0
    busy = load**workers / factorial(workers) * workers / (workers - load)
    probability = busy / (sum(load**k / factorial(k) for k in range(workers)) + busy)
    erlang = probability * service / (workers - load)
    wait = statistics.mean(simulate(workers, 3600 * load / service, 1, service, spread=0.0, hours=10)) - service
    assert 0.4 * erlang < wait < 0.7 * erlang


def test_the_number_of_workers_is_the_smallest_that_is_enough() -> None:
    workers = needed(100, 4, 25.0, 60.0)
    assert quantile(simulate(workers, 100, 4, 25.0), 0.95) <= 60.0
    assert quantile(simulate(workers - 1, 100, 4, 25.0), 0.95) > 60.0
    with pytest.raises(ValueError, match="no number of workers"):
        needed(100, 4, 25.0, 20.0)
