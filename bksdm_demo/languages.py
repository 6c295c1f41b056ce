"""The language in which a person reads, and the catalogue's words in it. English without one, as in the command line.

A message is written in English at the place that shows it: `say("Seed {seed}", seed=7)` looks it up in the catalogue of
the current language and puts the values in. `speaking` sets that language, for one request or event at a time: threads
that draw, records and logs stay English. Errors are raised in English and translated where they are shown; see
phrase_book.py. The catalogues are gettext files in `locales/`; `python -m translations` writes them.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

LOCALES = Path(__file__).resolve().parent / "locales"
ENGLISH = "en"
NAMES = {ENGLISH: "English", "ko": "한국어", "ja": "日本語", "zh": "中文"}  # as their readers write them
LANGUAGES = tuple(code for code in NAMES if code == ENGLISH or (LOCALES / f"{code}.mo").exists())
UNSPACED = ("ja", "zh")
TRADITIONAL = (
    "tw",
    "hk",
    "mo",
    "hant",
)  # regions and scripts whose readers `zh`, simplified characters, does not serve

_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the code of the current language."""
    return _language.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak this language, of LANGUAGES, inside the `with` block and what it calls."""
    token = _language.set(code)
    try:
        yield
    finally:
        _language.reset(token)


def say(message: str, **values: object) -> str:
    """Return the message in the current language, with the values in place of `{name}`."""
    found = catalogue(language()).gettext(message) if message else ""  # of "" gettext gives the file's header
    return found.format(**values) if values else found


def inflected(number: int, one: str, many: str, **values: object) -> str:
    """Return the message for this number, "{count} picture" or "{count} pictures", in the current language."""
    found = catalogue(language()).ngettext(one, many, number)
    return found.format(**{"count": f"{number:,}", **values})


def joined(*sentences: str) -> str:
    """Return sentences in a row; Japanese and Chinese put no space between them."""
    return ("" if language() in UNSPACED else " ").join(filter(None, sentences))


def marked(message: str) -> str:
    """Return the message as it is: a constant that `say` translates where it is shown."""
    return message


def choose(asked: str, accepted: str) -> str:
    """Return the language that a link asks for, else the one here that Accept-Language prefers, else English."""
    if asked in LANGUAGES:
        return asked
    ranked = sorted(map(_ranked, accepted[:400].split(",")), key=lambda pair: -pair[1])
    return next((code for tag, weight in ranked if weight > 0 and (code := _served(tag))), ENGLISH)


@lru_cache
def catalogue(code: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; that of English returns every message as it is."""
    if code == ENGLISH:
        return gettext.NullTranslations()
    with (LOCALES / f"{code}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def script_words(messages: Mapping[str, str] | list[str]) -> dict[str, str]:
    """Return the translations of these messages, for the page's scripts; without those that are as in English."""
    return {message: found for message in messages if (found := say(message)) != message}


def _ranked(part: str) -> tuple[str, float]:
    """Return the tag and the weight of one part of Accept-Language, such as "ko-KR;q=0.9"."""
    tag, _, parameter = part.partition(";")
    try:
        weight = float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        weight = 0.0
    return tag.strip().lower(), weight


def _served(tag: str) -> str:
    """Return the code of LANGUAGES that serves a reader of this tag; "" for none."""
    first, *more = tag.replace("_", "-").split("-")
    if first == "zh" and set(more) & set(TRADITIONAL):
        return ""
    return first if first in LANGUAGES else ""
