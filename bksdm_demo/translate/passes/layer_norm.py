"""Puts the normalisation of the first converters together again.

coremltools 6 and 7 write Apple's LayerNorm as mean, difference, its square, mean of that, add, rsqrt and mul, followed
by a shift and a scale; later versions write one layer_norm. Shift and scale stay operations of their own.
"""

from __future__ import annotations

import numpy as np

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType
from bksdm_demo.translate.passes.rewrite import Added, Index, added_ints, only, replaced, value_and_number

Axes = list[int]


def fuse_layer_norm(program: Program) -> tuple[Program, int]:
    """The program with one layer_norm per site, and the number of sites."""
    index = Index(program)
    changes: dict[str, Operation] = {}
    constants: dict[str, Constant] = {}
    for operation in program.operations:
        site = _site(index, operation)
        if site is None:
            continue
        source, axes, epsilon = site
        output = operation.outputs[0].name
        constants[f"{output}:axes"] = added_ints(axes)
        constants[f"{output}:epsilon"] = Added(TensorType("fp32"), np.array(epsilon, np.float32))
        inputs = {"x": (source,), "axes": (f"{output}:axes",), "epsilon": (f"{output}:epsilon",)}
        changes[output] = Operation("layer_norm", operation.name, inputs, operation.outputs)
    return (replaced(program, changes, constants), len(changes)) if changes else (program, 0)


def _site(index: Index, end: Operation) -> tuple[str, Axes, float] | None:
    """What the mul normalises, over which axes, and the epsilon inside the root."""
    x, y = (only(end, "x"), only(end, "y")) if end.kind == "mul" else (None, None)
    for centred, root in ((x, y), (y, x)):
        mean, (variance, epsilon) = _taken_off(index, centred), _under_root(index, root)
        if mean is None or variance is None or epsilon is None:
            continue
        if variance[1] == mean[1] and _squared(index, variance[0]) == centred:
            return (*mean, epsilon)
    return None


def _taken_off(index: Index, name: str | None) -> tuple[str, Axes] | None:
    """The mean that a sub takes from what it is the mean of."""
    difference = index.producer(name, "sub")
    mean = _mean(index, only(difference, "y")) if difference is not None else None
    return mean if difference is not None and mean is not None and only(difference, "x") == mean[0] else None


def _under_root(index: Index, name: str | None) -> tuple[tuple[str, Axes] | None, float | None]:
    """The mean to which a constant is added under a reciprocal root, and the sum of that and the root's own epsilon."""
    root = index.producer(name, "rsqrt")
    shift = index.producer(only(root, "x"), "add") if root is not None else None
    parts = value_and_number(index, shift) if shift is not None else None
    own = index.scalar(root, "epsilon", 1e-12) if root is not None else None
    return (_mean(index, parts[0]), parts[1] + own) if parts is not None and own is not None else (None, None)


def _mean(index: Index, name: str | None) -> tuple[str, Axes] | None:
    """What a value is the mean of, and over which axes, in rising order; None unless it keeps the axes."""
    mean = index.producer(name, "reduce_mean")
    source = only(mean, "x") if mean is not None else None
    axes = index.array(mean, "axes") if mean is not None else None
    if mean is None or source is None or axes is None or not index.scalar(mean, "keep_dims", 0.0):
        return None
    return source, sorted(int(axis) % len(index.shape(source)) for axis in axes.reshape(-1))


def _squared(index: Index, name: str) -> str | None:
    """The value whose square this is."""
    product = index.producer(name, "mul", "square")
    if product is None:
        return None
    factors = {only(product, "x"), only(product, "y" if product.kind == "mul" else "x")}
    return factors.pop() if len(factors) == 1 else None
