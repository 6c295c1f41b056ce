"""The geometry of a report's charts against what a chart has to be: shares of one scale, in order, without gaps."""

from __future__ import annotations

import pytest

from bksdm_demo.records import Timings
from bksdm_demo.reports.charts import LINE_HEIGHT, LINE_MARGIN, LINE_WIDTH, bars, step_line
from bksdm_demo.wording.timing import PHASES

SLOW = Timings(load=6.0, encode=0.5, denoise=2.0, decode=1.0, safety=0.5, total=10.0, steps=(0.5, 1.5), cold=True)
QUICK = Timings(encode=0.0, denoise=1.0, decode=0.5, safety=0.5, total=2.0, steps=(0.25, 0.75))


def test_bars_are_shares_of_the_longest_with_and_without_loading() -> None:
    slow, quick = bars(["slow", "quick"], [SLOW, QUICK])
    assert [segment.phase for segment in slow.with_loading] == list(PHASES)
    assert [segment.width for segment in slow.with_loading] == pytest.approx([60, 5, 20, 10, 5])
    assert [segment.start for segment in slow.with_loading] == pytest.approx([0, 60, 65, 85, 95])
    assert [segment.width for segment in slow.without_loading] == pytest.approx([12.5, 50, 25, 12.5])
    assert [segment.phase for segment in quick.with_loading] == ["denoise", "decode", "safety"]
    assert sum(segment.width for segment in quick.with_loading) == pytest.approx(20)
    assert sum(segment.width for segment in quick.without_loading) == pytest.approx(50)
    assert (slow.total, slow.drawing, slow.cold, quick.total, quick.cold) == ("10.0 s", "4.00 s", True, "2.00 s", False)
    assert slow.with_loading[0].label == "Load 6.00 s"


def test_a_bar_of_nothing_has_no_segment() -> None:
    (bar,) = bars(["nothing"], [Timings()])
    assert (bar.with_loading, bar.total) == ((), "0 ms")
    assert bars([], []) == ()


def test_a_step_line_spans_the_drawing_and_stays_inside() -> None:
    points = [tuple(map(float, point.split(","))) for point in step_line((1.0, 4.0, 2.0), 4.0).split()]
    assert [x for x, _ in points] == [0, LINE_WIDTH / 2, LINE_WIDTH]
    top, bottom = LINE_MARGIN, LINE_HEIGHT - LINE_MARGIN
    assert [y for _, y in points] == pytest.approx(
        [bottom - (bottom - top) / 4, top, bottom - (bottom - top) / 2], abs=0.01
    )
    assert len(step_line((1.0,), 4.0).split()) == 2  # a line needs two ends
    assert step_line((), 4.0) == step_line((0.0,), 0.0) == ""
