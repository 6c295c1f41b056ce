"""How many floating-point operations one run of a network needs, counted from its Core ML program.

Counts the multiply-adds of convolutions, matrix products, linear layers and attention, two operations each, as the
original network needs them. A split attention counts as much as the whole one, because its slices tile the heads and
the queries. If an engine saves work by rewriting, that counts as speed. Leaves out everything elementwise (norms,
activations, softmax, resizing), about one per cent of these networks. `torch.utils.flop_counter` counts the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from bksdm_demo.mil.program import Operation, Program

Shapes = Mapping[str, tuple[int, ...]]
PER_MULTIPLY_ADD = 2


def count_flops(program: Program) -> int:
    """Operations of one run. Raises ValueError naming an operation whose shapes are open or unknown."""
    return sum(flops_by_kind(program).values())


def flops_by_kind(program: Program) -> dict[str, int]:
    """Operations of one run by MIL kind, largest first; kinds that count nothing are absent."""
    shapes = _shapes(program)
    totals: dict[str, int] = {}
    for operation in program.operations:
        counter = COUNTERS.get(operation.kind)
        if counter is not None:
            amount = PER_MULTIPLY_ADD * counter(program, operation, shapes)
            totals[operation.kind] = totals.get(operation.kind, 0) + amount
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def _shapes(program: Program) -> Shapes:
    values = [*program.inputs, *(value for operation in program.operations for value in operation.outputs)]
    types = {value.name: value.type for value in values}
    types |= {name: constant.type for name, constant in program.constants.items()}
    open_ones = [name for name, type_ in types.items() if None in type_.shape]
    if open_ones:
        raise ValueError(f"Values with an open shape cannot be counted: {', '.join(open_ones[:5])}.")
    return {name: tuple(dim or 0 for dim in type_.shape) for name, type_ in types.items()}


def _conv(_program: Program, operation: Operation, shapes: Shapes) -> int:
    """Every output element takes one filter: weight [Cout, Cin / groups, ...kernel], output [B, Cout, ...]."""
    weight = shapes[operation.inputs["weight"][0]]
    return prod(shapes[operation.outputs[0].name]) * prod(weight[1:])


def _conv_transpose(_program: Program, operation: Operation, shapes: Shapes) -> int:
    """Every input element takes one filter: weight [Cin, Cout / groups, ...kernel], input [B, Cin, ...]."""
    return prod(shapes[operation.inputs["x"][0]]) * prod(shapes[operation.inputs["weight"][0]][1:])


def _linear(_program: Program, operation: Operation, shapes: Shapes) -> int:
    """Weight [Dout, Din]."""
    return prod(shapes[operation.outputs[0].name]) * shapes[operation.inputs["weight"][0]][-1]


def _matmul(program: Program, operation: Operation, shapes: Shapes) -> int:
    left = shapes[operation.inputs["x"][0]]
    transposed = operation.inputs.get("transpose_x")
    flipped = transposed is not None and bool(np.all(program.constants[transposed[0]].array()))
    inner = left[-2] if flipped and len(left) > 1 else left[-1]
    return prod(shapes[operation.outputs[0].name]) * inner


def _einsum(program: Program, operation: Operation, shapes: Shapes) -> int:
    """The product of the lengths of all distinct letters."""
    equation = str(program.constants[operation.inputs["equation"][0]].array())
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    operands = [shapes[name] for name in operation.inputs["values"]]
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, operands, strict=True):
        if len(term) != len(shape):
            raise ValueError(f"{operation.name}: {equation} does not fit an operand of shape {list(shape)}.")
        for letter, length in zip(term, shape, strict=True):
            lengths[letter] = max(length, lengths.get(letter, 1))
    return prod(lengths.values())


def _attention(_program: Program, operation: Operation, shapes: Shapes) -> int:
    """Query [..., L, E], key [..., S, E], value [..., S, V]: the scores and the weighted sum."""
    query, key, value = (shapes[operation.inputs[name][0]] for name in ("query", "key", "value"))
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


COUNTERS: Mapping[str, Callable[[Program, Operation, Shapes], int]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "linear": _linear,
    "matmul": _matmul,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
}
