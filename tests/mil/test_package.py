"""Whole packages: what coremltools wrote, other exporters' spellings, and one fault per refusal."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.package import package_bytes, read_package
from bksdm_demo.mil.program import TensorType, Value
from tests.mil.samples import GOLDEN, MODEL, WEIGHTS, block, copy, edited, operation, stored_const

CONVERTED = GOLDEN / "converted.mlpackage"
NETWORK = np.load(GOLDEN / "converted.npz")


def test_what_the_converter_wrote() -> None:
    program = read_package(CONVERTED)
    assert program.inputs == (Value("x", TensorType("fp16", (1, 4, 6, 6))),)
    assert program.outputs == ("y",)
    assert (program.opset, program.specification_version) == ("CoreML6", 7)
    assert program.metadata["attention"] == "original"
    assert (program.extra["author"], program.extra["description"]) == ("bksdm-demo", "A sample")
    kinds = "conv reshape reduce_mean sub square reduce_mean add sqrt real_div reshape batch_norm silu reshape"
    assert [item.kind for item in program.operations] == [*kinds.split(), "transpose", "linear", "softmax", "cast"]
    assert program.operations[-1].outputs == (Value("y", TensorType("fp32", (1, 36, 6))),)


def test_weights_are_the_networks_own() -> None:
    program = read_package(CONVERTED)
    for kind, part in {"conv": "convolution", "linear": "linear"}.items():
        inputs = next(item for item in program.operations if item.kind == kind).inputs
        for key in ("weight", "bias"):
            array = program.constants[inputs[key][0]].array()
            assert array.tobytes() == NETWORK[f"{part}.{key}"].tobytes()


def test_parameters_are_constants() -> None:
    program = read_package(CONVERTED)
    inputs = program.operations[0].inputs
    values = {key: program.constants[names[0]].array() for key, names in inputs.items() if key != "x"}
    assert (values["pad_type"].item(), values["groups"].item()) == ("custom", 1)
    assert values["pad"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("package", sorted(GOLDEN.glob("*.mlpackage")), ids=lambda path: path.stem)
def test_every_name_is_defined_before_use(package: Path) -> None:
    program = read_package(package)
    known = {value.name for value in program.inputs} | set(program.constants)
    assert program.operations
    for item in program.operations:
        assert {name for names in item.inputs.values() for name in names} <= known
        known |= {value.name for value in item.outputs}
    assert set(program.outputs) <= known


def test_the_default_is_read_among_several_functions() -> None:
    program = read_package(GOLDEN / "functions.mlpackage")
    assert [item.kind for item in program.operations] == ["mul"]
    assert program.extra == {"function": "twice", "functions": ["main", "twice"], "default_function": "twice"}


@pytest.mark.parametrize("default", ["", "gone"])
def test_main_is_read_where_no_function_of_the_model_is_the_default(default: str, tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.description.defaultFunctionName = default

    assert read_package(edited(tmp_path, change, "functions")).extra["function"] == "main"


def test_inline_argument_values_get_names(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        softmax = operation(model, "softmax")
        axis = next(item for item in block(model).operations if item.outputs[0].name == name_of(softmax, "axis"))
        softmax.inputs["axis"].arguments[0].value.CopyFrom(axis.attributes["val"])

    program = read_package(edited(tmp_path, change))
    (name,) = next(item for item in program.operations if item.kind == "softmax").inputs["axis"]
    assert program.constants[name].array().item() == -1


def test_parameters_in_attributes_are_inputs(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        softmax = operation(model, "softmax")
        axis = next(item for item in block(model).operations if item.outputs[0].name == name_of(softmax, "axis"))
        softmax.attributes["axis"].CopyFrom(axis.attributes["val"])
        del softmax.inputs["axis"]

    program = read_package(edited(tmp_path, change))
    (name,) = next(item for item in program.operations if item.kind == "softmax").inputs["axis"]
    assert program.constants[name].array().item() == -1


def test_a_const_may_keep_its_value_among_the_inputs(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        const = stored_const(model)
        const.inputs["val"].arguments.add().value.CopyFrom(const.attributes["val"])
        del const.attributes["val"]

    program = read_package(edited(tmp_path, change))
    assert program.constants.keys() == read_package(CONVERTED).constants.keys()


def test_open_dimensions_are_kept(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        model.mlProgram.functions["main"].inputs[0].type.tensorType.dimensions[0].unknown.SetInParent()

    assert read_package(edited(tmp_path, change)).inputs[0].type.shape == (None, 4, 6, 6)


def test_files_may_be_links_of_a_download_cache(tmp_path: Path) -> None:
    package = copy("converted", tmp_path / "snapshots" / "1a2b")
    for name in (MODEL, WEIGHTS):  # as a download cache lays them out
        blob = tmp_path / "blobs" / name.name
        blob.parent.mkdir(exist_ok=True)
        shutil.move(package / name, blob)
        (package / name).symlink_to(blob)
    assert read_package(package).outputs == ("y",)
    assert package_bytes(package) == package_bytes(CONVERTED)


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, Path("Manifest.json"), Path("Data")])
def test_links_out_of_the_package_are_refused(name: Path, tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    shutil.move(package / name, tmp_path / "elsewhere")
    (package / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageError, match="outside the package"):
        read_package(package)


@pytest.mark.parametrize("manifest", ["absent", "no root", "other case"])
def test_the_usual_place_and_other_manifests(manifest: str, tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    content = json.loads((package / "Manifest.json").read_text())
    if manifest == "absent":
        (package / "Manifest.json").unlink()
    elif manifest == "no root":
        del content["rootModelIdentifier"]
    else:
        content["rootModelIdentifier"] = content["rootModelIdentifier"].swapcase()
    if manifest != "absent":
        (package / "Manifest.json").write_text(json.dumps(content))
    assert read_package(package).outputs == ("y",)


def name_of(item: Any, key: str) -> str:
    return item.inputs[key].arguments[0].name


# What a change to the model does, and what the refusal says.
def nest(model: Any) -> None:
    operation(model, "silu").blocks.add()


def undefined(model: Any) -> None:
    operation(model, "silu").inputs["x"].arguments[0].name = "ghost"


def defined_twice(model: Any) -> None:
    operation(model, "silu").outputs[0].name = "x"


def no_output(model: Any) -> None:
    block(model).outputs[0] = "nowhere"


def no_body(model: Any) -> None:
    model.mlProgram.functions["main"].opset = "CoreML99"


def no_main(model: Any) -> None:
    functions = model.mlProgram.functions
    for name in ("first", "second"):
        functions[name].CopyFrom(functions["main"])
    del functions["main"]


def wrong_type(model: Any) -> None:
    stored_const(model).attributes["val"].type.tensorType.dataType = 11  # float32


def wrong_count(model: Any) -> None:
    stored_const(model).attributes["val"].type.tensorType.dimensions[0].constant.size += 1


def beyond_the_file(model: Any) -> None:
    stored_const(model).attributes["val"].blobFileValue.offset = 64_000


def missing_weights(model: Any) -> None:
    stored_const(model).attributes["val"].blobFileValue.fileName = "@model_path/weights/other.bin"


def escaping_weights(model: Any) -> None:
    stored_const(model).attributes["val"].blobFileValue.fileName = "@model_path/../../../../etc/passwd"


def absolute_weights(model: Any) -> None:
    stored_const(model).attributes["val"].blobFileValue.fileName = "/etc/passwd"


def no_value(model: Any) -> None:
    del operation(model, "const").attributes["val"]


def empty_value(model: Any) -> None:
    operation(model, "const").attributes["val"].immediateValue.Clear()


def network(model: Any) -> None:
    model.neuralNetwork.SetInParent()


def pipeline(model: Any) -> None:
    model.pipeline.SetInParent()


def nothing(model: Any) -> None:
    model.ClearField("mlProgram")


def unknown_encoding(model: Any) -> None:
    stored_const(model).type = "constexpr_of_tomorrow"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nest, "silu .* nested operations"),
        (undefined, "silu .* refers to 'ghost'"),
        (defined_twice, "silu .* defines 'x'"),
        (no_output, "the function's outputs refers to 'nowhere'"),
        (no_body, "no body for its opset 'CoreML99'"),
        (no_main, "no function called main; it has first, second"),
        (wrong_type, r"const \w+ at byte 64 of .*weight\.bin: the file holds fp16, but the model declares fp32"),
        (wrong_count, r"const \w+ at byte 64 .* holds 576 bytes, but fp16\[9, 4, 3, 3\] needs 648"),
        (beyond_the_file, r"const \w+ at byte 64000 .* truncated"),
        (missing_weights, r"other\.bin cannot be opened"),
        (escaping_weights, "outside the package"),
        (absolute_weights, "outside the package"),
        (no_value, r"const \w+ has no value"),
        (empty_value, r"const \w+\.val is a string value"),
        (network, "a neuralNetwork model, not an ML Program; convert it again"),
        (pipeline, "a pipeline of several models; pass the packages of its parts"),
        (nothing, "an empty or truncated model file"),
        (unknown_encoding, "constexpr_of_tomorrow cannot be decoded"),
    ],
)
def test_a_bad_model_is_refused(change: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    package = edited(tmp_path, change)
    with pytest.raises(PackageError, match=message) as caught:
        read_package(package)
    assert str(package) in str(caught.value) or "outside the package" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"Manifest\.json is damaged"),
        ("[]", "not a JSON object"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"A": {}}}', "is damaged"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": []}', "is damaged"),
        (
            '{"rootModelIdentifier": "a", "itemInfoEntries": {"A": {"path": "../../model.mlmodel"}}}',
            "outside the package",
        ),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"A": {"path": "/etc/passwd"}}}', "outside the package"),
        (
            '{"rootModelIdentifier": "a", "itemInfoEntries": {"A": {"path": "gone.mlmodel"}}}',
            r"has no Data/gone\.mlmodel",
        ),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"A": {"path": "a\\u0000b"}}}', "outside the package"),
        ("\udcff", "is damaged"),
    ],
)
def test_a_bad_manifest_is_refused(content: str, message: str, tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    (package / "Manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(PackageError, match=message):
        read_package(package)


@pytest.mark.parametrize("cut", [0, 64, 300, 863])
def test_a_truncated_weight_file_is_refused(cut: int, tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    (package / WEIGHTS).write_bytes((package / WEIGHTS).read_bytes()[:cut])
    with pytest.raises(PackageError, match=r"weight\.bin.*(truncated|download it again)"):
        read_package(package)


def test_a_truncated_model_is_refused_at_every_length(tmp_path: Path) -> None:
    package = copy("converted", tmp_path)
    data = (package / MODEL).read_bytes()
    for cut in range(0, len(data), 89):
        (package / MODEL).write_bytes(data[:cut])
        with pytest.raises(PackageError):
            read_package(package)


def test_flipped_bytes_raise_nothing_but_package_errors(tmp_path: Path) -> None:
    package = copy("ios16", tmp_path)
    data = (package / MODEL).read_bytes()
    random = np.random.RandomState(0)
    for position, value in zip(random.randint(0, len(data), 120), random.randint(0, 256, 120), strict=True):
        (package / MODEL).write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
        try:
            program = read_package(package)
            for constant in program.constants.values():
                constant.array()
        except PackageError:
            pass


def test_other_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.mlmodel").write_bytes(b"x")
    (tmp_path / "m.mlmodelc").mkdir()
    (tmp_path / "empty").mkdir()
    for name, message in {
        "gone": "does not exist",
        "m.mlmodel": "is a file, not a package folder",
        "m.mlmodelc": "is a compiled model",
        "empty": r"has no Data/com\.apple\.CoreML/model\.mlmodel",
    }.items():
        with pytest.raises(PackageError, match=message):
            read_package(tmp_path / name)
