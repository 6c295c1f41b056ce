"""Measures the options that save U-Net evaluations: time, and how far the pictures move.

    python -m benchmarks.fewer_evaluations [KEY ...] [--steps N] [--rounds N] [--pictures N] [--scheduler NAME]
                                           [--precision P] [--models-dir FOLDER] [--unet FILE] [--plot FILE.svg]
                                           [--against-diffusers KEY]

First one U-Net call: both halves and one half in turns (A B B A ...), call by call, so both see the same load of the
machine; then the distance of their numbers; then the deep and the shallow layers against the whole. Then pictures: each
prompt is drawn exactly, with each option, and, as the honest control, with fewer plain steps for the same number of
evaluations, all from the same noise, in an order that changes from prompt to prompt. The Markdown table shows U-Net
time and evaluations over the exact ones, and PSNR and SSIM to the exact picture; `--plot` draws that of the first key.
With `--unet` only the call is measured, on that file. With `--against-diffusers` only whole pictures are, each profile
and diffusers in turns, by a full-size system. Without a key: emoji-tiny.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.profile_pictures import table as profile_table
from benchmarks.profile_pictures import take_turns
from benchmarks.quality_plot import quality_plot
from benchmarks.spread import ratios, spread
from benchmarks.subjects import find_subjects
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.engines.base import Engine, EngineOptions, Form, FormRunner
from bksdm_demo.engines.registry import open_engine
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.records import SCHEDULERS, Request
from bksdm_demo.reports.similarity import compare_pictures
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import ASSETS

PROMPTS = (
    "red apple", "cat face", "rocket", "pizza", "sunflower", "guitar", "whale", "strawberry", "birthday cake", "house",
    "bicycle", "octopus", "hot beverage", "rainbow", "soccer ball", "penguin", "key", "cactus", "crown", "sailboat",
)  # fmt: skip
FIRST_SEED = 101
FULL_SIZE_STEPS = 10  # of a whole picture against diffusers
THREADS = 2  # of both sides there
ROOT = Path(__file__).resolve().parent.parent
SYSTEMS_DIR = ROOT / "training" / "work" / "full_size"
OUTPUTS = ROOT / "outputs"
LOG = "fewer-evaluations.log"
PLENTY = 2**60  # bytes: nothing is to go out
CURVES: dict[str, dict[str, dict[str, Any]]] = {  # what the plot draws as one curve -> option -> its settings
    "guidance interval": {
        "interval 0:0.5": {"guidance_interval": (0.0, 0.5)},
        "interval 0.2:0.8": {"guidance_interval": (0.2, 0.8)},
        "interval 0.5:1": {"guidance_interval": (0.5, 1.0)},
    },
    "deep layers every N": {f"deep every {every}": {"deep_every": every} for every in (2, 3, 5)},
    "forecast and every N": {
        "forecast": {"forecast": True},
        "forecast, every 2 (fast)": {"forecast": True, "deep_every": 2},
        "forecast, every 3 (draft)": {"forecast": True, "deep_every": 3},
    },
}
OPTIONS = {name: changes for curve in CURVES.values() for name, changes in curve.items()}
PLAIN, PLAIN_STEPS = "fewer plain steps", " plain steps"


def call_seconds(engine: Engine, rounds: int) -> tuple[list[float], list[float], float]:
    """Seconds of both halves and of one, in turns, and the distance of the numbers in dB; infinite if equal."""
    assert isinstance(engine, FormRunner), f"the engine {engine.kind} runs both halves"
    random = np.random.default_rng(0)
    both = {port.name: random.standard_normal(port.shape).astype(port.dtype) for port in engine.inputs}
    both["timestep"] = np.full_like(both["timestep"], 500)
    one = {name: array[1:] for name, array in both.items()}
    runs = (lambda: engine.run(both), lambda: engine.run_form(Form.HALF, one))
    taken: tuple[list[float], list[float]] = ([], [])
    results: list[dict[str, NDArray]] = [{}, {}]
    for number in range(rounds + 1):  # the first round does not count
        for place in (0, 1) if number % 2 else (1, 0):
            start = time.perf_counter()
            results[place] = runs[place]()
            taken[place].extend([time.perf_counter() - start] if number else [])
    name = engine.outputs[0].name
    return *taken, distance(results[0][name][1:], results[1][name])


def distance(exact: NDArray, other: NDArray) -> float:
    """The peak signal-to-noise ratio in dB, of the largest number over the root of the mean squared error."""
    error = float(np.sqrt(np.mean((exact.astype(np.float64) - other) ** 2)))
    return float("inf") if error == 0 else float(20 * np.log10(np.abs(exact).max() / error))


def draw(pipeline: Pipeline, request: Request) -> tuple[float, NDArray]:
    """The seconds of all steps, and the picture."""
    steps = list(pipeline.steps(request, pipeline.encode(request)))
    return sum(step.seconds for step in steps), pipeline.decode(steps[-1].latents)


def contenders(exact: Request) -> dict[str, Request]:
    """The exact request, each option, and for each number of evaluations the plain steps that take as many."""
    made = {"exact": exact} | {name: replace(exact, **changes) for name, changes in OPTIONS.items()}
    fewer = sorted({round(evaluations(request)) for request in made.values()} - {exact.steps})
    return made | {f"{steps}{PLAIN_STEPS}": replace(exact, steps=steps) for steps in fewer}


@dataclass(frozen=True)
class Found:
    """An option over the exact pictures: U-Net time and evaluations as shares, PSNR in dB, mean SSIM."""

    share: float
    evaluations: float
    psnr: float
    lowest: float
    ssim: float


def compare(pipeline: Pipeline, flags: argparse.Namespace) -> dict[str, Found]:
    """Draw every option; medians by option, with the exact request as the first."""
    seconds: dict[str, list[float]] = {}
    similar: dict[str, list[tuple[float, float]]] = {}
    for number in range(flags.pictures):
        prompt = PROMPTS[number % len(PROMPTS)]
        exact = Request(
            prompt,
            seed=FIRST_SEED + number,
            steps=flags.steps,
            guidance_scale=flags.guidance,
            scheduler=flags.scheduler,
        )
        asked = contenders(exact)
        names = list(asked) if number % 2 else list(reversed(asked))
        drawn = {name: draw(pipeline, asked[name]) for name in names}
        for name in asked:
            seconds.setdefault(name, []).append(drawn[name][0])
            close = compare_pictures(drawn[name][1], drawn["exact"][1])
            similar.setdefault(name, []).append((close.psnr, close.ssim))
    found = {}
    for name, request in asked.items():
        psnr, ssim = np.array(similar[name]).T
        found[name] = Found(
            share=spread(ratios(seconds[name], seconds["exact"])).median,
            evaluations=evaluations(request) / evaluations(exact),
            psnr=float(np.median(psnr)),
            lowest=float(psnr.min()),
            ssim=float(ssim.mean()),
        )
    return found


def table(systems: Mapping[str, Mapping[str, Found]]) -> str:
    """The Markdown table of these systems' options, most evaluations first; the controls in italics."""
    first = next(iter(systems.values()))
    heads = ["", "evaluations", *(f"{key} {word}" for key in systems for word in ("time", "PSNR (lowest)", "SSIM"))]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in sorted(first, key=lambda name: (-first[name].evaluations, PLAIN_STEPS in name)):
        cells = [f"*{name}*" if PLAIN_STEPS in name else name, f"{first[name].evaluations:.3g}"]
        for found in (options[name] for options in systems.values()):
            close = (f"{found.psnr:.1f} ({found.lowest:.1f})", f"{found.ssim:.3f}") if name != "exact" else ("", "")
            cells += [f"{found.share:.2f}", *close]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(found: Mapping[str, Found], title: str) -> str:
    """The SVG of what `compare` found."""
    points = {name: (one.share, one.psnr, name) for name, one in found.items()}
    curves = {curve: [points[name] for name in names] for curve, names in CURVES.items()}
    plain = [point for name, point in points.items() if PLAIN_STEPS in name]
    return quality_plot(curves | {PLAIN: plain}, title)


def print_parts(engine: Engine, rounds: int) -> None:
    """Print how long a call takes that reuses deep features, and one that renews them, over a whole one; in turns."""
    if not isinstance(engine, FormRunner) or not engine.form_bytes(Form.SHALLOW):
        return
    random = np.random.default_rng(0)
    given = {port.name: random.standard_normal(port.shape).astype(port.dtype) for port in engine.inputs}
    features = engine.run_form(Form.DEEP, given)
    runs = (
        lambda: engine.run(given),
        lambda: engine.run_form(Form.DEEP, given),
        lambda: engine.run_form(Form.SHALLOW, given | features),
    )
    taken: list[list[float]] = [[], [], []]
    for number in range(rounds + 1):  # the first round does not count
        for place in (0, 1, 2) if number % 2 else (2, 1, 0):
            start = time.perf_counter()
            runs[place]()
            taken[place].extend([time.perf_counter() - start] if number else [])
    whole, deep, shallow = (spread(seconds).median for seconds in taken)
    print(
        f"whole {whole:.3f} s, deep layers {deep:.3f} s, shallow layers {shallow:.3f} s: reusing takes "
        f"{shallow / whole:.3f} of a whole call; every 2: {(deep + 2 * shallow) / 2 / whole:.3f}, "
        f"every 3: {(deep + 3 * shallow) / 3 / whole:.3f}"
    )


def print_call(name: str, engine: Engine, rounds: int) -> None:
    both, one, close = call_seconds(engine, rounds)
    share = spread(ratios(one, both))
    print(
        f"{name}: both halves {spread(both).median:.3f} s, one half {spread(one).median:.3f} s, "
        f"ratio {share.median:.3f} ({share.low:.3f} to {share.high:.3f}; fastest {min(one) / min(both):.3f}), "
        f"{close:.1f} dB"
    )


def against_diffusers(flags: argparse.Namespace) -> str:
    """The table of whole pictures by a full-size system. Our compiled results stay beside the results of benchmarks."""
    OUTPUTS.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = str(THREADS)  # for the contenders' processes
    (subject,) = find_subjects(flags.systems_dir, [flags.against_diffusers])
    taken = take_turns(subject, THREADS, FULL_SIZE_STEPS, flags.rounds, OUTPUTS / "benchmark-cache", OUTPUTS / LOG)
    return profile_table(*taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="KEY", default=["emoji-tiny"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="dpmpp-2m")
    parser.add_argument("--rounds", type=int, default=20, help="of single calls")
    parser.add_argument("--pictures", type=int, default=9)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--unet", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG file of time against quality")
    parser.add_argument("--against-diffusers", metavar="KEY", help="a system of --systems-dir")
    parser.add_argument("--systems-dir", type=Path, default=SYSTEMS_DIR, help="as for python -m benchmarks")
    flags = parser.parse_args()
    print(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    options = EngineOptions(precision=flags.precision)
    if flags.against_diffusers is not None:
        print(against_diffusers(flags))
        return
    if flags.unet is not None:
        engine = open_engine(flags.unet, options)
        print_call(flags.unet.name, engine, flags.rounds)
        print_parts(engine, flags.rounds)
        return
    catalog = Catalog(ASSETS, flags.models_dir, published=PUBLISHED)
    cache = PipelineCache(catalog, lambda path, exact: open_engine(path, options, exact), PLENTY)
    found = {}
    for key in flags.keys:
        with cache.lease(key, forms=tuple(Form)) as lease:
            print_call(f"{key}, {flags.precision}", lease.pipeline.unet.engines[0], flags.rounds)
            print_parts(lease.pipeline.unet.engines[0], flags.rounds)
            found[key] = compare(lease.pipeline, flags)
    print(table(found))
    if flags.plot is not None:
        title = f"{flags.keys[0]}, {flags.steps} steps, {flags.scheduler}: median of {flags.pictures} pictures"
        flags.plot.write_text(plot(found[flags.keys[0]], title), encoding="utf-8")


if __name__ == "__main__":
    main()
