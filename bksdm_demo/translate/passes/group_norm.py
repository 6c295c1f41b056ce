"""Fuses a GroupNorm without weights, which converters write out in nine operations, into one operation.

The nine run over [B, G, C / G, H, W]: reshape, mean, sub, square, mean, add, sqrt, real_div, reshape. The runtime fuses
them too, but in a layout that its convolutions do not use. That rearranges the whole picture twice each time.
"""

from __future__ import annotations

from bksdm_demo.mil.program import Constant, Operation, Program
from bksdm_demo.translate.added_ops import GROUP_NORM
from bksdm_demo.translate.passes.moments import moments
from bksdm_demo.translate.passes.rewrite import Index, added_float, added_int, only, replaced

INNER = (2, 3, 4)  # axes of [B, G, C / G, H, W]


def fuse_group_norm(program: Program) -> tuple[Program, int]:
    """The program with one operation per site, and the number of sites."""
    index = Index(program)
    changes: dict[str, Operation] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        site = _site(index, operation)
        if site is None:
            continue
        picture, groups, epsilon = site
        output = operation.outputs[0].name
        constants[f"{output}:groups"], constants[f"{output}:epsilon"] = added_int(groups), added_float(epsilon)
        inputs = {"x": (picture,), "groups": (f"{output}:groups",), "epsilon": (f"{output}:epsilon",)}
        changes[output] = Operation(GROUP_NORM, operation.name, inputs, operation.outputs)
    return (replaced(program, changes, constants), len(changes)) if changes else (program, 0)


def _site(index: Index, end: Operation) -> tuple[str, int, float] | None:
    """The normalised picture [B, C, H, W], the number of groups, and the epsilon inside the root."""
    quotient = index.producer(only(end, "x"), "real_div") if end.kind == "reshape" else None
    root = index.producer(only(quotient, "y"), "sqrt") if quotient is not None else None
    if quotient is None or root is None:
        return None
    found = moments(index, only(quotient, "x"), only(root, "x"))
    grouped = index.producer(found.source, "reshape") if found is not None else None
    picture = only(grouped, "x") if grouped is not None else None
    if found is None or picture is None or found.axes != INNER:
        return None
    shape, inner = index.shape(picture), index.shape(found.source)
    groups = inner[1] if len(inner) == 5 else None
    kept = len(shape) == 4 and None not in shape and end.outputs[0].type.shape == shape
    if not kept or not groups or (inner[0], inner[3:]) != (shape[0], shape[2:]):
        return None
    return picture, groups, found.epsilon
