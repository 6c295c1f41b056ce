"""The settings and the truncated prompts of a comparison in words, by table."""

from __future__ import annotations

import pytest

from bksdm_demo.records import GENERATORS, SCHEDULERS, Request
from bksdm_demo.wording.comparison import (
    GENERATOR_NAMES,
    SCHEDULER_NAMES,
    reading_notes,
    setting_facts,
    shorten,
    syntax_words,
    truncation_words,
)
from tests.ui.records import done, job


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [("red  apple\n", 20, "red apple"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("abcd efg", 6, "abcd…")],
)
def test_shorten(text: str, limit: int, line: str) -> None:
    assert shorten(text, limit) == line
    assert len(shorten(text, limit)) <= limit


def test_every_name_of_a_setting_has_words() -> None:
    assert set(SCHEDULER_NAMES) == set(SCHEDULERS)
    assert set(GENERATOR_NAMES) == set(GENERATORS)


def test_request_facts_name_every_setting() -> None:
    request = Request("x", "blurry", 0, 25, 4.0, "euler", "torch")
    assert setting_facts(request, (0,)) == (
        ("Seed", "0"), ("Steps", "25"), ("Guidance", "4"), ("Scheduler", "Euler"), ("Noise", "PyTorch (CPU)"),
        ("Without", "blurry"),
    )  # fmt: skip


def test_truncated_words_are_listed_once_and_up_to_a_limit() -> None:
    assert truncation_words(job(done("a"), done("b"))) == ""
    sentence = truncation_words(job(done("a", truncated=("tall", "tower")), done("b", truncated=("tower",))))
    assert sentence.endswith("“tall tower”")
    many = truncation_words(job(done("a", truncated=tuple("w" * 10_000))))
    assert many.endswith("and 9976 more")
    assert truncation_words(job(done("a", truncated=(",", "tower")))).endswith("“tower”")
    assert truncation_words(job(done("a", truncated=("!",)))).endswith("“!”")
    assert len(many) < 200


LONGER = "longer than the text encoder reads. The models did not read:"


@pytest.mark.parametrize(
    ("truncated", "negative_truncated", "sentence"),
    [
        (("tall", "tower"), (), f"The prompt is {LONGER} “tall tower”"),
        ((), (",", "blurry", "hands"), f"The negative prompt is {LONGER} “blurry hands”"),
        (
            ("tall", "tower"),
            ("w",) * 30,
            f"The prompt and the negative prompt are {LONGER} of the prompt “tall tower”; "
            f"of the negative prompt “{' '.join('w' * 24)}” … and 6 more",
        ),
    ],
)
def test_the_prompt_that_is_too_long_is_named(
    truncated: tuple[str, ...], negative_truncated: tuple[str, ...], sentence: str
) -> None:
    cell = done("a", truncated=truncated, negative_truncated=negative_truncated)
    assert truncation_words(job(done("b"), cell)) == sentence


def test_the_notes_on_reading_say_each_thing_once() -> None:
    assert reading_notes(job(done("a"), done("b"))) == ()
    cells = done("a", truncated=("tower",)), done("b", truncated=("tower",))
    notes = reading_notes(job(*cells, request=Request("a (tall:1.2) tower")))
    assert notes == (
        f"The prompt is {LONGER} “tower”",
        "Weights and additions such as “(tall:1.2)” are read literally, as words.",
    )


@pytest.mark.parametrize(
    ("prompt", "negative", "named"),
    [
        ("a (cat:1.3) here", "", "(cat:1.3)"),
        ("a cat <lora:tiny:0.8>", "", "<lora:tiny:0.8>"),
        ("a cat", "(blurry:1.4)", "(blurry:1.4)"),
        ("a cat (at 12:30 in the sun), ratio: 1", "", ""),
        ("a <cat>", "", ""),
    ],
)
def test_weights_and_additions_are_said_to_be_read_literally(prompt: str, negative: str, named: str) -> None:
    sentence = syntax_words(Request(prompt, negative))
    assert sentence == (f"Weights and additions such as “{named}” are read literally, as words." if named else "")
