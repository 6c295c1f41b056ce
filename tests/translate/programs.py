"""Programs written by hand from plain data, and the one checker of ops: OpenVINO in f32 against a numpy statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.graph import build_model
from bksdm_demo.translate.passes.rewrite import Added

TOLERANCE = 1e-5  # absolute and relative, of one op in float32

_MIL = {"float16": "fp16", "float32": "fp32", "bool": "bool", "object": "string"}


class Const:
    """Marks an operation's input as a constant known from the file; anything that is no array is one anyway."""

    def __init__(self, value: Any) -> None:
        self.array = as_array(value)


def as_array(value: Any) -> NDArray:
    """Plain data as a file holds it: text as a string, whole numbers int32, fractions float16, arrays as they are."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if isinstance(value, str):
        return np.array(value, dtype=object)
    array = np.asarray(value)
    kinds = {"b": np.bool_, "i": np.int32, "f": np.float16}
    return array.astype(kinds[array.dtype.kind])


def mil_type(array: NDArray) -> TensorType:
    return TensorType(_MIL.get(array.dtype.name, array.dtype.name), array.shape)


@dataclass(frozen=True)
class Ref:
    """The name of a value inside a program under construction."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "fp16"


def random_arrays(program: Program) -> dict[str, NDArray]:
    """Normal noise for every input of a program whose sizes are all known."""
    random, made = np.random.default_rng(0), {}
    for value in program.inputs:
        sizes = [size for size in value.type.shape if size is not None]
        assert len(sizes) == len(value.type.shape)
        made[value.name] = random.normal(size=sizes).astype(np.float32)
    return made


class Builder:
    """Writes a program line by line: `x = b.input("x", (2, 3))`, `y = b.op("relu", (2, 3), x=x)`, `b.program(y)`."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.operations: list[Operation] = []
        self.constants: dict[str, Constant] = {}

    def input(self, name: str, shape: Sequence[int | None], dtype: str = "fp16") -> Ref:
        self.inputs.append(Value(name, TensorType(dtype, tuple(shape))))
        return Ref(name, tuple(shape), dtype)

    def const(self, value: Any) -> Ref:
        array = value.array if isinstance(value, Const) else as_array(value)
        name = f"const_{len(self.constants)}"
        self.constants[name] = Added(mil_type(array), array)
        return Ref(name, array.shape, mil_type(array).dtype)

    def op(self, kind: str, shape: Sequence[int | None], type_: str = "fp16", /, **inputs: Any) -> Ref:
        """One operation with one output; inputs are refs, lists of refs, or plain data for constants."""
        (made,) = self.ops(kind, [shape], type_, **inputs)
        return made

    def ops(
        self, kind: str, shapes: Sequence[Sequence[int | None]], type_: str = "fp16", /, **inputs: Any
    ) -> list[Ref]:
        """One operation with several outputs."""
        number = len(self.operations)
        made = [Ref(f"{kind}_{number}_{place}", tuple(shape), type_) for place, shape in enumerate(shapes)]
        outputs = tuple(Value(ref.name, TensorType(type_, ref.shape)) for ref in made)
        named = {key: self._names(value) for key, value in inputs.items()}
        self.operations.append(Operation(kind, f"op_{number}", named, outputs))
        return made

    def _names(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, Ref):
            return (value.name,)
        if isinstance(value, list | tuple) and value and all(isinstance(item, Ref) for item in value):
            return tuple(item.name for item in value)
        return (self.const(value).name,)

    def program(self, *outputs: Ref) -> Program:
        names = tuple(ref.name for ref in outputs)
        return Program(tuple(self.inputs), names, tuple(self.operations), self.constants)


def run_model(model: ov.Model, arrays: Mapping[str, NDArray], precision: str = "f32") -> dict[str, NDArray]:
    """The model's outputs by name, from inputs by name."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    results = compiled([arrays[parameter.get_friendly_name()] for parameter in model.get_parameters()])
    names = [result.get_friendly_name() for result in model.get_results()]
    return {name: np.array(results[place]) for place, name in enumerate(names)}


def run_program(program: Program, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The program exactly as it stands (no passes), in f32."""
    return run_model(build_model(program), arrays)


def check_op(kind: str, expected: Any, **inputs: Any) -> None:
    """One operation through the translator and OpenVINO, compared with `expected` (an array, or a list of them).

    Arrays (and lists of arrays) are the graph's inputs; `Const(...)` and all other plain data are constants.
    """
    builder, fed = Builder(), {}
    arguments = {}
    for key, value in inputs.items():
        listed = value if isinstance(value, list) and value and isinstance(value[0], np.ndarray) else [value]
        if not isinstance(listed[0], np.ndarray):
            arguments[key] = value
            continue
        refs = []
        for place, array in enumerate(listed):
            refs.append(builder.input(f"{key}_{place}", array.shape, mil_type(array).dtype))
            fed[refs[-1].name] = as_running(array)
        arguments[key] = refs
    wanted = [np.asarray(array) for array in (expected if isinstance(expected, list) else [expected])]
    refs = builder.ops(kind, [array.shape for array in wanted], mil_type(wanted[0]).dtype, **arguments)
    made = run_program(builder.program(*refs), fed)
    for ref, array in zip(refs, wanted, strict=True):
        assert made[ref.name].dtype == as_running(array).dtype
        np.testing.assert_allclose(made[ref.name], array, rtol=TOLERANCE, atol=TOLERANCE)


def as_running(array: NDArray) -> NDArray:
    """An array in the type that the type policy runs it in."""
    kinds: dict[str, type] = {"f": np.float32, "i": np.int32, "u": np.int32, "b": np.bool_}
    return array.astype(kinds[array.dtype.kind])


def psnr(made: NDArray, truth: NDArray) -> float:
    """Peak signal-to-noise ratio in dB, the peak being the truth's range."""
    error = float(np.mean((made.astype(np.float64) - truth) ** 2))
    return float("inf") if error == 0 else float(20 * np.log10(np.ptp(truth)) - 10 * np.log10(error))
