"""Shares of devices, from plans that a stand-in makes. test_unit_fallback.py asks for plans in a process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bksdm_demo.engines.coreml_plan import device_shares
from tests.engines.rigged_coreml import RiggedTools, Units


def test_shares_count_nested_operations_and_leave_constants_out(tmp_path: Path) -> None:
    shares = device_shares("any.mlmodelc", Units.CPU_AND_GPU, RiggedTools(tmp_path / "any.mlpackage"))
    assert shares["operations"] == {"CPU": 0.25, "GPU": 0.75}  # softmax; conv, cond and the gelu in it
    assert shares["cost"] == pytest.approx({"CPU": 0.1, "GPU": 0.9})


def test_a_model_without_a_program_has_no_shares() -> None:
    plan = SimpleNamespace(model_structure=SimpleNamespace(program=None))
    loader = SimpleNamespace(load_from_path=lambda path, compute_units: plan)
    tools = SimpleNamespace(models=SimpleNamespace(compute_plan=SimpleNamespace(MLComputePlan=loader)))
    assert device_shares("any.mlmodelc", Units.ALL, tools) == {}
