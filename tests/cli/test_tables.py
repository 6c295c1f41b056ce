"""What people read: progress on a terminal and in a file, and plain tables."""

from __future__ import annotations

import io

import pytest

from bksdm_demo.cli import tables
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict

REQUEST = Request("red apple", seed=7)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def done(model: str) -> Cell:
    timings = Timings(load=2.0, denoise=1.5, total=3.5, cold=True)
    return Cell(model, Phase.DONE, 3, 3, Result(model, REQUEST, Verdict(False), timings, size_bytes=1_500_000))


def snapshots() -> list[Job]:
    return [
        Job("id", REQUEST, (Cell("a"), Cell("b")), position=1),
        Job("id", REQUEST, (Cell("a", Phase.DENOISING, 1, 3), Cell("b"))),
        Job("id", REQUEST, (done("a"), Cell("b", Phase.LOADING))),
        Job("id", REQUEST, (done("a"), Cell("b", Phase.FAILED, message="It broke."))),
    ]


def test_a_log_gets_one_line_for_each_finished_model():
    stream = io.StringIO()
    progress = tables.Progress(stream, {"a": "Model A"})
    for job in [*snapshots(), snapshots()[-1]]:
        progress.show(job)
    assert stream.getvalue() == "Model A: done in 1.50 s + 2.00 s loading\nb: failed. It broke.\n"


def test_a_terminal_gets_a_live_line_that_is_wiped():
    stream = Terminal()
    progress = tables.Progress(stream, {"a": "Model A"})
    for job in snapshots():
        progress.show(job)
    shown = stream.getvalue().split(tables.CLEAR_LINE)
    assert "[1/2] Model A: drawing, step 1 of 3" in shown
    assert "[2/2] b: loading the model" in shown
    assert shown[-1] == "b: failed. It broke.\n"


def test_comparison_table_has_a_row_for_each_model():
    text = tables.comparison_table(snapshots()[-1], {}, {0: "01-a.png"})
    head, first, second = text.splitlines()
    assert head.split() == ["Model", "Outcome", "Drawing", "Loading", "Size", "File"]
    assert first.split() == ["a", "done", "1.50", "s", "2.00", "s", "1.50", "MB", "01-a.png"]
    assert second.split() == ["b", "failed"]


def test_table_lines_up_and_drops_empty_cells():
    assert tables.table(("A", "B", "C"), [("1", "", "x"), ("234", "", "y")]) == "A    C\n1    x\n234  y"
    assert tables.table(("A",), []) == ""


def test_lists_break_between_items_only():
    lines = tables.wrapped("Head: ", [f"item {number}" for number in range(60)]).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= tables.LINE for line in lines)
    assert not any(line.endswith("item") for line in lines)


@pytest.mark.parametrize(("count", "words"), [(None, ""), (4_878_308, "4.9 M"), (0, "0.0 M")])
def test_weights_in_millions(count: int | None, words: str):
    assert tables.millions(count) == words
