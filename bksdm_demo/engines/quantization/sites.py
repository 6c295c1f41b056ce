"""Where a model can compute in int8: convolutions and matrix products with constant weights that are worth it.

Goes by kind of operation only, so any layout that the translation chooses will do. Left in the model's own precision:

- what reads or makes FEW channels: the first and the last convolution, whose error nothing makes up for;
- what computes less than WORTH of the whole, where rounding is all cost and no gain: the time embedding, the keys and
  values of the text;
- convolutions that read or replace the residual stream itself: halving its size, and fitting its width to a block
  (the sum of such a convolution and a longer path). They are few, and did more harm each than any others;
- attention itself, norms and every sum.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Node, Output

FEW = 16  # channels
WORTH = 0.0015  # of the multiplications in the model


@dataclass(frozen=True)
class Site:
    """One convolution or matrix product; `weight` is its constant [O, C, ...], or [C, O] where `turned`."""

    node: Node
    weight: Node
    turned: bool = False

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
        """The channels that it reads or that it makes, whichever are fewer."""
        return min(self.weight.get_output_shape(0)[:2])

    @property
    def pointwise(self) -> bool:
        """Whether every output position sees one input position and no padding."""
        return not self.is_convolution or prod(self.weight.get_output_shape(0)[2:]) == 1

    @property
    def by_channel(self) -> bool:
        """Whether the rounding may differ from channel to channel.

        OpenVINO 2026.4 fuses a rounding of tokens [B, S, C] into an MVN just before it and takes S for the channels.
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
        return np.ascontiguousarray(values.T) if self.turned else values


Group = tuple[Site, ...]  # the sites that read the same value, and so share its rounding


def find_groups(model: Model) -> list[Group]:
    """The sites worth it, by what they read, in the model's order."""
    sites = [site for node in model.get_ordered_ops() if (site := _site(node)) is not None]
    total = sum(site.multiplications for site in sites)
    groups: dict[tuple[str, int], list[Site]] = {}
    for site in sites:
        if site.multiplications >= WORTH * total and site.narrowest >= FEW and not _carries_the_stream(site):
            source = site.source
            groups.setdefault((source.get_node().get_name(), source.get_index()), []).append(site)
    return [tuple(group) for group in groups.values()]


def fingerprint(groups: list[Group]) -> str:
    """A digest of which sites there are, by kind and shapes: two models of one fingerprint take each other's ranges."""
    facts = [
        [(site.is_convolution, list(site.source.get_shape()), list(site.weight.get_output_shape(0))) for site in group]
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
    return Site(node, weight, turned=not attributes["transpose_b"])


def _constant(output: Output) -> Node | None:
    """The constant behind a value, through a conversion of its type."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _carries_the_stream(site: Site) -> bool:
    """Whether a convolution halves the residual stream or changes its width on the way around a block."""
    if not site.is_convolution:
        return False
    halves = any(stride != 1 for stride in site.node.get_attributes()["strides"])
    outputs, inputs = site.weight.get_output_shape(0)[:2]
    around = site.pointwise and outputs != inputs and site.source.get_node().get_type_name() in ("Concat", "Add")
    return halves or around
