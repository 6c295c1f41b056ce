"""Progress while cells are drawn and models download: plain lines in a file, one live line on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from bksdm_demo.cli.progress import DrawingProgress, FetchProgress, fitted
from bksdm_demo.downloads.status import download_line
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from tests.cli.terminal import Terminal

REQUEST = Request("red apple", seed=7)
NARROW, WIDE = 40, 110  # characters


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


# --- Cells -----------------------------------------------------------------------------------------------------------


def test_a_log_gets_one_line_for_each_finished_cell() -> None:
    stream = io.StringIO()
    with DrawingProgress(stream, {"a": "Model A"}) as progress:
        for job in [*snapshots(), snapshots()[-1]]:
            progress.show(job)
    assert stream.getvalue() == "Model A: done in 1.50 s + 2.00 s loading\nb: failed. It broke.\n"


@pytest.mark.parametrize(
    ("width", "live"),
    [(NARROW, "[1/2] Model A…: denoising, step 1 of 3"), (WIDE, "[1/2] Model A with a name: denoising, step 1 of 3")],
)
def test_a_terminal_gets_one_live_line_that_is_wiped(monkeypatch: pytest.MonkeyPatch, width: int, live: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream, name = Terminal(), "Model A with a name"
    with DrawingProgress(stream, {"a": name}) as progress:
        for job in snapshots()[:2]:
            progress.show(job)
        (shown,) = stream.screen(width)
        assert shown.rstrip("━ ╸╺") == live
        assert shown.endswith("━") == (width == WIDE)
        progress.show(snapshots()[2])
        assert stream.screen(width)[-1] == "[2/2] b: loading the model"
        progress.show(snapshots()[3])
    left = " ".join(stream.screen(width))
    assert left == f"{name}: done in 1.50 s + 2.00 s loading b: failed. It broke."


# --- Downloads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(Stage.WAITING), "waiting for another process that downloads it"),
        (Progress(Stage.DOWNLOADING, 0, 1_430_000_000), "downloading, 0 B of 1.43 GB"),
        (
            Progress(Stage.DOWNLOADING, 512_000_000, 1_430_000_000, 12_300_000.0, 74.6),
            "downloading, 512 MB of 1.43 GB, 12.3 MB a second, 1 min 15 s left",
        ),
        (
            Progress(Stage.VERIFYING, 5_000_000, 5_000_000, 9e6, 0.0),
            "checking the downloaded file, 5.00 MB of 5.00 MB, 9.00 MB a second",
        ),
    ],
)
def test_lines(progress: Progress, line: str) -> None:
    assert download_line(progress) == line


def test_a_file_gets_a_line_for_every_tenth() -> None:
    stream = io.StringIO()
    with FetchProgress(stream, "Tiny") as progress:
        for finished in range(0, 1001, 5):
            progress(Progress(Stage.DOWNLOADING, finished * 1000, 1_000_000))
        progress(Progress(Stage.UNPACKING, 0, 1_000_000))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11 + 1
    assert lines[0] == "Tiny: downloading, 0 B of 1.00 MB"
    assert lines[-1] == "Tiny: unpacking, 0 B of 1.00 MB"


@pytest.mark.parametrize(
    ("width", "live"),
    [
        (20, "Tiny: downloading"),
        (NARROW, "Tiny: downloading, 50 B of 100 B"),
        (WIDE, "Tiny: downloading, 50 B of 100 B, 12.3 MB a second, 1 min 15 s left"),
    ],
)
def test_a_download_leaves_nothing_on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int, live: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    with FetchProgress(stream, "Tiny") as progress:
        for finished in (1, 2, 50):
            progress(Progress(Stage.DOWNLOADING, finished, 100, 12_300_000.0, 74.6))
        (shown,) = stream.screen(width)
        assert shown.rstrip("━ ╸╺") == live
    assert stream.screen(width) == []


def test_a_terminal_without_cursor_control_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with FetchProgress(stream, "Tiny") as progress:
        progress(Progress(Stage.DOWNLOADING, 50, 100))
    assert stream.getvalue() == "Tiny: downloading, 50 B of 100 B\n"


# --- The live line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 10, 24, 39, 60, 200])
@pytest.mark.parametrize("name", ["Emoji", "An endless name of a model", "绘画模型" * 10])
@pytest.mark.parametrize("state", ["safety check", "downloading, 512 MB of 1.43 GB, 12.3 MB a second", "下载" * 30])
@pytest.mark.parametrize("mark", ["…", "..."])
def test_a_live_line_fits_and_says_as_much_as_it_can(room: int, name: str, state: str, mark: str) -> None:
    line = fitted(name, state, room, mark)
    assert cell_len(line) <= room
    whole = f"{name}: {state}"
    assert line == whole or cell_len(whole) > room


def test_a_poisoned_name_stays_on_the_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDE))
    stream = Terminal()
    with DrawingProgress(stream, {"a": "A\x1b[2J\n\u202eB"}) as progress:
        for job in snapshots()[:2]:
            progress.show(job)
        assert stream.screen(WIDE)[0].startswith("[1/2] A�[2J �B: denoising, step 1 of 3")
        progress.show(snapshots()[-1])
    assert stream.screen(WIDE) == ["A�[2J �B: done in 1.50 s + 2.00 s loading", "b: failed. It broke."]
