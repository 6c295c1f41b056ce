"""Times a U-Net by kind of operation, by OpenVINO's own profile, in bf16 and in int8: what runs in which precision.

    python -m benchmarks.operation_times FILE [--rounds N] [--longest N] [--cache FOLDER]

Both models are compiled and called in turns. The table adds up the operations of a kind in each call, and shows the
median. Operations that OpenVINO fuses count as one; a Subgraph is its own compiler's, such as attention with its
softmax, or a chain of elementwise operations. int8 is calibrated on two calls with random numbers, as the ranges hardly
matter for the time; `--cache` keeps the calibration.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_compiled import DEVICE
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.mil.model import read_model
from bksdm_demo.translate.graph import Translation

PRECISIONS = ("bf16", "int8")
TIMESTEPS = (981, 501)


@dataclass
class Profiled:
    """A compiled translation that is called with its operations timed; seconds by kind and by operation, per call."""

    request: ov.InferRequest
    inputs: list[NDArray]
    kinds: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    operations: dict[str, list[float]] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)

    def call(self) -> None:
        start = time.perf_counter()
        self.request.infer(self.inputs)
        self.calls.append(time.perf_counter() - start)
        kinds: dict[str, float] = defaultdict(float)
        self.counts = defaultdict(int)
        for found in self.request.get_profiling_info():
            seconds = found.real_time.total_seconds()
            if seconds:
                kind = f"{found.node_type}, {found.exec_type}"
                kinds[kind] += seconds
                self.counts[kind] += 1
                self.operations.setdefault(f"{kind}: {found.node_name}", []).append(seconds)
        for kind, seconds in kinds.items():
            self.kinds.setdefault(kind, []).append(seconds)


def profiled(engine: OpenVinoEngine, given: dict[str, NDArray]) -> Profiled:
    """The engine's model, compiled with a profile."""
    translation: Translation = engine._quantized(read_model(engine.path))  # calibrated, as `load` compiles it
    core, known = ov.Core(), dict(given)
    if translation.prelude is not None:
        exact = core.compile_model(translation.prelude, DEVICE, {"INFERENCE_PRECISION_HINT": "f32"})
        results = exact([known[parameter.get_friendly_name()] for parameter in translation.prelude.get_parameters()])
        names = [result.get_friendly_name() for result in translation.prelude.get_results()]
        known |= {name: results[place] for place, name in enumerate(names)}
    model = core.compile_model(translation.model, DEVICE, {**engine._settings(), "PERF_COUNT": True})
    inputs = [known[parameter.get_friendly_name()] for parameter in translation.model.get_parameters()]
    return Profiled(model.create_infer_request(), inputs)


def example(engine: OpenVinoEngine, timestep: float) -> dict[str, NDArray]:
    random = np.random.default_rng(0)
    given = {port.name: random.standard_normal(port.shape).astype(port.dtype) for port in engine.inputs}
    given["timestep"] = np.full_like(given["timestep"], timestep)
    return given


def opened(path: Path, precision: str, cache: Path | None) -> Profiled:
    """The file in one precision, calibrated if it is int8."""
    engine = OpenVinoEngine(path, EngineOptions(precision=precision, cache_dir=cache))
    if engine.needs_calibration:
        with engine.observing():
            for timestep in TIMESTEPS:
                engine.run(example(engine, timestep))
    engine.unload()
    return profiled(engine, example(engine, TIMESTEPS[-1]))


def table(precision: str, found: Profiled) -> str:
    """The Markdown table of one precision, longest first."""
    rows = sorted(((statistics.median(seconds), kind) for kind, seconds in found.kinds.items()), reverse=True)
    whole = sum(seconds for seconds, _ in rows)
    lines = [f"| {precision}, {statistics.median(found.calls):.3f} s a call | operations | seconds | share |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {kind} | {found.counts[kind]} | {seconds:.3f} | {seconds / whole:.3f} |" for seconds, kind in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--longest", type=int, default=0, help="also list so many single operations")
    parser.add_argument("--cache", type=Path, help="a folder for the calibration")
    flags = parser.parse_args()
    found = {precision: opened(flags.file, precision, flags.cache) for precision in PRECISIONS}
    for one in found.values():
        one.request.infer(one.inputs)  # does not count
    for number in range(flags.rounds):
        for precision in PRECISIONS if number % 2 else reversed(PRECISIONS):
            found[precision].call()
    for precision, one in found.items():
        print(table(precision, one), end="\n\n")
        longest = sorted(one.operations.items(), key=lambda pair: -statistics.median(pair[1]))[: flags.longest]
        for name, seconds in longest:
            print(f"    {statistics.median(seconds):.3f} s  {name[:140]}")


if __name__ == "__main__":
    main()
