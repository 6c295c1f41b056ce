"""Measures one U-Net step, as ratios in one run: the fused graph against the literal one, bf16 against f32.

    python -m benchmarks.unet_step [PACKAGE ...] [--rounds 15] [--threads 2] [--json]

Each round runs every form once, in turn (A B C D A B C D ...), so a machine whose speed drifts slows all of them alike.
The table shows medians and the ratio to the literal f32 graph, which follows the file op by op. Load is the time from
the package on disk to a compiled model. Without arguments: the embedded family.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.engines.openvino_engine import choose_precision
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.program import Program
from bksdm_demo.translate.graph import build_model
from bksdm_demo.translate.passes.order import rewrite

ASSETS = Path(__file__).resolve().parents[1] / "assets"
BASELINE = "literal f32"


def forms() -> dict[str, tuple[bool, str]]:
    """The forms this processor can run: name -> (fused, precision)."""
    precisions = ["f32"] + (["bf16"] if choose_precision("auto", exact=False) == "bf16" else [])
    return {f"{'fused' if fused else 'literal'} {p}": (fused, p) for p in precisions for fused in (False, True)}


def compile_form(path: Path, fused: bool, precision: str, threads: int) -> tuple[ov.InferRequest, float]:
    """A request of the compiled model and the seconds from file to there."""
    start = time.perf_counter()
    program = read_model(path)
    model = build_model(rewrite(program)[0] if fused else program)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(model, "CPU", settings)
    return compiled.create_infer_request(), time.perf_counter() - start


def sample_inputs(program: Program) -> list[NDArray[np.float32]]:
    """Seeded normal inputs in the order of the program's; the timestep is a whole number of the training schedule."""
    source = np.random.default_rng(0)
    shapes: Mapping[str, tuple[int, ...]] = {v.name: tuple(d or 1 for d in v.type.shape) for v in program.inputs}
    return [
        np.full(shape, 501, np.float32) if name == "timestep" else source.standard_normal(shape, dtype=np.float32)
        for name, shape in shapes.items()
    ]


def measure(path: Path, rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """For each form: load seconds, median, lowest and highest step seconds, and the median ratio to the baseline."""
    inputs = sample_inputs(read_model(path))
    requests, loads, seconds = {}, {}, {}
    for name, (fused, precision) in forms().items():
        requests[name], loads[name] = compile_form(path, fused, precision, threads)
        requests[name].infer(inputs)  # the first run allocates
        seconds[name] = []
    for _ in range(rounds):
        for name, request in requests.items():
            start = time.perf_counter()
            request.infer(inputs)
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {
            "load_s": loads[name],
            "step_s": statistics.median(taken),
            "step_min_s": min(taken),
            "step_max_s": max(taken),
            "ratio": statistics.median(own / base for own, base in zip(taken, seconds[BASELINE], strict=True)),
        }
        for name, taken in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("packages", nargs="*", type=Path, default=sorted(ASSETS.glob("emoji/*/*_unet.mlpackage")))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {path.stem: measure(path, arguments.rounds, arguments.threads) for path in arguments.packages}
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'U-Net':<48} {'form':<13} {'load s':>7} {'step ms':>8} {'min':>7} {'max':>7} {'ratio':>6}")
    for package, rows in results.items():
        for name, row in rows.items():
            milliseconds = [1000 * row[key] for key in ("step_s", "step_min_s", "step_max_s")]
            print(
                f"{package:<48} {name:<13} {row['load_s']:>7.2f} {milliseconds[0]:>8.2f} {milliseconds[1]:>7.2f} "
                f"{milliseconds[2]:>7.2f} {row['ratio']:>6.2f}"
            )


if __name__ == "__main__":
    main()
