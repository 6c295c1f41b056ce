"""Choosing a language, and saying messages in it. Accept-Language examples are those of RFC 9110, section 12.5.4."""

from __future__ import annotations

import threading

import pytest

from bksdm_demo.languages import ENGLISH, LANGUAGES, choose, inflected, language, say, speaking
from bksdm_demo.units import duration, unbroken


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        ("", "", "en"),
        ("", "da, en-gb;q=0.8, en;q=0.7", "en"),
        ("", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("", "en;q=0.5, ko;q=0.9", "ko"),
        ("", "ko;q=0, en", "en"),
        ("", "fr, *;q=0.1", "en"),
        ("", "KO_kr", "ko"),
        ("", "ko;q=much", "en"),
        ("", "," * 10_000 + "ko", "en"),
        ("ko", "en", "ko"),
        ("en", "ko", "en"),
        ("../ko", "ko", "ko"),
    ],
)
def test_a_link_decides_then_the_browser(asked: str, accepted: str, chosen: str) -> None:
    assert choose(asked, accepted) == chosen


def test_a_language_is_spoken_only_inside_its_block() -> None:
    heard = []
    with speaking("ko"):
        thread = threading.Thread(target=lambda: heard.append(language()))
        thread.start()
        thread.join()
        assert language() == "ko"
        assert say("Seed {seed}", seed=7) == "시드 7"
    assert heard == [ENGLISH], "a thread that draws speaks English"
    assert say("Seed {seed}", seed=7) == "Seed 7"


def test_values_are_no_messages() -> None:
    with speaking("ko"):
        assert say("Seed {seed}", seed="{seed} {0}") == "시드 {seed} {0}"


@pytest.mark.parametrize("number", [0, 1, 2, 1200])
def test_english_has_two_forms_and_the_others_here_have_one(number: int) -> None:
    forms = {}
    for code in LANGUAGES:
        with speaking(code):
            forms[code] = inflected(number, "{count} picture", "{count} pictures")
    assert forms[ENGLISH] == f"{number:,} picture{'' if number == 1 else 's'}"
    assert all(f"{number:,}" in said for said in forms.values())
    assert len(set(forms.values())) == len(LANGUAGES)


def test_times_have_the_units_of_the_language() -> None:
    with speaking("ko"):
        assert [duration(45), duration(125), duration(12_000)] == ["45초", "2분 05초", "3시간 20분"]
        assert unbroken(duration(45)) == "45초"
