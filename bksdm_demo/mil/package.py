"""Reads an `.mlpackage` folder into a Program.

Follows the package layout of coremltools: `Manifest.json` names the model file below `Data/`, and the model file names
its weight files relative to its own folder. Refuses bare `.mlmodel` files, neural networks and pipelines.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.containers import counts, find_model, is_compiled
from bksdm_demo.mil.files import inside, read_file
from bksdm_demo.mil.function import read_function
from bksdm_demo.mil.program import Program
from bksdm_demo.mil.schema import Message, model_kind, parse_model

MODEL_PATH = "@model_path/"  # the model file's own folder


def read_package(path: Path) -> Program:
    """The main function of the ML Program in the folder `path`, its weights memory-mapped.

    Raises PackageError, which names the file or operation, for anything missing, damaged or inconsistent.
    """
    model, weights = _open(path)
    return read_function(model, weights.open, str(path))


def read_functions(path: Path) -> list[Program]:
    """All functions of the ML Program in the folder `path`, by name; most programs have one. Raises PackageError."""
    model, weights = _open(path)
    return [read_function(model, weights.open, str(path), name) for name in sorted(model.mlProgram.functions)]


def _open(path: Path) -> tuple[Message, WeightFiles]:
    model_file = find_model(path)
    model = parse_model(read_file(model_file), str(model_file))
    _check_kind(model, model_file)
    return model, WeightFiles(path, model_file.parent)


def _check_kind(model: Message, model_file: Path) -> None:
    kind = model_kind(model)
    if kind == "mlProgram":
        return
    what: dict[str, str] = {
        "": "an empty or truncated model file; download it again",
        "pipeline": "a pipeline of several models; pass the packages of its parts one by one",
        "serializedModel": "an encrypted or serialized model, which only Core ML itself can run",
    }
    older = f"a {kind} model, not an ML Program; convert it again for macOS 13 or later"
    raise PackageError(f"{model_file} is {what.get(kind, older)}.")


class WeightFiles:
    """The weight files of one model, each opened once; `model_folder` is the package itself or lies inside it."""

    def __init__(self, package: Path, model_folder: Path) -> None:
        self._package = package
        self._folder = str(model_folder.relative_to(package))
        self._open: dict[str, WeightFile] = {}

    def open(self, name: str) -> WeightFile:
        """The weight file that the model calls `name` ("@model_path/weights/weight.bin")."""
        if name not in self._open:
            relative = os.path.normpath(os.path.join(self._folder, name.removeprefix(MODEL_PATH)))
            if not counts(Path(relative).as_posix(), is_compiled(self._package)):
                raise PackageError(
                    f"The model refers to weights in {relative!r}, which cannot be a weight file; it is damaged."
                )
            self._open[name] = WeightFile.open(inside(self._package, relative, "The model"))
        return self._open[name]


def package_bytes(path: Path) -> int:
    """The bytes of all files below `path`; links count as the files they lead to."""
    files: Any = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(file.stat().st_size for file in files)
