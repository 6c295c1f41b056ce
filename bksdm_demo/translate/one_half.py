"""A program of batch 2 as one of batch 1: half of the work where only one half of guidance is needed.

Every weight stays as it is. Only the leading dimension of the values changes, and the constants that state it. That is
right only while no operation mixes the halves, so each operation is looked at: a kind without a rule, or one that
touches the leading dimension, and the program stays whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from bksdm_demo.mil.program import Constant, Operation, Program, Value
from bksdm_demo.translate.passes.rewrite import Index, added_ints, only

HALVES = 2

Rule = Callable[[Index, Operation], bool]  # whether the operation keeps the halves apart


def one_half(program: Program) -> Program | None:
    """The program for one half; None if it has another batch than 2, or might mix the halves."""
    if any(value.type.shape[:1] != (HALVES,) for value in program.inputs):
        return None
    index, constants = Index(program), dict(program.constants)
    doubled = {value.name for value in program.inputs}
    operations = []
    for operation in program.operations:
        if doubled.isdisjoint(name for names in operation.inputs.values() for name in names):
            operations.append(operation)
            continue
        if not _keeps_apart(index, operation, doubled):
            return None
        doubled.update(value.name for value in operation.outputs)
        operations.append(_halved(index, operation, constants))
    if not doubled.issuperset(program.outputs):
        return None
    inputs = tuple(map(_half, program.inputs))
    return replace(program, inputs=inputs, operations=tuple(operations), constants=constants)


def _keeps_apart(index: Index, operation: Operation, doubled: Collection[str]) -> bool:
    rule = RULES.get(operation.kind)
    shapes = [value.type.shape for value in operation.outputs]
    leads = all(shape[:1] == (HALVES,) and None not in shape for shape in shapes)
    return rule is not None and leads and _reads_halves(index, operation, doubled) and rule(index, operation)


def _reads_halves(index: Index, operation: Operation, doubled: Collection[str]) -> bool:
    """Whether only operands that may be doubled are, and no other operand reaches the leading dimension."""
    if any(name in doubled for key, names in operation.inputs.items() if key not in OPERANDS for name in names):
        return False
    shapes = {name: index.shape(name) for name in _operands(operation)}
    rank = max(map(len, shapes.values()))
    for name, shape in shapes.items():
        if name in doubled and len(shape) < rank and operation.kind in BROADCASTING:
            return False
        if name not in doubled and len(shape) == rank and shape[0] != 1 and operation.kind != "matmul":
            return False
    return True


def _operands(operation: Operation) -> list[str]:
    return [name for key in OPERANDS for name in operation.inputs.get(key, ())]


def _halved(index: Index, operation: Operation, constants: dict[str, Constant]) -> Operation:
    """The operation for one half. A constant that states the leading dimension gets a new one beside it."""
    inputs = dict(operation.inputs)
    key = STATED.get(operation.kind)
    stated = None if key is None else index.array(operation, key)
    if key is not None and stated is not None and stated[0] == HALVES:
        name = f"{operation.outputs[0].name}%one_half"
        constants[name] = added_ints([1, *stated[1:]])
        inputs[key] = (name,)
    return replace(operation, inputs=inputs, outputs=tuple(map(_half, operation.outputs)))


def _half(value: Value) -> Value:
    return replace(value, type=replace(value.type, shape=(1, *value.type.shape[1:])))


def _always(index: Index, operation: Operation) -> bool:
    return True


def _axes_behind(key: str, none: bool = False) -> Rule:
    """A rule: the constant axes under `key` leave the leading dimension out. `none` says if the key may be absent."""

    def rule(index: Index, operation: Operation) -> bool:
        if not operation.inputs.get(key):
            return none
        axes = index.array(operation, key)
        adds_one = operation.kind in ("expand_dims", "stack")
        shape = operation.outputs[0].type.shape if adds_one else index.shape(_operands(operation)[0])
        return axes is not None and all(int(axis) % len(shape) != 0 for axis in axes.reshape(-1))

    return rule


def _transposes_behind(index: Index, operation: Operation) -> bool:
    order = index.array(operation, "perm")
    return order is not None and int(order[0]) % len(order) == 0


def _shape_is_stated(index: Index, operation: Operation) -> bool:
    shape = index.array(operation, "shape")
    return shape is not None and int(shape[0]) == HALVES


def _slices_behind(index: Index, operation: Operation) -> bool:
    """Whether a slice takes the leading dimension whole."""
    begin, end = index.array(operation, "begin"), index.array(operation, "end")
    if begin is None or end is None:
        return False
    first = {key: index.array(operation, key) for key in ("stride", "begin_mask", "end_mask", "squeeze_mask")}
    flags = {key: array is not None and bool(array[0]) for key, array in first.items() if key != "stride"}
    whole = (flags["begin_mask"] or begin[0] == 0) and (flags["end_mask"] or end[0] == HALVES)
    step = 1 if first["stride"] is None else int(first["stride"][0])
    return bool(whole) and step == 1 and not flags["squeeze_mask"]


def _sums_behind(index: Index, operation: Operation) -> bool:
    """Whether the leading label of an einsum is that of every operand and of the result, and no other place's."""
    equation = index.text(operation, "equation")
    if equation is None or "->" not in equation:
        return False
    operands, result = equation.replace(" ", "").split("->")
    terms = [*operands.split(","), result]
    both = len(terms) == len(operation.inputs.get("values", ())) + 1
    return both and all(term[:1] == result[:1] != "" and result[0] not in term[1:] for term in terms)


def _multiplies_behind(index: Index, operation: Operation) -> bool:
    x, y = only(operation, "x"), only(operation, "y")
    if x is None or y is None:
        return False
    if index.is_constant(x) or len(index.shape(y)) > max(len(index.shape(x)), 2):
        return False
    if len(index.shape(x)) == 2:  # its rows are the halves
        return index.is_constant(y) and not index.scalar(operation, "transpose_x", 0)
    return not index.is_constant(y) or len(index.shape(y)) == 2 or index.shape(y)[0] == 1


# The inputs that carry values; all others are settings and weights, and must be constants.
OPERANDS = ("x", "y", "values", "query", "key", "value", "attn_mask", "input")
STATED = {"reshape": "shape", "slice_by_index": "end"}  # kind -> the input that states the leading dimension
BROADCASTING = frozenset({"add", "sub", "mul", "real_div", "maximum", "minimum", "pow"})
POINTWISE = (
    "abs", "avg_pool", "batch_norm", "cast", "clip", "conv", "cos", "erf", "exp", "gelu", "identity",
    "instance_norm", "linear", "log", "max_pool", "relu", "rsqrt", "scaled_dot_product_attention",
    "sigmoid", "silu", "sin", "softplus", "sqrt", "square", "tanh", "upsample_bilinear", "upsample_nearest_neighbor",
)  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys((*POINTWISE, *BROADCASTING), _always),
    **dict.fromkeys(("softmax", "concat", "split", "stack"), _axes_behind("axis")),
    **dict.fromkeys(("layer_norm", "expand_dims", "squeeze"), _axes_behind("axes")),
    **dict.fromkeys(("reduce_mean", "reduce_sum", "reduce_max", "reduce_min"), _axes_behind("axes")),
    **dict.fromkeys(("quantize", "dequantize"), _axes_behind("axis", none=True)),
    "transpose": _transposes_behind,
    "reshape": _shape_is_stated,
    "slice_by_index": _slices_behind,
    "einsum": _sums_behind,
    "matmul": _multiplies_behind,
}
