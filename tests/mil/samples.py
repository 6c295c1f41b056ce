"""Sample packages for the tests of mil/: the golden ones, and edited copies of them."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.mil.schema import parse_model

GOLDEN = Path(__file__).parent.parent / "golden" / "mil"
MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")


def copy(name: str, folder: Path) -> Path:
    """A copy of a golden package that a test may damage."""
    return Path(shutil.copytree(GOLDEN / f"{name}.mlpackage", folder / f"{name}.mlpackage"))


def compiled(name: str, folder: Path, spelling: str) -> Path:
    """The golden package `name` as an `.mlmodelc` folder without metadata.json."""
    model = write_compiled(GOLDEN / f"{name}.mlpackage", folder / f"{name}.mlmodelc", spelling)
    (model / "metadata.json").unlink()
    return model


def edited(folder: Path, change: Callable[[Any], object], name: str = "converted") -> Path:
    """A copy of a golden package after `change` has edited its model message."""
    package = copy(name, folder)
    model = parse_model((package / MODEL).read_bytes(), "model")
    change(model)
    (package / MODEL).write_bytes(model.SerializeToString())
    return package


def block(model: Any) -> Any:
    """The body of the main function."""
    function = model.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def operation(model: Any, kind: str) -> Any:
    """The first operation of a kind."""
    return next(item for item in block(model).operations if item.type == kind)


def stored_const(model: Any) -> Any:
    """The first constant that lies in the weight file."""
    consts = (item for item in block(model).operations if item.type == "const")
    return next(item for item in consts if item.attributes["val"].WhichOneof("value") == "blobFileValue")


def record(code: int, payload: bytes, padding_bits: int = 0) -> bytes:
    """A weight file with one record at byte 64, as the format's description says."""
    header = struct.pack("<II", 1, 2).ljust(64, b"\0")
    return header + struct.pack("<IIQQQ", 0xDEADBEEF, code, len(payload), 128, padding_bits).ljust(64, b"\0") + payload
