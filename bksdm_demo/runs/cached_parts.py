"""What the pipeline cache keeps and gives out: parts, assembled pipelines, leases, and its state in numbers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine, Form, FormRunner
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

    `form_bytes` are reserved for each other form of the engine, once it was decided to load that.
    """

    path: Path
    engine: Engine
    memory_bytes: int
    loading: Future[None] | None = None
    leases: int = 0
    last_used: int = 0
    form_bytes: dict[Form, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The memory that this part takes or will take once it is loaded."""
        return self.memory_bytes + sum(self.form_bytes.values())

    @property
    def ready(self) -> bool:
        return self.loading is not None and self.loading.done()

    def missing_bytes(self, form: Form) -> int:
        """The bytes of a form that the engine has and that is not loaded, else 0."""
        engine = self.engine
        return engine.form_bytes(form) if isinstance(engine, FormRunner) and not engine.form_loaded(form) else 0

    def load_form(self, form: Form) -> None:
        """Load a form. Raises its DemoError, unless it is for one half: then both halves will run."""
        assert isinstance(self.engine, FormRunner)
        try:
            self.engine.load_form(form)
        except DemoError as error:
            self.form_bytes.pop(form, None)
            if not form.halved:
                raise
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
