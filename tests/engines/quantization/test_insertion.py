"""Which sites are rounded, that OpenVINO computes them in integers, and how near the result stays to f32."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest

from bksdm_demo.engines.quantization.insertion import quantize
from bksdm_demo.engines.quantization.observer import POSITIONS, PREFIX, Observer
from bksdm_demo.engines.quantization.sites import find_groups
from bksdm_demo.engines.quantization.table import QuantizationTable
from bksdm_demo.errors import EngineError
from tests.engines.quantization import networks
from tests.translate.programs import psnr

FLOOR = 33.0  # dB against f32; 36 and 37 measured


def observed(runs: int = 4) -> Observer:
    observer = Observer(networks.network())
    for seed in range(runs):
        array = networks.inputs(seed)
        observer.observe({"sample": array}, networks.run(observer.model, array))
    return observer


@pytest.fixture(scope="module")
def table() -> QuantizationTable:
    return observed().table()


@pytest.fixture
def quantized(table: QuantizationTable) -> ov.Model:
    model = networks.network()
    quantize(model, table)
    return model


def names(model: ov.Model, kind: str) -> list[str]:
    return [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() == kind]


def reads(model: ov.Model, name: str) -> str:
    """The kind of the operation that makes this input."""
    (node,) = [node for node in model.get_ops() if node.get_friendly_name() == name]
    return str(node.input_value(0).get_node().get_type_name())


def test_sites_are_large_and_off_the_residual_stream() -> None:
    groups = find_groups(networks.network())
    assert [sorted(site.node.get_friendly_name() for site in group) for group in groups] == [
        ["body"],
        ["left", "right"],
        ["back"],
        ["mixed"],
    ]


def test_a_value_is_rounded_once_for_all_its_readers(quantized: ov.Model) -> None:
    assert len(names(quantized, "FakeQuantize")) == 4
    for name in ("body", "left", "right", "back", "mixed"):
        assert reads(quantized, name) == "FakeQuantize"
    for name in ("first", "around", "halved", "last"):
        assert reads(quantized, name) != "FakeQuantize"


def test_weights_are_stored_in_eight_bits(quantized: ov.Model) -> None:
    held = [node for node in quantized.get_ops() if node.get_type_name() == "Constant"]
    assert sum(node.get_element_type() == ov.Type.i8 for node in held) == 5


def test_the_runtime_computes_them_in_integers(quantized: ov.Model) -> None:
    compiled = ov.Core().compile_model(quantized, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    precisions = {}
    for node in compiled.get_runtime_model().get_ops():
        facts = {name: str(value.astype(str)) for name, value in node.get_rt_info().items() if hasattr(value, "astype")}
        if facts.get("layerType") in ("Convolution", "FullyConnected"):
            precisions[node.get_friendly_name()] = facts["runtimePrecision"]
    for name in ("body", "left", "right", "back", "mixed"):
        assert precisions[name] in ("u8", "i8"), precisions
    for name in ("first", "around", "halved", "last"):
        assert precisions[name] == "f32", precisions


def test_the_result_stays_near_f32(quantized: ov.Model) -> None:
    for seed in (11, 12):  # not among those observed
        array = networks.inputs(seed)
        truth = networks.run(networks.network(), array)["noise"]
        assert psnr(networks.run(quantized, array)["noise"], truth) >= FLOOR


def test_observing_changes_nothing_and_samples_what_sites_read() -> None:
    observer = Observer(networks.network())
    produced = networks.run(observer.model, networks.inputs(3))
    np.testing.assert_array_equal(produced["noise"], networks.run(networks.network(), networks.inputs(3))["noise"])
    watched = {name: array.shape for name, array in produced.items() if name.startswith(PREFIX)}
    assert list(watched.values()) == [(1, POSITIONS, channels) for channels in (32, 32, 64, 32)]


def test_calibrating_twice_gives_the_same(table: QuantizationTable) -> None:
    assert observed().table().digest == table.digest
    assert observed(runs=3).table().digest != table.digest


def test_a_table_survives_being_stored(table: QuantizationTable) -> None:
    facts, sections = table.data()
    read = {name: np.frombuffer(data, np.uint8) for name, data in sections.items()}
    again = QuantizationTable.from_data(facts, read)
    assert again.digest == table.digest
    assert [rounding.scale for rounding in again.entries] == [rounding.scale for rounding in table.entries]


def test_the_table_of_another_model_is_refused(table: QuantizationTable) -> None:
    strange = QuantizationTable("another", table.entries)
    with pytest.raises(EngineError, match="another model"):
        quantize(networks.network(), strange)
