"""metadata.json in the spellings of the public files: shapes as texts, "[]" for outputs, kinds in camel case."""

import json
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.metadata import read_metadata, read_notes
from bksdm_demo.mil.program import TensorType, Value

PROGRAM = """program(1.0)
{
    func main<ios16>(tensor<fp16, [2, 4, 64, 64]> sample) {
            tensor<fp16, [2, 4, 64, 64]> noise = mul(x = sample, y = sample)[name = tensor<string, []>("noise")];
            tensor<fp32, [2, 4, 64, 64]> noise_pred = cast(dtype = d, x = noise)[name = tensor<string, []>("c")];
        } -> (noise_pred);
}"""


def port(name: str, dtype: str, shape: str, **more: str) -> dict[str, str]:
    return {"name": name, "dataType": dtype, "shape": shape, "type": "MultiArray", "hasShapeFlexibility": "0", **more}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "inputSchema": [port("sample", "Float16", "[2, 4, 64, 64]"), port("ids", "Int32", "[1, 77]")],
        "outputSchema": [port("noise_pred", "Float32", "[]")],
        "specificationVersion": 7,
        "userDefinedMetadata": {"com.github.apple.coremltools.version": "6.0"},
        "mlProgramOperationTypeHistogram": {"Ios16.einsum": 288, "UpsampleNearestNeighbor": 3},
        **changes,
    }


def compiled(folder: Path, entry: Any, program: str | None = PROGRAM) -> Path:
    path = folder / "Unet.mlmodelc"
    path.mkdir()
    (path / "metadata.json").write_text(entry if isinstance(entry, str) else json.dumps([entry]))
    if program is not None:
        (path / "model.mil").write_text(program)
    return path


def test_reads_the_interface(tmp_path: Path) -> None:
    facts = read_metadata(compiled(tmp_path, content()))
    assert facts.inputs == (
        Value("sample", TensorType("fp16", (2, 4, 64, 64))),
        Value("ids", TensorType("int32", (1, 77))),
    )
    assert facts.outputs == (Value("noise_pred", TensorType("fp32", (2, 4, 64, 64))),)
    assert facts.operations["Ios16.einsum"] == 288
    assert facts.specification_version == 7
    assert facts.metadata == {"com.github.apple.coremltools.version": "6.0"}


@pytest.mark.parametrize("program", [None, "", PROGRAM.replace("noise_pred = ", "other = ")])
def test_an_output_without_a_shape_gets_none(program: str | None, tmp_path: Path) -> None:
    assert read_metadata(compiled(tmp_path, content(), program)).outputs[0].type.shape == ()


def test_flexible_shapes_are_open(tmp_path: Path) -> None:
    inputs = [
        port("a", "Float32", "[1, 4]", hasShapeFlexibility="1", shapeRange="[[1, 4], [4, 4]]"),
        port("b", "Float32", "[1, 4]", hasShapeFlexibility="1"),
    ]
    facts = read_metadata(compiled(tmp_path, content(inputSchema=inputs)))
    assert [value.type.shape for value in facts.inputs] == [(None, 4), (None, None)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("[", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ([1], "is damaged"),
        (content(inputSchema=[{"name": "x"}]), "is damaged"),
        (content(inputSchema=[port("x", "Float16", "[1, [2]]")]), "is damaged"),
        (content(inputSchema=[port("x", "Float16", "__import__('os')")]), "is damaged"),
    ],
)
def test_a_bad_file_is_refused(entry: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=message):
        read_metadata(compiled(tmp_path, entry))


@pytest.mark.parametrize("schema", ["inputSchema", "outputSchema"])
def test_an_interface_of_other_types_than_arrays_is_unsupported(schema: str, tmp_path: Path) -> None:
    image = {"name": "photo", "type": "Image", "width": "64", "height": "64", "colorspace": "BGR"}
    model = compiled(tmp_path, content(**{schema: [image]}))
    with pytest.raises(UnsupportedModelError, match="photo has the type Image; only MultiArray"):
        read_metadata(model)
    assert read_notes(model).specification_version == 7


def test_an_unknown_element_type_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="x has the unknown element type Complex"):
        read_metadata(compiled(tmp_path, content(inputSchema=[port("x", "Complex", "[1]")])))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"metadata\.json cannot be read"):
        read_metadata(tmp_path)
