"""The page of a verification: self-contained, escaped, with the verdict in words."""

from __future__ import annotations

from typing import Any

from bksdm_demo.evaluation.verify_compare import Check
from bksdm_demo.evaluation.verify_page import verify_page
from tests.evaluation.test_verify_compare import part, picture, record

MACHINE = {"cpu": {"name": "M4 <b>"}, "platform": "macOS", "engine": "coreml", "packages": {"numpy": "2.3"}}


def full_record() -> dict[str, Any]:
    measured = part(
        run=[0.1, 0.2, 0.4],
        load_cold=12.0,
        load_warm=0.1,
        peak_bytes=2**30,
        compute_units="cpu-and-ne",
        devices={"cost": {"Neural Engine": 0.9, "CPU": 0.1}},
    )
    drawn = picture(load=2.0, seconds={phase: [1.0] for phase in ("encode", "denoise", "decode", "safety")})
    whole = record(measured, part(problem="It <crashed>."), pictures=(drawn, picture(blocked=True, picture=None)))
    return whole | {"created": "now", "environment": MACHINE, "references": ["emoji.json"], "log": ["WARNING: <x>"]}


def test_the_page_shows_everything_and_escapes_it() -> None:
    page = verify_page(full_record(), [Check("tiny", True, "60.0 dB"), Check("<other>", False, "3 dB")])
    assert "<title>1 of 2 checks failed</title>" in page
    for text in (
        "M4 &lt;b&gt;",
        "&lt;other&gt;",
        "It &lt;crashed&gt;.",
        "WARNING: &lt;x&gt;",
        "Neural Engine 90 %, CPU 10 %",
    ):
        assert text in page
    assert "100 ms" in page or "0.10 s" in page
    assert page.count("<img") == 1
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_all_passed() -> None:
    page = verify_page(full_record(), [Check("tiny", True, "60.0 dB"), Check("other", None, "no reference")])
    assert "<h1>All 1 checks passed</h1>" in page


def test_what_hints_change_stands_side_by_side() -> None:
    whole = full_record()
    assert "What the hints change" not in verify_page(whole, [])
    plain, hint = whole["parts"][0], "fast-prediction"
    faster = plain | {"way": f"all, {hint}", "hints": hint, "run": [0.05], "load_warm": 7.0}
    drawn = whole["pictures"][0] | {"hints": hint}
    page = verify_page(whole | {"parts": [plain, faster], "pictures": [drawn]}, [])
    row = page[page.index("What the hints change") :]
    cells = ["tiny, U-Net", "all, fast-prediction", "0.20 s", "50 ms", "0.10 s", "7.00 s"]
    assert all(f"<td>{cell}</td>" in row for cell in cells), row
    assert "tiny: red apple, fast-prediction" in page
