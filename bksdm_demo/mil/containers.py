"""The two forms of a model folder, where its model file is, and which files decide what the model computes.

Follows coremltools' packages (`.mlpackage`: a manifest names the model file below `Data/`) and the folders of Apple's
compiler (`.mlmodelc`). Both may have weights anywhere in the folder, so every file counts except those named here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.files import MOST_JSON_BYTES, inside, read_file

_USUAL_MODEL = PurePosixPath("com.apple.CoreML/model.mlmodel")
MANIFEST = "Manifest.json"
LITTER = ".DS_Store"
BESIDE_COMPILED = ("metadata.json", "coremldata.bin", "analytics/")  # repeat what the program says, and add dates


def is_compiled(path: Path) -> bool:
    """Whether the model at `path` is a compiled one (`.mlmodelc`), not a package."""
    return path.suffix == ".mlmodelc" or (path / "model.mil").is_file()


def counts(name: str, compiled: bool) -> bool:
    """Whether a file of that name in a model's folder may decide what the model computes."""
    beside = BESIDE_COMPILED if compiled else (MANIFEST,)
    listed = any(name.startswith(other) if other.endswith("/") else name == other for other in beside)
    return not listed and name.rpartition("/")[2] != LITTER


def find_model(path: Path) -> Path:
    """The model file of the package at `path`: the manifest's root entry, or the usual place without one."""
    if not path.is_dir():
        what = "is a file, not a package folder" if path.exists() else "does not exist"
        raise PackageError(f"{path} {what}; pass the path of an .mlpackage folder.")
    if is_compiled(path):
        raise PackageError(f"{path} is a compiled model (.mlmodelc); pass the .mlpackage it was compiled from.")
    model = named_model(path)
    if not model.is_file():
        raise PackageError(f"{path} has no {model.relative_to(path)}; it is incomplete, download it again.")
    return model


def named_model(path: Path) -> Path:
    """The path that the package at `path` names for its model file; it may not exist."""
    manifest = inside(path, MANIFEST, str(path))
    root = _root_entry(manifest) if manifest.exists() else None
    return inside(path, os.path.join("Data", str(root or _USUAL_MODEL)), str(manifest))


def _root_entry(manifest: Path) -> str | None:
    """The path of the manifest's root model, or None."""
    try:
        content = json.loads(read_file(manifest, MOST_JSON_BYTES))
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        entries = content.get("itemInfoEntries", {})
        root = str(content.get("rootModelIdentifier", "")).casefold()  # the case of these identifiers varies
        found = [entry["path"] for key, entry in entries.items() if key.casefold() == root]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageError(f"{manifest} is damaged ({error}); download the package again.") from error
    return str(found[0]) if found else None
