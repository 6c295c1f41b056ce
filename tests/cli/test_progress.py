"""What is said while a model arrives: sentences by table, thin lines for a file, one live line for a terminal."""

from __future__ import annotations

import io

import pytest

from bksdm_demo.cli.progress import FetchProgress
from bksdm_demo.downloads.status import download_line
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.units import duration


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
            "checking what has come, 5.00 MB of 5.00 MB, 9.00 MB a second",
        ),
    ],
)
def test_lines(progress: Progress, line: str) -> None:
    assert download_line(progress) == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (59.0, "59 s"), (59.5, "1 min 0 s"), (3599.0, "59 min 59 s"), (12_000.0, "3 h 20 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_file_gets_a_line_for_every_tenth() -> None:
    stream = io.StringIO()
    tell = FetchProgress(stream, "Tiny")
    for done in range(0, 1001, 5):
        tell(Progress(Stage.DOWNLOADING, done * 1000, 1_000_000))
    tell(Progress(Stage.UNPACKING, 0, 1_000_000))
    tell.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11 + 1
    assert lines[0] == "Tiny: downloading, 0 B of 1.00 MB"
    assert lines[-1] == "Tiny: unpacking, 0 B of 1.00 MB"


def test_a_terminal_gets_one_live_line() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    tell = FetchProgress(stream, "Tiny")
    for done in (1, 2, 3):
        tell(Progress(Stage.DOWNLOADING, done, 100))
    tell.end()
    assert stream.getvalue().count("\r") == 4
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")
