"""The engine contract: named arrays in, named arrays out. All that diffusion/ sees of a runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import EngineError

AUTO = "auto"  # leaves a choice to the program
PRECISIONS = (AUTO, "f32", "bf16", "int8")
# Holds the five published families at once: a full-size system takes 1.6 to 2.7 GB, and all share 1 GB of it.
CACHE_BYTES = 8 << 30
COMPUTE_UNITS = (AUTO, "all", "cpu-only", "cpu-and-gpu", "cpu-and-ne")
HINTS = ("fast-prediction", "infrequent-reshape")  # Core ML's, from macOS 15 on
ISOLATIONS = ("child", "none")  # each part in a process of its own, or all in this one
LOAD_LIMIT, RUN_LIMIT = 1200.0, 300.0  # seconds; for the Neural Engine, Core ML may compile a U-Net for many minutes


@dataclass(frozen=True)
class EngineOptions:
    """How to run the parts. "auto" leaves a choice to the engine, which looks at the machine and the part.

    `kind` is one of the registered engines (registry.py), which checks it. OpenVINO reads `precision` and `threads`,
    Core ML `compute_units` and `hints` (some of HINTS, with commas between them). `cache_dir` is a folder for compiled
    results; without one OpenVINO stores none. OpenVINO stores `cache_bytes` at most and removes the least recently used
    first. Raises EngineError naming the option, the value and the choices.
    """

    kind: str = AUTO
    precision: str = AUTO
    compute_units: str = AUTO
    cache_dir: Path | None = None
    threads: int | None = None
    cache_bytes: int = CACHE_BYTES
    hints: str = ""

    def __post_init__(self) -> None:
        choices = {"precision": PRECISIONS, "compute_units": COMPUTE_UNITS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise EngineError(f"Engine {name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
        if self.hints and not set(self.hints.split(",")) <= set(HINTS):
            raise EngineError(f"Engine hints is {self.hints!r}; give some of {', '.join(HINTS)}, with commas between.")
        if self.threads is not None and self.threads < 1:
            raise EngineError(f"Engine threads is {self.threads}; it must be 1 or more, or None for all cores.")
        if self.cache_bytes < 0:
            raise EngineError(f"Engine cache_bytes is {self.cache_bytes}; it must be 0 or more.")


@dataclass(frozen=True)
class Port:
    """An input or output of a part: its name, its fixed shape, and its numpy type ("float32" or "int32")."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


class Engine(Protocol):
    """One Core ML part, ready to run. `load` and `unload` may be called any number of times; `run` loads if needed.

    `metadata` is the package's user-defined metadata, and `size_bytes` the size of its files on disk. `memory_bytes`
    estimates the resident bytes that loading and running adds to the process; it is known before loading. `run` may be
    called from several threads (one runs at a time) and returns float32 arrays that the caller owns. It raises
    EngineError for a wrong name, shape or type, naming all three, and for a failure of the runtime.
    """

    kind: str  # as registered in registry.py

    @property
    def inputs(self) -> tuple[Port, ...]: ...

    @property
    def outputs(self) -> tuple[Port, ...]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    @property
    def loaded(self) -> bool: ...

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]: ...


@runtime_checkable
class Calibrated(Protocol):
    """An engine with a precision so coarse that it must see the values to expect before it can round them.

    While `needs_calibration`, `load` raises EngineError. Inside `observing()` the engine runs in another precision and
    records samples. Leaving it without an error completes the calibration, for this process and, with a cache folder,
    for later ones.
    """

    @property
    def needs_calibration(self) -> bool: ...

    def observing(self) -> AbstractContextManager[None]: ...


class Form(StrEnum):
    """Another form of a part of batch 2, which computes less of it. The values are keys of stored results.

    HALF takes and returns one half, a batch of 1, in half the time. DEEP takes what the part takes and returns its
    features at the cut nearest the output. SHALLOW takes these features besides and returns what the part returns, so
    DEEP and SHALLOW together compute the part.
    """

    HALF = "one half"
    DEEP = "deep"
    SHALLOW = "shallow"
    HALF_DEEP = "one half, deep"
    HALF_SHALLOW = "one half, shallow"

    @property
    def halved(self) -> bool:
        return self in (Form.HALF, Form.HALF_DEEP, Form.HALF_SHALLOW)

    @property
    def deep(self) -> bool:
        return self in (Form.DEEP, Form.HALF_DEEP)

    @property
    def shallow(self) -> bool:
        return self in (Form.SHALLOW, Form.HALF_SHALLOW)


FEATURES = "deep_features"  # DEEP's output, and SHALLOW's additional input


@runtime_checkable
class FormRunner(Protocol):
    """An engine that can also run other forms of its part.

    `form_bytes` estimates what a form adds to the resident bytes, known before loading; 0 for a form that the part does
    not have. `load_form` loads it beside the part and may raise a DemoError; `unload` unloads all. `features` is the
    port between DEEP and SHALLOW, of batch 2, None without them. `run_form` takes and returns the arrays of
    `form_ports`. HALF has the numbers that `run` has for that half.
    """

    @property
    def features(self) -> Port | None: ...

    def form_bytes(self, form: Form) -> int: ...

    def form_loaded(self, form: Form) -> bool: ...

    def load_form(self, form: Form) -> None: ...

    def run_form(self, form: Form, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]: ...


def form_ports(
    form: Form, inputs: Sequence[Port], outputs: Sequence[Port], features: Port | None
) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """The inputs and outputs of a form, of those of its part."""
    crossing = () if features is None else (features,)
    taken = (*inputs, *crossing) if form.shallow else tuple(inputs)
    returned = crossing if form.deep else tuple(outputs)
    if not form.halved:
        return taken, returned
    return tuple(map(_half_port, taken)), tuple(map(_half_port, returned))


def _half_port(port: Port) -> Port:
    return replace(port, shape=(1, *port.shape[1:]))


def check_inputs(ports: Sequence[Port], arrays: Mapping[str, NDArray], part: str) -> dict[str, NDArray]:
    """The arrays in port order, C-contiguous and of the port's type. Raises EngineError for any that do not fit.

    Real numbers of any type are cast; complex, text and object arrays are refused.
    """
    if arrays.keys() != {port.name for port in ports}:
        raise _wrong_names(ports, arrays, part)
    checked = {}
    for port in ports:
        array = np.asarray(arrays[port.name])
        if array.dtype.kind not in "biuf" or array.shape != port.shape:
            given = f"{array.dtype}{list(array.shape)}"
            raise EngineError(f"{part}: input {port.name} is {given}, it must be {port.dtype}{list(port.shape)}.")
        checked[port.name] = np.ascontiguousarray(array, dtype=port.dtype)
    return checked


def _wrong_names(ports: Sequence[Port], arrays: Mapping[str, NDArray], part: str) -> EngineError:
    unknown = sorted(set(arrays) - {port.name for port in ports})
    missing = [port.name for port in ports if port.name not in arrays]
    expected = "; ".join(str(port) for port in ports)
    return EngineError(f"{part}: unknown inputs {unknown}, missing inputs {missing}; it takes {expected}.")
