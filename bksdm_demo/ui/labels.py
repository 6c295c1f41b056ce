"""Splits the facts about the models of a comparison into those they share and those that differ.

Pure functions from a job and its systems to words. A fact that is unknown for one model is omitted for it, and is
therefore not shared. Only on what a model runs is known late: those that have run decide, so that the heading keeps its
height while pictures come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bksdm_demo.environment import run_mode_of
from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Job
from bksdm_demo.units import format_bytes, format_count
from bksdm_demo.wording.devices import devices_text

ENGINE_NAMES = {"openvino": "OpenVINO", "coreml": "Core ML"}
RUNS_ON = marked("Runs on")
NOT_YET = "…"
ALWAYS_OWN = ("U-Net", "Size")  # shown at the cell when a comparison has only one model

Facts = dict[str, str]  # label -> value, in the order of display


@dataclass(frozen=True)
class Labels:
    """`shared` holds (label, value) pairs; `own` holds each model's facts by key, short enough to need no label."""

    shared: tuple[tuple[str, str], ...] = ()
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def job_labels(job: Job, systems: Mapping[str, System]) -> Labels:
    """Return the labels of a job's models; a model without a known system gets the facts in its results."""
    facts = {model: model_facts(job, model, systems) for model in job.models}
    _expect_run_mode(job, facts)
    every = list(facts.values())
    names = dict.fromkeys(name for known in every for name in known)
    shared = {name for name in names if all(known.get(name) == every[0].get(name) for known in every)}
    if len(every) == 1:
        shared -= set(ALWAYS_OWN)
    return Labels(
        tuple((name, every[0][name]) for name in names if name in shared),
        {model: _own(known, shared) for model, known in facts.items()},
    )


def _expect_run_mode(job: Job, facts: Mapping[str, Facts]) -> None:
    """Let the models without a picture run as the others did; in a running job, else on the engine of the settings."""
    ran = {known[RUNS_ON] for known in facts.values() if RUNS_ON in known}
    if len(ran) > 1:
        return
    engine = str(job.environment.get("engine", ""))
    expected = next(iter(ran), "" if job.finished else ENGINE_NAMES.get(engine, NOT_YET))
    if expected:
        for known in facts.values():
            known.setdefault(RUNS_ON, expected)


def model_facts(job: Job, model: str, systems: Mapping[str, System]) -> Facts:
    """Return the facts about one model: size, weights, attention, the engine it ran on; labels are English yet."""
    system = systems.get(model)
    results = [cell.result for cell in job.cells if cell.model == model and cell.result is not None]
    size = system.size_bytes if system else results[0].size_bytes if results else 0
    facts = {
        marked("U-Net"): weights_words(system.unet_parameters) if system and system.unet_parameters else "",
        marked("Size"): size_words(size) if size else "",
        marked("Weights"): translated(system.weights) if system else "",
        marked("Attention"): translated(system.attention) if system else "",
        RUNS_ON: _run_mode(job, model, systems, results[0].engine if results else ""),
    }
    return {name: value for name, value in facts.items() if value}


def _run_mode(job: Job, model: str, systems: Mapping[str, System], engine: str) -> str:
    """Return how the U-Net ran, such as "OpenVINO, bf16": as its engine reported it, else as the settings name it.

    Where Core ML has a plan, the processors follow: "Core ML, cpu-and-ne: Neural Engine 96 %, CPU 4 %".
    """
    if not engine:
        return ""
    parts = systems[model].parts if model in systems else None
    run_mode = run_mode_of(job.environment, parts.unet[0]) if parts is not None else {}
    detail = run_mode.get("precision") or run_mode.get("compute_units")
    requested = str(job.environment.get("precision", "auto"))
    if not detail and engine == "openvino" and requested != "auto":
        detail = requested
    devices = devices_text(run_mode.get("devices") or {})
    name = ENGINE_NAMES.get(engine, engine) + (f", {detail}" if detail else "")
    return f"{name}: {devices}" if devices else name


def weights_words(count: int) -> str:
    """ "12.9 M weights"."""
    return say("{count} weights", count=format_count(count))


def unet_words(count: int) -> str:
    """ "U-Net 12.9 M weights"."""
    return say("U-Net {value}", value=weights_words(count))


def size_words(size: int) -> str:
    """ "25 MB on disk"."""
    return say("{size} on disk", size=format_bytes(size))


def _own(facts: Facts, shared: set[str]) -> tuple[str, ...]:
    """Return the facts that are not shared: "U-Net 12.9 M weights", "25 MB on disk", "6-bit palettized"."""
    own = ((name, value) for name, value in facts.items() if name not in shared)
    return tuple(say("U-Net {value}", value=value) if name == "U-Net" else value for name, value in own)
