"""A small network with the shapes of a U-Net: convolutions, a matrix product by token, and what must stay in floats."""

from __future__ import annotations

import numpy as np
import openvino as ov
import openvino.opset13 as op
from numpy.typing import NDArray

CHANNELS, SIDE = 32, 16


def weights(seed: int, *shape: int) -> ov.Node:
    """A float16 constant, converted: as the translation makes them."""
    values = np.random.default_rng(seed).standard_t(6, size=shape) / np.sqrt(np.prod(shape[1:]))
    return op.convert(op.constant(values.astype(np.float16)), "f32")


def named(node: ov.Node, name: str) -> ov.Node:
    node.set_friendly_name(name)
    return node


def convolution(value: ov.Node, seed: int, outputs: int, inputs: int, size: int, name: str, stride: int = 1) -> ov.Node:
    pads = [size // 2] * 2
    made = op.convolution(value, weights(seed, outputs, inputs, size, size), [stride] * 2, pads, pads, [1, 1])
    return named(made, name)


def network() -> ov.Model:
    """[1, 4, 16, 16] -> [1, 4, 16, 16]: first, a 3x3 and a 1x1 convolution, two products of one input, last."""
    sample = named(op.parameter([1, 4, SIDE, SIDE], ov.Type.f32), "sample")
    stream = convolution(sample, 1, CHANNELS, 4, 3, "first")
    body = convolution(op.swish(stream), 2, CHANNELS, CHANNELS, 3, "body")
    joined = op.concat([stream, op.add(body, stream)], 1)
    around = convolution(joined, 3, CHANNELS, 2 * CHANNELS, 1, "around")
    tokens = op.transpose(op.reshape(around, [1, CHANNELS, SIDE * SIDE], False), [0, 2, 1])  # [1, S, C]
    normed = op.mvn(tokens, [2], True, 1e-5, "inside_sqrt")
    left = named(op.matmul(normed, weights(4, 2 * CHANNELS, CHANNELS), False, True), "left")
    right = named(op.matmul(normed, weights(5, CHANNELS, 2 * CHANNELS), False, False), "right")
    back = named(
        op.matmul(op.multiply(left, op.gelu(right, "ERF")), weights(6, CHANNELS, 2 * CHANNELS), False, True), "back"
    )
    grid = op.reshape(op.transpose(back, [0, 2, 1]), [1, CHANNELS, SIDE, SIDE], False)
    mixed = convolution(grid, 7, CHANNELS, CHANNELS, 1, "mixed")
    halved = convolution(mixed, 8, CHANNELS, CHANNELS, 3, "halved", stride=2)
    doubled = op.concat([op.concat([halved, halved], 2)] * 2, 3)
    last = convolution(op.swish(op.add(doubled, around)), 9, 4, CHANNELS, 3, "last")
    return ov.Model([named(op.result(last), "noise")], [sample], "small")


def inputs(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((1, 4, SIDE, SIDE), dtype=np.float32)


def run(model: ov.Model, array: NDArray[np.float32], precision: str = "f32") -> dict[str, NDArray[np.float32]]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    names = [result.get_friendly_name() for result in model.get_results()]
    return dict(zip(names, compiled([array]).values(), strict=True))
