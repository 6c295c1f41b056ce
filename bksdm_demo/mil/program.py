"""A Core ML ML Program as plain data: values, constants and operations in order. Knows no runtime.

Follows the MIL of coremltools (MIL.proto). Both readers make it (package.py from `.mlpackage`, compiled.py from
`.mlmodelc`), and translate/ reads it. Constants (`const` and every `constexpr_*`) are separate from operations and
decoded on demand. Inline argument values get generated constant names, so an operation's inputs are always names. A
program has one function; the readers refuse nested blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from numpy.typing import NDArray

# An opset in the spelling of text files -> in that of packages.
OPSETS = {"ios15": "CoreML5", "ios16": "CoreML6", "ios17": "CoreML7", "ios18": "CoreML8", "ios26": "CoreML9"}


@dataclass(frozen=True)
class TensorType:
    """An element type in MIL's spelling ("fp16", "fp32", "int32", "bool", "string", "uint8", ...) and a shape.

    An open dimension (`?` in the file) is None; a scalar has the shape ().
    """

    dtype: str
    shape: tuple[int | None, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if dim is None else str(dim) for dim in self.shape)}]"


@dataclass(frozen=True)
class Value:
    """A named tensor: an input of the program or an output of an operation."""

    name: str
    type: TensorType


class Constant(Protocol):
    """A value known from the file alone, decoded on demand.

    `encoding` names the storage for people: "immediate", "float16", "palette6", "affine8", "sparse", "cast"...
    `stored_bytes` is its size in the file. `array()` is the decoded value: a numpy array of the MIL element type, fp16
    as float16; a string as a `str` in a 0-d object array.
    """

    @property
    def type(self) -> TensorType: ...

    @property
    def encoding(self) -> str: ...

    @property
    def stored_bytes(self) -> int: ...

    def array(self) -> NDArray: ...


@dataclass(frozen=True)
class Operation:
    """One operation: `kind` is MIL's name ("conv"); each input key maps to names of values or constants, in order."""

    kind: str
    name: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[Value, ...]


@dataclass(frozen=True)
class Program:
    """A function of an ML Program. `outputs` are names of values; operations are in execution order."""

    inputs: tuple[Value, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, Constant]
    opset: str = ""  # "CoreML6" = iOS16, "CoreML7" = iOS17 ...
    specification_version: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)  # user-defined metadata of the model
    extra: Mapping[str, Any] = field(default_factory=dict)  # reader-specific facts for `inspect`, never needed to run

    def type_of(self, name: str) -> TensorType:
        """The type of an input, a constant or an operation's output; KeyError for an unknown name."""
        return self._types[name]

    @cached_property
    def _types(self) -> Mapping[str, TensorType]:
        values = (*self.inputs, *(value for operation in self.operations for value in operation.outputs))
        constants = {name: constant.type for name, constant in self.constants.items()}
        return constants | {value.name: value.type for value in values}
