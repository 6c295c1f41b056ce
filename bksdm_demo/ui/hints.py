"""Prompts that are hard for the models, each with what to look for in the pictures. The easy ones are in form.py."""

from __future__ import annotations

from bksdm_demo.languages import marked, say

HINTS = {
    "blue apple": marked("What to look for: does the apple take the colour, or does it stay as the models learned it?"),
    "cat with sunglasses": marked(
        "What to look for: is the second thing there, and in its place, or is there only a cat?"
    ),
    "dog in a car": marked("What to look for: are both there, and is the one inside the other?"),
}


def hint(prompt: str) -> str:
    """Return what to look for in the pictures of this prompt; "" for a prompt that is not of the list."""
    return say(HINTS.get(" ".join(prompt.lower().split()), ""))
