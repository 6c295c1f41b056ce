"""What a Core ML model holds, as plain facts: interface, operations, weights by encoding, and what cannot run here.

Weights are counted from their headers and never decoded, so the size of a package does not matter. A trial load shows
whether this machine runs a model. The command `inspect` prints all of it (cli/inspect.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import Any, TextIO

from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import DemoError
from bksdm_demo.mil.constants import Compressed
from bksdm_demo.mil.model import read_functions, read_model
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.mil.printer import write_text
from bksdm_demo.mil.program import Constant, Program, Value
from bksdm_demo.printable import printable

try:
    from bksdm_demo.translate.registry import missing_operations
except ModuleNotFoundError as absent:
    if absent.name != "openvino":
        raise
    missing_operations = None  # type: ignore[assignment]  # a Mac runs models in Core ML, which decides at loading

OpenPart = Callable[[Path, bool], Engine]  # path of a model, whether it must run in float32 -> its engine
Missing = Callable[[Program], Mapping[str, int]]  # operation kinds an engine lacks -> how often the program uses them

# What an engine may say about a loaded part: Core ML's units, its plan of processors, and what trials of units found.
RUN_MODE = ("compute_units", "devices", "self_check", "refused_units")
# The first systems whose Core ML runs an opset.
SYSTEMS = {
    "CoreML5": "iOS 15, macOS 12",
    "CoreML6": "iOS 16, macOS 13",
    "CoreML7": "iOS 17, macOS 14",
    "CoreML8": "iOS 18, macOS 15",
    "CoreML9": "iOS 26, macOS 26",
}


@dataclass(frozen=True)
class Tensor:
    """One input or output; an open dimension is None in `shape`."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Encoding:
    """All constants of one encoding ("float16", "palette6", "immediate"): their number, elements and bytes."""

    name: str
    constants: int
    elements: int
    stored_bytes: int

    @property
    def bits_per_element(self) -> float:
        """Stored bits per decoded element, with tables and scales; 0 for no elements."""
        return self.stored_bytes * 8 / self.elements if self.elements else 0.0


@dataclass(frozen=True)
class Facts:
    """One model. `operations` and `missing` are sorted by count, largest first; `missing` is None if not asked for."""

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
        """Elements of all constants in the weights file; those inside the program do not count."""
        return sum(encoding.elements for encoding in self.encodings if encoding.name != "immediate")

    def as_json(self) -> dict[str, Any]:
        """The facts as nested dicts, lists, strings and numbers."""
        computed = {"operation_count": self.operation_count, "parameters": self.parameters}
        return _plain(asdict(self)) | computed


@dataclass(frozen=True)
class Inspection:
    """A model's facts and its trial load: `refusal` is None without one, "" if it worked, else why it failed.

    `run_mode` is what the engine says about a load: see RUN_MODE.
    """

    facts: Facts
    refusal: str | None = None
    run_mode: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """False if this machine is known not to run the model."""
        return not self.facts.missing and not self.refusal

    def as_json(self) -> dict[str, Any]:
        """The facts with `runs_here`: True after a trial load, False if it cannot run, None if that is not known."""
        tried = self.refusal is not None
        runs = (True if tried else None) if self.runs else False
        return {**self.facts.as_json(), "runs_here": runs, "refusal": self.refusal or None, **self.run_mode}


def inspect_all(path: Path, open_part: OpenPart | None = None) -> list[Inspection]:
    """Inspect the model at `path`, or every model below it; with `open_part`, load each of them once.

    Raises PackageError for a model that cannot be read, and where there is none.
    """
    inspections = []
    for model in find_models(path):
        facts = inspect_package(model, missing_operations)
        inspections.append(Inspection(facts) if open_part is None else Inspection(facts, *_tried(model, open_part)))
    return inspections


def find_models(path: Path) -> list[Path]:
    """The `.mlpackage` or `.mlmodelc` at `path`, else all below it; `path` itself where there are none."""
    if path.suffix in (".mlpackage", ".mlmodelc") or (path / "Manifest.json").exists():
        return [path]
    return sorted(found for kind in ("mlpackage", "mlmodelc") for found in path.rglob(f"*.{kind}")) or [path]


def _tried(model: Path, open_part: OpenPart) -> tuple[str, dict[str, Any]]:
    """Load the model once: "" if that works, else the reason; and what the engine then says about how it runs."""
    try:
        engine = open_part(model, False)
        engine.load()
    except DemoError as error:
        return str(error), {}
    run_mode = {name: found for name in RUN_MODE if (found := getattr(engine, name, None)) not in (None, {})}
    engine.unload()
    return "", run_mode


def inspect_package(path: Path, missing: Missing | None = None) -> Facts:
    """The facts of the `.mlpackage` or `.mlmodelc` at `path`; `missing` counts the operations that an engine lacks.

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
    """Write the programs of these models as MIL text, whole and exact; of several, each under a comment with its path.

    The text of one model is a valid `model.mil`. Raises PackageError and UnsupportedModelError.
    """
    for path in paths:
        if len(paths) > 1:
            stream.write(f"// ---- {printable(str(path))}\n")
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
            continue  # counted with the constant that it is a part of
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
