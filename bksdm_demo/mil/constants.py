"""The constants of a program: each knows its type, encoding and size, and decodes its array on demand.

Follows the `Constant` protocol of program.py. Each `constexpr_*` operation has a pure function that decodes it. Its
operands are constants themselves and stay packed until then. Before decoding, the declared size is compared with the
stored bytes, so that a small file cannot ask for much memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil import palette, quantized
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.elements import BITS, numpy_type, stored_size
from bksdm_demo.mil.program import Constant, TensorType

MOST_EXPANSION = 256  # decoded bytes per stored byte; palettes of 1 bit for vectors of 8 float32 reach it
MOST_STEPS = 4  # nested operations, such as sparse values from a palette whose table is quantized
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
    """A plain tensor in the weight file, already checked."""

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
    """One output of a `constexpr_*` operation, with the operands it is decoded from."""

    type: TensorType
    encoding: str
    operands: Mapping[str, Constant] = field(repr=False)  # the same mapping object for all outputs of an operation
    kind: str  # "constexpr_lut_to_dense"
    where: str = ""
    output: int = 0  # its place among the outputs; only the joint sparse forms have two

    @property
    def in_attributes(self) -> bool:
        """Whether the operands are attributes, as in iOS16, or arguments, as in iOS18."""
        return "shape" in self.operands or self.kind in _OLD_KINDS

    @property
    def stored_bytes(self) -> int:
        return sum(operand.stored_bytes for operand in self.operands.values())

    @property
    def depth(self) -> int:
        """How many operations are nested here, including this one."""
        return 1 + max((item.depth for item in self.operands.values() if isinstance(item, Compressed)), default=0)

    def array(self, dtype: np.dtype | None = None) -> NDArray:
        """The dense array, in `dtype` or the declared type; a palette is decoded directly into it."""
        wanted = numpy_type(self.type.dtype) if dtype is None else dtype
        self._check_size()
        arrays = {key: operand.array() for key, operand in self.operands.items()}
        form = _FORMS[self.kind]
        try:
            shape = form.shapes[self.output](arrays)
            if shape != self.type.shape:
                raise PackageError(f"{self.where} decodes to {list(shape)}, but the model declares {self.type}.")
            with np.errstate(over="raise", invalid="ignore"):
                if self.kind == "constexpr_lut_to_dense":
                    arrays["lut"] = arrays["lut"].astype(wanted, copy=False)
                return form.decoders[self.output](arrays).astype(wanted, copy=False)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:  # operands of the wrong types or values
            raise PackageError(f"{self.where} cannot be decoded: {error}. The package is damaged.") from error

    def _check_size(self) -> None:
        size = prod(dim or 0 for dim in self.type.shape) * numpy_type(self.type.dtype).itemsize
        stored = self.stored_bytes
        if size > MOST_EXPANSION * stored + 2**20:
            raise PackageError(f"{self.where}: {stored} stored bytes cannot hold {self.type}; the package is damaged.")


def compressed(
    kind: str, outputs: Sequence[TensorType], operands: Mapping[str, Constant], where: str
) -> list[Compressed]:
    """The constants that the operation `kind` ("constexpr_...") yields, one for each type of `outputs`.

    Raises PackageError for an unknown kind, and for operands or outputs that the kind does not have.
    """
    if kind not in _FORMS:
        known = ", ".join(sorted(_FORMS))
        raise PackageError(f"{where}: weights encoded with {kind} cannot be decoded; there are decoders for {known}.")
    form = _FORMS[kind]
    missing = [key for key in form.required if key not in operands]
    if missing:
        raise PackageError(f"{where}: {kind} lacks {', '.join(missing)}; the package is damaged.")
    wrong = [key for key, item in operands.items() if (item.type.dtype in BITS) == (key == "output_dtype")]
    wrong += [f"output {type_}" for type_ in outputs if type_.dtype not in BITS]
    if wrong or len(outputs) != len(form.decoders):
        what = ", ".join(wrong) or f"{len(outputs)} outputs"
        raise PackageError(f"{where}: {kind} cannot have such operands or outputs ({what}); the package is damaged.")
    encoding = form.encoding(operands)
    made = [Compressed(type_, encoding, operands, kind, where, number) for number, type_ in enumerate(outputs)]
    if made[0].depth > MOST_STEPS:
        raise PackageError(f"{where} is compressed more than {MOST_STEPS} times; the package is damaged.")
    return made


def _palette_name(operands: Mapping[str, Constant]) -> str:
    if "shape" in operands:
        count = operands["lut"].type.shape[-1] if operands["lut"].type.shape else None
        return f"palette{(count or 1).bit_length() - 1}"
    indices = operands.get("indices") or operands["indices_nonzero_data"]
    return f"palette{BITS[indices.type.dtype]}"


def _decode_palette(arrays: Arrays) -> NDArray:
    if "shape" in arrays:  # iOS16: packed indices, one flat table
        return palette.decode_flat(arrays["indices"], arrays["lut"], _shape(arrays))
    return palette.decode_grouped(arrays["indices"], arrays["lut"], _vector_axis(arrays))


def _decode_affine(arrays: Arrays) -> NDArray:
    axis = int(arrays["axis"]) if "axis" in arrays else 0
    return quantized.dequantize(arrays["quantized_data"], arrays["scale"], arrays["zero_point"], axis)


def _decode_blockwise(arrays: Arrays) -> NDArray:
    return quantized.shift_scale(arrays["data"], arrays["scale"], arrays.get("offset"))


def _decode_sparse(arrays: Arrays) -> NDArray:
    if "shape" in arrays:  # iOS16: packed mask
        return quantized.scatter(arrays["mask"], arrays["nonzero_data"], _shape(arrays))
    return quantized.scatter_mask(arrays["mask"], arrays["nonzero_data"])


def _decode_cast(arrays: Arrays) -> NDArray:
    return arrays["source_val"].astype(np.float32)


def _palette_mask(arrays: Arrays) -> NDArray:
    """The mask of a palettized sparse weight: each index covers as many places as its vector has values."""
    mask, vector = arrays["indices_mask"], arrays["lut"].shape[-1]
    return mask if vector == 1 else np.repeat(mask, vector, _vector_axis(arrays))


def _palette_values(arrays: Arrays) -> NDArray:
    indices = quantized.scatter_mask(arrays["indices_mask"], arrays["indices_nonzero_data"])
    dense = palette.decode_grouped(indices, arrays["lut"], _vector_axis(arrays))
    return dense[_palette_mask(arrays).astype(bool)]


def _blockwise_values(arrays: Arrays) -> NDArray:
    dense = quantized.scatter_mask(arrays["data_mask"], arrays["nonzero_data"])
    return quantized.shift_scale(dense, arrays["scale"], arrays.get("offset"))[arrays["data_mask"].astype(bool)]


def _shape(arrays: Arrays) -> tuple[int, ...]:
    return tuple(int(dim) for dim in arrays["shape"])


def _vector_axis(arrays: Arrays) -> int | None:
    return int(arrays["vector_axis"]) if "vector_axis" in arrays else None


def _shape_like(key: str) -> Callable[[Arrays], tuple[int, ...]]:
    """The shape that the file states, else that of the operand `key`."""
    return lambda arrays: _shape(arrays) if "shape" in arrays else arrays[key].shape


def _palette_shape(key: str) -> Callable[[Arrays], tuple[int, ...]]:
    """The same, multiplied by the length of the table's vectors along their axis."""

    def shape(arrays: Arrays) -> tuple[int, ...]:
        if "shape" in arrays:
            return _shape(arrays)
        dims, vector = list(arrays[key].shape), arrays["lut"].shape[-1] if arrays["lut"].ndim else 1
        if vector != 1:
            axis = _vector_axis(arrays)
            if axis is None:
                raise ValueError(f"vectors of {vector} values without a vector_axis")
            dims[axis] *= vector
        return tuple(dims)

    return shape


def _palette_values_shape(arrays: Arrays) -> tuple[int, ...]:
    return (arrays["indices_nonzero_data"].size * arrays["lut"].shape[-1],)


def _width(kind: str, key: str) -> Callable[[Mapping[str, Constant]], str]:
    return lambda operands: f"{kind}{BITS[operands[key].type.dtype]}"


Arrays = dict[str, NDArray]


@dataclass(frozen=True)
class _Form:
    """How one kind of operation is decoded; `shapes` and `decoders` have one entry per output."""

    required: tuple[str, ...]
    encoding: Callable[[Mapping[str, Constant]], str]
    shapes: tuple[Callable[[Arrays], tuple[int, ...]], ...]
    decoders: tuple[Callable[[Arrays], NDArray], ...]


_OLD_KINDS = ("constexpr_affine_dequantize", "constexpr_cast")
_FORMS = {
    "constexpr_lut_to_dense": _Form(
        ("indices", "lut"), _palette_name, (_palette_shape("indices"),), (_decode_palette,)
    ),
    "constexpr_affine_dequantize": _Form(
        ("quantized_data", "scale", "zero_point"),
        _width("affine", "quantized_data"),
        (_shape_like("quantized_data"),),
        (_decode_affine,),
    ),
    "constexpr_blockwise_shift_scale": _Form(
        ("data", "scale"), _width("affine", "data"), (_shape_like("data"),), (_decode_blockwise,)
    ),
    "constexpr_sparse_to_dense": _Form(
        ("mask", "nonzero_data"), lambda _: "sparse", (_shape_like("mask"),), (_decode_sparse,)
    ),
    "constexpr_cast": _Form(("source_val",), lambda _: "cast", (_shape_like("source_val"),), (_decode_cast,)),
    "constexpr_lut_to_sparse": _Form(
        ("indices_mask", "indices_nonzero_data", "lut"),
        lambda operands: f"sparse {_palette_name(operands)}",
        (_palette_shape("indices_mask"), _palette_values_shape),
        (_palette_mask, _palette_values),
    ),
    "constexpr_sparse_blockwise_shift_scale": _Form(
        ("data_mask", "nonzero_data", "scale"),
        _width("sparse affine", "nonzero_data"),
        (_shape_like("data_mask"), _shape_like("nonzero_data")),
        (lambda arrays: arrays["data_mask"], _blockwise_values),
    ),
}
