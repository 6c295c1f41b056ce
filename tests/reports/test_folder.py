"""Files of a comparison: read back with Pillow and json, compared pixel by pixel, and crashed at every write.

The layout of the `parameters` text is checked against stable-diffusion-webui's own patterns (infotext_utils.py).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bksdm_demo.errors import DemoError
from bksdm_demo.parameters import png_writer as png
from bksdm_demo.records import SCHEDULERS, Cell, Phase, Request, Timings, Verdict, repaired
from bksdm_demo.reports import folder, json_report
from bksdm_demo.reports.folder import ExportError, check_folder, picture_name, save_job, save_picture
from tests.reports.small_jobs import ENVIRONMENT, NAMES, SIDE, blocked, done, job, picture, request, result

WEBUI_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')  # re_param of that program


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- What is written ---------------------------------------------------------------------------------------------


def test_pictures_come_back_pixel_for_pixel(tmp_path: Path) -> None:
    written = save_job(job(done("a"), done("b", image=picture(2))), tmp_path / "out", ENVIRONMENT, NAMES)
    assert [path.name for path in written] == ["01-a.png", "02-b.png", "contact-sheet.png", "result.json"]
    assert leftovers(tmp_path) == ["out"]
    assert leftovers(tmp_path / "out") == sorted(path.name for path in written)
    assert np.array_equal(np.asarray(Image.open(written[0])), picture(1))
    assert np.array_equal(np.asarray(Image.open(written[1])), picture(2))


def test_result_json_says_everything(tmp_path: Path) -> None:
    failed = Cell("c", Phase.FAILED, 1, 3, None, "It broke.")
    written = save_job(job(done("a"), blocked("b"), failed), tmp_path / "out", ENVIRONMENT, NAMES)
    made = json.loads(written[-1].read_text())
    assert (made["schema"], made["schema_version"]) == ("bksdm-demo/result", 1)
    assert made["created"] == "1970-01-01T00:00:00Z"
    assert Request(**made["request"]) == request()
    assert made["environment"] == ENVIRONMENT
    first, second, third = made["models"]
    assert first["file"] == "01-a.png"
    assert (first["name"], first["status"], first["engine"]) == ("Model A", "done", "fake")
    assert (first["width"], first["height"], first["size_bytes"], first["cold"]) == (SIDE, SIDE, 1_500_000, True)
    assert first["seconds"]["denoise"] == 0.3
    assert first["step_seconds"] == [0.1, 0.1, 0.1]
    assert first["cut_off"] == ["extra"]
    assert second["file"] is None
    assert second["verdict"] == {"blocked": True, "reason": "It resembles a weapon.", "scores": []}
    assert (third["status"], third["message"], third["steps"], third["seconds"]) == ("failed", "It broke.", 1, None)
    assert first.keys() == third.keys()


def test_every_picture_carries_our_record_and_the_common_text(tmp_path: Path) -> None:
    (path, *_) = save_job(job(), tmp_path / "out", ENVIRONMENT, NAMES)
    with Image.open(path) as image:
        text = image.info
    record = json.loads(text["bksdm-demo"])
    assert Request(**record["request"]) == request()
    assert (record["model"], record["name"], record["environment"]) == ("a", "Model A", ENVIRONMENT)
    assert record["seconds"]["total"] == 0.96
    prompt, pairs = text["parameters"].split("\n")
    assert prompt == "red apple"
    assert dict(WEBUI_PAIR.findall(pairs)) == {
        "Steps": "3",
        "Sampler": "DPM++ 2M",
        "CFG scale": "7.5",
        "Seed": "7",
        "Size": "16x16",
        "Model": "a",
        "Noise": "numpy",
        "Version": "bksdm-demo 0.1.0",
    }


def test_negative_prompt_has_a_line_only_when_there_is_one() -> None:
    with_one = replace(result(), request=request(negative_prompt="blurry", generator="torch"))
    assert png.parameters_text(with_one).split("\n")[1] == "Negative prompt: blurry"
    assert "RNG: CPU" in png.parameters_text(with_one)
    assert "Negative" not in png.parameters_text(result())


def test_parameters_have_the_steps_that_were_asked_for() -> None:
    asked = request(scheduler="pndm", steps=2)
    one_more = replace(result(), request=asked, timings=Timings(steps=(0.1, 0.1, 0.1)))
    assert "Steps: 2," in png.parameters_text(one_more)


@pytest.mark.parametrize("prompt", ["naïve café", "红苹果 🍎", "two\nlines, a: b", "x\0y", "lone \udcff half"])
def test_any_prompt_survives_in_the_record(tmp_path: Path, prompt: str) -> None:
    made = replace(result(), request=request(prompt=prompt))
    save_picture(made, tmp_path / "p.png", ENVIRONMENT)
    with Image.open(tmp_path / "p.png") as image:
        text = image.info
    assert json.loads(text["bksdm-demo"])["request"]["prompt"] == repaired(prompt)
    assert text["parameters"].startswith(repaired(prompt))


def test_parameters_can_be_left_out(tmp_path: Path) -> None:
    (path, *_) = save_job(job(), tmp_path / "out", ENVIRONMENT, with_parameters=False)
    with Image.open(path) as image:
        assert image.info == {}


def test_every_scheduler_has_a_common_name() -> None:
    assert set(png.SAMPLER_NAMES) == set(SCHEDULERS)


# --- Safety --------------------------------------------------------------------------------------------------------


def test_a_blocked_picture_is_in_no_file(tmp_path: Path) -> None:
    secret = np.full((SIDE, SIDE, 3), (201, 13, 77), np.uint8)
    written = save_job(job(done("a"), blocked("b", image=secret)), tmp_path / "out", ENVIRONMENT)
    assert [path.name for path in written] == ["01-a.png", "contact-sheet.png", "result.json"]
    sheet = np.asarray(Image.open(written[1]))
    assert not (sheet == secret[0, 0]).all(axis=-1).any()


def test_a_blocked_picture_is_refused_by_the_encoder_and_the_single_file(tmp_path: Path) -> None:
    held = blocked(image=picture()).result
    assert held is not None
    with pytest.raises(DemoError, match="blocked"):
        save_picture(held, tmp_path / "p.png", ENVIRONMENT)
    assert leftovers(tmp_path) == []


def test_a_blocking_verdict_wins_over_a_cell_that_says_done(tmp_path: Path) -> None:
    cell = replace(blocked(image=picture()), phase=Phase.DONE)
    written = save_job(job(cell), tmp_path / "out", ENVIRONMENT)
    assert [path.name for path in written] == ["contact-sheet.png", "result.json"]


# --- All or nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash_at", range(4))
@pytest.mark.parametrize("crash", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_crash_between_two_writes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int, crash: BaseException
) -> None:
    real, count = folder.write_flushed, iter(range(10))

    def write(path: Path, data: bytes) -> None:
        if next(count) == crash_at:
            path.write_bytes(data[:5])
            raise crash
        real(path, data)

    monkeypatch.setattr(folder, "write_flushed", write)
    with pytest.raises((ExportError, KeyboardInterrupt)):
        save_job(job(done("a"), done("b")), tmp_path / "out", ENVIRONMENT)
    assert leftovers(tmp_path) == []


def test_a_failed_replacement_keeps_the_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    save_job(job(), out, ENVIRONMENT)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    real = os.rename

    def rename(source: Path, target: Path) -> None:
        if Path(target) == out and not (Path(source) / "02-b.png").exists():
            real(source, target)  # the way back
        elif Path(target) == out:
            raise OSError(5, "Input/output error")
        else:
            real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ExportError, match="Input/output error"):
        save_job(job(done("a"), done("b")), out, ENVIRONMENT, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert leftovers(tmp_path) == ["out"]


def test_a_single_picture_appears_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace_fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", replace_fails)
    with pytest.raises(ExportError, match="Input/output error"):
        save_picture(result(), tmp_path / "p.png", ENVIRONMENT)
    assert leftovers(tmp_path) == []


# --- Places --------------------------------------------------------------------------------------------------------


def test_an_earlier_result_is_replaced_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    save_job(job(done("a"), done("b")), out, ENVIRONMENT)
    with pytest.raises(ExportError, match="--overwrite"):
        save_job(job(), out, ENVIRONMENT)
    save_job(job(), out, ENVIRONMENT, overwrite=True)
    assert leftovers(out) == ["01-a.png", "contact-sheet.png", "result.json"]


@pytest.mark.parametrize("name", ["holiday.jpg", "result.json", "01-a.png", "notes"])
def test_other_peoples_files_are_never_replaced(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("{}")
    with pytest.raises(ExportError, match="program did not write"):
        save_job(job(), out, ENVIRONMENT, overwrite=True)
    assert (out / name).read_text() == "{}"


def test_an_empty_folder_and_a_deep_new_one_are_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").write_text("")
    save_job(job(), tmp_path / "empty", ENVIRONMENT)
    save_job(job(), tmp_path / "x" / "y", ENVIRONMENT)
    assert (tmp_path / "x" / "y" / "result.json").exists()


def test_the_current_folder_can_be_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    save_job(job(), Path("."), ENVIRONMENT)
    assert (tmp_path / "here" / "result.json").exists()


@pytest.mark.parametrize("length", [300, 5_000])  # longer than a name, longer than a path
def test_a_name_that_no_disk_takes_is_refused_before_drawing(tmp_path: Path, length: int) -> None:
    name = "a" * length
    with pytest.raises(ExportError, match=f"{name} cannot be written: "):
        check_folder(tmp_path / name)
    with pytest.raises(ExportError, match=f"{name}.png cannot be written: "):
        folder.check_picture_path(tmp_path / f"{name}.png")


def test_a_file_or_a_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(ExportError, match="not a folder"):
            check_folder(tmp_path / name, overwrite=True)
    with pytest.raises(ExportError, match="not a writable folder"):
        check_folder(tmp_path / "file" / "below")


def test_a_single_picture_wants_a_new_png(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("mine")
    for path, words in ((tmp_path / "p.jpg", "end in .png"), (tmp_path / "p.png", "--overwrite")):
        with pytest.raises(ExportError, match=words):
            save_picture(result(), path, ENVIRONMENT)
    save_picture(result(), tmp_path / "p.png", ENVIRONMENT, overwrite=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "p.png")), picture())


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("emoji-base", "01-emoji-base.png"),
        ("../../etc/passwd", "01-etc-passwd.png"),
        ("C:\\x\0.png", "01-c-x-png.png"),
        ("模型", "01-model.png"),
        ("a" * 500, f"01-{'a' * 60}.png"),
    ],
)
def test_file_names_are_made_here(model: str, name: str) -> None:
    assert picture_name(1, model) == name
    assert folder.OUR_NAMES.fullmatch(name)


def test_file_names_have_the_seed_if_there_are_several(tmp_path: Path) -> None:
    several = job(replace(done("a"), seed=7), replace(done("a", image=picture(2)), seed=2**32 - 1))
    written = save_job(several, tmp_path / "out", ENVIRONMENT, NAMES)
    assert [path.name for path in written[:2]] == ["01-a-seed-7.png", "02-a-seed-4294967295.png"]
    assert all(folder.OUR_NAMES.fullmatch(path.name) for path in written)
    assert np.array_equal(np.asarray(Image.open(written[1])), picture(2))
    made = json.loads(written[-1].read_text())
    assert (made["seeds"], [entry["seed"] for entry in made["models"]]) == ([7, 2**32 - 1], [7, 2**32 - 1])


def test_a_picture_that_is_in_the_store_only_is_not_written(tmp_path: Path) -> None:
    stored = result(image=None, stored_size=(SIDE, SIDE))
    with pytest.raises(DemoError, match="not in memory"):
        save_picture(stored, tmp_path / "p.png", ENVIRONMENT)
    assert leftovers(tmp_path) == []


def test_report_has_no_number_that_json_lacks() -> None:
    cell = done(timings=Timings(total=float("nan")), verdict=Verdict(False, "", (float("inf"),)))
    json.dumps(json_report.job_report(job(cell), {}, {}, {}), allow_nan=False)
