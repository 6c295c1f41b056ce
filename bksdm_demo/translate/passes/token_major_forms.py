"""The token-major form of each operation: what does on tokens [B, S, C] what it does on rows [B, C, 1, S]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bksdm_demo.mil.program import Constant, Operation
from bksdm_demo.translate.added_ops import MULTI_HEAD, ROUNDING
from bksdm_demo.translate.passes.attention_sites import is_token_row
from bksdm_demo.translate.passes.rewrite import Index, added_int, added_ints, only, reshaped

CHANNELS = 1  # axis of [B, C, 1, S]
Names = tuple[str, ...]


@dataclass(frozen=True)
class TokenMajorForm:
    """The kind of operation that replaces another one on tokens, and its inputs by key."""

    kind: str
    rows: Mapping[str, Names]  # read as tokens
    kept: Mapping[str, Names] = field(default_factory=dict)  # constants, as they are
    made: Mapping[str, Constant] = field(default_factory=dict)  # new constants


def token_major_form(index: Index, operation: Operation) -> TokenMajorForm | None:
    """The token-major form, or None where the operation has none or does not yield rows."""
    form = _FORMS.get(operation.kind)
    yields_rows = all(is_token_row(value.type.shape) for value in operation.outputs)
    return form(index, operation) if form is not None and yields_rows else None


def _conv(index: Index, operation: Operation) -> TokenMajorForm | None:
    """A linear layer, for a 1x1 convolution without padding, strides or groups."""
    weight, bias = only(operation, "weight"), only(operation, "bias")
    if weight is None or not index.is_constant(weight) or (bias is not None and not index.is_constant(bias)):
        return None
    outputs, inputs, *kernel = index.shape(weight)
    if kernel != [1, 1] or index.scalar(operation, "groups", 1.0) != 1.0:
        return None
    strides, pad = index.array(operation, "strides"), index.array(operation, "pad")
    padded = index.text(operation, "pad_type") == "custom" and pad is not None and pad.any()
    if padded or (strides is not None and (strides != 1).any()):
        return None
    flat = reshaped(index.constant(weight), (outputs or 0, inputs or 0))
    return TokenMajorForm("linear", _rows(operation, "x"), _constants(operation, "bias"), {"weight": flat})


def _attention(index: Index, operation: Operation) -> TokenMajorForm | None:
    return TokenMajorForm(MULTI_HEAD, _rows(operation, "query", "key", "value"), _constants(operation, "heads"))


def _pointwise(index: Index, operation: Operation) -> TokenMajorForm | None:
    return TokenMajorForm(operation.kind, _rows(operation, "x"), _constants(operation, "mode"))


def _rounding(index: Index, operation: Operation) -> TokenMajorForm | None:
    """The same, if all channels are rounded alike."""
    rows = _rows(operation, "x")
    kept = _constants(operation, *(key for key in operation.inputs if key not in ("x", "axis")))
    alike = all(index.shape(name) == () for names in kept.values() for name in names)
    return TokenMajorForm(ROUNDING, rows, kept) if alike else None


def _binary(index: Index, operation: Operation) -> TokenMajorForm | None:
    """The same on two rows of one shape, or on a row and a constant: one number, or one per channel."""
    shape = operation.outputs[0].type.shape
    rows: dict[str, Names] = {}
    kept: dict[str, Names] = {}
    made: dict[str, Constant] = {}
    for key in ("x", "y"):
        name = only(operation, key)
        if name is None:
            return None
        size = index.shape(name)
        if size == shape and not index.is_constant(name):
            rows[key] = (name,)
        elif index.is_constant(name) and size == ():
            kept[key] = (name,)
        elif index.is_constant(name) and size in ((1, shape[CHANNELS], 1, 1), (1, 1, 1, 1)):
            made[key] = reshaped(index.constant(name), (1, 1, size[CHANNELS] or 0))
        else:
            return None
    return TokenMajorForm(operation.kind, rows, kept, made) if rows else None


def _layer_norm(index: Index, operation: Operation) -> TokenMajorForm | None:
    axes = index.array(operation, "axes")
    if axes is None or axes.tolist() != [CHANNELS]:
        return None
    kept = _constants(operation, "gamma", "beta", "epsilon")
    return TokenMajorForm("layer_norm", _rows(operation, "x"), kept, {"axes": added_ints([-1])})


def _split(index: Index, operation: Operation) -> TokenMajorForm | None:
    if index.scalar(operation, "axis") not in (CHANNELS, CHANNELS - 4):
        return None
    return TokenMajorForm(
        "split", _rows(operation, "x"), _constants(operation, "split_sizes", "num_splits"), {"axis": added_int(-1)}
    )


def _rows(operation: Operation, *keys: str) -> dict[str, Names]:
    return {key: operation.inputs[key] for key in keys}


def _constants(operation: Operation, *keys: str) -> dict[str, Names]:
    return {key: operation.inputs[key] for key in keys if operation.inputs.get(key)}


_FORMS: Mapping[str, Callable[[Index, Operation], TokenMajorForm | None]] = {
    "add": _binary,
    "conv": _conv,
    "gelu": _pointwise,
    "layer_norm": _layer_norm,
    "mul": _binary,
    "silu": _pointwise,
    "split": _split,
    MULTI_HEAD: _attention,
    ROUNDING: _rounding,
}
