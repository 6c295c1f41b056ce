"""The protobuf side of a Core ML file: loads the message classes, parses bytes, turns types and values into plain data.

Follows Model.proto, FeatureTypes.proto and MIL.proto of coremltools, and is the only file that uses its generated
classes. `import coremltools` takes seconds and imports torch if it is installed, so only its `proto` folder is loaded,
under a name of our own. The classes are in protobuf's one descriptor pool, where a later `import coremltools` finds
them. Leaves out list, tuple and dictionary values, which no image model has.
"""

from __future__ import annotations

import importlib.util
import sys
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.elements import check_shape, from_bytes, numpy_type, stored_size
from bksdm_demo.mil.program import TensorType

Message = Any  # a protobuf message; its classes are made at run time and have no static type

_ALIAS = "_bksdm_coremltools_proto"


def _load_messages() -> ModuleType:
    """coremltools' `proto` package, without running coremltools' own `__init__`."""
    found = importlib.util.find_spec("coremltools")
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise ImportError("coremltools is not installed; it defines the Core ML file format: pip install coremltools")
    folder = Path(next(iter(folders))) / "proto"
    entry = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location(_ALIAS, entry, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"coremltools has no message classes in {folder}; install coremltools 7 or newer.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_ALIAS] = module  # before it runs: its files import each other relative to this name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_ALIAS]
        raise
    return module


_messages = _load_messages()

# Element types in MIL's spelling, by their number in the file.
_SPELLING = {"FLOAT16": "fp16", "FLOAT32": "fp32", "FLOAT64": "fp64", "BFLOAT16": "bf16"} | {
    "FLOAT8E4M3FN": "fp8e4m3fn",
    "FLOAT8E5M2": "fp8e5m2",
}
ELEMENT_TYPES: dict[int, str] = {
    number: _SPELLING.get(name, name.lower()) for name, number in _messages.MIL_pb2.DataType.items() if number
}


def parse_model(data: bytes, source: str) -> Message:
    """The `CoreML.Specification.Model` in `data`; `source` names the file in errors. Raises PackageError."""
    model = _messages.Model_pb2.Model()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise PackageError(
            f"{source} ({len(data)} bytes) is not a Core ML model, or it is truncated ({error}); download it again."
        ) from error
    return model


def model_kind(model: Message) -> str:
    """The kind of model in the file: "mlProgram", "neuralNetwork", "pipeline", ...; "" for none."""
    return model.WhichOneof("Type") or ""


def tensor_type(value_type: Message, where: str) -> TensorType:
    """A MIL type as plain data. Other types than tensors have their kind as dtype ("list", ...) and the shape ()."""
    kind = value_type.WhichOneof("type")
    if kind is None:
        raise PackageError(f"{where} has no type; the file is damaged, or its exporter is broken.")
    if kind != "tensorType":
        return TensorType(kind.removesuffix("Type"))
    tensor = value_type.tensorType
    if tensor.dataType not in ELEMENT_TYPES:
        raise PackageError(f"{where} has the unknown element type {tensor.dataType}; update coremltools.")
    shape = tuple(dim.constant.size if dim.WhichOneof("dimension") == "constant" else None for dim in tensor.dimensions)
    try:
        check_shape(shape)
    except ValueError as error:
        raise PackageError(f"{where} has an impossible shape ({error}); the file is damaged.") from error
    return TensorType(ELEMENT_TYPES[tensor.dataType], shape)


def check_immediate(value: Message, type_: TensorType, where: str) -> Message:
    """The `TensorValue` of an immediate `Value`, its element count checked against `type_`."""
    kind = value.immediateValue.WhichOneof("value")
    if kind != "tensor" or type_.dtype not in ELEMENT_TYPES.values():
        raise PackageError(f"{where} is a {kind or type_.dtype} value; only tensors are supported.")
    tensor = value.immediateValue.tensor
    field = tensor.WhichOneof("value")
    if field and (type_.dtype == "string") != (field == "strings"):
        raise PackageError(f"{where} holds {field} instead of {type_}; the file is damaged.")
    stored = len(getattr(tensor, field).values) if field else 0
    count = prod(fixed_shape(type_, where))
    if stored != (stored_size(type_.dtype, count) if field == "bytes" and type_.dtype != "string" else count):
        unit = "bytes" if field == "bytes" else "elements"
        raise PackageError(f"{where} holds {stored} {unit}, which does not fit its type {type_}; the file is damaged.")
    return tensor


def immediate_array(tensor: Message, type_: TensorType, where: str = "a constant") -> NDArray:
    """The array of a checked `TensorValue` in the element type and shape of `type_`.

    Raises PackageError for numbers that do not fit the type.
    """
    shape = fixed_shape(type_, where)
    field = tensor.WhichOneof("value")
    if field is None:
        return np.empty(shape, numpy_type(type_.dtype))
    if field == "bytes":
        return from_bytes(np.frombuffer(tensor.bytes.values, np.uint8), type_.dtype, prod(shape)).reshape(shape)
    try:
        return np.array(list(getattr(tensor, field).values), dtype=numpy_type(type_.dtype)).reshape(shape)
    except (ValueError, OverflowError, TypeError) as error:
        raise PackageError(f"{where} holds numbers that do not fit {type_} ({error}); the file is damaged.") from error


def fixed_shape(type_: TensorType, where: str) -> tuple[int, ...]:
    """The shape. Raises PackageError if a dimension is open."""
    shape = tuple(dim for dim in type_.shape if dim is not None)
    if len(shape) != len(type_.shape):
        raise PackageError(f"{where} is a constant of the open shape {type_}; a constant needs a fixed one.")
    return shape
