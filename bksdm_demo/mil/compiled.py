"""Reads a compiled model, an `.mlmodelc` folder, into the same Program as the package it was compiled from.

The program is text in `model.mil`; its BLOBFILE values say where the weights are; `metadata.json` describes the
interface. Refuses compiled neural networks, which hold no program.
"""

from __future__ import annotations

import os
from pathlib import Path

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.builder import ProgramBuilder
from bksdm_demo.mil.files import inside, read_text
from bksdm_demo.mil.function import main_name
from bksdm_demo.mil.metadata import Notes, read_notes
from bksdm_demo.mil.package import WeightFiles
from bksdm_demo.mil.program import OPSETS, Program
from bksdm_demo.mil.text import TextProgram

MOST_BYTES = 32 * 2**20  # of text; the largest published one has 8 MB


def read_compiled(path: Path) -> Program:
    """The main function of the compiled ML Program in the folder `path`, its weights memory-mapped.

    Raises PackageError, which names the file with line and column, or the operation.
    """
    file = inside(path, "model.mil", str(path))
    text = TextProgram(_text(path, file), str(file))
    names = [function.name for function in text.functions]
    notes = read_notes(path) if os.path.lexists(path / "metadata.json") else Notes()
    name = main_name(names, notes.default_function, str(file))
    default = {"default_function": notes.default_function} if notes.default_function else {}
    function = text.functions[names.index(name)]
    builder = ProgramBuilder(WeightFiles(path, path).open, str(file))
    for value in function.inputs:
        builder.input(value)
    for item in text.operations(function):
        try:
            builder.operation(item.kind, item.name, item.outputs, item.arguments, item.attributes)
        except PackageError as error:
            raise PackageError(f"{error} (line:column {text.position(item)})") from error
    outputs = text.outputs()
    for output in outputs:
        builder.check_known(output, "the function's outputs")
    return Program(
        inputs=function.inputs,
        outputs=outputs,
        operations=tuple(builder.operations),
        constants=builder.constants,
        opset=OPSETS.get(function.opset, function.opset),
        specification_version=notes.specification_version,
        metadata=notes.metadata,
        extra={"function": name, "functions": sorted(names), **default, **notes.about},
    )


def _text(path: Path, file: Path) -> str:
    if not path.is_dir():
        raise PackageError(f"{path} does not exist or is a file; pass the path of an .mlmodelc folder.")
    if not file.is_file():
        network = any(path.glob("model.espresso.*"))
        what = (
            "a compiled neural network, not an ML Program"
            if network
            else "not a complete compiled model: it has no model.mil"
        )
        raise PackageError(f"{path} is {what}; download it again, or use the .mlpackage it was compiled from.")
    return read_text(file, MOST_BYTES)
