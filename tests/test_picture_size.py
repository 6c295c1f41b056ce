"""A system of another size, wider than high, from files to pictures: every shape is read from its packages.

The U-Net, decoder and checker are the tiny untrained ones of tests/golden/wide, with torch's answers beside them; the
text encoder is the embedded family's.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.diffusion.pixels import to_clip
from bksdm_demo.mil.package import read_package
from bksdm_demo.records import Job, Phase, Request
from bksdm_demo.reports.contact_sheet import draw_sheet
from bksdm_demo.reports.folder import save_job
from bksdm_demo.reports.formats import build_report
from bksdm_demo.runs.previews import Previews
from bksdm_demo.settings import ASSETS, Settings
from bksdm_demo.start import Services, start
from bksdm_demo.translate.graph import translate
from bksdm_demo.ui.thumbnails import Thumbnails
from tests.mil.samples import GOLDEN
from tests.translate.programs import psnr

WIDE = GOLDEN.parent / "wide"
SHARED = ASSETS / "emoji" / "shared"
LATENT, PICTURE = (4, 20, 28), (160, 224, 3)
REQUEST = Request("red apple", seed=7, steps=4)
FLOOR = 65.0  # dB against torch in float32; 80 and more are reached
KEPT = 4  # every fourth pixel is recorded

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the embedded family is not here")


def lay_out(folder: Path, *unet: str) -> None:
    """The wide system in a folder of its own, with its U-Net in one or two packages."""
    folder.mkdir(parents=True)
    for name in (*unet, "vae_decoder", "safety_checker"):
        file = f"wide_{name}.mlpackage"
        (folder / f"Stable_Diffusion_version_{file}").symlink_to(WIDE / file)
    for name in ("Stable_Diffusion_version_emoji_text_encoder.mlpackage", "vocab.json", "merges.txt"):
        (folder / name).symlink_to(SHARED / name)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The same system twice: with one U-Net package, and with two."""
    models = tmp_path_factory.mktemp("models")
    lay_out(models / "wide", "unet")
    lay_out(models / "wide-chunked", "unet_chunk1", "unet_chunk2")
    made = start(Settings(models_dir=models, precision="f32"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def job(services: Services) -> Job:
    """One comparison beside a square system."""
    running = services.comparisons.submit(REQUEST, ["wide", "wide-chunked", "emoji-tiny"])
    *_, last = services.comparisons.watch(running.id)
    assert [cell.phase for cell in last.cells] == [Phase.DONE] * 3, [cell.message for cell in last.cells]
    return last


@pytest.fixture(scope="module")
def recorded() -> dict[str, NDArray]:
    with np.load(WIDE / "wide.npz") as stored:
        return dict(stored)


def image(job: Job, index: int) -> NDArray[np.uint8]:
    result = job.cells[index].result
    assert result is not None
    assert result.image is not None
    return result.image


@pytest.mark.parametrize("key", ["wide", "wide-chunked"])
def test_the_unet_answers_as_torch_does(services: Services, recorded: dict[str, NDArray], key: str) -> None:
    with services.cache.lease(key) as lease:
        unet = lease.pipeline.unet
        assert unet.latent_shape == LATENT
        assert len(unet.engines) == (2 if key == "wide-chunked" else 1)
        noise = unet.predict(recorded["sample"], float(recorded["timestep"]), recorded["hidden"])
    assert psnr(noise, recorded["noise_pred"]) > FLOOR


def test_queries_that_leave_a_short_last_chunk_are_still_one_attention() -> None:
    """560 tokens come as 512 and 48."""
    assert translate(read_package(WIDE / "wide_unet.mlpackage")).rewrites["split attention"] > 0


def test_the_decoder_paints_as_torch_does(services: Services, recorded: dict[str, NDArray]) -> None:
    with services.cache.lease("wide") as lease:
        decoder = lease.pipeline.vae
        assert decoder.latent_shape == LATENT
        made = decoder.engine.run({"z": recorded["latents"]})["image"]
        picture = decoder.decode(recorded["latents"] * decoder.scaling_factor)
    assert made.shape == (1, 3, *PICTURE[:2])
    assert psnr(made[..., ::KEPT, ::KEPT], recorded["image"]) > FLOOR
    expected = np.clip(recorded["image"][0].transpose(1, 2, 0) * 127.5 + 127.5, 0, 255)
    assert np.abs(picture[::KEPT, ::KEPT] - expected).max() < 1  # of 255


def test_noise_and_steps_have_the_latents_shape(services: Services) -> None:
    with services.cache.lease("wide") as lease:
        pipeline: Pipeline = lease.pipeline
        steps = list(pipeline.steps(REQUEST, pipeline.encode(REQUEST)))
    assert {step.latents.shape for step in steps} == {(1, *LATENT)}
    assert all(step.denoised is None or step.denoised.shape == (1, *LATENT) for step in steps)


def test_pictures_are_wide_and_the_checker_judged_them(job: Job) -> None:
    assert image(job, 0).shape == PICTURE
    assert image(job, 2).shape == (128, 128, 3)
    result = job.cells[0].result
    assert result is not None
    assert result.size == PICTURE[:2]
    assert len(result.verdict.scores) == 5


def test_two_packages_draw_the_picture_of_the_one(job: Job) -> None:
    assert psnr(image(job, 1) / 255.0, image(job, 0) / 255.0) > 50.0


def test_the_checker_sees_the_middle_square() -> None:
    """What lies left and right of it is not seen; red and blue halves stay where they are."""
    wide = np.zeros(PICTURE, np.uint8)
    wide[:, :20, 1] = wide[:, -20:, 1] = 255  # beyond the middle 160 of 224 cells, and beyond what blurs into it
    wide[:, :112, 0], wide[:, 112:, 2] = 255, 255
    seen = to_clip(wide, 56)[0]  # [3, 56, 56]
    assert np.ptp(seen[1]) == 0
    assert seen[0, :, 0].min() == seen[0].max()
    assert seen[2, :, -1].min() == seen[2].max()
    tall = to_clip(np.ascontiguousarray(wide.transpose(1, 0, 2)), 56)[0]
    np.testing.assert_array_equal(tall, seen.transpose(0, 2, 1))


def test_a_picture_turned_on_its_side_is_blocked(services: Services) -> None:
    with services.cache.lease("wide") as lease:
        assert lease.pipeline.check(np.zeros(PICTURE, np.uint8)).blocked is False
        assert lease.pipeline.check(np.zeros((224, 160, 3), np.uint8)).blocked is True


def test_previews_have_the_latents_sides(services: Services) -> None:
    """The first one is the VAE's, at full size; later ones are painted, a pixel for each latent, and still judged."""
    shown: list[tuple[NDArray | None, str]] = []
    ticks = iter(range(10_000))
    previews = Previews(share=1e6, clock=lambda: float(next(ticks)))
    with services.cache.lease("wide") as lease:
        pipeline = lease.pipeline
        steps = list(pipeline.steps(REQUEST, pipeline.encode(REQUEST)))
        decoder = previews.decoder(pipeline, steps[0].latents)
        observer = previews.observer(1, lambda preview, words: shown.append((preview, words)))
        for step in steps[:2]:
            observer.observe(pipeline, step)
            decoder.seconds = 1e9  # from now on too slow to be asked
    assert [preview is not None and preview.shape for preview, _ in shown] == [PICTURE, (*LATENT[1:], 3)]
    assert decoder.colours.picture_size == PICTURE[:2]


def test_files_and_small_pictures_are_wide(services: Services, job: Job, tmp_path: Path) -> None:
    files = save_job(services.comparisons.with_pictures(job), tmp_path / "out", services.environment())
    first, report = files[0], json.loads(files[-1].read_text())
    with Image.open(first) as picture:
        assert picture.size == (224, 160)
        assert "Size: 224x160" in picture.info["parameters"]
        np.testing.assert_array_equal(np.asarray(picture), image(job, 0))
    told = report["models"][0]
    assert (told["width"], told["height"]) == (224, 160)
    small = Thumbnails().thumbnail(services.comparisons.picture(job.id, 0), "192")
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.size == (192, 137)


def test_reports_tell_width_and_height(services: Services, job: Job) -> None:
    page, rows = (build_report(services.comparisons, job.id, kind).data.decode("utf-8-sig") for kind in ("html", "csv"))
    assert page.count('width="224" height="160"') == 2
    assert [(row["width"], row["height"]) for row in csv.DictReader(io.StringIO(rows))] == [
        ("224", "160"),
        ("224", "160"),
        ("128", "128"),
    ]


def test_the_contact_sheet_keeps_the_shape(services: Services, job: Job) -> None:
    """The wide picture is twice as large and in the middle of its cell; all that changes with it is where it is."""
    result = job.cells[0].result
    assert result is not None
    white = replace(job.cells[0], result=replace(result, image=np.full(PICTURE, 255, np.uint8)))
    sheets = [
        np.asarray(draw_sheet(replace(job, cells=(cell, *job.cells[1:])), {}, services.environment()))
        for cell in (job.cells[0], white)
    ]
    places = np.argwhere((sheets[0] != sheets[1]).any(axis=2))
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    assert 2 * PICTURE[0] - 4 <= bottom - top + 1 <= 2 * PICTURE[0]  # a few pixels may be white
    assert 2 * PICTURE[1] - 4 <= right - left + 1 <= 2 * PICTURE[1]
