"""Settings of pictures: all of our own, and from other programs those with an equal meaning here.

Each case of another program is one that it writes, with the values that it would read back itself.
"""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.picture_reader import read_settings
from bksdm_demo.parameters.png_writer import encode_png, parameters_text
from bksdm_demo.records import GENERATORS, SCHEDULERS, SEED_LIMIT, Request, Result, Timings, Verdict
from tests.parameters.pictures import comment_exif, other, png

MODELS = ("emoji-tiny", "bk-sdm-tiny-2m")
WEBUI = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model: dream"
LIKE_WEBUI: dict[str, Any] = {
    "prompt": "a red fox",
    "negative_prompt": "blurry",
    "steps": 20,
    "guidance_scale": 7.0,
    "scheduler": "euler-ancestral",
    "seeds": (42,),
}


def result(request: Request) -> Result:
    image = np.zeros((16, 16, 3), np.uint8)
    return Result("emoji-tiny", request, Verdict(False), Timings(steps=(0.1,) * request.steps), image)


def requests(count: int) -> list[Request]:
    chance = random.Random(5)
    words = ["Steps: 4, x", "Negative prompt", 'a "quoted" word', "日本語 🙂", "comma, colon: \\", "two\nlines"]
    return [
        Request(
            f"start {chance.choice(words)} end",
            chance.choice(["", "Steps: 20, Sampler: no"]),
            chance.randrange(SEED_LIMIT),
            chance.randint(1, 150),
            chance.choice([0.0, 3.0, 7.25]),
            chance.choice(SCHEDULERS),
            chance.choice(GENERATORS),
        )
        for _ in range(count)
    ]


def stated(partial: PartialRequest) -> dict[str, Any]:
    """The settings of a partial request, without those that it does not have."""
    return {name: value for name, value in vars(partial).items() if value not in (None, ()) and name != "notes"}


@pytest.mark.parametrize("request_", requests(20))
def test_our_own_pictures_give_every_setting(request_: Request) -> None:
    texts_alone = png({"parameters": parameters_text(result(request_), "1.0")})
    for data in (encode_png(result(request_), "Tiny", {}), texts_alone):
        partial = read_settings(data, MODELS)
        assert (partial.prompt, partial.negative_prompt) == (request_.prompt, request_.negative_prompt)
        assert (partial.steps, partial.guidance_scale) == (request_.steps, request_.guidance_scale)
        assert (partial.scheduler, partial.generator) == (request_.scheduler, request_.generator)
        assert (partial.seeds, partial.models, partial.notes) == ((request_.seed,), ("emoji-tiny",), ())


def test_our_own_picture_of_an_unknown_model_says_so() -> None:
    (note,) = read_settings(encode_png(result(requests(1)[0]), "Tiny", {}), ["other"]).notes
    assert note == "The model 'emoji-tiny' is not available here; the chosen models did not change."


def test_notes_say_what_was_read_and_what_was_left_out() -> None:
    text = f"a red fox\nNegative prompt: blurry\n{WEBUI}, Clip skip: 2, Version: v1.6"
    assert read_settings(png({"parameters": text}), MODELS).notes == (
        "Read: the text 'parameters', in the layout of stable-diffusion-webui.",
        "It does not say what made the start noise, which mostly is a graphics card. "
        "So the same seed will probably draw another picture here.",
        "The model 'dream' is not available here; the chosen models did not change.",
        "Left out, as this demo has no such setting: Size, Clip skip.",
    )


PLACES = {
    "parameters": png({"parameters": f"a red fox\nNegative prompt: blurry\n{WEBUI}"}),
    "parameters beside other texts": png(
        {
            "postprocessing": "Postprocess upscale by: 4",
            "parameters": f"a red fox\nNegative prompt: blurry\n{WEBUI}",
            "extras": "Postprocess upscale by: 4",
        }
    ),
    "EXIF in a PNG": png(exif=comment_exif(f"a red fox\nNegative prompt: blurry\n{WEBUI}")),
    "EXIF in a JPEG": other("JPEG", comment_exif(f"a red fox\nNegative prompt: blurry\n{WEBUI}")),
    "EXIF in a WebP": other("WEBP", comment_exif(f"a red fox\nNegative prompt: blurry\n{WEBUI}")),
    "a JPEG's comment": other("JPEG", comment=f"a red fox\nNegative prompt: blurry\n{WEBUI}"),
}


@pytest.mark.parametrize("place", PLACES)
def test_settings_are_found_wherever_programs_put_them(place: str) -> None:
    assert stated(read_settings(PLACES[place], MODELS)) == LIKE_WEBUI


FOX = {"prompt": "a red fox", "negative_prompt": "blurry"}
SWARMUI = {
    "sui_image_params": {
        **{"prompt": "a red fox", "negativeprompt": "blurry", "model": "sdxl", "seed": 12345, "steps": 20},
        **{"cfgscale": 7.0, "sampler": "euler", "width": 1024},
    },
    "sui_extra_data": {"date": "2026-01-01"},
}
FOOOCUS = {
    **FOX,
    **{"steps": 30, "guidance_scale": 4, "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras"},
    **{"seed": "12345", "version": "Fooocus v2.5.5"},
}
DRAW_THINGS_XMP = (
    "<x:xmpmeta><rdf:RDF><rdf:Description><exif:UserComment>"
    '{"c":"a red fox","seed":1}</exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>'
)
PROGRAMS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "SwarmUI": (
        png({"parameters": json.dumps(SWARMUI, indent=2)}),
        "'parameters', in the layout of SwarmUI",
        {**FOX, "steps": 20, "guidance_scale": 7.0, "scheduler": "euler", "generator": "torch", "seeds": (12345,)},
    ),
    "SwarmUI in a JPEG": (
        other("JPEG", comment_exif(json.dumps(SWARMUI))),
        "'UserComment', in the layout of SwarmUI",
        {**FOX, "steps": 20, "guidance_scale": 7.0, "scheduler": "euler", "generator": "torch", "seeds": (12345,)},
    ),
    "Fooocus": (
        png({"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"}),
        "'parameters', in the layout of Fooocus",
        {**FOX, "steps": 30, "guidance_scale": 4.0, "scheduler": "dpmpp-2m-karras", "seeds": (12345,)},
    ),
    "ComfyUI": (
        png({"prompt": json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 20}}})}),
        "'prompt', in the layout of ComfyUI",
        {"negative_prompt": "", "steps": 20, "generator": "torch", "seeds": (7,)},
    ),
    "Draw Things": (
        png({"XML:com.adobe.xmp": DRAW_THINGS_XMP}, itxt=True),
        "'exif:UserComment', in the layout of Draw Things",
        {"prompt": "a red fox", "negative_prompt": "", "seeds": (1,)},
    ),
    "Easy Diffusion": (
        png(
            {
                **FOX,
                **{"seed": "42", "num_inference_steps": "25", "guidance_scale": "7.5", "sampler_name": "euler_a"},
            }
        ),
        "'prompt', in the layout of Easy Diffusion",
        {**FOX, "steps": 25, "guidance_scale": 7.5, "scheduler": "euler-ancestral", "seeds": (42,)},
    ),
    "InvokeAI 1": (
        png({"Dream": '"a red fox" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms'}),
        "'Dream', in the layout of InvokeAI",
        {"prompt": "a red fox", "negative_prompt": "", "steps": 50, "guidance_scale": 7.5, "seeds": (42,)},
    ),
    "Mochi Diffusion": (
        png(
            {
                "Description": "Include in Image: a red fox; Exclude from Image: ; Model: m; Steps: 50; "
                "Guidance Scale: 4.0; Seed: 3; Size: 512x512; Scheduler: DPM-Solver++; "
                "Generator: Mochi Diffusion 2.2"
            }
        ),
        "'Description', in the layout of Mochi Diffusion 2.2",
        {
            **{"prompt": "a red fox", "negative_prompt": "", "steps": 50, "guidance_scale": 4.0},
            **{"scheduler": "dpmpp-2m", "seeds": (3,)},
        },
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_programs_record_gives_its_settings(program: str) -> None:
    data, source, expected = PROGRAMS[program]
    partial = read_settings(data, MODELS)
    assert stated(partial) == expected
    assert partial.notes[0] == f"Read: the text {source}."


def test_values_out_of_range_are_left_out_with_a_note() -> None:
    text = "cat\nSteps: 900, Sampler: UniPC, CFG scale: x, Seed: -1, RNG: CPU"
    partial = read_settings(png({"parameters": text}), MODELS)
    assert stated(partial) == {"prompt": "cat", "negative_prompt": "", "generator": "torch"}
    assert [note.split(";")[0] for note in partial.notes[1:]] == [
        "steps is 900",
        "guidance_scale must be a number, not 'x'.",
        "seed is -1",
        "The sampler 'UniPC' is not available here",
    ]


def test_a_record_that_is_not_ours_falls_back_to_the_text() -> None:
    record = json.dumps({"schema": "bksdm-demo/result", "request": {"prompt": 7, "seed": [1]}})
    for text in (record, "[" * 100_000, "no json", '{"schema": "other"}'):
        assert read_settings(png({"bksdm-demo": text, "parameters": "fox"}), MODELS).prompt == "fox"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (png(), "This PNG file has no text before its pixels."),
        (other("JPEG"), "This JPEG file has no text in its EXIF and XMP."),
        (png({"Comment": "Created with GIMP"}), "no settings that this demo can read. Its texts are 'Comment'."),
        (png({"parameters": "  "}), "no settings that this demo can read. Its texts are 'parameters'."),
        (png({"parameters": '{"of": "another program"}'}), "no settings that this demo can read."),
        (png({"parameters": "{" * 5_000 + "}"}), None),
        (png({"workflow": "{}", "prompt": "{}"}), "Its texts are 'workflow', 'prompt'."),
        (png({"Description": "A photo of my cat"}), "no settings that this demo can read."),
        (png({f"text {n}": "x" for n in range(9)}), "'text 5' and 3 more."),
        (other("JPEG", comment_exif("Screenshot")), "Its texts are 'UserComment'."),
    ],
)
def test_a_picture_without_settings_is_refused_with_a_true_sentence(data: bytes, sentence: str | None) -> None:
    if sentence is None:  # braces that are no JSON are a prompt
        assert read_settings(data, MODELS).prompt is not None
        return
    with pytest.raises(RequestError) as raised:
        read_settings(data, MODELS)
    assert sentence in str(raised.value)
    assert "Type its prompt instead." in str(raised.value)
