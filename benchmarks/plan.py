"""Lists which contenders are compared, and how much memory each is expected to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.groups import Pair
from benchmarks.subjects import ROLES, Subject
from benchmarks.worker import Contender
from bksdm_demo.engines.base import PRECISIONS

MODES = tuple(mode for mode in ("f32", "bf16", "int8") if mode in PRECISIONS)
EXACT = "bf16"  # the mode that keeps the published numerics at full speed
ALWAYS_F32 = ("text_encoder", "safety_checker")  # in ours, whatever the mode
# What each of our modes is compared with; lower precisions also with what most people run.
LOW_PRECISION_PEERS = ("onnx-openvino bf16", "torch bf16", "torch f32", "onnxruntime f32")
COMPARED = {
    "f32": ("onnx-openvino f32", "torch f32", "onnxruntime f32"),
    "bf16": LOW_PRECISION_PEERS,
    "int8": ("ours bf16", *LOW_PRECISION_PEERS),
}
PICTURE_PEERS = {
    "bf16": ("stable-diffusion.cpp f16",),
    "int8": ("stable-diffusion.cpp f16", "stable-diffusion.cpp q8_0"),
}
PEAKS = {"f32": ("GEMM openvino f32", "GEMM torch f32"), "bf16": ("GEMM openvino bf16", "GEMM torch bf16")}
ONNX = ("onnx-openvino", "onnxruntime")

LIBRARIES = {
    "ours": (),
    "torch": ("torch", "diffusers", "transformers", "safetensors"),
    "onnxruntime": ("onnxruntime", "onnx", "torch", "diffusers"),
    "onnx-openvino": ("onnx", "torch", "diffusers"),
    "stable-diffusion.cpp": ("stable_diffusion_cpp",),
}
PIPELINES = {  # the runtimes that draw pictures their own way; with the others, our pipeline does
    "torch": "benchmarks.contenders.diffusers_picture:DiffusersPicture",
    "stable-diffusion.cpp": "benchmarks.contenders.stable_diffusion_cpp:StableDiffusionCppPicture",
}
# Resident bytes per parameter of a part that has run, and what a process takes besides: rounded up from BK-SDM-Tiny's.
PARAMETER_BYTES = {
    "ours f32": 5.0,
    "ours bf16": 3.0,
    "ours int8": 3.0,
    "torch f32": 5.0,
    "torch bf16": 3.0,
    "onnxruntime f32": 9.0,
    "onnx-openvino f32": 9.0,
    "onnx-openvino bf16": 6.5,
    "stable-diffusion.cpp f16": 3.0,
    "stable-diffusion.cpp q8_0": 3.0,
}
PROCESS_BYTES = 500_000_000
ACTIVATION_BYTES = {"vae_decoder": 1_500_000_000}
PEAK_BYTES = 550_000_000  # of a contender that measures the peak


@dataclass(frozen=True)
class Comparison:
    """A thing to measure: its contenders by name and the pairs whose ratios are wanted, ours first."""

    measure: str  # "unet", another role, or "picture"
    contenders: Mapping[str, Contender]
    pairs: tuple[Pair, ...]


def compare_part(
    subject: Subject, role: str, threads: int, wanted: Sequence[str] = (), cache: Path | None = None
) -> Comparison:
    """One part in every runtime; for the U-Net with the peak. `wanted` names contenders, all if empty.

    `cache` is the folder for our compiled results, as a user of the demo has it.
    """
    modes = ("f32",) if role in ALWAYS_F32 else MODES
    pairs = [(f"ours {mode}", peer) for mode in modes for peer in COMPARED[mode]]
    if role in ALWAYS_F32:
        pairs.append(("ours f32", "torch bf16"))
    if role == "unet":
        pairs += [(f"ours {mode}", peak) for mode in modes for peak in PEAKS.get(mode, ())]
    names = _names(pairs)
    contenders = {name: part(subject, role, name, threads, cache) for name in names}
    return Comparison(role, contenders, _wanted(pairs, wanted))


def compare_pictures(
    subject: Subject, threads: int, steps: int, wanted: Sequence[str] = (), cache: Path | None = None
) -> Comparison:
    """A whole picture in every runtime."""
    pairs = [(f"ours {mode}", peer) for mode in MODES for peer in (*COMPARED[mode], *PICTURE_PEERS.get(mode, ()))]
    contenders = {name: picture(subject, name, threads, steps, cache) for name in _names(pairs)}
    return Comparison("picture", contenders, _wanted(pairs, wanted))


def picture(subject: Subject, name: str, threads: int, steps: int, cache: Path | None = None) -> Contender:
    """A contender that draws whole pictures."""
    runtime, precision = name.split()
    arguments: dict[str, Any] = {"subject": subject, "precision": precision, "threads": threads, "steps": steps}
    parameters = sum(subject.parameters(role) for role in ROLES)
    memory = PROCESS_BYTES + sum(ACTIVATION_BYTES.values()) + round(PARAMETER_BYTES[name] * parameters)
    place = PIPELINES.get(runtime, "benchmarks.contenders.picture:Picture")
    if runtime not in PIPELINES:
        arguments |= {"runtime": runtime, "cache": cache if runtime == "ours" else None}
    return Contender(name, place, arguments, memory, LIBRARIES[runtime])


def needs_export(contender: Contender) -> bool:
    return contender.name.split()[0] in ONNX


def part(subject: Subject, role: str, name: str, threads: int, cache: Path | None = None) -> Contender:
    """A contender that runs one part, or a peak."""
    *_, runtime, precision = name.split()
    if name.startswith("GEMM"):
        classes = {"openvino": "matrix_openvino:OpenVinoPeak", "torch": "matrix_torch:TorchPeak"}
        libraries = LIBRARIES["torch"] if runtime == "torch" else ()
        arguments: dict[str, Any] = {"precision": precision, "threads": threads}
        return Contender(name, f"benchmarks.contenders.{classes[runtime]}", arguments, PEAK_BYTES, libraries)
    arguments = {"runtime": runtime, "subject": subject, "role": role, "precision": precision, "threads": threads}
    arguments["cache"] = cache if runtime == "ours" else None
    parameters = subject.parameters(role)
    memory = PROCESS_BYTES + ACTIVATION_BYTES.get(role, 0) + round(PARAMETER_BYTES[name] * parameters)
    return Contender(name, "benchmarks.contenders.parts:Part", arguments, memory, LIBRARIES[runtime])


def _names(pairs: Sequence[Pair]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for pair in pairs for name in pair))


def _wanted(pairs: Sequence[Pair], wanted: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs with both sides wanted. A wanted name also stands for all names that begin with it."""
    if not wanted:
        return tuple(pairs)
    return tuple(pair for pair in pairs if all(name.startswith(tuple(wanted)) for name in pair))
