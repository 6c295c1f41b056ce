"""The cut of a U-Net at the skip connection nearest its output: where it lies, and that both sides make the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from bksdm_demo.mil.model import read_model
from bksdm_demo.translate.deep_features import find_deep_features, shallow_operations, with_features
from bksdm_demo.translate.graph import Cut, translate

ROOT = Path(__file__).parent.parent.parent
EMOJI = ROOT / "assets" / "emoji"
PARTS = ROOT / "tests" / "golden" / "parts"


@pytest.mark.parametrize("variant", ["original", "base", "small", "tiny"])
def test_the_cut_lies_around_everything_but_the_first_and_the_last_block(variant: str) -> None:
    """In a U-Net of Stable Diffusion, the last skip connection starts at the first convolution of the sample."""
    program = read_model(EMOJI / f"emoji-{variant}" / f"Stable_Diffusion_version_emoji-{variant}_unet.mlpackage")
    deep = find_deep_features(program)
    assert deep is not None
    (concat,) = [operation for operation in program.operations if deep in operation.inputs.get("values", ())]
    (skip,) = [name for name in concat.inputs["values"] if name != deep]
    (first,) = [operation for operation in program.operations if operation.outputs[0].name == skip]
    assert (first.kind, first.inputs["x"]) == ("conv", ("sample",))
    assert len(shallow_operations(program, deep)) < 0.15 * len(program.operations)


@pytest.mark.parametrize("name", ["text_encoder", "vae_decoder", "safety_checker"])
def test_other_parts_have_no_cut(name: str) -> None:
    program = read_model(EMOJI / "shared" / f"Stable_Diffusion_version_emoji_{name}.mlpackage")
    assert find_deep_features(program) is None


def test_a_program_without_its_last_skip_connection_has_none() -> None:
    program = read_model(PARTS / "unet_whole.mlpackage")
    deep = find_deep_features(program)
    assert deep is not None
    ends_there = replace(program, outputs=(deep,))
    other = find_deep_features(replace(ends_there, operations=shallow_operations(ends_there, "")))
    assert other != deep


def test_both_sides_of_the_cut_make_the_whole() -> None:
    program = read_model(PARTS / "unet_split.mlpackage")  # test_contract.py runs the other attention
    deep = find_deep_features(program)
    assert deep is not None
    random = np.random.default_rng(0)
    shapes = {value.name: [dim or 0 for dim in value.type.shape] for value in program.inputs}
    given = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    whole = translate(program)
    known = given if whole.prelude is None else given | _run(whole.prelude, given)
    features = _run(Cut.of(translate(with_features(program, deep)).model, deep).deep("features"), known)
    shallow = Cut.of(translate(with_features(program, deep)).model, deep).shallow("features")
    wanted = _run(whole.model, known)
    found = _run(shallow, known | features)
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_array_equal(found[key], array)
    moved = _run(shallow, known | {"features": features["features"] + 1})
    assert any(not np.array_equal(moved[key], array) for key, array in wanted.items())


def _run(model: ov.Model, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [parameter.get_friendly_name() for parameter in model.get_parameters()]
    results = compiled([given[name] for name in names])
    return {result.get_friendly_name(): results[place] for place, result in enumerate(model.get_results())}
