"""Contenders in their own processes: the order of turns, what fails, and what is lacking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.turns import FEWEST_ROUNDS, Limits, Taken, lacking, take_turns
from benchmarks.worker import Contender, ContenderError, Remote

PLACE = "tests.benchmarks.stopwatch:Noting"


def contender(name: str, folder: Path, **more: Any) -> Contender:
    return Contender(name, PLACE, {"name": name, "diary": folder / "diary", **more})


def play(folder: Path, limits: Limits, **more: dict[str, Any]) -> tuple[Taken, str]:
    contenders = {name: contender(name, folder, **options) for name, options in more.items()}
    taken = take_turns(contenders, limits, folder / "log", lambda _text: None)
    return taken, (folder / "diary").read_text()


def test_turns_go_round_after_a_warm_up(tmp_path: Path) -> None:
    taken, diary = play(tmp_path, Limits(rounds=3, minutes=1), a={}, b={})
    assert diary == "ab" + "ab" * 3
    assert {name: len(series) for name, series in taken.samples.items()} == {"a": 3, "b": 3}
    assert all(seconds > 0 for series in taken.samples.values() for seconds in series)
    assert taken.left_out == {}


def test_no_round_begins_when_time_is_up_but_for_the_first_ones(tmp_path: Path) -> None:
    taken, _ = play(tmp_path, Limits(rounds=50, minutes=0), a={})
    assert len(taken.samples["a"]) == FEWEST_ROUNDS


def test_operations_become_a_rate(tmp_path: Path) -> None:
    taken, _ = play(tmp_path, Limits(2, 1), a={"gives": 10**15})
    assert min(taken.samples["a"]) > 10**12


def test_who_cannot_be_prepared_is_left_out_with_the_reason(tmp_path: Path) -> None:
    taken, diary = play(tmp_path, Limits(1, 1), a={}, b={"fails": -1})
    assert taken.left_out == {"b": "ValueError: b has no weights"}
    assert diary == "aa"


def test_whose_process_ends_is_left_out_with_all_samples(tmp_path: Path) -> None:
    taken, diary = play(tmp_path, Limits(3, 1), a={}, b={"fails": 3})
    assert list(taken.samples) == ["a"]
    assert "ended with code 3" in taken.left_out["b"]
    assert diary == "ab" + "ab" + "a" * 2


def test_lacking_libraries_are_named() -> None:
    assert lacking(Contender("x", PLACE, libraries=("json", "no_such_library"))) == "not installed: no_such_library"
    assert lacking(Contender("x", PLACE, libraries=("json",))) == ""


def test_a_wrong_call_is_answered_with_its_own_message(tmp_path: Path) -> None:
    with Remote(contender("a", tmp_path), tmp_path / "log") as remote:
        with pytest.raises(ContenderError, match="no attribute 'fly'"):
            remote.call("fly")
        assert remote.call("run").value is None  # and it goes on
