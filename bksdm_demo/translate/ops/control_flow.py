"""MIL's element-wise choice. Leaves out cond, while_loop and lists: the readers refuse their nested blocks."""

from __future__ import annotations

import openvino.opset13 as op
from openvino import Node

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context
from bksdm_demo.translate.translator import translates


@translates("select")
def select(context: Context, operation: Operation) -> Node:
    """cond ? a : b, with broadcasting."""
    return op.select(*(context.value(operation, key) for key in ("cond", "a", "b")))
