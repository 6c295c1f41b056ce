"""MIL's upsampling of the last two axes. Follows MIL's iOS15 definitions.

Leaves out bilinear resizing and crops, which no part of a Stable Diffusion model has.
"""

from __future__ import annotations

import numpy as np
import openvino.opset13 as op
from openvino import Node

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.context import Context, rank
from bksdm_demo.translate.translator import translates


@translates("upsample_nearest_neighbor")
def upsample_nearest_neighbor(context: Context, operation: Operation) -> Node:
    """Repeats each pixel; the factors may be integers or floats."""
    x = context.value(operation, "x")
    factors = [context.number(operation, f"scale_factor_{side}", 1.0) for side in ("height", "width")]
    return op.interpolate(
        x,
        np.array(factors, np.float32),
        mode="nearest",
        shape_calculation_mode="scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=np.array([rank(x) - 2, rank(x) - 1], np.int32),
    )
