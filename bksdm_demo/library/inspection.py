"""What one Core ML model holds, as plain facts: interface, operations, weights by encoding, what cannot run here.

The facts behind the command `inspect`; printing is the caller's business. Weights are counted from their headers and
never decoded, so a package of gigabytes takes as long as its model file. Leaves out what the weights are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, TextIO

from bksdm_demo.mil.constants import Compressed
from bksdm_demo.mil.model import read_functions, read_model
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.mil.printer import write_text
from bksdm_demo.mil.program import Constant, Program, Value

Missing = Callable[[Program], Mapping[str, int]]  # operation kinds an engine lacks -> how often the program uses them

# What an opset asks of the machine that runs it through Core ML.
SYSTEMS = {
    "CoreML5": "iOS 15, macOS 12",
    "CoreML6": "iOS 16, macOS 13",
    "CoreML7": "iOS 17, macOS 14",
    "CoreML8": "iOS 18, macOS 15",
    "CoreML9": "iOS 26, macOS 26",
}


@dataclass(frozen=True)
class Tensor:
    """One input or output. `shape` has None where the package leaves a dimension open."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Encoding:
    """The constants stored in one way ("float16", "palette6", "immediate"): how many, elements and bytes together."""

    name: str
    constants: int
    elements: int
    stored_bytes: int

    @property
    def bits_per_element(self) -> float:
        """Stored bits for each decoded element, tables and scales included; 0 where there are no elements."""
        return self.stored_bytes * 8 / self.elements if self.elements else 0.0


@dataclass(frozen=True)
class Facts:
    """One package. `operations` and `missing` are ordered by falling count; `missing` is None if nobody asked."""

    path: str
    size_bytes: int  # all files of the package
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: dict[str, int]
    encodings: tuple[Encoding, ...]
    opset: str
    needs: str  # the systems whose Core ML runs this opset, "" if unknown
    specification_version: int
    metadata: dict[str, str]
    functions: tuple[str, ...]
    missing: dict[str, int] | None

    @property
    def operation_count(self) -> int:
        return sum(self.operations.values())

    @property
    def parameters(self) -> int:
        """Elements of all constants that are not written into the program itself."""
        return sum(encoding.elements for encoding in self.encodings if encoding.name != "immediate")

    def as_json(self) -> dict[str, Any]:
        """Nested dicts, lists, texts and numbers only."""
        computed = {"operation_count": self.operation_count, "parameters": self.parameters}
        return _plain(asdict(self)) | computed


def inspect_package(path: Path, missing: Missing | None = None) -> Facts:
    """The facts of the `.mlpackage` or `.mlmodelc` at `path`; `missing` tells what an engine lacks for it.

    Raises PackageError.
    """
    program = read_model(path)
    types = {value.name: value for operation in program.operations for value in operation.outputs}
    types |= {value.name: value for value in program.inputs}
    return Facts(
        path=str(path),
        size_bytes=package_bytes(path),
        inputs=tuple(_tensor(value) for value in program.inputs),
        outputs=tuple(_tensor(types[name]) for name in program.outputs if name in types),
        operations=_by_count(Counter(operation.kind for operation in program.operations)),
        encodings=_encodings(program.constants),
        opset=program.opset,
        needs=SYSTEMS.get(program.opset, ""),
        specification_version=program.specification_version,
        metadata=dict(sorted(program.metadata.items())),
        functions=tuple(program.extra.get("functions", ())),
        missing=None if missing is None else _by_count(missing(program)),
    )


def write_listing(paths: Sequence[Path], stream: TextIO) -> None:
    """The programs of these models as MIL text, whole and exact, each under a comment with its path if there are more.

    What stands on `stream` for one model is a `model.mil`. Raises PackageError and UnsupportedModelError.
    """
    for path in paths:
        if len(paths) > 1:
            stream.write(f"// ---- {path}\n")
        write_text(read_functions(path), stream)
        stream.write("\n")


def _tensor(value: Value) -> Tensor:
    return Tensor(value.name, value.type.dtype, value.type.shape)


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _encodings(constants: Mapping[str, Constant]) -> tuple[Encoding, ...]:
    groups: dict[str, list[Constant]] = {}
    parts = {id(part) for item in constants.values() if isinstance(item, Compressed) for part in item.operands.values()}
    for constant in constants.values():
        if id(constant) in parts:
            continue  # counted with what is made of it
        groups.setdefault(constant.encoding, []).append(constant)
    found = [
        Encoding(
            name=name,
            constants=len(group),
            elements=sum(prod(dim or 0 for dim in constant.type.shape) for constant in group),
            stored_bytes=sum(constant.stored_bytes for constant in group),
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda encoding: (-encoding.stored_bytes, encoding.name)))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
