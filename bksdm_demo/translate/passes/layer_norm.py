"""Fuses the LayerNorm of early converters into one operation.

coremltools 6 and 7 write Apple's LayerNorm as mean, sub, square, mean, add, rsqrt and mul, then a shift and a scale.
Later versions write one layer_norm. Shift and scale stay separate operations.
"""

from __future__ import annotations

from bksdm_demo.mil.program import Constant, Operation, Program
from bksdm_demo.translate.passes.moments import Moments, moments
from bksdm_demo.translate.passes.rewrite import Index, added_float, added_ints, only, replaced


def fuse_layer_norm(program: Program) -> tuple[Program, int]:
    """The program with one layer_norm per site, and the number of sites."""
    index = Index(program)
    changes: dict[str, Operation] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        site = _site(index, operation)
        if site is None:
            continue
        output = operation.outputs[0].name
        constants[f"{output}:axes"] = added_ints(site.axes)
        constants[f"{output}:epsilon"] = added_float(site.epsilon)
        inputs = {"x": (site.source,), "axes": (f"{output}:axes",), "epsilon": (f"{output}:epsilon",)}
        changes[output] = Operation("layer_norm", operation.name, inputs, operation.outputs)
    return (replaced(program, changes, constants), len(changes)) if changes else (program, 0)


def _site(index: Index, end: Operation) -> Moments | None:
    """The moments by which this mul normalises; the rsqrt may add an epsilon of its own."""
    x, y = (only(end, "x"), only(end, "y")) if end.kind == "mul" else (None, None)
    for centred, inverse in ((x, y), (y, x)):
        root = index.producer(inverse, "rsqrt")
        found = moments(index, centred, only(root, "x")) if root is not None else None
        own = index.scalar(root, "epsilon", 1e-12) if root is not None else None
        if found is not None and own is not None:
            return Moments(found.source, found.axes, found.epsilon + own)
    return None
