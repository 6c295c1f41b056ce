"""Programs that once killed the process or read foreign memory; each runs in a process of its own.

OpenVINO's shapes do not check bounds, its kernels do not check indices, and some divisions raise a signal.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

START = """
import numpy as np
from bksdm_demo.errors import PackageError
from tests.translate.programs import Const, check_op
x, far = np.ones((1, 4, 1, 8), np.float32), 10**9
least = np.iinfo(np.int32).min
def refused(kind, expected, **inputs):
    try:
        check_op(kind, expected, **inputs)
    except PackageError as error:
        print(error)
"""
CASES = {
    "a scalar for a shape": ("refused('reshape', x, x=x, shape=32)", "the shape must be a list"),
    "a split along a far axis": ("refused('split', [x], x=x, axis=90_000_000, num_splits=1)", "axis 90000000 of 4"),
    "a gathering along a far axis": (
        "refused('gather_along_axis', x, x=x, indices=Const(x.astype('i4') * 0), axis=90_000_000)",
        "axis 90000000 of 4",
    ),
    "a gathering from afar": (
        "refused('gather_nd', x[0, 0, 0, :1], x=x, indices=Const(np.array([[0, 0, 0, far]], 'i4')))",
        "outside the tensor",
    ),
    "a gathering from afar along an axis": (
        "refused('gather_along_axis', x, x=x, indices=Const(np.full(x.shape, far, 'i4')), axis=3)",
        "outside the tensor",
    ),
    "a scattering to afar": (
        "refused('scatter_nd', x, data=x, indices=Const(np.array([[0, 0, 0, -far]], 'i4')), updates=x[0, 0, 0, :1])",
        "outside the tensor",
    ),
    "the least integer by -1": (
        "check_op('floor_div', np.array(least, 'i4'), x=Const(np.array(least, 'i4')), y=Const(np.array(-1, 'i4')))",
        "",
    ),
}


@pytest.mark.parametrize(("code", "said"), CASES.values(), ids=CASES)
def test_survives(code: str, said: str) -> None:
    command = [sys.executable, "-c", START + code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
    assert bool(said) == bool(result.stdout)
