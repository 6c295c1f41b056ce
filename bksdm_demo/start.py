"""Assembles the services from settings: the one place where engine, library and services meet.

app.py and cli.py both start here. Nothing is loaded yet: models load at their first lease. Leaves out the page and
the command line, which sit on top.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bksdm_demo import environment
from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import DownloadQueue, MemoryEstimate
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.registry import engine_kind, expected_memory, ignored_options, open_engine
from bksdm_demo.errors import EngineError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.published import (
    IMAGE_DECODER_WEIGHTS,
    PUBLISHED,
    SAFETY_CHECKER_WEIGHTS,
    TEXT_ENCODER_WEIGHTS,
)
from bksdm_demo.mil.identity import remember_digests
from bksdm_demo.mil.model import input_shapes, user_metadata
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import Settings, default_models_dir
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import open_store
from bksdm_demo.units import DAY, GIB

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What a front end needs; `close()` it when done.

    `background` downloads and prewarms, the latter once `background.prewarm.start()` is called.
    `choices` are the engine settings that timings depend on, `opened` the engines of the parts opened so far by the
    names that records give them (part_name).
    """

    catalog: Catalog
    cache: PipelineCache
    comparisons: Comparisons
    background: Background
    choices: Mapping[str, Any] = field(default_factory=dict)
    opened: Mapping[str, Engine] = field(default_factory=dict)

    def environment(self) -> dict[str, Any]:
        """This machine, the engine settings and how each part opened so far runs, for `result.json` and pictures."""
        return describe(self.choices, self.opened)

    def close(self) -> None:
        """Interrupt what runs and unload every model."""
        self.background.close()
        self.comparisons.close()


def start(settings: Settings) -> Services:
    """The services for these settings. Raises EngineError for an engine that this machine does not have."""
    options = engine_options(settings)
    if settings.cache_dir is not None:
        remember_digests(settings.cache_dir)
    for name in ignored_options(options):
        _logger.warning("The engine %s ignores %s=%s.", engine_kind(options), name, getattr(options, name))
    choices = {"engine": engine_kind(options), "precision": options.precision, "threads": options.threads}
    models_dir = settings.models_dir or settings.fetch_dir
    opened: dict[str, Engine] = {}

    def open_part(path: Path, exact: bool) -> Engine:
        engine = opened[part_name(path, settings.assets, models_dir)] = open_engine(path, options, exact)
        return engine

    catalog = Catalog(
        settings.assets, models_dir, read_metadata=user_metadata, read_shapes=input_shapes, published=PUBLISHED
    )
    cache = PipelineCache(catalog, open_part, settings.memory_bytes)
    comparisons = Comparisons(
        cache,
        store=open_store(settings.data_dir, retention(settings)),
        environment=lambda: describe(choices, opened),
        queue_size=settings.queue_size,
    )
    status_board = StatusBoard()
    downloads = DownloadQueue(
        catalog,
        models_dir or default_models_dir(os.environ),
        PUBLISHED,
        status_board,
        memory_estimates=memory_estimates(settings),
        allowed=settings.downloads_allowed,
    )
    prewarm = Prewarm(cache, downloads, status_board, settings.prewarm)
    background = Background(status_board, downloads, prewarm)
    return Services(catalog, cache, comparisons, background, choices, opened)


def part_name(path: Path, *folders: Path | None) -> str:
    """A part's place below these folders without its ending: every compiled system calls its U-Net just "Unet"."""
    inside = (path.relative_to(folder) for folder in folders if folder is not None and path.is_relative_to(folder))
    return next(inside, Path(path.name)).with_suffix("").as_posix()


def engine_options(settings: Settings) -> EngineOptions:
    """How the settings want the parts to be run."""
    return EngineOptions(
        kind=settings.engine,
        precision=settings.precision,
        compute_units=settings.compute_units,
        cache_dir=settings.cache_dir,
        threads=settings.threads or environment.granted_threads(),
        cache_bytes=int(settings.cache_gb * GIB),
    )


def memory_estimates(settings: Settings) -> dict[str, MemoryEstimate]:
    """What each published system will take of memory, by key; {} where the choice of engine is refused."""
    exact = TEXT_ENCODER_WEIGHTS + SAFETY_CHECKER_WEIGHTS
    estimates = {}
    with suppress(EngineError):  # told when a part is opened
        for offer in PUBLISHED:
            weights = (offer.unet_parameters or 0) + IMAGE_DECODER_WEIGHTS
            expected = expected_memory(weights, exact, offer.size_bytes, engine_options(settings))
            estimates[offer.key] = MemoryEstimate(expected, settings.memory_bytes)
    return estimates


def retention(settings: Settings) -> Retention:
    """How much is kept for how long."""
    return Retention(int(settings.quota_gb * GIB), settings.keep_days * DAY if settings.keep_days else None)


def describe(choices: Mapping[str, Any], opened: Mapping[str, Engine]) -> dict[str, Any]:
    """This machine, the engine settings and how each part runs that was opened so far."""
    parts = {name: _run_mode(engine) for name, engine in list(opened.items())}
    return environment.describe(**choices, parts=parts)


def _run_mode(engine: Engine) -> dict[str, str]:
    """What "auto" came to for this part: OpenVINO's precision, Core ML's compute units."""
    run_mode = {"engine": engine.kind}
    for fact in ("precision", "compute_units"):
        with suppress(EngineError):  # a choice that was refused has come to nothing
            value = getattr(engine, fact, None)
            run_mode |= {} if value is None else {fact: str(value)}
    return run_mode
