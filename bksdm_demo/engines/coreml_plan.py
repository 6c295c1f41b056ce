"""Where Core ML means to run a part: the share of operations and of the estimated cost on each processor.

Core ML's plan is an expectation made before anything runs. Constants have no device and do not count. Needs a compiled
model: asked about an .mlpackage, Core ML ends the process. The caller passes coremltools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DEVICES = {
    "MLCPUComputeDevice": "CPU",
    "MLGPUComputeDevice": "GPU",
    "MLNeuralEngineComputeDevice": "Neural Engine",
}
OPERATIONS, COST = "operations", "cost"

Shares = Mapping[str, Mapping[str, float]]  # OPERATIONS and COST -> device -> share in [0, 1]


def device_shares(compiled: str, units: Any, tools: Any) -> dict[str, dict[str, float]]:
    """The shares of the compiled model at this path on these units (a coremltools.ComputeUnit).

    {} for a model that is no ML Program and where the plan names no device. Raises what coremltools raises.
    """
    plan = tools.models.compute_plan.MLComputePlan.load_from_path(compiled, compute_units=units)
    program = plan.model_structure.program
    counts: dict[str, float] = {}
    costs: dict[str, float] = {}
    for operation in _operations(program):
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is None:
            continue
        kind = type(usage.preferred_compute_device).__name__
        device = DEVICES.get(kind, kind)
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        counts[device] = counts.get(device, 0.0) + 1
        costs[device] = costs.get(device, 0.0) + (0.0 if cost is None else cost.weight)
    shares = {OPERATIONS: _shares(counts), COST: _shares(costs)}
    return {name: share for name, share in shares.items() if share}


def _operations(program: Any) -> Iterator[Any]:
    """All operations of the main function, or of the only one, with those of nested blocks."""
    if program is None:
        return
    functions = program.functions
    blocks = [functions["main"].block] if "main" in functions else [one.block for one in functions.values()]
    while blocks:
        for operation in blocks.pop().operations:
            yield operation
            blocks += operation.blocks


def _shares(amounts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(amounts.values())
    return {device: amounts[device] / whole for device in sorted(amounts)} if whole > 0 else {}
