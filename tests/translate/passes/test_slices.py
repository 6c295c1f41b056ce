"""A chain of slices as one block of the tensor it was cut from, checked by slicing an array of positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bksdm_demo.translate.passes.rewrite import Index
from bksdm_demo.translate.passes.slices import Slice, slice_of
from tests.translate.programs import Builder

X = np.arange(6 * 8).reshape(6, 8)


def cut(block: Slice) -> np.ndarray:
    return X[tuple(slice(*range_) for range_ in block.ranges)]


@pytest.mark.parametrize(
    ("named", "selection"),
    [
        ({"begin": [1, 2], "end": [4, 8]}, np.s_[1:4, 2:8]),
        ({"begin": [-3, 0], "end": [6, -2]}, np.s_[-3:, :-2]),
        ({"begin": [9, 2], "end": [9, 9], "begin_mask": [True, False], "end_mask": [True, True]}, np.s_[:, 2:]),
        ({"begin": [0, 3], "end": [99, 99]}, np.s_[:, 3:]),
    ],
)
def test_slices_of_slices(named: dict[str, Any], selection: Any) -> None:
    b = Builder()
    x = b.input("x", X.shape)
    once = b.op("slice_by_index", X[selection].shape, x=x, **named)
    twice = b.op("slice_by_index", X[selection][1:].shape, x=once, begin=[1, 0], end=[9, 9])
    index = Index(b.program(twice))
    for ref, expected in ((once, X[selection]), (twice, X[selection][1:])):
        found = slice_of(index, ref.name)
        assert found is not None
        assert found.root == "x"
        np.testing.assert_array_equal(cut(found), expected)


def test_parts_of_a_split() -> None:
    b = Builder()
    refs = b.ops("split", [(6, 1), (6, 5), (6, 2)], x=b.input("x", X.shape), split_sizes=[1, 5, 2], axis=-1)
    index = Index(b.program(*refs))
    starts = (0, 1, 6, 8)
    for place, ref in enumerate(refs):
        found = slice_of(index, ref.name)
        assert found is not None
        np.testing.assert_array_equal(cut(found), X[:, starts[place] : starts[place + 1]])


@pytest.mark.parametrize("named", [{"stride": [1, 2]}, {"squeeze_mask": [True, False]}])
def test_a_cut_that_is_no_block_is_a_root_of_its_own(named: dict[str, Any]) -> None:
    b = Builder()
    shape = (6, 4) if "stride" in named else (8,)
    ref = b.op("slice_by_index", shape, x=b.input("x", X.shape), begin=[0, 0], end=[6, 8], **named)
    found = slice_of(Index(b.program(ref)), ref.name)
    assert found is not None
    assert found.root == ref.name


def test_an_open_shape_has_no_slice() -> None:
    b = Builder()
    ref = b.op("non_zero", (None, 2), "int32", x=b.input("x", X.shape))
    assert slice_of(Index(b.program(ref)), ref.name) is None


def test_whole_looks_at_the_named_axes() -> None:
    b = Builder()
    ref = b.op("slice_by_index", (6, 4), x=b.input("x", X.shape), begin=[0, 0], end=[6, 4])
    index = Index(b.program(ref))
    found = slice_of(index, ref.name)
    assert found is not None
    assert found.whole(index, 0)
    assert not found.whole(index, 0, 1)
