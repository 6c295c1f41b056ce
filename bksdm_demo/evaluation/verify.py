"""Proves that this machine computes what another one computed: every part on every choice of units, and whole pictures.

A run gives one record, plain data for JSON. The record holds samples of each part's outputs and the pictures, so any
record can serve as the reference of another run: the golden outputs of the embedded family are the record of a run in
float32 (golden/, with its maker in the command `verify --record`), and `--against` takes one from another machine.

Each part gets one seeded input (engines/self_check.py) in a process of its own. Loads are timed with an empty cache
folder (cold) and again (warm). A blocked picture is never in a record.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import Engine
from bksdm_demo.engines.self_check import seeded_inputs
from bksdm_demo.errors import DemoError
from bksdm_demo.library.catalog import System
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.records import Request, Result

SAMPLES = 1024  # values kept of each output
PROMPT, BLOCKED_PROMPT = "red apple", "cigarette"
SEED = 7
RUN_MODE = ("precision", "compute_units", "self_check", "refused_units")
EXACT_ROLES = ("text encoder", "safety checker")

OpenPart = Callable[[Path, bool], Engine]
Draw = Callable[[str, Request], Result]  # system key, request
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """One way in which this machine can run a part, such as compute units or a precision, and how to open a part so.

    `hints` are those that the runtime gets, "" for none.
    """

    name: str
    open_part: OpenPart
    hints: str = ""

    @property
    def label(self) -> str:
        """The way in records: "cpu-and-ne", or "cpu-and-ne, fast-prediction" with hints."""
        return with_hints(self.name, self.hints)


@dataclass(frozen=True)
class Plan:
    """What to verify: the systems, the ways for single parts, and how often each part and picture is run."""

    systems: Sequence[System]
    ways: Sequence[Way]
    runs: int = 5
    pictures: int = 3


def part_records(plan: Plan, tell: Tell) -> Iterator[dict[str, Any]]:
    """Run every part of the systems on every way; parts with equal content once. A part that fails has a `problem`."""
    met: set[str] = set()
    for system in plan.systems:
        if system.parts is None:
            continue
        for path in system.parts.models:
            identity, role = content_identity(path), system.parts.role(path)
            if identity in met or role == "image encoder":
                continue
            met.add(identity)
            for way in plan.ways:
                tell(f"{system.key}: {role}, {way.label}")
                known = {"way": way.label, "hints": way.hints, "system": system.key, "role": role, "identity": identity}
                yield known | _measured(way, path, role in EXACT_ROLES, plan.runs)


def _measured(way: Way, path: Path, exact: bool, runs: int) -> dict[str, Any]:
    """Load the part twice and run it; its seconds, memory, devices and outputs, or why it failed."""
    engine = way.open_part(path, exact)
    try:
        given = seeded_inputs(engine.inputs)  # opens the part, which costs a process and belongs to no load
        cold = _seconds(engine.load)
        seconds = []
        outputs: dict[str, NDArray] = {}
        for _ in range(runs):
            start = time.perf_counter()
            outputs = engine.run(given)
            seconds.append(time.perf_counter() - start)
        facts = {"peak_bytes": _asked(engine, "peak_bytes"), **_run_mode(engine)}
        engine.unload()
        _ = engine.inputs
        warm = _seconds(engine.load)
        facts["devices"] = getattr(engine, "devices", None) or _asked(engine, "device_shares") or {}
    except DemoError as error:
        return {"problem": str(error)}
    finally:
        engine.unload()
    return {
        "problem": "",
        "load_cold": cold,
        "load_warm": warm,
        "run": seconds,
        **facts,
        "outputs": {name: sampled(name, array) for name, array in outputs.items()},
    }


def picture_records(
    systems: Sequence[System], draw: Draw, repeats: int, tell: Tell, hints: str = ""
) -> Iterator[dict[str, Any]]:
    """Draw one picture of each system `repeats` times, and ask a gated one for a blocked picture.

    `draw` gives the runtime these hints.
    """
    for system in systems:
        prompts = [PROMPT, BLOCKED_PROMPT] if system.gated else [PROMPT]
        for prompt in prompts:
            tell(with_hints(f'{system.key}: picture of "{prompt}"', hints))
            request = Request(
                prompt,
                seed=SEED,
                steps=system.steps,
                guidance_scale=system.guidance_scale,
                scheduler=system.scheduler,
            )
            times = repeats if prompt == PROMPT else 1
            known = {"system": system.key, "hints": hints, "request": asdict(request)}
            yield known | _drawn(system, request, draw, times)


def _drawn(system: System, request: Request, draw: Draw, repeats: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {}
    load = 0.0
    result: Result | None = None
    try:
        for number in range(repeats):
            result = draw(system.key, request)
            load = result.timings.load if number == 0 else load
            for phase in ("encode", "denoise", "decode", "safety"):
                seconds.setdefault(phase, []).append(getattr(result.timings, phase))
    except DemoError as error:
        return {"problem": str(error)}
    assert result is not None
    blocked = result.verdict.blocked
    return {
        "problem": "",
        "blocked": blocked,
        "load": load,
        "seconds": seconds,
        "picture": None if blocked else base64.b64encode(encode_png(result, system.name, {}, False)).decode(),
    }


def sampled(name: str, array: NDArray) -> dict[str, Any]:
    """An output as JSON: its shape, and SAMPLES of its values at fixed places, float32 in base64."""
    flat = np.ascontiguousarray(array, dtype=np.float32).ravel()
    source = np.random.RandomState(zlib.crc32(name.encode()))
    places = np.arange(flat.size) if flat.size <= SAMPLES else np.sort(source.choice(flat.size, SAMPLES, replace=False))
    return {"shape": list(array.shape), "values": base64.b64encode(flat[places].astype("<f4").tobytes()).decode()}


def with_hints(what: str, hints: str) -> str:
    return f"{what}, {hints}" if hints else what


def spread(seconds: Sequence[float]) -> tuple[float, float, float] | None:
    """(least, median, most); None without any."""
    return (min(seconds), median(seconds), max(seconds)) if seconds else None


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _run_mode(engine: Engine) -> dict[str, Any]:
    return {fact: getattr(engine, fact, None) for fact in RUN_MODE}


def _asked(engine: Engine, fact: str) -> Any:
    """What the engine answers to a question that not every engine knows; None for no answer."""
    question = getattr(engine, fact, None)
    try:
        return None if question is None else question()
    except DemoError:
        return None
