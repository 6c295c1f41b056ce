"""Compiled models in both spellings give the same program as the package they were compiled from."""

import json
from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.compiled import read_compiled
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.printer import SPELLINGS
from tests.mil.samples import GOLDEN, compiled


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", ["converted", "ios16", "ios18"])
def test_gives_the_program_of_the_package(name: str, spelling: str, tmp_path: Path) -> None:
    ours, theirs = read_compiled(compiled(name, tmp_path, spelling)), read_package(GOLDEN / f"{name}.mlpackage")
    assert (ours.inputs, ours.outputs, ours.opset) == (theirs.inputs, theirs.outputs, theirs.opset)
    assert ours.operations == theirs.operations
    assert list(ours.constants) == list(theirs.constants)
    for key, constant in theirs.constants.items():
        same = ours.constants[key]
        assert (same.type, same.encoding, same.stored_bytes) == (
            constant.type,
            constant.encoding,
            constant.stored_bytes,
        )
        assert same.array().dtype == constant.array().dtype
        assert same.array().tolist() == constant.array().tolist()


def test_metadata(tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.0")
    entry = {"inputSchema": [], "outputSchema": [], "specificationVersion": 7, "userDefinedMetadata": {"a": "b"}}
    (model / "metadata.json").write_text(json.dumps([entry]))
    program = read_compiled(model)
    assert (program.specification_version, dict(program.metadata)) == (7, {"a": "b"})


@pytest.mark.parametrize(
    ("default", "runs"),
    [({}, "main"), ({"defaultFunctionName": "twice"}, "twice"), ({"defaultFunctionName": ""}, "main")],
)
def test_the_default_function_is_read(default: dict[str, str], runs: str, tmp_path: Path) -> None:
    model = compiled("functions", tmp_path, "1.3")
    (model / "metadata.json").write_text(json.dumps([{"specificationVersion": 9, **default}]))
    assert read_compiled(model).extra["function"] == runs


def test_without_main_the_metadata_decide(tmp_path: Path) -> None:
    """As Apple's compiler writes a model of two functions, neither of them called main."""
    body = "(tensor<fp32, [4]> x) { tensor<fp32, [4]> y = relu(x = x); } -> (y);"
    text = f"program(1.3)\n{{\n func first<ios18>{body}\n func second<ios18>{body}\n}}"
    (tmp_path / "model.mil").write_text(text)
    with pytest.raises(PackageError, match="no function called main; it has first, second"):
        read_compiled(tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps([{"defaultFunctionName": "second", "userDefinedMetadata": {}}]))
    extra = read_compiled(tmp_path).extra
    assert extra == {"function": "second", "functions": ["first", "second"], "default_function": "second"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(encoding: str, tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.3")
    expected = read_compiled(model)
    text, facts = model / "model.mil", json.dumps([{"userDefinedMetadata": {"a": "ü"}}])
    text.write_text(text.read_text(encoding="utf-8"), encoding=encoding)
    (model / "metadata.json").write_text(facts, encoding=encoding)
    program = read_compiled(model)
    assert (program.operations, dict(program.metadata)) == (expected.operations, {"a": "ü"})


def test_an_interface_that_only_core_ml_runs_is_still_read(tmp_path: Path) -> None:
    """The program says what its inputs are; the file beside it may wrap them in an image."""
    model = compiled("converted", tmp_path, "1.0")
    entry = {"inputSchema": [{"name": "x", "type": "Image"}], "outputSchema": [], "userDefinedMetadata": {"a": "b"}}
    (model / "metadata.json").write_text(json.dumps([entry]))
    assert dict(read_compiled(model).metadata) == {"a": "b"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights/weight.bin", "../../secret", "outside the package"),
        ("weights/weight.bin", "weights/other.bin", r"other\.bin cannot be opened"),
        (
            "offset = tensor<uint64, []>(64)",
            "offset = tensor<uint64, []>(65)",
            r"no weight starts there.*line:column \d+:13",
        ),
        ("x = input_1_cast_fp16", "x = ghost", r"refers to 'ghost'.*line:column \d+:13"),
        ("-> (y)", "-> (z)", "the function's outputs refers to 'z'"),
        ("func main", "func other", None),
        ("-> (y);\n", "-> (y);\n    func main<ios16>() { } -> ();\n", None),
        ("func main", "fun main", r"model\.mil:4:5: expected 'func', found 'fun'"),
    ],
)
def test_changes_to_the_text(old: str, new: str, message: str | None, tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.0")
    text = (model / "model.mil").read_text()
    assert old in text
    (model / "model.mil").write_text(text.replace(old, new))
    if message is None:
        read_compiled(model)
        return
    with pytest.raises(PackageError, match=message):
        read_compiled(model)


def test_what_is_no_compiled_program(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="does not exist"):
        read_compiled(tmp_path / "gone.mlmodelc")
    with pytest.raises(PackageError, match=r"no model\.mil"):
        read_compiled(tmp_path)
    (tmp_path / "model.espresso.net").write_text("{}")
    with pytest.raises(PackageError, match="a compiled neural network"):
        read_compiled(tmp_path)
    (tmp_path / "model.mil").write_bytes(b"program\xff")
    with pytest.raises(PackageError, match="cannot be read"):
        read_compiled(tmp_path)


def test_of_many_functions_a_few_are_named(tmp_path: Path) -> None:
    functions = "".join(f" func f{number}<ios18>() {{ }} -> ();" for number in range(30))
    (tmp_path / "model.mil").write_text(f"program(1.3)\n{{{functions}}}")
    with pytest.raises(PackageError, match=r"no function called main; it has f0, f1, .*, f9 and 20 more\.$"):
        read_compiled(tmp_path)
