"""The sound files that are damaged: an embedded system in both forms, and pictures with settings of many programs."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from bksdm_demo.diffusion.safety_rules import FILE_NAME as SAFETY_RULES
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.records import Request, Result, Timings, Verdict
from bksdm_demo.settings import ASSETS

SYSTEM = ASSETS / "emoji" / "emoji-tiny"
SHARED = ASSETS / "emoji" / "shared"
COMPILED_NAMES = {
    "_unet": "Unet", "_text_encoder": "TextEncoder", "_vae_decoder": "VAEDecoder", "_safety_checker": "SafetyChecker",
}  # fmt: skip
TEXTS = ("vocab.json", "merges.txt", SAFETY_RULES)
SCHEDULER_CONFIG = {
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "num_train_timesteps": 1000, "prediction_type": "epsilon",
    "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "clip_sample": False, "trained_betas": None,
}  # fmt: skip
USER_COMMENT, DETAILS = 0x9286, 0x8769

WEBUI = (
    "red apple, (green:1.2)\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 42, "
    'Size: 512x512, Model hash: 6ce0161689, Model: "a: b, c", RNG: CPU, Version: v1.9.4'
)
SWARM = json.dumps({"sui_image_params": {"prompt": "red apple", "model": "x", "seed": 5, "steps": 20, "cfgscale": 7.0}})
INVOKE = json.dumps({"positive_prompt": "red apple", "seed": 3, "steps": 9, "cfg_scale": 7, "scheduler": "euler"})
GRAPH = json.dumps({
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 8, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal",
        "positive": ["6", 0], "negative": ["7", 0], "model": ["4", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "red apple", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
})  # fmt: skip
XMP = "<x:xmpmeta><rdf:Description><exif:UserComment>{}</exif:UserComment></rdf:Description></x:xmpmeta>"


@dataclass(frozen=True)
class Sound:
    """One sound file. `kind` is a key of mutations.KINDS; `place` is where it lies in the systems' folder, if it does.

    `share` says how often it is chosen among all files.
    """

    name: str
    kind: str
    data: bytes
    share: float
    place: Path | None = None


def build_systems(folder: Path) -> None:
    """Copy the smallest embedded system into `folder/package` and, compiled, into `folder/compiled`."""
    package, compiled = folder / "package", folder / "compiled"
    for part in (*SYSTEM.glob("*.mlpackage"), *SHARED.glob("*.mlpackage")):
        shutil.copytree(part, package / part.name)
        name = next(name for ending, name in COMPILED_NAMES.items() if part.stem.endswith(ending))
        write_compiled(package / part.name, compiled / f"{name}.mlmodelc")
    for system in (package, compiled):
        for name in TEXTS:
            shutil.copyfile(SHARED / name, system / name)
        (system / "scheduler_config.json").write_text(json.dumps(SCHEDULER_CONFIG, indent=1))


def sound_files(folder: Path) -> list[Sound]:
    """All files to damage, those of the systems in `folder` first."""
    return [*_system_files(folder), *_pictures()]


def _system_files(folder: Path) -> Iterator[Sound]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            place = path.relative_to(folder)
            large = "unet" in place.parts[1].lower()  # reading one takes longer than all others together
            kind, share = _kind_of(path)
            yield Sound(place.as_posix(), kind, path.read_bytes(), share * (0.25 if large else 1), place)


def _kind_of(path: Path) -> tuple[str, float]:
    """The kind of a file, and its share."""
    if path.name == "weight.bin":
        return "weights", 1.0
    if path.name == "model.mlmodel":
        return "model", 2.0
    if path.name == "scheduler_config.json":
        return "json", 3.0
    return ("json" if path.suffix == ".json" else "text"), 1.0 if path.name == "Manifest.json" else 1.5


def _pictures() -> Iterator[Sound]:
    request = Request("red apple", seed=7, steps=4)
    image = np.zeros((8, 8, 3), np.uint8)
    result = Result("emoji-tiny", request, Verdict(False), Timings(total=1.5, steps=(0.2,) * 4), image)
    yield Sound("ours.png", "png", encode_png(result, "Emoji Tiny", {"machine": "x86_64"}), 2.0)
    yield Sound("webui.png", "png", _png({"parameters": WEBUI}), 2.0)
    yield Sound("graph.png", "png", _png({"prompt": GRAPH, "workflow": GRAPH}), 1.0)
    yield Sound("invoke.png", "png", _png({"invokeai_metadata": INVOKE, "Comment": SWARM}, itxt=True), 1.0)
    yield Sound("webui.jpg", "bytes", _other("JPEG", exif=_exif(WEBUI)), 1.5)
    yield Sound("swarm.jpg", "text", _other("JPEG", exif=_exif(SWARM), comment=INVOKE.encode()), 1.0)
    yield Sound("webui.webp", "bytes", _other("WebP", exif=_exif(WEBUI)), 1.5)
    yield Sound("xmp.webp", "text", _other("WebP", xmp=XMP.format(WEBUI).encode()), 1.0)


def _png(texts: dict[str, str], itxt: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        (info.add_itxt if itxt else info.add_text)(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(DETAILS)[USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    return exif


def _other(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind, **options)
    return buffer.getvalue()
