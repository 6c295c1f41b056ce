"""The facts of a part that are needed before it is loaded, as data to store: reading a long program takes seconds.

Also the keys for stored facts and compiled results. A key includes everything that decides the result, so nothing
stored can go stale. Knows no runtime.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from bksdm_demo.engines.base import FEATURES, Form, Port
from bksdm_demo.engines.openvino_memory import estimate_memory, largest_value, weight_count
from bksdm_demo.mil.program import Constant, Operation, Program, TensorType
from bksdm_demo.translate.deep_features import find_deep_features, shallow_operations
from bksdm_demo.translate.one_half import one_half

PACKAGE = Path(__file__).resolve().parent.parent
ROOMS = ("mil", "translate", "engines")  # their code decides what a file becomes
CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class PartFacts:
    """The contract's facts of a part; `weights` and `largest` count elements, see openvino_memory.py.

    `has_half` says whether one half can run alone (translate/one_half.py). `features` is the port of the deep features
    (translate/deep_features.py), None without a cut; `shallow_weights` and `shallow_count` are those above the cut.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    weights: int
    operations: int
    largest: int
    has_half: bool
    features: Port | None = None
    shallow_weights: int = 0
    shallow_count: int = 0

    @classmethod
    def of(cls, program: Program) -> PartFacts:
        deep = find_deep_features(program)
        shallow = () if deep is None else shallow_operations(program, deep)
        return cls(
            inputs=tuple(_port(value.name, value.type) for value in program.inputs),
            outputs=tuple(Port(name, _port(name, program.type_of(name)).shape) for name in program.outputs),
            metadata=dict(program.metadata),
            weights=weight_count(program),
            operations=len(program.operations),
            largest=largest_value(program),
            has_half=one_half(program) is not None,
            features=None if deep is None else Port(FEATURES, _port(deep, program.type_of(deep)).shape),
            shallow_weights=weight_count(replace(program, constants=_read(program, shallow))),
            shallow_count=len(shallow),
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PartFacts:
        """The inverse of `data()`. Raises KeyError or TypeError for anything else."""
        ports = {key: tuple(_port_of(port) for port in data[key]) for key in _PORTS}
        features = None if data["features"] is None else _port_of(data["features"])
        return cls(**{**data, **ports, "features": features})

    def data(self) -> dict[str, Any]:
        """The facts as JSON-like data."""
        return asdict(self)

    def form_bytes(self, form: Form, precision: str) -> int:
        """See FormRunner. Each form packs its weights again; the values of one half are half as large."""
        if (form.halved and not self.has_half) or (form is not Form.HALF and self.features is None):
            return 0
        weights, operations = self.weights, self.operations
        if form.shallow:
            weights, operations = self.shallow_weights, self.shallow_count
        elif form.deep:
            weights, operations = weights - self.shallow_weights, operations - self.shallow_count
        return estimate_memory(weights, operations, self.largest // (2 if form.halved else 1), precision)


_PORTS = ("inputs", "outputs")


def facts_key(identity: str, sources: str) -> str:
    """The key for the facts of a part with that content, read by this code."""
    return _digest("facts", identity, sources)


def table_key(identity: str, sources: str) -> str:
    """The key for the quantization table of a part with that content, made by this code."""
    return _digest("table", identity, sources)


def compiled_key(identity: str, sources: str, runtime: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """The key for a compiled part: its content, this code, the runtime, its settings and this processor."""
    pairs = sorted((str(name), str(value)) for name, value in (*runtime.items(), *settings.items()))
    return _digest("compiled", identity, sources, processor(), repr(pairs))


@cache
def sources_digest() -> str:
    """A digest over the code that reads and translates files; "" if it cannot be read, and then nothing is stored."""
    files = sorted(file for room in ROOMS for file in (PACKAGE / room).rglob("*.py"))
    texts = (f"{file.relative_to(PACKAGE).as_posix()}\0{file.read_text(encoding='utf-8')}" for file in files)
    return _digest(*texts) if files else ""


@cache
def processor() -> str:
    """This processor as the system describes it, with its instruction sets if the system lists them."""
    known = [platform.system(), platform.machine(), platform.processor()]
    if CPU_FACTS.is_file():
        first = CPU_FACTS.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        known += [
            line for line in first if line.split("\t")[0] in ("model name", "cpu family", "model", "stepping", "flags")
        ]
    return "\n".join(known)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _read(program: Program, operations: Iterable[Operation]) -> dict[str, Constant]:
    """The constants that these operations read."""
    names = {name for operation in operations for names in operation.inputs.values() for name in names}
    return {name: constant for name, constant in program.constants.items() if name in names}


def _port_of(data: Mapping[str, Any]) -> Port:
    return Port(data["name"], tuple(data["shape"]), data["dtype"])


def _port(name: str, type_: TensorType) -> Port:
    """Floats are passed as float32, all else as int32. An open dimension is 0 here, and `load` refuses it."""
    dtype = "float32" if type_.dtype.startswith(("fp", "bf")) else "int32"
    return Port(name, tuple(dim or 0 for dim in type_.shape), dtype)
