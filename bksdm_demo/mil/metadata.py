"""Reads `metadata.json` of a compiled Core ML model (`.mlmodelc`): interface, metadata, counts of operations.

Follows the files of Apple's compiler from 2022 on. In older ones outputs have the shape "[]"; then the shape comes from
the output's line in `model.mil`. Leaves out the program itself, and compiled neural networks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.elements import SCALARS, check_shape
from bksdm_demo.mil.files import MOST_JSON_BYTES, inside, read_file
from bksdm_demo.mil.program import TensorType, Value

# Element types as the file names them. The interfaces of published models use only the first four.
ELEMENT_TYPES = {"Float16": "fp16", "Float32": "fp32", "Int32": "int32", "Double": "fp64"}
ELEMENT_TYPES |= {
    dtype.replace("uint", "UInt").replace("int", "Int") if "int" in dtype else dtype.capitalize(): dtype
    for dtype in sorted(SCALARS - set(ELEMENT_TYPES.values()))
}

# A model's description of itself -> its key in the file.
ABOUT = {"description": "shortDescription", "author": "author", "licence": "license", "version": "version"}


@dataclass(frozen=True)
class Notes:
    """What a model's maker wrote about it. `about` has its description, author, licence and version, if given.

    `default_function` is the one that runs if none is chosen, "" if not stated.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    specification_version: int = 0
    default_function: str = ""
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledFacts:
    """The interface of a compiled model; `operations` counts the kinds as the file spells them ("Ios16.einsum")."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    metadata: Mapping[str, str]
    operations: Mapping[str, int]
    specification_version: int
    about: Mapping[str, str] = field(default_factory=dict)  # as in Notes


def read_metadata(path: Path) -> CompiledFacts:
    """The facts of the compiled model in the folder `path`.

    Raises PackageError, and UnsupportedModelError for inputs or outputs other than arrays of numbers.
    """
    with _content(path) as content:
        notes = _notes(content)
        text = _program_text(path) if any(_shape(item) == () for item in content["outputSchema"]) else ""
        return CompiledFacts(
            inputs=tuple(_value(item) for item in content["inputSchema"]),
            outputs=tuple(_output(item, text) for item in content["outputSchema"]),
            metadata=notes.metadata,
            operations={key: int(count) for key, count in content.get("mlProgramOperationTypeHistogram", {}).items()},
            specification_version=notes.specification_version,
            about=notes.about,
        )


def read_notes(path: Path) -> Notes:
    """The notes alone, without the interface. Raises PackageError."""
    with _content(path) as content:
        return _notes(content)


def _notes(content: Mapping[str, Any]) -> Notes:
    return Notes(
        metadata={str(key): str(item) for key, item in content.get("userDefinedMetadata", {}).items()},
        specification_version=int(content.get("specificationVersion", 0)),
        default_function=str(content.get("defaultFunctionName") or ""),
        about={name: str(content[key]) for name, key in ABOUT.items() if content.get(key)},
    )


@contextmanager
def _content(path: Path) -> Iterator[Mapping[str, Any]]:
    """The content of the file; errors in the `with` block mean that the file is damaged."""
    file = inside(path, "metadata.json", str(path))
    try:
        (content,) = json.loads(read_file(file, MOST_JSON_BYTES))
        yield content
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise PackageError(f"{file} is damaged ({error}); download the model again.") from error


def _program_text(path: Path) -> str:
    program = inside(path, "model.mil", str(path))
    return read_file(program).decode(errors="replace") if program.is_file() else ""


def _shape(item: Mapping[str, Any]) -> tuple[int, ...]:
    shape = tuple(int(dim) for dim in json.loads(item.get("shape", "[]")))
    if any(dim < 0 for dim in shape):
        raise ValueError(f"the shape {list(shape)}")
    check_shape(shape)
    return shape


def _value(item: Mapping[str, Any]) -> Value:
    """An input or output; dimensions that may vary are open."""
    if item.get("type", "MultiArray") != "MultiArray":
        raise UnsupportedModelError(f"{item['name']} has the type {item['type']}; only MultiArray is supported.")
    shape: tuple[int | None, ...] = _shape(item)
    if str(item.get("hasShapeFlexibility", "0")) != "0":
        ranges = json.loads(item["shapeRange"]) if item.get("shapeRange") else [[0, 1]] * len(shape)
        shape = tuple(dim if low == high else None for dim, (low, high) in zip(shape, ranges, strict=True))
    if item["dataType"] not in ELEMENT_TYPES:
        raise UnsupportedModelError(f"{item['name']} has the unknown element type {item['dataType']}.")
    return Value(str(item["name"]), TensorType(ELEMENT_TYPES[item["dataType"]], shape))


def _output(item: Mapping[str, Any], text: str) -> Value:
    value = _value(item)
    declared = re.search(rf"tensor<(\w+), \[([\d, ]+)\]>\s+{re.escape(value.name)}\s*=", text)
    if value.type.shape or declared is None:
        return value
    shape = tuple(int(dim) for dim in declared[2].split(","))
    return Value(value.name, TensorType(value.type.dtype, shape))
