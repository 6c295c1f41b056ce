"""The options of the benchmark against evaluations by hand, and its table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.fewer_evaluations import OPTIONS, Found, contenders, plot, table
from benchmarks.profile_pictures import table as profile_table
from bksdm_demo.records import Request


def grey(level: int) -> NDArray[np.uint8]:
    return np.full((64, 64, 3), level, np.uint8)


def test_every_option_has_a_control_of_as_many_evaluations() -> None:
    asked = contenders(Request("red apple", steps=20))
    assert set(OPTIONS) < set(asked)
    plain = {name: request.steps for name, request in asked.items() if name.endswith("plain steps")}
    assert {7, 11, 12} <= set(plain.values())  # fast is 6 whole evaluations and 5 shallow ones of a fifth; 11; 10 + 2
    assert all(not asked[name].savings for name in plain)


def test_the_table_has_a_row_per_option_and_columns_per_system() -> None:
    exact, fast, control = Found(1, 1, 99, 99, 1), Found(0.4, 0.35, 35.24, 27.4, 0.99), Found(0.36, 0.35, 30, 23, 0.9)
    found = {"7 plain steps": control, "fast": fast, "exact": exact}
    lines = table({"emoji-tiny": found, "emoji-base": found}).splitlines()
    assert lines[0].count("emoji-base") == lines[0].count("emoji-tiny") == 3
    assert lines[2] == "| exact | 1 | 1.00 |  |  | 1.00 |  |  |"
    assert lines[3] == "| fast | 0.35 | 0.40 | 35.2 (27.4) | 0.990 | 0.40 | 35.2 (27.4) | 0.990 |"
    assert lines[4].startswith("| *7 plain steps* | 0.35 | 0.36 | 30.0 (23.0) | 0.900 |")


def test_the_plot_has_a_point_per_option() -> None:
    asked = contenders(Request("red apple", steps=20))
    found = {name: Found(0.5, 0.5, 30.0 + number, 20, 0.9) for number, name in enumerate(asked)}
    assert plot(found, "title").count("<circle") == len(asked) - 1  # all but the exact one


def test_whole_pictures_are_compared_inside_a_round() -> None:
    seconds = {"exact": [10.0, 30.0], "fast": [4.0, 12.0], "draft": [2.0, 6.0], "torch bf16": [20.0, 60.0]}
    lines = profile_table(seconds, {"exact": grey(100), "fast": grey(101), "draft": grey(110)}).splitlines()
    assert lines[2] == "| `exact` | 20.0 | 0.50 (0.50 to 0.50) |  |  |"
    assert lines[3] == "| `fast` | 8.0 | 0.20 (0.20 to 0.20) | 0.40 (0.40 to 0.40) | 48.1 |"  # 20 log10(255)
    assert lines[5] == "| torch bf16 | 40.0 |  | 2.00 (2.00 to 2.00) |  |"
