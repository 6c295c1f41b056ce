"""Bars of a verification: dB for parts and pictures, verdicts exactly; nothing to compare is no failure."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.verify import sampled
from bksdm_demo.evaluation.verify_compare import Check, compared
from bksdm_demo.parameters.png_writer import plain_png

Y = np.sin(np.arange(500, dtype=np.float32))


def part(y: np.ndarray = Y, **facts: Any) -> dict[str, Any]:
    known = {"system": "tiny", "role": "U-Net", "way": "all", "hints": "", "identity": "ab", "problem": ""}
    return known | {"outputs": {"y": sampled("y", y)}} | facts


def picture(grey: int = 100, **facts: Any) -> dict[str, Any]:
    png = base64.b64encode(plain_png(np.full((16, 16, 3), grey, np.uint8))).decode()
    known = {"system": "tiny", "hints": "", "request": {"prompt": "red apple"}, "problem": "", "blocked": False}
    return known | {"picture": png} | facts


def record(*parts: dict[str, Any], pictures: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"parts": parts, "pictures": pictures}


def one(own: dict[str, Any], *references: dict[str, Any]) -> Check:
    (check,) = compared(own, references)
    return check


@pytest.mark.parametrize(("noise", "passed"), [(0.0, True), (0.01, True), (0.03, False)])
def test_a_part_passes_from_35_db_on(noise: float, passed: bool) -> None:
    check = one(record(part(Y + np.float32(noise))), record(part()))
    assert check.passed is passed
    expected = 200 if noise == 0 else 20 * np.log10(1 / noise)
    assert check.psnr == pytest.approx(expected, abs=0.05)
    assert check.what == "tiny, U-Net, all"


def test_a_part_is_known_by_its_content_and_the_same_way_comes_first() -> None:
    other, same = part(Y + 1, way="cpu-only"), part(system="elsewhere")
    assert one(record(part()), record(other, same)).passed
    assert not one(record(part(way="new")), record(other, same)).passed
    assert one(record(part(identity="cd")), record(same)).passed is None
    assert one(record(part()), record(part(problem="died")), record(same)).passed


def test_a_part_that_failed_or_has_another_shape_fails() -> None:
    assert one(record(part(problem="It crashed.")), record(part())) == Check("tiny, U-Net, all", False, "It crashed.")
    assert one(record(part(Y[:499])), record(part())).passed is False


def test_int8_is_told_without_a_bar() -> None:
    check = one(record(part(Y + np.float32(0.1), precision="int8")), record(part()))
    assert (check.passed, check.detail) == (None, "20.0 dB; int8 has no bar")


@pytest.mark.parametrize(("grey", "passed"), [(100, True), (110, True), (140, False)])
def test_a_picture_passes_from_25_db_on(grey: int, passed: bool) -> None:
    assert one(record(pictures=(picture(grey),)), record(pictures=(picture(),))).passed is passed


@pytest.mark.parametrize("blocked", [False, True])
def test_verdicts_must_be_equal(blocked: bool) -> None:
    stopped = picture(blocked=True, picture=None)
    own, other = (stopped, picture()) if blocked else (picture(), stopped)
    check = one(record(pictures=(own,)), record(pictures=(other,)))
    assert check.passed is False
    assert check.detail == ("blocked here, let out there" if blocked else "let out here, blocked there")
    assert one(record(pictures=(stopped,)), record(pictures=(stopped,))).passed


def test_a_setting_that_an_older_record_does_not_know_does_not_matter() -> None:
    newer = picture(request={"prompt": "red apple", "forecast": False})
    assert one(record(pictures=(newer,)), record(pictures=(picture(),))).passed
    other = picture(request={"prompt": "green apple"})
    assert one(record(pictures=(other,)), record(pictures=(picture(),))).passed is None


def test_a_damaged_reference_is_named() -> None:
    with pytest.raises(RequestError, match="A record to compare with is damaged"):
        compared(record(part()), [record({"identity": "ab"})])
