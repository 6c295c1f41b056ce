"""Measures what a process for each part costs: time for a picture, time to load, memory.

    python -m benchmarks.isolation [KEY] [--steps N] [--rounds N] [--models-dir FOLDER]

Loads one system twice in this process: once with its parts here, once with its parts in processes of their own. Then
both draw the same picture in turns (A B B A ...), so both see the same load of the machine. Quote the ratios. Both
pictures must be equal, byte for byte. Without a key: emoji-tiny. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.records import Request
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import ASSETS
from bksdm_demo.units import format_bytes

PLENTY = 2**60  # bytes: nothing is to go out
OpenPart = Callable[[Path, bool], Engine]


def draw(pipeline: Pipeline, request: Request) -> tuple[float, np.ndarray]:
    """Seconds of one picture, and the picture."""
    start = time.perf_counter()
    latents = [step.latents for step in pipeline.steps(request, pipeline.encode(request))][-1]
    image = pipeline.decode(latents)
    pipeline.check(image)
    return time.perf_counter() - start, image


def private_bytes(pid: int | str) -> int:
    """The memory that no other process shares with this one."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def child_pids() -> list[int]:
    """The processes that this one has started."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("key", nargs="?", default="emoji-tiny", help="system; `python -m bksdm_demo models` lists them")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--models-dir", type=Path)
    flags = parser.parse_args()
    options = EngineOptions()
    catalog = Catalog(ASSETS, flags.models_dir, published=PUBLISHED)
    processes = PartProcesses(options)
    processes.prepare()
    time.sleep(5)  # as between the start of the page and the first picture
    ways: dict[str, OpenPart] = {
        "apart": lambda path, exact: IsolatedEngine(path, processes, exact),
        "here": lambda path, exact: open_engine(path, options, exact),
    }
    caches = {name: PipelineCache(catalog, open_part, PLENTY) for name, open_part in ways.items()}
    request = Request("red apple", steps=flags.steps)
    print(f"{flags.key}, {flags.steps} steps, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with caches["apart"].lease(flags.key) as apart, caches["here"].lease(flags.key) as here:
        print(f"cold load: here {here.load_seconds:.2f} s, apart {apart.load_seconds:.2f} s")
        pipelines = {"here": here.pipeline, "apart": apart.pipeline}
        images = [draw(pipeline, request)[1] for pipeline in pipelines.values()]
        assert np.array_equal(*images), "the same engine gave another picture"
        taken: dict[str, list[float]] = {name: [] for name in pipelines}
        for number in range(flags.rounds):
            for name in list(pipelines)[:: 1 if number % 2 else -1]:
                taken[name].append(draw(pipelines[name], request)[0])
        report(taken)
        pids = child_pids()
        sizes = [private_bytes(pid) for pid in pids]
        print(f"memory of {len(pids)} processes, one of them spare: {', '.join(map(format_bytes, sizes))}")
        print(f"this process, with the same parts: {format_bytes(private_bytes('self'))}")
    processes.close()


def report(taken: dict[str, list[float]]) -> None:
    here, apart = np.array(taken["here"]), np.array(taken["apart"])
    for name, seconds in taken.items():
        print(f"{name:6} median {np.median(seconds):.4f} s, least {np.min(seconds):.4f} s")
    low, middle, high = np.percentile(apart / here, [25, 50, 75])
    print(f"apart / here: median {middle:.3f}, quartiles {low:.3f} to {high:.3f}, of {len(here)} rounds")
    print(f"ratio of the least: {apart.min() / here.min():.3f}, of the lower quartiles: ", end="")
    print(f"{np.percentile(apart, 25) / np.percentile(here, 25):.3f}")


if __name__ == "__main__":
    main()
