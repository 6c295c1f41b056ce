"""The judge of fewer evaluations: its controls, its paired difference and its table."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("regex")  # of training/requirements.txt

from training.bootstrap import Interval  # noqa: E402
from training.fewer_evaluations import lost, markdown, requests  # noqa: E402
from training.judging import Judged  # noqa: E402


def judged(right: list[bool]) -> Judged:
    flags, numbers = np.array(right), np.zeros(len(right))
    return Judged(flags, flags, numbers, numbers, ~flags, tuple("x" * len(right)))


def test_each_profile_has_controls_of_as_many_plain_steps_and_one_more() -> None:
    asked = requests(20)
    assert set(asked) == {"exact", "fast", "draft", *(f"{steps} plain steps" for steps in (5, 6, 7, 8))}
    assert asked["fast"].savings == {"forecast": True, "deep_every": 2}
    assert not asked["5 plain steps"].savings


def test_what_is_lost_is_paired() -> None:
    exact, other = judged([True] * 8 + [False] * 2), judged([True] * 7 + [False] * 2 + [True])
    assert lost(other, exact).value == pytest.approx(0)
    assert lost(exact, exact) == Interval(0, 0, 0)
    worse = lost(judged([True] * 5 + [False] * 5), exact)
    assert worse.value == pytest.approx(30)
    assert worse.low < 30 < worse.high


def test_the_table_has_a_row_per_option() -> None:
    found = {"top1": Interval(91, 88, 94), "lost": Interval(0.5, -0.5, 1.5), "psnr": 35.2, "blocked": 1}
    lines = markdown({("emoji-tiny", name): found for name in ("exact", "fast", "7 plain steps")}, requests(20))
    assert lines.splitlines()[3] == "| emoji-tiny | fast | 0.35 | 91.0 (88.0 to 94.0) | 0.5 (-0.5 to 1.5) | 35.2 | 1 |"
    assert "| *7 plain steps* | 0.35 |" in lines
    assert "| exact | 1.00 | 91.0 (88.0 to 94.0) |  |  | 1 |" in lines
