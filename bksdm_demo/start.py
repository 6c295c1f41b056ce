"""Assembles the services from settings: the one place where engine, library and services meet.

app.py and cli.py both start here. Nothing is loaded yet: models load at their first lease. Leaves out the page and
the command line, which sit on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.choose import open_engine
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.mil.package import read_package
from bksdm_demo.services import environment
from bksdm_demo.services.cache import PipelineCache
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.settings import Settings


@dataclass(frozen=True)
class Services:
    """What a front end needs; `close()` it when done. `choices` are the engine settings that timings depend on."""

    catalog: Catalog
    cache: PipelineCache
    comparisons: Comparisons
    choices: Mapping[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, Any]:
        """This machine and the engine settings, for `result.json` and picture metadata."""
        return environment.describe(**self.choices)

    def close(self) -> None:
        """Interrupt what runs and unload every model."""
        self.comparisons.close()


def start(settings: Settings) -> Services:
    """The services for these settings. Raises EngineError for engine settings that contradict each other."""
    options = EngineOptions(
        kind=settings.engine,
        precision=settings.precision,
        compute_units=settings.compute_units,
        cache_dir=settings.cache_dir,
        threads=settings.threads,
    )

    def open_part(path: Path, exact: bool) -> Engine:
        return open_engine(path, options, exact)

    catalog = Catalog(settings.assets, settings.models_dir, read_metadata=_metadata)
    cache = PipelineCache(catalog, open_part, settings.memory_bytes)
    comparisons = Comparisons(cache, queue_size=settings.queue_size)
    choices = {"engine": options.kind, "precision": options.precision, "threads": options.threads}
    return Services(catalog, cache, comparisons, choices)


def _metadata(part: Path) -> Mapping[str, str]:
    return read_package(part).metadata
