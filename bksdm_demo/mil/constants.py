"""The constants of a program: records that know their type, encoding and size, and decode their array when asked.

Follows the `Constant` protocol of program.py. `decode` maps each `constexpr_*` operation to the pure function that
undoes it; the operands are constants themselves and stay packed until then. Leaves out iOS18's joint sparse forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil import palette, quantized
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.elements import BITS, numpy_type, stored_size
from bksdm_demo.mil.program import Constant, TensorType

_PLAIN = {"fp16": "float16", "fp32": "float32", "fp64": "float64", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Immediate:
    """A value written in the model file itself; `read` decodes it."""

    type: TensorType
    read: Callable[[], NDArray] = field(repr=False)
    encoding: str = "immediate"

    @property
    def stored_bytes(self) -> int:
        count = prod(dim or 0 for dim in self.type.shape)
        if self.type.dtype == "string":
            return sum(len(text.encode()) for text in self.array().flat)
        return stored_size(self.type.dtype, count)

    def array(self) -> NDArray:
        return self.read()


@dataclass(frozen=True)
class Stored:
    """A plain tensor in the weight file, checked when it was found."""

    type: TensorType
    file: WeightFile = field(repr=False)
    offset: int
    where: str
    file_name: str = "@model_path/weights/weight.bin"  # as the model spells it

    @property
    def encoding(self) -> str:
        return _PLAIN.get(self.type.dtype, self.type.dtype)

    @property
    def stored_bytes(self) -> int:
        return stored_size(self.type.dtype, prod(dim or 0 for dim in self.type.shape))

    def array(self) -> NDArray:
        return self.file.array(self.offset, self.type, self.where)


@dataclass(frozen=True)
class Compressed:
    """A `constexpr_*` operation: its operands and the function that turns them into the dense array."""

    type: TensorType
    encoding: str
    operands: Mapping[str, Constant] = field(repr=False)
    decode: Callable[[Mapping[str, NDArray]], NDArray] = field(repr=False)
    kind: str  # "constexpr_lut_to_dense"
    where: str = ""

    @property
    def in_attributes(self) -> bool:
        """Whether the operation is one of iOS16, whose operands are attributes; iOS18's are arguments."""
        return "shape" in self.operands or self.kind in _OLD_KINDS

    @property
    def stored_bytes(self) -> int:
        return sum(operand.stored_bytes for operand in self.operands.values())

    def array(self) -> NDArray:
        arrays = {key: operand.array() for key, operand in self.operands.items()}
        try:
            with np.errstate(over="raise", invalid="ignore"):
                dense = self.decode(arrays)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:  # operands of unfit types or values
            raise PackageError(f"{self.where} cannot be decoded: {error}. The package is damaged.") from error
        if dense.shape != self.type.shape:
            raise PackageError(f"{self.where} decodes to {list(dense.shape)}, the model declares {self.type}.")
        return dense.astype(numpy_type(self.type.dtype), copy=False)


def compressed(kind: str, type_: TensorType, operands: Mapping[str, Constant], where: str) -> Compressed:
    """The constant of the operation `kind` ("constexpr_..."). Raises PackageError for an unknown kind or operands."""
    if kind not in _FORMS:
        known = ", ".join(sorted(_FORMS))
        raise PackageError(f"{where}: weights encoded with {kind} cannot be decoded; known are {known}.")
    required, describe, decode = _FORMS[kind]
    missing = [key for key in required if key not in operands]
    if missing:
        raise PackageError(f"{where}: {kind} lacks {', '.join(missing)}; the package is damaged.")
    return Compressed(type_, describe(operands), operands, decode, kind, where)


def _palette_name(operands: Mapping[str, Constant]) -> str:
    if "shape" in operands:
        count = operands["lut"].type.shape[-1] if operands["lut"].type.shape else None
        return f"palette{(count or 1).bit_length() - 1}"
    return f"palette{BITS[operands['indices'].type.dtype]}"


def _decode_palette(arrays: Mapping[str, NDArray]) -> NDArray:
    if "shape" in arrays:  # iOS16: packed indices, one flat table
        return palette.decode_flat(arrays["indices"], arrays["lut"], _shape(arrays))
    axis = int(arrays["vector_axis"]) if "vector_axis" in arrays else None
    return palette.decode_grouped(arrays["indices"], arrays["lut"], axis)


def _decode_affine(arrays: Mapping[str, NDArray]) -> NDArray:
    axis = int(arrays["axis"]) if "axis" in arrays else 0
    return quantized.dequantize(arrays["quantized_data"], arrays["scale"], arrays["zero_point"], axis)


def _decode_blockwise(arrays: Mapping[str, NDArray]) -> NDArray:
    return quantized.shift_scale(arrays["data"], arrays["scale"], arrays.get("offset"))


def _decode_sparse(arrays: Mapping[str, NDArray]) -> NDArray:
    if "shape" in arrays:  # iOS16: packed mask
        return quantized.scatter(arrays["mask"], arrays["nonzero_data"], _shape(arrays))
    return quantized.scatter_mask(arrays["mask"], arrays["nonzero_data"])


def _decode_cast(arrays: Mapping[str, NDArray]) -> NDArray:
    return arrays["source_val"].astype(np.float32)


def _shape(arrays: Mapping[str, NDArray]) -> tuple[int, ...]:
    return tuple(int(dim) for dim in arrays["shape"])


def _width(key: str) -> Callable[[Mapping[str, Constant]], str]:
    return lambda operands: f"affine{BITS[operands[key].type.dtype]}"


_Form = tuple[tuple[str, ...], Callable[[Mapping[str, Constant]], str], Callable[[Mapping[str, NDArray]], NDArray]]

_OLD_KINDS = ("constexpr_affine_dequantize", "constexpr_cast")
_AFFINE = ("quantized_data", "scale", "zero_point")

# kind -> operands it must have, its encoding's name, its decoder
_FORMS: dict[str, _Form] = {
    "constexpr_lut_to_dense": (("indices", "lut"), _palette_name, _decode_palette),
    "constexpr_affine_dequantize": (_AFFINE, _width("quantized_data"), _decode_affine),
    "constexpr_blockwise_shift_scale": (("data", "scale"), _width("data"), _decode_blockwise),
    "constexpr_sparse_to_dense": (("mask", "nonzero_data"), lambda _: "sparse", _decode_sparse),
    "constexpr_cast": (("source_val",), lambda _: "cast", _decode_cast),
}
