"""What tells the models of a comparison apart, and what they share: facts that all have in common are said once.

Pure functions from a job and its systems to words. A fact that is not known of a model is left out for it, and is then
nothing that all share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bksdm_demo.environment import run_mode_of
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Job
from bksdm_demo.units import format_bytes, format_count

ENGINE_NAMES = {"openvino": "OpenVINO", "coreml": "Core ML"}
ALWAYS_OWN = ("U-Net", "Size")  # said at the cell of a comparison that has only one

Facts = dict[str, str]  # label -> value, in the order of being said


@dataclass(frozen=True)
class Labels:
    """`shared` as (label, value); `own` are one model's facts, short enough to stand alone, by model key."""

    shared: tuple[tuple[str, str], ...] = ()
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def job_labels(job: Job, systems: Mapping[str, System]) -> Labels:
    """The labels of a job's models; one whose system is no longer known has what its results tell."""
    facts = {model: model_facts(job, model, systems) for model in job.models}
    every = list(facts.values())
    names = dict.fromkeys(name for known in every for name in known)
    shared = {name for name in names if all(known.get(name) == every[0].get(name) for known in every)}
    if len(every) == 1:
        shared -= set(ALWAYS_OWN)
    return Labels(
        tuple((name, every[0][name]) for name in names if name in shared),
        {model: _own(known, shared) for model, known in facts.items()},
    )


def model_facts(job: Job, model: str, systems: Mapping[str, System]) -> Facts:
    """Everything worth telling of one model: size, weights, attention, and what it runs on once that is known."""
    system = systems.get(model)
    results = [cell.result for cell in job.cells if cell.model == model and cell.result is not None]
    size = system.size_bytes if system else results[0].size_bytes if results else 0
    facts = {
        "U-Net": f"{format_count(system.unet_parameters)} weights" if system and system.unet_parameters else "",
        "Size": f"{format_bytes(size)} on disk" if size else "",
        "Weights": system.weights if system else "",
        "Attention": system.attention if system else "",
        "Runs on": _run_mode(job, model, systems, results[0].engine if results else ""),
    }
    return {name: value for name, value in facts.items() if value}


def _run_mode(job: Job, model: str, systems: Mapping[str, System], engine: str) -> str:
    """ "OpenVINO, bf16": how the U-Net ran, as its engine told it, else as it was asked for by name."""
    if not engine:
        return ""
    parts = systems[model].parts if model in systems else None
    run_mode = run_mode_of(job.environment, parts.unet[0]) if parts is not None else {}
    detail = run_mode.get("precision") or run_mode.get("compute_units")
    asked = str(job.environment.get("precision", "auto"))
    if not detail and engine == "openvino" and asked != "auto":
        detail = asked
    return f"{ENGINE_NAMES.get(engine, engine)}, {detail}" if detail else ENGINE_NAMES.get(engine, engine)


def _own(facts: Facts, shared: set[str]) -> tuple[str, ...]:
    """ "U-Net 12.9 M weights", "25 MB on disk", "6-bit palettized"."""
    return tuple(f"U-Net {value}" if name == "U-Net" else value for name, value in facts.items() if name not in shared)
