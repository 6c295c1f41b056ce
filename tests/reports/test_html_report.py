"""The HTML report read back by Python's own parser: nothing runs, nothing is fetched, no blocked picture is inside."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.errors import DemoError
from bksdm_demo.library.published import OPENRAIL_M, OPENRAIL_M_URL
from bksdm_demo.parameters.links import job_query
from bksdm_demo.parameters.png_writer import plain_png
from bksdm_demo.records import Job, Phase, Request, Verdict
from bksdm_demo.reports.formats import write_report
from bksdm_demo.reports.material import Material
from bksdm_demo.reports.similarity import compare_pictures
from tests.reports.report_jobs import (
    MODELS,
    SECRET,
    SYSTEMS,
    done,
    job_of,
    material,
    mixed_job,
    picture,
    png_of,
    refused,
    system,
    timings,
)

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)> & \"quoted\" 'too'"
FETCHING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "manifest"}


class Page(HTMLParser):
    """The elements with their attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.shown: list[str] = []
        self.looks = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.looks += data
        else:
            self.shown.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())


def html(made: Material) -> str:
    stream = io.BytesIO()
    write_report(made, "html", stream)
    return stream.getvalue().decode()


def page(job: Job, **changes: object) -> Page:
    return Page(html(material(job, **changes)))


def test_pictures_are_inside_with_their_parameters() -> None:
    job = job_of()
    images = page(job).all("img")
    assert [image["alt"] for image in images][:2] == [
        "red apple – drawn by Emoji Original, seed 7",
        "red apple – drawn by Emoji Base, seed 7",
    ]
    for index, image in enumerate(images):
        head, _, data = image["src"].partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data) == png_of(job, index)
        with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
            assert "red apple" in opened.info["parameters"]
    assert len(images) == 8


def test_nothing_runs_and_nothing_is_fetched() -> None:
    found = page(mixed_job(Request(HOSTILE, negative_prompt=HOSTILE, steps=3)))
    assert {name for name, _ in found.elements} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    } == set()
    for _, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert all(value.startswith("data:image/png") for name, value in attributes.items() if name in FETCHING)
        assert not attributes.get("href", "").startswith(("javascript:", "data:"))
    assert "@import" not in found.looks
    assert re.findall(r"url\((?!#)", found.looks) == []
    (policy,) = [meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src" not in policy


def test_every_text_is_shown_as_it_is() -> None:
    job = mixed_job(Request(HOSTILE, negative_prompt=HOSTILE, steps=3))
    job = replace(job, environment={"engine": HOSTILE, "parts": {HOSTILE: {"engine": HOSTILE}}})
    odd = {key: system(key, name=HOSTILE, weights=HOSTILE, licence=HOSTILE) for key in MODELS}
    found = page(job, systems=odd, base_url=f"https://example.org/{HOSTILE}")
    assert " ".join(HOSTILE.split()) in found.text
    assert "The U-Net <b>broke</b>." in found.text
    assert [image for image in found.all("img") if not image["src"].startswith("data:")] == []
    assert len(found.all("title")) == 1 + sum(name == "rect" and "x" in a for name, a in found.elements)


def test_blocked_and_failed_pictures_are_named_and_never_inside() -> None:
    job = mixed_job()

    def careless(index: int) -> bytes:
        result = job.cells[index].result
        assert result is not None
        assert result.image is not None
        return plain_png(result.image)

    found = page(job, picture=careless)
    assert len(found.all("img")) == 6
    for image in found.all("img"):
        with Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as opened:
            assert not (np.asarray(opened) == SECRET).all(axis=-1).any()
    assert "6 pictures, 1 blocked, 1 failed" in found.text
    assert "The safety checker blocked 1 of 8 pictures. No file of this report contains it." in found.text
    assert "Emoji Base, seed 8 – Picture blocked. The safety checker blocked it." in found.text
    assert "Emoji Small, seed 8 – This model failed. The U-Net <b>broke</b>." in found.text


def test_what_was_not_drawn_has_its_reason_and_no_times() -> None:
    job = job_of(seeds=(7,))
    found = page(replace(job, cells=(refused(job.cells[0]), *job.cells[1:])))
    assert "1 of 4 pictures was blocked before it was drawn." in found.text
    assert f"Emoji Original – Picture blocked. {PROMPT_BLOCKED}" in found.text
    assert "checker blocked" not in found.text
    assert "Emoji Original 1.500" not in found.text
    assert "Speed is drawing time against Emoji Base." in found.text
    assert "Emoji Original has no picture, so the others have nothing to be compared with." in found.text
    none = page(replace(job, cells=tuple(map(refused, job.cells))))
    assert "4 of 4 pictures were blocked before they were drawn." in none.text
    for heading in ("Similarity", "Where the time went", "Step times"):
        assert heading not in none.text


def test_a_refused_and_a_blocked_picture_are_counted_apart() -> None:
    job = mixed_job()
    found = page(replace(job, cells=(refused(job.cells[0]), *job.cells[1:])))
    sentences = "The safety checker blocked 1 of 8 pictures. No file of this report contains it. "
    assert f"{sentences}1 of 8 pictures was blocked before it was drawn." in found.text


def test_notes_on_reading_name_the_prompt_and_come_once() -> None:
    job = job_of(Request("a (red:1.2) apple", negative_prompt="dull hands", steps=3))
    cells = [
        replace(cell, result=replace(cell.result, negative_truncated=("hands",))) for cell in job.cells if cell.result
    ]
    found = page(replace(job, cells=tuple(cells)))
    sentence = "The negative prompt is longer than the text encoder reads. The models did not read: “hands”"
    assert found.text.count(sentence) == 1
    assert found.text.count("Weights and additions such as “(red:1.2)” are read literally, as words.") == 1
    assert "The prompt is longer" not in found.text
    assert "read literally" not in page(job_of()).text


def test_a_verdict_that_blocks_wins_over_a_phase_that_says_done() -> None:
    job = job_of()
    result = job.cells[0].result
    assert result is not None
    wrong = replace(job.cells[0], result=replace(result, verdict=Verdict(True)))
    found = page(replace(job, cells=(wrong, *job.cells[1:])))
    assert len(found.all("img")) == 7


def test_shared_settings_stand_once_and_pictures_are_compared_within_a_seed() -> None:
    job = job_of()
    found = page(job)
    assert found.text.count("DPM-Solver++ 2M") == 1
    assert "Seeds 7, 8 Steps 3 Guidance 7.5 Scheduler DPM-Solver++ 2M Noise NumPy" in found.text
    expected = compare_pictures(picture(6), picture(4))  # Emoji Small against Emoji Original, both with seed 8
    words = f"{expected.psnr:.1f} dB · SSIM {expected.ssim:.3f} · HaarPSI {expected.haarpsi:.3f}"
    assert found.text.count(words) == 2  # below the picture and in the table
    assert "Against Emoji Original Seed 7 Seed 8" in found.text


def test_pictures_without_a_reference_or_of_another_size_are_not_compared() -> None:
    job = job_of(seeds=(7,))
    cells = list(job.cells)
    assert cells[1].result is not None
    cells[1] = replace(cells[1], result=replace(cells[1].result, image=picture(1)[:12, :12]))
    assert sorted(material(replace(job, cells=tuple(cells))).similarities) == [2, 3]
    cells[0] = cells[0].at(Phase.FAILED, result=None)
    made = material(replace(job, cells=tuple(cells)))
    assert made.similarities == {}
    why = "Emoji Original has no picture, so the others have nothing to be compared with."
    assert f"Similarity {why}" in Page(html(made)).text


def test_the_numbers_of_the_page_are_those_of_the_timings() -> None:
    found = page(job_of(seeds=(7,)))
    assert "Emoji Original 1.500 0.010 0.300 0.100 0.050 0.460 baseline" in found.text
    assert "Emoji Base 1.500 0.010 0.400 0.100 0.050 0.560 0.82× (one run)" in found.text
    assert "Emoji Original 3 80.0 100 120" in found.text  # milliseconds: fastest, median, slowest
    assert "Emoji Original 100 120 80.0" in found.text  # every single step
    assert "Speed is drawing time against Emoji Original." in found.text


def test_several_seeds_give_medians_by_model_and_speeds_within_each_seed() -> None:
    found = page(job_of(seeds=(7, 8, 9)))
    assert "12 pictures, one noise for each seed" in found.text
    assert found.text.count("baseline") == 1  # in the table of models
    assert "Speed is drawing time against Emoji Original, with its 95 % interval." in found.text
    assert "Times are those of one run" not in found.text
    alone = page(job_of(models=MODELS[:1]))
    assert "baseline" not in alone.text
    assert "Speed is" not in alone.text


def test_a_comparison_that_still_runs_says_so() -> None:
    job = job_of(seeds=(7,))
    cells = (
        *job.cells[:2],
        job.cells[2].at(Phase.DENOISING, result=None),
        job.cells[3].at(Phase.QUEUED, result=None),
    )
    found = page(replace(job, cells=cells), made=job.created + 90)
    assert "2 pictures, 2 to come" in found.text
    assert (
        "Made on 23 November 2026, 06:41 UTC, while the comparison was still running: 2 of 4 pictures had no"
        in found.text
    )
    assert found.text.count("This picture was not finished when the report was made.") == 4


def test_a_cell_that_is_drawn_again_keeps_its_earlier_picture() -> None:
    job = job_of(seeds=(7,))
    again = job.cells[1].again().at(Phase.DENOISING, preview=np.zeros((8, 8, 3), np.uint8))
    stream = io.BytesIO()
    earlier = replace(job, cells=(job.cells[0], again, *job.cells[2:]))
    from_earlier = material(earlier, picture=lambda index: png_of(job, index))
    write_report(from_earlier, "html", stream)
    assert stream.getvalue().count(b"data:image/png") == 4


def test_a_picture_whose_file_is_missing_costs_that_picture_only() -> None:
    job = job_of(seeds=(7,))

    def gone(index: int) -> bytes:
        if index == 1:
            raise DemoError("The file is gone.")
        return b"damaged" if index == 2 else png_of(job, index)

    found = page(job, picture=gone)
    assert len(found.all("img")) == 3
    assert "The file of this picture is missing." in found.text
    assert sorted(material(job, picture=gone).similarities) == [3]


def test_how_to_draw_it_again() -> None:
    job = job_of()
    stored = page(job, base_url="https://example.org/space/?old=1#part", stored=True)
    address = f"https://example.org/space/?{job_query(job)}"
    assert address in [link["href"] for link in stored.all("a")]
    assert "job=the-id" in address
    elsewhere = page(job, base_url="https://example.org/", stored=False)
    assert f"https://example.org/?{job_query(job, with_job=False)}" in elsewhere.text
    unknown = page(job, base_url="javascript:alert(1)")
    assert f"?{job_query(job, with_job=False)}" in unknown.text
    assert "javascript" not in unknown.text
    assert "python -m bksdm_demo compare --models" in stored.text


def test_models_and_licences() -> None:
    systems = {**SYSTEMS, MODELS[1]: system(MODELS[1], licence=OPENRAIL_M, licence_url=OPENRAIL_M_URL)}
    systems[MODELS[2]] = system(MODELS[2], licence="", licence_url="", card_url="javascript:alert(1)")
    del systems[MODELS[3]]
    found = page(job_of(seeds=(7,)), systems=systems)
    assert "emoji-tiny emoji-tiny – – 2.00 MB – – –" in found.text  # gone from the catalogue: what the result says
    assert "Emoji Base emoji-base 6.00 M 9.00 M 8.00 MB 6-bit palettized split_einsum_v2 CreativeML" in found.text
    assert OPENRAIL_M_URL in [link["href"] for link in found.all("a")]
    assert "exploit or harm minors" in found.text
    assert "This demo does not know the licence of these models" in found.text
    assert not [link for link in found.all("a") if link["href"].startswith("javascript")]


@pytest.mark.parametrize("environment", [{}, {"cpu": None, "packages": None, "parts": None, "memory_bytes": None}])
def test_an_unknown_machine(environment: dict[str, None]) -> None:
    assert "Nothing is known about the machine." in page(job_of(environment=environment)).text


def test_one_model_with_several_seeds_and_one_picture_alone() -> None:
    several = page(job_of(models=MODELS[:1], seeds=(1, 2, 3)))
    assert "Emoji Original, seed 2" in several.text
    assert not [attributes for attributes in several.all("h2") if attributes.get("class") == "seed"]
    alone = page(job_of(models=MODELS[:1], seeds=(1,)))
    assert "1 picture ·" in alone.text
    assert "Similarity" not in alone.text


def test_one_picture_at_a_time_is_read() -> None:
    job = job_of()
    asked: list[int] = []

    def picture_of(index: int) -> bytes:
        asked.append(index)
        return png_of(job, index)

    made = material(job, picture=picture_of)
    assert asked == []
    html(made)
    assert asked[-8:] == list(range(8))  # those of the page, after those of the similarities
    assert len(asked) == 16


def test_a_picture_without_times_is_in_no_table() -> None:
    job = job_of(seeds=(7,))
    cells = list(job.cells)
    result = cells[0].result
    assert result is not None
    empty = timings(0, load=0.0, encode=0.0, denoise=0.0, decode=0.0, safety=0.0, steps=(), cold=False)
    cells[0] = replace(cells[0], result=replace(result, timings=empty))
    found = page(replace(job, cells=tuple(cells)))
    assert "Emoji Original warm" not in found.text
    assert "Speed is drawing time against Emoji Base." in found.text
    lonely = replace(job, cells=(cells[0],))
    assert "Step times" not in page(lonely).text
    assert done(0, "a", 1, job.request).shown
