"""Printed programs read back the same: made-up ones of every kind, and all packages of the repository."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.compiled import read_compiled
from bksdm_demo.mil.compiled_writer import write_compiled, write_programs
from bksdm_demo.mil.constants import Immediate
from bksdm_demo.mil.package import read_functions, read_package
from bksdm_demo.mil.printer import SPELLINGS, write_text
from bksdm_demo.mil.program import Operation, Program, TensorType, Value
from bksdm_demo.settings import ASSETS
from tests.mil.programs import RandomProgram, assert_same, mixed
from tests.mil.samples import GOLDEN

PACKAGES = sorted([*GOLDEN.parent.rglob("*.mlpackage"), *ASSETS.rglob("*.mlpackage")])
OLDEST, NEWEST = SPELLINGS


def printed(program: Program, spelling: str | None = None) -> str:
    file = io.StringIO()
    write_text([program], file, spelling)
    return file.getvalue()


@pytest.mark.parametrize("seed", range(60))
def test_made_up_programs_come_back(seed: int, tmp_path: Path) -> None:
    program = RandomProgram(seed, 5 + seed, tmp_path / "made" / "weight.bin").program()
    for spelling in SPELLINGS:
        model = write_programs([program], tmp_path / f"{spelling}.mlmodelc", spelling)
        again = read_compiled(model)
        assert_same(again, program)
        assert printed(again, spelling) == (model / "model.mil").read_text(encoding="utf-8")
    text = model.parent / "1.0.mlmodelc" / "model.mil"
    text.write_text(mixed(text.read_text(encoding="utf-8"), seed), encoding="utf-8")
    assert_same(read_compiled(text.parent), program)


@pytest.mark.parametrize(
    ("package", "spelling"),
    [
        *((package, NEWEST) for package in PACKAGES),
        *((package, OLDEST) for package in PACKAGES if GOLDEN.parent in package.parents),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_packages_come_back(package: Path, spelling: str, tmp_path: Path) -> None:
    program, model = read_package(package), tmp_path / "any.mlmodelc"
    again = read_compiled(write_compiled(package, model, spelling))
    assert_same(again, program)
    assert (again.specification_version, again.metadata) == (program.specification_version, program.metadata)
    assert again.extra == program.extra
    written = (model / "model.mil").read_text(encoding="utf-8")
    file = io.StringIO()
    name = program.extra["function"]
    others = [function for function in read_functions(package) if function.extra["function"] != name]
    write_text([again, *others], file, spelling)
    assert sorted(file.getvalue().splitlines()) == sorted(written.splitlines())


def test_the_text_of_a_small_program() -> None:
    """Both spellings, as Apple's compiler has them."""
    x, y = Value("x", TensorType("fp16", (1, None))), Value("y", TensorType("fp32"))
    scale = Immediate(TensorType("fp16", (2,)), lambda: np.array([-0.0, 1e-5], np.float16))
    axis = Immediate(TensorType("int32"), lambda: np.array(-1, np.int32))
    program = Program(
        inputs=(x,),
        outputs=("y",),
        operations=(Operation("op", "a\n", {"x": ("x",), "w": ("scale", "x"), "axis": ("y%axis%0",)}, (y,)),),
        constants={"scale": scale, "y%axis%0": axis},
        opset="CoreML6",
        specification_version=7,
    )
    body = r"""{
    func main<ios16>(tensor<fp16, [1, ?]> x) {
            tensor<fp16, [2]> scale = const()[name = string("scale"), val = tensor<fp16, [2]>([-0x0p+0, 0x1.5p-17])];
            fp32 y = op(axis = int32(-1), w = (scale, x), x = x)[name = string("a\n")];
        } -> (y);
}"""
    assert printed(program, "1.3") == (
        'program(1.3)\n[buildInfo = dict<string, string>({{"written-by", "bksdm-demo"}})]\n' + body
    )
    assert printed(program) == printed(program, "1.0")
    assert 'y = op(axis = tensor<int32, []>(-1), w = (scale, x), x = x)[name = tensor<string, []>("a\\n")];' in printed(
        program
    )


def test_programs_without_a_text_form_are_refused() -> None:
    x = Value("x", TensorType("fp16"))
    for bad in (
        Program((Value("state", TensorType("state")),), (), (), {}),
        Program((Value("a b", x.type),), (), (), {}),
        Program((x,), (), (Operation("op", "", {}, ()),), {}),
        Program((x,), (), (Operation("op", "", {"no key": ("x",)}, (x,)),), {}),
    ):
        with pytest.raises(UnsupportedModelError):
            printed(bad)
