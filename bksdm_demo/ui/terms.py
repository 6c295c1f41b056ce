"""Markup of words that explain themselves: a button whose description is a sentence of the glossary.

Screen readers read the description with the button. explain.js shows it on hover, focus and press.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from bksdm_demo.languages import say
from bksdm_demo.records import Phase
from bksdm_demo.ui.glossary import FACT_KEYS, GLOSSARY, PHASE_KEYS, ROW_KEYS, SCHEDULER_WORDS
from bksdm_demo.wording.comparison import SCHEDULER_NAMES


def term(words: str, meaning: str) -> str:
    """Return the words as a button that explains them; only the words without a meaning."""
    if not meaning:
        return escape(words)
    return f'<button type="button" class="bk-term" aria-description="{escape(meaning)}">{escape(words)}</button>'


def fact_meaning(label: str, value: str) -> str:
    """Return what a fact of a comparison means; that of a scheduler names the method. "" for an unknown label.

    The label is in the current language, as present.py wrote it.
    """
    method = next((key for key, name in SCHEDULER_NAMES.items() if name == value), "")
    return scheduler_meaning(method) or _meaning(FACT_KEYS, label)


def row_meaning(label: str) -> str:
    """Return what a row of the timing table means; "" for an unknown label."""
    return _meaning(ROW_KEYS, label)


def phase_meaning(phase: Phase) -> str:
    """Return what happens in a phase; "" for one that explains itself."""
    return meaning(PHASE_KEYS.get(phase, ""))


def scheduler_meaning(key: str) -> str:
    """Return what a scheduler does; "" for an unknown key."""
    return say(SCHEDULER_WORDS.get(key, ""))


def scheduler_words(chosen: str) -> str:
    """Return what each scheduler does, as paragraphs of which the chosen one shows; explain.js changes that."""
    return "".join(_scheduler(key, "" if key == chosen else " hidden") for key in SCHEDULER_WORDS)


def _scheduler(key: str, hidden: str) -> str:
    return f'<p class="bk-note" data-scheduler="{key}"{hidden}>{escape(scheduler_meaning(key))}</p>'


def meaning(key: str) -> str:
    """Return what a word of the glossary means; "" for an unknown key."""
    return say(GLOSSARY.get(key, ""))


def _meaning(keys: Mapping[str, str], label: str) -> str:
    return meaning(next((key for english, key in keys.items() if say(english) == label), ""))
