"""The engines there are, and the choice among them: Core ML on a Mac, OpenVINO elsewhere, or the one asked for.

To add an engine, write a module with the two functions of `EngineModule` and one line in the list at the end of this
file. A module is imported when its engine is first used, so no other engine's library needs to be installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from bksdm_demo.engines.base import AUTO, Engine, EngineOptions
from bksdm_demo.errors import EngineError

SYSTEM_NAMES = {"darwin": "macOS", "linux": "Linux", "win32": "Windows"}


class EngineModule(Protocol):
    """What the module of an engine offers; either function may raise EngineError for options it cannot satisfy."""

    def open_part(self, path: Path, options: EngineOptions, exact: bool) -> Engine:
        """The engine for the part at `path`, not loaded yet; `exact` keeps it in float32 where there is a choice."""

    def expected_memory(self, weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
        """See the function of the same name below."""


@dataclass(frozen=True)
class Registration:
    """One engine: where its module is, and what can be said without importing it.

    `options` names the fields of EngineOptions that it reads. `systems` are those it runs on, in `sys.platform`'s
    spelling; none means all.
    """

    module: str
    options: tuple[str, ...]
    systems: tuple[str, ...] = ()

    def available(self, system: str = sys.platform) -> bool:
        """Whether the engine runs on that system, installed or not."""
        return not self.systems or system in self.systems


_REGISTERED: dict[str, Registration] = {}


def register(kind: str, module: str, options: tuple[str, ...], systems: tuple[str, ...] = ()) -> None:
    """Add an engine. "auto" takes the first one that is available. Raises ValueError for a kind that exists."""
    if kind == AUTO or kind in _REGISTERED:
        raise ValueError(f"The engine kind {kind!r} is taken; there are: {', '.join(engine_choices())}.")
    unknown = set(options) - {field.name for field in fields(EngineOptions)}
    if unknown:
        raise ValueError(f"The engine {kind} reads {sorted(unknown)}, which EngineOptions does not have.")
    _REGISTERED[kind] = Registration(module, options, systems)


def engine_choices() -> tuple[str, ...]:
    """What an operator may ask for: "auto" and every registered kind."""
    return (AUTO, *_REGISTERED)


def engine_kind(options: EngineOptions, system: str = sys.platform) -> str:
    """The engine that `options` choose on `system`, in `sys.platform`'s spelling.

    Raises EngineError for an unknown kind, listing those there are, and for one that does not run on this system.
    """
    here = [kind for kind, registration in _REGISTERED.items() if registration.available(system)]
    if options.kind == AUTO and here:
        return here[0]
    if options.kind in here:
        return options.kind
    if options.kind not in _REGISTERED:
        raise EngineError(f"Engine kind is {options.kind!r}; choose one of {', '.join(engine_choices())}.")
    homes = " and ".join(SYSTEM_NAMES.get(name, name) for name in _REGISTERED[options.kind].systems)
    raise EngineError(f"The engine {options.kind} runs on {homes} only; choose {' or '.join((AUTO, *here))} instead.")


def registration(kind: str) -> Registration:
    """The registration of a kind that `engine_kind` returned."""
    return _REGISTERED[kind]


def ignored_options(options: EngineOptions) -> tuple[str, ...]:
    """The choices made in `options` that the chosen engine does not read; those left at "auto" do not count."""
    read = _REGISTERED[engine_kind(options)].options
    chosen = {"precision": options.precision, "compute_units": options.compute_units, "hints": options.hints or AUTO}
    return tuple(name for name, value in chosen.items() if value != AUTO and name not in read)


def open_engine(path: Path, options: EngineOptions, exact: bool = False) -> Engine:
    """The engine for the part at `path`, not loaded yet; `exact` keeps it in float32 where the engine has a choice.

    Raises EngineError for an engine that this machine does not have.
    """
    return engine_module(engine_kind(options)).open_part(path, options, exact)


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    """About the resident bytes of a 512-pixel system that is not downloaded yet, from its numbers of weights.

    `exact_weights` counts the parts that run in float32, `weights` the others; `size_bytes` is the system's size on
    disk. For a part on disk, Engine.memory_bytes is closer.
    """
    return engine_module(engine_kind(options)).expected_memory(weights, exact_weights, size_bytes, options)


def engine_module(kind: str) -> EngineModule:
    """The module of a registered engine, imported at its first use. Raises EngineError if its library is missing."""
    try:
        return cast(EngineModule, import_module(_REGISTERED[kind].module))
    except ImportError as error:
        raise EngineError(f"The engine {kind} is not installed ({error}); run `make demo` once.") from error


register("coreml", "bksdm_demo.engines.coreml_engine", ("compute_units", "cache_dir", "hints"), systems=("darwin",))
register("openvino", "bksdm_demo.engines.openvino_engine", ("precision", "threads", "cache_dir", "cache_bytes"))
