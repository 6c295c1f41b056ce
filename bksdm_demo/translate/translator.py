"""What an op translator is, and the decorator that enters one into the table.

A translator takes the context (values known so far) and one MIL operation and returns the OpenVINO outputs that stand
for the operation's outputs, in order. One translator may serve several kinds. `registry.py` has the filled table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openvino import Node, Output

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context

Translator = Callable[[Context, Operation], Node | Output | Sequence[Output]]

TRANSLATORS: dict[str, Translator] = {}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Enter the decorated function as the translator of these MIL op kinds; a kind that has one is refused."""

    def enter(translator: Translator) -> Translator:
        for kind in kinds:
            if kind in TRANSLATORS:
                raise ValueError(f"The op {kind!r} already has a translator: {TRANSLATORS[kind].__name__}.")
            TRANSLATORS[kind] = translator
        return translator

    return enter
