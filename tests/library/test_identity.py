"""Sizes on disk."""

from __future__ import annotations

from pathlib import Path

from bksdm_demo.library.identity import size_bytes
from tests.fakes import write_package

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def test_size_counts_every_file(tmp_path: Path) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"x" * 10)
    assert size_bytes(part) == len("{}") + len("model") + 10
    assert size_bytes(part / WEIGHTS) == 10
