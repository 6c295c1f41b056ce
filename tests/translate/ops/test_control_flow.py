"""Element-wise choice against numpy."""

from __future__ import annotations

import numpy as np

from tests.translate.programs import Const, check_op

COND = np.array([[True, False, True], [False, False, True]])
A = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_select() -> None:
    check_op("select", np.where(COND, A, -A), cond=COND, a=A, b=-A)


def test_select_broadcasts() -> None:
    check_op("select", np.where(COND, A, 0), cond=COND, a=A, b=Const(np.float16(0)))
    check_op("select", np.where(COND[:1], A, -A), cond=COND[:1], a=A, b=-A)


def test_select_guards_negative_indices() -> None:
    """How coremltools 9 writes gather for iOS 17."""
    indices = np.array([-1, 0, 2], np.int32)
    check_op("select", np.where(indices >= 0, indices, indices + 3), cond=indices >= 0, a=indices, b=indices + 3)
