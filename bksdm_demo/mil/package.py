"""Reads an `.mlpackage` folder into a Program.

Follows the package layout of coremltools: `Manifest.json` names the model file below `Data/`, and the model file names
its weight files relative to its own folder. Leaves out bare `.mlmodel` files, neural networks and pipelines, which are
refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.blob import WeightFile
from bksdm_demo.mil.files import inside, read_file
from bksdm_demo.mil.function import read_function
from bksdm_demo.mil.program import Program
from bksdm_demo.mil.schema import Message, model_kind, parse_model

_USUAL_MODEL = PurePosixPath("com.apple.CoreML/model.mlmodel")
MODEL_PATH = "@model_path/"  # how a model file spells its own folder


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


def find_model(path: Path) -> Path:
    """The model file of the package at `path`: the manifest's root entry, or the usual place if it names none."""
    if not path.is_dir():
        what = "is a file, not a package folder" if path.exists() else "does not exist"
        raise PackageError(f"{path} {what}; give the path of an .mlpackage folder.")
    if (path / "model.mil").exists() or path.suffix == ".mlmodelc":
        raise PackageError(f"{path} is a compiled model (.mlmodelc); give the .mlpackage it was compiled from.")
    manifest = inside(path, "Manifest.json", str(path))
    root = _root_entry(manifest) if manifest.exists() else None
    model = inside(path, os.path.join("Data", str(root or _USUAL_MODEL)), str(manifest))
    if not model.is_file():
        raise PackageError(f"{path} has no {model.relative_to(path)}: it is incomplete, download it again.")
    return model


def _root_entry(manifest: Path) -> str | None:
    """The path of the manifest's root model, or None where it names none."""
    try:
        content = json.loads(read_file(manifest))
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        entries = content.get("itemInfoEntries", {})
        root = str(content.get("rootModelIdentifier", "")).casefold()  # the case of these identifiers varies
        found = [entry["path"] for key, entry in entries.items() if key.casefold() == root]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageError(f"{manifest} is damaged ({error}); download the package again.") from error
    return str(found[0]) if found else None


def _check_kind(model: Message, model_file: Path) -> None:
    kind = model_kind(model)
    if kind == "mlProgram":
        return
    what: dict[str, str] = {
        "": "an empty or cut off model file; download it again",
        "pipeline": "a pipeline of several models; give the packages of its parts one by one",
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
            relative = os.path.join(self._folder, name.removeprefix(MODEL_PATH))
            self._open[name] = WeightFile.open(inside(self._package, relative, "The model"))
        return self._open[name]


def package_bytes(path: Path) -> int:
    """The bytes of all files below `path`; a file's own size, links followed."""
    files: Any = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(file.stat().st_size for file in files)
