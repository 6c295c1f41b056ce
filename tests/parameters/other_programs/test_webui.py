"""stable-diffusion-webui's text as it and its followers write it, with the values that they mean."""

from __future__ import annotations

from typing import Any

import pytest

from bksdm_demo.parameters.other_programs.stated import GRAPHICS_CARD, partial_request
from bksdm_demo.parameters.other_programs.webui import pairs, read_webui

S = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model: dream"
FOX = "a red fox\nNegative prompt: blurry\n"
USUAL: dict[str, Any] = {
    "prompt": "a red fox",
    "negative_prompt": "blurry",
    "steps": 20,
    "guidance_scale": 7.0,
    "scheduler": "euler-ancestral",
    "seeds": (42,),
}
LORA_HASHES = ", ".join(f"lora{number}: {number:012x}" for number in range(400))
RESOURCES = '[{"type":"checkpoint","modelName":"X, Seed: 5, Steps: 3","weight":1}]'
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "as webui writes it": (FOX + S, {}),
    "lines of Windows": ((FOX + S).replace("\n", "\r\n"), {}),
    "template lines after the settings": (f"{FOX}{S}\nTemplate: a {{red|blue}} fox\nNegative Template: blurry", {}),
    "a line break in a value": (
        f"{FOX}Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Wildcard: one\ntwo, three, Version: v1.6",
        {},
    ),
    "SD.Next's bars, prefix and line before": (
        "prompt: a red fox\nNegative prompt: blurry\nVersion: aa62f6d, Pipeline: Original,\n"
        "Steps: 25 | Seed: 18796 | Sampler: Euler a | CFG scale: 7",
        {"steps": 25, "seeds": (18796,)},
    ),
    "settings on the line of the negative prompt": (
        "a red fox\nNegative prompt: blurry Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42",
        {},
    ),
    "all on one line": (f"a red fox Negative prompt: blurry {S}", {}),
    "another key first": (f"{FOX}Size: 512x512, Seed: 42, Steps: 20, Sampler: Euler a, CFG scale: 7", {}),
    "8,000 characters of hashes": (f'{FOX}{S}, Lora hashes: "{LORA_HASHES}"', {}),
    "Civitai's resources": (
        f"{FOX}Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 5, Seed: 7, Size: 832x1216, Clip skip: 2, "
        f"Created Date: 2024-11-05T00:00:00Z, Civitai resources: {RESOURCES}, Civitai metadata: {{}}",
        {"steps": 30, "guidance_scale": 5.0, "scheduler": "dpmpp-2m-karras", "seeds": (7,)},
    ),
    "resources before the settings": (f"{FOX}Civitai resources: {RESOURCES}, {S}", {}),
    "a prompt in quotes": (
        f"{FOX}Steps: 30, Sampler: Euler a, CFG scale: 5, Seed: 7, Size: 8x8, "
        'ADetailer prompt: "face, Seed: 9, Steps: 3\\nmore \\"quoted\\"", Model: "dream, v2"',
        {"steps": 30, "guidance_scale": 5.0, "seeds": (7,)},
    ),
    "a prompt in quotes first": (f'{FOX}ADetailer prompt: "face, Seed: 9, Steps: 3\\n\\"x\\"", {S}', {}),
    "a quote that does not close": (f'{FOX}{S}, Note: "open, Seed: 9, Steps: 3', {}),
    "a bracket that does not close": (f"{FOX}{S}, Note: (open, Seed: 9, Steps: 3", {}),
    "a setting twice": (f"{FOX}{S}, Seed: 43, Steps: 21, CFG scale: 8", {}),
    "a decimal comma": (f"{FOX}{S.replace('7,', '7,5,')}", {"guidance_scale": 7.5}),
    "lower case": (f"a red fox\nnegative prompt: blurry\n{S}", {}),
    "Fooocus": (
        f"{FOX}Steps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 12345, Size: 1152x896, CFG scale: 4, Sharpness: 2, "
        'ADM Guidance: "(1.5, 0.8, 0.3)", Base model: juggernaut, Version: Fooocus v2.5.5',
        {"steps": 30, "guidance_scale": 4.0, "seeds": (12345,), "scheduler": "dpmpp-2m-karras"},
    ),
    "line breaks of Unicode in the prompt": (
        f"a red fox\u2028on a hill\u0085wide\nNegative prompt: blurry\n{S}",
        {"prompt": "a red fox\u2028on a hill\nwide"},
    ),
    "weights and blocks stay literal": (
        f"(a red fox:1.3), [hill|sea], <lora:x:1>, BREAK wide\nNegative prompt: EasyNegative, (blurry:1.4)\n{S}",
        {
            "prompt": "(a red fox:1.3), [hill|sea], <lora:x:1>, BREAK wide",
            "negative_prompt": "EasyNegative, (blurry:1.4)",
        },
    ),
    "prompts of several lines": (
        f"a castle, (sunset:1.2),\nSteps: and stairs, oil painting\nNegative prompt: blurry,\nlow quality\n{S}",
        {
            "prompt": "a castle, (sunset:1.2),\nSteps: and stairs, oil painting",
            "negative_prompt": "blurry,\nlow quality",
        },
    ),
    "settings in the negative prompt": (
        f"a red fox\nNegative prompt: Steps: 9, Sampler: DDIM\n{S}",
        {"negative_prompt": "Steps: 9, Sampler: DDIM"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str) -> None:
    text, differing = LAYOUTS[layout]
    partial = partial_request(read_webui(text), ())
    assert {name: getattr(partial, name) for name in USUAL} == {**USUAL, **differing}


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "steps"),
    [
        ("fox", "fox", "", None),
        ("fox\nSteps: 20", "fox", "", "20"),
        ("fox\nSteps: 20\n", "fox", "", "20"),
        ("Steps: and stairs", "Steps: and stairs", "", None),
        ("a sign, Steps: 20", "a sign, Steps: 20", "", None),  # one known name is part of a prompt
        (f"\nNegative prompt: blurry\n{S}", "", "blurry", "20"),
        (f"Negative prompt: is a band\n{S}", "", "is a band", "20"),
        (S, "", "", "20"),
        ("", "", "", None),
    ],
)
def test_texts_with_parts_missing(text: str, prompt: str, negative: str, steps: str | None) -> None:
    stated = read_webui(text)
    assert (stated.prompt, stated.negative_prompt, stated.steps) == (prompt, negative, steps)


def test_a_missing_prompt_is_said() -> None:
    partial = partial_request(read_webui(S), ())
    assert partial.prompt is None
    assert partial.notes[0] == "It states no prompt; the prompt in the form did not change."


@pytest.mark.parametrize(
    ("settings", "scheduler", "note"),
    [
        ("Sampler: k_euler_a", "euler-ancestral", ""),
        ("Sampler: euler_ancestral", "euler-ancestral", ""),
        ("Sampler: dpmpp_2m, Schedule type: karras", "dpmpp-2m-karras", ""),
        ("Sampler: dpm++2m karras", "dpmpp-2m-karras", ""),
        ("Sampler: DPM++ 2M", "dpmpp-2m", ""),  # before webui 1.9: the model's own noise levels
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "dpmpp-2m-karras", ""),  # since then: Karras, its default
        ("Sampler: DPM++ 2M, Schedule type: Uniform", "dpmpp-2m", ""),
        ("Sampler: DPM++ 2M, Schedule type: Karras, Hires sampler: Euler", "dpmpp-2m-karras", ""),
        ("Sampler: Euler, Schedule type: Automatic", "euler", ""),
        (
            "Sampler: Euler, Schedule type: Simple",
            "euler",
            "'Euler Simple' is not available here; Euler is the nearest",
        ),
        ("Sampler: DPM2 a Karras", None, "'DPM2 a Karras' is not available here; the scheduler did not change"),
        ("Sampler: LCM", None, "'LCM' is not available here; the scheduler did not change"),
    ],
)
def test_samplers(settings: str, scheduler: str | None, note: str) -> None:
    partial = partial_request(read_webui(f"fox\nSteps: 20, {settings}, RNG: CPU"), ())
    assert partial.scheduler == scheduler
    assert len(partial.notes) == bool(note) + ("Hires" in settings)
    assert note in " ".join(partial.notes)


@pytest.mark.parametrize(
    ("rng", "noise"),
    [
        (", RNG: CPU", "torch"),
        (", RNG: cpu", "torch"),
        (", RNG: NV", GRAPHICS_CARD),
        (", RNG: GPU", GRAPHICS_CARD),
        ("", ""),
    ],
)
def test_the_source_of_the_noise(rng: str, noise: str) -> None:
    assert read_webui(f"fox\n{S}{rng}").noise == noise


def test_a_seed_of_64_bits_is_left_out_by_name() -> None:
    partial = partial_request(read_webui("fox\nSteps: 20, Sampler: Euler a, Seed: 1102676403634909"), ())
    assert partial.seeds == ()
    assert partial.notes == ("seed is 1102676403634909; it must be between 0 and 4294967295.",)


def test_settings_that_change_a_picture_are_named_as_left_out() -> None:
    text = f"fox\n{S}, Variation seed: 9, ENSD: 31337, Eta: 0.2, Clip skip: 2, Model hash: ab, VAE: x, Version: v1.6"
    assert read_webui(text).others == ("Size", "Variation seed", "ENSD", "Eta", "Clip skip")
    many = ", ".join(f"Extra {letter}: 1" for letter in "ABCDEFGHIJ")
    assert "Extra A, Extra B, Extra C, Extra D, Extra E, Extra F, Extra G and 3 more." in " ".join(
        partial_request(read_webui(f"fox\n{S}, {many}"), ()).notes
    )


def test_pairs() -> None:
    block = 'A: 1, B: "x, y: z", C: [{"d": "E: 5, F: 6"}], G: a, b, H: {"i": (1, 2)} | J: last'
    assert dict(pairs(block)) == {
        "A": "1",
        "B": "x, y: z",
        "C": '[{"d": "E: 5, F: 6"}]',
        "G": "a, b",
        "H": '{"i": (1, 2)}',
        "J": "last",
    }


@pytest.mark.parametrize("filler", [" ", "a", 'a:"', 'a:"\\",', "a: (", "a: [],", '\\"', "x:\n", "(\n", "Steps: 1,"])
def test_a_hostile_text_ends(filler: str) -> None:
    """A compressed chunk of few bytes holds a million characters; each could start a search to the end."""
    assert read_webui(f"a castle\n{S}, {filler * (30_000 // len(filler))}").steps == "20"
    read_webui(filler * (30_000 // len(filler)))


def test_our_own_text_tells_which_options_were_on() -> None:
    text = 'apple\nSteps: 20, Sampler: DDIM, CFG scale: 3, Seed: 7, Guidance interval: "0:0.5", Forecast: on, '
    text += "Deep layers every: 2, Version: "
    ours = read_webui(text + "bksdm-demo 1.0")
    assert (ours.guidance_interval, ours.forecast, ours.deep_every) == ("0:0.5", "on", "2")
    others = read_webui(text + "v1.9.0")
    assert (others.guidance_interval, others.forecast, others.deep_every) == ("", "", None)
