"""The plot of quality against parameters, from a report of the evaluator's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("matplotlib")

SIZES = {"original": 11.27, "base": 7.5, "small": 6.4, "tiny": 5.0}


def report(keys: tuple[str, ...]) -> dict[str, Any]:
    systems = {f"emoji-{key}": {"unet_parameters": int(SIZES[key.partition("-")[0]] * 1e6)} for key in keys}
    value = {"low": 0.5, "value": 0.6, "high": 0.7}
    part = {"pairs": 100, "systems": {key: {"top1": value} for key in (*systems, "reconstructions")}}
    return {"systems": systems, "parts": {"common": part, "all": part}}


def test_a_line_has_the_shapes_that_the_report_has_by_size() -> None:
    from training import plot

    student, _, plain, scratch = plot.KINDS
    made = report(("original", "base", "small", "tiny", "tiny-plain"))
    assert [size for size, _ in plot.points(made, "common", student)] == [5.0, 6.4, 7.5]
    assert [round(interval["value"]) for _, interval in plot.points(made, "all", plain)] == [60]
    assert plot.points(made, "all", scratch) == []


def test_the_plot_is_the_same_file_for_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    from training import plot

    (tmp_path / "report.json").write_text(json.dumps(report(("original", "base", "tiny", "tiny-scratch"))))
    for name in ("one.svg", "two.svg"):
        arguments = ["plot", "--report", str(tmp_path / "report.json"), "--out", str(tmp_path / name)]
        monkeypatch.setattr("sys.argv", arguments)
        plot.main()
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one.startswith(b"<?xml")
    assert one == two


def test_without_a_report_it_says_what_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import plot

    monkeypatch.setattr("sys.argv", ["plot", "--report", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match=r"run python -m training\.evaluate"):
        plot.main()
