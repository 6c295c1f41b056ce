"""Measures what shared parts save: resident bytes and seconds of loading.

    python -m benchmarks.part_sharing [KEY KEY ...] [--models-dir FOLDER]

Loads the systems one after the other in a separate process: once through one cache, which shares parts by content, and
once through a cache for each, which shares nothing. Then draws one step with each. Memory is counted after freed memory
went back to the system. Without arguments: two of the embedded family. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.part_memory import resident_bytes
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.records import Request
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import ASSETS
from bksdm_demo.units import format_bytes

DEFAULT = ("emoji-original", "emoji-tiny")
PLENTY = 2**60  # bytes: nothing is to go out
REQUEST = Request("red apple", steps=1)


def measure(keys: list[str], models_dir: Path | None, shared: bool) -> tuple[float, int, int]:
    """Seconds of loading all systems, bytes the process grew by, and by how much after one step with each."""
    catalog = Catalog(ASSETS, models_dir, published=PUBLISHED)
    caches = [_cache(catalog)] * len(keys) if shared else [_cache(catalog) for _ in keys]
    with ExitStack() as leases:
        before, start = resident_bytes(), time.perf_counter()
        pipelines = [leases.enter_context(cache.lease(key)).pipeline for cache, key in zip(caches, keys, strict=True)]
        seconds = time.perf_counter() - start
        loaded = resident_bytes() - before
        for pipeline in pipelines:
            _draw(pipeline)
        return seconds, loaded, resident_bytes() - before


def _cache(catalog: Catalog) -> PipelineCache:
    options = EngineOptions()
    return PipelineCache(catalog, lambda path, exact: open_engine(path, options, exact), PLENTY)


def _draw(pipeline: Pipeline) -> None:
    latents = [step.latents for step in pipeline.steps(REQUEST, pipeline.encode(REQUEST))][-1]
    pipeline.check(pipeline.decode(latents))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="KEY", help="systems; `python -m bksdm_demo models` lists them")
    parser.add_argument("--models-dir", type=Path)
    flags = parser.parse_args()
    keys = flags.keys or list(DEFAULT)
    print(f"{', '.join(keys)}, loaded one after the other")
    print(f"{'':12}  {'loading':>8}  {'memory loaded':>13}  {'after a step':>12}")
    spawn = multiprocessing.get_context("spawn")
    for name, shared in (("apart", False), ("shared", True)):
        with spawn.Pool(1) as pool:
            seconds, loaded, used = pool.apply(measure, (keys, flags.models_dir, shared))
        print(f"{name:12}  {seconds:6.2f} s  {format_bytes(loaded):>13}  {format_bytes(used):>12}", flush=True)


if __name__ == "__main__":
    main()
