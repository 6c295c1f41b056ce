"""Writes a model as an `.mlmodelc` folder: the program as text, its weight files beside it, its interface as JSON.

Follows the folders of Apple's compiler, as far as readers of the program need them. Leaves out its binary files
(`coremldata.bin`, `analytics/`), so Core ML itself does not load such a folder. The folder appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bksdm_demo.atomic_files import atomic_folder, flush, write_flushed
from bksdm_demo.errors import PackageError
from bksdm_demo.mil.constants import Compressed, Stored
from bksdm_demo.mil.metadata import ABOUT, ELEMENT_TYPES
from bksdm_demo.mil.package import MODEL_PATH, read_functions
from bksdm_demo.mil.printer import write_text
from bksdm_demo.mil.program import OPSETS, Constant, Program, Value

_ELEMENT_NAMES = {dtype: name for name, dtype in ELEMENT_TYPES.items()}
_OPSET_NAMES = {opset: name.capitalize() for name, opset in OPSETS.items()}
_AVAILABILITY = {  # opset -> the systems whose Core ML runs it
    "CoreML5": {"macOS": "12.0", "iOS": "15.0", "tvOS": "15.0", "watchOS": "8.0"},
    "CoreML6": {"macOS": "13.0", "iOS": "16.0", "tvOS": "16.0", "watchOS": "9.0"},
    "CoreML7": {"macOS": "14.0", "iOS": "17.0", "tvOS": "17.0", "watchOS": "10.0"},
    "CoreML8": {"macOS": "15.0", "iOS": "18.0", "tvOS": "18.0", "watchOS": "11.0"},
    "CoreML9": {"macOS": "26.0", "iOS": "26.0", "tvOS": "26.0", "watchOS": "26.0"},
}


def write_compiled(package: Path, target: Path, spelling: str | None = None) -> Path:
    """Write all functions of the `.mlpackage` at `package` as the new folder `target`, and return `target`.

    `spelling` as in printer.write_text. Weight files are hard links if the file system allows them, else copies. Raises
    PackageError for a package that cannot be read or a target that exists, UnsupportedModelError for a program that
    has no text form.
    """
    return write_programs(read_functions(package), target, spelling)


def write_programs(functions: Sequence[Program], target: Path, spelling: str | None = None) -> Path:
    """The same for the functions of one model; the interface is that of the default, the main or the first one."""
    if os.path.lexists(target):
        raise PackageError(f"{target} exists already; remove it or name another folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target) as staging:
            _fill(staging, functions, spelling)
    except OSError as error:
        raise PackageError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def _fill(folder: Path, functions: Sequence[Program], spelling: str | None) -> None:
    with (folder / "model.mil").open("w", encoding="utf-8", newline="\n") as file:
        write_text(functions, file, spelling)
        flush(file)
    for name, source in _weight_files(functions).items():
        copy = folder / _relative(name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _link(source.resolve(), copy)
    default = functions[0].extra.get("default_function", "")
    by_name = {str(program.extra.get("function", "")): program for program in reversed(functions)}
    main = by_name.get(default) or by_name.get("main") or functions[0]
    content = json.dumps([_metadata(main)], indent=2, ensure_ascii=False).replace("/", r"\/")
    write_flushed(folder / "metadata.json", content.encode())


def _weight_files(functions: Sequence[Program]) -> dict[str, Path]:
    """The weight files that the functions read, by the name that the model uses."""
    stored = (item for program in functions for constant in program.constants.values() for item in _stored(constant))
    return {item.file_name: item.file.path for item in stored}


def _stored(constant: Constant) -> Iterator[Stored]:
    if isinstance(constant, Stored):
        yield constant
    elif isinstance(constant, Compressed):
        for operand in constant.operands.values():
            yield from _stored(operand)


def _relative(name: str) -> PurePosixPath:
    path = PurePosixPath(os.path.normpath(name.removeprefix(MODEL_PATH)))
    if path.is_absolute() or ".." in path.parts or str(path) in (".", "model.mil", "metadata.json"):
        raise PackageError(f"The weight file {name!r} has no place in a compiled model; rename it in the package.")
    return path


def _link(source: Path, copy: Path) -> None:
    try:
        os.link(source, copy)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, copy)


def _metadata(program: Program) -> dict[str, Any]:
    opset = _OPSET_NAMES.get(program.opset, program.opset)
    kinds = Counter(operation.kind for operation in program.operations)
    return {
        "metadataOutputVersion": "3.0",
        **{key: program.extra.get(name, "") for name, key in ABOUT.items()},
        "storagePrecision": _mixed(_storage(constant.encoding) for constant in program.constants.values()),
        "computePrecision": _mixed(
            _ELEMENT_NAMES.get(value.type.dtype, "") for operation in program.operations for value in operation.outputs
        ),
        "inputSchema": [_schema(value) for value in program.inputs],
        # all files of 2022 and 2023 have the shape "[]"
        "outputSchema": [_schema(Value(name, program.type_of(name)), "[]") for name in program.outputs],
        "modelParameters": [],
        "specificationVersion": program.specification_version,
        **({"defaultFunctionName": program.extra["default_function"]} if "default_function" in program.extra else {}),
        "mlProgramOperationTypeHistogram": {f"{opset}.{_camel(kind)}": count for kind, count in kinds.items()},
        "isUpdatable": "0",
        "availability": _AVAILABILITY.get(program.opset, {}),
        "modelType": {"name": "MLModelType_mlProgram"},
        "userDefinedMetadata": dict(program.metadata),
        "method": "predict",
    }


def _schema(value: Value, shape: str | None = None) -> dict[str, str]:
    """One entry of the interface; an input with an open dimension has a flexible shape."""
    dims = value.type.shape
    fixed = [1 if dim is None else dim for dim in dims]
    dtype = _ELEMENT_NAMES.get(value.type.dtype, value.type.dtype)
    flexible: Mapping[str, str] = {}
    if None in dims and shape is None:
        flexible = {"shapeRange": json.dumps([[1, -1] if dim is None else [dim, dim] for dim in dims])}
    return {
        "hasShapeFlexibility": "1" if flexible else "0",
        **flexible,
        "isOptional": "0",
        "dataType": dtype,
        "formattedType": f"MultiArray ({dtype}{' ' if shape is None else ''}"
        f"{' × '.join('?' if dim is None else str(dim) for dim in dims) if shape is None else ''})",
        "shortDescription": "",
        "shape": shape or json.dumps(fixed),
        "name": value.name,
        "type": "MultiArray",
    }


def _storage(encoding: str) -> str:
    """An encoding as the file names it; "" for one that does not count as weights."""
    if encoding.startswith("palette"):
        return f"Palettized ({encoding.removeprefix('palette')} bits)"
    return {"float16": "Float16", "float32": "Float32", "affine8": "Int8", "sparse": "Sparse"}.get(encoding, "")


def _mixed(names: Iterator[str]) -> str:
    found = sorted({name for name in names if name})
    return found[0] if len(found) == 1 else f"Mixed ({', '.join(found)})"


def _camel(kind: str) -> str:
    first, *others = kind.split("_")
    return first + "".join(word.capitalize() for word in others)
