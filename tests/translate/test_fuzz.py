"""Programs that contradict themselves are translated or raise an error of the demo, never another exception.

Seeded: each case is one to three mutations of a sound program, chosen by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from bksdm_demo.engines.openvino_facts import PartFacts
from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Constant, Operation, Program, TensorType, Value
from bksdm_demo.translate.graph import translate
from bksdm_demo.translate.passes.rewrite import Added
from bksdm_demo.translate.translator import TRANSLATORS
from tests.mil.samples import GOLDEN
from tests.translate.programs import mil_type

CASES = 250
PACKAGES = [GOLDEN / f"{name}.mlpackage" for name in ("converted", "ios16", "ios18")]
PACKAGES += [GOLDEN.parent / "parts" / f"{name}.mlpackage" for name in ("safety_checker", "text_encoder")]

T = TypeVar("T")
Random = np.random.RandomState
ODD = [
    np.array(number, np.int32) for number in (0, 1, -1, 7, 2**31 - 1, -(2**31), [], [0], [-9, 9], [[1]], [10**9] * 4)
]
ODD += [np.array(number, np.float16) for number in (0, np.nan, -np.inf, [], [1, 2, 3], [[[[1]]]])]
ODD += [np.array("custom", object), np.array(["a", "b"], object), np.array(True), np.zeros((3, 0, 2), np.float32)]
SHAPES = [(), (1,), (0, 3), (None, None), (1, 2, 3, 4, 5), (None,), (2, 2**20)]


def names(program: Program) -> list[str]:
    """All values and constants."""
    made = (value.name for operation in program.operations for value in operation.outputs)
    return [*(value.name for value in program.inputs), *made, *program.constants]


def chosen(random: Random, items: Sequence[T]) -> T:
    return items[random.randint(len(items))]


def another_constant(program: Program, random: Random) -> Program:
    array = chosen(random, ODD)
    constants: dict[str, Constant] = dict(program.constants)
    constants[chosen(random, list(constants))] = Added(mil_type(array), array)
    return replace(program, constants=constants)


def on_an_operation(change: Callable[[Program, Operation, Random], Operation]) -> Callable[[Program, Random], Program]:
    def mutate(program: Program, random: Random) -> Program:
        place = random.randint(len(program.operations))
        operations = list(program.operations)
        operations[place] = change(program, operations[place], random)
        return replace(program, operations=tuple(operations))

    return mutate


def another_input(program: Program, operation: Operation, random: Random) -> Operation:
    if not operation.inputs:
        return operation
    read = tuple(chosen(random, names(program)) for _ in range(random.randint(3)))
    return replace(operation, inputs={**operation.inputs, chosen(random, sorted(operation.inputs)): read})


def a_key_less(program: Program, operation: Operation, random: Random) -> Operation:
    kept = {key: read for key, read in operation.inputs.items() if random.rand() < 0.7}
    return replace(operation, inputs=kept)


def another_kind(program: Program, operation: Operation, random: Random) -> Operation:
    return replace(operation, kind=chosen(random, sorted(TRANSLATORS)))


def another_type(program: Program, operation: Operation, random: Random) -> Operation:
    dtype = chosen(random, ["fp16", "fp32", "int32", "bool", "string", "uint8"])
    type_ = TensorType(dtype, chosen(random, SHAPES))
    return replace(operation, outputs=tuple(Value(value.name, type_) for value in operation.outputs))


def another_output(program: Program, random: Random) -> Program:
    return replace(program, outputs=(chosen(random, names(program)),))


MUTATIONS = [
    another_constant,
    another_output,
    *map(on_an_operation, (another_input, a_key_less, another_kind, another_type)),
]


@pytest.mark.parametrize("path", PACKAGES, ids=[path.stem for path in PACKAGES])
def test_programs(path: Path) -> None:
    sound, refused = read_package(path), 0
    for seed in range(CASES):
        random, program = Random(seed), sound
        for _ in range(random.randint(1, 4)):
            program = chosen(random, MUTATIONS)(program, random)
        try:
            with np.errstate(all="ignore"):  # a variance of 0, and infinite weights, are no error
                PartFacts.of(program)
                translate(program)
        except (PackageError, UnsupportedModelError):
            refused += 1
    assert refused > CASES // 3
