"""The stored catalogues: complete, with the same values as the English, and compiled from what stands beside them."""

from __future__ import annotations

import re

import pytest

from bksdm_demo.languages import ENGLISH, LANGUAGES, LOCALES
from translations.__main__ import missing, mo_file, po_file, read, strings_of, template, updated

CODES = [code for code in LANGUAGES if code != ENGLISH]
MARKUP = re.compile(r"</?\w+>|\]\([^)]*\)|`[^`]*`")


def values(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("code", CODES)
def test_every_message_is_translated(code: str) -> None:
    assert missing(updated(code, template())) == [], "run python -m translations, then fill the empty msgstr"


@pytest.mark.parametrize("code", CODES)
def test_a_translation_has_the_values_and_the_markup_of_its_message(code: str) -> None:
    wrong = []
    for message in read(code):
        if not message.id:
            continue
        known = (message.id,) if isinstance(message.id, str) else tuple(map(str, message.id))
        for text in strings_of(message):
            # A month's name may give way to its number, and a plural's form to the count.
            unknown = values(text) - set().union(*map(values, known))
            lost = set.intersection(*map(values, known)) - values(text)
            marks = any(sorted(MARKUP.findall(text)) == sorted(MARKUP.findall(one)) for one in known)
            if unknown or lost or not marks:
                wrong.append((message.id, text))
    assert wrong == []


@pytest.mark.parametrize("code", CODES)
def test_files_are_as_the_tool_writes_them(code: str) -> None:
    catalogue = read(code)
    assert (LOCALES / f"{code}.po").read_bytes() == po_file(catalogue)
    assert (LOCALES / f"{code}.mo").read_bytes() == mo_file(catalogue), "run python -m translations"
