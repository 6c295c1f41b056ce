"""MIL's normalisation ops. Follows MIL's iOS15-iOS17 definitions; statistics of batch_norm are constants.

Leaves out l2_norm and local_response_norm, which no diffusion model has.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from numpy.typing import NDArray
from openvino import Node, Output

from bksdm_demo.errors import UnsupportedModelError
from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.added_ops import GROUP_NORM
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates


@translates("batch_norm")
def batch_norm(context: Context, operation: Operation) -> Node:
    """Applies one scale and one shift per channel (axis 1), folded from all its constants.

    The converter writes GroupNorm's weight and bias as a batch_norm with mean 0 and variance 1.
    """
    x = context.value(operation, "x")
    mean, variance = context.floats(operation, "mean"), context.floats(operation, "variance")
    if mean is None or variance is None:
        raise UnsupportedModelError(f"batch_norm {operation.name}: mean and variance must be given.")
    scale = 1 / np.sqrt(variance + np.float32(context.number(operation, "epsilon", 1e-5)))
    gamma, beta = context.floats(operation, "gamma"), context.floats(operation, "beta")
    if gamma is not None:
        scale = scale * gamma
    shift = (0 if beta is None else beta) - mean * scale
    shape = (1, -1) + (1,) * (rank(x) - 2)
    return op.add(op.multiply(x, scale.reshape(shape)), shift.astype(np.float32).reshape(shape))


@translates("layer_norm")
def layer_norm(context: Context, operation: Operation) -> Node:
    """Over any axes (Apple's U-Nets normalise axis 1); biased variance, epsilon inside the root."""
    x = context.value(operation, "x")
    axes = context.axes(operation, "axes", rank(x), range(rank(x)))
    if axes != sorted(axes):
        raise UnsupportedModelError(
            f"layer_norm {operation.name}: the axes {axes} are not in ascending order, which is not supported."
        )
    return _affine(context, operation, _normalised(context, operation, x, axes), axes, rank(x))


@translates("instance_norm")
def instance_norm(context: Context, operation: Operation) -> Node:
    """Over the spatial axes of each channel; gamma and beta per channel."""
    x = context.value(operation, "x")
    return _affine(context, operation, _normalised(context, operation, x, list(range(2, rank(x)))), [1], rank(x))


@translates(GROUP_NORM)
def group_norm(context: Context, operation: Operation) -> Node:
    """Averages over the pixels of each channel first, then over the channels of each group.

    That way only small tensors are reshaped, and the picture keeps the layout of the convolutions around it.
    """
    x, groups = context.value(operation, "x"), context.integer(operation, "groups")
    centred = op.subtract(x, _group_mean(x, groups))
    variance = _group_mean(op.multiply(centred, centred).output(0), groups)
    root = op.sqrt(op.add(variance, np.float32(context.number(operation, "epsilon"))))
    return op.multiply(centred, op.divide(np.float32(1), root))


def _group_mean(x: Output, groups: int) -> Node:
    """[B, C, H, W] -> [B, C, 1, 1], equal within a group."""
    batch, channels = list(x.get_shape())[:2]
    means = op.reduce_mean(x, np.array([2, 3], np.int32), True)
    split = np.array([batch, groups, channels // groups], np.int32)
    joined = op.reduce_mean(op.reshape(means, split, False), np.array([2], np.int32), True)
    return op.reshape(op.broadcast(joined, split), np.array([batch, channels, 1, 1], np.int32), False)


def _normalised(context: Context, operation: Operation, x: Output, axes: list[int]) -> Node:
    return op.mvn(x, np.array(axes, np.int32), True, context.number(operation, "epsilon", 1e-5), "inside_sqrt")


def _affine(context: Context, operation: Operation, normal: Node, axes: list[int], dims: int) -> Node:
    """Applies gamma and beta, which have the shape of x over `axes`."""
    for key, apply in (("gamma", op.multiply), ("beta", op.add)):
        array = context.floats(operation, key)
        if array is not None:
            normal = apply(normal, _spread(array, axes, dims))
    return normal


def _spread(array: NDArray, axes: list[int], dims: int) -> NDArray:
    sizes = iter(array.shape)
    return array.reshape([next(sizes) if axis in axes else 1 for axis in range(dims)])
