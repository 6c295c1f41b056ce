"""Writes a Program as a compiled model, its text in either of the compiler's spellings, so that a package gives one.

Follows the samples of Apple's compiler: alphabetical arguments, hexadecimal floats, constants in brackets; outputs
without a shape in `metadata.json`, as in all files of 2022 and 2023.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bksdm_demo.mil.constants import Compressed, Stored
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Constant, Program, TensorType, Value
from tests.mil.samples import GOLDEN, WEIGHTS

SPELLINGS = ("1.0", "1.3")
IOS = {"CoreML6": "ios16", "CoreML7": "ios17", "CoreML8": "ios18"}
ELEMENTS = {"fp16": "Float16", "fp32": "Float32", "int32": "Int32"}


def compiled(name: str, folder: Path, spelling: str) -> Path:
    """The golden package `name` as an `.mlmodelc` folder without metadata.json."""
    model = compile_package(GOLDEN / f"{name}.mlpackage", folder / f"{name}.mlmodelc", spelling)
    (model / "metadata.json").unlink()
    return model


def compile_package(package: Path, model: Path, spelling: str = "1.0") -> Path:
    """The package as the `.mlmodelc` folder `model`, metadata included."""
    return compile_program(read_package(package), package / WEIGHTS, model, spelling)


def compile_program(program: Program, weights: Path, model: Path, spelling: str = "1.0") -> Path:
    """The program as the `.mlmodelc` folder `model`; its stored constants lie in the file `weights`, if anywhere."""
    (model / "weights").mkdir(parents=True)
    if weights.exists():
        shutil.copy(weights, model / "weights" / "weight.bin")
    (model / "model.mil").write_text(Writer(spelling).program(program), encoding="utf-8")
    (model / "metadata.json").write_text(json.dumps([_metadata(program)]), encoding="utf-8")
    return model


def _metadata(program: Program) -> dict[str, Any]:
    values = {value.name: value for operation in program.operations for value in operation.outputs}
    return {
        "inputSchema": [_schema(value, str(list(value.type.shape))) for value in program.inputs],
        "outputSchema": [_schema(values[name], "[]") for name in program.outputs],
        "specificationVersion": program.specification_version,
        "userDefinedMetadata": dict(program.metadata),
        "mlProgramOperationTypeHistogram": dict(Counter(operation.kind for operation in program.operations)),
    }


def _schema(value: Value, shape: str) -> dict[str, str]:
    kind = {"type": "MultiArray", "hasShapeFlexibility": "0", "isOptional": "0"}
    return kind | {"name": value.name, "dataType": ELEMENTS[value.type.dtype], "shape": shape}


class Writer:
    """One spelling."""

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling

    def program(self, program: Any) -> str:
        build = f"{self.type(TensorType('string'))}, {self.type(TensorType('string'))}"
        inputs = ", ".join(f"{self.type(value.type)} {value.name}" for value in program.inputs)
        lines = [self.constant(name, constant) for name, constant in program.constants.items()]
        lines += [self.operation(operation) for operation in program.operations]
        return (
            f'program({self.spelling})\n[buildInfo = dict<{build}>({{{{"coremlc-version", "3404.16.1"}}}})]\n{{\n'
            f"    func {program.extra['function']}<{IOS[program.opset]}>({inputs}) {{\n"
            + "".join(f"            {line}\n" for line in lines)
            + f"        }} -> ({', '.join(program.outputs)});\n}}"
        )

    def operation(self, operation: Any) -> str:
        arguments = ", ".join(f"{key} = {self.names(names)}" for key, names in sorted(operation.inputs.items()))
        outputs = ", ".join(f"{self.type(value.type)} {value.name}" for value in operation.outputs)
        return f"{outputs} = {operation.kind}({arguments})[name = {self.text(operation.name)}];"

    def constant(self, name: str, constant: Constant) -> str:
        declared = f"{self.type(constant.type)} {name} = "
        if not isinstance(constant, Compressed):
            return f"{declared}const()[name = {self.text(name)}, val = {self.value(constant)}];"
        kind = constant.where.split(": ")[1].split()[0]
        operands = ", ".join(f"{key} = {self.value(item)}" for key, item in sorted(constant.operands.items()))
        if "shape" in constant.operands or kind in ("constexpr_affine_dequantize", "constexpr_cast"):
            return f"{declared}{kind}()[{operands}, name = {self.text(name)}];"
        return f"{declared}{kind}({operands})[name = {self.text(name)}];"

    def names(self, names: tuple[str, ...]) -> str:
        return names[0] if len(names) == 1 else f"({', '.join(names)})"

    def type(self, type_: TensorType) -> str:
        if self.spelling != "1.0" and not type_.shape:
            return type_.dtype
        return f"tensor<{type_.dtype}, [{', '.join('?' if dim is None else str(dim) for dim in type_.shape)}]>"

    def text(self, text: str) -> str:
        return f'{self.type(TensorType("string"))}("{text}")'

    def value(self, constant: Constant) -> str:
        if isinstance(constant, Stored):
            path = self.text("@model_path/weights/weight.bin")
            offset = f"{self.type(TensorType('uint64'))}({constant.offset})"
            return f"{self.type(constant.type)}(BLOBFILE(path = {path}, offset = {offset}))"
        return f"{self.type(constant.type)}({self.elements(constant.array().tolist())})"

    def elements(self, item: Any) -> str:
        if isinstance(item, list):
            return f"[{', '.join(self.elements(part) for part in item)}]"
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, float):
            return short_hex(item)
        return f'"{item}"' if isinstance(item, str) else str(item)


def short_hex(number: float) -> str:
    """C99's shortest form, as the compiler prints it: 0x1.8p-3, -0x1p+0, 0x0p+0, inf, nan."""
    if not np.isfinite(number):
        return str(number)
    digits, _, exponent = number.hex().partition("p")
    head, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    return f"{head}{'.' if fraction else ''}{fraction}p{exponent}"
