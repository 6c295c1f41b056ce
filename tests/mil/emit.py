"""Writes a Program as MIL text in both of the compiler's spellings, so that a package gives a compiled model to read.

Follows the samples of Apple's compiler: alphabetical arguments, hexadecimal floats, constants in brackets.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bksdm_demo.mil.constants import Compressed, Stored
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Constant, TensorType
from tests.mil.samples import GOLDEN, WEIGHTS

SPELLINGS = ("1.0", "1.3")
IOS = {"CoreML6": "ios16", "CoreML7": "ios17", "CoreML8": "ios18"}


def compiled(name: str, folder: Path, spelling: str) -> Path:
    """The golden package `name` as an `.mlmodelc` folder without metadata.json."""
    package, model = GOLDEN / f"{name}.mlpackage", folder / f"{name}.mlmodelc"
    (model / "weights").mkdir(parents=True)
    if (package / WEIGHTS).exists():
        shutil.copy(package / WEIGHTS, model / "weights" / "weight.bin")
    (model / "model.mil").write_text(Writer(spelling).program(read_package(package)), encoding="utf-8")
    return model


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
