"""The plot of the composing family: which systems it shows, from a report of the evaluator's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("matplotlib")
pytest.importorskip("torch")

KEYS = (
    "emoji-tiny",
    "emoji-original",
    "emoji-base",
    "emoji-tiny-plain",
    "emoji-original, 13 steps",
    "emoji-original, 8 steps",
)


def report() -> dict[str, Any]:
    """Each system takes a tenth of a second more than the one before."""
    from training.scenes.prompts import COUNTS, NEVER, TRAINED

    share = {"low": 0.5, "value": 0.6, "high": 0.7}
    kinds = {kind: {TRAINED: share} | ({NEVER: share} if held else {}) for kind, (_, held) in COUNTS.items()}
    costs = {key: {"parameters": 5_000_000, "seconds": 0.1 * (place + 1)} for place, key in enumerate(KEYS)}
    return {"costs": costs, "shares": {key: kinds for key in ("rendered", *KEYS)}}


def test_every_system_is_of_one_sort_the_slowest_first() -> None:
    from training.scenes.plot import SORTS, systems_of

    found = {sort.name: systems_of(report(), sort) for sort in SORTS}
    assert found == {
        "original": ["emoji-original"],
        "original, fewer steps": ["emoji-original, 8 steps", "emoji-original, 13 steps"],
        "student": ["emoji-base", "emoji-tiny"],
        "control: no features": ["emoji-tiny-plain"],
        "control: from scratch": [],
    }


def test_points_are_seconds_and_percents_of_both_parts() -> None:
    from training.scenes.plot import STUDENTS, points
    from training.scenes.prompts import NEVER, TRAINED

    (_, part, seconds, share), *rest = points(report(), "colour", STUDENTS)
    assert (part, round(seconds, 3), round(share["value"], 3)) == (TRAINED, 0.3, 60)
    assert [(key, part) for key, part, *_ in rest] == [
        ("emoji-base", NEVER), ("emoji-tiny", TRAINED), ("emoji-tiny", NEVER)
    ]  # fmt: skip
    assert len(list(points(report(), "single", STUDENTS))) == 2, "single pictures have no combinations"


def test_a_report_becomes_a_picture_and_without_one_it_says_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.scenes import plot

    path, out = tmp_path / "report.json", tmp_path / "one.svg"
    monkeypatch.setattr("sys.argv", ["plot", "--report", str(path), "--out", str(out)])
    with pytest.raises(SystemExit, match=r"run python -m training\.scenes\.evaluate"):
        plot.main()
    path.write_text(json.dumps(report()))
    plot.main()
    assert "<svg" in out.read_text()
