"""The command's flags, and a whole run on a system that has a U-Net only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import MEASURES, main, parse


def test_quick_is_one_measure_of_a_few_rounds() -> None:
    quick, usual = parse(["--quick"]), parse([])
    assert tuple(quick.only) == ("unet",)
    assert tuple(usual.only) == MEASURES
    assert quick.rounds < usual.rounds
    assert quick.minutes < usual.minutes


def test_flags_win_over_quick() -> None:
    flags = parse(["--quick", "--only", "psnr", "--rounds", "7", "--minutes", "2.5"])
    assert (flags.only, flags.rounds, flags.minutes) == (["psnr"], 7, 2.5)


def test_a_folder_without_systems_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--systems-dir", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no systems"):
        main()


def test_what_cannot_be_measured_is_in_the_file_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No text encoder and no weights for the peers: nothing to measure, and both the table and the file say so."""
    (tmp_path / "lonely" / "x_unet.mlpackage").mkdir(parents=True)
    output = tmp_path / "found.json"
    flags = ["--systems-dir", str(tmp_path), "--only", "vae_decoder", "load", "--json", str(output)]
    monkeypatch.setattr("sys.argv", ["benchmarks", *flags])
    main()
    found = json.loads(output.read_text())
    assert [(gap["system"], gap["measure"]) for gap in found["left_out"]] == [
        ("lonely", "vae_decoder"),
        ("lonely", "load"),
    ]
    assert "weights" in found["left_out"][0]["reason"] or "missing" in found["left_out"][0]["reason"]
    assert found["timings"] == found["loads"] == []
    assert "Left out" in capsys.readouterr().out
