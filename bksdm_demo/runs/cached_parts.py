"""What the pipeline cache keeps and gives out: parts, assembled pipelines, leases, and its state in numbers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine, HalfRunner
from bksdm_demo.errors import DemoError
from bksdm_demo.library.catalog import System

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """A loaded pipeline for the time of a `with` block. `load_seconds` is the whole time from the call to the lease.

    `cold` is true if at least one part was not loaded before the call.
    """

    system: System
    pipeline: Pipeline
    load_seconds: float
    cold: bool


@dataclass(frozen=True)
class CacheState:
    """The loaded parts (name, bytes in memory), the budget, and counts since the start.

    `hits` counts parts that were loaded already, `loads` parts that had to be loaded, `evictions` unloaded parts.
    """

    parts: tuple[tuple[str, int], ...]
    budget_bytes: int
    hits: int
    loads: int
    evictions: int

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(eq=False)
class Part:
    """One engine. `loading` is set from the decision to load until the part is unloaded; `leases` counts its users.

    `half_bytes` are reserved for the engine's form for one half, once it was decided to load that.
    """

    path: Path
    engine: Engine
    memory_bytes: int
    loading: Future[None] | None = None
    leases: int = 0
    last_used: int = 0
    half_bytes: int = 0

    @property
    def bytes(self) -> int:
        """The memory that this part takes or will take once it is loaded."""
        return self.memory_bytes + self.half_bytes

    @property
    def ready(self) -> bool:
        return self.loading is not None and self.loading.done()

    @property
    def lacks_half(self) -> bool:
        """Whether the engine has a form for one half that is not loaded."""
        return isinstance(self.engine, HalfRunner) and bool(self.engine.half_bytes) and not self.engine.half_loaded

    def load_half(self) -> None:
        """Load the form for one half. If that fails, both halves will run, so it is no error."""
        try:
            cast(HalfRunner, self.engine).load_half()
        except DemoError as error:
            self.half_bytes = 0
            logger.warning("%s Both halves will run.", error)

    @property
    def usable(self) -> bool:
        """False once its files are gone and it is not loaded. Equal files of another system can replace them."""
        return self.loading is not None or self.path.exists()


@dataclass(frozen=True)
class Assembled:
    """A pipeline, its parts, and the role of each part in words."""

    pipeline: Pipeline
    parts: tuple[Part, ...]
    roles: tuple[str, ...]


@dataclass
class Counts:
    hits: int = 0
    loads: int = 0
    evictions: int = 0
    clock: Iterator[int] = field(default_factory=itertools.count)
