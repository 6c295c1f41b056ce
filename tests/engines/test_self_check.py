"""The seeded input is the same everywhere and valid for every part; agreement is a PSNR that notices everything."""

from __future__ import annotations

from math import inf, log10, nan

import numpy as np
import pytest

from bksdm_demo.engines.base import Port
from bksdm_demo.engines.self_check import MOST, agreement, finite, seeded_inputs

Y = np.array([[1.0, -2.0, 0.5]], np.float32)


def test_the_input_is_fixed_and_fits_the_ports() -> None:
    ports = (
        Port("input_ids", (1, 77)),
        Port("sample", (2, 4, 8, 8)),
        Port("timestep", (2,)),
        Port("images", (1, 8, 8, 3)),
        Port("adjustment", (1,)),
        Port("count", (3,), "int32"),
    )
    given = seeded_inputs(ports)
    assert [(name, array.shape, array.dtype.name) for name, array in given.items()] == [
        (port.name, port.shape, port.dtype) for port in ports
    ]
    again = seeded_inputs(ports[::-1])  # the order of the ports changes nothing
    assert all(np.array_equal(given[name], again[name]) for name in given)
    assert set(given["input_ids"].ravel()) <= set(range(256))
    assert given["timestep"].tolist() == [500, 500]
    assert 0 <= given["images"].min() <= given["images"].max() <= 1
    assert given["adjustment"] == 0
    assert abs(given["sample"].std() - 1) < 0.1


def test_agreement_is_the_lowest_psnr() -> None:
    off = Y + np.float32(0.02)
    assert agreement({"y": Y}, {"y": Y}) == MOST
    assert agreement({"a": Y, "y": off}, {"a": Y, "y": Y}) == pytest.approx(20 * log10(2 / 0.02), abs=1e-4)
    assert agreement({"y": 10 * off}, {"y": 10 * Y}) == pytest.approx(40, abs=1e-3)  # scale does not matter


@pytest.mark.parametrize("outputs", [{}, {"y": Y[0]}, {"y": Y * np.float32(nan)}])
def test_what_cannot_be_compared_agrees_with_nothing(outputs: dict[str, np.ndarray]) -> None:
    assert agreement(outputs, {"y": Y}) == -MOST


def test_a_result_of_zeros_is_compared_too() -> None:
    zeros = np.zeros(3)
    assert agreement({"y": zeros}, {"y": zeros}) == MOST
    assert agreement({"y": zeros + 1}, {"y": zeros}) == 0


def test_finite() -> None:
    assert finite({"y": Y})
    assert not finite({"y": Y, "z": np.array([inf])})
