"""Inserts rounded values and int8 weights at every site of a model, so that OpenVINO computes it in integers.

Values get a FakeQuantize and weights become Constant(i8) * scale: the forms that OpenVINO's low precision
transformations look for. A FakeQuantize may have one input range per channel and one output range for the tensor, so
equalising the channels costs no operation.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Model, Node

from bksdm_demo.engines.quantization.scales import LEVELS, Rounding, round_weights
from bksdm_demo.engines.quantization.sites import Site, find_groups, fingerprint
from bksdm_demo.engines.quantization.table import QuantizationTable
from bksdm_demo.errors import EngineError


def quantize(model: Model, table: QuantizationTable) -> None:
    """Change `model` in place. Raises EngineError for the table of another model."""
    groups = find_groups(model)
    if fingerprint(groups) != table.fingerprint:
        raise EngineError("The quantization table for int8 belongs to another model; calibrate this one.")
    for group, rounding in zip(groups, table.entries, strict=True):
        rounded = _fake_quantize(group[0], rounding)
        for site in group:
            _replace(site, rounded, rounding)
    model.validate_nodes_and_infer_types()


def _fake_quantize(site: Site, rounding: Rounding) -> Node:
    rank = len(site.source.get_shape())
    across = [1] * rank
    across[site.axis] = -1
    read = [(end * rounding.spread + rounding.centre).reshape(across) for end in (rounding.low, rounding.high)]
    written = [np.full([1] * rank, end, np.float32) for end in (rounding.low, rounding.high)]
    return op.fake_quantize(site.source, *(op.constant(end.astype(np.float32)) for end in (*read, *written)), LEVELS)


def _replace(site: Site, rounded: Node, rounding: Rounding) -> None:
    """Let the site read rounded values and weights, and add what centring subtracted."""
    readers = list(site.node.output(0).get_target_inputs())
    weights = site.weights()
    spread = rounding.spread.reshape(1, -1, *[1] * (weights.ndim - 2))
    whole, scales = round_weights(weights * spread, rounding.power)
    quantized = op.multiply(op.convert(op.constant(whole), "f32"), op.constant(_columns(scales, weights.ndim)))
    if site.is_convolution:
        made: Node = site.node
        made.input(0).replace_source_output(rounded.output(0))
        made.input(1).replace_source_output(quantized.output(0))
    else:
        made = op.matmul(rounded, quantized, False, True)
        made.set_friendly_name(site.node.get_friendly_name())
    if rounding.centre.any():
        shape = [1] * len(site.node.get_output_shape(0))
        shape[1 if site.is_convolution else -1] = -1
        owed = weights.reshape(len(weights), -1) @ rounding.centre  # pointwise, so [O, C]
        made = op.add(made, op.constant(owed.reshape(shape)))
    if made is not site.node:
        for reader in readers:
            reader.replace_source_output(made.output(0))


def _columns(scales: NDArray[np.float32], rank: int) -> NDArray[np.float32]:
    return scales.reshape(-1, *[1] * (rank - 1))
