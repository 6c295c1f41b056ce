"""Moving and selecting by position, against numpy: negative axes, masks, and junk where a mask frees a bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError, UnsupportedModelError
from tests.translate.programs import Builder, Const, check_op, run_program

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("shape", [(6, 20), (-1, 20), (0, 0, -1, 1), (0, 3, 20, 1), (120,), (2, 3, 2, 2, 5)])
def test_reshape(shape: tuple[int, ...]) -> None:
    expected = X.reshape([X.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])
    check_op("reshape", expected, x=X, shape=list(shape))


def test_reshape_to_a_scalar_s_single_element() -> None:
    check_op("reshape", np.ones(1, np.float32), x=np.ones((1, 1), np.float32), shape=[1])


@pytest.mark.parametrize("shape", [[[120]], [[6, 20]]])
def test_a_shape_that_is_no_list_is_refused(shape: list[list[int]]) -> None:
    with pytest.raises(PackageError, match=r"reshape op_0: the shape must be a list, not have 2 dimensions"):
        check_op("reshape", X.reshape(-1), x=X, shape=shape)


def test_reshape_by_a_computed_shape() -> None:
    builder = Builder()
    x = builder.input("x", (2, 6))
    shape = builder.op("shape", (2,), "int32", x=x)
    total = builder.op("reduce_prod", (1,), "int32", x=shape, axes=[0], keep_dims=True)
    made = run_program(
        builder.program(builder.op("reshape", (12,), x=x, shape=total)), {"x": X.reshape(-1)[:12].reshape(2, 6)}
    )
    np.testing.assert_array_equal(next(iter(made.values())), X.reshape(-1)[:12])


@pytest.mark.parametrize("perm", [(0, 2, 1, 3), (0, 3, 2, 1), (0, 2, -1, -3), (-4, -1, -2, 1), (3, 2, 1, 0)])
def test_transpose(perm: tuple[int, ...]) -> None:
    check_op("transpose", X.transpose([axis % 4 for axis in perm]), x=X, perm=list(perm))


def test_transpose_of_three_axes_with_negative_ones() -> None:
    check_op("transpose", X[0].transpose(0, 2, 1), x=X[0], perm=[0, -1, -2])


@pytest.mark.parametrize("axes", [(0,), (1,), (-1,), (2, 3), (-1, -2), (0, -1)])
def test_expand_dims(axes: tuple[int, ...]) -> None:
    check_op("expand_dims", np.expand_dims(X[0, 0], axes), x=X[0, 0], axes=list(axes))


@pytest.mark.parametrize("axes", [None, (0,), (-1,), (0, 2), (-3,)])
def test_squeeze(axes: tuple[int, ...] | None) -> None:
    x = X[0, :1].reshape(1, 20, 1)
    check_op("squeeze", x.squeeze() if axes is None else x.squeeze(axes), x=x, **({"axes": list(axes)} if axes else {}))


SLICES = [
    # begin, end, stride, begin mask, end mask, squeeze mask, numpy
    ((0, 1, 0, 0), (2, 3, 4, 5), None, None, None, None, np.s_[:, 1:3]),
    ((0, 0, -2, 0), (2, 3, 4, -1), None, None, None, None, np.s_[:, :, -2:, :-1]),
    ((0, 0, 1, 4), (2, 3, 4, 0), (1, 1, 2, -2), None, (0, 0, 0, 1), None, np.s_[:, :, 1::2, 4::-2]),
    ((9, 9, 9, 2), (9, 9, 9, 9), None, (1, 1, 1, 0), (1, 1, 1, 1), None, np.s_[:, :, :, 2:]),  # junk under masks
    ((0, 1, 0, 0), (2, 40, 1, 1), None, None, (1, 1, 1, 1), None, np.s_[:, 1:]),  # how coremltools 9 ends a chunk
    ((0, 0, 0, 0), (0, 3, 4, 5), None, None, None, (1, 0, 0, 0), np.s_[0]),  # end is ignored where squeezed
    ((1, -1, 0, 0), (0, 0, 0, 0), None, (0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 0, 0), np.s_[1, -1]),
    ((1, 2, 3, 4), (1, 2, 3, 4), None, None, None, (1, 1, 1, 1), np.s_[1, 2, 3, 4]),
    ((1, 2, 0, 0), (0, 0, 0, 0), (3, -1, 1, 1), None, (0, 0, 1, 1), (1, 1, 0, 0), np.s_[1, 2]),  # and the stride
    ((1, 0, 0, 0), (0, 0, 0, 0), None, (1, 1, 1, 1), (1, 1, 1, 1), (1, 0, 0, 0), np.s_[0]),  # freed and squeezed
    ((0, 0, 0, 0), (99, 99, 99, 99), None, None, None, None, np.s_[:]),
]


@pytest.mark.parametrize("case", SLICES, ids=[str(case[-1]) for case in SLICES])
def test_slice_by_index(case: tuple[Any, ...]) -> None:
    *given, selection = case
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    named = {
        key: Const(np.array(value, bool)) if "mask" in key else list(value)
        for key, value in zip(names, given, strict=True)
        if value is not None
    }
    check_op("slice_by_index", np.asarray(X[selection]), x=X, **named)


@pytest.mark.parametrize("place", [0, 2, -1])
def test_slice_by_a_computed_index(place: int) -> None:
    builder = Builder()
    x, begin = builder.input("x", (4, 5)), builder.input("begin", (2,), "int32")
    row = builder.op(
        "slice_by_index", (5,), x=x, begin=begin, end=[0, 0], end_mask=[False, True], squeeze_mask=[True, False]
    )
    made = run_program(builder.program(row), {"x": X[0, 0], "begin": np.array([place, 0], np.int32)})
    np.testing.assert_array_equal(made[row.name], X[0, 0][place])


@pytest.mark.parametrize(
    ("begin", "size", "selection"),
    [((0, 1, 2, 0), (2, 2, 2, 5), np.s_[:, 1:3, 2:]), ((1, 0, 1, 3), (-1, -1, 2, -1), np.s_[1:, :, 1:3, 3:])],
)
def test_slice_by_size(begin: tuple[int, ...], size: tuple[int, ...], selection: Any) -> None:
    check_op("slice_by_size", X[selection], x=X, begin=list(begin), size=list(size))
    check_op("slice_by_size", X[selection], x=X, begin=np.array(begin, np.int32), size=list(size))


def test_slice_by_a_negative_size_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="-2"):
        check_op("slice_by_size", X, x=X, begin=[0] * 4, size=[1, 1, 1, -2])


def test_a_computed_permutation_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="perm must be a constant"):
        check_op("transpose", X[0, 0].T, x=X[0, 0], perm=np.array([1, 0], np.int32))


@pytest.mark.parametrize("block", [2, 3])
def test_channels_spread_out(block: int) -> None:
    """Two orders of channels: depth_to_space counts the places in a block first, pixel_shuffle the channels."""
    small = np.random.default_rng(0).normal(size=(2, 5 * block * block, 3, 4)).astype(np.float32)
    expected = np.zeros((2, 5, 3 * block, 4 * block), np.float32)
    shuffled = expected.copy()
    for i in range(block):
        for j in range(block):
            place = i * block + j
            expected[:, :, i::block, j::block] = small[:, place * 5 : (place + 1) * 5]
            shuffled[:, :, i::block, j::block] = small[:, place :: block * block]
    check_op("depth_to_space", expected, x=small, block_size=block)
    check_op("pixel_shuffle", shuffled, x=small, upscale_factor=block)
