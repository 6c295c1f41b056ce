"""The type of op translators, and the decorator that registers one.

A translator takes the context (the values so far) and one MIL operation. It returns the OpenVINO outputs for the
operation's outputs, in order. One translator may serve several kinds. See registry.py for the filled table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from openvino import Node, Output

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context

Translator = Callable[[Context, Operation], Node | Output | Sequence[Output]]

TRANSLATORS: dict[str, Translator] = {}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Register the decorated function for these MIL op kinds. Raises ValueError for a kind that has a translator."""

    def register(translator: Translator) -> Translator:
        for kind in kinds:
            if kind in TRANSLATORS:
                raise ValueError(f"The op {kind!r} already has a translator: {TRANSLATORS[kind].__name__}.")
            TRANSLATORS[kind] = translator
        return translator

    return register
