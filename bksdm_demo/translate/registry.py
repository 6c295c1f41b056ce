"""The table of all translators by op kind, filled by the families in ops/.

To add an op, write its translator in the family's file, decorate it with `@translates("kind")`, and add cases to the
family's test. A new family is imported here and nowhere else.
"""

from __future__ import annotations

from collections import Counter

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Program
from bksdm_demo.translate.ops import (  # noqa: F401 (importing a family enters its translators)
    activation,
    attention,
    control_flow,
    conv,
    elementwise_binary,
    elementwise_unary,
    image_resizing,
    linear,
    normalization,
    quantization,
    reduction,
    scatter_gather,
    tensor_operation,
    tensor_transformation,
)
from bksdm_demo.translate.translator import TRANSLATORS, Translator


def kinds() -> tuple[str, ...]:
    """Every op kind with a translator, sorted."""
    return tuple(sorted(TRANSLATORS))


def find(kind: str) -> Translator:
    """The translator of a kind. Raises UnsupportedModelError that lists all kinds."""
    try:
        return TRANSLATORS[kind]
    except KeyError:
        raise UnsupportedModelError(f"No translator for the op {kind!r}; there are: {', '.join(kinds())}.") from None


def missing_operations(program: Program) -> dict[str, int]:
    """The op kinds of the program that have no translator, and how often each occurs."""
    counts = Counter(operation.kind for operation in program.operations)
    return {kind: counts[kind] for kind in sorted(counts) if kind not in TRANSLATORS}
