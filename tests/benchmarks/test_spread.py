"""Medians, quartiles and ratios against worked examples."""

import pytest

from benchmarks.spread import Spread, ratios, spread


def test_quartiles_of_a_worked_example() -> None:
    """Five sorted samples: the quartiles are the second and the fourth."""
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(median=3.0, low=2.0, high=4.0, count=5)


def test_quartiles_between_samples() -> None:
    """numpy.percentile([1, 2, 3, 10], [25, 50, 75]) is 1.75, 2.5, 4.75."""
    assert spread([10.0, 1.0, 3.0, 2.0]) == Spread(2.5, 1.75, 4.75, 4)


def test_one_sample_is_its_own_spread() -> None:
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0, 1)


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_nothing_to_summarise(samples: list[float]) -> None:
    with pytest.raises(ValueError, match=r"samples|Samples"):
        spread(samples)


def test_a_drifting_machine_leaves_ratios_alone() -> None:
    """The machine halves its speed twice; every round still says 0.5, which the ratio of pooled means would not."""
    peer = [2.0, 4.0, 8.0]
    assert ratios([1.0, 2.0, 4.0], peer) == [0.5, 0.5, 0.5]


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="3 and 2 samples"):
        ratios([1.0, 2.0, 3.0], [1.0, 2.0])
