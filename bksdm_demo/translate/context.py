"""The state of one translation: constants and the values so far, each checked against its declared type.

Every float runs as f32 (so casts between fp16 and fp32 vanish), every integer as i32, bool as boolean. fp16 constants
stay fp16 and are widened in the graph; where possible they share memory with the file. The fp16 rounding of activations
is not imitated.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

import numpy as np
import openvino as ov
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Node, Output

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.program import Operation, Program, TensorType, Value
from bksdm_demo.translate.int8_weights import whole_numbers

T = TypeVar("T")

DECOMPRESSION = "decompression_0"  # OpenVINO's mark for weights that it must not fold into f32
MOST_UNDECLARED = 1 << 28  # elements of a value of open size, which no memory estimate counts
SMALL = 256  # elements; smaller fp16 constants are widened at once, which keeps the graph readable


def element_type(dtype: str) -> ov.Type:
    """The OpenVINO element type that a MIL type runs in. Raises UnsupportedModelError for text and unknown types."""
    if dtype in ("fp16", "fp32", "fp64", "bf16"):
        return ov.Type.f32
    if dtype == "bool":
        return ov.Type.boolean
    if dtype.startswith(("int", "uint")):
        return ov.Type.i32
    raise UnsupportedModelError(f"OpenVINO cannot compute with values of the type {dtype!r}.")


def partial_shape(shape: Sequence[int | None]) -> ov.PartialShape:
    """A MIL shape as OpenVINO's; an open dimension becomes a dynamic one."""
    return ov.PartialShape([-1 if dim is None else dim for dim in shape])


class Context:
    """Gives translators the inputs of an operation: graph values, or plain data where MIL demands a constant.

    `int8` asks them for the forms that OpenVINO computes in 8-bit integers, where the program rounds to 8 bits.
    """

    def __init__(self, program: Program, int8: bool = False) -> None:
        self.int8 = int8
        self._program = program
        self._constants = program.constants
        self._values: dict[str, Output] = {}

    def define(self, value: Value, output: Output, where: str) -> None:
        """Bind `output` to the value. Raises PackageError if its shape or type is not the declared one."""
        declared = value.type
        made_shape = output.get_partial_shape()
        fits = made_shape.compatible(partial_shape(declared.shape))
        if not fits or output.get_element_type() != element_type(declared.dtype):
            made = f"{output.get_element_type().to_string()}{made_shape}"
            raise PackageError(f"{where}: output {value.name} is {made}, but the file declares {declared}.")
        if None in declared.shape and made_shape.is_static and prod(made_shape.get_max_shape()) > MOST_UNDECLARED:
            raise PackageError(
                f"{where}: output {value.name} is {made_shape}, but the file declares {declared}; a value of open size "
                f"may hold {MOST_UNDECLARED} numbers."
            )
        self._values[value.name] = output

    def lookup(self, name: str) -> Output:
        """The value or constant of that name as a graph output."""
        if name not in self._values:
            if name not in self._constants:
                raise PackageError(f"The value {name!r} is used before anything defines it.")
            self._values[name] = constant_node(self._constants[name].array()).output(0)
        return self._values[name]

    def value(self, operation: Operation, key: str) -> Output:
        """The one required graph input under `key`."""
        values = self.values(operation, key)
        if len(values) != 1:
            raise PackageError(f"{operation.kind} {operation.name}: input {key} needs 1 value, not {len(values)}.")
        return values[0]

    def values(self, operation: Operation, key: str) -> list[Output]:
        """All graph inputs under `key`, in order; empty when the key is absent."""
        return [self.lookup(name) for name in operation.inputs.get(key, ())]

    def optional(self, operation: Operation, key: str) -> Output | None:
        """The graph input under `key`, or None without it."""
        return self.value(operation, key) if operation.inputs.get(key) else None

    def declared_type(self, operation: Operation, key: str) -> TensorType:
        """The type that the file declares for the input under `key`; KeyError without it."""
        return self._program.type_of(operation.inputs[key][0])

    def weight(self, operation: Operation, x: Output) -> Output:
        """The input `weight` that multiplies x.

        Whole numbers times a scale for each output, if integers are wanted, x is rounded to 8 bits, and the file stores
        the weight so.
        """
        if self.int8 and x.get_node().get_type_name() == "FakeQuantize" and self.is_constant(operation, "weight"):
            found = whole_numbers(self._constants[operation.inputs["weight"][0]])
            if found is not None:
                whole, scale = found
                return op.multiply(op.convert(op.constant(whole), "f32"), op.constant(scale)).output(0)
        return self.value(operation, "weight")

    def is_constant(self, operation: Operation, key: str) -> bool:
        """Whether the input is given and known from the file alone."""
        names = operation.inputs.get(key, ())
        return len(names) == 1 and names[0] in self._constants

    def array(self, operation: Operation, key: str) -> NDArray | None:
        """The constant under `key`, or None without it. Raises UnsupportedModelError if it is computed."""
        if not operation.inputs.get(key):
            return None
        if not self.is_constant(operation, key):
            raise UnsupportedModelError(f"{operation.kind} {operation.name}: input {key} must be a constant.")
        return np.asarray(self._constants[operation.inputs[key][0]].array())

    def floats(self, operation: Operation, key: str) -> NDArray[np.float32] | None:
        """The constant under `key` in float32, or None without it."""
        array = self.array(operation, key)
        return None if array is None else array.astype(np.float32)

    def ints(self, operation: Operation, key: str, default: Sequence[int] | None = None) -> list[int]:
        """A constant list of integers; without a default the key is required."""
        array = self.array(operation, key)
        if array is not None:
            return [int(number) for number in array.reshape(-1)]
        return list(self._default(operation, key, default))

    def integer(self, operation: Operation, key: str, default: int | None = None) -> int:
        """A constant integer; without a default the key is required."""
        array = self.array(operation, key)
        return int(array.item()) if array is not None else self._default(operation, key, default)

    def axis(self, operation: Operation, key: str, dims: int, default: int | None = None) -> int:
        """A constant axis of `dims`, counted from the front. Raises PackageError for one outside them."""
        return _axis_from_front(operation, key, self.integer(operation, key, default), dims)

    def axes(self, operation: Operation, key: str, dims: int, default: Sequence[int] | None = None) -> list[int]:
        """The same for a list of axes."""
        return [_axis_from_front(operation, key, axis, dims) for axis in self.ints(operation, key, default)]

    def number(self, operation: Operation, key: str, default: float | None = None) -> float:
        """A constant number; without a default the key is required."""
        array = self.array(operation, key)
        return float(array.item()) if array is not None else self._default(operation, key, default)

    def flag(self, operation: Operation, key: str, default: bool) -> bool:
        """A constant bool."""
        array = self.array(operation, key)
        return default if array is None else bool(array.item())

    def text(self, operation: Operation, key: str, default: str | None = None) -> str:
        """A constant string; without a default the key is required."""
        array = self.array(operation, key)
        return str(array.item()) if array is not None else self._default(operation, key, default)

    @staticmethod
    def _default(operation: Operation, key: str, default: T | None) -> T:
        if default is None:
            raise PackageError(f"{operation.kind} {operation.name}: the required input {key} is absent.")
        return default


def constant_node(array: NDArray) -> Node:
    """A constant in the type it runs in. A large fp16 one stays fp16 and is widened to f32 in the graph."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    if array.dtype == np.float16 and array.size >= SMALL:
        widened = op.convert(op.constant(_shareable(array), shared_memory=True), "f32")
        widened.get_rt_info()[DECOMPRESSION] = True
        return widened
    if array.dtype.kind == "f":
        return op.constant(array.astype(np.float32))
    if array.dtype == bool:
        return op.constant(array)
    if array.dtype.kind in "iu":
        if array.size and (array.max() > np.iinfo(np.int32).max or array.min() < np.iinfo(np.int32).min):
            raise UnsupportedModelError("An integer constant does not fit into 32 bits.")
        return op.constant(array.astype(np.int32))
    raise UnsupportedModelError(f"OpenVINO cannot compute with a constant of the type {array.dtype}.")


class _Memory:
    """Offers a read-only array as writeable: OpenVINO shares only such memory, and never writes to it."""

    def __init__(self, array: NDArray) -> None:
        self._owner = array
        interface = dict(array.__array_interface__)
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}


def _shareable(array: NDArray) -> NDArray:
    """The array, or a view that OpenVINO reads without a copy: arrays mapped from files are read-only."""
    return array if array.flags.writeable else np.asarray(_Memory(array))


def rank(output: Output) -> int:
    """The number of dimensions of a value."""
    return output.get_partial_shape().rank.get_length()


def _axis_from_front(operation: Operation, key: str, axis: int, dims: int) -> int:
    """The axis counted from the front. The check is here because OpenVINO's Python shapes make none."""
    if not -dims <= axis < dims:
        raise PackageError(f"{operation.kind} {operation.name}: {key} names the axis {axis} of {dims}.")
    return axis % dims


def declared(operation: Operation, index: int = 0) -> TensorType:
    """The type the file declares for an output of the operation."""
    return operation.outputs[index].type
