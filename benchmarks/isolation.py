"""Measures what a process for each part costs: time for a picture, time to load, memory.

    python -m benchmarks.isolation [KEY] [--steps N] [--calls N] [--rounds N] [--models-dir FOLDER]

Loads one system twice in this process: once with its parts here, once with its parts in processes of their own. Then
each part runs here and apart in turns (A B B A ...), call by call, so both see the same load of the machine. The table
shows the median of the differences between neighbours, the difference of the fastest calls, and the sums over the calls
of one picture. Then both draw the same picture in turns, which must be equal, byte for byte. Without a key:
emoji-tiny. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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

QUIET = 5  # percent: the fastest calls, which other programs did not disturb
PLENTY = 2**60  # bytes: nothing is to go out
OpenPart = Callable[[Path, bool], Engine]


def draw(pipeline: Pipeline, request: Request) -> tuple[float, NDArray]:
    """Seconds of one picture, and the picture."""
    start = time.perf_counter()
    latents = [step.latents for step in pipeline.steps(request, pipeline.encode(request))][-1]
    image = pipeline.decode(latents)
    pipeline.check(image)
    return time.perf_counter() - start, image


def call_seconds(here: Engine, apart: Engine, rounds: int) -> NDArray:
    """Seconds of single runs [rounds, 2], here and apart, in turns."""
    random = np.random.default_rng(0)
    arrays = {port.name: (random.random(port.shape) * 9).astype(port.dtype) for port in here.inputs}
    engines = (here, apart)
    taken = np.zeros((rounds + 2, 2))  # the first two rounds do not count
    for number in range(len(taken)):
        for place in (0, 1) if number % 2 else (1, 0):
            start = time.perf_counter()
            engines[place].run(arrays)
            taken[number, place] = time.perf_counter() - start
    return taken[2:]


def report_calls(here: Pipeline, apart: Pipeline, steps: int, rounds: int) -> None:
    """Print what one call costs more for each part, and all calls of a picture together."""
    encoder, unet = here.text_encoder.engine, here.unet.engines
    totals = np.zeros((2, 2))  # median and quiet; here and more apart
    for ours, theirs in zip(here.engines, apart.engines, strict=True):
        calls = 2 if ours is encoder else steps * 2 // here.unet.batch if ours in unet else 1
        taken = call_seconds(ours, theirs, rounds)
        quiet = np.percentile(taken, QUIET, axis=0)
        rows = [(np.median(taken[:, 0]), np.median(taken[:, 1] - taken[:, 0])), (quiet[0], quiet[1] - quiet[0])]
        print(f"{ours.inputs[0].name:15} {calls:3} calls, median {_row(*rows[0])}; quiet {_row(*rows[1])}", flush=True)
        totals += calls * np.array(rows)
    for name, (own, more) in zip(("median", "quiet"), totals, strict=True):
        print(f"all calls of a picture, {name}: {_row(own, more)}, {100 * more / own:+.2f} %")


def _row(own: float, more: float) -> str:
    return f"{own * 1e3:.3f} ms, apart {more * 1e3:+.3f} ms"


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
    parser.add_argument("--calls", type=int, default=200, help="of each part")
    parser.add_argument("--rounds", type=int, default=20, help="whole pictures")
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
        report_calls(here.pipeline, apart.pipeline, flags.steps, flags.calls)
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


if __name__ == "__main__":
    main()
