"""Builds all services from the settings. Used by the page (app.py) and by the command line (cli/).

Nothing is loaded here: models load at their first lease.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bksdm_demo import environment
from bksdm_demo.diffusion.safety_rules import read_rules
from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import DownloadQueue, MemoryEstimate
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.downloads.status_board import StatusBoard
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.engines.registry import engine_kind, expected_memory, ignored_options
from bksdm_demo.engines.unit_fallback import has_units, part_opener
from bksdm_demo.errors import EngineError
from bksdm_demo.evaluation.pairs import Pool, read_choice
from bksdm_demo.evaluation.votes_booth import Booth, Rules
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.library.assemble import assemble
from bksdm_demo.library.catalog import EMOJI_FAMILY, Catalog, System
from bksdm_demo.library.published import (
    IMAGE_DECODER_WEIGHTS,
    PUBLISHED,
    SAFETY_CHECKER_WEIGHTS,
    TEXT_ENCODER_WEIGHTS,
)
from bksdm_demo.mil.identity import remember_digests
from bksdm_demo.mil.model import input_shapes, user_metadata
from bksdm_demo.parameters.picture_record import read_picture
from bksdm_demo.pool.opening import LANES, open_pool
from bksdm_demo.pool.pool_catalog import PoolCatalog
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.meter import Meter
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import Settings, default_models_dir
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import open_store
from bksdm_demo.units import DAY, GIB

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """The services that a front end needs. Call `close()` at the end.

    `background` downloads and prewarms; prewarming begins with `background.prewarm.start()`. `choices` are the engine
    settings that affect timings. `opened` has the engine of every opened part, by part_name. `processes` run the parts
    if they are isolated, and try compute units. `pool` are the machines that draw instead of this one.
    """

    catalog: Catalog
    cache: PipelineCache
    comparisons: Comparisons
    background: Background
    choices: Mapping[str, Any] = field(default_factory=dict)
    opened: Mapping[str, Engine] = field(default_factory=dict)
    processes: PartProcesses | None = None
    pool: PoolDrawer | None = None

    def environment(self) -> dict[str, Any]:
        """Return a description of this machine, the engine settings and the opened parts, for records and pictures."""
        return describe(self.choices, self.opened)

    def prepare(self) -> None:
        """Start what makes the first picture faster: a process for the first part."""
        if self.processes is not None and self.pool is None:
            self.processes.prepare()

    def drain(self) -> None:
        """Refuse new jobs and downloads and interrupt all others; wait for what they compute now, at most 5 seconds."""
        if self.pool is not None:
            self.pool.leave()  # the page's next process picks up what they draw
        ends = (self.comparisons.drain, self.background.downloads.close, self.background.prewarm.close)
        with ThreadPoolExecutor(len(ends), thread_name_prefix="drain") as threads:
            for ended in [threads.submit(end) for end in ends]:
                ended.result()

    def close(self) -> None:
        """Drain, end all processes of parts, unload every model, and close the store."""
        self.drain()
        if self.processes is not None:
            self.processes.close()  # also those that still compute
        self.comparisons.close()
        if self.pool is not None:
            self.pool.close()


def start(settings: Settings, meter: Meter | None = None) -> Services:
    """Build the services. `meter` counts what they do.

    Raises EngineError for an engine that this machine does not have, PoolError for a pool that cannot be reached.
    """
    options = engine_options(settings)
    if settings.cache_dir is not None:
        remember_digests(settings.cache_dir)
    for name in ignored_options(options):
        _logger.warning("The engine %s ignores %s=%s.", engine_kind(options), name, getattr(options, name))
    choices = {"engine": engine_kind(options), "precision": options.precision, "threads": options.threads}
    choices |= {"compute_units": options.compute_units} if has_units(options) else {}
    models_dir = settings.models_dir or settings.fetch_dir
    opened: dict[str, Engine] = {}
    limits = TimeLimits(settings.load_limit, settings.run_limit)
    isolated = settings.isolation == "child"
    processes = PartProcesses(options, limits) if isolated or has_units(options) else None
    open_one = part_opener(options, processes, isolated)

    def open_part(path: Path, exact: bool) -> Engine:
        engine = opened[part_name(path, settings.assets, models_dir)] = open_one(path, exact)
        return engine

    pool = None if settings.pool_address is None else open_pool(settings.pool_address)
    catalog = open_catalog(settings, models_dir, pool)
    rules = None if settings.safety_rules is None else read_rules(settings.safety_rules)
    cache = PipelineCache(catalog, open_part, settings.memory_bytes, assemble=partial(assemble, rules=rules))
    comparisons = Comparisons(
        cache,
        store=open_store(settings.data_dir, retention(settings), read_picture),
        environment=partial(describe, choices, opened) if pool is None else dict,
        queue_size=settings.queue_size,
        previews_allowed=settings.previews_allowed,
        allowance=settings.allowance,
        meter=meter,
        expected_memory=partial(system_memory, engine_options(settings)),
        drawer=pool,
        lanes=1 if pool is None else LANES,
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
    idle = settings.no_prewarm or pool is not None
    keys, family = ((), "") if idle else (settings.prewarm, EMOJI_FAMILY)
    prewarm = Prewarm(cache, downloads, status_board, keys, family, lambda: comparisons.busy)
    background = Background(status_board, downloads, prewarm)
    return Services(catalog, cache, comparisons, background, choices, opened, processes, pool)


def open_catalog(settings: Settings, models_dir: Path | None, pool: PoolDrawer | None) -> Catalog:
    """Return the catalogue of the systems here, or of what the pool offers."""
    readers: dict[str, Any] = {"read_metadata": user_metadata, "read_shapes": input_shapes, "published": PUBLISHED}
    if pool is not None:
        return PoolCatalog(settings.assets, models_dir, offered=pool.roster.systems, **readers)
    return Catalog(settings.assets, models_dir, **readers)


def open_booth(comparisons: Comparisons, settings: Settings) -> Booth | None:
    """Return the booth for blind votes, with the votes in the data folder; None where nobody may vote.

    Raises DemoError for a pool that cannot be read.
    """
    if not settings.votes_allowed:
        return None
    limits = settings.limits.values(settings.public)
    rules = Rules(limits["visitor_vote_rate"], limits["address_vote_rate"], settings.signs_in, settings.vote_sign_in)
    pool = Pool(comparisons, read_choice(settings.votes_on))
    folder = None if comparisons.problem else settings.data_dir
    return Booth(comparisons, open_votes(folder), pool, rules)


def part_name(path: Path, *folders: Path | None) -> str:
    """Return a part's path below one of these folders, without its suffix.

    The file name alone is not enough: every compiled system calls its U-Net "Unet".
    """
    inside = (path.relative_to(folder) for folder in folders if folder is not None and path.is_relative_to(folder))
    return next(inside, Path(path.name)).with_suffix("").as_posix()


def engine_options(settings: Settings) -> EngineOptions:
    """Return the engine options that these settings ask for."""
    return EngineOptions(
        kind=settings.engine,
        precision=settings.precision,
        compute_units=settings.compute_units,
        cache_dir=settings.cache_dir,
        threads=settings.threads or environment.granted_threads(),
        cache_bytes=int(settings.cache_gb * GIB),
        hints=settings.hints,
    )


def memory_estimates(settings: Settings) -> dict[str, MemoryEstimate]:
    """Estimate the memory of each published system, by key; {} if the chosen engine is refused."""
    exact = TEXT_ENCODER_WEIGHTS + SAFETY_CHECKER_WEIGHTS
    estimates = {}
    with suppress(EngineError):  # opening a part reports it
        for offer in PUBLISHED:
            weights = (offer.unet_parameters or 0) + IMAGE_DECODER_WEIGHTS
            expected = expected_memory(weights, exact, offer.size_bytes, engine_options(settings))
            estimates[offer.key] = MemoryEstimate(expected, settings.memory_bytes)
    return estimates


def system_memory(options: EngineOptions, system: System) -> int:
    """Estimate the memory of a loaded system in bytes, high rather than low: parts that it shares are counted."""
    unet, every = system.unet_parameters or 0, system.parameters or system.size_bytes
    with suppress(EngineError):  # opening a part reports it
        return expected_memory(unet, max(every - unet, 0), system.size_bytes, options)
    return sys.maxsize


def retention(settings: Settings) -> Retention:
    """Return the limits of the store."""
    return Retention(int(settings.quota_gb * GIB), settings.keep_days * DAY if settings.keep_days else None)


def describe(choices: Mapping[str, Any], opened: Mapping[str, Engine]) -> dict[str, Any]:
    """Return a description of this machine, the engine settings and the run mode of each opened part."""
    parts = {name: _run_mode(engine) for name, engine in list(opened.items())}
    return environment.describe(**choices, parts=parts)


def _run_mode(engine: Engine) -> dict[str, Any]:
    """Return what "auto" chose for this part, OpenVINO's precision or Core ML's compute units, and what trials found.

    `self_check` is in dB; `refused_units` says why; `devices` are shares, see engines/coreml_plan.py.
    """
    run_mode: dict[str, Any] = {"engine": engine.kind}
    for fact in ("precision", "compute_units"):
        with suppress(EngineError):  # a refused choice has no run mode
            value = getattr(engine, fact, None)
            run_mode |= {} if value is None else {fact: str(value)}
    for fact in ("self_check", "refused_units", "devices"):
        found = getattr(engine, fact, None)
        run_mode |= {} if found in (None, {}) else {fact: found}
    return run_mode
