"""Recognises English sentences that were written elsewhere and translates them: errors, records, notices.

Errors are raised in English on every floor, also in other threads and processes, and records store them. Only the page
shows them in the visitor's language. An error's template in the catalogue is its f-string in the sources, with a name
in place of every expression. So the sentence is recognised by its fixed words, and what stands between them are the
values. A sentence of no template stays English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any

from bksdm_demo.languages import ENGLISH, catalogue, joined, language

DEEPEST = 3  # sentences within sentences
LONGEST = 4000  # characters
FEWEST_FIXED = 6  # letters of a template's fixed words; fewer would recognise anything
FEWEST_FIRST = 3  # letters of fixed words at the beginning, which do as well
END_OF_SENTENCE = re.compile(r"(?<=[.!?:;]) ")


@dataclass(frozen=True)
class Template:
    """A message with values: `fixed` are its texts before, between and after the `names`, one more than these."""

    message: str
    fixed: tuple[str, ...]
    names: tuple[str, ...]

    def values(self, sentence: str) -> dict[str, str] | None:
        """Return the values with which this template makes the sentence; None if it does not make it."""
        first, last = self.fixed[0], self.fixed[-1]
        end = len(sentence) - len(last)
        if not (sentence.startswith(first) and sentence.endswith(last) and len(first) <= end):
            return None
        found, place = [], len(first)
        for text in self.fixed[1:-1]:
            here = sentence.find(text, place, end)
            if here < 0:
                return None
            found.append(sentence[place:here])
            place = here + len(text)
        return dict(zip(self.names, [*found, sentence[place:end]], strict=True))


def translated(sentence: str) -> str:
    """Return an English sentence, or several, in the current language, as far as the catalogue knows them."""
    code = language()
    return sentence if code == ENGLISH or not sentence else _translated(code, sentence)


def said(error: Exception) -> str:
    """Return what an error says, in the current language."""
    return translated(str(error))


def template(message: str) -> Template:
    """Return a message cut at its values."""
    pieces = list(Formatter().parse(message))
    fixed = [text for text, _, _, _ in pieces]
    names = tuple(name for _, name, _, _ in pieces if name is not None)
    return Template(message, (*fixed, "") if len(names) == len(fixed) else tuple(fixed), names)


def recognise(sentence: str, templates: tuple[Template, ...]) -> tuple[Template, dict[str, str]] | None:
    """Return the template with the most fixed words that makes this sentence, and its values; None if none does."""
    for candidate in templates:
        values = candidate.values(sentence)
        if values is not None:
            return candidate, values
    return None


def ordered(messages: list[str]) -> tuple[Template, ...]:
    """Return the templates of the messages that have values and enough fixed words, those with the most first."""
    made = [template(message) for message in messages if "{" in message]
    able = [one for one in made if one.names and _tells(one)]
    return tuple(sorted(able, key=lambda one: (-_weight(one), one.message)))


def _tells(one: Template) -> bool:
    return _weight(one) >= FEWEST_FIXED or sum(map(str.isalpha, one.fixed[0])) >= FEWEST_FIRST


def _weight(one: Template) -> int:
    return sum(character.isalpha() for text in one.fixed for character in text)


@lru_cache(maxsize=1024)
def _translated(code: str, sentence: str, depth: int = 0) -> str:
    whole = _whole(code, sentence, depth)
    if whole is not None or depth >= DEEPEST or len(sentence) > LONGEST:
        return sentence if whole is None else whole
    for end in END_OF_SENTENCE.finditer(sentence):
        head = _whole(code, sentence[: end.start()], depth)
        if head is not None:
            return joined(head, _translated(code, sentence[end.end() :], depth + 1))
    return sentence


def _whole(code: str, sentence: str, depth: int) -> str | None:
    """Return the translation of one message; None if the catalogue does not know it."""
    if not sentence:
        return None  # to gettext the empty message is the file's header
    found = catalogue(code).gettext(sentence)
    if found != sentence:
        return found
    made = recognise(sentence, _templates(code)) if depth < DEEPEST and len(sentence) <= LONGEST else None
    if made is None:
        return None
    values = {name: _inside(code, value, depth + 1) for name, value in made[1].items()}
    return catalogue(code).gettext(made[0].message).format(**values)


def _inside(code: str, value: str, depth: int) -> str:
    """Return the translation of a value, which may be a sentence with a space around it."""
    bare = value.strip()
    return value.replace(bare, _translated(code, bare, depth), 1) if bare else value


@lru_cache
def _templates(code: str) -> tuple[Template, ...]:
    known: dict[Any, str] = vars(catalogue(code)).get("_catalog", {})
    return ordered([message for message in known if isinstance(message, str) and known[message]])
