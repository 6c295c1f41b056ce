"""Reading parameters: all of our own pictures, and from other programs those with an equal meaning here."""

import io
import json
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from bksdm_demo.errors import RequestError
from bksdm_demo.parameters.png_reader import read_parameters, read_png
from bksdm_demo.parameters.png_writer import encode_png, parameters_text
from bksdm_demo.records import GENERATORS, SCHEDULERS, SEED_LIMIT, Request, Result, Timings, Verdict

MODELS = ("emoji-tiny", "bk-sdm-tiny-2m")
FOREIGN = """a castle, (sunset:1.2),
Steps: and stairs, oil painting
Negative prompt: blurry,
low quality
Steps: 28, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 6.5, Seed: 123456, Size: 512x768, \
Model hash: abc, Model: "odd, name: v1", Version: v1.10.0"""


def result(request: Request) -> Result:
    image = np.zeros((16, 16, 3), np.uint8)
    return Result("emoji-tiny", request, Verdict(False), Timings(steps=(0.1,) * request.steps), image)


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


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


@pytest.mark.parametrize("request_", requests(20))
def test_our_own_pictures_give_every_setting(request_: Request) -> None:
    texts_alone = read_parameters(parameters_text(result(request_)), MODELS)
    for partial in (read_png(encode_png(result(request_), "Tiny", {}), MODELS), texts_alone):
        assert (partial.prompt, partial.negative_prompt or "") == (request_.prompt, request_.negative_prompt)
        assert (partial.steps, partial.guidance_scale) == (request_.steps, request_.guidance_scale)
        assert (partial.scheduler, partial.generator) == (request_.scheduler, request_.generator)
        assert (partial.seeds, partial.models, partial.notes) == ((request_.seed,), ("emoji-tiny",), ())


def test_another_programs_text_gives_the_settings_with_an_equal_meaning() -> None:
    partial = read_png(png(parameters=FOREIGN), MODELS)
    assert partial.prompt == "a castle, (sunset:1.2),\nSteps: and stairs, oil painting"
    assert partial.negative_prompt == "blurry,\nlow quality"
    assert (partial.steps, partial.guidance_scale, partial.seeds) == (28, 6.5, (123456,))
    assert partial.scheduler == "dpmpp-2m"
    assert partial.models == ()
    notes = " ".join(partial.notes)
    assert "'DPM++ 2M SDE Karras' is not available here" in notes
    assert "graphics card" in notes
    assert "'odd, name: v1' is not available here" in notes


def test_values_out_of_range_are_left_out_with_a_note() -> None:
    partial = read_png(png(parameters="cat\nSteps: 900, Sampler: UniPC, CFG scale: x, Seed: -1, RNG: CPU"), MODELS)
    assert (partial.prompt, partial.steps, partial.guidance_scale, partial.seeds) == ("cat", None, None, ())
    assert partial.generator == "torch"
    assert [note.split(";")[0] for note in partial.notes] == [
        "steps is 900",
        "guidance_scale must be a number, not 'x'.",
        "seed is -1",
        "The sampler 'UniPC' is not available here",
    ]


def test_a_record_that_is_not_ours_falls_back_to_the_text() -> None:
    record = json.dumps({"schema": "bksdm-demo/result", "request": {"prompt": 7, "seed": [1]}})
    for text in (record, "[" * 100_000, "no json", '{"schema": "other"}'):
        partial = read_png(png(**{"bksdm-demo": text, "parameters": "fox"}), MODELS)
        assert partial.prompt == "fox"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cannot be read as a PNG"),
        (b"GIF89a" + bytes(100), "cannot be read as a PNG"),
        (png(parameters="fox")[:40], "cannot be read as a PNG"),
        (png(), "has no parameters inside"),
        (png(parameters="  "), "has no parameters"),
        (png(workflow="{}", prompt="{}"), "ComfyUI"),
        (bytes(50_000_001), "more than 50 MB"),
    ],
)
def test_files_without_usable_parameters_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_png(data, MODELS)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def hostile(*chunks: bytes, size: int = 4) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_decompression_bombs_are_refused_with_a_message() -> None:
    packed = zlib.compress(b"x" * 60_000_000)
    for data in (hostile(chunk(b"zTXt", b"parameters\0\0" + packed)), hostile(size=2**31 - 1)):
        with pytest.raises(RequestError):
            read_png(data, MODELS)


def test_a_hostile_settings_line_is_read_quickly() -> None:
    """A compressed chunk of few bytes holds a million spaces; each could start a search to the end."""
    for filler in (" ", "a", 'a:"', 'a:"\\",'):
        text = f"a castle\nSteps: 1,{filler * 1_000_000}!"
        assert read_parameters(text, MODELS).steps is None
        short = f"a castle\nSteps: 1, {filler * (7_900 // len(filler))}"
        assert read_parameters(short, MODELS).steps == 1
