"""The printed table: what is in it, and that it is a Markdown table of equal columns."""

from __future__ import annotations

from benchmarks.results import new_results, timing
from benchmarks.table import grid, render
from benchmarks.turns import Taken

MACHINE = {"cpu": {"name": "Some CPU"}, "python": "3.11", "packages": {"torch": "2", "onnx": None}}
PEAKS = {"bf16": ("GEMM a bf16",)}


def results() -> dict:
    found = new_results(MACHINE, {"threads": 2, "steps": 10})
    pairs = [("ours bf16", "torch bf16"), ("ours int8", "ours bf16")]
    first = {"ours bf16": [2.0, 2.0], "torch bf16": [4.0, 4.0], "GEMM a bf16": [1e12, 1e12]}
    second = {"ours bf16": [3.0], "ours int8": [1.5]}
    for samples in (first, second):
        found["timings"].append(
            timing("tiny", "unet", Taken(samples), pairs, PEAKS, flops={"conv": 9 * 10**11, "einsum": 10**11})
        )
    found["loads"].append(
        {
            "system": "tiny",
            "contender": "ours bf16",
            "kind": "warm",
            "seconds": [1.5],
            "loaded_bytes": [2 * 10**9],
            "peak_bytes": [],
        }
    )
    found["psnr"].append({"system": "tiny", "contender": "ours bf16", "db": {"981": 45.25, "1": 47.0}})
    found["left_out"].append({"system": "tiny", "measure": "unet", "contender": "x", "reason": "a | b\nc"})
    return found


def cells(text: str, beginning: str) -> list[str]:
    """The first row whose first cell is `beginning`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return next(row for row in rows if row[0] == beginning)


def test_a_row_has_all_samples_and_the_ratios_of_its_groups() -> None:
    text = render(results())
    assert "U-Net step, both halves: tiny (1000 GFLOP: conv 900, einsum 100)" in text
    heading = cells(text, "")
    assert heading == ["", "median (quartiles)", "n", "share of peak", "ours bf16 / it", "ours int8 / it"]
    assert cells(text, "ours bf16") == [
        "ours bf16",
        "2.00 s (2.00 to 2.50)",
        "3",
        "0.500 (0.500 to 0.500)",
        "",
        "0.500 (0.500 to 0.500)",
    ]
    assert cells(text, "torch bf16")[3:] == ["0.250 (0.250 to 0.250)", "0.500 (0.500 to 0.500)", ""]
    assert cells(text, "GEMM a bf16")[1] == "1000 GFLOP/s (1000 to 1000)"


def test_loads_psnr_and_gaps_have_tables_of_their_own() -> None:
    text = render(results())
    assert "| tiny   | ours bf16 | filled     | 1.50 s (1.50 to 1.50) | 1   | 2.00      |" in text
    assert "| tiny   | ours bf16 | 47.0  | 45.2    |" in text
    assert "a / b c" in text
    assert "onnx" not in text.splitlines()[1]


def test_nothing_measured_gives_the_opening_only() -> None:
    text = render(new_results(MACHINE, {"threads": 2, "steps": 10}))
    assert text.startswith("Some CPU, 2 threads")
    assert "|" not in text


def test_columns_are_of_equal_width() -> None:
    lines = grid(["a", "long heading"], [["x", "1"], ["yyyyyy", "2"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].count("|") == 3
