"""Records in JSON or in texts of their own: SwarmUI, Fooocus, InvokeAI, Draw Things, NovelAI, Easy Diffusion, Mochi.

Each reader takes what Python's json gives, of any type, and returns None for a record of another program. The key
names are those that the programs write; tests/parameters/other_programs/ has a record of each.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bksdm_demo.parameters.other_programs.stated import GRAPHICS_CARD, Stated

Record = Mapping[str, Any]

DREAM_OPTION = {"-s": "steps", "-S": "seed", "-C": "guidance_scale", "-A": "sampler"}
DREAM = re.compile(r'\s*"((?:[^"\\]|\\.)*+)"(.*)', re.DOTALL)
MOCHI_KEYS = (
    "Include in Image",
    "Exclude from Image",
    "Model",
    "Steps",
    "Guidance Scale",
    "Seed",
    "Size",
    "Scheduler",
    "Upscaler",
    "ML Compute Unit",
    "Generator",
)
MOCHI_KEY = re.compile(rf"(?:^|;)\s*({'|'.join(MOCHI_KEYS)}): ?")
EASY_DIFFUSION = {  # the key in a record -> the key in older ones
    "prompt": "Prompt",
    "negative_prompt": "Negative Prompt",
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance Scale",
    "seed": "Seed",
    "sampler_name": "Sampler",
    "use_stable_diffusion_model": "Stable Diffusion model",
}
SEED_MODES = {"Torch CPU Compatible": "torch", "Nvidia GPU Compatible": GRAPHICS_CARD}


def parsed(text: str) -> Any:
    """Return the value of a JSON text; None if it is none, or nested too deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def read_json(value: Any) -> Stated | None:
    """Return what a JSON object states, if it is a record of a known program."""
    if not isinstance(value, Mapping):
        return None
    found = (reader(value) for reader in READERS)
    return next((stated for stated in found if stated is not None), None)


def read_texts(texts: Mapping[str, str]) -> Stated | None:
    """Return what those programs state that spread a record over several text chunks, or write no JSON."""
    if "Dream" in texts:
        return _dream(texts["Dream"])
    if "Include in Image: " in texts.get("Description", ""):
        return _mochi(texts["Description"])
    return _easy_diffusion(texts)


def _swarmui(record: Record) -> Stated | None:
    values = record.get("sui_image_params")
    if not isinstance(values, Mapping):
        return None
    read = {"prompt", "negativeprompt", "model", "seed", "steps", "cfgscale", "sampler", "scheduler"}
    return Stated(
        program="SwarmUI",
        prompt=values.get("prompt"),
        negative_prompt=values.get("negativeprompt"),
        steps=values.get("steps"),
        guidance_scale=values.get("cfgscale"),
        seed=values.get("seed"),
        sampler=_name(values.get("sampler")),
        schedule=_name(values.get("scheduler")),
        noise="torch",  # as ComfyUI, which draws for it
        model=_name(values.get("model")),
        others=_others(values, read, {"swarm_version"}),
    )


def _fooocus(record: Record) -> Stated | None:
    if not _name(record.get("version")).startswith("Fooocus") and "base_model" not in record:
        return None
    read = {"prompt", "negative_prompt", "steps", "guidance_scale", "seed", "sampler", "scheduler", "base_model"}
    unread = {"version", "metadata_scheme", "full_prompt", "full_negative_prompt", "base_model_hash", "created_by"}
    return Stated(
        program="Fooocus",
        prompt=record.get("prompt"),
        negative_prompt=record.get("negative_prompt"),
        steps=record.get("steps"),
        guidance_scale=record.get("guidance_scale"),
        seed=record.get("seed"),
        sampler=_name(record.get("sampler")).removesuffix("_gpu"),
        schedule=_name(record.get("scheduler")),
        model=_name(record.get("base_model")),
        others=_others(record, read, unread),
    )


def _invokeai(record: Record) -> Stated | None:
    """Version 3 and later; the keys are those of its core metadata."""
    if "positive_prompt" not in record:
        return None
    model = record.get("model")
    name = (model.get("name") or model.get("model_name")) if isinstance(model, Mapping) else model
    read = {"positive_prompt", "negative_prompt", "steps", "cfg_scale", "seed", "scheduler", "model", "rand_device"}
    unread = {
        "app_version",
        "generation_mode",
        "positive_style_prompt",
        "negative_style_prompt",
        "vae",
        "_canvas_objects",
    }
    return Stated(
        program="InvokeAI",
        prompt=record["positive_prompt"],
        negative_prompt=record.get("negative_prompt"),
        steps=record.get("steps"),
        guidance_scale=record.get("cfg_scale"),
        seed=record.get("seed"),
        sampler=_name(record.get("scheduler")),
        noise=GRAPHICS_CARD if record.get("rand_device") == "cuda" else "",
        model=_name(name),
        others=_others(record, read, unread),
    )


def _invokeai_2(record: Record) -> Stated | None:
    """Version 2: the prompt has its negative words in brackets, which stay there."""
    image = record.get("image")
    if not isinstance(image, Mapping) or "prompt" not in image:
        return None
    prompt = image["prompt"]
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], Mapping):
        prompt = prompt[0].get("prompt")
    read = {"prompt", "steps", "cfg_scale", "seed", "sampler"}
    return Stated(
        program="InvokeAI",
        prompt=prompt,
        steps=image.get("steps"),
        guidance_scale=image.get("cfg_scale"),
        seed=image.get("seed"),
        sampler=_name(image.get("sampler")),
        model=_name(record.get("model_weights")),
        others=_others(image, read, {"type", "postprocessing"}),
    )


def _draw_things(record: Record) -> Stated | None:
    if "c" not in record:
        return None
    read = {"c", "uc", "steps", "scale", "seed", "sampler", "seed_mode", "model"}
    return Stated(
        program="Draw Things",
        prompt=record["c"],
        negative_prompt=record.get("uc"),
        steps=record.get("steps"),
        guidance_scale=record.get("scale"),
        seed=record.get("seed"),
        sampler=_name(record.get("sampler")),
        noise=SEED_MODES.get(_name(record.get("seed_mode")), ""),
        model=_name(record.get("model")),
        others=_others(record, read, {"v2", "profile"}),
    )


def _novelai(record: Record) -> Stated | None:
    if "uc" not in record or "prompt" not in record:
        return None
    read = {"prompt", "uc", "steps", "scale", "seed", "sampler", "noise_schedule"}
    return Stated(
        program="NovelAI",
        prompt=record["prompt"],
        negative_prompt=record["uc"],
        steps=record.get("steps"),
        guidance_scale=record.get("scale"),
        seed=record.get("seed"),
        sampler=_name(record.get("sampler")),
        schedule=_name(record.get("noise_schedule")),
        others=_others(record, read, {"request_type", "signed_hash", "v4_prompt", "v4_negative_prompt"}),
    )


def _easy_diffusion(record: Record) -> Stated | None:
    """Its keys are text chunks of a PNG, or a JSON object in a JPEG and WebP."""
    values = {key: record.get(key, record.get(old)) for key, old in EASY_DIFFUSION.items()}
    if not isinstance(values["prompt"], str) or (
        values["num_inference_steps"] is None and values["sampler_name"] is None
    ):
        return None
    read = {*EASY_DIFFUSION, *EASY_DIFFUSION.values()}
    named = {
        key
        for key in record
        if key in {"clip_skip", "Clip Skip", "width", "height", "Width", "Height", "use_lora_model"}
    }
    return Stated(
        program="Easy Diffusion",
        prompt=values["prompt"],
        negative_prompt=values["negative_prompt"],
        steps=values["num_inference_steps"],
        guidance_scale=values["guidance_scale"],
        seed=values["seed"],
        sampler=_name(values["sampler_name"]),
        model=_name(values["use_stable_diffusion_model"]),
        others=tuple(key for key in record if key in named - read),
    )


def _dream(text: str) -> Stated | None:
    """InvokeAI's version 1 wrote the command that drew the picture."""
    found = DREAM.match(text)
    if found is None:
        return None
    try:
        words = shlex.split(found[2][:2_000])
    except ValueError:
        words = found[2][:2_000].split()
    given: dict[str, str] = {}
    others: list[str] = []
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word[:2] in DREAM_OPTION:
            given.setdefault(DREAM_OPTION[word[:2]], word[2:] or value)
        elif re.fullmatch(r"--?[A-Za-z]\w*", word):
            others.append(word)
    sampler = given.pop("sampler", "")
    return Stated(program="InvokeAI", prompt=found[1], sampler=sampler, others=tuple(others), **given)


def _mochi(text: str) -> Stated | None:
    found = list(MOCHI_KEY.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    values: dict[str, str] = {}
    for match, end in zip(found, ends, strict=True):
        values.setdefault(match[1], text[match.end() : end].strip(" ;"))
    return Stated(
        program=values.get("Generator", "Mochi Diffusion")[:40],
        prompt=values.get("Include in Image"),
        negative_prompt=values.get("Exclude from Image"),
        steps=values.get("Steps"),
        guidance_scale=values.get("Guidance Scale"),
        seed=values.get("Seed"),
        sampler=values.get("Scheduler", ""),
        model=values.get("Model", ""),
        others=tuple(name for name in ("Size", "Upscaler") if values.get(name)),
    )


READERS: tuple[Callable[[Record], Stated | None], ...] = (
    _swarmui,
    _invokeai,
    _invokeai_2,
    _novelai,
    _draw_things,
    _easy_diffusion,
    _fooocus,
)


def _name(value: object) -> str:
    return value if isinstance(value, str) else ""


def _others(record: Record, read: Collection[str], unread: Collection[str]) -> tuple[str, ...]:
    """Return the keys with a value, but those that are `read` and those that change no picture."""
    silent = {*read, *unread}
    return tuple(
        str(key) for key, value in record.items() if key not in silent and value not in (None, "", [], {}, False)
    )
