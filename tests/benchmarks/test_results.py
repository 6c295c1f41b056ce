"""From samples to entries: ratios and shares inside rounds, several files read as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results import load, new_results, save, timing
from benchmarks.turns import Taken

PEAKS = {"bf16": ("GEMM a bf16", "GEMM b bf16")}
PAIRS = [("ours bf16", "torch bf16"), ("ours bf16", "GEMM a bf16"), ("ours bf16", "absent f32")]


def taken() -> Taken:
    """Two rounds; the second at half the machine's speed. 800 operations a run."""
    samples = {
        "ours bf16": [2.0, 4.0],  # seconds
        "torch bf16": [4.0, 8.0],
        "GEMM a bf16": [500.0, 200.0],  # operations a second
        "GEMM b bf16": [300.0, 250.0],
    }
    return Taken(samples, resident=dict.fromkeys(samples, 10), peak=dict.fromkeys(samples, 20))


def test_a_ratio_for_each_pair_that_was_there() -> None:
    entry = timing("tiny", "unet", taken(), PAIRS, PEAKS, flops={"conv": 700, "einsum": 100})
    assert list(entry["ratios"]) == ["ours bf16 / torch bf16"]
    assert entry["ratios"]["ours bf16 / torch bf16"] == {"median": 0.5, "low": 0.5, "high": 0.5, "count": 2}
    assert entry["rounds"] == 2


def test_the_share_is_of_the_higher_peak_of_the_same_round() -> None:
    """800 / 2 s of 500 and 800 / 4 s of 250: 0.8 in both rounds, which pooled medians would not say."""
    shares = timing("tiny", "unet", taken(), PAIRS, PEAKS, flops={"conv": 700, "einsum": 100})["shares"]
    assert shares["ours bf16"] == {"median": 0.8, "low": 0.8, "high": 0.8, "count": 2}
    assert shares["torch bf16"]["median"] == 0.4
    assert set(shares) == {"ours bf16", "torch bf16"}


def test_samples_are_kept_with_their_unit_and_memory() -> None:
    contenders = timing("tiny", "unet", taken(), PAIRS, PEAKS, flops={"conv": 700, "einsum": 100})["contenders"]
    assert contenders["ours bf16"]["samples"] == [2.0, 4.0]
    assert contenders["ours bf16"]["unit"] == "s"
    assert contenders["GEMM a bf16"]["unit"] == "flop/s"
    assert (contenders["torch bf16"]["resident_bytes"], contenders["torch bf16"]["peak_bytes"]) == (10, 20)


def test_without_a_count_there_are_no_shares() -> None:
    assert timing("tiny", "vae_decoder", taken(), PAIRS, PEAKS, flops=None)["shares"] == {}


def test_runs_are_read_as_one(tmp_path: Path) -> None:
    paths = [tmp_path / "first.json", tmp_path / "folder" / "second.json"]
    for number, path in enumerate(paths):
        results = new_results({"python": "3"}, {"threads": number})
        results["psnr"].append({"system": f"s{number}"})
        results["finished"] = f"{number}"
        save(results, path)
    merged = load(paths)
    assert [entry["system"] for entry in merged["psnr"]] == ["s0", "s1"]
    assert merged["settings"] == {"threads": 0}
    assert merged["finished"] == "1"


@pytest.mark.parametrize("content", ["[]", json.dumps({"schema": 99})])
def test_other_files_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"other\.json"):
        load([path])
