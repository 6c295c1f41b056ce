"""Reads a Core ML model in either form: an `.mlpackage`, or the `.mlmodelc` compiled from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bksdm_demo.mil import package
from bksdm_demo.mil.compiled import read_compiled
from bksdm_demo.mil.containers import is_compiled
from bksdm_demo.mil.metadata import read_metadata, read_notes
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Program


def read_model(path: Path) -> Program:
    """The program of the model at `path`. Raises PackageError for anything missing, damaged or of another kind."""
    return read_compiled(path) if is_compiled(path) else read_package(path)


def read_functions(path: Path) -> list[Program]:
    """All functions of the package at `path`, or the main one of a compiled model. Raises PackageError."""
    return [read_compiled(path)] if is_compiled(path) else package.read_functions(path)


def user_metadata(path: Path) -> Mapping[str, str]:
    """The user-defined metadata of the model at `path`. Reads no more than it must: a compiled program is long.

    Raises PackageError.
    """
    return read_notes(path).metadata if _has_facts(path) else read_model(path).metadata


def input_shapes(path: Path) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the model's inputs by name, None for an open dimension; reads as little as `user_metadata`.

    Raises PackageError, and UnsupportedModelError for inputs other than arrays of numbers.
    """
    inputs = read_metadata(path).inputs if _has_facts(path) else read_model(path).inputs
    return {value.name: value.type.shape for value in inputs}


def _has_facts(path: Path) -> bool:
    """Whether this is a whole compiled model with a `metadata.json`, which spares reading its program."""
    return (path / "model.mil").is_file() and (path / "metadata.json").is_file()
