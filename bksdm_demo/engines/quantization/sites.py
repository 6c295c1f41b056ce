"""Finds the sites of a model that compute in int8: convolutions and matrix products with constant weights.

Looks only at kinds of operations, so it works for any layout that the translation chooses. These keep the precision of
the model:

- sites with fewer than FEWEST_CHANNELS inputs or outputs: nothing corrects errors of the first and last convolution;
- sites with less than LEAST_SHARE of the multiplications, where rounding costs more than it gains: the time embedding,
  the keys and values of the text;
- convolutions that read or replace the residual stream itself, to halve its size or to fit its width to a block: they
  are few, and each did more harm than any other;
- attention itself, norms and sums.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Node, Output

FEWEST_CHANNELS = 16
LEAST_SHARE = 0.0015  # of all multiplications in the model


@dataclass(frozen=True)
class Site:
    """One convolution or matrix product; `weight` is its constant [O, C, ...], or [C, O] where `transposed`."""

    node: Node
    weight: Node
    transposed: bool = False

    @property
    def source(self) -> Output:
        return self.node.input_value(0)

    @property
    def is_convolution(self) -> bool:
        return self.node.get_type_name() == "Convolution"

    @property
    def axis(self) -> int:
        """The input's axis of channels."""
        return 1 if self.is_convolution else len(self.source.get_shape()) - 1

    @property
    def channels(self) -> int:
        return int(self.source.get_shape()[self.axis])

    @property
    def narrowest(self) -> int:
        """The number of channels that it reads or yields, whichever is smaller."""
        return min(self.weight.get_output_shape(0)[:2])

    @property
    def pointwise(self) -> bool:
        """Whether every output position sees one input position and no padding."""
        return not self.is_convolution or prod(self.weight.get_output_shape(0)[2:]) == 1

    @property
    def by_channel(self) -> bool:
        """Whether each channel may have its own range.

        OpenVINO 2026.4 fuses a FakeQuantize of tokens [B, S, C] into an MVN before it, and takes S for the channels.
        """
        return self.is_convolution or self.source.get_node().get_type_name() != "MVN"

    @property
    def multiplications(self) -> int:
        positions = list(self.node.get_output_shape(0))
        del positions[1 if self.is_convolution else -1]
        return prod(positions) * prod(self.weight.get_output_shape(0))

    def weights(self) -> NDArray[np.float32]:
        """float32 [O, C, ...], a copy."""
        values = np.array(self.weight.data, dtype=np.float32)
        return np.ascontiguousarray(values.T) if self.transposed else values


Group = tuple[Site, ...]  # sites that read the same value, and so share its rounding


def find_groups(model: Model) -> list[Group]:
    """The sites to round, grouped by the value they read, in the model's order."""
    sites = [site for node in model.get_ordered_ops() if (site := _site(node)) is not None]
    total = sum(site.multiplications for site in sites)
    groups: dict[tuple[str, int], list[Site]] = {}
    for site in sites:
        if (
            site.multiplications >= LEAST_SHARE * total
            and site.narrowest >= FEWEST_CHANNELS
            and not _on_residual_stream(site)
        ):
            source = site.source
            groups.setdefault((source.get_node().get_name(), source.get_index()), []).append(site)
    return [tuple(group) for group in groups.values()]


def fingerprint(groups: list[Group]) -> str:
    """A digest of the kinds and shapes of all sites; a table fits every model with the same fingerprint.

    The leading dimension does not count, so the table of a part also fits its form for one half.
    """
    facts = [
        [
            (site.is_convolution, list(site.source.get_shape())[1:], list(site.weight.get_output_shape(0)))
            for site in group
        ]
        for group in groups
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _site(node: Node) -> Site | None:
    kind = node.get_type_name()
    if kind not in ("Convolution", "MatMul"):
        return None
    weight = _constant(node.input_value(1))
    if weight is None:
        return None
    if kind == "Convolution":
        return Site(node, weight)
    attributes = node.get_attributes()
    if attributes["transpose_a"] or len(weight.get_output_shape(0)) != 2:
        return None
    return Site(node, weight, transposed=not attributes["transpose_b"])


def _constant(output: Output) -> Node | None:
    """The constant behind a value, directly or through a conversion of its type; else None."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _on_residual_stream(site: Site) -> bool:
    """Whether this convolution halves the residual stream, or changes its width on the path around a block."""
    if not site.is_convolution:
        return False
    halves = any(stride != 1 for stride in site.node.get_attributes()["strides"])
    outputs, inputs = site.weight.get_output_shape(0)[:2]
    around = site.pointwise and outputs != inputs and site.source.get_node().get_type_name() in ("Concat", "Add")
    return halves or around
