"""Builds a Program from operations in file order, for both readers.

`const` and `constexpr_*` operations become constants; inline argument values become constants with generated names.
Refuses undefined names and names defined twice, naming the operation. Knows neither protobuf nor text; the caller
passes the function that opens weight files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.constants import Immediate, Stored, compressed
from bksdm_demo.mil.program import Constant, Operation, TensorType, Value

OpenWeights = Callable[[str], WeightFile]  # opens a weight file by the name that the model uses


@dataclass(frozen=True)
class Written:
    """A value as the file writes it: immediate (`read` decodes it) or a record of a weight file (`blob`)."""

    type: TensorType
    read: Callable[[], NDArray] | None = None
    blob: tuple[str, int] | None = None  # file name, byte offset


Argument = str | Written


class ProgramBuilder:
    """Collects operations and constants, and every name defined so far. `source` starts every error message."""

    def __init__(self, open_weights: OpenWeights, source: str) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[str, Constant] = {}
        self._values: set[str] = set()
        self._open_weights = open_weights
        self._source = source

    def input(self, value: Value) -> None:
        """Add an input of the function."""
        self._define(value.name, "the function's inputs")
        self._values.add(value.name)

    def operation(
        self,
        kind: str,
        name: str,
        outputs: Sequence[Value],
        arguments: Mapping[str, Sequence[Argument]],
        attributes: Mapping[str, Written],
    ) -> None:
        """Add the next operation; `attributes` leaves out its name. Raises PackageError."""
        where = f"{self._source}: {kind} {name}"
        if kind != "const" and not kind.startswith("constexpr_"):
            self._plain(kind, name, outputs, {**arguments, **{key: (item,) for key, item in attributes.items()}}, where)
            return
        operands = {key: items[0] for key, items in arguments.items() if items} | dict(attributes)
        if kind == "const":
            if len(outputs) != 1:
                raise PackageError(f"{where} has {len(outputs)} outputs instead of one; the file is damaged.")
            value = operands.get("val")
            if not isinstance(value, Written):
                raise PackageError(f"{where} has no value; the file is damaged.")
            self._add_constant(outputs[0].name, self._constant(value, where), where)
            return
        found = {key: self._operand(item, key, where) for key, item in operands.items()}
        made = compressed(kind, [output.type for output in outputs], found, where)
        for output, constant in zip(outputs, made, strict=True):
            self._add_constant(output.name, constant, where)

    def check_known(self, name: str, where: str) -> None:
        """Raise PackageError for a name that is not defined yet."""
        if name not in self._values and name not in self.constants:
            raise PackageError(
                f"{self._source}: {where} refers to {name!r}, which is not defined; the file is damaged."
            )

    def _plain(
        self, kind: str, name: str, outputs: Sequence[Value], arguments: Mapping[str, Sequence[Argument]], where: str
    ) -> None:
        prefix = outputs[0].name if outputs else name
        inputs = {
            key: tuple(self._name_of(item, f"{prefix}%{key}%{place}", key, where) for place, item in enumerate(items))
            for key, items in sorted(arguments.items())
        }
        for value in outputs:
            self._define(value.name, where)
            self._values.add(value.name)
        self.operations.append(Operation(kind, name, inputs, tuple(outputs)))

    def _name_of(self, item: Argument, generated: str, key: str, where: str) -> str:
        if isinstance(item, Written):
            self._add_constant(generated, self._constant(item, f"{where}.{key}"), where)
            return generated
        self.check_known(item, f"{where}: {key}")
        return item

    def _operand(self, item: Argument, key: str, where: str) -> Constant:
        if isinstance(item, Written):
            return self._constant(item, f"{where}.{key}")
        if item not in self.constants:
            raise PackageError(f"{where}: its {key} {item!r} is not a constant; the file is damaged.")
        return self.constants[item]

    def _constant(self, value: Written, where: str) -> Constant:
        if value.blob is None:
            assert value.read is not None
            return Immediate(value.type, value.read)
        name, offset = value.blob
        file = self._open_weights(name)
        file.payload(offset, value.type, where)  # raises for a bad weight now, not when it is used
        return Stored(value.type, file, offset, where, name)

    def _add_constant(self, name: str, constant: Constant, where: str) -> None:
        self._define(name, where)
        self.constants[name] = constant

    def _define(self, name: str, where: str) -> None:
        if not name or name in self._values or name in self.constants:
            raise PackageError(
                f"{self._source}: {where} defines {name!r}, which is empty or taken; the file is damaged."
            )
