"""The phrase book gives back every sentence that a message of the catalogue can make."""

from __future__ import annotations

import re

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.languages import LANGUAGES, catalogue, speaking
from bksdm_demo.phrase_book import Template, ordered, recognise, said, template, translated
from bksdm_demo.records import Request
from translations.extract import messages

SAID = ("bksdm_demo/ui/", "bksdm_demo/wording/", "bksdm_demo/evaluation/votes_words.py")  # in its language at once


@pytest.fixture(scope="module")
def errors() -> list[str]:
    """The catalogue's sentences with values."""
    found = {
        one.text
        for one in messages()
        if not one.many and one.text.endswith(".") and "{" in one.text and "}{" not in one.text
        if not one.file.startswith(SAID)
    }
    return sorted(found)


def test_a_template_knows_its_values() -> None:
    one = template("{name} is {value}; it must be between {low} and {high}.")
    assert one.fixed == ("", " is ", "; it must be between ", " and ", ".")
    assert one.values("steps is 0; it must be between 1 and 1000.") == {
        "name": "steps",
        "value": "0",
        "low": "1",
        "high": "1000",
    }
    assert one.values("steps is 0.") is None
    assert template("No value.") == Template("No value.", ("No value.",), ())


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_sentence_with_values_is_recognised_and_keeps_them(errors: list[str], code: str) -> None:
    lost = []
    for message in errors:
        names = re.findall(r"\{(\w+)\}", message)
        values = {name: f"x{place}q" for place, name in enumerate(names)}
        with speaking(code):
            sentence = translated(message.format(**values))
        own = catalogue(code).gettext(message)
        if sentence != own.format(**values):
            lost.append((message, sentence))
    assert lost == []


def test_an_error_is_translated_where_it_is_shown() -> None:
    with pytest.raises(RequestError) as caught:
        Request("red apple", steps=0)
    assert str(caught.value) == "steps is 0; it must be between 1 and 150."
    with speaking("ko"):
        assert said(caught.value) == "steps 값이 0입니다. 1에서 150 사이여야 합니다."
    assert said(caught.value) == str(caught.value)


def test_sentences_one_after_the_other_and_within_each_other() -> None:
    with speaking("ko"):
        assert translated(
            "The new run gave no result, so this is the earlier one. The safety checker did not let it through."
        ) == ("새 실행이 결과를 내지 못하여 이전 이미지를 표시합니다. 안전 검사기가 통과시키지 않았습니다.")
        assert translated("Row 3: The seed is empty. Type a whole number or press Random.").startswith("3행: 시드가")


def test_what_nobody_knows_stays() -> None:
    with speaking("ko"):
        for text in ("", "red apple", "The U-Net <b>broke</b>.", "x" * 100_000, "{broken", "a " * 9000):
            assert translated(text) == text


def test_the_template_with_the_most_fixed_words_wins() -> None:
    templates = ordered(["{name} has {count} parts in {place} here.", "{name} has {rest}", "{a}{b}"])
    found = recognise("It has 3 parts in a box here.", templates)
    assert found is not None
    assert found[1] == {"name": "It", "count": "3", "place": "a box"}


def test_a_hint_with_a_space_before_it_is_translated_in_its_place() -> None:
    with speaking("ko"):
        assert translated("The column 'colour' is unknown. Did you mean 'seed'? Call a column of remarks note.") == (
            "알 수 없는 열입니다: 'colour'. 혹시 'seed'을(를) 뜻합니까? 메모 열의 이름은 note로 하십시오."
        )
