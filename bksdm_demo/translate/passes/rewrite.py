"""Tools for all passes: an index from values to the operations that make them, new constants, replacing operations.

A pass finds the last operation of a pattern and replaces it by one that yields the same value. Operations that nothing
reads any longer are removed. Programs are never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType


@dataclass(frozen=True)
class Added:
    """A constant that a pass has computed."""

    type: TensorType
    value: NDArray
    encoding: str = "immediate"

    @property
    def stored_bytes(self) -> int:
        return self.value.nbytes

    def array(self) -> NDArray:
        return self.value


def added_int(number: int) -> Added:
    """A scalar int32 constant."""
    return Added(TensorType("int32"), np.array(number, np.int32))


def added_ints(numbers: Iterable[int | None]) -> Added:
    """A list of int32."""
    array = np.array(list(numbers), np.int32)
    return Added(TensorType("int32", array.shape), array)


def added_float(number: float) -> Added:
    """A scalar fp32 constant."""
    return Added(TensorType("fp32"), np.array(number, np.float32))


def added_text(text: str) -> Added:
    """A string constant."""
    return Added(TensorType("string"), np.array(text, dtype=object))


@dataclass(frozen=True)
class Reshaped:
    """A constant in another shape with as many elements; it is decoded when it is read."""

    source: Constant
    type: TensorType

    @property
    def encoding(self) -> str:
        return self.source.encoding

    @property
    def stored_bytes(self) -> int:
        return self.source.stored_bytes

    def array(self) -> NDArray:
        return self.source.array().reshape([dim or 0 for dim in self.type.shape])


def reshaped(constant: Constant, shape: tuple[int, ...]) -> Reshaped:
    """The constant's elements in another shape."""
    return Reshaped(constant, TensorType(constant.type.dtype, shape))


class Index:
    """Looks up what makes a value of a program, and its type."""

    def __init__(self, program: Program) -> None:
        self._constants = program.constants
        self._producers = {value.name: operation for operation in program.operations for value in operation.outputs}
        self._types = {value.name: value.type for value in program.inputs}
        self._types |= {value.name: value.type for operation in program.operations for value in operation.outputs}

    def producer(self, name: str | None, *kinds: str) -> Operation | None:
        """The operation that makes the value, if it is of one of these kinds; without kinds, any will do."""
        operation = self._producers.get(name) if name is not None else None
        return operation if operation is not None and (not kinds or operation.kind in kinds) else None

    def type(self, name: str) -> TensorType:
        """The declared type of a value or constant; KeyError for an unknown name."""
        return self._types[name] if name in self._types else self._constants[name].type

    def shape(self, name: str) -> tuple[int | None, ...]:
        """The declared shape of a value or constant; KeyError for an unknown name."""
        return self.type(name).shape

    def is_constant(self, name: str) -> bool:
        """Whether the name is a constant's."""
        return name in self._constants

    def constant(self, name: str) -> Constant:
        """The constant of that name; KeyError for a value."""
        return self._constants[name]

    def array(self, operation: Operation, key: str) -> NDArray | None:
        """The constant under an input key, or None when it is absent or computed."""
        names = operation.inputs.get(key, ())
        if len(names) != 1 or names[0] not in self._constants:
            return None
        return np.asarray(self._constants[names[0]].array())

    def scalar(self, operation: Operation, key: str, default: float | None = None) -> float | None:
        """The number under an input key; the default without the key, None for anything but a constant number."""
        if not operation.inputs.get(key):
            return default
        array = self.array(operation, key)
        return float(array.item()) if array is not None and array.size == 1 and array.dtype.kind in "fiub" else None

    def text(self, operation: Operation, key: str) -> str | None:
        """The string under an input key, or None."""
        array = self.array(operation, key)
        return None if array is None else str(array.item())


def only(operation: Operation, key: str) -> str | None:
    """The single name under an input key, or None."""
    names = operation.inputs.get(key, ())
    return names[0] if len(names) == 1 else None


def value_and_number(index: Index, operation: Operation) -> tuple[str, float] | None:
    """The value and the constant number that a binary operation reads, in either order."""
    for value_key, number_key in (("x", "y"), ("y", "x")):
        value, number = only(operation, value_key), index.scalar(operation, number_key)
        if value is not None and number is not None:
            return value, number
    return None


def replaced(program: Program, changes: Mapping[str, Operation], constants: Mapping[str, Constant]) -> Program:
    """The program with these operations replaced, by the name of their first output, and unused ones removed."""
    return inserted(program, {name: (operation,) for name, operation in changes.items()}, constants)


def inserted(
    program: Program, changes: Mapping[str, Sequence[Operation]], constants: Mapping[str, Constant]
) -> Program:
    """The same with several operations in place of each one."""
    operations = (
        made for operation in program.operations for made in changes.get(operation.outputs[0].name, (operation,))
    )
    return replace(
        program,
        operations=needed(operations, program.outputs),
        constants={**program.constants, **constants},
    )


def needed(operations: Iterable[Operation], outputs: Iterable[str]) -> tuple[Operation, ...]:
    """The operations that the outputs depend on, in order."""
    wanted = set(outputs)
    kept = []
    for operation in reversed(tuple(operations)):
        if any(value.name in wanted for value in operation.outputs):
            kept.append(operation)
            wanted.update(name for names in operation.inputs.values() for name in names)
    return tuple(reversed(kept))
