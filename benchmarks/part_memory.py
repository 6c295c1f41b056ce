"""Compares the OpenVINO engine's memory estimate of a part with the growth of the process that loads it.

    python -m benchmarks.part_memory [PART ...] [--precision f32 bf16]

Each part loads from the disk cache and runs once, in a separate process. A tiny part runs first, so that the runtime's
own memory does not count. Growth is in resident bytes: after loading, after the run (once freed memory went back to
the system), and at the peak. Another process fills the cache beforehand; it is removed afterwards. Without arguments:
the embedded family. Linux only (/proc, glibc).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine, choose_precision

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "golden" / "mil" / "converted.mlpackage"
STATUS = Path("/proc/self/smaps_rollup")
FILL = 5.0  # in every input; also a valid token id


def resident_bytes() -> int:
    """What this process occupies, after giving back what it can."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    fields = dict(line.split(maxsplit=1) for line in STATUS.read_text().splitlines()[1:])
    return int(fields["Rss:"].split()[0]) * 1024


def peak_bytes() -> int:
    """The most that this process ever occupied."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_once(engine: OpenVinoEngine) -> None:
    engine.run({port.name: np.full(port.shape, FILL) for port in engine.inputs})


def fill_cache(path: Path, precision: str, cache: Path) -> None:
    """The first load: compiles, and keeps the result."""
    engine = OpenVinoEngine(path, EngineOptions(precision=precision, cache_dir=cache))
    _ = engine.memory_bytes
    engine.load()


def measure(path: Path, precision: str, cache: Path) -> tuple[int, int, int, int]:
    """Bytes estimated, grown by loading, grown by loading and a run, grown at the peak."""
    options = EngineOptions(precision=precision, cache_dir=cache)
    tiny = OpenVinoEngine(TINY, options)
    run_once(tiny)
    engine = OpenVinoEngine(path, options)
    estimated = engine.memory_bytes
    before = resident_bytes()
    engine.load()
    loaded = resident_bytes() - before
    run_once(engine)
    return estimated, loaded, resident_bytes() - before, peak_bytes() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", type=Path, metavar="PART", help=".mlpackage or .mlmodelc folders")
    parser.add_argument("--precision", nargs="+", default=["f32", choose_precision("auto", False)])
    flags = parser.parse_args()
    parts = flags.parts or sorted((ROOT / "assets" / "emoji").glob("*/*.mlpackage"))
    print(f"{'part':<48} {'':<5} {'estimate':>9} {'loaded':>9} {'and run':>9} {'peak':>9}   MB")
    context = multiprocessing.get_context("spawn")
    for part in parts:
        for precision in dict.fromkeys(flags.precision):
            with tempfile.TemporaryDirectory() as cache:
                with context.Pool(1) as pool:
                    pool.apply(fill_cache, (part, precision, Path(cache)))
                with context.Pool(1) as pool:
                    figures = pool.apply(measure, (part, precision, Path(cache)))
            print(f"{part.stem[-48:]:<48} {precision:<5} " + " ".join(f"{figure / 1e6:9.1f}" for figure in figures))


if __name__ == "__main__":
    main()
