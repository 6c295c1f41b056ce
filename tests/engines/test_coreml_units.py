"""The order of compute units, and the verdicts that stay on disk."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bksdm_demo.engines.coreml_units import UnitMemory, UnitVerdict, unit_chain
from tests.engines.test_coreml_engine import PACKAGE

WORKS = UnitVerdict(True, "", 61.5, {"cost": {"CPU": 0.25, "GPU": 0.75}})
REFUSED = UnitVerdict(False, "its result is not finite")


@pytest.mark.parametrize(
    ("first", "exact", "chain"),
    [
        ("all", False, ("all", "cpu-and-ne", "cpu-and-gpu", "cpu-only")),
        ("cpu-and-gpu", False, ("cpu-and-gpu", "cpu-and-ne", "cpu-only")),
        ("cpu-only", False, ("cpu-only", "cpu-and-ne", "cpu-and-gpu")),
        ("cpu-and-ne", True, ("cpu-and-ne", "cpu-only")),
    ],
)
def test_the_units_asked_for_come_first(first: str, exact: bool, chain: tuple[str, ...]) -> None:
    assert unit_chain(first, exact) == chain


def test_verdicts_stay_for_this_part_and_these_versions(tmp_path: Path) -> None:
    memory = UnitMemory(PACKAGE, tmp_path, ("25A354", "9.0"))
    assert memory.verdicts() == {}
    memory.keep("cpu-and-gpu", WORKS)
    memory.keep("cpu-and-ne", REFUSED)
    assert UnitMemory(PACKAGE, tmp_path, ("25A354", "9.0")).verdicts() == {"cpu-and-gpu": WORKS, "cpu-and-ne": REFUSED}
    assert UnitMemory(PACKAGE, tmp_path, ("25B78", "9.0")).verdicts() == {}
    memory.forget("cpu-and-gpu")
    assert memory.verdicts() == {"cpu-and-ne": REFUSED}


@pytest.mark.parametrize("content", ["", "[]", '{"all": {"works": 1, "reason": "", "psnr": null, "devices": {}}}'])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    memory = UnitMemory(PACKAGE, tmp_path, ())
    memory.keep("all", WORKS)
    (file,) = (tmp_path / "units").iterdir()
    file.write_text(content)
    assert memory.verdicts() == {}
    memory.keep("all", WORKS)
    assert memory.verdicts() == {"all": WORKS}


def test_a_folder_that_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "units").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        UnitMemory(PACKAGE, tmp_path, ()).keep("all", WORKS)
    assert "cannot be written" in caplog.text
