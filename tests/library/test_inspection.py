"""The facts of the golden packages, whose contents their script states."""

import json
from pathlib import Path

import pytest

from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.library.inspection import Encoding, Inspection, Tensor, find_models, inspect_all, inspect_package
from tests.mil.samples import compiled, copy

GOLDEN = Path(__file__).parent.parent / "golden" / "mil"


def test_a_converted_package() -> None:
    facts = inspect_package(GOLDEN / "converted.mlpackage")
    assert facts.inputs == (Tensor("x", "fp16", (1, 4, 6, 6)),)
    assert facts.outputs == (Tensor("y", "fp32", (1, 36, 6)),)
    assert (facts.opset, facts.needs, facts.specification_version) == ("CoreML6", "iOS 16, macOS 13", 7)
    assert facts.metadata["attention"] == "original"
    assert list(facts.operations.items())[:2] == [("reshape", 3), ("reduce_mean", 2)]
    assert facts.operation_count == 17
    assert facts.parameters == 8 * 4 * 3 * 3 + 8 * 6  # convolution and linear; their biases are immediate
    assert facts.missing is None


def test_weights_by_encoding() -> None:
    facts = inspect_package(GOLDEN / "ios16.mlpackage")
    found = {encoding.name: encoding for encoding in facts.encodings}
    elements = 15 + 18 + 7 + 64 + 60
    for bits, packed in {1: 2 + 3 + 1 + 8 + 8, 6: 12 + 14 + 6 + 48 + 45}.items():
        tables, shapes = 5 * 2**bits * 2, (2 + 4 + 1 + 2 + 4) * 4
        assert found[f"palette{bits}"] == Encoding(f"palette{bits}", 5, elements, packed + tables + shapes)
    assert found["float16"] == Encoding("float16", 1, 24, 48)
    assert found["affine8"].constants == 5
    assert found["float16"].bits_per_element == 16
    assert [item.stored_bytes for item in facts.encodings] == sorted(
        (item.stored_bytes for item in facts.encodings), reverse=True
    )


def test_a_weight_that_is_compressed_twice_counts_once() -> None:
    facts = inspect_package(GOLDEN / "joint.mlpackage")
    found = {encoding.name: encoding for encoding in facts.encodings}
    assert found["sparse"].constants == 6 + 3 + 3 + 1
    assert not any(name.startswith("sparse ") for name in found)


def test_missing_operations_are_asked_for() -> None:
    facts = inspect_package(GOLDEN / "converted.mlpackage", lambda program: {"a": 1, "c": 2, "b": 2})
    assert list((facts.missing or {}).items()) == [("b", 2), ("c", 2), ("a", 1)]


def test_of_several_functions_all_are_named() -> None:
    assert inspect_package(GOLDEN / "functions.mlpackage").functions == ("main", "twice")


@pytest.mark.parametrize("name", ["converted", "functions", "ios16", "ios18"])
def test_facts_fit_json(name: str) -> None:
    facts = inspect_package(GOLDEN / f"{name}.mlpackage", lambda program: {})
    content = facts.as_json()
    assert json.loads(json.dumps(content)) == content
    assert content["parameters"] == facts.parameters


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="does not exist"):
        inspect_package(tmp_path / "gone.mlpackage")


def test_a_compiled_model_has_the_same_facts(tmp_path: Path) -> None:
    package, model = inspect_package(GOLDEN / "ios16.mlpackage"), inspect_package(compiled("ios16", tmp_path, "1.0"))
    same = ("inputs", "outputs", "operations", "encodings", "opset", "functions")
    assert [getattr(model, name) for name in same] == [getattr(package, name) for name in same]


def test_models_are_found_at_a_path_and_below_it(tmp_path: Path) -> None:
    package = copy("converted", tmp_path / "deep")
    model = compiled("ios18", tmp_path / "deeper", "1.3")
    assert find_models(package) == [package]
    assert find_models(tmp_path) == [package, model]
    assert find_models(tmp_path / "nothing") == [tmp_path / "nothing"]


@pytest.mark.parametrize(
    ("missing", "refusal", "runs", "runs_here"),
    [({}, None, True, None), ({}, "", True, True), ({}, "Too large.", False, False), ({"conv": 1}, None, False, False)],
)
def test_a_model_runs_here_only_after_a_trial_load(
    missing: dict[str, int], refusal: str | None, runs: bool, runs_here: bool | None
) -> None:
    inspection = Inspection(inspect_package(GOLDEN / "converted.mlpackage", lambda program: missing), refusal)
    assert inspection.runs is runs
    assert inspection.as_json()["runs_here"] is runs_here
    assert inspection.as_json()["refusal"] == (refusal or None)


def test_a_refused_trial_load_is_the_reason() -> None:
    def refuse(path: Path, exact: bool) -> Engine:
        raise UnsupportedModelError(f"{path.name} is too large.")

    (inspection,) = inspect_all(GOLDEN / "converted.mlpackage", refuse)
    assert inspection.refusal == "converted.mlpackage is too large."
