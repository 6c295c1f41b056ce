"""The CSV report read back with Python's csv: every value, and no text that a spreadsheet would run."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.parameters.png_writer import plain_png
from bksdm_demo.records import Request
from bksdm_demo.reports.csv_report import HEADS, harmless
from tests.reports.report_jobs import MODELS, job_of, material, mixed_job, picture, refused, rows_of, written


def test_csv_has_a_row_per_picture_with_settings_and_measurements() -> None:
    rows = rows_of(written(material(mixed_job()), "csv"))
    assert len(rows) == 8
    assert tuple(rows[0]) == HEADS
    second = rows[1]
    expected = {
        "created": "2026-11-23T06:40:00Z",
        "prompt": "red apple",
        "seed": "7",
        "steps": "3",
        "scheduler": "dpmpp-2m",
    }
    expected |= {"model": "emoji-base", "name": "Emoji Base", "outcome": "done", "blocked": "no", "steps_run": "3"}
    expected |= {"denoise_seconds": "0.4", "drawing_seconds": "0.56", "step_seconds": "0.100000;0.120000;0.080000"}
    expected |= {
        "median_step_seconds": "0.1",
        "cold": "yes",
        "engine": "fake",
        "size_bytes": "2000000",
        "weights": "6-bit palettized",
    }
    assert {key: second[key] for key in expected} == expected
    assert 0 < float(second["psnr_db"]) < 20
    assert [rows[0][key] for key in ("psnr_db", "ssim", "file")] == ["", "", ""]
    assert [row["outcome"] for row in rows[4:]] == ["done", "blocked", "failed", "done"]
    assert (rows[5]["blocked"], rows[5]["reason"], rows[5]["width"]) == ("yes", "It resembles a weapon.", "")
    assert (rows[6]["message"], rows[6]["total_seconds"]) == ("The U-Net <b>broke</b>.", "")


def test_what_was_not_drawn_has_its_reason_and_no_times() -> None:
    job = job_of(seeds=(7,))
    (row, *_) = rows_of(written(material(replace(job, cells=(refused(job.cells[0]), *job.cells[1:]))), "csv"))
    assert (row["outcome"], row["message"], row["reason"]) == ("blocked", PROMPT_BLOCKED, PROMPT_BLOCKED)
    assert {value for head, value in row.items() if head.endswith("_seconds")} == {""}
    assert row["steps_run"] == "0"


def test_csv_shows_equal_pictures() -> None:
    job = job_of(models=MODELS[:2], seeds=(1,))
    made = material(job, picture=lambda index: plain_png(picture(0)))
    assert float(rows_of(written(made, "csv"))[1]["psnr_db"]) == inf


# OWASP's list, what a spreadsheet trims first, and other forms of the signs.
SIGNS = "=+-@|\t\r\n＝＋－＠｜﹢﹣﹦﹫⁺⁻⁼₊₋₌−"
TRIMMED = "\u00a0\u1680\u2003\u2028\u3000\u200b\u200d\u200e\u202e\u2060\ufeff\u00ad"


@pytest.mark.parametrize("start", [*SIGNS, *(f"{space}{sign}" for space in TRIMMED for sign in ("=", "x"))])
def test_text_that_a_spreadsheet_would_run_is_made_harmless(start: str) -> None:
    prompt = f'{start}HYPERLINK("http://evil.example","x"),"\r\n{start}1'
    (row, *_) = rows_of(written(material(job_of(Request(prompt, negative_prompt=f"  {prompt}"))), "csv"))
    assert row["prompt"] == f"'{prompt}"
    assert row["negative_prompt"] == f"'  {prompt}"
    assert row["seed"] == "7"


HARMLESS = [
    "red apple",
    "",
    " ",
    "  red",
    "a=b",
    "'quoted'",
    "a|b",
    "пёс",
    "猫",
    "🙂",
    "١",
    "(1)",
    "a\u00a0=b",
    "½",
    "ﬁ",
]


def test_harmless_text_stays() -> None:
    assert [harmless(text) for text in HARMLESS] == HARMLESS


def test_csv_keeps_letters_quotes_and_line_breaks() -> None:
    prompt = 'пёс, "café"\n猫; 🙂 \ud800'
    (row, *_) = rows_of(written(material(job_of(Request(prompt))), "csv"))
    assert row["prompt"] == prompt.replace("\ud800", "\ufffd")


def test_options_that_save_evaluations_have_columns_where_they_are_on() -> None:
    job = mixed_job()
    saving = replace(job, request=replace(job.request, guidance_interval=(0.2, 0.8), forecast=True, deep_every=2))
    rows = rows_of(written(material(saving), "csv"))
    assert tuple(rows[0]) == (*HEADS, "guidance_interval", "forecast", "deep_every")
    assert {(row["guidance_interval"], row["forecast"], row["deep_every"]) for row in rows} == {("0.2:0.8", "on", "2")}
