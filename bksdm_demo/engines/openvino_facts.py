"""The facts of a part that are needed before it is loaded, as data to store: reading a long program takes seconds.

Also the keys for stored facts and compiled results. A key includes everything that decides the result, so nothing
stored can go stale. Knows no runtime.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bksdm_demo.engines.base import Port
from bksdm_demo.engines.openvino_memory import largest_value, weight_count
from bksdm_demo.mil.program import Program, TensorType
from bksdm_demo.translate.one_half import one_half

PACKAGE = Path(__file__).resolve().parent.parent
ROOMS = ("mil", "translate", "engines")  # their code decides what a file becomes
CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class PartFacts:
    """The contract's facts of a part; `weights` and `largest` count elements, see openvino_memory.py.

    `has_half` says whether one half can run alone (translate/one_half.py).
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str]
    weights: int
    operations: int
    largest: int
    has_half: bool

    @classmethod
    def of(cls, program: Program) -> PartFacts:
        return cls(
            inputs=tuple(_port(value.name, value.type) for value in program.inputs),
            outputs=tuple(Port(name, _port(name, program.type_of(name)).shape) for name in program.outputs),
            metadata=dict(program.metadata),
            weights=weight_count(program),
            operations=len(program.operations),
            largest=largest_value(program),
            has_half=one_half(program) is not None,
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PartFacts:
        """The inverse of `data()`. Raises KeyError or TypeError for anything else."""
        ports = {key: tuple(Port(p["name"], tuple(p["shape"]), p["dtype"]) for p in data[key]) for key in _PORTS}
        return cls(**{**data, **ports})

    def data(self) -> dict[str, Any]:
        """The facts as JSON-like data."""
        return asdict(self)


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


def _port(name: str, type_: TensorType) -> Port:
    """Floats are passed as float32, all else as int32. An open dimension is 0 here, and `load` refuses it."""
    dtype = "float32" if type_.dtype.startswith(("fp", "bf")) else "int32"
    return Port(name, tuple(dim or 0 for dim in type_.shape), dtype)
