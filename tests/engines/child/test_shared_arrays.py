"""Arrays in shared memory: both sides see the same numbers, and no name is left to clean up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.engines.base import Port
from bksdm_demo.engines.child.shared_arrays import ALIGNMENT, SharedArrays, fill, new_file

INPUTS = (Port("ids", (1, 3), "int32"), Port("x", (2, 5)), Port("time", ()))
OUTPUTS = (Port("y", (7,)), Port("undeclared", ()), Port("open", (0, 4)))
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def file() -> Iterator[int]:
    made = new_file()
    yield made
    os.close(made)


def test_two_mappings_share_every_array(file: int) -> None:
    fill(file, INPUTS, OUTPUTS)
    ours, theirs = SharedArrays(file, INPUTS, OUTPUTS), SharedArrays(file, INPUTS, OUTPUTS)
    assert {name: (array.shape, array.dtype.name) for name, array in ours.inputs.items()} == {
        "ids": ((1, 3), "int32"),
        "x": ((2, 5), "float32"),
        "time": ((), "float32"),
    }
    arrays = [*ours.inputs.values(), *ours.outputs.values()]
    for number, array in enumerate(arrays, start=1):
        assert not array.any()
        assert array.ctypes.data % ALIGNMENT == 0
        array[...] = number
    copies = [*theirs.inputs.values(), *theirs.outputs.values()]
    assert [set(copy.ravel().tolist()) for copy in copies] == [{1}, {2}, {3}, {4}]  # no two overlap


def test_outputs_of_open_shape_have_no_place(file: int) -> None:
    fill(file, INPUTS, OUTPUTS)
    assert list(SharedArrays(file, INPUTS, OUTPUTS).outputs) == ["y"]


def test_a_part_without_arrays_can_be_mapped(file: int) -> None:
    fill(file, (), ())
    assert SharedArrays(file, (), ()).inputs == {}


def test_the_memory_has_no_name(file: int) -> None:
    before = set(SHARED_MEMORY.iterdir()) if SHARED_MEMORY.is_dir() else set()
    fill(file, (Port("x", (1000,)),), ())
    SharedArrays(file, (Port("x", (1000,)),), ()).inputs["x"][:] = 1
    assert os.fstat(file).st_nlink == 0
    assert not {path for path in SHARED_MEMORY.glob("*part-arrays*")} - before


def test_a_full_disk_is_an_error_now_and_not_a_crash_later(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        fill(file, INPUTS, OUTPUTS)


def test_systems_without_anonymous_memory_use_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    file = new_file()
    try:
        fill(file, INPUTS, ())
        SharedArrays(file, INPUTS, ()).inputs["x"][:] = 3
        np.testing.assert_array_equal(SharedArrays(file, INPUTS, ()).inputs["x"], np.full((2, 5), 3))
        assert os.fstat(file).st_nlink == 0
    finally:
        os.close(file)
