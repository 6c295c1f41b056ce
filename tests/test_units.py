"""Numbers with units, by tables."""

from __future__ import annotations

import pytest

from bksdm_demo.units import about, duration, format_bytes, format_count, unbroken


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (987, "987 B"), (999.6, "1.00 kB"), (1230, "1.23 kB"), (45_600_000, "45.6 MB"),
     (999_600_000, "1.00 GB"), (2_090_000_000, "2.09 GB"), (7e15, "7000 TB")],
)  # fmt: skip
def test_bytes_have_three_digits(size: int, words: str) -> None:
    assert format_bytes(size) == words


@pytest.mark.parametrize(
    ("count", "words"), [(7, "7"), (4200, "4.20 k"), (12_990_000, "13.0 M"), (859_520_964, "860 M")]
)
def test_counts(count: int, words: str) -> None:
    assert format_count(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (59.0, "59 s"), (59.5, "1 min 00 s"), (3599.0, "59 min 59 s"), (12_000.0, "3 h 20 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "5 s"), (33.0, "35 s"), (58.0, "1 min"), (97.0, "1 min 40 s"), (200.0, "3 min 30 s"), (725.0, "12 min"),
     (5100.0, "1 h 25 min")],
)  # fmt: skip
def test_estimates_are_rounded(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_number_stays_with_its_unit() -> None:
    """Words that only look like units keep their spaces."""
    assert unbroken("+ 0.40 s loading, 1 min 05 s").replace("\N{NO-BREAK SPACE}", "_") == "+ 0.40_s loading, 1_min 05_s"
    assert unbroken("4 Big pictures, step 2 of 20") == "4 Big pictures, step 2 of 20"
