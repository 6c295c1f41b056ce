"""Shares of processors in words."""

from __future__ import annotations

import pytest

from bksdm_demo.wording.devices import devices_text, trials_text


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        ({}, ""),
        ({"operations": {"GPU": 1.0}}, "GPU 100 %"),
        ({"operations": {"GPU": 1.0}, "cost": {"CPU": 0.1, "Neural Engine": 0.9}}, "Neural Engine 90 %, CPU 10 %"),
        ({"cost": {"CPU": 0.001, "GPU": 0.999, "Neural Engine": 0.0}}, "GPU 100 %, CPU under 1 %"),
    ],
)
def test_the_largest_share_comes_first(devices: dict[str, dict[str, float]], text: str) -> None:
    assert devices_text(devices) == text


def test_trials() -> None:
    assert trials_text(None, {}) == ""
    assert (
        trials_text(61.23, {"cpu-and-gpu": "it hung"})
        == "agrees with CPU only to 61.2 dB; cpu-and-gpu refused: it hung"
    )
