"""What a visitor reads on the first visit: three sentences, and a button that draws a first comparison.

welcome.js shows it once in each browser, and never to those who follow a link to a comparison or to settings.
"""

from __future__ import annotations

from html import escape

from bksdm_demo.languages import marked, say

SENTENCES = (
    marked(
        "Several models draw your prompt from the same noise, so every difference between the pictures comes from the "
        "models."
    ),
    marked("The smaller models lack whole blocks of the original: look at what each saves in time, and what it loses."),
    marked("A safety checker inspects every picture before it leaves the server."),
)


def welcome() -> str:
    """Return the strip above the tabs; it is hidden until welcome.js finds that this is a first visit."""
    sentences = "".join(f"<li>{escape(say(sentence))}</li>" for sentence in SENTENCES)
    buttons = _button("draw", say("Draw a first comparison"), " bk-tool-strong") + _button("close", say("Not now"))
    return (
        f'<section class="bk-welcome" aria-label="{escape(say("Welcome"))}"><ol>{sentences}</ol>'
        f"<div>{buttons}</div></section>"
    )


def _button(action: str, words: str, kind: str = "") -> str:
    return f'<button type="button" class="bk-tool{kind}" data-welcome="{action}">{escape(words)}</button>'
