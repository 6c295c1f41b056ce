"""The profile of a small network, and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.operation_times import Profiled, opened, table

UNET = Path(__file__).parents[1] / "golden" / "parts" / "unet_split.mlpackage"


def test_every_call_adds_its_operations() -> None:
    found = opened(UNET, "f32", None)
    for _ in range(2):
        found.call()
    assert len(found.calls) == 2
    assert {"Convolution", "Subgraph"} & {kind.split(",")[0] for kind in found.kinds}
    assert all(found.counts[kind] for kind, seconds in found.kinds.items() if len(seconds) == 2)


def test_the_table_is_sorted_and_shares_add_up() -> None:
    nothing: Any = None
    kinds = {"Add, jit_f32": [0.1, 0.1, 0.4], "Convolution, jit_f32": [0.3, 0.3, 0.3]}
    found = Profiled(nothing, [], kinds, {"Add, jit_f32": 3, "Convolution, jit_f32": 2}, calls=[0.5, 0.5, 0.9])
    assert table("f32", found).splitlines() == [
        "| f32, 0.500 s a call | operations | seconds | share |",
        "|---|---|---|---|",
        "| Convolution, jit_f32 | 2 | 0.300 | 0.750 |",
        "| Add, jit_f32 | 3 | 0.100 | 0.250 |",
    ]
    assert sum(float(line.split("|")[-2]) for line in table("f32", found).splitlines()[2:]) == pytest.approx(1)
