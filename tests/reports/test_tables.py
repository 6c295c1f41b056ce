"""The table of parts shows processors and trials only where an engine reports them."""

from __future__ import annotations

from bksdm_demo.reports.tables import Table, parts_table

OPENVINO = {"engine": "openvino", "precision": "bf16"}
CORE_ML = {
    "engine": "coreml",
    "compute_units": "cpu-and-ne",
    "devices": {"cost": {"CPU": 0.1, "Neural Engine": 0.9}},
    "self_check": 61.2,
}


def test_no_parts_no_table() -> None:
    assert parts_table({}) is None


def test_openvino_has_three_columns() -> None:
    table = parts_table({"parts": {"a/unet": OPENVINO}})
    assert table == Table(("Part", "Engine", "Precision or compute units"), (("a/unet", "openvino", "bf16"),))


def test_core_ml_shows_its_processors_and_trials() -> None:
    table = parts_table({"parts": {"a/unet": CORE_ML, "b/unet": OPENVINO}})
    assert table is not None
    assert table.heads[3:] == ("Processors by estimated cost", "Trials")
    assert table.rows[0][2:] == ("cpu-and-ne", "Neural Engine 90 %, CPU 10 %", "agrees with CPU only to 61.2 dB")
    assert table.rows[1][2:] == ("bf16", "–", "–")
